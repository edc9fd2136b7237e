"""A latent of cluster assignments beside free numbers: network, penalty, training."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from sklearn_ae._isolation import calls
from sklearn_ae._modules.autoencoder import decoder_of, encoder_of
from sklearn_ae._modules.dense import dense_layers
from sklearn_ae._modules.latent_penalties import Latent
from sklearn_ae._modules.virtual_adversarial import virtual_adversarial_divergence

# Units of each hidden layer of the network that assigns clusters: least, and most.
HIDDEN_UNITS = 128, 400
# Weight of the entropy of each row's assignment, and of how far the mean assignment is
# from the shares at the start: the constants of IMSAT, whose shares are equal.
ENTROPY_WEIGHT = 0.1
SHARES_WEIGHT = 0.4
# Expected shares of the clusters move this far towards equal ones: none may be 0.
SMOOTHED = 0.01
# Length of a perturbation, in distances of a row to the last of its neighbours.
RADIUS = 0.25
# Distance between two clusters, in deviations of the free numbers.
DISTANCE = 10.0
# Steps from random weights to given clusters, their batch size and their rate.
START_STEPS = 600
START_BATCH = 256
START_LR = 2e-3


class Assigner(nn.Sequential):
    """A network that assigns rows to clusters, its hidden layers normalised.

    **Shape** input (n_rows, n_inputs), logits (n_rows, n_clusters).

    Parameters
    ----------
    n_inputs, n_clusters : int

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.clustered import Assigner
    >>> Assigner(4, 3)(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, n_inputs: int, n_clusters: int) -> None:
        least, most = HIDDEN_UNITS
        n_units = min(most, max(least, 4 * n_inputs))
        layers: list[nn.Module] = []
        for layer in dense_layers([n_inputs, n_units, n_units, n_clusters], "relu"):
            layers.append(layer)
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
                layers.append(nn.LayerNorm(layer.out_features))
        super().__init__(*layers[:-1])


class ClusteredNetwork(nn.Module):
    """A network whose last latents are the soft assignments to clusters.

    **Shape** input (n_rows, n_inputs); latent (n_rows, n_components), the free numbers
    first.

    Parameters
    ----------
    network : nn.Module
        Encoder and decoder of n_components latents; the last ones of its encoder are
        replaced.
    n_inputs, n_clusters : int

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.clustered import ClusteredNetwork
    >>> from sklearn_ae._modules.dense import Dense
    >>> network = ClusteredNetwork(Dense(4, 4, 5, (8,), "relu"), 4, 3)
    >>> Z = network.encode(torch.zeros(2, 4))
    >>> Z.shape, Z[:, 2:].sum(1).detach()
    (torch.Size([2, 5]), tensor([1., 1.]))
    """

    scale: Tensor

    def __init__(self, network: nn.Module, n_inputs: int, n_clusters: int) -> None:
        super().__init__()
        self.network = network
        self.n_clusters = n_clusters
        self.assigner = Assigner(n_inputs, n_clusters)
        self.register_buffer("scale", torch.ones(()))

    def encode(self, X: Tensor) -> Tensor:
        """Return free numbers and, in units of `scale`, assignments."""
        return self.join(X, self.assigner(X).softmax(1))

    def join(self, X: Tensor, assignments: Tensor) -> Tensor:
        """Return the free numbers of rows beside their assignments."""
        Z = encoder_of(self.network)(X)
        return torch.cat([Z[:, : -self.n_clusters], self.scale * assignments], dim=1)

    def decode(self, Z: Tensor) -> Tensor:
        """Return the raw reconstruction; the decoder gets plain probabilities."""
        assignments = Z[:, -self.n_clusters :] / self.scale
        Z = torch.cat([Z[:, : -self.n_clusters], assignments], dim=1)
        return decoder_of(self.network)(Z)

    def set_scale(self, Z: Tensor, weight: Tensor | None = None) -> None:
        """Let clusters stand apart by ten deviations of the free numbers.

        Parameters
        ----------
        Z : Tensor of shape (n_rows, n_components)
            Latents of some rows.
        weight : Tensor of shape (n_rows,), default=None
            How much each row counts.
        """
        free = Z[:, : -self.n_clusters].double()
        weight = free.new_ones(len(free)) if weight is None else weight.double()
        weight = weight / weight.sum()
        variance = (weight @ (free - weight @ free).square()).sum()
        # Rows of two clusters differ by `scale` in two latents.
        scale = DISTANCE * torch.sqrt(variance / 2)
        self.scale.copy_(torch.where(scale > 0, scale, 1.0))


