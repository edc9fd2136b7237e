"""Coordinates that keep neighbours together, as UMAP finds them, and their latent.

Each row is joined to its nearest neighbours by edges with a membership strength
(McInnes et al., 2018) [1]_. Coordinates are then moved freely, one step for each edge,
until edges are short and rows without an edge are apart; an encoder learns them
afterwards. Parametric UMAP (Sainburg et al., 2021) [2]_ trains the encoder on the edges
instead, which takes several times as long.

References
----------
.. [1] McInnes, L., Healy, J. and Melville, J. "UMAP: uniform manifold approximation and
   projection for dimension reduction." arXiv:1802.03426, 2018.
.. [2] Sainburg, T., McInnes, L. and Gentner, T. Q. "Parametric UMAP embeddings for
   representation and semisupervised learning." Neural Computation 33 (2021), 2881-2907.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from sklearn_ae._collective import randn_rows
from sklearn_ae._isolation import calls
from sklearn_ae._modules.latent_penalties import Encoder, Latent
from sklearn_ae._modules.neighbors import nearest_neighbors

# Weight of the distance between latents and coordinates; the loss of the
# reconstruction has 1.
WEIGHT = 10.0
# Distance at which an edge of the map has about a third of its membership strength.
SPREAD = 1.0
# Largest coordinate at the start.
START_EXTENT = 10.0
# Deviation of the noise on the start: no two rows lie on the same place.
START_NOISE = 1e-4
# Rows that push each row away, for each edge that pulls it.
N_REPULSIONS = 5
# Longest step in each coordinate, times the rate.
LONGEST_STEP = 4.0
# Squared distance that is added between rows that push one another away.
REPULSION_SHIFT = 1e-3
# Epochs of up to 10,000 rows, and of more: in two dimensions, clusters of these take
# long to get past one another, in many they hardly meet.
N_EPOCHS = 500
FEW_ROWS = 10_000
N_EPOCHS_OF_MANY = 400
FEW_COMPONENTS = 10
N_EPOCHS_OF_MANY_IN_MANY_COMPONENTS = 200
# Edges whose steps are computed at once: what they take stays in cache.
EDGES_AT_ONCE = 2**16
# Halvings of the interval that the width of a neighbourhood is in.
N_HALVINGS = 64
# Least width of a neighbourhood, in mean distances to the neighbours.
LEAST_WIDTH = 1e-3


class EmbeddedLatent(Latent):
    """Latents that learn coordinates of the rows, from rows that are perturbed.

    Rows move as far as their nearest neighbour lies, in a random direction, while their
    coordinates stay: new rows lie about as far from those of the training.

    Parameters
    ----------
    n_components, n_neighbors : int
    min_dist : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.neighbor_embedding import EmbeddedLatent
    >>> latent = EmbeddedLatent(2, 15, 0.1)
    >>> Z, _ = latent(torch.nn.Identity(), torch.tensor([[3.0, 4.0]]))
    >>> latent.penalty(Z - torch.tensor([[3.0, 5.0]]), None, None)
    tensor(5.)
    """

    noise_std = 0.0
    """Standard deviation of the perturbations; the net sets it before training."""

    def __init__(self, n_components: int, n_neighbors: int, min_dist: float) -> None:
        super().__init__()
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist

    def forward(self, encode: Encoder, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latents, perturbed while training, twice."""
        if self.training:
            X = X + self.noise_std * randn_rows(X)
        Z = encode(X)
        return Z, Z

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return the weighted mean squared distance.

        Parameters
        ----------
        penalty_terms : Tensor of shape (n_rows, n_components)
            Latents less coordinates, `NaN` where a row has none.
        weight : Tensor of shape (n_rows,) or None
        nat_weight : None
        """
        missing = torch.isnan(penalty_terms)
        distances = torch.where(missing, 0.0, penalty_terms).square().mean(1)
        distances = distances if weight is None else distances * weight
        n_known = (~missing[:, 0]).sum().clamp(min=1)
        return WEIGHT * distances.sum() / n_known


class NeighborCoordinates:
    """Coordinates of rows in which neighbours stay together.

    Parameters
    ----------
    n_components : int
    n_neighbors : int
    min_dist : float

    Attributes
    ----------
    coordinates_ : ndarray of shape (n_rows, n_components), dtype=float32
        Centred, with a mean variance of 1.
    nearest_distance_ : float
        Mean distance of a row to its nearest neighbour.
    """

    def __init__(self, n_components: int, n_neighbors: int, min_dist: float) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist

    def fit(
        self, X: NDArray[np.float32], start: NDArray[np.float32]
    ) -> "NeighborCoordinates":
        """Find the coordinates.

        Random numbers come from torch's global generator.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_columns)
            Rows that all differ.
        start : ndarray of shape (n_rows, n_started)
            Where the first coordinates start; others start at 0.
        """
        self._X = X
        self.nearest_distance_ = 0.0
        self.coordinates_ = np.zeros((len(X), self.n_components), dtype=np.float32)
        # Rows may differ by less than shows in any component.
        if len(X) < 2 or not X.any():
            return self
        neighbors, distances = nearest_neighbors(X, self.n_neighbors)
        self.nearest_distance_ = float(distances[:, 0].mean())
        Y = torch.from_numpy(self.coordinates_)
        Y[:, : start.shape[1]] = torch.from_numpy(start)[:, : self.n_components]
        Y *= START_EXTENT / Y.abs().max().clamp(min=1e-30)
        Y += START_NOISE * torch.randn_like(Y)
        graph = fuzzy_graph(neighbors, distances)
        move_coordinates(Y, graph, *fit_curve(self.min_dist), _n_epochs(*Y.shape))
        Y -= Y.mean(0)
        Y /= Y.square().mean().sqrt()
        return self

    def place(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean coordinates of the nearest rows of `fit`.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_columns)

        Returns
        -------
        coordinates : ndarray of shape (n_rows, n_components), dtype=float32
        """
        if not self.nearest_distance_:
            return np.zeros((len(X), self.n_components), dtype=np.float32)
        n_neighbors = min(self.n_neighbors, len(self._X))
        nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(self._X)
        distances, neighbors = nearest.kneighbors(X)
        strengths = membership_strengths(distances)
        strengths /= strengths.sum(1, keepdims=True)
        coordinates = self.coordinates_[neighbors] * strengths[:, :, None]
        return coordinates.sum(1).astype(np.float32)


