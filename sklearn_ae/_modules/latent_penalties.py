"""Penalties on the latent: the torch modules between encoder and decoder."""

import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from sklearn_ae._collective import randn_rows

# Hidden units of the network from the mean to the logarithm of the variance.
VARIANCE_UNITS = 64

Encoder: TypeAlias = Callable[[Tensor], Tensor]


class Latent(nn.Module):
    """Base class of the penalties on the latent of an autoencoder.

    **Shape** input (n_rows, n_inputs) and an encoder; latents (n_rows, n_components).
    """

    is_likelihood = False
    """Whether the penalty is in nats of log-likelihood, so that the loss matters."""

    annealing = 1.0
    """Share of the penalty that counts while training; a callback raises it to 1."""

    @property
    def is_annealing(self) -> bool:
        """Whether training minimises another loss than the one that is watched."""
        return self.annealing < 1

    def forward(self, encode: Encoder, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents for the decoder, and what the penalty is computed from.

        Parameters
        ----------
        encode : callable
            From the inputs of the network to the latents.
        X : Tensor of shape (n_rows, n_inputs)

        Returns
        -------
        Z : Tensor of shape (n_rows, n_components)
        penalty_terms : Tensor of shape (n_rows, ...)
        """
        raise NotImplementedError

    def sample(self, mean: Tensor) -> Tensor:
        """Return latents drawn around their means, if this draws them in training.

        Otherwise, and outside training, the means.
        """
        return mean

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return what a batch adds to the loss.

        Parameters
        ----------
        penalty_terms : Tensor of shape (n_rows, ...)
            From `forward`.
        weight : Tensor of shape (n_rows,) or None
        nat_weight : Tensor of shape (n_rows,) or scalar, or None
            Loss that one nat of log-likelihood of a row counts as, if `is_likelihood`.

        Returns
        -------
        penalty : Tensor
            A scalar.
        """
        raise NotImplementedError


class GaussianLatent(Latent):
    """Latents drawn from a normal distribution, and its divergence from a standard one.

    Parameters
    ----------
    n_components : int
    beta : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import GaussianLatent
    >>> latent = GaussianLatent(2, 1.0)
    >>> Z, divergence = latent(torch.nn.Identity(), torch.tensor([[3.0, 4.0]]))
    >>> Z.shape, divergence
    (torch.Size([1, 2]), tensor([12.5000], grad_fn=<MulBackward0>))
    """

    is_likelihood = True

    def __init__(self, n_components: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        first = nn.Linear(n_components, VARIANCE_UNITS)
        last = nn.Linear(VARIANCE_UNITS, n_components)
        self.log_variance = nn.Sequential(first, nn.ReLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, encode: Encoder, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents, drawn while training, and the divergence of each row."""
        mean = encode(X)
        log_variance = self.log_variance(mean)
        terms = mean.square() + log_variance.exp() - 1 - log_variance
        Z = self.draw(mean, log_variance) if self.training else mean
        return Z, 0.5 * terms.sum(1)

    def sample(self, mean: Tensor) -> Tensor:
        """Return latents drawn around their means in training, else the means."""
        return self.draw(mean, self.log_variance(mean)) if self.training else mean

    def draw(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return latents around their means."""
        return mean + torch.exp(log_variance / 2) * randn_rows(mean)

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return the weighted mean divergence, in the unit of the loss."""
        if nat_weight is None:
            raise TypeError("A divergence needs the loss that one nat counts as.")
        beta = self.beta * (self.annealing if self.training else 1.0)
        return beta * _weighted_mean(penalty_terms * nat_weight, weight)


class L1SparseLatent(Latent):
    """A penalty on the absolute values of the latents.

    Parameters
    ----------
    alpha : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import L1SparseLatent
    >>> latent = L1SparseLatent(0.5)
    >>> _, terms = latent(torch.nn.Identity(), torch.tensor([[3.0, -1.0]]))
    >>> latent.penalty(terms, None, None)
    tensor(1.)
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, encode: Encoder, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latents, and their mean absolute value in each row."""
        Z = encode(X)
        return Z, Z.abs().mean(1)

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return the weighted mean."""
        return self.alpha * _weighted_mean(penalty_terms, weight)


class KLSparseLatent(Latent):
    """A penalty on the means over the rows of latents in [0, 1].

    Parameters
    ----------
    alpha, target : float

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.latent_penalties import KLSparseLatent
    >>> latent = KLSparseLatent(1.0, 0.25)
    >>> _, terms = latent(torch.nn.Identity(), torch.tensor([[0.5], [0.0]]))
    >>> latent.penalty(terms, None, None)
    tensor(0.)
    """

    def __init__(self, alpha: float, target: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.target = target

    def forward(self, encode: Encoder, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latents twice: the penalty is on their means over the rows."""
        Z = encode(X)
        return Z, Z

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return the mean divergence of the latents."""
        Z = penalty_terms
        weight = torch.ones_like(Z[:, 0]) if weight is None else weight
        eps = torch.finfo(Z.dtype).eps
        # All rows of a batch may weigh nothing.
        mean = (weight @ Z / weight.sum().clamp(min=eps)).clamp(eps, 1 - eps)
        p = self.target
        divergence = p * (math.log(p) - mean.log()) + (1 - p) * (
            math.log1p(-p) - torch.log1p(-mean)
        )
        # Like the loss of the rows, it counts as much as they weigh.
        return self.alpha * divergence.mean() * weight.mean()


class ContractiveLatent(Latent):
    """A penalty on the derivatives of the latents.

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
    >>> Z, terms = latent.along(lambda X: 2 * X[:, :2], X, direction)
    >>> Z, terms  # (4 + 16) / 2
    (tensor([[0., 0.]]), tensor([10.]))
    """

    def __init__(self, n_components: int, alpha: float) -> None:
        super().__init__()
        self.n_components = n_components
        self.alpha = alpha

    def forward(self, encode: Encoder, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latents, and the squared norm of their derivatives, estimated."""
        return self.along(encode, X, randn_rows(X))

    def along(
        self, encode: Encoder, X: Tensor, direction: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the latents, and the squared norm of their change in one direction."""
        _load_forward_mode()
        with forward_ad.dual_level():
            dual = encode(forward_ad.make_dual(X, direction))
            Z, change = forward_ad.unpack_dual(dual)
        if change is None:  # the encoder does not look at its input
            change = torch.zeros_like(Z)
        return Z, change.square().sum(1) / self.n_components

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return the weighted mean."""
        return self.alpha * _weighted_mean(penalty_terms, weight)


def _weighted_mean(terms: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over rows that count as much as they weigh."""
    return (terms if weight is None else terms * weight).mean()


@cache
def _load_forward_mode() -> None:
    """Let torch load what it derives with, which calls a deprecated part of torch."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(1), torch.zeros(1))
