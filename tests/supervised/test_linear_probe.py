"""Linear probes: a row that stands for several is as good as these."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import RidgeCV

from sklearn_ae._supervised.linear_probe import (
    INVERSE_PENALTIES,
    PENALTIES,
    ClassProbe,
    TargetProbe,
    divide_into_folds,
)


def repeated_rows(n_rows=60, n_columns=4):
    """Return rows of which one makes up nine tenths, and how often each occurs."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n_rows, n_columns))
    n_copies = rng.integers(1, 4, size=n_rows)
    n_copies[0] = 9 * n_copies[1:].sum()
    return Z, n_copies


def fit_merged_and_repeated(probe_class, y, *args):
    """Return a probe of rows with weights, and one of each row so many times."""
    Z, n_copies = repeated_rows()
    rows = np.repeat(np.arange(len(Z)), n_copies)
    tables = (Z, y, n_copies), (Z[rows], y[rows], np.ones(len(rows), dtype=int))
    return [
        probe_class(*args).fit(Z, y, n, n, np.random.default_rng(0))
        for Z, y, n in tables
    ]


def test__target_probe__row_with_weight__equals_so_many_rows():
    Z, _ = repeated_rows()
    rng = np.random.default_rng(1)
    y = Z @ [[1.0, 0.0], [0.2, 0.0], [0.0, 0.1], [0.0, 0.0]]
    y += rng.normal(size=y.shape)
    y[rng.random(y.shape) < 0.2] = np.nan
    merged, repeated = fit_merged_and_repeated(TargetProbe, y)
    assert_allclose(merged.coef_, repeated.coef_, rtol=1e-8, atol=1e-12)
    assert_allclose(merged.intercept_, repeated.intercept_, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("shape", [(50, 3), (12, 30)])
def test__target_probe__rows_without_copies__is_ridge_by_leave_one_out(shape):
    rng = np.random.default_rng(0)
    Z, weight = rng.normal(size=shape), rng.uniform(0.5, 2, size=shape[0])
    y = Z[:, 0] + 0.5 * rng.normal(size=shape[0])
    ones = np.ones(shape[0], dtype=int)
    probe = TargetProbe().fit(Z, y[:, None], weight, ones, None)
    expected = RidgeCV(PENALTIES).fit(Z, y, weight)
    assert_allclose(probe.coef_[0], expected.coef_, rtol=1e-6, atol=1e-9)
    assert_allclose(probe.intercept_[0], expected.intercept_, rtol=1e-6, atol=1e-9)


def test__target_probe__several_targets__are_each_as_alone():
    rng = np.random.default_rng(2)
    Z, y, weight = rng.normal(size=(40, 5)), rng.normal(size=(40, 5)), rng.random(40)
    y[::3, 1] = y[::3, 2] = y[1::3, 3] = y[1:, 4] = np.nan
    rest = weight, np.ones(40, dtype=int), None
    together = TargetProbe().fit(Z, y, *rest)
    for i in range(y.shape[1]):
        alone = TargetProbe().fit(Z, y[:, [i]], *rest)
        assert_array_equal(together.coef_[i], alone.coef_[0])
        assert together.intercept_[i] == alone.intercept_[0]


def test__class_probe__row_with_weight__equals_so_many_rows():
    """Which copies share a fold is drawn, so the coefficients are nearly equal."""
    Z, _ = repeated_rows()
    y = (Z[:, :1] + np.random.default_rng(1).normal(size=(60, 1)) > 0).astype(int)
    merged, repeated = fit_merged_and_repeated(ClassProbe, y, 2)
    assert merged.C_ == repeated.C_
    assert_allclose(merged.coef_, repeated.coef_, atol=1e-3)
    assert_allclose(merged.intercept_, repeated.intercept_, atol=1e-3)


def test__divide_into_folds__copies__are_spread_over_all_folds():
    rng = np.random.default_rng(0)
    values = rng.integers(3, size=200)
    n_copies = rng.integers(1, 50, size=200)
    n_copies[0] = 5000
    shares = divide_into_folds(values, n_copies, 5, rng)
    assert_allclose(shares.sum(axis=1), 1.0)
    # Whole copies, of each value as many in one fold as in another.
    copies = shares * n_copies[:, None]
    assert_allclose(copies, copies.round(), atol=1e-9)
    for value in range(3):
        assert np.ptp(copies[values == value].sum(axis=0).round()) <= 1
    assert np.ptp(copies[0].round()) <= 1


def test__divide_into_folds__single_rows__gives_each_one_fold():
    values = np.arange(40) % 3
    ones = np.ones(40, dtype=int)
    shares = divide_into_folds(values, ones, 5, np.random.default_rng(0))
    # Rows of one value, in random order, are dealt out one after the other.
    order = np.lexsort((np.random.default_rng(0).random(40), values))
    folds = np.empty(40, dtype=int)
    folds[order] = np.arange(40) % 5
    assert_array_equal(shares, np.eye(5)[folds])


@pytest.mark.slow
def test__class_probe__few_rows_that_tell_nothing__rarely_choose_an_extreme_penalty():
    """Which one tells held-out rows best is luck then."""
    rng = np.random.default_rng(0)
    y, ones = np.repeat([[0], [1]], 4, axis=0), np.ones(8, dtype=int)
    chosen = [
        ClassProbe(2).fit(rng.normal(size=(8, 5)), y, ones, ones, rng).C_
        for _ in range(40)
    ]
    is_extreme = np.isin(chosen, INVERSE_PENALTIES[[0, -1]])
    assert is_extreme.sum() <= 4


def test__class_probe__many_rows__choose_for_themselves():
    rng = np.random.default_rng(0)
    Z, ones = rng.normal(size=(600, 3)), np.ones(600, dtype=int)
    y = (Z[:, :1] > 0).astype(int)
    chosen = ClassProbe(2).fit(Z, y, ones, ones, rng).C_
    assert chosen == max(INVERSE_PENALTIES)
