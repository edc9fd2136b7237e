"""Callbacks: early stopping, learning rates, and what is printed."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from skorch.callbacks import Callback, EpochScoring, LRScheduler

from sklearn_ae.noise import GaussianNoise
from tests.net.helpers import X_DIGITS, Recorder, make, numbered, record

X_WINE = load_wine().data


# Early stopping


class Vandal(Callback):
    """Spoils the weights before the given epoch, so that the best one lies earlier."""

    def __init__(self, epoch):
        self.epoch = epoch

    @torch.no_grad()
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            net.module_.network.decoder[-1].weight.mul_(3)


def test__early_stopping__no_progress__stops_after_n_iter_no_change_epochs():
    ae = make(early_stopping=True, max_epochs=200, n_iter_no_change=3, tol=10.0)
    ae.fit(X_WINE)
    assert ae.n_iter_ == 4  # the first epoch is always an improvement


def test__early_stopping__progress__goes_on():
    ae = make(early_stopping=True, max_epochs=30, n_iter_no_change=3, tol=0.0)
    ae.set_params(activation="tanh")
    losses = ae.fit(X_DIGITS).validation_loss_curve_
    best = np.minimum.accumulate(losses)
    stalled = [i for i in range(3, len(losses)) if best[i] == best[i - 3]]
    assert ae.n_iter_ > 10
    assert stalled == ([len(losses) - 1] if ae.n_iter_ < 30 else [])


@pytest.mark.parametrize("tol", [0.0, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test__early_stopping__after_fit__has_the_weights_of_the_lowest_loss(tol, weighted):
    """With tol=1 nothing counts as progress, yet the best epoch comes later."""
    X, sample_weight = numbered(300), None
    X[:, 0] /= 300
    if weighted:
        sample_weight = np.random.RandomState(0).exponential(size=300) ** 3
    recorder = Recorder()
    ae = make(
        n_components=2,
        early_stopping=True,
        max_epochs=8,
        n_iter_no_change=8,
        tol=tol,
        scaling=None,
        callbacks=[recorder, Vandal(6)],
    )
    ae.fit(X, sample_weight=sample_weight)
    held_out = np.concatenate(recorder.held_out[0])
    losses = ae.validation_loss_curve_
    assert losses[-1] > 1.01 * min(losses)
    places = [np.flatnonzero((row == X).all(1))[0] for row in held_out]
    weight = None if sample_weight is None else sample_weight[places]
    found = np.average(-ae.score_samples(held_out), weights=weight)
    assert_allclose(found, min(losses), rtol=1e-4)


def test__early_stopping__warm_start_on_harder_rows__restores_the_best_of_this_fit():
    """Compared with the losses of the last fit, no epoch of this one would count."""
    ae = make(
        early_stopping=True,
        warm_start=True,
        max_epochs=12,
        n_iter_no_change=12,
        tol=1e9,
    ).fit(X_DIGITS)
    recorder = Recorder()
    harder = np.random.RandomState(0).uniform(-16, 16, X_DIGITS.shape)
    ae.set_params(callbacks=[recorder, Vandal(22)]).fit(harder)
    losses = ae.validation_loss_curve_[12:]
    assert min(losses) > max(ae.validation_loss_curve_[:12])
    assert losses[-1] > 1.01 * min(losses)
    held_out = torch.from_numpy(np.concatenate(recorder.held_out[0]))
    with torch.no_grad():
        found = ((ae.module_(held_out) - held_out) ** 2).mean()
    assert_allclose(found, min(losses), rtol=1e-3)


@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test__early_stopping__held_out_rows__are_a_random_part(fraction):
    """Default of skorch is the first 20 % of the rows, encdr's is used for nothing."""
    X = numbered(200)
    _, seen = record(
        X, early_stopping=True, validation_fraction=fraction, scaling=None, max_epochs=2
    )
    first, second = (np.concatenate(rows)[:, 0] for rows in seen.held_out)
    assert_array_equal(first, second)
    assert len(first) == round(200 * fraction)
    assert 60 < first.mean() < 140
    trained = np.concatenate(seen.batches[0])[:, 0]
    assert_array_equal(np.sort(np.concatenate([trained, first])), X[:, 0])


