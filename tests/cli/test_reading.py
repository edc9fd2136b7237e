"""Files as people have them: the table that each holds, or one line that says why."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading import formats
from sklearn_ae._cli.reading.options import ReadingOptions
from sklearn_ae._cli.tables import columns_table, read_table
from tests.cli.case_files import ERRORS, NOTES, SAME, customers, write_cases


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder


def read(path, target=None, **options):
    return read_table(path, ReadingOptions(**options), target)


def kinds(table):
    return {column.name: column.kind for column in table.columns}


def assert_same(X, expected):
    assert list(X) == list(expected)
    for name in expected:
        if expected[name].dtype.kind in "if":
            assert X[name].dtype == np.float64
            np.testing.assert_array_equal(X[name], expected[name])
        else:
            assert X[name].astype(object).tolist() == expected[name].tolist()


@pytest.mark.parametrize("name", SAME)
def test__read_table__same_table__however_it_is_written(folder, name):
    assert_same(read(folder / name).X, customers())


@pytest.mark.parametrize("name", NOTES)
def test__read_table__not_as_it_stands__says_what_was_taken(folder, name):
    assert NOTES[name] in " ".join(read(folder / name).notes)


@pytest.mark.parametrize("name", ["plain.csv", "plain.parquet", "bom.csv"])
def test__read_table__as_it_stands__says_nothing(folder, name):
    assert read(folder / name).notes == ()


@pytest.mark.parametrize("name", ERRORS)
def test__read_table__no_table__one_sentence_says_why(folder, name):
    with pytest.raises(UserError) as caught:
        read(folder / name)
    assert ERRORS[name] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("title_line.csv", {"skip_lines": 1}),
        ("comment_line.csv", {"skip_lines": 1}),
        ("padded_title.csv", {"skip_lines": 1}),
        ("latin1.csv", {"encoding": "latin-1"}),
        ("european.csv", {"separator": ";", "decimal": ","}),
        ("tab.csv", {"separator": "tab"}),
        ("number_id.csv", {"ids": ("id",)}),
        ("number_id.csv", {"ignore": ("id",)}),
        ("text_id.csv", {"ignore": ("customer_id",)}),
        ("dates.csv", {"ignore": ("when",)}),
    ],
)
def test__read_table__way_out_that_a_message_names__leads_to_the_table(
    folder, name, options
):
    assert_same(read(folder / name, **options).X, customers())


def test__read_table__spoiled_numbers__have_their_values(folder):
    plain = customers()
    thousands = read(folder / "thousands.csv").X["income"]
    np.testing.assert_array_equal(thousands, plain["income"].round())
    np.testing.assert_array_equal(read(folder / "currency.csv").X["income"], thousands)
    percent = read(folder / "percent.csv").X["rate"]
    np.testing.assert_allclose(percent, plain["rate"], atol=6e-4)


@pytest.mark.parametrize(
    ("name", "column", "rows"),
    [
        ("two_unknown.csv", "age", [5, 9]),
        ("twelve_question_marks.csv", "income", [*range(9, 21)]),
        ("total_row.csv", "age", [400]),
    ],
)
def test__read_table__text_among_numbers__is_missing(folder, name, column, rows):
    cells = read(folder / name).X[column]
    assert np.flatnonzero(cells.isna()).tolist() == rows


def test__read_table__code_for_missing__is_missing_where_the_user_says_so(folder):
    path = folder / "sentinel.csv"
    assert (read(path).X["age"] == -999).sum() == 28
    for mark in ("-999", "-999.0"):
        table = read(path, missing=(mark,))
        assert table.X["age"].isna().sum() == 28
        assert not table.notes


def test__read_table__infinite__is_missing_where_the_user_says_so(folder):
    assert read(folder / "infinite.csv", missing=("inf",)).X["income"].isna().sum() == 1


@pytest.mark.parametrize("name", ["dates.csv", "dates_german.csv"])
def test__read_table__dates__are_days(folder, name):
    table = read(folder / name)
    assert kinds(table)["when"] == "date"
    first = (pd.Timestamp("2020-01-01") - pd.Timestamp(0)).days
    assert table.X["when"].iloc[0] == first
    assert any(
        line.split()[:3] == ["when", "date", "2020-01-01"]
        for line in columns_table(table)
    )


@pytest.mark.parametrize(
    ("option", "kind"),
    [("keep", "number"), ("ids", "identifier"), ("categories", "left out")],
)
def test__read_table__number_that_counts_rows__is_what_the_user_says(
    folder, option, kind
):
    table = read(folder / "number_id.csv", **{option: ("id",)})
    assert kinds(table)["id"] == kind


def test__read_table__index_levels__are_columns(folder):
    for name, front in (("indexed", ["city"]), ("indexed_twice", ["city", "vip"])):
        X = read(folder / f"{name}.parquet").X
        assert list(X)[: len(front)] == front
        assert_same(X[list(customers())], customers())


def test__read_table__index_without_a_name__is_left_out(folder):
    table = read(folder / "shuffled.parquet")
    assert kinds(table)["level_0"] == "identifier"
    assert "without a name (level_0) is taken for row numbers" in table.notes[0]


def test__read_table__no_header__columns_have_numbers(folder):
    X = read(folder / "no_header.csv", header=False).X
    assert_same(X.set_axis(list(customers()), axis=1), customers())
    assert list(X) == [f"column_{i}" for i in range(1, 6)]


def test__read_table__standard_input__is_read_like_a_file(folder, monkeypatch):
    for name in ("european.csv", "plain.parquet", "records.json", "plain.xlsx"):
        stream = io.TextIOWrapper(io.BytesIO((folder / name).read_bytes()))
        monkeypatch.setattr("sys.stdin", stream)
        assert_same(read("-").X, customers())


def test__read_table__sample__takes_rows_of_the_file(folder):
    for name in ("plain.csv", "plain.parquet"):
        table = read(folder / name, sample=50, seed=1)
        assert len(table.X) == 50
        assert_same(table.X, customers().iloc[table.rows].reset_index(drop=True))
        assert table.n_rows == 400


def test__read_table__sample__knows_identifiers(folder):
    assert kinds(read(folder / "number_id.csv", sample=50))["id"] == "identifier"


def write(tmp_path, text, name="table.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def rows_of(*cells):
    """Return 12 lines of rows, whose cells are formats for the number of the row."""
    return "".join(
        "".join(cells).format(i=i, odd=i % 2, d=i % 9) + "\n" for i in range(12)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n" + rows_of("1,{i:03};{i}"), "marks decimals or thousands"),
        ("a;b\n" + rows_of("1.{i:03};{i}"), "marks decimals or thousands"),
        ("a;b;c\n" + rows_of("1,5;2.5;{i}"), "a has a decimal point"),
        ("a,b;c\n" + rows_of("x,y;z{i}"), "Cannot tell what separates"),
        ("first second\n" + rows_of("a{i} b"), "--separator space"),
        ('a,b\n1,"2\n' + rows_of("1,2"), "a quote that opens above"),
        ("a,b\n" + rows_of("1\0,2"), "zero bytes"),
        ("a,a \n" + rows_of("1,{i}"), "Column names that repeat in table.csv: a."),
    ],
)
def test__read_table__two_readings__asks(tmp_path, text, message):
    if "decimal point" in message:
        message = "decimal point"
    with pytest.raises(UserError, match=r"^[^\n]*$") as caught:
        read(write(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "encoding", ["cp1251", "koi8-r", "cp1253", "shift_jis", "cp437"]
)
def test__read_table__letters_of_another_encoding__are_never_guessed(
    tmp_path, encoding
):
    word = {"cp1253": "Αθήνα", "shift_jis": "東京", "cp437": "Köln"}.get(
        encoding, "Москва"
    )
    path = write(tmp_path, "a,b\n" + rows_of("{i}," + word), encoding=encoding)
    with pytest.raises(UserError, match="say which with --encoding"):
        read(path)
    assert read(path, encoding=encoding).written["b"].iloc[0] == word


def test__read_table__day_or_month_first__asks_and_leaves_out(tmp_path):
    path = write(
        tmp_path, "a,b,when\n" + rows_of("{i},{odd},0{d}/03/2020").replace("00/", "01/")
    )
    table = read(path, keep=("a",))
    assert "when" not in table.X
    assert "--dates when=dmy or --dates when=mdy" in " ".join(table.notes)
    days = {
        order: read(path, keep=("a",), dates=(f"when={order}",)).X["when"]
        for order in ("dmy", "mdy", "%d/%m/%Y")
    }
    assert days["dmy"].equals(days["%d/%m/%Y"])
    assert not days["dmy"].equals(days["mdy"])


def test__read_table__country_called_na__is_said_and_can_be_kept(tmp_path):
    path = write(tmp_path, "a,country\n" + rows_of("{odd},NA") + rows_of("{odd},DE"))
    table = read(path)
    assert table.X.get("country") is None or table.X["country"].isna().sum() == 12
    assert "12 of 24 cells of country ('NA') count as missing" in " ".join(table.notes)
    assert set(read(path, categories=("country",)).X["country"]) == {"NA", "DE"}


def test__read_table__decimals_and_large_whole_numbers__are_numbers(tmp_path):
    from decimal import Decimal

    frame = pd.DataFrame(
        {
            "price": [Decimal(i) / 4 for i in range(60)],
            "large": [10**19 + 7 * i**2 for i in range(60)],
        }
    )
    frame.to_csv(tmp_path / "d.csv", index=False)
    frame[["price"]].assign(b=frame.index % 3).to_parquet(tmp_path / "d.parquet")
    assert kinds(read(tmp_path / "d.csv")) == {"price": "number", "large": "number"}
    assert kinds(read(tmp_path / "d.parquet"))["price"] == "number"


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1{i} kg", 10), ("1{i}.5°C", 10.5), ("1{i} m²", 10), ("1{i}-", -10)],
)
def test__read_table__measures_and_minus_behind__are_numbers(tmp_path, cell, value):
    path = write(tmp_path, "a,b\n" + rows_of(cell + ",{odd}"))
    table = read(path)
    assert table.X["a"].iloc[0] == value
    assert f"such as {value} from" in " ".join(table.notes)
    text = read(path, categories=("a",)).written["a"]
    assert text.iloc[0] == cell.format(i=0)


def test__read_table__several_units_or_ordinals__stay_text(tmp_path):
    for units in ("kg", "g"), ("st", "nd"), ("A", "B"):
        lines = [f"{1 + i % 2}{units[i % 2]},{i % 2}\n" for i in range(12)]
        assert kinds(read(write(tmp_path, "a,b\n" + "".join(lines))))["a"] == "category"


def test__read_table__thousands_beside_plain_numbers__are_not_mixed(tmp_path):
    """2.5k read as 2.5 would be less than 900."""
    lines = "".join(f"{900 + i if i % 2 else f'{i}.5k'},{i % 3}\n" for i in range(12))
    assert kinds(read(write(tmp_path, "a,b\n" + lines))).get("a") != "number"


def test__read_table__records_in_records__become_columns(tmp_path):
    records = [{"a": i, "in": {"b": i % 2, "c": "xy"[i % 2]}} for i in range(12)]
    (tmp_path / "a.json").write_text(json.dumps(records))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    for name in ("a.json", "a.jsonl"):
        table = read(tmp_path / name, keep=("a",))
        assert list(table.X) == ["a", "in.b", "in.c"]


@pytest.mark.parametrize("target", customers().columns)
def test__read_table__target__has_the_name_of_its_column(folder, target):
    table = read(folder / "plain.csv", target)
    assert table.target_cells.name == target
    assert target not in table.X


def test__read_table__page_of_a_browser__is_called_so(tmp_path):
    path = write(tmp_path, "\n<!DOCTYPE html>\n<html><p>Sign in, please</p></html>")
    with pytest.raises(UserError, match="is a web page or XML"):
        read(path)


def test__read_table__comma_before_three_digits__says_how_to_read_it_otherwise(
    tmp_path,
):
    path = write(tmp_path, "a,b\n" + rows_of('"1{i},573",{odd}'))
    assert "--decimal , reads" in " ".join(read(path).notes)
    assert read(path).X["a"].min() > 1000
    assert read(path, decimal=",").X["a"].max() < 1000
    # Two commas can be no decimal mark.
    path = write(tmp_path, "a,b\n" + rows_of('"1,10{odd},573",{odd}'))
    assert "such as 1100573 from" in " ".join(read(path).notes)
    assert "--decimal" not in " ".join(read(path).notes)


def test__read_table__parquet_of_very_many_cells__is_sampled_and_says_so(
    folder, monkeypatch
):
    monkeypatch.setattr(formats, "MOST_CELLS", 1000)
    table = read(folder / "plain.parquet")
    assert len(table.X) == 200
    assert table.n_rows == 400
    assert "400 rows, more than are read into memory: 200" in " ".join(table.notes)
    assert_same(table.X, customers().iloc[table.rows].reset_index(drop=True))
    assert len(read(folder / "plain.parquet", sample=400).X) == 400


def test__read_table__arrays__rows_and_a_value_for_each(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", X=X, y=y)
    assert list(read(tmp_path / "a.npz").X) == ["x0", "x1", "x2", "y"]
    np.savez(tmp_path / "b.npz", X=X, Z=X)
    with pytest.raises(UserError, match="several arrays of rows, X, Z"):
        read(tmp_path / "b.npz")
    assert read(tmp_path / "b.npz", sheet="Z").X.shape == (20, 3)


def test__read_table__workbook_with_two_sheets__says_which(tmp_path):
    with pd.ExcelWriter(tmp_path / "two.xlsx") as writer:
        customers().to_excel(writer, sheet_name="first", index=False)
        customers()[["age", "rate"]].to_excel(writer, sheet_name="second", index=False)
    table = read(tmp_path / "two.xlsx")
    assert_same(table.X, customers())
    assert "the first, 'first', was read" in " ".join(table.notes)
    assert list(read(tmp_path / "two.xlsx", sheet="second").X) == ["age", "rate"]
    with pytest.raises(UserError, match="It has: first, second"):
        read(tmp_path / "two.xlsx", sheet="third")
