"""Scaling by rank: what scikit-learn's QuantileTransformer does, faster."""

import numpy as np
from scipy.special import ndtri

# Shares this close to the least or the largest quantile count as that, as in
# scikit-learn.
BOUNDS = 1e-7
# Normal scores of these.
LARGEST_SCORE = -ndtri(BOUNDS - np.spacing(1))
# Intervals of equal length that a column is divided into, to find quantiles in one
# look. A power of two, so that no cell is rounded into the next one.
N_INTERVALS = 2**14


def to_normal_scores(shares, quantiles):
    """Return the normal scores of a column, as ``QuantileTransformer.transform`` does.

    The ranks between two quantiles are interpolated linearly, and those of repeated
    quantiles averaged.

    Parameters
    ----------
    shares : float64 ndarray of shape (n_rows,)
        Mostly between 0 and 1; `NaN` where a cell is missing.
    quantiles : float64 ndarray of shape (n_quantiles,)
        Ascending, between 0 and 1.

    Returns
    -------
    scores : float64 ndarray of shape (n_rows,)
    """
    if np.isnan(quantiles[0]):
        # A column without observed cells.
        return np.full_like(shares, np.nan)
    knots, slopes, left, middle = knots_of(quantiles)
    i = _find_intervals(shares, knots)
    start = knots.take(i)
    with np.errstate(over="ignore", invalid="ignore"):
        rank = shares - start
        rank *= slopes.take(i)
        rank += left.take(i)
    on_knot = np.flatnonzero(shares == start)
    rank[on_knot] = middle[i[on_knot]]
    rank[shares + BOUNDS > knots[-1]] = 1.0
    rank[shares - BOUNDS < knots[0]] = 0.0
    return np.clip(ndtri(rank, out=rank), -LARGEST_SCORE, LARGEST_SCORE, out=rank)


def knots_of(quantiles):
    """Return what ranks are interpolated with.

    Parameters
    ----------
    quantiles : float64 ndarray of shape (n_quantiles,)
        Ascending.

    Returns
    -------
    knots, slopes, left, middle : float64 ndarray of shape (n_knots,)
        The different quantiles; how fast the rank grows above each, the rank that it
        is left with, and the one of a cell that equals it.
    """
    ranks = np.linspace(0, 1, len(quantiles))
    knots, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
    # The rank where a knot is reached from below, and the one that it is left with.
    reached, left = ranks[first], ranks[first + counts - 1]
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.append((reached[1:] - left[:-1]) / np.diff(knots), 0.0)
    return knots, slopes, left, (reached + left) / 2


def _find_intervals(shares, knots):
    """Return the index of the last knot that is not above each cell, at least 0."""
    if len(shares) < N_INTERVALS:
        return np.searchsorted(knots, shares, side="right").clip(1, len(knots)) - 1
    # The last knot that is not above each edge.
    edge_above = np.ceil(knots * N_INTERVALS).astype(np.intp).clip(0, N_INTERVALS + 1)
    below = np.cumsum(np.bincount(edge_above, minlength=N_INTERVALS + 2)) - 1
    # Where there are several knots between two edges, one look is not enough.
    is_crowded = np.diff(below) > 1
    below = np.where(is_crowded, -1, below[:-1].clip(0))
    # NaN may be anywhere.
    interval = np.fmin(np.fmax(shares, 0.0), 1.0) * N_INTERVALS
    i = below.take(interval.astype(np.intp))
    crowded = np.flatnonzero(i < 0)
    i += shares >= np.append(knots[1:], np.inf).take(i, mode="wrap")
    i[crowded] = np.searchsorted(knots, shares[crowded], side="right") - 1
    # NaN is above all knots.
    return i.clip(0, len(knots) - 1, out=i)
