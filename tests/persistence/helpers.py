"""Small estimators of every kind, and what files of them are compared by."""

import numpy as np
import pandas as pd

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import Convolutional
from sklearn_ae.latents import (
    Clustered,
    Contractive,
    NeighborEmbedding,
    Sparse,
    Variational,
)
from sklearn_ae.noise import GaussianNoise, HidingNoise, MaskingNoise, SwapNoise

SCALINGS = ["auto", "standard", "minmax", "quantile", "robust", None]
NOISES = [None, GaussianNoise(), HidingNoise(), MaskingNoise(), SwapNoise()]
LATENTS = [
    None,
    Clustered(3),
    Contractive(),
    NeighborEmbedding(5),
    Sparse(),
    Variational(),
]


def small(n_components=4, **params):
    """Return an autoencoder that is trained in no time."""
    phases = {"max_epochs": 2, "hidden_layer_sizes": (8,), "random_state": 0}
    return AutoencoderTransformer(n_components, **phases | params)


def mixed(n_rows=80):
    """Return a frame of numbers and categories with missing cells."""
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=n_rows)
    frame = pd.DataFrame(
        {
            "größe": kind + rng.normal(size=n_rows),
            "colour": np.array(["red", "", "NaN"])[kind],
            "count": rng.poisson(3, n_rows),
            "member": kind > 0,
        }
    )
    frame.loc[::7, "größe"] = np.nan
    frame.loc[::5, "colour"] = None
    return frame


X = mixed()
Y = (np.arange(len(X)) % 3).astype(float)
Y[50:] = np.nan
IMAGES = np.random.default_rng(0).random((40, 36))
FITTED = {}


def fitted(name):
    """Return one of the small estimators, fitted once."""
    if name not in FITTED:
        FITTED[name] = ESTIMATORS[name]()
    return FITTED[name]


def predictor(cls, **params):
    return cls(small(), max_epochs=2, random_state=0, **params)


ESTIMATORS = {
    "transformer": lambda: small().fit(X),
    "variational": lambda: small(latent=Variational()).fit(X),
    "convolutional": lambda: small(
        5, architecture=Convolutional((1, 6, 6), channels=(2,)), scaling="minmax"
    ).fit(IMAGES),
    "detector": lambda: AutoencoderAnomalyDetector(
        small(), n_estimators=2, random_state=0
    ).fit(X),
    "imputer": lambda: AutoencoderImputer(small(), random_state=0).fit(X),
    "classifier": lambda: predictor(
        AutoencoderPretrainedClassifier, semi_supervised=True
    ).fit(X, Y),
    "regressor": lambda: predictor(AutoencoderPretrainedRegressor).fit(
        X, np.column_stack([Y, 2 * Y])
    ),
}
METHODS = {
    "transform": (),
    "reconstruct": (),
    "score_samples": (),
    "predict": (),
    "predict_proba": (),
    "explain": (),
    "p_values": (),
    "draw": (),
}


def results(estimator, X):
    """Return what all public methods of a fitted estimator say about rows."""
    found = {n: getattr(estimator, n)(X) for n in METHODS if hasattr(estimator, n)}
    if hasattr(estimator, "sample"):
        found["sample"] = estimator.sample(5, random_state=0)
    return found


def rows_for(estimator):
    return IMAGES if estimator.n_features_in_ == IMAGES.shape[1] else X


def assert_same(got, expected):
    """Assert that results are equal, bit for bit and dtype for dtype."""
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        got, expected = list(got.values()), list(expected.values())
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    elif hasattr(expected, "equals"):
        assert list(got.columns) == list(expected.columns)
        assert [*got.dtypes] == [*expected.dtypes]
        assert got.equals(expected)
    else:
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
