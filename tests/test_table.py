"""Tables to scaled float32 columns and back, and rows to batches."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_wine
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_ae._tables.reading import blocks_of_rows, numbers
from sklearn_ae._tables.rows import BatchIterator, Rows, make_rows, merge_equal_rows
from sklearn_ae._tables.scaling import Scaler
from sklearn_ae._tables.writing import Container

X_WINE = load_wine().data
SCALINGS = ["standard", "minmax", "quantile", None]
CPU = torch.device("cpu")

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
    there = scaler.encode(X)
    assert_array_equal(np.isnan(there), np.isnan(X))
    spread = max(1e-30, np.nanmax(np.abs(X), initial=0.0))
    assert_allclose(scaler.decode(there), X, atol=1e-5 * spread)


@pytest.mark.parametrize(
    ("scaling", "peer"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())]
)
def test__scaler__real_table__agrees_with_scikit_learn(scaling, peer, horses):
    X = horses.to_numpy()
    expected = peer.fit_transform(X)
    assert_allclose(Scaler(scaling).fit(X).encode(X), expected, rtol=1e-5, atol=1e-5)


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
    assert_allclose(scaler.encode(X_WINE), whole.encode(X_WINE), rtol=1e-5, atol=1e-5)
    assert np.isfinite(scaler.encode(X_WINE)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test__scaler__column_without_values__stays_missing_both_ways(scaling):
    X = X_WINE.copy()
    X[:, 2] = np.nan
    scaler = Scaler(scaling).fit(X)
    for values in (scaler.encode(X_WINE), scaler.decode(scaler.encode(X))):
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
        scaler.encode(X), expected.encode(X.astype(np.float64) / factor), atol=tolerance
    )
    assert_allclose(scaler.decode(scaler.encode(X)), X, atol=tolerance * factor)


def test__scaler__timestamps__keep_their_differences():
    """A float32 cannot tell two seconds of one minute apart at 1.7e9."""
    X = 1.7e9 + np.random.default_rng(0).normal(size=(200, 3))
    there = Scaler("standard").fit(X).encode(X)
    expected = StandardScaler().fit_transform(X)
    assert_allclose(np.diff(there, axis=0), np.diff(expected, axis=0), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", SCALINGS)
def test__decode__codes_beyond_all_numbers__stay_finite(scaling, dtype):
    largest = np.finfo(dtype).max / (1e200 if dtype == np.float64 else 10)
    X = np.array([[-1.0], [0.5], [1.0]], dtype=dtype) * dtype(largest)
    scaler = Scaler(scaling).fit(X)
    values = scaler.decode(np.float32([[1e30], [-1e30]]))
    assert values.dtype == dtype
    assert np.isfinite(values).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("form", [sparse.csr_array, np.asfortranarray, np.float32])
def test__scaler__same_rows_in_another_form__scale_alike(scaling, form):
    X = np.where(X_WINE > 2, np.floor(X_WINE), 0.0)
    expected = Scaler(scaling).fit(X).encode(X)
    assert_allclose(Scaler(scaling).fit(form(X)).encode(form(X)), expected, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(n_rows=st.integers(1, 60), cells=st.integers(1, 100))
def test__blocks_of_rows__any_size__hold_every_row_once(n_rows, cells):
    X = np.arange(3.0 * n_rows).reshape(n_rows, 3)
    blocks = [block for _, block in blocks_of_rows(X, cells)]
    assert_array_equal(np.vstack(blocks), X)
    assert max(block.size for block in blocks) <= max(cells, 3)


@settings(max_examples=50, deadline=None)
@given(n_rows=st.integers(1, 80), batch_size=st.integers(1, 100))
def test__batches__any_size__hold_every_row_once_and_are_even(n_rows, batch_size):
    """Dropping the last batch would train 20 rows of batch 32 on nothing."""
    rows = Rows(torch.arange(float(n_rows))[:, None])
    batches = [X for X, _ in BatchIterator(rows, batch_size, shuffle=True)]
    assert_array_equal(np.sort(torch.cat(batches)[:, 0]), np.arange(n_rows))
    sizes = [len(X) for X in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=50, deadline=None)
@given(
    X=arrays(np.float32, st.tuples(st.integers(1, 30), st.just(2)), elements=st.just(0))
    | arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.just(2)),
        elements=st.sampled_from([0.0, -0.0, 1.0, np.nan]),
    ),
)
def test__merge_equal_rows__any_table__keeps_weight_and_removes_repetition(X):
    merged = merge_equal_rows(Rows(torch.from_numpy(X)))
    if not np.isnan(X).any():
        assert len(merged) == len(np.unique(X, axis=0))
    weight = np.ones(len(merged)) if merged.y is None else merged.y.numpy()
    assert_allclose(weight.mean(), 1.0, rtol=1e-5)
    means = (merged.X.nan_to_num().numpy() * weight[:, None]).mean(axis=0)
    assert_allclose(means, np.nan_to_num(X).mean(axis=0), atol=1e-5)


def test__make_rows__weights_of_zero__leave_the_rows_out():
    weight = np.r_[np.zeros(100), np.ones(78)]
    rows = make_rows(X_WINE, np.float32, weight, CPU)
    assert len(rows) == len(np.unique(X_WINE[100:], axis=0))


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", [0, 255, 3, 3]),
        ("int64", [-(2**63), 2**63 - 1, 0, 0]),
        ("uint64", [0, 2**64 - 1, 0, 0]),
        ("Int8", [-128, 127, None, 1]),
        ("bool", [0, 1, 0, 0]),
        ("boolean", [0, 1, None, 0]),
        ("int32[pyarrow]", [-(2**31), 2**31 - 1, None, 1]),
        ("bool[pyarrow]", [0, 1, None, 0]),
    ],
)
def test__container__values_out_of_the_range_of_a_dtype__are_clipped(dtype, values):
    """A cast that wraps around would turn the largest reconstruction into the least."""
    frame = pd.DataFrame({"a": pd.Series(values, dtype=dtype)})
    wrapped = Container(frame).wrap(np.array([[-1e30], [1e30], [0.4], [0.6]]))
    assert wrapped.dtypes.equals(frame.dtypes)
    assert float(wrapped["a"][0]) == pytest.approx(float(frame["a"][0]))
    assert float(wrapped["a"][1]) == pytest.approx(float(frame["a"][1]))
    assert [int(wrapped["a"][2]), int(wrapped["a"][3])] == [0, 1]


@pytest.mark.parametrize(
    "dtype",
    [pl.Int8, pl.UInt64, pl.Int128, pl.Boolean, pl.Null, pl.Float32, pl.Decimal(9, 2)],
)
def test__container__polars_column_without_values__comes_back(dtype):
    frame = pl.DataFrame({"a": pl.Series([None, None], dtype=dtype)})
    wrapped = Container(frame).wrap(np.full((2, 1), np.nan))
    assert wrapped.schema == frame.schema
    assert wrapped["a"].is_null().all() or dtype.is_float()


def test__numbers__objects__become_floats_with_nan():
    X = np.array([[1, None], [pd.NA, 2.5], [True, np.float32(3)]], dtype=object)
    expected = [[1, np.nan], [np.nan, 2.5], [1, 3]]
    assert_array_equal(numbers(X), np.array(expected))


def test__numbers__objects_that_are_text__are_named():
    X = np.array([[1, 2, "red"], [1, "x", 3]], dtype=object)
    with pytest.raises(ValueError, match=r"X must hold numbers: .* columns \[1, 2\]"):
        numbers(X)
    with pytest.raises(ValueError, match=r"in columns \['b', 'c'\]"):
        numbers(X, names=["a", "b", "c"])
