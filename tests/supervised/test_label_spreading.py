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
