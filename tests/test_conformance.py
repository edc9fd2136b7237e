"""scikit-learn's own checks, over the estimators in several settings."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import (
    Clustered,
    Contractive,
    NeighborEmbedding,
    Sparse,
    Variational,
)
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise


class TwoLayers(nn.Module):
    """A user's model: it imports nothing from this library."""

    def __init__(self, n_features, n_components, width=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_components)
        )
        self.decoder = nn.Linear(n_components, n_features)


def small(**params):
    """Return an estimator that trains fast enough for some 50 checks."""
    return AutoencoderTransformer(**{"max_epochs": 3, **params})


def classifier(**params):
    """Return a classifier that does, and learns three blobs all the same."""
    params = {"max_epochs": 20, "semi_supervised": False, **params}
    return AutoencoderPretrainedClassifier(small(n_components=8), **params)


def regressor(**params):
    params = {"max_epochs": 20, **params}
    return AutoencoderPretrainedRegressor(small(n_components=8), **params)


SETTINGS = [
    small(),
    small(noise=GaussianNoise(std=0.2)),
    small(noise=MaskingNoise(rate=0.2), batch_size=8),
    small(noise=SwapNoise(rate=0.2), lr_schedule="plateau"),
    small(precision="bfloat16"),
    small(scaling=None, loss="huber"),
    small(scaling="minmax", loss="bce"),
    small(scaling="quantile", optimizer="rmsprop"),
    small(early_stopping=True, validation_fraction=0.2),
    small(categorical_features=[0], max_categories=3),
    small(hidden_layer_sizes=(), activation="gelu"),
    small(architecture=TorchModule(TwoLayers, width=4)),
    small(architecture=TorchModule(TwoLayers), noise=SwapNoise(), scaling="minmax"),
    small(architecture=Convolutional()),
    small(architecture=Convolutional(channels=4, decoder="upsampling")),
    small(architecture=Convolutional(decoder="upsampling"), latent=Variational()),
    small(latent=Variational()),
    small(latent=Variational(beta=2.0), noise=SwapNoise(), early_stopping=True),
    small(latent=Sparse(), latent_activation="relu"),
    small(latent=Sparse("kl"), latent_activation="sigmoid"),
    small(latent=Contractive()),
    small(latent=Contractive(), tied_weights=True),
    small(latent=NeighborEmbedding()),
    small(latent=NeighborEmbedding(5), noise=SwapNoise(), early_stopping=True),
    small(tied_weights=True, activation="sigmoid"),
    AutoencoderAnomalyDetector(small()),
    AutoencoderAnomalyDetector(small(), n_estimators=2, calibration_fraction=0.3),
    AutoencoderAnomalyDetector(small(scaling="robust", noise=SwapNoise(0.3))),
    AutoencoderAnomalyDetector(small(latent=Variational())),
    AutoencoderImputer(small()),
    AutoencoderImputer(small(architecture=Convolutional())),
    AutoencoderImputer(small(), n_estimators=1, max_iter=3, add_indicator=True),
    classifier(early_stopping=True, validation_fraction=0.3),
    regressor(head_layer_sizes=(8,), early_stopping=True, lr_schedule="plateau"),
]
# Those of two phases and many epochs take a minute each, as does finding clusters.
LONG_SETTINGS = [
    small(latent=Clustered(2)),
    classifier(semi_supervised="auto"),
    classifier(semi_supervised=True, max_epochs=60),
    classifier(freeze_encoder=True, class_weight="balanced"),
    classifier(head_layer_sizes=(8,), dropout=0.1, lr=1e-2, weight_decay=1e-4),
    AutoencoderPretrainedClassifier(
        small(architecture=Convolutional(), max_epochs=30),
        max_epochs=40,
        semi_supervised=False,
    ),
    regressor(),
    regressor(freeze_encoder=2, encoder_lr_scale=0.1),
]


def known_failures(estimator):
    """Return checks that set ``n_components=1``, fewer than there are clusters."""
    if not isinstance(getattr(estimator, "latent", None), Clustered):
        return {}
    names = [
        "check_dont_overwrite_parameters",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
    ]
    return dict.fromkeys(names, "n_components=1 is less than n_clusters=2")


# After three epochs, a latent may well say nothing yet.
@pytest.mark.filterwarnings("ignore:The variational latent has collapsed")
@parametrize_with_checks(SETTINGS)
def test__scikit_learn_check__passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(LONG_SETTINGS, expected_failed_checks=known_failures)
def test__scikit_learn_check__long_setting__passes(estimator, check):
    check(estimator)
