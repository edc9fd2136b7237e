"""The net in training: rows of each epoch, interruptions, losses, devices, hooks."""

import pickle
import shutil
from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_wine
from skorch import NeuralNet
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

from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._supervised.semi_supervised import SemiSupervisedNet
from sklearn_ae.architectures import Convolutional
from sklearn_ae.noise import SwapNoise
from tests.net.helpers import X_DIGITS, make, numbered, record

X_WINE = load_wine().data


def needs_cuda(test):
    """Mark a test that is skipped without a GPU."""
    reason = "this machine has no GPU that torch can use"
    skipped = pytest.mark.skipif(not torch.cuda.is_available(), reason=reason)
    return pytest.mark.cuda(skipped(test))


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
    with pytest.raises(KeyboardInterrupt):
        ae.fit(X_WINE)
    assert ae.n_iter_ == len(ae.loss_curve_) == n_done
    assert np.isfinite(ae.transform(X_WINE)).all()
    assert ae.set_params(callbacks=None).partial_fit(X_WINE).n_iter_ == n_done + 1


def test__keyboard_interrupt__while_going_on__counts_the_epochs_of_this_call():
    ae = make(max_epochs=5, warm_start=True).fit(X_WINE)
    ae.set_params(callbacks=[Interrupt(7)])
    with pytest.raises(KeyboardInterrupt):
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


X_WIDE = np.random.default_rng(0).standard_normal((256, 256))


@pytest.mark.parametrize(
    ("params", "has_bfloat16", "expected"),
    [
        ({"hidden_layer_sizes": (256,)}, True, "bfloat16"),
        ({"hidden_layer_sizes": (256,)}, False, "float32"),
        ({"hidden_layer_sizes": (128,)}, True, "float32"),
        ({"hidden_layer_sizes": (256,), "batch_size": 128}, True, "float32"),
        ({"architecture": Convolutional((1, 16, 16), (4,))}, True, "float32"),
    ],
)
def test__precision_auto__on_the_cpu__is_bfloat16_for_wide_layers_where_it_is_faster(
    params, has_bfloat16, expected, monkeypatch
):
    monkeypatch.setattr("sklearn_ae._net.params.cpu_has_bfloat16", lambda: has_bfloat16)
    params = {"batch_size": 256, "max_epochs": 1, **params}
    assert make(precision="auto", **params).fit(X_WIDE).net_.precision == expected


@pytest.mark.slow
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


# Hooks of skorch

# Methods and properties of the nets that are no hooks.
OWN = {
    "allow_missing",
    "compute",
    "count_rows",
    "is_annealing",
    "prepare",
    "reconstruct",
    "train_one_epoch",
    "weigh",
}


@pytest.mark.parametrize("cls", [AutoencoderNet, SemiSupervisedNet])
def test__overridden_hooks__of_this_release_of_skorch__are_there(cls):
    """A hook that skorch has renamed would never be called again."""
    public = {name for name in vars(cls) if not name.startswith("_")}
    private = {"_default_callbacks", "_set_training", "_zero_grad_optimizer"}
    hooks = (public - OWN) | (private & set(vars(cls))) | {"_step_optimizer"}
    assert [name for name in sorted(hooks) if not hasattr(NeuralNet, name)] == []


def test__private_hooks__while_training__are_called_by_skorch(monkeypatch):
    """A name may stay where skorch no longer calls it."""
    called = set()

    def spy(name):
        original = getattr(AutoencoderNet, name)

        def method(self, *args, **kwargs):
            called.add(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(AutoencoderNet, name, method)

    public = {"train_step", "train_step_single", "run_single_epoch", "get_loss"}
    names = {"_set_training", "infer"} | public
    for name in names:
        spy(name)
    # No step of a network with this activation is written out.
    ae = make(max_epochs=1, early_stopping=True, activation=nn.ELU).fit(X_WINE)
    assert called == names
    assert "epoch_timer" in dict(ae.net_.callbacks_)


# What else a net can do


def test__reconstruct__net_of_an_autoencoder__is_what_the_estimator_says():
    ae = make(max_epochs=1).fit(X_WINE)
    ae.net_.module_.train()  # as in a callback
    assert_array_equal(ae.net_.reconstruct(X_WINE), ae.reconstruct(X_WINE))
    again = pickle.loads(pickle.dumps(ae.net_))
    assert_array_equal(again.reconstruct(X_WINE), ae.reconstruct(X_WINE))


def test__reconstruct__net_without_encoder__is_not_there():
    """A callback asks `hasattr`; a net that predicts reconstructs nothing."""
    net = make(max_epochs=1).fit(X_WINE).net_
    assert not hasattr(net.set_params(table_encoder=None), "reconstruct")


def test__partial_fit__scale_that_changes__is_that_of_the_net():
    ae = make().partial_fit(X_WINE[:50]).partial_fit(10 * X_WINE)
    assert_array_equal(ae.net_.reconstruct(X_WINE), ae.reconstruct(X_WINE))


def test__allow_missing__false__leaves_what_was_allowed_before():
    net = make(max_epochs=1).fit(X_WINE).net_
    parts = net.module_, net.criterion_
    net.allow_missing(False)
    assert not any(part.may_have_missing for part in parts)
    net.allow_missing()
    net.allow_missing(False)
    assert all(part.may_have_missing for part in parts)
