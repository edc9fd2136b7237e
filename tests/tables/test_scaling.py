"""Tables to scaled float32 columns and back, however large the values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_wine
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._tables.scaling import Scaler
from tests.helpers import (
    COLOURS,
    Counter,
    fails_before_training,
    mixed_cells,
    to_array,
    with_cell,
)
from tests.supervised.helpers import X_CANCER, X_DIGITS, small

X_WINE = load_wine().data


SCALINGS = ["standard", "minmax", "quantile", None]


tables = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-1e6, 1e6) | st.just(np.nan),
)


@pytest.mark.parametrize("scaling", SCALINGS)
@settings(max_examples=40, deadline=None)
@given(X=tables)
def test__scaler__rows_that_it_was_fitted_on__come_back(scaling, X):
    scaler = Scaler(scaling).fit(X)
    there = scaler.transform(X)
    assert_array_equal(np.isnan(there), np.isnan(X))
    spread = max(1e-30, np.nanmax(np.abs(X), initial=0.0))
    assert_allclose(scaler.inverse_transform(there), X, atol=1e-5 * spread)


@pytest.mark.parametrize(
    ("scaling", "peer"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())]
)
def test__scaler__real_table__agrees_with_scikit_learn(
    scaling, peer, numbers_with_gaps
):
    X = numbers_with_gaps.to_numpy()
    expected = peer.fit_transform(X)
    assert_allclose(Scaler(scaling).fit(X).transform(X), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
@pytest.mark.parametrize("column_is_missing_in", ["first", "second"])
def test__scaler__column_missing_in_one_part_only__has_the_scale_of_the_other(
    scaling, column_is_missing_in
):
    """scikit-learn's scalers keep NaN for such a column, whatever else they see."""
    parts = [X_WINE[:100].copy(), X_WINE[100:].copy()]
    parts[column_is_missing_in == "second"][:, 3] = np.nan
    scaler = Scaler(scaling).fit(parts[0]).partial_fit(parts[1])
    whole = Scaler(scaling).fit(np.vstack(parts))
    assert_allclose(
        scaler.transform(X_WINE), whole.transform(X_WINE), rtol=1e-5, atol=1e-5
    )
    assert np.isfinite(scaler.transform(X_WINE)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test__scaler__column_without_values__stays_missing_both_ways(scaling):
    X = X_WINE.copy()
    X[:, 2] = np.nan
    scaler = Scaler(scaling).fit(X)
    for values in (
        scaler.transform(X_WINE),
        scaler.inverse_transform(scaler.transform(X)),
    ):
        assert np.isnan(values[:, 2]).all()
        assert np.isfinite(np.delete(values, 2, axis=1)).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
@pytest.mark.parametrize("factor", [1e-40, 1e-30, 1e30, 1e35])
def test__scaler__float32_of_any_size__scales_as_ordinary_numbers(scaling, factor):
    """1 / 1e-40 is no float32 number, and 1e-40 itself has few bits."""
    X = (X_WINE / X_WINE.max(axis=0) * factor).astype(np.float32)
    scaler = Scaler(scaling).fit(X)
    expected = Scaler(scaling).fit(X.astype(np.float64) / factor)
    tolerance = 1e-4 if factor > 1e-36 else 1e-2
    assert_allclose(
        scaler.transform(X),
        expected.transform(X.astype(np.float64) / factor),
        atol=tolerance,
    )
    assert_allclose(
        scaler.inverse_transform(scaler.transform(X)), X, atol=tolerance * factor
    )


def test__scaler__timestamps__keep_their_differences():
    """A float32 cannot tell two seconds of one minute apart at 1.7e9."""
    X = 1.7e9 + np.random.default_rng(0).normal(size=(200, 3))
    there = Scaler("standard").fit(X).transform(X)
    expected = StandardScaler().fit_transform(X)
    assert_allclose(np.diff(there, axis=0), np.diff(expected, axis=0), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", SCALINGS)
def test__decode__codes_beyond_all_numbers__stay_finite(scaling, dtype):
    largest = np.finfo(dtype).max / (1e200 if dtype == np.float64 else 10)
    X = np.array([[-1.0], [0.5], [1.0]], dtype=dtype) * dtype(largest)
    scaler = Scaler(scaling).fit(X)
    values = scaler.inverse_transform(np.float32([[1e30], [-1e30]]))
    assert values.dtype == dtype
    assert np.isfinite(values).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("form", [sparse.csr_array, np.asfortranarray, np.float32])
def test__scaler__same_rows_in_another_form__scale_alike(scaling, form):
    X = np.where(X_WINE > 2, np.floor(X_WINE), 0.0)
    expected = Scaler(scaling).fit(X).transform(X)
    assert_allclose(
        Scaler(scaling).fit(form(X)).transform(form(X)), expected, atol=1e-5
    )


FRAME = load_wine(as_frame=True).data


def make(**params):
    defaults = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def test__reconstruct__constant_column__is_as_it_was():
    X = np.c_[X_WINE, np.full(178, 0.1), np.full(178, 1e9 + 0.125)]
    got = make(max_epochs=20).fit(X).reconstruct(X)
    assert_allclose(got[:, 13:], X[:, 13:], rtol=1e-12)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("value", [1e30, -1e30, 1e300, 1e-40, 1e-310])
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test__transform__cell_far_from_all_of_fit__is_finite(scaling, value, loss):
    ae = make(scaling=scaling, loss=loss).fit(X_WINE)
    X = with_cell(value)
    for got in (ae.transform(X), ae.reconstruct(X), ae.score_samples(X)):
        assert np.isfinite(got).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
@pytest.mark.parametrize("value", [1e30, -1e30, 1e-40, 1e-310])
def test__fit__one_huge_or_tiny_cell__is_finite(scaling, value):
    X = with_cell(value)
    ae = make(scaling=scaling).fit(X)
    for got in (ae.transform(X), ae.reconstruct(X), ae.score_samples(X)):
        assert np.isfinite(got).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test__fit__table_in_other_units__trains_the_same(scaling, factor):
    plain = make(scaling=scaling).fit(X_WINE).score(X_WINE)
    X = X_WINE * factor
    assert make(scaling=scaling).fit(X).score(X) == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test__transform__largest_cell_after_a_tiny_scale__is_finite(scaling):
    ae = make(scaling=scaling).fit(X_WINE * 1e-30)
    assert np.isfinite(ae.score_samples(with_cell(1e308))).all()


def test__fit__spread_beyond_float64__names_the_column():
    X = FRAME.copy()
    X.loc[3, "ash"] = 1e300
    message = r"columns \['ash'\] of X are too far apart for float64\. Divide them"
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


def test__fit__huge_values_without_scaling__says_what_to_try():
    with pytest.raises(ValueError, match=r"in epoch .* scaling='standard' if it was"):
        make(scaling=None, callbacks=[Counter()]).fit(with_cell(1e30))


def test__reconstruct__timestamps__keeps_the_seconds():
    X = 1.7e9 + np.random.default_rng(0).normal(size=(300, 2)) * [1.0, 5.0]
    ae = make(max_epochs=100).fit(X)
    assert np.abs(ae.reconstruct(X) - X).max() < 0.2


# Scaling by quartiles


def test__robust_scaling__rows_of_fit__come_back():
    table = X_CANCER.copy()
    table[::7, 2] = np.nan
    scaler = Scaler("robust").fit(table)
    there = scaler.transform(table)
    assert_array_equal(np.isnan(there), np.isnan(table))
    spread = np.nanmax(table, axis=0) - np.nanmin(table, axis=0)
    assert_allclose(
        (scaler.inverse_transform(there) - table) / spread, table * 0, atol=1e-3
    )


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1, max_size=40),
    far=st.floats(-1e30, 1e30),
)
def test__robust_scaling__any_value__lies_within_three_deviations(values, far):
    column = np.array(values)[:, None]
    scaler = Scaler("robust").fit(column)
    there = scaler.transform(np.append(column, [[far]], axis=0))
    assert (np.abs(there[~np.isnan(there)]) <= 3).all()
    if not np.isnan(column).all():
        back = scaler.inverse_transform(np.float32([[-1e9], [-3], [0], [3], [1e9]]))
        assert (back >= np.nanmin(column)).all()
        assert (back <= np.nanmax(column)).all()


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(-1000, 1000), min_size=2, max_size=30, unique=True))
def test__robust_scaling__larger_values__stay_larger(values):
    """Drawn in, but in their order."""
    column = np.sort(np.array(values, dtype=np.float64))[:, None]
    there = Scaler("robust").fit(column).transform(column)
    assert (np.diff(there[:, 0]) >= 0).all()


