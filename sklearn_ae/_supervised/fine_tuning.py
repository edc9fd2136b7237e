"""Fine-tuning: from a pre-trained encoder and labelled rows to a net that predicts.

A head that starts at random would distort the features of the encoder before it learns
anything, so it starts as a linear model that was fitted to the latents (Kumar et al.,
2022 [1]_). Trained on few rows, a network may do worse than that linear model; so its
output is stacked with that of the linear model. With more rows, cross-validation
chooses how long it trains instead: a shorter training is a whole one, its learning rate
falls to zero as well. Where targets are numbers, a linear model of the columns takes
part, however many rows there are.

References
----------
.. [1] Kumar, A. et al. "Fine-tuning can distort pretrained features and underperform
   out-of-distribution." ICLR 2022.
"""

from copy import deepcopy
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_ae._compat import warn
from sklearn_ae._defaults import (
    default_fine_tuning,
    default_fine_tuning_pull,
    default_semi_supervised,
)
from sklearn_ae._modules.dense import ACTIVATIONS
from sklearn_ae._net.callbacks import L2SP
from sklearn_ae._net.make import make_net
from sklearn_ae._net.net import train
from sklearn_ae._net.params import TrainingParams
from sklearn_ae._supervised.linear_probe import N_FOLDS, PROBE_ROWS, divide_into_folds
from sklearn_ae._supervised.plan import (
    ROWS_TO_HOLD_OUT,
    Plan,
    choose_plan,
    weigh_outputs,
)
from sklearn_ae._supervised.predictor import (
    Predictor,
    UnfreezeEncoder,
    make_embedding,
    make_head,
    scale_noise,
)
from sklearn_ae._supervised.semi_supervised import (
    SemiSupervisedNet,
    normalize_hidden,
    shrink_and_perturb,
)
from sklearn_ae._supervised.temperature import match_confidence, scale_outputs
from sklearn_ae._tables.reading import BLOCK_CELLS
from sklearn_ae._tables.rows import BatchIterator, apply_in_parts, even_slices

# Where most gradients have become tiny, as those of rare classes do, Adam's usual
# memory turns the next large one into a leap.
STEADY = {"optimizer__betas": (0.9, 0.95), "optimizer__eps": 1e-4}
# The optimizers whose steps have the length of the learning rate.
ADAM = ("adam", "adamw")
# Spread labels are better than the linear model with fewer errors than this share of
# its own: a row more or less is luck.
MOST_ERRORS = 0.75
# The linear model of columns learns from fewer rows where more would have more cells,
# of which float64 copies take memory.
MOST_CELLS = 2**23
# Training diverged if it lost more than this share of what the start was ahead of
# guessing, on the rows that it was trained on.
MOST_LOST = 0.05
# Times that few rows are divided into folds to tell.
N_REPEATS = 4
# The mean and the deviation of the latents are taken over so many rows.
SAMPLE_ROWS = 20_000


class SpreadingScore(NamedTuple):
    """How well spread labels predict held-out labels."""

    accuracy: float
    """Share of the rows whose label is predicted, below 1 (rule of succession)."""
    is_better: bool
    """Whether they make fewer than three quarters of the errors of the linear model,
    and at most half as many as the largest class for all rows would."""


@dataclass(frozen=True)
class PredictorParams:
    """The head of a predictor and how its encoder learns: parameters of the estimators.

    Parameters
    ----------
    freeze_encoder : bool or int
    encoder_lr_scale : float
    head_layer_sizes : int or array-like of int
    dropout : float
    """

    freeze_encoder: bool | int
    encoder_lr_scale: float
    head_layer_sizes: ArrayLike
    dropout: float

    @classmethod
    def from_params(cls, params):
        """Return those among the parameters of a classifier or regressor.

        Parameters
        ----------
        params : dict
            ``get_params(deep=False)`` of an estimator.
        """
        return cls(**{field.name: params[field.name] for field in fields(cls)})


