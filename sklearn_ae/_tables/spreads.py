"""How far numbers spread, also where some are far away, or very many equal."""

import numpy as np

# Distance of the quartiles of a normal distribution, in standard deviations.
QUARTILES_OF_NORMAL = 1.349


def root_mean_square(values):
    """Return the root of the mean square, also of numbers whose squares are none."""
    largest = values.max(initial=0.0)
    if not 0 < largest < np.inf:
        return largest
    return largest * np.sqrt(np.square(values / largest).mean())


def robust_center_and_scale(rows, fallback, least=0.0):
    """Return the median and the robust deviation of each column.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Missing cells are `NaN`; each column has other cells.
    fallback : ndarray of shape (n_columns,)
        Deviations for columns in which most cells are equal, so that the quartiles say
        nothing about the others.
    least : ndarray of shape (n_columns,), default=0.0
        Deviations that are not larger than this give way to the fallback.

    Returns
    -------
    center, scale : ndarray of shape (n_columns,)
        The median, and the distance of the quartiles in units of that of a normal
        distribution.
    """
    # Where there are no columns, NumPy gives no quartiles either.
    quartiles = np.nanquantile(rows, [0.25, 0.5, 0.75], axis=0).reshape(3, -1)
    scale = (quartiles[2] - quartiles[0]) / QUARTILES_OF_NORMAL
    return quartiles[1], np.where(scale > least, scale, fallback)
