"""Distances of rows: tables with few rows, and columns that hardly vary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

from sklearn_ae import AutoencoderAnomalyDetector
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


def test__score_samples__one_row_or_many__is_the_same():
    model = detector().fit(X)
    scores = model.score_samples(X)
    each = np.concatenate([model.score_samples(X[i : i + 1]) for i in range(20)])
    assert_allclose(each, scores[:20], rtol=1e-5)
