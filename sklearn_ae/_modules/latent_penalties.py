"""The torch modules between encoder and decoder: penalties and random codes."""

import math
import warnings
from functools import cache

import torch
from torch import nn
from torch.autograd import forward_ad

# Units between the mean and the logarithm of the variance.
VARIANCE_UNITS = 64


class Latent(nn.Module):
    """Base of the modules between encoder and decoder while training.

    **Shape** input (n_rows, n_inputs) and an encoder; codes (n_rows, n_components).
    """

    in_nats = False
    """Whether the penalty is one of likelihood, so that it depends on the loss."""

    def forward(self, encode, X):
        """Return codes for the decoder, and what the penalty is computed from.

        Parameters
        ----------
        encode : callable
            From the inputs of the network to the codes.
        X : Tensor of shape (n_rows, n_inputs)

        Returns
        -------
        Z : Tensor of shape (n_rows, n_components)
        cost : Tensor of shape (n_rows, ...)
        """
        raise NotImplementedError

    def penalty(self, cost, weight, unit):
        """Return what a batch adds to the loss.

        Parameters
        ----------
        cost : Tensor of shape (n_rows, ...)
            From `forward`.
        weight : Tensor of shape (n_rows,) or None
        unit : Tensor of shape (n_rows,) or scalar, or None
            How much loss one nat of log-likelihood of a row is, if `in_nats`.

        Returns
        -------
        penalty : Tensor
            A scalar.
        """
        raise NotImplementedError


class GaussianLatent(Latent):
    """Codes drawn from a normal distribution, and its divergence from the standard one.

    Parameters
    ----------
    n_components : int
    beta : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import GaussianLatent
    >>> latent = GaussianLatent(2, 1.0)
    >>> Z, cost = latent(torch.nn.Identity(), torch.tensor([[3.0, 4.0]]))
    >>> Z.shape, cost
    (torch.Size([1, 2]), tensor([12.5000], grad_fn=<MulBackward0>))
    """

    in_nats = True

    def __init__(self, n_components, beta):
        super().__init__()
        self.beta = beta
        self.annealing = 1.0
        """Share of `beta` that counts while training; a callback raises it."""
        self.log_variance = nn.Sequential(
            nn.Linear(n_components, VARIANCE_UNITS),
            nn.ReLU(),
            nn.Linear(VARIANCE_UNITS, n_components),
        )
        nn.init.zeros_(self.log_variance[-1].weight)
        nn.init.zeros_(self.log_variance[-1].bias)

    def forward(self, encode, X):
        """Return codes, drawn while training, and the divergence of each row."""
        mean = encode(X)
        log_variance = self.log_variance(mean)
        terms = mean.square() + log_variance.exp() - 1 - log_variance
        Z = self.draw(mean, log_variance) if self.training else mean
        return Z, 0.5 * terms.sum(1)

    def draw(self, mean, log_variance):
        """Return codes around their means."""
        return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)

    def penalty(self, cost, weight, unit):
        """Return the weighted mean divergence, in the unit of the loss."""
        beta = self.beta * (self.annealing if self.training else 1.0)
        return beta * _weighted_mean(cost * unit, weight)


class L1SparseLatent(Latent):
    """Codes with a penalty on their absolute values.

    Parameters
    ----------
    alpha : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import L1SparseLatent
    >>> latent = L1SparseLatent(0.5)
    >>> _, cost = latent(torch.nn.Identity(), torch.tensor([[3.0, -1.0]]))
    >>> latent.penalty(cost, None, None)
    tensor(1.)
    """

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def forward(self, encode, X):
        """Return the codes, and their mean absolute value in each row."""
        Z = encode(X)
        return Z, Z.abs().mean(1)

    def penalty(self, cost, weight, unit):
        """Return the weighted mean."""
        return self.alpha * _weighted_mean(cost, weight)


class KLSparseLatent(Latent):
    """Codes in [0, 1] whose means over the rows should be small.

    Parameters
    ----------
    alpha, target : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import KLSparseLatent
    >>> latent = KLSparseLatent(1.0, 0.25)
    >>> _, cost = latent(torch.nn.Identity(), torch.tensor([[0.5], [0.0]]))
    >>> latent.penalty(cost, None, None)
    tensor(0.)
    """

    def __init__(self, alpha, target):
        super().__init__()
        self.alpha = alpha
        self.target = target

    def forward(self, encode, X):
        """Return the codes twice: the penalty is on their means over the rows."""
        Z = encode(X)
        return Z, Z

    def penalty(self, cost, weight, unit):
        """Return the mean divergence of the latents."""
        weight = torch.ones_like(cost[:, 0]) if weight is None else weight
        eps = torch.finfo(cost.dtype).eps
        # All rows of a batch may weigh nothing.
        mean = (weight @ cost / weight.sum().clamp(min=eps)).clamp(eps, 1 - eps)
        p = self.target
        divergence = p * (math.log(p) - mean.log()) + (1 - p) * (
            math.log1p(-p) - torch.log1p(-mean)
        )
        # Like the loss of the rows, it counts as much as they weigh.
        return self.alpha * divergence.mean() * weight.mean()


class ContractiveLatent(Latent):
    """Codes with a penalty on their derivatives.

    Parameters
    ----------
    n_components : int
    alpha : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import ContractiveLatent
    >>> latent = ContractiveLatent(2, 1.0)
    >>> X, direction = torch.zeros(1, 3), torch.tensor([[1.0, 2.0, 2.0]])
    >>> Z, cost = latent.along(lambda X: 2 * X[:, :2], X, direction)
    >>> Z, cost  # (4 + 16) / 2
    (tensor([[0., 0.]]), tensor([10.]))
    """

    def __init__(self, n_components, alpha):
        super().__init__()
        self.n_components = n_components
        self.alpha = alpha

    def forward(self, encode, X):
        """Return the codes, and the squared norm of their derivatives, estimated."""
        return self.along(encode, X, torch.randn_like(X))

    def along(self, encode, X, direction):
        """Return the codes, and the squared norm of their change in one direction."""
        _load_forward_mode()
        with forward_ad.dual_level():
            dual = encode(forward_ad.make_dual(X, direction))
            Z, change = forward_ad.unpack_dual(dual)
        if change is None:  # the encoder does not look at its input
            change = torch.zeros_like(Z)
        return Z, change.square().sum(1) / self.n_components

    def penalty(self, cost, weight, unit):
        """Return the weighted mean."""
        return self.alpha * _weighted_mean(cost, weight)


def _weighted_mean(cost, weight):
    """Return the mean over rows that count as much as they weigh."""
    return (cost if weight is None else cost * weight).mean()


@cache
def _load_forward_mode():
    """Let torch load what it derives with, which calls a deprecated part of torch."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(1), torch.zeros(1))