class ClusteredLatent(Latent):
    """What trains the assignments of a :class:`ClusteredNetwork`.

    Parameters
    ----------
    network : ClusteredNetwork

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.clustered import ClusteredLatent, ClusteredNetwork
    >>> from sklearn_ae._modules.dense import Dense
    >>> network = ClusteredNetwork(Dense(4, 4, 5, (8,), "relu"), 4, 3)
    >>> Z, terms = ClusteredLatent(network)(network.encode, torch.zeros(2, 4))
    >>> Z.shape, terms.shape
    (torch.Size([2, 5]), torch.Size([2, 4]))
    """

    radius: Tensor
    shares: Tensor
    stability: Tensor

    def __init__(self, network: ClusteredNetwork) -> None:
        super().__init__()
        self._network = (network,)  # in a tuple, torch does not register it
        self.register_buffer("radius", torch.zeros(()))
        equal = torch.full((network.n_clusters,), 1 / network.n_clusters)
        self.register_buffer("shares", equal)
        self.register_buffer("stability", torch.tensor(math.nan))

    @property
    def network(self) -> ClusteredNetwork:
        """The network that it trains."""
        return self._network[0]

    def forward(
        self, encode: Callable[[Tensor], Tensor], X: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return latents, and for each row a divergence beside log-probabilities."""
        terms = penalty_terms(self.network.assigner, X, self.radius)
        # The reconstruction does not move the clusters.
        return self.network.join(X, terms[:, 1:].detach().exp()), terms

    def penalty(
        self, penalty_terms: Tensor, weight: Tensor | None, nat_weight: Tensor | None
    ) -> Tensor:
        """Return the loss of the partition."""
        return partition_loss(penalty_terms, self.shares, weight)


@torch.compiler.disable
def penalty_terms(assigner: nn.Module, X: Tensor, radius: Tensor) -> Tensor:
    """Return how far assignments change near rows, beside their logarithms.

    **Shape** input (n_rows, n_inputs) and a scalar; output (n_rows, 1 + n_clusters).
    """
    X = X.detach()
    log_p = log_softmax(assigner(X), 1)
    with torch.enable_grad():  # the worst direction is one of a gradient
        divergence = virtual_adversarial_divergence(
            assigner, X, log_p.detach(), radius.expand(len(X), 1)
        )
    if not torch.is_grad_enabled():
        divergence = divergence.detach()
    return torch.cat([divergence[:, None], log_p], dim=1)


def partition_loss(
    terms: Tensor, shares: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return the loss of a partition, 0 if it is sure, robust and of given shares.

    With equal shares it is, but for a constant, the divergence less a mutual
    information in which the entropy of the mean counts four times.

    Parameters
    ----------
    terms : Tensor of shape (n_rows, 1 + n_clusters)
        From `penalty_terms`.
    shares : Tensor of shape (n_clusters,)
        Expected share of each cluster, none of them 0.
    weight : Tensor of shape (n_rows,), default=None
    """
    divergence, log_p = terms[:, 0], terms[:, 1:]
    weight = torch.ones_like(divergence) if weight is None else weight
    p = log_p.exp()
    entropy = -(p * log_p).sum(1)
    eps = torch.finfo(p.dtype).eps
    # All rows of a batch may weigh nothing.
    mean = weight @ p / weight.sum().clamp(min=eps)
    imbalance = mean @ (mean.clamp(min=eps) / shares).log()
    loss = weight @ (divergence + ENTROPY_WEIGHT * entropy) / len(weight)
    return loss + SHARES_WEIGHT * imbalance * weight.mean()


def shares_of(labels: Tensor, weight: Tensor, n_clusters: int) -> Tensor:
    """Return the share of each cluster, smoothed.

    **Shape** labels and weight (n_rows,); output (n_clusters,).
    """
    total = torch.bincount(labels, weight.double(), minlength=n_clusters)
    equal = torch.tensor(1 / n_clusters, dtype=torch.float64)
    return torch.lerp(total / total.sum(), equal, SMOOTHED).float()


def train_assigner(
    assigner: nn.Module,
    X: Tensor,
    weight: Tensor,
    labels: Tensor,
    shares: Tensor,
    radius: Tensor,
    n_steps: int = START_STEPS,
) -> None:
    """Train a network to assign rows to given clusters, which fade on the way.

    Parameters
    ----------
    assigner : nn.Module
    X : Tensor of shape (n_rows, n_inputs)
    weight : Tensor of shape (n_rows,)
        With a mean of 1.
    labels : Tensor of shape (n_rows,), dtype=int64
    shares : Tensor of shape (n_clusters,)
    radius : Tensor
        Length of a perturbation.
    n_steps : int, default=600
    """
    optimizer = torch.optim.Adam(assigner.parameters(), lr=START_LR)
    batch_size = min(START_BATCH, len(X))
    order = torch.empty(0, dtype=torch.int64)
    for step in range(n_steps):
        calls.safe_point()
        if len(order) < batch_size:
            order = torch.randperm(len(X))
        batch, order = order[:batch_size], order[batch_size:]
        share = step / n_steps
        terms = penalty_terms(assigner, X[batch], radius)
        given = cross_entropy(terms[:, 1:], labels[batch], reduction="none")
        loss = (1 - share) * (weight[batch] @ given) / batch_size
        loss = loss + share * partition_loss(terms, shares, weight[batch])
        optimizer.param_groups[0]["lr"] = START_LR * (1 + math.cos(math.pi * share)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
