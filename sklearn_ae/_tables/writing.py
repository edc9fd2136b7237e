"""Results in the form of the user's table."""

import importlib
import re
from numbers import Real

import numpy as np
import pandas as pd

from sklearn_ae._tables.reading import frame_library


class Container:
    """Remembers what kind of table X was, and gives arrays the same form.

    Parameters
    ----------
    X : array-like, sparse matrix or dataframe
    """

    def __init__(self, X):
        self.library = frame_library(X)
        self.columns = None if self.library is None else X.columns
        self.dtypes = None if self.library is None else list(X.dtypes)
        is_images = self.library is None and getattr(X, "ndim", 2) > 2
        self.image_shape = tuple(X.shape[1:]) if is_images else None

    def wrap(self, values, like=None, levels=None):
        """Return numbers as a table with the columns and dtypes, or the shape, of X.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        like : array-like or dataframe, default=None
            A pandas frame lends its index.
        levels : dict of int to object ndarray, default=None
            What the codes in each categorical column stand for.
        """
        levels = levels or {}
        if self.image_shape is not None:
            return values.reshape(-1, *self.image_shape)
        if self.library is None:
            return _decoded_array(values, levels)
        columns = [
            clip_to_dtype(values[:, i], dtype)
            if i not in levels
            else _take(levels[i], values[:, i])
            for i, dtype in enumerate(self.dtypes)
        ]
        if self.library == "pandas":
            index = like.index if frame_library(like) == "pandas" else None
            frame = pd.DataFrame(dict(enumerate(columns)), index=index)
            frame = frame.astype(dict(enumerate(self.dtypes)))
            frame.columns = self.columns
            return frame
        return importlib.import_module("polars").DataFrame(
            [
                _polars_column(name, column, dtype)
                for name, column, dtype in zip(
                    self.columns, columns, self.dtypes, strict=True
                )
            ]
        )


def fill_cells(X, missing, rows, values, levels, dtypes):
    """Return a copy of a table with values in place of its missing cells.

    Parameters
    ----------
    X : {ndarray, dataframe} of shape (n_rows, n_columns)
    missing : bool ndarray of shape (n_rows, n_columns)
    rows : bool ndarray of shape (n_rows,)
        The rows that have missing cells.
    values : ndarray of shape (n_chosen, n_columns)
        Those rows without missing cells, as numbers.
    levels : dict of int to object ndarray
        What the codes in each categorical column stand for.
    dtypes : list of dtype, or None
        Those of the columns in `fit`, if they are of the same library. A file of few
        rows may hold no cell of a column of text, and then reads as one of numbers.
    """
    library = frame_library(X)
    if library == "pandas":
        X = X.copy(deep=False)
    columns = np.flatnonzero(missing.any(axis=0)).tolist()
    X = _admit(X, {i: levels[i] for i in columns if i in levels}, dtypes)
    container = Container(X)
    empty = [
        i in levels and missing[:, i].all() and _holds_numbers(dtype)
        for i, dtype in enumerate(container.dtypes or ())
    ]
    if dtypes is not None:
        container.dtypes = [
            dtypes[i] if empty[i] else dtype for i, dtype in enumerate(container.dtypes)
        ]
    filled = container.wrap(values, levels=levels)
    if library is None:
        X = X.astype(object if filled.dtype == object else X.dtype)
        X[missing] = filled[missing[rows]]
        return X
    for i in columns:
        here, there = missing[:, i], missing[rows, i]
        if library == "pandas":
            cells = filled.iloc[:, i].set_axis(X.index[rows])
            if not empty[i]:
                cells, values = X.iloc[:, i].copy(), cells.array[there]
                if isinstance(cells.dtype, pd.SparseDtype):
                    cells = cells.sparse.to_dense()
                cells.iloc[here] = values
            X.isetitem(i, cells)
        elif empty[i]:
            X = X.with_columns(filled[:, i])
        else:
            values = filled[:, i].filter(there)
            X = X.with_columns(_scatter(X[:, i], np.flatnonzero(here), values))
    return X


def _holds_numbers(dtype):
    """Whether a column has the dtype that one without any cell is read as."""
    if str(dtype).lower().startswith("null"):
        return True
    if hasattr(dtype, "is_numeric"):
        return dtype.is_numeric()
    types = pd.api.types
    return types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)


def _scatter(cells, places, values):
    """Return a polars column with other values in some places."""
    if str(cells.dtype) != "Object":
        return cells.scatter(places, values)
    mixed = cells.to_numpy().copy()
    mixed[places] = values.to_numpy()
    return type(cells)(cells.name, mixed, dtype=cells.dtype)


