"""as_table: a table from an array or a frame; and its rows, a block at a time."""

import mmap
from reprlib import repr as short_repr

import numpy as np
import pandas as pd
import torch
from pandas.api.extensions import ExtensionArray
from scipy import sparse

from sklearn_ae._compat import is_pandas_df, is_polars_df, mapped_file
from sklearn_ae._tables import pandas_table
from sklearn_ae._tables.array_table import ArrayTable
from sklearn_ae._tables.pandas_table import PandasTable
from sklearn_ae._tables.sources import (
    SourceTable,
    StoredRows,
    as_source_table,
    is_source,
    refuse_paths,
)
from sklearn_ae._tables.table import (
    CATEGORY,
    Table,
    is_missing,
    name_columns,
    with_none,
)

# Cells of a block: 8 MB as float64, small enough to stay out of the memory bill.
BLOCK_CELLS = 2**20
# Floats of torch that NumPy has, too.
NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)


def as_table(X):
    """Return X as a table; the one place that asks which library it is from.

    Parameters
    ----------
    X : {array-like, sparse matrix, dataframe, Table, source} of shape \
            (n_rows, n_columns)

    Returns
    -------
    table : ArrayTable, PandasTable, PolarsTable, ArrowTable or SourceTable

    Raises
    ------
    TypeError
        If X is a path, or a tensor that is sparse.
    """
    if isinstance(X, (Table, SourceTable)):
        return X
    if is_pandas_df(X):
        return PandasTable(X)
    if is_polars_df(X):
        from sklearn_ae._tables.polars_table import PolarsTable

        return PolarsTable(X)
    if is_source(X):
        return as_source_table(X)
    if _is_arrow(X) and hasattr(X, "columns"):
        from sklearn_ae._tables.arrow_table import ArrowTable

        return ArrowTable(X)
    refuse_paths(X)
    return ArrayTable(as_array(X))


def _refuse_source(y, name):
    if is_source(y):
        method = "collect" if hasattr(y, "collect") else "to_table"
        raise TypeError(
            f"{name} must hold values. Got a {type(y).__name__}, which only says how "
            f"to get them; pass {name}.{method}(), or the name of a column of X."
        )


def as_array(X):
    """Return X as something that `numpy.asarray` reads as the user means it."""
    if isinstance(X, (list, tuple)):
        return _read_list([_as_row(row, "X") for row in X])
    if isinstance(X, torch.Tensor):
        return _from_tensor(X, "X")
    if isinstance(X, np.ndarray):
        if X.dtype.names is not None:
            raise ValueError(
                "Expected 2D array, got a structured array with the fields "
                f"{list(X.dtype.names)} instead. Pass pandas.DataFrame(X), which makes "
                "columns of them."
            )
        X = _unmask(X) if isinstance(X, np.ma.MaskedArray) else X
        # scikit-learn does not know NumPy's strings of any length yet.
        return X.astype(object) if X.dtype.kind == "T" else X
    if hasattr(X, "__array__") and not hasattr(X, "shape"):
        return np.asarray(X)
    return X


def _from_tensor(tensor, name):
    """Return the values of a tensor of torch, wherever it lies, as an ndarray."""
    is_dense = tensor.layout is torch.strided and not tensor.is_nested
    if not is_dense or tensor.is_quantized or tensor.is_meta:
        instead = " or a sparse matrix of SciPy" if name == "X" else ""
        raise TypeError(
            f"{name} must be a dense tensor that holds values. Got one with layout="
            f"{tensor.layout}, dtype={tensor.dtype} and device={str(tensor.device)!r}. "
            f"For a sparse tensor, pass {name}.to_dense(){instead}."
        )
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    # NumPy has neither bfloat16 nor floats of 8 bits; float32 holds their values.
    if tensor.is_floating_point() and tensor.dtype not in NUMPY_FLOATS:
        tensor = tensor.to(torch.float32)
    return tensor.numpy()


def _read_list(rows):
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise ValueError(_uneven(rows)) from error
    is_exact = array.dtype.kind != "f" or not _exceeds_floats(array)
    if array.dtype.kind not in "UO" and is_exact:
        return array
    # NumPy would make text of the numbers beside text, and floats of large integers
    # beside floats.
    return _unmask_cells(np.array(rows, dtype=object))


