"""Frames of polars as tables; the one file that reads and writes them.

It is imported where a frame of polars has been seen: polars need not be installed.
"""

import numpy as np
import pandas as pd
import polars as pl

from sklearn_ae._tables.forms import StoredForm, stored_number_types
from sklearn_ae._tables.table import (
    BOOLEAN,
    CATEGORY,
    DATE,
    NUMBER,
    OTHER,
    Table,
    is_missing,
    kind_of_objects,
    to_numbers,
    with_none,
)
from sklearn_ae._tables.writing import (
    clip_to_decimal,
    clip_to_dtype,
    decode_columns,
    number_types,
)


class PolarsTable(Table):
    """A :class:`polars.DataFrame`."""

    def _kind(self, column, dtype):
        if dtype == pl.Object:
            return kind_of_objects(self._column(column).to_numpy())
        if dtype.is_numeric() or dtype == pl.Null:
            return NUMBER
        if dtype == pl.Boolean:
            return BOOLEAN
        if dtype.base_type() in (pl.String, pl.Categorical, pl.Enum):
            return CATEGORY
        return DATE if dtype.is_temporal() else OTHER

    def _column(self, column, rows=slice(None)):
        return self.X[:, column][rows]

    def _as_float64(self, cells, column):
        if cells.dtype == pl.Object:
            names = [self.X.columns[column]]
            return to_numbers(cells.to_numpy()[:, None], names)[:, 0].astype(np.float64)
        return cells.cast(pl.Float64).to_numpy()

    def _hashable(self, cells):
        # NumPy would get floats, which do not tell large integers apart.
        if cells.dtype.is_integer() and (cells.has_nulls() or _is_wide(cells.dtype)):
            return np.array(cells.to_list(), dtype=object)
        # NumPy would get a matrix; as objects they are refused by name.
        if cells.dtype.is_nested():
            return pd.Series(cells.to_list(), dtype=object)
        return cells.to_numpy()

    def _holds_objects(self, dtype):
        return dtype == pl.Object

    def categories(self, column):
        """Return the categories that the dtype of a column lists, in order, or None."""
        dtype = self.X.dtypes[column]
        return list(dtype.categories) if isinstance(dtype, pl.Enum) else None

    def is_ordered(self, column):
        """Whether the dtype of a column says that its categories have an order."""
        return isinstance(self.X.dtypes[column], pl.Enum)

    def missing(self):
        """Return a mask of the missing cells, of the shape of the table."""
        return np.column_stack([_is_missing(cells) for cells in self.X.get_columns()])

    def readable(self):
        """Return X with columns that NumPy can read as numbers."""
        wide = [name for name, dtype in self.X.schema.items() if _is_wide(dtype)]
        return self.X.with_columns(pl.col(wide).cast(pl.Float64)) if wide else self.X

    def take(self, rows):
        """Return rows, given as positions or a mask."""
        rows = np.asarray(rows)
        if rows.dtype.kind == "b":
            return self.X.filter(rows)
        return self.X[rows.tolist()]

    def select(self, chosen):
        """Return the columns that a mask chooses; frames of polars never change."""
        return self.X[:, np.flatnonzero(chosen).tolist()]

    def fill(self, missing, rows, values, levels, dtypes=None):
        """Return a copy with values in place of missing cells; see `Table.fill`."""
        columns = np.flatnonzero(missing.any(axis=0)).tolist()
        X = _add_categories(
            self.X, {i: levels[i] for i in columns if i in levels}, dtypes
        )
        wanted = list(X.dtypes)
        # Without any cell, a column of text was read as one of numbers.
        empty = [
            i
            for i in columns
            if i in levels and missing[:, i].all() and _reads_as_numeric(wanted[i])
        ]
        if dtypes is not None:
            wanted = [dtypes[i] if i in empty else d for i, d in enumerate(wanted)]
        form = PolarsForm(X.columns, wanted, number_types(self.objects(), levels))
        filled = form.wrap(values, levels=levels)
        for i in columns:
            if i in empty:
                X = X.with_columns(filled[:, i])
                continue
            cells = filled[:, i].filter(missing[rows, i])
            indices = np.flatnonzero(missing[:, i])
            X = X.with_columns(_scatter(X[:, i], indices, cells))
        return X

    def _append(self, names, columns):
        return self.X.with_columns(
            pl.Series(name, columns[:, i]) for i, name in enumerate(names)
        )

    def with_values(self, values):
        """Return other numbers in a frame with the columns of X."""
        return pl.DataFrame(values, schema=self.X.columns)

    def _to_pandas(self):
        columns = [_to_pandas(column) for column in self.X.get_columns()]
        frame = pd.DataFrame(dict(enumerate(columns)))
        frame.columns = self.X.columns
        return frame

    def form(self):
        """Return what makes frames with these columns and dtypes from numbers."""
        return PolarsForm(self.X.columns, self.dtypes, number_types(self.objects()))


