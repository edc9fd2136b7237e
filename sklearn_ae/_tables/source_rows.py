"""Rows of a source: read block by block, or scaled once into a file.

A first pass learns what is to be known of the columns, a second one writes scaled rows
to a temporary file, from which a network is trained as from any memory-mapped array.
"""

import shutil
import tempfile

import numpy as np
from tqdm.auto import tqdm

from sklearn_ae._tables.categories import CountedLevels
from sklearn_ae._tables.sampling import count_copies, sample_indices
from sklearn_ae._tables.sources import StoredRows
from sklearn_ae._tables.table import naming

# Types of the cells that stay what they are; all others become float64.
FLOAT32 = "float32", "Float32", "float"


class SourceRows:
    """Checked rows of a source, which come as blocks of numbers.

    Parameters
    ----------
    table : SourceTable
    categories : Categories or None
        Fitted before the first rows are taken; `None` if all columns are numeric.
    unknown : float, default=NaN
        As in :meth:`Categories.code`.
    owner : str, default="AutoencoderTransformer"
        Name of the estimator in use, for messages.
    """

    verbose = 0
    """Whether a pass shows a progress bar."""
    sample = None
    """Rows that stand for all others, once a pass has gathered them."""

    def __init__(
        self, table, categories, unknown=np.nan, owner="AutoencoderTransformer"
    ):
        self.table = table
        self.categories = categories
        self.unknown = unknown
        self.owner = owner
        self.shape = table.shape
        all_float32 = all(str(dtype).split("[")[0] in FLOAT32 for dtype in table.dtypes)
        is_float32 = categories is None and all_float32
        self.dtype = np.dtype(np.float32 if is_float32 else np.float64)

    @property
    def size(self):
        """Number of cells."""
        return self.shape[0] * self.shape[1]

    def blocks(self, n_rows):
        """Yield blocks of so many consecutive rows, the last one of fewer."""
        return _in_blocks(self._coded_parts(), n_rows)

    def _coded_parts(self):
        """Yield consecutive rows as numbers, codes for categories."""
        with naming(self.owner):
            for table in self.table.parts():
                if self.categories is None:
                    yield _numbers(table, self.dtype)
                else:
                    yield self.categories.code(table, slice(None), self.unknown)

    def take(self, indices):
        """Return some rows as an ndarray, in one pass.

        Parameters
        ----------
        indices : ndarray of int
            Ascending.
        """
        sample = np.empty((len(indices), self.shape[1]), dtype=self.dtype)
        for _ in _gathering(self._coded_parts(), indices, sample):
            pass
        return sample

    def first_pass(self, sample_weight=None):
        """Return the rows for a pass that learns what is to be known of them.

        Raises
        ------
        OSError
            If there will be no room for the file of scaled rows.
        """
        check_room(self.shape)
        return FirstPass(self, sample_weight)

    def store(self, transform, sample_weight=None):
        """Scale all rows into a temporary file, and return them as a mapped array.

        Parameters
        ----------
        transform : callable
            Turns some rows into a float32 ndarray.
        sample_weight : ndarray of shape (n_rows,), default=None

        Returns
        -------
        rows : StoredRows
            The file goes with the array: no other process ever sees it.

        Raises
        ------
        OSError
            If there is no room for the file.
        """
        parts = self._coded_parts()
        if self.sample is None:
            indices = sample_indices(self.shape, sample_weight)
            self.sample = np.empty((len(indices), self.shape[1]))
            parts = _gathering(parts, indices, self.sample)
        check_room(self.shape)
        with tempfile.TemporaryFile(prefix="sklearn_ae_") as file:
            for part in self._with_bar(parts, "writing rows"):
                file.write(np.ascontiguousarray(transform(part)).data)
            file.flush()
            rows = StoredRows(file, dtype=np.float32, mode="r", shape=self.shape)
        rows.sample = self.sample
        rows.row_bytes = self.shape[1] * self.dtype.itemsize
        return rows

    def _with_bar(self, parts, title):
        """Yield parts of the rows while a progress bar shows how many have come."""
        with tqdm(
            total=self.shape[0], desc=title, unit="row", disable=not self.verbose
        ) as bar:
            for part in parts:
                yield part
                bar.update(len(part))


