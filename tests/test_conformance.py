"""scikit-learn's own checks, over the estimator in several settings."""

from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
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
    AutoencoderImputer(small()),
    AutoencoderImputer(small(), n_estimators=1, max_iter=3, add_indicator=True),
]


@parametrize_with_checks(SETTINGS)
def test__scikit_learn_check__passes(estimator, check):
    check(estimator)
