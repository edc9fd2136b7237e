"""A latent that KMeans splits well, on tables whose classes are known."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_ae import AutoencoderTransformer, _isolation
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import Clustered

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_WINE, Y_WINE = load_wine(return_X_y=True)


def make(n_clusters, n_components=None, **params):
    params = {"random_state": 0, **params}
    return AutoencoderTransformer(n_components, latent=Clustered(n_clusters), **params)


def clusters_of(ae, X, n_clusters):
    """Return what one run of KMeans makes of the latents."""
    return KMeans(n_clusters, n_init=1, random_state=0).fit_predict(ae.transform(X))


def accuracy(labels, clusters):
    """Return the share of rows on the diagonal, clusters being named as is best."""
    table = contingency_matrix(labels, clusters)
    return table[linear_sum_assignment(-table)].sum() / len(labels)


@pytest.fixture(scope="module")
def digits():
    """An autoencoder of the digits, fitted to three quarters of them."""
    X, X_new, y, y_new = train_test_split(
        X_DIGITS, Y_DIGITS, stratify=Y_DIGITS, random_state=0
    )
    return make(10).fit(X), X, X_new, y, y_new


@pytest.mark.slow
def test__kmeans__digits__finds_them_in_new_images_too(digits):
    ae, X, X_new, y, y_new = digits
    kmeans = KMeans(10, n_init=1, random_state=0).fit(ae.transform(X))
    assert accuracy(y, kmeans.labels_) > 0.9
    assert accuracy(y_new, kmeans.predict(ae.transform(X_new))) > 0.9


@pytest.mark.slow
def test__kmeans__digits_worst_of_five_seeds__finds_them():
    for seed in range(5):
        ae = make(10, random_state=seed).fit(X_DIGITS)
        assert accuracy(Y_DIGITS, clusters_of(ae, X_DIGITS, 10)) > 0.9


@pytest.mark.slow
def test__kmeans__two_clusters_more_or_fewer__still_tells_digits_apart(digits):
    ae, _, X_new, _, y_new = digits
    for n_clusters in (8, 12):
        found = clusters_of(ae, X_new, n_clusters)
        assert normalized_mutual_info_score(y_new, found) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("n_clusters", [8, 12])
def test__kmeans__latent_of_a_wrong_number__still_tells_digits_apart(n_clusters):
    ae = make(n_clusters).fit(X_DIGITS)
    found = clusters_of(ae, X_DIGITS, n_clusters)
    assert normalized_mutual_info_score(Y_DIGITS, found) > 0.8


@pytest.mark.slow
def test__kmeans__digits_of_unequal_numbers__finds_them():
    """From 178 images of the digit 0 down to 18 of 9."""
    rank = np.zeros(len(Y_DIGITS))
    for digit in range(10):
        chosen = np.flatnonzero(digit == Y_DIGITS)
        rank[chosen] = np.arange(len(chosen))
    kept = rank < 178 * (1 - Y_DIGITS / 10)
    X, y = X_DIGITS[kept], Y_DIGITS[kept]
    found = clusters_of(make(10).fit(X), X, 10)
    assert normalized_mutual_info_score(y, found) > 0.85


@pytest.mark.slow
def test__transform__digits__is_assignments_behind_free_numbers(digits):
    ae, X, _, _, _ = digits
    assert ae.n_components_ == 32 + 10
    Z = ae.transform(X)
    assert_allclose(Z[:, 32:].sum(1), Z[:, 32:].sum(1).mean(), rtol=1e-4)
    assert (Z[:, 32:] >= 0).all()


@pytest.mark.slow
def test__clusters__digits__stand_ten_deviations_apart(digits):
    ae, X, _, _, _ = digits
    Z = ae.transform(X)
    deviation = np.sqrt(Z[:, :32].var(0).sum())
    # Two rows of different clusters differ by the largest assignment in two latents.
    distance = np.sqrt(2) * Z[:, 32:].sum(1).mean()
    assert_allclose(distance, 10 * deviation, rtol=0.05)


@pytest.mark.slow
def test__reconstruct__digits__is_as_good_as_without_assignments(digits):
    ae, X, X_new, _, _ = digits
    plain = AutoencoderTransformer(random_state=0).fit(X)
    assert ae.score(X_new) > 1.1 * plain.score(X_new)
    assert_allclose(
        ae.inverse_transform(ae.transform(X_new)), ae.reconstruct(X_new), atol=1e-3
    )


@pytest.mark.slow
def test__cluster_stability__digits_and_rows_without_clusters__tells(digits):
    assert digits[0].cluster_stability_ > 0.8
    rng = np.random.default_rng(0)
    for X in (rng.normal(size=(1000, 10)), rng.random((1000, 10))):
        ae = make(10, max_epochs=1).fit(X)
        assert ae.cluster_stability_ < 0.5


def test__cluster_stability__few_rows__is_unknown():
    assert np.isnan(make(8, max_epochs=1).fit(X_WINE[:20]).cluster_stability_)


def test__fit__other_latent_afterwards__has_no_stability():
    ae = make(3, max_epochs=1).fit(X_WINE)
    ae.set_params(latent=None).fit(X_WINE)
    assert not hasattr(ae, "cluster_stability_")


def test__kmeans__wine__finds_the_growers():
    ae = make(3).fit(X_WINE)
    assert accuracy(Y_WINE, clusters_of(ae, X_WINE, 3)) > 0.9


def test__fit__weights__are_those_of_rows_that_stand_there_so_often():
    weight = np.arange(len(X_WINE)) % 3 + 1
    params = {"max_epochs": 2}
    one = make(3, **params).fit(X_WINE, sample_weight=weight)
    other = make(3, **params).fit(X_WINE.repeat(weight, axis=0))
    assert_array_equal(one.transform(X_WINE), other.transform(X_WINE))


def test__fit__same_seed__leaves_global_generators_as_they_were():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    make(3, max_epochs=1).fit(X_WINE)
    assert torch.equal(state, torch.get_rng_state())
    assert_array_equal(numpy_state, np.random.get_state()[1])


@pytest.mark.parametrize(
    ("n_components", "n_rows", "message"),
    [
        (7, 178, "n_components=7 should be >= n_clusters=8 of latent=Clustered()"),
        (None, 5, "n_samples=5 should be >= n_clusters=8"),
    ],
)
def test__fit__too_few__is_refused(n_components, n_rows, message):
    with pytest.raises(ValueError) as info:
        make(8, n_components).fit(X_WINE[:n_rows])
    assert message in str(info.value)


class Fixed(torch.nn.Module):
    """A user's model whose latent has two numbers."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = torch.nn.Linear(n_features, 2)
        self.decoder = torch.nn.Linear(2, n_features)


