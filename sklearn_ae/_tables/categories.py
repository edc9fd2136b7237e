"""Categorical columns: which they are, and codes instead of their cells."""

from contextlib import contextmanager
from datetime import datetime
from numbers import Number
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import OrdinalEncoder

from sklearn_ae._compat import did_you_mean
from sklearn_ae._document import documented
from sklearn_ae._tables.layout import Layout
from sklearn_ae._tables.sampling import count_copies
from sklearn_ae._tables.table import (
    BOOLEAN,
    CATEGORY,
    DATE,
    NUMBER,
    OTHER,
    naming,
)

# Up to so many categories, that hardly any of them repeats may be chance.
FEW_CATEGORIES = 20

# What columns hold that cannot be numbers, for messages.
_KINDS_IN_WORDS = {
    CATEGORY: "text or categories",
    DATE: "dates or times",
    OTHER: "what is neither a real number nor a category",
}

# What categories are, for messages: the first that applies, else their type.
_KINDS_OF_LEVELS = {
    "text": str,
    "complex numbers": (complex, np.complexfloating),
    "numbers": (Number, np.bool_),
    "dates with times": datetime,
}
# How to make values what the categories are.
_ADVICE = {
    "text": "Make text of them as it was, for example with astype(str).",
    "numbers": "Make numbers of them, for example with astype(float).",
}


def hardly_repeat(n_levels, n_observed):
    """Whether so many different values in so many cells are no categories."""
    return n_levels > max(FEW_CATEGORIES, n_observed / 2)


class CountedLevels(NamedTuple):
    """The distinct values of a column, and how often they occur."""

    levels: np.ndarray
    """The values, of shape (n_levels,)."""
    weights: np.ndarray
    """The summed weight of the rows with each of them."""
    n_observed: int
    """How many rows they come from."""


