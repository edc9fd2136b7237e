"""Coordinates that keep neighbours together."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine
from sklearn.manifold import trustworthiness
from sklearn.preprocessing import StandardScaler

from sklearn_ae._modules.neighbor_embedding import (
    EmbeddedLatent,
    NeighborCoordinates,
    fit_curve,
    fuzzy_graph,
    membership_strengths,
)
from sklearn_ae._modules.neighbors import nearest_neighbors

X_DIGITS = (load_digits().data / 16).astype(np.float32)
X_WINE = StandardScaler().fit_transform(load_wine().data).astype(np.float32)


def place(X, n_components=2, n_neighbors=15, min_dist=0.1, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return NeighborCoordinates(n_components, n_neighbors, min_dist).fit(X, X)


class TestMembershipStrengths:
    def test__strengths__any_density__sum_to_the_logarithm_of_their_number(self):
        distances = np.sort(np.random.default_rng(0).random((50, 15)), axis=1)
        distances *= np.logspace(-20, 20, 50)[:, None]
        strengths = membership_strengths(distances)
        assert_allclose(strengths[:, 0], 1)
        assert (np.diff(strengths, axis=1) <= 0).all()
        assert_allclose(strengths.sum(1), 4, rtol=1e-3)

    @pytest.mark.parametrize("distances", [[[0.0] * 5], [[2.0] * 5], [[3.0]]])
    def test__strengths__equal_distances__are_one(self, distances):
        """There is no width at which they would be less."""
        assert_allclose(membership_strengths(np.array(distances)), 1)


class TestFuzzyGraph:
    def test__edges__are_symmetric_probabilities_and_join_no_row_to_itself(self):
        graph = fuzzy_graph(*nearest_neighbors(X_WINE, 15)).toarray()
        assert_allclose(graph, graph.T)
        assert ((graph >= 0) & (graph <= 1 + 1e-12)).all()
        assert_array_equal(np.diag(graph), 0)
        # The nearest neighbour of each row belongs to its neighbourhood for sure.
        assert_allclose(graph.max(1), 1)


@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5, 1.0])
def test__curve__is_near_one_up_to_min_dist_and_falls(min_dist):
    a, b = fit_curve(min_dist)
    d = np.array([1e-3, min_dist + 1e-2, min_dist + 1.0, min_dist + 2.0])
    strengths = 1 / (1 + a * d ** (2 * b))
    assert (np.diff(strengths) < 0).all()
    assert strengths[1] > 0.75
    assert abs(strengths[2] - np.exp(-1)) < 0.1


def test__curve__default__is_that_of_umap():
    """UMAP's defaults give these constants, says its documentation."""
    assert_allclose(fit_curve(0.1), (1.577, 0.895), atol=1e-3)


class TestNeighborCoordinates:
    @pytest.mark.parametrize("n_components", [2, 10])
    def test__digits__neighbors_stay_together(self, n_components):
        coordinates = place(X_DIGITS, n_components).coordinates_
        assert trustworthiness(X_DIGITS, coordinates) > 0.98

    @pytest.mark.parametrize("n_components", [1, 2, 20])
    def test__coordinates__are_centred_with_variance_one(self, n_components):
        coordinates = place(X_WINE, n_components).coordinates_
        assert coordinates.shape == (len(X_WINE), n_components)
        assert_allclose(coordinates.mean(0), 0, atol=1e-5)
        assert_allclose(coordinates.var(0).mean(), 1, rtol=1e-4)

    @pytest.mark.parametrize("n_rows", [1, 2, 3, 10])
    def test__few_rows__have_places_of_their_own(self, n_rows):
        coordinates = place(X_WINE[:n_rows]).coordinates_
        assert np.isfinite(coordinates).all()
        assert len(np.unique(coordinates, axis=0)) == n_rows

    def test__small_min_dist__gives_dense_groups(self):
        """What is a group comes from the graph, how dense it is from min_dist."""
        nearest = [
            np.median(nearest_neighbors(place(X_DIGITS, min_dist=d).coordinates_, 1)[1])
            for d in (0.0, 0.8)
        ]
        assert 3 * nearest[0] < nearest[1]

    def test__place__rows_of_fit__are_near_where_they_were(self):
        neighbors = place(X_DIGITS)
        placed = neighbors.place(X_DIGITS[:300])
        errors = np.square(placed - neighbors.coordinates_[:300]).mean()
        assert errors < 0.02


class TestEmbeddedLatent:
    def test__penalty__rows_without_coordinates__count_nothing(self):
        latent = EmbeddedLatent(2, 15, 0.1)
        Z = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
        known = latent.penalty(Z[:1] - 0.5, None, None)
        coordinates = torch.tensor([[0.5, 0.5], [torch.nan, torch.nan]])
        penalty = latent.penalty(Z - coordinates, None, None)
        penalty.backward()
        assert penalty == known
        assert_array_equal(Z.grad[1], 0)
        nothing = latent.penalty(Z - torch.nan, None, None)
        assert nothing == 0

    def test__latents__perturbed_while_training_only(self):
        latent, X = EmbeddedLatent(2, 15, 0.1), torch.zeros(1000, 2)
        latent.noise_std = 0.5
        Z, _ = latent(torch.nn.Identity(), X)
        assert abs(Z.std().item() - 0.5) < 0.05
        Z, _ = latent.eval()(torch.nn.Identity(), X)
        assert_array_equal(Z, X)
