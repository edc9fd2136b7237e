"""Labels spread from a few rows to all others, along a graph of nearest neighbours."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading

N_NEIGHBORS = 10
# Share of its label that a row takes from its neighbours at each step.
ALPHA = 0.99
STEPS = 100


class NeighborGraph:
    """A graph that joins each row to its nearest neighbours.

    Parameters
    ----------
    Z : float32 ndarray of shape (n_rows, n_components)
        Latent codes.

    Attributes
    ----------
    neighbors : int64 ndarray of shape (n_rows, n_neighbors)
        Nearest first.
    weights : CSR matrix of shape (n_rows, n_rows)
        Symmetric; falls with the distance, in units of that of the last neighbour
        (Zelnik-Manor and Perona, 2004) [1]_.

    References
    ----------
    .. [1] Zelnik-Manor, L. and Perona, P. "Self-tuning spectral clustering." NIPS 2004.
    """

    def __init__(self, Z):
        n_rows = len(Z)
        n_neighbors = min(N_NEIGHBORS, n_rows - 1)
        nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(Z)
        distances, self.neighbors = nearest.kneighbors()
        scale = np.maximum(distances[:, -1:], np.finfo(np.float32).tiny)
        similar = np.exp(-4 * (distances / scale) ** 2).ravel()
        places = np.arange(0, n_rows * n_neighbors + 1, n_neighbors)
        shape = (n_rows, n_rows)
        directed = sparse.csr_matrix((similar, self.neighbors.ravel(), places), shape)
        self.weights = directed + directed.T

    def spread(self, codes, n_classes):
        """Return a probability of each class for each row.

        Label spreading (Zhou et al., 2004) [1]_, and then each class is weighted so
        that it gets the share that it may be expected to have (Zhu et al., 2003) [2]_.

        Parameters
        ----------
        codes : int64 ndarray of shape (n_rows,)
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
        model = LabelSpreading(
            kernel=lambda X, Y: self.weights, alpha=ALPHA, max_iter=STEPS, tol=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(np.zeros((len(codes), 1)), codes)
        spread = np.zeros((len(codes), n_classes))
        spread[:, model.classes_] = model.label_distributions_
        shares = expected_shares(np.bincount(codes[codes >= 0], minlength=n_classes))
        spread *= shares / np.maximum(spread.sum(axis=0), 1e-12)
        total = spread.sum(axis=1, keepdims=True)
        # No path leads from labelled rows to these.
        return np.where(
            total > 0, spread / np.maximum(total, 1e-300), shares / shares.sum()
        )


def expected_shares(counts):
    """Return the shares of classes, drawn towards equal ones as far as chance goes.

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
