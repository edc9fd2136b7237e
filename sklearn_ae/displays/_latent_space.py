"""LatentSpaceDisplay: latents in one, two or three dimensions."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ae._compat import Self, import_optional, set_grid_style
from sklearn_ae._tables.table import TableLike, TargetLike
from sklearn_ae.displays._drawing import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    FAINT,
    FRAME,
    GREY,
    ORDERED_CMAP,
    class_colours,
    framed,
    note_colour,
    take_axes,
)
from sklearn_ae.displays._estimators import transformer_of
from sklearn_ae.displays._input import (
    as_latents,
    as_rows,
    check_count,
    check_same_rows,
)
from sklearn_ae.displays._labels import as_labels
from sklearn_ae.displays._text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Name of the method that error messages start with.
PURPOSE = "LatentSpaceDisplay.plot"
# Width of the margin around the plane, in widths of most rows; others lie at its edge.
FAR_OUT = 0.5
# Area of a point, in square points, from which on its shape can be seen.
SHAPED_POINT = 6
# Inches of a new figure, by the number of dimensions.
SIZES = {1: (6.4, 3.6), 2: (6.4, 4.6), 3: (6.6, 5.6)}
# Name of rows without a label in the legend.
NO_LABEL = "no label"
# Bins of the histogram of one column of latents.
N_LATENT_BINS = 40


class LatentSpaceDisplay:
    """Latents of rows as points, coloured by class or continuous value.

    Two columns of latents are a plane, and three a space in which the names of the
    classes are written at some points. Of more columns the first two principal
    components are drawn, and of one column a histogram. Classes have colours and shapes
    of their own; those of ordered categories are ordered as well.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    codes : array-like of shape (n_rows, n_components)
        Latents.
    y : array-like of shape (n_rows,), default=None
        Classes or continuous values. Text, booleans, categories, and whole numbers with
        at most 20 distinct values are classes, other numbers are continuous. Rows
        without a label are drawn faintly.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.displays import LatentSpaceDisplay
    >>> wine = load_wine()
    >>> ae = AutoencoderTransformer(2, max_epochs=5, random_state=0).fit(wine.data)
    >>> y = wine.target_names[wine.target]
    >>> display = LatentSpaceDisplay.from_estimator(ae, wine.data, y)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['class_0', 'class_1', 'class_2']
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(self, codes: ArrayLike, y: TargetLike | None = None) -> None:
        self.codes = codes
        self.y = y

    @classmethod
    def from_estimator(
        cls: type[Self],
        estimator: Any,
        X: TableLike,
        y: TargetLike | None = None,
        *,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the latents of rows.

        Parameters
        ----------
        estimator : estimator instance
            A fitted autoencoder, a pipeline, or another transformer. The latents of a
            pipeline that ends in a predictor are the input of the predictor.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows. Arrays of images may have three or four dimensions.
        y : array-like of shape (n_samples,), default=None
            Classes or continuous values.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : LatentSpaceDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no `transform`, so that there are no latents.
        ValueError
            If X and y have different numbers of rows, or one cannot be used.
        """
        latents = transformer_of(estimator, "transform").transform(as_rows(X).X)
        return cls.from_predictions(latents, y, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls: type[Self],
        codes: ArrayLike,
        y: TargetLike | None = None,
        *,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw latents that were computed before.

        Parameters
        ----------
        codes : {array-like, dataframe} of shape (n_samples, n_components)
            Latents.
        y : array-like of shape (n_samples,), default=None
            Classes or continuous values.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : LatentSpaceDisplay

        Raises
        ------
        ValueError
            If codes and y have different numbers of rows, or one cannot be used.
        """
        return cls(as_latents(codes), y).plot(ax=ax, **kwargs)

    def plot(self: Self, ax: "Axes | None" = None, *, max_names: int = 60) -> Self:
        """Draw the latents.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on, with ``projection="3d"`` for three columns of latents.
            `None` makes a new figure.
        max_names : int, default=60
            At how many points of a space to write the name of the class, spread evenly
            over the rows: more hide one another.

        Returns
        -------
        display : LatentSpaceDisplay
            Itself.
        """
        check_count("max_names", max_names)
        latents, labels = as_latents(self.codes), None
        if self.y is not None:
            labels = as_labels(self.y)
            check_same_rows(codes=latents, y=labels.values)
        n_columns = latents.shape[1]
        in_space = "3d" if n_columns == 3 else None
        self.ax_ = take_axes(ax, SIZES[min(n_columns, 3)], PURPOSE, in_space)
        self.figure_ = self.ax_.figure
        if n_columns == 1:
            self._plot_line(latents[:, 0], labels)
        elif n_columns == 3:
            self._plot_space(latents, labels, max_names)
        else:
            self._plot_plane(latents, labels)
        return self

    def _plot_plane(self, latents, labels):
        names = ["latent 0", "latent 1"]
        if latents.shape[1] > 2:
            latents = latents - latents.mean(axis=0)
            variances, axes = np.linalg.eigh(latents.T @ latents)
            shares = variances[[-1, -2]] / (variances.sum() or 1.0)
            latents = latents @ axes[:, [-1, -2]]
            names = [
                f"{place} principal component of the latents ({share:.0%})"
                for place, share in zip(("first", "second"), shares, strict=True)
            ]
        plane, n_outside = framed(latents, FAR_OUT)
        self._scatter(plane, labels)
        names[0] += _note_on(n_outside)
        self.ax_.set(xlabel=names[0], ylabel=names[1])
        self.ax_.spines[["top", "right"]].set_visible(False)

    def _plot_line(self, latents, labels):
        if labels is not None and not labels.classes:
            rows = np.column_stack([latents, labels.values])[~labels.missing]
            self._scatter(rows, None)
            height = shortened(labels.name)
        else:
            groups, colours = [latents], CLASS_COLOURS[:1]
            if labels is not None:
                numbers = [*range(len(labels.classes)), -1]
                groups = [latents[labels.values == number] for number in numbers]
                colours = [*_class_colours_of(labels), FAINT]
                self._draw_legend(labels)
            style = {"stacked": True, "ec": "white", "lw": 0.3}
            self.ax_.hist(groups, N_LATENT_BINS, color=colours, **style)
            height = "number of rows"
        self.ax_.set(xlabel="latent 0", ylabel=height)
        self.ax_.spines[["top", "right"]].set_visible(False)

    def _plot_space(self, latents, labels, max_names):
        latents, n_outside = framed(latents, FAR_OUT)
        named = _rows_to_name(labels, max_names)
        dots = np.delete(np.arange(len(latents)), named)
        self._scatter(latents, labels, drawn=dots, alpha=0.5 if len(named) else 0.8)
        self._write_names(latents, labels, named)
        # Texts do not count when axes find their limits.
        low, high = latents.min(axis=0), latents.max(axis=0)
        margin = np.where(high > low, 0.03 * (high - low), 0.5)
        limits = zip(low - margin, high + margin, strict=True)
        ax = self.ax_
        for axis, (lowest, highest) in zip("xyz", limits, strict=True):
            ax.set(**{f"{axis}lim": (lowest, highest)})
        for axis, number in zip((ax.xaxis, ax.yaxis, ax.zaxis), range(3), strict=True):
            note = "" if number else _note_on(n_outside)
            axis.set_label_text(f"latent {number}{note}")
            axis.set_pane_color("white")
            set_grid_style(axis, color="0.9", linewidth=0.5)
            axis.set_tick_params(labelsize=7, colors=note_colour())
        ax.set_box_aspect((1, 1, 0.85), zoom=0.9)

    def _write_names(self, latents, labels, rows):
        """Write the names of the classes of some rows at their points in space."""
        effects = import_optional("matplotlib.patheffects", PURPOSE, "plot")
        halo = [effects.withStroke(linewidth=2, foreground="white")]
        colours = _class_colours_of(labels) if len(rows) else []
        for row in rows:
            number = labels.values[row]
            self.ax_.text(
                *latents[row],
                shortened(labels.classes[number], 12),
                color=colours[number],
                fontsize=8,
                path_effects=halo,
                zorder=1000,
                ha="center",
                va="center",
            )

    def _scatter(self, points, labels, drawn=slice(None), alpha=0.8):
        """Draw points, and say what their colours mean."""
        shown = points[drawn]
        style = {
            "s": float(np.clip(12000 / max(1, len(points)), 3, 22)),
            "linewidths": 0,
            "alpha": alpha,
        }
        if points.shape[1] == 3:
            style["depthshade"] = False
        if labels is None:
            self.ax_.scatter(*shown.T, color=CLASS_COLOURS[0], **style)
        elif labels.classes:
            colours = np.array([*_class_colours_of(labels), FAINT])
            # Rows without a label lie under the others.
            order = np.argsort(~labels.missing[drawn], kind="stable")
            numbers = labels.values[drawn][order]
            colours = colours[numbers]
            dots = self.ax_.scatter(*shown[order].T, color=colours, **style)
            # In space, matplotlib sorts points by depth, but not their shapes.
            if style["s"] >= SHAPED_POINT and points.shape[1] == 2:
                dots.set_paths([_path(marker) for marker in _markers_of(numbers)])
            self._draw_legend(labels, style["s"] if points.shape[1] == 2 else 0)
        else:
            missing = labels.missing[drawn]
            self.ax_.scatter(*shown[missing].T, color=FAINT, **style)
            values = labels.values[drawn][~missing]
            dots = self.ax_.scatter(
                *shown[~missing].T, c=values, cmap=ORDERED_CMAP, **style
            )
            pad = 0.12 if points.shape[1] == 3 else 0.02
            bar = self.figure_.colorbar(
                dots,
                ax=self.ax_,
                label=shortened(labels.name),
                aspect=30,
                pad=pad,
                shrink=0.8,
            )
            bar.outline.set_edgecolor(FRAME)
            if labels.are_dates:
                dates = import_optional("matplotlib.dates", PURPOSE, "plot")
                locator = dates.AutoDateLocator()
                bar.locator = locator
                bar.formatter = dates.AutoDateFormatter(locator)

    def _draw_legend(self, labels, size=0):
        """Say what colours mean, and shapes of points of this size."""
        colours = _class_colours_of(labels)
        sizes = np.bincount(labels.values[~labels.missing], minlength=len(colours))
        named = [n for n in np.flatnonzero(sizes) if colours[n] != GREY]
        entries = [(shortened(labels.classes[n], 20), colours[n], n) for n in named]
        if len(named) < np.count_nonzero(sizes):
            entries.append((f"{np.count_nonzero(sizes) - len(named)} others", GREY, -1))
        if labels.missing.any():
            entries.append((NO_LABEL, FAINT, -1))
        numbers = [number for *_, number in entries]
        shapes = _markers_of(numbers if size >= SHAPED_POINT else [-1] * len(numbers))
        lines = import_optional("matplotlib.lines", PURPOSE, "plot")
        handles = [
            lines.Line2D([], [], ls="", marker=shape, ms=6, mew=0, color=colour)
            for shape, (_, colour, _) in zip(shapes, entries, strict=True)
        ]
        self.ax_.legend(
            handles,
            [name for name, *_ in entries],
            title=shortened(labels.name) or None,
            loc="center left",
            bbox_to_anchor=(1.02, 0.5),
            frameon=False,
            handletextpad=0.1,
        )


def _note_on(n_outside):
    """Return a line on rows that are drawn at the edge, "" if there are none."""
    if not n_outside:
        return ""
    rows = "1 row" if n_outside == 1 else f"{n_outside:,} rows"
    return f"\n{rows} farther out drawn at the edge"


def _rows_to_name(labels, max_names):
    """Return the rows of which a picture in space has the names of their classes."""
    if labels is None or not labels.classes:
        return np.arange(0)
    known = np.flatnonzero(~labels.missing)
    n_named = min(max_names, len(known))
    # Spread evenly over the rows, which may be sorted by class.
    return known[np.linspace(0, len(known) - 1, n_named).round().astype(int)]


def _class_colours_of(labels):
    """Return the colour of each class, grey for the less frequent of many."""
    sizes = np.bincount(labels.values[~labels.missing], minlength=len(labels.classes))
    return class_colours(sizes, labels.are_ordered)


def _markers_of(numbers):
    """Return the shape of a point of each class, a circle for -1."""
    shapes = np.array([*CLASS_MARKERS])
    return np.where(np.less(numbers, 0), "o", shapes[np.mod(numbers, len(shapes))])


def _path(marker):
    """Return the outline of a shape."""
    markers = import_optional("matplotlib.markers", PURPOSE, "plot")
    style = markers.MarkerStyle(marker)
    return style.get_path().transformed(style.get_transform())
