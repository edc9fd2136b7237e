"""What happens to losses, rows, learning rates and weights while training."""

import shutil
from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise

X_WINE = load_wine().data
X_DIGITS = load_digits().data[:600]

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no GPU that torch can use"
)


def make(**params):
    return AutoencoderTransformer(**{"max_epochs": 4, "random_state": 0, **params})


def weights(ae):
    return np.concatenate([w.numpy().ravel() for w in ae.module_.state_dict().values()])


class Recorder(Callback):
    """Keeps the rows and the learning rate of each training step, epoch by epoch."""

    def on_train_begin(self, net, **kwargs):
        self.batches, self.lrs, self.held_out = [], [], []

    def on_epoch_begin(self, net, **kwargs):
        self.batches.append([])
        self.lrs.append([])
        self.held_out.append([])

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        kept = self.batches if training else self.held_out
        kept[-1].append(batch[0].numpy().copy())

    def on_batch_end(self, net, training=None, **kwargs):
        if training:
            self.lrs[-1].append(net.optimizer_.param_groups[0]["lr"])


def record(X, **params):
    """Return a fitted estimator and what a callback of the user saw."""
    recorder = Recorder()
    ae = make(callbacks=[recorder], **params).fit(X)
    return ae, recorder


def numbered(n_rows):
    """Return distinct rows whose first column says which one it is."""
    noise = np.random.RandomState(0).standard_normal((n_rows, 3))
    return np.column_stack([np.arange(n_rows), noise]).astype(np.float32)


# Rows and batches


@pytest.mark.parametrize(
    ("n_rows", "batch_size"), [(20, 32), (500, 1024), (257, 256), (100, 30), (7, 1)]
)
def test__fit__any_batch_size__visits_every_row_once_an_epoch(n_rows, batch_size):
    """Dropping the last batch loses rows, and all of them where there is one batch."""
    X = numbered(n_rows)
    _, seen = record(X, batch_size=batch_size, scaling=None, max_epochs=2, lr=1e-5)
    for batches in seen.batches:
        assert_array_equal(np.sort(np.concatenate(batches)[:, 0]), X[:, 0])


@pytest.mark.parametrize("n_rows", [257, 513, 1000])
def test__fit__rows_that_do_not_fill_batches__have_no_tiny_batch(n_rows):
    """A step on one left-over row would count as much as one on 256."""
    _, seen = record(numbered(n_rows), batch_size=256, max_epochs=1)
    sizes = [len(batch) for batch in seen.batches[0]]
    assert max(sizes) <= 256
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test__fit__each_epoch__visits_the_rows_in_a_new_random_order(form):
    X = numbered(200)
    _, seen = record(form(X), batch_size=10, scaling=None, max_epochs=3, lr=1e-5)
    orders = [np.concatenate(batches)[:, 0] for batches in seen.batches]
    for i, order in enumerate(orders):
        assert all((order != other).mean() > 0.9 for other in orders[:i])
        assert abs(np.corrcoef(order, np.arange(200))[0, 1]) < 0.3


def test__fit__memory_mapped__visits_every_row_once_in_random_order(tmp_path):
    X = np.resize(numbered(30_000), (30_000, 64))
    X[:, 0] = np.arange(30_000)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    _, seen = record(mapped, batch_size=500, scaling=None, max_epochs=2, lr=1e-6)
    orders = [np.concatenate(batches)[:, 0] for batches in seen.batches]
    for order in orders:
        assert_array_equal(np.sort(order), X[:, 0])
    assert (orders[0] != orders[1]).mean() > 0.9


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


# Optimizers


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", "adam", "rmsprop", "sgd", torch.optim.NAdam, torch.optim.LBFGS],
)
def test__optimizer__by_name_or_class__lowers_the_loss(optimizer):
    lr = {"sgd": 0.3, torch.optim.LBFGS: 0.3}.get(optimizer, 2e-3)
    ae = make(optimizer=optimizer, lr=lr, max_epochs=8, activation="tanh")
    losses = ae.fit(X_WINE).loss_curve_
    assert losses[-1] < 0.95 * losses[0]


def test__weight_decay__strong__shrinks_the_weights():
    # After PCA's start the latent is scaled back to PCA's, whatever has shrunk.
    ae = make(activation="tanh", lr=0.01)
    norms = [
        np.linalg.norm(weights(ae.set_params(weight_decay=decay).fit(X_DIGITS)))
        for decay in (0.0, 30.0)
    ]
    assert norms[1] < 0.7 * norms[0]


