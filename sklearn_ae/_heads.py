"""From the raw output of a decoder to values and losses."""

import torch
from torch import nn
from torch.nn import functional as F


def binary_cross_entropy(values, X, reduction):
    """Return the binary cross-entropy of values in [0, 1].

    torch's own refuses targets outside [0, 1], and rounding takes some columns that
    were scaled to this range a hair beyond it; a row after `fit` may lie far out.
    """
    # At 0 and 1 the logarithm has no gradient that could be used.
    eps = torch.finfo(values.dtype).eps
    values = values.clamp(eps, 1 - eps)
    loss = -X * torch.log(values) - (1 - X) * torch.log1p(-values)
    return loss.mean() if reduction == "mean" else loss


LOSSES = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
    "bce": binary_cross_entropy,
}


class NumericHead(nn.Module):
    """Values and loss of numeric columns; also the criterion of the skorch net.

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
    >>> from sklearn_ae._heads import NumericHead
    >>> head = NumericHead("mse", torch.nn.Identity())
    >>> raw, X = torch.zeros(2, 3), torch.tensor([[1.0, 1, 1], [2, 2, float("nan")]])
    >>> head.loss_of_rows(raw, X)
    tensor([1., 4.])
    """

    def __init__(self, loss, activation):
        super().__init__()
        self.loss = loss
        self.activation = activation
        self.missing = False
        """Whether training rows have missing cells: looking for them takes time."""

    def forward(self, raw, X, weight=None):
        """Return the mean loss of a batch; X is clean, whatever the network was fed."""
        if weight is None and not self.missing and isinstance(self.loss, str):
            return self._loss(raw, X, "mean")
        rows = self.loss_of_rows(raw, X, self.missing)
        return rows.mean() if weight is None else (rows * weight).mean()

    def values(self, raw):
        """Return the values that the raw output stands for, in scaled units."""
        return self.activation(raw)

    def loss_of_rows(self, raw, X, missing=True):
        """Return the mean loss over the observed cells of each row.

        Parameters
        ----------
        raw, X : Tensor of shape (n_rows, n_columns)
            Output of the decoder and target; missing cells of X are NaN.
        missing : bool, default=True
            Whether to look for missing cells.

        Returns
        -------
        loss : Tensor of shape (n_rows,)
            Zero where no cell was observed.
        """
        if not missing:
            return _mean_of_cells(self._loss(raw, X, "none"), X)
        observed = ~torch.isnan(X)
        target = torch.where(observed, X, self.values(raw).detach())
        loss = self._loss(raw, target, "none")
        if loss.shape != X.shape:
            return _mean_of_cells(loss, X)
        # Not all losses are zero where the target is the value itself.
        loss = torch.where(observed, loss, 0.0)
        return loss.sum(1) / observed.sum(1).clamp(min=1)

    def _loss(self, raw, X, reduction):
        if self.loss == "bce" and isinstance(self.activation, nn.Sigmoid):
            return F.binary_cross_entropy_with_logits(raw, X, reduction=reduction)
        if callable(self.loss):
            return self.loss(self.values(raw), X)
        return LOSSES[self.loss](self.values(raw), X, reduction=reduction)


def _mean_of_cells(loss, X):
    """Return one loss for each row from one for each cell or row."""
    if loss.shape == X.shape:
        return loss.mean(1)
    return loss


def check_loss(loss, n_columns, device):
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
