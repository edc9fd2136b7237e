"""From numbers and codes to cells, as the columns of the user's table hold them."""

import re
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from sklearn_ae._tables.table import is_missing

# Types that numbers in columns of objects keep, and the classes of such objects.
CLASSES_OF_TYPES = {bool: (bool, np.bool_), int: Integral, Decimal: Decimal}


class NumberType:
    """The type of the numbers in a column of objects.

    Parameters
    ----------
    cells : object ndarray
        Missing ones among them.
    """

    def __init__(self, cells):
        cells = cells[~is_missing(cells)]
        types = {type(cell) for cell in cells}
        self.type, self.places = float, 0
        for number_type, classes in CLASSES_OF_TYPES.items():
            if types and all(issubclass(type_, classes) for type_ in types):
                self.type = number_type
                break
        if self.type is Decimal:
            # An infinite one has no digits; it is refused where the cells are read.
            finite = [cell for cell in cells if cell.is_finite()]
            self.places = max([0, *(-cell.as_tuple().exponent for cell in finite)])

    @classmethod
    def of(cls, number_type, places):
        """Return one of a known type and number of decimal places."""
        found = cls(np.empty(0, dtype=object))
        found.type, found.places = number_type, places
        return found

    def cast(self, values):
        """Return floats as objects of this type, rounded; `NaN` stays."""
        cells = [value if value != value else self._cast(value) for value in values]
        return np.array([*cells, None], dtype=object)[:-1]

    def _cast(self, value):
        if self.type is Decimal:
            return Decimal(f"{value:.{self.places}f}")
        if self.type is float:
            return float(value)
        return self.type(np.rint(value))


def number_types(objects, levels=()):
    """Return the type of the numbers in each column of objects.

    Parameters
    ----------
    objects : dict of int to object ndarray
        The cells of these columns.
    levels : collection of int, default=()
        Columns to leave out: those of categories.
    """
    return {i: NumberType(cells) for i, cells in objects.items() if i not in levels}


def decode(levels, codes):
    """Return the values that codes stand for, `NaN` for those that are `NaN`.

    Parameters
    ----------
    levels : object ndarray of shape (n_levels,)
    codes : float ndarray of shape (n_rows,)
    """
    missing = np.isnan(codes)
    return np.append(levels, np.nan)[np.where(missing, -1, codes).astype(int)]


def decode_array(values, levels, as_objects=False):
    """Return an array with codes replaced by what they stand for.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    levels : dict of int to object ndarray
        What the codes in each categorical column stand for.
    as_objects : bool, default=False
        Whether to return objects even where floats hold all categories.
    """
    if as_objects or not all(_are_floats(cells) for cells in levels.values()):
        values = values.astype(object)
    for column, cells in levels.items():
        values[:, column] = decode(cells, values[:, column].astype(float))
    return values


def decode_columns(values, levels, number_types, clip, dtypes):
    """Return each column as an array that can be cast to its dtype.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    levels : dict of int to object ndarray
        What the codes in each categorical column stand for.
    number_types : dict of int to NumberType
        What the other columns of objects hold.
    clip : callable
        Takes floats and a dtype, and returns what the dtype can hold.
    dtypes : list of dtype of pandas or polars
    """
    columns = []
    for i, dtype in enumerate(dtypes):
        if i in levels:
            columns.append(decode(levels[i], values[:, i]))
        elif i in number_types:
            columns.append(number_types[i].cast(values[:, i]))
        else:
            columns.append(clip(values[:, i], dtype))
    return columns


def floats_hold(objects, floats):
    """Whether floats made of objects are the same numbers where they are large.

    Parameters
    ----------
    objects : object ndarray
    floats : float64 ndarray of the same shape
    """
    # Floats skip integers from here on.
    large = (np.abs(floats) >= 2.0**53) & np.isfinite(floats)
    return _are_floats(objects[large])


def _are_floats(cells):
    """Whether floats hold all objects; text that reads as a number is none."""
    for cell in cells:
        # A comparison of NumPy's integers with floats would round them.
        value = cell.item() if isinstance(cell, np.generic) else cell
        if not isinstance(value, Real) or float(value) != value:
            return False
    return True


def clip_to_decimal(values, precision, scale):
    """Clip floats to what decimals of so many digits can hold; `NaN` stays."""
    # The next float64 is too large where the digits are more than a float64 has.
    limit = 10.0 ** (precision - scale)
    largest = min(limit - 10.0**-scale, np.nextafter(limit, 0))
    return np.clip(values, -largest, largest)


def clip_to_dtype(values, dtype):
    """Round and clip floats to what a dtype can hold; `NaN` stays.

    Parameters
    ----------
    values : ndarray of float
    dtype : dtype of NumPy or polars
    """
    name = getattr(dtype, "name", str(dtype)).lower()
    kind, bits = re.match(r"([a-z]*)(\d*)", name).groups()
    if kind.startswith("bool"):
        return np.clip(np.rint(values), 0, 1)
    if kind in ("int", "uint"):
        bits = int(bits) - (kind == "int")
        # The largest 64-bit integer is no float64, and the next float64 is too large.
        largest = min(2.0**bits - 1, np.nextafter(2.0**bits, 0))
        return np.clip(np.rint(values), -(2.0**bits) * (kind == "int"), largest)
    if kind == "null":
        return np.full(len(values), None)
    if kind == "float" and bits:
        largest = np.finfo(f"float{bits}").max
        return np.clip(values, -largest, largest)
    return values
