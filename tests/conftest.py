"""Settings that have to be made before SciPy is imported, and data for the tests."""

import os

# Without it scikit-learn skips its check of array API input.
os.environ["SCIPY_ARRAY_API"] = "1"

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

DATA = Path(
    os.environ.get("SKLEARN_AE_DATA", Path(__file__).parents[2] / "shared" / "data")
)


@pytest.fixture(scope="session")
def horses():
    """A table of numbers of which a fifth is missing, as a frame.

    The real one where it is at hand, else one of scikit-learn with cells taken out.
    """
    path = DATA / "horse_colic.csv.gz"
    if path.exists():
        table = pd.read_csv(path).select_dtypes("number")
        return table.drop(columns="hospital_number")
    table = load_breast_cancer(as_frame=True).data[:300]
    return table.mask(np.random.default_rng(0).random(table.shape) < 0.19)


def read_mixed(name):
    """Return a table of numbers and text as a frame.

    The real one where it is at hand, else one of scikit-learn: ten of its columns are
    cut into ranges, cells are taken out, and text says which class each row is in.
    """
    path = DATA / f"{name}.csv.gz"
    if path.exists():
        # These codes of four digits begin with 0: read as numbers, they lose it.
        text = {f"lesion_type_{i}": str for i in (1, 2, 3)}
        return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    data = load_breast_cancer(as_frame=True)
    table = data.data.mask(np.random.default_rng(0).random(data.data.shape) < 0.05)
    for column in table.columns[:10]:
        ranges = pd.qcut(table[column], 6).astype(str)
        table[column] = ranges.where(table[column].notna(), None)
    return table.assign(diagnosis=data.target_names[data.target])


@pytest.fixture(params=["adult", "german_credit", "horse_colic", "auto_imports"])
def real_table(request):
    """A table of numbers and text, of at most 2,000 rows."""
    return read_mixed(request.param)[:2000]


@pytest.fixture(scope="session")
def census():
    """5,000 people, or what stands in for them."""
    return read_mixed("adult")[:5000].drop(columns="split", errors="ignore")


COLOURS = ["red", "green", "blue", "grey"]


def mixed_cells(n_rows=90):
    """Return columns of each kind as lists, `None` where a cell is missing."""
    rng = np.random.default_rng(0)
    kind = rng.integers(4, size=n_rows)
    cells = {
        "size": (kind + rng.normal(size=n_rows)).tolist(),
        "count": rng.poisson(3 + 2 * kind).tolist(),
        "colour": [COLOURS[k] for k in kind],
        "member": (kind > 1).tolist(),
        "paid": (rng.random(n_rows) < 0.4).tolist(),
    }
    for name, step in {"size": 7, "colour": 5, "paid": 4}.items():
        cells[name][::step] = [None] * len(cells[name][::step])
    return cells


def to_array(cells):
    return np.array(list(cells.values()), dtype=object).T


def to_pandas(cells):
    """Return a frame with the dtypes that pandas infers, under unusual row labels."""
    frame = pd.DataFrame(cells)
    return frame.set_axis([f"row {i}" for i in range(len(frame))])


def with_category_dtype(cells):
    return to_pandas(cells).astype(
        dict.fromkeys({"colour", "paid"} & {*cells}, "category")
    )


def to_polars_with(dtype):
    return lambda cells: pl.DataFrame(cells).cast({"colour": dtype})


CONTAINERS = {
    "array": to_array,
    "pandas": to_pandas,
    "pandas nullable": lambda cells: to_pandas(cells).convert_dtypes(),
    "pandas Arrow": lambda cells: to_pandas(cells).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "pandas category": with_category_dtype,
    "polars": pl.DataFrame,
    "polars Categorical": to_polars_with(pl.Categorical),
    "polars Enum": to_polars_with(pl.Enum([*COLOURS, "violet"])),
}


@pytest.fixture(params=CONTAINERS)
def container(request):
    """A function that makes a table of columns of cells."""
    return CONTAINERS[request.param]


def columns_of(table):
    """Return the cells of each column as a list, `None` where missing."""
    if isinstance(table, np.ndarray):
        columns = table.T
    elif isinstance(table, pd.DataFrame):
        columns = [table.iloc[:, i] for i in range(table.shape[1])]
    else:
        columns = table.get_columns()
    return [[None if pd.isna(c) else c for c in column] for column in columns]


def assert_same_form(got, X):
    """Assert that a table has the container, columns, dtypes and row labels of X."""
    assert type(got) is type(X)
    assert got.shape == X.shape
    if isinstance(X, np.ndarray):
        return
    assert list(got.columns) == list(X.columns)
    # Two categorical dtypes of pandas are equal if their categories are.
    assert list(got.dtypes) == list(X.dtypes)
    if isinstance(X, pd.DataFrame):
        assert got.index.equals(X.index)


# Cells of each kind for random tables, and the dtypes of pandas and polars for them.
KINDS = {
    "int": (st.integers(-1000, 1000), "Int64", pl.Int64),
    "float": (st.floats(-1e3, 1e3, width=32), "Float64", pl.Float64),
    "text": (st.sampled_from(["a", "b", "c", "", "1"]), "string", pl.String),
    "bool": (st.booleans(), "boolean", pl.Boolean),
    "category": (
        st.sampled_from(["u", "v"]),
        pd.CategoricalDtype(["w", "v", "u"], ordered=True),
        pl.Enum(["w", "v", "u"]),
    ),
}


def frame_of_kinds(library, columns):
    """Return a frame of pandas or polars from (kind, cells) of each column."""
    if library == "pandas":
        cells = [pd.Series(cells, dtype=KINDS[kind][1]) for kind, cells in columns]
        return pd.concat(cells, axis=1, keys=[f"c{i}" for i in range(len(cells))])
    cells = [pl.Series(cells, dtype=KINDS[kind][2]) for kind, cells in columns]
    return pl.DataFrame([c.alias(f"c{i}") for i, c in enumerate(cells)])
