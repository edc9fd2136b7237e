"""Missing cells filled by a linear model, before a network looks at a row.

Factor analysis takes a row for a linear map of a few normal scores, plus noise of its
own for each column. With missing cells, expectation maximisation alternates between the
scores of each row, given its observed cells, and the map. Taking into account that
neither is known exactly keeps it from fitting small tables too closely (Ilin and Raiko,
2010) [1]_.

References
----------
.. [1] Ilin, A. and Raiko, T. "Practical approaches to principal component analysis in
   the presence of missing values." Journal of Machine Learning Research 11 (2010).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

# Least number of iterations.
MIN_ITERATIONS = 20
# Most iterations; where cells are missing in a one-sided way, the means take many.
MAX_ITERATIONS = 100
# Change of the means, in standard deviations, below which the iterations end.
TOLERANCE = 1e-3
# Rows to learn from: more than this tell the model little that is new.
FILL_ROWS = 20_000
# Largest number of scores.
MAX_RANK = 20
# Most columns whose covariance matrix is made.
COVARIANCE_COLUMNS = 500
# Relative error of the eigenvalues of larger ones, from which the iterations start.
EIGEN_TOLERANCE = 1e-2
# Least share of a column's variance that is noise: a fit without any error could not
# be inverted.
LEAST_NOISE = 1e-3
# Deviations smaller than this, compared with the mean or 1, are due to rounding.
CONSTANT = 1e-6


class FactorModel(NamedTuple):
    """The linear model of standardised columns, in one iteration.

    Parameters
    ----------
    mean : Tensor of shape (n_columns,)
        Mean of each column, if no cell were missing.
    loadings : Tensor of shape (n_columns, rank)
        How each column depends on the scores.
    moments : Tensor of shape (n_columns, rank, rank)
        Expected products of the loadings, which are not known exactly.
    noise : Tensor of shape (n_columns,)
        Variance of what is left of each column.
    """

    mean: Tensor
    loadings: Tensor
    moments: Tensor
    noise: Tensor


class LinearFill(nn.Module):
    """Fill each missing cell with its expectation given the observed cells of the row.

    **Shape** (n_rows, n_encoded), with NaN for missing cells in the input. float64 rows
    are filled in float64.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.linear_fill import LinearFill
    >>> X = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [2.0, 4.0], [-2.0, -4.0]])
    >>> fill = LinearFill().fit(X)
    >>> fill(torch.tensor([[3.0, float("nan")]])).round()
    tensor([[3., 6.]])
    """

    center: Tensor
    scale: Tensor
    loadings: Tensor
    moments: Tensor
    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("center", "scale", "loadings", "moments", "noise"):
            self.register_buffer(name, None)

    def fit(
        self, X: Tensor, weight: Tensor | None = None, blocks: Tensor | None = None
    ) -> "LinearFill":
        """Learn the linear model from some rows.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_encoded), dtype=float32
            Missing cells are NaN.
        weight : Tensor of shape (n_rows,), default=None
            How much each row counts.
        blocks : Tensor of shape (n_encoded,), dtype=int64, default=None
            The cell that each column belongs to; those of one cell share a scale, or
            rare categories would have a large one. `None`: every column is a cell.

        Returns
        -------
        self : LinearFill
        """
        observed = (~torch.isnan(X)).float()
        X = torch.nan_to_num(X)
        weighted = observed if weight is None else observed * weight[:, None]
        total = weighted.sum(0).clamp(min=1e-6)
        center = (X * weighted).sum(0) / total
        X = (X - center) * observed
        scale = _scale((X**2 * weighted).sum(0) / total, center, blocks)
        X = X / scale
        model = _initial_model(X, weighted, observed)
        for i in range(MAX_ITERATIONS):
            before, model = model, _em_step(model, X, weighted, observed)
            change = (model.mean - before.mean).abs().max()
            if i >= MIN_ITERATIONS and change < TOLERANCE:
                break
        self.center, self.scale = center + model.mean * scale, scale
        _, self.loadings, self.moments, self.noise = model
        return self

    def allocate(self, n_columns: int, rank: int) -> "LinearFill":
        """Set tensors of the shapes that a model of such a rank has."""
        self.center, self.scale, self.noise = torch.empty(3, n_columns)
        self.loadings = torch.empty(n_columns, rank)
        self.moments = torch.empty(n_columns, rank, rank)
        return self

    @torch.no_grad()
    def forward(self, X: Tensor) -> Tensor:
        """Return rows without missing cells."""
        scores, _ = self._scores(X)
        restored = scores @ self.loadings.T.to(X.dtype)
        expected = self.center + self.scale * restored
        return torch.where(torch.isnan(X), expected, X)

    @torch.no_grad()
    def variance(self, X: Tensor) -> Tensor:
        """Return the variance of what each cell may be, given the observed cells."""
        _, root = self._scores(X)
        covariance = torch.cholesky_inverse(root).flatten(1)
        return self.scale**2 * (covariance @ self.moments.flatten(1).T + self.noise)

    def _scores(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expected scores of each row, and the root of their precision."""
        missing = torch.isnan(X)
        X = torch.where(missing, 0.0, (X - self.center) / self.scale)
        loadings, moments = self.loadings.to(X.dtype), self.moments.to(X.dtype)
        # `center` contains the mean already.
        model = FactorModel(X.new_zeros(()), loadings, moments, self.noise)
        return _posterior(model, X, (~missing).to(X.dtype))


def _scale(variance: Tensor, center: Tensor, blocks: Tensor | None) -> Tensor:
    """Return the standard deviation of each cell, 1 where that is due to rounding."""
    if blocks is not None:
        variance = torch.zeros_like(variance).index_add(0, blocks, variance)[blocks]
    scale = variance.sqrt()
    return torch.where(scale > CONSTANT * center.abs().clamp(min=1.0), scale, 1.0)


