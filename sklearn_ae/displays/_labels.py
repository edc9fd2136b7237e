"""Labels of rows: classes or continuous values, as `Labels` from any kind of y."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from sklearn_ae._tables.reading import as_column
from sklearn_ae._tables.table import DATE
from sklearn_ae.displays._drawing import CLASS_COLOURS

# Whole numbers with more distinct values than these are continuous, not classes.
MOST_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Labels:
    """Classes or continuous values of rows.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        The index of each row's class, -1 where it is missing, if there are `classes`.
        Otherwise numbers, `NaN` where they are missing or infinite; of dates, the days
        since 1970.
    classes : tuple of str
        Names of the classes; empty for continuous values.
    name : str
        Name of the column, "" if it has none.
    are_dates : bool
        Whether they are dates.
    are_ordered : bool
        Whether the classes have an order, as those of an ordered category have, and
        more whole numbers than there are colours of classes.
    """

    values: np.ndarray
    classes: tuple = ()
    name: str = ""
    are_dates: bool = False
    are_ordered: bool = False

    @property
    def missing(self):
        """Mask of the rows without a label."""
        return self.values < 0 if self.classes else np.isnan(self.values)

    def take(self, rows):
        """Return the labels of some rows, without classes that none of them has."""
        values = self.values[rows]
        if not self.classes:
            return Labels(values, (), self.name, self.are_dates)
        return _labels_of_classes(values, self.classes, self.name, self.are_ordered)


def as_labels(y, *, all_classes=False):
    """Return labels of any kind as `Labels`.

    Text, booleans, categories, and whole numbers with few distinct values are classes;
    other numbers and dates are continuous, unless `all_classes`.

    Raises
    ------
    ValueError
        If y has more than one column.
    """
    if isinstance(y, Labels):
        return y
    column, name = as_column(y)
    if not all_classes and column.kinds() == [DATE]:
        days = (column.dates(0) - np.datetime64(0, "us")) / np.timedelta64(1, "D")
        # Times of day and durations are classes.
        if not np.isnan(days).all():
            return Labels(days, (), name, are_dates=True)
    levels, indices = column.levels(0)
    categories = column.categories(0)
    if categories is None and not all_classes and _are_continuous(levels):
        values = column.numbers(0)
        return Labels(np.where(np.isfinite(values), values, np.nan), (), name)
    classes = _sorted_classes(levels, categories)
    class_of = {each: number for number, each in enumerate(classes)}
    # The last one is for rows without a label, whose index is -1.
    numbers = np.array([*(class_of[level] for level in levels), -1])
    many_numbers = len(classes) > len(CLASS_COLOURS) and _are_numbers(classes)
    are_ordered = column.is_ordered(0) or many_numbers
    return _labels_of_classes(numbers[indices], _names(classes), name, are_ordered)


def _are_continuous(levels):
    """Whether the distinct values of labels are numbers that stand for no classes."""
    if not _are_numbers(levels):
        return False
    distinct = levels.astype(np.float64)
    distinct = distinct[np.isfinite(distinct)]
    return len(distinct) > MOST_CLASSES or bool((distinct % 1 != 0).any())


def _are_numbers(levels):
    return all(isinstance(each, Real) and not _is_bool(each) for each in levels)


def _is_bool(value):
    return isinstance(value, (bool, np.bool_))


def _sorted_classes(levels, categories):
    """Return distinct values in the order of their categories, else sorted."""
    if categories is not None:
        found = {*levels}
        return [each for each in categories if each in found]
    try:
        return sorted(levels)
    except TypeError:
        return sorted(levels, key=str)


def _names(classes):
    """Return the names of classes; whole numbers have no decimal point."""
    return tuple(
        str(int(each))
        if isinstance(each, (float, np.floating)) and float(each).is_integer()
        else str(each)
        for each in classes
    )


def _labels_of_classes(values, classes, name, are_ordered=False):
    """Return labels with the classes that rows have, numbered in their order."""
    present = np.unique(values[values >= 0])
    values = np.where(values >= 0, np.searchsorted(present, values), -1)
    # Labels without any class would be continuous.
    names = tuple(classes[i] for i in present) or ("",)
    return Labels(values, names, name, are_ordered=are_ordered)
