"""From the parameters of a network and of its training to a net."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_ae._defaults import (
    DEFAULT_STEPS,
    default_batch_size,
    default_convolutional,
    default_embedding_steps,
    default_max_epochs,
    default_pull,
)
from sklearn_ae._modules.autoencoder import Autoencoder, OneHot
from sklearn_ae._modules.cluster_start import START_ROWS, start_clusters
from sklearn_ae._modules.clustered import ClusteredLatent
from sklearn_ae._modules.convolutional import ConvolutionalNetwork
from sklearn_ae._modules.dense import Dense
from sklearn_ae._modules.latent_penalties import GaussianLatent, Latent
from sklearn_ae._modules.linear_fill import FILL_ROWS, LinearFill
from sklearn_ae._modules.losses import Loss, check_loss
from sklearn_ae._modules.pca_start import SAMPLE_CELLS, PCAStart
from sklearn_ae._net.blueprint import Blueprint, NetworkParams
from sklearn_ae._net.callbacks import L2SP, Annealing
from sklearn_ae._net.make import make_net
from sklearn_ae._net.neighbor_embedding import NeighborEmbeddingNet
from sklearn_ae._net.net import AutoencoderNet, NamedCallback
from sklearn_ae._net.params import TrainingParams
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.layout import Layout
from sklearn_ae._tables.rows import Rows

# Rows that tell the mean of the pixels of a channel.
MEAN_ROWS = 1_000
# Rows that tell whether all numbers are in [0, 1].
UNIT_ROWS = 100_000


def build_net(
    network_params: NetworkParams,
    training: TrainingParams,
    rows: Rows,
    *,
    n_features: int,
    layout: Layout | None = None,
    image_shape: tuple[int, int, int] | None = None,
    indicated: NDArray[np.bool_],
    may_have_missing: bool,
    table_encoder: TableEncoder | None = None,
    steps: tuple[int, int] = DEFAULT_STEPS,
    warm: bool = False,
) -> tuple[AutoencoderNet, PCAStart | None]:
    """Return a new net for some rows, and the PCA that it starts from or None.

    Parameters
    ----------
    network_params : NetworkParams
    training : TrainingParams
    rows : Rows, SparseRows or MappedRows
        Rows to train on.
    n_features : int
        Number of columns of the table.
    layout : Layout, default=None
        Where the columns stand, if some are categorical.
    image_shape : (int, int, int), default=None
        Channels, height and width, if the rows are images.
    indicated : bool ndarray of shape (n_features,)
        Columns that get an input that says where a cell is missing.
    may_have_missing : bool
        Whether rows may have missing cells.
    table_encoder : TableEncoder, default=None
        Fitted encoder of the rows, for the net to reconstruct rows of the user's.
    steps : (int, int), default=(1_000, 4_000)
        The least and the largest number of steps, if `max_epochs` is `None`.
    warm : bool, default=False
        Whether the net gets the weights of another one, which has found clusters.

    Returns
    -------
    net : AutoencoderNet
        Initialized.
    start : PCAStart or None
    """
    hides = network_params.hides
    blueprint = Blueprint(
        network_params,
        n_features,
        layout,
        image_shape,
        tuple(np.flatnonzero(indicated | hides).tolist()),
    )
    width = blueprint.width
    network, n_components, latent = blueprint.build_layers()
    criterion = blueprint.build_loss()
    _check_loss(network_params.loss, rows, layout, n_features, training.device)
    n_free = n_components - network_params.n_clusters
    start, fill = _start(network_params, rows, layout, width, network, n_free, latent)
    module = blueprint.assemble(network, n_components, latent, fill)
    if isinstance(latent, ClusteredLatent) and not warm:
        _start_clusters(module, latent, rows, may_have_missing or hides)
    batch_size, max_epochs = _default_training(
        network_params, network, training.batch_size, len(rows), steps
    )
    decays_to_start = start is not None and training.weight_decay is None
    pull = default_pull(len(rows), width) if decays_to_start else 0.0
    net = make_net(
        module,
        criterion,
        training.with_defaults(batch_size=batch_size, max_epochs=max_epochs),
        callbacks=_callbacks(pull, latent),
        net_class=NeighborEmbeddingNet
        if network_params.is_neighbor_embedding
        else None,
        table_encoder=table_encoder,
    )
    net.allow_missing(may_have_missing or hides)
    if network_params.loss == "bce":
        _check_unit_output(net, rows, layout)
    return net, start


def _default_training(
    params: NetworkParams,
    network: nn.Module,
    batch_size: int | None,
    n_rows: int,
    steps: tuple[int, int],
) -> tuple[int, int]:
    """Return the batch size, and how many epochs take a number of steps."""
    default = default_batch_size(n_rows)
    if isinstance(network, ConvolutionalNetwork):
        default, steps = default_convolutional(n_rows)
    elif params.is_neighbor_embedding:
        steps = default_embedding_steps(steps, n_rows)
    batch_size = batch_size or default
    return batch_size, default_max_epochs(n_rows, batch_size, steps)


def _check_loss(
    loss: Loss, rows: Rows, layout: Layout | None, n_features: int, device: torch.device
) -> None:
    """Refuse cells, or a callable, that give no loss."""
    if loss == "bce":
        check_unit_interval(rows, layout)
    elif not isinstance(loss, str):
        n_numeric = n_features if layout is None else len(layout.numeric)
        check_loss(loss, n_numeric, device)


def _start(
    params: NetworkParams,
    rows: Rows,
    layout: Layout | None,
    width: int,
    network: nn.Module,
    n_components: int,
    latent: Latent | None,
) -> tuple[PCAStart | None, LinearFill | None]:
    """Set the weights that training starts from, if they are not random.

    Returns
    -------
    start : PCAStart or None
        Initial weights of a network that can start as PCA.
    fill : LinearFill or None
        Fills missing cells, if any cell may be hidden.
    """
    start, fill = None, None
    if isinstance(network, ConvolutionalNetwork):
        _start_at_mean(params, rows, network)
    starts_as_pca = params.can_start_as_pca(layout)
    if not (params.hides or starts_as_pca):
        return start, fill
    sample, encoded, weight = _sample(rows, layout, width)
    if params.hides:
        blocks = None if layout is None else layout.blocks
        some, some_weight = Rows(encoded, weight).sample(FILL_ROWS)
        fill = LinearFill().fit(some, some_weight, blocks)
        encoded = fill(encoded)
    if isinstance(network, Dense) and starts_as_pca and n_components:
        start = PCAStart(n_components, layout).fit(sample, encoded, weight)
        start.set_weights(network, str(params.activation), latent)
    return start, fill


def _start_at_mean(
    params: NetworkParams, rows: Rows, network: ConvolutionalNetwork
) -> None:
    """Let the reconstruction of a channel start around the mean of its pixels."""
    n_channels = network.map_shapes[0][0]
    X, _ = rows.sample(MEAN_ROWS)
    mean = X.cpu().reshape(len(X), n_channels, -1).nanmean(dim=(0, 2)).nan_to_num()
    if params.resolved_output_activation in ("sigmoid", nn.Sigmoid):
        mean = torch.logit(mean, eps=1e-3)
    network.set_output(mean)


def _start_clusters(
    module: Autoencoder, latent: ClusteredLatent, rows: Rows, may_have_missing: bool
) -> None:
    """Let the clusters of a latent start where some rows have some."""
    n_clusters = latent.network.n_clusters
    if len(rows) < n_clusters:
        raise ValueError(
            f"n_samples={len(rows)} should be >= n_clusters={n_clusters} of the "
            "latent. Equal rows count once, rows held out for early stopping do not "
            "count."
        )
    drawn = rows.draw(START_ROWS)
    weight = torch.ones(len(drawn)) if drawn.weight is None else drawn.weight.cpu()
    inputs = module.inputs(drawn.X.cpu(), may_have_missing)
    start_clusters(latent, inputs, weight, drawn.n_copies)


def _callbacks(pull: float, latent: Latent | None) -> list[NamedCallback]:
    """Return the callbacks for the decay to the start, and for the latent."""
    callbacks: list[NamedCallback] = []
    if pull:
        callbacks.append(("pull_to_start", L2SP(pull)))
    if isinstance(latent, GaussianLatent):
        callbacks.append(("annealing", Annealing()))
    return callbacks


def _sample(
    rows: Rows, layout: Layout | None, width: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return some rows, the inputs of the network for them, and their weights."""
    X, weight = rows.sample(max(1, SAMPLE_CELLS // width))
    encoded = X.cpu() if layout is None else OneHot(layout)(X.cpu())
    return X, encoded, None if weight is None else weight.cpu()


def check_unit_interval(rows: Rows, layout: Layout | None) -> None:
    """Refuse numeric columns that binary cross-entropy cannot take."""
    X, _ = rows.sample(UNIT_ROWS)
    X = X if layout is None else X[:, layout.numeric]
    X = X[~torch.isnan(X)]
    if ((X < -1e-4) | (X > 1 + 1e-4)).any():
        raise ValueError(
            "loss='bce' needs values in [0, 1]. Got values from "
            f"{X.min().item():.4g} to {X.max().item():.4g}; use scaling='minmax', or "
            "another loss."
        )


@torch.no_grad()
def _check_unit_output(net: AutoencoderNet, rows: Rows, layout: Layout | None) -> None:
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