@documented
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

    def columns(self):
        """Return what was learnt of each column that has an observed cell.

        Returns
        -------
        columns : list of tuple
            Its position, its levels, their codes, and the level of each code.
        """
        columns = []
        for column, encoder in self.encoders_.items():
            levels = encoder.categories_[0]
            codes = encoder.transform(levels[:, None])[:, 0].astype(int).tolist()
            shown = [_index(levels, level) for level in self.levels_[column]]
            columns.append((column, levels.tolist(), codes, shown))
        return columns

    def _to_document(self, writer):
        columns = [
            (*learnt, self.layout_.shares[learnt[0]].tolist())
            for learnt in self.columns()
        ]
        most = self.max_categories
        return {
            "is_categorical": self.is_categorical,
            "max_categories": None if most is None else int(most),
            "columns": columns,
        }

    @classmethod
    def _from_document(cls, fields):
        categories = cls(
            fields.array("is_categorical", (None,), bool),
            fields.part("max_categories", int, type(None)),
        )
        categories.encoders_, categories.levels_ = {}, {}
        shares = [None] * len(categories.is_categorical)
        for column, *values in fields.parts("columns", tuple):
            is_new = type(column) is int and 0 <= column < len(shares)
            is_new = is_new and categories.is_categorical[column]
            fields.require(is_new and column not in categories.encoders_, "columns")
            fits = categories._set_column(column, *values)
            fields.require(fits, "columns")
            shares[column] = np.array(values[-1])
        categories.layout_ = Layout(tuple(shares)) if categories.levels_ else None
        return categories

    def _set_column(self, column, levels, codes, shown, shares):
        """Set what was learnt of a column; return whether its values fit together."""
        cells = np.empty(len(levels), dtype=object)
        for i, level in enumerate(levels):
            cells[i] = level
        codes, n_codes = np.array(codes), len(shown)
        # The infrequent ones share the last code, and come first.
        order = np.argsort(codes < n_codes - 1, kind="stable")
        encoder = self._fit_encoder(cells[order] if n_codes < len(cells) else cells)
        self.encoders_[column] = encoder
        self.levels_[column] = cells[shown]
        shares = np.array(shares)
        return (
            all(type(i) is int and 0 <= i < len(levels) for i in shown)
            and np.array_equal(encoder.categories_[0], cells)
            and np.array_equal(encoder.transform(cells[:, None])[:, 0], codes)
            and np.array_equal(codes[shown], np.arange(n_codes))
            and shares.shape == (n_codes,)
            and shares.dtype == np.float64
            and (shares >= 0).all()
            and abs(shares.sum() - 1) < 1e-6
        )

    def fit(self, table, sample_weight=None):
        """Learn the categories.

        Parameters
        ----------
        table : Table
        sample_weight : ndarray of shape (n_rows,), default=None

        Raises
        ------
        TypeError
            If the cells of a column cannot be sorted.
        ValueError
            If they hardly repeat.
        """
        rows = slice(None) if sample_weight is None else np.flatnonzero(sample_weight)
        weight = None if sample_weight is None else sample_weight[rows]
        copies = count_copies(weight)

        def count(column):
            levels, indices = table.levels(column, rows)
            observed = indices >= 0
            indices = indices[observed]
            weights = np.bincount(
                indices, None if weight is None else weight[observed], len(levels)
            )
            n_observed = len(indices) if copies is None else copies[observed].sum()
            return CountedLevels(levels, weights, n_observed)

        return self.fit_counted(count)

    def fit_counted(self, count):
        """Learn the categories from how often they occur.

        Parameters
        ----------
        count : callable
            Takes the index of a column, and returns its :class:`CountedLevels`.
        """
        self.encoders_, self.levels_ = {}, {}
        shares = [None] * len(self.is_categorical)
        for column in np.flatnonzero(self.is_categorical).tolist():
            with self.naming(column):
                counted = count(column)
                if len(counted.levels):
                    shares[column] = self._fit_column(column, *counted)
        self.layout_ = Layout(tuple(shares)) if self.levels_ else None
        return self

    @contextmanager
    def naming(self, column):
        """Name the column whose cells cannot be compared."""
        try:
            yield
        except TypeError as error:
            raise TypeError(
                f"Column {self.names[column]!r} holds values that cannot be "
                f"categories, such as text beside numbers, or lists: {error}. Make "
                "them one type that can be sorted, for example with astype(str)."
            ) from error

    def _fit_column(self, column, levels, weights, n_observed):
        """Learn the categories of a column; return the share of each."""
        self._check_repetition(column, len(levels), n_observed)
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

    def code(self, table, rows, unknown=np.nan):
        """Return some rows of a table as numbers, codes for categories.

        Parameters
        ----------
        table : Table
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
            self._code_column(table, column, rows, unknown)
            if self.is_categorical[column]
            else table.numbers(column, rows)
            for column in range(table.shape[1])
        ]
        return np.column_stack(columns)

    def _code_column(self, table, column, rows, unknown):
        with self.naming(column):
            levels, indices = table.levels(column, rows)
        codes = np.full(len(levels) + 1, np.nan)
        if column in self.encoders_ and len(levels):
            encoder, n_codes = self.encoders_[column], len(self.levels_[column])
            codes[:-1] = encoder.transform(levels[:, None])[:, 0]
            self._check_kind(column, levels[codes[:-1] < 0])
            if n_codes < len(encoder.categories_[0]):
                unknown = n_codes - 1
            codes[:-1][codes[:-1] < 0] = unknown
        return codes[indices]

    def _check_kind(self, column, unknown):
        """Refuse unknown values of another kind than the categories, as text for dates.

        Not one of them would equal a category, though some look alike.
        """
        was = _kind_in_words(self.encoders_[column].categories_[0][0])
        for level in unknown.tolist():
            now = _kind_in_words(level)
            if now != was:
                advice = _ADVICE.get(was, "Make them what they were, or fit again.")
                raise ValueError(
                    f"Column {self.names[column]!r} held categories of {was} in fit. "
                    f"Got {now}, such as {level!r}. {advice}"
                )


def _index(levels, level):
    """Return the index of the level that is the same object, or equals it."""
    return next(i for i, other in enumerate(levels) if other is level or other == level)


def _kind_in_words(level):
    """Return what a category is; those of different kinds never equal each other."""
    for words, classes in _KINDS_OF_LEVELS.items():
        if isinstance(level, classes):
            return words
    return f"type {type(level).__name__}"


class CodedTable:
    """A table whose rows come as numbers when they are taken.

    A copy of the whole table would need more memory than the network does.

    Parameters
    ----------
    table : Table
    categories : Categories
        Fitted before the first rows are taken.
    unknown : float, default=NaN
        As in :meth:`Categories.code`.
    owner : str, default="AutoencoderTransformer"
        Name of the estimator in use, for messages.
    """

    dtype = np.dtype(np.float64)

    def __init__(
        self, table, categories, unknown=np.nan, owner="AutoencoderTransformer"
    ):
        self.table = table
        self.categories = categories
        self.unknown = unknown
        self.owner = owner

    @property
    def coded_from(self):
        """The user's own array or frame."""
        return self.table.X

    @property
    def shape(self):
        """Number of rows and of columns."""
        return self.table.shape

    @property
    def size(self):
        """Number of cells."""
        return self.shape[0] * self.shape[1]

    def __getitem__(self, rows):
        with naming(self.owner):
            return self.categories.code(self.table, rows, self.unknown)


