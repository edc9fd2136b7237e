"""Cells of one column: its texts counted once, and read as numbers or dates."""

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from sklearn_ae._cli.reading.patterns import (
    INFINITE,
    LEADING_ZERO,
    MISSING_NUMBERS,
    MISSING_TEXT,
    PLAIN,
    parse_dates,
    parse_number,
)
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.table import BOOLEAN, CATEGORY, DATE, NUMBER

# A number with a decimal comma as each program writes it.
PLAIN_COMMA = PLAIN.replace(r"\.", ",")
# What may be a cell of a column that holds numbers and text.
SCALARS = (str, int, float, np.integer, np.floating)
# Units that may be factors, in small letters: thousands, millions and so on.
MULTIPLES = {"k", "m", "b", "t", "g", "tsd", "mn", "mio", "mln", "bn", "mrd", "tn"}


@dataclass
class Numbers:
    """A column of text read as numbers.

    Attributes
    ----------
    values : float64 ndarray of shape (n_rows,)
    n_numbers : int
        Cells that are numbers.
    n_cells : int
        These, and others that are no marks of a missing cell.
    others : dict of str to int
        The others, with how many there are.
    missing : dict of str to int
        These and the marks.
    written : str
        An example of a cell that is no plain number, and its value; "" without any.
    leading_zero : str or None
        A cell that begins with a zero, which a number would lose.
    """

    values: np.ndarray
    n_numbers: int
    n_cells: int
    others: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)
    written: str = ""
    leading_zero: str | None = None

    @property
    def has_leading_zeros(self):
        """Whether the cells are codes rather than numbers."""
        return self.leading_zero is not None


class TextCells:
    """The texts of a column, each one looked at once.

    Parameters
    ----------
    cells : Series of str
        Missing cells are empty.
    missing : tuple of str
        Texts that the user counts as missing.
    """

    def __init__(self, cells, missing=()):
        missing = [each.strip() for each in missing]
        self.cells = cells.mask(cells.isin(missing), "") if missing else cells
        self.missing_numbers = numbers_of(missing)

    @classmethod
    def of(cls, cells, options):
        """Return the texts of a column, None if it holds no text."""
        if isinstance(cells.dtype, pd.CategoricalDtype):
            return None
        kind = pd.api.types.infer_dtype(cells, skipna=True)
        is_mixed = kind in ("mixed", "mixed-integer") and all(
            isinstance(each, SCALARS) and not isinstance(each, bool)
            for each in cells.dropna()
        )
        if kind == "string" or is_mixed or (kind == "empty" and len(cells)):
            return cls.written(cells, options)
        return None

    @classmethod
    def written(cls, cells, options):
        """Return the cells of any column as they are written."""
        if not (len(cells) and pd.api.types.infer_dtype(cells) == "string"):
            texts = ["" if _is_missing(each) else _as_text(each) for each in cells]
            cells = pd.Series(texts, dtype="str")
        # No copies of a text file, whose cells are stripped and never missing.
        if cells.hasnans:
            cells = cells.fillna("")
        stripped = cells.str.strip()
        return cls(cells if stripped.equals(cells) else stripped, options.missing)

    @cached_property
    def _factorized(self):
        codes, levels = pd.factorize(self.cells)
        return codes, [str(level) for level in levels]

    @property
    def levels(self):
        """The different texts."""
        return self._factorized[1]

    @cached_property
    def counts(self):
        """How many cells have each of them."""
        return np.bincount(self._factorized[0], minlength=len(self.levels))

    @property
    def n_written(self):
        """Number of cells that are not empty."""
        return int((self.cells != "").sum())

    @cached_property
    def is_plain(self):
        """The decimal mark with which all cells are plain numbers, None without one."""
        written = self.cells[self.cells != ""]
        if not len(written):
            return None
        if written.str.fullmatch(LEADING_ZERO).any():
            return None
        for decimal, pattern in ((".", PLAIN), (",", PLAIN_COMMA)):
            if written.str.fullmatch(pattern).all():
                return decimal
        return None

    def where(self, condition):
        """Return a mask of the cells whose text fulfils a condition."""
        if self.is_plain:
            return np.zeros(len(self.cells), dtype=bool)
        found = np.array([condition(level) for level in self.levels], dtype=bool)
        return found[self._factorized[0]]

    def texts(self, mask):
        """Return the texts of some cells that are not empty, with their counts."""
        if not mask.any():
            return {}
        chosen = self.cells[mask]
        counts = chosen[chosen != ""].value_counts()
        return {str(text): int(n) for text, n in counts.items()}

    def example(self):
        """Return a text of the column."""
        return next((repr(each) for each in self.levels if each), "''")

    def numbers(self, decimal):
        """Return the column as numbers with a decimal mark."""
        plain = self.is_plain
        if plain and (plain == decimal or not self.has(plain)):
            cells = self.cells.str.replace(",", ".", regex=False)
            values = pd.to_numeric(cells.mask(cells == "", None)).to_numpy(float)
            values = np.where(np.isin(values, self.missing_numbers), np.nan, values)
            n_numbers = int((cells != "").sum())
            return Numbers(values, n_numbers, n_numbers)
        return self._parse(decimal)

    def has(self, mark):
        """Whether any cell has a mark."""
        return bool(self.cells.str.contains(mark, regex=False).any())

    def _parse(self, decimal):
        levels = self.levels
        parsed = [parse_number(level, decimal) for level in levels]
        kept = _of_one_kind(parsed, self.counts)
        values = np.array([np.nan if each is None else each.value for each in kept])
        infinite = [INFINITE.fullmatch(level) is not None for level in levels]
        is_number = np.isfinite(values) | np.array(infinite)
        missing = {
            level: int(n)
            for level, n, number in zip(levels, self.counts, is_number, strict=True)
            if level and not number
        }
        others = {t: n for t, n in missing.items() if t.lower() not in MISSING_NUMBERS}
        zeros = [level for level in levels if re.fullmatch(LEADING_ZERO, level)]
        n_numbers = int(self.counts[is_number].sum())
        # Only now: what the user counts as missing is a number all the same.
        values[np.isin(values, self.missing_numbers)] = np.nan
        return Numbers(
            values[self._factorized[0]],
            n_numbers,
            n_numbers + sum(others.values()),
            others,
            missing,
            _example(levels, kept, decimal),
            zeros[0] if zeros else None,
        )

    def dates(self, order=None):
        """Return the column as days since 1970, and whether days may be months."""
        # Text without any digit is seen at a glance.
        if not any(any(map(str.isdigit, text)) for text in self.levels[:200]):
            return np.full(len(self.cells), np.nan), False
        values, ambiguous = parse_dates(self.levels, order)
        return values[self._factorized[0]], ambiguous

    def categories(self, marks=True):
        """Return the column as categories, and texts that count as missing.

        Parameters
        ----------
        marks : bool, default=True
            Whether the usual marks of missing cells are such texts.
        """
        missing = {""} | (MISSING_TEXT if marks else set())
        is_missing = self.cells.isin(missing)
        return self.cells.mask(is_missing), self.texts(is_missing.to_numpy())


