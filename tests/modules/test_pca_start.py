"""Training starts at principal component analysis, and ends no worse."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._modules.dense import Dense
from sklearn_ae._modules.pca_start import PCAStart
from tests.helpers import peak_memory

X_WINE = load_wine().data


X_DIGITS = load_digits().data


def start(X, n_components, **params):
    """Return an estimator whose weights have hardly moved from the start."""
    ae = AutoencoderTransformer(
        n_components, max_epochs=1, lr=1e-12, random_state=0, **params
    )
    return ae.fit(X)


def pca_loss(X, n_components, X_test=None, sample_weight=None):
    """Return the mean squared error of PCA in standardised units."""
    scaler = StandardScaler().fit(X, sample_weight=sample_weight)
    Z, Z_test = scaler.transform(X), scaler.transform(X if X_test is None else X_test)
    root = np.ones(len(X)) if sample_weight is None else sample_weight
    components = np.linalg.svd(Z * np.sqrt(root)[:, None], full_matrices=False)[2]
    components = components[:n_components]
    return np.mean((Z_test - Z_test @ components.T @ components) ** 2)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "identity"])
@pytest.mark.parametrize("sizes", [None, (), (20,), (64, 40, 20)])
def test__fit__before_any_step__reconstructs_like_pca(activation, sizes):
    ae = start(X_WINE, 5, activation=activation, hidden_layer_sizes=sizes)
    assert_allclose(-ae.score(X_WINE), pca_loss(X_WINE, 5), rtol=1e-4)
    expected = PCA(5).fit(StandardScaler().fit_transform(X_WINE))
    Z = StandardScaler().fit_transform(X_WINE)
    wanted = expected.inverse_transform(expected.transform(Z))
    found = StandardScaler().fit(X_WINE).transform(ae.reconstruct(X_WINE))
    assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(("activation", "units"), [("relu", 2), ("identity", 1)])
@pytest.mark.parametrize("sizes", [(3,), (64, 4), (1,), (4, 64)])
def test__fit__layer_too_narrow__carries_the_leading_components(
    activation, units, sizes
):
    ae = start(X_WINE, 5, activation=activation, hidden_layer_sizes=sizes)
    n_carried = min(min(sizes) // units, 5)
    assert_allclose(-ae.score(X_WINE), pca_loss(X_WINE, n_carried), rtol=1e-3)


def test__fit__sample_weight__starts_at_the_weighted_pca():
    weight = np.random.RandomState(0).exponential(size=len(X_WINE)) ** 2
    ae = AutoencoderTransformer(3, max_epochs=1, lr=1e-12, random_state=0)
    ae.fit(X_WINE, sample_weight=weight)
    loss = np.average(-ae.score_samples(X_WINE), weights=weight)
    scaler = StandardScaler().fit(X_WINE, sample_weight=weight)
    Z = scaler.transform(X_WINE)
    _, _, components = np.linalg.svd(Z * np.sqrt(weight)[:, None], full_matrices=False)
    rest = Z - Z @ components[:3].T @ components[:3]
    assert_allclose(loss, np.average((rest**2).mean(1), weights=weight), rtol=1e-3)
    assert loss < np.average(-start(X_WINE, 3).score_samples(X_WINE), weights=weight)


@pytest.mark.parametrize("n_components", [8, 40, 64, 100])
def test__fit__many_components__reconstructs_like_pca(n_components):
    """Digits have 61 components at most: three columns are constant."""
    loss = -start(X_DIGITS, n_components, scaling="standard").score(X_DIGITS)
    assert_allclose(loss, pca_loss(X_DIGITS, n_components), rtol=1e-3, atol=1e-6)


DEFICIENT = {
    "constant columns": np.column_stack([X_WINE, np.ones((178, 4))]),
    "columns twice": np.hstack([X_WINE, X_WINE]),
    "rows twice": np.vstack([X_WINE, X_WINE]),
    "two rows": X_WINE[:2],
    "fewer rows than components": X_WINE[::40],
    "all constant": np.ones((10, 4)),
}


@pytest.mark.parametrize("name", DEFICIENT)
def test__fit__rank_below_n_components__reconstructs_like_pca(name):
    X = DEFICIENT[name]
    ae = start(X, 13)
    assert ae.transform(X).shape == (len(X), 13)
    assert_allclose(-ae.score(X), pca_loss(X, 13), rtol=1e-3, atol=1e-6)


def test__fit__one_row__reconstructs_it():
    ae = start(X_WINE[:1], 3)
    assert_allclose(ae.reconstruct(X_WINE[:1]), X_WINE[:1], rtol=1e-5)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test__fit__missing_cells__starts_better_than_the_mean(rate):
    X = X_WINE.copy()
    X[np.random.RandomState(0).uniform(size=X.shape) < rate] = np.nan
    assert -start(X, 6).score(X) < 1.0 - 0.4 * (1 - rate)


@pytest.mark.parametrize(("n_rows", "n_components"), [(300, 10), (300, 200), (40, 32)])
def test__fit__thousands_of_columns__reconstructs_like_pca(n_rows, n_components):
    """They go through a randomised or a thin decomposition."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n_rows, 30)) @ rng.standard_normal((30, 2000))
    X += 0.1 * rng.standard_normal(X.shape)
    ae = start(X, n_components, hidden_layer_sizes=())
    expected = pca_loss(X, n_components)
    assert expected * 0.98 < -ae.score(X) < expected * 1.02 + 1e-6


