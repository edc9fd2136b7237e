"""Classes and functions as users write them."""

import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae import AutoencoderTransformer


class Network(nn.Module):
    def __init__(self, n_features, n_components, width=16):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, width), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.last = nn.Linear(width, n_components)
        self.decoder = nn.Linear(n_components, n_features)
        # Not part of the state: it has to be made anew.
        self.register_buffer("factor", torch.full((), 0.5), persistent=False)

    def encode(self, X):
        return self.factor * self.last(self.encoder(X))

    def decode(self, Z):
        return self.decoder(Z)


class Bottleneck(BaseEstimator):
    def __init__(self, width=32):
        self.width = width

    def build(self, n_features, *, n_components, **others):
        layers = {
            "encoder": nn.Sequential(
                nn.Linear(n_features, self.width),
                nn.SiLU(),
                nn.Linear(self.width, n_components),
            ),
            "decoder": nn.Linear(n_components, n_features),
        }
        return nn.ModuleDict(layers), n_components


class Squared(nn.Module):
    def forward(self, X):
        return X.clamp(-1, 1) ** 2


class Slow(torch.optim.SGD):
    pass


def distance(values, X):
    return (values - X).abs()


class Watch(Callback):
    def __init__(self, times=1):
        self.times = times


class Mine(AutoencoderTransformer):
    pass
