"""Tables of the command line: the digits, or a file of the user's."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from sklearn_ae._cli.arguments import UserError
from sklearn_ae._compat import did_you_mean
from sklearn_ae._tables.categories import hardly_repeat
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.table import DATE, NUMBER, OTHER
from sklearn_ae.displays._labels import Labels, as_labels

# Fewest rows that two methods can be compared on.
MIN_ROWS = 10
# Fewest rows of a class, on average; with fewer, a target is no class but free text.
MIN_ROWS_PER_CLASS = 5


@dataclass(frozen=True)
class InputTable:
    """A table with its name, target and notes.

    Columns of float64 in `X` are numbers, all others categories; `NaN` and `None` are
    missing cells.
    """

    name: str
    X: pd.DataFrame
    target: Labels | None = None
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
    return InputTable(
        name="The handwritten digits of scikit-learn",
        X=data.data,
        target=Labels(data.target.to_numpy(), tuple("0123456789"), "digit"),
        image_shape=(8, 8),
        n_components=10,
    )


def read_table(path, target=None):
    """Return a file, and its target column apart from the others.

    Parameters
    ----------
    path : Path
        File whose name ends in .csv, .csv.gz or .parquet.
    target : str, default=None
        Column to predict from the others.

    Returns
    -------
    table : InputTable

    Raises
    ------
    UserError
        If the file cannot be read, has too few rows to compare two methods on, or no
        such target.
    """
    frame = _read_frame(path)
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
        return InputTable(path.name, frame)
    wanted = _target(_column(frame, target, path))
    return InputTable(path.name, frame.drop(columns=target), wanted)


def _read_frame(path):
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
    table : InputTable
    rows : ndarray of int
        Rows to learn from.

    Returns
    -------
    table : InputTable
        All numbers are float64, and the notes say what was left out and why.

    Raises
    ------
    UserError
        If fewer than two columns are left, or some have infinite values.
    """
    seen = table.X.iloc[rows]
    kinds = dict(zip(seen, as_table(seen).kinds(), strict=True))
    faults = {name: _fault(seen[name], kind) for name, kind in kinds.items()}
    notes = _notes_on(faults)
    used = [name for name, fault in faults.items() if fault is None]
    if len(used) < 2:
        raise UserError(
            f"At least 2 columns of numbers or categories are needed. {table.name} "
            f"has {len(used)}. {' '.join(notes)}".rstrip()
        )
    numbers = [name for name in used if kinds[name] == NUMBER]
    X = table.X[used].astype(dict.fromkeys(numbers, "float64"))
    _check_finite(X[numbers])
    return replace(table, X=X, notes=tuple(notes))


def _notes_on(faults):
    """Return a note for each fault, with the names of the columns that have it."""
    columns = {}
    for name, fault in faults.items():
        if fault is not None:
            columns.setdefault(fault, []).append(name)
    return [
        f"Left out, as {fault}: {_listed(names)}." for fault, names in columns.items()
    ]


def _check_finite(numbers):
    """Refuse columns with infinite values."""
    infinite = [name for name in numbers if np.isinf(numbers[name]).any()]
    if infinite:
        raise UserError(
            f"Infinite values in: {_listed(infinite)}. Leave these cells empty instead."
        )


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
    """Return the target as classes or continuous values, if there are enough."""
    # Text, as in a CSV file, whatever type the file gives to categories.
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype("string")
    n_distinct = column.nunique()
    if n_distinct < 2:
        raise UserError(
            f"The target {column.name!r} has {n_distinct} distinct values; at least 2 "
            "are needed."
        )
    target = as_labels(column)
    if target.classes:
        _check_classes(column.name, n_distinct, (~target.missing).sum())
    else:
        _check_continuous(column.name, column.to_numpy(dtype=float, na_value=np.nan))
    return target


def _check_classes(name, n_classes, n_known):
    """Refuse classes of which most have few rows."""
    if n_known < MIN_ROWS_PER_CLASS * n_classes:
        raise UserError(
            f"The target {name!r} has {n_classes} distinct values in {n_known} rows. "
            f"Classes need {MIN_ROWS_PER_CLASS} rows each on average: name a column "
            "whose values repeat."
        )


def _check_continuous(name, values):
    """Refuse infinite values, and too few known ones."""
    if np.isinf(values).any():
        raise UserError(f"The target {name!r} has infinite values.")
    n_known = np.isfinite(values).sum()
    if n_known < MIN_ROWS:
        raise UserError(
            f"The target {name!r} is known in {n_known} rows; at least {MIN_ROWS} are "
            "needed."
        )


def strata_of(target):
    """Return groups of at least two rows, each to be found on both sides of a split."""
    groups = target.values if target.classes else ~target.missing
    groups = pd.Series(groups.astype(int))
    size = groups.map(groups.value_counts())
    return groups.mask(size < 2, groups.mode()[0]).to_numpy()
