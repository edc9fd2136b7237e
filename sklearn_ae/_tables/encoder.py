"""TableEncoder: the one owner of what is known of the user's table."""

from collections import Counter
from copy import copy, deepcopy
from functools import cache
from math import prod

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from sklearn_ae._isolation import isolated
from sklearn_ae._tables.array_table import ArrayTable
from sklearn_ae._tables.categories import (
    Categories,
    CodedTable,
    check_numeric_columns,
    find_categorical,
)
from sklearn_ae._tables.reading import (
    as_table,
    blocks_of_rows,
    check_cells,
    is_mapped,
)
from sklearn_ae._tables.restoring import make_form
from sklearn_ae._tables.sampling import sample_rows
from sklearn_ae._tables.scaling import Scaler
from sklearn_ae._tables.source_rows import SourceRows
from sklearn_ae._tables.sources import SourceTable, StoredRows
from sklearn_ae._tables.table import naming, to_numbers

# Cells of an array that a message shows.
SHOWN_CELLS = 10


class TableEncoder:
    """From the user's table to float32 rows, and back.

    Rows of the user are checked first, which gives *checked rows*: an array, a
    memory-mapped array, a CSR matrix, or, where there are categories, a
    :class:`~sklearn_ae._tables.categories.CodedTable`. From these, blocks of rows are
    taken, and scaled by `transform`.

    Parameters
    ----------
    scaling : {"auto", "standard", "minmax", "quantile", "robust", None}, default="auto"
        How numeric columns are scaled, see :class:`~sklearn_ae.AutoencoderTransformer`.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns are categorical.
    max_categories : int or None, default=100
        Most categories of a column.
    find_image_shape : callable, default=None
        Takes the number of columns, and the shape of the images of an array of more
        than two dimensions or `None`, and returns (channels, height, width). `None`:
        rows are no images.
    owner : str, default="AutoencoderTransformer"
        Name of the estimator in use, which errors and warnings show.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X is a frame whose column names are all strings.
    is_categorical_ : bool ndarray of shape (n_features_in_,)
        Which columns are categorical.
    image_shape_ : (int, int, int)
        Channels, height and width of the images, if rows are images.
    form_ : ArrayForm, PandasForm or PolarsForm
        Makes tables of the user's kind.
    scaling_ : {"common", "standard", "minmax", "quantile", "robust", None}
        How numeric columns are scaled; "auto" becomes one of the first two.
    """

    def __init__(
        self,
        *,
        scaling="auto",
        categorical_features="from_dtype",
        max_categories=100,
        find_image_shape=None,
        owner="AutoencoderTransformer",
    ):
        self.scaling = scaling
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.find_image_shape = find_image_shape
        self.owner = owner

    @isolated
    def check(self, X, *, reset=False, unknown=np.nan):
        """Return checked rows.

        Infinite cells are found where blocks of rows are read, not here: a pass over a
        large file takes minutes.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe, Table} of shape (n_rows, n_columns)
        reset : bool, default=False
            Whether to learn the columns from X, instead of comparing them with those
            that are known.
        unknown : float, default=NaN
            Code of categories that were not seen in `fit`, unless these count as
            infrequent ones.

        Returns
        -------
        rows : {ndarray, memmap, CSR matrix, CodedTable, SourceRows} of shape \
                (n_rows, n_columns)

        Raises
        ------
        TypeError, ValueError
            If X cannot be used, in scikit-learn's wording.
        """
        if not reset and self._is_plain(X):
            return X
        with naming(self.owner):
            return self._check(X, reset, unknown)

    def as_table(self, X):
        """Return X as a table; a source may have further columns, such as keys."""
        table = as_table(X)
        return table.project(self.names) if isinstance(table, SourceTable) else table

    def _check(self, X, reset, unknown):
        given = as_table(X) if reset else self.as_table(X)
        table = self._check_columns(given, reset)
        if reset:
            self._learn_columns(table, given)
        else:
            numeric = np.flatnonzero(~self.is_categorical_).tolist()
            check_numeric_columns(table, numeric, self.names, self.has_observed_)
        if isinstance(table, SourceTable):
            return SourceRows(table, self._categories, unknown, self.owner)
        if not self.is_categorical_.any():
            return self._as_numbers(table)
        if sparse.issparse(table.X):
            raise TypeError(
                f"Sparse data was passed to {self.owner}, but categorical columns need "
                "a dense table. Use '.toarray()' to convert to a dense numpy array."
            )
        return CodedTable(table, self._categories, unknown, self.owner)

    def _is_plain(self, X):
        """Whether X is an array of numbers that needs no further look.

        For one row, scikit-learn's validation takes longer than the network.
        """
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype.char in "fd"
            and X.shape[0] > 0
            and X.shape[1] == self.n_features_in_
            and self.names is None
            and self._categories is None
        )

    def _check_columns(self, table, reset):
        """Return a table whose shape and names scikit-learn has checked."""
        X = table.X
        if self.find_image_shape is not None:
            X = self._flatten(X, reset)
        owner = _owner_class(self.owner)()
        if not reset:
            self.describe_to(owner)
        if table.is_frame:
            check_frame(table, self.owner)
            validate_data(owner, X, reset=reset, skip_check_array=True)
        else:
            # scikit-learn's messages show arrays of up to 1,000 cells.
            with np.printoptions(threshold=SHOWN_CELLS):
                checked = validate_data(
                    owner,
                    X,
                    accept_sparse="csr",
                    dtype=None,
                    ensure_all_finite=False,
                    reset=reset,
                )
            table = ArrayTable(X if is_mapped(X) else checked)
        if reset:
            self.n_features_in_ = owner.n_features_in_
            vars(self).pop("feature_names_in_", None)
            if hasattr(owner, "feature_names_in_"):
                self.feature_names_in_ = owner.feature_names_in_
        return table

    def _learn_columns(self, table, given):
        """Learn which columns are categorical, and the form of the table as given."""
        self.is_categorical_ = find_categorical(
            table, self.categorical_features, self.owner
        )
        self._categories = None
        if self.is_categorical_.any():
            self._categories = Categories(
                self.is_categorical_, self.max_categories, self.names
            )
        self._form = given.form()
        if self.find_image_shape is not None:
            self._learn_image_shape(getattr(given.X, "shape", ()))

    def _as_numbers(self, table):
        X = table.X
        if table.is_frame:
            X = check_array(
                table.readable(),
                dtype=None,
                ensure_all_finite=False,
                estimator=self.owner,
            )
        return to_numbers(X, self.names)

    def _flatten(self, X, reset):
        """Return images as rows of pixels."""
        if getattr(X, "ndim", 2) < 3:
            return X
        if X.ndim > 4:
            raise ValueError(
                f"Found array with dim {X.ndim}, of shape {tuple(X.shape)}, while "
                "Convolutional takes X of shape (n_samples, n_pixels), (n_samples, "
                "height, width) or (n_samples, channels, height, width)."
            )
        if not reset and _image_shape(X.shape) != self.image_shape_:
            raise ValueError(
                f"X has images of shape {_image_shape(X.shape)}, but those seen in fit "
                f"had {self.image_shape_} (channels, height, width)."
            )
        return X.reshape(len(X), prod(X.shape[1:]))

    def _learn_image_shape(self, shape):
        """Learn the shape of the images that the rows are."""
        if self.is_categorical_.any():
            raise ValueError(
                "Convolutional takes the pixels of images, and X has columns of "
                "categories or booleans, the first of them column "
                f"{self.is_categorical_.argmax()}. With categorical_features=None, "
                "booleans are numbers."
            )
        given = _image_shape(shape) if len(shape) > 2 else None
        self.image_shape_ = self.find_image_shape(self.n_features_in_, given)

    @isolated
    def fit(self, rows, sample_weight=None):
        """Learn categories and scale.

        Parameters
        ----------
        rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
            As `check` returns them with ``reset=True``.
        sample_weight : ndarray of shape (n_rows,), default=None

        Returns
        -------
        self : TableEncoder

        Raises
        ------
        ValueError
            If values of categories hardly repeat, a cell is infinite, or all are
            missing.
        """
        self._scaler = Scaler(self.scaling, self.is_categorical_)
        with naming(self.owner):
            if isinstance(rows, SourceRows):
                rows = rows.first_pass(sample_weight)
                self._scaler.fit(rows, sample_weight, self.names)
                if self._categories is not None:
                    self._categories.fit_counted(rows.count)
            else:
                if self._categories is not None:
                    self._categories.fit(rows.table, sample_weight)
                self._scaler.fit(rows, sample_weight, self.names)
        if not self._scaler.has_observed_.any():
            raise ValueError(
                f"X has no observed cell: all of them are missing. {self.owner} needs "
                "at least one."
            )
        return self

    def make_robust(self, rows, sample_weight=None):
        """Let columns have a robust scale instead of the standard one.

        The result is that of `fit` with ``scaling="robust"``, without a pass over all
        rows.

        Parameters
        ----------
        rows, sample_weight
            As for `fit`, which was called with ``scaling="auto"`` before, or stored.
        """
        with naming(self.owner):
            self.scaling = "robust"
            self._scaler.make_robust(rows, sample_weight)

    def store(self, rows, sample_weight=None):
        """Return rows of a source, scaled, in a temporary file; others as they are.

        Parameters
        ----------
        rows : {ndarray, memmap, CSR matrix, CodedTable, SourceRows} of shape \
                (n_rows, n_columns)
            Checked.
        sample_weight : ndarray of shape (n_rows,), default=None
        """
        if not isinstance(rows, SourceRows):
            return rows
        return rows.store(self.transform, sample_weight)

    def check_cells(self, rows):
        """Refuse cells that no block of rows may hold; `fit` does so, too.

        What reads only some of the rows does not depend on which these are then.

        Parameters
        ----------
        rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
            Checked.

        Raises
        ------
        TypeError, ValueError
            If a cell is infinite, or neither a number nor a category where others are.
        """
        with naming(self.owner):
            for _, block in blocks_of_rows(rows):
                check_cells(block, self.names)

    def updated(self, rows, sample_weight=None):
        """Return an encoder whose scale has learnt further rows; this one stays."""
        with naming(self.owner):
            return self._with_scaler(
                deepcopy(self._scaler).partial_fit(rows, sample_weight)
            )

    def extended(self, rows):
        """Return an encoder that knows of missing cells in further rows, too.

        The scale stays, and so does this encoder.
        """
        with naming(self.owner):
            return self._with_scaler(deepcopy(self._scaler).note_missing(rows))

    def _with_scaler(self, scaler):
        encoder = copy(self)
        encoder._scaler = scaler
        return encoder

    def owned_by(self, owner):
        """Return the same encoder for another estimator, whose name messages show."""
        encoder = copy(self)
        encoder.owner = owner
        return encoder

    def describe_to(self, estimator):
        """Set the attributes of an estimator that tell the columns it was fitted on."""
        estimator.n_features_in_ = self.n_features_in_
        vars(estimator).pop("feature_names_in_", None)
        if self.names is not None:
            estimator.feature_names_in_ = self.feature_names_in_

    @property
    def form_(self):
        """Makes tables of the user's kind."""
        self._form = make_form(self._form)
        return self._form

    @property
    def names(self):
        """Names of the columns, `None` if they have none."""
        return getattr(self, "feature_names_in_", None)

    @property
    def layout_(self):
        """Where columns stand in a network, `None` if all are numeric."""
        return None if self._categories is None else self._categories.layout_

    @property
    def scaling_(self):
        """How numeric columns are scaled."""
        return self._scaler.scaling_

    @property
    def has_missing_(self):
        """Which columns have had missing cells."""
        return self._scaler.has_missing_

    @property
    def has_observed_(self):
        """Which columns have had observed cells."""
        return self._scaler.has_observed_

    @property
    def has_indicator_(self):
        """Which columns had missing cells in `fit`: a network has an input for each."""
        return self._scaler.has_indicator_

    @isolated
    def transform(self, block, out=None):
        """Return rows as a float32 ndarray of scaled numbers and codes.

        Parameters
        ----------
        block : {ndarray, sparse matrix} of shape (n_rows, n_columns)
            Some of the rows that `check` returned.
        out : float32 ndarray of shape (n_rows, n_columns), default=None
            Written to instead of a new array.

        Returns
        -------
        scaled : float32 ndarray of shape (n_rows, n_columns)
            Missing cells are `NaN`.
        """
        if isinstance(block, StoredRows):
            return np.array(block)
        with naming(self.owner):
            return self._scaler.transform(block, out)

    def cells_near(self, rows, sample_weight, scaled):
        """Return cells of some rows, in original units, that scale to given values.

        Parameters
        ----------
        rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
            Checked.
        sample_weight : ndarray of shape (n_rows,), or None
        scaled : ndarray of shape (n_values, n_numbers)
            Of the numeric columns, ascending; `NaN` in columns without observed cells.

        Returns
        -------
        cells : float64 ndarray of shape (n_values, n_numbers)
            Those that come nearest, ascending.
        """
        is_number = ~self.is_categorical_
        sample = sample_rows(rows, sample_weight)
        candidates = self.transform(sample)[:, is_number]
        cells = np.full(scaled.shape, np.nan)
        for column, values in enumerate(sample[:, is_number].T):
            observed = np.flatnonzero(~np.isnan(values))
            if len(observed):
                order = observed[np.argsort(values[observed])]
                indices = _nearest(candidates[order, column], scaled[:, column])
                cells[:, column] = values[order[indices]]
        return cells

    @isolated
    def inverse_transform(self, values, like=None, among=None):
        """Return scaled rows in original units, in the form of the table of `fit`.

        Parameters
        ----------
        values : float32 ndarray of shape (n_rows, n_columns)
        like : object, default=None
            A frame of pandas lends its index.
        among : float64 ndarray of shape (n_values, n_numbers), default=None
            Values of each numeric column, ascending, to the nearest of which its
            numbers are rounded.

        Returns
        -------
        X : {ndarray, dataframe} of shape (n_rows, n_columns)
        """
        values = self._scaler.inverse_transform(values)
        if among is not None:
            for i, column in enumerate(np.flatnonzero(~self.is_categorical_)):
                nearest = _nearest(among[:, i], values[:, column])
                values[:, column] = among[nearest, i]
        return self.form_.wrap(values, like, self._levels)

    @property
    def _levels(self):
        """What the codes in each categorical column stand for."""
        return {} if self._categories is None else self._categories.levels_

    def categories(self):
        """Return what is known of each categorical column, as `Categories.columns`."""
        return [] if self._categories is None else self._categories.columns()

    def frame_of(self, columns):
        """Return columns of cells, by their names, as a table that `check` takes."""
        if self.names is not None:
            return pd.DataFrame(columns)
        return np.column_stack([cells.astype(object) for cells in columns.values()])

    def scale(self):
        """Return the numbers with which columns are scaled, by their names."""
        return self._scaler.numbers()

    def quantiles(self):
        """Return what columns are ranked by, None if they are scaled by numbers."""
        return self._scaler.quantiles()

    def fill(self, table, missing, values, kept):
        """Return a copy of a table with values in place of missing cells.

        Parameters
        ----------
        table : Table
            As the user has it.
        missing : bool ndarray of shape (n_rows, n_columns)
        values : float32 ndarray of shape (n_chosen, n_columns)
            Scaled rows without missing cells, of those rows that have some.
        kept : bool ndarray of shape (n_columns,)
            The columns to return.

        Returns
        -------
        X : {ndarray, dataframe} of shape (n_rows, n_kept)
        """
        X, missing = table.select(kept), missing[:, kept]
        rows = missing.any(axis=1)
        if not rows.any():
            return X
        values = self._scaler.inverse_transform(values)[:, kept]
        columns = np.flatnonzero(kept).tolist()
        levels = {
            i: self._levels[column]
            for i, column in enumerate(columns)
            if column in self._levels
        }
        dtypes = None
        if type(self.form_) is type(table.form()) and table.is_frame:
            dtypes = [self.form_.dtypes[column] for column in columns]
        return as_table(X).fill(missing, rows, values, levels, dtypes)