def _uneven(rows):
    """Return what is wrong with rows of which NumPy makes no array."""
    rule = "X must hold rows of the same length, whose cells are no lists. "
    for i, row in enumerate(rows):
        if not _is_list(row):
            return f"{rule}Got {short_repr(row)} as row {i}."
        if len(row) != len(rows[0]):
            return f"{rule}Got {len(rows[0])} cells in row 0, {len(row)} in row {i}."
    for i, row in enumerate(rows):
        for column, cell in enumerate(row):
            if _is_list(cell):
                return f"{rule}Got {short_repr(cell)} in row {i} of column {column}."
    return rule


def _is_list(cell):
    return hasattr(cell, "__len__") and not isinstance(cell, (str, bytes))


def _exceeds_floats(numbers):
    """Whether some numbers are so large that floats skip integers between them."""
    return bool(((numbers >= 2.0**53) | (numbers <= -(2.0**53))).any())


def _unmask(X):
    """Return a masked array as one in which masked cells are missing."""
    # Columns of times, complex numbers or bytes are refused, whatever their cells hold.
    if not np.ma.is_masked(X) or X.dtype.kind in "cMmV":
        return X.data
    if X.dtype.kind in "fb" or (X.dtype.kind in "iu" and not _exceeds_floats(X)):
        return X.astype(np.result_type(X.dtype, np.float32)).filled(np.nan)
    # NumPy would write NaN as text, and takes `None` for its own default value.
    return np.where(np.ma.getmaskarray(X), None, X.data.astype(object))


def _as_row(row, name):
    """Return a row of a list; a masked array gets `None` for masked cells."""
    if isinstance(row, torch.Tensor):
        return _from_tensor(row, name)
    return row.tolist() if isinstance(row, np.ma.MaskedArray) else row


def _unmask_cells(cells):
    """Return objects with `None` in place of NumPy's constant `masked`."""
    masked = np.frompyfunc(lambda cell: cell is np.ma.masked, 1, 1)(cells)
    return np.where(masked.astype(bool), None, cells)


