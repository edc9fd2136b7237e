"""From the parameters of an estimator to a net that is ready to train."""

from copy import deepcopy
from math import ceil

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
from sklearn_ae._modules.autoencoder import Autoencoder, OneHot
from sklearn_ae._modules.dense import Dense, make_activation
from sklearn_ae._modules.latent_penalties import GaussianLatent
from sklearn_ae._modules.linear_fill import FILL_ROWS, LinearFill
from sklearn_ae._modules.losses import MixedHead, NumericHead, check_loss
from sklearn_ae._modules.pca_start import SAMPLE_CELLS, UNITS, PCAStart
from sklearn_ae._net.callbacks import Annealing, PullToStart
from sklearn_ae._net.net import expect_missing, make_net
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import HidingNoise


def build_net(settings, scaler, rows, device, layout=None):
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
    layout : Layout, default=None
        Where the columns stand, if some are categorical.

    Returns
    -------
    net : AutoencoderNet
        Initialized.
    start : PCAStart or None
    """
    n_rows, n_features = len(rows), settings.n_features_in_
    batch_size = settings.batch_size or default_batch_size(n_rows)
    max_epochs = settings.max_epochs or default_max_epochs(n_rows, batch_size)
    width = n_features if layout is None else layout.width
    hides = isinstance(settings.noise, HidingNoise)
    indicated = np.flatnonzero(scaler.has_indicator_ | hides)
    network, n_components = _build_network(settings, width, len(indicated))
    latent = None if settings.latent is None else settings.latent.build(n_components)
    head = _build_head(settings, layout)
    _check_loss(settings, rows, layout, device)
    start, fill = _start(settings, rows, layout, width, network, n_components, latent)
    own_layers = settings.architecture is None
    indicators = indicated if own_layers and len(indicated) else None
    noise = None if settings.noise is None else clone(settings.noise)
    module = Autoencoder(network, n_components, noise, indicators, layout, fill, latent)
    net = make_net(
        module,
        head,
        settings,
        max_epochs=max_epochs,
        batch_size=batch_size,
        device=device,
        precision=settings.precision,
        compile=settings.compile,
        callbacks=_callbacks(settings, n_rows, width, start, latent),
    )
    expect_missing(net, scaler.has_missing_.any() or hides)
    if settings.loss == "bce":
        _check_unit_output(net, rows, layout)
    return net, start


def _check_loss(settings, rows, layout, device):
    """Refuse cells, or a callable, that make no loss."""
    if settings.loss == "bce":
        check_unit_interval(rows, layout)
    elif callable(settings.loss):
        n_features = settings.n_features_in_
        n_numeric = n_features if layout is None else len(layout.numeric)
        check_loss(settings.loss, n_numeric, device)


def _start(settings, rows, layout, width, network, n_components, latent):
    """Set the weights that training starts from, if they are not random.

    Returns
    -------
    start : PCAStart or None
        What a network starts from that can.
    fill : LinearFill or None
        What fills missing cells, if any cell may be hidden.
    """
    start, fill = None, None
    hides = isinstance(settings.noise, HidingNoise)
    starts_as_pca = _can_start_as_pca(settings, layout)
    if not (hides or starts_as_pca):
        return start, fill
    sample, encoded, weight = _sample(rows, layout, width)
    if hides:
        blocks = None if layout is None else layout.blocks
        every = ceil(len(encoded) / FILL_ROWS)
        few = None if weight is None else weight[::every]
        fill = LinearFill(encoded[::every], few, blocks)
        encoded = fill(encoded)
    if starts_as_pca:
        start = PCAStart(sample, encoded, weight, n_components, layout)
        start.set_weights(network, settings.activation, latent)
    return start, fill


def _callbacks(settings, n_rows, width, start, latent):
    """Return the callbacks that the start and the latent ask for."""
    callbacks = []
    draws_back = start is not None and settings.weight_decay is None
    pull = default_pull(n_rows, width) if draws_back else 0.0
    if pull:
        callbacks.append(("pull_to_start", PullToStart(pull)))
    if isinstance(latent, GaussianLatent):
        callbacks.append(("annealing", Annealing()))
    return callbacks


def _sample(rows, layout, width):
    """Return some rows, what the network gets of them, and their weights."""
    X, weight = rows.sample(max(1, SAMPLE_CELLS // width))
    encoded = X.cpu() if layout is None else OneHot(layout)(X.cpu())
    return X, encoded, None if weight is None else weight.cpu()


def _build_network(settings, width, n_missing):
    """Return the encoder and decoder in one module, and the size of the latent."""
    if settings.architecture is not None:
        return settings.architecture.build(width, settings)
    n_components = settings.n_components
    if n_components is None:
        n_components = default_n_components(settings.n_features_in_)
    sizes = settings.hidden_layer_sizes
    if sizes is None:
        sizes = default_hidden_layer_sizes(n_components)
    network = Dense(
        width + n_missing,
        width,
        n_components,
        [int(size) for size in np.atleast_1d(sizes)],
        settings.activation,
        settings.latent_activation,
        settings.tied_weights,
    )
    return network, n_components


def _build_head(settings, layout):
    """Return the loss of all columns."""
    loss = "mse" if settings.loss == "auto" else settings.loss
    # A loss that is a module may have weights of its own, which are trained.
    head = NumericHead(deepcopy(loss), make_activation(_output_activation(settings)))
    return head if layout is None else MixedHead(head, layout)


def _output_activation(settings):
    """Return the activation of numeric outputs; "auto" is resolved here."""
    if settings.output_activation != "auto":
        return settings.output_activation
    own_output = isinstance(settings.architecture, TorchModule)
    return "sigmoid" if settings.loss == "bce" and not own_output else "identity"


def _can_start_as_pca(settings, layout):
    """Whether the network can compute a linear map, and has a linear output."""
    return (
        settings.architecture is None
        # Logits of categories are no mirrored indicators.
        and (layout is None or not settings.tied_weights)
        and settings.activation in UNITS
        and settings.latent_activation == "identity"
        and _output_activation(settings) in ("identity", nn.Identity)
    )


def check_unit_interval(rows, layout):
    """Refuse numeric columns that binary cross-entropy cannot take."""
    X, _ = rows.sample(100_000)
    X = X if layout is None else X[:, layout.numeric]
    X = X[~torch.isnan(X)]
    if ((X < -1e-4) | (X > 1 + 1e-4)).any():
        raise ValueError(
            "loss='bce' needs values in [0, 1]. Got values from "
            f"{X.min().item():.4g} to {X.max().item():.4g}; use scaling='minmax', or "
            "another loss."
        )


@torch.no_grad()
def _check_unit_output(net, rows, layout):
    """Refuse a network whose output binary cross-entropy cannot take."""
    module = net.module_
    training = module.training
    X, _ = rows.sample(100)
    values = net.criterion_.values(module.eval()(X.to(net.device)))
    module.train(training)
    values = values if layout is None else values[:, layout.numeric]
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            "loss='bce' needs a reconstruction in [0, 1]. Got values from "
            f"{values.min().item():.4g} to {values.max().item():.4g}; use "
            "output_activation='sigmoid', or let the decoder of your TorchModule end "
            "in Sigmoid."
        )