@dataclass(kw_only=True)
class FineTuning:
    """Fine-tuning of a pre-trained encoder and a new head on labelled rows.

    Parameters
    ----------
    encoder : Autoencoder
        Pre-trained, on the device to train on; copies of it are trained.
    n_components : int
        Number of latents.
    n_outputs : int
        Number of outputs of the head.
    probe : ClassProbe or TargetProbe
        Linear model that the head starts from.
    column_probe : ColumnProbe or None
        Linear model that the trained network is stacked with; `None` takes the one that
        the head starts from, and up to 500 rows only.
    criterion : nn.Module
        Loss of a batch.
    activation : str or nn.Module class
        After hidden layers of the head, if it is one of them.
    params : PredictorParams
    training : TrainingParams
        Its device is the one to train on.
    rng : Generator

    Attributes
    ----------
    center_ : float64 ndarray of shape (n_components,)
        Mean of the latents.
    unit_ : float
        One unit for all latents: those that vary little are mostly noise.
    """

    encoder: nn.Module
    n_components: int
    n_outputs: int
    probe: Any
    column_probe: Any
    criterion: nn.Module
    activation: Any
    params: PredictorParams
    training: TrainingParams
    rng: np.random.Generator

    @property
    def device(self):
        """Device to train on."""
        return self.training.device

    def fit(self, rows, labelled):
        """Fit the linear model to the latents of labelled rows.

        Parameters
        ----------
        rows, labelled : Rows, SparseRows or MappedRows
            The unit of the latents is taken over all rows.
        """
        X, y = rows.sample(SAMPLE_ROWS)
        Z, weight = self._encode(X), y[:, 0].cpu().double().numpy()
        frozen = self.params.freeze_encoder
        learns = not (frozen and isinstance(frozen, (bool, np.bool_)))
        n_labelled = int(labelled.n_copies.sum()) if learns else 0
        self.embedding_ = make_embedding(self.encoder, X, y[:, 0], n_labelled)
        self.center_ = np.average(Z, axis=0, weights=weight)
        squares = np.mean((Z - self.center_) ** 2, axis=1)
        self.unit_ = np.sqrt(np.average(squares, weights=weight)) or 1.0
        self.probe.fit(*self._latents_and_targets(labelled), self.rng)
        if self.column_probe is not None:
            n_inputs = self._inputs(X[:1]).shape[1]
            slices = even_slices(len(X), max(1, BLOCK_CELLS // n_inputs))
            blocks = ((self._inputs(X[rows]), weight[rows]) for rows in slices)
            self.column_probe.fit_scale(n_inputs, blocks)
        return self

    def fine_tune(self, labelled, valid):
        """Return a net that was trained on labelled rows, for as long as is good.

        Its probabilities are as sure as predictions of held-out rows are right.

        Parameters
        ----------
        labelled, valid : Rows, SparseRows, MappedRows or None
            Rows to train on, and to stop early by.
        """
        if self.embedding_ is not None:
            self.encoder = deepcopy(self.encoder)
            self.encoder.embed_numbers(self.embedding_)
        plan = Plan() if valid is not None else choose_plan(self, labelled)
        net = self.train(labelled, valid, plan)
        if plan.length:
            watched = labelled if valid is None else valid
            is_start = self._keep_start_if_better(net, len(labelled), watched)
            if is_start and self.column_probe is None:
                plan = Plan(length=0.0)
        if valid is not None and valid is not labelled:
            plan = weigh_outputs(self, plan, net, labelled, valid)
        scale_outputs(net.module_.head, plan.factor)
        if plan.start_factor:
            net.module_.start = self._make_start(labelled, plan.start_factor)
        return net

    def _make_start(self, labelled, factor):
        """Return the linear model that a network is stacked with, times a factor."""
        if self.column_probe is None:
            start = Predictor(deepcopy(self.encoder), self._make_head()).eval()
            scale_outputs(start.head, factor)
            return start.to(self.device)
        model = self._fit_columns(labelled)
        scale_outputs([model.linear], factor)
        return model

    def score_spreading(self, neighbors):
        """Compare spread labels with the linear model, by cross-validation.

        If spread labels are better, rows of one class lie together, which is what
        semi-supervised learning assumes.

        Parameters
        ----------
        neighbors : Neighborhood
            Of all rows.

        Returns
        -------
        score : SpreadingScore
        """
        indices = neighbors.labelled_indices
        if len(indices) > PROBE_ROWS:
            indices = np.sort(self.rng.choice(indices, PROBE_ROWS, replace=False))
        labelled = neighbors.rows_.subset(torch.from_numpy(indices))
        Z, y, weight, n_copies = self._latents_and_targets(labelled)
        seen = neighbors.seen_[indices]
        n_copies = np.maximum(1, np.rint(n_copies * seen)).astype(int)
        weight, classes = weight * seen, y[:, 0].astype(int)
        by_spreading, by_probe = np.zeros((2, len(y)))
        # Which rows are held out together matters, if there are few.
        n_repeats = N_REPEATS if n_copies.sum() < ROWS_TO_HOLD_OUT else 1
        folds = [
            divide_into_folds(classes, n_copies, N_FOLDS, self.rng)
            for _ in range(n_repeats)
        ]
        for test in np.concatenate(folds, axis=1).T:
            train_weight = weight * (1 - test)
            train = train_weight > 0
            if not test.any() or not train.any():
                continue
            probe = self.probe.refit(
                Z[train], y[train], train_weight[train], n_copies[train]
            )
            predicted = (Z @ probe.coef_.T + probe.intercept_).argmax(1)
            by_probe += test * (predicted == classes)
            held_out = np.zeros(len(neighbors.seen_))
            held_out[indices] = test * seen
            predicted = neighbors.spread(held_out)[indices].argmax(1)
            by_spreading += test * (predicted == classes)
        share, n_rows = weight / weight.sum() / n_repeats, n_copies.sum()
        right = share @ by_spreading
        # A few rows can be better by luck where neither model knows anything.
        halfway = (1 + np.bincount(classes, weight).max() / weight.sum()) / 2
        is_better = 1 - right < MOST_ERRORS * (1 - share @ by_probe)
        is_better &= right >= halfway
        accuracy = (n_rows * right + 1) / (n_rows + 2)
        return SpreadingScore(accuracy, bool(is_better))

    def fine_tune_on_all(self, neighbors, valid, accuracy):
        """Return a net that was trained on labelled rows and on all others.

        Parameters
        ----------
        neighbors : Neighborhood
            Of all rows.
        valid : Rows, SparseRows, MappedRows or None
            Rows to stop early by.
        accuracy : float
            That of the spread labels; predictions are to be no surer.
        """
        rows, shares = neighbors.make_rows(self.encoder)
        self.probe.refit(*self._latents_and_targets(rows.repeated))
        encoder = deepcopy(self.encoder)
        # Noise for all rows alike would hide what the adversary does.
        encoder.noise = None
        # A slow encoder would not get far from where random weights put it.
        if not self.params.freeze_encoder and self.params.encoder_lr_scale >= 1:
            shrink_and_perturb(encoder)
            normalize_hidden(encoder)
        net = self.make_net(
            len(rows),
            encoder,
            default_semi_supervised(len(rows)),
            net_class=SemiSupervisedNet,
            shares=shares,
        )
        train(net, rows, valid)
        # It is no surer than spread labels are right, nor than labels that it has
        # learnt, but cannot be certain of, allow.
        module = net.module_.eval()
        with torch.no_grad():
            sample, _ = rows.rows.sample(PROBE_ROWS)
            logits = apply_in_parts(module, sample, self.device).double()
        temperatures = (
            match_confidence(logits.numpy(), accuracy),
            self.criterion.calibrate(*self.predict(net, rows.repeated))[0],
        )
        scale_outputs(net.module_.head, 1 / max(temperatures))
        return net

    def accuracy(self, net, rows):
        """Return the weighted share of rows whose class a net predicts."""
        outputs, y = self.predict(net, rows)
        weight, class_indices = y.T
        is_right = outputs.argmax(1) == class_indices
        return float(weight @ is_right.to(weight) / weight.sum())

    def make_net(self, n_labelled, encoder=None, steps=None, **params):
        """Return a new net, whose head starts as the linear model.

        Parameters
        ----------
        n_labelled : int
        encoder : Autoencoder, default=None
            `None` takes a copy of the fitted one.
        steps : (int, int), default=None
            Batch size and number of epochs where the user gave none; `None` takes
            those of fine-tuning.
        **params
            Parameters of the net.
        """
        batch_size, max_epochs = steps or default_fine_tuning(n_labelled)
        lr_scale = self.params.encoder_lr_scale
        if lr_scale != 1:
            lr = self.training.lr * lr_scale
            params["optimizer__param_groups"] = [("encoder*", {"lr": lr})]
        if encoder is None:
            encoder = deepcopy(self.encoder)
        return make_net(
            # The encoder comes as it infers: without dropout, its running means kept.
            Predictor(encoder, self._make_head()).train(),
            self.criterion,
            self.training.with_defaults(batch_size=batch_size, max_epochs=max_epochs),
            callbacks=self._callbacks(n_labelled),
            **params,
        )

    def _make_head(self):
        """Return a head that computes what the linear model does."""
        activation = self.activation
        head = make_head(
            self.n_components,
            self.n_outputs,
            [int(size) for size in np.atleast_1d(self.params.head_layer_sizes)],
            activation if activation in ACTIVATIONS else "relu",
            self.params.dropout,
        )
        if not np.size(self.params.head_layer_sizes):
            self._start_head(head[-1])
        return head

    def _callbacks(self, n_labelled):
        """Return the callbacks for the decay to the start, and for a frozen encoder."""
        callbacks = []
        is_default = self.training.weight_decay is None
        # Its strength is for steps of the length that these optimizers take.
        if is_default and self.training.optimizer in ADAM:
            strength = default_fine_tuning_pull(n_labelled)
            callbacks.append(("pull_to_start", L2SP(strength)))
        frozen = self.params.freeze_encoder
        if frozen:
            n_epochs = None if isinstance(frozen, (bool, np.bool_)) else frozen
            callbacks.append(("unfreeze_encoder", UnfreezeEncoder(n_epochs)))
        return callbacks

    @torch.no_grad()
    def _start_head(self, layer):
        weight = self.probe.coef_ / self.unit_
        bias = self.probe.intercept_ - weight @ self.center_
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))

    def train(self, labelled, valid, plan):
        """Return a net that was trained as a plan says."""
        self.probe.refit(*self._latents_and_targets(labelled))
        steady = self.training.optimizer in ADAM
        net = self.make_net(len(labelled), **(STEADY if steady else {}))
        if plan.length:
            scale_noise(net.module_.encoder, plan.noise)
            net.max_epochs = max(1, round(plan.length * net.max_epochs))
            train(net, labelled, valid)
        return net

    def _keep_start_if_better(self, net, n_labelled, rows):
        """Set weights back to those at the start if training made the loss higher.

        However well the trials went, this training may gain nothing, which shows on the
        rows that it was trained on: with few labels the noise costs more than there is
        to learn. It may even diverge, as with a large rate. A number of epochs that was
        given may be too small to tell. Each net has its best temperature: trained with
        noise, it is less confident than it could be.

        Returns
        -------
        is_start : bool
        """
        if net.was_interrupted_ or self.training.max_epochs is not None:
            return False
        start = self.make_net(n_labelled)
        pairs = [self.predict(each, rows) for each in (start, net)]
        pairs.append((torch.zeros_like(pairs[0][0]), pairs[0][1]))
        *losses, guess = [self.criterion.calibrate(*pair)[1] for pair in pairs]
        is_start = not losses[1] <= losses[0]
        if is_start:
            net.module_.load_state_dict(start.module_.state_dict())
        if not losses[1] <= losses[0] + MOST_LOST * max(0.0, guess - losses[0]):
            warn(
                f"Fine-tuning ended with a loss of {losses[1]:.3g} and started with "
                f"{losses[0]:.3g}, so the model that it started from is kept. Try a "
                f"smaller lr than {self.training.lr}.",
                ConvergenceWarning,
            )
        return is_start

    def predict_columns(self, labelled, rows):
        """Return what `predict` does, by the linear model of the columns of others."""
        model, encoder = self._fit_columns(labelled), self.encoder.eval()
        return self._apply(lambda X: model(encoder.inputs(X)), rows)

    def _fit_columns(self, labelled):
        n_inputs = self.column_probe.n_inputs
        some = labelled.draw(max(1, min(PROBE_ROWS, MOST_CELLS // n_inputs)))
        model = self.column_probe.fit(self._inputs(some.X), *_targets(some))
        return model.to(self.device)

    def predict(self, net, rows):
        """Return the outputs for rows and what comes with them, on the CPU."""
        return self._apply(net.module_.eval(), rows)

    @torch.no_grad()
    def _apply(self, function, rows):
        outputs, ys = [], []
        for X, y in BatchIterator(rows, PROBE_ROWS):
            outputs.append(function(X.to(self.device)).cpu().double())
            ys.append(y.cpu())
        return torch.cat(outputs), torch.cat(ys)

    @torch.no_grad()
    def _inputs(self, X):
        return apply_in_parts(self.encoder.eval().inputs, X, self.device)

    @torch.no_grad()
    def _encode(self, X):
        Z = apply_in_parts(self.encoder.eval().encode, X, self.device)
        return Z.double().numpy()

    def _latents_and_targets(self, rows):
        """Return latents, targets, weights and numbers of equal rows of some rows.

        The weights count rows: the penalty of a linear model depends on how many there
        are.
        """
        some = rows.draw(PROBE_ROWS)
        Z = (self._encode(some.X) - self.center_) / self.unit_
        return Z, *_targets(some)


def _targets(rows):
    """Return targets, weights that count rows, and numbers of equal rows."""
    y, n_copies = rows.y.cpu().double().numpy(), rows.n_copies.numpy()
    return y[:, 1:], y[:, 0] * n_copies.mean(), n_copies
