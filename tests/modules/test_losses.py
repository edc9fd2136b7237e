"""Losses of numbers, with and without missing cells."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine

from sklearn_ae import AutoencoderTransformer

X_WINE = load_wine().data


# Whole numbers with many zeros: exact in every dtype, and worth a sparse matrix.
X_DIGITS = load_digits().data[:200]


def make(**params):
    defaults = {"n_components": 4, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


LOSSES = {
    "mse": "mse",
    "mae": "mae",
    "huber": "huber",
    "cell": lambda values, X: (values - X) ** 4,
    "torch": torch.nn.SmoothL1Loss(reduction="none"),
}


NUMPY_LOSSES = {
    "mse": np.square,
    "mae": np.abs,
    "huber": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
    "cell": lambda d: d**4,
    "torch": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
}


@pytest.mark.parametrize("loss", LOSSES)
def test__score_samples__missing_cells__is_the_mean_over_the_others(
    loss, numbers_with_gaps
):
    """Recomputed in NumPy from `reconstruct`, in scaled units, cell by cell."""
    X = numbers_with_gaps.to_numpy()
    ae = make(loss=LOSSES[loss]).fit(X)
    scale = np.nanstd(X, axis=0)
    cells = NUMPY_LOSSES[loss]((ae.reconstruct(X) - X) / scale)
    assert_allclose(ae.score_samples(X), -np.nanmean(cells, axis=1), rtol=1e-3)


def test__score_samples__bce__is_the_cross_entropy_of_the_reconstruction():
    X = X_DIGITS / 16
    ae = make(loss="bce", scaling=None, max_epochs=5).fit(X)
    p = np.clip(ae.reconstruct(X), 1e-30, 1 - 1e-12)
    cells = -X * np.log(p) - (1 - X) * np.log(1 - p)
    assert_allclose(ae.score_samples(X), -cells.mean(axis=1), rtol=1e-3)


def test__score_samples__loss_per_row__is_taken_as_it_is():
    def worst(values, X):
        return (values - X).abs().max(dim=1).values

    ae = make(loss=worst).fit(X_WINE)
    scaled = (ae.reconstruct(X_WINE) - X_WINE) / X_WINE.std(axis=0)
    assert_allclose(ae.score_samples(X_WINE), -np.abs(scaled).max(axis=1), rtol=1e-3)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "cell"])
def test__fit__missing_cells__every_scaling_and_loss_is_finite(
    scaling, loss, numbers_with_gaps
):
    X = numbers_with_gaps / 100
    ae = make(scaling=scaling, loss=LOSSES[loss]).fit(X)
    for got in (ae.transform(X), ae.score_samples(X), ae.reconstruct(X)):
        assert np.isfinite(got).all(axis=None)


@pytest.mark.parametrize(
    "missing",
    [
        lambda X: np.where(np.isnan(X), None, X),
        lambda X: np.where(np.isnan(X), pd.NA, X.astype(object)),
        lambda X: np.where(np.isnan(X), None, X).tolist(),
        lambda X: np.ma.array(np.nan_to_num(X, nan=-99.0), mask=np.isnan(X)),
        lambda X: pl.DataFrame(X).fill_nan(None),
        lambda X: pd.DataFrame(X).convert_dtypes(),
        lambda X: pd.DataFrame(X).astype("double[pyarrow]"),
    ],
    ids=["None", "pd.NA", "list", "masked", "polars", "nullable", "Arrow"],
)
def test__fit__another_mark_of_missing_cells__means_nan(missing, numbers_with_gaps):
    """numpy.asarray shows what is under a mask: -99 would be taken for a value."""
    X = numbers_with_gaps.to_numpy()
    assert_array_equal(weights(make().fit(missing(X))), weights(make().fit(X)))


def test__loss__what_stands_in_for_a_missing_cell__changes_nothing(numbers_with_gaps):
    """The network may put anything there: it gets neither blame nor gradient."""
    X = torch.tensor(numbers_with_gaps.to_numpy(np.float32))
    head = make().fit(numbers_with_gaps).net_.criterion_
    gap = torch.isnan(X)
    losses, gradients = [], []
    for stand_in in (0.0, 7.0, -1e6):
        raw = torch.full_like(X, 0.5).masked_fill(gap, stand_in).requires_grad_()
        loss = head(raw, X)
        loss.backward()
        losses.append(loss.item())
        gradients.append(raw.grad)
    assert len(set(losses)) == 1
    assert (gradients[0][gap] == 0).all()
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients)


def test__transform__missing_cells_though_none_in_fit__count_as_the_mean():
    ae = make().fit(X_WINE)
    gap, mean = X_WINE[:5].copy(), X_WINE[:5].copy()
    gap[:, 3] = np.nan
    mean[:, 3] = X_WINE[:, 3].mean()
    assert_allclose(ae.transform(gap), ae.transform(mean), atol=1e-4)
    assert np.isfinite(ae.score_samples(gap)).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test__fit__column_without_values__comes_back_missing(scaling):
    X = X_WINE / 1000
    X[:, 3] = np.nan
    ae = make(scaling=scaling).fit(X)
    for values in (ae.reconstruct(X), ae.reconstruct(X_WINE / 1000)):
        assert_array_equal(np.isnan(values).any(axis=0), np.arange(13) == 3)
    assert np.isfinite(ae.score_samples(X)).all()


def test__fit__row_without_values__scores_zero_and_changes_no_other():
    X = np.vstack([X_WINE, np.full((1, 13), np.nan)])
    ae = make().fit(X)
    assert ae.score_samples(X)[-1] == 0
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.reconstruct(X)).all()