def test__weight_decay__optimizer_without_it__is_an_error():
    with pytest.raises(ValueError, match="LBFGS takes no weight_decay"):
        make(optimizer=torch.optim.LBFGS, weight_decay=0.1).fit(X_WINE)


@pytest.mark.parametrize(
    "net_params",
    [
        {"optimizer__betas": (0.1, 0.2)},
        {"optimizer__eps": 1.0},
        {"optimizer__param_groups": [("network.encoder*", {"lr": 1e-9})]},
    ],
)
def test__net_params__of_the_optimizer__have_an_effect(net_params):
    plain = make(max_epochs=3).fit(X_WINE)
    changed = make(max_epochs=3, net_params=net_params).fit(X_WINE)
    assert (weights(plain) != weights(changed)).any()


def test__net_params__foreach__replaces_the_fused_optimizer():
    """Torch refuses both at once, and the user did not ask for the fused one."""
    ae = make(net_params={"optimizer__foreach": True}).fit(X_WINE)
    assert not ae.net_.optimizer_.defaults["fused"]


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"optimizer__beta": (0.9, 0.9)}, r"'optimizer__beta'.*optimizer__betas"),
        ({"lr": 0.1}, r"'lr'"),
        ({"compile__mod": "x"}, r"compile__mode"),
        ({"iterator_train__shuffle": False}, r"'iterator_train__shuffle'"),
        ({"callbacks__clip__norm": 1}, r"'callbacks__clip__norm'"),
        ({3: 1}, r"name 3\."),
    ],
)
def test__net_params__unknown_name__is_an_error_that_names_it(net_params, message):
    with pytest.raises(ValueError, match=message):
        make(net_params=net_params).fit(X_WINE)


def test__net_params__unknown_callback__is_an_error_that_names_the_known_ones():
    clip = ("clip", GradientNormClipping(1.0))
    name = "callbacks__clp__gradient_clip_value"
    with pytest.raises(ValueError, match=r"callbacks__clp.*'clip'"):
        make(callbacks=[clip], net_params={name: 0.1}).fit(X_WINE)


def test__net_params__of_a_callback__have_an_effect():
    clip = ("clip", GradientNormClipping(1e6))
    name = "callbacks__clip__gradient_clip_value"
    # Adam divides by the size of the gradients, so clipping alone changes nothing.
    params = {"callbacks": [clip], "optimizer": "sgd", "lr": 0.1}
    loose = make(**params).fit(X_WINE)
    tight = make(**params, net_params={name: 1e-6}).fit(X_WINE)
    assert (weights(loose) != weights(tight)).any()


# Callbacks


def test__callbacks__of_skorch__get_the_losses(tmp_path):
    def loss_of_net(net, X, y):
        return float(net.predict(X).std())

    callbacks = [
        EpochScoring(loss_of_net, name="spread", lower_is_better=False),
        BatchScoring(loss_of_net, name="batch_spread", use_caching=False),
        GradientNormClipping(1.0),
        Checkpoint(monitor="valid_loss_best", dirname=tmp_path),
        ("rate", LRScheduler("ExponentialLR", gamma=0.9)),
    ]
    ae = make(early_stopping=True, callbacks=callbacks).fit(X_WINE)
    assert np.isfinite(ae.history_[:, ("spread", "batch_spread", "train_loss")]).all()
    assert np.isfinite(ae.history_[:, "batches", :, "train_loss"]).all()
    assert (tmp_path / "params.pt").exists()


@pytest.mark.parametrize("callbacks", [[3], ["EarlyStopping"], [("name", None)], [int]])
def test__callbacks__something_else__is_an_error(callbacks):
    with pytest.raises(TypeError, match="callbacks must hold skorch callbacks"):
        make(callbacks=callbacks).fit(X_WINE)


class Interrupt(Callback):
    """Presses Ctrl+C in the given epoch."""

    def __init__(self, epoch, event="on_epoch_end"):
        self.epoch = epoch
        self.event = event
        self.pressed_ = False

    def _press(self, net):
        if len(net.history) == self.epoch and not self.pressed_:
            self.pressed_ = True
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        if self.event == "on_epoch_end":
            self._press(net)

    def on_batch_end(self, net, **kwargs):
        if self.event == "on_batch_end":
            self._press(net)


