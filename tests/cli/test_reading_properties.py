"""Files spoiled in all combinations: the same table or a message, never another one."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.options import ReadingOptions
from sklearn_ae._cli.tables import read_table

N_ROWS = 20
CITIES = ["Köln", "München", "Doe, John", "a;b", 'say "x"', "1|2"]
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-le", "utf-32"]
MARKS = ["", "NA", "?", "-", "n/a", "null", "NaN", "unknown"]


@st.composite
def spoiled_files(draw):
    """Return the bytes of a file, and the table that was written to it."""
    separator = draw(st.sampled_from(",;\t|"))
    decimal = draw(st.sampled_from(".,"))
    grouping = draw(st.sampled_from(["", "", "." if decimal == "," else ",", " ", "'"]))
    digits = draw(st.integers(0, 4))
    if separator == decimal == "," and digits == 3:
        # Three digits behind a comma are thousands where commas separate cells.
        digits = 2
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    scale = 10.0 ** draw(st.integers(0, 7))
    numbers = np.round(rng.normal(size=N_ROWS) * scale, digits)
    counts = rng.integers(0, 9, N_ROWS)
    cities = rng.choice(CITIES[: draw(st.integers(2, 6))], N_ROWS)
    missing = rng.random(N_ROWS) < draw(st.sampled_from([0, 0.1, 0.4]))
    mark = draw(st.sampled_from(MARKS))
    written = [_text(v, digits, decimal, grouping) for v in numbers]
    affix = draw(st.sampled_from(["{}", "{}", "${}", "{} €"]))
    written = [affix.format(text).replace("$-", "-$") for text in written]
    written = [mark if m else text for m, text in zip(missing, written, strict=True)]
    stream = io.StringIO()
    csv.writer(
        stream,
        delimiter=separator,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    ).writerows(
        [("number", "count", "city"), *zip(written, counts, cities, strict=True)]
    )
    text = stream.getvalue() + draw(st.sampled_from(["", "\n"]))
    X = pd.DataFrame({"number": numbers, "count": counts, "city": cities})
    X.loc[missing, "number"] = np.nan
    encoding = draw(st.sampled_from(ENCODINGS))
    text = text.replace("€", "EUR") if encoding == "latin-1" else text
    return text.encode(encoding), X


def _text(value, digits, decimal, grouping):
    text = f"{value:,.{digits}f}"
    swapped = {",": grouping, ".": decimal}
    return "".join(swapped.get(letter, letter) for letter in text)


def check_same_or_message(path, X):
    try:
        table = read_table(path, ReadingOptions())
    except UserError:
        return False
    read = {column.name: column for column in table.columns}
    assert list(read) == list(X)
    for name in X:
        column = read[name]
        text, point = f"{name} is read as text", f"The point in all cells of {name}"
        if any(note.startswith((text, point)) for note in table.notes):
            continue
        if column.kind == "number":
            expected = X[name].to_numpy(float)
            np.testing.assert_allclose(column.cells, expected, rtol=1e-12)
        elif column.kind == "category":
            assert column.cells.tolist() == X[name].tolist()
        else:
            assert any(name in note for note in table.notes)
    return True


def check_spoiled_file(folder, data, X):
    path = folder / "spoiled.csv"
    path.write_bytes(data)
    check_same_or_message(path, X)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(spoiled_files())
def test__read_table__spoiled_file__same_table_or_a_message(tmp_path, file):
    check_spoiled_file(tmp_path, *file)


@pytest.mark.slow
@settings(
    max_examples=3000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(spoiled_files())
def test__read_table__many_spoiled_files__same_table_or_a_message(tmp_path, file):
    check_spoiled_file(tmp_path, *file)


@pytest.mark.parametrize("separator", list(",;\t|"))
@pytest.mark.parametrize("decimal", list(".,"))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test__read_table__usual_writers__same_table(tmp_path, separator, decimal, encoding):
    """What every program writes must not need an option."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "number": rng.normal(size=30).round(3),
            "count": rng.integers(0, 9, 30),
            "city": rng.choice(CITIES, 30),
        }
    )
    path = tmp_path / "usual.csv"
    X.to_csv(path, index=False, sep=separator, decimal=decimal, encoding=encoding)
    assert check_same_or_message(path, X)
