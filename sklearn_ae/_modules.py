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


class Autoencoder(nn.Module):
    """An encoder and a decoder, with noise in training and a place for missing cells.

    **Shape** input (n_rows, n_encoded) with NaN for missing cells; latent
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

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules import Autoencoder, Dense
    >>> network = Dense(3, 3, 2, (8,), "relu")
    >>> Autoencoder(network, 2)(torch.zeros(5, 3)).shape
    torch.Size([5, 3])
    """

    def __init__(self, network, n_components, noise=None, indicators=None):
        super().__init__()
        self.network = network
        self.n_components = n_components
        self.noise = noise
        self.missing = indicators is not None
        """Whether rows may have missing cells: looking for them takes time."""
        self.register_buffer(
            "indicators",
            None if indicators is None else torch.as_tensor(indicators),
        )

    def forward(self, X):
        """Return the raw reconstruction; X is corrupted first while training."""
        if self.training and self.noise is not None:
            X = self.noise(X)
        return self.decode(self.encode(X))

    def encode(self, X):
        """Return the latent codes of scaled rows."""
        if self.missing:
            X = self._fill_missing(X)
        return half(self.network, "encode")(X)

    def decode(self, Z):
        """Return the raw reconstruction of latent codes."""
        return half(self.network, "decode")(Z)

    def _fill_missing(self, X):
        missing = torch.isnan(X)
        X = torch.where(missing, 0.0, X)
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
    ):
        super().__init__()
        widths = [n_inputs, *hidden_layer_sizes, n_components]
        self.encoder = _layers(widths, activation)
        if latent_activation != "identity":
            self.encoder.append(make_activation(latent_activation))
        self.decoder = _layers([*widths[:0:-1], n_outputs], activation)


def _layers(widths, activation):
    """Return linear layers of these widths with an activation between each two."""
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), make_activation(activation)]
    return nn.Sequential(*layers[:-1])
