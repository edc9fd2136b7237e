"""Wrong parameters get a clear error before training."""

import numpy as np
import pytest
from skorch.callbacks import EarlyStopping
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import Contractive, Sparse, Variational
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise
from tests.helpers import X_WINE, Counter, fails_before_training, with_cell


def make(**params):
    defaults = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


@pytest.mark.parametrize("noise", [None, "auto"])
def test__set_params__of_an_absent_part__says_so(noise):
    with pytest.raises(ValueError, match=f"'noise__rate', because noise is {noise!r}"):
        make(noise=noise).set_params(noise__rate=0.2)


def test__callbacks__monitor_of_a_loss_that_is_not_measured__is_refused():
    with pytest.raises(ValueError, match="Set early_stopping=True, or"):
        make(callbacks=[EarlyStopping()]).fit(X_WINE)


def test__warm_start__other_scaling__is_refused():
    ae = make(warm_start=True).fit(X_WINE)
    with pytest.raises(ValueError, match="goes on with the scaling"):
        ae.set_params(scaling="minmax").fit(X_WINE)


PARAMETER_ERRORS = {
    "n_components": [
        (0, "'n_components' .* int in the range"),
        (2.0, "Got 2.0"),
        (True, "n_components must .* integers of at least 1. Got True"),
    ],
    "hidden_layer_sizes": [
        ((0,), r"hidden_layer_sizes must .* integers of at least 1. Got \(0,\)"),
        ((2.5,), "integers of at least 1"),
        ([[2]], r"Got \[\[2\]\]"),
        ([None], r"Got \[None\]"),
        ("ab", "array-like"),
    ],
    "activation": [
        ("rel", "'activation' parameter .* Got 'rel'"),
        (int, "activation must derive from the Module of torch. Got <class 'int'>"),
        (nn.ReLU(), r"Got ReLU\(\)"),
        (nn.Linear, "activation must be built without arguments.*Linear fails"),
        (nn.GLU, r"of the shape that it takes. GLU made \(2, 2\) of \(2, 4\)"),
    ],
    "latent_activation": [("auto", "Got 'auto'"), (nn.Linear, "Linear fails")],
    "output_activation": [("x", "Got 'x'"), (nn.GLU, "GLU made")],
    "tied_weights": [("yes", "'tied_weights' .* Got 'yes'")],
    "architecture": [
        ("dense", "Got 'dense'"),
        (TorchModule, "an instance of"),
        (Convolutional((1, 28, 28)), "one column for each pixel, 784 in all. Got X"),
        (Convolutional((13,)), r"\(height, width\), such .* Got \(13,\)"),
        (Convolutional((1, 0, 13)), r"of at least 1\. Got \(1, 0, 13\)"),
        (Convolutional(channels=()), r"channels of Conv.* of at least 1\. Got \(\)"),
        (Convolutional(channels=[[4]]), r"Got \[\[4\]\]"),
        (Convolutional(kernel_size=2.5), "'kernel_size' .* Got 2.5"),
        (Convolutional(pooling=(2, 2, 2)), r"each of the 2 stages.*Got \(2, 2, 2\)"),
        (Convolutional(stride=0), "'stride' .* Got 0"),
        (Convolutional(decoder="dense"), "'decoder' .* Got 'dense'"),
        (Convolutional(latent_shape=(2, 2)), "latent of 4 numbers. Got n_components=2"),
    ],
    "latent": [
        ("sparse", "Got 'sparse'"),
        (Variational, "an instance of"),
        (Variational(beta=-1), "'beta' parameter of Variational .* Got -1"),
        (Sparse("l2"), "'penalty' parameter of Sparse .* Got 'l2'"),
        (Sparse(alpha=-1), "'alpha' parameter of Sparse .* Got -1"),
        (Sparse(target=1), "'target' parameter of Sparse .* Got 1"),
        (Sparse("kl"), "'identity'; use latent_activation='sigmoid', or Sparse"),
        (Contractive(alpha=np.nan), "Got nan"),
    ],
    "noise": [
        (0.2, "'noise' .* Got 0.2"),
        (SwapNoise, "an instance of"),
        (SwapNoise(rate=-0.1), r"'rate' parameter of SwapNoise .*\[0.0, 1.0\)"),
        (MaskingNoise(rate=1), "'rate' parameter of MaskingNoise .* Got 1"),
        (GaussianNoise(std=-1), r"'std' parameter of GaussianNoise .*\[0.0, inf\)"),
        (GaussianNoise(std=np.nan), "Got nan"),
    ],
    "loss": [
        ("mes", "'loss' parameter .* Got 'mes'"),
        (nn.MSELoss, "Got the class MSELoss; pass an instance"),
        (nn.MSELoss(), r"\(2, 13\) or \(2,\) .* Got shape \(\).*reduction='none'"),
        (lambda values, X: (values - X)[:, :2], r"Got shape \(2, 2\)"),
        (lambda values, X: 1.0, "must return a tensor .* Got: float"),
        (lambda values, X: values.detach().numpy(), "Got: ndarray"),
        (lambda values, X: (values - X).detach(), "Got: detached tensor"),
        (lambda values: values, "takes 1 positional argument"),
    ],
    "scaling": [("std", "'scaling' .* Got 'std'")],
    "categorical_features": [
        ("colour", "'categorical_features' .*'from_dtype'.* Got 'colour'"),
        ([0, 13], r"in \[0, n_features - 1\]\. Got \[0, 13\] with 13 columns"),
        ([-1], r"in \[0, n_features - 1\]\. Got \[-1\]"),
        ([True, False], "one entry for each of the 13 columns of X. Got 2"),
        ([0.5], r"array-like of bool, int or str\. Got \[0\.5\]"),
        ([[0]], r"array-like of bool, int or str\. Got \[\[0\]\]"),
        (["ash"], r"only be names where X is a frame. Give indices or a mask"),
    ],
    "max_categories": [(1, "'max_categories' .* Got 1"), (2.5, "Got 2.5")],
    "optimizer": [
        ("adma", "'optimizer' parameter .*'adam.* Got 'adma'"),
        (int, "optimizer must derive from the Optimizer of torch"),
    ],
    "lr": [(0, "'lr' .* Got 0"), (-1, "Got -1"), (np.nan, "Got nan"), ("a", "'a'")],
    "weight_decay": [(-1, "'weight_decay' .* Got -1"), ("a", "Got 'a'")],
    "lr_schedule": [("step", "'lr_schedule' .* Got 'step'")],
    "max_epochs": [(0, "'max_epochs' .* Got 0"), (1.5, "Got 1.5")],
    "batch_size": [(0, "'batch_size' .* Got 0"), ("a", "Got 'a'")],
    "early_stopping": [("yes", "'early_stopping' .* Got 'yes'")],
    "validation_fraction": [(0, "Got 0"), (1.0, "Got 1.0"), (-0.1, "Got -0.1")],
    "n_iter_no_change": [(0, "'n_iter_no_change' .* Got 0")],
    "tol": [(-1e-3, "'tol' .* Got -0.001")],
    "device": [
        (3, "'device' .* Got 3"),
        ("gpu", r"device='gpu' cannot be used here: .*\. Use 'cpu', or 'auto'"),
        ("cuda:99", r"device='cuda:99' cannot be used here: .*\. Use 'cpu'"),
        ("meta", "device='meta' cannot be used here"),
    ],
    "precision": [("float16", "'precision' .* Got 'float16'")],
    "compile": [("yes", "'compile' .* Got 'yes'")],
    "net_params": [
        ([], "'net_params' .* instance of 'dict'"),
        ({"optimizer__beta": 1}, "unknown name 'optimizer__beta'.*optimizer__betas"),
        ({"lr": 1}, "'lr', which is a parameter of the estimator itself"),
        ({"optimizer__lr": 1}, "'optimizer__lr', which is a parameter of the estim"),
        ({3: 1}, "unknown name 3"),
    ],
    "warm_start": [("a", "'warm_start' .* Got 'a'")],
    "verbose": [(-1, "'verbose' .* Got -1")],
    "random_state": [(-1, "'random_state' .* Got -1"), ("a", "Got 'a'")],
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, *case) for name, cases in PARAMETER_ERRORS.items() for case in cases],
)
def test__fit__wrong_parameter__is_refused_before_training(name, value, message):
    ae = make(**{"callbacks": [Counter()], name: value})
    fails_before_training(ae, X_WINE, (ValueError, TypeError), message)