def check_frame(table, owner):
    """Refuse a frame without rows or columns, or with column names that repeat.

    Parameters
    ----------
    table : Table
    owner : str
        Name of the estimator in use, for the message.
    """
    # A frame of polars without columns has no rows either.
    for n_found, what in zip(table.shape[::-1], ("feature", "sample"), strict=True):
        if n_found == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={table.shape}) while a minimum "
                f"of 1 is required by {owner}."
            )
    repeated = [name for name, n in Counter(table.names).items() if n > 1]
    if repeated:
        raise ValueError(
            f"{owner} takes columns with unique names. Got {repeated} more than once. "
            "Rename these columns, or drop all but one of each name."
        )


def take_rows(rows, indices):
    """Return some of the rows that `TableEncoder.check` returned, to be read in blocks.

    Parameters
    ----------
    rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
    indices : ndarray of int, or bool ndarray of shape (n_rows,)
    """
    if not isinstance(rows, CodedTable):
        return rows[indices]
    part = as_table(rows.table.take(indices))
    return CodedTable(part, rows.categories, rows.unknown, rows.owner)


def _nearest(ascending, values):
    """Return the indices of the nearest of some numbers, the first of equal ones."""
    right = np.searchsorted(ascending, values).clip(1, max(1, len(ascending) - 1))
    left = right - 1
    right = np.minimum(right, len(ascending) - 1)
    is_left = values - ascending[left] <= ascending[right] - values
    return np.where(is_left, left, right)


@cache
def _owner_class(name):
    """Return a class with a name, which scikit-learn's checks take from the class."""
    return type(name, (BaseEstimator,), {})


def _image_shape(shape):
    """Return (channels, height, width) of an array of images of some shape."""
    return (1, *shape[1:])[-3:]
