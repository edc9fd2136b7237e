"""Documents of trained nets: a net is built from its parameters, and filled."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.history import History
from torch import Tensor, nn

from sklearn_ae._document import CannotBeDescribedError, Fields, Writer, describe_as
from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._modules.weights import read_weights, write_weights
from sklearn_ae._net.make import make_net
from sklearn_ae._net.neighbor_embedding import NeighborEmbeddingNet
from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._net.params import TrainingParams

# Most numbers in the history of a training: each takes several times the memory that it
# takes in a file.
MOST_CELLS = 2**22


def write_net(
    net: NeuralNet, writer: Writer, names: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the fields of a net.

    Parameters
    ----------
    net : AutoencoderNet
    writer : Writer
    names : tuple of str, default=()
        Further parameters of a net of its class.
    """
    training = replace(
        net.training,
        device=torch.device(net.device),
        precision=net.precision,
        max_epochs=net.max_epochs,
    )
    is_own = isinstance(net.module_, Autoencoder)
    options = {n: v for n, v in vars(net).items() if n.startswith("optimizer__")}
    stopping = dict(net.callbacks_).get("early_stopping")
    state = net.optimizer_.state_dict()["state"] if writer.training_state else {}
    return {
        "module": net.module_,
        "criterion": None if is_own else net.criterion_,
        "criterion_weights": write_weights(net.criterion_),
        "may_have_missing": bool(getattr(net.criterion_, "may_have_missing", False)),
        "training": training,
        "options": options,
        "takes_streams": not net.own_callbacks,
        "best_epoch": getattr(stopping, "best_epoch_", None),
        "history": net.history_,
        "optimizer_state": state,
        **{name: getattr(net, name) for name in names},
    }


def read_net(
    fields: Fields,
    net_class: type[AutoencoderNet] = AutoencoderNet,
    names: tuple[str, ...] = (),
) -> AutoencoderNet:
    """Return the net of these fields.

    It is not compiled, and has no callback that draws the weights to where training
    started: both are only for the training that it has behind it.
    """
    module = fields.part("module", nn.Module)
    criterion = fields.part("criterion", nn.Module, type(None))
    if criterion is None:
        fields.require(isinstance(module, Autoencoder), "module")
        criterion = module.blueprint.build_loss()
    own = isinstance(getattr(criterion, "loss", ""), str)
    read_weights(criterion, fields.part("criterion_weights", dict), own=own)
    if fields.flag("may_have_missing"):
        criterion.allow_missing()
    options = fields.part("options", dict)
    are_options = all(name.startswith("optimizer__") for name in options)
    fields.require(are_options, "options")
    training = replace(fields.part("training", TrainingParams), compile=False)
    net = make_net(
        module,
        criterion,
        training,
        net_class=net_class,
        **options,
        **{name: fields.value(name) for name in names},
    )
    if fields.flag("takes_streams"):
        net.own_callbacks = []
        net.initialize_callbacks()
    best_epoch = fields.part("best_epoch", int, type(None))
    if best_epoch is not None and "early_stopping" in dict(net.callbacks_):
        dict(net.callbacks_)["early_stopping"].best_epoch_ = best_epoch
    net.history_ = fields.part("history", History)
    _read_optimizer(net, fields)
    module.eval()
    return net


def _read_optimizer(net: NeuralNet, fields: Fields) -> None:
    """Set what the optimizer has learnt about each weight."""
    state, optimizer = fields.part("optimizer_state", dict), net.optimizer_
    if not state:
        return
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for i, values in state.items():
        shapes = ((), (1,), weights[i].shape)
        fits = [isinstance(v, Tensor) and v.shape in shapes for v in values.values()]
        fields.require(all(fits), "optimizer_state")
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _write_history(history: History, writer: Writer) -> dict[str, Any]:
    """Return the epochs, one array or list for each thing recorded; no batches."""
    names = {name: None for row in history for name in row if name != "batches"}
    if len(history) * len(names) > MOST_CELLS:
        raise CannotBeDescribedError(
            f"A history of {len(history):,} epochs with {len(names)} values each is "
            "too long to be saved."
        )
    columns = []
    for name in names:
        indices = [i for i, row in enumerate(history) if name in row]
        values: Any = [history[i][name] for i in indices]
        kinds = {type(value) for value in values}
        if len(kinds) == 1 and kinds <= {bool, int, float}:
            values = np.array(values, dtype=kinds.pop())
        where = None if len(indices) == len(history) else np.array(indices, dtype=int)
        columns.append((name, where, values))
    return {"n_epochs": len(history), "columns": columns}


def _read_history(fields: Fields) -> History:
    n_epochs = fields.integer("n_epochs", 0, MOST_CELLS)
    columns = fields.parts("columns", tuple)
    fields.require(n_epochs * (1 + len(columns)) <= 2 * MOST_CELLS, "columns")
    history = History()
    rows: list[dict[str, Any]] = [{"batches": []} for _ in range(n_epochs)]
    for name, where, values in columns:
        fields.require(isinstance(name, str), "columns")
        indices = range(n_epochs) if where is None else where.tolist()
        values = values.tolist() if isinstance(values, np.ndarray) else values
        for i, value in zip(indices, values, strict=True):
            fields.require(0 <= i < n_epochs, "columns")
            rows[i][name] = value
    history.extend(rows)
    return history


describe_as(History, _write_history, _read_history)
describe_as(AutoencoderNet, write_net, read_net)
describe_as(
    NeighborEmbeddingNet, write_net, partial(read_net, net_class=NeighborEmbeddingNet)
)
