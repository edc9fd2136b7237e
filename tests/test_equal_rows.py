"""Weights are rows, and no order of rows is special, in every estimator."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Variational


def small(**params):
    defaults = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}
    return AutoencoderTransformer(2, **{**defaults, **params})


def predictor(cls, **params):
    return cls(small(), **{"max_epochs": 3, "random_state": 0, **params})


def one_row_in_most(share, n_others=60):
    """Return different rows, and how often each occurs: the first in most."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_others + 1, 3))
    X[0] = 0.0
    n_copies = np.ones(n_others + 1, dtype=int)
    n_copies[0] = round(share / (1 - share) * n_others)
    return X, n_copies


def weights(net):
    return torch.cat([w.flatten() for w in net.module_.state_dict().values()]).numpy()


ESTIMATORS = {
    "transformer": lambda: small(),
    "early stopping": lambda: small(early_stopping=True),
    "batches": lambda: small(batch_size=16),
    "robust": lambda: small(scaling="robust"),
    "quantile": lambda: small(scaling="quantile"),
    "variational": lambda: small(latent=Variational()),
    "classifier": lambda: predictor(AutoencoderPretrainedClassifier),
    "semi-supervised": lambda: predictor(
        AutoencoderPretrainedClassifier, semi_supervised=True
    ),
    "classifier, early stopping": lambda: predictor(
        AutoencoderPretrainedClassifier, early_stopping=True, semi_supervised=False
    ),
    "regressor": lambda: predictor(AutoencoderPretrainedRegressor),
    "regressor, early stopping": lambda: predictor(
        AutoencoderPretrainedRegressor, early_stopping=True
    ),
}


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("name", ESTIMATORS)
def test__fit__weight_of_a_row__equals_so_many_rows(name, share):
    """Equal rows are merged: the same draws, the same network, bit for bit."""
    X, n_copies = one_row_in_most(share)
    y = (X[:, 0] > 0).astype(int)
    rows = np.repeat(np.arange(len(X)), n_copies)
    weighted = ESTIMATORS[name]().fit(X, y, sample_weight=1.0 * n_copies)
    repeated = ESTIMATORS[name]().fit(X[rows], y[rows])
    assert_array_equal(weights(weighted.net_), weights(repeated.net_))


@pytest.mark.parametrize("early_stopping", [False, True])
def test__fit__row_in_most_of_the_table__is_restored(early_stopping):
    """It may not be held out whole."""
    X, n_copies = one_row_in_most(0.95)
    rows = np.repeat(np.arange(len(X)), n_copies)
    for seed in range(5):
        ae = small(early_stopping=early_stopping, random_state=seed, max_epochs=30)
        errors = (ae.fit(X[rows]).reconstruct(X[:1]) - X[:1]) ** 2
        assert errors.mean() < 0.05


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
def test__classifier__row_in_most_of_the_table__gets_its_class(
    semi_supervised, early_stopping
):
    """All other rows have another class, and are more if each is counted once."""
    X, n_copies = one_row_in_most(0.9)
    y = np.where(np.arange(len(X)) == 0, 0, 1)
    X[1:] = 0.8 * X[1:] - 0.8
    rows = np.repeat(np.arange(len(X)), n_copies)
    model = predictor(
        AutoencoderPretrainedClassifier,
        semi_supervised=semi_supervised,
        early_stopping=early_stopping,
        max_epochs=20,
    )
    assert model.fit(X[rows], y[rows]).predict(X[:1]) == 0


def nearly_equal(share):
    """Return rows of which most are one row, these, and the same moved a little."""
    X, n_copies = one_row_in_most(share)
    X = X @ np.random.default_rng(1).normal(size=(3, 4))
    equal = np.repeat(X, n_copies, axis=0)
    moved = equal + 1e-6 * np.random.default_rng(2).normal(size=equal.shape)
    return equal, moved, n_copies[0]


