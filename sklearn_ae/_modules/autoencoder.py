"""The torch module of an autoencoder: noise, encoder, decoder."""

import torch
from torch import nn


class OneHot(nn.Module):
    """Scaled columns, and for each category an indicator instead of a code.

    The indicators of a column have a mean of 0, and together the variance 1 of a
    standardised column.

    **Shape** input (n_rows, n_columns), output (n_rows, layout.width); all columns of a
    missing cell are NaN.

    Parameters
    ----------
    layout : Layout
        Where the columns stand.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn_ae._tables.layout import Layout
    >>> from sklearn_ae._modules.autoencoder import OneHot
    >>> one_hot = OneHot(Layout((None, np.array([0.5, 0.5]))))
    >>> one_hot(torch.tensor([[3.0, 0.0], [4.0, float("nan")]]))
    tensor([[ 3.0000,  0.7071, -0.7071],
            [ 4.0000,     nan,     nan]])
    """

    def __init__(self, layout):
        super().__init__()
        for name in ("numeric", "categorical", "offsets", "column_of_category"):
            self.register_buffer(name, getattr(layout, name), persistent=False)
        shift = layout.share_of_category * layout.scale
        for name, values in (("scale", layout.scale), ("shift", shift)):
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, X):
        """Return the encoded columns."""
        codes = X.index_select(1, self.categorical)
        missing = torch.isnan(codes)
        places = torch.where(missing, 0.0, codes).long() + self.offsets
        chosen = torch.zeros(len(X), len(self.scale), dtype=X.dtype, device=X.device)
        indicators = chosen.scatter_(1, places, self.scale[places]) - self.shift
        indicators = indicators.masked_fill_(
            missing.index_select(1, self.column_of_category), torch.nan
        )
        return torch.cat([X.index_select(1, self.numeric), indicators], dim=1)

    def from_shares(self, values):
        """Return encoded columns of numbers and of a share for each category."""
        values = values.clone()
        values[:, len(self.numeric) :].mul_(self.scale).sub_(self.shift)
        return values

    def to_shares(self, encoded):
        """Return numbers and a share for each category from encoded columns."""
        values = encoded.clone()
        values[:, len(self.numeric) :].add_(self.shift).div_(self.scale)
        return values


class Autoencoder(nn.Module):
    """An encoder and a decoder, with noise in training and a place for missing cells.

    **Shape** input (n_rows, n_columns) with NaN for missing cells; latent
    (n_rows, n_components); raw output (n_rows, n_encoded).

    Parameters
    ----------
    network : nn.Module
        Has the methods ``encode(X)`` and ``decode(Z)``, or the submodules ``encoder``
        and ``decoder``.
    n_components : int
        Width of the latent.
    noise : callable, default=None
        Corrupts each training batch: ``noise(X, blocks)``.
    indicators : sequence of int, default=None
        Columns that had missing cells in `fit`: the encoder gets one more input for
        each, 1 where the cell is missing.
    layout : Layout, default=None
        Where the columns stand, if some are categorical.
    fill : LinearFill, default=None
        What fills missing cells. `None` fills them with 0.
    latent : Latent, default=None
        What is asked of the latent beside restoring the rows.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.autoencoder import Autoencoder
    >>> from sklearn_ae._modules.dense import Dense
    >>> network = Dense(3, 3, 2, (8,), "relu")
    >>> Autoencoder(network, 2)(torch.zeros(5, 3)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        network,
        n_components,
        noise=None,
        indicators=None,
        layout=None,
        fill=None,
        latent=None,
    ):
        super().__init__()
        self.network = network
        self.n_components = n_components
        self.noise = noise
        self.latent = latent
        self.one_hot = None if layout is None else OneHot(layout)
        self.missing = indicators is not None
        """Whether rows may have missing cells: looking for them takes time."""
        if indicators is not None:
            indicators = torch.as_tensor(indicators)
            if layout is not None:
                indicators = layout.first_places[indicators]
        self.register_buffer("indicators", indicators)
        self.fill = fill
        blocks = None if layout is None else layout.blocks
        self.register_buffer("blocks", blocks, persistent=False)

    def forward(self, X, with_cost=False):
        """Return the raw reconstruction; X is corrupted first while training.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns)
        with_cost : bool, default=False
            Whether to return also what the penalty of the latent is computed from.
        """
        X = self.inputs(X, noisy=self.training)
        if self.latent is None or not (self.training or with_cost):
            return self.decode(self.encode_inputs(X))
        Z, cost = self.latent(self.encode_inputs, X)
        return (self.decode(Z), cost) if with_cost else self.decode(Z)

    def encode(self, X, missing=False, expected=None):
        """Return the latent codes of scaled rows.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns)
        missing : bool, default=False
            Whether X has missing cells, if no rows in `fit` had.
        expected : Tensor of shape (n_rows, layout.width), default=None
            Numbers, and a share for each category, to take for missing cells.
        """
        return self.encode_inputs(self.inputs(X, missing, expected))

    def inputs(self, X, missing=False, expected=None, *, noisy=False):
        """Return what the network gets of scaled rows; parameters as in `encode`."""
        X = self._one_hot(X)
        if noisy and self.noise is not None:
            X = self.noise(X, self.blocks)
        if not (missing or self.missing):
            return X
        if expected is not None and self.one_hot is not None:
            expected = self.one_hot.from_shares(expected)
        return self._fill_missing(X, expected)

    def encode_inputs(self, X):
        """Return the latent codes for what `inputs` returns."""
        return half(self.network, "encode")(X)

    def decode(self, Z):
        """Return the raw reconstruction of latent codes."""
        return half(self.network, "decode")(Z)

    def expect_linearly(self, X):
        """Return numbers and shares of categories, missing ones by the linear model."""
        X = self._one_hot(X)
        X = torch.nan_to_num(X) if self.fill is None else self.fill(X)
        return X if self.one_hot is None else self.one_hot.to_shares(X)

    def linear_variance(self, X):
        """Return the variance of each encoded cell by the linear model, 1 without."""
        X = self._one_hot(X)
        return torch.ones_like(X) if self.fill is None else self.fill.variance(X)

    def _one_hot(self, X):
        return X if self.one_hot is None else self.one_hot(X)

    def _fill_missing(self, X, expected=None):
        missing = torch.isnan(X)
        if expected is None:
            expected = X.new_zeros(()) if self.fill is None else self.fill(X)
        X = torch.where(missing, expected, X)
        if self.indicators is None:
            return X
        return torch.cat([X, missing[:, self.indicators].to(X.dtype)], dim=1)


def half(network, name):
    """Return the method "encode" or "decode" of a network, else its submodule.

    Raises
    ------
    AttributeError
        If it has neither.
    """
    # A method is an attribute of the class; a module looks for others at length.
    if hasattr(type(network), name):
        return getattr(network, name)
    return getattr(network, f"{name}r")
