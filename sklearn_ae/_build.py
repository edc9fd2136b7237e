"""From the parameters of an estimator to a net that is ready to train."""

import inspect

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from sklearn_ae._defaults import (
    default_batch_size,
    default_hidden_layer_sizes,
    default_max_epochs,
    default_n_components,
    default_pull,
)
from sklearn_ae._heads import NumericHead, check_loss
from sklearn_ae._modules import Autoencoder, Dense, make_activation
from sklearn_ae._net import expect_missing, make_net
from sklearn_ae._start import SAMPLE_CELLS, UNITS, PCAStart

# Parameters that shape the dense network, and nothing else.
DENSE_PARAMS = (
    "hidden_layer_sizes",
    "activation",
    "latent_activation",
    "output_activation",
)


def build_net(settings, scaler, rows, device):
    """Return a new net for some rows, and the PCA that it starts from or None.

    Parameters
    ----------
    settings : AutoencoderTransformer
        Its parameters and `n_features_in_`.
    scaler : Scaler
        Fitted.
    rows : Rows, SparseRows or MappedRows
        Rows to train on.
    device : torch.device

    Returns
    -------
    net : AutoencoderNet
        Initialized.
    start : PCAStart or None
    """
    n_rows, n_features = len(rows), settings.n_features_in_
    batch_size = settings.batch_size or default_batch_size(n_rows)
    max_epochs = settings.max_epochs or default_max_epochs(n_rows, batch_size)
    indicated = np.flatnonzero(scaler.indicated_)
    network, n_components = _build_network(settings, len(indicated))
    head = _build_head(settings)
    if settings.loss == "bce":
        check_unit_interval(rows)
    elif callable(settings.loss):
        check_loss(settings.loss, n_features)
    start, pull = None, 0.0
    if _can_start_as_pca(settings, head):
        sample = rows.sample(max(1, SAMPLE_CELLS // n_features))
        start = PCAStart(*sample, n_components)
        start.set_weights(network, settings.activation)
        if settings.weight_decay is None:
            pull = default_pull(n_rows, n_features)
    own_layers = settings.architecture is None
    indicators = indicated if own_layers and len(indicated) else None
    noise = None if settings.noise is None else clone(settings.noise)
    module = Autoencoder(network, n_components, noise, indicators)
    net = make_net(
        module,
        head,
        settings,
        pull=pull,
        max_epochs=max_epochs,
        batch_size=batch_size,
        device=device,
    )
    expect_missing(net, scaler.missing_.any())
    if settings.loss == "bce":
        _check_unit_output(net, rows)
    return net, start


def _build_network(settings, n_missing):
    """Return the encoder and decoder in one module, and the size of the latent."""
    n_features = settings.n_features_in_
    if settings.architecture is not None:
        return settings.architecture.build(n_features, settings.n_components)
    n_components = settings.n_components or default_n_components(n_features)
    sizes = settings.hidden_layer_sizes
    if sizes is None:
        sizes = default_hidden_layer_sizes(n_components)
    network = Dense(
        n_features + n_missing,
        n_features,
        n_components,
        [int(size) for size in np.atleast_1d(sizes)],
        settings.activation,
        settings.latent_activation,
    )
    return network, n_components


def _build_head(settings):
    """Return the loss and the output activation; "auto" is resolved here."""
    loss = "mse" if settings.loss == "auto" else settings.loss
    activation = settings.output_activation
    if activation == "auto":
        sigmoid = loss == "bce" and settings.architecture is None
        activation = "sigmoid" if sigmoid else "identity"
    return NumericHead(loss, make_activation(activation))


def _can_start_as_pca(settings, head):
    """Whether the network can compute a linear map, and has a linear output."""
    return (
        settings.architecture is None
        and settings.activation in UNITS
        and settings.latent_activation == "identity"
        and isinstance(head.activation, nn.Identity)
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
    bases = dict.fromkeys(DENSE_PARAMS[1:], nn.Module)
    for name, base in {**bases, "optimizer": torch.optim.Optimizer}.items():
        value = getattr(settings, name)
        if isinstance(value, type) and not issubclass(value, base):
            raise TypeError(
                f"A class given as {name} must derive from the {base.__name__} of "
                f"torch. Got {value!r}."
            )
        if base is nn.Module and isinstance(value, type):
            _check_activation(name, value)
    if isinstance(settings.loss, type):
        raise TypeError(
            "A callable loss must take a reconstruction and its target. Got the class "
            f"{settings.loss.__name__}; pass an instance, such as "
            "MSELoss(reduction='none')."
        )
    if settings.noise is not None:
        settings.noise._validate_params()
    if settings.loss == "bce" and settings.scaling in ("standard", "quantile"):
        raise ValueError(
            f"loss='bce' needs values in [0, 1]. Scaling {settings.scaling!r} does not "
            "give them. Use scaling='minmax', or scaling=None if X is in [0, 1] "
            "already."
        )
    if settings.architecture is not None:
        _check_unused(settings)


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


def _check_unused(settings):
    """Refuse parameters that an architecture of the user's own would ignore."""
    defaults = inspect.signature(type(settings)).parameters
    for name in DENSE_PARAMS:
        value, default = getattr(settings, name), defaults[name].default
        if value is not default and value != default:
            raise ValueError(
                f"{name} shapes the dense network, and architecture=TorchModule(...) "
                f"brings its own. Got {name}={value!r}; leave it at {default!r}."
            )


def check_unit_interval(rows):
    """Refuse rows that binary cross-entropy cannot take."""
    X, _ = rows.sample(100_000)
    X = X[~torch.isnan(X)]
    if ((X < -1e-4) | (X > 1 + 1e-4)).any():
        raise ValueError(
            "loss='bce' needs values in [0, 1]. Got values from "
            f"{X.min().item():.4g} to {X.max().item():.4g}; use scaling='minmax', or "
            "another loss."
        )


@torch.no_grad()
def _check_unit_output(net, rows):
    """Refuse a network whose output binary cross-entropy cannot take."""
    module = net.module_
    training = module.training
    X, _ = rows.sample(100)
    values = net.criterion_.values(module.eval()(X.to(net.device)))
    module.train(training)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            "loss='bce' needs a reconstruction in [0, 1]. Got values from "
            f"{values.min().item():.4g} to {values.max().item():.4g}; use "
            "output_activation='sigmoid', or let the decoder of your TorchModule end "
            "in Sigmoid."
        )
