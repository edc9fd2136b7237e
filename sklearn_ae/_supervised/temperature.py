"""Temperature scaling: probabilities whose confidence is about their accuracy.

A network that was trained on few rows, or to be confident about rows without a label,
is overconfident. Its logits are divided by one number, the temperature, which changes
no prediction (Guo et al., 2017 [1]_). It is the one with the lowest cross-entropy on
rows that were held out, where each label counts as slightly uncertain: else a few rows
that are predicted right by chance would give the highest confidence there is (Platt,
1999 [2]_).

References
----------
.. [1] Guo, C. et al. "On calibration of modern neural networks." ICML 2017.
.. [2] Platt, J. "Probabilistic outputs for support vector machines and comparisons to
   regularized likelihood methods." Advances in Large Margin Classifiers, 1999.
"""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

# Logits are divided by one of the numbers between these.
LOWEST, HIGHEST = 0.1, 100.0
# Held-out rows count as if there were so many more, whose labels say nothing.
UNINFORMATIVE_ROWS = 1


def fit_temperature(logits, class_indices, weight, label_smoothing=0.0):
    """Return the temperature with the lowest cross-entropy, and that cross-entropy.

    Parameters
    ----------
    logits : float64 ndarray of shape (n_rows, n_classes)
        Of rows that were held out.
    class_indices : int64 ndarray of shape (n_rows,)
    weight : float64 ndarray of shape (n_rows,)
        With a mean of about 1: `UNINFORMATIVE_ROWS` weigh 1 each.
    label_smoothing : float, default=0.0
        As in the loss that the network was trained with.

    Returns
    -------
    temperature, loss : float
    """

    def loss(log_temperature):
        divided = logits * np.exp(-log_temperature)
        return cross_entropy_of(divided, class_indices, weight, label_smoothing)

    bounds = np.log([LOWEST, HIGHEST])
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def cross_entropy_of(logits, class_indices, weight, label_smoothing):
    """Return the cross-entropy of held-out rows, whose labels are slightly uncertain.

    The parameters are those of `fit_temperature`.
    """
    share = UNINFORMATIVE_ROWS / (UNINFORMATIVE_ROWS + weight.sum())
    smoothing = 1 - (1 - label_smoothing) * (1 - share)
    log_p = log_softmax(logits, axis=1)
    right = log_p[np.arange(len(logits)), class_indices]
    losses = (1 - smoothing) * right + smoothing * log_p.mean(axis=1)
    return -(weight @ losses) / weight.sum()


def match_confidence(logits, accuracy):
    """Return the lowest temperature, at least 1, with a confidence up to the accuracy.

    Parameters
    ----------
    logits : float64 ndarray of shape (n_rows, n_classes)
    accuracy : float
        The mean probability of the most likely class should not be above it.
    """
    for temperature in np.geomspace(1, HIGHEST, 200):
        if softmax(logits / temperature, axis=1).max(axis=1).mean() <= accuracy:
            break
    return float(temperature)


@torch.no_grad()
def scale_outputs(head, factor):
    """Multiply the outputs of a head, whose last layer is linear, by a number."""
    for weight in head[-1].parameters():
        weight.mul_(factor)
