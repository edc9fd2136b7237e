"""A user's own torch model, written without this library."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.losses import NumericReconstructionLoss
from sklearn_ae.architectures import TorchModule

X_WINE = load_wine().data


X_DIGITS = load_digits().data[:200] / 16


class Submodules(nn.Module):
    def __init__(self, n_features, n_components, width=8, activation=nn.Tanh):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, width), activation(), nn.Linear(width, n_components)
        )
        self.decoder = nn.Linear(n_components, n_features)


class Methods(nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_features, n_components) / 4)

    def encode(self, X):
        return X @ self.weight

    def decode(self, Z):
        return Z @ self.weight.T


class FixedLatent(nn.Module):
    """Takes the number of columns only, and decides on three components."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Linear(n_features, 3)
        self.decoder = nn.Linear(3, n_features)


class FixedWidths(nn.Module):
    """Takes nothing at all."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(13, 2)
        self.decoder = nn.Linear(2, 13)


class Random(nn.Module):
    """Behaves otherwise in training, and learns statistics of the batches."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.BatchNorm1d(n_features),
            nn.Dropout(0.5),
            nn.Linear(n_features, n_components),
        )
        self.decoder = nn.Linear(n_components, n_features)


class UnitInterval(Submodules):
    def decode(self, Z):
        return torch.sigmoid(self.decoder(Z))


def make(cls, n_components=2, *, kwargs=None, **params):
    defaults = {"max_epochs": 3, "random_state": 0}
    architecture = TorchModule(cls, **(kwargs or {}))
    params = {**defaults, **params}
    return AutoencoderTransformer(n_components, architecture=architecture, **params)


@pytest.mark.parametrize("cls", [Submodules, Methods, Random])
def test__fit__module_that_takes_the_latent__has_that_many_components(cls):
    ae = make(cls, 3).fit(X_WINE)
    assert type(ae.module_.network) is cls
    assert ae.transform(X_WINE).shape == (178, 3)
    assert ae.inverse_transform(ae.transform(X_WINE)).shape == X_WINE.shape


@pytest.mark.parametrize(("cls", "n_components"), [(FixedLatent, 3), (FixedWidths, 2)])
@pytest.mark.parametrize("asked", ["None", "the same"])
def test__fit__module_that_decides_itself__names_its_components(
    cls, n_components, asked
):
    ae = make(cls, None if asked == "None" else n_components).fit(X_WINE)
    assert ae.n_components_ == n_components
    assert len(ae.get_feature_names_out()) == n_components


@pytest.mark.parametrize("cls", [Submodules, Methods])
def test__score__after_training__is_better(cls):
    scores = [make(cls, 4, max_epochs=n).fit(X_WINE).score(X_WINE) for n in (1, 300)]
    assert scores[1] > scores[0] + 0.1


def test__kwargs__are_given_to_the_class_and_win_over_what_is_offered():
    kwargs = {"width": 5, "n_components": 3}
    ae = make(Submodules, None, kwargs=kwargs).fit(X_WINE)
    assert ae.module_.network.encoder[0].out_features == 5
    assert ae.n_components_ == 3


def test__architecture__nested_parameters__can_be_set_cloned_and_printed():
    ae = make(Submodules, kwargs={"width": 5})
    assert ae.get_params()["architecture__width"] == 5
    copied = clone(ae).set_params(architecture__width=7)
    assert copied.fit(X_WINE).module_.network.encoder[0].out_features == 7
    assert ae.architecture.kwargs == {"width": 5}
    assert "width=5" in repr(ae)


def test__grid_search__over_a_keyword_of_the_module__tries_each():
    search = GridSearchCV(make(Submodules), {"architecture__width": [2, 16]}, cv=2)
    search.fit(X_WINE)
    best = search.best_params_["architecture__width"]
    assert search.best_estimator_.module_.network.encoder[0].out_features == best
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test__pickle__module_of_the_user__transforms_alike():
    ae = make(Submodules).fit(X_WINE)
    copied = pickle.loads(pickle.dumps(ae))
    assert_array_equal(copied.transform(X_WINE), ae.transform(X_WINE))
    assert_array_equal(copied.partial_fit(X_WINE).transform(X_WINE).shape, (178, 2))


@pytest.mark.parametrize(
    "activation", [partial(nn.LeakyReLU, 0.2), lambda: nn.ELU(alpha=0.5), nn.PReLU]
)
def test__kwargs__callables__reach_the_class(activation):
    ae = clone(make(Submodules, kwargs={"activation": activation})).fit(X_WINE)
    assert np.isfinite(ae.score(X_WINE))


def test__transform__batch_norm_and_dropout__is_repeatable_and_row_by_row():
    """A network left in training mode would mix the rows of a batch."""
    ae = make(Random).fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), ae.transform(X_WINE))
    assert_allclose(ae.transform(X_WINE[:3]), ae.transform(X_WINE)[:3], atol=1e-5)


