r"""A training step of a dense network whose gradients are written out.

Layer l multiplies the output of the layer before by its weights and applies an
activation f to each cell::

    Z[l] = A[l-1] @ W[l].T + b[l]         A[l] = f(Z[l])

With dA and dZ for the gradients of the loss, the chain rule gives, from the last layer
to the first (Rumelhart, Hinton and Williams, 1986) [1]_::

    dZ[l] = dA[l] * f'(Z[l])
    dW[l] = dZ[l].T @ A[l-1]              db[l] = dZ[l].sum(axis=0)
    dA[l-1] = dZ[l] @ W[l]

Autograd computes the same numbers, to the last bit, but in a small network its own
bookkeeping takes longer than these products. Only the gradient of the loss with respect
to the output of the network is left to it.

References
----------
.. [1] Rumelhart, D. E., Hinton, G. E. and Williams, R. J. "Learning representations by
   back-propagating errors." Nature 323 (1986), 533-536.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from sklearn_ae._collective import here
from sklearn_ae._compat import (
    activation_gradients,
    calls_only_forward,
    fused_adam_kernel,
    has_hooks,
    has_mse_loss_with_gradient,
    mse_loss_with_gradient,
)
from sklearn_ae._modules.losses import NumericReconstructionLoss

# What computes each activation. The first three overwrite Z: their derivatives are
# functions of their values.
ACTIVATIONS: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.ReLU: torch.relu_,
    nn.Tanh: torch.tanh_,
    nn.Sigmoid: torch.sigmoid_,
    nn.GELU: F.gelu,
    nn.SiLU: F.silu,
}
# A linear layer and the class of the activation behind it.
LinearLayer = tuple[nn.Linear, type[nn.Module] | None]


class Layer(NamedTuple):
    """The tensors of a linear layer, and the activation behind it."""

    weight: Tensor
    weight_T: Tensor
    bias: Tensor
    activation: type[nn.Module] | None
    weight_gradient: Tensor
    bias_gradient: Tensor


class DensePass:
    """The forward and the backward pass through dense layers.

    The tensors of a pass are made once for each number of rows; the next pass
    overwrites them.

    Parameters
    ----------
    layers : list of Layer
    n_frozen : int, default=0
        Number of layers at the start that need no gradients.
    """

    def __init__(self, layers: list[Layer], n_frozen: int = 0) -> None:
        self.layers = layers
        self.n_frozen = n_frozen
        self._buffers: dict[int, tuple[list[Tensor], ...]] = {}

    def forward(self, X: Tensor) -> Tensor:
        """Return the output of the last layer."""
        self._Z, self._dZ, self._dZ_T = self._buffers_for(len(X))
        self._A = [X]
        for layer, Z in zip(self.layers, self._Z, strict=True):
            torch.addmm(layer.bias, self._A[-1], layer.weight_T, out=Z)
            f = layer.activation
            self._A.append(Z if f is None else ACTIVATIONS[f](Z))
        return self._A[-1]

    @property
    def output_gradient(self) -> Tensor:
        """The tensor that `backward` takes the gradient of the output from."""
        return self._dZ[-1]

    def backward(self) -> None:
        """Compute the gradients of the layers."""
        for i in reversed(range(self.n_frozen, len(self.layers))):
            layer, dZ = self.layers[i], self._dZ[i]
            if layer.activation is not None:
                activation_gradients[layer.activation](dZ, self._Z[i])
            torch.mm(self._dZ_T[i], self._A[i], out=layer.weight_gradient)
            torch.sum(dZ, 0, out=layer.bias_gradient)
            if i > self.n_frozen:
                torch.mm(dZ, layer.weight, out=self._dZ[i - 1])

    def _buffers_for(self, n_rows: int) -> tuple[list[Tensor], ...]:
        """Return the tensors Z, dZ and dZ.T of all layers."""
        if n_rows not in self._buffers:
            # Parts of one tensor may start where MKL adds up in another order.
            Z, dZ = (
                [layer.bias.new_empty(n_rows, len(layer.bias)) for layer in self.layers]
                for _ in range(2)
            )
            self._buffers[n_rows] = Z, dZ, [gradient.t() for gradient in dZ]
        return self._buffers[n_rows]


class FusedAdam:
    """Steps of torch's fused Adam or AdamW, without the wrapper around the kernel.

    Parameters
    ----------
    optimizer : Adam or AdamW
        It keeps its state. The gradients stay in the same tensors.
    kernel : callable
        From `fused_adam_kernel`.
    """

    def __init__(self, optimizer: Optimizer, kernel: Callable[..., None]) -> None:
        self.optimizer = optimizer
        self.kernel = kernel
        self._groups: list[tuple[dict[str, Any], list[Any], Tensor]] = []

    def step(self) -> None:
        """Take a step; the very first is torch's own, which makes the state."""
        if not self._groups:
            groups = self.optimizer.param_groups
            if not all(w in self.optimizer.state for w in _learning(groups)):
                self.optimizer.step()
                return
            self._groups = [(g, *self._tensors(g)) for g in groups if _learning([g])]
        for group, tensors, n_steps in self._groups:
            n_steps += 1
            self.kernel(group, *tensors)

    def _tensors(self, group: dict[str, Any]) -> tuple[list[Any], Tensor]:
        """Return the arguments of the kernel, and the last of them as one tensor."""
        weights = _learning([group])
        states = [self.optimizer.state[weight] for weight in weights]
        # Parts of one tensor are all raised at once.
        n_steps = torch.stack([state["step"] for state in states])
        for state, n_steps_of_weight in zip(states, n_steps, strict=True):
            state["step"] = n_steps_of_weight
        names = ("exp_avg", "exp_avg_sq", "step")
        gradients = [weight.grad for weight in weights]
        kept = ([state[name] for state in states] for name in names)
        return [weights, gradients, *kept], n_steps


