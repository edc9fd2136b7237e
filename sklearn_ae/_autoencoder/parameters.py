"""Errors about parameters, before any work is done."""

import inspect

import numpy as np
import torch
from torch import nn

from sklearn_ae._compat import validate_params
from sklearn_ae._modules.dense import make_activation
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Contractive, Sparse

# Parameters that shape the dense network, and nothing else.
DENSE_PARAMS = (
    "hidden_layer_sizes",
    "activation",
    "latent_activation",
    "output_activation",
    "tied_weights",
)


def check_params(settings):
    """Check what the declared constraints of the parameters cannot say.

    Raises
    ------
    TypeError
        If a class is of the wrong kind.
    ValueError
        If parameters do not go together.
    """
    _check_sizes("n_components", settings.n_components)
    _check_sizes("hidden_layer_sizes", settings.hidden_layer_sizes)
    _check_class(settings, "optimizer", torch.optim.Optimizer)
    for name in ("activation", "latent_activation", "output_activation"):
        _check_class(settings, name, nn.Module)
        if isinstance(getattr(settings, name), type):
            _check_activation(name, getattr(settings, name))
    if isinstance(settings.loss, type):
        raise TypeError(
            "A callable loss must take a reconstruction and its target. Got the class "
            f"{settings.loss.__name__}; pass an instance, such as "
            "MSELoss(reduction='none')."
        )
    for part in (settings.architecture, settings.latent, settings.noise):
        validate_params(part)
    _check_latent(settings)
    if settings.loss == "bce" and settings.scaling in (
        "standard",
        "quantile",
        "robust",
    ):
        raise ValueError(
            f"loss='bce' needs values in [0, 1]. Scaling {settings.scaling!r} does not "
            "give them. Use scaling='minmax', or scaling=None if X is in [0, 1] "
            "already."
        )
    if isinstance(settings.architecture, TorchModule):
        _check_unused(settings, DENSE_PARAMS)
    elif settings.architecture is not None:
        _check_unused(settings, ["tied_weights"])


def _check_class(settings, name, base):
    """Refuse a class that does not derive from the right one."""
    value = getattr(settings, name)
    if isinstance(value, type) and not issubclass(value, base):
        raise TypeError(
            f"A class given as {name} must derive from the {base.__name__} of torch. "
            f"Got {value!r}."
        )


def _check_sizes(name, value):
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
        with torch.random.fork_rng(devices=()):
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


def _check_latent(settings):
    """Refuse what a penalty on the latent is not made for."""
    if settings.compile and isinstance(settings.latent, Contractive):
        raise ValueError(
            "torch.compile cannot compile the derivatives that latent=Contractive() "
            "needs. Got compile=True; set it to False."
        )
    latent, activation = settings.latent, settings.latent_activation
    own_layers = not isinstance(settings.architecture, TorchModule)
    if not (isinstance(latent, Sparse) and latent.penalty == "kl" and own_layers):
        return
    # Its weights, if it has any, draw from the global generator.
    with torch.random.fork_rng(devices=()), torch.no_grad():
        latents = make_activation(activation)(torch.linspace(-9, 9, 100)[None])
    if latents.min() < 0 or latents.max() > 1:
        raise ValueError(
            "latent=Sparse('kl') needs latents in [0, 1]. Got latent_activation="
            f"{activation!r}; use latent_activation='sigmoid', or Sparse('l1')."
        )


def _check_unused(settings, names):
    """Refuse parameters of the dense network that an architecture would ignore."""
    defaults = inspect.signature(type(settings)).parameters
    for name in names:
        value, default = getattr(settings, name), defaults[name].default
        if value is not default and not (isinstance(value, str) and value == default):
            raise ValueError(
                f"{name} shapes the dense network, and architecture="
                f"{type(settings.architecture).__name__}(...) brings its own. Got "
                f"{name}={value!r}; leave it at {default!r}."
            )
