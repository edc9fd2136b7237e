"""The second phase: what is trained when, its histories and early stopping."""

import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderPretrainedRegressor
from sklearn_ae._defaults import default_fine_tuning
from sklearn_ae._supervised.fine_tuning import FineTuning
from sklearn_ae._supervised.plan import Plan
from sklearn_ae._supervised.temperature import scale_outputs
from sklearn_ae._tables.rows import Rows
from sklearn_ae.architectures import TorchModule
from tests.supervised.helpers import (
    TARGET,
    X,
    Y,
    classifier,
    differing,
    hide,
    regressor,
    small,
    state,
    unfrozen,
    weights,
)

# The encoder, frozen and unfrozen


def test__fit__frozen_encoder__stays_as_it_was_bit_for_bit(model_and_y):
    model, y = model_and_y
    model.set_params(freeze_encoder=True).fit(X, y)
    assert unfrozen(model) == set()
    assert_array_equal(model.transform(X), model.autoencoder_.transform(X))


def test__fit__encoder_not_frozen__learns_in_every_layer(model_and_y):
    model, y = model_and_y
    model.fit(X, y)
    before, after = (
        [w for w in module.network.encoder.parameters() if w.ndim > 1]
        for module in (model.autoencoder_.module_, model.module_.encoder)
    )
    assert before
    for old, new in zip(before, after, strict=True):
        assert not torch.equal(old, new)
    assert (model.transform(X) != model.autoencoder_.transform(X)).any()


@pytest.mark.parametrize("frozen", [True, False, 1])
def test__fit__frozen_or_not__leaves_the_head_and_all_weights_trainable(frozen):
    start = classifier(lr=1e-30).fit(X, Y)
    model = classifier(freeze_encoder=frozen, lr=0.1).fit(X, Y)
    heads = state(start.module_.head), state(model.module_.head)
    assert differing(*heads) == {"0.weight", "0.bias"}
    assert all(weight.requires_grad for weight in model.module_.parameters())


class Watch(Callback):
    """Note the encoder's weights after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.seen_ = [state(net.module_.encoder)]

    def on_epoch_end(self, net, **kwargs):
        self.seen_.append(state(net.module_.encoder))


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize("n_epochs", [1, 2])
def test__fit__encoder_frozen_for_some_epochs__changes_only_then(
    n_epochs, semi_supervised
):
    watch = Watch()
    model = classifier(
        callbacks=[watch],
        freeze_encoder=n_epochs,
        semi_supervised=semi_supervised,
        max_epochs=4,
    )
    model.fit(X, Y)
    start = watch.seen_[0]
    changed = [bool(differing(start, seen)) for seen in watch.seen_[1:]]
    assert changed == [False] * n_epochs + [True] * (4 - n_epochs)
    assert unfrozen(model)


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize(("number", "equal"), [(0, False), (3, True), (9, True)])
def test__fit__frozen_for_no_or_all_epochs__is_as_never_or_always(
    number, equal, semi_supervised
):
    one, other = (
        classifier(freeze_encoder=frozen, semi_supervised=semi_supervised).fit(X, Y)
        for frozen in (number, equal)
    )
    assert_array_equal(weights(one), weights(other))


class Normed(nn.Module):
    """A user's model whose encoder has layers that change in training by themselves."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.5),
            nn.Linear(8, n_components),
        )
        self.decoder = nn.Linear(n_components, n_features)


@pytest.mark.parametrize("semi_supervised", [False, True])
def test__fit__frozen_encoder_with_running_means__keeps_them(semi_supervised):
    model = classifier(
        small(architecture=TorchModule(Normed)), semi_supervised=semi_supervised
    )
    model.fit(X, Y)
    changed = unfrozen(model)
    assert any("running_mean" in name for name in changed)
    model.set_params(freeze_encoder=True).fit(X, Y)
    assert unfrozen(model) == set()
    assert_array_equal(model.transform(X), model.autoencoder_.transform(X))


def test__fit__tiny_encoder_lr_scale__moves_the_head_much_more():
    model = classifier(encoder_lr_scale=1e-6, lr=0.1).fit(X, Y)
    free = classifier(lr=0.1).fit(X, Y)
    distances = [
        np.abs(m.transform(X) - m.autoencoder_.transform(X)).max()
        for m in (model, free)
    ]
    assert 0 < distances[0] < 1e-2 * distances[1]
    start = classifier(lr=1e-30).fit(X, Y)
    assert differing(state(start.module_.head), state(model.module_.head))


# Histories and early stopping