class PolarsForm:
    """Makes frames with the columns and dtypes of another one.

    Parameters
    ----------
    columns : list of str
    dtypes : list of polars.DataType
    number_types : dict of int to NumberType
        What columns of objects hold.
    """

    def __init__(self, columns, dtypes, number_types):
        self.columns = columns
        self.dtypes = dtypes
        self.number_types = number_types

    def stored(self):
        """Return the form in plain values."""
        return StoredForm(
            "polars",
            list(self.columns),
            [write_dtype(dtype) for dtype in self.dtypes],
            stored_number_types(self.number_types),
        )

    def wrap(self, values, like=None, levels=None):
        """Return numbers as a frame.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        like : object, default=None
            Not used: frames of polars have no labels of rows.
        levels : dict of int to object ndarray, default=None
            What the codes in each categorical column stand for.
        """
        columns = decode_columns(
            values, levels or {}, self.number_types, _clip, self.dtypes
        )
        return pl.DataFrame(
            [
                _make_column(name, column, dtype)
                for name, column, dtype in zip(
                    self.columns, columns, self.dtypes, strict=True
                )
            ]
        )


def from_objects(columns):
    """Return columns of objects as a frame.

    Parameters
    ----------
    columns : dict of int to object ndarray
        By their position.
    """
    cells = {str(i): column.tolist() for i, column in columns.items()}
    return pl.DataFrame(cells, strict=False)


def _to_pandas(column):
    """Return a column as one of pandas; polars itself would need pyarrow."""
    if isinstance(column.dtype, pl.Enum):
        return pd.Categorical(column, list(column.dtype.categories), ordered=True)
    if column.dtype == pl.Categorical:
        return pd.Categorical(column)
    is_number = column.dtype.is_float() or column.dtype.is_integer()
    if is_number and not (column.has_nulls() or _is_wide(column.dtype)):
        return column.to_numpy()
    return pd.Series(column.to_list())


def as_values(y):
    """Return labels as an ndarray, of objects and `None` where some are missing.

    Parameters
    ----------
    y : Series or DataFrame
    """
    if isinstance(y, pl.DataFrame):
        if y.shape[1] == 1:
            return as_values(y[:, 0])[:, None]
        return np.array(y.rows(), dtype=object)
    if y.dtype.is_float():
        return y.to_numpy()
    observed = y.drop_nulls()
    if y.dtype.is_integer() and not _is_wide(y.dtype):
        return with_none(observed.to_numpy(), y.is_null().to_numpy())
    return with_none(observed.to_list(), y.is_null().to_numpy())


def _is_wide(dtype):
    """Whether NumPy has no such integers."""
    return dtype.is_integer() and str(dtype).endswith("128")


def write_dtype(dtype):
    """Return the dtype of a column in plain values."""
    if dtype == pl.Enum:
        return "enum", list(dtype.categories)
    if dtype == pl.Decimal:
        return "decimal", dtype.precision, dtype.scale
    return "polars", str(dtype.base_type())


def read_dtype(stored):
    """Return the dtype that plain values stand for."""
    kind, *values = stored
    if kind == "polars":
        return getattr(pl, values[0])()
    return pl.Enum(values[0]) if kind == "enum" else pl.Decimal(*values)


def _is_missing(cells):
    missing = cells.is_null()
    if cells.dtype.is_float():
        missing |= cells.is_nan().fill_null(True)
    elif cells.dtype == pl.Object:
        missing = is_missing(cells.to_numpy())
    return np.asarray(missing)


def _reads_as_numeric(dtype):
    """Whether a column has the dtype that one without any cell is read as."""
    return dtype == pl.Null or dtype.is_numeric()


def _clip(values, dtype):
    """Round and clip floats to what a dtype can hold; `NaN` stays."""
    if isinstance(dtype, pl.Decimal):
        return clip_to_decimal(values, dtype.precision or 38, dtype.scale)
    return clip_to_dtype(values, dtype)


def _make_column(name, column, dtype):
    """Return an array as a polars column."""
    if column.dtype == object:
        # As a list: polars cannot cast an array of objects.
        cells = np.where(is_missing(column), None, column).tolist()
        if dtype == pl.Object:
            return pl.Series(name, cells, dtype=dtype)
        return pl.Series(name, cells).cast(dtype)
    column = pl.Series(name, column)
    # Only floats know NaN.
    return (column if dtype.is_float() else column.fill_nan(None)).cast(dtype)


def _scatter(cells, indices, values):
    """Return a column with other values at some indices."""
    if cells.dtype != pl.Object:
        return cells.scatter(indices, values)
    mixed = cells.to_numpy().copy()
    mixed[indices] = values.to_numpy()
    return pl.Series(cells.name, mixed.tolist(), dtype=cells.dtype)


def _add_categories(X, levels, dtypes):
    """Return a frame whose Enum columns have these levels, too.

    A frame of a few rows may lack categories of the rows that a model was trained on.
    """
    for i, cells in levels.items():
        dtype = X.dtypes[i]
        if not isinstance(dtype, pl.Enum):
            continue
        listed = list(dtype.categories)
        further = [cell for cell in cells if cell not in listed]
        in_fit = getattr(dtypes[i], "categories", None) if dtypes is not None else None
        if not further:
            continue
        known_in_fit = in_fit is not None and set(listed) <= set(in_fit)
        wanted = dtypes[i] if known_in_fit else pl.Enum([*listed, *further])
        X = X.with_columns(X[:, i].cast(wanted))
    return X
