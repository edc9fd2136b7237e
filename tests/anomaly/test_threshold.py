"""The threshold of contamination="auto": ordinary rows stay, outliers go."""

import numpy as np
import pandas as pd
import pytest

from sklearn_ae._anomaly.threshold import allow_for_new_rows, find_threshold
from tests.anomaly.helpers import correlated, detector, small


def flags(rng, n_rows):
    return (rng.random((n_rows, 20)) < 0.02).astype(float)


def categories(rng, n_rows):
    shares = [0.6, 0.2, 0.1, 0.06, 0.03, 0.01]
    return pd.DataFrame({c: rng.choice([*"abcdef"], n_rows, p=shares) for c in "xyz"})


def names(rng, n_rows):
    """Return numbers, and names of which many are rare."""
    shares = np.arange(1, 41) ** -1.5
    frame = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["x", "y"])
    codes = rng.choice(40, n_rows, p=shares / shares.sum())
    return frame.assign(name=codes.astype(str))


ORDINARY = {
    "normal": lambda rng, n: rng.normal(size=(n, 1)),
    "two normal": lambda rng, n: rng.normal(size=(n, 2)),
    "lognormal": lambda rng, n: rng.lognormal(size=(n, 1)),
    "Cauchy": lambda rng, n: rng.standard_cauchy(size=(n, 1)),
    "counts": lambda rng, n: rng.poisson(1.0, size=(n, 3)).astype(float),
    "coins": lambda rng, n: rng.integers(2, size=(n, 8)).astype(float),
    "rare flags": flags,
    "categories": categories,
    "names": names,
}


@pytest.mark.parametrize("kind", ORDINARY)
def test__contamination__auto__keeps_new_rows_like_those_of_fit(kind):
    draw, shares = ORDINARY[kind], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        model = detector(small(max_epochs=10)).fit(draw(rng, 500))
        shares.append((model.predict(draw(rng, 2000)) == -1).mean())
    # Three draws are uncertain by a hundredth.
    assert np.mean(shares) < 0.045


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [100, 500])
@pytest.mark.parametrize("kind", ORDINARY)
def test__contamination__auto__keeps_ordinary_rows_on_the_mean_of_draws(kind, n_rows):
    draw, shares = ORDINARY[kind], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        model = detector(small(max_epochs=20)).fit(draw(rng, n_rows))
        shares.append((model.predict(draw(rng, 1000)) == -1).mean())
    assert np.mean(shares) < 0.035


def test__find_threshold__ordinary_rows__is_hardly_below_the_least_score():
    """The fence is 3: new rows between 2 and 3 would be farther out than all these."""
    roots = np.linspace(0, 2, 200)
    assert 2 < (-find_threshold(-(roots**2), n_columns=5)) ** 0.5 < 2.2


def test__find_threshold__few_rows__is_the_fence():
    """The network has learnt them by heart: new ones may be farther out."""
    roots = np.linspace(0, 2, 100)
    assert (-find_threshold(-(roots**2), n_columns=5)) ** 0.5 == pytest.approx(3)


def test__contamination__auto__more_columns_than_rows__keeps_new_rows():
    """The network learns the rows by heart, and restores no others."""
    shares = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        model = detector(small(max_epochs=100)).fit(rng.normal(size=(50, 60)))
        shares.append((model.predict(rng.normal(size=(500, 60))) == -1).mean())
    # The least of five scores, of the rows held out, is no certain bound.
    assert np.mean(shares) < 0.35


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test__allow_for_new_rows__rows_held_out_like_others__change_nothing(share):
    rng = np.random.default_rng(0)
    scores, held_out = (-10.0 * (rng.random(n) < share) for n in (400, 40))
    assert allow_for_new_rows(-5.0, scores, np.sort(held_out)) == -5.0
    assert allow_for_new_rows(-5.0, scores, np.empty(0)) == -5.0


def test__allow_for_new_rows__rows_held_out_farther_out__move_the_threshold():
    scores, held_out = np.linspace(-6, 0, 100), -10 * 1.5 ** np.arange(20)[::-1]
    threshold = allow_for_new_rows(-5.0, scores, held_out)
    # As many are below it as of the others, 17 %.
    assert (held_out < threshold).sum() == 3


def test__contamination__auto__keeps_a_regular_line():
    line = np.c_[np.arange(1.0, 101), np.arange(1.0, 101)]
    assert (detector(small(max_epochs=100)).fit_predict(line) == -1).sum() <= 3


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("together", [False, True])
def test__contamination__auto__still_finds_many_outliers(share, together):
    rng = np.random.default_rng(0)
    table, n_outliers = correlated(500, 0), int(share * 500)
    if together:
        table[:n_outliers] = 9 + 0.3 * correlated(n_outliers, 1)
    else:
        signs = rng.choice([-1, 1], size=(n_outliers, 6))
        table[:n_outliers] = signs * rng.uniform(8, 20, size=(n_outliers, 6))
    is_outlier = detector(small(max_epochs=10)).fit_predict(table) == -1
    if not (together and share == 0.1):  # These mask one another.
        assert is_outlier[:n_outliers].mean() > 0.9
    assert is_outlier[n_outliers:].mean() < 0.03


@pytest.mark.parametrize("n_rows", [1, 2, 5, 48, 400])
@pytest.mark.parametrize("n_columns", [1, 3])
def test__find_threshold__equal_scores__flags_none(n_rows, n_columns):
    scores = np.full(n_rows, -7.0)
    assert not (scores < find_threshold(scores, n_columns)).any()


def test__find_threshold__scores_that_repeat__are_not_split():
    """A tenth of the rows are alike, and far from the others, which are alike, too."""
    scores = -np.repeat([0.3, 0.4, 0.5, 400.0], [150, 120, 90, 40])
    scores -= np.random.default_rng(0).uniform(0, 1e-5, size=400)
    assert not (scores < find_threshold(scores, 3)).any()


def test__find_threshold__a_gap__parts_outliers_from_a_heavy_tail():
    rng = np.random.default_rng(0)
    roots = np.r_[1 + rng.exponential(size=900), rng.uniform(20, 60, size=50)]
    is_outlier = -(roots**2) < find_threshold(-(roots**2), 4)
    assert is_outlier[900:].all()
    assert is_outlier[:900].mean() < 0.02


def test__find_threshold__without_a_gap__flags_two_of_a_hundred():
    roots = np.random.default_rng(0).pareto(1.0, size=2000) + 1
    assert (-(roots**2) < find_threshold(-(roots**2), 1)).mean() <= 0.02
