"""Table: kinds, cells and levels of a user's table, whichever library it is from."""

from collections.abc import Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from reprlib import repr as short_repr
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse


class Source(Protocol):
    """A data set of pyarrow, or a lazy frame of polars."""

    @property
    def schema(self) -> Any:
        """Names and types of the columns."""


# What may be y. Series of pandas and polars are ArrayLike, lists with `None` are not.
TargetLike: TypeAlias = ArrayLike | Sequence[Any]
# What may be X, unless it is sparse. Frames are ArrayLike, rows with `None` are not.
DenseTableLike: TypeAlias = ArrayLike | Sequence[Any] | Source
# What may be X.
TableLike: TypeAlias = DenseTableLike | sparse.spmatrix | sparse.sparray

# Kind of a column whose cells are real numbers.
NUMBER = "number"
# Kind of a column of true and false.
BOOLEAN = "boolean"
# Kind of a column of text, or of a categorical dtype.
CATEGORY = "category"
# Kind of a column of dates, times or durations.
DATE = "date"
# Kind of any other column, such as complex numbers or bytes.
OTHER = "other"

# Kinds by what pandas infers from the cells of an object column.
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

# Kinds by the kind of a NumPy dtype.
_KINDS_OF_DTYPES = {
    "b": BOOLEAN,
    "U": CATEGORY,
    "M": DATE,
    "m": DATE,
    "c": OTHER,
    "S": OTHER,
    "V": OTHER,
}


