"""Forms of frames in plain values, as documents hold them."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import pandas as pd

from sklearn_ae._document import (
    MOST_LETTERS,
    CannotBeDescribedError,
    describe_as,
    documented,
)

# Types of numbers in columns of objects, by their names.
NUMBER_TYPES = {cls.__name__: cls for cls in (bool, int, Decimal, float)}
# The dtypes that are written as text, and what it may be.
PATTERNS = {
    "numpy": [r"[|<>=]([biuf]\d{1,2}|O|[SU]\d{1,4})"],
    "masked": [r"(U?Int|Float)(8|16|32|64)|boolean"],
    "string": [r"(python|pyarrow) (nan|NA)"],
    "polars": [r"(U?Int|Float)(8|16|32|64|128)|Boolean|String|Categorical|Null|Object"],
    "arrow": [
        r"u?int(8|16|32|64)|halffloat|float|double|bool|null|(large_)?string(_view)?",
        r"dictionary<values=(large_)?string, indices=u?int(8|16|32|64), ordered=[01]>",
        r"decimal(32|64|128|256)\(\d{1,2}, \d{1,2}\)",
    ],
}


def _describe_by_text(cls, to_text, from_text):
    describe_as(
        cls,
        lambda value, writer: {"text": to_text(value)},
        lambda fields: from_text(fields.text("text", MOST_LETTERS)),
    )


def _without_zone(time):
    if time.tzinfo is not None:
        raise CannotBeDescribedError(
            "A time with a time zone cannot be saved as a category. Make text of it."
        )
    return time


# What categories may be besides text, numbers and booleans.
_describe_by_text(Decimal, str, Decimal)
_describe_by_text(date, date.isoformat, date.fromisoformat)
_describe_by_text(
    datetime, lambda time: _without_zone(time).isoformat(), datetime.fromisoformat
)
describe_as(
    pd.Timestamp,
    lambda value, writer: {
        "nanoseconds": _without_zone(value).value,
        "unit": value.unit,
    },
    lambda fields: _read_time(fields, pd.Timestamp),
)
describe_as(
    pd.Timedelta,
    lambda value, writer: {"nanoseconds": value.value, "unit": value.unit},
    lambda fields: _read_time(fields, pd.Timedelta),
)
describe_as(
    timedelta,
    lambda value, writer: {"microseconds": value // timedelta(microseconds=1)},
    lambda fields: timedelta(microseconds=fields.value("microseconds")),
)
describe_as(
    pd.Interval,
    lambda value, writer: {n: getattr(value, n) for n in ("left", "right", "closed")},
    lambda fields: pd.Interval(*map(fields.value, ("left", "right", "closed"))),
)


def _write_time(value):
    return {"nanoseconds": value.value, "unit": value.unit}


def _read_time(fields, cls):
    unit = fields.choice("unit", "s", "ms", "us", "ns")
    return cls(fields.value("nanoseconds")).as_unit(unit)


@documented
class StoredForm:
    """The form of a frame in plain values.

    A library need not be imported, nor be there, before its frames are needed.

    Parameters
    ----------
    library : {"pandas", "polars", "pyarrow"}
    columns : list
        Names of the columns.
    dtypes : list of tuple
        As `write_dtypes` returns them.
    number_types : list of tuple of (int, str, int)
        Column, name of the type, and decimal places of the numbers in columns of
        objects.
    others : tuple, default=()
        What else the library's tables have.
    """

    def __init__(self, library, columns, dtypes, number_types, others=()):
        self.library = library
        self.columns = columns
        self.dtypes = dtypes
        self.number_types = number_types
        self.others = others

    def _to_document(self, writer):
        return dict(vars(self))

    @classmethod
    def _from_document(cls, fields):
        library = fields.choice("library", "pandas", "polars", "pyarrow")
        columns = fields.part("columns", list)
        dtypes = fields.parts("dtypes", tuple)
        fields.require(len(dtypes) == len(columns), "dtypes")
        fields.require(all(map(_is_dtype, dtypes)), "dtypes")
        number_types = fields.parts("number_types", tuple)
        for column, name, places in number_types:
            known = name in NUMBER_TYPES and type(column) is type(places) is int
            known = known and 0 <= column < len(columns) and 0 <= places <= 1000
            fields.require(known, "number_types")
        others = fields.part("others", tuple)
        form = cls(library, columns, dtypes, number_types, others)
        form.check_others(fields)
        return form

    def check_others(self, fields):
        """Refuse what the library's tables do not have."""
        if self.library == "polars":
            fields.require(self.others == (), "others")
        elif self.library == "pandas":
            kind, names = self.others
            fields.require(kind in ("range", "multi", "object", "index"), "others")
            fields.require(isinstance(names, list), "others")
        else:
            types, metadata = self.others
            fields.require(
                all(_is_dtype(("arrow", text)) for _, text in types), "others"
            )
            fields.require(
                all(isinstance(t, str) for p in metadata for t in p), "others"
            )

    def fits(self, n_columns):
        """Whether it is that of tables with so many columns."""
        return len(self.columns) == n_columns

    def stored(self):
        """Return the form in plain values, which it is."""
        return self


def stored_number_types(number_types):
    """Return the types of numbers in columns of objects as plain values."""
    return [(i, t.type.__name__, t.places) for i, t in number_types.items()]


def describe_index(index):
    """Return what else than names the columns of a frame of pandas have."""
    if isinstance(index, pd.MultiIndex):
        return "multi", list(index.names)
    is_range = isinstance(index, pd.RangeIndex) and index.equals(
        pd.RangeIndex(len(index))
    )
    kind = "range" if is_range else "object" if index.dtype == object else "index"
    return kind, [index.name]


def _is_dtype(stored):
    """Whether plain values stand for a dtype."""
    kind, *values = stored
    if kind in PATTERNS:
        return any(re.fullmatch(p, values[0]) for p in PATTERNS[kind])
    if kind == "sparse":
        return re.fullmatch(PATTERNS["numpy"][0], values[0]) is not None
    if kind == "category":
        categories, ordered, as_objects = values
        flags = type(ordered) is type(as_objects) is bool
        return flags and isinstance(categories, list)
    if kind == "enum":
        return all(isinstance(text, str) for text in values[0])
    return kind == "decimal" and all(n is None or 0 <= n <= 76 for n in values)


def read_arrow_type(text):
    """Return the type of pyarrow that text stands for."""
    import pyarrow as pa

    kind, *values = re.findall(r"\w+", text)
    if kind == "dictionary":
        _, content, _, indices, _, ordered = values
        content, indices = map(pa.type_for_alias, (content, indices))
        return pa.dictionary(indices, content, ordered == "1")
    if kind.startswith("decimal"):
        return getattr(pa, kind)(*map(int, values))
    return pa.type_for_alias(text)
