"""The imputer fills missing cells and no others, in any container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae._tables.reading import as_table
from tests.helpers import (
    KINDS,
    assert_same_form,
    columns_of,
    frame_of_kinds,
    mixed_cells,
    to_array,
)
from tests.imputation.helpers import FRAME, NUMBERS, assert_only_filled, make


def test__transform__any_container__fills_missing_cells_and_no_others(container):
    X = container(mixed_cells())
    got = make().fit_transform(X)
    assert_only_filled(got, X)
    for filled, cells in list(zip(columns_of(got), columns_of(X), strict=True))[2:]:
        assert {*filled} <= {*cells}


@pytest.mark.parametrize("add_indicator", [False, True])
def test__fit_and_transform__any_container__leaves_the_table_as_it_was(
    container, add_indicator
):
    X, before = (container(mixed_cells()) for _ in range(2))
    imputer = make(add_indicator=add_indicator).fit(X)
    imputer.transform(X)
    imputer.draw(X)
    assert columns_of(X) == columns_of(before)
    assert_same_form(X, before)


@pytest.mark.parametrize("constant", [7.25, 7.3])
def test__transform__constant_column_with_text__is_filled_with_the_constant(
    container, constant
):
    cells = {**mixed_cells(), "size": [constant] * 90}
    rng = np.random.default_rng(0)
    for column in cells.values():
        for row in np.flatnonzero(rng.random(90) < 0.3):
            column[row] = None
    got = make().fit_transform(container(cells))
    assert {*columns_of(got)[0]} == {constant}


@pytest.mark.filterwarnings("ignore:X (does not have|has) .*feature names")
def test__transform__any_container__fills_the_same_values(container):
    X, X_array = container(mixed_cells()), to_array(mixed_cells())
    expected = make().fit(X_array).transform(X_array)
    got = make().fit(X).transform(X)
    assert columns_of(got) == columns_of(expected)


def test__transform__no_missing_cell__is_an_equal_copy(container):
    imputer = make().fit(container(mixed_cells()))
    whole = {
        name: [cells[1] if cell is None else cell for cell in cells]
        for name, cells in mixed_cells().items()
    }
    X = container(whole)
    got = imputer.transform(X)
    assert got is not X
    assert_only_filled(got, X)
    assert columns_of(got) == columns_of(X)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__transform__array_of_floats__keeps_dtype_and_bits(dtype, order):
    X = np.asarray(NUMBERS, dtype=dtype, order=order)
    X[:, 1] /= 3
    missing = np.isnan(X)
    for fitted_on in (np.float32, np.float64):
        got = make().fit(X.astype(fitted_on)).transform(X)
        assert got.dtype == dtype
        assert np.isfinite(got).all()
        assert_array_equal(got[~missing], X[~missing])


def test__transform__memory_mapped__fills_as_in_memory(tmp_path):
    X = NUMBERS.to_numpy()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    got = make().fit(mapped).transform(mapped)
    assert_array_equal(got, make().fit(X).transform(X))
    assert_array_equal(np.load(tmp_path / "X.npy"), X)


INTEGERS = ["Int64", "Int8", "UInt16", "int64[pyarrow]", "uint8[pyarrow]"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test__transform__integers_with_gaps__stay_integers(dtype):
    count = pd.Series(FRAME["count"], dtype=dtype).mask(np.arange(90) % 3 == 0)
    X = FRAME.assign(count=count)
    assert_only_filled(make().fit_transform(X), X)


POLARS_DTYPES = [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(9, 2), pl.Object]


@pytest.mark.parametrize("dtype", POLARS_DTYPES)
def test__transform__polars_column_of_any_dtype__keeps_it(dtype):
    cells = [1, None, 0, 3] * 20
    column = pl.Series("a", cells, dtype=pl.Object if dtype == pl.Object else None)
    column = column if dtype == pl.Object else column.cast(dtype)
    X = pl.DataFrame([column, pl.Series("b", np.arange(80.0))])
    assert_only_filled(make().fit_transform(X), X)


def test__transform__sorted_polars_column__is_not_taken_for_sorted_afterwards():
    X = pl.DataFrame({"a": [1.0, None, 3.0, 2.0] * 9, "b": range(36)}).sort("a")
    got = make().fit_transform(X)["a"]
    assert got.max() == got.to_numpy().max()
    assert_array_equal(got.sort(), np.sort(got.to_numpy()))


def arrow_with_nan(cells):
    pa = pytest.importorskip("pyarrow")
    return pd.arrays.ArrowExtensionArray(pa.array(cells))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([None, float("nan"), 2.0, 3.0] * 9),
        arrow_with_nan([None, float("nan"), 2.0, 3.0] * 9),
        pd.array([0.0, None, 2.0, 3.0] * 9, "Float64") / pd.array([0.0, 1, 1, 1] * 9),
    ],
    ids=["polars", "Arrow", "nullable"],
)
def test__transform__nan_beside_null__fills_both(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    X = frame({"a": column, "b": np.arange(36.0)})
    got = make().fit_transform(X)
    assert_same_form(got, X)
    assert not as_table(got).missing().any()
    assert np.isfinite(np.asarray(got["a"], dtype=float)).all()


@pytest.mark.parametrize("mark", [np.nan, pd.NA, None])
def test__transform__any_mark_of_a_missing_cell__is_filled(mark):
    X = to_array(mixed_cells())
    expected = make().fit_transform(X)
    X[X == None] = mark  # noqa: E711
    assert_array_equal(make().fit_transform(X), expected)


def test__transform__frame_with_unusual_labels__keeps_them():
    index = pd.MultiIndex.from_product([["a", "b", "b"], range(30)])
    X = FRAME.set_axis(index).set_axis([3, 1, 2, 0, 7], axis=1)
    assert_only_filled(make().fit_transform(X), X)
    X = FRAME.set_axis([0] * 90)
    assert_only_filled(make().fit_transform(X), X)


@st.composite
def random_columns(draw):
    """Return the name of a kind and cells, not all missing, for a few columns."""
    n_rows = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    columns = []
    for kind in kinds:
        cells = st.lists(KINDS[kind][0] | st.none(), min_size=n_rows, max_size=n_rows)
        columns.append((kind, draw(cells.filter(lambda c: {*c} != {None}))))
    return columns


@pytest.mark.parametrize("library", ["pandas", "polars"])
@settings(max_examples=25, deadline=None)
@given(columns=random_columns())
def test__transform__random_frame__fills_missing_cells_and_no_others(library, columns):
    X = frame_of_kinds(library, columns)
    autoencoder = AutoencoderTransformer(hidden_layer_sizes=(4,), max_epochs=1)
    imputer = AutoencoderImputer(autoencoder, n_estimators=1).fit(X)
    for got in (imputer.transform(X), *imputer.draw(X)[:1]):
        assert_only_filled(got, X)
        for (kind, given_cells), filled in zip(columns, columns_of(got), strict=True):
            if kind not in ("int", "float"):
                assert {*filled} <= {*given_cells}
    assert (imputer.shrinkage_ >= 0).all()
    assert (imputer.shrinkage_ <= 1).all()


def masked(dtype):
    def to_masked(cells):
        gone = np.equal(cells, None)
        return np.ma.masked_array(np.where(gone, 0, cells).astype(dtype), gone)

    return to_masked


@pytest.mark.parametrize(
    "to_table",
    [np.ndarray.copy, np.ndarray.tolist, masked("int64"), masked("u8"), masked("O")],
    ids=["objects", "lists", "masked int64", "masked uint64", "masked objects"],
)
@pytest.mark.parametrize("gaps", [[], [3, 7]])
@settings(max_examples=10, deadline=None)
@given(offset=st.sampled_from([2**53, 2**60, 2**63 - 8]), steps=st.integers(1, 3))
def test__transform__array_of_integers_beyond_floats__keeps_them(
    to_table, gaps, offset, steps
):
    X = np.array([[offset + 1 + i % 3, i * steps] for i in range(20)], dtype=object)
    X[gaps, gaps and [1, 0]] = None
    for got in (make(1).fit_transform(to_table(X)), *make(1).fit(X).draw(to_table(X))):
        observed = X != None  # noqa: E711
        assert got[observed].tolist() == X[observed].tolist()
        assert {type(cell) for cell in got.ravel().tolist()} == {int}


@pytest.mark.parametrize("large", [2.0**60, 2**60, 3])
def test__transform__array_of_objects_that_floats_hold__is_one_of_floats(large):
    X = np.array([[large, i] for i in range(20)] + [[None, 3]], dtype=object)
    assert make(1).fit_transform(X).dtype == np.float64


CANNOT_BE_READ = {
    "text among numbers": ("size", [1.0, "x", 1.0]),
    "list among numbers": ("size", [1.0, [1.0], 1.0]),
    "infinity": ("size", [1.0, np.inf, 1.0]),
    "list among text": ("colour", ["red", ["red"], "red"]),
    "number among text": ("colour", ["red", 1, "red"]),
    "numbers instead of text": ("colour", [1, 2, 3]),
    "dates instead of text": ("colour", pd.date_range("2020", periods=3)),
}


@pytest.mark.parametrize("method", ["transform", "draw"])
@pytest.mark.parametrize("case", CANNOT_BE_READ)
def test__any_method__cells_that_cannot_be_read__are_refused_wherever_the_gaps_are(
    case, method
):
    name, cells = CANNOT_BE_READ[case]
    imputer = make().fit(FRAME)
    batch = FRAME.head(3).assign(**{name: pd.Series(cells, FRAME.index[:3])})
    other = next(column for column in FRAME if column != name)
    messages = set()
    for gaps in ([], [0], [1], [0, 1, 2]):
        X = batch.astype({other: object})
        X.loc[FRAME.index[gaps], other] = None
        with pytest.raises((TypeError, ValueError), match=f"'{name}'") as error:
            getattr(imputer, method)(X)
        messages.add(str(error.value))
    assert len(messages) == 1
