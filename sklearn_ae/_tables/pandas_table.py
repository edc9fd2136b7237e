"""Frames of pandas as tables; the one file that reads and writes them."""

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.api.extensions import ExtensionDtype

from sklearn_ae._document import CannotBeDescribedError
from sklearn_ae._tables.forms import (
    StoredForm,
    describe_index,
    read_arrow_type,
    stored_number_types,
)
from sklearn_ae._tables.table import (
    BOOLEAN,
    CATEGORY,
    DATE,
    NUMBER,
    OTHER,
    Table,
    is_missing,
    kind_of_dtype,
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


class PandasTable(Table):
    """A :class:`pandas.DataFrame`."""

    def _kind(self, column, dtype):
        if isinstance(dtype, np.dtype):
            # The common case; the checks of pandas below take longer.
            if dtype.kind == "O":
                return kind_of_objects(self._column(column).to_numpy())
            return kind_of_dtype(dtype)
        return _kind_of_extension(dtype)

    def _column(self, column, rows=slice(None)):
        return _native(self.X.iloc[:, column]).iloc[rows]

    def _as_float64(self, cells, column):
        if cells.dtype == object:
            names = [self.X.columns[column]]
            return to_numbers(cells.to_numpy()[:, None], names)[:, 0].astype(np.float64)
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)

    def _hashable(self, cells):
        # pandas fails at some dictionaries and kinds of text of Arrow.
        if str(cells.dtype).startswith(("dictionary", "string_view")):
            return cells.astype(object)
        # And at its lists and structs, which are refused by name as objects.
        is_nested = not isinstance(cells.dtype, np.dtype) and (
            _kind_of_extension(cells.dtype) == OTHER
        )
        return cells.astype(object) if is_nested else cells

    def categories(self, column):
        """Return the categories that the dtype of a column lists, in order, or None."""
        dtype = self.X.dtypes.iloc[column]
        is_categorical = isinstance(dtype, pd.CategoricalDtype)
        return list(dtype.categories) if is_categorical else None

    def is_ordered(self, column):
        """Whether the dtype of a column says that its categories have an order."""
        return bool(getattr(self.X.dtypes.iloc[column], "ordered", False))

    def missing(self):
        """Return a mask of the missing cells, of the shape of the table."""
        dtypes = self.X.dtypes
        # pandas would join the masks of sparse columns as sparse columns, and warn.
        dense = np.array([not isinstance(d, pd.SparseDtype) for d in dtypes], bool)
        missing = np.empty(self.shape, dtype=bool)
        missing[:, dense] = is_missing(self.X.loc[:, dense])
        for i, dtype in enumerate(dtypes):
            if not dense[i]:
                missing[:, i] = is_missing(self.X.iloc[:, i])
            # To pandas, NaN is a number in columns that know another missing cell.
            elif isinstance(dtype, ExtensionDtype) and dtype.kind == "f":
                missing[:, i] = np.isnan(self.numbers(i))
        return missing

    def row_labels(self):
        """Return the labels that rows have besides their positions, or None."""
        index = self.X.index
        return None if isinstance(index, pd.RangeIndex) else index

    def take(self, rows):
        """Return rows, given as positions or a mask."""
        X = self.X
        for i, dtype in enumerate(X.dtypes):
            if not _is_native(dtype):
                X = X.copy(deep=False)
                X.isetitem(i, _native(X.iloc[:, i]))
        return X.iloc[rows]

    def select(self, chosen):
        """Return a copy with the columns that a mask chooses."""
        return self.X.loc[:, chosen].copy()

    def fill(self, missing, rows, values, levels, dtypes=None):
        """Return a copy with values in place of missing cells; see `Table.fill`."""
        columns = np.flatnonzero(missing.any(axis=0)).tolist()
        X = self.X.copy(deep=False)
        _add_categories(X, {i: levels[i] for i in columns if i in levels}, dtypes)
        # Without any cell, a column of text was read as one of numbers.
        empty = [
            i
            for i in columns
            if i in levels
            and missing[:, i].all()
            and _reads_as_numeric(X.dtypes.iloc[i])
        ]
        wanted = list(X.dtypes)
        if dtypes is not None:
            wanted = [dtypes[i] if i in empty else d for i, d in enumerate(wanted)]
        form = PandasForm(X.columns, wanted, number_types(self.objects(), levels))
        filled = form.wrap(values, levels=levels)
        for i in columns:
            if i in empty:
                X.isetitem(i, filled.iloc[:, i].set_axis(X.index))
                continue
            cells = _native(X.iloc[:, i].copy())
            if isinstance(cells.dtype, pd.SparseDtype):
                cells = cells.sparse.to_dense()
            column = _native(filled.iloc[:, i])
            cells.iloc[missing[:, i]] = column.array[missing[rows, i]]
            X.isetitem(i, cells.astype(X.dtypes.iloc[i]))
        return X

    def _append(self, names, columns):
        n_levels = self.X.columns.nlevels
        if n_levels > 1:
            # As pandas does when a column gets a name with fewer levels.
            names = pd.MultiIndex.from_tuples(
                [(name, *[""] * (n_levels - 1)) for name in names]
            )
        further = pd.DataFrame(columns, columns=names, index=self.X.index)
        return pd.concat([self.X, further], axis=1)

    def with_values(self, values):
        """Return other numbers in a frame with the columns and the index of X."""
        return pd.DataFrame(values, index=self.X.index, columns=self.X.columns)

    def _to_polars(self):
        """Return X with columns that polars can read, where it can not."""
        X = self.X.copy(deep=False)
        for i, dtype in enumerate(X.dtypes):
            if isinstance(dtype, pd.SparseDtype):
                X.isetitem(i, X.iloc[:, i].sparse.to_dense())
            elif dtype == np.longdouble:
                X.isetitem(i, X.iloc[:, i].astype(np.float64))
            else:
                X.isetitem(i, _native(X.iloc[:, i]))
        return X

    def form(self):
        """Return what makes frames with these columns and dtypes from numbers."""
        return PandasForm(self.X.columns, self.dtypes, number_types(self.objects()))


