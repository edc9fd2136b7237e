"""What each column of a file is: numbers, categories, dates, or nothing to learn from.

The rules are those of the guide to the command line. A rule that takes more than it is
given adds a note, which says how to overrule it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.cells import TextCells, numbers_of, values_of_type
from sklearn_ae._cli.reading.decimals import find_decimal
from sklearn_ae._cli.reading.patterns import (
    INFINITE,
    TOTAL,
    date_text,
    is_number,
    parse_number,
)
from sklearn_ae._tables.categories import hardly_repeat
from sklearn_ae._tables.reading import as_table
from sklearn_ae.displays._text import printed_cell

# Kinds of columns, as they are printed.
NUMBER, CATEGORY, DATE = "number", "category", "date"
IDENTIFIER, LEFT_OUT = "identifier", "left out"
# Why nothing can be learnt from a column.
IGNORED = "they are to be ignored"
CONSTANT = "they hold one value or none"
FREE_TEXT = "their values hardly ever repeat, like identifiers or free text"
OTHER = "they hold neither numbers nor categories"
# Share of the cells of a column that have to be numbers, or dates, for the others to be
# missing ones.
MOST = 0.9
# Words in a cell from which on unique text is no identifier.
FREE_TEXT_WORDS = 4
# Numbers that often stand for a missing cell.
SENTINELS = (-1, -9, *(s * (10**n - 1) for n in range(2, 8) for s in (1, -1)))
# Fewest cells with such a number.
MIN_SENTINELS = 3
# Texts that a note shows.
MAX_SHOWN = 4


@dataclass
class Column:
    """A column of a file: what it is, and its cells as values.

    Attributes
    ----------
    name : str
    kind : str
        One of the constants of this file.
    cells : Series or None
        Numbers as float64, dates as days since 1970, categories as they are; NaN and
        None where a cell is missing.
    detail : str
        What is printed of the column.
    reason : str
        Why it was left out.
    """

    name: str
    kind: str
    cells: Any = None
    detail: str = ""
    reason: str = ""


def read_columns(raw, options, target=None, kinds=None):
    """Return the columns of a file.

    Parameters
    ----------
    raw : RawTable
        Its notes and what was taken are added to.
    options : ReadingOptions
        Its names of columns exist.
    target : str, default=None
        A column that is not left out, whatever it holds.
    kinds : dict of str to str, default=None
        Kinds of columns that a model has learnt from, which are kept to.

    Returns
    -------
    columns : list of Column
    """
    texts = {name: TextCells.of(raw.frame[name], options) for name in raw.frame}
    skipped = {*options.ids, *options.ignore, *options.categories}
    voters = {n: t for n, t in texts.items() if t is not None and n not in skipped}
    decimal = find_decimal(voters, raw, options)
    reader = _Reader(raw, options, decimal, target, kinds or {})
    columns = [reader.read(name, texts[name]) for name in raw.frame]
    if options.header:
        _note_names(raw, columns)
    _note_total(raw, columns, options)
    return columns


@dataclass
class _Reader:
    """Reads one column after the other."""

    raw: Any
    options: Any
    decimal: str
    target: str | None
    kinds: dict

    def read(self, name, text):
        options = self.options
        cells = self.raw.frame[name]
        if name in options.ignore:
            return Column(name, LEFT_OUT, reason=IGNORED)
        if name in options.ids:
            return Column(name, IDENTIFIER, cells, "names the rows")
        is_category = name in options.categories or self.kinds.get(name) == CATEGORY
        if is_category:
            written = TextCells.written(cells, options)
            column = self._category(name, written, marks=False)
            reason = (
                None
                if name in {self.target, *self.kinds}
                else fault(column.cells, CATEGORY)
            )
            if reason is None:
                return column
            return Column(name, LEFT_OUT, detail=column.detail, reason=reason)
        if name in options.dates_by_name:
            return self._forced_date(name, text)
        column = self._typed(name) if text is None else self._text(name, text)
        if name != self.target and name not in self.kinds:
            column = self._left_out(column, cells)
        return column

    def _note(self, text):
        self.raw.notes.append(text)

    # Columns of a format that has types.

    def _typed(self, name):
        kind, cells = values_of_type(self.raw.frame[name])
        if kind is None:
            return Column(name, LEFT_OUT, reason=OTHER)
        if kind == DATE:
            return self._date(name, cells.to_numpy())
        if pd.api.types.is_timedelta64_dtype(self.raw.frame[name]):
            self._note(f"{name} holds durations, which are read as days.")
        if kind == NUMBER:
            for mark in numbers_of(self.options.missing):
                cells = cells.mask(cells == mark)
            return self._number(name, cells)
        return Column(name, CATEGORY, cells, _levels_text(cells))

    # Columns of text.

    def _text(self, name, text):
        numbers = text.numbers(self.decimal)
        n_cells = numbers.n_cells
        if name in self.kinds:
            days, _ = text.dates()
            if numbers.n_numbers < np.isfinite(days).sum():
                self._note_exceptions(name, text, text.texts(np.isnan(days)), "dates")
                return self._date(name, days)
            return self._as_numbers(name, text, numbers)
        if n_cells and numbers.has_leading_zeros and name != self.target:
            self._note(
                f"{name} is read as text, since cells begin with a zero, such as "
                f"{numbers.leading_zero!r}: a number would lose it."
            )
            return self._category(name, text)
        if n_cells and numbers.n_numbers >= MOST * n_cells:
            return self._as_numbers(name, text, numbers)
        days, ambiguous = text.dates()
        if ambiguous:
            reason = f"day and month cannot be told apart ({text.example()})"
            self._note(
                f"{name} is left out, since {reason}: --dates {name}=dmy or "
                f"--dates {name}=mdy says which comes first."
            )
            return Column(name, LEFT_OUT, detail=reason, reason=reason)
        if n_cells and np.isfinite(days).sum() >= MOST * n_cells:
            others = text.texts(np.isnan(days))
            self._note_exceptions(name, text, others, "dates")
            return self._date(name, days)
        if n_cells and numbers.n_numbers >= n_cells / 2:
            self._note(
                f"{name} is read as text: {numbers.n_numbers:,} of its {n_cells:,} "
                f"cells are numbers, and {n_cells - numbers.n_numbers:,} are not "
                f"({_shown(numbers.others)}); --missing counts a text as missing."
            )
        return self._category(name, text)

    def _as_numbers(self, name, text, numbers):
        infinite = text.where(lambda cell: INFINITE.fullmatch(cell) is not None)
        if infinite.any():
            raise infinite_error(name, self.raw.place(int(np.argmax(infinite))))
        self._note_exceptions(name, text, numbers.missing, "numbers")
        if numbers.written:
            self._note(
                f"{name} is read as numbers, such as {numbers.written}; --categories "
                f"{name} keeps the text."
            )
        return self._number(name, pd.Series(numbers.values))

    def _note_exceptions(self, name, text, others, what):
        if others:
            n_all = text.n_written
            n_others = sum(others.values())
            self._note(
                f"{n_all - n_others:,} of {n_all:,} cells of {name} are {what}, the "
                f"others ({_shown(others)}) count as missing; --categories {name} "
                "takes all as text."
            )

    def _category(self, name, text, marks=True):
        cells, counted = text.categories(marks)
        if counted:
            n_cells = sum(counted.values())
            of_cells = f"{n_cells:,} of {text.n_written:,} cells of {name}"
            self._note(
                f"{of_cells} ({_shown(counted)}) "
                f"count as missing; --categories {name} keeps them as a category."
            )
        return Column(name, CATEGORY, cells, _levels_text(cells))

    # Numbers and dates, from wherever they are.

    def _number(self, name, cells):
        infinite = np.isinf(cells.to_numpy())
        if infinite.any():
            raise infinite_error(name, self.raw.place(int(np.argmax(infinite))))
        for code, n_cells in sentinels(cells.to_numpy()):
            self._note(
                f"{n_cells:,} cells of {name} are {code}, which looks like a code for "
                f"missing: --missing {code} makes them so."
            )
        return Column(name, NUMBER, cells, _range_text(cells))

    def _date(self, name, days):
        self._note(
            f"{name} holds dates, which are read as days since 1970: --categories "
            f"{name} or --ignore {name} overrules."
        )
        cells = pd.Series(days, dtype="float64")
        return Column(name, DATE, cells, _range_text(cells, date_text))

    def _forced_date(self, name, text):
        order = self.options.dates_by_name[name]
        if text is None:
            column = self._typed(name)
            if column.kind == DATE:
                return column
            text = TextCells.written(self.raw.frame[name], self.options)
            order = order or "%Y%m%d"
        days, ambiguous = text.dates(order)
        if ambiguous or not np.isfinite(days).any():
            raise UserError(
                f"The cells of {name}, such as {text.example()}, are no dates whose "
                f"order is known: say --dates {name}=dmy, {name}=mdy or, with a format "
                f"of Python, {name}=%d/%m/%Y."
            )
        self._note_exceptions(name, text, text.texts(np.isnan(days)), "dates")
        return self._date(name, days)

    # Columns that nothing can be learnt from.

    def _left_out(self, column, written):
        if column.cells is None:
            return column
        kept = column.name in self.options.keep
        if not kept and self._is_identifier(column, written):
            return Column(column.name, IDENTIFIER, written, "names the rows")
        reason = fault(column.cells, column.kind)
        if reason is None:
            return column
        if kept:
            found = (
                f"{column.cells.nunique():,} values in {column.cells.count():,} cells"
            )
            raise UserError(
                f"--keep {column.name} cannot be followed: a column needs values that "
                f"vary and, if it is text, repeat, and this one has {found}. Leave "
                "--keep out."
            )
        return Column(column.name, LEFT_OUT, detail=column.detail, reason=reason)

    def _is_identifier(self, column, written):
        """Whether a column names the rows, with a note if it does."""
        name, cells = column.name, column.cells
        if column.kind == NUMBER:
            if not self._counts_rows(name, cells.to_numpy()):
                return False
            if name in self.raw.nameless:
                what = f"The column without a name ({name}) is taken for row numbers"
            else:
                what = f"{name} is taken for an identifier, since it counts the rows"
            self._note(f"{what}, and left out: --keep {name} uses it.")
            return True
        if column.kind != CATEGORY or not _is_text(cells):
            return False
        if cells.isna().any() or cells.nunique() < len(cells):
            return False
        words = cells[:1000].str.split().str.len().mean()
        if words >= FREE_TEXT_WORDS:
            return False
        self._note(
            f"{name} is taken for an identifier, since its text is another in each "
            f"row, and left out: --ignore {name} leaves it out of the results, too."
        )
        return True

    def _counts_rows(self, name, values):
        """Whether whole numbers ascend by one from row to row."""
        rows = self.raw.rows
        rows = np.arange(len(values)) if rows is None else rows
        if name in self.raw.nameless:
            return len(np.unique(values)) == len(values) and (values % 1 == 0).all()
        return bool((values - rows == values[0] - rows[0]).all() and values[0] % 1 == 0)


def fault(cells, kind):
    """Return why nothing can be learnt from a column, None if something can."""
    n_levels = cells.nunique()
    if n_levels < 2:
        return CONSTANT
    if kind == CATEGORY and hardly_repeat(n_levels, cells.count()):
        return FREE_TEXT
    return None


def infinite_error(name, place):
    """Return the error of a column with an infinite value."""
    return UserError(
        f"Infinite values in: {name}, first in {place}. Correct these cells, or count "
        "them as missing with --missing inf."
    )


def sentinels(values):
    """Return numbers that look like codes for missing cells, with how many there are.

    Such a number stands apart from all others by more than these spread, or is negative
    where they are not.
    """
    values = values[np.isfinite(values)]
    distinct, counts = np.unique(values, return_counts=True)
    found = []
    for code in SENTINELS:
        at = np.searchsorted(distinct, code)
        if at == len(distinct) or distinct[at] != code or counts[at] < MIN_SENTINELS:
            continue
        rest = np.delete(distinct, at)
        others = rest[~np.isin(rest, SENTINELS)]
        if len(others) < 3 or others.min() <= code <= others.max():
            continue
        gap = max(others.min() - code, code - others.max())
        is_negative = code < 0 <= others.min()
        if is_negative or gap > np.ptp(others):
            found.append((code, int(counts[at])))
    return found


def _note_names(raw, columns):
    """Add a note if the names of the columns look like values."""
    names = [name for name in raw.frame if name not in raw.nameless]
    numbers = [name for name in names if is_number(name)]
    # Numbers in order are names, as of months or years.
    values = [parse_number(name.replace(",", ".")) for name in numbers]
    values = [0 if each is None else each.value for each in values]
    counts = len(values) > 1 and (np.diff(values) == 1).all()
    kinds = {each.name: each.kind for each in columns}
    looks = [name for name in numbers if kinds[name] in (NUMBER, IDENTIFIER)]
    repeated = [name for name in names if _holds(raw.frame[name], name)]
    if (looks and not counts) or len(repeated) > len(names) / 2:
        shown = _shown(looks or repeated)
        raw.notes.append(
            f"The names of the columns look like values ({shown}): if the file has no "
            "line of names, --no-header gives them."
        )


def _holds(cells, text):
    """Whether any cell is some text."""
    if isinstance(cells.dtype, pd.StringDtype):
        return bool((cells == text).any())
    # Cells may be lists, which cannot be compared at once.
    return any(isinstance(cell, str) and cell == text for cell in cells)


def _note_total(raw, columns, options):
    """Add a note if the last row looks like a total of all others."""
    last = len(raw.frame) - 1
    for name in raw.frame:
        cells = raw.frame[name]
        if not _is_text(cells) or name in options.ignore:
            continue
        text = str(cells.iloc[last]).strip()
        if TOTAL.fullmatch(text) and (cells == cells.iloc[last]).sum() == 1:
            raw.notes.append(
                f"The last row ({raw.place(last)}) looks like a total ({text!r}): "
                "delete it from the file if it is none of the rows."
            )
            return


def _is_text(cells):
    return as_table(cells.to_frame()).kinds() == [CATEGORY] and not isinstance(
        cells.dtype, pd.CategoricalDtype
    )


def _levels_text(cells):
    counts = cells.value_counts()
    shown = ", ".join(printed_cell(str(level)) for level in counts.index[:3])
    rest = ", ..." if len(counts) > 3 else ""
    levels = "1 level" if len(counts) == 1 else f"{len(counts):,} levels"
    colon = ": " if len(counts) else ""
    return f"{levels}{colon}{shown}{rest}{_missing_text(cells)}"


def _range_text(cells, write=None):
    if not cells.notna().any():
        return "empty"
    write = write or "{:.6g}".format
    return f"{write(cells.min())} to {write(cells.max())}{_missing_text(cells)}"


def _missing_text(cells):
    n_missing = int(cells.isna().sum())
    return f"; {n_missing:,} missing" if n_missing else ""


def _shown(texts):
    """Return texts in quotes, the first ones of many."""
    shown = ", ".join(repr(each) for each in [*texts][:MAX_SHOWN])
    return shown + (", ..." if len(texts) > MAX_SHOWN else "")
