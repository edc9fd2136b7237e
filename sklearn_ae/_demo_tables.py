"""The tables that the command line works on: the digits, or a file of the user's."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

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
    """Rows of numbers, with NaN for a missing cell, and what is known about them."""

    name: str
    X: np.ndarray
    columns: tuple
    target: Target | None = None
    notes: tuple = ()
    image_shape: tuple = ()
    n_components: int | None = None


def digits():
    """Return the 1,797 handwritten digits that scikit-learn ships."""
    data = load_digits()
    return Table(
        name="The handwritten digits of scikit-learn",
        X=data.data,
        columns=tuple(data.feature_names),
        target=Target("digit", data.target, tuple("0123456789")),
        image_shape=(8, 8),
        n_components=10,
    )


def read_table(path, target=None):
    """Return the numeric columns of a file, and its target column.

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
        If the file cannot be read, or holds too little to compare two methods on.
    """
    frame = _read_frame(Path(path))
    if len(frame) < MIN_ROWS:
        raise UserError(
            f"{path} has {len(frame)} rows of data. "
            f"A comparison on held-out rows needs at least {MIN_ROWS}."
        )
    frame = frame.rename(columns=str)
    if frame.columns.has_duplicates:
        repeated = frame.columns[frame.columns.duplicated()].unique()
        raise UserError(f"Column names that repeat in {path}: {_listed(repeated)}.")
    # A column of True, False and empty cells is read as Python objects.
    objects = [c for c in frame if pd.api.types.is_object_dtype(frame[c])]
    frame[objects] = frame[objects].convert_dtypes()
    wanted = None if target is None else _target(_column(frame, target, path))
    inputs = frame.drop(columns=[] if target is None else target)
    numeric, notes = _numeric_columns(inputs, path)
    return Table(Path(path).name, _matrix(numeric), tuple(numeric), wanted, notes)


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
        nearest = get_close_matches(name, frame.columns, n=1, cutoff=0.5)
        if nearest:
            hint = f"Did you mean {nearest[0]!r}?"
        else:
            hint = f"It has: {_listed(frame.columns)}."
        raise UserError(f"There is no column {name!r} in {path}. {hint}")
    return frame[name]


def _listed(names, limit=10):
    """Return the names in one line, the first ones if there are many."""
    shown = ", ".join(map(str, names[:limit]))
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _numeric_columns(frame, path):
    """Return the columns to train on, and a line on each kind that is left out."""
    numeric = [
        name
        for name, dtype in frame.dtypes.items()
        if pd.api.types.is_numeric_dtype(dtype)
        and not pd.api.types.is_complex_dtype(dtype)
    ]
    other = [name for name in frame if name not in numeric]
    constant = [name for name in numeric if frame[name].nunique() < 2]
    used = [name for name in numeric if name not in constant]
    if len(frame.columns) == 1 and any(c in frame.columns[0] for c in ";\t|"):
        raise UserError(
            f"{path} reads as one column, {frame.columns[0]!r}. "
            "Cells have to be separated by commas."
        )
    if len(used) < 2:
        raise UserError(
            f"At least 2 columns of different numbers are needed. {path} has "
            f"{len(used)}; its columns of text or dates: {_listed(other) or 'none'}."
        )
    notes = []
    if other:
        notes.append(
            f"Left out, as text and dates come with a later version: {_listed(other)}."
        )
    if constant:
        notes.append(f"Left out, as they hold one value or none: {_listed(constant)}.")
    return frame[used], tuple(notes)


def _matrix(frame):
    X = frame.to_numpy(dtype=float, na_value=np.nan)
    infinite = frame.columns[np.isinf(X).any(axis=0)]
    if len(infinite):
        raise UserError(
            f"Infinite values in: {_listed(infinite)}. Leave these cells empty instead."
        )
    return X


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