@pytest.mark.parametrize(
    ("event", "n_done"), [("on_epoch_end", 3), ("on_batch_end", 2)]
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test__keyboard_interrupt__during_fit__keeps_a_usable_model(
    event, n_done, early_stopping
):
    ae = make(
        max_epochs=9, callbacks=[Interrupt(3, event)], early_stopping=early_stopping
    )
    with pytest.warns(ConvergenceWarning, match=f"after {n_done} of 9 epochs"):
        ae.fit(X_WINE)
    assert ae.n_iter_ == len(ae.loss_curve_) == n_done
    assert np.isfinite(ae.transform(X_WINE)).all()
    assert ae.set_params(callbacks=None).partial_fit(X_WINE).n_iter_ == n_done + 1


def test__keyboard_interrupt__while_going_on__counts_the_epochs_of_this_call():
    ae = make(max_epochs=5, warm_start=True).fit(X_WINE)
    ae.set_params(callbacks=[Interrupt(7)])
    with pytest.warns(ConvergenceWarning, match="after 2 of 5 epochs"):
        ae.fit(X_WINE)
    assert ae.n_iter_ == 7


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test__callbacks__early_stopping_of_skorch__is_no_interruption():
    stopping = EarlyStopping("train_loss", patience=2, threshold=9, sink=str)
    assert make(max_epochs=20, callbacks=[stopping]).fit(X_WINE).n_iter_ == 3


# Curves and output


@pytest.mark.parametrize("early_stopping", [False, True])
def test__curves__after_fit__agree_with_the_history(early_stopping):
    ae = make(early_stopping=early_stopping).fit(X_WINE)
    assert ae.n_iter_ == len(ae.history_) == len(ae.loss_curve_) == 4
    assert ae.loss_curve_ == ae.history_[:, "train_loss"]
    if early_stopping:
        assert ae.validation_loss_curve_ == ae.history_[:, "valid_loss"]
    else:
        assert ae.validation_loss_curve_ is None


def test__loss_curve__one_batch__is_minus_the_score_of_the_model():
    """The loss of an epoch is that of the weights before each of its steps."""
    ae = make(max_epochs=1, lr=1e-12).fit(X_WINE)
    assert_allclose(ae.loss_curve_, -ae.score(X_WINE), rtol=1e-5)


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


# Going on


def test__warm_start__second_fit__goes_on_where_the_first_ended():
    ae = make(max_epochs=20, warm_start=True, activation="tanh").fit(X_DIGITS)
    first = list(ae.loss_curve_)
    ae.fit(X_DIGITS)
    assert ae.n_iter_ == len(ae.history_) == 40
    assert ae.loss_curve_[:20] == first
    assert ae.loss_curve_[20] < 1.05 * first[-1]
    assert ae.loss_curve_[20] < 0.7 * first[0]


def test__warm_start_false__second_fit__starts_anew():
    ae = make().fit(X_DIGITS)
    first = list(ae.loss_curve_)
    assert ae.fit(X_DIGITS).loss_curve_ == first


@pytest.mark.parametrize(
    "change",
    [{"n_components": 3}, {"hidden_layer_sizes": (9,)}, {"activation": "tanh"}],
)
def test__warm_start__network_of_another_shape__is_an_error(change):
    ae = make(n_components=2, warm_start=True).fit(X_WINE)
    before = ae.transform(X_WINE)
    if change == {"activation": "tanh"}:  # the same shape: the user may do so
        assert ae.set_params(**change).fit(X_WINE).n_iter_ == 8
        return
    with pytest.raises(ValueError, match="warm_start=True goes on"):
        ae.set_params(**change).fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)


@pytest.mark.parametrize("partial", [False, True])
def test__warm_start__missing_cells_appear_later__trains_on(partial):
    """They get no input of their own any more; the loss must not become NaN."""
    ae = make(warm_start=True).fit(X_WINE)
    holes = X_WINE.copy()
    holes[::5, 2] = np.nan
    if partial:
        ae.partial_fit(holes)
    ae.fit(holes)
    assert np.isfinite(ae.loss_curve_).all()
    assert np.isfinite(ae.transform(holes)).all()


def test__partial_fit__over_chunks__comes_near_the_loss_of_fit():
    rows = np.random.RandomState(0).permutation(X_DIGITS)
    stream = make(n_components=8, batch_size=50, weight_decay=0.0)
    for _ in range(15):
        for chunk in np.array_split(rows, 3):
            stream.partial_fit(chunk)
    whole = make(n_components=8, batch_size=50, weight_decay=0.0, max_epochs=15)
    assert stream.n_iter_ == 45
    assert stream.score(rows) > 1.15 * whole.fit(rows).score(rows)  # both are negative