def _initial_model(X: Tensor, weighted: Tensor, observed: Tensor) -> FactorModel:
    """Return a model from the covariance of pairs of observed cells.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_columns)
        Standardised columns; missing cells are 0.
    weighted : Tensor of shape (n_rows, n_columns)
        Weight of each cell, 0 where it is missing.
    observed : Tensor of shape (n_rows, n_columns)
        1 where a cell is observed, else 0.
    """
    n_rows, n_columns = X.shape
    rank = max(1, min(MAX_RANK, 2 * n_columns // 3, n_rows - 1))
    if n_columns <= COVARIANCE_COLUMNS:
        products = (X * weighted).T @ X / (weighted.T @ observed).clamp(min=1.0)
        covariance = products.double().numpy()
        largest = [n_columns - rank, n_columns - 1]
        values, vectors = eigh(covariance, subset_by_index=largest)
        trace = covariance.trace()
    else:
        values, vectors, trace = _leading(X, weighted, rank)
    values, vectors = torch.from_numpy(values), torch.from_numpy(vectors)
    rest = (trace - values.sum()) / max(n_columns - rank, 1)
    rest = rest.clamp(min=10 * LEAST_NOISE)
    loadings = (vectors * (values - rest).clamp(min=rest / 10).sqrt()).float()
    moments = loadings[:, :, None] * loadings[:, None, :]
    noise = rest.float().expand(n_columns)
    return FactorModel(torch.zeros(n_columns), loadings, moments, noise)


def _leading(
    X: Tensor, weighted: Tensor, rank: int
) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return eigenvalues, eigenvectors and the trace of the covariance of many columns.

    The matrix itself is never made. Two cells of a row are taken to be observed
    independently of one another, so that it is a product but for its diagonal.
    """
    total = weighted.sum(0)
    most = total.max()
    # Each pair of columns counts as one row at least.
    share = (total / most).clamp(min=float(most) ** -0.5)
    variance = (X**2 * weighted).sum(0) / total.clamp(min=1.0)
    root = (X * weighted.sqrt() / (share * most.sqrt())).numpy()
    diagonal = (variance - (X**2 * weighted).sum(0) / (share**2 * most)).numpy()

    def multiply(v: NDArray[Any]) -> NDArray[Any]:
        return root.T @ (root @ v) + diagonal * v.ravel()

    n_columns = len(total)
    covariance = LinearOperator((n_columns, n_columns), multiply, dtype=root.dtype)
    # It starts at random by default.
    start = np.random.default_rng(0).standard_normal(n_columns).astype(root.dtype)
    values, vectors = eigsh(covariance, rank, which="LA", v0=start, tol=EIGEN_TOLERANCE)
    return values.astype(np.float64), vectors.astype(np.float64), float(variance.sum())


def _posterior(
    model: FactorModel, X: Tensor, observed: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the mean of the scores of each row, and the root of their precision.

    The mean of the columns is subtracted from X already, and missing cells are 0.
    """
    rank = model.loadings.shape[1]
    precision = _sum_symmetric(observed / model.noise, model.moments)
    precision = precision + torch.eye(rank, dtype=X.dtype, device=X.device)
    root, _ = torch.linalg.cholesky_ex(precision)
    projected = (X / model.noise @ model.loadings)[:, :, None]
    return torch.cholesky_solve(projected, root)[:, :, 0], root


def _sum_symmetric(weights: Tensor, matrices: Tensor) -> Tensor:
    """Return weighted sums of symmetric matrices.

    **Shape** weights (n_sums, n_matrices); matrices (n_matrices, rank, rank).
    """
    rank = matrices.shape[1]
    lower, upper = torch.tril_indices(rank, rank, device=matrices.device)
    # Where each cell of a whole matrix stands in its half. Selecting columns by one
    # index takes a fifth of the time that two indices take.
    half = torch.empty(rank, rank, dtype=torch.int64, device=matrices.device)
    half[lower, upper] = half[upper, lower] = torch.arange(len(lower)).to(half)
    sums = weights @ matrices.flatten(1).index_select(1, lower * rank + upper)
    return sums.index_select(1, half.flatten()).view(-1, rank, rank)


def _em_step(
    model: FactorModel, X: Tensor, weighted: Tensor, observed: Tensor
) -> FactorModel:
    """Return the model after one step of variational expectation maximisation."""
    total = weighted.sum(0).clamp(min=1e-6)
    scores, root = _posterior(model, (X - model.mean) * observed, observed)
    mean = ((X - scores @ model.loadings.T) * weighted).sum(0) / total
    X = (X - mean) * weighted
    products = scores[:, :, None] * scores[:, None, :] + torch.cholesky_inverse(root)
    products = _sum_symmetric(weighted.T, products)
    # Scores that few columns depend on are given up: the prior variance of the loadings
    # is that of each score.
    prior = torch.diag(1 / model.moments.diagonal(dim1=1, dim2=2).mean(0))
    covariance = torch.linalg.inv(products / model.noise[:, None, None] + prior)
    crossed = X.T @ scores
    loadings = (covariance @ (crossed / model.noise[:, None])[:, :, None])[:, :, 0]
    moments = loadings[:, :, None] * loadings[:, None, :] + covariance
    squares = (X**2 / weighted.clamp(min=1e-30)).sum(0)
    squares = squares - 2 * (loadings * crossed).sum(1)
    noise = (squares + (moments * products).sum((1, 2))) / total
    return FactorModel(mean, loadings, moments, noise.clamp(min=LEAST_NOISE))
