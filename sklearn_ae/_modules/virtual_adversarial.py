"""Virtual adversarial perturbations: steps in the direction that changes most.

Predictions are to stay the same near a row, whatever the direction (Miyato et al.,
2019 [1]_). Nothing here knows of labels: a prediction may be a class or a cluster.

References
----------
.. [1] Miyato, T. et al. "Virtual adversarial training: a regularization method for
   supervised and semi-supervised learning." IEEE TPAMI 41 (2019), 1979-1993.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from sklearn_ae._collective import randn_rows


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
    >>> from sklearn_ae._modules import virtual_adversarial
    >>> inputs, radius = torch.zeros(3, 2), torch.tensor([[0.0], [0.1], [0.2]])
    >>> log_p = torch.log_softmax(inputs, 1)
    >>> divergence = virtual_adversarial.virtual_adversarial_divergence
    >>> divergence(lambda X: X, inputs, log_p, radius).argsort()
    tensor([0, 1, 2])
    """

    def divergence(step: Tensor) -> Tensor:
        log_q = log_softmax(predict(inputs + step), 1)
        return (log_p.exp() * (log_p - log_q)).sum(1)

    step = normalize(randn_rows(inputs), dim=1) * radius
    step.requires_grad_()
    (gradient,) = torch.autograd.grad(divergence(step).sum(), step)
    return divergence(normalize(gradient, dim=1, eps=1e-20) * radius)
