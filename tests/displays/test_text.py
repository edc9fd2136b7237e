"""Short texts of cells, in pictures and on a console."""

import pytest

from sklearn_ae.displays._text import cell_text, printed_cell, short_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.14159, "3.14"),
        (1987, "1987"),
        (77516, "77.5k"),
        (1234567, "1.23M"),
        (999_900, "1M"),
        (-2.5, "\N{MINUS SIGN}2.5"),
        (0.00001234, "1.2e\N{MINUS SIGN}5"),
        (float("inf"), "inf"),
    ],
)
def test__short_number__any_size__has_three_digits(value, text):
    assert short_number(value) == text


@pytest.mark.parametrize(
    ("cell", "picture", "console"),
    [
        (None, "\N{EN DASH}", "(missing)"),
        (True, "True", "True"),
        ("two\nlines", "two\nlines", "two lines"),
        (1234567, "1.23M", "1234567"),
        (0.123456, "0.123", "0.1235"),
        (2.0, "2", "2"),
        ("a" * 10 + "b" * 20, "a" * 10 + "bbb…", "aaaaaaaaa...bbbbbbbbb"),
    ],
)
def test__cell__any_kind__fits_into_its_place(cell, picture, console):
    assert cell_text(cell) == picture
    assert printed_cell(cell) == console
