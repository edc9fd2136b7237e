"""Columns come back in the dtype that they have, whatever it is."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
)
from sklearn_ae._tables.reading import as_table
from sklearn_ae.latents import Variational
from tests.helpers import assert_same_form

pytestmark = pytest.mark.filterwarnings("ignore:pandas.DataFrame with sparse columns")

N_ROWS = 40
GONE = [3, 7, 19]


def make(**params):
    return AutoencoderTransformer(2, max_epochs=1, random_state=0, **params)


def impute(X):
    return AutoencoderImputer(make(), n_estimators=1, random_state=0).fit(X)


# Cells of each kind, whole numbers among them; a float32 has all of their digits.
RNG = np.random.default_rng(0)
WHOLE = RNG.integers(0, 9, N_ROWS).tolist()
CELLS = {
    "whole": WHOLE,
    "float": [whole + i / 8 for i, whole in enumerate(WHOLE)],
    "bool": [whole > 4 for whole in WHOLE],
    "text": [["u", "v", "w"][whole % 3] for whole in WHOLE],
    "decimal": [Decimal(whole) / 4 for whole in WHOLE],
}


def with_gaps(cells):
    return [None if i in GONE else cell for i, cell in enumerate(cells)]


def of_arrow(kind, dtype):
    return lambda: pd.Series(with_gaps(CELLS[kind]), dtype=pd.ArrowDtype(dtype))


def of_numpy(kind, dtype):
    cells = CELLS[kind] if dtype[-2] in "iu?" else with_gaps(CELLS[kind])
    return lambda: pd.Series(np.array(cells, dtype=dtype))


def of_pandas(kind, dtype):
    return lambda: pd.Series(with_gaps(CELLS[kind]), dtype=dtype)


def of_objects(kind):
    return lambda: pd.Series(np.array(with_gaps(CELLS[kind]), dtype=object))


def sparse(kind, dtype, fill_value):
    cells = with_gaps(CELLS[kind]) if dtype.startswith("f") else CELLS[kind]
    cells = np.array(cells, dtype=dtype)
    return lambda: pd.Series(pd.arrays.SparseArray(cells, fill_value=fill_value))


def dictionary(kind):
    cells = pa.array(with_gaps(CELLS[kind])).dictionary_encode()
    return lambda: pd.Series(pd.arrays.ArrowExtensionArray(cells))


WORDS = pd.CategoricalDtype(["w", "x", "v", "u"], ordered=True)
PANDAS = {
    **{
        dtype: of_numpy("whole", dtype) for dtype in ("<i1", "<u1", "<i8", "<u8", ">i4")
    },
    **{dtype: of_numpy("float", dtype) for dtype in ("<f2", "<f4", "<f8", ">f8", "<g")},
    "bool": lambda: pd.Series(CELLS["bool"]),
    **{dtype: of_pandas("whole", dtype) for dtype in ("Int8", "UInt64", "Float32")},
    "boolean": of_pandas("bool", "boolean"),
    "string": of_pandas("text", "string"),
    "ordered category": of_pandas("text", WORDS),
    "category of integers": of_pandas("whole", "category"),
    **{f"objects, {kind}": of_objects(kind) for kind in ("whole", "bool", "decimal")},
    "sparse integers": sparse("whole", "int64", 0),
    "sparse uint8": sparse("whole", "uint8", 0),
    "sparse booleans": sparse("bool", "bool", False),
    "sparse floats": sparse("float", "float64", np.nan),
    "sparse float32": sparse("float", "float32", 0.0),
    "Arrow int8": of_arrow("whole", pa.int8()),
    "Arrow uint64": of_arrow("whole", pa.uint64()),
    "Arrow float": of_arrow("float", pa.float32()),
    "Arrow bool": of_arrow("bool", pa.bool_()),
    "Arrow decimal": of_arrow("decimal", pa.decimal128(5, 2)),
    "Arrow text": of_arrow("text", pa.large_string()),
    "Arrow dictionary": dictionary("text"),
    "Arrow dictionary of integers": dictionary("whole"),
}


def of_polars(kind, dtype):
    return lambda: pl.Series(with_gaps(CELLS[kind]), dtype=dtype)


POLARS = {
    **{
        str(dtype): of_polars("whole", dtype)
        for dtype in (pl.Int8, pl.UInt64, pl.Int128, pl.Float32)
    },
    "Float64": of_polars("float", pl.Float64),
    "Boolean": of_polars("bool", pl.Boolean),
    "String": of_polars("text", pl.String),
    "Categorical": of_polars("text", pl.Categorical),
    "Enum": of_polars("text", pl.Enum(["w", "x", "v", "u"])),
    "Decimal": of_polars("decimal", pl.Decimal(5, 2)),
    "objects, whole": of_polars("whole", pl.Object),
    "objects, bool": of_polars("bool", pl.Object),
}
ARROW = {
    "int8": pa.int8(),
    "uint64": pa.uint64(),
    "float": pa.float32(),
    "bool": pa.bool_(),
    "decimal": pa.decimal128(5, 2),
    "text": pa.large_string(),
}


def frame(library):
    """Return a table with a column of each dtype of a library."""
    if library == "pandas":
        return pd.DataFrame({name: column() for name, column in PANDAS.items()})
    if library == "polars":
        return pl.DataFrame([column().alias(name) for name, column in POLARS.items()])
    kinds = ["whole", "whole", "float", "bool", "decimal", "text"]
    columns = {
        name: pa.array(with_gaps(CELLS[kind]), type=dtype)
        for kind, (name, dtype) in zip(kinds, ARROW.items(), strict=True)
    }
    columns["dictionary"] = columns["text"].dictionary_encode()
    return pa.table(columns)


def of_numbers(X):
    """Return the columns of numbers of a table, which is read another way then."""
    return as_table(X).select(np.array(as_table(X).kinds()) == "number")


def dtypes_of(X):
    return X.schema if isinstance(X, pa.Table) else list(X.dtypes)


def explain(X):
    detector = AutoencoderAnomalyDetector(make(), n_estimators=1, random_state=0)
    return detector.fit(X).explain(X, return_expected=True)[1]


METHODS = {
    "reconstruct": lambda X: make().fit(X).reconstruct(X),
    "inverse_transform": lambda X: make().fit(X).inverse_transform(np.ones((40, 2))),
    "sample": lambda X: make(latent=Variational()).fit(X).sample(40, random_state=0),
    "explain": explain,
    "impute": lambda X: impute(X).transform(X),
    "draw": lambda X: impute(X).draw(X)[0],
}


@pytest.mark.filterwarnings("ignore:The variational latent has collapsed")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("select", [lambda X: X, of_numbers], ids=["all", "numbers"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test__methods__frame_of_every_dtype__return_the_dtypes_of_fit(
    library, select, method
):
    X = select(frame(library))
    got = METHODS[method](X)
    assert type(got) is type(X)
    assert dtypes_of(got) == dtypes_of(X)
    assert not as_table(got).missing().any()


@pytest.mark.parametrize("select", [lambda X: X, of_numbers], ids=["all", "numbers"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test__impute__frame_of_every_dtype__changes_no_observed_cell(library, select):
    X = select(frame(library))
    table, filled = as_table(X), as_table(impute(X).transform(X))
    for before, after in zip(table.cells().T, filled.cells().T, strict=True):
        observed = before != None  # noqa: E711
        assert_array_equal(after[observed], before[observed])
        assert {type(cell) for cell in after} == {
            type(cell) for cell in before[observed]
        }


@pytest.mark.parametrize("kind", ["whole", "bool", "decimal"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:The variational latent has collapsed")
def test__methods__objects__return_objects_of_the_same_type(method, kind):
    X = pd.DataFrame({"a": of_objects(kind)(), "b": CELLS["float"]})
    got = METHODS[method](X)["a"]
    assert {type(cell) for cell in got} == {type(CELLS[kind][0])}


NUMBERS = [
    name
    for name in PANDAS
    if "text" not in name and as_table(PANDAS[name]().to_frame()).kinds() == ["number"]
]


@pytest.mark.parametrize("name", NUMBERS)
@settings(max_examples=20, deadline=None)
@given(value=st.floats(0, 100))
def test__form__numbers_within_the_range__are_rounded_and_not_cut_off(name, value):
    column = PANDAS[name]().to_frame()
    got = as_table(column).form().wrap(np.array([[value]]))
    assert list(got.dtypes) == list(column.dtypes)
    if isinstance(column[0].iloc[0], (int, np.integer)):
        assert abs(int(got[0].iloc[0]) - value) <= 0.5
    else:
        assert abs(float(got[0].iloc[0]) - value) <= max(0.005, value / 1000)


DECIMALS = [pd.ArrowDtype(pa.decimal128(5, 2)), pl.Decimal(5, 2), pl.Decimal(38, 0)]


@pytest.mark.parametrize("dtype", DECIMALS, ids=str)
def test__form__numbers_out_of_the_range_of_decimals__are_clipped(dtype):
    """A cast would fail, and with it a fitted model for one row far from the others."""
    is_polars = isinstance(dtype, pl.Decimal)
    library = pl if is_polars else pd
    X = library.DataFrame({"a": library.Series([1, None], dtype=dtype)})
    got = as_table(X).form().wrap(np.array([[-1e40], [1e40]]))
    assert list(got.dtypes) == list(X.dtypes)
    assert -int(got["a"][0]) == int(got["a"][1]) >= 999


# Large integers

LARGE = [2**60 + 1, 2**60 + 2]
LARGE_CELLS = [None if i in GONE else LARGE[i % 2] for i in range(N_ROWS)]
BESIDE = [i % 2 + i / 100 for i in range(N_ROWS)]
ROWS = [list(row) for row in zip(LARGE_CELLS, BESIDE, strict=True)]


def masked_integers():
    cells = [[cell or 0, 7 + i % 2] for i, cell in enumerate(LARGE_CELLS)]
    mask = [[cell is None, False] for cell in LARGE_CELLS]
    return np.ma.masked_array(cells, mask)


INTEGERS = {
    "rows": lambda: ROWS,
    "objects": lambda: np.array(ROWS, dtype=object),
    "masked": masked_integers,
    **{
        f"pandas {dtype}": lambda dtype=dtype: pd.DataFrame(
            {"a": pd.array(LARGE_CELLS, dtype=dtype), "b": BESIDE}
        )
        for dtype in ("Int64", "UInt64", "int64[pyarrow]", "object", "category")
    },
    **{
        f"polars {dtype}": lambda dtype=dtype: pl.DataFrame(
            {"a": pl.Series(LARGE_CELLS, dtype=dtype), "b": BESIDE}
        )
        for dtype in (pl.Int64, pl.UInt64, pl.Int128)
    },
    "pyarrow": lambda: pa.table({"a": LARGE_CELLS, "b": BESIDE}),
}


@pytest.mark.parametrize("container", INTEGERS)
def test__categories__integers_that_no_float_holds__are_told_apart(container):
    X = INTEGERS[container]()
    ae = make(categorical_features=[0]).fit(X)
    imputer = AutoencoderImputer(make(categorical_features=[0]), n_estimators=1).fit(X)
    for got in (ae.reconstruct(X), imputer.transform(X)):
        assert {*as_table(got).cells()[:, 0]} == {*LARGE}


# Other forms


@pytest.mark.parametrize("add_indicator", [False, True])
def test__impute__two_levels_of_columns__come_back(add_indicator):
    columns = pd.MultiIndex.from_tuples([("a", 1), ("b", 1)], names=["x", "y"])
    X = pd.DataFrame(ROWS, columns=columns)
    imputer = AutoencoderImputer(make(), add_indicator=add_indicator).fit(X)
    got = imputer.transform(X).columns
    assert got.nlevels == 2
    assert list(got[:2]) == list(columns)
    assert len(got) == 2 + add_indicator


def test__pyarrow_table__any_estimator__keeps_its_names_without_a_warning(recwarn):
    X = frame("pyarrow")
    imputer = impute(X)
    imputer.transform(X)
    assert list(imputer.feature_names_in_) == X.schema.names
    contributions = AutoencoderAnomalyDetector(make(), n_estimators=1).fit(X).explain(X)
    assert contributions.schema.names == X.schema.names
    assert not recwarn


SETTINGS = ["default", "pandas", "polars"]
EXPECTED = {
    "pandas": ["float64", "bool", "int8", "category", ("str", object)],
    "polars": [pl.Float64, pl.Boolean, pl.Int8, (pl.Categorical, pl.Enum), pl.String],
}
NAMES = ["float", "bool", "int8", "category", "text"]
MIXED = pl.DataFrame(
    {
        "a": with_gaps(CELLS["float"]),
        "b": with_gaps(CELLS["bool"]),
        "c": pl.Series(with_gaps(WHOLE), dtype=pl.Int8),
        "d": pl.Series(with_gaps(CELLS["text"]), dtype=pl.Enum(["w", "v", "u"])),
        "e": with_gaps(CELLS["text"]),
    }
)
GIVEN = {
    "pandas": lambda: pd.DataFrame(
        {
            "a": with_gaps(CELLS["float"]),
            "b": pd.Series(with_gaps(CELLS["bool"]), dtype=object),
            "c": pd.array(with_gaps(WHOLE), dtype="Int8"),
            "d": pd.Categorical(with_gaps(CELLS["text"])),
            "e": with_gaps(CELLS["text"]),
        }
    ),
    "polars": lambda: MIXED,
    "pyarrow": lambda: MIXED.with_columns(pl.col("d").cast(pl.Categorical)).to_arrow(),
    "array": lambda: np.array(MIXED.rows(), dtype=object),
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__set_output__imputer_in_each_direction__keeps_the_types(given, library):
    X = GIVEN[given]()
    got = impute(X).set_output(transform=library).transform(X)
    assert type(got).__module__.startswith(library)
    if given == library == "pandas":
        assert_same_form(got, X)
        return
    for name, dtype, expected in zip(NAMES, got.dtypes, EXPECTED[library], strict=True):
        alternatives = expected if isinstance(expected, tuple) else (expected,)
        is_known = given != "array" or name not in ("int8", "category")
        assert not is_known or dtype in alternatives
    assert not as_table(got).missing().any()
    expected = as_table(impute(X).transform(X)).cells()
    assert_array_equal(as_table(got).cells(), expected)
