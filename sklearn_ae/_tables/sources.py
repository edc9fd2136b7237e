"""Sources: tables in files, which are scanned as often as needed, never held whole.

They are data sets of pyarrow and lazy frames of polars. Whatever has to be known of the
columns is read from a table of the same columns without rows, the header; whatever
needs all cells at once reads the whole table into memory.
"""

import sys
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from re import search
from reprlib import repr as short_repr

import numpy as np

from sklearn_ae._compat import did_you_mean

# Bytes of a file that are read at once.
BUFFER_BYTES = 2**20
# Cells of a part: 8 MB as float64.
PART_CELLS = 2**20
# Formats whose files do not say which types their columns have.
UNTYPED_FORMATS = ("csv", "json")
# What to write instead of a path.
HOW_TO_READ = (
    "Pass what reads its rows part by part, pyarrow.dataset.dataset({path}) or "
    "polars.scan_parquet({path}); or the table that pandas.read_parquet({path}) reads "
    "into memory."
)


def is_source(X):
    """Whether X is a data set of pyarrow or a lazy frame of polars."""
    return _is_dataset(X) or _is_lazy_frame(X)


def _is_dataset(X):
    # Whoever has such an object has imported its library.
    library = sys.modules.get("pyarrow.dataset")
    return library is not None and isinstance(X, library.Dataset)


def _is_lazy_frame(X):
    library = sys.modules.get("polars")
    return library is not None and isinstance(X, library.LazyFrame)


def refuse_paths(X):
    """Refuse the path of a table, or a list of such paths, in place of the table.

    scikit-learn would split the letters of a path into training and test rows.

    Raises
    ------
    TypeError
    """
    parts = X if isinstance(X, (list, tuple)) else [X]
    if len(parts) and all(isinstance(part, (str, bytes, PathLike)) for part in parts):
        what = "the text" if isinstance(X, (str, bytes)) else "the path"
        what = "a list of text or paths," if parts is X else what
        names = [part if isinstance(part, bytes) else str(part) for part in parts]
        path = short_repr(names if parts is X else names[0])
        raise TypeError(
            f"X must hold rows. Got {what} {path}. {HOW_TO_READ.format(path=path)}"
        )


def as_source_table(X):
    """Return a source as a table whose rows are read part by part."""
    return SourceTable(_Dataset(X) if _is_dataset(X) else _LazyFrame(X))


