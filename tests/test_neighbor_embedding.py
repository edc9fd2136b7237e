"""Latents that keep neighbours together, on rows of fit and on new ones."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._net import neighbor_embedding
from sklearn_ae._net.neighbor_embedding import NeighborEmbeddingNet
from sklearn_ae._tables import rows
from sklearn_ae.latents import NeighborEmbedding

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X, X_NEW, Y, Y_NEW = train_test_split(X_DIGITS, Y_DIGITS, random_state=0)
X_WINE = load_wine().data


def make(n_components=2, **params):
    params = {"latent": NeighborEmbedding(), "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **params)


@pytest.fixture(scope="module")
def digits():
    return make().fit(X)


@pytest.fixture
def coordinates(monkeypatch):
    """Note the rows that each net gets to train and to validate on."""
    prepared = []
    original = NeighborEmbeddingNet.prepare

    def prepare(self, *args):
        prepared.append(original(self, *args))
        return prepared[-1]

    monkeypatch.setattr(NeighborEmbeddingNet, "prepare", prepare)
    return prepared


class TestDigits:
    def test__transform__rows_of_fit__stay_with_their_neighbors(self, digits):
        Z = digits.transform(X)
        assert trustworthiness(X, Z) > 0.97
        clusters = KMeans(10, n_init=3, random_state=0).fit_predict(Z)
        assert normalized_mutual_info_score(Y, clusters) > 0.84

    def test__transform__new_rows__go_where_their_digit_is(self, digits):
        neighbors = KNeighborsClassifier().fit(digits.transform(X), Y)
        assert neighbors.score(digits.transform(X_NEW), Y_NEW) > 0.93
        pca = PCA(2).fit(X).transform(X_NEW)
        latents = digits.transform(X_NEW)
        assert trustworthiness(X_NEW, latents) > trustworthiness(X_NEW, pca) + 0.1

    def test__clusters_of_unknown_number__are_found(self, digits):
        Z = digits.transform(X)
        clusters = HDBSCAN(min_cluster_size=30, copy=True).fit_predict(Z)
        assert 7 <= clusters.max() + 1 <= 14
        assert adjusted_rand_score(Y, clusters) > 0.7

    def test__inverse_transform__places_on_the_map__are_rows(self, digits):
        """PCA on two components restores less of the pixels."""
        restored = digits.inverse_transform(digits.transform(X_NEW))
        pca = PCA(2).fit(X)
        restored_pca = pca.inverse_transform(pca.transform(X_NEW))
        error, error_pca = (
            np.square(r - X_NEW).mean() for r in (restored, restored_pca)
        )
        assert error < 0.8 * error_pca

    def test__latents__are_on_the_scale_of_others(self, digits):
        Z = digits.transform(X)
        assert_allclose(Z.mean(0), 0, atol=0.1)
        assert_allclose(Z.var(0).mean(), 1, atol=0.1)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test__small_table__any_seed__keeps_neighbors_as_well_as_pca(load):
    X = StandardScaler().fit_transform(load().data)
    of_pca = trustworthiness(X, PCA(2).fit_transform(X))
    for seed in range(3):
        Z = make(max_epochs=150, random_state=seed).fit_transform(X)
        assert trustworthiness(X, Z) > of_pca


class TestRows:
    @pytest.mark.parametrize("early_stopping", [False, True])
    def test__weights__are_repeated_rows(self, early_stopping):
        times = np.random.default_rng(0).integers(0, 4, len(X_WINE))
        ae = make(max_epochs=3, early_stopping=early_stopping)
        weighted = ae.fit(X_WINE, sample_weight=times).transform(X_WINE)
        repeated = ae.fit(np.repeat(X_WINE, times, axis=0)).transform(X_WINE)
        assert_array_equal(weighted, repeated)

    def test__order__makes_no_difference(self):
        ae = make(max_epochs=3)
        before = ae.fit(X_WINE).transform(X_WINE)
        assert_array_equal(ae.fit(X_WINE[::-1]).transform(X_WINE), before)

    def test__equal_rows__too_many_to_be_merged__have_one_place(
        self, coordinates, monkeypatch
    ):
        """Twenty copies of a row would have no other neighbours than one another."""
        monkeypatch.setattr(rows, "MERGED_ROWS", 0)
        make(max_epochs=1).fit(np.repeat(X_WINE, 20, axis=0))
        targets = coordinates[0][0].targets.reshape(len(X_WINE), 20, 2)
        assert_array_equal(targets, targets[:, :1].expand_as(targets))
        scaled = StandardScaler().fit_transform(X_WINE)
        assert trustworthiness(scaled, targets[:, 0]) > 0.9

    def test__many_rows__the_encoder_puts_those_without_a_place(
        self, coordinates, monkeypatch
    ):
        monkeypatch.setattr(neighbor_embedding, "GRAPH_ROWS", 700)
        ae = make(max_epochs=150).fit(X)
        has_place = ~torch.isnan(coordinates[0][0].targets[:, 0])
        assert has_place.sum() == 700
        # Small tables are sorted, so these are all rows but not in their order.
        assert trustworthiness(X, ae.transform(X)) > 0.93

    def test__held_out_rows__are_where_their_neighbors_are(self, coordinates):
        ae = make(max_epochs=40, early_stopping=True).fit(X)
        train, valid = coordinates[0]
        assert len(train) + len(valid) == len(X)
        assert torch.isfinite(valid.targets).all()
        latents = ae.module_.encode(valid[:][0]).detach()
        assert torch.square(latents - valid.targets).mean() < 0.3

    def test__weights_and_places__stand_in_columns_of_their_own(self, coordinates):
        weight = np.random.default_rng(0).random(len(X_WINE)) + 0.5
        make(max_epochs=1, early_stopping=True).fit(X_WINE, sample_weight=weight)
        train, valid = coordinates[0]
        total = torch.cat([train.weight, valid.weight])
        assert_allclose(np.sort(total), np.sort(weight / weight.mean()), rtol=1e-6)

    @pytest.mark.parametrize("n_rows", [1, 2, 3, 10])
    def test__few_rows__are_embedded(self, n_rows):
        ae = make(max_epochs=3).fit(X_WINE[:n_rows])
        assert np.isfinite(ae.transform(X_WINE)).all()

    def test__rows_all_equal__are_embedded(self):
        ones = np.ones((20, 3))
        ae = make(max_epochs=50).fit(ones)
        assert_allclose(ae.transform(ones), 0, atol=0.1)
        assert_allclose(ae.reconstruct(ones), 1, atol=0.1)

    def test__missing_cells__do_not_draw_rows_together(self):
        """Which cells of a row are missing says nothing about where it is."""
        holes = X_WINE.copy()
        missing = np.random.default_rng(0).random(len(holes)) < 0.5
        holes[missing, 0] = np.nan
        Z = make(max_epochs=150).fit_transform(holes)
        indices = (
            KNeighborsClassifier().fit(Z, missing).kneighbors(return_distance=False)
        )
        alike = missing[indices] == missing[:, None]
        assert alike.mean() < 0.7


def test__warm_start__the_map_stays_where_it_was():
    ae = make(max_epochs=100, warm_start=True).fit(X)
    before = ae.transform(X)
    after = ae.fit(X).transform(X)
    assert ae.n_iter_ == 200
    assert np.square(after - before).mean() < 0.5


def test__keyboard_interrupt__while_rows_are_put__leaves_what_was_fitted(monkeypatch):
    ae = make(max_epochs=2).fit(X_WINE)
    before = ae.transform(X_WINE)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(NeighborEmbeddingNet, "prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)


def test__partial_fit__says_why_there_is_none():
    with pytest.raises(AttributeError) as caught:
        make().partial_fit(X_WINE)
    assert "needs the neighbours of each row" in str(caught.value.__cause__)


def test__partial_fit__other_latent_since_the_fit__goes_by_what_was_fitted():
    """Parameters take effect in the next fit."""
    ae = make(max_epochs=1).fit(X_WINE).set_params(latent=None)
    assert not hasattr(ae, "partial_fit")
    plain = AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(X_WINE)
    plain.set_params(latent=NeighborEmbedding()).partial_fit(X_WINE)
    assert plain.n_iter_ == 2


def test__latent_activation__other_than_identity__is_an_error():
    with pytest.raises(ValueError, match="leave it at 'identity'"):
        make(latent_activation="relu").fit(X_WINE)
