"""Numbers as a network finds thresholds in them: a piecewise linear encoding."""

import torch
from torch import Tensor, nn


class PiecewiseLinear(nn.Module):
    """Encode each number by how far it fills each of several bins [1]_.

    A bin that a number lies beyond is 1, one that it does not reach is -1, and the one
    that it lies in is linear between; all are divided by the root of the number of bins
    of their column, so that together they are as large as one number. From these, dense
    layers learn functions of a number with sharp bends, as trees do, much sooner than
    from the number itself.

    **Shape** input (n_rows, n_inputs), output (n_rows, n_bins_of_all_columns).

    Parameters
    ----------
    edges : list of Tensor
        Ascending, for each of the first columns; fewer than three make no bins.

    References
    ----------
    .. [1] Gorishniy, Y., Rubachev, I. and Babenko, A. "On embeddings for numerical
       features in tabular deep learning." NeurIPS 2022.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.piecewise_linear import PiecewiseLinear
    >>> PiecewiseLinear([torch.tensor([0.0, 1.0, 5.0])])(torch.tensor([[0.5], [3.0]]))
    tensor([[ 0.0000, -0.7071],
            [ 0.7071,  0.0000]])
    """

    column: Tensor
    scale: Tensor
    center: Tensor
    factor: Tensor

    def __init__(self, edges: list[Tensor]) -> None:
        super().__init__()
        edges = [column if len(column) > 2 else column[:0] for column in edges]
        counts = torch.tensor([max(0, len(column) - 1) for column in edges])
        low = torch.cat([column[:-1] for column in edges])
        high = torch.cat([column[1:] for column in edges])
        column = torch.arange(len(edges)).repeat_interleave(counts)
        self.register_buffer("column", column)
        self.register_buffer("scale", _scale_of(column), persistent=False)
        self.register_buffer("center", (low + high) / 2)
        self.register_buffer("factor", 2 / (high - low))

    @classmethod
    def from_rows(cls, X: Tensor, weight: Tensor, n_bins: int) -> "PiecewiseLinear":
        """Return one whose bins hold equal shares of some rows.

        A number that more rows have than would fit into a bin is the end of two bins,
        and the others hold equal shares of all other rows.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns)
            Numbers, none of them missing.
        weight : Tensor of shape (n_rows,)
        n_bins : int
            For each column; fewer where many cells are equal.
        """
        weight = weight.double()
        return cls([_find_edges(column, weight, n_bins) for column in X.T])

    @classmethod
    def allocate(cls, column: Tensor) -> "PiecewiseLinear":
        """Return one of bins of some columns, whose edges take no memory yet.

        Parameters
        ----------
        column : Tensor of shape (n_bins_of_all_columns,), dtype=int64
        """
        embedding = cls([torch.arange(3.0)])
        embedding.column = column
        embedding.scale = _scale_of(column)
        embedding.center = torch.empty(len(column), device="meta")
        embedding.factor = torch.empty(len(column), device="meta")
        return embedding

    @property
    def n_outputs(self) -> int:
        """Number of bins of all columns."""
        return len(self.column)

    def forward(self, X: Tensor) -> Tensor:
        """Return how far the numbers of rows fill the bins."""
        numbers = X.index_select(1, self.column)
        return ((numbers - self.center) * self.factor).clamp(-1, 1) * self.scale


def _scale_of(column: Tensor) -> Tensor:
    """Return what the bins are multiplied by, from the column of each."""
    return column.bincount()[column].rsqrt()


def _find_edges(column: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    values, indices = column.unique(return_inverse=True)
    total = weight.new_zeros(len(values)).index_add_(0, indices, weight)
    is_common = total * n_bins >= total.sum()
    edges, others = values[is_common], values[~is_common]
    if not len(others):
        return edges
    total = total[~is_common].cumsum(0)
    shares = torch.linspace(0, 1, n_bins + 1 - len(edges), dtype=torch.float64)
    # Rounding is not to look for a row behind the last one.
    places = torch.searchsorted(total, shares.to(total) * total[-1])
    return torch.cat([edges, others[places.clamp(max=len(others) - 1)]]).unique()
