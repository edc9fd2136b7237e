"""No order of rows is special: others give what shuffled rows give, up to chance.

All samples that stand for a table are made smaller than the tables here, so that each
estimator draws rows, of arrays and of files.
"""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae._anomaly import detector, distances
from sklearn_ae._autoencoder import row_sampler
from sklearn_ae._imputation import hidden_cells
from sklearn_ae._net import build
from sklearn_ae._supervised import fine_tuning
from sklearn_ae._tables import rows, sampling
from sklearn_ae.latents import Variational

N_ROWS, N_COLUMNS = 2000, 4
N_SAMPLED = 250
SIZES = {
    build: {"FILL_ROWS": N_SAMPLED, "SAMPLE_CELLS": N_SAMPLED * N_COLUMNS},
    detector: {"N_ROWS": N_SAMPLED, "MAX_CALIBRATION_ROWS": N_SAMPLED},
    distances: {"MOST_REFERENCES": N_SAMPLED // 2},
    fine_tuning: {"PROBE_ROWS": N_SAMPLED, "SAMPLE_ROWS": N_SAMPLED},
    hidden_cells: {"MAX_HIDDEN_ROWS": N_SAMPLED, "MAX_CELLS": N_SAMPLED * N_COLUMNS},
    row_sampler: {"MOST_ROWS": N_SAMPLED},
    # Files are read in 25 blocks, of which ten are shuffled at a time.
    rows: {
        "MAPPED_CELLS": 0,
        "BLOCK_BYTES": 80 * 8 * N_COLUMNS,
        "BLOCKS_IN_MEMORY": 10,
    },
    sampling: {"QUANTILE_ROWS": N_SAMPLED},
}
ORDERS = [*(f"period of {period}" for period in range(2, 13)), "grouped", "sorted"]
MAPPED_ORDERS = ["period of 2", "period of 5", "grouped", "sorted"]


@pytest.fixture(scope="module", autouse=True)
def small_samples():
    with pytest.MonkeyPatch.context() as patch:
        for module, sizes in SIZES.items():
            for name, size in sizes.items():
                patch.setattr(module, name, size)
        yield


@cache
def two_kinds():
    """Return rows of two kinds, which differ in level, spread and dependence."""
    rng = np.random.default_rng(0)
    kind = rng.permutation(np.arange(N_ROWS) % 2)
    x, z = rng.normal(size=(2, N_ROWS))
    X = np.c_[x, np.where(kind, z, 0.5 * x + 0.5 * z), x - z, rng.normal(size=N_ROWS)]
    return (1 + kind)[:, None] * X + [20.0, -5.0, 8.0, 0.0] * kind[:, None], kind


def make_order(name, seed=0):
    """Return the order of the rows: sorted, periodic, or that of the kinds.

    In a periodic one, the smallest rows are at each first place of a period, the next
    larger ones at each second place, and so on.
    """
    X, kind = two_kinds()
    rng = np.random.default_rng(seed)
    if name == "shuffled":
        return rng.permutation(N_ROWS)
    if name == "grouped":
        return np.argsort(kind, kind="stable")
    ascending = np.argsort(X[:, 0])
    if name == "sorted":
        return ascending
    period = int(name.rpartition(" ")[2])
    parts = [rng.permutation(part) for part in np.array_split(ascending, period)]
    return np.array(
        [part[i] for i in range(len(parts[0])) for part in parts if i < len(part)]
    )


def by_kind(values):
    """Return the means of both kinds of rows."""
    kind = two_kinds()[1]
    return np.array([values[kind == k].mean() for k in range(2)])


def small(**params):
    defaults = {"hidden_layer_sizes": (16,), "max_epochs": 12, "batch_size": 200}
    return AutoencoderTransformer(3, **{**defaults, **params})


def restore(seed, order, open_as, **params):
    X = two_kinds()[0]
    ae = small(random_state=seed, **params).fit(open_as(X[order]))
    return np.log(by_kind(np.abs(ae.reconstruct(X) - X).mean(axis=1)))


def draw(seed, order, open_as):
    """Return the share of the second kind among new rows, and their spread."""
    X = two_kinds()[0]
    ae = small(latent=Variational(), random_state=seed).fit(open_as(X[order]))
    drawn = ae.sample(2000, random_state=0)
    return np.r_[(drawn[:, 0] > 10).mean(), np.log(drawn.std(axis=0))]


def detect(seed, order, open_as):
    X = two_kinds()[0]
    model = AutoencoderAnomalyDetector(
        small(), n_estimators=1, calibration_fraction=0.2, random_state=seed
    ).fit(open_as(X[order]))
    scores = model.score_samples(X)
    spread = scores.std()
    return np.r_[by_kind(scores) / spread, by_kind(model.p_values(X))]


def impute(seed, order, open_as):
    X = two_kinds()[0]
    missing = np.random.default_rng(1).random(X.shape) < 0.15
    holed = np.where(missing, np.nan, X)
    model = AutoencoderImputer(small(), n_estimators=1, random_state=seed)
    filled = model.fit(open_as(holed[order])).transform(holed)
    errors = np.abs(filled - X).sum(axis=1)
    return np.r_[np.log(by_kind(errors)), model.shrinkage_]


def classify(seed, order, open_as, **params):
    X, kind = two_kinds()
    y = (X[:, 1] + X[:, 2] > np.where(kind, 3, 0)).astype(int)
    model = AutoencoderPretrainedClassifier(
        small(), early_stopping=True, random_state=seed, max_epochs=20, **params
    )
    labels = y[order].astype(float)
    if params["semi_supervised"]:
        labels[np.random.default_rng(2).random(N_ROWS) < 0.8] = np.nan
    proba = model.fit(open_as(X[order]), labels).predict_proba(X)
    return by_kind(-np.log(proba[np.arange(N_ROWS), y].clip(1e-3)))


def predict(seed, order, open_as):
    X = two_kinds()[0]
    y = X[:, 1] + 0.1 * X[:, 2] ** 2
    model = AutoencoderPretrainedRegressor(
        small(), early_stopping=True, random_state=seed, max_epochs=20
    )
    predicted = model.fit(open_as(X[order]), y[order]).predict(X)
    return np.log(by_kind(np.abs(predicted - y)))


MEASURES = {
    "standard": restore,
    "robust": lambda *args: restore(*args, scaling="robust"),
    "quantile": lambda *args: restore(*args, scaling="quantile"),
    "early stopping": lambda *args: restore(*args, early_stopping=True),
    "variational": draw,
    "detector": detect,
    "imputer": impute,
    "classifier": lambda *args: classify(*args, semi_supervised=False),
    "semi-supervised": lambda *args: classify(*args, semi_supervised=True),
    "regressor": predict,
}


@cache
def of_shuffled(name):
    """Return what five shuffled tables give, each with another seed."""
    return np.array(
        [
            MEASURES[name](seed, make_order("shuffled", seed), np.asarray)
            for seed in range(5)
        ]
    )


def mostly_slow(orders):
    """Return the orders, all but that of a period of five for the slow tests."""
    return [
        order if order == "period of 5" else pytest.param(order, marks=pytest.mark.slow)
        for order in orders
    ]


def assert_as_shuffled(name, got):
    expected = of_shuffled(name)
    # Of five, the deviation itself is not known well.
    chance = 6 * expected.std(axis=0, ddof=1) + 0.1
    assert_allclose((got - expected.mean(axis=0)) / chance, 0, atol=1)


@pytest.mark.parametrize("order", mostly_slow(ORDERS))
@pytest.mark.parametrize("name", MEASURES)
def test__fit__rows_in_order__give_what_shuffled_ones_give(name, order):
    got = MEASURES[name](10, make_order(order), np.asarray)
    assert_as_shuffled(name, got)


@pytest.mark.parametrize("order", mostly_slow(MAPPED_ORDERS))
@pytest.mark.parametrize("name", MEASURES)
def test__fit__mapped_rows_in_order__give_what_shuffled_ones_give(
    name, order, tmp_path
):
    def map_file(X):
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode="r")

    got = MEASURES[name](10, make_order(order), map_file)
    assert_as_shuffled(name, got)
