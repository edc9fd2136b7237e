"""How many equal rows a weight stands for, and rows that stand for all others."""

import numpy as np

# Most equal rows that rows stand for, before their numbers are rounded up.
MOST_COPIES = 2**24


def count_copies(sample_weight):
    """Return how many equal rows each row stands for by its weight.

    Whole numbers say how often a row occurred, others only how much it counts. A table
    twice is the table: the numbers have no common divisor.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_rows,) or None

    Returns
    -------
    copies : int64 ndarray of shape (n_rows,) or None
        `None`: one each.
    """
    if sample_weight is None or (sample_weight != np.rint(sample_weight)).any():
        return None
    share = min(1.0, MOST_COPIES / sample_weight.sum())
    copies = np.ceil(share * sample_weight).astype(np.int64)
    return copies // np.gcd.reduce(copies)


def draw_in_steps(n_rows, shifts):
    """Return ascending indices, one drawn at random in each of many equal steps.

    So rows stand for all others whatever their order is, periodic or sorted, and a
    mapped file is read in order.

    Parameters
    ----------
    n_rows : int
    shifts : ndarray of shape (n_drawn,)
        Random numbers in [0, 1), no more than there are rows.
    """
    bounds = np.arange(len(shifts) + 1) * n_rows // len(shifts)
    return bounds[:-1] + (shifts * np.diff(bounds)).astype(np.int64)
