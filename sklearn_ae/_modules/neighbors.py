"""The graph that joins each row to its nearest neighbours, and how far they are."""

import numpy as np
import torch
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
        Indices of the rows, nearest first.
    weights_ : CSR matrix of shape (n_rows, n_rows)
        Symmetric; falls with the distance, in units of that of the last neighbour
        (Zelnik-Manor and Perona, 2004) [1]_.

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

    def fit(self, Z: np.ndarray) -> "NeighborGraph":
        """Find the neighbours of each row.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_components)
            Latents of two rows or more.
        """
        n_neighbors = min(self.n_neighbors, len(Z) - 1)
        nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(Z)
        directed = nearest.kneighbors_graph(mode="distance")
        shape = len(Z), n_neighbors
        self.neighbors_ = directed.indices.reshape(shape)
        distances = directed.data.reshape(shape)
        # Equal rows have no distance to divide by.
        scale = np.maximum(distances[:, -1:], np.finfo(np.float32).tiny)
        directed.data = np.exp(-4 * (distances / scale) ** 2).ravel()
        self.weights_ = directed + directed.T
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
        farthest = torch.from_numpy(self.neighbors_[:, -1])
        return torch.linalg.vector_norm(X - X[farthest.long()], dim=1)