class Table:
    """Base of the tables; `as_table` makes one of whatever holds rows.

    Parameters
    ----------
    X : {ndarray, sparse matrix, dataframe} of shape (n_rows, n_columns)
        The user's own object, which is never changed.
    """

    is_frame = True
    """Whether the columns have names and dtypes of their own."""

    def __init__(self, X):
        self.X = self.given = X

    def __len__(self):
        return self.X.shape[0]

    @property
    def shape(self):
        """Number of rows and of columns."""
        return self.X.shape

    @property
    def names(self):
        """Names of the columns; their positions where they have none."""
        return list(self.X.columns)

    @property
    def dtypes(self):
        """The dtype of each column, `None` for arrays."""
        return list(self.X.dtypes)

    def kinds(self, columns=None):
        """Return what columns hold.

        Parameters
        ----------
        columns : sequence of int, default=None
            Positions of the columns to look at. `None`: all.

        Returns
        -------
        kinds : list of {"number", "boolean", "category", "date", "other"}
            Text and the categorical dtypes of pandas and polars are categories. Objects
            are looked at cell by cell; those that are nothing else may be numbers.
        """
        columns = range(self.shape[1]) if columns is None else columns
        dtypes = self.dtypes
        return [self._kind(column, dtypes[column]) for column in columns]

    def _kind(self, column, dtype):
        raise NotImplementedError

    def _column(self, column, rows=slice(None)):
        """Return some cells of a column, as a series of the library or an ndarray."""
        raise NotImplementedError

    def numbers(self, column, rows=slice(None)):
        """Return cells of a column of numbers as float64, `NaN` where one is missing.

        Parameters
        ----------
        column : int
        rows : slice or ndarray of int, default=slice(None)

        Raises
        ------
        ValueError
            If objects among the cells are no numbers.
        """
        cells = self._column(column, rows)
        if cells.dtype in ("float64", "float32"):
            return np.asarray(cells, dtype=np.float64)
        return self._as_float64(cells, column)

    def _as_float64(self, cells, column):
        raise NotImplementedError

    def levels(self, column, rows=slice(None)):
        """Return the distinct values of some cells of a column, and which each is.

        Parameters
        ----------
        column : int
        rows : slice or ndarray of int, default=slice(None)

        Returns
        -------
        levels : object ndarray of shape (n_levels,)
            In the order in which they appear.
        indices : int64 ndarray of shape (n_rows,)
            Position among the levels, -1 where the cell is missing.
        """
        indices, levels = pd.factorize(self._hashable(self._column(column, rows)))
        if levels.dtype.kind in "mM":
            # NumPy would make integers of dates that have nanoseconds.
            levels = pd.Index(levels)
        return np.asarray(levels, dtype=object), indices

    def _hashable(self, cells):
        """Return the cells of a column as something that pandas looks values up in."""
        return cells

    def dates(self, column):
        """Return the cells of a column as datetime64, `NaT` where they are no dates."""
        cells = np.asarray(self._column(column))
        if cells.dtype.kind not in "MO":
            return np.full(len(cells), np.datetime64("NaT"), dtype="M8[us]")
        dates = pd.to_datetime(pd.Series(cells), utc=True, errors="coerce")
        return dates.dt.tz_localize(None).to_numpy(dtype="M8[us]")

    def categories(self, column):
        """Return the categories that the dtype of a column lists, in order, or None."""
        return None

    def is_ordered(self, column):
        """Whether the dtype of a column says that its categories have an order."""
        return False

    def missing(self):
        """Return a mask of the missing cells, of the shape of the table."""
        raise NotImplementedError

    def objects(self):
        """Return the cells of each column of Python's objects, by its position."""
        return {
            i: self._column(i).to_numpy()
            for i, dtype in enumerate(self.dtypes)
            if self._holds_objects(dtype)
        }

    def _holds_objects(self, dtype):
        return isinstance(dtype, np.dtype) and dtype.kind == "O"

    def cells(self):
        """Return the cells as an object ndarray, `None` where one is missing."""
        cells = np.empty(self.shape, dtype=object)
        self._write_cells(cells)
        cells[self.missing()] = None
        return cells

    def _write_cells(self, out):
        for i in range(self.shape[1]):
            # A cell may be a list: the last object keeps NumPy from looking inside.
            column = [*self._column(i).to_list(), None]
            out[:, i] = np.array(column, dtype=object)[:-1]

    def row_labels(self):
        """Return the labels that rows have besides their positions, or None."""
        return None

    def readable(self):
        """Return X with columns that NumPy can read as numbers."""
        return self.X

    def take(self, rows):
        """Return rows, given as positions or a mask, as the user's kind of table."""
        raise NotImplementedError

    def select(self, chosen):
        """Return a copy with the columns that a mask chooses."""
        raise NotImplementedError

    def fill(self, missing, rows, values, levels, dtypes=None):
        """Return a copy with values in place of missing cells.

        Parameters
        ----------
        missing : bool ndarray of shape (n_rows, n_columns)
        rows : bool ndarray of shape (n_rows,)
            The rows that have missing cells.
        values : ndarray of shape (n_chosen, n_columns)
            Those rows without missing cells, as numbers.
        levels : dict of int to object ndarray
            What the codes in each categorical column stand for.
        dtypes : list of dtype, default=None
            Those of the columns in `fit`, if they are of the same library. A file of
            few rows may hold no cell of a column of text, and then reads as one of
            numbers.
        """
        raise NotImplementedError

    def append(self, names, columns):
        """Return a copy with further columns.

        Parameters
        ----------
        names : list of str
        columns : bool ndarray of shape (n_rows, len(names))

        Raises
        ------
        ValueError
            If the table has columns of these names.
        """
        taken = [name for name in names if name in self.names]
        if taken:
            raise ValueError(
                f"Cannot add the indicators {taken}: X has columns of these names. "
                "Rename them, or set add_indicator=False."
            )
        return self._append(names, columns) if names else self.given

    def _append(self, names, columns):
        raise NotImplementedError

    def with_values(self, values):
        """Return other numbers in a table with the columns and row labels of this one.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        """
        raise NotImplementedError

    def to_library(self, library):
        """Return X in a form of which scikit-learn makes a frame of the same types.

        Parameters
        ----------
        library : {"default", "pandas", "polars"}
            "default" returns X as it is.
        """
        if library == "pandas":
            return self._to_pandas()
        return self._to_polars() if library == "polars" else self.given

    def _to_pandas(self):
        return self.X

    def _to_polars(self):
        return self.X

    def form(self):
        """Return what makes tables of this kind from numbers, without any rows."""
        raise NotImplementedError

    def describe(self, chosen):
        """Return the names and dtypes of the columns that a mask chooses, for messages.

        Columns of arrays have their positions instead.
        """
        return ", ".join(
            f"{name!r} ({dtype})"
            for name, dtype, is_chosen in zip(
                self.names, self.dtypes, chosen, strict=True
            )
            if is_chosen
        )


