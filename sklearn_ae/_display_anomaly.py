"""A display of how odd rows are, and why."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._compat import import_optional
from sklearn_ae._display_input import (
    as_numbers,
    as_table,
    cell_text,
    cells_of,
    check_count,
    check_same_rows,
    feature_names,
    row_names,
    take,
)
from sklearn_ae._drawing import (
    CLASS_COLOURS,
    NOTE,
    CellGrid,
    cell_grid_size,
    draw_cell_grid,
    short_number,
    shortened,
    take_axes,
)

ORDINARY, ODD = CLASS_COLOURS[0], CLASS_COLOURS[1]
# Scores that reach so much farther than most are drawn on a logarithmic axis.
LONG_TAIL = 20
N_BINS = 50
# Share of a row's score that has the full colour.
FULL_COLOUR = 0.5
# Bars of few rows cannot be seen beside one of so many more.
HIGH_BAR = 100
HISTOGRAM_INCHES = 2.3


class AnomalyDisplay:
    """How the scores of rows are distributed, and what is odd about the oddest.

    Two pictures: a histogram of the scores with the threshold, and a table of the
    oddest rows, in which the colour of a cell says how much of the row's score its
    column adds.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores of all rows; the lower, the more abnormal.
    contributions : array-like of shape (n_rows, n_features)
        What each column adds to the scores of the oddest rows, none negative.
    cells : array-like of shape (n_rows, n_features)
        The cells of these rows.
    offset : float, default=None
        The threshold: rows that score below it are outliers.
    rows : array-like of int of shape (n_rows,), default=None
        Their positions among the scores. `None`: those of the lowest scores.
    feature_names : list of str, default=None
        Names of the columns.
    row_names : list of str, default=None
        Names of the rows.

    Attributes
    ----------
    ax_ : ndarray of shape (2,) of matplotlib Axes
        The histogram and the table.
    figure_ : matplotlib Figure
        Their figure.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderAnomalyDetector
    >>> from sklearn_ae.displays import AnomalyDisplay
    >>> X = load_wine(as_frame=True).data
    >>> X.loc[17, "alcohol"] = 40.0
    >>> detector = AutoencoderAnomalyDetector(random_state=0).fit(X)
    >>> display = AnomalyDisplay.from_estimator(detector, X, n_rows=5)
    >>> [text.get_text() for text in display.ax_[1].get_yticklabels()][0]
    'row 17 (...)'
    """

    def __init__(
        self,
        scores,
        contributions,
        cells,
        *,
        offset=None,
        rows=None,
        feature_names=None,
        row_names=None,
    ):
        self.scores = scores
        self.contributions = contributions
        self.cells = cells
        self.offset = offset
        self.rows = rows
        self.feature_names = feature_names
        self.row_names = row_names

    @classmethod
    def from_estimator(cls, estimator, X, *, n_rows=10, ax=None, **kwargs):
        """Draw what a detector says about rows.

        Parameters
        ----------
        estimator : AutoencoderAnomalyDetector
            A fitted one, or another estimator that has `score_samples`, `explain` and
            `offset_`.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.
        n_rows : int, default=10
            How many of the oddest to explain.
        ax : matplotlib Axes or two of them, default=None
            What to draw on. One is divided, as a place in a grid of subplots; `None`
            makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : AnomalyDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it does not explain its scores.
        ValueError
            If X or a parameter cannot be used.
        """
        check_count("n_rows", n_rows)
        check_is_fitted(estimator)
        needed = ("score_samples", "explain", "offset_")
        lacking = [name for name in needed if not hasattr(estimator, name)]
        if lacking:
            raise TypeError(
                "AnomalyDisplay takes a detector that explains its scores, such as "
                f"AutoencoderAnomalyDetector. {type(estimator).__name__} has no "
                f"{' and no '.join(lacking)}."
            )
        X = as_table(X)
        scores = np.asarray(estimator.score_samples(X), dtype=np.float64)
        rows = np.argsort(scores, kind="stable")[:n_rows]
        contributions = as_numbers(as_table(estimator.explain(take(X, rows))))
        display = cls._from_table(X, scores, rows, contributions, estimator.offset_)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, X, scores, contributions, *, offset=None, n_rows=10, ax=None, **kwargs
    ):
        """Draw scores and explanations that are known.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.
        scores : array-like of shape (n_samples,)
            Their scores; the lower, the more abnormal.
        contributions : {array-like, dataframe} of shape (n_samples, n_features)
            What each column adds to them, none negative, as
            :meth:`~sklearn_ae.AutoencoderAnomalyDetector.explain` returns it.
        offset : float, default=None
            The threshold: rows that score below it are outliers.
        n_rows : int, default=10
            How many of the oddest to show.
        ax : matplotlib Axes or two of them, default=None
            What to draw on. One is divided, as a place in a grid of subplots; `None`
            makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : AnomalyDisplay

        Raises
        ------
        ValueError
            If the three do not fit one another, or a parameter cannot be used.
        """
        check_count("n_rows", n_rows)
        X, contributions = as_table(X), as_table(contributions, "contributions")
        scores = _check_scores(scores)
        check_same_rows(X=X, scores=scores, contributions=contributions)
        rows = np.argsort(scores, kind="stable")[:n_rows]
        contributions = as_numbers(take(contributions, rows))
        display = cls._from_table(X, scores, rows, contributions, offset)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def _from_table(cls, X, scores, rows, contributions, offset):
        """Return a display of the oddest rows of X."""
        return cls(
            scores,
            contributions,
            cells_of(take(X, rows)),
            offset=offset,
            rows=rows,
            feature_names=feature_names(X),
            row_names=row_names(X, rows),
        )

    def plot(self, ax=None, *, n_columns=8):
        """Draw the histogram and the table.

        Parameters
        ----------
        ax : matplotlib Axes or two of them, default=None
            What to draw on. One is divided, as a place in a grid of subplots; `None`
            makes a new figure.
        n_columns : int, default=8
            How many columns of the table to draw: those that add most to the scores of
            these rows, in the order of the table.

        Returns
        -------
        display : AnomalyDisplay
            Itself.
        """
        check_count("n_columns", n_columns)
        scores = _check_scores(self.scores)
        grid, n_features = self._grid(scores, n_columns)
        self.ax_ = _take_two_axes(ax, cell_grid_size(grid))
        self.figure_ = self.ax_[0].figure
        self._plot_histogram(scores)
        table = self.ax_[1]
        draw_cell_grid(
            table,
            grid,
            highest=FULL_COLOUR,
            colour_label="share of the row's score",
            ticks={0: "0 %", 0.25: "25 %", FULL_COLOUR: "≥ 50 %"},
        )
        note = "oddest rows (score)"
        if len(grid.column_names) < n_features:
            note += (
                f"; the {len(grid.column_names)} of {n_features} columns that add most"
            )
        table.set_xlabel(note, fontsize=8, color=NOTE)
        table.xaxis.set_label_position("bottom")
        return self

    def _grid(self, scores, n_columns):
        """Return the table to draw, and how many columns there are in all."""
        contributions = as_numbers(as_table(self.contributions, "contributions"))
        cells = cells_of(as_table(self.cells, "cells"))
        if contributions.shape != cells.shape:
            raise ValueError(
                "contributions and cells must have the same shape. Got "
                f"{contributions.shape} and {cells.shape}."
            )
        rows = self.rows
        if rows is None:
            rows = np.argsort(scores, kind="stable")[: len(cells)]
        check_same_rows(cells=cells, rows=rows)
        total = contributions.sum(axis=1, keepdims=True)
        shares = contributions / np.where(total > 0, total, 1)
        order = np.argsort(-shares.sum(axis=0), kind="stable")
        columns = np.sort(order[:n_columns])
        names = self.feature_names or feature_names(cells)
        titles = self.row_names or row_names(cells, rows)
        titles = [
            f"{title} ({short_number(scores[row])})"
            for title, row in zip(titles, rows, strict=True)
        ]
        texts = [[cell_text(cell) for cell in row] for row in cells[:, columns]]
        titles_of_columns = [shortened(names[i], 20) for i in columns]
        grid = CellGrid(texts, shares[:, columns], titles_of_columns, titles)
        return grid, cells.shape[1]

    def _plot_histogram(self, scores):
        ax, offset = self.ax_[0], self.offset
        edges, is_long = _bins(scores, offset)
        if is_long:
            inner = 10.0 ** np.floor(np.log10(-np.median(scores)))
            ax.set_xscale("symlog", linthresh=inner, linscale=0.5)
        odd = scores < offset if offset is not None else np.zeros(len(scores), bool)
        label = f"{len(scores) - odd.sum():,} rows"
        if offset is not None:
            label = f"{len(scores) - odd.sum():,} ordinary rows"
        style = {"ec": "white", "lw": 0.3}
        counts, *_ = ax.hist(scores[~odd], edges, color=ORDINARY, label=label, **style)
        if offset is not None:
            label = f"{odd.sum():,} outlier{'' if odd.sum() == 1 else 's'}"
            ax.hist(scores[odd], edges, color=ODD, label=label, **style)
            label = f"threshold: {short_number(offset)}"
            ax.axvline(offset, color="0.2", ls="--", lw=1, label=label)
        if counts.max() > HIGH_BAR:
            ax.set_yscale("log")
            ax.set_ylim(bottom=0.7)
        ax.legend(
            frameon=False,
            fontsize=8,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
        )
        ax.set(xlabel="score: the lower, the odder", ylabel="number of rows")
        ax.spines[["top", "right"]].set_visible(False)


def _check_scores(scores):
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError(
            "scores must hold a finite number for each of at least one row. Got an "
            f"array of shape {scores.shape}."
        )
    return scores


def _bins(scores, offset):
    """Return the edges of bins, one of them the threshold, and if they are unequal.

    Negative scores of which some lie far out are told apart by their logarithm.
    """
    is_long = bool(scores.max() <= 0 and scores.min() < LONG_TAIL * np.median(scores))
    inner = 10.0 ** np.floor(np.log10(-np.median(scores))) if is_long else 1.0
    place = (lambda s: np.arcsinh(s / inner)) if is_long else (lambda s: s)
    back = (lambda p: inner * np.sinh(p)) if is_long else (lambda p: p)
    low, high = place(scores.min()), place(scores.max())
    start = low if offset is None else place(np.float64(offset))
    low, high = min(low, start), max(high, start)
    width = (high - low) / N_BINS or 1.0
    # One bin more on each side: rounding must leave no score outside.
    first = -int(np.ceil((start - low) / width)) - 1
    last = int(np.ceil((high - start) / width)) + 1
    edges = back(start + width * np.arange(first, last + 1))
    if offset is not None:
        edges[-first] = offset
    return edges, is_long


def _take_two_axes(ax, table_size):
    """Return two Axes, one above the other, as an array."""
    purpose = "AnomalyDisplay.plot"
    pyplot = import_optional("matplotlib.pyplot", purpose, "plot")
    width, height = table_size
    ratios = (HISTOGRAM_INCHES, height)
    if ax is None:
        figure = pyplot.figure(
            figsize=(max(5.0, width), HISTOGRAM_INCHES + height), layout="constrained"
        )
        return figure.subplots(2, 1, height_ratios=ratios)
    if np.ndim(ax) == 1 and len(ax) == 2:
        return np.array([take_axes(each, None, purpose) for each in ax], dtype=object)
    ax = take_axes(ax, None, purpose)
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            f"{purpose} divides an Axes that is part of a grid, as pyplot.subplots "
            "makes them. Give such a one, two Axes, or leave ax out."
        )
    ax.set_axis_off()
    halves = place.subgridspec(2, 1, height_ratios=ratios)
    # Their figure is that of the grid, which may be part of another.
    return np.array([ax.figure.add_subplot(half) for half in halves], dtype=object)
