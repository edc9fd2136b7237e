"""The graph of nearest neighbours: who they are, and how far."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sklearn_ae._modules.neighbors import NeighborGraph

Z = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


def test__fit__any_rows__neighbours_are_the_nearest_others_in_order():
    graph = NeighborGraph(n_neighbors=5).fit(Z)
    distances = np.linalg.norm(Z[:, None] - Z, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert_array_equal(graph.neighbors_, distances.argsort(axis=1)[:, :5])


def test__fit__any_rows__weights_are_symmetric_and_join_neighbours_only():
    graph = NeighborGraph(n_neighbors=5).fit(Z)
    weights = graph.weights_.toarray()
    assert_array_equal(weights, weights.T)
    joined = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(joined, graph.neighbors_, True, axis=1)
    assert_array_equal(weights > 0, joined | joined.T)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test__fit__other_units__weights_are_the_same(scale):
    one, other = (NeighborGraph().fit(z).weights_.toarray() for z in (Z, Z * scale))
    np.testing.assert_allclose(one, other, rtol=1e-4)


def test__radius__any_space__is_the_distance_to_the_last_neighbour():
    graph = NeighborGraph(n_neighbors=3).fit(Z)
    X = torch.from_numpy(Z[:, :2] * 7)
    expected = [torch.dist(X[i], X[graph.neighbors_[i, -1]]) for i in range(len(X))]
    torch.testing.assert_close(graph.radius(X), torch.stack(expected))