def test__build__batch_norm__has_not_seen_the_rows_of_the_check():
    network, _ = TorchModule(Random).build(13, n_components=2)
    assert network.encoder[0].num_batches_tracked == 0
    assert network.training


@pytest.mark.parametrize("cls", [Submodules, Methods, Random])
def test__fit__missing_cells__are_finite_and_left_out_of_the_loss(
    cls, numbers_with_gaps
):
    X = numbers_with_gaps.to_numpy()
    ae = make(cls).fit(X)
    assert np.isfinite(ae.transform(X)).all()
    cells = np.square((ae.reconstruct(X) - X) / np.nanstd(X, axis=0))
    assert_allclose(ae.score_samples(X), -np.nanmean(cells, axis=1), rtol=1e-3)


@pytest.mark.parametrize("X", [X_WINE, X_DIGITS], ids=["wine", "digits"])
def test__fit__bce_and_sigmoid_output__takes_columns_scaled_to_the_interval(X):
    """Rounding takes scaled cells a hair above 1, where torch's own loss refuses."""
    ae = make(UnitInterval, loss="bce", scaling="minmax").fit(X)
    assert np.isfinite(ae.score_samples(2 * X)).all()


def test__fit__bce_and_output_outside_the_interval__is_refused():
    with pytest.raises(ValueError, match=r"reconstruction in \[0, 1\].* in Sigmoid"):
        make(Submodules, loss="bce", scaling="minmax").fit(X_WINE)


class NoDecoder(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Linear(n_features, 2)


class NoEncoder(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.decoder = nn.Linear(2, n_features)


class WrongOutput(FixedLatent):
    def __init__(self, n_features):
        super().__init__(n_features)
        self.decoder = nn.Linear(3, n_features + 1)


class Pair(FixedLatent):
    def encode(self, X):
        return self.encoder(X), 0


class Flat(FixedLatent):
    def encode(self, X):
        return self.encoder(X).mean(1)


class HalvesThatDoNotFit(FixedLatent):
    def __init__(self, n_features):
        super().__init__(n_features)
        self.decoder = nn.Linear(4, n_features)


@pytest.mark.parametrize(
    ("cls", "params", "error", "message"),
    [
        (int, {}, TypeError, "derives from torch.nn.Module. Got <class 'int'>"),
        (nn.Linear(2, 2), {}, TypeError, "needs a class that derives"),
        ("Submodules", {}, TypeError, "needs a class .* Got 'Submodules'"),
        (NoDecoder, {}, TypeError, "NoDecoder needs a method 'decode' or a submodule"),
        (NoEncoder, {}, TypeError, "NoEncoder needs a method 'encode' or a submodule"),
        (WrongOutput, {}, ValueError, r"shape \(2, 13\) .* Got shape \(2, 14\)"),
        (Pair, {}, ValueError, "Got an object of type tuple for 2 rows"),
        (Flat, {}, ValueError, r"\(n_rows, n_components\). Got shape \(2,\)"),
        (FixedLatent, {"n_components": 5}, ValueError, "returns 3 components, but n_c"),
        (HalvesThatDoNotFit, {}, ValueError, "cannot decode 2 rows of 3 float32 colu"),
        (Submodules, {"kwargs": {"widht": 3}}, TypeError, "argument 'widht'"),
        (Submodules, {"activation": "tanh"}, ValueError, "activation shapes the dense"),
        (Submodules, {"hidden_layer_sizes": (4,)}, ValueError, "brings its own. Got h"),
    ],
)
def test__fit__unusable_module__says_what_it_needs(cls, params, error, message):
    with pytest.raises(error, match=message):
        make(cls, **{"n_components": None, **params}).fit(X_WINE)


def test__fit__module_of_fixed_widths_for_another_table__says_so():
    with pytest.raises(ValueError, match=r"cannot encode 2 rows of 5 .*n_features"):
        make(FixedWidths).fit(X_WINE[:, :5])


class Given(nn.Module):
    """Takes its layers as they are, as many models do."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder


def test__fit__modules_among_the_arguments__are_left_as_they_were():
    """Trained in place, the second fit would start where the first one ended."""
    layers = {"encoder": nn.Linear(13, 2), "decoder": nn.Linear(2, 13)}
    before = layers["encoder"].weight.detach().clone()
    ae = AutoencoderTransformer(
        architecture=TorchModule(Given, **layers), max_epochs=2, random_state=0
    )
    first = ae.fit(X_WINE).transform(X_WINE)
    assert torch.equal(layers["encoder"].weight, before)
    assert_array_equal(ae.fit(X_WINE).transform(X_WINE), first)


def test__bce__output_of_exactly_0_or_1__has_finite_gradients():
    """Where a sigmoid saturates, the gradient of the logarithm is not a number."""
    head = NumericReconstructionLoss("bce", nn.Identity())
    values = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.5]], requires_grad=True)
    loss = head(values, torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.5]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(values.grad).all()
