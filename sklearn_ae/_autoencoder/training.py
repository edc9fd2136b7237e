"""From checked rows to a fitted autoencoder: the stages that all estimators share."""

from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_ae._autoencoder.base import set_net_attributes
from sklearn_ae._autoencoder.parameters import check_params
from sklearn_ae._autoencoder.row_sampler import RowSampler
from sklearn_ae._collective import is_first
from sklearn_ae._compat import warn
from sklearn_ae._defaults import DEFAULT_STEPS
from sklearn_ae._modules.clustered import ClusteredLatent
from sklearn_ae._modules.latent_penalties import GaussianLatent
from sklearn_ae._net.blueprint import NetworkParams
from sklearn_ae._net.build import build_net
from sklearn_ae._net.checkpoint import resuming
from sklearn_ae._net.failures import TrainingInterrupted, raise_if_interrupted
from sklearn_ae._net.net import (
    continue_from,
    train,
)
from sklearn_ae._net.params import TrainingParams, resolve_device
from sklearn_ae._seeding import seeded_for
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.rows import apply_in_parts, make_rows
from sklearn_ae._tables.sampling import count_copies
from sklearn_ae._tables.source_rows import SourceRows

# Rows that tell how far clusters are to stand apart.
SCALE_ROWS = 10_000


def read_table(autoencoder, X, owner, *, unknown=np.nan):
    """Check X and the parameters of an autoencoder, before any work is done.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer
        Not fitted.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
    owner : BaseEstimator
        The estimator in use, which messages name.
    unknown : float, default=NaN
        As in :meth:`TableEncoder.check`.

    Returns
    -------
    encoder : TableEncoder
        Knows the columns of X; not fitted.
    rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_samples, n_features)
        Checked.
    """
    check_params(autoencoder.get_params(deep=False), type(autoencoder))
    resolve_device(autoencoder.device)
    encoder = TableEncoder(
        scaling=resolve_scaling(autoencoder),
        categorical_features=autoencoder.categorical_features,
        max_categories=autoencoder.max_categories,
        find_image_shape=getattr(autoencoder.architecture, "find_image_shape", None),
        owner=type(owner).__name__,
    )
    rows = encoder.check(X, reset=True, unknown=unknown)
    if isinstance(rows, SourceRows):
        verbose = max(autoencoder.verbose, getattr(owner, "verbose", 0))
        rows.verbose = verbose and is_first()
    return encoder, rows


def resolve_scaling(autoencoder):
    """Return the scaling of an autoencoder: that of binary cross-entropy is known."""
    is_auto = autoencoder.scaling == "auto" and autoencoder.loss == "bce"
    return "minmax" if is_auto else autoencoder.scaling


def fit_default_encoder(autoencoder, encoder, rows, sample_weight=None):
    """Learn the scale of the columns for the default autoencoder of a predictor.

    Where each column has a unit of its own, it is a robust one.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer
        Its `scaling` is set to that of the encoder.
    encoder : TableEncoder
        Not fitted.
    rows, sample_weight
        As for `fit_autoencoder`.
    """
    encoder.fit(rows, sample_weight)
    if encoder.scaling_ == "standard":
        autoencoder.set_params(scaling="robust")
        encoder.make_robust(rows, sample_weight)


def fit_autoencoder(
    autoencoder,
    rows,
    encoder,
    sample_weight=None,
    *,
    hidden=None,
    warm=False,
    steps=DEFAULT_STEPS,
):
    """Train an autoencoder, and set its fitted attributes.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer
    rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_samples, n_features)
        Checked.
    encoder : TableEncoder
        Fitted.
    sample_weight : ndarray of shape (n_samples,), default=None
    hidden : HiddenCells, default=None
        Cells to train without, as if they were missing.
    warm : bool, default=False
        Whether to go on with the weights that the autoencoder has.
    steps : (int, int), default=(1_000, 4_000)
        The least and the largest number of steps, if `max_epochs` is `None`.

    Returns
    -------
    autoencoder : AutoencoderTransformer

    Raises
    ------
    TrainingInterrupted
        Once the fitted attributes are set.
    """
    device = resolve_device(autoencoder.device)
    n_epochs = autoencoder.n_iter_ if warm else 0
    random_state = autoencoder.random_state
    with (
        resuming(autoencoder.get_params(deep=False)) as seed,
        seeded_for(random_state, device, seed=seed, n_epochs=n_epochs),
    ):
        data = make_rows(
            rows,
            encoder.transform,
            sample_weight,
            device,
            copies=count_copies(sample_weight),
            hidden=hidden,
        )
        data, valid = _split(autoencoder, data)
        net, start = _build_net(autoencoder, encoder, data, device, steps, warm)
        net.allow_missing(hidden is not None)
        if warm:
            continue_from(net, autoencoder.net_)
        train(net, *net.prepare(data, valid))
        # The optimizer's running means belong to the weights before this.
        net.optimizer_.state.clear()
        if start is not None:
            start.align_latent(net.module_)
        cells_near = partial(encoder.cells_near, rows, sample_weight)
        _set_attributes(autoencoder, net, encoder, data, cells_near)
    raise_if_interrupted(net)
    _warn_if_collapsed(autoencoder)
    return autoencoder