def _learning(groups: list[dict[str, Any]]) -> list[Tensor]:
    """Return the weights in groups of an optimizer that have a gradient."""
    return [w for group in groups for w in group["params"] if w.grad is not None]


class WrittenOutStep:
    """A training step of a net, with the gradients of its layers written out.

    Parameters
    ----------
    net : AutoencoderNet
    dense : DensePass
        Through all layers of its module.
    weights : list of Parameter
        All weights of the net, those that do not learn included.
    """

    def __init__(self, net: Any, dense: DensePass, weights: list[nn.Parameter]) -> None:
        self.net = net
        self.dense = dense
        self._learning = [(weight, weight.requires_grad) for weight in weights]
        self.is_mse = _is_plain_mse(net.criterion_)
        kernel = fused_adam_kernel(net.optimizer_)
        self.adam = None if kernel is None else FusedAdam(net.optimizer_, kernel)

    def holds(self) -> bool:
        """Whether the same weights learn as when it was made."""
        return all(weight.requires_grad is learns for weight, learns in self._learning)

    @torch.no_grad()
    def compute_gradients(self, batch: Any) -> dict[str, Tensor]:
        """Compute the gradients, and return the loss and the output."""
        X, y = batch
        inputs = self.net.module_.inputs(X, noisy=True)
        processes = here()
        if processes is None:
            raw = self.dense.forward(inputs)
            gradient = self.dense.output_gradient
        else:
            own = self.dense.forward(processes.own(inputs))
            raw = processes.gather(own, len(X))
            gradient = torch.empty_like(raw)
        may_have_missing = self.is_mse and self.net.criterion_.may_have_missing
        if self.is_mse and not may_have_missing:
            loss = mse_loss_with_gradient(raw, X, y, gradient)
        elif self.is_mse and y is None:
            loss = mse_of_observed_with_gradient(raw, X, gradient)
        else:
            loss = self._loss_by_autograd(raw, X, y, gradient)
        if processes is not None:
            own = processes.own(gradient) / processes.weight
            self.dense.output_gradient.copy_(own)
        self.dense.backward()
        return {"loss": loss, "y_pred": raw}

    def take(self, batch: Any) -> dict[str, Tensor]:
        """Compute the gradients and change the weights."""
        step = self.compute_gradients(batch)
        average_gradients(self.net)
        optimizer = self.adam or self.net.optimizer_
        optimizer.step()
        return step

    def _loss_by_autograd(
        self, raw: Tensor, X: Tensor, y: Any, gradient: Tensor
    ) -> Tensor:
        """Return the loss, and write the gradient of the output."""
        leaf = raw.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.net.get_loss(leaf, y, X=X, training=True)
        gradient.copy_(torch.autograd.grad(loss, leaf)[0])
        return loss.detach()


