"""The torch module of an autoencoder: noise, encoder, decoder."""

from itertools import pairwise

import torch
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


def make_activation(activation):
    """Return a new activation module from its name or class."""
    return ACTIVATIONS.get(activation, activation)()


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
    >>> from sklearn_ae._layout import Layout
    >>> from sklearn_ae._modules import OneHot
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
    >>> from sklearn_ae._modules import Autoencoder, Dense
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


class TiedLinear(nn.Module):
    """A linear layer with the weights of another one, transposed.

    **Shape** input (n_rows, layer.out_features); output (n_rows, n_outputs).

    Parameters
    ----------
    layer : nn.Linear
        Its weights are trained there, and stand in the state of its own module only.
    n_outputs : int
        At most ``layer.in_features``: its first inputs are restored.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules import TiedLinear
    >>> layer = torch.nn.Linear(5, 2)
    >>> tied = TiedLinear(layer, 5)
    >>> torch.equal(tied(torch.eye(2)) - tied.bias, layer.weight)
    True
    """

    def __init__(self, layer, n_outputs):
        super().__init__()
        self._tied = (layer,)  # in a tuple, torch does not register it
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, X):
        """Return the linear map."""
        weight = self._tied[0].weight[:, : len(self.bias)]
        return nn.functional.linear(X, weight.T, self.bias)

    def extra_repr(self):
        """Return the widths, for `print`."""
        n_inputs = self._tied[0].out_features
        return f"in_features={n_inputs}, out_features={len(self.bias)}"


class Dense(nn.Module):
    """Dense layers that narrow to the latent, and the same widths back.

    **Shape** input (n_rows, n_inputs); latent (n_rows, n_components); output
    (n_rows, n_outputs).

    Parameters
    ----------
    n_inputs, n_outputs, n_components : int
        Widths of the input, the output and the latent.
    hidden_layer_sizes : sequence of int
        Widths of the hidden layers of the encoder, outermost first.
    activation, latent_activation : str or nn.Module class
        After each hidden layer, and after the latent one.
    tied_weights : bool, default=False
        Whether each layer of the decoder has the weights of the encoder's, transposed.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules import Dense
    >>> network = Dense(4, 4, 2, (16, 8), "relu")
    >>> network.encoder(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        n_inputs,
        n_outputs,
        n_components,
        hidden_layer_sizes,
        activation,
        latent_activation="identity",
        tied_weights=False,
    ):
        super().__init__()
        widths = [n_inputs, *hidden_layer_sizes, n_components]
        self.tied_weights = tied_weights
        self.encoder = nn.Sequential(*dense_layers(widths, activation))
        decoder = dense_layers([*widths[:0:-1], n_outputs], activation)
        if tied_weights:
            mirrored = reversed(self.encoder)
            decoder = [
                TiedLinear(layer, own.out_features)
                if isinstance(own, nn.Linear)
                else own
                for own, layer in zip(decoder, mirrored, strict=True)
            ]
        self.decoder = nn.Sequential(*decoder)
        if latent_activation != "identity":
            self.encoder.append(make_activation(latent_activation))


def dense_layers(widths, activation):
    """Return linear layers of these widths with an activation between each two."""
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), make_activation(activation)]
    return layers[:-1]
