"""Torch autoencoders as scikit-learn estimators, trained through skorch."""

from sklearn_ae._anomaly import AutoencoderAnomalyDetector
from sklearn_ae._imputation import AutoencoderImputer
from sklearn_ae._supervised import (
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
)
from sklearn_ae._transformer import AutoencoderTransformer

__all__ = [
    "AutoencoderAnomalyDetector",
    "AutoencoderImputer",
    "AutoencoderPretrainedClassifier",
    "AutoencoderPretrainedRegressor",
    "AutoencoderTransformer",
    "__version__",
]
__version__ = "0.1.0"
