"""What unlabelled rows add in the second phase."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

import sklearn_ae._supervised.semi_supervised
from sklearn_ae._supervised.fine_tuning import FineTuning
from sklearn_ae.noise import SwapNoise
from tests.supervised.helpers import X_DIGITS, Y_DIGITS, X, Y, classifier, hide, small


def test__semi_supervised__hidden_layers__are_normalised_unless_frozen_or_narrow():
    y = hide(Y, 40)
    for sizes, frozen, n_norms in (
        ((16, 8), False, 2),
        ((16, 4), False, 1),
        (16, 1, 0),
    ):
        autoencoder = small(hidden_layer_sizes=sizes)
        model = classifier(autoencoder, semi_supervised=True, freeze_encoder=frozen)
        norms = [
            layer
            for layer in model.fit(X, y).module_.encoder.modules()
            if isinstance(layer, nn.LayerNorm)
        ]
        assert len(norms) == n_norms


@pytest.fixture(scope="module")
def digit_draws():
    """Labels of 50 digits, three times: rows, labels, rows and labels to test."""
    draws = []
    for seed in range(3):
        rows = train_test_split(X_DIGITS, Y_DIGITS, random_state=seed, test_size=0.25)
        draws.append((rows[0], hide(rows[2], 50), rows[1], rows[3]))
    return draws


@pytest.fixture(scope="module")
def frozen_for_digits(digit_draws):
    autoencoder = small(16, max_epochs=20, noise=SwapNoise(0.2), random_state=0)
    return [
        FrozenEstimator(clone(autoencoder).fit(X_train)) for X_train, *_ in digit_draws
    ]


@pytest.fixture(scope="module")
def digit_scores(digit_draws, frozen_for_digits):
    """Accuracies by what `semi_supervised` is, and the models of "auto"."""
    scores, models = {False: [], "auto": []}, []
    for (X_train, y_train, *test), frozen in zip(
        digit_draws, frozen_for_digits, strict=True
    ):
        for how, max_epochs in {False: 25, "auto": 60}.items():
            model = classifier(frozen, semi_supervised=how, max_epochs=max_epochs)
            scores[how].append(model.fit(X_train, y_train).score(*test))
        models.append(model)
    return scores, models


@pytest.mark.slow
def test__fit__few_digits_with_labels__auto_uses_the_others_and_wins(digit_scores):
    scores, models = digit_scores
    assert sum(model.semi_supervised_ for model in models) >= 2
    assert np.mean(scores["auto"]) > np.mean(scores[False]) + 0.03


@pytest.mark.slow
def test__fit__few_digits_with_labels__beats_a_network_without_pretraining(
    digit_draws, digit_scores
):
    """The fast version of the claim: labels for 50 of 1,347 rows."""
    plain = []
    for X_train, y_train, *test in digit_draws:
        labelled = ~np.isnan(y_train)
        peer = make_pipeline(
            StandardScaler(),
            MLPClassifier((128, 64, 16), max_iter=300, random_state=0),
        )
        peer.fit(X_train[labelled], y_train[labelled])
        plain.append(peer.score(*test))
    scores, _ = digit_scores
    assert np.mean(scores[False]) > np.mean(plain) + 0.02
    assert np.mean(scores["auto"]) > np.mean(plain) + 0.05


@pytest.mark.slow
def test__fit__semi_supervised_with_a_slow_encoder__is_about_as_with_a_frozen_one(
    digit_draws, frozen_for_digits
):
    """What an encoder does not learn, it must have from the pre-training."""
    X_train, y_train, *test = digit_draws[0]
    frozen, slow = (
        classifier(frozen_for_digits[0], semi_supervised=True, max_epochs=20, **params)
        .fit(X_train, y_train)
        .score(*test)
        for params in ({"freeze_encoder": True}, {"encoder_lr_scale": 1e-3})
    )
    assert slow > frozen - 0.1


@pytest.mark.slow
def test__fit__classes_that_rows_do_not_cluster_by__auto_learns_from_labels_alone():
    table = np.random.default_rng(0).normal(size=(300, 6))
    y = hide(table @ np.arange(6) > 0, 60)
    model = classifier(semi_supervised="auto").fit(table, y)
    assert model.semi_supervised_ is False
    expected = classifier().fit(table, y)
    assert np.mean(model.predict(table) == expected.predict(table)) > 0.8


def test__fit__labels_that_nothing_tells__are_not_spread_by_luck(monkeypatch):
    rng, scores = np.random.default_rng(0), []
    score_spreading = FineTuning.score_spreading

    def score(*args):
        scores.append(score_spreading(*args))
        return scores[-1]

    monkeypatch.setattr(FineTuning, "score_spreading", score)
    autoencoder = FrozenEstimator(small(4).fit(rng.normal(size=(100, 4))))
    for seed in range(20):
        table, y = rng.normal(size=(100, 4)), hide(rng.integers(0, 2, 100), 40)
        classifier(
            autoencoder, semi_supervised="auto", max_epochs=1, random_state=seed
        ).fit(table, y)
    assert len(scores) == 20
    assert not any(score.is_better for score in scores)


@pytest.mark.parametrize("semi_supervised", ["auto", True])
def test__fit__more_rows_than_take_part__uses_some_of_them(
    semi_supervised, monkeypatch
):
    monkeypatch.setattr(sklearn_ae._supervised.semi_supervised, "MOST_ROWS", 100)
    model = classifier(semi_supervised=semi_supervised, max_epochs=30)
    n_rows = []

    class Count(Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            n_rows.append(len(X[0]) if isinstance(X, tuple) else len(X))

    model.set_params(callbacks=[Count()])
    model.fit(X_DIGITS[:400], hide(Y_DIGITS[:400], 40))
    assert model.semi_supervised_ is True
    assert n_rows == [100]
    assert model.score(X_DIGITS[:40], Y_DIGITS[:40]) > 0.5


def test__fit__semi_supervised__does_not_see_the_labels_held_out():
    """Labels by chance, one for each of many clusters: nothing tells those held out.

    Spread along the neighbours, they would: the loss of those rows would go to 0.
    """
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(80, 10)), 6, axis=0)
    X += 0.02 * rng.normal(size=X.shape)
    y = np.full(len(X), np.nan)
    y[::6] = rng.permutation(np.arange(80) % 2)
    model = classifier(
        small(8, max_epochs=20),
        semi_supervised=True,
        early_stopping=True,
        validation_fraction=0.4,
        n_iter_no_change=60,
        max_epochs=60,
        lr=0.01,
    )
    model.fit(X, y)
    assert min(model.validation_loss_curve_) > 0.9 * np.log(2)