def as_values(y, name="y"):
    """Return labels, targets or weights as an ndarray, whichever library they are from.

    Where some are missing among others that are no floats, it is one of objects: NumPy
    would make floats of integers, and the text "nan" of a missing label among text.

    Parameters
    ----------
    y : array-like, series, dataframe or SourceTable
    name : str, default="y"
        Name of the argument, for messages.

    Returns
    -------
    values : ndarray of the shape of `y`
        Objects are of the type that they have in `y`.

    Raises
    ------
    TypeError
        If y is sparse or a source.
    """
    _refuse_source(y, name)
    if isinstance(y, SourceTable):
        return _read_column(y)
    if sparse.issparse(y):
        raise TypeError(
            f"Sparse data was passed for {name}, which must be dense. Use "
            f"{name}.toarray().ravel() for one column."
        )
    if isinstance(y, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(y)
        if y.dtype.kind == "f":
            return y.filled(np.nan)
        return with_none(y.data[~missing], missing) if missing.any() else y.data
    if isinstance(y, (list, tuple)):
        cells = np.array([_as_row(row, name) for row in y], dtype=object)
        return infer_dtype(_unmask_cells(cells))
    if isinstance(y, torch.Tensor):
        return _from_tensor(y, name)
    if _is_arrow(y):
        from sklearn_ae._tables.arrow_table import to_pandas

        y = to_pandas(y)
    if is_polars_df(y) or (_is_series(y) and not isinstance(y, pd.Series)):
        from sklearn_ae._tables import polars_table

        return infer_dtype(polars_table.as_values(y))
    if isinstance(y, (pd.Series, pd.DataFrame, pd.Index, ExtensionArray)):
        return pandas_table.as_values(y)
    values = np.asarray(y)
    return values.astype(object) if values.dtype.kind == "T" else values


def _read_column(column):
    """Return the cells of the only column of a source."""
    is_text, known, parts = column.kinds() == [CATEGORY], {}, []
    for table in column.parts():
        if not is_text:
            frame = table.given
            is_arrow = hasattr(frame, "column")
            parts.append(as_values(frame.column(0) if is_arrow else frame.to_series()))
            continue
        # Each level once: text takes much more memory than a reference to it.
        levels, indices = table.levels(0)
        levels = [known.setdefault(level, level) for level in levels.tolist()]
        observed = [levels[i] for i in indices[indices >= 0].tolist()]
        parts.append(with_none(observed, indices < 0))
    return infer_dtype(np.concatenate(parts))


def infer_dtype(values):
    """Return objects in the dtype that holds them, unless that would change them."""
    if is_missing(values).any() or values.ndim != 1 or not len(values):
        return values
    kinds = {type(value) for value in values.ravel().tolist()}
    if len(kinds) == 1 or kinds <= {int, float, bool}:
        largest = values.max() if kinds == {int} else 0
        # NumPy makes floats of integers where only some are too large for int64.
        dtype = np.uint64 if 2**63 <= largest < 2**64 and values.min() >= 0 else None
        inferred = np.array(values.tolist(), dtype=dtype)
        unchanged = inferred.shape == values.shape and np.all(inferred == values)
        return inferred if unchanged else values
    return values


def as_column(y):
    """Return labels or targets as a table of one column, and their name.

    Parameters
    ----------
    y : array-like, series or dataframe

    Returns
    -------
    column : ArrayTable, PandasTable or PolarsTable
    name : str
        That of the series or of the only column, else "".

    Raises
    ------
    ValueError
        If y has more than one column.
    """
    name = None
    if _is_series(y):
        name, y = y.name, y.to_frame()
    elif not (is_pandas_df(y) or is_polars_df(y)):
        y = as_values(y)
        y = y[:, None] if y.ndim == 1 else y
    elif y.shape[1] == 1:
        name = y.columns[0]
    table = as_table(y)
    if len(table.shape) != 2 or table.shape[1] != 1:
        raise ValueError(
            f"Labels must be one column. Got an array of shape {table.shape}."
        )
    return table, "" if name is None else str(name)


def _is_series(y):
    """Whether labels are a series of pandas or polars."""
    if isinstance(y, pd.Series):
        return True
    return hasattr(y, "to_frame") and is_polars_df(y.to_frame())


def _is_arrow(X):
    """Whether X is a table, record batch or array of pyarrow."""
    return type(X).__module__.partition(".")[0] == "pyarrow"


def is_mapped(X):
    """Whether a table lies in a file that is read as needed."""
    X = getattr(X, "coded_from", X)
    return mapped_file(X) is not None


def release_pages(X):
    """Let the pages of a mapped file leave memory; other arrays are left alone.

    Pages that were read count as resident until the system wants them back, so a pass
    over a large file would look, and be billed, like a copy of it.
    """
    X = getattr(X, "coded_from", X)
    # A copy-on-write map ("c") keeps its changes in those pages.
    if is_mapped(X) and X.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        mapped_file(X).madvise(mmap.MADV_DONTNEED)


def blocks_of_rows(X, cells=BLOCK_CELLS):
    """Yield the rows of X in blocks of about so many cells, each with its slice.

    Parameters
    ----------
    X : {ndarray, sparse matrix, SourceRows} of shape (n_rows, n_columns)
    cells : int, default=2**20

    Yields
    ------
    rows : slice
    block : ndarray of shape (n_block, n_columns)
    """
    n_rows, n_columns = X.shape
    step = max(1, cells // max(1, n_columns))
    if hasattr(X, "blocks"):
        start = 0
        for block in X.blocks(step):
            yield slice(start, start + len(block)), block
            start += len(block)
        return
    # scikit-learn's gen_batches validates its arguments at each call, which takes
    # longer than the network does for one row.
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        yield rows, dense(X[rows])
        release_pages(X)


def check_cells(block, names=None):
    """Refuse infinite cells, and return whether any cell is missing.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_columns)
    names : sequence of str, default=None
        Names of the columns for the message.

    Raises
    ------
    ValueError
        If a cell is infinite.
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
    """Return a block of rows as an ndarray; those that were scaled stay marked."""
    if sparse.issparse(X):
        return X.toarray()
    return X if isinstance(X, StoredRows) else np.asarray(X)


def to_tensor(array):
    """Return a fitted array as a tensor.

    Nobody may write to those of a model that was loaded with ``mmap_mode="r"``, which
    torch warns about; it gets a copy of them.
    """
    return torch.from_numpy(array if array.flags.writeable else array.copy())
