"""The command ``anomalies``: the odd rows of a table, and what is odd about them."""

from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._cli.arguments import Parser, add_seed, fit, say, whole_number
from sklearn_ae._cli.tables import UserError, describe, leave_out_unusable, read_table

DESCRIPTION = """\
Find the rows of a table that are unlike all others, and say what is odd about them.

An autoencoder learns what the rows of the table are like. The rows that it finds
strangest are printed, each with the three columns that contribute most to that, what
is in their cells, and what the rest of the row would let one expect there. The scores
of all rows are written to a file.
"""

EPILOG = """\
examples:
  python -m sklearn_ae anomalies wine.csv
      the 10 strangest rows; all scores go to anomalies.csv

  python -m sklearn_ae anomalies wine.csv --top 20 --output scores.csv
      20 rows, and another file
"""

# Columns that are printed for each row, and characters of a cell.
N_REASONS, CELL_WIDTH = 3, 22


def make_parser():
    """Return the parser of the arguments."""
    parser = Parser("python -m sklearn_ae anomalies", DESCRIPTION, EPILOG)
    parser.add_argument(
        "path",
        metavar="PATH",
        help="your table: .csv, .csv.gz or .parquet, with column names in its first "
        "line",
    )
    parser.add_argument(
        "--top",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="how many rows to print (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("anomalies.csv"),
        metavar="FILE",
        help="file for the scores of all rows (default: %(default)s)",
    )
    add_seed(parser, "the training")
    return parser


def run(arguments):
    """Print the odd rows of the table that the arguments name."""
    table = read_table(arguments.path)
    _check_output(arguments.output, Path(arguments.path))
    n_rows = len(table.X)
    table = leave_out_unusable(table, np.arange(n_rows))
    say(f"{describe(table)}, {n_rows:,} rows.", *table.notes, "")
    detector = AutoencoderAnomalyDetector(
        calibration_fraction=0, verbose=1, random_state=arguments.seed
    )
    fit(detector, table.X)
    scores = detector.score_samples(table.X)
    odd = scores < detector.offset_
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(n_rows, dtype=int)
    ranks[order] = np.arange(1, n_rows + 1)
    columns = {"row": np.arange(1, n_rows + 1), "rank": ranks}
    columns |= {"score": scores, "is_outlier": odd}
    pd.DataFrame(columns).to_csv(arguments.output, index=False)

    top = order[: arguments.top]
    rows = table.X.iloc[top]
    contributions, expected = detector.explain(rows, return_expected=True)
    whole = [name for name in table.numbers if _are_whole(table.X[name])]
    expected[whole] = expected[whole].round()
    say("", *_report(rows, top, scores[top], contributions, expected))
    say(
        "",
        "Rows are counted from 1, below the line of column names. The lower the score,",
        "the stranger a row.",
        f"{odd.sum():,} of {n_rows:,} rows stand out from the others.",
        f"All scores are in {arguments.output}.",
    )


def _are_whole(numbers):
    return (numbers.dropna() % 1 == 0).all()


def _check_output(path, source):
    """Refuse a file that cannot be written, or not without loss, before any work."""
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file with --output.")
    if path.exists() and path.samefile(source):
        raise UserError(f"{path} is the table itself. Name another file with --output.")
    try:
        path.open("a").close()
    except OSError as error:
        raise UserError(f"Cannot write to {path}: {error.strerror}.") from error


def _report(X, places, scores, contributions, expected):
    """Return the lines of the table: up to three for each row."""
    width = max(len("column"), *(len(_shorten(name)) for name in X.columns))
    lines = [
        f"{'row':>10}{'score':>9}  {'column':<{width}}  {'share':>5}  "
        f"{'value':<{CELL_WIDTH}}  expected"
    ]
    for place, (row, score) in enumerate(zip(places, scores, strict=True)):
        parts = contributions.iloc[place].to_numpy()
        start = f"{row + 1:>10,}{score:>9.2f}"
        for column in np.argsort(-parts, kind="stable")[:N_REASONS]:
            if parts[column] > 0:
                lines.append(
                    f"{start:<19}  {_shorten(X.columns[column]):<{width}}  "
                    f"{parts[column] / parts.sum():>5.0%}  "
                    f"{_shorten(X.iloc[place, column]):<{CELL_WIDTH}}  "
                    f"{_shorten(expected.iloc[place, column])}"
                )
                start = ""
    return lines


def _shorten(cell):
    """Return a cell as text of one line that is not too long."""
    if pd.isna(cell):
        return "(missing)"
    text = " ".join(str(cell).split())
    if isinstance(cell, float):
        text = f"{cell:.0f}" if cell % 1 == 0 and abs(cell) < 1e15 else f"{cell:.4g}"
    half = (CELL_WIDTH - 3) // 2
    return text if len(text) <= CELL_WIDTH else f"{text[:half]}...{text[-half:]}"