def test__partial_fit__first_call__is_like_fit_for_one_epoch():
    ae = make().partial_fit(X_WINE)
    assert ae.n_iter_ == 1
    assert ae.transform(X_WINE).shape == (178, 7)
    assert np.isfinite(ae.score(X_WINE))


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test__partial_fit__later_rows__update_the_scale(scaling):
    """Else a stream that begins in one corner is scaled by that corner for ever."""
    order = np.argsort(X_WINE[:, 12])
    ae = make(scaling=scaling)
    for chunk in np.array_split(X_WINE[order], 4):
        ae.partial_fit(chunk)
    whole = make(scaling=scaling).fit(X_WINE)
    assert_allclose(
        ae.inverse_transform(ae.transform(X_WINE)).mean(0),
        whole.reconstruct(X_WINE).mean(0),
        rtol=0.2,
    )
    assert_allclose(
        ae._scaler.encode(X_WINE), whole._scaler.encode(X_WINE), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("verbose", [0, 1])
def test__partial_fit__after_fit__does_not_spoil_it(early_stopping, verbose):
    """Stale running means of the optimizer, or a spent schedule, would show."""
    ae = make(max_epochs=30, early_stopping=early_stopping, verbose=verbose)
    ae.fit(X_DIGITS)
    before = ae.score(X_DIGITS)
    for _ in range(5):
        ae.partial_fit(X_DIGITS)
    assert ae.n_iter_ == len(ae.loss_curve_)
    assert ae.score(X_DIGITS) > 1.1 * before


def test__partial_fit__after_fit__still_learns():
    """The cosine schedule leaves the learning rate at zero."""
    ae = make(max_epochs=3, activation="tanh").fit(X_DIGITS)
    before = ae.score(X_DIGITS)
    for _ in range(10):
        ae.partial_fit(X_DIGITS)
    assert ae.score(X_DIGITS) > 0.9 * before


def test__partial_fit__rates_of_parameter_groups__stay_apart():
    groups = [("network.encoder*", {"lr": 1e-30})]
    ae = make(net_params={"optimizer__param_groups": groups}, weight_decay=0.0)
    codes = ae.partial_fit(X_WINE).transform(X_WINE)
    before = ae.reconstruct(X_WINE)
    ae.partial_fit(X_WINE)
    assert_allclose(ae.transform(X_WINE), codes, rtol=1e-5, atol=1e-6)
    assert (ae.reconstruct(X_WINE) != before).any()


def test__partial_fit__missing_cells_appear_later__are_left_out_of_the_loss():
    holes = X_WINE.copy()
    holes[::7, 3] = np.nan
    ae = make().partial_fit(X_WINE).partial_fit(holes).partial_fit(X_WINE)
    assert np.isfinite(ae.loss_curve_).all()
    assert np.isfinite(ae.score_samples(holes)).all()


def test__partial_fit__sample_weight__counts():
    heavy = np.where(X_WINE[:, 0] > 13, 100.0, 1.0)
    plain, weighted = make(lr=0.01), make(lr=0.01)
    for _ in range(10):
        plain.partial_fit(X_WINE)
        weighted.partial_fit(X_WINE, sample_weight=heavy)
    assert (weights(plain) != weights(weighted)).any()


def test__partial_fit__fails__leaves_the_model_as_it_was():
    ae = make().fit(X_WINE)
    before, n_iter = weights(ae), ae.n_iter_
    bad = X_WINE.copy()
    bad[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        ae.partial_fit(bad)
    assert_array_equal(weights(ae), before)
    assert ae.n_iter_ == len(ae.history_) == n_iter


class FailInEpoch(Callback):
    """Fails at the end of the given epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("as planned")


class WithDropout(nn.Module):
    """Gives random codes while it trains."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Sequential(nn.Dropout(0.5), nn.Linear(n_features, 2))
        self.decoder = nn.Linear(2, n_features)


def test__partial_fit__fails_after_a_step__leaves_the_model_as_it_was():
    """Weights, history and the mode of the module, in which dropout is off."""
    ae = make(architecture=TorchModule(WithDropout), callbacks=[FailInEpoch(5)])
    before = ae.fit(X_WINE).transform(X_WINE)
    with pytest.raises(RuntimeError, match="as planned"):
        ae.partial_fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)
    assert ae.n_iter_ == len(ae.history_) == 4


def test__fit__fails_halfway__leaves_the_last_fit_as_it_was():
    ae = make(warm_start=True, callbacks=[FailInEpoch(6)]).fit(X_WINE)
    before = ae.transform(X_WINE)
    with pytest.raises(RuntimeError, match="as planned"):
        ae.fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)
    assert ae.n_iter_ == len(ae.history_) == 4