@pytest.mark.parametrize("callbacks", ["x", [3], [("name",)], [("name", 3)]])
def test__fit__wrong_callbacks__are_refused(callbacks):
    with pytest.raises((ValueError, TypeError), match="callback"):
        make(callbacks=callbacks).fit(X_WINE)


def test__parameter_errors__cover_every_parameter():
    """A new parameter needs a line above."""
    missing = set(make().get_params(deep=False)) - set(PARAMETER_ERRORS)
    assert missing == {"callbacks"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"scaling": "standard"},
            "'standard' does not give them. Use scaling='minmax'",
        ),
        ({"scaling": None}, "Got values from 0.13 to 1680; use scaling='minmax'"),
        (
            {"scaling": "minmax", "output_activation": "tanh"},
            r"reconstruction in \[0, 1\].*output_activation='sigmoid'",
        ),
    ],
)
def test__fit__bce_outside_the_unit_interval__says_how_to_get_there(params, message):
    ae = make(loss="bce", callbacks=[Counter()], **params)
    fails_before_training(ae, X_WINE, ValueError, message)


def test__score_samples__bce_and_a_row_outside_the_interval__is_finite():
    """The loss of torch itself raises for targets outside [0, 1]."""
    ae = make(loss="bce", scaling="minmax", output_activation=nn.Hardsigmoid)
    assert np.isfinite(ae.fit(X_WINE).score_samples(with_cell(1e4))).all()
