"""No unit, no offset and no constant is special to scaling or to an estimator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.frozen import FrozenEstimator

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae._tables.scaling import Scaler

SCALINGS = ["standard", "minmax", "robust", "quantile"]
CONSTANTS = [
    0.0,
    -3.5,
    0.1,
    20241131.7,
    1e-12,
    1e18,
    1_700_000_000_000_012_345,
    1e-300,
    -1e300,
]


def correlated(n_rows=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 2)) @ [[1, 2, 0, -1], [0, 1, 3, 1]] + rng.normal(
        size=(n_rows, 4)
    )


X = correlated()
NEW = correlated(100, seed=1)

# Scaling


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("value", CONSTANTS)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test__scaler__constant_column__is_0_and_comes_back(scaling, value, form):
    rows = np.c_[X[:, 0], np.full(len(X), float(value))]
    scaler = Scaler(scaling).fit(form(rows)).partial_fit(form(rows[:7]))
    scaled = scaler.transform(form(rows))
    assert_array_equal(scaled[:, 1], 0)
    # What a network makes of a constant is never quite 0.
    back = scaler.inverse_transform(scaled + np.float32(0.01))
    assert_array_equal(back[:, 1], float(value))


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("value", [-3.5, 0.1, 20241131.7, 1e18, 1e-12])
def test__scaler__constant_column__of_float32_is_hardly_off_that_of_float64(
    scaling, value
):
    rows = np.c_[X[:, 0], np.full(len(X), value)]
    for fitted, given in ((np.float64, np.float32), (np.float32, np.float64)):
        scaler = Scaler(scaling).fit(rows.astype(fitted))
        assert_allclose(scaler.transform(rows.astype(given))[:, 1], 0, atol=1e-6)


@pytest.mark.parametrize("scaling", SCALINGS)
def test__scaler__column_that_differs_by_rounding__is_constant(scaling):
    rows = np.c_[X[:, 0], np.where(X[:, 1] > 0, 0.1 + 0.2, 0.3)]
    assert len(np.unique(rows[:, 1])) == 2
    assert_allclose(Scaler(scaling).fit(rows).transform(rows)[:, 1], 0, atol=1e-6)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("exponent", [-300, -170, -140, -12, -3, 3, 12, 140])
def test__scaler__other_units__scale_alike(scaling, exponent):
    expected = Scaler(scaling).fit(X).transform(NEW)
    factor = 10.0**exponent
    assert_allclose(
        Scaler(scaling).fit(X * factor).transform(NEW * factor), expected, atol=1e-5
    )


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(
    ("offset", "tolerance"), [(-1e6, 1e-5), (1e9, 1e-4), (1e12, 0.01)]
)
def test__scaler__offset__is_taken_off(scaling, offset, tolerance):
    """But the numbers themselves are rounded to a ten-thousandth at 1e12."""
    expected = Scaler(scaling).fit(X).transform(NEW)
    scaler = Scaler(scaling).fit(X[:100] + offset)
    for part in (X[100:200], X[200:]):
        scaler.partial_fit(part + offset)
    if scaling not in ("standard", "minmax"):
        scaler.fit(X + offset)
    assert_allclose(scaler.transform(NEW + offset), expected, atol=tolerance)
    back = scaler.inverse_transform(scaler.transform(X + offset))
    assert_allclose(back - offset, X, atol=max(2e-3, 2 * tolerance))


def test__quantile_scaling__float32_cells__rank_as_the_float64_cells_that_they_were():
    prices = np.round(np.random.default_rng(0).uniform(size=(500, 1)), 1) + 0.07
    scaler = Scaler("quantile").fit(prices)
    rounded = prices.astype(np.float32)
    assert (rounded != prices).any()
    assert_allclose(scaler.transform(rounded), scaler.transform(prices), atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test__robust_scaling__mostly_one_number_but_for_rounding__has_the_deviation(offset):
    column = np.where(np.arange(300) % 2, 0.1 + 0.2, 0.3) + offset
    column[::9] = offset + np.arange(len(column[::9]))
    scaled = Scaler("robust").fit(column[:, None]).transform(column[:, None])
    assert np.abs(scaled[1::9] - scaled[2::9]).max() < 1e-3


# Estimators


def units(X):
    """Yield tables that are X but for the units of its columns."""
    yield "kilo and micro", X * [1e3, 1e-6, 1.0, 1e12]
    yield "pico", X * 1e-12
    yield "offsets", X + np.array([1e9, 0, -1e9, 1e6])
    yield "huge", X * 1e18


def with_constants(X):
    return np.c_[X, np.full(len(X), 20241131.7), np.full(len(X), 1e18)]


def small(**params):
    return AutoencoderTransformer(2, **{"max_epochs": 5, "random_state": 0, **params})


NAMES = [name for name, _ in units(X)]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", NAMES)
def test__transformer__other_units__give_the_same_losses(scaling, name):
    fitted, given = dict(units(X))[name], dict(units(NEW))[name]
    expected = small(scaling=scaling).fit(X).score(NEW)
    # Rounding takes training another way.
    loss = small(scaling=scaling).fit(fitted).score(given)
    assert loss == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__transformer__constant_columns__are_as_small_ones(scaling, dtype):
    ae = small(scaling=scaling).fit(with_constants(X))
    plain = small(scaling=scaling).fit(np.c_[X, np.ones((len(X), 2))])
    assert_allclose(
        ae.score_samples(with_constants(NEW).astype(dtype)),
        plain.score_samples(np.c_[NEW, np.ones((len(NEW), 2))]),
        rtol=0.01,
        atol=1e-3,
    )


@pytest.mark.parametrize("scaling", SCALINGS)
def test__partial_fit__constant_columns__do_not_swamp_the_loss(scaling):
    ae, plain = small(scaling=scaling), small(scaling=scaling)
    for part in (X[:100], X[100:]):
        ae.partial_fit(with_constants(part))
        plain.partial_fit(np.c_[part, np.ones((len(part), 2))])
    expected = plain.score(np.c_[NEW, np.ones((len(NEW), 2))])
    assert ae.score(with_constants(NEW)) == pytest.approx(expected, rel=0.01)


def test__memory_mapped__constant_columns__are_those_of_an_array(tmp_path):
    np.save(tmp_path / "X.npy", with_constants(X))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    ae = small().fit(mapped)
    assert_array_equal(ae.reconstruct(mapped)[:, 4:], mapped[:, 4:])
    assert ae.score(mapped) == small().fit(with_constants(X)).score(mapped)


def far(X):
    """Return rows of which every tenth has a cell far off."""
    moved = X.copy()
    moved[::10, 1] += 30
    return moved


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", [*NAMES, "constants", "float32 constants"])
def test__detector__other_units__finds_the_same_outliers(scaling, name):
    model = AutoencoderAnomalyDetector(small(scaling=scaling), random_state=0)
    expected = model.fit(X).predict(far(NEW)), model.score_samples(far(NEW))
    assert (expected[0][::10] == -1).all()
    if "constants" in name:
        dtype = np.float32 if "float32" in name else np.float64
        model.fit(with_constants(X))
        given = with_constants(far(NEW)).astype(dtype)
    else:
        model.fit(dict(units(X))[name])
        given = dict(units(far(NEW)))[name]
    assert (model.predict(given) == expected[0]).mean() >= 0.97
    order = np.corrcoef(np.log(-model.score_samples(given)), np.log(-expected[1]))
    assert order[0, 1] > 0.97


@pytest.mark.parametrize("name", NAMES)
def test__imputer__other_units__gives_the_same_fills(name):
    missing = np.random.default_rng(2).random(X.shape) < 0.1
    imputer = AutoencoderImputer(small(max_epochs=20), random_state=0)
    expected = imputer.fit_transform(np.where(missing, np.nan, X))
    table = np.where(missing, np.nan, dict(units(X))[name])
    filled = imputer.fit_transform(table)
    unit = dict(units(np.ones((1, 4))))[name] - dict(units(np.zeros((1, 4))))[name]
    off = (filled - dict(units(expected))[name]) / unit
    assert np.abs(off[missing]).mean() < 0.05
    assert_array_equal(filled[~missing], table[~missing])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__imputer__constant_columns__are_filled_with_their_number(dtype):
    table = with_constants(X).astype(dtype)
    constants = table[0, 4:].copy()
    table[::3, 4:] = np.nan
    filled = AutoencoderImputer(small(), random_state=0).fit_transform(table)
    assert_array_equal(filled[:, 4:], np.tile(constants, (len(X), 1)))


@pytest.mark.parametrize("name", ["kilo and micro", "offsets"])
def test__predictors__other_units__predict_the_same(name):
    y = X[:, 0] + X[:, 1]
    ae, other = small().fit(X), small().fit(dict(units(X))[name])
    given = dict(units(NEW))[name]
    for make, target, unit in (
        (AutoencoderPretrainedClassifier, y > 0, 1),
        (AutoencoderPretrainedRegressor, y, y.std()),
    ):
        model = make(FrozenEstimator(ae), max_epochs=1, random_state=0)
        expected = model.fit(X, target).predict(NEW).astype(float)
        model.set_params(autoencoder=FrozenEstimator(other))
        predicted = model.fit(dict(units(X))[name], target).predict(given)
        assert np.abs(predicted - expected).mean() < 0.1 * unit


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-250, 0), (1e-12, 0), (1e12, 0), (1, 1e9)]
)
def test__regressor__other_units_of_the_target__predict_the_same(factor, offset):
    y = X[:, 0] + X[:, 1]
    model = AutoencoderPretrainedRegressor(small(), max_epochs=5, random_state=0)
    expected = model.fit(X, y).predict(NEW)
    predicted = model.fit(X, factor * y + offset).predict(NEW)
    assert_allclose((predicted - offset) / factor, expected, atol=0.05)
