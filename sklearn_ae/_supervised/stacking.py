"""Stacking: how much to trust a trained network, and how much a linear model.

Trained on few rows, a network is sometimes far better than a linear model and sometimes
far worse, and too few rows can be held out to tell which. So both predict, and the
predictions are added with the weights that are best on held-out rows (Wolpert, 1992
[1]_), as far as these rows say anything: a Gaussian prior on the weights counts `PRIOR`
for a weight that is off by its own size.

References
----------
.. [1] Wolpert, D. H. "Stacked generalization." Neural Networks 5 (1992), 241-259.
"""

import numpy as np
from scipy.optimize import minimize

from sklearn_ae._supervised.temperature import cross_entropy_of, fit_temperature

# Share of the trained network before any row was held out: it is better more often.
TRAINED_SHARE = 0.75
# The same where the other model sees the columns, and either may be better.
EVEN_SHARE = 0.5
# Nats that it costs to have a weight twice as large, or to have none.
PRIOR = 0.5
SHARES = np.array([TRAINED_SHARE, 1 - TRAINED_SHARE])


def stack_logits(trained, start, class_indices, weight, label_smoothing=0.0):
    """Return the factors for the logits of a trained network and of its start.

    Parameters
    ----------
    trained, start : float64 ndarray of shape (n_rows, n_classes)
        Logits of rows that were held out.
    class_indices, weight, label_smoothing
        As for `fit_temperature`.

    Returns
    -------
    factors : float64 ndarray of shape (2,)
    """
    of_rows = class_indices, weight, label_smoothing
    temperatures = [fit_temperature(z, *of_rows)[0] for z in (trained, start)]
    expected = np.log(SHARES / temperatures)
    logits, n_rows = np.stack([trained, start], axis=-1), weight.sum()

    def loss(log_factors):
        losses = cross_entropy_of(logits @ np.exp(log_factors), *of_rows)
        return n_rows * losses + PRIOR * np.sum((log_factors - expected) ** 2)

    return np.exp(minimize(loss, expected).x)


def stack_targets(trained, start, targets, weight):
    """Return the factors for the targets that a network and its start predict.

    Parameters
    ----------
    trained, start, targets : float64 ndarray of shape (n_rows, n_targets)
        Of rows that were held out; `NaN` where a target is missing.
    weight : float64 ndarray of shape (n_rows,)
        With a mean of about 1.

    Returns
    -------
    factors : float64 ndarray of shape (2,)
        At least 0, with a sum of 1: more would repeat what large targets did by chance.
        A network that diverged has none.
    """
    seen = ~np.isnan(targets)
    weight = np.broadcast_to(weight[:, None], seen.shape)[seen]
    errors = (targets - start)[seen]
    steps = (trained - start)[seen]
    if not np.isfinite(steps).all():
        return np.array([0.0, 1.0])
    variance = min(weight @ (errors - steps) ** 2, weight @ errors**2) / weight.sum()
    if not variance > 0:
        return np.array([EVEN_SHARE, 1 - EVEN_SHARE])
    # Least squares in units of the noise, and the prior.
    precision = 2 * PRIOR * (EVEN_SHARE**-2 + (1 - EVEN_SHARE) ** -2)
    weight = weight / variance
    share = (weight @ (steps * errors) + precision * EVEN_SHARE) / (
        weight @ steps**2 + precision
    )
    share = min(max(share, 0.0), 1.0)
    return np.array([share, 1 - share])