def _n_epochs(n_rows: int, n_components: int) -> int:
    if n_rows <= FEW_ROWS:
        return N_EPOCHS
    if n_components <= FEW_COMPONENTS:
        return N_EPOCHS_OF_MANY
    return N_EPOCHS_OF_MANY_IN_MANY_COMPONENTS


def membership_strengths(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strongly neighbours belong to the neighbourhood of each row.

    The nearest one belongs to it with 1; the others ``exp(-gap / width)``, where `gap`
    is how much farther they are, and `width` is such that the sum is the logarithm of
    their number to the base 2.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_neighbors)
        Ascending.

    Returns
    -------
    strengths : ndarray of shape (n_rows, n_neighbors)
    """
    gaps = distances - distances[:, :1]
    target = np.log2(distances.shape[1] + 1)
    least = LEAST_WIDTH * distances.mean(1) + np.finfo(np.float64).tiny
    lower, upper = least, gaps[:, -1] * distances.shape[1] + least
    for _ in range(N_HALVINGS):
        width = (lower + upper) / 2
        too_wide = np.exp(-gaps / width[:, None]).sum(1) > target
        upper = np.where(too_wide, width, upper)
        lower = np.where(too_wide, lower, width)
    return np.exp(-gaps / ((lower + upper) / 2)[:, None])


def fuzzy_graph(
    neighbors: NDArray[np.int64], distances: NDArray[np.float64]
) -> csr_array:
    """Return the strengths of the edges between rows, symmetric.

    An edge is there if either of its rows says so, as if both threw coins: p + q - p q.

    Parameters
    ----------
    neighbors, distances : ndarray of shape (n_rows, n_neighbors)

    Returns
    -------
    graph : CSR array of shape (n_rows, n_rows)
    """
    n_rows, n_neighbors = neighbors.shape
    strengths = membership_strengths(distances)
    ends = np.arange(n_rows + 1) * n_neighbors
    shape = n_rows, n_rows
    directed = csr_array((strengths.ravel(), neighbors.ravel(), ends), shape=shape)
    reverse = directed.T.tocsr()
    graph = (directed + reverse - directed * reverse).tocsr()
    graph.sort_indices()
    return graph


def fit_curve(min_dist: float) -> tuple[float, float]:
    """Return a and b of the strength of an edge at a distance, ``1 / (1 + a d^(2b))``.

    It is near 1 up to `min_dist`, and falls exponentially from there.
    """
    distances = np.linspace(0, 3 * SPREAD, 300)
    wanted = np.exp(-np.maximum(distances - min_dist, 0) / SPREAD)

    def curve(d: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
        return 1 / (1 + a * d ** (2 * b))

    (a, b), _ = curve_fit(curve, distances, wanted)
    return float(a), float(b)


def move_coordinates(
    Y: Tensor, graph: csr_array, a: float, b: float, n_epochs: int
) -> None:
    """Move coordinates in place, by stochastic gradients of the cross-entropy.

    An edge takes part in as many epochs as it is strong. Its rows pull one another, and
    random rows push them away. Many edges are computed at once.

    Parameters
    ----------
    Y : Tensor of shape (n_rows, n_components)
    graph : CSR array of shape (n_rows, n_rows)
        From `fuzzy_graph`.
    a, b : float
        From `fit_curve`.
    n_epochs : int
    """
    edges = graph.tocoo()
    heads = torch.from_numpy(edges.row.astype(np.int64))
    tails = torch.from_numpy(edges.col.astype(np.int64))
    shares = torch.from_numpy((edges.data / edges.data.max()).astype(np.float32))
    due = torch.rand(len(shares))
    columns = [column.clone() for column in Y.unbind(1)]
    for epoch in range(n_epochs):
        calls.safe_point()
        due += shares
        drawn = (due >= 1).nonzero()[:, 0]
        due[drawn] -= 1
        rate = 1 - epoch / n_epochs
        for part in drawn.split(EDGES_AT_ONCE):
            _move(columns, heads[part], tails[part], a, b, rate)
    Y.copy_(torch.stack(columns, 1))


def _move(
    columns: list[Tensor], heads: Tensor, tails: Tensor, a: float, b: float, rate: float
) -> None:
    """Move the first row of each edge towards the second, and away from random rows."""
    others = torch.randint(len(columns[0]), (N_REPULSIONS, len(heads)))
    starts = [column[heads] for column in columns]
    pulls = [y - column[tails] for y, column in zip(starts, columns, strict=True)]
    pushes = [y - column[others] for y, column in zip(starts, columns, strict=True)]
    squared = _sum_of_squares(pulls).clamp_(min=1e-12)
    power = a * squared.pow(b)
    # Twice: the second row of each edge is the first one of its reverse.
    pull = -4 * b * power / (squared * (1 + power))
    squared = _sum_of_squares(pushes)
    push = 2 * b / ((1 + a * squared.pow(b)) * (squared + REPULSION_SHIFT))
    for column, toward, away in zip(columns, pulls, pushes, strict=True):
        step = (toward * pull).clamp_(-2 * LONGEST_STEP, 2 * LONGEST_STEP)
        step += (away * push).clamp_(-LONGEST_STEP, LONGEST_STEP).sum(0)
        column.index_add_(0, heads, step, alpha=rate)


def _sum_of_squares(columns: list[Tensor]) -> Tensor:
    total = columns[0].square()
    for column in columns[1:]:
        total.addcmul_(column, column)
    return total
