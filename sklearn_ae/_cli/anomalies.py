"""The command ``anomalies``: the outliers of a table, and why they are outliers."""

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._cli import results
from sklearn_ae._cli.steps import Console, fit, load, load_new, save_model, training
from sklearn_ae._tables.reading import as_table
from sklearn_ae.displays._anomaly import AnomalyDisplay
from sklearn_ae.displays._text import printed_cell

# Columns that are printed for each row.
N_REASONS = 3
# Shares of a score up to this are 0 %, and not printed.
LEAST_SHARE = 0.005
# Characters of a printed cell.
CELL_WIDTH = 22


def run(arguments):
    """Print the outliers of the table that the arguments name."""
    console = Console(arguments)
    if arguments.train is None:
        table = usual = load(arguments, console)
    else:
        usual = load(_training_table(arguments), console)
        kinds = {each.name: each.kind for each in usual.columns if each.name in usual.X}
        table = load_new(arguments.path, arguments, console, kinds)
    contamination = arguments.contamination or "auto"
    detector = AutoencoderAnomalyDetector(
        contamination=contamination, **training(arguments)
    )
    fit(detector, usual.X)
    write(detector, table, arguments, console)
    save_model(detector, arguments, console)


def write(detector, table, arguments, console):
    """Write the scores of a table, and print and draw the most anomalous rows."""
    picture = results.picture_path(arguments)
    findings = Findings(detector, table, arguments)
    frame = results.with_rows(table, findings.results(), arguments.append)
    results.write_table(frame, arguments.output)
    if picture is not None:
        findings.draw(picture)
    console.lines("", *findings.report())
    console.lines("", *findings.summary(arguments))
    if picture is not None:
        console.lines(f"A picture of them is in {picture}.")
    elif not results.can_draw():
        console.lines(results.NO_PICTURES)
    if str(arguments.output) != "-":
        console.lines(f"All scores are in {arguments.output}.")


def _training_table(arguments):
    """Return the arguments with the table to learn from as the one to read."""
    copied = type(arguments)(**vars(arguments))
    copied.path = arguments.train
    return copied


