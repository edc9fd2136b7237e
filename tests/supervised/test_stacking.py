"""Stacking: a trained network and its start, each as far as held-out rows trust it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax

from sklearn_ae._supervised.stacking import (
    EVEN_SHARE,
    TRAINED_SHARE,
    stack_logits,
    stack_targets,
)


def draw_classes(n_rows, rng):
    """Return logits, and classes that have just the probabilities of these."""
    logits = rng.normal(scale=2, size=(n_rows, 3))
    p = softmax(logits, axis=1).cumsum(axis=1)
    classes = (rng.random((n_rows, 1)) > p).sum(axis=1)
    return logits, np.minimum(classes, 2)


def draw_targets(n_rows, rng):
    """Return predictions, and targets that differ from them by noise."""
    predicted = rng.normal(size=(n_rows, 2))
    return predicted, predicted + 0.5 * rng.normal(size=(n_rows, 2))


CASES = [(draw_classes, stack_logits), (draw_targets, stack_targets)]
SHARES = [TRAINED_SHARE, EVEN_SHARE]


@pytest.mark.parametrize(("draw", "stack"), CASES)
@pytest.mark.parametrize("better", [0, 1])
def test__stack__many_rows_that_only_one_predicts__trust_that_one(draw, stack, better):
    rng = np.random.default_rng(0)
    predicted, y = draw(2_000, rng)
    both = [predicted, rng.normal(size=predicted.shape)]
    factors = stack(*both[:: 1 if better == 0 else -1], y, np.ones(len(y)))
    assert_allclose(factors[better], 1, atol=0.15)
    assert factors[1 - better] < 0.1


@pytest.mark.parametrize(
    ("draw", "stack", "share"),
    [(*case, share) for case, share in zip(CASES, SHARES, strict=True)],
)
def test__stack__few_rows_that_both_predict_alike__stay_near_the_prior(
    draw, stack, share
):
    rng = np.random.default_rng(1)
    predicted, y = draw(40, rng)
    factors = stack(predicted, predicted, y, np.ones(len(y)))
    shares = factors / factors.sum()
    assert_allclose(shares, [share, 1 - share], atol=0.05)


@pytest.mark.parametrize(("draw", "stack"), CASES)
def test__stack__weights__are_as_repeated_rows(draw, stack):
    rng = np.random.default_rng(2)
    predicted, y = draw(60, rng)
    other, weight = predicted + rng.normal(size=predicted.shape), rng.integers(1, 5, 60)
    rows = [a.repeat(weight, axis=0) for a in (predicted, other, y)]
    repeated = stack(*rows, np.ones(weight.sum()))
    weighted = stack(predicted, other, y, weight.astype(float))
    assert_allclose(weighted, repeated, rtol=1e-3)


def test__stack_targets__missing_ones__say_nothing():
    rng = np.random.default_rng(3)
    predicted, y = draw_targets(80, rng)
    other = rng.normal(size=predicted.shape)
    y[50:, 1] = np.nan
    seen = ~np.isnan(y)
    columns = [a[seen][:, None] for a in (predicted, other, y)]
    assert_allclose(
        stack_targets(predicted, other, y, np.ones(80)),
        stack_targets(*columns, np.ones(len(columns[0]))),
    )


def test__stack_targets__predictions_without_error__are_kept_finite():
    y = np.arange(12.0)[:, None] - 5.5
    assert_allclose(stack_targets(y, y, y, np.ones(12)).sum(), 1)


@pytest.mark.parametrize("diverged", [np.inf, -np.inf, np.nan])
def test__stack_targets__network_that_diverged__is_not_trusted(diverged):
    rng = np.random.default_rng(4)
    predicted, y = draw_targets(30, rng)
    trained = predicted.copy()
    trained[3, 1] = diverged
    assert stack_targets(trained, predicted, y, np.ones(30)).tolist() == [0.0, 1.0]
