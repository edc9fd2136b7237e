"""Temperature scaling: probabilities are as sure as predictions are right."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax
from torch import nn

from sklearn_ae._supervised.temperature import (
    fit_temperature,
    match_confidence,
    scale_outputs,
)


def draw(n_rows, rng, n_classes=3):
    """Return logits, and classes that have just the probabilities of these."""
    logits = rng.normal(scale=2, size=(n_rows, n_classes))
    p = softmax(logits, axis=1)
    classes = (rng.random((n_rows, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(classes, n_classes - 1)


@pytest.mark.parametrize("factor", [0.25, 1.0, 8.0])
def test__fit_temperature__logits_that_are_too_sure__divides_by_as_much(factor):
    logits, classes = draw(20_000, np.random.default_rng(0))
    temperature, loss = fit_temperature(factor * logits, classes, np.ones(20_000))
    assert_allclose(temperature, factor, rtol=0.05)
    own = -log_softmax(logits, axis=1)[np.arange(20_000), classes].mean()
    assert_allclose(loss, own, rtol=1e-2)


@pytest.mark.parametrize("n_rows", [10, 100, 1_000])
def test__fit_temperature__all_rows_right__is_surer_the_more_rows_there_are(n_rows):
    """But never certain: the next row may be the first that is wrong."""
    logits, classes = np.zeros((n_rows, 2)), np.arange(n_rows) % 2
    logits[np.arange(n_rows), classes] = 50
    temperature, _ = fit_temperature(logits, classes, np.ones(n_rows))
    wrong = 1 - softmax(logits / temperature, axis=1).max(axis=1)
    assert_allclose(wrong, 0.5 / (n_rows + 1), rtol=0.05)


def test__fit_temperature__weights__are_as_repeated_rows():
    rng = np.random.default_rng(1)
    logits, classes = draw(60, rng)
    weight = rng.integers(1, 5, size=60)
    repeated = fit_temperature(
        logits.repeat(weight, axis=0), classes.repeat(weight), np.ones(weight.sum())
    )
    weighted = fit_temperature(logits, classes, weight.astype(float))
    assert_allclose(weighted, repeated, rtol=1e-6)


def test__fit_temperature__label_smoothing__keeps_probabilities_away_from_one():
    logits, classes = draw(2_000, np.random.default_rng(2))
    plain, _ = fit_temperature(logits, classes, np.ones(2_000))
    smoothed, _ = fit_temperature(logits, classes, np.ones(2_000), 0.3)
    assert smoothed > 1.5 * plain


@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.95])
def test__match_confidence__accuracy__is_reached_and_not_passed(accuracy):
    logits, _ = draw(500, np.random.default_rng(3))
    temperature = match_confidence(20 * logits, accuracy)
    confidence = softmax(20 * logits / temperature, axis=1).max(axis=1).mean()
    assert accuracy - 0.02 < confidence <= accuracy


def test__match_confidence__less_sure_than_right__leaves_it_at_that():
    assert match_confidence(np.zeros((5, 2)), 0.9) == 1.0


def test__scale_outputs__head__scales_what_it_returns():
    head = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    X = torch.randn(5, 3)
    before = head(X)
    scale_outputs(head, 2.5)
    torch.testing.assert_close(head(X), 2.5 * before)
