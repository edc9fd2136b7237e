"""Dense encoders and decoders."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn

# The name of an activation, or its class.
Activation: TypeAlias = str | type[nn.Module]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


def make_activation(activation: Activation) -> nn.Module:
    """Return a new activation module from its name or class."""
    if isinstance(activation, str):
        return ACTIVATIONS[activation]()
    return activation()


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
    >>> from sklearn_ae._modules.dense import TiedLinear
    >>> layer = torch.nn.Linear(5, 2)
    >>> tied = TiedLinear(layer, 5)
    >>> torch.equal(tied(torch.eye(2)) - tied.bias, layer.weight)
    True
    """

    def __init__(self, layer: nn.Linear, n_outputs: int) -> None:
        super().__init__()
        self._tied = (layer,)  # in a tuple, torch does not register it
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, X: Tensor) -> Tensor:
        """Return the linear map."""
        weight = self._tied[0].weight[:, : len(self.bias)]
        return nn.functional.linear(X, weight.T, self.bias)

    def extra_repr(self) -> str:
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
    >>> from sklearn_ae._modules.dense import Dense
    >>> network = Dense(4, 4, 2, (16, 8), "relu")
    >>> network.encoder(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        n_components: int,
        hidden_layer_sizes: Sequence[int],
        activation: Activation,
        latent_activation: Activation = "identity",
        tied_weights: bool = False,
    ) -> None:
        super().__init__()
        widths = [n_inputs, *hidden_layer_sizes, n_components]
        self.tied_weights = tied_weights
        self.encoder = nn.Sequential(*dense_layers(widths, activation))
        decoder = dense_layers([*widths[:0:-1], n_outputs], activation)
        if tied_weights:
            mirrored = reversed(self.encoder)
            decoder = [
                TiedLinear(layer, own.out_features)
                if isinstance(own, nn.Linear) and isinstance(layer, nn.Linear)
                else own
                for own, layer in zip(decoder, mirrored, strict=True)
            ]
        self.decoder = nn.Sequential(*decoder)
        if latent_activation != "identity":
            self.encoder.append(make_activation(latent_activation))


def dense_layers(widths: Sequence[int], activation: Activation) -> list[nn.Module]:
    """Return linear layers of these widths with an activation between each two."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), make_activation(activation)]
    return layers[:-1]


def largest_product(layers: Iterable[nn.Module], n_rows: int) -> int:
    """Return the multiplications in the largest product of some rows with a layer."""
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return n_rows * max(layer.in_features * layer.out_features for layer in linears)
