"""One seed gives one result, and no generator of the user is touched."""

import random
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise

X_WINE = load_wine().data
X_DIGITS = load_digits().data[:400]


class WithDropout(nn.Module):
    """Draws random numbers of its own in each training step."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, 16), nn.Dropout(0.2), nn.Linear(16, n_components)
        )
        self.decoder = nn.Linear(n_components, n_features)


SETTINGS = {
    "plain": {},
    "gaussian": {"noise": GaussianNoise(std=0.3)},
    "masking": {"noise": MaskingNoise(rate=0.3)},
    "swap": {"noise": SwapNoise(rate=0.3), "batch_size": 30},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "dropout": {"architecture": TorchModule(WithDropout), "n_components": 3},
    "bfloat16": {"precision": "bfloat16"},
    "random start": {"activation": "tanh", "lr_schedule": "plateau"},
    "quantile": {"scaling": "quantile", "optimizer": "rmsprop"},
}


def make(**params):
    return AutoencoderTransformer(**{"max_epochs": 3, "random_state": 0, **params})


def weights(ae):
    """Return all weights as one array."""
    state = ae.module_.state_dict().values()
    return np.concatenate([tensor.numpy().ravel() for tensor in state])


def fit_weights(ae, X):
    """Return the weights after a fit; runs in joblib's workers."""
    return weights(clone(ae).fit(X))


def global_states():
    """Return the states of the three global generators, and torch's threads."""
    numpy_state = np.random.get_state()
    return (
        torch.get_rng_state().numpy().tobytes(),
        numpy_state[1].tobytes(),
        numpy_state[2:],
        random.getstate(),
        torch.get_num_threads(),
        torch.initial_seed(),
    )


@pytest.fixture
def scrambled():
    """Put the global generators where no seed of a fit would put them."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.manual_seed(987)
    np.random.seed(654)
    random.seed(321)
    np.random.standard_normal()  # leaves half of a pair behind, part of the state
    yield
    torch.set_rng_state(before[0])
    np.random.set_state(before[1])
    random.setstate(before[2])


@pytest.mark.parametrize("name", SETTINGS)
def test__fit__same_seed__gives_the_same_weights(name):
    first, second = (make(**SETTINGS[name]).fit(X_WINE) for _ in range(2))
    assert_array_equal(weights(first), weights(second))
    assert first.loss_curve_ == second.loss_curve_
    assert first.validation_loss_curve_ == second.validation_loss_curve_


@pytest.mark.parametrize("name", SETTINGS)
def test__fit__other_seed__gives_other_weights(name):
    """A seed that is not used would also give equal weights."""
    other = make(**SETTINGS[name], max_epochs=1, random_state=1)
    same = make(**SETTINGS[name], max_epochs=1)
    assert (fit_weights(other, X_WINE) != fit_weights(same, X_WINE)).any()


@pytest.mark.parametrize("name", ["plain", "swap", "dropout", "early stopping"])
def test__fit__same_object_again__gives_the_same_weights(name):
    ae = make(**SETTINGS[name])
    first = weights(ae.fit(X_WINE))
    assert_array_equal(weights(ae.fit(X_WINE)), first)


def test__set_params__random_state__has_an_effect():
    """PyOD draws in the constructor, so that a later seed comes too late."""
    ae = make(max_epochs=1).fit(X_WINE)
    first = weights(ae)
    assert (weights(ae.set_params(random_state=1).fit(X_WINE)) != first).any()
    assert_array_equal(weights(ae.set_params(random_state=0).fit(X_WINE)), first)


def test__partial_fit__same_seed__gives_the_same_weights_over_a_stream():
    def stream():
        ae = make(noise=SwapNoise(rate=0.3), batch_size=32)
        for chunk in np.array_split(X_WINE, 3):
            ae.partial_fit(chunk)
        return weights(ae)

    assert_array_equal(stream(), stream())


@pytest.mark.parametrize("noise", [GaussianNoise(0.5), MaskingNoise(0.5)])
def test__partial_fit__next_call__draws_other_noise(noise):
    """Reseeding each call alike would teach the network one fixed mask."""
    seen = []

    class Spy(type(noise)):
        def __call__(self, X, blocks=None):
            noisy = super().__call__(X, blocks)
            seen.append((noisy - X).detach().clone())
            return noisy

    ae = make(noise=Spy(**noise.get_params()))
    for _ in range(3):
        ae.partial_fit(X_WINE)
    assert not torch.equal(seen[-2], seen[-1])


def test__fit__number_of_torch_threads__makes_no_difference():
    """The last bits of a sum depend on how many threads share it."""
    before, found = torch.get_num_threads(), []
    ae = make(max_epochs=1, hidden_layer_sizes=(256,))
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            found.append(fit_weights(ae, X_DIGITS))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert_array_equal(*found)


@pytest.mark.parametrize(
    "backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"]
)
def test__fit__in_joblib_workers__gives_the_same_weights(backend):
    """Threads share the global generators, processes have other thread counts."""
    tasks = [make(**SETTINGS[name]) for name in ("plain", "swap", "dropout")] * 2
    alone = [fit_weights(ae, X_WINE) for ae in tasks]
    with parallel_config(backend=backend):
        together = Parallel(n_jobs=2)(delayed(fit_weights)(ae, X_WINE) for ae in tasks)
    for one, other in zip(alone, together, strict=True):
        assert_array_equal(one, other)


@pytest.mark.usefixtures("scrambled")
@pytest.mark.parametrize("name", SETTINGS)
def test__fit__any_setting__leaves_the_global_generators_alone(name):
    before = global_states()
    make(**SETTINGS[name], max_epochs=1).fit(X_WINE)
    assert global_states() == before


@pytest.mark.usefixtures("scrambled")
@pytest.mark.parametrize("seed", [None, 0, "RandomState"])
def test__all_methods__any_random_state__leave_the_global_generators_alone(seed):
    random_state = np.random.RandomState(3) if seed == "RandomState" else seed
    before = global_states()
    ae = make(random_state=random_state, noise=SwapNoise(), early_stopping=True)
    ae = clone(ae)
    Z = ae.fit_transform(X_WINE)
    ae.partial_fit(X_WINE)
    ae.inverse_transform(Z)
    ae.reconstruct(X_WINE)
    ae.score(X_WINE)
    ae.set_params(random_state=5)
    assert global_states() == before


@pytest.mark.usefixtures("scrambled")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test__fit__fails_halfway__leaves_the_global_generators_alone(error, method):
    class Fail(Callback):
        def on_batch_end(self, net, **kwargs):
            raise error("halfway")

    before = global_states()
    ae = make(callbacks=[Fail()])
    message = "kept" if error is KeyboardInterrupt else "halfway"
    with pytest.raises(error, match=message):
        getattr(ae, method)(X_WINE)
    assert global_states() == before


@pytest.mark.usefixtures("scrambled")
def test__fit__invalid_input__leaves_the_global_generators_alone():
    before = global_states()
    with pytest.raises(ValueError, match="infinity"):
        make().fit(np.full((3, 2), np.inf))
    assert global_states() == before


def test__fit__random_state_none__differs_whatever_the_global_seed():
    """A draw from NumPy's global state would make both fits equal."""
    state, found = np.random.get_state(), []
    try:
        for _ in range(2):
            np.random.seed(0)
            found.append(fit_weights(make(random_state=None, max_epochs=1), X_WINE))
    finally:
        np.random.set_state(state)
    assert (found[0] != found[1]).any()


