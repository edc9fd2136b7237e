"""The plan of a fine-tuning: how long to train, and what to add to the outputs.

Rows that are held out choose it. A shorter training is a whole one, its learning rate
falls to zero as well.
"""

from copy import copy, deepcopy
from functools import partial
from math import ceil
from typing import NamedTuple

import numpy as np
import torch

from sklearn_ae._isolation import fork_rng
from sklearn_ae._supervised.linear_probe import N_FOLDS, divide_into_folds

# Lengths of training to choose from, as shares of the longest. The last one is the
# linear model, and each has to be clearly better than those before it.
LENGTHS = (1.0, 0.3, 0.0)
# Factors of the noise to choose from: it hides what many rows could tell.
NOISES = (1.0, 0.2)
# A shorter training, or weaker noise, has to lower the loss of held-out rows by this
# share.
LEAST_GAIN = 0.02
# Fewer rows than this cannot tell whether to train at all.
ROWS_TO_CHOOSE = 10
# So many held-out rows are enough to choose by: of five times as many rows, a fifth is
# held out once. Of fewer, one length may be best by luck.
ROWS_TO_HOLD_OUT = 500
# More rows than this are enough for the longest training to be best.
MANY_ROWS = 20_000


class Plan(NamedTuple):
    """How long to train, and what to do with the outputs."""

    length: float = 1.0
    """Share of the number of epochs; 0 is the linear model on latents."""
    noise: float = 1.0
    """What the encoder's noise is multiplied by."""
    factor: float = 1.0
    """What the outputs of the trained network are multiplied by."""
    start_factor: float = 0.0
    """The same for those of the linear model; they are added."""


def choose_plan(tuning, labelled):
    """Return the plan that is best for held-out rows; given epochs are kept to.

    Parameters
    ----------
    tuning : FineTuning
        Fitted.
    labelled : Rows, SparseRows or MappedRows

    Returns
    -------
    plan : Plan
    """
    n_rows = int(labelled.n_copies.sum())
    starts_linear = not np.size(tuning.params.head_layer_sizes)
    lengths = LENGTHS if starts_linear else LENGTHS[:-1]
    if tuning.training.max_epochs is not None:
        lengths = (1.0,)
    if n_rows < ROWS_TO_CHOOSE:
        shares = (1.0, 0.0) if tuning.column_probe is None else (0.5, 0.5)
        return Plan(lengths[-1], 1.0, *shares)
    if n_rows > MANY_ROWS:
        return Plan()
    # Trials are no part of the training: callbacks do not see them, and the random
    # numbers that follow are those that follow without them.
    trial = copy(tuning)
    trial.training = tuning.training.without_callbacks()
    trial.rng = deepcopy(tuning.rng)
    # An interrupt leaves the linear model of all rows.
    trial.probe = copy(tuning.probe)
    with fork_rng(tuning.device):
        return _try_plans(trial, labelled, lengths)


def weigh_outputs(tuning, plan, net, labelled, valid):
    """Return a plan with what to multiply the outputs by, and those of a linear model.

    Parameters
    ----------
    tuning : FineTuning
        Fitted.
    plan : Plan
    net : AutoencoderNet
        Trained on `labelled`.
    labelled, valid : Rows, SparseRows or MappedRows
        Rows that it was trained on, and others.
    """
    predicted = tuning.predict(net, valid)
    if tuning.column_probe is None:
        return _calibrate(tuning, plan, predicted)[0]
    # The weights count rows.
    predicted[1][:, 0] *= valid.n_copies.double().mean()
    return _stack(tuning, plan, predicted, tuning.predict_columns(labelled, valid))


def _try_plans(tuning, labelled, lengths):
    """Return the plan that is best for held-out rows, of some lengths."""
    n_rows = int(labelled.n_copies.sum())
    parts = _hold_out(labelled, tuning.rng)

    def held_out(predict, **params):
        predicted = [predict(*part, **params) for part in parts]
        outputs, y = map(torch.cat, zip(*predicted, strict=True))
        # The weights count rows.
        y[:, 0] *= n_rows / len(labelled)
        return outputs, y

    predict = partial(held_out, partial(_train_and_predict, tuning))
    noises = NOISES if tuning.encoder.noise is not None else (1.0,)
    has_few = n_rows < ROWS_TO_HOLD_OUT
    tried = (lengths[:1], noises[:1]) if has_few else (lengths, noises)
    best, predicted = _best_plan(tuning, *tried, predict)
    if tuning.column_probe is not None:
        return _stack(tuning, best, predicted, held_out(tuning.predict_columns))
    if has_few and not lengths[-1]:
        return _stack(tuning, best, predicted, predict(plan=Plan(0.0)))
    return best


def _best_plan(tuning, lengths, noises, predict):
    """Return the best of some plans, and what it predicts for held-out rows."""
    best, best_predicted, lowest = Plan(), None, np.inf
    for length in lengths:
        for noise in noises if length == lengths[0] else (best.noise,):
            predicted = predict(plan=Plan(length, noise))
            plan, loss = _calibrate(tuning, Plan(length, noise), predicted)
            if best_predicted is None or loss < (1 - LEAST_GAIN) * lowest:
                best, best_predicted, lowest = plan, predicted, loss
    return best, best_predicted


def _train_and_predict(tuning, labelled, out, plan):
    """Return the outputs for held-out rows, and what comes with these rows."""
    net = tuning.train(labelled, None, plan)
    if net.was_interrupted_:
        raise KeyboardInterrupt
    return tuning.predict(net, out)


def _calibrate(tuning, plan, predicted):
    """Return a plan with its best temperature, and the loss of held-out rows."""
    temperature, loss = tuning.criterion.calibrate(*predicted)
    return plan._replace(factor=1 / temperature), loss


def _stack(tuning, plan, predicted, start):
    """Return a plan that adds the outputs of the linear model."""
    factors = tuning.criterion.stack(predicted[0], start[0], predicted[1])
    return plan._replace(factor=factors[0], start_factor=factors[1])


def _hold_out(labelled, rng):
    """Return pairs of rows to train on and rows that are held out."""
    n_rows = int(labelled.n_copies.sum())
    values, n_copies = labelled.targets[:, 0].cpu().numpy(), labelled.n_copies
    # The same rows are held out for targets of the other sign.
    values = values * np.copysign(1, np.nansum(values**3))
    shares = divide_into_folds(values, n_copies.numpy(), N_FOLDS, rng)
    n_folds = min(N_FOLDS, ceil(N_FOLDS * ROWS_TO_HOLD_OUT / n_rows))
    return [
        (labelled.take_shares(1 - out), labelled.take_shares(out))
        for out in torch.from_numpy(shares.T[:n_folds])
        if 0 < out.sum() < len(out)
    ]
