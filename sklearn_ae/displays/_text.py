"""Short texts for names, numbers and cells, in a picture or on a console."""

import numpy as np

MINUS = "\N{MINUS SIGN}"
# Text of a missing cell in a picture.
NO_CELL = "\N{EN DASH}"
# Text of a missing cell on a console, which may know no other letters than ASCII.
PRINTED_NO_CELL = "(missing)"


def shortened(name, length=24):
    """Return a name that is short enough, and no formula to matplotlib."""
    name = str(name)
    name = name if len(name) <= length else f"{name[: length - 1]}…"
    return name.replace("$", r"\$")


def short_number(value):
    """Return a number with three significant digits, small whole ones in full."""
    size = abs(value)
    if not np.isfinite(value):
        return f"{value}".replace("-", MINUS)
    if size >= 1e9 or 0 < size < 1e-3:
        text = f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    elif size >= 999_500:
        text = f"{value / 1e6:.3g}M"
    elif size >= 1e4:
        text = f"{value / 1e3:.3g}k"
    elif size >= 1e3 or float(value).is_integer():
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}"
    return "0" if text == "-0" else text.replace("-", MINUS)


def cell_text(cell, length=14):
    """Return a short text for a cell in a picture."""
    if cell is None:
        return NO_CELL
    if isinstance(cell, (bool, np.bool_, str)):
        return shortened(cell, length)
    try:
        return short_number(float(cell))
    except (TypeError, ValueError):
        return shortened(cell, length)


def printed_cell(cell, length=22):
    """Return a text of one line for a cell on a console; long ones lose their middle.

    Numbers have more digits than in a picture: a reader looks them up in the table.
    """
    if cell is None:
        return PRINTED_NO_CELL
    text = " ".join(str(cell).split())
    if isinstance(cell, float):
        text = f"{cell:.0f}" if cell % 1 == 0 and abs(cell) < 1e15 else f"{cell:.4g}"
    half = (length - 3) // 2
    return text if len(text) <= length else f"{text[:half]}...{text[-half:]}"
