"""What the columns of a table hold, and their cells as numbers or as categories."""

import importlib

import numpy as np
import pandas as pd

from sklearn_ae._frames import frame_library, numbers

# What `kinds_of_columns` says of a column.
NUMBER, BOOLEAN, CATEGORY, DATE, OTHER = (
    "number",
    "boolean",
    "category",
    "date",
    "other",
)

# What pandas infers from the cells of an object column.
_KINDS_OF_OBJECTS = {
    "string": CATEGORY,
    "boolean": BOOLEAN,
    "categorical": CATEGORY,
    "datetime": DATE,
    "datetime64": DATE,
    "date": DATE,
    "time": DATE,
    "timedelta": DATE,
    "timedelta64": DATE,
    "period": DATE,
    "complex": OTHER,
    "bytes": OTHER,
    "interval": OTHER,
}

# By the kind of a NumPy dtype; a whole array of booleans is one of numbers.
_KINDS_OF_ARRAYS = {
    "U": CATEGORY,
    "M": DATE,
    "m": DATE,
    "c": OTHER,
    "S": OTHER,
    "V": OTHER,
}


def kinds_of_columns(X, columns=None):
    """Return what each column of a table holds.

    Parameters
    ----------
    X : {ndarray, sparse matrix, dataframe} of shape (n_rows, n_columns)
    columns : sequence of int, default=None
        Positions of the columns to look at. `None`: all.

    Returns
    -------
    kinds : list of {"number", "boolean", "category", "date", "other"}
        Text and the categorical dtypes of pandas and polars are categories. Objects are
        looked at cell by cell; those that are nothing else may be numbers.
    """
    columns = range(X.shape[1]) if columns is None else columns
    if frame_library(X) is not None:
        dtypes = list(X.dtypes)
    elif X.dtype.kind == "O":
        dtypes = [X.dtype] * X.shape[1]
    else:
        return [_KINDS_OF_ARRAYS.get(X.dtype.kind, NUMBER)] * len(columns)
    return [_kind(X, column, dtypes[column]) for column in columns]


def _kind(X, column, dtype):
    """Return what a column of a frame or of an array of objects holds."""
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        # The common case; the checks of pandas below take longer.
        return (
            BOOLEAN if dtype.kind == "b" else _KINDS_OF_ARRAYS.get(dtype.kind, NUMBER)
        )
    if str(dtype) in ("object", "Object"):
        inferred = pd.api.types.infer_dtype(_as_array(_cells(X, column)), skipna=True)
        return _KINDS_OF_OBJECTS.get(inferred, NUMBER)
    return (
        _kind_in_pandas(dtype)
        if frame_library(X) == "pandas"
        else _kind_in_polars(dtype)
    )


def _kind_in_pandas(dtype):
    types, name = pd.api.types, str(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        return CATEGORY
    if types.is_bool_dtype(dtype):
        return BOOLEAN
    if types.is_numeric_dtype(dtype):
        return OTHER if types.is_complex_dtype(dtype) else NUMBER
    if isinstance(dtype, pd.StringDtype):
        return CATEGORY
    # What is left are dates, and the types of Arrow.
    if name.startswith(("string", "large_string", "dictionary")):
        return CATEGORY
    if name.startswith("null"):
        return NUMBER
    dates = ("date", "time", "duration", "period")
    return DATE if name.startswith(dates) else OTHER


def _kind_in_polars(dtype):
    name = str(dtype.base_type())
    if dtype.is_numeric() or name == "Null":
        return NUMBER
    if name == "Boolean":
        return BOOLEAN
    if name in ("String", "Categorical", "Enum"):
        return CATEGORY
    return DATE if dtype.is_temporal() else OTHER


def _cells(X, column, rows=slice(None)):
    """Return some cells of a column: a pandas or polars series, or an ndarray."""
    library = frame_library(X)
    if library is None:
        return X[rows, column]
    return X.iloc[:, column].iloc[rows] if library == "pandas" else X[:, column][rows]


def _as_array(cells):
    return cells if isinstance(cells, np.ndarray) else cells.to_numpy()


def column_as_numbers(X, column, rows, name):
    """Return some cells of a column of numbers as a float64 ndarray, missing as `NaN`.

    Parameters
    ----------
    X : {ndarray, dataframe} of shape (n_rows, n_columns)
    column : int
    rows : slice or ndarray of int
    name : str or int
        Name of the column, for the error message.

    Raises
    ------
    ValueError
        If objects among the cells are no numbers.
    """
    cells = _cells(X, column, rows)
    if cells.dtype in ("float64", "float32"):
        return np.asarray(cells, dtype=np.float64)
    dtype = str(cells.dtype)
    if frame_library(X) is None:
        return numbers(cells[:, None], [name])[:, 0].astype(np.float64)
    if dtype in ("object", "Object"):
        return numbers(_as_array(cells)[:, None], [name])[:, 0].astype(np.float64)
    if isinstance(cells, pd.Series):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    return cells.cast(importlib.import_module("polars").Float64).to_numpy()


def column_as_levels(X, column, rows=slice(None)):
    """Return the distinct values of some cells of a column, and which one each is.

    Parameters
    ----------
    X : {ndarray, dataframe} of shape (n_rows, n_columns)
    column : int
    rows : slice or ndarray of int, default=slice(None)

    Returns
    -------
    levels : object ndarray of shape (n_levels,)
    codes : int64 ndarray of shape (n_rows,)
        Position among the levels, -1 where the cell is missing.
    """
    cells = _cells(X, column, rows)
    if not isinstance(cells, pd.Series):
        cells = _as_array(cells)
        cells = cells.astype(object) if cells.dtype.kind == "U" else cells
    codes, levels = pd.factorize(cells)
    return np.asarray(levels, dtype=object), codes
