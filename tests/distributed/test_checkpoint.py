"""Trainings that were killed go on, bit for bit."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderTransformer
from sklearn_ae.distributed import Checkpoint
from sklearn_ae.latents import NeighborEmbedding, Variational
from sklearn_ae.noise import SwapNoise

rng = np.random.default_rng(0)
X = (rng.normal(size=(203, 6)) @ rng.normal(size=(6, 6))).astype(np.float32)

SETTINGS = {
    "plain": {},
    "stopped": {
        "early_stopping": True,
        "lr_schedule": "plateau",
        "max_epochs": 40,
        "n_iter_no_change": 3,
        "tol": 1e-2,
    },
    "variational": {"latent": Variational()},
    "neighbours": {"latent": NeighborEmbedding(5)},
    "noise": {"noise": SwapNoise(0.2), "optimizer": "sgd", "weight_decay": 0.1},
}


class Killed(Callback):
    """Kill the training within an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=None, **kwargs):
        if training and len(net.history) == self.epoch:
            raise MemoryError


def make(*callbacks, **params):
    params = {"max_epochs": 6, "batch_size": 64, "random_state": 0, **params}
    return AutoencoderTransformer(2, callbacks=list(callbacks), **params)


def weights(ae):
    return torch.cat([w.ravel() for w in ae.module_.state_dict().values()])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name == "neighbours"))
        for name in SETTINGS
    ],
)
def test__fit__killed_twice__ends_with_the_weights_of_an_undisturbed_one(
    name, tmp_path
):
    params = SETTINGS[name]
    expected = make(**params).fit(X)
    for epoch in (2, 3):
        with pytest.raises(MemoryError):
            make(Killed(epoch), Checkpoint(tmp_path), **params).fit(X)
    ae = make(Checkpoint(tmp_path), **params).fit(X)
    assert torch.equal(weights(ae), weights(expected))
    assert ae.loss_curve_ == expected.loss_curve_
    assert ae.n_iter_ == expected.n_iter_


def test__fit__without_seed__goes_on_with_the_one_that_was_drawn(tmp_path):
    """Other rows would be held out, and other weights would have been the start."""
    params = {"random_state": None, "early_stopping": True, "n_iter_no_change": 100}
    with pytest.raises(MemoryError):
        make(Killed(4), Checkpoint(tmp_path), **params).fit(X)
    assert make(Checkpoint(tmp_path), **params).fit(X).n_iter_ == 6


@pytest.mark.parametrize(
    ("params", "rows", "named"),
    [
        ({"lr": 0.1}, X, "parameters, .'lr'"),
        ({}, X[:-1], "rows"),
        ({}, np.where(np.arange(6) == 3, X[::-1], X), "rows"),
    ],
)
def test__fit__checkpoint_of_another_fit__is_refused(params, rows, named, tmp_path):
    make(Checkpoint(tmp_path)).fit(X)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ValueError, match=f"other {named}.*another folder"):
        make(Checkpoint(tmp_path), **params).fit(rows)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test__fit__file_that_is_no_checkpoint__is_named(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"checkpoint\.pt' is no checkpoint"):
        make(Checkpoint(tmp_path)).fit(X)


def test__partial_fit__after_a_fit_with_checkpoint__leaves_it_alone(tmp_path):
    ae = make(Checkpoint(tmp_path)).fit(X)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    ae.partial_fit(X)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.slow
def test__classifier__checkpoint_in_its_autoencoder__goes_on(tmp_path):
    """The autoencoder is cloned, and the checkpoint with it."""
    y = X[:, 0] > 0
    params = {"max_epochs": 2, "random_state": 0}
    expected = AutoencoderPretrainedClassifier(make(), **params).fit(X, y)
    dying = make(Killed(3), Checkpoint(tmp_path))
    with pytest.raises(MemoryError):
        AutoencoderPretrainedClassifier(dying, **params).fit(X, y)
    model = AutoencoderPretrainedClassifier(make(Checkpoint(tmp_path)), **params)
    assert np.array_equal(model.fit(X, y).predict_proba(X), expected.predict_proba(X))
