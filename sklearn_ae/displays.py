"""Pictures of what autoencoders do, after scikit-learn's Display classes."""

from sklearn_ae._display_anomaly import AnomalyDisplay
from sklearn_ae._display_clusters import ClusterGridDisplay
from sklearn_ae._display_epochs import DrawReconstructions
from sklearn_ae._display_latent import LatentSpaceDisplay
from sklearn_ae._display_losses import LossCurveDisplay
from sklearn_ae._display_reconstruction import ReconstructionDisplay

__all__ = [
    "ReconstructionDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ClusterGridDisplay",
    "AnomalyDisplay",
    "DrawReconstructions",
]
