"""The command ``anomalies``: the outliers of a table, and why they are outliers."""

import numpy as np
import pandas as pd

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._cli.arguments import UserError
from sklearn_ae._cli.steps import fit, print_lines
from sklearn_ae._cli.tables import describe, leave_out_unusable, read_table
from sklearn_ae._tables.reading import as_table
from sklearn_ae.displays._text import printed_cell

# Columns that are printed for each row.
N_REASONS = 3
# Characters of a printed cell.
CELL_WIDTH = 22


def run(arguments):
    """Print the outliers of the table that the arguments name."""
    table = read_table(arguments.path)
    _check_output(arguments.output, arguments.path)
    n_rows = len(table.X)
    table = leave_out_unusable(table, np.arange(n_rows))
    print_lines(f"{describe(table)}, {n_rows:,} rows.", *table.notes, "")
    detector = AutoencoderAnomalyDetector(
        calibration_fraction=0, verbose=1, random_state=arguments.seed
    )
    fit(detector, table.X)
    scores = detector.score_samples(table.X)
    is_outlier = scores < detector.offset_
    order = np.argsort(scores, kind="stable")
    _write_scores(arguments.output, scores, order, is_outlier)
    top = order[: arguments.top]
    contributions, expected = _explain(detector, table, top)
    report = _report(table.X.iloc[top], top, scores[top], contributions, expected)
    print_lines("", *report)
    print_lines(
        "",
        "Rows are counted from 1, below the line of column names. The lower the score,",
        "the more anomalous a row.",
        f"{is_outlier.sum():,} of {n_rows:,} rows are outliers.",
        f"All scores are in {arguments.output}.",
    )


def _write_scores(path, scores, order, is_outlier):
    """Write the scores of all rows, in the order of the table."""
    numbers = np.arange(1, len(scores) + 1)
    ranks = np.empty(len(scores), dtype=int)
    ranks[order] = numbers
    columns = {"row": numbers, "rank": ranks}
    columns |= {"score": scores, "is_outlier": is_outlier}
    pd.DataFrame(columns).to_csv(path, index=False)


def _explain(detector, table, rows):
    """Return contributions and expected cells, whole where all of a column are."""
    X = table.X.iloc[rows]
    contributions, expected = detector.explain(X, return_expected=True)
    whole = [name for name in table.numbers if _are_whole(table.X[name])]
    expected[whole] = expected[whole].round()
    return contributions, expected


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


def _report(X, rows, scores, contributions, expected):
    """Return the lines of the table: up to three for each row."""
    names = [printed_cell(name, CELL_WIDTH) for name in X.columns]
    cells, expected = as_table(X).cells(), as_table(expected).cells()
    width = max(len("column"), *map(len, names))
    lines = [
        f"{'row':>10}{'score':>9}  {'column':<{width}}  {'share':>5}  "
        f"{'value':<{CELL_WIDTH}}  expected"
    ]
    for i, (row, score) in enumerate(zip(rows, scores, strict=True)):
        parts = contributions.iloc[i].to_numpy()
        start = f"{row + 1:>10,}{score:>9.2f}"
        for column in np.argsort(-parts, kind="stable")[:N_REASONS]:
            if parts[column] > 0:
                lines.append(
                    f"{start:<19}  {names[column]:<{width}}  "
                    f"{parts[column] / parts.sum():>5.0%}  "
                    f"{printed_cell(cells[i, column], CELL_WIDTH):<{CELL_WIDTH}}  "
                    f"{printed_cell(expected[i, column], CELL_WIDTH)}"
                )
                start = ""
    return lines
