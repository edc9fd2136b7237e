"""Code blocks of pages, and what they print, up to what other processors round."""

import re

_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
# What training makes of the last bits of other processors, in units of the last digit.
_TOLERANCE = 3


def _unit(text):
    """Return the unit of the last digit that is shown."""
    return 10.0 ** -len(text.partition(".")[2])


def differs(printed, shown):
    """Return what differs between printed and shown text, or an empty string.

    Parameters
    ----------
    printed, shown : str
        Words have to be the same; numbers may differ by a few units of the last digit
        that is shown, or by a percent. The number of spaces does not count.

    Returns
    -------
    difference : str
    """
    words, numbers = (
        [pattern(text) for text in (printed, shown)]
        for pattern in (
            lambda text: _NUMBER.sub("#", text).split(),
            _NUMBER.findall,
        )
    )
    if words[0] != words[1] or len(numbers[0]) != len(numbers[1]):
        return f"printed:\n{printed}\nshown:\n{shown}"
    for got, wanted in zip(*numbers, strict=True):
        value, expected = (float(text.replace(",", "")) for text in (got, wanted))
        margin = max(_TOLERANCE * _unit(wanted), abs(expected) / 100)
        if "." in wanted and abs(value - expected) > margin:
            return f"{got} printed, {wanted} shown, in:\n{printed}"
        if "." not in wanted and value != expected:
            return f"{got} printed, {wanted} shown, in:\n{printed}"
    return ""


def examples(page):
    """Return the blocks of Python of a page, each with the output shown below it.

    Parameters
    ----------
    page : str
        In Markdown: a block ``python``, which a block ``text`` may follow.

    Returns
    -------
    found : list of (str, str)
        Source and output, an empty one if there is no block of it.
    """
    pattern = r"^```python\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?"
    return re.findall(pattern, page, re.MULTILINE | re.DOTALL)
