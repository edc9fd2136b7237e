"""Parameters of the training: optimizers, and parameters for parts of the net."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from skorch.callbacks import GradientNormClipping

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderTransformer
from sklearn_ae._net.params import TrainingParams, check_training
from tests.net.helpers import X_DIGITS, make, weights

X_WINE = load_wine().data
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", "adam", "rmsprop", "sgd", torch.optim.NAdam, torch.optim.LBFGS],
)
def test__optimizer__by_name_or_class__lowers_the_loss(optimizer):
    lr = {"sgd": 0.3, torch.optim.LBFGS: 0.3}.get(optimizer, 2e-3)
    ae = make(optimizer=optimizer, lr=lr, max_epochs=8, activation="tanh")
    losses = ae.fit(X_WINE).loss_curve_
    assert losses[-1] < 0.95 * losses[0]


def test__weight_decay__strong__shrinks_the_weights():
    # After PCA's start the latent is scaled back to PCA's, whatever has shrunk.
    ae = make(activation="tanh", lr=0.01)
    norms = [
        np.linalg.norm(weights(ae.set_params(weight_decay=decay).fit(X_DIGITS)))
        for decay in (0.0, 30.0)
    ]
    assert norms[1] < 0.7 * norms[0]


def test__weight_decay__optimizer_without_it__is_an_error():
    with pytest.raises(ValueError, match="LBFGS takes no weight_decay"):
        make(optimizer=torch.optim.LBFGS, weight_decay=0.1).fit(X_WINE)


@pytest.mark.parametrize(
    "net_params",
    [
        {"optimizer__betas": (0.1, 0.2)},
        {"optimizer__eps": 1.0},
        {"optimizer__param_groups": [("network.encoder*", {"lr": 1e-9})]},
    ],
)
def test__net_params__of_the_optimizer__have_an_effect(net_params):
    plain = make(max_epochs=3).fit(X_WINE)
    changed = make(max_epochs=3, net_params=net_params).fit(X_WINE)
    assert (weights(plain) != weights(changed)).any()


def test__net_params__foreach__replaces_the_fused_optimizer():
    """Torch refuses both at once, and the user did not ask for the fused one."""
    ae = make(net_params={"optimizer__foreach": True}).fit(X_WINE)
    assert not ae.net_.optimizer_.defaults["fused"]


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"optimizer__beta": (0.9, 0.9)}, r"'optimizer__beta'.*optimizer__betas"),
        ({"lr": 0.1}, r"'lr'"),
        ({"compile__mod": "x"}, r"compile__mode"),
        ({"iterator_train__shuffle": False}, r"'iterator_train__shuffle'"),
        ({"callbacks__clip__norm": 1}, r"'callbacks__clip__norm'"),
        ({3: 1}, r"name 3\."),
    ],
)
def test__net_params__unknown_name__is_an_error_that_names_it(net_params, message):
    with pytest.raises(ValueError, match=message):
        make(net_params=net_params).fit(X_WINE)


def test__net_params__unknown_callback__is_an_error_that_names_the_known_ones():
    clip = ("clip", GradientNormClipping(1.0))
    name = "callbacks__clp__gradient_clip_value"
    with pytest.raises(ValueError, match=r"callbacks__clp.*'clip'"):
        make(callbacks=[clip], net_params={name: 0.1}).fit(X_WINE)


def test__net_params__of_a_callback__have_an_effect():
    clip = ("clip", GradientNormClipping(1e6))
    name = "callbacks__clip__gradient_clip_value"
    # Adam divides by the size of the gradients, so clipping alone changes nothing.
    params = {"callbacks": [clip], "optimizer": "sgd", "lr": 0.1}
    loose = make(**params).fit(X_WINE)
    tight = make(**params, net_params={name: 1e-6}).fit(X_WINE)
    assert (weights(loose) != weights(tight)).any()


# What is taken from an estimator


def from_params(estimator, **others):
    return TrainingParams.from_params(
        estimator.get_params(deep=False), device=CPU, **others
    )


def test__from_params__transformer__takes_what_it_was_given():
    training = from_params(AutoencoderTransformer(lr=0.5, compile=True, device="auto"))
    assert (training.lr, training.compile, training.device) == (0.5, True, CPU)


def test__from_params__classifier__needs_what_the_autoencoder_decides():
    classifier = AutoencoderPretrainedClassifier(batch_size=7)
    training = from_params(classifier, precision="bfloat16", compile=False)
    assert (training.batch_size, training.precision) == (7, "bfloat16")
    with pytest.raises(KeyError, match="precision"):
        from_params(classifier)


def test__with_defaults__given_and_not__keeps_what_was_given():
    training = from_params(AutoencoderTransformer(batch_size=7))
    training = training.with_defaults(batch_size=256, max_epochs=20)
    assert (training.batch_size, training.max_epochs) == (7, 20)


def test__without_callbacks__keeps_all_that_is_about_the_weights():
    net_params = {"callbacks__mine__x": 1, "optimizer__eps": 1e-3}
    params = {"callbacks": [("mine", object())], "net_params": net_params}
    training = from_params(AutoencoderTransformer(verbose=2, **params))
    silent = training.without_callbacks()
    assert (silent.callbacks, silent.verbose) == (None, 0)
    assert silent.net_params == {"optimizer__eps": 1e-3}
    assert training.net_params is net_params


@pytest.mark.parametrize(
    "cls", [AutoencoderTransformer, AutoencoderPretrainedClassifier]
)
def test__check_training__any_estimator__guesses_what_was_meant(cls):
    params = cls(net_params={"optimizer__beta": 1}).get_params(deep=False)
    with pytest.raises(ValueError, match="Did you mean 'optimizer__betas' or "):
        check_training(params)
    params["net_params"] = {"criterion": 3}
    with pytest.raises(ValueError, match="unknown name 'criterion'") as error:
        check_training(params)
    assert "Did you mean" not in str(error.value)
    assert "optimizer__NAME" in str(error.value)