def average_gradients(net: Any) -> None:
    """Average the gradients over the processes that fit together, if several do."""
    processes = here()
    if processes is not None:
        processes.average_gradients(w for _, w in net.get_all_learnable_params())


def write_out(net: Any) -> WrittenOutStep | None:
    """Return a step that trains a net as autograd would, or None where it could not.

    It holds until somebody exchanges layers or the tensors of their weights, or changes
    which of them learn.

    Parameters
    ----------
    net : AutoencoderNet
        Initialized. Its loss is a function of the output, the batch and nothing else.
    """
    modules = net.module_.dense_layers()
    if modules is None or not _is_plain(net):
        return None
    linears = _linear_layers(modules)
    n_frozen = sum(not linear.weight.requires_grad for linear, _ in linears)
    learning = [w for linear, _ in linears[n_frozen:] for w in linear.parameters()]
    weights = [weight for _, weight in net.get_all_learnable_params()]
    learnable = [weight for weight in weights if weight.requires_grad]
    # All that learns are these weights, and each of them is in one layer only.
    same = len(learning) == len(learnable) and {*learning} == {*learnable}
    if not learning or not same or any(map(has_hooks, learning)):
        return None
    layers = [_make_layer(linear, activation) for linear, activation in linears]
    # An optimizer would go on with gradients that a frozen layer still has.
    for weight in weights:
        weight.grad = None
    for (linear, _), layer in zip(linears[n_frozen:], layers[n_frozen:], strict=True):
        linear.weight.grad = layer.weight_gradient
        linear.bias.grad = layer.bias_gradient
    return WrittenOutStep(net, DensePass(layers, n_frozen), weights)


def _is_plain(net: Any) -> bool:
    """Whether nothing but the layers and the loss takes part in a step, on a CPU."""
    return (
        torch.device(net.device).type == "cpu"
        and net.precision == "float32"
        and not torch.is_autocast_enabled("cpu")
        and not torch.is_anomaly_enabled()
        and all(map(calls_only_forward, net.module_.modules()))
    )


def _is_plain_mse(criterion: nn.Module) -> bool:
    """Whether the loss is the mean squared error of the raw output."""
    return (
        has_mse_loss_with_gradient
        and type(criterion) is NumericReconstructionLoss
        and criterion.loss == "mse"
        and type(criterion.activation) is nn.Identity
    )


def mse_of_observed_with_gradient(
    values: Tensor, target: Tensor, out: Tensor
) -> Tensor:
    """Return the mean over the rows of the mean squared error of their observed cells.

    Parameters
    ----------
    values, target : Tensor of shape (n_rows, n_columns)
        Missing cells of the target are NaN.
    out : Tensor of shape (n_rows, n_columns)
        Its gradient is written into it.
    """
    observed = ~torch.isnan(target)
    n_observed = observed.sum(1, keepdim=True).clamp_(min=1)
    error = torch.where(observed, values - target, 0.0)
    # torch divides a number of Python by multiplying with the inverse.
    torch.mul(error, error.new_full((), 2 / len(target)) / n_observed, out=out)
    return (error.square_().sum(1, keepdim=True) / n_observed).mean()


def _linear_layers(modules: Iterable[nn.Module]) -> list[LinearLayer]:
    """Return the linear layers; none if there is a module that is not written out."""
    linears: list[LinearLayer] = []
    for module in modules:
        if isinstance(module, nn.Linear) and _is_plain_linear(module):
            linears.append((module, None))
        elif _is_known(module) and linears and linears[-1][1] is None:
            linears[-1] = (linears[-1][0], type(module))
        elif type(module) is not nn.Identity:
            return []
    return linears


def _is_plain_linear(module: nn.Linear) -> bool:
    """Whether a linear layer is torch's own, with a bias and float32 weights."""
    return (
        type(module) is nn.Linear
        and module.bias is not None
        and module.weight.dtype == module.bias.dtype == torch.float32
        and module.weight.is_contiguous()
    )


def _is_known(activation: nn.Module) -> bool:
    """Whether the derivative of an activation is at hand."""
    is_exact = getattr(activation, "approximate", "none") == "none"
    return type(activation) in activation_gradients and is_exact


def _make_layer(linear: nn.Linear, activation: type[nn.Module] | None) -> Layer:
    W, b = linear.weight.detach(), linear.bias.detach()
    return Layer(W, W.t(), b, activation, torch.empty_like(W), torch.empty_like(b))
