"""ReconstructionDisplay: rows and their reconstructions, as images or a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ae._compat import Self
from sklearn_ae._tables.table import DenseTableLike, TableLike
from sklearn_ae.displays._drawing import (
    CellGrid,
    ImageRow,
    cell_grid_size,
    draw_cell_grid,
    draw_image_rows,
    note_colour,
    take_axes,
    value_range,
)
from sklearn_ae.displays._estimators import reconstruction_of, transformer_of
from sklearn_ae.displays._input import (
    as_images,
    as_rows,
    cell_errors,
    check_count,
    check_same_rows,
    feature_names,
    first_rows,
    row_names,
    shape_of_images,
    spreads_of,
)
from sklearn_ae.displays._text import cell_text, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Standard deviations from which on a cell has the full colour of a wrong category.
FULL_COLOUR_DEVIATIONS = 2.0


class ReconstructionDisplay:
    """Rows and their reconstructions by an autoencoder.

    Images are drawn as pictures, originals above reconstructions. Other rows are drawn
    as a table in original units; the colour of a restored cell says how far off it is.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    originals : array-like of shape (n_rows, n_columns)
        Rows.
    reconstructions : array-like of shape (n_rows, n_columns)
        Their reconstructions.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of rows that are images; `None`
        for rows of a table.
    errors : ndarray of shape (n_rows, n_columns), default=None
        How far off the cells of a table are, in standard deviations of their column;
        infinity for wrong categories. `None` takes the deviations from `originals`.
    feature_names : list of str, default=None
        Names of the columns.
    row_names : list of str, default=None
        Names of the rows.
    n_samples : int, default=None
        How many rows there are in all, of which these are the first; the picture then
        says so.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.displays import ReconstructionDisplay
    >>> X = load_digits().data
    >>> ae = AutoencoderTransformer(10, max_epochs=5, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(ae, X, image_shape=(8, 8))
    >>> len(display.ax_.images)
    20
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        originals: DenseTableLike,
        reconstructions: DenseTableLike,
        *,
        image_shape: tuple[int, ...] | None = None,
        errors: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        row_names: Sequence[str] | None = None,
        n_samples: int | None = None,
    ) -> None:
        self.originals = originals
        self.reconstructions = reconstructions
        self.image_shape = image_shape
        self.errors = errors
        self.feature_names = feature_names
        self.row_names = row_names
        self.n_samples = n_samples

    @classmethod
    def from_estimator(
        cls: type[Self],
        estimator: Any,
        X: TableLike,
        *,
        n_rows: int = 10,
        image_shape: tuple[int, ...] | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the first rows, and their reconstructions by an estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted autoencoder, or anything with `transform` and `inverse_transform`,
            such as a pipeline or :class:`~sklearn.decomposition.PCA`. Of a pipeline
            that ends in a predictor, the input of the predictor is transformed back.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, of which the first are drawn; how widely columns spread is taken from
            all of them. Arrays of images may have three or four dimensions.
        n_rows : int, default=10
            How many rows to draw.
        image_shape : tuple of int, default=None
            (height, width) or (channels, height, width) of rows that are images.
            `None` takes the shape of X, if it has more than two dimensions, or the
            estimator's, if it has one.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it cannot reconstruct.
        ValueError
            If X or a parameter cannot be used.
        """
        check_count("n_rows", n_rows)
        estimator = transformer_of(estimator, "inverse_transform")
        if image_shape is None:
            image_shape = shape_of_images(X, estimator)
        table = as_rows(X)
        first = first_rows(table, n_rows)
        restored = as_rows(reconstruction_of(estimator, first.X))
        is_categorical = getattr(estimator, "is_categorical_", None)
        display = cls._from_tables(table, first, restored, image_shape, is_categorical)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls: type[Self],
        X: TableLike,
        X_reconstructed: TableLike,
        *,
        n_rows: int = 10,
        image_shape: tuple[int, ...] | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the first rows, and reconstructions that were computed before.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows. Arrays of images may have three or four dimensions.
        X_reconstructed : {array-like, sparse matrix, dataframe} of the shape of X
            Their reconstructions.
        n_rows : int, default=10
            How many rows to draw.
        image_shape : tuple of int, default=None
            (height, width) or (channels, height, width) of rows that are images.
            `None` takes the shape of X, if it has more than two dimensions.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If the two have different shapes, or a parameter cannot be used.
        """
        check_count("n_rows", n_rows)
        if image_shape is None:
            image_shape = shape_of_images(X)
        table, restored = as_rows(X), as_rows(X_reconstructed, "X_reconstructed")
        check_same_rows(X=table, X_reconstructed=restored)
        first, restored = first_rows(table, n_rows), first_rows(restored, n_rows)
        display = cls._from_tables(table, first, restored, image_shape)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def _from_tables(cls, table, first, restored, image_shape, is_categorical=None):
        """Return a display of the first rows of a table."""
        if first.shape != restored.shape:
            raise ValueError(
                "Rows and their reconstructions must have the same shape. Got "
                f"{first.shape} and {restored.shape}."
            )
        if image_shape is not None:
            images = (as_images(rows, image_shape) for rows in (first, restored))
            flat = [each.reshape(len(each), -1) for each in images]
            return cls(*flat, image_shape=tuple(image_shape), n_samples=table.shape[0])
        cells, restored = first.cells(), restored.cells()
        return cls(
            cells,
            restored,
            errors=cell_errors(cells, restored, spreads_of(table, is_categorical)),
            feature_names=feature_names(first),
            row_names=row_names(first, range(len(cells))),
            n_samples=table.shape[0],
        )

    def plot(
        self: Self,
        ax: "Axes | None" = None,
        *,
        n_columns: int = 12,
        cmap: str = "gray_r",
    ) -> Self:
        """Draw the rows and their reconstructions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        n_columns : int, default=12
            How many columns of a table to draw: those restored worst in these rows, in
            the order of the table.
        cmap : str, default="gray_r"
            Colours of grey images; the same value has the same colour in all of them.

        Returns
        -------
        display : ReconstructionDisplay
            Itself.
        """
        check_count("n_columns", n_columns)
        if self.image_shape is None:
            self._plot_table(ax, n_columns)
        else:
            self._plot_images(ax, cmap)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, ax, cmap):
        originals = as_images(self.originals, self.image_shape)
        restored = as_images(self.reconstructions, self.image_shape)
        limits = value_range(originals)
        rows = [
            ImageRow("original", originals, limits, cmap),
            ImageRow("reconstruction", restored, limits, cmap),
        ]
        self.ax_ = draw_image_rows(ax, rows, "ReconstructionDisplay.plot")
        self._write_note(*self._drawn_rows(len(originals)))

    def _plot_table(self, ax, n_columns):
        grid, n_features = self._grid(n_columns)
        self.ax_ = take_axes(ax, cell_grid_size(grid), "ReconstructionDisplay.plot")
        draw_cell_grid(self.ax_, grid)
        for line in range(2, len(grid.texts), 2):
            self.ax_.axhline(line, color=note_colour(), lw=0.8)
        for label in self.ax_.get_yticklabels()[1::2]:
            label.set_color(note_colour())
        n_drawn, notes = len(grid.column_names), self._drawn_rows(len(grid.texts) // 2)
        if n_drawn < n_features:
            notes.append(
                f"the {n_drawn} of {n_features} columns restored worst in these rows"
            )
        self._write_note(*notes)

    def _drawn_rows(self, n_drawn):
        """Return in words how many of how many rows are drawn, if not all are."""
        if self.n_samples is None or n_drawn >= self.n_samples:
            return []
        return [f"the first {n_drawn} of {self.n_samples:,} rows"]

    def _write_note(self, *notes):
        """Write below the picture what it leaves out."""
        self.ax_.set_xlabel("; ".join(notes), fontsize=8, color=note_colour())
        self.ax_.xaxis.set_label_position("bottom")

    def _grid(self, n_columns):
        """Return the cells to draw, and how many columns there are in all."""
        table, restored = as_rows(self.originals), as_rows(self.reconstructions)
        cells, restored = table.cells(), restored.cells()
        errors = self.errors
        if errors is None:
            errors = cell_errors(cells, restored, spreads_of(table))
        errors = np.minimum(errors, FULL_COLOUR_DEVIATIONS)
        order = np.argsort(-np.nansum(errors, axis=0), kind="stable")
        columns = np.sort(order[:n_columns])
        names, titles = self.feature_names, self.row_names
        names = feature_names(table) if names is None else names
        titles = row_names(table, range(len(cells))) if titles is None else titles
        # The original of a row has no colour, its reconstruction stands under it.
        wrong = np.full((2 * len(cells), len(columns)), np.nan)
        wrong[1::2] = errors[:, columns]
        pairs = np.stack([cells[:, columns], restored[:, columns]], axis=1)
        grid = CellGrid(
            [[cell_text(cell) for cell in row] for pair in pairs for row in pair],
            wrong,
            [shortened(names[i], 20) for i in columns],
            [name for title in titles for name in (title, "restored")],
            FULL_COLOUR_DEVIATIONS,
            "standard deviations off\n(full colour: wrong category)",
            {0: "0", 1: "1", FULL_COLOUR_DEVIATIONS: "≥ 2"},
        )
        return grid, cells.shape[1]
