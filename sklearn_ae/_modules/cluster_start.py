"""Where the clusters of a latent start, and how stable they are."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from sklearn_ae._modules.clustered import (
    RADIUS,
    Assigner,
    ClusteredLatent,
    train_assigner,
)
from sklearn_ae._modules.neighbors import NeighborGraph
from sklearn_ae._seeding import draw_seed_from_torch

# Rows that tell where the clusters start.
START_ROWS = 60_000
# Rows of them whose halves tell how stable the clusters are.
STABILITY_ROWS = 10_000
# Rows that KMeans finds centres for.
KMEANS_ROWS = 10_000
# Most columns in which neighbours are looked for, after PCA.
GRAPH_COLUMNS = 50
# Steps of the random walk along the graph of neighbours.
WALK = 16
# Weight of the rows beside their places on the graph, in deviations.
ROW_WEIGHT = 0.6
# Share of the rows that neither half of a table has.
HELD_OUT = 0.2
# A graph of fewer rows is decomposed as a dense matrix.
DENSE_ROWS = 500


class ClusterStart:
    """Clusters by KMeans, of rows beside their places on the graph of neighbours.

    The places are a diffusion map [1]_ in which each row has length 1 [2]_: rows are
    near where random walks from them meet, whatever the shape of a cluster. Where the
    graph says little, as with few rows or many indicators, the rows themselves count.

    Parameters
    ----------
    n_clusters : int

    Attributes
    ----------
    labels_ : Tensor of shape (n_rows,), dtype=int64
    radius_ : Tensor
        Length of a perturbation: a quarter of the median distance to the last
        neighbour.

    References
    ----------
    .. [1] Coifman, R. R. and Lafon, S. "Diffusion maps." Applied and Computational
       Harmonic Analysis 21 (2006), 5-30.
    .. [2] Ng, A. Y., Jordan, M. I. and Weiss, Y. "On spectral clustering: analysis and
       an algorithm." NIPS 2001.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.cluster_start import ClusterStart
    >>> X = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> torch.bincount(ClusterStart(2).fit(X, torch.ones(6)).labels_)
    tensor([3, 3])
    """

    def __init__(self, n_clusters: int) -> None:
        self.n_clusters = n_clusters

    def fit(
        self, X: Tensor, weight: Tensor, n_copies: Tensor | None = None
    ) -> "ClusterStart":
        """Find the clusters of some rows.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_inputs)
            Different rows, without missing cells.
        weight : Tensor of shape (n_rows,)
        n_copies : Tensor of shape (n_rows,), default=None
            How many equal rows each row stands for.
        """
        rows = X.double().numpy()
        if len(rows) <= self.n_clusters:
            # Clusters of one row, and no others near.
            self.labels_ = torch.arange(len(rows))
            self.radius_ = torch.zeros(())
            return self
        weights = weight.double().numpy()
        if rows.shape[1] > GRAPH_COLUMNS and len(rows) > GRAPH_COLUMNS:
            pca = PCA(GRAPH_COLUMNS, random_state=draw_seed_from_torch())
            rows = pca.fit_transform(rows)
        copies = None if n_copies is None else n_copies.numpy()
        graph = NeighborGraph().fit(rows, copies)
        self.radius_ = RADIUS * graph.radius(X).median()
        places = _places(csr_array(graph.weights_), self.n_clusters)
        parts = [_in_deviations(places, weights)]
        parts.append(ROW_WEIGHT * _in_deviations(rows, weights))
        points = np.hstack(parts)
        some = torch.randperm(len(points))[:KMEANS_ROWS].numpy()
        kmeans = KMeans(
            self.n_clusters, n_init=20, random_state=draw_seed_from_torch()
        ).fit(points[some], sample_weight=weights[some])
        self.labels_ = torch.from_numpy(kmeans.predict(points)).long()
        return self


def start_clusters(
    latent: ClusteredLatent, X: Tensor, weight: Tensor, n_copies: Tensor | None = None
) -> None:
    """Let a latent start at clusters of some rows, and measure how stable they are.

    Parameters
    ----------
    latent : ClusteredLatent
    X, weight, n_copies
        As for :meth:`ClusterStart.fit`.
    """
    weight = weight / weight.mean()
    start = _train(latent.network.assigner, latent.network.n_clusters, X, weight)
    latent.radius.copy_(start.radius_)
    stability = cluster_stability(X, weight, latent.network.n_clusters)
    latent.stability.fill_(stability)


def cluster_stability(X: Tensor, weight: Tensor, n_clusters: int) -> float:
    """Return how far two halves of the rows lead to the same clusters.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_inputs)
    weight : Tensor of shape (n_rows,)
    n_clusters : int

    Returns
    -------
    stability : float
        Adjusted Rand index between the assignments of held-out rows, `NaN` where halves
        have no more rows than clusters.
    """
    order = torch.randperm(len(X))[:STABILITY_ROWS]
    n_held_out = math.ceil(HELD_OUT * len(order))
    n_half = (len(order) - n_held_out) // 2
    if n_half <= n_clusters:
        return math.nan
    held_out = X[order[:n_held_out]]
    assigned = []
    for half in order[n_held_out:].split(n_half)[:2]:
        assigner = Assigner(X.shape[1], n_clusters)
        _train(assigner, n_clusters, X[half], weight[half])
        with torch.no_grad():
            assigned.append(assigner(held_out).argmax(1).numpy())
    return float(adjusted_rand_score(*assigned))


def _train(
    assigner: Assigner,
    n_clusters: int,
    X: Tensor,
    weight: Tensor,
    n_copies: Tensor | None = None,
) -> ClusterStart:
    """Train a network to assign rows to the clusters where they start."""
    start = ClusterStart(n_clusters).fit(X, weight, n_copies)
    train_assigner(assigner, X, weight, start.labels_, start.radius_)
    return start


def _places(weights: csr_array, n_clusters: int) -> NDArray[np.float64]:
    """Return the places of rows on their graph, each of length 1."""
    n_rows = weights.shape[0]
    degrees = np.asarray(weights.sum(axis=1)).ravel()
    root = diags_array(1 / np.sqrt(np.maximum(degrees, np.finfo(np.float64).tiny)))
    walk = root @ weights @ root
    n_vectors = min(2 * n_clusters, n_rows - 1)
    if n_rows < DENSE_ROWS or 3 * n_vectors > n_rows:
        least = n_rows - n_vectors
        values, vectors = eigh(walk.toarray(), subset_by_index=[least, n_rows - 1])
    else:
        values, vectors = eigsh(walk, n_vectors, which="LA", v0=np.sqrt(degrees))
    places = vectors * np.maximum(values, 0) ** WALK
    lengths = np.linalg.norm(places, axis=1, keepdims=True)
    return places / np.maximum(lengths, np.finfo(np.float64).tiny)


def _in_deviations(
    X: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return centred rows whose mean square length is 1."""
    X = X - np.average(X, axis=0, weights=weights)
    variance = np.average(np.square(X).sum(axis=1), weights=weights)
    return X / np.sqrt(variance) if variance > 0 else X
