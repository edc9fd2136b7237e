"""Errors about parameters, before any work is done."""

import inspect
from numbers import Integral, Real

import numpy as np
import torch
from torch import nn

from sklearn_ae._compat import Interval, StrOptions, validate_params
from sklearn_ae._isolation import generators
from sklearn_ae._modules.dense import make_activation
from sklearn_ae._net.params import OPTIMIZERS, check_class, check_training
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Clustered, Contractive, NeighborEmbedding, Sparse

# Constraints of the parameters that each phase of training has for itself.
TRAINING_CONSTRAINTS = {
    "optimizer": [StrOptions(set(OPTIMIZERS)), type],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left"), None],
    "lr_schedule": [StrOptions({"constant", "cosine", "plateau"})],
    "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "callbacks": [list, None],
    "net_params": [dict, None],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}

# Parameters that shape the dense network, and nothing else.
DENSE_PARAMS = (
    "hidden_layer_sizes",
    "activation",
    "latent_activation",
    "output_activation",
    "tied_weights",
)


def check_params(params, cls):
    """Check what the declared constraints of the parameters cannot say.

    Parameters
    ----------
    params : dict
        ``get_params(deep=False)`` of an autoencoder.
    cls : type
        Its class, whose constructor has the defaults.

    Raises
    ------
    TypeError
        If a class is of the wrong kind.
    ValueError
        If parameters do not go together.
    """
    check_sizes("n_components", params["n_components"])
    check_sizes("hidden_layer_sizes", params["hidden_layer_sizes"])
    check_training(params)
    for name in ("activation", "latent_activation", "output_activation"):
        check_class(name, params[name], nn.Module)
        if isinstance(params[name], type):
            _check_activation(name, params[name])
    _check_instances(params)
    for name in ("architecture", "latent", "noise"):
        validate_params(params[name])
    _check_latent(params)
    loss, scaling = params["loss"], params["scaling"]
    if loss == "bce" and scaling in ("standard", "quantile", "robust"):
        raise ValueError(
            f"loss='bce' needs values in [0, 1]. Scaling {scaling!r} does not "
            "give them. Use scaling='minmax', or scaling=None if X is in [0, 1] "
            "already."
        )
    if isinstance(params["architecture"], TorchModule):
        _check_unused(params, DENSE_PARAMS, cls)
    elif params["architecture"] is not None:
        _check_unused(params, ["tied_weights"], cls)


def _check_instances(params):
    """Refuse a class where an instance is needed."""
    loss, architecture = params["loss"], params["architecture"]
    if isinstance(loss, type):
        raise TypeError(
            "A callable loss must take a reconstruction and its target. Got the class "
            f"{loss.__name__}; pass an instance, such as MSELoss(reduction='none')."
        )
    if isinstance(architecture, type):
        raise TypeError(
            "architecture must be an object with a method 'build'. Got the class "
            f"{architecture.__name__}; pass an instance of it."
        )


def check_sizes(name, value):
    """Refuse sizes of layers that are no whole numbers of at least 1."""
    sizes = np.atleast_1d(() if value is None else value)
    if sizes.ndim > 1 or (
        sizes.size and (sizes.dtype.kind not in "iu" or sizes.min() < 1)
    ):
        raise ValueError(f"{name} must hold integers of at least 1. Got {value!r}.")


def _check_activation(name, cls):
    """Refuse a class that torch would fail on in the middle of its own code."""
    cells = torch.zeros(2, 4)
    try:
        # Its weights, if it has any, draw from the global generator.
        with generators.held():
            shape = getattr(cls()(cells), "shape", None)
    except Exception as error:
        raise TypeError(
            f"A class given as {name} must be built without arguments and take a "
            f"tensor. {cls.__name__} fails: {error}"
        ) from error
    if shape != cells.shape:
        raise ValueError(
            f"{name} must return a tensor of the shape that it takes. {cls.__name__} "
            f"made {shape and tuple(shape)} of {tuple(cells.shape)}."
        )


def _check_latent(params):
    """Refuse parameters that a penalty on the latent does not work with."""
    latent, activation = params["latent"], params["latent_activation"]
    if isinstance(latent, Clustered):
        n_components = params["n_components"]
        if n_components is not None and n_components < latent.n_clusters:
            raise ValueError(
                f"n_components={n_components} should be >= n_clusters="
                f"{latent.n_clusters} of latent={latent!r}."
            )
    if params["compile"] and isinstance(latent, Contractive):
        raise ValueError(
            "torch.compile cannot compile the derivatives that latent=Contractive() "
            "needs. Got compile=True; set it to False."
        )
    if isinstance(latent, NeighborEmbedding) and activation != "identity":
        raise ValueError(
            "latent=NeighborEmbedding() puts rows anywhere around 0. Got "
            f"latent_activation={activation!r}; leave it at 'identity'."
        )
    own_layers = not isinstance(params["architecture"], TorchModule)
    if not (isinstance(latent, Sparse) and latent.penalty == "kl" and own_layers):
        return
    # Its weights, if it has any, draw from the global generator.
    with generators.held(), torch.no_grad():
        latents = make_activation(activation)(torch.linspace(-9, 9, 100)[None])
    if latents.min() < 0 or latents.max() > 1:
        raise ValueError(
            "latent=Sparse('kl') needs latents in [0, 1]. Got latent_activation="
            f"{activation!r}; use latent_activation='sigmoid', or Sparse('l1')."
        )


def _check_unused(params, names, cls):
    """Refuse parameters of the dense network that an architecture would ignore."""
    defaults = inspect.signature(cls).parameters
    for name in names:
        value, default = params[name], defaults[name].default
        if value is not default and not (isinstance(value, str) and value == default):
            raise ValueError(
                f"{name} shapes the dense network, and architecture="
                f"{type(params['architecture']).__name__}(...) brings its own. Got "
                f"{name}={value!r}; leave it at {default!r}."
            )