def test__sample_weight__heavy_rows__are_reconstructed_better():
    rng = np.random.RandomState(0)
    X = np.concatenate([rng.standard_normal((100, 10)) for _ in range(2)])
    X[:100, 5:] = X[:100, :5]
    X[100:, 5:] = -X[100:, :5]
    group = np.repeat([True, False], 100)
    scores = []
    for heavy in (group, ~group):
        ae = make(n_components=5, hidden_layer_sizes=(), activation="identity")
        ae.set_params(max_epochs=50)
        ae.fit(X, sample_weight=np.where(heavy, 50.0, 1.0))
        scores.append(ae.score_samples(X)[group].mean())
    assert scores[0] > scores[1] + 0.1


# Noise


NOISES = [GaussianNoise(std=0.5), MaskingNoise(rate=0.3), SwapNoise(rate=0.3)]


@pytest.mark.parametrize("noise", NOISES)
def test__transform__fitted_with_noise__is_repeatable(noise):
    """Noise that leaks out of training would differ between two calls."""
    ae = make(noise=noise).fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), ae.transform(X_WINE))
    assert_array_equal(ae.score_samples(X_WINE), ae.score_samples(X_WINE))
    assert_array_equal(ae.reconstruct(X_WINE), ae.reconstruct(X_WINE))


