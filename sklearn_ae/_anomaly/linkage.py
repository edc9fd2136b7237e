"""Clusters of rows, whatever their shape: how far apart rows are by single linkage."""

from math import ceil

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

# A cluster has at least one row in so many: fewer may be outliers that lie together.
ONE_ROW_IN = 14


def cluster_heights(squares):
    """Return for each row the height at which it is in a cluster, by single linkage.

    A cluster has at least one row in `ONE_ROW_IN`. From each of its rows to any other
    leads a path of steps that are no longer than its height.

    Parameters
    ----------
    squares : float64 ndarray of shape (n_rows, n_rows)
        Squared distances between rows, symmetric. The diagonal is ignored.

    Returns
    -------
    heights : float32 ndarray of shape (n_rows,)
        Squared, too; 0 if a single row is enough for a cluster.
    """
    n_rows = len(squares)
    least = ceil(n_rows / ONE_ROW_IN)
    heights = np.zeros(2 * n_rows - 1)
    if least == 1:
        return heights[:n_rows].astype(np.float32)
    merges = linkage(squareform(squares, checks=False), "single")
    sizes = np.r_[np.ones(n_rows), merges[:, 3]]
    # From the root to the rows: what is too small has the height of what it joins.
    for merge, (*parts, height, _) in enumerate(merges[::-1]):
        node = 2 * n_rows - 2 - merge
        for part in map(int, parts):
            heights[part] = height if sizes[node] >= least else heights[node]
    return heights[:n_rows].astype(np.float32)
