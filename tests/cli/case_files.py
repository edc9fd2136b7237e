"""One table of 400 customers as people have it, spoiled in many ways."""

import zipfile

import numpy as np
import pandas as pd

N_ROWS = 400


def customers():
    rng = np.random.default_rng(0)
    age = rng.integers(20, 70, N_ROWS)
    income = (age * 800 + rng.normal(0, 5000, N_ROWS)).round(2)
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "city": rng.choice(["Köln", "München", "Zürich", "Genève"], N_ROWS),
            "rate": (income / 1e5).round(4),
            "vip": rng.choice(["yes", "no"], N_ROWS),
        }
    )


# How `to_csv` writes files that hold the same table.
CSV_OPTIONS = {
    "plain.csv": {},
    "plain.txt": {},
    "semicolon.csv": {"sep": ";"},
    "european.csv": {"sep": ";", "decimal": ","},
    "tab.csv": {"sep": "\t"},
    "tab.tsv": {"sep": "\t"},
    "tab_european.tsv": {"sep": "\t", "decimal": ","},
    "pipe.csv": {"sep": "|"},
    "bom.csv": {"encoding": "utf-8-sig"},
    "latin1.csv": {"encoding": "latin-1"},
    "cp1252_european.csv": {"sep": ";", "decimal": ",", "encoding": "cp1252"},
    "utf16.csv": {"encoding": "utf-16"},
    "utf16_no_mark.csv": {"encoding": "utf-16-le"},
    "utf32.csv": {"encoding": "utf-32"},
    "windows.csv": {"lineterminator": "\r\n"},
    "old_mac.csv": {"lineterminator": "\r"},
    "quoted.csv": {"quoting": 1},
    "packed.csv.gz": {},
    "packed.csv.bz2": {},
    "packed.csv.xz": {},
}


