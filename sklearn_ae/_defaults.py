"""The rules behind the defaults; docs/development/defaults.md has the evidence."""

from math import ceil

import numpy as np

from sklearn_ae.noise import SwapNoise

# Share of cells that the default autoencoder of the detector and of the predictors
# replaces by cells of other rows in training, so that it cannot copy its input.
SWAP_RATE = 0.3
# Least and largest number of steps of an autoencoder.
DEFAULT_STEPS = (1000, 4000)


def default_n_components(n_features):
    """Return half the number of columns, at most 32."""
    return min(32, ceil(n_features / 2))


def default_detector_n_components(n_features):
    """Return one latent for each column, at most 32: most tables lose nothing."""
    return min(32, n_features)


def default_noise():
    """Return the noise that the detector's and the predictors' autoencoders share."""
    return SwapNoise(SWAP_RATE)


def default_detector_steps(n_columns):
    """Return the least and the largest number of steps."""
    # On wide tables a step takes long, and more gain nothing.
    return (250 if n_columns >= 500 else 1000), 2000


def default_hidden_layer_sizes(n_components):
    """Return two layers, each wide enough to carry the latent twice."""
    return max(128, 2 * n_components), max(64, 2 * n_components)


def default_embedding_hidden_layer_sizes(n_components):
    """Return three layers: where neighbours are put is no simple function of rows."""
    return (max(128, 2 * n_components),) * 3


def default_embedding_steps(steps, n_rows):
    """Return the least and the largest number of steps to learn coordinates in."""
    least, most = steps
    # Fewer rows are learnt sooner.
    return (2 if n_rows < 1000 else 4) * least, 2 * most


def default_batch_size(n_rows):
    """Return 256, or all rows if there are fewer."""
    return min(256, n_rows)


def default_convolutional(n_rows):
    """Return the batch size, and the least and the largest number of steps.

    A step of few images takes hardly longer for each, and few steps learn nothing.
    """
    return min(n_rows, max(24, min(256, n_rows // 400))), (1000, 8000)


def default_max_epochs(n_rows, batch_size, steps=DEFAULT_STEPS):
    """Return 20, more if these are fewer than the least steps, fewer if too many."""
    least, most = (ceil(n / ceil(n_rows / batch_size)) for n in steps)
    return max(1, min(most, max(20, least)))


def default_pretraining(n_rows, n_labelled):
    """Return half the epochs of an autoencoder, a quarter if most rows have a label."""
    epochs = default_max_epochs(n_rows, default_batch_size(n_rows))
    return ceil(epochs / (4 if 2 * n_labelled >= n_rows else 2))


def default_pull(n_rows, n_encoded):
    """Return the strength that draws the weights back to where training started."""
    # From 10,000 rows on it would change nothing but the time that a step takes.
    return 1e5 * n_encoded / n_rows**2 if n_rows < 10_000 else 0.0


def default_fine_tuning(n_rows):
    """Return the batch size, a tenth of the rows, and epochs for 150 to 1,600 steps."""
    batch_size = min(n_rows, max(32, min(256, n_rows // 10)))
    steps = max(150, min(1600, 3 * n_rows // 8))
    return batch_size, ceil(steps / ceil(n_rows / batch_size))


def default_fine_tuning_pull(n_rows):
    """Return the strength that draws weights back to where fine-tuning started."""
    return 1e3 / n_rows


def default_n_bins(n_rows, n_numbers):
    """Return the bins of each number that an encoder learns labels from, 0 for none."""
    n_bins = min(16, 256 // max(1, n_numbers))
    return n_bins if n_rows >= 500 and n_bins >= 6 else 0


def default_semi_supervised(n_rows):
    """Return the batch size, and 15 epochs, more if that is under 500 steps."""
    batch_size = min(256, n_rows)
    return batch_size, max(15, ceil(500 / ceil(n_rows / batch_size)))


def find_shared_unit(least, largest):
    """Return the columns that share a unit, as pixels, spectra and ratings do.

    Two thirds of the columns that vary, at least 3 of them, have the same range within
    a tenth. They share their unit with all columns that stay within this range,
    constant ones included.

    Parameters
    ----------
    least, largest : ndarray of shape (n_columns,)
        Of each column.

    Returns
    -------
    shares : bool ndarray of shape (n_columns,)
    """
    with np.errstate(over="ignore"):
        ranges = largest - least
    ascending = np.sort(ranges[ranges > 0])
    n_alike = np.arange(1, len(ascending) + 1) - np.searchsorted(
        ascending, 0.9 * ascending
    )
    if len(ascending) < 3 or 3 * n_alike.max() < 2 * len(ascending):
        return np.zeros(len(ranges), dtype=bool)
    widest = ascending[len(ascending) - 1 - n_alike[::-1].argmax()]
    is_alike = (ranges >= 0.9 * widest) & (ranges <= widest)
    margin = widest / 10
    return (
        (ranges <= widest + margin)
        & (least >= least[is_alike].min() - margin)
        & (largest <= largest[is_alike].max() + margin)
    )
