"""The command ``anomalies``: the odd rows of a table, and what is odd about them."""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from sklearn_ae._anomaly import AutoencoderAnomalyDetector
from sklearn_ae._cli_parser import Parser, say, whole_number
from sklearn_ae._cli_tables import (
    UserError,
    describe,
    leave_out_unusable,
    read_table,
)

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
    parser = Parser(
        prog="python -m sklearn_ae anomalies",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="seed of the training (default: %(default)s)",
    )
    return parser


def run(arguments):
    """Print the odd rows of the table that the arguments name."""
    table = read_table(arguments.path, None)
    n_rows = len(table.X)
    table = leave_out_unusable(table, np.arange(n_rows))
    _check_output(arguments.output)
    say(f"{describe(table)}, {n_rows:,} rows.", *table.notes, "")
    detector = _fit(table.X, arguments.seed)
    scores, odd = detector.score_samples(table.X), detector.predict(table.X) == -1
    order = np.argsort(scores, kind="stable")
    top = order[: arguments.top]
    contributions, expected = detector.explain(table.X.iloc[top], return_expected=True)
    say("", *_report(table.X, top, scores, contributions, expected))
    ranks = np.empty(n_rows, dtype=int)
    ranks[order] = np.arange(1, n_rows + 1)
    columns = {"row": np.arange(1, n_rows + 1), "rank": ranks}
    columns |= {"score": scores, "is_outlier": odd}
    pd.DataFrame(columns).to_csv(arguments.output, index=False)
    say(
        "",
        "Rows are counted from 1, below the line of column names. The lower the score,",
        "the stranger a row.",
        f"{odd.sum():,} of {n_rows:,} rows stand out from the others.",
        f"All scores are in {arguments.output}.",
    )


def _check_output(path):
    """Refuse a file that cannot be written, before any work."""
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file with --output.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent} to write {path.name} to.")


def _fit(X, seed):
    detector = AutoencoderAnomalyDetector(
        calibration_fraction=0, verbose=1, random_state=seed
    )
    try:
        # The estimator keeps what it has when interrupted; its scores would mislead.
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            return detector.fit(X)
    except ConvergenceWarning as warning:
        raise KeyboardInterrupt from warning
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error


def _report(X, top, scores, contributions, expected):
    """Return the lines of the table: three for each row."""
    n_reasons = min(N_REASONS, X.shape[1])
    width = max(len("column"), *(len(_shorten(name)) for name in X.columns))
    lines = [
        f"{'row':>10}{'score':>9}  {'column':<{width}}  {'share':>5}  "
        f"{'value':<{CELL_WIDTH}}  expected"
    ]
    for place, row in enumerate(top):
        shares = contributions.iloc[place].to_numpy()
        start = f"{row + 1:>10,}{scores[row]:>9.2f}"
        for column in np.argsort(-shares, kind="stable")[:n_reasons]:
            share = shares[column] / shares.sum()
            value = _shorten(X.iloc[row, column])
            wanted = _shorten(expected.iloc[place, column])
            lines.append(
                f"{start:<19}  {_shorten(X.columns[column]):<{width}}  {share:>5.0%}  "
                f"{value:<{CELL_WIDTH}}  {wanted}"
            )
            start = ""
    return lines


def _shorten(cell):
    """Return a cell as text that is not too long."""
    if pd.isna(cell):
        return "(missing)"
    text = f"{cell:.4g}" if isinstance(cell, float) else str(cell)
    if isinstance(cell, float) and cell == round(cell) and abs(cell) < 1e15:
        text = f"{cell:.0f}"
    return text if len(text) <= CELL_WIDTH else f"{text[: CELL_WIDTH - 3]}..."