def _admit(X, levels, dtypes):
    """Return a table whose categorical dtypes have these levels, too.

    That of a few rows may lack categories of the rows that a model was trained on.
    """
    library = frame_library(X)
    for i, cells in levels.items() if library else ():
        dtype = X.dtypes.iloc[i] if library == "pandas" else X.dtypes[i]
        if not hasattr(dtype, "categories") or str(dtype) == "Categorical":
            continue
        further = [cell for cell in cells if cell not in dtype.categories]
        ordered = None if dtypes is None else getattr(dtypes[i], "categories", None)
        if further and ordered is not None and set(dtype.categories) <= set(ordered):
            if library == "pandas":
                X.isetitem(i, X.iloc[:, i].astype(dtypes[i]))
            else:
                X = X.with_columns(X[:, i].cast(dtypes[i]))
        elif further and library == "pandas":
            X.isetitem(i, X.iloc[:, i].cat.add_categories(further))
        elif further:
            X = X.with_columns(X[:, i].cast(type(dtype)([*dtype.categories, *further])))
    return X


def append_columns(X, names, columns):
    """Return a table with further columns.

    Parameters
    ----------
    X : {ndarray, dataframe} of shape (n_rows, n_columns)
    names : list of str
        Of the columns to append.
    columns : bool ndarray of shape (n_rows, len(names))
    """
    library = frame_library(X)
    if len(names) == 0:
        return X
    if library is None:
        return np.hstack([X, columns])
    taken = [name for name in names if name in X.columns]
    if taken:
        raise ValueError(
            f"Cannot add the indicators {taken}: X has columns of these names. Rename "
            "them, or set add_indicator=False."
        )
    if library == "pandas":
        further = pd.DataFrame(columns, columns=names, index=X.index)
        return pd.concat([X, further], axis=1)
    polars = importlib.import_module("polars")
    return X.with_columns(
        polars.Series(name, columns[:, i]) for i, name in enumerate(names)
    )


def _decoded_array(values, levels):
    """Return codes in an ndarray as what they stand for."""
    if not all(_are_numbers(cells) for cells in levels.values()):
        values = values.astype(object)
    for column, cells in levels.items():
        values[:, column] = _take(cells, values[:, column].astype(float))
    return values


def _are_numbers(cells):
    """Whether all objects are numbers; text that reads as one is not."""
    return all(isinstance(cell, (Real, np.bool_)) for cell in cells)


def _take(levels, codes):
    """Return the values that codes stand for, `NaN` for those that are `NaN`."""
    missing = np.isnan(codes)
    return np.append(levels, np.nan)[np.where(missing, -1, codes).astype(int)]


def _polars_column(name, column, dtype):
    """Return an array as a polars column."""
    polars = importlib.import_module("polars")
    if column.dtype == object and dtype != polars.Object:
        # As a list: polars cannot cast an array of objects.
        cells = np.where(pd.isna(column), None, column).tolist()
        return polars.Series(name, cells).cast(dtype)
    column = polars.Series(name, column)
    if dtype == polars.Object:
        return column
    # Only floats know NaN.
    return (column if dtype.is_float() else column.fill_nan(None)).cast(dtype)


def clip_to_dtype(values, dtype):
    """Round and clip floats to what a dtype can hold; `NaN` stays.

    Parameters
    ----------
    values : ndarray of float
    dtype : dtype of NumPy, pandas or polars
    """
    kind, bits = re.match(r"([a-z]*)(\d*)", str(dtype).lower()).groups()
    if kind.startswith("bool"):
        return np.clip(np.rint(values), 0, 1)
    if kind in ("int", "uint"):
        bits = int(bits) - (kind == "int")
        # The largest 64-bit integer is no float64, and the next float64 is too large.
        largest = min(2.0**bits - 1, np.nextafter(2.0**bits, 0))
        return np.clip(np.rint(values), -(2.0**bits) * (kind == "int"), largest)
    if kind == "null":
        return np.full(len(values), None)
    if kind == "float" and bits:
        largest = np.finfo(f"float{bits}").max
        return np.clip(values, -largest, largest)
    return values


def as_frame_like(X, values):
    """Return numbers as a frame with the columns of X, if that is one."""
    library = frame_library(X)
    if library == "pandas":
        return pd.DataFrame(values, index=X.index, columns=X.columns)
    if library == "polars":
        return importlib.import_module("polars").DataFrame(values, schema=X.columns)
    return values
