"""The command `anomalies`: what it prints and writes, and how it refuses."""

import re

import numpy as np
import pandas as pd
import pytest

from sklearn_ae._cli.main import main
from tests.helpers import mixed_cells


@pytest.fixture
def table():
    """90 rows of five columns, of which one row has a size that nothing else has."""
    frame = pd.DataFrame(mixed_cells())
    frame.loc[41, "size"] = 1000.0
    return frame


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["anomalies", *map(str, arguments)])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


def test__anomalies__prints_rows_with_reasons_and_writes_all_scores(run, table):
    table.to_csv("table.csv", index=False)
    code, out, _ = run("table.csv", "--top", 5, "--output", "scores.csv")
    assert code == 0
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("       row")) + 1
    assert lines[first].split()[:1] == ["42"]  # counted from 1
    assert re.search(r" size +\d+%  1000 ", lines[first])
    starts = [line for line in lines if re.match(r" *\d+ +-\d", line)]
    assert len(starts) == 5
    reasons = [line for line in lines[first:] if re.search(r" \d+%  ", line)]
    assert 5 < len(reasons) <= 15
    scores = pd.read_csv("scores.csv")
    assert list(scores.columns[:5]) == ["row", "score", "rank", "p_value", "is_outlier"]
    assert list(scores.columns[5:]) == [
        f"{what}_{i}" for i in (1, 2, 3) for what in ("column", "value", "expected")
    ]
    first = scores.loc[41]
    assert (first["column_1"], float(first["value_1"])) == ("size", 1000)
    # Reasons for what is printed or an outlier, and no others.
    reported = (scores["rank"] <= 5) | scores["is_outlier"]
    assert (scores["column_1"].notna() == reported).all()
    assert len(scores) == 90
    assert scores.loc[scores["rank"] == 1, "row"].item() == 42
    assert (scores.sort_values("rank")["score"].diff().dropna() >= 0).all()
    assert scores["is_outlier"][41]


def test__anomalies__default_output__is_named_at_the_end(run, table):
    table.to_csv("table.csv", index=False)
    code, out, _ = run("table.csv")
    assert code == 0
    assert out.rstrip().endswith("All scores are in anomalies.csv.")
    assert len(pd.read_csv("anomalies.csv")) == 90


@pytest.mark.slow
def test__anomalies__same_seed__same_file(run, table):
    table.to_parquet("table.parquet")
    for name in ("one.csv", "two.csv"):
        run("table.parquet", "--seed", 3, "--output", name)
    assert pd.read_csv("one.csv").equals(pd.read_csv("two.csv"))


def test__anomalies__more_rows_asked_than_there_are__prints_all(run, table):
    table[:12].to_csv("table.csv", index=False)
    code, out, _ = run("table.csv", "--top", 50)
    assert code == 0
    assert len(re.findall(r"^ *\d+ +-\d", out, re.MULTILINE)) == 12


def test__anomalies__long_names_and_cells__are_cut(run, table):
    table = table.rename(columns={"colour": "colour of the animal in the evening"})
    table["note"] = np.where(np.arange(90) % 2, "x" * 60, "y" * 60)
    table.to_csv("table.csv", index=False)
    code, out, _ = run("table.csv", "--top", 90)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "..." in out


def test__anomalies__whole_numbers__are_expected_whole(run, table):
    table["count"] = table["count"].fillna(3)
    table.loc[7, "count"] = 50
    table.to_csv("table.csv", index=False)
    _, out, _ = run("table.csv", "--top", 90)
    lines = re.findall(r" count +\d+%  (\S+) +(\S+)$", out, re.MULTILINE)
    assert lines
    assert all(cell.isdecimal() for pair in lines for cell in pair)


def test__anomalies__line_breaks_in_cells_and_names__keep_the_table_in_shape(
    run, table
):
    table = table.rename(columns={"colour": "the\ncolour"}).replace("red", "r\ne d")
    table.to_csv("table.csv", index=False)
    code, out, _ = run("table.csv", "--top", 90)
    assert code == 0
    assert " the colour " in out
    assert " r e d " in out


def test__anomalies__columns_left_out__are_named(run, table):
    table["day"] = pd.date_range("2024-01-01", periods=90)
    table["name"] = [f"person {i % 80}" for i in range(90)]
    table.to_parquet("table.parquet")
    code, out, err = run("table.parquet")
    assert code == 0
    assert "note: day holds dates, which are read as days since 1970" in err
    assert "identifiers or free text: name." in err
    assert re.search(r"^  day +date +2024-01-01 to 2024-03-30$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: PATH"),
        (["none.csv"], "There is no file none.csv"),
        (["table.csv", "--top", "0"], "at least 1"),
        (["table.csv", "--output", "no/folder.csv"], "Cannot write to no/folder.csv"),
        (["table.csv", "--output", "table.csv"], "table.csv is the table itself"),
        (["anomalies.csv"], "anomalies.csv is the table itself"),
        (["table.csv", "--output", "."], "is a folder"),
        (["table.csv", "--target", "size"], "unrecognized arguments"),
        (["table.csv", "--output", "table.txt"], "Cannot tell the format of table.txt"),
        (["table.csv", "--output", "taken.csv"], "--force overwrites it"),
        (["table.csv", "--fdr", "2"], "a number above 0 and below 1"),
        (["table.csv", "--fdr", "0.1", "--contamination", "0.1"], "give one"),
        (["table.csv", "--train", "few.csv"], "Rows of data in few.csv: 3."),
        (["one_column.csv"], "At least 2 columns"),
        (["few.csv"], "Rows of data in few.csv: 3."),
        (["empty.csv"], "is empty"),
    ],
)
def test__anomalies__wrong_request__says_what_is_wrong(run, table, arguments, message):
    table.to_csv("table.csv", index=False)
    table.to_csv("taken.csv", index=False)
    table.to_csv("anomalies.csv", index=False)
    table[["size"]].to_csv("one_column.csv", index=False)
    table[:3].to_csv("few.csv", index=False)
    open("empty.csv", "w").close()
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("sklearn_ae: error: ")
    assert err.count("\n") == 1
    assert out == ""


def test__anomalies__help__fits_the_terminal(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["anomalies", "--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert "python -m sklearn_ae anomalies wine.csv --top 20" in text
    assert all(len(line) <= 88 for line in text.splitlines())
