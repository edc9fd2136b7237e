"""Torch autoencoders as scikit-learn estimators, trained through skorch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
    from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
    from sklearn_ae._imputation.imputer import AutoencoderImputer
    from sklearn_ae._persistence.files import describe, load, save
    from sklearn_ae._persistence.onnx import to_onnx
    from sklearn_ae._supervised.classifier import AutoencoderPretrainedClassifier
    from sklearn_ae._supervised.regressor import AutoencoderPretrainedRegressor

__all__ = [
    "AutoencoderAnomalyDetector",
    "AutoencoderImputer",
    "AutoencoderPretrainedClassifier",
    "AutoencoderPretrainedRegressor",
    "AutoencoderTransformer",
    "TRUSTED_TYPES",
    "__version__",
    "describe",
    "load",
    "save",
    "to_onnx",
]
__version__ = "0.1.0"
# What skops has to be told to trust: ``skops.io.load(path, trusted=TRUSTED_TYPES)``.
TRUSTED_TYPES = [
    "sklearn_ae._anomaly.detector.AutoencoderAnomalyDetector",
    "sklearn_ae._autoencoder.transformer.AutoencoderTransformer",
    "sklearn_ae._imputation.imputer.AutoencoderImputer",
    "sklearn_ae._supervised.classifier.AutoencoderPretrainedClassifier",
    "sklearn_ae._supervised.regressor.AutoencoderPretrainedRegressor",
]
# Where each public name is found when it is first asked for. Imported here, they would
# bring torch along, and `python -m sklearn_ae --help` would take seconds.
_MODULES = {
    "AutoencoderAnomalyDetector": "_anomaly.detector",
    "AutoencoderImputer": "_imputation.imputer",
    "AutoencoderPretrainedClassifier": "_supervised.classifier",
    "AutoencoderPretrainedRegressor": "_supervised.regressor",
    "AutoencoderTransformer": "_autoencoder.transformer",
    "describe": "_persistence.files",
    "load": "_persistence.files",
    "save": "_persistence.files",
    "to_onnx": "_persistence.onnx",
}
_PUBLIC_MODULES = ("architectures", "datasets", "displays", "latents", "noise")


def __getattr__(name: str) -> Any:
    if name in _PUBLIC_MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PUBLIC_MODULES})
