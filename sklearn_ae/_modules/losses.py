"""Reconstruction losses, and the values that the raw output of a decoder stands for."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ae._modules.columns import Columns

# The name of a loss, or a function of the values and the target.
Loss: TypeAlias = str | Callable[[Tensor, Tensor], Tensor]


def binary_cross_entropy(values: Tensor, X: Tensor, reduction: str) -> Tensor:
    """Return the binary cross-entropy of values in [0, 1].

    torch's own refuses targets outside [0, 1], and rounding takes some columns that
    were scaled to this range a hair beyond it; a row after `fit` may lie far out.
    """
    # At 0 and 1 the logarithm has no gradient that could be used.
    eps = torch.finfo(values.dtype).eps
    values = values.clamp(eps, 1 - eps)
    loss = -X * torch.log(values) - (1 - X) * torch.log1p(-values)
    return loss.mean() if reduction == "mean" else loss


# Least entropy that the loss of a categorical column is divided by, that of a column
# with 99 equal cells in 100. Divided by less, one rare cell would outweigh all columns
# of many rows.
LEAST_ENTROPY = 0.056

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
    "bce": binary_cross_entropy,
}


class ReconstructionLoss(nn.Module):
    """Base class of the reconstruction losses, the criterion of the skorch net.

    **Shape** (n_rows, n_encoded) raw output and (n_rows, n_columns) target, a scalar
    loss.
    """

    def __init__(self) -> None:
        super().__init__()
        self.may_have_missing = False
        """Whether training rows may have missing cells: looking for them takes time."""

    def allow_missing(self) -> None:
        """Look for missing cells in training rows from now on."""
        self.may_have_missing = True

    @property
    def is_likelihood(self) -> bool:
        """Whether the loss of numbers is minus a log-likelihood, in nats."""
        raise NotImplementedError

    def forward(self, raw: Tensor, X: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch; X is clean, whatever the network was fed."""
        rows = self.loss_of_rows(raw, X, self.may_have_missing)
        return rows.mean() if weight is None else (rows * weight).mean()

    def values(self, raw: Tensor) -> Tensor:
        """Return scaled numbers and codes, as the columns stand in the table."""
        raise NotImplementedError

    def expected(self, raw: Tensor) -> Tensor:
        """Return scaled numbers and the probability of each category."""
        raise NotImplementedError

    def most_likely(self, expected: Tensor) -> Tensor:
        """Return scaled numbers and codes from what `expected` returns."""
        raise NotImplementedError

    def sample(self, expected: Tensor, spread: Tensor) -> Tensor:
        """Return numbers and categories drawn around those that are expected.

        Parameters
        ----------
        expected : Tensor of shape (n_rows, n_encoded)
            Numbers and shares of categories.
        spread : Tensor of shape (n_rows, n_encoded)
            Standard deviations of the numbers; those of categories are not used.

        Returns
        -------
        drawn : Tensor of shape (n_rows, n_encoded)
            Numbers, and 1 for one category of each column.
        """
        raise NotImplementedError

    def loss_of_rows(
        self, raw: Tensor, X: Tensor, may_have_missing: bool = True
    ) -> Tensor:
        """Return the mean loss over the observed cells of each row.

        Parameters
        ----------
        raw : Tensor of shape (n_rows, n_encoded)
            Output of the decoder.
        X : Tensor of shape (n_rows, n_columns)
            Target; missing cells are NaN.
        may_have_missing : bool, default=True
            Whether to look for missing cells.

        Returns
        -------
        loss : Tensor of shape (n_rows,)
            Zero where no cell was observed.
        """
        loss = self.loss_of_cells(raw, X, may_have_missing)
        if loss.shape != X.shape:
            return loss
        if not may_have_missing:
            return loss.mean(1)
        return loss.sum(1) / (~torch.isnan(X)).sum(1).clamp(min=1)

    def loss_of_cells(
        self, raw: Tensor, X: Tensor, may_have_missing: bool = True
    ) -> Tensor:
        """Return the loss of each cell, zero where it is missing.

        Parameters
        ----------
        raw, X, may_have_missing
            As in `loss_of_rows`.

        Returns
        -------
        loss : Tensor of shape (n_rows, n_columns), or (n_rows,)
            One loss for each row if a callable loss returns only that.
        """
        raise NotImplementedError

    def nats_per_loss(
        self, raw: Tensor, X: Tensor, weight: Tensor | None, may_have_missing: bool
    ) -> Tensor:
        """Return how many nats of log-likelihood one unit of loss is, for all cells.

        Parameters
        ----------
        raw, X, may_have_missing
            As in `loss_of_rows`.
        weight : Tensor of shape (n_rows,) or None

        Returns
        -------
        nats : Tensor
            A scalar, the mean over the columns.
        """
        raise NotImplementedError