def test__robust_scaling__one_outlier__hardly_moves_the_others():
    table = X_CANCER[:100, :1]
    outlier = np.vstack([table, [[1e9]]])
    plain = Scaler("robust").fit(table).transform(table)
    spoilt = Scaler("robust").fit(outlier).transform(table)
    assert_allclose(spoilt, plain, atol=0.1)


def test__robust_scaling__normal_column__is_in_deviations():
    column = np.random.default_rng(0).normal(50, 4, size=(20_000, 1))
    scaler = Scaler("robust").fit(column)
    # 0.2 deviations are so few that they are hardly drawn in.
    assert_allclose(
        scaler.transform(np.array([[50.0], [50.8]])), [[0], [0.2]], atol=0.02
    )


def test__robust_scaling__constant_column__comes_back():
    table = np.column_stack([X_CANCER[:, 0], np.full(len(X_CANCER), 7.0)])
    scaler = Scaler("robust").fit(table)
    assert_array_equal(scaler.transform(table)[:, 1], np.zeros(len(table)))
    assert_array_equal(
        scaler.inverse_transform(scaler.transform(table))[:, 1], table[:, 1]
    )


def test__robust_scaling__mostly_equal_cells__tells_the_others_apart():
    """Their quartiles are equal, and say nothing of the scale."""
    column = np.zeros((100, 1))
    column[::10] = np.arange(1.0, 11.0)[:, None]
    scaler = Scaler("robust").fit(column)
    there = scaler.transform(column)
    assert len(np.unique(there)) == 11
    assert_allclose(scaler.inverse_transform(there), column, atol=1e-3)