def test__fit__both_phases__leave_their_histories():
    model = classifier(small(max_epochs=4), max_epochs=6).fit(X, Y)
    assert model.pretraining_history_ is model.autoencoder_.history_
    assert len(model.pretraining_history_) == model.autoencoder_.n_iter_ == 4
    assert len(model.history_) == model.n_iter_ == 6
    assert model.loss_curve_ == model.history_[:, "train_loss"]
    assert model.validation_loss_curve_ is None
    assert model.net_.history_ is model.history_


def test__fit__callbacks_of_each_phase__see_that_phase_only():
    """Nor the trials that say how far to go."""
    seen = []

    class Note(Callback):
        def __init__(self, phase):
            self.phase = phase

        def on_epoch_end(self, net, **kwargs):
            seen.append(self.phase)

    autoencoder = small(callbacks=[Note(1)], max_epochs=2)
    classifier(autoencoder, callbacks=[Note(2)]).fit(X, Y)
    assert seen == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("semi_supervised", [False, True])
def test__fit__early_stopping__restores_the_weights_of_the_lowest_loss(semi_supervised):
    watch = Watch()
    model = classifier(
        callbacks=[watch],
        early_stopping=True,
        lr=0.3,
        max_epochs=40,
        n_iter_no_change=3,
        semi_supervised=semi_supervised,
    )
    model.fit(X, Y)
    losses = model.validation_loss_curve_
    assert model.n_iter_ == len(losses) < 40
    best = watch.seen_[1 + int(np.argmin(losses))]
    assert differing(state(model.module_.encoder), best) == set()
    assert np.argmin(losses) < len(losses) - 1


# How long, and how sure


def test__fit__labelled_rows__ends_with_the_weights_that_training_ended_with():
    """Means of weights between which the loss has a wall were far worse than both."""
    watch = Watch()
    model = classifier(callbacks=[watch], max_epochs=5, lr=0.05).fit(X, Y)
    assert differing(state(model.module_.encoder), watch.seen_[-1]) == set()


def linear_rows(n_rows, noise, rng):
    """Return thirty columns and a target that is linear in them, with noise."""
    X = rng.normal(size=(n_rows, 30))
    return X, X @ np.linspace(-1, 1, 30) + noise * rng.normal(size=n_rows)


@pytest.mark.parametrize("estimator", ["classifier", "regressor"])
def test__fit__linear_target_and_noise__is_hardly_worse_than_a_linear_model(estimator):
    """A network that is trained to the end learns the noise by heart."""
    rows, target = linear_rows(2_400, 3.0, np.random.default_rng(0))
    Model, linear = AutoencoderPretrainedRegressor, RidgeCV(np.logspace(-2, 4, 13))
    if estimator == "classifier":
        target = (target > 0).astype(int)
        Model, linear = AutoencoderPretrainedClassifier, LogisticRegression(C=0.1)
    known, new = slice(400), slice(400, None)
    model = Model(small(30, max_epochs=20), random_state=0)
    model.fit(rows[known], target[known])
    expected = linear.fit(rows[known], target[known]).score(rows[new], target[new])
    assert model.score(rows[new], target[new]) > expected - 0.04


