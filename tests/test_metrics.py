"""Scorers for searches without labels compare all settings on common ground."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_ae import AutoencoderTransformer, metrics
from sklearn_ae.architectures import Convolutional
from sklearn_ae.metrics import hidden_cells_r2, neighbor_rank_silhouette
from sklearn_ae.noise import SwapNoise

SCORERS = [hidden_cells_r2, neighbor_rank_silhouette]


def factors(n_factors, n_columns, noise=0.5, n_rows=500, seed=0):
    """Return rows that a number of factors make, and noise."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(n_factors, n_columns)) / np.sqrt(n_factors)
    X = rng.normal(size=(n_rows, n_factors)) @ loadings
    return X + noise * rng.normal(size=X.shape)


def blobs(n_columns=5, centers=4, n_rows=300):
    return make_blobs(n_rows, n_columns, centers=centers, random_state=1)[0]


def mixed(n_rows=200):
    """Return a frame of numbers and categories in two groups, with missing cells."""
    rng = np.random.default_rng(0)
    group = rng.random(n_rows) < 0.5
    frame = pd.DataFrame(
        {
            "size": rng.normal(3 * group, 0.5),
            "kind": np.where(rng.random(n_rows) < 0.1, "rare", np.array("ab"[0])),
            "count": rng.poisson(2 + 8 * group),
            "marked": group ^ (rng.random(n_rows) < 0.05),
        }
    )
    frame["kind"] = frame["kind"].mask(group, "c")
    frame.loc[::7, "size"] = np.nan
    frame.loc[::9, "kind"] = None
    return frame


def make_ae(n_components=2, **params):
    params = {"max_epochs": 10, "random_state": 0} | params
    return AutoencoderTransformer(n_components, **params)


def make_pipeline_of(n_components=2, n_clusters=4, **params):
    kmeans = KMeans(n_clusters, n_init=2, random_state=0)
    return Pipeline([("ae", make_ae(n_components, **params)), ("clusters", kmeans)])


class Latents(TransformerMixin, BaseEstimator):
    """Latents that a function makes of rows."""

    def __init__(self, function):
        self.function = function

    def fit(self, X, y=None):
        self.n_rows_ = []
        return self

    def transform(self, X):
        self.n_rows_.append(X.shape[0])
        return self.function(X)


