"""The estimator inside scikit-learn's own machinery, on real data."""

import copy
import pickle
from functools import cache
from io import BytesIO

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, SwapNoise
from tests.real_tables import find_file

WINE = load_wine(as_frame=True).data


class Mine(nn.Module):
    """A user's own model."""

    def __init__(self, n_features, n_components, width=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_components)
        )
        self.decoder = nn.Linear(n_components, n_features)


def make(n_components=4, **params):
    settings = {"max_epochs": 3, "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **settings)


@cache
def pictures(name):
    """Return training and test pictures of digits."""
    if name == "mnist":
        with np.load(find_file("mnist.npz")) as data:
            X, y = data["X_train"][:3000].reshape(3000, -1), data["y_train"][:3000]
    else:
        X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)


def clustering_accuracy(y, clusters):
    """Return the share of rows in the class that their cluster is matched with."""
    counts = confusion_matrix(y, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


def codes_of_pca(X):
    return make_pipeline(StandardScaler(), PCA(16)).fit(X)


# The user's pipelines


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test__pipeline__before_kmeans__finds_the_digits_about_as_well_as_pca(name):
    X, _, y, _ = pictures(name)
    kmeans = KMeans(10, n_init=4, random_state=0)
    pipeline = Pipeline([("ae", make(16, max_epochs=10)), ("km", kmeans)])
    accuracy = clustering_accuracy(y, pipeline.fit_predict(X))
    expected = clustering_accuracy(y, kmeans.fit_predict(codes_of_pca(X).transform(X)))
    assert accuracy > 0.3  # chance is about 0.1
    assert accuracy > expected - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test__pipeline__before_logistic_regression__classifies_as_well_as_pca(name):
    X, X_test, y, y_test = pictures(name)
    logistic = LogisticRegression(max_iter=300)
    pipeline = Pipeline([("ae", make(16, max_epochs=10)), ("lr", logistic)])
    accuracy = pipeline.fit(X, y).score(X_test, y_test)
    pca = codes_of_pca(X)
    logistic = clone(logistic).fit(pca.transform(X), y)
    expected = logistic.score(pca.transform(X_test), y_test)
    assert accuracy > 0.75
    assert accuracy > expected - 0.03


def test__pipeline__inverse_transform__gives_the_reconstruction():
    X = WINE.to_numpy()
    pipeline = make_pipeline(StandardScaler(), make()).fit(X)
    scaler, ae = pipeline[0], pipeline[1]
    assert_allclose(
        pipeline.inverse_transform(pipeline.transform(X)),
        scaler.inverse_transform(ae.reconstruct(scaler.transform(X))),
        rtol=1e-4,
    )


# Searches

GRIDS = {
    "design": {
        "ae__n_components": [2, 4],
        "ae__noise": [None, SwapNoise()],
        "ae__noise__rate": [0.1, 0.2],
    },
    "network": {
        "ae__hidden_layer_sizes": [None, (), (8,), [16, 8]],
        "ae__activation": ["relu", nn.Tanh],
    },
    "training": {
        "ae__lr": [1e-3, 1e-2],
        "ae__net_params": [None, {"optimizer__betas": (0.8, 0.9)}],
    },
    "noise alone": {
        "ae__noise": [GaussianNoise(0.1), GaussianNoise(0.5)],
        "ae__noise__std": [0.2, 3.0],
    },
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.slow
def test__grid_search__two_jobs__scores_every_candidate(name):
    """Errors of candidates would show as NaN and a warning only."""
    X, y = load_wine(return_X_y=True)
    pipeline = Pipeline([("ae", make(max_epochs=2)), ("lr", LogisticRegression())])
    search = GridSearchCV(pipeline, GRIDS[name], cv=2, n_jobs=2, error_score="raise")
    search.fit(X, y)
    assert (search.cv_results_["mean_test_score"] > 0.5).all()
    expected = clone(pipeline).set_params(**search.best_params_)
    assert str(search.best_estimator_.get_params()) == str(expected.get_params())


def test__grid_search__parameter_of_the_user_model__reaches_it():
    grid = {"architecture__width": [3, 5]}
    ae = make(architecture=TorchModule(Mine))
    search = GridSearchCV(ae, grid, cv=2, error_score="raise", refit=True)
    search.fit(WINE)
    width = search.best_params_["architecture__width"]
    assert search.best_estimator_.module_.network.encoder[0].out_features == width


def test__grid_search__on_its_own_score__prefers_the_wider_latent():
    search = GridSearchCV(make(), {"n_components": [1, 6]}, cv=3).fit(WINE)
    assert search.best_params_ == {"n_components": 6}


def test__cross_val_score__on_its_own_score__is_minus_the_held_out_error():
    scores = cross_val_score(make(6), WINE.sample(frac=1, random_state=0), cv=3)
    assert (scores < 0).all()
    assert (scores > -0.6).all()


# Compositions and names


def test__column_transformer__part_of_the_columns__passes_the_others_on():
    names = list(WINE.columns[:6])
    transformer = ColumnTransformer(
        [("ae", make(3), names)], remainder="passthrough"
    ).set_output(transform="pandas")
    out = transformer.fit_transform(WINE)
    assert list(out.columns[:3]) == [f"ae__autoencodertransformer{i}" for i in range(3)]
    assert_array_equal(out.iloc[:, :3], make(3).fit(WINE[names]).transform(WINE[names]))
    assert_array_equal(out.iloc[:, 3:], WINE.iloc[:, 6:])


def test__feature_union__two_autoencoders__stand_side_by_side():
    union = FeatureUnion([("small", make(2)), ("pca", PCA(2)), ("large", make(5))])
    out = union.fit_transform(WINE.to_numpy())
    assert out.shape == (178, 9)
    names = union.get_feature_names_out()
    assert names[0] == "small__autoencodertransformer0"
    assert names[-1] == "large__autoencodertransformer4"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__set_output__frame__has_the_latent_names(library):
    X = WINE if library == "pandas" else pl.from_pandas(WINE)
    ae = make(3).set_output(transform=library)
    out = ae.fit_transform(X)
    assert isinstance(out, pd.DataFrame if library == "pandas" else pl.DataFrame)
    assert list(out.columns) == list(ae.get_feature_names_out())
    assert list(out.columns) == [f"autoencodertransformer{i}" for i in range(3)]
    assert_array_equal(out.to_numpy(), make(3).fit_transform(X))
    if library == "pandas":
        assert out.index.equals(WINE.index)
    assert list(ae.inverse_transform(out).columns) == list(WINE.columns)


# Metadata routing


def test__metadata_routing__pipeline__hands_on_the_sample_weight():
    weight = np.linspace(0.1, 5, len(WINE))
    with config_context(enable_metadata_routing=True):
        ae = make().set_fit_request(sample_weight=True)
        logistic = LogisticRegression().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(ae, logistic)
        y = load_wine().target
        pipeline.fit(WINE.to_numpy(), y, sample_weight=weight)
    expected = make().fit(WINE.to_numpy(), sample_weight=weight)
    assert_array_equal(
        pipeline[0].transform(WINE.to_numpy()), expected.transform(WINE.to_numpy())
    )


def test__metadata_routing__grid_search__hands_on_the_sample_weight():
    weight = (np.arange(len(WINE)) % 4).astype(float)
    with config_context(enable_metadata_routing=True):
        ae = make().set_fit_request(sample_weight=True)
        search = GridSearchCV(ae, {"lr": [1e-3]}, cv=2).fit(WINE, sample_weight=weight)
    expected = make(lr=1e-3).fit(WINE, sample_weight=weight)
    assert_array_equal(search.best_estimator_.transform(WINE), expected.transform(WINE))


def test__metadata_routing__not_requested__is_an_error():
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(make(), LogisticRegression())
        with pytest.raises(ValueError, match="sample_weight"):
            pipeline.fit(WINE, load_wine().target, sample_weight=np.ones(len(WINE)))


# Representations


REPRESENTED = {
    "AutoencoderTransformer()": AutoencoderTransformer(),
    "AutoencoderTransformer(n_components=3)": AutoencoderTransformer(3),
    "AutoencoderTransformer(noise=SwapNoise(rate=0.3))": AutoencoderTransformer(
        noise=SwapNoise(rate=0.3)
    ),
}


@pytest.mark.parametrize("text", REPRESENTED)
def test__repr__any_setting__shows_what_was_set(text):
    assert repr(REPRESENTED[text]) == text


def test__repr__of_a_user_model__names_class_and_arguments():
    text = repr(make(architecture=TorchModule(Mine, width=4)))
    assert "TorchModule(" in text
    assert "Mine" in text
    assert "width=4" in text


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    "params", [{}, {"noise": SwapNoise()}, {"architecture": TorchModule(Mine, width=4)}]
)
def test__html_repr__any_setting__names_the_parts(params, fitted):
    ae = make(**params)
    html = (ae.fit(WINE) if fitted else ae)._repr_html_()
    assert "AutoencoderTransformer" in html
    for part in params.values():
        assert type(part).__name__ in html
    assert "AutoencoderTransformer" in make_pipeline(ae, PCA())._repr_html_()


# Copies


def test__clone__fitted__has_equal_parameters_and_no_fit():
    ae = make(noise=SwapNoise(rate=0.3), architecture=TorchModule(Mine, width=4))
    copied = clone(ae.fit(WINE))
    assert repr(copied) == repr(ae)
    assert not hasattr(copied, "net_")
    copied.set_params(noise__rate=0.1, architecture__width=7)
    assert (ae.noise.rate, ae.architecture.kwargs["width"]) == (0.3, 4)


def _through_joblib(ae):
    file = BytesIO()
    joblib.dump(ae, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "pickle": lambda ae: pickle.loads(pickle.dumps(ae)),
    "cloudpickle": lambda ae: cloudpickle.loads(cloudpickle.dumps(ae)),
    "joblib": _through_joblib,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"noise": SwapNoise(), "early_stopping": True},
        {"architecture": TorchModule(Mine), "scaling": "quantile"},
        {"lr_schedule": "plateau", "verbose": 1},
    ],
)
def test__copy__fitted__gives_the_same_output_and_goes_on_alike(way, params):
    ae = make(**params).fit(WINE)
    copied = COPIES[way](ae)
    assert copied.module_ is copied.net_.module_
    assert_array_equal(copied.transform(WINE), ae.transform(WINE))
    assert_array_equal(copied.score_samples(WINE), ae.score_samples(WINE))
    pd.testing.assert_frame_equal(copied.reconstruct(WINE), ae.reconstruct(WINE))
    before = ae.transform(WINE)
    copied.partial_fit(WINE)
    assert_array_equal(ae.transform(WINE), before)
    ae.partial_fit(WINE)
    assert_array_equal(copied.transform(WINE), ae.transform(WINE))
    copied.set_params(warm_start=True).fit(WINE)
    assert copied.n_iter_ == ae.n_iter_ + copied.max_epochs


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"scaling": "quantile"}]
)
def test__pickle__more_rows__is_no_larger(params):
    """A model that carries its training data cannot be given away."""
    X = np.random.RandomState(0).standard_normal((20_000, 10))
    sizes = [
        len(pickle.dumps(make(2, hidden_layer_sizes=(8,), **params).fit(X[:n_rows])))
        for n_rows in (1000, 20_000)
    ]
    # The quantiles of 1,000 rows and of 20,000 are as many.
    assert sizes[1] < sizes[0] + 2000


@pytest.mark.parametrize("early_stopping", [False, True])
def test__pickle__any_setting__holds_one_copy_of_the_weights(early_stopping):
    """Best weights and the optimizer's running means are of no use any more."""
    ae = make(hidden_layer_sizes=(5000,), early_stopping=early_stopping).fit(WINE)
    n_bytes = sum(weight.nbytes for weight in ae.module_.parameters())
    assert len(pickle.dumps(ae)) < 1.3 * n_bytes


def test__frozen_estimator__in_a_pipeline__is_not_trained_again():
    ae = make().fit(WINE)
    before = ae.transform(WINE)
    pipeline = make_pipeline(FrozenEstimator(ae), LogisticRegression())
    pipeline.fit(WINE[:90], load_wine().target[:90])
    assert_array_equal(ae.transform(WINE), before)
    assert_array_equal(pipeline[:-1].transform(WINE), before)
