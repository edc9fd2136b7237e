"""Tables of every kind, and what is asserted of them in many tests."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import strategies as st
from sklearn.datasets import load_wine
from skorch.callbacks import Callback

from sklearn_ae._tables.reading import as_table

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


def peak_memory(function):
    """Return the bytes that NumPy and Python hold at most while a function runs."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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


X_WINE = load_wine().data


class Counter(Callback):
    """Counts training runs, to see that an error came before them."""

    runs = 0

    def on_train_begin(self, net, **kwargs):
        Counter.runs += 1


def with_cell(value, X=X_WINE):
    X = X.copy()
    X[3, 2] = value
    return X


def fails_before_training(ae, X, error, message, **fit_params):
    """Assert that `fit` fails with this message, without training or a warning."""
    Counter.runs = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message):
            ae.fit(X, **fit_params)
    assert Counter.runs == 0
    assert not [name for name in vars(ae) if name.endswith("_")]


def assert_known_values(got, X, is_categorical):
    """Assert that each category was seen, and that no cell is missing without need."""
    columns = zip(columns_of(got), columns_of(X), is_categorical, strict=True)
    for restored, given_cells, categorical in columns:
        known = {*given_cells} - {None}
        assert (None in restored) == (not known)
        if categorical:
            assert {*restored} <= known or not known


# How well


def delete(X, rate, seed=0):
    """Return X with this share of its observed cells missing, and where they were."""
    gone = np.random.default_rng(seed).random(X.shape) < rate
    gone &= ~as_table(X).missing()
    return (X.mask(gone) if hasattr(X, "mask") else np.where(gone, np.nan, X)), gone
