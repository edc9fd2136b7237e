"""Seeds, their streams, and the seeded scope."""

import numpy as np
import pytest
import torch

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderTransformer
from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._seeding import Stream, make_generator, seeded_for, threads_for
from sklearn_ae.architectures import TorchModule

CPU = torch.device("cpu")


@pytest.mark.parametrize("stream", Stream)
def test__make_generator__same_seed__repeats_a_stream_of_its_own(stream):
    numbers = make_generator(0, stream).random(5)
    assert np.array_equal(numbers, make_generator(0, stream).random(5))
    assert not np.array_equal(numbers, np.random.default_rng(0).random(5))
    for other in set(Stream) - {stream}:
        assert not np.array_equal(numbers, make_generator(0, other).random(5))


def draw(random_state, **options):
    with seeded_for(random_state, CPU, **options):
        return torch.rand(3).tolist()


def test__seeded_for__later_epochs__draw_other_numbers():
    assert draw(0) == draw(0) != draw(0, n_epochs=1)


def test__seeded_for__seed_drawn_before__is_the_one_that_it_would_draw():
    assert draw(3) == draw(np.random.RandomState(0), seed=3)


def test__seeded_for__no_random_state__draws_anew():
    assert draw(None) != draw(None)


def test__seeded_for__seed__computes_on_one_thread():
    """The last bits of a sum depend on the number of threads."""
    with seeded_for(0, CPU):
        assert torch.get_num_threads() == 1


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test__threads_for__small_product__is_one_until_the_end_of_the_block():
    with threads_for(1000):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with threads_for(2.0**40):
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test__threads_for__error__restores_the_number():
    with pytest.raises(KeyError), threads_for(1000):
        raise KeyError
    assert torch.get_num_threads() == 2


class Halves(torch.nn.Module):
    """A model of the user's."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = torch.nn.Linear(n_features, 2)
        self.decoder = torch.nn.Linear(2, n_features)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("method", ["fit", "transform", "reconstruct", "score_samples"])
@pytest.mark.parametrize("case", ["small", "large", "own"])
def test__estimator__small_products__are_computed_on_one_thread(
    case, method, monkeypatch
):
    """Where other processes keep a core busy, threads wait long for one another."""
    found = set()
    original = Autoencoder.inputs

    def inputs(self, *args, **kwargs):
        found.add(torch.get_num_threads())
        return original(self, *args, **kwargs)

    if case == "large":
        monkeypatch.setattr("sklearn_ae._seeding.SHARED_MULTIPLICATIONS", 300 * 8 * 16)
    params = {"hidden_layer_sizes": (16,), "activation": "tanh"}
    if case == "own":
        # Nobody knows the products of the user's model.
        params = {"architecture": TorchModule(Halves)}
    X = np.random.default_rng(0).normal(size=(300, 8))
    ae = AutoencoderTransformer(2, **params, max_epochs=1, batch_size=300)
    if method != "fit":
        ae.fit(X)
    monkeypatch.setattr(Autoencoder, "inputs", inputs)
    getattr(ae, method)(X)
    assert found == {1 if case == "small" else 2}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test__classifier__small_network__predicts_on_one_thread(monkeypatch):
    found = set()
    original = Autoencoder.inputs

    def inputs(self, *args, **kwargs):
        found.add(torch.get_num_threads())
        return original(self, *args, **kwargs)

    X = np.random.default_rng(0).normal(size=(60, 4))
    ae = AutoencoderTransformer(2, max_epochs=1)
    clf = AutoencoderPretrainedClassifier(ae, max_epochs=1).fit(X, X[:, 0] > 0)
    monkeypatch.setattr(Autoencoder, "inputs", inputs)
    clf.predict_proba(X)
    assert found == {1}