def test__early_stopping__equal_rows__never_stand_on_both_sides():
    X = np.tile(numbered(50), (4, 1))
    _, seen = record(X, early_stopping=True, scaling=None, max_epochs=1)
    held_out = set(np.concatenate(seen.held_out[0])[:, 0])
    assert held_out.isdisjoint(np.concatenate(seen.batches[0])[:, 0])


def test__early_stopping__noise__validation_loss_is_of_clean_rows():
    """Peers report a clean loss as noisy, or the other way around."""
    ae, seen = record(
        X_DIGITS, early_stopping=True, noise=GaussianNoise(std=3.0), max_epochs=1
    )
    held_out = torch.from_numpy(np.concatenate(seen.held_out[0]))
    with torch.no_grad():
        clean = ae.module_(held_out) - held_out
    # Turning the latent changes rounding, nothing else.
    assert_allclose(float((clean**2).mean()), ae.validation_loss_curve_[0], rtol=1e-3)


def test__early_stopping__last_epoch__reaches_the_callbacks_of_the_user():
    """Stopping is an exception: callbacks that come after it would miss the epoch."""
    scoring = EpochScoring(lambda net, X, y: 1.0, name="mine")
    ae = make(
        early_stopping=True,
        max_epochs=50,
        n_iter_no_change=2,
        tol=10,
        callbacks=[scoring],
    ).fit(X_WINE)
    assert ae.n_iter_ == 3
    assert ae.history_[:, "mine"] == [1.0] * 3


# Learning rates


def test__lr_schedule_cosine__falls_from_lr_towards_zero():
    _, seen = record(X_DIGITS, lr=0.01, batch_size=100, max_epochs=10)
    lrs = np.concatenate(seen.lrs)
    expected = 0.01 * (1 + np.cos(np.pi * np.arange(60) / 60)) / 2
    assert_allclose(lrs, expected, rtol=1e-6)


def test__lr_schedule_constant__stays_at_lr():
    _, seen = record(X_DIGITS, lr=0.01, lr_schedule="constant", max_epochs=3)
    assert set(np.concatenate(seen.lrs)) == {0.01}


def test__lr_schedule_plateau__divides_by_ten_where_nothing_improves():
    _, seen = record(X_WINE, lr_schedule="plateau", lr=1e-6, max_epochs=15)
    lrs = np.array([lrs[0] for lrs in seen.lrs])
    assert_allclose(lrs[:6], 1e-6)
    assert_allclose(lrs[-1], 1e-8, rtol=0.01)


def test__callbacks__lr_scheduler_of_the_user__sets_the_rate():
    recorder = Recorder()
    schedule = LRScheduler("StepLR", step_size=1, gamma=0.5)
    callbacks = [recorder, schedule]
    make(lr=0.008, lr_schedule="constant", callbacks=callbacks).fit(X_WINE)
    lrs = [lrs[0] for lrs in recorder.lrs]
    assert_allclose(lrs, [0.008, 0.004, 0.002, 0.001])


def test__verbose_0__fit__prints_nothing(capfd):
    make(early_stopping=True, n_iter_no_change=1, tol=9).fit(X_WINE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("stops_early", [False, True])
def test__verbose_1__fit__shows_one_bar_that_counts_every_epoch(capfd, stops_early):
    ae = make(verbose=1, early_stopping=True, tol=9, max_epochs=40)
    ae.set_params(n_iter_no_change=2 if stops_early else 99).fit(X_WINE)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    last = err.split("\r")[-1]
    assert f"{ae.n_iter_}/40" in last
    assert f"loss={ae.loss_curve_[-1]:.4f}" in last
    assert f"validation={ae.validation_loss_curve_[-1]:.4f}" in last


def test__verbose_1__fit_fails__closes_the_bar_before_the_error(capfd):
    """Else the error message would stand behind the bar, on the same line."""
    with pytest.raises(ValueError, match="finite number") as error:
        make(verbose=1, optimizer="sgd", lr=1e30, max_epochs=30).fit(X_WINE)
    assert error is not None  # its traceback keeps the bar alive
    assert capfd.readouterr().err.endswith("\n")


def test__verbose_2__fit__prints_one_line_for_each_epoch(capfd):
    ae = make(verbose=2, early_stopping=True, n_iter_no_change=2, tol=9, max_epochs=9)
    ae.fit(X_WINE)
    lines = capfd.readouterr().out.strip().splitlines()
    assert "train_loss" in lines[0]
    assert len(lines) == 2 + ae.n_iter_
