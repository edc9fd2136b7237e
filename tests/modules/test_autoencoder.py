"""The module: what the network is told of missing cells."""

import numpy as np
from sklearn.datasets import load_wine

from sklearn_ae import AutoencoderTransformer

X_WINE = load_wine().data


def make(**params):
    defaults = {"n_components": 4, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def test__fit__column_with_missing_cells__is_told_to_the_network():
    """Zero can be a value or a gap; without an indicator their codes were equal."""
    X = X_WINE.copy()
    X[::3, 0] = np.nan
    ae = make().fit(X)
    at_mean = X[:1].copy()
    at_mean[0, 0] = np.nanmean(X[:, 0])
    assert ae.module_.network.encoder[0].in_features == 14
    assert np.abs(ae.transform(at_mean) - ae.transform(X[:1])).max() > 1e-3
