"""Virtual adversarial training: perturbations in the worst direction, paired batches.

Predictions are to stay the same near a row, whatever the direction (Miyato et al.,
2019 [1]_). Nothing here knows of labels: a prediction may be a class or a cluster.

References
----------
.. [1] Miyato, T. et al. "Virtual adversarial training: a regularization method for
   supervised and semi-supervised learning." IEEE TPAMI 41 (2019), 1979-1993.
"""

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize
from torch.utils.data import Dataset

from sklearn_ae._tables.rows import BatchIterator, Rows


def virtual_adversarial_divergence(
    predict: Callable[[Tensor], Tensor], inputs: Tensor, log_p: Tensor, radius: Tensor
) -> Tensor:
    """Return how far predictions change within a radius, in the worst direction.

    The worst direction is that of the gradient at a random step of this length.

    **Shape** the same n_rows in all; `radius` is (n_rows, 1).

    Parameters
    ----------
    predict : callable
        From inputs to logits of shape (n_rows, n_classes).
    inputs : Tensor of shape (n_rows, n_inputs)
        What the network gets of the rows, detached.
    log_p : Tensor of shape (n_rows, n_classes)
        Log-probabilities to compare with, detached.
    radius : Tensor of shape (n_rows, 1)
        Length of the step.

    Returns
    -------
    divergence : Tensor of shape (n_rows,)
        Kullback-Leibler divergence of each row, in nats.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._net.virtual_adversarial import virtual_adversarial_divergence
    >>> inputs, radius = torch.zeros(3, 2), torch.tensor([[0.0], [0.1], [0.2]])
    >>> log_p = torch.log_softmax(inputs, 1)
    >>> virtual_adversarial_divergence(lambda X: X, inputs, log_p, radius).argsort()
    tensor([0, 1, 2])
    """

    def divergence(step: Tensor) -> Tensor:
        log_q = log_softmax(predict(inputs + step), 1)
        return (log_p.exp() * (log_p - log_q)).sum(1)

    step = normalize(torch.randn_like(inputs), dim=1) * radius
    step.requires_grad_()
    (gradient,) = torch.autograd.grad(divergence(step).sum(), step)
    return divergence(normalize(gradient, dim=1, eps=1e-20) * radius)


class PairedRows(Dataset):
    """All rows, and some rows that come again and again beside them.

    Parameters
    ----------
    rows : Rows
        All rows, which come once an epoch.
    repeated : Rows
        Rows of which each batch has some, as often as it takes.
    """

    def __init__(self, rows: Rows, repeated: Rows) -> None:
        self.rows = rows
        self.repeated = repeated

    def __len__(self) -> int:
        return len(self.rows)


class PairedTargets(NamedTuple):
    """Weights and targets of a paired batch; both parts have `to`, as tensors do."""

    repeated: Any
    """Those of the repeated rows, which stand first in the batch."""
    rows: Any
    """Those of the rows behind them."""

    def to(self, device: torch.device | str) -> "PairedTargets":
        """Return both parts on a device."""
        return PairedTargets(self.repeated.to(device), self.rows.to(device))


class PairedIterator:
    """Iterate over batches of all rows, each behind a batch of the repeated ones.

    A batch is a pair ``(X, y)``, as everywhere in skorch: `X` has the repeated rows
    first, `y` is a :class:`PairedTargets`.

    Parameters
    ----------
    rows : PairedRows
    batch_size : int
        Largest number of rows, and of repeated rows, in a batch.
    shuffle : bool, default=False
    """

    def __init__(
        self, rows: PairedRows, batch_size: int, shuffle: bool = False
    ) -> None:
        self.batches = BatchIterator(rows.rows, batch_size, shuffle)
        self.repeated = BatchIterator(rows.repeated, batch_size, shuffle)

    def __iter__(self) -> Iterator[tuple[Tensor, PairedTargets]]:
        repeated = chain.from_iterable(repeat(self.repeated))
        for (X_repeated, y_repeated), (X, y) in zip(
            repeated, self.batches, strict=False
        ):
            yield torch.cat([X_repeated, X]), PairedTargets(y_repeated, y)
