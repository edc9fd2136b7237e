"""Torch autoencoders as scikit-learn estimators, trained through skorch."""

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._imputation.imputer import AutoencoderImputer
from sklearn_ae._supervised.classifier import AutoencoderPretrainedClassifier
from sklearn_ae._supervised.regressor import AutoencoderPretrainedRegressor

__all__ = [
    "AutoencoderAnomalyDetector",
    "AutoencoderImputer",
    "AutoencoderPretrainedClassifier",
    "AutoencoderPretrainedRegressor",
    "AutoencoderTransformer",
    "__version__",
]
__version__ = "0.1.0"
