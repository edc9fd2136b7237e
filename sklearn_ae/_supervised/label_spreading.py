"""Labels spread from a few rows to all others, along a graph of nearest neighbours."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.semi_supervised import LabelSpreading

# A row takes this share of its label from its neighbours at each step.
ALPHA = 0.99
# Steps of the spreading; the fixed point would take more, and change little.
N_STEPS = 100


def spread_labels(graph, class_indices, n_classes):
    """Return a probability of each class for each row, by label spreading.

    Label spreading (Zhou et al., 2004) [1]_, and then each class is weighted so that it
    gets the share that it may be expected to have (Zhu et al., 2003) [2]_.

    Parameters
    ----------
    graph : NeighborGraph
        Fitted to the rows.
    class_indices : int64 ndarray of shape (n_rows,)
        Class of each row, -1 where there is no label.
    n_classes : int

    Returns
    -------
    probabilities : float64 ndarray of shape (n_rows, n_classes)

    References
    ----------
    .. [1] Zhou, D. et al. "Learning with local and global consistency." NIPS 2004.
    .. [2] Zhu, X., Ghahramani, Z. and Lafferty, J. "Semi-supervised learning using
       Gaussian fields and harmonic functions." ICML 2003.
    """
    n_rows = len(class_indices)
    # LabelSpreading would find neighbours for each call anew, with weights of its own.
    # As kernel it takes a function that returns the graph, whatever rows it is given:
    # so it is given a column of zeros.
    model = LabelSpreading(
        kernel=lambda X, Y: graph.weights_, alpha=ALPHA, max_iter=N_STEPS, tol=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.zeros((n_rows, 1)), class_indices)
    spread = np.zeros((n_rows, n_classes))
    spread[:, model.classes_] = model.label_distributions_
    labelled = class_indices[class_indices >= 0]
    shares = expected_shares(np.bincount(labelled, minlength=n_classes))
    spread *= shares / np.maximum(spread.sum(axis=0), 1e-12)
    total = spread.sum(axis=1, keepdims=True)
    # No path leads from labelled rows to those whose total is 0.
    return np.where(
        total > 0, spread / np.maximum(total, 1e-300), shares / shares.sum()
    )


def expected_shares(counts):
    """Return the shares of classes, shrunk towards equal ones as far as chance goes.

    The James-Stein estimator (Hausser and Strimmer, 2009) [1]_.

    Parameters
    ----------
    counts : int ndarray of shape (n_classes,)

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