class NumericReconstructionLoss(ReconstructionLoss):
    """Reconstruction loss of numeric columns.

    Parameters
    ----------
    loss : {"mse", "mae", "huber", "bce"} or callable
        A callable takes the values and the target, both of shape (n_rows, n_columns),
        and returns one loss for each cell or for each row.
    activation : nn.Module
        Turns the raw output into values.

    **Shape** (n_rows, n_columns) raw output and target, a scalar loss.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.losses import NumericReconstructionLoss
    >>> criterion = NumericReconstructionLoss("mse", torch.nn.Identity())
    >>> raw, X = torch.zeros(2, 3), torch.tensor([[1.0, 1, 1], [2, 2, float("nan")]])
    >>> criterion.loss_of_rows(raw, X)
    tensor([1., 4.])
    """

    def __init__(self, loss: Loss, activation: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.activation = activation

    def forward(self, raw: Tensor, X: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch; X is clean, whatever the network was fed."""
        is_plain = weight is None and not self.may_have_missing
        if is_plain and isinstance(self.loss, str):
            return self._loss(raw, X, "mean")
        return super().forward(raw, X, weight)

    def values(self, raw: Tensor) -> Tensor:
        """Return the values that the raw output stands for, in scaled units."""
        return self.activation(raw)

    def expected(self, raw: Tensor) -> Tensor:
        """Return the same as `values`: there is no category."""
        return self.activation(raw)

    def most_likely(self, expected: Tensor) -> Tensor:
        """Return the expected values as they are: there is no category."""
        return expected

    def sample(self, expected: Tensor, spread: Tensor) -> Tensor:
        """Return numbers drawn around those that are expected."""
        return expected + spread * torch.randn_like(expected)

    def loss_of_cells(
        self, raw: Tensor, X: Tensor, may_have_missing: bool = True
    ) -> Tensor:
        """Return the loss of each cell, zero where it is missing."""
        if not may_have_missing:
            return self._loss(raw, X, "none")
        observed = ~torch.isnan(X)
        target = torch.where(observed, X, self.values(raw).detach())
        loss = self._loss(raw, target, "none")
        if loss.shape != X.shape:
            return loss
        # Not all losses are zero where the target is the value itself.
        return torch.where(observed, loss, 0.0)

    @property
    def is_likelihood(self) -> bool:
        """Whether the loss is minus a log-likelihood, in nats."""
        return self.loss == "bce"

    @torch.no_grad()
    def nats_per_loss(
        self, raw: Tensor, X: Tensor, weight: Tensor | None, may_have_missing: bool
    ) -> Tensor:
        """Return how many nats of log-likelihood one unit of loss is.

        It depends on the variance of the cells around their reconstruction, for which
        the most likely value is taken. The Huber loss and callables are taken for
        squared errors. With binary cross-entropy, cells of 0 and 1 are coins, and those
        between have as much less noise as they are seen to have: the dispersion of a
        quasi-binomial model (McCullagh and Nelder, 1989).
        """
        tiny = torch.finfo(raw.dtype).tiny
        if self.is_likelihood:
            values = self.values(raw)
            noise = values * (1 - values)
            is_coin = (X == 0) | (X == 1)
            errors = torch.where(is_coin, noise, (values - X).square())
            coins = _total(noise, X, weight).clamp(min=tiny)
            return coins / _total(errors, X, weight).clamp(min=1e-6 * coins, max=coins)
        rows = self.loss_of_rows(raw, X, may_have_missing)
        if weight is not None:
            # All rows of a batch may weigh nothing.
            rows = rows * weight / weight.mean().clamp(min=tiny)
        loss = rows.mean().clamp(min=tiny)
        return 1 / loss if self.loss == "mae" else 0.5 / loss

    def _loss(self, raw: Tensor, X: Tensor, reduction: str) -> Tensor:
        if self.loss == "bce" and isinstance(self.activation, nn.Sigmoid):
            return F.binary_cross_entropy_with_logits(raw, X, reduction=reduction)
        if callable(self.loss):
            return self.loss(self.values(raw), X)
        return LOSSES[self.loss](self.values(raw), X, reduction=reduction)


def _total(cells: Tensor, X: Tensor, weight: Tensor | None) -> Tensor:
    """Return the weighted sum of the cells that are observed in X."""
    rows = torch.where(torch.isnan(X), 0.0, cells).sum(1)
    return rows.sum() if weight is None else rows @ weight


class MixedReconstructionLoss(ReconstructionLoss):
    """Reconstruction loss of a table with categorical columns.

    The loss of a categorical cell is the cross-entropy, divided by the entropy of its
    column: 1 for a network that knows no more than how frequent each category is, as
    the squared error of a standardised column is 1 for one that knows only the mean. So
    each column counts equally, whatever its number of categories.

    Parameters
    ----------
    numeric : NumericReconstructionLoss
        Loss of the numeric columns.
    layout : Layout
        Where the columns stand.

    **Shape** (n_rows, layout.width) raw output and (n_rows, n_columns) target, in which
    categories are codes; a scalar loss.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn_ae._modules.losses import (
    ...     MixedReconstructionLoss,
    ...     NumericReconstructionLoss,
    ... )
    >>> from sklearn_ae._tables.layout import Layout
    >>> layout = Layout((None, np.array([0.5, 0.25, 0.25])))
    >>> numeric = NumericReconstructionLoss("mse", torch.nn.Identity())
    >>> criterion = MixedReconstructionLoss(numeric, layout)
    >>> X = torch.tensor([[2.0, 1.0]])
    >>> criterion.values(torch.tensor([[1.0, -1.0, 3.0, 0.0]]))
    tensor([[1., 1.]])
    >>> frequencies = torch.tensor([[1.0, 0.50, 0.25, 0.25]])
    >>> frequencies[:, 1:] = torch.log(frequencies[:, 1:])
    >>> criterion.loss_of_cells(frequencies, torch.tensor([[2.0, 1.0]]))
    tensor([[1.0000, 1.3333]])
    """

    categorical: Tensor
    offsets: Tensor
    column_of_category: Tensor
    entropies: Tensor
    numeric_columns: Tensor
    order: Tensor

    def __init__(self, numeric: NumericReconstructionLoss, layout: Columns) -> None:
        super().__init__()
        self.numeric = numeric
        for name in ("categorical", "offsets", "column_of_category"):
            self.register_buffer(name, getattr(layout, name), persistent=False)
        entropies = layout.entropies.clamp(min=LEAST_ENTROPY).float()
        self.register_buffer("entropies", entropies, persistent=False)
        self.register_buffer("numeric_columns", layout.numeric, persistent=False)
        order = torch.cat([layout.numeric, layout.categorical]).argsort()
        self.register_buffer("order", order, persistent=False)

    def _split(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return the encoded columns of numbers, and those of categories."""
        n_numeric = len(self.numeric_columns)
        return raw[:, :n_numeric], raw[:, n_numeric:]

    def values(self, raw: Tensor) -> Tensor:
        """Return scaled numbers and codes, as the columns stand in the table."""
        raw, logits = self._split(raw)
        values = torch.cat([self.numeric.values(raw), logits], dim=1)
        return self.most_likely(values)

    def most_likely(self, expected: Tensor) -> Tensor:
        """Return scaled numbers and codes from numbers and shares of categories."""
        numbers, shares = self._split(expected)
        best = self._largest(shares).index_select(1, self.column_of_category)
        indices = torch.arange(shares.shape[1], device=shares.device)
        # The first of equally large ones.
        indices = torch.where(shares == best, indices, shares.shape[1])
        codes = self._reduce(indices, shares.shape[1], "amin") - self.offsets
        return torch.cat([numbers, codes.to(numbers.dtype)], dim=1)[:, self.order]

    def sample(self, expected: Tensor, spread: Tensor) -> Tensor:
        """Return numbers and categories drawn around those that are expected."""
        numbers, shares = self._split(expected)
        numbers = self.numeric.sample(numbers, self._split(spread)[0])
        # The largest of these is category k with probability shares[k].
        gumbel = -torch.log(-torch.log(torch.rand_like(shares)))
        keys = torch.log(shares.clamp(min=0.0)) + gumbel
        best = self._largest(keys).index_select(1, self.column_of_category)
        return torch.cat([numbers, (keys == best).to(numbers.dtype)], dim=1)

    def expected(self, raw: Tensor) -> Tensor:
        """Return scaled numbers and the probability of each category."""
        raw, logits = self._split(raw)
        centred, total = self._exponents(logits)
        shares = torch.exp(centred) / total.index_select(1, self.column_of_category)
        return torch.cat([self.numeric.values(raw), shares], dim=1)

    def loss_of_cells(
        self, raw: Tensor, X: Tensor, may_have_missing: bool = True
    ) -> Tensor:
        """Return the loss of each cell, zero where it is missing."""
        raw, logits = self._split(raw)
        losses = []
        if len(self.numeric_columns):
            X_numeric = X.index_select(1, self.numeric_columns)
            loss = self.numeric.loss_of_cells(raw, X_numeric, may_have_missing)
            # A callable may return one loss for each row: all its cells share it.
            losses.append(loss if loss.ndim > 1 else loss[:, None].expand_as(X_numeric))
        codes = X.index_select(1, self.categorical)
        losses.append(self._cross_entropy(logits, codes) / self.entropies)
        return torch.cat(losses, dim=1)[:, self.order]

    @property
    def is_likelihood(self) -> bool:
        """Whether the loss of numbers is minus a log-likelihood, in nats."""
        return self.numeric.is_likelihood

    def nats_per_loss(
        self, raw: Tensor, X: Tensor, weight: Tensor | None, may_have_missing: bool
    ) -> Tensor:
        """Return how many nats of log-likelihood one unit of loss is.

        The loss of a category is its cross-entropy, divided by the entropy of its
        column.
        """
        total, n_numeric = self.entropies.sum(), len(self.numeric_columns)
        if n_numeric:
            X_numeric = X.index_select(1, self.numeric_columns)
            nats = self.numeric.nats_per_loss(
                self._split(raw)[0], X_numeric, weight, may_have_missing
            )
            total = total + n_numeric * nats
        return total / (n_numeric + len(self.entropies))

    def _cross_entropy(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Return the cross-entropy of each cell, for all columns at once."""
        observed = ~torch.isnan(codes)
        indices = torch.where(observed, codes, 0.0).long() + self.offsets
        centred, total = self._exponents(logits)
        loss = torch.log(total) - centred.gather(1, indices)
        return torch.where(observed, loss, 0.0)

    def _exponents(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits less the largest of their column, and the sum of their exp."""
        largest = self._largest(logits.detach())
        centred = logits - largest.index_select(1, self.column_of_category)
        total = centred.new_zeros(logits.shape[0], len(self.categorical))
        return centred, total.index_add(1, self.column_of_category, torch.exp(centred))

    def _largest(self, values: Tensor) -> Tensor:
        return self._reduce(values, -torch.inf, "amax")

    def _reduce(self, values: Tensor, start: float, reduction: str) -> Tensor:
        """Return one value for each categorical column from those of its categories."""
        out = values.new_full((values.shape[0], len(self.categorical)), start)
        indices = self.column_of_category.expand_as(values)
        return out.scatter_reduce(1, indices, values, reduction)


def check_loss(
    loss: Callable[[Tensor, Tensor], Tensor], n_columns: int, device: torch.device
) -> None:
    """Try a callable loss on a few rows.

    Raises
    ------
    TypeError
        If it returns no tensor that gradients flow through.
    ValueError
        If it returns something other than one value for each cell or row.
    """
    # Another number of rows than of columns: their losses could not be told apart.
    n_rows = 2 if n_columns != 2 else 3
    values = torch.full((n_rows, n_columns), 0.5, device=device, requires_grad=True)
    got = loss(values, torch.full((n_rows, n_columns), 0.25, device=device))
    if not (isinstance(got, torch.Tensor) and got.requires_grad):
        kind = (
            "detached tensor" if isinstance(got, torch.Tensor) else type(got).__name__
        )
        raise TypeError(
            "A callable loss must return a tensor computed from its first argument "
            f"with torch alone, so that it can be trained on. Got: {kind}."
        )
    if got.shape not in (values.shape, values.shape[:1]):
        raise ValueError(
            "A callable loss must return one value for each cell or for each row, of "
            f"shape {tuple(values.shape)} or {tuple(values.shape[:1])} for {n_rows} "
            f"rows of {n_columns} columns. Got shape {tuple(got.shape)}. The losses of "
            "torch do so with reduction='none'."
        )
