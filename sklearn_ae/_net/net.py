"""The skorch net of an autoencoder; the only module that imports skorch's net."""

import math
from contextlib import contextmanager
from copy import deepcopy
from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PrintLog
from skorch.utils import TeeGenerator, noop
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sklearn_ae._net.callbacks import BestWeights, CosineDecay, Plateau, ProgressBar
from sklearn_ae._net.params import (
    OPTIMIZERS,
    check_callback_names,
    check_callbacks,
    check_net_params,
    optimizer_params,
    resolve_precision,
)
from sklearn_ae._tables.rows import BatchIterator, Rows


def make_net(
    module,
    criterion,
    settings,
    *,
    max_epochs,
    batch_size,
    device,
    precision,
    compile,
    callbacks=(),
    net_class=None,
    **params,
):
    """Return an initialized net, ready to train.

    Parameters
    ----------
    module : nn.Module
        New module: skorch trains the instance that it is given.
    criterion : nn.Module
        Loss of a batch, from the raw output, the clean batch and what comes with it.
    settings : BaseEstimator
        Its optimizer, learning rate, callbacks and `net_params`.
    max_epochs, batch_size : int
    device : torch.device
    precision : {"float32", "bfloat16", "auto"}
    compile : bool
    callbacks : sequence of (str, Callback), default=()
        Callbacks that come before those of `settings`.
    net_class : type, default=None
        `None` is :class:`AutoencoderNet`.
    **params
        Further parameters of the net; those of the user take precedence.

    Returns
    -------
    net : AutoencoderNet
    """
    optimizer = OPTIMIZERS.get(settings.optimizer, settings.optimizer)
    net_params = settings.net_params or {}
    check_callbacks(settings.callbacks, settings.early_stopping)
    own = settings.get_params(deep=False)
    check_net_params(net_params, optimizer, settings.callbacks, own)
    net = (net_class or AutoencoderNet)(
        module,
        criterion=criterion,
        optimizer=optimizer,
        lr=settings.lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        own_callbacks=[*callbacks, *_own_callbacks(settings)],
        callbacks=settings.callbacks,
        verbose=int(settings.verbose > 1),
        device=str(device),
        precision=resolve_precision(precision, device),
        compile=compile,
        **optimizer_params(optimizer, settings.weight_decay or 0.0, device, net_params)
        | params
        | net_params,
    )
    net.initialize()
    check_callback_names(net_params, [name for name, _ in net.callbacks_])
    for group in net.optimizer_.param_groups:
        group["initial_lr"] = group["lr"]
    return net


def _own_callbacks(settings):
    """Return the callbacks that the estimator's own parameters ask for."""
    callbacks = []
    monitor = "valid_loss" if settings.early_stopping else "train_loss"
    if settings.lr_schedule == "cosine":
        callbacks.append(("lr_schedule", CosineDecay()))
    elif settings.lr_schedule == "plateau":
        schedule = Plateau(ReduceLROnPlateau, monitor=monitor, patience=5)
        callbacks.append(("lr_schedule", schedule))
    if settings.early_stopping:
        stopping = BestWeights(
            patience=settings.n_iter_no_change,
            threshold=settings.tol,
            threshold_mode="abs",
            sink=noop,
            load_best=True,
        )
        callbacks.append(("early_stopping", stopping))
    if settings.verbose == 1:
        callbacks.append(("progress_bar", ProgressBar()))
    return callbacks


def train(net, rows, valid=None):
    """Train a net for `max_epochs`.

    Parameters
    ----------
    net : AutoencoderNet
    rows, valid : Rows, SparseRows, MappedRows or None
        Rows to train on and to validate on.

    Raises
    ------
    ValueError
        If the loss stops being finite.
    """
    with diverging_as_value_error(net):
        net.partial_fit((rows, valid))


def train_one_epoch(net, rows):
    """Train a net for one more epoch at its plain learning rate, or leave it unchanged.

    The schedule, early stopping and the progress bar belong to `fit`, which knows how
    long it takes.

    Parameters
    ----------
    net : AutoencoderNet
    rows : Rows, SparseRows or MappedRows
    """
    net.max_epochs = 1
    if net.own_callbacks:
        net.own_callbacks = []
        net.initialize_callbacks()
    for group in net.optimizer_.param_groups:
        group["lr"] = group["initial_lr"]
    before = deepcopy((net.module_.state_dict(), net.optimizer_.state_dict()))
    n_epochs = len(net.history)
    try:
        train(net, rows)
    except BaseException:
        net.module_.load_state_dict(before[0])
        net.optimizer_.load_state_dict(before[1])
        del net.history[n_epochs:]
        # Dropout would go on in `transform`.
        net.module_.eval()
        raise


