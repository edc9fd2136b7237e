"""``scaling="auto"``: columns of one unit keep it, all others get their own."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)
from sklearn_ae._tables.scaling import Scaler

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)


def make(**params):
    return AutoencoderTransformer(2, random_state=0, **({"max_epochs": 1} | params))


def ratings(n_columns=12, n_rows=200, seed=0):
    """Return answers from 1 to 5, which hardly vary in some of the columns."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.3, 2, n_columns)
    X = np.clip(np.round(3 + spread * rng.normal(size=(n_rows, n_columns))), 1, 5)
    X[0], X[1] = 1, 5
    return X


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test__scaling_auto__columns_of_many_units__is_standard(load):
    X = load().data
    auto, standard = make().fit(X), make(scaling="standard").fit(X)
    assert auto.scaling_ == standard.scaling_ == "standard"
    assert_array_equal(auto.transform(X), standard.transform(X))


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", "robust", None])
def test__scaling__given__is_what_was_done(scaling):
    assert make(scaling=scaling).fit(X_DIGITS).scaling_ == scaling


def test__scaling_auto__pixels__keep_the_ratios_of_their_variances():
    ae = make().fit(X_DIGITS)
    scaled = ae.table_encoder_.transform(X_DIGITS)
    varies = X_DIGITS.var(axis=0) > 0
    assert ae.scaling_ == "common"
    assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    assert_allclose(scaled.var(axis=0)[varies].mean(), 1, rtol=1e-4)
    ratio = scaled.var(axis=0)[varies] / X_DIGITS.var(axis=0)[varies]
    assert_allclose(ratio, ratio[0], rtol=1e-3)


def test__scaling_auto__pixel_that_was_always_white__counts_as_others_do():
    """In units of its own number it would outweigh all else, once it is black."""
    X = X_DIGITS + 1e-3
    scaler = Scaler("auto").fit(X)
    black = np.full((1, 64), X.max())
    assert scaler.transform(black).max() < 10
    assert_array_equal(scaler.inverse_transform(scaler.transform(black))[:, 0], 1e-3)


def test__score__reconstruction_by_the_mean__is_minus_1():
    """So a score of -1 means the same as where each column has its own unit."""
    ae = make(weight_decay=0.0).fit(X_DIGITS[:, X_DIGITS.var(axis=0) > 0])
    X = X_DIGITS[:, X_DIGITS.var(axis=0) > 0]
    scaled = ae.table_encoder_.transform(X)
    assert_allclose(np.square(scaled).mean(), 1, rtol=1e-4)


def test__scaling_auto__other_columns_beside_ratings__have_their_own_unit():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(ratings()).add_prefix("answer ")
    others = {
        "age": rng.integers(18, 90, len(X)),
        "share": rng.random(len(X)),
        "income": rng.lognormal(10, 1, len(X)),
        "town": rng.choice(["a", "b"], len(X)),
    }
    ae = make().fit(X.assign(**others))
    scaled = ae.table_encoder_.transform(ae.table_encoder_.check(X.assign(**others)))
    assert ae.scaling_ == "common"
    assert_allclose(scaled[:, 12:15].var(axis=0), 1, rtol=1e-4)
    assert_allclose(scaled[:, :12].var(axis=0).mean(), 1, rtol=1e-4)
    assert np.ptp(scaled[:, :12].var(axis=0)) > 0.5


def test__scaling_auto__shares_among_counts__are_not_lost():
    """A share from 0 to 1 stays within counts from 0 to 16, and would hardly count."""
    X = np.c_[X_DIGITS, np.random.default_rng(0).random(len(X_DIGITS))]
    scaled = make().fit(X).table_encoder_.transform(X)
    assert_allclose(scaled[:, -1].var(), 1, rtol=1e-4)


@pytest.mark.parametrize("unit", [1e-200, 1 / 255, 1e9, 1e150])
@pytest.mark.parametrize("shift", [0.0, -3.0])
def test__scaling_auto__another_unit__scales_alike(unit, shift):
    X = ratings() / 4
    expected = Scaler("auto").fit(X).transform(X)
    got = Scaler("auto").fit((X + shift) * unit)
    assert got.scaling_ == "common"
    assert_allclose(got.transform((X + shift) * unit), expected, atol=1e-5)
    assert_allclose(
        got.inverse_transform(expected), (X + shift) * unit, atol=1e-5 * unit
    )


@settings(max_examples=30, deadline=None)
@given(
    n_alike=st.integers(0, 12),
    factors=st.lists(st.floats(1.2, 1000), max_size=12),
    seed=st.integers(0, 99),
)
def test__scaling_auto__two_thirds_of_the_columns_alike__is_common(
    n_alike, factors, seed
):
    """The other columns are 1.2, 1.44, ... times as wide: no two of them are alike."""
    rng = np.random.default_rng(seed)
    widths = np.cumprod([1.2, *np.sort(factors)])[: len(factors)] * 1.5
    X = np.c_[
        ratings(n_alike, 50, seed), rng.uniform(-1, 1, (50, len(widths))) * widths
    ]
    X = np.c_[X, np.full(50, 7.0)][:, rng.permutation(n_alike + len(widths) + 1)]
    is_common = n_alike >= 3 and 3 * n_alike >= 2 * (n_alike + len(widths))
    assert Scaler("auto").fit(X).scaling_ == ("common" if is_common else "standard")