def fit_members(members, rows, encoder, sample_weight=None, hidden=None, **training):
    """Train autoencoders one after the other, until an interrupt.

    Parameters
    ----------
    members : iterable of AutoencoderTransformer
        Not fitted.
    rows, encoder, sample_weight
        As for `fit_autoencoder`.
    hidden : list of HiddenCells, default=None
        As for `fit_autoencoder`, one for each member.
    **training
        As for `fit_autoencoder`.

    Returns
    -------
    fitted : list of AutoencoderTransformer
        All of them, or those that were trained before an interrupt.
    interrupt : TrainingInterrupted or None
        To be raised once the estimator is usable.

    Raises
    ------
    KeyboardInterrupt
        If none was trained.
    """
    fitted: list[Any] = []
    try:
        for member, mask in zip(members, hidden or repeat(None), strict=False):
            fitted.append(member)
            fit_autoencoder(
                member, rows, encoder, sample_weight, hidden=mask, **training
            )
    except KeyboardInterrupt:
        fitted = [member for member in fitted if hasattr(member, "net_")]
        if not fitted:
            raise
        return fitted, TrainingInterrupted()
    return fitted, None


def fit_one_epoch(autoencoder, rows, encoder, sample_weight=None):
    """Train an autoencoder for one epoch more, or for its first one.

    Parameters
    ----------
    autoencoder, rows, encoder, sample_weight
        As for `fit_autoencoder`.
    """
    is_first = not hasattr(autoencoder, "net_")
    device = autoencoder.device if is_first else autoencoder.net_.device
    device = resolve_device(device)
    n_epochs = 0 if is_first else autoencoder.n_iter_
    with seeded_for(autoencoder.random_state, device, n_epochs=n_epochs):
        data = make_rows(rows, encoder.transform, sample_weight, device)
        if is_first:
            net, _ = _build_net(autoencoder, encoder, data, device)
        else:
            net = autoencoder.net_
            net.allow_missing(encoder.has_missing_.any())
        net.train_one_epoch(data, encoder)
        cells_near = partial(encoder.cells_near, rows, sample_weight)
        _set_attributes(autoencoder, net, encoder, data, cells_near)
    raise_if_interrupted(net)
    return autoencoder


def _split(autoencoder, rows):
    """Return rows to train on and, for early stopping, rows to validate on."""
    if not autoencoder.early_stopping:
        return rows, None
    n_rows = len(rows)
    if n_rows < 2:
        raise ValueError(
            "early_stopping=True holds rows out for validation and needs at least 2 "
            f"different rows. Got n_samples = {n_rows}, with equal rows counted once."
        )
    return rows.split(autoencoder.validation_fraction)


def _build_net(autoencoder, encoder, rows, device, steps=DEFAULT_STEPS, warm=False):
    """Return a new net, and the PCA that it starts from or None."""
    params = autoencoder.get_params(deep=False)
    return build_net(
        NetworkParams.from_params(params),
        TrainingParams.from_params(params, device=device),
        rows,
        n_features=encoder.n_features_in_,
        layout=encoder.layout_,
        image_shape=getattr(encoder, "image_shape_", None),
        indicated=encoder.has_indicator_,
        may_have_missing=encoder.has_missing_.any(),
        table_encoder=encoder,
        steps=steps,
        warm=warm,
    )


def _set_attributes(autoencoder, net, encoder, rows, cells_near):
    """Set the fitted attributes of an autoencoder."""
    module = net.module_
    if isinstance(module.latent, ClusteredLatent):
        _set_scale(net, rows)
    sampler = None
    if isinstance(module.latent, GaussianLatent):
        sampler = RowSampler().fit(net, rows, cells_near)
    set_attributes(autoencoder, net, encoder, sampler)


def set_attributes(autoencoder, net, encoder, row_sampler):
    """Set the fitted attributes of an autoencoder from what they are made of.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer
    net : AutoencoderNet
    encoder : TableEncoder
    row_sampler : RowSampler or None
    """
    module = net.module_
    vars(autoencoder).pop("cluster_stability_", None)
    if isinstance(module.latent, ClusteredLatent):
        autoencoder.cluster_stability_ = float(module.latent.stability)
    autoencoder.row_sampler_ = row_sampler
    autoencoder.table_encoder_ = encoder.owned_by(type(autoencoder).__name__)
    encoder.describe_to(autoencoder)
    autoencoder.is_categorical_ = encoder.is_categorical_
    autoencoder.scaling_ = encoder.scaling_
    vars(autoencoder).pop("image_shape_", None)
    if encoder.find_image_shape is not None:
        autoencoder.image_shape_ = encoder.image_shape_
    n_components = module.n_components
    autoencoder.n_components_ = n_components
    autoencoder.latent_shape_ = getattr(module.network, "latent_shape", (n_components,))
    set_net_attributes(autoencoder, net)


@torch.no_grad()
def _set_scale(net, rows):
    """Let the clusters of a latent stand apart as far as its free numbers ask.

    Few rows of a stream do not say how far that is.
    """
    if len(rows) < net.module_.network.n_clusters:
        return
    X, weight = rows.sample(SCALE_ROWS)
    Z = apply_in_parts(net.module_.eval().encode, X, torch.device(net.device))
    net.module_.network.set_scale(Z, None if weight is None else weight.cpu())


def _warn_if_collapsed(autoencoder):
    sampler = autoencoder.row_sampler_
    if sampler is not None and sampler.collapsed_:
        warn(
            "The variational latent has collapsed: it is the same for all rows. Lower "
            f"beta={autoencoder.latent.beta}, or train longer.",
            ConvergenceWarning,
        )
