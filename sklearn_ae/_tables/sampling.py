"""How many equal rows a weight stands for, and rows that stand for all others."""

from math import ceil

import numpy as np

from sklearn_ae._tables.reading import dense, release_pages

# Most equal rows that rows stand for, before their numbers are rounded up.
MOST_COPIES = 2**24
# Most rows from which quantiles are estimated: scikit-learn's own default.
QUANTILE_ROWS = 10_000
# Most cells from which quantiles are estimated, where there are many columns.
QUANTILE_CELLS = 2**23


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


def draw_by_share(weight, shifts):
    """Return ascending indices, each as often as its share of the weight says.

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)
    shifts : ndarray of shape (n_drawn,)
        Where in each of so many equal steps of the weight a row is taken, in [0, 1).
    """
    ends = np.cumsum(weight)
    places = (np.arange(len(shifts)) + shifts) / len(shifts) * ends[-1]
    return np.searchsorted(ends, places, side="right").clip(max=len(weight) - 1)


def sample_indices(shape, sample_weight):
    """Return ascending indices of rows that stand for a table, in proportion to weight.

    Parameters
    ----------
    shape : (int, int)
        Number of rows and of columns.
    sample_weight : ndarray of shape (n_rows,) or None
    """
    n_rows = min(QUANTILE_ROWS, max(1000, QUANTILE_CELLS // shape[1]))
    # A seed of its own: the scale of a table does not depend on `random_state`.
    shifts = np.random.default_rng(0).random(n_rows)
    if sample_weight is not None:
        return _draw_by_weight(sample_weight, shifts)
    few = shape[0] <= n_rows
    return np.arange(shape[0]) if few else draw_in_steps(shape[0], shifts)


def sample_rows(X, sample_weight):
    """Return float64 rows that stand for a table, in proportion to weight."""
    sample = getattr(X, "sample", None)
    if sample is not None:
        # Gathered in a pass over all rows.
        return sample
    indices = sample_indices(X.shape, sample_weight)
    parts = []
    # Reading one row of a mapped file makes many of its neighbours resident.
    for part in np.array_split(indices, ceil(len(indices) / 256)):
        parts.append(dense(X[part]).astype(np.float64))
        release_pages(X)
    return np.concatenate(parts)


def _draw_by_weight(weight, shifts):
    """Return ascending indices, of equal rows as many as a weight stands for."""
    # Only the ratios of weights matter.
    copies = count_copies(weight)
    if copies is None:
        copies = count_copies(weight / weight[weight > 0].min())
    if copies is not None and copies.sum() <= len(shifts):
        return np.repeat(np.arange(len(weight)), copies)
    if copies is None:
        return draw_by_share(weight, shifts)
    drawn = draw_in_steps(copies.sum(), shifts)
    return np.searchsorted(np.cumsum(copies), drawn, side="right")
