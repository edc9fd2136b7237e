"""What a cell of text may be: the one table of patterns, and how each is read."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

CURRENCY = (
    r"US\$|R\$|[$€£¥₹₽₩₺₫฿₴₪₱]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|"
    r"CZK|HUF|RUB|BRL|MXN|ZAR|KRW|TRY|SFr\.?|Fr\.?|kr\.?|zł|Kč|Ft|Rs\.?"
)
# What may stand between thousands, besides the mark that is no decimal mark.
GROUPING = " '\u2019\u00a0\u202f\u2009"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun")
MONTHS += ("jul", "aug", "sep", "oct", "nov", "dec")


def _number(decimal):
    """Return the pattern of a number without its sign."""
    mark = re.escape(decimal)
    others = re.escape("," if decimal == "." else ".") + GROUPING
    grouped = rf"[1-9]\d{{0,2}}(?P<group>[{others}])\d{{3}}(?:(?P=group)\d{{3}})*"
    exponent = r"(?:[eE][+-]?\d+)?"
    return (
        rf"(?P<digits>{grouped}(?:{mark}\d+)?|\d+(?:{mark}\d*)?{exponent}"
        rf"|{mark}\d+{exponent})"
    )


SIGN = r"(?P<sign>[+\-\u2212]?)"
TIME = (
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
MONTH = r"(?P<month>[A-Za-z]{3})[a-z]*\.?"

# Kinds of numbers, and how they are written; <N> is a number without its sign.
NUMBER_PATTERNS = {
    "number": (rf"{SIGN}<N>", r"\(<N>\)", r"<N>(?P<sign>[-\u2212])"),
    "money": (
        rf"{SIGN}\s*(?P<unit>{CURRENCY})\s*<N>",
        rf"(?P<unit>{CURRENCY})\s*{SIGN}<N>",
        rf"{SIGN}<N>\s*(?P<unit>{CURRENCY})",
        rf"\((?P<unit>{CURRENCY})\s*<N>\)",
        rf"\(<N>\s*(?P<unit>{CURRENCY})\)",
    ),
    "percent": (rf"{SIGN}<N>\s*%", r"\(<N>\s*%\)"),
    "measure": (rf"{SIGN}<N>\s*(?P<unit>[^\W\d_]{{1,12}}|[°µ]?[A-Za-z]+[²³]?)",),
}
# Ways to write dates. In "slashed" ones, a is the day and b the month, or the reverse.
DATE_PATTERNS = {
    "ymd": rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){TIME}",
    "dotted": rf"(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?"
    rf"(?P<year>\d{{4}}|\d{{2}}){TIME}",
    "slashed": rf"(?P<a>\d{{1,2}})(?P<s>[/-])(?P<b>\d{{1,2}})(?P=s)"
    rf"(?P<year>\d{{4}}|\d{{2}}){TIME}",
    "named day": rf"(?P<day>\d{{1,2}})[ .-]+{MONTH}[ ,-]+(?P<year>\d{{4}}){TIME}",
    "named month": rf"{MONTH}[ ](?P<day>\d{{1,2}}),?[ ](?P<year>\d{{4}}){TIME}",
}
_NUMBERS = {
    decimal: [
        (kind, re.compile(pattern.replace("<N>", _number(decimal))))
        for kind, patterns in NUMBER_PATTERNS.items()
        for pattern in patterns
    ]
    for decimal in ".,"
}
_DATES = {name: re.compile(pattern) for name, pattern in DATE_PATTERNS.items()}
# A number as each program writes it, with a decimal point.
PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
# A code: digits that begin with a zero, which a number would lose.
LEADING_ZERO = r"[+-]?0\d+"
# Cells of text that count as missing, as in pandas, and a question mark.
MISSING_TEXT = frozenset(
    [
        "NA",
        "N/A",
        "NaN",
        "nan",
        "-NaN",
        "-nan",
        "null",
        "NULL",
        "None",
        "<NA>",
        "#N/A",
        "#NA",
        "n/a",
        "?",
    ]
)
# Cells among numbers that say that there is none, in small letters.
MISSING_NUMBERS = {each.lower() for each in MISSING_TEXT} | {
    *[
        "",
        "-",
        "--",
        "\u2013",
        "—",
        ".",
        "*",
        "x",
        "#div/0!",
        "#value!",
        "#ref!",
        "#null!",
    ],
    *["unknown", "missing", "nil", "n.a.", "not available", "not applicable"],
    *[
        "blank",
        "(blank)",
        "(missing)",
        "undefined",
        "tbd",
        "k.a.",
        "unbekannt",
        "inconnu",
    ],
}
INFINITE = re.compile(r"[+-]?(inf|infinity|∞)", re.IGNORECASE)
TOTAL = re.compile(
    r"(grand |sub)?(total|totals|sum|summe|gesamt|somme|suma|totale|insgesamt|average|"
    r"mean|mittelwert|durchschnitt)\b:?.*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NumberCell:
    """A cell that is a number: its kind, unit, and what stands between thousands."""

    value: float
    kind: str = "number"
    unit: str = ""
    group: str = ""


def parse_number(text, decimal="."):
    """Return a cell as a number, None if it is none.

    Examples
    --------
    >>> parse_number("$1,200").value, parse_number("3,5 %", ",").value
    (1200.0, 0.035)
    >>> parse_number("12 kg").unit, parse_number("apples") is None
    ('kg', True)
    """
    for kind, pattern in _NUMBERS[decimal]:
        match = pattern.fullmatch(text)
        if match is not None:
            return _as_number(match.groupdict(), kind, text, decimal)
    return None


def _as_number(parts, kind, text, decimal):
    group = parts["group"] or ""
    digits = parts["digits"].replace(group, "") if group else parts["digits"]
    value = float(digits.replace(decimal, "."))
    if parts.get("sign", "") in ("-", "\u2212") or text.startswith("("):
        value = -value
    # Not times 0.01, which makes 0.035000000000000003 of 3.5 %.
    value = value / 100 if kind == "percent" else value
    return NumberCell(value, kind, parts.get("unit") or "", group)


def is_number(text):
    """Whether a cell is a number with a decimal point or comma, and no measure."""
    cells = [parse_number(text.strip(), decimal) for decimal in ".,"]
    return any(cell is not None and cell.kind != "measure" for cell in cells)


def parse_dates(texts, order=None):
    """Return cells as days since 1970, `NaN` where they are no dates.

    Parameters
    ----------
    texts : sequence of str
    order : {None, "dmy", "mdy", "ymd"} or format, default=None
        Order of day, month and year, or a format such as "%d/%m/%Y".

    Returns
    -------
    days : ndarray of float
    is_ambiguous : bool
        Whether day and month of some can be told apart in no cell.
    """
    if order is not None and "%" in order:
        return np.array([_days_of_format(text, order) for text in texts]), False
    parts = [_date_parts(text) for text in texts]
    slashed = [each for each in parts if each is not None and "a" in each]
    if order is None and slashed:
        firsts, seconds = ({int(each[key]) for each in slashed} for key in "ab")
        can_be = max(firsts) <= 31 and max(seconds) <= 12, max(firsts) <= 12
        if all(can_be):
            return np.full(len(texts), np.nan), True
        order = "dmy" if can_be[0] else "mdy"
    return np.array([_days(each, order) for each in parts], dtype=float), False


def _date_parts(text):
    for pattern in _DATES.values():
        match = pattern.fullmatch(text)
        if match is not None:
            return match.groupdict()
    return None


def _days(parts, order):
    if parts is None:
        return np.nan
    if "a" in parts:
        day, month = (parts["a"], parts["b"])[:: -1 if order == "mdy" else 1]
    else:
        day, month = parts["day"], parts["month"]
    if month.isalpha():
        if month.lower() not in MONTHS:
            return np.nan
        month = MONTHS.index(month.lower()) + 1
    year = int(parts["year"])
    year += (2000 if year < 69 else 1900) * (len(parts["year"]) == 2)
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        hour = hour % 12 + 12 * (parts["half"].lower() == "pm")
    try:
        moment = datetime(
            *(year, int(month), int(day), hour),
            *(int(parts["minute"] or 0), int(parts["second"] or 0)),
            tzinfo=timezone.utc,
        )
    except ValueError:
        return np.nan
    return (moment - _shift(parts["zone"])).timestamp() / 86400


def _shift(zone):
    """Return how far a clock is ahead of UTC."""
    if zone in (None, "Z", "UTC"):
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -shift if zone[0] == "-" else shift


def _days_of_format(text, form):
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        return np.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp() / 86400


def date_text(days):
    """Return days since 1970 as a date, with the time of day if there is one."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=round(days * 86400))
    return moment.isoformat(" ").removesuffix(" 00:00:00")