class SignOfFirst(ClusterMixin, BaseEstimator):
    """Two clusters, by the sign of the first column."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return (np.asarray(X)[:, 0] > 0).astype(int)


def random_latents(X):
    return np.random.default_rng(0).normal(size=(len(X), 3))


def with_noise(X):
    return np.hstack([X[:, :2], np.random.default_rng(0).normal(size=(len(X), 8))])


# What the scores say.


@pytest.mark.parametrize("n_factors", [2, 3, 5])
def test__hidden_cells_r2__known_factors_and_noise__are_found(n_factors):
    """The reconstruction error would take the most components, whatever they store."""
    X = factors(n_factors, 16)
    grid = {"n_components": [1, 2, 3, 5, 8, 12, 15]}
    search = GridSearchCV(PCA(), grid, scoring=hidden_cells_r2, cv=2).fit(X)
    assert search.best_params_ == {"n_components": n_factors}


def test__hidden_cells_r2__search_over_an_autoencoder__takes_an_interior_setting():
    grid = {"n_components": [1, 2, 3, 12], "noise": [None, SwapNoise(rate=0.15)]}
    ae = make_ae(max_epochs=30)
    search = GridSearchCV(ae, grid, scoring=hidden_cells_r2, cv=2)
    assert search.fit(factors(3, 16)).best_params_["n_components"] == 3


def test__hidden_cells_r2__random_latents__score_lowest():
    X = factors(2, 10)
    scores = [
        hidden_cells_r2(Latents(function).fit(X), X)
        for function in (random_latents, lambda X: X[:, :3], lambda X: X)
    ]
    assert scores[0] < 0 < scores[1] < scores[2] < 1


def test__hidden_cells_r2__constant_latents__score_zero():
    """As the mean of the other rows does."""
    X = factors(2, 10)
    constant = Latents(lambda X: np.ones((len(X), 2))).fit(X)
    assert_allclose(hidden_cells_r2(constant, X), 0, atol=1e-9)


def test__hidden_cells_r2__few_rows__still_tells_latents():
    """Folds of a small table have no more; all scores were 0."""
    X = np.arange(6)[:, None] * np.ones(4)
    good, bad = Latents(lambda X: X).fit(X), Latents(random_latents).fit(X)
    assert hidden_cells_r2(good, X) > hidden_cells_r2(bad, X)


def test__hidden_cells_r2__noise_beside_latents__harms():
    X = factors(2, 10, noise=0.1)
    fewer = hidden_cells_r2(Latents(lambda X: X[:, :2]).fit(X), X)
    assert hidden_cells_r2(Latents(with_noise).fit(X), X) < fewer - 0.1


def test__hidden_cells_r2__independent_columns__cannot_be_predicted():
    """Latents that hold a cell, or a trace of it, must not predict it."""
    X = np.random.default_rng(0).normal(size=(300, 10))
    assert hidden_cells_r2(Latents(lambda X: X).fit(X), X) < 0.02


@pytest.mark.parametrize(("n_columns", "n_clusters"), [(2, 3), (5, 4), (20, 6)])
def test__neighbor_rank_silhouette__blobs__are_counted(n_columns, n_clusters):
    X = blobs(n_columns, n_clusters)
    pipeline = make_pipeline(PCA(2), KMeans(n_init=5, random_state=0))
    grid = {"kmeans__n_clusters": [2, 3, 4, 5, 6, 7, 9]}
    search = GridSearchCV(pipeline, grid, scoring=neighbor_rank_silhouette, cv=2)
    assert search.fit(X).best_params_ == {"kmeans__n_clusters": n_clusters}


def test__neighbor_rank_silhouette__pipeline__finds_latents_and_clusters():
    """Inertia would take one latent and the most clusters."""
    pipeline = make_pipeline_of(max_epochs=30)
    grid = {"ae__n_components": [1, 4], "clusters__n_clusters": [2, 5, 10]}
    search = GridSearchCV(pipeline, grid, scoring=neighbor_rank_silhouette, cv=2)
    best = search.fit(blobs(8, 5)).best_params_
    assert best == {"ae__n_components": 4, "clusters__n_clusters": 5}


def test__neighbor_rank_silhouette__clusters_at_random__score_about_zero():
    X = blobs()
    rng = np.random.default_rng(0)
    chance = KMeans(4, random_state=0).fit(X)
    score = neighbor_rank_silhouette(chance, X)
    chance.predict = lambda X: rng.integers(4, size=len(X))
    assert abs(neighbor_rank_silhouette(chance, X)) < 0.05 < score


@pytest.mark.parametrize("rows", [[0, 1], [0, 0]], ids=["two", "one"])
def test__neighbor_rank_silhouette__clusters_divide_nothing__is_the_least(rows):
    X = blobs()[rows]
    assert neighbor_rank_silhouette(SignOfFirst().fit(X), X) == -1


# Common ground.


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__shuffled_rows__stays(scorer):
    X = mixed()
    pipeline = make_pipeline_of(n_clusters=2).fit(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(scorer(pipeline, X.iloc[order]), scorer(pipeline, X), atol=1e-4)


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__unit_of_a_first_step__makes_no_difference(scorer):
    X = factors(2, 8, n_rows=100)
    scores = []
    for factor in (1.0, 1000.0):
        scale = FunctionTransformer(lambda X, factor=factor: factor * X)
        pipeline = make_pipeline(scale, FunctionTransformer(), SignOfFirst()).fit(X)
        scores.append(scorer(pipeline, X))
    assert_allclose(*scores, rtol=1e-6)


def test__neighbor_rank_silhouette__scaling_of_the_autoencoder__makes_no_difference():
    """Equal clusters get equal scores, wherever they were found."""
    X = blobs() * [1, 10, 100, 1000, 10_000]
    pipelines = [
        make_pipeline_of(4, scaling=scaling, max_epochs=30).fit(X)
        for scaling in ("standard", "minmax", "quantile", None)
    ]
    for pipeline in pipelines:
        pipeline.predict = pipelines[0].predict
    scores = {neighbor_rank_silhouette(pipeline, X) for pipeline in pipelines}
    assert len(scores) == 1


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__units_of_columns__make_no_difference(scorer):
    X = factors(2, 8, n_rows=100)
    units = 10.0 ** np.arange(8)
    first = make_pipeline(FunctionTransformer(), SignOfFirst()).fit(X)
    back = FunctionTransformer(lambda X: X / units)
    second = make_pipeline(back, SignOfFirst()).fit(X)
    assert_allclose(scorer(first, X), scorer(second, X * units), rtol=1e-5)


# What is scored.


def test__hidden_cells_r2__pipeline_that_ends_in_a_model__scores_its_latents():
    X = blobs()
    y = X[:, 0] > 0
    pca = PCA(2).fit(X)
    for last in (KMeans(3, random_state=0), LogisticRegression(), LinearRegression()):
        pipeline = make_pipeline(PCA(2), last).fit(X, y)
        assert hidden_cells_r2(pipeline, X) == hidden_cells_r2(pca, X)
    assert hidden_cells_r2(make_pipeline(pca, "passthrough"), X) == hidden_cells_r2(
        pca, X
    )


def test__hidden_cells_r2__output_as_a_frame__is_that_of_arrays():
    X = blobs()
    pca = PCA(2).fit(X)
    expected = hidden_cells_r2(pca, X)
    assert hidden_cells_r2(pca.set_output(transform="pandas"), X) == expected


def test__neighbor_rank_silhouette__clusterer_without_predict__divides_the_rows():
    X = blobs()
    for clusterer in (HDBSCAN(copy=True), AgglomerativeClustering(4)):
        pipeline = make_pipeline(PCA(2), clusterer).fit(X)
        assert neighbor_rank_silhouette(pipeline, X) > 0.2
        assert neighbor_rank_silhouette(clusterer.fit(X), X) > 0.2


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__fitted_search__is_that_of_its_best_estimator(scorer):
    """A search that ends in KMeans has a `transform`, to distances from centres."""
    X = blobs()
    pipeline = make_pipeline(PCA(2), KMeans(random_state=0))
    search = GridSearchCV(pipeline, {"kmeans__n_clusters": [2, 4]}, scoring=scorer)
    assert scorer(search.fit(X), X) == scorer(search.best_estimator_, X)


def test__neighbor_rank_silhouette__rows_of_noise__count_nothing():
    """As one cluster they would lower the score of each row near them."""
    X = np.vstack([blobs(), np.random.default_rng(0).uniform(-30, 30, (60, 5))])
    kmeans = KMeans(4, n_init=5, random_state=0).fit(X[:300])
    labels = kmeans.labels_.copy()

    def mark(noise):
        return lambda X: np.r_[labels, np.full(60, noise)]

    scores = []
    for noise in (-1, 4):
        kmeans.predict = mark(noise)
        scores.append(neighbor_rank_silhouette(kmeans, X))
    assert scores[0] > scores[1]


# Kinds of tables.


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("scorer", SCORERS)
def test__score__frame_with_categories_and_missing_cells__tells_latents(
    scorer, library
):
    X = mixed() if library == "pandas" else pl.from_pandas(mixed())
    pipeline = make_pipeline_of(n_clusters=2, max_epochs=40).fit(X)
    assert scorer(pipeline, X) > 0.2


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__column_transformer_before__works(scorer):
    encode = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent"),
                OneHotEncoder(sparse_output=False),
            ),
            ["kind"],
        ),
        remainder="passthrough",
    )
    pipeline = make_pipeline(encode, PCA(2), KMeans(2, random_state=0)).fit(mixed())
    assert scorer(pipeline, mixed()) > 0.2


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__sparse_rows__is_that_of_dense_ones(scorer):
    X = np.where(blobs() > 0, blobs(), 0)
    pipeline = make_pipeline(TruncatedSVD(2, random_state=0), SignOfFirst()).fit(X)
    expected = scorer(pipeline, X)
    assert_allclose(scorer(pipeline, sparse.csr_matrix(X)), expected, rtol=1e-6)
    assert_allclose(scorer(pipeline, sparse.csc_array(X)), expected, rtol=1e-6)


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__images__are_rows_of_pixels(scorer):
    images = load_digits().images[:150]
    architecture = Convolutional(channels=(4,))
    pipeline = make_pipeline_of(8, architecture=architecture, max_epochs=2).fit(images)
    flat = make_pipeline(
        FunctionTransformer(lambda X: X.reshape(-1, 8, 8)), pipeline
    ).fit(images.reshape(150, 64))
    assert_allclose(
        scorer(pipeline, images), scorer(flat, images.reshape(150, 64)), rtol=1e-4
    )


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__codes_that_the_autoencoder_takes_for_categories__have_no_order(scorer):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(4, size=200), rng.normal(size=(200, 2))])
    X[:, 1] += X[:, 0]
    renamed = X.copy()
    renamed[:, 0] = np.array([3, 0, 2, 1])[X[:, 0].astype(int)]
    scores = []
    for rows in (X, renamed):
        ae = make_ae(2, categorical_features=[0]).fit(rows)
        # Of the cells of the other columns alone.
        ae.transform = lambda X: np.asarray(X)[:, 1:]
        ae.predict = lambda X: np.asarray(X)[:, 1] > 1.5
        scores.append(scorer(ae, rows))
    assert_allclose(*scores, rtol=1e-5)


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__categories_that_hardly_repeat_in_a_fold__is_finite(scorer):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"town": rng.integers(60, size=400).astype(str)})
    X["size"] = X["town"].astype(int) + rng.normal(size=400)
    pipeline = make_pipeline_of(n_clusters=3, max_epochs=2).fit(X)
    assert np.isfinite(scorer(pipeline, X.iloc[:70]))


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__constant_and_empty_columns__is_finite(scorer):
    X = np.column_stack([blobs(), np.ones(300), np.full(300, np.nan)])
    pipeline = make_pipeline_of(max_epochs=2).fit(X)
    assert np.isfinite(scorer(pipeline, X))
    assert np.isfinite(scorer(pipeline, X[:1].repeat(5, axis=0)))


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__many_rows__are_a_sample_that_stays_the_same(scorer):
    X = blobs(n_rows=3 * metrics.MOST_ROWS)
    latents = Latents(lambda X: X[:, :2])
    pipeline = make_pipeline(latents, SignOfFirst()).fit(X)
    pipeline[0].n_rows_ = []
    assert scorer(pipeline, X) == scorer(pipeline, X)
    assert {*pipeline[0].n_rows_} == {metrics.MOST_ROWS}
    assert_allclose(scorer(pipeline, X), scorer(pipeline, X[::3]), atol=0.05)


# Searches.


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test__search__several_scorers_and_processes__works(n_jobs):
    pipeline = make_pipeline_of(max_epochs=2)
    scoring = {scorer.__name__: scorer for scorer in SCORERS}
    search = GridSearchCV(
        pipeline,
        {"clusters__n_clusters": [2, 4]},
        scoring=scoring,
        refit="neighbor_rank_silhouette",
        cv=2,
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(blobs())
    assert search.best_params_ == {"clusters__n_clusters": 4}
    # Clusters make no difference to the latents before them.
    assert np.ptp(search.cv_results_["mean_test_hidden_cells_r2"]) == 0


@pytest.mark.parametrize("scorer", SCORERS)
def test__search__successive_halving__works(scorer):
    search = HalvingGridSearchCV(
        make_pipeline_of(),
        {"ae__n_components": [1, 2, 3, 4]},
        resource="ae__max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        scoring=scorer,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(blobs())
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize("scorer", SCORERS)
def test__cross_val_score__folds_of_two_rows__is_finite(scorer):
    pipeline = make_pipeline(PCA(2), KMeans(2, random_state=0))
    scores = cross_val_score(
        pipeline, blobs()[:8], scoring=scorer, cv=KFold(4), error_score="raise"
    )
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("scorer", SCORERS)
def test__scorer__pickled__is_itself(scorer):
    assert pickle.loads(pickle.dumps(scorer)) is scorer


# Errors.


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__not_fitted__is_an_error(scorer):
    with pytest.raises(NotFittedError):
        scorer(make_pipeline_of(), blobs())


@pytest.mark.parametrize(
    ("scorer", "estimator", "message"),
    [
        (SCORERS[0], SignOfFirst(), "SignOf.*: transform. hidden_cells_r2 scores"),
        (SCORERS[1], PCA(2), "PCA .*: predict. neighbor_rank_silhouette scores"),
        (SCORERS[1], make_pipeline(PCA(2), "passthrough"), "Pipeline .*: predict"),
    ],
)
def test__score__estimator_without_the_method__is_an_error(scorer, estimator, message):
    with pytest.raises(AttributeError, match=message):
        scorer(estimator.fit(blobs()), blobs())


def test__neighbor_rank_silhouette__continuous_predictions__are_an_error():
    X = blobs()
    model = make_pipeline(PCA(2), LinearRegression()).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        neighbor_rank_silhouette(model, X)


@pytest.mark.parametrize("scorer", SCORERS)
def test__score__one_row__is_an_error(scorer):
    pipeline = make_pipeline(PCA(2), KMeans(2)).fit(blobs())
    with pytest.raises(ValueError, match=f"minimum of 2 .* by {scorer.__name__}"):
        scorer(pipeline, blobs()[:1])


def test__hidden_cells_r2__one_column__is_an_error():
    X = blobs()[:, :1]
    with pytest.raises(ValueError, match=r"1 feature\(s\) .* minimum of 2"):
        hidden_cells_r2(StandardScaler().fit(X), X)


def test__hidden_cells_r2__latents_that_are_not_finite__are_an_error():
    X = blobs()
    with pytest.raises(ValueError, match="Input latents contains NaN"):
        hidden_cells_r2(Latents(lambda X: X * np.nan).fit(X), X)
