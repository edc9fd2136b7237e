"""The skorch net of an autoencoder."""

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from sklearn.utils.metaestimators import available_if
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PrintLog
from skorch.utils import TeeGenerator
from torch import Tensor, nn

from sklearn_ae._collective import here, same
from sklearn_ae._isolation import calls, isolated
from sklearn_ae._net.callbacks import ProgressBar
from sklearn_ae._net.checkpoint import Checkpoint
from sklearn_ae._net.failures import TrainingDiverged, diverging_as_value_error
from sklearn_ae._net.inference import infer, reconstruct
from sklearn_ae._net.params import TrainingParams
from sklearn_ae._net.written_out import WrittenOutStep, average_gradients, write_out
from sklearn_ae._seeding import threads_for
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.rows import BatchIterator, Rows

NamedCallback = tuple[str, Callback]
# Layers that take the deviation of the rows of a batch, which one row alone lacks.
BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d


def train(net: "AutoencoderNet", rows: Rows, valid: Rows | None = None) -> None:
    """Train a net for `max_epochs`.

    Parameters
    ----------
    net : AutoencoderNet
    rows, valid : Rows, SparseRows, MappedRows or None
        Rows to train on and to validate on.

    An interrupt ends the training, and `raise_if_interrupted` raises it once the caller
    has made a usable estimator of the net.

    Raises
    ------
    KeyboardInterrupt
        If the net was interrupted before its first step.
    ValueError
        If the loss stops being finite.
    """
    if (processes := here()) is not None:
        for part in (net.module_, net.criterion_):
            processes.set_same(part.state_dict().values())
    product = net.module_.largest_product(min(net.batch_size, len(rows)))
    with diverging_as_value_error(net), threads_for(product):
        net.partial_fit((rows, valid))
        # The loss of an epoch knows nothing of its last step.
        if not all(p.isfinite().all() for p in net.module_.parameters()):
            raise TrainingDiverged("loss")
    if net.was_interrupted_ and not net.was_trained_:
        raise KeyboardInterrupt


def continue_from(net: "AutoencoderNet", earlier: "AutoencoderNet") -> None:
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


def _has_table_encoder(net: "AutoencoderNet") -> bool:
    return net.table_encoder is not None


