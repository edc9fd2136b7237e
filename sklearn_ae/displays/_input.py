"""What displays take from estimators, tables, images and labels."""

from math import prod
from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._tables import reading
from sklearn_ae._tables.table import NUMBER, to_numbers
from sklearn_ae.displays._drawing import short_number, shortened

# More rows than these say nothing new about how wide a column is.
SPREAD_ROWS = 10_000
# Whole numbers with more distinct values than these are amounts, not classes.
MOST_CLASSES = 20
NO_CELL = "\N{EN DASH}"


def as_table(X, name="X"):
    """Return X as a 2-D array, sparse matrix or frame; images become rows of pixels.

    Raises
    ------
    ValueError
        If X has no rows or only one dimension.
    """
    table = reading.as_table(X)
    X = table.X
    if not table.is_frame and not sparse.issparse(X):
        X = np.asarray(X)
        if X.ndim < 2:
            raise ValueError(
                f"{name} must hold rows, in two dimensions, or images, in three or "
                f"four. Got an array of shape {X.shape}."
            )
        X = X.reshape(len(X), prod(X.shape[1:]))
    if X.shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
            "required."
        )
    return X.tocsr() if sparse.issparse(X) else X


def shape_of_images(X, estimator=None):
    """Return the shape of the images in X, which X or an estimator tells, or None."""
    shape = getattr(X, "shape", None) or ()
    if len(shape) in (3, 4):
        return tuple(shape[1:])
    return fitted_shape(estimator, "image_shape_", as_table(X).shape[1])