def find_categorical(table, wanted, owner):
    """Return a mask of the categorical columns; refuse those that cannot be used.

    Parameters
    ----------
    table : Table
    wanted : "from_dtype", array-like of bool, int or str, or None
        The parameter `categorical_features`.
    owner : str
        Name of the estimator in use, for the message.

    Raises
    ------
    ValueError
        If a column can be used neither as numbers nor as categories.
    """
    kinds = np.array(table.kinds())
    if isinstance(wanted, str):
        is_categorical = (kinds == CATEGORY) | (kinds == BOOLEAN)
    else:
        is_categorical = _chosen_columns([] if wanted is None else wanted, table)
    unusable = {
        (
            "dates or times. Make numbers of them, for example the days since a date, "
            "with a ColumnTransformer or skrub.TableVectorizer in front"
        ): kinds == DATE,
        "text or categories that categorical_features leaves out. Name them there": (
            (kinds == CATEGORY) & ~is_categorical
        ),
        "neither real numbers nor categories. Make numbers or text of them": (
            kinds == OTHER
        ),
    }
    reasons = [
        f"Columns {table.describe(chosen)} hold {reason}, or drop them."
        for reason, chosen in unusable.items()
        if chosen.any()
    ]
    if reasons:
        raise ValueError(
            f"{owner} takes columns of numbers and of categories. " + " ".join(reasons)
        )
    return is_categorical


def check_numeric_columns(table, columns, names, has_observed):
    """Refuse a table in which columns of numbers have become something else.

    Parameters
    ----------
    table : Table
    columns : list of int
        Those that counted as numeric in `fit`.
    names : sequence of str, or None
        Names of all columns in `fit`, if they had any.
    has_observed : bool ndarray of shape (n_columns,)
        Which columns had observed cells in `fit`.
    """
    for column, kind in zip(columns, table.kinds(columns), strict=True):
        if kind in (NUMBER, BOOLEAN):
            continue
        name = column if names is None else names[column]
        got = f"Got {_KINDS_IN_WORDS[kind]}"
        if table.dtypes is not None:
            got += f" of dtype {table.dtypes[column]}"
        if has_observed[column]:
            raise ValueError(
                f"Column {name!r} held numbers in fit. {got}. Make numbers of them, "
                "or fit again."
            )
        raise ValueError(
            f"Column {name!r} held no cell in fit, and counts as numeric. {got}. "
            "Drop the column, or start anew with rows in which it has cells."
        )


def _chosen_columns(wanted, table):
    """Return a mask of the columns that `categorical_features` names."""
    wanted, n_columns = np.asarray(wanted), table.shape[1]
    if wanted.size == 0:
        return np.zeros(n_columns, dtype=bool)
    if wanted.ndim != 1 or wanted.dtype.kind not in "biuOU":
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or an array-like of "
            f"bool, int or str. Got {wanted.tolist()!r}."
        )
    if wanted.dtype.kind == "b":
        if len(wanted) != n_columns:
            raise ValueError(
                "categorical_features as a boolean mask must have one entry for each "
                f"of the {n_columns} columns of X. Got {len(wanted)}."
            )
        return wanted
    mask = np.zeros(n_columns, dtype=bool)
    mask[_positions(wanted, table)] = True
    return mask


def _positions(wanted, table):
    """Return the positions of columns that are given as indices or names."""
    if wanted.dtype.kind in "iu":
        if wanted.min() < 0 or wanted.max() >= table.shape[1]:
            raise ValueError(
                "categorical_features as indices must be in [0, n_features - 1]. Got "
                f"{wanted.tolist()} with {table.shape[1]} columns."
            )
        return wanted
    if not table.is_frame:
        raise ValueError(
            "categorical_features can only be names where X is a frame. Give "
            f"indices or a mask. Got {wanted.tolist()!r}."
        )
    names = table.names
    for name in wanted.tolist():
        if name not in names:
            raise ValueError(
                f"categorical_features names the column {name!r}, which X does not "
                f"have.{did_you_mean(name, names)}"
            )
    return [names.index(name) for name in wanted.tolist()]
