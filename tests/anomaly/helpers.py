"""A table of tumours, and a detector that is fitted fast."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from torch import nn

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer

X_CANCER, Y_CANCER = load_breast_cancer(return_X_y=True)


X = X_CANCER[:150, :8]


class Linear(nn.Module):
    """A user's model."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Linear(n_features, n_components)
        self.decoder = nn.Linear(n_components, n_features)


def small(**params):
    return AutoencoderTransformer(**{"max_epochs": 2, **params})


def detector(autoencoder=None, **params):
    """Return a detector for what does not depend on how well it detects."""
    return AutoencoderAnomalyDetector(
        autoencoder or small(), **{"random_state": 0, **params}
    )


def correlated(n_rows, seed, n_columns=6):
    """Return rows whose columns follow from two numbers each."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_rows, 2))
    mixing = np.random.default_rng(99).normal(size=(2, n_columns))
    return Z @ mixing + 0.3 * rng.normal(size=(n_rows, n_columns))
