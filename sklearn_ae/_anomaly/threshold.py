"""The score below which rows are outliers, where their share is not known."""

import numpy as np
from scipy.stats import binom

# Share of ordinary rows that may be called outliers.
ORDINARY_SHARE = 0.02
# Largest share of the rows of `fit` that are called outliers.
MAX_SHARE = 0.12
# Distance from the median to the fence that roots of outliers' scores lie beyond, in
# units of the distance from the median to the third quartile. If the roots are normally
# distributed, this is 2.7 standard deviations.
FENCE = 4.0
# Least score, without the minus, of an outlier: a row that is no farther than the
# median in any of the distances scores less.
MIN_FENCE = 0.3
# Share of the rows of `fit` that are not outliers, if these are not many.
TAIL_QUANTILE = 0.88
# Distance from the median beyond which there are hardly any ordinary roots, in units of
# that from the median to this quantile. An exponential tail has 0.7 % there.
TAIL = 3.0
# Ratio of the two ends of a gap between roots of scores.
GAP = 1.5
# Rows on both sides of a gap, multiplied, for each pair of rows within it. Where roots
# thin out by a power law, as slowly as they do, it is less than 3.
GAP_CONTRAST = 6.0
# Added to the rows within a gap: few rows may leave gaps by chance.
GAP_ROWS = 0.5
# Least share of rows whose score differs from those of others. Where most rows have a
# twin, all others are far off, and gaps say nothing.
MIN_DISTINCT = 0.5
# Factor on the root of a row of `fit` that is ordinary, so that new rows that equal it
# but for rounding are no outliers.
MARGIN = 1.05
# Probability that so many of the rows held out are outliers, below which the network
# is said to restore them worse than others.
CHANCE = 0.01
# Fewer rows do not say how far out new ones are: the network has learnt them by heart.
LEAST_ROWS = 200


def find_threshold(scores, n_columns):
    """Return the score below which rows are outliers.

    Outliers lie beyond a fence, which the median and the third quartile give. If no row
    is near it, the threshold moves inwards, to just beyond the last of at least
    `LEAST_ROWS`. If more rows lie beyond it than may be ordinary, the threshold moves
    outwards, to the first gap between scores, to where an exponential tail would hardly
    reach, or to the score that few rows are below, whichever comes first.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
        Of rows of `fit`, at most 0.
    n_columns : int

    Returns
    -------
    threshold : float
    """
    # The score is a sum of squared distances. Distances themselves are less skewed.
    roots = np.sort(np.sqrt(-scores))[::-1]
    median, third, tail = np.quantile(roots, [0.5, 0.75, TAIL_QUANTILE])
    fence = max(median + FENCE * (third - median), MIN_FENCE**0.5)
    # New rows are beyond the k-th of n ordinary ones with probability k / (n + 1).
    last = max(0, int(ORDINARY_SHARE * (len(roots) + 1)) - 1)
    if roots[last] <= fence:
        if len(roots) >= LEAST_ROWS:
            fence = min(fence, max(MARGIN * roots[0], MIN_FENCE**0.5))
        return -float(fence**2)
    root = max(fence, MARGIN * roots[last])
    is_distinct = len(np.unique(np.round(roots, 4))) >= MIN_DISTINCT * len(roots)
    # Distances to neighbours in a single column have heavy tails, and gaps by chance.
    if n_columns > 1 and is_distinct:
        root = min(root, max(fence, median + TAIL * (tail - median)))
        root = _find_gap(roots, fence, root)
    return -float(root**2)


def allow_for_new_rows(threshold, scores, held_out):
    """Return the threshold, lower if it would take most new rows for outliers.

    A network that has learnt few rows of many columns by heart restores no others.

    Parameters
    ----------
    threshold : float
        From `find_threshold`.
    scores : ndarray of shape (n_rows,)
        Of rows that the network was trained on.
    held_out : ndarray of shape (n_held_out,)
        Of rows that it was not trained on, ascending.

    Returns
    -------
    threshold : float
        That which as many of the rows held out are below as of the others, if clearly
        more are below the given one.
    """
    share, n_below = (scores < threshold).mean(), (held_out < threshold).sum()
    if binom.sf(n_below - 1, len(held_out), max(share, MAX_SHARE)) > CHANCE:
        return threshold
    return float(MARGIN**2 * held_out[int(share * len(held_out))])


def _find_gap(roots, fence, most):
    """Return where the first gap between two roots begins, `most` if there is none.

    Parameters
    ----------
    roots : ndarray of shape (n_rows,)
        Descending.
    fence, most : float
        Where to look.
    """
    starts = np.append(roots[(roots > fence) & (roots < most)], fence)[::-1]
    starts = starts * (1 + 1e-6)
    below, above, beyond = (
        np.searchsorted(-roots, -starts * factor) for factor in (1 / GAP, 1, GAP)
    )
    within = above - beyond
    is_gap = (
        (above <= MAX_SHARE * len(roots))
        & (beyond >= within)
        & ((below - above) * beyond >= GAP_CONTRAST * (within + GAP_ROWS) ** 2)
    )
    return starts[is_gap.argmax()] if is_gap.any() else most