def continue_from(net, earlier):
    """Let a new net start with the weights and the history of an earlier one.

    Raises
    ------
    ValueError
        If the two networks have different shapes.
    """
    try:
        net.module_.load_state_dict(earlier.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True goes on with the weights of the last fit, and a parameter "
            "that shapes the network has changed since. Set warm_start=False to start "
            "anew."
        ) from error
    net.history_ = deepcopy(earlier.history_)


def expect_missing(net, missing):
    """Tell a net whether training rows may have missing cells."""
    net.module_.missing |= bool(missing)
    net.criterion_.missing |= bool(missing)


@contextmanager
def diverging_as_value_error(net):
    """Explain a loss that is no finite number any more."""
    try:
        yield
    except TrainingDiverged as error:
        raise ValueError(
            f"The {error} stopped being a finite number in epoch {len(net.history)}. "
            f"Try a smaller lr than {net.lr}, scaling='standard' if it was switched "
            "off, or another loss."
        ) from None


class TrainingDiverged(ArithmeticError):
    """A loss is not a finite number any more."""


class AutoencoderNet(NeuralNet):
    """A skorch net that trains an autoencoder on its own input.

    It differs from :class:`skorch.NeuralNet` in what the task asks for: the target of a
    batch is the batch, `y` carries the sample weights, training and validation rows
    come as a tuple ``(train, valid)``, and the losses are recorded once an epoch, since
    a record of every batch costs time and grows without bound.

    Parameters
    ----------
    *args, **kwargs
        Passed to :class:`skorch.NeuralNet`.
    precision : {"float32", "bfloat16"}, default="float32"
        Type that the network computes in while training.
    own_callbacks : list of (str, Callback), default=()
        Callbacks that come before those of the user.
    """

    def __init__(
        self,
        *args,
        iterator_train=BatchIterator,
        iterator_valid=BatchIterator,
        precision="float32",
        own_callbacks=(),
        **kwargs,
    ):
        self.precision = precision
        self.own_callbacks = own_callbacks
        super().__init__(
            *args,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            **kwargs,
        )
        self.interrupted_after_ = None

    @property
    def _default_callbacks(self):
        callbacks = [("epoch_timer", EpochTimer()), *self.own_callbacks]
        return callbacks + [("print_log", PrintLog())] * (self.verbose > 0)

    def initialize_callbacks(self):
        """Initialize the callbacks, and note which events each one listens to.

        Early stopping comes last: it ends training with an exception, and callbacks
        after it would never see the last epoch.
        """
        super().initialize_callbacks()
        self.callbacks_.sort(key=lambda item: isinstance(item[1], EarlyStopping))
        self._listeners = {}
        return self

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks that implement an event; there are two for each batch."""
        getattr(self, method_name)(self, **cb_kwargs)
        if method_name not in self._listeners:
            self._listeners[method_name] = [
                callback
                for _, callback in self.callbacks_
                if getattr(type(callback), method_name, None)
                is not getattr(Callback, method_name)
            ]
        for callback in self._listeners[method_name]:
            getattr(callback, method_name)(self, **cb_kwargs)

    def __getstate__(self):
        # skorch writes `module_` in a way that loads on machines without the device;
        # `module`, the same one, would be a second copy that does not.
        state = super().__getstate__()
        state["module"] = None
        # It would take the whole estimator along, and is of use in training only.
        state.pop("reconstruct_rows", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self.module = self.module_

    def _set_training(self, training=True):
        # Setting the mode walks through all submodules, which small nets feel.
        if self.module_.training != training:
            super()._set_training(training)

    def _zero_grad_optimizer(self, set_to_none=None):
        # What optimizer.zero_grad() does, without its profiler hooks, which take a
        # tenth of a step of a small net.
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def torch_compile(self, module, name):
        """Compile the module in place, so that it still pickles."""
        if self.compile and name == "module":
            module.compile(**self.get_params_for("compile"))
        return module

    def get_dataset(self, X, y=None):
        """Return scaled rows as a data set, so that `predict` takes tensors too."""
        if isinstance(X, Rows):
            return X
        return Rows(torch.as_tensor(X, dtype=torch.float32))

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the training rows and the validation rows or None."""
        return X if isinstance(X, tuple) else (X, None)

    def infer(self, x, **fit_params):
        """Return the raw output for a batch, and the cost of its latent if it has one.

        Both are float32.
        """
        x = x.to(self.device)
        if getattr(self.module_, "latent", None) is None:
            return self.compute(self.module_, x)
        return self.compute(partial(self.module_, with_cost=True), x)

    def count_rows(self, batch):
        """Return how many of the rows of an epoch a batch holds."""
        return len(batch[0])

    def weigh(self, batch):
        """Return the summed weight of these rows."""
        return (batch[1] if batch[1].ndim == 1 else batch[1][:, 0]).sum()

    def compute(self, function, x):
        """Return what a function of the module gives, in float32."""
        if self.precision == "float32" or not self.module_.training:
            return function(x)
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16):
            out = function(x)
        return tuple(map(Tensor.float, out)) if isinstance(out, tuple) else out.float()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the loss against the clean batch.

        The module corrupts a copy of its own. Comparing with that copy would reward
        reproducing the noise.
        """
        weight = None if y_true is None else y_true.to(self.device)
        X = X.to(self.device)
        if not isinstance(y_pred, tuple):
            return self.criterion_(y_pred, X, weight)
        raw, cost = y_pred
        latent = self.module_.latent
        unit = self._unit_of_nats(raw, X, weight) if latent.in_nats else None
        penalty = latent.penalty(cost, weight, unit)
        return self.criterion_(raw, X, weight) + penalty

    def _unit_of_nats(self, raw, X, weight):
        """Return how much loss one nat of log-likelihood of a row is."""
        missing = self.criterion_.missing
        nats = self.criterion_.nats(raw, X, weight, missing)
        # The loss of a row is the mean over its observed cells.
        n_cells = (~torch.isnan(X)).sum(1).clamp(min=1) if missing else X.shape[1]
        return 1 / (nats * n_cells)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train, and note after how many epochs the user interrupted it, if so."""
        self.interrupted_after_ = None
        n_before = len(self.history)
        try:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt:
            # skorch's early stopping uses the same signal as Ctrl+C.
            stopped = any(
                isinstance(callback, EarlyStopping)
                and callback.misses_ == callback.patience
                for _, callback in self.callbacks_
            )
            if not stopped:
                rows = self.history[n_before:]
                self.interrupted_after_ = sum("train_loss" in row for row in rows)
            raise
        except BaseException:
            # Else the error message would stand behind the bar, on the same line.
            for _, callback in self.callbacks_:
                if isinstance(callback, ProgressBar):
                    callback.on_train_end(self)
            raise

    def train_step(self, batch, **fit_params):
        """Take one step; few optimizers need the closure that skorch gives to all."""
        if isinstance(self.optimizer_, torch.optim.LBFGS):
            return super().train_step(batch, **fit_params)
        self._zero_grad_optimizer()
        step = self.train_step_single(batch, **fit_params)
        if self.callbacks:
            parameters = self.get_all_learnable_params()
            self.notify(
                "on_grad_computed",
                named_parameters=TeeGenerator(parameters),
                batch=batch,
                training=True,
            )
        self._step_optimizer(None)
        return step

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train or validate on all batches, and record their mean loss."""
        if iterator is None:
            return
        total, n_rows, n_batches = None, 0, 0
        weights = []
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            n_batch = self.count_rows(batch)
            # Kept on the device: reading each loss would wait for a GPU to finish.
            loss = step["loss"].detach()
            total = loss * n_batch if total is None else total.add_(loss, alpha=n_batch)
            n_rows += n_batch
            n_batches += 1
            if batch[1] is not None:
                weights.append(self.weigh(batch))
            if self.callbacks:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", n_batch)
            self.notify("on_batch_end", batch=batch, training=training, **step)
        # Weights have a mean of 1 over all rows, not over those held out.
        loss = float(total) / (float(sum(weights)) if weights else n_rows)
        if not math.isfinite(loss):
            raise TrainingDiverged(f"{prefix} loss")
        key = f"{prefix}_loss"
        # The last of the best is the lowest so far; looking through all epochs in each
        # would be felt where a small table takes a thousand of them.
        bests = (row[key] for row in reversed(self.history) if row.get(f"{key}_best"))
        lowest = next(bests, math.inf)
        self.history.record(key, loss)
        self.history.record(f"{key}_best", loss < lowest)
        self.history.record(f"{prefix}_batch_count", n_batches)

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        """Record a batch only where callbacks of the user may read it."""
        if self.callbacks:
            super().on_batch_begin(net, batch, training, **kwargs)