@pytest.mark.parametrize("form", [sparse.csr_array, np.asfortranarray, np.float32])
def test__robust_scaling__same_rows_in_another_form__scale_alike(form):
    table = np.where(X_DIGITS > 6, X_DIGITS, 0.0)
    expected = Scaler("robust").fit(table).transform(table)
    assert_allclose(
        Scaler("robust").fit(form(table)).transform(form(table)), expected, atol=1e-5
    )


def test__robust_scaling__float32__comes_back_as_float32():
    table = X_CANCER.astype(np.float32)
    scaler = Scaler("robust").fit(table)
    assert scaler.inverse_transform(scaler.transform(table)).dtype == np.float32
    assert_allclose(
        scaler.transform(table),
        Scaler("robust").fit(X_CANCER).transform(X_CANCER),
        atol=1e-4,
    )


def test__robust_scaling__whole_weights__are_as_repeated_rows():
    times = np.random.default_rng(0).integers(4, size=len(X_CANCER))
    weighted = Scaler("robust").fit(X_CANCER, times.astype(float))
    repeated = Scaler("robust").fit(np.repeat(X_CANCER, times, axis=0))
    assert_array_equal(weighted.transform(X_CANCER), repeated.transform(X_CANCER))
    unweighted = Scaler("robust").fit(X_CANCER)
    assert (weighted.transform(X_CANCER) != unweighted.transform(X_CANCER)).any()


def test__reconstruct__robust_scaling__is_in_the_units_of_the_table():
    ae = small(10, max_epochs=60, scaling="robust", random_state=0).fit(X_CANCER)
    rebuilt = ae.reconstruct(X_CANCER)
    errors = np.median(np.abs(rebuilt - X_CANCER), axis=0)
    assert (errors < 0.5 * X_CANCER.std(axis=0)).all()
    scaled = MinMaxScaler().fit(X_CANCER).transform(rebuilt)
    assert scaled.min() > -1e-6
    assert scaled.max() < 1 + 1e-6


def test__fit__robust_scaling_of_a_mixed_frame__leaves_categories_alone():
    cells = mixed_cells()
    ae = small(scaling="robust", random_state=0).fit(to_array(cells))
    rebuilt = ae.reconstruct(to_array(cells))
    assert {*rebuilt[:, 2]} <= {*COLOURS}
    sizes = [size for size in cells["size"] if size is not None]
    assert min(sizes) - 1e-6 <= rebuilt[:, 0].astype(float).min()
    assert rebuilt[:, 0].astype(float).max() <= max(sizes) + 1e-6