class AutoencoderNet(NeuralNet):
    """A skorch net that trains an autoencoder on its own input.

    It differs from :class:`skorch.NeuralNet` as the task requires: the target of a
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
    training : TrainingParams, default=None
        What the net was made with; it can be written to a document then.
    table_encoder : TableEncoder, default=None
        Fitted; `reconstruct` reads rows and writes their reconstruction with it. `None`
        for a net that reconstructs no rows.
    """

    # Hooks of skorch that are overridden: initialize_callbacks, notify, torch_compile,
    # get_dataset, get_split_datasets, infer, get_loss, fit_loop, train_step,
    # train_step_single, run_single_epoch, on_batch_begin; and private ones,
    # _default_callbacks, _set_training and _zero_grad_optimizer. _step_optimizer is
    # called. A test notices if a release of skorch has one of them no longer.

    def __init__(
        self,
        *args: Any,
        iterator_train: type = BatchIterator,
        iterator_valid: type = BatchIterator,
        precision: str = "float32",
        own_callbacks: Sequence[NamedCallback] = (),
        training: TrainingParams | None = None,
        table_encoder: TableEncoder | None = None,
        **kwargs: Any,
    ) -> None:
        self.training = training
        self.precision = precision
        self.own_callbacks = own_callbacks
        self.table_encoder = table_encoder
        super().__init__(
            *args,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            **kwargs,
        )
        self.was_interrupted_ = False
        self.was_trained_ = False
        self.n_epochs_done_ = 0
        # The written-out step that the epochs of one training share.
        self._step: WrittenOutStep | None = None

    @property
    def _default_callbacks(self) -> list[NamedCallback]:
        callbacks = [("epoch_timer", EpochTimer()), *self.own_callbacks]
        return callbacks + [("print_log", PrintLog())] * (self.verbose > 0)

    def initialize_callbacks(self) -> "AutoencoderNet":
        """Initialize the callbacks, and note which events each one listens to.

        Early stopping comes last: it ends training with an exception, and callbacks
        after it would never see the last epoch. Only a checkpoint does, which holds
        what all others have noted of an epoch that is not the last.
        """
        super().initialize_callbacks()
        last = EarlyStopping, Checkpoint
        self.callbacks_.sort(
            key=lambda item: [isinstance(item[1], kind) for kind in reversed(last)]
        )
        self._listeners: dict[str, list[Callback]] = {}
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
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

    def __getstate__(self) -> dict[str, Any]:
        # skorch writes `module_` in a way that loads on machines without the device;
        # `module`, the same one, would be a second copy that does not.
        state = super().__getstate__()
        state["module"] = None
        return state

    @isolated
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.module = self.module_

    def allow_missing(self, may_have_missing: bool = True) -> None:
        """Look for missing cells in training rows from now on, if there may be any."""
        if may_have_missing:
            self.module_.allow_missing()
            self.criterion_.allow_missing()

    def prepare(self, rows: Rows, valid: Rows | None) -> tuple[Rows, Rows | None]:
        """Return the rows to train on and to validate on, with what nets learn of them.

        Nets that need more than the rows override it.
        """
        return rows, valid

    @property
    def is_annealing(self) -> bool:
        """Whether training minimises another loss than the one that is watched."""
        latent = self.module_.latent
        return latent is not None and latent.is_annealing

    @available_if(_has_table_encoder)
    @isolated
    def reconstruct(self, X: Any) -> Any:
        """Return the reconstruction of rows in original units, also during training.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)

        Returns
        -------
        X_reconstructed : {ndarray, dataframe} of shape (n_samples, n_features)
        """
        encoder: Any = self.table_encoder
        rows = encoder.check(X)
        self.module_.eval()  # the next step of the training sets it back
        values = infer(self, reconstruct, rows, encoder.n_features_in_, encoder=encoder)
        return encoder.inverse_transform(values, like=X)

    def train_one_epoch(
        self, rows: Rows, table_encoder: TableEncoder | None = None
    ) -> None:
        """Train for one more epoch at the plain learning rate, or change nothing.

        The schedule, early stopping and the progress bar belong to `fit`, which knows
        how long it takes; they are switched off for good.

        Parameters
        ----------
        rows : Rows, SparseRows or MappedRows
        table_encoder : TableEncoder, default=None
            Encoder of these rows; `None` if it is the same as before.

        Raises
        ------
        ValueError
            If the loss stops being finite.
        """
        self.max_epochs = 1
        if self.own_callbacks:
            self.own_callbacks = []
            self.initialize_callbacks()
        for group in self.optimizer_.param_groups:
            group["lr"] = group["initial_lr"]
        weights = deepcopy((self.module_.state_dict(), self.optimizer_.state_dict()))
        encoder, n_epochs = self.table_encoder, len(self.history)
        self.table_encoder = table_encoder or encoder
        try:
            train(self, rows)
        except BaseException:
            self.module_.load_state_dict(weights[0])
            self.optimizer_.load_state_dict(weights[1])
            self.table_encoder = encoder
            del self.history[n_epochs:]
            # Dropout would go on in `transform`.
            self.module_.eval()
            raise

    def _set_training(self, training: bool = True) -> None:
        # Setting the mode walks through all submodules, which small nets feel.
        if self.module_.training != training:
            super()._set_training(training)

    def _zero_grad_optimizer(self, set_to_none: bool | None = None) -> None:
        # What optimizer.zero_grad() does, without its profiler hooks, which take a
        # tenth of a step of a small net.
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def torch_compile(self, module: nn.Module, name: str) -> nn.Module:
        """Compile the module in place, so that it still pickles."""
        if self.compile and name == "module":
            module.compile(**self.get_params_for("compile"))
        return module

    def get_dataset(self, X: Any, y: Any = None) -> Rows:
        """Return scaled rows as a data set, so that `predict` takes tensors too."""
        if isinstance(X, Rows):
            return X
        return Rows(torch.as_tensor(X, dtype=torch.float32))

    def get_split_datasets(
        self, X: Any, y: Any = None, **fit_params: Any
    ) -> tuple[Any, Any]:
        """Return the training rows and the validation rows or None."""
        return X if isinstance(X, tuple) else (X, None)

    def infer(self, x: Tensor, **fit_params: Any) -> Any:
        """Return the raw output for a batch, and the terms of a penalty on its latents.

        Both are float32; the terms are only there if the module has a penalty.
        """
        x = x.to(self.device)
        if self.module_.latent is None:
            return self.compute(self.module_, x)
        return self.compute(partial(self.module_, with_penalty_terms=True), x)

    def count_rows(self, batch: Any) -> int:
        """Return how many of the rows of an epoch a batch holds."""
        return len(batch[0])

    def weigh(self, batch: Any) -> Tensor:
        """Return the summed weight of these rows."""
        return (batch[1] if batch[1].ndim == 1 else batch[1][:, 0]).sum()

    def compute(self, function: Callable[[Tensor], Any], x: Tensor) -> Any:
        """Return the result of a function of the module, in float32."""
        if self.precision == "float32" or not self.module_.training:
            return function(x)
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16):
            out = function(x)
        return tuple(map(Tensor.float, out)) if isinstance(out, tuple) else out.float()

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return the loss against the clean batch.

        The module corrupts a copy of its own. Comparing with that copy would reward
        reproducing the noise.
        """
        weight = None if y_true is None else y_true.to(self.device)
        X = X.to(self.device)
        if not isinstance(y_pred, tuple):
            return self.criterion_(y_pred, X, weight)
        raw, penalty_terms = y_pred
        latent = self.module_.latent
        nat_weight = None
        if latent.is_likelihood:
            nat_weight = self._loss_per_nat(raw, X, weight)
        penalty = latent.penalty(penalty_terms, weight, nat_weight)
        return self.criterion_(raw, X, weight) + penalty

    def _loss_per_nat(self, raw: Tensor, X: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss that one nat of log-likelihood of a row counts as."""
        criterion = self.criterion_
        may_have_missing = criterion.may_have_missing
        nats = criterion.nats_per_loss(raw, X, weight, may_have_missing)
        # The loss of a row is the mean over its observed cells.
        n_cells: Tensor | int = X.shape[1]
        if may_have_missing:
            n_cells = (~torch.isnan(X)).sum(1).clamp(min=1)
        return 1 / (nats * n_cells)

    def fit_loop(
        self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any
    ) -> "AutoencoderNet":
        """Train, and note whether the user interrupted it, and after the first step.

        Epochs that were done before a checkpoint are not done again.
        """
        self.was_interrupted_ = self.was_trained_ = False
        epochs = self.max_epochs if epochs is None else epochs
        epochs, self.n_epochs_done_ = epochs - self.n_epochs_done_, 0
        try:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt:
            # skorch's early stopping uses the same signal as Ctrl+C.
            stopped = any(
                isinstance(callback, EarlyStopping)
                and callback.misses_ == callback.patience
                for _, callback in self.callbacks_
            )
            self.was_interrupted_ = not stopped
            raise
        except BaseException:
            # Else the error message would stand behind the bar, on the same line.
            for _, callback in self.callbacks_:
                if isinstance(callback, ProgressBar):
                    callback.on_train_end(self)
            raise
        finally:
            self._step = None

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step; few optimizers need the closure that skorch gives to all."""
        if len(batch[0]) == 1 and self._normalizes_batches():
            # Which may stand for many equal ones, whose mean and gradient are the same.
            batch = [
                None if part is None else torch.cat([part, part]) for part in batch
            ]
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

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute loss and gradients; a callback may have changed what is trained."""
        self._set_training(True)
        written_out = self._write_out()
        if written_out is None:
            step = super().train_step_single(batch, **fit_params)
        else:
            step = written_out.compute_gradients(batch)
        average_gradients(self)
        return step

    def _write_out(self) -> WrittenOutStep | None:
        """Return a step without autograd, None if the loss may need more of it."""
        takes_output = type(self).get_loss is AutoencoderNet.get_loss
        # It computes the loss several times in a step.
        takes_closure = isinstance(self.optimizer_, torch.optim.LBFGS)
        return write_out(self) if takes_output and not takes_closure else None

    def _normalizes_batches(self) -> bool:
        """Whether a layer of the user's needs two rows in each batch."""
        return any(isinstance(layer, BATCH_NORMS) for layer in self.module_.modules())

    def run_single_epoch(
        self,
        iterator: Iterable[Any] | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., dict[str, Any]],
        **fit_params: Any,
    ) -> None:
        """Train or validate on all batches, and record their mean loss."""
        if iterator is None:
            return
        total: Any = None
        n_rows, n_batches = 0, 0
        weights = []
        if training and not self.callbacks:
            self._set_training(True)
            # Nobody exchanges layers, but some may start to learn in this epoch.
            if self._step is None or not self._step.holds():
                self._step = self._write_out()
            step_fn = step_fn if self._step is None else self._step.take
        for batch in iterator:
            calls.safe_point()
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            if not self.was_trained_:
                self.was_trained_ = True
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
        mean = same(float(total) / (float(sum(weights)) if weights else n_rows))
        self._record_loss(prefix, mean)
        self.history.record(f"{prefix}_batch_count", n_batches)

    def _record_loss(self, prefix: str, loss: float) -> None:
        """Record the loss of an epoch, and whether it is the lowest so far."""
        if not math.isfinite(loss):
            raise TrainingDiverged(f"{prefix} loss")
        key = f"{prefix}_loss"
        # The last of the best is the lowest so far; looking through all epochs in each
        # would be felt where a small table takes a thousand of them.
        bests = (row[key] for row in reversed(self.history) if row.get(f"{key}_best"))
        lowest = next(bests, math.inf)
        self.history.record(key, loss)
        self.history.record(f"{key}_best", loss < lowest)

    def on_batch_begin(
        self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any
    ) -> None:
        """Record a batch only where callbacks of the user may read it."""
        if self.callbacks:
            super().on_batch_begin(net, batch, training, **kwargs)
