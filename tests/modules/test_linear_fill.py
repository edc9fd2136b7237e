"""The linear model of the columns fills missing cells with what it expects there."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ae._modules import linear_fill
from sklearn_ae._modules.linear_fill import LinearFill
from tests.helpers import delete


def linear_data(n_rows=8000):
    """Return centred rows that two scores explain, but for noise, and a covariance."""
    rng = np.random.default_rng(0)
    loadings, noise = rng.normal(size=(6, 2)), 0.3
    scores = rng.normal(size=(n_rows, 2))
    X = scores @ loadings.T + noise * rng.normal(size=(n_rows, 6))
    covariance = loadings @ loadings.T + noise**2 * np.eye(6)
    scale = np.sqrt(np.diag(covariance))
    return X / scale, covariance / np.outer(scale, scale)


def conditional_means(X, covariance):
    """Return X, each missing cell the expectation given the others of its row."""
    X = X.copy()
    for row in X:
        gone = np.isnan(row)
        known = covariance[np.ix_(~gone, ~gone)]
        row[gone] = covariance[np.ix_(gone, ~gone)] @ np.linalg.solve(known, row[~gone])
    return X


def test__linear_fill__normal_rows__fills_the_conditional_expectation():
    X, covariance = linear_data()
    with_gaps, gone = delete(X, 0.3)
    fill = LinearFill().fit(torch.from_numpy(with_gaps).float())
    got = fill(torch.from_numpy(with_gaps).float()).numpy()
    expected = conditional_means(with_gaps, covariance)
    assert_array_equal(got[~gone], with_gaps.astype(np.float32)[~gone])
    off = np.sqrt(np.mean((got - expected)[gone] ** 2))
    best = np.sqrt(np.mean((expected - X)[gone] ** 2))
    assert off < 0.2 * best


def test__linear_fill__rows_of_weight_0__say_nothing():
    X, _ = linear_data(2000)
    X, _ = (torch.from_numpy(cells) for cells in delete(X, 0.2))
    X = X.float()
    nonsense = 5 * torch.randn(1000, 6, generator=torch.Generator().manual_seed(0))
    weight = torch.cat([torch.ones(2000), torch.zeros(1000)])
    expected = LinearFill().fit(X)(X)
    got = LinearFill().fit(torch.cat([X, nonsense]), weight)(X)
    spoilt = LinearFill().fit(torch.cat([X, nonsense]))(X)
    off = (got - expected).abs().max()
    assert off < 0.05
    assert off < 0.1 * (spoilt - expected).abs().max()


def test__linear_fill__row_without_observed_cells__gets_the_means():
    X, _ = linear_data(500)
    fill = LinearFill().fit(torch.from_numpy(X).float())
    means = torch.from_numpy(X).float().mean(dim=0)
    got = fill(torch.full((2, 6), torch.nan))
    assert_allclose(got, means.expand(2, -1), atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (3, 8), (50, 1)])
def test__linear_fill__few_rows_or_columns__stays_finite(shape):
    X = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    X[0, -1] = torch.nan
    assert torch.isfinite(LinearFill().fit(X)(X)).all()


# Cells that are missing for a reason


def _noisy_copies(n_rows=4000):
    """Return a column and two noisy copies of it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n_rows)
    return x[:, None] + rng.normal(size=(n_rows, 3)) * [0.0, 0.5, 0.5]


def test__linear_fill__cells_missing_where_another_column_is_large__has_no_bias():
    """The mean of the observed cells is far from that of all then."""
    X = _noisy_copies()
    gone = X[:, 0] > 0
    holed = X.copy()
    holed[gone, 1] = np.nan
    rows = torch.from_numpy(holed).float()
    filled = LinearFill().fit(rows)(rows).numpy()[gone, 1]
    assert abs(filled.mean() - X[gone, 1].mean()) < 0.1


# Wide tables


@pytest.mark.parametrize("share", [0.0, 0.2])
def test__linear_fill__many_columns__fills_as_with_the_covariance(share, monkeypatch):
    """The leading eigenvectors of a matrix that is never made."""
    rng = np.random.default_rng(0)
    scores, loadings = rng.normal(size=(150, 3)), rng.normal(size=(3, 40))
    X = scores @ loadings + 0.5 * rng.normal(size=(150, 40))
    X, _ = delete(X, share)
    rows = torch.from_numpy(X).float()
    holed, gone = (torch.from_numpy(cells) for cells in delete(X, 0.1, seed=1))
    holed, gone = holed.float(), gone & ~torch.isnan(rows)
    expected = LinearFill().fit(rows)(holed)[gone]
    monkeypatch.setattr(linear_fill, "COVARIANCE_COLUMNS", 10)
    got = LinearFill().fit(rows)(holed)[gone]
    assert (got - expected).square().mean() < 0.01 * rows[gone].square().mean()


def test__linear_fill__very_many_columns__makes_no_matrix_of_all_pairs():
    """It would take 58 GB."""
    X = np.random.default_rng(0).normal(size=(6, 120_000)).astype(np.float32)
    X[:, 1] = 2 * X[:, 0]
    X[0, 1] = np.nan
    rows = torch.from_numpy(X)
    filled = LinearFill().fit(rows)(rows)
    assert torch.isfinite(filled).all()
