"""Clusters of rows, whatever their shape: how far apart rows are by single linkage."""

from math import ceil

import numpy as np
from scipy.cluster.hierarchy import linkage, to_tree
from scipy.spatial.distance import squareform

# Rows, the first of those that others are compared with, among which clusters are
# looked for.
N_CLUSTERED = 1024
# A cluster has at least one of them in so many: fewer may be outliers that lie
# together.
ONE_ROW_IN = 14


def cluster_gaps(squares):
    """Return between which two rows each row has its gap to a cluster.

    A cluster has at least one row in `ONE_ROW_IN`. By steps that are no longer than the
    gap, a row reaches so many others, and by shorter ones fewer (single linkage).

    Parameters
    ----------
    squares : ndarray of shape (n_rows, n_rows)
        Squared distances between rows, symmetric.

    Returns
    -------
    gaps : int64 ndarray of shape (n_rows, 2)
        The row itself, twice, if a single row is enough for a cluster.
    """
    n_rows = len(squares)
    rows = np.arange(n_rows)
    gaps = np.stack([rows, rows], axis=1)
    least = ceil(n_rows / ONE_ROW_IN)
    if least == 1:
        return gaps
    nodes = [to_tree(linkage(squareform(squares, checks=False), "single"))]
    while nodes:
        node = nodes.pop()
        if node.count >= least:
            nodes += [node.left, node.right]
            continue
        some = node.pre_order()
        others = np.delete(rows, some)
        nearest = squares[np.ix_(some, others)]
        i, j = np.unravel_index(nearest.argmin(), nearest.shape)
        gaps[some] = some[i], others[j]
    return gaps