class SourceTable:
    """A source as a table.

    It has the methods of :class:`~sklearn_ae._tables.table.Table`: those about columns
    look at the header, those about cells read the whole table into memory.

    Parameters
    ----------
    reader : _Dataset or _LazyFrame
    columns : list of str, default=None
        The columns to read. `None`: all.
    """

    is_frame = True

    def __init__(self, reader, columns=None):
        self.reader = reader
        self.columns = reader.names if columns is None else columns
        self.given = reader.given

    @cached_property
    def header(self):
        """A table of the same columns without rows."""
        return self.reader.as_table(self.reader.header(self.columns))

    @property
    def X(self):
        """The frame of the header, which has the names and the types of the columns."""
        return self.header.X

    @property
    def n_rows(self):
        """Number of rows."""
        return self.reader.n_rows

    @property
    def shape(self):
        """Number of rows and of columns."""
        return self.n_rows, len(self.columns)

    def __len__(self):
        return self.n_rows

    @property
    def names(self):
        """Names of the columns."""
        return self.header.names

    @property
    def dtypes(self):
        """The dtype of each column."""
        return self.header.dtypes

    def kinds(self, columns=None):
        """Return what columns hold, by their dtypes."""
        return self.header.kinds(columns)

    def describe(self, chosen):
        """Return the names and dtypes of the columns that a mask chooses."""
        return self.header.describe(chosen)

    def form(self):
        """Return what makes tables of this kind from numbers, without any rows."""
        return self.header.form()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.collected, name)

    @cached_property
    def collected(self):
        """The whole table in memory."""
        return self.reader.as_table(self.reader.collect(self.columns))

    def project(self, names):
        """Return a table of some columns, if it has them all; else the same one."""
        missing = names is None or not set(names) <= set(self.columns)
        return self if missing else SourceTable(self.reader, list(names))

    def split(self, n_rows):
        """Return tables of about so many consecutive rows, with all columns."""
        tables = []
        for given, n_own in self.reader.split(n_rows):
            reader = type(self.reader)(given)
            # pyarrow counts all rows of a file, whichever of its row groups are meant.
            reader.n_rows = n_own
            tables.append(SourceTable(reader))
        return tables

    def pop(self, name):
        """Return a table without a column, and one of that column alone.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if name not in self.columns:
            raise ValueError(
                f"y names the column {name!r}, which is not in X."
                + did_you_mean(name, self.columns)
            )
        others = [column for column in self.columns if column != name]
        return SourceTable(self.reader, others), SourceTable(self.reader, [name])

    def parts(self):
        """Yield tables of consecutive rows, of at most about a million cells each.

        Raises
        ------
        OSError, ValueError
            If a file cannot be read, or has other rows than when they were counted.
        """
        n_read, n_rows = 0, max(1, PART_CELLS // max(1, len(self.columns)))
        with self.reader.explaining():
            for frame in self.reader.frames(self.columns, n_rows):
                table = self.reader.as_table(frame)
                n_read += len(table)
                if len(table):
                    yield table
        if n_read != self.n_rows:
            raise ValueError(
                f"X changed while it was read: it had {self.n_rows:,} rows at first, "
                f"and then {n_read:,}. {self.reader.describe()}"
            )


class _Dataset:
    """Reads a :class:`pyarrow.dataset.Dataset`."""

    def __init__(self, dataset):
        from sklearn_ae._tables.arrow_table import ArrowTable

        self.as_table = ArrowTable
        self.given = dataset
        self.names = dataset.schema.names
        self._check_files()

    def _check_files(self):
        """Refuse files that cannot be read, or whose columns differ.

        pyarrow would fill a column that a file lacks with missing cells.
        """
        first = None
        for fragment in self.given.get_fragments():
            path = getattr(fragment, "path", None)
            if path is None:
                continue
            with _naming_file(path):
                schema = fragment.physical_schema
            typed = fragment.format.default_extname not in UNTYPED_FORMATS
            columns = {f.name: f.type if typed else None for f in schema}
            first = first or (path, columns)
            _compare(*first, path, columns)

    def header(self, columns):
        """Return a table of the same columns without rows."""
        return self.given.schema.empty_table().select(columns)

    @cached_property
    def n_rows(self):
        """Number of rows."""
        with self.explaining():
            return self.given.count_rows()

    def frames(self, columns, n_rows):
        """Yield record batches of consecutive rows."""
        from pyarrow import dataset

        options = {}
        if isinstance(getattr(self.given, "format", None), dataset.ParquetFileFormat):
            options["fragment_scan_options"] = dataset.ParquetFragmentScanOptions(
                use_buffered_stream=True, buffer_size=BUFFER_BYTES, pre_buffer=False
            )
        # Batches that are read ahead fill memory; reading is seldom what takes time.
        yield from self.given.to_batches(
            columns=columns,
            batch_size=n_rows,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
            **options,
        )

    def collect(self, columns):
        """Return the whole table."""
        with self.explaining():
            return self.given.to_table(columns=columns)

    @contextmanager
    def explaining(self):
        """Name the file that cannot be read, where the library does not."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError) as error:
            self._check_files()
            raise ValueError(f"X cannot be read: {error}") from error

    def split(self, n_rows):
        """Return data sets of some row groups of a file each, and their lengths."""
        from pyarrow.dataset import FileSystemDataset, ParquetFileFragment

        if not isinstance(self.given, FileSystemDataset):
            return [(self.given, self.n_rows)]
        fragments = []
        for fragment in self.given.get_fragments():
            if not isinstance(fragment, ParquetFileFragment):
                fragments.append((fragment, fragment.count_rows()))
                continue
            groups, n_waiting = [], 0
            for group in fragment.row_groups:
                if groups and n_waiting + group.num_rows > n_rows:
                    part = fragment.subset(row_group_ids=groups)
                    fragments.append((part, n_waiting))
                    groups, n_waiting = [], 0
                groups.append(group.id)
                n_waiting += group.num_rows
            if groups:
                part = fragment.subset(row_group_ids=groups)
                fragments.append((part, n_waiting))
        own = self.given.schema, self.given.format, self.given.filesystem
        return [(FileSystemDataset([f], *own), n) for f, n in fragments if n]

    def describe(self):
        """Return which files these are, for messages."""
        files = getattr(self.given, "files", [])
        return f"Its files are {short_repr(files)}." if files else ""


