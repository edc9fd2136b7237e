"""From the parameters of the training to a net."""

from collections.abc import Sequence
from typing import Any

from skorch.utils import noop
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sklearn_ae._collective import is_first
from sklearn_ae._net.callbacks import BestWeights, CosineDecay, Plateau, ProgressBar
from sklearn_ae._net.net import AutoencoderNet, NamedCallback
from sklearn_ae._net.params import (
    TrainingParams,
    check_callback_names,
    optimizer_params,
    resolve_precision,
)


def make_net(
    module: Any,
    criterion: nn.Module,
    training: TrainingParams,
    *,
    callbacks: Sequence[NamedCallback] = (),
    net_class: type[AutoencoderNet] | None = None,
    **params: Any,
) -> AutoencoderNet:
    """Return an initialized net, ready to train.

    Parameters
    ----------
    module : Autoencoder or Predictor
        New module: skorch trains the instance that it is given.
    criterion : nn.Module
        Loss of a batch, from the raw output, the clean batch and what comes with it.
    training : TrainingParams
        With a number of epochs and a batch size.
    callbacks : sequence of (str, Callback), default=()
        Callbacks that come before those of `training`.
    net_class : type, default=None
        `None` is :class:`AutoencoderNet`.
    **params
        Further parameters of the net; those of the user take precedence.

    Returns
    -------
    net : AutoencoderNet
    """
    net_params = training.net_params or {}
    net = (net_class or AutoencoderNet)(
        module,
        criterion=criterion,
        optimizer=training.optimizer_class,
        lr=training.lr,
        max_epochs=training.max_epochs,
        batch_size=training.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        own_callbacks=[*callbacks, *_own_callbacks(training)],
        callbacks=training.callbacks,
        verbose=int(training.verbose > 1 and is_first()),
        device=str(training.device),
        precision=resolve_precision(
            training.precision,
            training.device,
            module.largest_product(training.batch_size),
        ),
        compile=training.compile,
        training=training,
        **optimizer_params(training) | params | net_params,
    )
    net.initialize()
    check_callback_names(net_params, [name for name, _ in net.callbacks_])
    for group in net.optimizer_.param_groups:
        group["initial_lr"] = group["lr"]
    return net


def _own_callbacks(training: TrainingParams) -> list[NamedCallback]:
    """Return the callbacks for schedule, early stopping and progress bar."""
    callbacks: list[NamedCallback] = []
    monitor = "valid_loss" if training.early_stopping else "train_loss"
    if training.lr_schedule == "cosine":
        callbacks.append(("lr_schedule", CosineDecay()))
    elif training.lr_schedule == "plateau":
        schedule = Plateau(ReduceLROnPlateau, monitor=monitor, patience=5)
        callbacks.append(("lr_schedule", schedule))
    if training.early_stopping:
        stopping = BestWeights(
            patience=training.n_iter_no_change,
            threshold=training.tol,
            threshold_mode="abs",
            sink=noop,
            load_best=True,
        )
        callbacks.append(("early_stopping", stopping))
    if training.verbose == 1 and is_first():
        callbacks.append(("progress_bar", ProgressBar()))
    return callbacks