def spoiled():
    """Return tables in which columns are spoiled, by the name of their CSV file."""
    plain = customers()
    n = len(plain)
    income, rate = plain["income"], plain["rate"]
    text, number = plain.copy(), plain.copy()
    text.insert(0, "customer_id", [f"C{i:05d}" for i in range(n)])
    number.insert(0, "id", range(1, n + 1))
    two, some = plain.astype(object), plain.astype(object)
    two.loc[5, "age"], two.loc[9, "age"] = "unknown", "?"
    some.loc[9:20, "income"] = "?"
    code = plain.astype({"age": float})
    code.loc[3:30, "age"] = -999
    codes = np.random.default_rng(1).integers(1000, 9999, n)
    tables = {
        "text_id.csv": text,
        "number_id.csv": number,
        "dates.csv": {"when": pd.date_range("2020-01-01", periods=n).astype(str)},
        "dates_german.csv": {
            "when": [f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.2020" for i in range(n)]
        },
        "free_text.csv": {
            "comment": [
                f"Customer called about order {i}, it was late" for i in range(n)
            ]
        },
        "currency.csv": {"income": [f"${v:,.0f}" for v in income]},
        "euros.csv": {"income": [f"{v:.2f} €" for v in income]},
        "percent.csv": {"rate": [f"{v * 100:.1f}%" for v in rate]},
        "thousands.csv": {"income": [f"{v:,.0f}" for v in income]},
        "empty_column.csv": {"empty": np.nan, "constant": 1},
        "postal_codes.csv": {"postal_code": [f"{z:05d}" for z in codes]},
        "two_unknown.csv": two,
        "twelve_question_marks.csv": some,
        "sentinel.csv": code,
        "repeated_name.csv": pd.concat([plain, plain[["age"]]], axis=1),
    }
    return {
        name: table if isinstance(table, pd.DataFrame) else plain.assign(**table)
        for name, table in tables.items()
    }


def write_cases(folder):
    """Write all files into a folder."""
    plain = customers()
    for name, options in CSV_OPTIONS.items():
        plain.to_csv(folder / name, **{"index": False, **options})
    for name, table in spoiled().items():
        table.to_csv(folder / name, index=False)
    plain.to_csv(folder / "index.csv")
    infinite = plain.copy()
    infinite.loc[7, "income"] = np.inf
    infinite.to_csv(folder / "infinite.csv", index=False)
    _write_lines(folder, plain)
    plain.to_json(folder / "lines.jsonl", orient="records", lines=True)
    plain.to_json(folder / "records.json", orient="records")
    plain.to_json(folder / "columns.json")
    plain.to_parquet(folder / "plain.parquet")
    plain.set_index("city").to_parquet(folder / "indexed.parquet")
    plain.set_index(["city", "vip"]).to_parquet(folder / "indexed_twice.parquet")
    plain.sample(frac=1, random_state=0).to_parquet(folder / "shuffled.parquet")
    plain.to_feather(folder / "plain.feather")
    with zipfile.ZipFile(folder / "plain.zip", "w") as archive:
        archive.write(folder / "plain.csv", "plain.csv")
    plain.to_excel(folder / "plain.xlsx", index=False)


def _write_lines(folder, plain):
    lines = (folder / "plain.csv").read_text(encoding="utf-8").split("\n")
    total = plain["income"].sum()
    ragged = [*lines[:5], f"{lines[5]},extra", *lines[6:]]
    short = [*lines[:5], lines[5].rpartition(",")[0], *lines[6:]]
    texts = {
        "no_header.csv": lines[1:],
        "trailing_comma.csv": [lines[0], *(f"{line}," for line in lines[1:-1])],
        "one_trailing_comma.csv": [lines[0], f"{lines[1]},", *lines[2:]],
        "all_trailing_commas.csv": [f"{line}," for line in lines[:-1]],
        "title_line.csv": ["Report,2020", *lines],
        "comment_line.csv": ["# exported by a program", *lines],
        "padded_title.csv": ["Report,,,,", *lines],
        "total_row.csv": [*lines[:-1], f"Total,{total:.2f},,,"],
        "blank_lines.csv": [lines[0], "", *lines[1:], "", ""],
        "ragged.csv": ragged,
        "short.csv": short,
        "header_only.csv": ["a,b,c", ""],
        "empty.csv": [],
        "plain_text.csv.gz": lines,
    }
    for name, content in texts.items():
        (folder / name).write_text("\n".join(content), encoding="utf-8")


# Files that hold the same table, apart from columns that nothing is learnt from.
SAME = [
    *CSV_OPTIONS,
    *["text_id.csv", "number_id.csv", "free_text.csv", "empty_column.csv"],
    *["postal_codes.csv", "euros.csv", "index.csv", "lines.jsonl", "records.json"],
    *["columns.json", "plain.parquet", "plain.feather", "plain.zip", "plain.xlsx"],
    *["trailing_comma.csv", "one_trailing_comma.csv", "all_trailing_commas.csv"],
    *["blank_lines.csv", "plain_text.csv.gz"],
]
# What is said of a file that is read.
NOTES = {
    "semicolon.csv": "semicolon.csv is read with separator semicolon",
    "european.csv": "decimal comma",
    "cp1252_european.csv": "encoding cp1252",
    "latin1.csv": "encoding cp1252: --encoding overrules",
    "index.csv": "without a name (column_1) is taken for row numbers",
    "text_id.csv": "customer_id is taken for an identifier",
    "number_id.csv": "id is taken for an identifier, since it counts the rows",
    "dates.csv": "when holds dates, which are read as days since 1970",
    "dates_german.csv": "when holds dates",
    "free_text.csv": "free text: comment.",
    "currency.csv": "income is read as numbers, such as 46672 from '$46,672'",
    "percent.csv": "rate is read as numbers, such as 0.467 from '46.7%'",
    "thousands.csv": "such as 46672 from '46,672'",
    "empty_column.csv": "one value or none: empty, constant.",
    "postal_codes.csv": "since cells begin with a zero",
    "two_unknown.csv": "398 of 400 cells of age are numbers, the others ",
    "twelve_question_marks.csv": "388 of 400 cells of income are numbers, the others "
    "('?') count as missing",
    "sentinel.csv": "28 cells of age are -999, which looks like a code for missing: "
    "--missing -999",
    "no_header.csv": "--no-header gives them",
    "trailing_comma.csv": "400 lines of trailing_comma.csv, from line 2 on, end in an",
    "one_trailing_comma.csv": "from line 2 on, end in an empty cell",
    "total_row.csv": "The last row (line 402) looks like a total ('Total')",
    "plain_text.csv.gz": "is not packed: it was read as it is",
}
# What is said of a file that is not.
ERRORS = {
    "infinite.csv": "Infinite values in: income, first in line 9.",
    "repeated_name.csv": "Column names that repeat in repeated_name.csv: age.",
    "title_line.csv": "Line 1 of title_line.csv, 'Report,2020', has 2 cells, and most "
    "lines have 5: if it is a title above the names, leave it out with --skip-lines 1",
    "comment_line.csv": "with --skip-lines 1",
    "padded_title.csv": "with --skip-lines 1",
    "ragged.csv": "Line 6 of ragged.csv has 6 cells",
    "short.csv": "Line 6 of short.csv has 4 cells",
    "header_only.csv": "Rows of data in header_only.csv: 0.",
    "empty.csv": "empty.csv is empty",
}
