"""Small tables with targets, and models that are fitted fast."""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from sklearn_ae import (
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.noise import SwapNoise

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)


X_CANCER, Y_CANCER = load_breast_cancer(return_X_y=True)


X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)


# A table of a few rows of each, for what does not depend on how well they are told.
# Both classes are among the first ten rows.
X, Y = X_CANCER[15:135, :10], Y_CANCER[15:135]


TARGET, TARGETS = X_CANCER[15:135, 10], X_CANCER[15:135, 10:12]


def small(n_components=4, max_epochs=2, noise=None, **params):
    return AutoencoderTransformer(
        n_components, max_epochs=max_epochs, noise=noise, **params
    )


def classifier(autoencoder=None, **params):
    """Return a classifier for what does not depend on how well it predicts."""
    defaults = {"max_epochs": 3, "semi_supervised": False, "random_state": 0}
    return AutoencoderPretrainedClassifier(
        autoencoder or small(), **{**defaults, **params}
    )


def regressor(autoencoder=None, **params):
    defaults = {"max_epochs": 3, "random_state": 0}
    return AutoencoderPretrainedRegressor(
        autoencoder or small(), **{**defaults, **params}
    )


def hide(y, n_labelled):
    """Return y as floats, `NaN` behind the first rows."""
    y = np.array(y, dtype=np.float64)
    y[n_labelled:] = np.nan
    return y


def state(module):
    return {name: w.clone() for name, w in module.state_dict().items()}


def differing(state, other):
    """Return the names of the tensors of the first that are not the same bits."""
    return {name for name, w in state.items() if not torch.equal(w, other[name])}


def weights(model):
    """Return all weights of a fitted model, of an estimator with a net."""
    parts = [w.double().flatten() for w in model.module_.state_dict().values()]
    return torch.cat(parts).numpy()


def unfrozen(model):
    """Return which tensors of the encoder fine-tuning changed."""
    encoder = state(model.module_.encoder)
    return differing(encoder, state(model.autoencoder_.module_))


MODELS = {
    "classifier": (classifier(), Y),
    "regressor": (regressor(), TARGET),
    "head": (classifier(head_layer_sizes=(6, 5), dropout=0.2), Y),
    "early stopping": (classifier(early_stopping=True), Y),
    "semi-supervised": (classifier(semi_supervised=True), hide(Y, 40)),
    "noise": (classifier(small(noise=SwapNoise(0.3))), hide(Y, 40)),
    "few rows": (classifier(), hide(Y, 15)),
    "two targets": (regressor(early_stopping=True), TARGETS),
}