def test__fit__architecture_of_fewer_latents_than_clusters__is_refused():
    with pytest.raises(ValueError, match="n_components=2 latents, which should be >="):
        make(3, architecture=TorchModule(Fixed)).fit(X_WINE)


def test__fit__convolutional_default__has_free_latents_and_clusters():
    ae = make(10, architecture=Convolutional(channels=4), max_epochs=1)
    ae.fit(X_DIGITS[:300])
    assert ae.n_components_ == 32 + 10


@pytest.mark.slow
def test__grid_search__numbers_of_clusters__are_tried():
    search = GridSearchCV(make(3, max_epochs=1), {"latent__n_clusters": [2, 3]}, cv=2)
    search.fit(X_WINE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test__partial_fit__chunks__keeps_clusters_of_the_first():
    ae = make(3)
    for _ in range(3):
        ae.partial_fit(X_WINE)
    assert accuracy(Y_WINE, clusters_of(ae, X_WINE, 3)) > 0.9


def test__partial_fit__few_rows__clusters_stay_as_far_apart():
    """They deviate from their mean by nothing, or by chance."""
    ae = make(3).partial_fit(X_WINE)
    before = ae.transform(X_WINE)[:, -3:].sum(1)
    for n_rows in (1, 2):
        ae.partial_fit(X_WINE[:n_rows])
        assert_allclose(ae.transform(X_WINE)[:, -3:].sum(1), before, rtol=1e-5)


def test__warm_start__fewer_rows_than_clusters__keeps_the_clusters():
    ae = make(3, max_epochs=2, warm_start=True).fit(X_WINE)
    stability, found = ae.cluster_stability_, clusters_of(ae, X_WINE, 3)
    ae.fit(X_WINE[:2])
    assert ae.cluster_stability_ == stability
    assert (clusters_of(ae, X_WINE, 3) == found).mean() > 0.95


def test__fit__too_few_rows_beside_those_held_out__says_so():
    with pytest.raises(ValueError, match="rows held out for early stopping do not"):
        make(3, early_stopping=True).fit(X_WINE[:3])


def test__fit__start_of_the_clusters__lets_other_threads_fork(monkeypatch):
    """Of many rows it takes minutes, and a fork waits for half of one."""
    n_points = []
    monkeypatch.setattr(_isolation.calls, "safe_point", lambda: n_points.append(1))
    make(3, max_epochs=1).fit(X_WINE)
    assert len(n_points) > 100
