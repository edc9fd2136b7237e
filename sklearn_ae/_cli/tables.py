"""The tables that the command line works on: the digits, or a file of the user's."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from sklearn_ae._compat import did_you_mean
from sklearn_ae._tables.categories import hardly_repeat
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.table import DATE, NUMBER, OTHER

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MIN_ROWS = 10
# More distinct whole numbers than this are amounts rather than classes.
MAX_NUMBER_CLASSES = 20
MIN_ROWS_PER_CLASS = 5


class UserError(Exception):
    """Something that the person at the command line can put right."""


@dataclass(frozen=True)
class Target:
    """What the latents are asked to predict.

    `values` holds a class number for each row, -1 where it is missing, if there are
    `classes`. Else it holds the numbers themselves, NaN where they are missing.
    """

    name: str
    values: np.ndarray
    classes: tuple = ()

    @property
    def known(self):
        """Mask of the rows whose target is not missing."""
        return self.values >= 0 if self.classes else ~np.isnan(self.values)

    @property
    def strata(self):
        """Groups of at least two rows, each to be found on both sides of a split."""
        groups = pd.Series(self.values if self.classes else self.known.astype(int))
        size = groups.map(groups.value_counts())
        return groups.mask(size < 2, groups.mode()[0]).to_numpy()


@dataclass(frozen=True)
class Table:
    """Rows and what is known about them.

    Columns of float64 in `X` hold numbers, all others categories; `NaN` and `None` are
    missing cells.
    """

    name: str
    X: pd.DataFrame
    target: Target | None = None
    notes: tuple = ()
    image_shape: tuple = ()
    n_components: int | None = None

    @property
    def numbers(self):
        """Names of the columns of numbers."""
        return self.X.columns[self.X.dtypes == "float64"]

    @property
    def categories(self):
        """Names of the columns of categories."""
        return self.X.columns[self.X.dtypes != "float64"]


def digits():
    """Return the 1,797 handwritten digits that scikit-learn ships."""
    data = load_digits(as_frame=True)
    return Table(
        name="The handwritten digits of scikit-learn",
        X=data.data,
        target=Target("digit", data.target.to_numpy(), tuple("0123456789")),
        image_shape=(8, 8),
        n_components=10,
    )


def read_table(path, target=None):
    """Return a file, and its target column apart from the others.

    Parameters
    ----------
    path : str or Path
        File whose name ends in .csv, .csv.gz or .parquet.
    target : str, default=None
        Column to predict from the others.

    Returns
    -------
    table : Table

    Raises
    ------
    UserError
        If the file cannot be read, has too few rows to compare two methods on, or no
        such target.
    """
    frame = _read_frame(Path(path))
    if len(frame) < MIN_ROWS:
        raise UserError(
            f"Rows of data in {path}: {len(frame)}. At least {MIN_ROWS} are needed."
        )
    frame = frame.rename(columns=str)
    if frame.columns.has_duplicates:
        repeated = frame.columns[frame.columns.duplicated()].unique()
        raise UserError(f"Column names that repeat in {path}: {_listed(repeated)}.")
    if len(frame.columns) == 1 and any(c in frame.columns[0] for c in ";\t|"):
        raise UserError(
            f"{path} reads as one column, {frame.columns[0]!r}. "
            "Cells have to be separated by commas."
        )
    if target is None:
        return Table(Path(path).name, frame)
    wanted = _target(_column(frame, target, path))
    return Table(Path(path).name, frame.drop(columns=target), wanted)


def _read_frame(path):
    if not path.exists():
        raise UserError(f"There is no file {path}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file in it.")
    if not path.name.lower().endswith(SUFFIXES):
        raise UserError(
            f"Cannot tell the format of {path}: its name has to end in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, low_memory=False)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty.") from None
    except ImportError:
        raise UserError(
            f"Reading {path} needs pyarrow, which is not installed. "
            "Install it with: pip install pyarrow"
        ) from None
    # Damaged files raise ValueError, zlib.error, EOFError, OSError and more.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"Cannot read {path}: {reason}") from error


def _column(frame, name, path):
    if name not in frame:
        hint = did_you_mean(name, frame.columns, cutoff=0.5)
        hint = hint or f" It has: {_listed(frame.columns)}."
        raise UserError(f"There is no column {name!r} in {path}.{hint}")
    return frame[name]


def _listed(names, limit=10):
    """Return the names in one line, the first ones if there are many."""
    shown = ", ".join(map(str, names[:limit]))
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def describe(table):
    """Return the name of a table, and how many columns of which kind it has."""
    kinds = {"numbers": len(table.numbers), "categories": len(table.categories)}
    columns = " and ".join(
        f"{n} column{'s' * (n > 1)} of {kind}" for kind, n in kinds.items() if n
    )
    return f"{table.name}: {columns}"


def leave_out_unusable(table, rows):
    """Return a table without the columns that nothing can be learnt from.

    Parameters
    ----------
    table : Table
    rows : ndarray of int
        Rows to learn from.

    Returns
    -------
    table : Table
        All numbers are float64, and the notes say what was left out and why.

    Raises
    ------
    UserError
        If fewer than two columns are left, or some hold infinite values.
    """
    seen = table.X.iloc[rows]
    kinds = dict(zip(seen, as_table(seen).kinds(), strict=True))
    faults = {name: _fault(seen[name], kind) for name, kind in kinds.items()}
    notes = [
        f"Left out, as {fault}: {_listed([n for n in faults if faults[n] == fault])}."
        for fault in dict.fromkeys(filter(None, faults.values()))
    ]
    used = [name for name, fault in faults.items() if fault is None]
    if len(used) < 2:
        raise UserError(
            f"At least 2 columns of numbers or categories are needed. {table.name} "
            f"has {len(used)}. {' '.join(notes)}".rstrip()
        )
    numbers = [name for name in used if kinds[name] == NUMBER]
    X = table.X[used].astype(dict.fromkeys(numbers, "float64"))
    infinite = [name for name in numbers if np.isinf(X[name]).any()]
    if infinite:
        raise UserError(
            f"Infinite values in: {_listed(infinite)}. Leave these cells empty instead."
        )
    return replace(table, X=X, notes=tuple(notes))


def _fault(cells, kind):
    """Return why nothing can be learnt from a column, None if something can."""
    if kind == DATE:
        return "they hold dates or times"
    # Objects that are neither text nor truth values may be anything, such as lists.
    may_be_lists = kind == NUMBER and pd.api.types.is_object_dtype(cells)
    if kind == OTHER or (may_be_lists and cells.notna().any()):
        return "they hold neither numbers nor categories"
    n_levels = cells.nunique()
    if n_levels < 2:
        return "they hold one value or none in the rows to train on"
    if kind != NUMBER and hardly_repeat(n_levels, cells.count()):
        return "their values hardly ever repeat, like identifiers or free text"
    return None


def _target(column):
    """Return the target: classes, unless it holds many or broken numbers."""
    is_number = pd.api.types.is_numeric_dtype(column.dtype)
    if not is_number:
        column = column.astype("string")
    distinct = column.dropna().unique()
    if len(distinct) < 2:
        raise UserError(
            f"The target {column.name!r} holds {len(distinct)} distinct values; "
            "at least 2 are needed."
        )
    if is_number and not _are_class_numbers(distinct):
        return Target(column.name, _target_numbers(column))
    n_known = int(column.notna().sum())
    if n_known < MIN_ROWS_PER_CLASS * len(distinct):
        raise UserError(
            f"The target {column.name!r} has {len(distinct)} distinct values in "
            f"{n_known} rows. Classes need {MIN_ROWS_PER_CLASS} rows each on average: "
            "name a column whose values repeat."
        )
    codes, classes = pd.factorize(column, sort=True)
    names = (f"{float(c):g}" if is_number else str(c) for c in classes)
    return Target(column.name, codes, tuple(names))


def _are_class_numbers(distinct):
    numbers = np.asarray(distinct, dtype=float)
    return len(numbers) <= MAX_NUMBER_CLASSES and np.array_equal(
        numbers, np.round(numbers)
    )


def _target_numbers(column):
    values = column.to_numpy(dtype=float, na_value=np.nan)
    n_known = np.isfinite(values).sum()
    if np.isinf(values).any():
        raise UserError(f"The target {column.name!r} holds infinite values.")
    if n_known < MIN_ROWS:
        raise UserError(
            f"The target {column.name!r} is known in {n_known} rows; "
            f"at least {MIN_ROWS} are needed."
        )
    return values
