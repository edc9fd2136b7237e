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


def cluster_gaps(squares, n_shared):
    """Return the gap between each row and a cluster, and between which rows it is.

    A cluster has at least one row in `ONE_ROW_IN`. By steps that are no longer than the
    gap, a row reaches so many others, and by shorter ones fewer (single linkage).

    Parameters
    ----------
    squares : ndarray of shape (n_rows, n_rows)
        Squared distances between rows, symmetric.
    n_shared : ndarray of shape (n_rows, n_rows)
        Number of columns that neither of two rows lacks.

    Returns
    -------
    heights : ndarray of shape (n_rows,)
        Squares of the gaps; 0 if a single row is enough for a cluster.
    pairs : int64 ndarray of shape (n_rows, 2)
        The nearest rows on both sides of the gap that share most columns; the row
        itself, twice, where there is none.
    """
    n_rows = len(squares)
    rows, heights = np.arange(n_rows), np.zeros(n_rows)
    pairs = np.stack([rows, rows], axis=1)
    least = ceil(n_rows / ONE_ROW_IN)
    if least == 1:
        return heights, pairs
    nodes = [to_tree(linkage(squareform(squares, checks=False), "single"))]
    while nodes:
        node = nodes.pop()
        if node.count >= least:
            nodes += [node.left, node.right]
            continue
        some = node.pre_order()
        others = np.delete(rows, some)
        between = np.ix_(some, others)
        heights[some] = squares[between].min()
        shared = n_shared[between]
        nearest = np.where(shared == shared.max(), squares[between], np.inf)
        i, j = np.unravel_index(nearest.argmin(), nearest.shape)
        pairs[some] = some[i], others[j]
    return heights, pairs
