"""Distances of rows: tables with few rows, and columns that hardly vary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from sklearn_ae import AutoencoderAnomalyDetector
from sklearn_ae._defaults import default_detector_steps, default_max_epochs
from tests.anomaly.helpers import X, detector


@pytest.mark.parametrize("n_rows", [1, 2, 3, 10, 100])
def test__fit__few_rows__gives_finite_scores(n_rows):
    model = AutoencoderAnomalyDetector(random_state=0).fit(X[:n_rows])
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.explain(X)).all()


def test__fit__more_columns_than_rows__finds_the_odd_row():
    table = load_digits().data[:30]
    odd = np.roll(table[:1], 37, axis=1)
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    assert model.score_samples(odd) < np.median(model.score_samples(table))


@pytest.mark.parametrize(
    "column",
    [np.zeros(150), np.arange(150) % 2, np.r_[1e6, np.zeros(149)], np.full(150, -3.5)],
    ids=["constant", "binary", "one value far off", "another constant"],
)
def test__fit__columns_that_hardly_vary__give_finite_scores(column):
    table = np.c_[X, column]
    model = detector().fit(table)
    assert np.isfinite(model.score_samples(table)).all()
    contributions = model.explain(table).sum(axis=1)
    assert_allclose(contributions, -model.score_samples(table), rtol=1e-4)


def test__score_samples__value_beside_a_constant__is_odd():
    table = np.c_[X, np.full(len(X), 7.0)]
    model = detector().fit(table)
    moved = table.copy()
    moved[:, -1] = 9.0
    assert (model.score_samples(moved) < model.score_samples(table)).all()


@pytest.mark.parametrize("n_columns", [1, 8, 70])
@pytest.mark.parametrize("n_rows", [1, 3, 64, 100])
def test__score_samples__few_rows_or_many__has_the_same_bits(n_rows, n_columns):
    table = np.random.default_rng(0).normal(size=(400, n_columns))
    model = detector().fit(table)
    scores = model.score_samples(table)
    each = [model.score_samples(table[i : i + n_rows]) for i in range(0, 400, n_rows)]
    assert_array_equal(np.concatenate(each), scores)


@pytest.mark.parametrize("n_columns", [1, 8])
def test__score_samples__complete_rows_among_others__have_the_same_bits(n_columns):
    """Whole numbers: many references are equally near."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 5, size=(800, n_columns)).astype(float)
    complete = rng.random(800) < 0.5
    table[~complete & (rng.random(800) < 0.9), 0] = np.nan
    model = detector().fit(table)
    among_others = model.score_samples(table)[complete]
    assert_array_equal(model.score_samples(table[complete]), among_others)


def _steps(n_rows, n_columns):
    """Return the number of steps of training on rows of which no two are equal."""
    epochs = default_max_epochs(n_rows, 256, default_detector_steps(n_columns))
    return epochs * -(-n_rows // 256)


@pytest.mark.parametrize("n_columns", [5, 499, 500, 5000])
def test__default_steps__many_rows__are_some_2_000(n_columns):
    for n_rows in (25_601, 100_000, 1_000_000, 10_000_000):
        assert 0 <= _steps(n_rows, n_columns) - 2000 < -(-n_rows // 256)


def test__default_steps__few_rows__are_fewer_for_wide_tables_only():
    for n_rows in (1, 100, 2000):
        assert 250 <= _steps(n_rows, 500) < 1000 <= _steps(n_rows, 499)


@pytest.mark.parametrize("n_columns", [2, 500])
def test__default_steps__equal_rows__are_counted_once(n_columns):
    table = np.random.default_rng(0).normal(size=(20, n_columns))
    model = AutoencoderAnomalyDetector(random_state=0).fit(np.repeat(table, 100, 0))
    least, _ = default_detector_steps(n_columns)
    assert len(model.autoencoder_.net_.history) == least
