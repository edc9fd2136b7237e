"""What arrays and frames hold: their columns, cells, and blocks of rows."""

import importlib
import mmap

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype
from scipy import sparse

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

# Cells of a block: 8 MB as float64, small enough to stay out of the memory bill.
BLOCK_CELLS = 2**20


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


def name_columns(chosen, names):
    """Return the names of the columns that a mask chooses, else their positions."""
    columns = np.flatnonzero(chosen).tolist()
    return columns if names is None else [str(names[i]) for i in columns]


def missing_cells(X):
    """Return a mask of the missing cells of an array or a frame."""
    if frame_library(X) == "polars":
        return np.column_stack([_missing_in_polars(cells) for cells in X.get_columns()])
    missing = np.array(pd.isna(X))
    if frame_library(X) == "pandas":
        for i, dtype in enumerate(X.dtypes):
            # To pandas, NaN is a number in columns that know another missing cell.
            if isinstance(dtype, ExtensionDtype) and dtype.kind == "f":
                cells = X.iloc[:, i].to_numpy(np.float64, na_value=np.nan)
                missing[:, i] = np.isnan(cells)
    return missing


def _missing_in_polars(cells):
    missing = cells.is_null()
    if cells.dtype.is_float():
        missing |= cells.is_nan().fill_null(True)
    elif str(cells.dtype) == "Object":
        missing = pd.isna(cells.to_numpy())
    return np.asarray(missing)


def take_rows(X, rows):
    """Return the rows of an array or a frame that a mask chooses."""
    library = frame_library(X)
    if library == "polars":
        return X.filter(rows)
    return X.loc[rows] if library == "pandas" else X[rows]


def take_columns(X, kept):
    """Return a copy of an array or a frame with the columns that a mask keeps."""
    library = frame_library(X)
    if library == "polars":
        return X[:, np.flatnonzero(kept).tolist()]
    if library == "pandas":
        return X.loc[:, kept].copy()
    return X.copy() if kept.all() else X[:, kept]


def frame_library(X):
    """Return "pandas" or "polars" if X is a frame of that library, else None."""
    library = type(X).__module__.partition(".")[0]
    # A polars LazyFrame has columns, but no cells.
    is_frame = hasattr(type(X), "columns") and hasattr(type(X), "to_numpy")
    return library if is_frame and library in ("pandas", "polars") else None


def as_array_like(X):
    """Return X as something that `numpy.asarray` reads as the user means it.

    Raises
    ------
    TypeError
        If X is a polars LazyFrame.
    """
    if isinstance(X, np.ma.MaskedArray):
        # numpy.asarray would show what is under the mask.
        return X.astype(np.result_type(X.dtype, np.float32)).filled(np.nan)
    if type(X).__name__ == "LazyFrame":
        raise TypeError(
            "X must hold rows. Got a polars LazyFrame, which only says how to get "
            "them; pass X.collect()."
        )
    if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind == "U":
        # NumPy would make text of the numbers beside text.
        return np.array(X, dtype=object)
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        # NumPy's strings of any length, which scikit-learn does not know yet.
        return X.astype(object)
    return X


def numbers(X, names=None):
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
    X = np.where(pd.isna(X), np.nan, X)
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as error:
        text = name_columns([_holds_text(column) for column in X.T], names)
        raise type(error)(
            f"X must hold numbers: {str(error).rstrip('.')}. It stands in columns "
            f"{text}. Let their cells all be numbers, or all be text, which makes "
            "categories of them, or drop them."
        ) from error


def _holds_text(column):
    """Whether some object of a column is no number."""
    try:
        column.astype(np.float64)
    except (TypeError, ValueError):
        return True
    return False


def is_mapped(X):
    """Whether a table lies in a file that is read as needed."""
    X = getattr(X, "coded_from", X)
    # A copy in memory of such an array has the same type, but no file.
    return isinstance(X, np.memmap) and X._mmap is not None


def release_pages(X):
    """Let the pages of a mapped file leave memory; other arrays are left alone.

    Pages that were read count as resident until the system wants them back, so a pass
    over a large file would look, and be billed, like a copy of it.
    """
    X = getattr(X, "coded_from", X)
    # A copy-on-write map ("c") keeps its changes in those pages.
    if is_mapped(X) and X.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        X._mmap.madvise(mmap.MADV_DONTNEED)


def blocks_of_rows(X, cells=BLOCK_CELLS):
    """Yield the rows of X in blocks of about so many cells, each with its slice.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
    cells : int, default=2**20

    Yields
    ------
    rows : slice
    block : ndarray of shape (n_block, n_columns)
    """
    n_rows, n_columns = X.shape
    step = max(1, cells // max(1, n_columns))
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        yield rows, dense(X[rows])
        release_pages(X)


def has_missing(block, names=None):
    """Return whether a block has missing cells; infinite cells are an error.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_columns)
    names : sequence of str, default=None
        Names of the columns for the message.
    """
    if block.dtype.kind != "f":
        return False
    # One sum tells the common case; it may also overflow where every cell is finite.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum()):
            return False
    infinite = np.isinf(block).any(axis=0)
    if infinite.any():
        raise ValueError(
            "Input X contains infinity or a value too large for "
            f"{block.dtype!r}. It stands in columns {name_columns(infinite, names)}. "
            "Replace it by a number, or by NaN, which counts as missing."
        )
    return bool(np.isnan(block).any())


def dense(X):
    """Return a block of rows as an ndarray."""
    return X.toarray() if sparse.issparse(X) else np.asarray(X)