@pytest.mark.parametrize("share", [0.5, 0.95])
def test__detector__row_in_most_of_the_table__is_the_most_ordinary(share):
    """As it is where no two rows are equal, so that none are merged."""
    for rows in nearly_equal(share)[:2]:
        model = AutoencoderAnomalyDetector(small(max_epochs=50), random_state=0)
        scores = model.fit(rows).score_samples(rows)
        n_common = nearly_equal(share)[2]
        assert scores[:n_common].min() > scores[n_common:].max()
        assert (model.predict(rows[:n_common]) == 1).mean() > 0.95


@pytest.mark.parametrize("share", [0.5, 0.95])
def test__imputer__row_in_most_of_the_table__is_filled_as_rows_that_differ(share):
    equal, moved, n_common = nearly_equal(share)
    missing = np.random.default_rng(3).random(equal.shape) < 0.1
    missing[missing.all(axis=1)] = False
    errors = []
    for rows in (equal, moved):
        model = AutoencoderImputer(small(max_epochs=50), n_estimators=1, random_state=0)
        filled = model.fit_transform(np.where(missing, np.nan, rows))
        squares = np.where(missing, (filled - rows) ** 2, np.nan)
        errors.append(
            [
                np.nanmean(part) ** 0.5
                for part in (squares[:n_common], squares[n_common:])
            ]
        )
    assert_allclose(*errors, rtol=0.3, atol=0.1)


# Batch normalisation


class Normalised(nn.Module):
    """A model of the user's that needs two rows in each batch."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, 4), nn.BatchNorm1d(4), nn.Linear(4, n_components)
        )
        self.decoder = nn.Linear(n_components, n_features)


def normalised(**params):
    return small(
        hidden_layer_sizes=None, architecture=TorchModule(Normalised), **params
    )


X_ONE = np.tile([[1.0, 2.0, 3.0]], (20, 1))


@pytest.mark.parametrize(
    "fit",
    [
        lambda: normalised().fit(X_ONE),
        lambda: normalised().partial_fit(X_ONE[:1]),
        lambda: normalised(batch_size=1).fit(np.eye(3)),
        lambda: AutoencoderAnomalyDetector(normalised()).fit(X_ONE),
        lambda: AutoencoderImputer(normalised()).fit(X_ONE),
        lambda: AutoencoderPretrainedRegressor(normalised(), max_epochs=1).fit(
            np.eye(3), [1.0, np.nan, np.nan]
        ),
        lambda: AutoencoderPretrainedClassifier(normalised(), max_epochs=1).fit(
            np.eye(3), [1.0, np.nan, np.nan]
        ),
    ],
    ids=["equal", "chunk", "batch", "detector", "imputer", "regressor", "classifier"],
)
def test__batch_norm__one_row_left__is_trained(fit):
    """Twenty equal rows are one row with a weight."""
    fitted = fit()
    net = getattr(fitted, "autoencoder_", fitted).net_
    assert np.isfinite(weights(net)).all()


# The order of rows


def two_kinds(n_rows, period):
    """Return rows of which every so many-th is of another kind."""
    rng = np.random.default_rng(0)
    other = np.arange(n_rows) % period == period - 1
    return np.c_[100.0 * other, np.zeros(n_rows)] + rng.normal(size=(n_rows, 2)), other


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
@pytest.mark.parametrize("period", [2, 3])
def test__fit__periodic_table__restores_both_kinds(period, scaling):
    X, other = two_kinds(24_000, period)
    ae = small(scaling=scaling, batch_size=4000).fit(X)
    errors = np.abs(ae.reconstruct(X) - X)[:, 0]
    assert errors[other].mean() < 5
    assert errors[~other].mean() < 5


@pytest.mark.parametrize("period", [2, 5, 12])
def test__bce__values_out_of_range_in_periodic_rows__are_refused(period):
    X = np.zeros((240_000, 1), dtype=np.float32)
    X[period - 1 :: period] = 7.0
    with pytest.raises(ValueError, match="needs values in"):
        small(loss="bce", scaling=None).fit(X)


@pytest.mark.parametrize("period", [2, 7])
def test__variational__periodic_table__samples_both_kinds(period):
    X, other = two_kinds(21_000, period)
    ae = small(latent=Variational(), batch_size=3500).fit(X)
    drawn = ae.sample(1000, random_state=0)[:, 0] > 50
    assert_allclose(drawn.mean(), other.mean(), atol=0.1)