class Spy(nn.Module):
    """Keeps what the encoder is fed while training."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Linear(n_features, 2)
        self.decoder = nn.Linear(2, n_features)
        self.seen = []

    def encode(self, X):
        if self.training:
            self.seen.append(X.detach().clone())
        return self.encoder(X)


@pytest.mark.parametrize("noise", NOISES)
def test__noise__while_training__corrupts_the_input_and_not_the_target(noise):
    targets = []

    def loss(values, X):
        targets.append(X.detach().clone())
        return (values - X) ** 2

    ae = make(architecture=TorchModule(Spy), noise=noise, loss=loss, max_epochs=1)
    recorder = Recorder()
    ae.set_params(callbacks=[recorder]).fit(X_WINE)
    clean = torch.from_numpy(recorder.batches[0][0])
    assert torch.equal(targets[-1], clean)
    assert (ae.module_.network.seen[-1] != clean).float().mean() > 0.2


@pytest.mark.parametrize(
    "noise", [GaussianNoise(std=0), MaskingNoise(rate=0), SwapNoise(rate=0)]
)
def test__noise__of_strength_zero__equals_no_noise(noise):
    """Noise draws from the same generator as shuffling, so one batch an epoch here."""
    with_noise = make(noise=noise, max_epochs=3).fit(X_WINE)
    assert_array_equal(weights(with_noise), weights(make(max_epochs=3).fit(X_WINE)))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(2000, 5, generator=generator) * torch.arange(1, 6) + 7
    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield X


@pytest.mark.parametrize("std", [0.1, 2.0])
def test__gaussian_noise__many_cells__has_the_standard_deviation(batch, std):
    added = GaussianNoise(std=std)(batch) - batch
    assert_allclose(added.std(0), np.full(5, std), rtol=0.06)
    assert_allclose(added.mean(0), np.zeros(5), atol=0.1 * std)


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test__masking_noise__many_cells__masks_each_column_at_the_rate(batch, rate):
    noisy = MaskingNoise(rate=rate)(batch)
    assert_allclose((noisy == 0).float().mean(0), np.full(5, rate), atol=0.04)
    assert torch.equal(noisy[noisy != 0], batch[noisy != 0])


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test__swap_noise__many_cells__keeps_each_column_within_its_own_values(batch, rate):
    noisy = SwapNoise(rate=rate)(batch)
    assert_allclose((noisy != batch).float().mean(0), np.full(5, rate), atol=0.04)
    for column in range(5):
        assert torch.isin(noisy[:, column], batch[:, column]).all()
    assert_allclose(noisy.mean(0), batch.mean(0), atol=0.4)
    assert_allclose(noisy.std(0), batch.std(0), rtol=0.1)


def test__swap_noise__correlated_columns__loses_their_correlation(batch):
    """One donor row for all cells would keep it, and teach nothing."""
    twins = batch[:, :1].repeat(1, 2)
    noisy = SwapNoise(rate=0.999)(twins)
    assert abs(np.corrcoef(noisy.T)[0, 1]) < 0.1


@pytest.mark.parametrize("noise", [MaskingNoise(rate=0.5), SwapNoise(rate=0.5)])
def test__noise__columns_of_one_block__change_together(batch, noise):
    """A one-hot block with one of its columns masked is a row that cannot exist."""
    one_hot = nn.functional.one_hot(torch.randint(3, (2000,)), 3).float()
    X = torch.cat([batch[:, :2], one_hot], dim=1)
    blocks = torch.tensor([0, 1, 2, 2, 2])
    category = noise(X, blocks)[:, 2:]
    allowed = (0, 1) if isinstance(noise, MaskingNoise) else (1,)
    assert torch.isin(category.sum(1), torch.tensor(allowed, dtype=torch.float)).all()
    assert (category != one_hot).any()


@pytest.mark.parametrize("noise", NOISES)
def test__noise__called__leaves_the_clean_batch_as_it_was(batch, noise):
    before = batch.clone()
    noise(batch)
    assert torch.equal(batch, before)


def test__noise__missing_cells__train_to_a_finite_loss():
    holes = X_WINE.copy()
    holes[::4, 1] = np.nan
    for noise in NOISES:
        assert np.isfinite(make(noise=noise).fit(holes).loss_curve_).all()


# Precision, compilation, devices


def test__precision_bfloat16__trains_about_as_well_and_keeps_float32():
    losses = {}
    for precision in ("float32", "bfloat16"):
        ae = make(precision=precision, max_epochs=15).fit(X_DIGITS)
        losses[precision] = -ae.score(X_DIGITS)
        assert {w.dtype for w in ae.module_.parameters()} == {torch.float32}
        assert ae.transform(X_DIGITS).dtype == np.float32
    assert losses["bfloat16"] < 1.1 * losses["float32"]
    assert losses["bfloat16"] != losses["float32"]


@pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("gcc") is None,
    reason="torch.compile needs a C compiler, and this machine has none",
)
@pytest.mark.filterwarnings("ignore")
def test__compile__trains_like_without_and_pickles():
    import pickle

    plain = make(max_epochs=2, hidden_layer_sizes=(8,)).fit(X_WINE)
    ae = make(max_epochs=2, hidden_layer_sizes=(8,), compile=True).fit(X_WINE)
    assert_allclose(ae.loss_curve_, plain.loss_curve_, rtol=1e-4)
    again = pickle.loads(pickle.dumps(ae))
    assert_array_equal(again.transform(X_WINE), ae.transform(X_WINE))


@pytest.mark.skipif(
    torch.accelerator.is_available(), reason="this machine has an accelerator"
)
def test__device_auto__no_accelerator__is_the_cpu():
    assert make(device="auto", max_epochs=1).fit(X_WINE).net_.device == "cpu"


@pytest.mark.parametrize("device", ["meta", "cuda:99", "gpu", torch.device("meta")])
def test__device__that_cannot_compute__is_an_error(device):
    with pytest.raises(ValueError, match=r"device='.*' cannot be used here"):
        make(device=device).fit(X_WINE)


@cache
def on_both_devices():
    settings = {"max_epochs": 10, "lr": 1e-3, "batch_size": 600}
    return [make(device=d, **settings).fit(X_DIGITS) for d in ("cpu", "cuda")]


@needs_cuda
def test__device_cuda__fit_and_transform__agree_with_the_cpu():
    cpu, cuda = on_both_devices()
    assert next(cuda.module_.parameters()).is_cuda
    assert_allclose(cuda.loss_curve_, cpu.loss_curve_, rtol=0.02)
    assert_allclose(cuda.score(X_DIGITS), cpu.score(X_DIGITS), rtol=0.02)


@needs_cuda
def test__device_cuda__pickled__gives_the_same_output():
    import pickle

    cuda = on_both_devices()[1]
    again = pickle.loads(pickle.dumps(cuda))
    assert_allclose(again.transform(X_DIGITS), cuda.transform(X_DIGITS), rtol=1e-5)


@needs_cuda
@pytest.mark.parametrize("form", ["sparse", "mapped", "frame of NaN"])
def test__device_cuda__other_forms_of_rows__train(form, tmp_path):
    X = X_DIGITS.astype(np.float32)
    if form == "sparse":
        X = sparse.csr_array(X)
    elif form == "mapped":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        X[::3, 5] = np.nan
    ae = make(device="cuda", early_stopping=True, noise=SwapNoise())
    ae.fit(X).partial_fit(X)
    assert np.isfinite(ae.loss_curve_).all()
    assert np.isfinite(ae.transform(X)).all()
