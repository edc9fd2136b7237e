"""Pictures of what autoencoders do, after scikit-learn's Display classes."""

from sklearn_ae.displays._anomaly import AnomalyDisplay
from sklearn_ae.displays._cluster_grid import ClusterGridDisplay
from sklearn_ae.displays._draw_reconstructions import DrawReconstructions
from sklearn_ae.displays._latent_space import LatentSpaceDisplay
from sklearn_ae.displays._loss_curve import LossCurveDisplay
from sklearn_ae.displays._reconstruction import ReconstructionDisplay

__all__ = [
    "ReconstructionDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ClusterGridDisplay",
    "AnomalyDisplay",
    "DrawReconstructions",
]
