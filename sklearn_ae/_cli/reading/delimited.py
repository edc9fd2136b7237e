"""Tables as text: what separates their cells, and that all lines have as many.

Python's own csv module reads the cells, in its strict mode, one line at a time: so that
each line can be named in which something is wrong.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.encodings import find_encoding
from sklearn_ae._cli.reading.options import RawTable
from sklearn_ae._cli.reading.patterns import is_number

# What may separate cells, and what it is called.
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
NAMES |= {"space": " ", "bar": "|", "colon": ":"}
# Records that are looked at to find the separator.
N_LOOKED_AT = 1_000
# Rows that are made columns of at a time.
BATCH = 50_000
# Characters of a line that a message shows.
SHOWN = 60


@dataclass(frozen=True)
class Fit:
    """How a separator divides the first records."""

    separator: str
    records: list
    width: int
    share: float

    @property
    def is_exact(self):
        """Whether all records have as many cells, apart from empty ones at the end."""
        return all(len(_trim(each, self.width)) == self.width for each in self.records)


def read_delimited(data, name, options):
    """Return the cells of a text."""
    encoding = find_encoding(data, options.encoding, name)
    text = _Text(data, encoding, options.skip_lines)
    quote = text.quote()
    if options.separator is None:
        fit = _find_separator(text, quote, name)
    else:
        separator = _named_separator(options.separator)
        fit = _fit(text, separator, quote)
        if fit is None:
            fit = Fit(separator, [], 0, 0.0)
    raw = _read(text, fit, quote, name, options)
    if fit.separator != "," and options.separator is None:
        raw.taken["separator"] = SEPARATORS[fit.separator]
    if encoding not in ("utf-8", "utf-8-sig") and options.encoding is None:
        raw.taken["encoding"] = encoding
    if quote != '"':
        raw.notes.append("Cells stand in single quotes, which were taken off.")
    return raw


class _Text:
    """The text of a file, to be read from its start several times."""

    def __init__(self, data, encoding, skip_lines):
        self.data = data
        self.encoding = encoding
        self.skip_lines = skip_lines

    def lines(self):
        """Return a new iterator over lines; the line ends stay as they are."""
        # Not io.StringIO, which takes four bytes for each letter.
        stream = io.TextIOWrapper(io.BytesIO(self.data), self.encoding, newline="")
        for _ in range(self.skip_lines):
            stream.readline()
        return stream

    def quote(self):
        first = next((line.strip() for line in self.lines() if line.strip()), "")
        parts = first.replace(";", ",").replace("\t", ",").replace("|", ",").split(",")
        quoted = all(len(p) > 2 and p[0] == p[-1] == "'" for p in map(str.strip, parts))
        return "'" if quoted else '"'

    def records(self, separator, quote):
        """Return a reader of records."""
        return csv.reader(
            self.lines(),
            delimiter=separator,
            quotechar=quote,
            strict=True,
            skipinitialspace=separator != "\t",
        )


def _named_separator(text):
    separator = NAMES.get(text.lower(), text)
    if len(separator) != 1 or separator in "\r\n\"'" or separator.isalnum():
        raise UserError(
            f"--separator {text} is no separator: give one character, such as ';', or "
            f"one of the names {', '.join(sorted(NAMES))}."
        )
    return separator


def _trim(record, width):
    """Return a record without the empty cells that stand beyond a width."""
    return record[:width] if not any(map(str.strip, record[width:])) else record


def _fit(text, separator, quote):
    """Return how a separator divides the first records, None if it does not."""
    try:
        records = [
            record
            for record in islice(text.records(separator, quote), N_LOOKED_AT)
            if record and (len(record) > 1 or record[0].strip())
        ]
    except csv.Error:
        return None
    if not records:
        return None
    # Of several common widths the smallest: longer records may end in empty cells.
    widths = Counter(map(len, records))
    width = min(w for w, n in widths.items() if n == max(widths.values()))
    first = len(_trim(records[0], width))
    fits = sum(len(_trim(each, width)) == width for each in records)
    if first < width and len(records[0]) == first:
        narrower = sum(len(_trim(each, first)) == first for each in records)
        if narrower == len(records):
            width, fits = first, narrower
    return Fit(separator, records, width, fits / len(records))


def _find_separator(text, quote, name):
    fits = [_fit(text, separator, quote) for separator in SEPARATORS]
    fits = [fit for fit in fits if fit is not None]
    wide = [fit for fit in fits if fit.width > 1]
    likely = [fit for fit in wide if fit.is_exact]
    likely = likely or [fit for fit in wide if fit.share > 0.5]
    if not likely:
        return _one_column(fits, name)
    if len(likely) > 1:
        likely = [fit for fit in likely if _holds_only_numbers_with(fit, likely)]
    if len(likely) != 1:
        raise UserError(
            f"Cannot tell what separates the cells of {name}: more than one of "
            f"{', '.join(SEPARATORS.values())} does so in each line alike, or none. "
            "Say which with --separator."
        )
    return likely[0]


def _holds_only_numbers_with(fit, others):
    """Whether cells that hold another separator are all numbers."""
    marks = {other.separator for other in others} - {fit.separator}
    return all(
        is_number(cell)
        for record in fit.records
        for cell in record
        if any(mark in cell for mark in marks)
    )


def _one_column(fits, name):
    """Return the reading of a table with one column, if nothing else is likely."""
    comma = next((fit for fit in fits if fit.separator == ","), None)
    if comma is None:
        # Reading it raises the error again, with the line.
        return Fit(",", [], 0, 0.0)
    words = {len(record[0].split()) for record in comma.records}
    if any(fit.share < 1 for fit in fits):
        wide = max(fits, key=lambda fit: fit.share * (fit.width > 1))
        if wide.width > 1:
            return wide
    if len(words) == 1 and words.pop() > 1:
        raise UserError(
            f"Cannot tell what separates the cells of {name}: if it is blanks, say so "
            "with --separator space; if it has one column, with --separator comma."
        )
    return comma


def _read(text, fit, quote, name, options):
    """Return all cells; each line has as many as the line of names."""
    separator, skipped = fit.separator, options.skip_lines
    reader = text.records(separator, quote)
    names, columns, batch, lines = None, None, [], []
    n_cut, first_cut, last = 0, None, 0
    try:
        for record in reader:
            line, last = last + 1, reader.line_num
            if not record or (len(record) == 1 and not record[0].strip()):
                continue
            if names is None:
                names = _names(record, fit, line + skipped, name, options)
                columns = [[] for _ in names]
                if options.header:
                    continue
            if len(record) != len(names):
                n_cut, first_cut = n_cut + 1, first_cut or line + skipped
                record = _cut(record, names, line + skipped, name, separator)
            batch.append(record)
            lines.append(line + skipped)
            if len(batch) == BATCH:
                _store(columns, batch)
                batch = []
    except csv.Error as error:
        raise UserError(
            f"Cannot read {name} at line {last + 1 + skipped}, or at a quote that "
            f"opens above and is not closed: {error}. Correct that line, or name "
            "another separator with --separator."
        ) from error
    if names is None:
        raise UserError(
            f"{name} is empty: it has neither names of columns nor rows below the "
            f"{skipped} lines that are skipped."
        )
    _store(columns, batch)
    frame = pd.DataFrame({i: _joined(columns, i) for i in range(len(columns))})
    raw = RawTable(name, frame, separator=separator, lines=np.array(lines, dtype=int))
    _drop_empty_rows(raw)
    if n_cut:
        raw.notes.append(
            f"{n_cut:,} lines of {name}, from line {first_cut} on, end in an empty "
            "cell more than there are names: these cells were left out."
        )
    name_columns(raw, names)
    return raw


def _names(record, fit, line, name, options):
    """Return the names of the columns, which are the first record if there are any."""
    width = fit.width or len(record)
    if not options.header:
        return [""] * len(_trim(record, width))
    names = [cell.strip() for cell in record]
    # The line of names may end as all others do.
    if len(names) > width:
        names = _trim(names, width)
    n_named = sum(map(bool, names))
    if (len(names) != width and fit.share > 0.5) or (n_named == 1 and width > 2):
        raise _title(record, fit, line, name, n_named)
    return names


def _title(record, fit, line, name, n_cells):
    """Return the error of a first line that is not that of the names."""
    below = 1
    for each in fit.records[1:]:
        n_written = sum(bool(cell.strip()) for cell in each)
        if len(each) == fit.width and n_written > 1 and each[0][:1] != "#":
            break
        below += 1
    end = line + below - 1
    cells = "one cell" if n_cells == 1 else f"{n_cells} cells"
    return UserError(
        f"Line {line} of {name}, {_shown(record, fit.separator)}, has {cells}, and "
        f"most lines have {fit.width}: if it is a title above the names, leave it out "
        f"with --skip-lines {end}; else correct it."
    )


def _cut(record, names, line, name, separator):
    """Return a record without empty cells beyond the names."""
    record = _trim(record, len(names))
    if len(record) != len(names):
        cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
        raise UserError(
            f"Line {line} of {name} has {cells}, and the first one {len(names)}: "
            f"{_shown(record, separator)}. Correct that line, or name another "
            "separator with --separator."
        )
    return record


def _shown(record, separator):
    text = " ".join(separator.join(record).split()) if separator != "\t" else None
    text = " ".join(record) if text is None else text
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}...")


def _store(columns, batch):
    """Append rows to columns; text in one block takes less memory than in objects."""
    for parts, cells in zip(columns, zip(*batch, strict=True), strict=False):
        parts.append(pd.Series([cell.strip() for cell in cells], dtype="str"))


def _drop_empty_rows(raw):
    """Leave out the rows at the end that have separators alone."""
    n_rows = len(raw.frame)
    while n_rows and not any(raw.frame.iloc[n_rows - 1]):
        n_rows -= 1
    n_empty = len(raw.frame) - n_rows
    if n_empty:
        raw.frame, raw.lines = raw.frame.iloc[:n_rows], raw.lines[:n_rows]
        raw.notes.append(
            f"The last {n_empty:,} lines of {raw.name} have no cell with anything in "
            "it: they were left out."
        )


def _joined(columns, i):
    """Return a column, whose parts are needed no more."""
    parts, columns[i] = columns[i], None
    if not parts:
        return pd.Series([], dtype="str")
    return pd.concat(parts, ignore_index=True)


def name_columns(raw, names):
    """Give columns their names; those without one are called by their position.

    Raises
    ------
    UserError
        If a name repeats.
    """
    names = [str(each).strip() for each in names]
    repeated = [each for each, n in Counter(filter(None, names)).items() if n > 1]
    if repeated:
        raise UserError(
            f"Column names that repeat in {raw.name}: {', '.join(repeated)}. Give each "
            "column a name of its own."
        )
    for i, each in enumerate(names):
        if not each:
            names[i] = f"column_{i + 1}"
            while names.count(names[i]) > 1:
                names[i] += "_"
            raw.nameless.add(names[i])
    raw.frame.columns = names