class FirstPass:
    """Rows of a source while their categories are not known yet.

    They come in one pass of blocks, whose categories have provisional codes: the order
    in which they appear. Afterwards the levels are counted, and a sample is there.

    Parameters
    ----------
    rows : SourceRows
    sample_weight : ndarray of shape (n_rows,), default=None

    Attributes
    ----------
    levels : dict of int to LevelCounter
        The levels of each categorical column.
    sample : float64 ndarray of shape (n_drawn, n_columns)
        What `sample_rows` returns.
    """

    def __init__(self, rows, sample_weight=None):
        self.rows = rows
        self.shape, self.dtype = rows.shape, rows.dtype
        self.sample_weight = sample_weight
        self.copies = count_copies(sample_weight)
        categories = rows.categories
        columns = (
            () if categories is None else np.flatnonzero(categories.is_categorical)
        )
        self.levels = {int(column): LevelCounter() for column in columns}
        indices = sample_indices(self.shape, sample_weight)
        self.sample = np.empty((len(indices), self.shape[1]))
        self._indices = indices

    def count(self, column):
        """Return the levels of a column, as `Categories.fit_counted` needs them."""
        return self.levels[column].counted()

    def blocks(self, n_rows):
        """Yield blocks of so many consecutive rows, the last one of fewer."""
        parts = _gathering(self._parts(), self._indices, self.sample)
        parts = self.rows._with_bar(parts, "reading rows")
        yield from _in_blocks(parts, n_rows)
        self.rows.sample = self.sample

    def _parts(self):
        start = 0
        for table in self.rows.table.parts():
            part = slice(start, start + len(table))
            yield self._code(table, part)
            start = part.stop

    def _code(self, table, part):
        """Return the cells of some rows as numbers, and count their levels."""
        if not self.levels:
            return _numbers(table, self.dtype)
        cells = np.empty(table.shape)
        weight = None if self.sample_weight is None else self.sample_weight[part]
        copies = None if self.copies is None else self.copies[part]
        for column in range(table.shape[1]):
            if column not in self.levels:
                cells[:, column] = table.numbers(column)
                continue
            with self.rows.categories.naming(column):
                levels, indices = table.levels(column)
                counter = self.levels[column]
                cells[:, column] = counter.count(levels, indices, weight, copies)
        return cells


class LevelCounter:
    """The levels of a column of categories, and how often each occurs."""

    def __init__(self):
        self._codes = {}
        self._weights = np.zeros(0)
        self._n_rows = np.zeros(0, dtype=np.int64)
        self._n_observed = 0

    def count(self, levels, indices, weight=None, copies=None):
        """Count the cells of some rows, and return their provisional codes.

        Parameters
        ----------
        levels : object ndarray
        indices : int64 ndarray of shape (n_rows,)
            As `Table.levels` returns them.
        weight, copies : ndarray of shape (n_rows,), default=None
            How much each row counts, and how many equal rows it stands for.

        Returns
        -------
        codes : float64 ndarray of shape (n_rows,)
        """
        known = self._codes
        codes = [known.setdefault(level, len(known)) for level in levels.tolist()]
        codes = np.array([*codes, -1])[indices]
        counted = codes >= 0 if weight is None else (codes >= 0) & (weight > 0)
        chosen = codes[counted]
        n_new = len(known) - len(self._n_rows)
        self._n_rows = np.pad(self._n_rows, (0, n_new))
        self._weights = np.pad(self._weights, (0, n_new))
        self._n_rows += np.bincount(chosen, minlength=len(known))
        self._weights += np.bincount(
            chosen, None if weight is None else weight[counted], len(known)
        )
        n_observed = len(chosen) if copies is None else copies[counted].sum()
        self._n_observed += int(n_observed)
        return np.where(codes < 0, np.nan, codes)

    def counted(self):
        """Return the levels of rows that count."""
        kept = self._n_rows > 0
        levels = np.empty(len(kept), dtype=object)
        levels[:] = list(self._codes)
        return CountedLevels(levels[kept], self._weights[kept], self._n_observed)


def check_room(shape):
    """Refuse rows for whose file there is no room.

    Parameters
    ----------
    shape : (int, int)
        Number of rows and of columns.
    """
    folder = tempfile.gettempdir()
    needed, free = 4 * shape[0] * shape[1], shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"fit writes the rows of X to a temporary file, which takes "
            f"{needed / 1e9:,.2f} GB, and the folder {folder!r} has room for "
            f"{free / 1e9:,.2f} GB. Set the environment variable TMPDIR to a folder "
            "with more room."
        )


def _numbers(table, dtype):
    """Return a table of numeric columns as an ndarray."""
    columns = [table.numbers(column) for column in range(table.shape[1])]
    return np.column_stack(columns).astype(dtype, copy=False)


def _in_blocks(parts, n_rows):
    """Yield the rows of parts in blocks of exactly so many, the last one of fewer."""
    waiting, n_waiting = [], 0
    for part in parts:
        start = 0
        while n_waiting + len(part) - start >= n_rows:
            stop = start + n_rows - n_waiting
            waiting.append(part[start:stop])
            yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            waiting, n_waiting, start = [], 0, stop
        if start < len(part):
            waiting.append(part[start:])
            n_waiting += len(part) - start
    if waiting:
        yield np.concatenate(waiting)


def _gathering(parts, indices, out):
    """Yield parts of consecutive rows, and copy those with some indices on the way.

    Parameters
    ----------
    parts : iterable of ndarray
    indices : ndarray of int
        Ascending.
    out : ndarray of shape (n_indices, n_columns)
        Gets the rows.
    """
    start = 0
    for part in parts:
        first, last = np.searchsorted(indices, [start, start + len(part)])
        out[first:last] = part[indices[first:last] - start]
        yield part
        start += len(part)