def test__fit__few_rows_of_very_many_columns__takes_no_square_matrix():
    """20,000 x 20,000 covariances of 50 rows take 3 GB and minutes."""
    X = np.random.RandomState(0).standard_normal((30, 4000))
    assert peak_memory(lambda: start(X, 29, hidden_layer_sizes=())) < 8 * 4000**2 / 4
    assert -start(X, 29, hidden_layer_sizes=()).score(X) < 1e-3


# Turning the latent


def trained_by_hand(X, n_components):
    """Return a module with a linear network of random weights."""
    torch.manual_seed(0)
    network = Dense(X.shape[1], X.shape[1], n_components, (16,), "tanh")
    return Autoencoder(network, n_components).eval()


def test__align_latent__random_network__leaves_the_reconstruction_unchanged():
    with torch.random.fork_rng():
        X = torch.from_numpy(StandardScaler().fit_transform(X_WINE)).float()
        module = trained_by_hand(X, 4)
        with torch.no_grad():
            before, codes = module(X), module.encode(X)
            PCAStart(4).fit(X, X).align_latent(module)
            assert (module.encode(X) - codes).abs().max() > 0.1
            assert_allclose(module(X), before, atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test__align_latent__trained__brings_codes_close_to_the_pca_scores(weighted):
    """KMeans and plots go by distances between codes, and by their order."""
    weight = np.linspace(0.5, 2, len(X_DIGITS)) if weighted else None
    # Far from the start, so that the codes would have turned on the way.
    ae = AutoencoderTransformer(8, max_epochs=30, lr=0.01, random_state=0)
    Z = ae.fit(X_DIGITS, sample_weight=weight).transform(X_DIGITS)
    scores = PCA(8).fit_transform(X_DIGITS)  # pixels share a unit
    correlations = np.abs(np.corrcoef(Z.T, scores.T)[:8, 8:])
    assert np.diag(correlations)[:5].min() > 0.85
    assert (correlations.argmax(1) == np.arange(8))[:5].all()


def test__align_latent__collapsed_latent__is_left_alone():
    """Turning by a singular map would divide by zero."""
    with torch.random.fork_rng():
        X = torch.from_numpy(StandardScaler().fit_transform(X_WINE)).float()
        module = trained_by_hand(X, 4)
        with torch.no_grad():
            module.network.encoder[-1].weight.zero_()
            before = module(X)
            PCAStart(4).fit(X, X).align_latent(module)
            assert torch.equal(module(X), before)


# Where training ends


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "margin"),
    [
        (load_digits, 0.95),
        (load_wine, 1.02),
        (load_breast_cancer, 1.02),
        (load_diabetes, 1.02),
    ],
)
def test__fit__defaults__held_out_reconstruction_does_not_lose_to_pca(load, margin):
    """On digits it beats PCA by far; a small table must not end up worse."""
    X, X_test = train_test_split(load().data, random_state=0)
    ae = AutoencoderTransformer(random_state=0).fit(X)
    n_components = ae.n_components_
    assert -ae.score(X_test) < margin * pca_loss(X, n_components, X_test)


@pytest.mark.slow
def test__fit__defaults__clusters_of_codes_are_as_good_as_those_of_pca():
    X, y = load_digits(return_X_y=True)
    codes = AutoencoderTransformer(16, max_epochs=15, random_state=0).fit_transform(X)
    scores = PCA(16).fit_transform(StandardScaler().fit_transform(X))
    found, expected = (
        normalized_mutual_info_score(
            y, KMeans(10, n_init=5, random_state=0).fit_predict(Z)
        )
        for Z in (codes, scores)
    )
    assert found > expected - 0.05
