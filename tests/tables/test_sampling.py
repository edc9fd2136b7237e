"""Rows that stand for others: no order is special, and weights are rows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ae._tables.sampling import count_copies, draw_in_steps, sample_rows


@pytest.mark.parametrize("period", range(2, 13))
def test__draw_in_steps__any_period__draws_each_phase_alike(period):
    rng = np.random.default_rng(0)
    drawn = draw_in_steps(12_000 * period, rng.random(2000))
    assert (np.diff(drawn) > 0).all()
    counts = np.bincount(drawn % period, minlength=period)
    assert (np.abs(counts / 2000 - 1 / period) < 0.05).all()


def test__draw_in_steps__as_many_as_there_are__draws_all():
    assert_array_equal(draw_in_steps(7, np.full(7, 0.999)), np.arange(7))


def test__count_copies__weights__whole_ones_count_rows():
    assert count_copies(None) is None
    assert count_copies(np.array([0.5, 1.0])) is None
    assert_array_equal(count_copies(np.array([3.0, 0.0, 1.0])), [3, 0, 1])
    many = count_copies(np.array([1e12, 1.0, 0.0]))
    assert many.sum() < 2**25
    assert_array_equal(many[1:], [1, 0])


# Quantiles of large tables


@pytest.mark.parametrize("period", [2, 3, 7, 12])
def test__sample_rows__periodic_table__has_each_kind_in_its_share(period):
    X = (np.arange(60_000.0) % period)[:, None]
    counts = np.bincount(sample_rows(X, None)[:, 0].astype(int), minlength=period)
    assert (np.abs(counts / counts.sum() - 1 / period) < 0.02).all()


@pytest.mark.parametrize("n_equal", [200, 40_000])
@pytest.mark.parametrize("factor", [1.0, 3.0, 0.3])
def test__sample_rows__row_with_weight__equals_so_many_rows(n_equal, factor):
    """Only the ratios of weights matter."""
    X = np.random.default_rng(0).normal(size=(200, 2))
    weight = np.ones(200)
    weight[50] = n_equal
    expected = sample_rows(np.repeat(X, weight.astype(int), axis=0), None)
    got = sample_rows(X, factor * weight)
    assert_array_equal(got, expected)