class Findings:
    """Scores of the rows of a table, which of them are outliers, and why.

    Parameters
    ----------
    detector : AutoencoderAnomalyDetector
        Fitted.
    table : InputTable
    arguments : Namespace
    """

    def __init__(self, detector, table, arguments):
        self.detector = detector
        self.table = table
        self.scores = detector.score_samples(table.X)
        self.p_values = detector.p_values(table.X)
        if arguments.fdr is None:
            self.is_outlier = self.scores < detector.offset_
        else:
            self.is_outlier = false_discovery_control(self.p_values) <= arguments.fdr
        self.order = np.argsort(self.scores, kind="stable")
        self.top = self.order[: arguments.top]
        reported = [*self.top, *self.order[self.is_outlier[self.order]]]
        self.explained = np.array(list(dict.fromkeys(reported)))
        X = table.X.iloc[self.explained]
        self.contributions, expected = detector.explain(X, return_expected=True)
        # As values for the table, and as arrays of cells.
        self.X = results.in_units(table, X)
        self.cells = as_table(self.X).cells()
        self.expected = as_table(results.in_units(table, expected)).cells()

    def results(self):
        """Return a frame with the score of each row, and reasons for those reported."""
        n_rows = len(self.scores)
        ranks = np.empty(n_rows, dtype=int)
        ranks[self.order] = np.arange(1, n_rows + 1)
        columns = {"score": self.scores, "rank": ranks, "p_value": self.p_values}
        columns["is_outlier"] = self.is_outlier
        for number in range(min(N_REASONS, self.table.X.shape[1])):
            for what in ("column", "value", "expected"):
                columns[f"{what}_{number + 1}"] = np.full(n_rows, None, dtype=object)
        for position, row in enumerate(self.explained):
            for number, (name, _, *cells) in enumerate(self._reasons(position), 1):
                columns[f"column_{number}"][row] = name
                for what, cell in zip(("value", "expected"), cells, strict=True):
                    columns[f"{what}_{number}"][row] = _written(cell)
        return pd.DataFrame(columns)

    def _reasons(self, position):
        """Yield name, share, value and expected value of the columns that add most."""
        parts = self.contributions.iloc[position].to_numpy()
        for column in np.argsort(-parts, kind="stable")[:N_REASONS]:
            if parts[column] > 0:
                name = self.table.X.columns[column]
                share = parts[column] / parts.sum()
                at = position, column
                yield name, share, self.cells[at], self.expected[at]

    def report(self):
        """Return the lines of the table: up to three for each row."""
        identifiers = self.table.identifiers
        head = "row"
        labels = [f"{self.table.rows[row] + 1:,}" for row in self.top]
        if identifiers.shape[1]:
            head = printed_cell(str(identifiers.columns[0]), CELL_WIDTH)
            labels = [
                printed_cell(str(identifiers.iloc[row, 0]), CELL_WIDTH)
                for row in self.top
            ]
        start = max(10, len(head), *map(len, labels))
        names = [printed_cell(name, CELL_WIDTH) for name in self.table.X.columns]
        width = max(len("column"), *map(len, names))
        lines = [
            f"{head:>{start}} {'score':>8}  {'column':<{width}}  {'share':>5}  "
            f"{'value':<{CELL_WIDTH}}  expected"
        ]
        for position, label in enumerate(labels):
            score = self.scores[self.top[position]]
            beginning = f"{label:>{start}} {score:>8.2f}"
            for name, share, value, expected in self._reasons(position):
                if share <= LEAST_SHARE and not beginning:
                    break
                lines.append(
                    f"{beginning:<{start + 9}}  "
                    f"{printed_cell(name, CELL_WIDTH):<{width}}  {share:>5.0%}  "
                    f"{printed_cell(value, CELL_WIDTH):<{CELL_WIDTH}}  "
                    f"{printed_cell(expected, CELL_WIDTH)}"
                )
                beginning = ""
        return lines

    def summary(self, arguments):
        """Return the lines below the table."""
        n_rows, n_outliers = len(self.scores), self.is_outlier.sum()
        lines = ["The lower the score, the more anomalous a row."]
        if not self.table.identifiers.shape[1]:
            lines = [
                "Rows are counted from 1, below the line of column names. The lower "
                "the score,",
                "the more anomalous a row.",
            ]
        lines.append(
            f"{n_outliers:,} of {n_rows:,} rows "
            + ("is an outlier." if n_outliers == 1 else "are outliers.")
        )
        if arguments.fdr is not None:
            lines += self._on_false_alarms(arguments)
        return lines

    def _on_false_alarms(self, arguments):
        """Return what is to be known of the false discovery rate."""
        least = 1 / (1 + len(self.detector.calibration_scores_))
        lines = [
            f"At most some {arguments.fdr:.0%} of them are expected to be false alarms."
        ]
        if not self.is_outlier.any():
            lines = [
                f"With {len(self.detector.calibration_scores_):,} rows set aside to "
                f"compare with, no p-value is below {least:.2g}; more rows to learn "
                "from allow smaller ones."
            ]
        if arguments.train is None:
            lines.append(
                "p-values are meant for rows that were not learnt from: --train FILE "
                "with ordinary rows makes them exact."
            )
        return lines

    def draw(self, path):
        """Draw the scores, and the cells of the most anomalous rows."""
        rows = self.top
        names = [f"row {self.table.rows[row] + 1:,}" for row in rows]
        if self.table.identifiers.shape[1]:
            names = [str(self.table.identifiers.iloc[row, 0]) for row in rows]
        display = AnomalyDisplay(
            self.scores,
            self.contributions.iloc[: len(rows)].to_numpy(),
            self.cells[: len(rows)],
            offset=self.detector.offset_,
            rows=rows,
            feature_names=[str(name) for name in self.table.X.columns],
            row_names=names,
        )
        results.save_display(display, path)


def _written(cell):
    """Return a cell as the text of a file: numbers with the digits that they have."""
    if cell is None:
        return None
    return f"{cell:.7g}" if isinstance(cell, float) else str(cell)
