"""Nets around an architecture of the user's own."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer
from sklearn_ae.architectures import Convolutional
from sklearn_ae.noise import SwapNoise

X_WINE = load_wine().data


class Bottleneck(BaseEstimator):
    """Linear layers of a width of their own; notes what it was asked for."""

    def __init__(self, width=8):
        self.width = width

    def build(self, n_features, *, n_components, **others):
        type(self).asked = {"n_components": n_components, **others}
        n_components = n_components or 3
        layers = {
            "encoder": nn.Sequential(
                nn.Linear(n_features, self.width), nn.Linear(self.width, n_components)
            ),
            "decoder": nn.Linear(n_components, n_features),
        }
        return nn.ModuleDict(layers), n_components


def make(architecture, n_components=None, **params):
    return AutoencoderTransformer(
        n_components,
        architecture=architecture,
        max_epochs=2,
        random_state=0,
        **params,
    )


def test__fit__own_architecture__gets_the_layers_by_name():
    ae = make(Bottleneck(), hidden_layer_sizes=(5,), activation="gelu").fit(X_WINE)
    assert Bottleneck.asked == {
        "n_components": None,
        "hidden_layer_sizes": (5,),
        "activation": "gelu",
        "latent_activation": "identity",
        "image_shape": None,
    }
    assert ae.n_components_ == 3
    assert ae.latent_shape_ == (3,)


def test__own_architecture__transform_and_back__works_as_any_other():
    ae = make(Bottleneck(), 2, noise=SwapNoise(), loss="bce", scaling="minmax")
    Z = ae.fit_transform(X_WINE)
    assert Z.shape == (178, 2)
    assert_array_equal(ae.reconstruct(X_WINE), ae.inverse_transform(Z))
    assert_array_equal(pickle.loads(pickle.dumps(ae)).transform(X_WINE), Z)
    assert_array_equal(clone(ae).fit_transform(X_WINE), Z)


def test__own_architecture__its_parameters__can_be_searched():
    search = GridSearchCV(make(Bottleneck()), {"architecture__width": [2, 16]}, cv=2)
    search.fit(X_WINE)
    network = search.best_estimator_.module_.network
    width = search.best_params_["architecture__width"]
    assert network.encoder[0].out_features == width


def test__own_architecture__in_a_detector__scores_rows():
    scores = AutoencoderAnomalyDetector(make(Bottleneck(), 2)).fit(X_WINE)
    assert np.isfinite(scores.score_samples(X_WINE)).all()


@pytest.mark.parametrize("cls", [Bottleneck, Convolutional])
def test__fit__class_instead_of_architecture__names_it(cls):
    with pytest.raises(TypeError, match=f"Got the class {cls.__name__}; pass an inst"):
        make(cls).fit(X_WINE)


def test__fit__object_without_build__is_refused():
    with pytest.raises(ValueError, match="implementing 'build'"):
        make(SwapNoise()).fit(X_WINE)


class Broken(BaseEstimator):
    """Build something that is no autoencoder."""

    def __init__(self, built=None):
        self.built = built

    def build(self, n_features, **layers):
        return self.built


def linear(n_in, n_latent, n_out):
    layers = {
        "encoder": nn.Linear(n_in, n_latent),
        "decoder": nn.Linear(n_latent, n_out),
    }
    return nn.ModuleDict(layers)


@pytest.mark.parametrize(
    ("built", "error", "message"),
    [
        (None, TypeError, "Broken.build must return a torch module and the size"),
        (linear(13, 2, 13), TypeError, "and the size of its latent"),
        ((nn.Linear(13, 2), 2), TypeError, "'encode' or a submodule 'encoder'"),
        ((linear(12, 2, 13), 2), ValueError, "Broken cannot encode 2 rows of 13"),
        ((linear(13, 2, 12), 2), ValueError, "The decoder of Broken must return one"),
        ((linear(13, 2, 13), 3), ValueError, "n_components=3, but its .* 2 comp"),
    ],
)
def test__fit__broken_architecture__says_what_is_wrong(built, error, message):
    with pytest.raises(error, match=message):
        make(Broken(built)).fit(X_WINE)