def test__fit__product_of_columns__is_as_good_as_the_whole_training():
    """No linear model tells these classes apart."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1_200, 4))
    y = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    autoencoder = small(16, hidden_layer_sizes=(128,), max_epochs=20)
    autoencoder = FrozenEstimator(autoencoder.fit(rows[:400]))
    chosen, whole = (
        AutoencoderPretrainedClassifier(
            autoencoder, lr=0.01, max_epochs=max_epochs, random_state=0
        )
        .fit(rows[:400], y[:400])
        .score(rows[400:], y[400:])
        for max_epochs in (None, default_fine_tuning(400)[1])
    )
    assert whole > 0.8
    assert chosen > whole - 0.03


@pytest.mark.parametrize("n_rows", [30, 300])
def test__fit__labels_that_nothing_tells__are_not_predicted_with_confidence(n_rows):
    rng = np.random.default_rng(2)
    rows, y = rng.normal(size=(n_rows, 8)), rng.integers(0, 2, n_rows)
    model = AutoencoderPretrainedClassifier(
        small(8), max_epochs=60, semi_supervised=False, random_state=0
    )
    p = model.fit(rows, y).predict_proba(rng.normal(size=(500, 8)))
    labels = rng.integers(0, 2, 500)
    assert log_loss(labels, p) < np.log(2) + 0.1


def test__fit__training_that_fails__keeps_the_linear_model_and_says_so(monkeypatch):
    """However well the trials went."""
    chosen = "sklearn_ae._supervised.fine_tuning.choose_plan"
    monkeypatch.setattr(chosen, lambda tuning, labelled: Plan())
    model = classifier(lr=100.0, max_epochs=None, semi_supervised=False)
    with pytest.warns(ConvergenceWarning, match="smaller lr than 100.0"):
        model.fit(X, hide(Y, 40))
    linear = classifier(lr=1e-30, semi_supervised=False).fit(X, hide(Y, 40))
    assert_array_equal(model.predict(X), linear.predict(X))


def test__fit__network_that_is_unsure__is_kept(monkeypatch):
    """Noise in training does that; a temperature makes up for it."""
    rows = np.random.default_rng(1).normal(size=(400, 4))
    y = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    autoencoder = small(16, hidden_layer_sizes=(128,), max_epochs=20)
    model = AutoencoderPretrainedClassifier(autoencoder, lr=0.01, random_state=0)
    model.fit(rows, y)
    train = FineTuning.train

    def train_in_doubt(self, labelled, valid=None, length=1.0):
        net = train(self, labelled, valid, length)
        if length:
            scale_outputs(net.module_.head, 0.01)
        return net

    monkeypatch.setattr(FineTuning, "train", train_in_doubt)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        unsure = clone(model).fit(rows, y)
    assert unsure.score(rows, y) > model.score(rows, y) - 0.1 > 0.8


def test__fit__explicit_epochs__are_all_trained():
    rows, target = linear_rows(60, 5.0, np.random.default_rng(3))
    model = AutoencoderPretrainedRegressor(small(4), max_epochs=7, random_state=0)
    assert model.fit(rows, target).n_iter_ == 7


@pytest.mark.parametrize("predictor", [classifier, regressor])
def test__fit__trials__do_not_change_the_training(predictor):
    """The network is that of the same number of epochs, bit for bit."""
    y = hide(Y if predictor is classifier else TARGET, 60)
    chosen = predictor(max_epochs=None).fit(X, y)
    given = predictor(max_epochs=chosen.n_iter_).fit(X, y)
    encoders = state(chosen.module_.encoder), state(given.module_.encoder)
    assert differing(*encoders) == set()


def test__fit__few_labels__adds_what_the_linear_model_says():
    """Of both, as held-out rows trust them; a user who reads the module sees both."""
    model = classifier(max_epochs=None).fit(X, hide(Y, 60))
    module = model.module_.double()
    rows = torch.from_numpy(model.table_encoder_.transform(X)).double()
    both = module.head(module.encode(rows)) + module.start(rows)
    torch.testing.assert_close(module(rows), both)
    p = both.softmax(1).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(X), p, atol=1e-6)
    linear = classifier(lr=1e-30).fit(X, hide(Y, 60)).module_
    before = linear.double().head(linear.encode(rows))
    ratio = (module.start(rows) / before).detach().numpy()
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)


def test__fit__nine_labels__takes_the_linear_model():
    model = classifier(max_epochs=None, semi_supervised=False).fit(X, hide(Y, 9))
    assert model.n_iter_ == 0
    assert_array_equal(model.transform(X), model.autoencoder_.transform(X))
    assert model.loss_curve_ == []


@settings(max_examples=60, deadline=None)
@given(
    codes=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test__split_stratified__classes__each_keeps_a_row_and_gives_its_share(
    codes, fraction, seed
):
    torch.manual_seed(seed)
    y = torch.tensor([[1.0, code] for code in codes])
    rows = Rows(torch.arange(len(y))[:, None].float(), y)
    train, valid = rows.split_stratified(fraction, are_classes=True)
    places = torch.cat([train.index, valid.index])
    assert_array_equal(places.sort().values, np.arange(len(y)))
    assert {*train[:][1][:, 1].tolist()} == {*codes}
    spare = len(codes) - len({*codes})
    assert len(valid) == min(spare, max(1, round(fraction * len(codes))))
    if len(valid):
        held = np.bincount(valid[:][1][:, 1].int(), minlength=6)
        could = np.maximum(np.bincount(codes, minlength=6) - 1, 0)
        assert (np.abs(held - len(valid) * could / spare) < 2).all()


def test__fit__early_stopping_and_a_class_of_one_row__trains_on_that_row():
    y = np.where(np.arange(len(Y)) == 17, 2, Y)
    model = classifier(early_stopping=True, validation_fraction=0.4).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.validation_loss_curve_
    assert np.isfinite(model.predict_proba(X)).all()


def test__fit__freeze_encoder_from_an_array__is_what_it_says():
    models = [classifier(freeze_encoder=f).fit(X, Y) for f in np.array([False, True])]
    assert [bool(unfrozen(model)) for model in models] == [True, False]


class Following(Callback):
    """Holds what cannot be copied."""

    def __init__(self):
        self.lock, self.n_epochs = threading.Lock(), 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1


def test__fit__callback_of_the_user__follows_training_and_no_trial():
    follower = Following()
    model = classifier(callbacks=[follower], max_epochs=4).fit(X, Y)
    assert follower.n_epochs == model.n_iter_ == 4
