"""Labels spread from a few rows to all others, along a graph of nearest neighbours."""

import numpy as np

# A row takes this share of its label from its neighbours at each step.
ALPHA = 0.99
# Least number that may be divided by.
TINY = 1e-300
# Steps of the spreading; the fixed point would take more, and change little.
N_STEPS = 100


def spread_labels(graph, class_indices, n_classes, seen=None):
    """Return a probability of each class for each row, by label spreading.

    Label spreading (Zhou et al., 2004) [1]_, and then each class is weighted so that it
    gets the share that it may be expected to have (Zhu et al., 2003) [2]_.

    By hand: :class:`~sklearn.semi_supervised.LabelSpreading` knows no weights of rows,
    and finds neighbours for each call anew. The result is that for the table in which
    each row stands as often as it occurs.

    Parameters
    ----------
    graph : NeighborGraph
        Fitted to the rows.
    class_indices : int64 ndarray of shape (n_rows,)
        Class of each row, -1 where there is no label.
    n_classes : int
    seen : ndarray of shape (n_rows,), default=None
        Share of the copies of each row whose label is used; `None`: all.

    Returns
    -------
    probabilities : float64 ndarray of shape (n_rows, n_classes)

    References
    ----------
    .. [1] Zhou, D. et al. "Learning with local and global consistency." NIPS 2004.
    .. [2] Zhu, X., Ghahramani, Z. and Lafferty, J. "Semi-supervised learning using
       Gaussian fields and harmonic functions." ICML 2003.
    """
    n_copies = graph.n_copies_
    seen = np.where(class_indices >= 0, 1.0 if seen is None else seen, 0.0)
    labels = np.zeros((len(class_indices), n_classes))
    labels[np.arange(len(labels)), class_indices] = seen
    # In a sum over copies, each has the degree of one of them.
    degree = np.maximum(np.asarray(graph.weights_.sum(axis=1)).ravel() / n_copies, TINY)
    root = np.sqrt(degree)[:, None]
    spread = labels
    for _ in range(N_STEPS):
        received = graph.weights_ @ (spread / root) / (n_copies[:, None] * root)
        spread = ALPHA * received + (1 - ALPHA) * labels
    spread = spread / np.maximum(spread.sum(axis=1, keepdims=True), TINY)
    shares = expected_shares(n_copies @ labels)
    spread *= shares / np.maximum(n_copies @ spread, 1e-12)
    total = spread.sum(axis=1, keepdims=True)
    # No path leads from labelled rows to those whose total is 0.
    return np.where(total > 0, spread / np.maximum(total, TINY), shares / shares.sum())


def expected_shares(counts):
    """Return the shares of classes, shrunk towards equal ones as far as chance goes.

    The James-Stein estimator (Hausser and Strimmer, 2009) [1]_.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        Number of rows of each class.

    References
    ----------
    .. [1] Hausser, J. and Strimmer, K. "Entropy inference and the James-Stein
       estimator, with application to nonlinear gene association networks." Journal of
       Machine Learning Research 10 (2009), 1469-1484.
    """
    n, shares = counts.sum(), counts / counts.sum()
    equal = 1 / len(counts)
    chance = 1 - (shares**2).sum()
    observed = (n - 1) * ((equal - shares) ** 2).sum()
    shrinkage = min(1.0, chance / observed) if observed > 0 else 1.0
    return shrinkage * equal + (1 - shrinkage) * shares