def take(X, rows):
    """Return the rows at some positions of what `as_table` returned."""
    return reading.as_table(X).take(rows)


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
    """Refuse what is no number of things to draw.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1. Got {value!r}.")


def feature_names(X):
    """Return the names of the columns of a frame, else their numbers."""
    return [str(name) for name in reading.as_table(X).names]


def row_names(X, rows):
    """Return the labels of some rows of a pandas frame, else their positions."""
    labels = reading.as_table(X).row_labels()
    if labels is not None:
        return [shortened(labels[row], 16) for row in rows]
    return [f"row {row}" for row in rows]


def cells_of(X):
    """Return the cells of a table as objects, `None` where one is missing.

    Returns
    -------
    cells : object ndarray of shape (n_rows, n_columns)
    """
    return reading.as_table(X).cells()


def cell_text(cell, length=14):
    """Return a short text for a cell."""
    if cell is None:
        return NO_CELL
    if isinstance(cell, (bool, np.bool_, str)):
        return shortened(cell, length)
    try:
        return short_number(float(cell))
    except (TypeError, ValueError):
        return shortened(cell, length)


def spreads_of(X, is_categorical=None):
    """Return the standard deviation of each column of numbers, `NaN` for others.

    Parameters
    ----------
    X : table
        As `as_table` returns it.
    is_categorical : bool ndarray of shape (n_columns,), default=None
        Columns that hold categories; `None` goes by what is in them.

    Returns
    -------
    spreads : float64 ndarray of shape (n_columns,)
        Where all cells are alike, their size takes the place of their deviation.
    """
    if sparse.issparse(X):
        mean, variance = mean_variance_axis(X.astype(np.float64), axis=0)
        spreads = np.sqrt(variance)
        return np.where(spreads > 0, spreads, np.where(mean == 0, 1, abs(mean)))
    table = reading.as_table(X)
    kinds = table.kinds()
    spreads = np.full(X.shape[1], np.nan)
    rows = slice(None, None, max(1, X.shape[0] // SPREAD_ROWS))
    for i, kind in enumerate(kinds):
        if kind != NUMBER or (is_categorical is not None and is_categorical[i]):
            continue
        cells = table.numbers(i, rows)
        cells = cells[np.isfinite(cells)]
        spread = cells.std() if len(cells) else 0.0
        size = abs(cells[0]) if len(cells) else 0.0
        spreads[i] = spread if spread > 1e-12 * size else size or 1.0
    return spreads


def cell_errors(cells, restored, spreads):
    """Return how far off restored cells are.

    Parameters
    ----------
    cells, restored : object ndarray of shape (n_rows, n_columns)
        As `cells_of` returns them.
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
        here, there = cells[rows, j], restored[rows, j]
        if np.isnan(spread):
            errors[rows, j] = np.where(here == there, 0.0, np.inf)
        else:
            errors[rows, j] = abs(here.astype(float) - there.astype(float)) / spread
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
    X : table
        As `as_table` returns it.
    image_shape : tuple of int

    Returns
    -------
    images : float64 ndarray of shape (n_rows, channels, height, width)

    Raises
    ------
    ValueError
        If the shape does not fit the columns, or has neither 1, 3 nor 4 channels.
    """
    shape = as_image_shape(image_shape)
    if prod(shape) != X.shape[1]:
        raise ValueError(
            f"image_shape={image_shape} needs one column per pixel, "
            f"{prod(shape)} in all. Got X with {X.shape[1]} columns."
        )
    if shape[0] not in (1, 3, 4):
        raise ValueError(
            "Images have 1 channel (grey), 3 (red, green, blue) or 4 (and opacity). "
            f"Got image_shape={image_shape}."
        )
    return as_numbers(X).reshape(-1, *shape)


def as_numbers(X):
    """Return a table of numbers as float64, missing cells as `NaN`."""
    X = cells_of(X) if reading.as_table(X).is_frame else X
    X = X.toarray() if sparse.issparse(X) else X
    return to_numbers(X).astype(np.float64)


def parts_of(estimator):
    """Return the fitted estimators inside of one, that of the results first.

    A search holds its best estimator, a pipeline its steps, a predictor its
    autoencoder.
    """
    pairs = [(s, getattr(s, "autoencoder_", None)) for s in reversed(_steps(estimator))]
    return [part for pair in pairs for part in pair if part is not None]


def _steps(estimator):
    estimator = getattr(estimator, "best_estimator_", estimator)
    return [step for _, step in getattr(estimator, "steps", [(None, estimator)])]


def fitted_shape(estimator, name, n_columns):
    """Return the first shape of images or maps in an estimator that fits, or None."""
    shapes = (getattr(part, name, None) or () for part in parts_of(estimator))
    fit = (each for each in shapes if len(each) > 1 and prod(each) == n_columns)
    return next(fit, None)


def transformer_of(estimator, method):
    """Return what comes before the predictions of a fitted estimator.

    An autoencoder may be inside of the predictor, or be one of the steps before it.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If nothing in it has the method.
    """
    check_is_fitted(estimator)
    *before, last = _steps(estimator)
    inner = getattr(last, "autoencoder_", None)
    if inner is not None and not hasattr(last, method):
        last = inner
    is_predictor = inner is None and hasattr(last, "predict")
    steps = before if before and is_predictor else [*before, last]
    found = make_pipeline(*steps) if len(steps) > 1 else steps[0]
    if not hasattr(found, method):
        raise TypeError(f"An estimator with {method} is needed. Got {estimator!r}.")
    return found


def reconstruct(estimator, X):
    """Return what an autoencoder, or any transformer and its inverse, makes of rows."""
    if hasattr(estimator, "reconstruct"):
        return estimator.reconstruct(X)
    return estimator.inverse_transform(estimator.transform(X))


def as_codes(codes):
    """Return codes as a float64 array of shape (n_rows, n_components)."""
    return as_finite(as_numbers(as_table(codes, "codes")), "codes", 2)


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


class Labels(NamedTuple):
    """Classes or amounts of rows.

    Of classes, `values` holds the number of each row's, -1 where it is missing. Else
    there are no `classes`, and it holds the amounts, `NaN` where they are missing or
    infinite.
    """

    values: np.ndarray
    classes: tuple
    name: str

    @property
    def missing(self):
        """Mask of the rows without a label."""
        return self.values < 0 if self.classes else np.isnan(self.values)


def as_labels(y, *, all_classes=False):
    """Return labels of any kind as `Labels`.

    Text, booleans, categories, and whole numbers with few distinct values are classes;
    other numbers are amounts, unless `all_classes`.

    Raises
    ------
    ValueError
        If y has more than one column.
    """
    name = getattr(y, "name", None)
    if hasattr(y, "columns") and y.shape[1] == 1:
        name = next(iter(y.columns))
        y = y[name]
    if not hasattr(y, "to_list"):
        y = reading.as_array(y)
    if not isinstance(y, pd.Series):
        cells = y.to_list() if hasattr(y, "to_list") else np.asarray(y)
        if not isinstance(cells, list):
            if cells.ndim != 1 and cells.shape[1:] != (1,):
                raise ValueError(
                    f"Labels must be one column. Got an array of shape {cells.shape}."
                )
            cells = cells.ravel().tolist()
        y = pd.Series(cells, dtype=object).infer_objects()
    name = "" if name is None else str(name)
    missing = np.asarray(y.isna())
    if not all_classes and _holds_amounts(y):
        amounts = y.to_numpy(np.float64, na_value=np.nan)
        return Labels(np.where(np.isfinite(amounts), amounts, np.nan), (), name)
    if isinstance(y.dtype, pd.CategoricalDtype):
        y = y.cat.remove_unused_categories()
        return Labels(y.cat.codes.to_numpy(int), _names(y.cat.categories), name)
    known = y[~missing].to_numpy(object)
    try:
        classes = sorted({*known})
    except TypeError:
        classes = sorted({*known}, key=str)
    number_of = {each: number for number, each in enumerate(classes)}
    values = np.full(len(y), -1)
    values[~missing] = [number_of[each] for each in known]
    return Labels(values, _names(classes) or ("",), name)


def _holds_amounts(y):
    types = pd.api.types
    if not types.is_numeric_dtype(y.dtype) or types.is_bool_dtype(y.dtype):
        return False
    known = y.dropna().to_numpy(np.float64)
    distinct = np.unique(known[np.isfinite(known)])
    return len(distinct) > MOST_CLASSES or bool((distinct % 1 != 0).any())


def _names(classes):
    return tuple(
        str(int(each))
        if isinstance(each, (float, np.floating)) and float(each).is_integer()
        else str(each)
        for each in classes
    )
