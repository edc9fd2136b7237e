"""Labels spread over the graph of neighbours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.datasets import make_blobs, make_moons
from sklearn.preprocessing import StandardScaler

from sklearn_ae._modules.neighbors import NeighborGraph
from sklearn_ae._supervised.label_spreading import expected_shares, spread_labels


def spread_accuracy(table, classes, n_labelled):
    """Return how many rows get the class of their cluster, from a few of each."""
    codes = np.full(len(table), -1)
    for code in np.unique(classes):
        codes[np.flatnonzero(classes == code)[:n_labelled]] = code
    table = StandardScaler().fit_transform(table).astype(np.float32)
    graph = NeighborGraph().fit(table)
    probabilities = spread_labels(graph, codes, len(np.unique(classes)))
    assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities >= 0).all()
    return np.mean(probabilities.argmax(axis=1) == classes)


def test__spread__clusters_of_any_shape__reaches_all_their_rows():
    assert spread_accuracy(*make_moons(400, noise=0.05, random_state=0), 1) > 0.98
    blobs = make_blobs(400, centers=4, cluster_std=0.5, random_state=0)
    assert spread_accuracy(*blobs, 1) > 0.9


def test__spread__cluster_without_label__has_the_expected_shares():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(60, 2)).astype(np.float32)
    table[40:] += 1000
    codes = np.full(60, -1)
    codes[:30] = np.arange(30) % 3 > 0
    graph = NeighborGraph().fit(table)
    probabilities = spread_labels(graph, codes, 2)
    shares = expected_shares(np.array([10, 20]))
    assert_allclose(probabilities[40:], np.tile(shares, (20, 1)), atol=1e-6)


@pytest.mark.parametrize("n_rows", [2, 5, 11, 40])
def test__spread__equal_rows_or_few__is_finite(n_rows):
    codes = np.full(n_rows, -1)
    codes[:2] = 0, 1
    graph = NeighborGraph().fit(np.zeros((n_rows, 3), np.float32))
    probabilities = spread_labels(graph, codes, 3)
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1.0)


counts = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)


@settings(max_examples=100, deadline=None)
@given(counts=counts)
def test__expected_shares__any_counts__lie_between_equal_and_observed_ones(counts):
    counts = np.array(counts)
    shares, observed, equal = (
        expected_shares(counts),
        counts / counts.sum(),
        1 / len(counts),
    )
    assert_allclose(shares.sum(), 1.0)
    assert (shares >= np.minimum(observed, equal) - 1e-12).all()
    assert (shares <= np.maximum(observed, equal) + 1e-12).all()


def test__expected_shares__more_rows__come_nearer_to_what_was_observed():
    few, many = (expected_shares(np.array([3, 7]) * n) for n in (1, 100))
    assert abs(many[0] - 0.3) < abs(few[0] - 0.3)
    assert abs(many[0] - 0.3) < 0.01


# Rows that stand for several


def spread_over_copies(Z, class_indices, n_copies, n_tables):
    """Return probabilities for the table in which each row occurs so many times.

    Which of equal rows are neighbours is left to chance, so this is a mean.
    """
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(len(Z)), n_copies)
    total = 0.0
    for _ in range(n_tables):
        table = Z[rows] + 1e-9 * rng.normal(size=(len(rows), Z.shape[1]))
        spread = spread_labels(NeighborGraph().fit(table), class_indices[rows], 2)
        total = total + np.stack([np.bincount(rows, column) for column in spread.T], 1)
    return total / n_tables / n_copies[:, None]


def test__spread__row_with_copies__equals_so_many_rows():
    """In distribution: one row makes up four fifths of the table."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(60, 2))
    n_copies = rng.integers(1, 4, size=60)
    n_copies[0] = 4 * n_copies[1:].sum()
    class_indices = (Z[:, 0] > 0).astype(int)
    class_indices[rng.random(60) < 0.5] = -1
    class_indices[0] = 0
    expected = spread_over_copies(Z, class_indices, n_copies, 10)
    merged = spread_labels(NeighborGraph().fit(Z, n_copies), class_indices, 2)
    counted_once = spread_labels(NeighborGraph().fit(Z), class_indices, 2)
    assert np.abs(merged - expected).mean() < 0.03
    assert np.abs(counted_once - expected).mean() > 0.1


def test__spread__all_copies_of_a_label_held_out__equals_no_label():
    rng = np.random.default_rng(0)
    graph = NeighborGraph().fit(rng.normal(size=(50, 2)), rng.integers(1, 9, size=50))
    class_indices = np.arange(50) % 3 - 1
    held_out = np.arange(50) < 20
    seen = spread_labels(graph, class_indices, 2, 1.0 - held_out)
    without = spread_labels(graph, np.where(held_out, -1, class_indices), 2)
    assert_allclose(seen, without)