def test__fit__random_state_instance__advances_and_can_be_repeated():
    ae = make(max_epochs=1, random_state=np.random.RandomState(7))
    first, second = weights(ae.fit(X_WINE)), weights(ae.fit(X_WINE))
    assert (first != second).any()
    ae.set_params(random_state=np.random.RandomState(7))
    assert_array_equal(weights(ae.fit(X_WINE)), first)


@pytest.mark.parametrize("name", ["plain", "swap", "early stopping", "bfloat16"])
def test__fit__rows_in_another_order__gives_the_same_weights(name):
    order = np.random.RandomState(0).permutation(len(X_WINE))
    ae = make(**SETTINGS[name])
    assert_array_equal(fit_weights(ae, X_WINE), fit_weights(ae, X_WINE[order]))


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test__fit__repeated_rows__equal_sample_weights(scaling):
    counts = np.random.RandomState(0).randint(0, 4, len(X_WINE))
    ae = make(scaling=scaling, batch_size=32)
    repeated = ae.fit(np.repeat(X_WINE, counts, axis=0))
    weighted = clone(ae).fit(X_WINE, sample_weight=counts)
    assert_array_equal(weights(repeated), weights(weighted))
    assert repeated.loss_curve_ == weighted.loss_curve_


def test__fit__weights_in_another_unit__gives_the_same_weights():
    counts = np.random.RandomState(0).randint(1, 4, len(X_WINE))
    ae = make()
    first = weights(clone(ae).fit(X_WINE, sample_weight=counts))
    second = weights(clone(ae).fit(X_WINE, sample_weight=counts * 4.0))
    assert_array_equal(first, second)


def test__fit__rows_of_weight_zero__count_as_absent():
    keep = np.arange(len(X_WINE)) % 3 > 0
    X = np.where(keep[:, None], X_WINE, 1e6)
    ae = make()
    assert_array_equal(
        weights(clone(ae).fit(X, sample_weight=keep)), fit_weights(ae, X_WINE[keep])
    )


def test__fit__mapped_by_joblib__gives_the_same_weights(tmp_path):
    """Joblib maps arrays of more than 1 MB for its workers."""
    X = np.random.default_rng(0).standard_normal((12_001, 20))
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    ae = AutoencoderTransformer(2, max_epochs=1, random_state=0)
    assert_array_equal(ae.fit(X).transform(X), ae.fit(mapped).transform(X))


def test__fit__in_several_threads__restores_the_number_of_torch_threads():
    """Read outside the lock, the number may be the 1 that another fit has set."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        ae = AutoencoderTransformer(2, max_epochs=2, random_state=0)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: clone(ae).fit(X_WINE), range(8)))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


def test__fit__on_the_cpu__leaves_the_seed_of_a_gpu_alone():
    """torch.manual_seed waits for the GPU to be used, and seeds it then."""
    seeds = []
    with mock.patch.object(torch.cuda, "manual_seed_all", seeds.append):
        AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(X_WINE)
    assert seeds == []