class _LazyFrame:
    """Reads a :class:`polars.LazyFrame`."""

    def __init__(self, frame):
        from sklearn_ae._tables.polars_table import PolarsTable

        self.as_table = PolarsTable
        self.given = frame
        with self.explaining():
            self.schema = frame.collect_schema()
        self.names = self.schema.names()

    def header(self, columns):
        """Return a frame of the same columns without rows."""
        return self.schema.to_frame().select(columns)

    @cached_property
    def n_rows(self):
        """Number of rows."""
        import polars as pl

        self._check_files()
        with self.explaining():
            return self.given.select(pl.len()).collect(engine="streaming").item()

    def frames(self, columns, n_rows):
        """Yield frames of consecutive rows."""
        yield from self.given.select(columns).collect_batches(
            chunk_size=n_rows, maintain_order=True
        )

    def collect(self, columns):
        """Return the whole table."""
        with self.explaining():
            return self.given.select(columns).collect()

    def split(self, n_rows):
        """Return lazy frames of so many rows each, and their lengths."""
        lengths = [
            (start, min(n_rows, self.n_rows - start))
            for start in range(0, self.n_rows, n_rows)
        ]
        return [(self.given.slice(start, n), n) for start, n in lengths]

    @contextmanager
    def explaining(self):
        """Raise errors of the library as those of this one, and name the file."""
        from polars.exceptions import PolarsError

        try:
            yield
        except PolarsError as error:
            self._check_files()
            raise ValueError(f"X cannot be read: {error}") from error

    def _check_files(self):
        """Refuse Parquet files whose columns differ; polars names no file."""
        import polars as pl

        first = None
        for path in self._paths():
            with _naming_file(path):
                columns = dict(pl.read_parquet_schema(path))
            first = first or (path, columns)
            _compare(*first, path, columns)

    def _paths(self):
        """Return the paths of the Parquet files that are scanned, if there are some.

        The plan shows the first few; the others of many stand beside them.
        """
        from polars.exceptions import PolarsError

        try:
            plan = self.given.explain(optimized=False)
        except (PolarsError, OSError):
            return []
        found = search(r"Parquet SCAN \[([^\]\n]*)\]", plan)
        if found is None or plan.count("SCAN [") > 1:
            return []
        *paths, last = found[1].split(", ")
        if search(r"^\.\.\. \d+ other", last) is None:
            return [*paths, last]
        first = Path(paths[0])
        return sorted(str(path) for path in first.parent.glob(f"*{first.suffix}"))

    def describe(self):
        """Return which files these are, for messages."""
        paths = self._paths()
        return f"Its files are {short_repr(paths)}." if paths else ""


class StoredRows(np.memmap):
    """Rows that have been scaled already, in a file that is read as needed.

    Attributes
    ----------
    sample : float64 ndarray of shape (n_drawn, n_columns)
        Rows in original units that stand for all others.
    row_bytes : int
        Bytes of a row in original units: as many rows are read at once as from a
        mapped array of these.
    """

    sample = None
    row_bytes = None


@contextmanager
def _naming_file(path):
    """Name the file that cannot be opened."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"X has the file {path!r}, which is not there any more."
        ) from error
    except Exception as error:
        raise ValueError(
            f"X has the file {path!r}, which cannot be read: {error}"
        ) from error


def _compare(first_path, first, path, columns):
    """Refuse a file whose columns are not those of the first one.

    Parameters
    ----------
    first_path, path : str
    first, columns : dict of str to type
        Types of the columns by name.
    """
    for name in [*first, *columns]:
        if name not in columns or name not in first:
            with_it, without = (
                (first_path, path) if name in first else (path, first_path)
            )
            raise ValueError(
                f"The files of X must have the same columns. Column {name!r} is in "
                f"{with_it!r}, but not in {without!r}."
            )
        if columns[name] != first[name]:
            raise ValueError(
                f"The files of X must have columns of the same types. Column {name!r} "
                f"is of type {first[name]} in {first_path!r}, and of type "
                f"{columns[name]} in {path!r}."
            )
