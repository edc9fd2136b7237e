"""The written-out step: the bits of autograd's, and nothing written out beyond that."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
)
from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._net.written_out import WrittenOutStep
from sklearn_ae.latents import Contractive, Variational
from sklearn_ae.noise import GaussianNoise, HidingNoise, SwapNoise
from tests.net.helpers import make, weights

X_WINE, Y_WINE = load_wine(return_X_y=True)
HOLES = np.where(np.random.RandomState(0).rand(*X_WINE.shape) < 0.2, np.nan, X_WINE)
MIXED = pd.DataFrame(X_WINE[:, :4], columns=list("abcd")).assign(
    kind=pd.Categorical(Y_WINE), hue=pd.cut(X_WINE[:, 9], 4, labels=list("abcd"))
)


def worth(values, X):
    """A loss of the user's."""
    return (values - X).abs() ** 1.5


@pytest.fixture
def count_steps(monkeypatch):
    """Count the steps that are written out."""
    steps = []
    original = WrittenOutStep.compute_gradients

    def compute_gradients(self, batch):
        steps.append(batch)
        return original(self, batch)

    monkeypatch.setattr(WrittenOutStep, "compute_gradients", compute_gradients)
    return lambda: len(steps)


def fit_both(monkeypatch, estimator, *data, **fit_params):
    """Return an estimator fitted with written-out steps, and one fitted by autograd."""
    other = clone(estimator)
    estimator.fit(*data, **fit_params)
    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderNet, "_write_out", lambda self: None)
        other.fit(*data, **fit_params)
    return estimator, other


ACTIVATIONS = ["relu", "gelu", "silu", "tanh", "sigmoid", "identity"]
CASES = {
    **{name: {"activation": name} for name in ACTIVATIONS},
    **{f"latent {name}": {"latent_activation": name} for name in ACTIVATIONS},
    **{f"loss {loss}": {"loss": loss} for loss in ("mae", "huber")},
    "loss of the user": {"loss": worth},
    "loss bce": {"loss": "bce", "scaling": "minmax"},
    "sigmoid output": {"output_activation": "sigmoid", "scaling": "minmax"},
    **{f"noise {n!r}": {"noise": n} for n in (GaussianNoise(), SwapNoise())},
    **{f"optimizer {o}": {"optimizer": o} for o in ("adam", "adamw", "rmsprop", "sgd")},
    "amsgrad": {"net_params": {"optimizer__amsgrad": True}},
    "momentum": {"optimizer": "sgd", "net_params": {"optimizer__momentum": 0.9}},
    "own optimizer": {"optimizer": torch.optim.Adagrad},
    "decay": {"weight_decay": 0.1},
    **{s: {"lr_schedule": s} for s in ("cosine", "plateau", "constant")},
    "early stopping": {"early_stopping": True, "max_epochs": 8},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "three hidden layers": {"hidden_layer_sizes": (33, 17, 9)},
    "one row more": {"batch_size": 59},
    "clipping": {"callbacks": [GradientNormClipping(0.1)]},
    "schedule": {"callbacks": [LRScheduler("ExponentialLR", gamma=0.5)]},
}


@pytest.mark.parametrize("params", CASES.values(), ids=CASES)
def test__fit__written_out__has_the_bits_of_autograd(params, monkeypatch, count_steps):
    params = {"n_components": 3, "batch_size": 60, "max_epochs": 3, **params}
    ae, other = fit_both(monkeypatch, make(**params), X_WINE)
    assert count_steps() >= 9
    assert_array_equal(weights(ae), weights(other))
    assert ae.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize("X", [HOLES, MIXED, MIXED.mask(MIXED.a > 13.5)])
@pytest.mark.parametrize("noise", [None, SwapNoise(), HidingNoise()])
@pytest.mark.parametrize("is_weighted", [False, True])
def test__fit__written_out_other_tables__has_the_bits_of_autograd(
    X, noise, is_weighted, monkeypatch, count_steps
):
    weight = np.linspace(0, 2, len(X)) if is_weighted else None
    ae = make(n_components=3, batch_size=60, max_epochs=2, noise=noise)
    ae, other = fit_both(monkeypatch, ae, X, sample_weight=weight)
    assert count_steps() >= 6
    assert_array_equal(weights(ae), weights(other))