def kind_of_dtype(dtype):
    """Return what a column of a NumPy dtype other than object holds."""
    return _KINDS_OF_DTYPES.get(dtype.kind, NUMBER)


def kind_of_objects(cells):
    """Return what an ndarray of objects holds."""
    inferred = pd.api.types.infer_dtype(cells, skipna=True)
    kind = _KINDS_OF_OBJECTS.get(inferred, NUMBER)
    may_signal = kind == NUMBER and inferred not in ("floating", "integer")
    return OTHER if may_signal and any(map(_is_signal, cells)) else kind


def _is_signal(cell):
    """Whether an object is a decimal that may not even be compared with itself."""
    return isinstance(cell, Decimal) and cell.is_snan()


def is_missing(values):
    """Return where values are `NaN`, `None`, `NaT` or `pandas.NA`, as a mask.

    Raises
    ------
    ValueError
        If a value is a signaling NaN of Python's decimals.
    """
    try:
        return np.asarray(pd.isna(values))
    except InvalidOperation as error:
        raise ValueError(
            "A signaling NaN, Decimal('sNaN'), is neither a number nor missing. "
            "Replace it by a number, or by NaN, which counts as missing."
        ) from error


def is_scalar(value):
    """Whether a value may be one cell or label; lists and arrays are not."""
    return pd.api.types.is_scalar(value)


def with_none(observed, missing):
    """Return values as objects of their own NumPy types, `None` where one is missing.

    Parameters
    ----------
    observed : sequence of length n_observed
    missing : bool ndarray
        Of any shape, with `n_observed` cells that are not missing.
    """
    values = np.full(missing.shape, None, dtype=object)
    values[~missing] = np.fromiter(observed, dtype=object, count=len(observed))
    return values


def name_columns(chosen, names):
    """Return the names of the columns that a mask chooses, else their positions."""
    columns = np.flatnonzero(chosen).tolist()
    if names is None:
        return columns
    chosen = [names[i] for i in columns]
    return [int(n) if isinstance(n, (int, np.integer)) else str(n) for n in chosen]


@contextmanager
def naming(owner):
    """Put the name of the estimator in use in front of what is wrong with its input.

    Parameters
    ----------
    owner : str
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        if owner not in str(error):
            error.args = (f"{owner}: {error}",)
        raise


def to_numbers(X, names=None):
    """Return an array or sparse matrix of cells of any kind as one of numbers.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        Objects may be numbers, and `None` or `pandas.NA`, which become `NaN`.
    names : sequence of str, default=None
        Names of the columns for messages.
    """
    if X.dtype.kind in "fiub":
        return X
    if X.dtype.kind != "O":
        raise ValueError(
            f"X must hold numbers. Got an array of dtype {str(X.dtype)!r}."
        )
    X = np.where(is_missing(X), np.nan, X)
    try:
        return _to_float64(X)
    except (TypeError, ValueError) as error:
        others = [_first_other(column) for column in X.T]
        columns = name_columns([len(other) > 0 for other in others], names)
        cell = np.concatenate(others)[0]
        if isinstance(cell, (list, tuple, dict, set, np.ndarray)):
            advice = "Make columns of the values in such cells, or drop the columns."
        else:
            advice = (
                "Let their cells all be numbers, or all be text, which makes "
                "categories of them, or drop them."
            )
        raise type(error)(
            f"X must hold numbers. Columns {columns} hold other objects, such as "
            f"{short_repr(cell)} of type {type(cell).__name__}. {advice}"
        ) from error


def _to_float64(objects):
    """Return objects as floats, infinite where integers are larger than all of them."""
    try:
        return objects.astype(np.float64)
    except OverflowError:
        return np.frompyfunc(_clip_to_infinity, 1, 1)(objects).astype(np.float64)


def _clip_to_infinity(cell):
    try:
        float(cell)
    except OverflowError:
        return np.inf if cell > 0 else -np.inf
    except (TypeError, ValueError):
        # The caller says so.
        pass
    return cell


def _first_other(column):
    """Return the first object of a column that is no number, or none, as an array."""
    for i in range(len(column)):
        cell = column[i : i + 1]
        try:
            _to_float64(cell)
        except (TypeError, ValueError):
            return cell
    return column[:0]
