"""From numbers and codes to cells, as the columns of the user's table hold them."""

import re
from numbers import Real

import numpy as np


def decode(levels, codes):
    """Return the values that codes stand for, `NaN` for those that are `NaN`.

    Parameters
    ----------
    levels : object ndarray of shape (n_levels,)
    codes : float ndarray of shape (n_rows,)
    """
    missing = np.isnan(codes)
    return np.append(levels, np.nan)[np.where(missing, -1, codes).astype(int)]


def decode_array(values, levels):
    """Return an array with codes replaced by what they stand for.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    levels : dict of int to object ndarray
        What the codes in each categorical column stand for.
    """
    if not all(_are_numbers(cells) for cells in levels.values()):
        values = values.astype(object)
    for column, cells in levels.items():
        values[:, column] = decode(cells, values[:, column].astype(float))
    return values


def decode_columns(values, levels, dtypes):
    """Return each column as an array that can be cast to its dtype.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    levels : dict of int to object ndarray
        What the codes in each categorical column stand for.
    dtypes : list of dtype of pandas or polars
    """
    return [
        decode(levels[i], values[:, i])
        if i in levels
        else clip_to_dtype(values[:, i], dtype)
        for i, dtype in enumerate(dtypes)
    ]


def _are_numbers(cells):
    """Whether all objects are numbers; text that reads as one is not."""
    return all(isinstance(cell, (Real, np.bool_)) for cell in cells)


def clip_to_dtype(values, dtype):
    """Round and clip floats to what a dtype can hold; `NaN` stays.

    Parameters
    ----------
    values : ndarray of float
    dtype : dtype of NumPy, pandas or polars
    """
    kind, bits = re.match(r"([a-z]*)(\d*)", str(dtype).lower()).groups()
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
