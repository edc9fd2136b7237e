"""Rows and images that users pass to displays: checked, and as cells or numbers."""

from math import prod
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from sklearn_ae._tables.reading import as_table, dense
from sklearn_ae._tables.table import NUMBER, to_numbers
from sklearn_ae.displays._estimators import fitted_shape
from sklearn_ae.displays._text import shortened

# Rows that the spread of a column is taken from: more say nothing new about it.
SPREAD_ROWS = 10_000


def as_rows(X, name="X"):
    """Return X as a table with rows; images become rows of pixels.

    Returns
    -------
    table : Table
        Of an array, a sparse matrix in CSR form or a frame.

    Raises
    ------
    ValueError
        If X has no rows or only one dimension.
    """
    table = as_table(X)
    if sparse.issparse(table.X):
        table = as_table(table.X.tocsr())
    elif not table.is_frame:
        X = np.asarray(table.X)
        if X.ndim < 2:
            raise ValueError(
                f"{name} must hold rows, in two dimensions, or images, in three or "
                f"four. Got an array of shape {X.shape}."
            )
        table = as_table(X.reshape(len(X), prod(X.shape[1:])))
    if len(table) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={table.shape}) while a minimum of 1 "
            "is required."
        )
    return table


def first_rows(table, n_rows):
    """Return the first rows of a table as another one."""
    return as_table(table.take(np.arange(min(n_rows, len(table)))))


def shape_of_images(X, estimator=None):
    """Return the shape of the images in X, which X or an estimator tells, or None."""
    shape = getattr(X, "shape", None) or ()
    if len(shape) in (3, 4):
        return tuple(shape[1:])
    return fitted_shape(estimator, "image_shape_", as_rows(X).shape[1])


def check_same_rows(**tables):
    """Refuse tables with different numbers of rows.

    Raises
    ------
    ValueError
    """
    lengths = {
        name: table.shape[0] if hasattr(table, "shape") else len(table)
        for name, table in tables.items()
        if table is not None
    }
    if len({*lengths.values()}) > 1:
        names = ", ".join(lengths)
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[*lengths.values()]} ({names})."
        )


def check_count(name, value):
    """Refuse anything but a positive integer.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1. Got {value!r}.")


def feature_names(table):
    """Return the names of the columns of a frame, else their positions, as text."""
    return [str(name) for name in table.names]


def row_names(table, rows):
    """Return the labels of some rows of a pandas frame, else their positions."""
    labels = table.row_labels()
    if labels is None:
        return [f"row {row}" for row in rows]
    return [shortened(labels[row], 16) for row in rows]


def spreads_of(X, is_categorical=None):
    """Return the standard deviation of each column of numbers, `NaN` for others.

    Parameters
    ----------
    X : Table or what `as_table` takes
    is_categorical : bool ndarray of shape (n_columns,), default=None
        Columns of categories; `None` takes what `Table.kinds` says.

    Returns
    -------
    spreads : float64 ndarray of shape (n_columns,)
        Where all cells are alike, their size takes the place of their deviation.
    """
    table = as_table(X)
    if sparse.issparse(table.X):
        return _sparse_spreads(table.X)
    spreads = np.full(table.shape[1], np.nan)
    rows = slice(None, None, max(1, len(table) // SPREAD_ROWS))
    for i, kind in enumerate(table.kinds()):
        if kind == NUMBER and (is_categorical is None or not is_categorical[i]):
            spreads[i] = _spread(table.numbers(i, rows))
    return spreads


def _sparse_spreads(X):
    mean, variance = mean_variance_axis(X.astype(np.float64), axis=0)
    spreads = np.sqrt(variance)
    return np.where(spreads > 0, spreads, np.where(mean == 0, 1, abs(mean)))


def _spread(cells):
    """Return the standard deviation of numbers, or their size if all are alike."""
    cells = cells[np.isfinite(cells)]
    if not len(cells):
        return 1.0
    spread, size = cells.std(), abs(cells[0])
    return spread if spread > 1e-12 * size else size or 1.0


def cell_errors(cells, restored, spreads):
    """Return the reconstruction error of each cell.

    Parameters
    ----------
    cells, restored : object ndarray of shape (n_rows, n_columns)
        As `Table.cells` returns them.
    spreads : ndarray of shape (n_columns,)
        As `spreads_of` returns them.

    Returns
    -------
    errors : float64 ndarray of shape (n_rows, n_columns)
        Of numbers the difference in standard deviations; of categories infinity where
        they are wrong and else 0. `NaN` where the original or the restored cell is
        missing.
    """
    errors = np.full(cells.shape, np.nan)
    known = (cells != None) & (restored != None)  # noqa: E711
    for j, spread in enumerate(spreads):
        rows = known[:, j]
        before, after = cells[rows, j], restored[rows, j]
        if np.isnan(spread):
            errors[rows, j] = np.where(before == after, 0.0, np.inf)
        else:
            errors[rows, j] = abs(before.astype(float) - after.astype(float)) / spread
    return errors


def as_image_shape(shape, name="image_shape"):
    """Return (channels, height, width) of a shape with or without channels.

    Raises
    ------
    ValueError
        If it is none of an image.
    """
    sizes = tuple(np.atleast_1d(np.asarray(shape, dtype=object)).tolist())
    whole = all(
        isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in sizes
    )
    if len(sizes) not in (2, 3) or not whole:
        raise ValueError(
            f"{name} must be (height, width) or (channels, height, width), in "
            f"integers of at least 1. Got {shape!r}."
        )
    return sizes if len(sizes) == 3 else (1, *sizes)


def as_images(X, image_shape):
    """Return rows of pixels as images.

    Parameters
    ----------
    X : Table or what `as_rows` takes
    image_shape : tuple of int

    Returns
    -------
    images : float64 ndarray of shape (n_rows, channels, height, width)

    Raises
    ------
    ValueError
        If the shape does not fit the columns, or has neither 1, 3 nor 4 channels.
    """
    shape, table = as_image_shape(image_shape), as_rows(X)
    if prod(shape) != table.shape[1]:
        raise ValueError(
            f"image_shape={image_shape} needs one column per pixel, "
            f"{prod(shape)} in all. Got X with {table.shape[1]} columns."
        )
    if shape[0] not in (1, 3, 4):
        raise ValueError(
            "Images have 1 channel (grey), 3 (red, green, blue) or 4 (and opacity). "
            f"Got image_shape={image_shape}."
        )
    return as_numbers(table).reshape(-1, *shape)


def as_numbers(X, name="X"):
    """Return a table of numbers as float64, missing cells as `NaN`."""
    table = as_rows(X, name)
    cells = table.cells() if table.is_frame else dense(table.X)
    return to_numbers(cells).astype(np.float64)


def as_latents(codes):
    """Return latents as a float64 array of shape (n_rows, n_components)."""
    return as_finite(as_numbers(codes, "codes"), "codes", 2)


def as_finite(values, name, n_dimensions=1):
    """Return numbers as a float64 array.

    Raises
    ------
    ValueError
        If one is missing or infinite, or there are none.
    """
    values = np.asarray(values, dtype=np.float64)
    usable = values.ndim == n_dimensions and len(values) > 0
    if not (usable and np.isfinite(values).all()):
        raise ValueError(
            f"{name} must be finite numbers, at least one. Got an array of shape "
            f"{values.shape}{', some of it NaN or infinite' if usable else ''}."
        )
    return values
