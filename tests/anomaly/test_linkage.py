"""Clusters by single linkage: outliers that lie together join none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.datasets import make_moons

from sklearn_ae import AutoencoderAnomalyDetector
from sklearn_ae._anomaly.linkage import cluster_gaps
from tests.anomaly.helpers import detector


def heights(rows):
    squares = cdist(rows, rows, "sqeuclidean")
    return cluster_gaps(squares, np.ones_like(squares))[0]


def test__cluster_gaps__few_rows_together__have_the_height_of_the_gap():
    rows = np.r_[np.arange(135), 300 + 0.1 * np.arange(9)][:, None]
    assert_allclose(heights(rows), np.r_[np.full(135, 1), np.full(9, 166**2)])


def test__cluster_gaps__one_row_in_14__are_a_cluster():
    rows = np.r_[np.arange(130), 300 + 0.1 * np.arange(10)][:, None]
    expected = np.r_[np.full(130, 1), np.full(10, 0.01)]
    assert_allclose(heights(rows), expected, rtol=1e-5)


def test__cluster_gaps__long_and_bent_clusters__are_clusters():
    """However far rows are from the center, or from the rows of another cluster."""
    moons, _ = make_moons(400, noise=0.01, random_state=0)
    assert heights(moons).max() < 0.1**2
    with_pair = heights(np.r_[moons, [[0.5, 2.0], [0.5, 2.0]]])
    assert with_pair[-2:] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("n_rows", [1, 2, 14])
def test__cluster_gaps__few_rows__are_each_a_cluster(n_rows):
    assert not heights(np.arange(n_rows)[:, None]).any()


@given(st.integers(15, 60), st.integers(1, 4), st.integers(0, 1000))
def test__cluster_gaps__any_rows__are_where_the_graph_of_steps_has_large_parts(
    n_rows, n_columns, seed
):
    """At the height of a row, enough rows are within reach, and below it, too few."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 20, (n_rows, n_columns)).astype(float)
    squares = cdist(rows, rows, "sqeuclidean")
    for row, height in enumerate(heights(rows)):
        assert _n_within_reach(squares <= height, row) >= n_rows / 14
        assert _n_within_reach(squares < height, row) < n_rows / 14


def _n_within_reach(is_step, row):
    reached = np.arange(len(is_step)) == row
    while (more := reached | is_step[reached].any(axis=0)).sum() > reached.sum():
        reached = more
    return reached.sum()


def test__score_samples__ordinary_rows_of_rare_categories__come_after_an_outlier():
    """Each of three categories has too few rows for a cluster, all of them are many."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(600, 4)), columns=list("abcd"))
    table["kind"] = rng.choice(["w", "x", "y", "z"], 600, p=[0.82, 0.06, 0.06, 0.06])
    table.loc[0] = [3.5, -3.5, 3.5, -3.5, "w"]
    scores = AutoencoderAnomalyDetector(random_state=0).fit(table).score_samples(table)
    assert scores.argmin() == 0
    assert np.median(scores[table["kind"] != "w"]) > 0.2 * scores[0]


@pytest.mark.parametrize("share", [0.03, 0.06])
def test__score_samples__dense_outliers_between_long_clusters__come_first(share):
    """They are nearer to most rows, and to one another, than ordinary rows are."""
    rng = np.random.default_rng(0)
    moons, _ = make_moons(600, noise=0.03, random_state=0)
    outliers = [0.5, 0.25] + 0.01 * rng.normal(size=(round(share * 600), 2))
    table = np.r_[moons, outliers]
    scores = detector().fit(table).score_samples(table)
    assert np.median(scores[600:]) < np.quantile(scores[:600], 0.05)
