"""AnomalyDisplay: the scores of an outlier detector, and its explanations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._compat import Self, import_optional
from sklearn_ae._tables.table import DenseTableLike, TableLike
from sklearn_ae.displays._drawing import (
    CLASS_COLOURS,
    CellGrid,
    cell_grid_size,
    column_names_inches,
    draw_cell_grid,
    note_colour,
    take_axes,
)
from sklearn_ae.displays._input import (
    as_finite,
    as_numbers,
    as_rows,
    check_count,
    check_same_rows,
    feature_names,
    row_names,
)
from sklearn_ae.displays._text import cell_text, short_number, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour of the rows above the threshold.
INLIER_COLOUR = CLASS_COLOURS[0]
# Colour of the rows below the threshold.
OUTLIER_COLOUR = CLASS_COLOURS[5]
# Scores that reach so many times as far as the median get a logarithmic axis.
LONG_TAIL = 20
# Bins of the histogram of scores.
N_SCORE_BINS = 50
# Share of a row's score from which on a cell has the full colour.
FULL_COLOUR_SHARE = 0.5
# Rows in the highest bar that make the axis of counts logarithmic.
HIGH_BAR = 100
# Height of the histogram in a new figure.
HISTOGRAM_INCHES = 2.3
# Height of the numbers and the title below the histogram.
HISTOGRAM_AXIS_INCHES = 0.55
# Height of the legend, which stands above the bars.
LEGEND_INCHES = 0.3

# Axes that `plot` divided, and a reference to those of the table below each. A strong
# reference would keep a closed figure in memory.
_TABLE_BELOW: "WeakKeyDictionary[Axes, ref[Axes]]" = WeakKeyDictionary()


class AnomalyDisplay:
    """Anomaly scores of rows, and an explanation of the lowest ones.

    Two pictures: a histogram of the scores with the threshold, and a table of the most
    anomalous rows, in which the colour of a cell says how much of the row's score its
    column adds.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores of all rows; the lower, the more anomalous.
    contributions : array-like of shape (n_rows, n_features)
        What each column adds to the scores of the rows in the table, none negative.
    cells : array-like of shape (n_rows, n_features)
        The cells of these rows.
    offset : float, default=None
        The threshold: rows that score below it are outliers.
    rows : array-like of int of shape (n_rows,), default=None
        Their positions among the scores; `None` takes the lowest scores.
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

    ax_: NDArray[np.object_]
    figure_: "Figure"

    def __init__(
        self,
        scores: ArrayLike,
        contributions: DenseTableLike,
        cells: DenseTableLike,
        *,
        offset: float | None = None,
        rows: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        row_names: Sequence[str] | None = None,
    ) -> None:
        self.scores = scores
        self.contributions = contributions
        self.cells = cells
        self.offset = offset
        self.rows = rows
        self.feature_names = feature_names
        self.row_names = row_names

    @classmethod
    def from_estimator(
        cls: type[Self],
        estimator: Any,
        X: TableLike,
        *,
        n_rows: int = 10,
        ax: "Axes | Sequence[Axes] | NDArray[np.object_] | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the scores and the explanations of an outlier detector.

        Parameters
        ----------
        estimator : AutoencoderAnomalyDetector
            A fitted one, or another estimator that has `score_samples`, `explain` and
            `offset_`.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.
        n_rows : int, default=10
            How many of the most anomalous rows to explain.
        ax : matplotlib Axes or two of them, default=None
            What to draw on. One that is part of a grid of subplots is divided: it keeps
            the upper half. `None` makes a new figure.
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
        table = as_rows(X)
        scores = np.asarray(estimator.score_samples(table.X), dtype=np.float64)
        rows = np.argsort(scores, kind="stable")[:n_rows]
        contributions = as_numbers(estimator.explain(table.take(rows)))
        display = cls._from_table(table, scores, rows, contributions, estimator.offset_)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls: type[Self],
        X: TableLike,
        scores: ArrayLike,
        contributions: DenseTableLike,
        *,
        offset: float | None = None,
        n_rows: int = 10,
        ax: "Axes | Sequence[Axes] | NDArray[np.object_] | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw scores and explanations that were computed before.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.
        scores : array-like of shape (n_samples,)
            Their scores; the lower, the more anomalous.
        contributions : {array-like, dataframe} of shape (n_samples, n_features)
            What each column adds to them, none negative, as
            :meth:`~sklearn_ae.AutoencoderAnomalyDetector.explain` returns it.
        offset : float, default=None
            The threshold: rows that score below it are outliers.
        n_rows : int, default=10
            How many of the most anomalous rows to show.
        ax : matplotlib Axes or two of them, default=None
            What to draw on. One that is part of a grid of subplots is divided: it keeps
            the upper half. `None` makes a new figure.
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
        table, explanations = as_rows(X), as_rows(contributions, "contributions")
        scores = as_finite(scores, "scores")
        check_same_rows(X=table, scores=scores, contributions=explanations)
        rows = np.argsort(scores, kind="stable")[:n_rows]
        contributions = as_numbers(explanations.take(rows))
        display = cls._from_table(table, scores, rows, contributions, offset)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def _from_table(cls, table, scores, rows, contributions, offset):
        """Return a display with some rows of a table."""
        return cls(
            scores,
            contributions,
            as_rows(table.take(rows)).cells(),
            offset=offset,
            rows=rows,
            feature_names=feature_names(table),
            row_names=row_names(table, rows),
        )

    def plot(
        self: Self,
        ax: "Axes | Sequence[Axes] | NDArray[np.object_] | None" = None,
        *,
        n_columns: int = 8,
    ) -> Self:
        """Draw the histogram and the table.

        Parameters
        ----------
        ax : matplotlib Axes or two of them, default=None
            What to draw on. One that is part of a grid of subplots is divided: it keeps
            the upper half. `None` makes a new figure.
        n_columns : int, default=8
            How many columns of the table to draw: those that add most to the scores of
            these rows, in the order of the table.

        Returns
        -------
        display : AnomalyDisplay
            Itself.
        """
        check_count("n_columns", n_columns)
        scores = as_finite(self.scores, "scores")
        grid, n_features = self._grid(scores, n_columns)
        self.ax_ = _take_two_axes(ax, grid)
        self.figure_ = self.ax_[0].figure
        self._plot_histogram(scores)
        draw_cell_grid(self.ax_[1], grid)
        note = "most anomalous rows (score)"
        if len(grid.column_names) < n_features:
            note += (
                f"; the {len(grid.column_names)} of {n_features} columns that add most"
            )
        self.ax_[1].set_xlabel(note, fontsize=8, color=note_colour())
        self.ax_[1].xaxis.set_label_position("bottom")
        return self

    def _grid(self, scores, n_columns):
        """Return the table to draw, and how many columns there are in all."""
        contributions = as_numbers(self.contributions, "contributions")
        table = as_rows(self.cells, "cells")
        cells = table.cells()
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
        names, titles = self.feature_names, self.row_names
        names = feature_names(table) if names is None else names
        titles = row_names(table, rows) if titles is None else titles
        titles = [
            f"{title} ({short_number(scores[row])})"
            for title, row in zip(titles, rows, strict=True)
        ]
        texts = [[cell_text(cell) for cell in row] for row in cells[:, columns]]
        titles_of_columns = [shortened(names[i], 20) for i in columns]
        grid = CellGrid(
            texts,
            shares[:, columns],
            titles_of_columns,
            titles,
            FULL_COLOUR_SHARE,
            "share of the\nrow's score",
            {0: "0 %", 0.25: "25 %", FULL_COLOUR_SHARE: "≥ 50 %"},
        )
        return grid, cells.shape[1]

    def _plot_histogram(self, scores):
        ax, offset = self.ax_[0], self.offset
        edges, inner = _bins(scores, offset)
        ax.set(xscale="linear", yscale="linear")
        if inner is not None:
            ax.set_xscale("symlog", linthresh=inner, linscale=0.5)
        is_outlier = np.zeros(len(scores), bool) if offset is None else scores < offset
        # The legend stands above the bars, where a title would meet it outside.
        height = ax.get_window_extent().height / ax.figure.dpi
        bars = max(0.5, 1 - LEGEND_INCHES / height)
        ax.margins(y=1 / bars - 1)
        name = "row" if offset is None else "ordinary row"
        parts = [(name, ~is_outlier, INLIER_COLOUR)]
        if offset is not None:
            parts.append(("outlier", is_outlier, OUTLIER_COLOUR))
        highest = 0
        for name, chosen, colour in parts:
            label = f"{chosen.sum():,} {name}{'' if chosen.sum() == 1 else 's'}"
            style = {"color": colour, "label": label, "ec": "white", "lw": 0.3}
            highest = max(highest, ax.hist(scores[chosen], edges, **style)[0].max())
        if offset is not None:
            label = f"threshold: {short_number(offset)}"
            ax.axvline(
                offset, ymax=bars, color=note_colour(), ls="--", lw=1, label=label
            )
        if highest > HIGH_BAR:
            ax.set_yscale("log")
            ax.set_ylim(bottom=0.7)
        ax.legend(
            frameon=False,
            fontsize=8,
            loc="upper center",
            ncols=3,
            borderaxespad=0,
            handlelength=1,
            handletextpad=0.5,
            columnspacing=1,
        )
        ax.set(xlabel="score: the lower, the more anomalous", ylabel="number of rows")
        ax.spines[["top", "right"]].set_visible(False)


def _bins(scores, offset):
    """Return the edges of bins, with the threshold, and where a logarithmic axis ends.

    Negative scores of which some lie far out are told apart by their logarithm.
    """
    points = scores if offset is None else np.append(scores, offset)
    inner, typical = None, np.median(scores)
    if points.max() <= 0 and points.min() < LONG_TAIL * typical < 0:
        inner = 10.0 ** np.floor(np.log10(-typical))
        edges = np.histogram_bin_edges(np.arcsinh(points / inner), N_SCORE_BINS)
        edges = inner * np.sinh(edges)
    else:
        # Scores that differ by rounding alone have no room for bins.
        middle = (points.min() + points.max()) / 2
        room = max(np.ptp(points) / 2, 1e-6 * max(1.0, abs(middle)))
        edges = np.linspace(middle - room, middle + room, N_SCORE_BINS + 1)
    # Rounding must leave no score outside.
    edges[0] = min(edges[0], points.min())
    edges[-1] = max(edges[-1], points.max())
    return np.union1d(edges, points[len(scores) :]), inner


def _take_two_axes(ax, grid):
    """Return two Axes, one above the other, as an array."""
    purpose = "AnomalyDisplay.plot"
    pyplot = import_optional("matplotlib.pyplot", purpose, "plot")
    width, height = cell_grid_size(grid)
    ratios = (HISTOGRAM_INCHES, height)
    if ax is None:
        figure = pyplot.figure(
            figsize=(max(5.0, width), HISTOGRAM_INCHES + height), layout="constrained"
        )
        return figure.subplots(2, 1, height_ratios=ratios)
    if np.ndim(ax) == 1 and len(ax) == 2:
        return np.array([take_axes(each, None, purpose) for each in ax], dtype=object)
    ax = take_axes(ax, None, purpose)
    table = _TABLE_BELOW[ax]() if ax in _TABLE_BELOW else None
    if table is None:
        table = _divide(ax, grid, ratios, purpose)
        _TABLE_BELOW[ax] = ref(table)
    else:
        take_axes(table, None, purpose)
    return np.array([ax, table], dtype=object)


def _divide(ax, grid, ratios, purpose):
    """Let an Axes keep the upper part of its place, and return new Axes below it."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            f"{purpose} divides an Axes that is part of a grid, as pyplot.subplots "
            "makes them. Give such a one, two Axes, or leave ax out."
        )
    space = {}
    if getattr(ax.figure.get_layout_engine(), "adjust_compatible", True):
        # Only constrained layout itself keeps column names off the axis above.
        whole = ax.get_window_extent().height / ax.figure.dpi
        names = min(column_names_inches(grid) + HISTOGRAM_AXIS_INCHES, whole / 2)
        space = {"hspace": 2 * names / (whole - names)}
    upper, lower = place.subgridspec(2, 1, height_ratios=ratios, **space)
    ax.set_subplotspec(upper)
    # The figure of the grid may be a subfigure.
    return ax.figure.add_subplot(lower)
