"""Categorical columns: which they are, and codes instead of their cells."""

from contextlib import contextmanager

import numpy as np
from sklearn.preprocessing import OrdinalEncoder

from sklearn_ae._tables.layout import Layout
from sklearn_ae._tables.reading import column_as_levels, column_as_numbers

# Up to so many categories, that hardly any of them repeats may be chance.
FEW_CATEGORIES = 20


def hardly_repeat(n_levels, n_observed):
    """Whether so many different values in so many cells are no categories."""
    return n_levels > max(FEW_CATEGORIES, n_observed / 2)


class Categories:
    """The categories of some columns of a table.

    Parameters
    ----------
    is_categorical : bool ndarray of shape (n_columns,)
    max_categories : int or None
        Most categories of a column. If there are more, the infrequent ones share one.
    names : sequence of str, default=None
        Names of the columns for messages.

    Attributes
    ----------
    encoders_ : dict of int to OrdinalEncoder
        One for each categorical column that has an observed cell.
    levels_ : dict of int to object ndarray of shape (n_categories,)
        The value that each code stands for: the most frequent one where several share
        a code.
    layout_ : Layout or None
        Where the columns stand in a network; `None` if all categories are missing.
    """

    def __init__(self, is_categorical, max_categories, names=None):
        self.is_categorical = is_categorical
        self.max_categories = max_categories
        self.names = range(len(is_categorical)) if names is None else list(names)

    def fit(self, X, sample_weight=None):
        """Learn the categories.

        Parameters
        ----------
        X : {ndarray, dataframe} of shape (n_rows, n_columns)
        sample_weight : ndarray of shape (n_rows,), default=None

        Raises
        ------
        TypeError
            If the cells of a column cannot be sorted.
        ValueError
            If they hardly repeat.
        """
        self.encoders_, self.levels_, shares = {}, {}, [None] * X.shape[1]
        rows = slice(None) if sample_weight is None else np.flatnonzero(sample_weight)
        weight = None if sample_weight is None else sample_weight[rows]
        for column in np.flatnonzero(self.is_categorical).tolist():
            with self._naming(column):
                levels, places = column_as_levels(X, column, rows)
                if len(levels):
                    shares[column] = self._fit_column(column, levels, places, weight)
        self.layout_ = Layout(tuple(shares)) if self.levels_ else None
        return self

    @contextmanager
    def _naming(self, column):
        """Name the column whose cells cannot be compared."""
        try:
            yield
        except TypeError as error:
            raise TypeError(
                f"Column {self.names[column]!r} holds values that cannot be "
                f"categories, such as text beside numbers, or lists: {error}. Make "
                "them one type that can be sorted, for example with astype(str)."
            ) from error

    def _fit_column(self, column, levels, places, weight):
        """Learn the categories of a column; return the share of each."""
        observed = places >= 0
        places = places[observed]
        self._check_repetition(column, len(levels), len(places))
        weights = np.bincount(places, None if weight is None else weight[observed])
        # Of equally frequent ones the order of the values decides, not that of rows.
        by_value = np.argsort(levels)
        levels, weights = levels[by_value], weights[by_value]
        order = np.argsort(weights, kind="stable")
        encoder = self._fit_encoder(levels[order])
        codes = encoder.transform(levels[:, None])[:, 0].astype(int)
        self.encoders_[column] = encoder
        self.levels_[column] = np.empty(codes.max() + 1, dtype=object)
        # The last one written stays: the one with the largest weight.
        self.levels_[column][codes[order]] = levels[order]
        return np.bincount(codes, weights) / weights.sum()

    def _fit_encoder(self, levels):
        """Return an encoder of categories, the most frequent one of which is last."""
        encoder = OrdinalEncoder(
            max_categories=self.max_categories,
            handle_unknown="use_encoded_value",
            unknown_value=-1,
        )
        # It counts rows, and knows no weights: so those to be kept come twice.
        kept = levels[1 - (self.max_categories or 1) :]
        return encoder.fit(np.concatenate([levels, kept])[:, None])

    def _check_repetition(self, column, n_levels, n_observed):
        if hardly_repeat(n_levels, n_observed):
            raise ValueError(
                f"Column {self.names[column]!r} holds {n_levels:,} different values in "
                f"{n_observed:,} observed cells, as identifiers and free text do: "
                "there is little to learn from values that hardly ever repeat. Drop "
                "the column, or make numbers or fewer categories of it."
            )

    def code(self, X, rows, unknown=np.nan):
        """Return some rows of a table as numbers, codes for categories.

        Parameters
        ----------
        X : {ndarray, dataframe} of shape (n_rows, n_columns)
        rows : slice or ndarray of int
        unknown : float, default=NaN
            Code of categories that were not there in `fit`, unless there are infrequent
            ones: it counts as one of them.

        Returns
        -------
        coded : float64 ndarray of shape (n_chosen, n_columns)
            `NaN` where a cell is missing, and `unknown` where it is.
        """
        columns = [
            self._code_column(X, column, rows, unknown)
            if self.is_categorical[column]
            else column_as_numbers(X, column, rows, self.names[column])
            for column in range(X.shape[1])
        ]
        return np.column_stack(columns)

    def _code_column(self, X, column, rows, unknown):
        with self._naming(column):
            levels, places = column_as_levels(X, column, rows)
        codes = np.full(len(levels) + 1, np.nan)
        if column in self.encoders_ and len(levels):
            encoder, n_codes = self.encoders_[column], len(self.levels_[column])
            codes[:-1] = encoder.transform(levels[:, None])[:, 0]
            if n_codes < len(encoder.categories_[0]):
                unknown = n_codes - 1
            codes[:-1][codes[:-1] < 0] = unknown
        return codes[places]


class CodedTable:
    """A table whose rows come as numbers when they are taken.

    A copy of the whole table would need more memory than the network does.

    Parameters
    ----------
    X : {ndarray, dataframe} of shape (n_rows, n_columns)
        Kept as `coded_from`.
    categories : Categories
        Fitted.
    unknown : float, default=NaN
        As in :meth:`Categories.code`.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, X, categories, unknown=np.nan):
        self.coded_from = X
        self.categories = categories
        self.unknown = unknown
        self.shape = X.shape
        self.size = X.shape[0] * X.shape[1]

    def __getitem__(self, rows):
        return self.categories.code(self.coded_from, rows, self.unknown)
