"""The graph that joins each row to its nearest neighbours, and how far they are."""

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

# Neighbours of each row; its radius is the distance to the last of them.
N_NEIGHBORS = 10


class NeighborGraph:
    """k-nearest-neighbour graph whose weights adapt to the density around each row.

    The graph knows no classes: label spreading and latents that cluster share it.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours of each row, at most all other rows.

    Attributes
    ----------
    neighbors_ : int ndarray of shape (n_rows, n_neighbors)
        Indices of the other rows, nearest first.
    farthest_ : int ndarray of shape (n_rows,)
        The last of the neighbours, the row itself where copies of it are enough.
    weights_ : CSR array of shape (n_rows, n_rows)
        Symmetric; falls with the distance, in units of that of the last neighbour
        (Zelnik-Manor and Perona, 2004) [1]_. The sum over the copies of both rows.
    n_copies_ : float64 ndarray of shape (n_rows,)
        How many equal rows each row stands for.

    References
    ----------
    .. [1] Zelnik-Manor, L. and Perona, P. "Self-tuning spectral clustering." NIPS 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ae._modules.neighbors import NeighborGraph
    >>> graph = NeighborGraph(n_neighbors=1).fit(np.array([[0.0], [1.0], [5.0]]))
    >>> graph.neighbors_.ravel().tolist()
    [1, 0, 1]
    """

    def __init__(self, n_neighbors: int = N_NEIGHBORS) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, Z: np.ndarray, n_copies: np.ndarray | None = None) -> "NeighborGraph":
        """Find the neighbours of each row.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_components)
            Latents of two rows or more.
        n_copies : ndarray of shape (n_rows,), default=None
            How many equal rows each row stands for; these are neighbours, too. `None`:
            one.
        """
        neighbors, distances = nearest_neighbors(Z, self.n_neighbors)
        ends = np.arange(len(Z) + 1) * neighbors.shape[1]
        if n_copies is None:
            n_copies = np.ones(len(Z))
        self.n_copies_ = n_copies = n_copies.astype(np.float64)
        # How many of the nearest rows are copies of the row and of each neighbour.
        n_own = np.minimum(n_copies - 1, self.n_neighbors)
        reached = n_own[:, None] + n_copies[neighbors].cumsum(axis=1)
        reached = np.minimum(reached, self.n_neighbors)
        n_joined = np.diff(reached, axis=1, prepend=n_own[:, None])
        last = np.count_nonzero(n_joined, axis=1) - 1
        rows = np.arange(len(Z))
        self.farthest_ = np.where(last < 0, rows, neighbors[rows, last])
        # Equal rows have no distance to divide by.
        scale = np.where(last < 0, 1.0, distances[rows, last])
        scale = np.maximum(scale, np.finfo(np.float32).tiny)
        falling = np.exp(-4 * np.minimum(distances / scale[:, None], 1.0) ** 2)
        strengths = (n_copies[:, None] * n_joined * falling).ravel()
        directed = csr_array((strengths, neighbors.ravel(), ends), (len(Z), len(Z)))
        self.neighbors_ = neighbors
        self.weights_ = directed + directed.T + diags_array(2 * n_copies * n_own)
        self.weights_.eliminate_zeros()
        return self

    def radius(self, X: Tensor) -> Tensor:
        """Return the distance of each row to the last of its neighbours.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns)
            The rows of `fit`, in the space in which distances are measured.

        Returns
        -------
        radius : Tensor of shape (n_rows,)
        """
        farthest = torch.from_numpy(self.farthest_)
        return torch.linalg.vector_norm(X - X[farthest.long()], dim=1)


def nearest_neighbors(Z: np.ndarray, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest other rows of each row, and their distances, nearest first.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_columns)
        Two rows or more.
    n_neighbors : int
        Neighbours of each row, at most all other rows.

    Returns
    -------
    neighbors, distances : ndarray of shape (n_rows, n_neighbors)
        Indices, and float64.
    """
    n_neighbors = min(n_neighbors, len(Z) - 1)
    nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(Z)
    distances, neighbors = nearest.kneighbors()
    return neighbors, distances.astype(np.float64)
