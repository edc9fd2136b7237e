"""Values come back in the form of the user's table."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_index_equal
from sklearn.datasets import load_digits, load_wine

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._tables.reading import as_table


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
def test__form__values_out_of_the_range_of_a_dtype__are_clipped(dtype, values):
    """A cast that wraps around would turn the largest reconstruction into the least."""
    frame = pd.DataFrame({"a": pd.Series(values, dtype=dtype)})
    wrapped = as_table(frame).form().wrap(np.array([[-1e30], [1e30], [0.4], [0.6]]))
    assert wrapped.dtypes.equals(frame.dtypes)
    assert float(wrapped["a"][0]) == pytest.approx(float(frame["a"][0]))
    assert float(wrapped["a"][1]) == pytest.approx(float(frame["a"][1]))
    assert [int(wrapped["a"][2]), int(wrapped["a"][3])] == [0, 1]


@pytest.mark.parametrize(
    "dtype",
    [pl.Int8, pl.UInt64, pl.Int128, pl.Boolean, pl.Null, pl.Float32, pl.Decimal(9, 2)],
)
def test__form__polars_column_without_values__comes_back(dtype):
    frame = pl.DataFrame({"a": pl.Series([None, None], dtype=dtype)})
    wrapped = as_table(frame).form().wrap(np.full((2, 1), np.nan))
    assert wrapped.schema == frame.schema
    assert wrapped["a"].is_null().all() or dtype.is_float()


X_WINE = load_wine().data


# Whole numbers with many zeros: exact in every dtype, and worth a sparse matrix.
X_DIGITS = load_digits().data[:200]


def make(**params):
    defaults = {"n_components": 4, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


MIXED = pd.DataFrame(
    {
        "int": [1, 2, 3, 900],
        "float32": np.array([1.5, 2, np.nan, 4], dtype=np.float32),
        "bool": [True, False, True, True],
        "UInt8": pd.array([1, None, 3, 250], dtype="UInt8"),
        "Float64": pd.array([1.0, None, 2.5, 3], dtype="Float64"),
        "boolean": pd.array([True, None, False, True], dtype="boolean"),
        "arrow int": pd.array([1, 2, None, 4], dtype="int64[pyarrow]"),
        "arrow float": pd.array([1.5, None, 2, 3], dtype="double[pyarrow]"),
        "arrow bool": pd.array([True, None, False, True], dtype="bool[pyarrow]"),
    },
    index=["w", "x", "y", "z"],
)


def polars_mixed():
    return pl.DataFrame(
        {
            "int": [1, 2, 3, 900],
            "uint8": pl.Series([1, None, 3, 250], dtype=pl.UInt8),
            "float": [1.5, None, float("nan"), 3],
            "bool": [True, None, False, True],
            "decimal": pl.Series(["1.25", None, "2", "3"]).cast(pl.Decimal(9, 2)),
            "nothing": [None] * 4,
        }
    )


@pytest.mark.parametrize("column", [None, *MIXED])
def test__reconstruct__pandas__has_columns_dtypes_and_index_of_the_input(column):
    X = MIXED if column is None else MIXED[[column]]
    ae = make().fit(X)
    got = ae.reconstruct(X)
    assert got.dtypes.equals(X.dtypes)
    assert_index_equal(got.index, X.index)
    assert not got.isna().any().any()
    assert ae.inverse_transform(ae.transform(X)).dtypes.equals(X.dtypes)


def test__reconstruct__polars__has_the_schema_of_the_input():
    X = polars_mixed()
    ae = make().fit(X)
    assert ae.reconstruct(X).schema == X.schema
    assert ae.inverse_transform(ae.transform(X)).schema == X.schema
    nulls = ae.reconstruct(X).null_count().row(0)
    assert nulls == (0, 0, 0, 0, 0, 4)


@pytest.mark.parametrize(
    "columns",
    [
        pd.Index([f"c{i}" for i in range(13)], name="measure"),
        pd.RangeIndex(13),
        pd.MultiIndex.from_product([["wine"], range(13)], names=["a", "b"]),
    ],
    ids=["named", "numbers", "two levels"],
)
def test__reconstruct__unusual_column_names__come_back(columns):
    X = pd.DataFrame(X_WINE, columns=columns)
    assert_index_equal(make().fit(X).reconstruct(X).columns, columns)


def test__inverse_transform__codes_in_a_frame__lend_their_index():
    X = pd.DataFrame(X_WINE, columns=list("abcdefghijklm")).iloc[::-1]
    ae = make().set_output(transform="pandas").fit(X)
    assert_index_equal(ae.inverse_transform(ae.transform(X)).index, X.index)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)],
)
def test__reconstruct__array__is_an_array_of_floats(dtype, expected):
    X = X_DIGITS.astype(dtype)
    ae = make().fit(X)
    for got in (ae.reconstruct(X), ae.inverse_transform(ae.transform(X))):
        assert type(got) is np.ndarray
        assert got.dtype == expected


def test__reconstruct__list_after_a_frame__gives_a_frame():
    """A list has a method of the name that pandas gives its row labels."""
    frame = pd.DataFrame(X_WINE, columns=[f"c{i}" for i in range(13)])
    ae = make().fit(frame)
    codes = ae.transform(frame)
    assert ae.inverse_transform(codes.tolist()).shape == frame.shape
