"""What a user may say of a file, and cells as they come out of it."""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class ReadingOptions:
    """What the user says of a file; `None` and empty lists leave it to the reader."""

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: tuple = ()
    ids: tuple = ()
    ignore: tuple = ()
    keep: tuple = ()
    categories: tuple = ()
    dates: tuple = ()
    skip_lines: int = 0
    header: bool = True
    sheet: str | None = None
    sample: int | None = None
    seed: int = 0

    def resolved(self, names):
        """Return the options with columns told apart that a comma joins.

        Parameters
        ----------
        names : list of str
            Columns of the file, whose names may have commas themselves.
        """
        return replace(
            self,
            **{
                option: tuple(_parts(getattr(self, option), names))
                for option in ("ids", "ignore", "keep", "categories", "dates")
            },
        )

    @property
    def dates_by_name(self):
        """Names of columns of dates, with the order or format that the user says."""
        parts = (each.partition("=") for each in self.dates)
        return {name: order or None for name, _, order in parts}


def _parts(given, names):
    """Yield names of columns, or lists of them that commas separate."""
    for text in given:
        is_one = text in names or text.partition("=")[0] in names
        yield from [text] if is_one else (part.strip() for part in text.split(","))


@dataclass
class RawTable:
    """Cells of a file, before it is known what they mean.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    frame : DataFrame
        Text of the cells, or values where the format has types. Missing cells of text
        are empty.
    notes : list of str
        What was taken for granted.
    separator : str
        What stood between cells; "" where the format has types.
    taken : dict of str to str
        Options that were found, and are not the usual ones, with their values.
    lines : ndarray of int or None
        The line that each row began in.
    nameless : set of str
        Names that were made up for columns without any.
    rows : ndarray of int or None
        Positions in the file of rows that were drawn; `None`: these are all rows.
    n_rows : int or None
        How many rows the file has, where rows were drawn.
    """

    name: str
    frame: Any
    notes: list = field(default_factory=list)
    separator: str = ""
    taken: dict = field(default_factory=dict)
    lines: Any = None
    nameless: set = field(default_factory=set)
    rows: Any = None
    n_rows: int | None = None

    def place(self, row):
        """Return where a row stands in the file: its line, or its number from 1."""
        if self.lines is not None:
            return f"line {self.lines[row]:,}"
        return f"row {(row if self.rows is None else self.rows[row]) + 1:,}"