def numbers_of(texts):
    """Return those of some texts that are numbers."""
    cells = [parse_number(each) for each in texts]
    return [cell.value for cell in cells if cell is not None]


def _of_one_kind(parsed, counts):
    """Return cells without those of another kind or currency than most."""
    n_cells = {}
    for cell, n in zip(parsed, counts, strict=True):
        if cell is not None:
            n_cells[cell.kind] = n_cells.get(cell.kind, 0) + int(n)
    if not n_cells:
        return parsed
    if n_cells.get("percent", 0) > sum(n_cells.values()) / 2:
        kinds = {"percent"}
    else:
        kinds = {"number", "money", "measure"}
    units = {cell.unit for cell in parsed if cell is not None and cell.unit}
    if len(units) > 1:
        kinds -= {"money", "measure"}
    elif n_cells.get("number") and any(unit.lower() in MULTIPLES for unit in units):
        # 3 is less than 2k.
        kinds -= {"measure"}
    return [
        cell if cell is not None and (cell.kind in kinds or cell.value == 0) else None
        for cell in parsed
    ]


def _example(levels, parsed, decimal):
    """Return an example of a number that is not written as one.

    Where a mark may be that of decimals, too, it says which option reads it so.
    """
    other = "," if decimal == "." else "."
    cells = [pair for pair in zip(levels, parsed, strict=True) if pair[1] is not None]
    grouped = [level for level, cell in cells if cell.group == other]
    otherwise = [parse_number(level, other) for level in grouped]
    if grouped and None not in otherwise:
        value = parse_number(grouped[0], decimal).value
        return (
            f"{value:.12g} from {grouped[0]!r} (--decimal {other} reads "
            f"{otherwise[0].value:.12g})"
        )
    for level, cell in cells:
        if cell.kind != "number" or cell.group or level[-1] in ")-\u2212":
            return f"{cell.value:.12g} from {level!r}"
    return ""


def _is_missing(cell):
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def _as_text(cell):
    """Return a cell as it would be written in a text file; whole numbers stay whole."""
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell)) if abs(cell) < 1e15 else repr(float(cell))
    return repr(float(cell)) if isinstance(cell, np.floating) else str(cell)


def values_of_type(cells):
    """Return the kind and the values of a column that is no text.

    Returns
    -------
    kind : {"number", "date", "category"} or None
        `None`: neither numbers nor categories.
    values : Series
        Numbers, days since 1970, or the cells as they are.
    """
    (kind,) = as_table(cells.to_frame()).kinds()
    if kind == NUMBER:
        try:
            return NUMBER, _as_float(cells)
        except (TypeError, ValueError, OverflowError):
            return None, None
    if kind == DATE:
        if pd.api.types.is_timedelta64_dtype(cells):
            return NUMBER, cells / pd.Timedelta(1, "D")
        days = _as_days(cells)
        return (DATE, days) if days is not None else (None, None)
    return (CATEGORY, cells) if kind in (BOOLEAN, CATEGORY) else (None, None)


def _as_float(cells):
    if pd.api.types.is_object_dtype(cells):
        # Decimals, and whole numbers that are larger than any dtype.
        values = [np.nan if _is_missing(each) else float(each) for each in cells]
        return pd.Series(values, dtype="float64")
    # By way of a dtype that knows pandas.NA.
    return cells.astype("Float64").astype("float64")


def _as_days(cells):
    try:
        moments = pd.to_datetime(cells, utc=True)
    except (TypeError, ValueError, OverflowError):
        return None
    return (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "D")