@pytest.mark.parametrize(
    "form", [sparse.csr_array, np.asfortranarray, np.float32, list]
)
def test__scaling_auto__same_rows_in_another_form__scale_alike(form):
    X = form(X_DIGITS.tolist() if form is list else X_DIGITS)
    encoders = [make().fit(rows).table_encoder_ for rows in (X, X_DIGITS)]
    scaled = [encoder.transform(X_DIGITS) for encoder in encoders]
    assert_allclose(*scaled, atol=1e-4)


def test__scaling_auto__rows_in_another_order__same_bits():
    order = np.random.default_rng(0).permutation(len(X_DIGITS))
    scaled = [Scaler("auto").fit(X_DIGITS[i]).transform(X_DIGITS) for i in (order, ...)]
    assert_array_equal(*scaled)


def test__scaling_auto__weights__are_rows_that_stand_there_as_often():
    X, weight = ratings(), np.random.default_rng(0).integers(0, 4, 200)
    repeated = Scaler("auto").fit(np.repeat(X, weight, axis=0))
    assert_allclose(
        Scaler("auto").fit(X, weight.astype(float)).transform(X),
        repeated.transform(X),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("first", "other"), [(ratings, load_wine), (load_wine, ratings)]
)
def test__partial_fit__scaling_auto__is_decided_by_the_first_rows(first, other):
    def rows(load):
        return ratings(13) if load is ratings else load().data

    ae = make().partial_fit(rows(first))
    decided = ae.scaling_
    assert decided == ("common" if first is ratings else "standard")
    ae.partial_fit(rows(other))
    assert ae.scaling_ == decided


def test__partial_fit__scaling_auto__unit_is_that_of_all_rows():
    ae = make().partial_fit(X_DIGITS[:900]).partial_fit(X_DIGITS[900:])
    scaled = ae.table_encoder_.transform(X_DIGITS)
    varies = X_DIGITS.var(axis=0) > 0
    assert_allclose(scaled.var(axis=0)[varies].mean(), 1, rtol=0.01)


@pytest.mark.parametrize("X", [X_DIGITS, load_wine().data])
def test__scaling_auto__binary_cross_entropy__is_minmax(X):
    auto = make(loss="bce").fit(X)
    assert auto.scaling_ == "minmax"
    assert_array_equal(
        auto.transform(X), make(loss="bce", scaling="minmax").fit(X).transform(X)
    )
    auto.set_params(warm_start=True).fit(X)


def test__warm_start__scaling_auto__goes_on():
    ae = make(warm_start=True).fit(X_DIGITS)
    assert ae.fit(X_DIGITS).n_iter_ == 2
    with pytest.raises(
        ValueError, match=r"scaling of the last fit, 'auto'. Got .*None"
    ):
        ae.set_params(scaling=None).fit(X_DIGITS)


def test__scaling_auto__missing_cells__are_no_obstacle():
    X = X_DIGITS.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    ae = make().fit(X)
    assert ae.scaling_ == "common"
    varies = np.nanvar(X, axis=0) > 0
    scaled = ae.table_encoder_.transform(X)[:, varies]
    assert_allclose(np.nanvar(scaled, axis=0).mean(), 1, rtol=1e-4)


def test__scaling_auto__constant_columns_alone__come_back():
    X = np.full((20, 4), 3.5)
    ae = make().fit(X)
    assert ae.scaling_ == "standard"
    assert_array_equal(ae.reconstruct(X), X)


def test__grid_search__over_scaling__takes_auto_along():
    search = GridSearchCV(make(), {"scaling": ["auto", "standard", None]}, cv=2)
    assert search.fit(ratings()).best_estimator_.scaling_ in (
        "common",
        "standard",
        None,
    )


def test__classifier__pixels__share_a_unit__other_columns_are_robust():
    params = {"random_state": 0, "max_epochs": 1}
    for X, y, expected in [
        (X_DIGITS[:300], Y_DIGITS[:300], "common"),
        (*load_wine(return_X_y=True), "robust"),
    ]:
        model = AutoencoderPretrainedClassifier(**params).fit(X, y)
        assert model.autoencoder_.scaling_ == expected
        # What was chosen is written in the parameters: a clone does the same.
        assert model.autoencoder_.scaling in ("auto", expected)


@pytest.mark.parametrize("cls", [AutoencoderAnomalyDetector, AutoencoderImputer])
def test__scaling_auto__in_another_estimator__takes_pixels_in_their_unit(cls):
    model = cls(make(), random_state=0).fit(X_DIGITS)
    assert model.autoencoder_.scaling_ == "common"


@pytest.mark.slow
def test__kmeans__default_latents_of_digits__as_good_as_on_the_pixels():
    scores = {"pixels": [], "latents": []}
    for seed in range(3):
        kmeans = KMeans(10, n_init=10, random_state=seed)
        ae = AutoencoderTransformer(10, random_state=seed)
        for name, model in ("pixels", kmeans), ("latents", make_pipeline(ae, kmeans)):
            labels = model.fit_predict(X_DIGITS)
            scores[name].append(normalized_mutual_info_score(Y_DIGITS, labels))
    assert min(scores["latents"]) > np.mean(scores["pixels"]) - 0.04
