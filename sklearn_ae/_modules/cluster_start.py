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
from sklearn.preprocessing import normalize
from torch import Tensor

from sklearn_ae._isolation import calls
from sklearn_ae._modules.clustered import (
    RADIUS,
    Assigner,
    ClusteredLatent,
    shares_of,
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
WALK = 8
# Runs of KMeans, each the best of ten by its inertia.
N_RUNS = 4
# An inertia this much larger than the least one is as good.
AS_GOOD = 1.01
# Weight of the rows beside their places on the graph, in deviations.
ROW_WEIGHT = 0.6
# Share of the rows that neither half of a table has, and how often it is divided.
HELD_OUT = 0.2
N_DIVISIONS = 3
# Steps in which a network learns the clusters of a half.
STABILITY_STEPS = 100
# A graph of fewer rows is decomposed as a dense matrix.
DENSE_ROWS = 500


class ClusterStart:
    """Clusters by KMeans, of rows beside their places on the graph of neighbours.

    The places are a diffusion map [1]_ in which each row has length 1 [2]_: rows are
    near where random walks from them meet, whatever the shape of a cluster. Where the
    graph says little, as with few rows or many indicators, the rows themselves count.
    Of several runs with about the least inertia, the one with the least normalised cut
    [3]_ is taken.

    Parameters
    ----------
    n_clusters : int

    Attributes
    ----------
    labels_ : Tensor of shape (n_rows,), dtype=int64
    shares_ : Tensor of shape (n_clusters,)
        Share of each cluster.
    radius_ : Tensor
        Length of a perturbation: a quarter of the median distance to the last
        neighbour.

    References
    ----------
    .. [1] Coifman, R. R. and Lafon, S. "Diffusion maps." Applied and Computational
       Harmonic Analysis 21 (2006), 5-30.
    .. [2] Ng, A. Y., Jordan, M. I. and Weiss, Y. "On spectral clustering: analysis and
       an algorithm." NIPS 2001.
    .. [3] Shi, J. and Malik, J. "Normalized cuts and image segmentation." IEEE TPAMI 22
       (2000), 888-905.

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
            self.shares_ = shares_of(self.labels_, weight, self.n_clusters)
            return self
        weights = weight.double().numpy()
        if rows.shape[1] > GRAPH_COLUMNS and len(rows) > GRAPH_COLUMNS:
            pca = PCA(GRAPH_COLUMNS, random_state=draw_seed_from_torch())
            rows = pca.fit_transform(rows)
        copies = None if n_copies is None else n_copies.numpy()
        graph = NeighborGraph().fit(rows, copies)
        self.radius_ = RADIUS * graph.radius(X).median()
        self.labels_ = torch.from_numpy(self._divide(rows, graph, weights))
        self.shares_ = shares_of(self.labels_, weight, self.n_clusters)
        return self

    def _divide(
        self,
        rows: NDArray[np.float64],
        graph: NeighborGraph,
        weights: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Return the clusters that cut the graph least, of good runs of KMeans."""
        edges = csr_array(graph.weights_)
        values, vectors = _eigenvectors(edges, 2 * self.n_clusters)
        columns = ROW_WEIGHT * _in_deviations(rows, weights)
        some = torch.randperm(len(rows))[:KMEANS_ROWS].numpy()
        runs = []
        places = normalize(vectors * np.maximum(values, 0) ** WALK)
        points = np.hstack([_in_deviations(places, weights), columns])
        for _ in range(N_RUNS):
            calls.safe_point()
            seed = draw_seed_from_torch()
            kmeans = KMeans(self.n_clusters, n_init=10, random_state=seed)
            kmeans.fit(points[some], sample_weight=weights[some])
            found = kmeans.predict(points).astype(np.int64)
            runs.append((_normalized_cut(edges, found), kmeans.inertia_, found))
        least = min(inertia for _, inertia, _ in runs)
        good = [run for run in runs if run[1] <= AS_GOOD * least]
        return min(good, key=lambda run: run[0])[2]


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
    network = latent.network
    start = ClusterStart(network.n_clusters).fit(X, weight, n_copies)
    train_assigner(
        network.assigner, X, weight, start.labels_, start.shares_, start.radius_
    )
    latent.radius.copy_(start.radius_)
    latent.shares.copy_(start.shares_)
    latent.stability.fill_(cluster_stability(X, weight, network.n_clusters))


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
        Adjusted Rand index between the assignments of held-out rows, the median of
        three divisions; `NaN` where halves have no more rows than clusters.
    """
    n_rows = min(len(X), STABILITY_ROWS)
    n_held_out = math.ceil(HELD_OUT * n_rows)
    n_half = (n_rows - n_held_out) // 2
    if n_half <= n_clusters:
        return math.nan
    indices = []
    for _ in range(N_DIVISIONS):
        order = torch.randperm(len(X))[: n_held_out + 2 * n_half]
        held_out, *halves = order.split([n_held_out, n_half, n_half])
        assigned = []
        for half in halves:
            assigner = Assigner(X.shape[1], n_clusters)
            start = ClusterStart(n_clusters).fit(X[half], weight[half])
            train_assigner(
                assigner,
                X[half],
                weight[half],
                start.labels_,
                start.shares_,
                start.radius_,
                STABILITY_STEPS,
            )
            with torch.no_grad():
                assigned.append(assigner(X[held_out]).argmax(1).numpy())
        indices.append(adjusted_rand_score(*assigned))
    return float(np.median(indices))


def _eigenvectors(
    edges: csr_array, n_vectors: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the leading eigenvalues and eigenvectors of a walk along a graph."""
    n_rows = edges.shape[0]
    root = np.sqrt(np.maximum(edges.sum(axis=1), np.finfo(np.float64).tiny))
    walk = diags_array(1 / root) @ edges @ diags_array(1 / root)
    n_vectors = min(n_vectors, n_rows - 1)
    if n_rows < DENSE_ROWS or 3 * n_vectors > n_rows:
        which = [n_rows - n_vectors, n_rows - 1]
        return eigh(walk.toarray(), subset_by_index=which)
    return eigsh(walk, n_vectors, which="LA", v0=root)


def _normalized_cut(edges: csr_array, labels: NDArray[np.int64]) -> float:
    """Return the share of each cluster's edges that leave it, summed."""
    indicators = np.eye(labels.max() + 1)[labels]
    inside = (indicators * (edges @ indicators)).sum(axis=0)
    total = edges.sum(axis=1) @ indicators
    return float((1 - inside[total > 0] / total[total > 0]).sum())


def _in_deviations(
    X: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return centred rows whose mean square length is 1."""
    X = X - np.average(X, axis=0, weights=weights)
    variance = np.average(np.square(X).sum(axis=1), weights=weights)
    return X / np.sqrt(variance) if variance > 0 else X