def as_values(y):
    """Return labels as an ndarray, of objects and `None` where some are missing.

    Parameters
    ----------
    y : Series, DataFrame, Index or ExtensionArray
    """
    if isinstance(y, pd.DataFrame) and y.shape[1] != 1:
        return np.asarray(y.astype(object) if is_missing(y).any() else y)
    if isinstance(y, pd.DataFrame):
        return as_values(y.iloc[:, 0])[:, None]
    y = pd.Series(y)
    missing = is_missing(y)
    if isinstance(y.dtype, np.dtype) or not missing.any():
        return np.asarray(y)
    # Without missing ones, pandas knows the type that NumPy has for the others.
    return with_none(np.asarray(y[~missing]), missing)


class PandasForm:
    """Makes frames with the columns and dtypes of another one.

    Parameters
    ----------
    columns : pandas.Index
    dtypes : list of dtype
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
            "pandas",
            list(self.columns),
            [write_dtype(dtype) for dtype in self.dtypes],
            stored_number_types(self.number_types),
            describe_index(self.columns),
        )

    def wrap(self, values, like=None, levels=None):
        """Return numbers as a frame.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        like : object, default=None
            A frame of pandas lends its index.
        levels : dict of int to object ndarray, default=None
            What the codes in each categorical column stand for.
        """
        columns = decode_columns(
            values, levels or {}, self.number_types, _clip, self.dtypes
        )
        index = like.index if isinstance(like, pd.DataFrame) else None
        frame = pd.DataFrame(dict(enumerate(columns)), index=index)
        frame = frame.astype(dict(enumerate(self.dtypes)))
        frame.columns = self.columns
        return frame


def write_dtype(dtype):
    """Return the dtype of a column in plain values."""
    if isinstance(dtype, np.dtype):
        return "numpy", dtype.str
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        return "category", list(categories), dtype.ordered, categories.dtype == object
    if isinstance(dtype, pd.SparseDtype):
        return "sparse", dtype.subtype.str, dtype.fill_value
    if isinstance(dtype, pd.StringDtype):
        return "string", f"{dtype.storage} {'NA' if dtype.na_value is pd.NA else 'nan'}"
    if isinstance(dtype, pd.ArrowDtype):
        return "arrow", str(dtype.pyarrow_dtype)
    if types.is_numeric_dtype(dtype):
        return "masked", dtype.name
    raise CannotBeDescribedError(
        f"A column of dtype {dtype} cannot be saved. Give it another dtype, and fit "
        "again."
    )


def read_dtype(stored):
    """Return the dtype that plain values stand for, or one like it.

    Releases of pandas differ in the dtypes of text that they have.
    """
    kind, *values = stored
    if kind == "category":
        categories, ordered, as_objects = values
        index = pd.Index(categories, dtype=object if as_objects else None)
        return pd.CategoricalDtype(index, ordered)
    if kind == "sparse":
        return pd.SparseDtype(np.dtype(values[0]), values[1])
    if kind == "arrow":
        return pd.ArrowDtype(read_arrow_type(*values))
    if kind == "string":
        storage, missing = values[0].split()
        try:
            if missing == "NA":
                return pd.StringDtype(storage)
            return pd.StringDtype(storage, na_value=np.nan)
        except (ImportError, TypeError):
            return np.dtype(object)
    return np.dtype(*values) if kind == "numpy" else types.pandas_dtype(*values)


def _is_native(dtype):
    """Whether the bytes of numbers are in the order that pandas can take rows of."""
    return not isinstance(dtype, np.dtype) or dtype.isnative


def _native(cells):
    """Return a column whose bytes are in the order of the machine."""
    if _is_native(cells.dtype):
        return cells
    return cells.astype(cells.dtype.newbyteorder("="))


def _clip(values, dtype):
    """Round and clip floats to what a dtype can hold; `NaN` stays."""
    if isinstance(dtype, pd.SparseDtype):
        dtype = dtype.subtype
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if hasattr(arrow, "precision"):
        return clip_to_decimal(values, arrow.precision, arrow.scale)
    if str(dtype).startswith("null"):
        return np.full(len(values), None)
    return clip_to_dtype(values, getattr(dtype, "numpy_dtype", dtype))


def _kind_of_extension(dtype):
    """Return what a column holds that has a dtype of pandas or Arrow."""
    if isinstance(dtype, pd.CategoricalDtype):
        return CATEGORY
    if types.is_bool_dtype(dtype):
        return BOOLEAN
    if types.is_numeric_dtype(dtype):
        return OTHER if types.is_complex_dtype(dtype) else NUMBER
    if isinstance(dtype, pd.StringDtype):
        return CATEGORY
    # What is left are dates, and the types of Arrow.
    name = str(dtype)
    if name.startswith(("string", "large_string", "dictionary")):
        return CATEGORY
    if name.startswith("null"):
        return NUMBER
    dates = ("date", "time", "duration", "period")
    return DATE if name.startswith(dates) else OTHER


def _reads_as_numeric(dtype):
    """Whether a column has the dtype that one without any cell is read as."""
    if str(dtype).lower().startswith("null"):
        return True
    return types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)


def _add_categories(X, levels, dtypes):
    """Let the categorical dtypes of a frame have these levels, too, in place.

    A frame of a few rows may lack categories of the rows that a model was trained on.
    """
    for i, cells in levels.items():
        dtype = X.dtypes.iloc[i]
        if not isinstance(dtype, pd.CategoricalDtype):
            continue
        further = [cell for cell in cells if cell not in dtype.categories]
        in_fit = None if dtypes is None else getattr(dtypes[i], "categories", None)
        if not further:
            continue
        if in_fit is not None and set(dtype.categories) <= set(in_fit):
            X.isetitem(i, X.iloc[:, i].astype(dtypes[i]))
        else:
            X.isetitem(i, X.iloc[:, i].cat.add_categories(further))