SMALL = make(n_components=3, batch_size=60, max_epochs=2)
# Rows held out for early stopping spare the trials of cross-validation.
FINE_TUNED = {"autoencoder": SMALL, "early_stopping": True, "max_epochs": 3}
REGRESSOR = AutoencoderPretrainedRegressor(**FINE_TUNED, random_state=0)
ESTIMATORS = {
    "regressor": {},
    "head of two layers": {"head_layer_sizes": (5,)},
    "frozen": {"freeze_encoder": True},
    "frozen at first": {"freeze_encoder": 1},
    "slow encoder": {"encoder_lr_scale": 0.1},
    "optimizer without state": {"optimizer": "sgd"},
    "classifier": AutoencoderPretrainedClassifier(
        **FINE_TUNED, semi_supervised=False, random_state=0
    ),
    "detector": AutoencoderAnomalyDetector(SMALL, n_estimators=1, random_state=0),
    "imputer": AutoencoderImputer(SMALL, n_estimators=1, random_state=0),
}


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test__fit__other_estimators__have_the_bits_of_autograd(
    estimator, monkeypatch, count_steps
):
    """The classifier spreads no labels, so that all its steps are written out."""
    if isinstance(estimator, dict):
        estimator = clone(REGRESSOR).set_params(**estimator)
    pair = fit_both(monkeypatch, estimator, HOLES, Y_WINE)
    names = ("score_samples", "predict_proba", "predict", "transform")
    method = next(name for name in names if hasattr(estimator, name))
    is_fine_tuned = "max_epochs" in estimator.get_params(deep=False)
    assert count_steps() >= 6 + is_fine_tuned
    assert_array_equal(*(getattr(e, method)(HOLES) for e in pair))


class Keep(Callback):
    """Keeps the gradients and outputs of all steps, as they are handed out."""

    def on_train_begin(self, net, **kwargs):
        self.gradients_, self.outputs_ = [], []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.gradients_.append([weight.grad for _, weight in named_parameters])

    def on_batch_end(self, net, y_pred=None, **kwargs):
        self.outputs_.append(y_pred.detach())


def test__callbacks__that_keep_gradients__find_them_unchanged(monkeypatch, count_steps):
    ae = make(n_components=3, batch_size=60, callbacks=[Keep()])
    kept = [dict(e.net_.callbacks_)["Keep"] for e in fit_both(monkeypatch, ae, X_WINE)]
    assert count_steps() == 12
    for own, by_autograd in zip(*(k.gradients_ for k in kept), strict=True):
        for gradient, other in zip(own, by_autograd, strict=True):
            assert_array_equal(gradient, other)
    for output, other in zip(*(k.outputs_ for k in kept), strict=True):
        assert_array_equal(output, other)
    assert all(a is not b for a, b in pairwise(kept[0].outputs_))


class FreezeBiases(Callback):
    """Lets no bias learn from the second step on."""

    def on_batch_end(self, net, **kwargs):
        for name, weight in net.module_.named_parameters():
            weight.requires_grad_(not name.endswith("bias"))


class ClipWeights(Callback):
    """Gives the weights new tensors after each step."""

    def on_batch_end(self, net, **kwargs):
        for weight in net.module_.parameters():
            weight.data = weight.data.clamp(-0.1, 0.1)


class HookGradients(Callback):
    """Halves gradients by a hook."""

    def on_train_begin(self, net, **kwargs):
        for weight in net.module_.parameters():
            weight.register_hook(lambda gradient: gradient / 2)


class HookLayers(Callback):
    """Changes the output of a layer by a hook."""

    def on_train_begin(self, net, **kwargs):
        layer = net.module_.network.encoder[0]
        layer.register_forward_hook(lambda module, inputs, output: output / 2)


class ShareWeights(Callback):
    """Lets two layers share their weights."""

    def on_train_begin(self, net, **kwargs):
        network = net.module_.network
        network.decoder[2].bias = network.encoder[0].bias


@pytest.mark.parametrize(
    "callback", [FreezeBiases, ClipWeights, HookGradients, HookLayers, ShareWeights]
)
def test__callbacks__that_change_the_network__do_as_by_autograd(callback, monkeypatch):
    params = {"n_components": 3, "batch_size": 60, "optimizer": "sgd", "lr": 0.1}
    plain = make(**params).fit(X_WINE)
    ae, other = fit_both(monkeypatch, make(**params, callbacks=[callback]), X_WINE)
    assert_array_equal(weights(ae), weights(other))
    assert not np.array_equal(weights(ae), weights(plain))


def test__partial_fit__written_out__has_the_bits_of_autograd(monkeypatch, count_steps):
    """The running means of the optimizer go on from one call to the next."""
    ae, other = make(n_components=3), make(n_components=3)
    for part in np.array_split(X_WINE, 3):
        ae.partial_fit(part)
        with monkeypatch.context() as patch:
            patch.setattr(AutoencoderNet, "_write_out", lambda self: None)
            other.partial_fit(part)
    assert count_steps() >= 3
    assert_array_equal(weights(ae), weights(other))


class OwnReLU(nn.ReLU):
    """An activation whose forward pass may do anything."""


@pytest.mark.parametrize(
    "params",
    [
        {"tied_weights": True},
        {"activation": OwnReLU},
        {"activation": nn.ELU},
        {"latent": Variational()},
        {"latent": Contractive()},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test__fit__what_is_not_written_out__trains_by_autograd(params, count_steps):
    ae = make(n_components=3, max_epochs=1, **params).fit(X_WINE)
    assert count_steps() == 0
    assert np.isfinite(ae.loss_curve_).all()
