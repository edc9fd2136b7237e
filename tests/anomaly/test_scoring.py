"""Scores and explanations: which rows are outliers, and why."""

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer
from sklearn_ae._anomaly.scoring import encode_and_reconstruct, encoded_cells, weigh
from sklearn_ae.architectures import TorchModule
from tests.anomaly.helpers import (
    X_CANCER,
    Y_CANCER,
    Linear,
    X,
    correlated,
    detector,
    small,
)
from tests.helpers import mixed_cells

# Scores


def test__score_samples__malignant_tumours_among_benign_ones__are_odd():
    benign, malignant = X_CANCER[Y_CANCER == 1], X_CANCER[Y_CANCER == 0]
    train, test = train_test_split(benign, random_state=0)
    model = AutoencoderAnomalyDetector(random_state=0).fit(train)
    scores = np.concatenate([model.score_samples(P) for P in (test, malignant)])
    odd = np.repeat([0, 1], [len(test), len(malignant)])
    assert roc_auc_score(odd, -scores) > 0.95


def test__score_samples__outliers_in_fit__still_have_the_lowest_scores():
    rows, odd = correlated(500, 0), 6 + 0.1 * correlated(15, 1)
    table = np.vstack([rows, odd])
    scores = AutoencoderAnomalyDetector(random_state=0).fit(table).score_samples(table)
    assert roc_auc_score(np.arange(515) >= 500, -scores) > 0.99


def test__score_samples__outliers_that_lie_together__do_not_mask_one_another():
    table = correlated(1000, 0)
    table[:50] = 8 + 0.05 * correlated(50, 1)
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    assert roc_auc_score(np.arange(1000) < 50, -model.score_samples(table)) > 0.99


def test__score_samples__clump_in_rows_with_missing_cells__has_the_lowest_scores():
    table = correlated(600, 0)
    table[:24] = 4 + 0.05 * correlated(24, 1)
    table[np.random.default_rng(0).random(table.shape) < 0.2] = np.nan
    scores = detector().fit(table).score_samples(table)
    assert roc_auc_score(np.arange(600) < 24, -scores) > 0.99


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("seed", range(4))
def test__explain__clump__names_the_columns_that_set_it_apart(seed, missing):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(600, 6))
    table[:24, [1, 4]] += 12
    table[rng.random(table.shape) < missing] = np.nan
    contributions = detector().fit(table).explain(table[:24])
    has_both = ~np.isnan(table[:24, [1, 4]]).any(axis=1)
    names = np.sort(contributions[has_both].argsort(axis=1)[:, -2:]) == [1, 4]
    assert names.all(axis=1).mean() >= (1 if missing == 0 else 0.9)


def test__score_samples__rows_of_fit__score_as_new_ones_do():
    """Each is among those that rows are compared with, but not with itself."""
    model = AutoencoderAnomalyDetector(contamination=0.1, random_state=0)
    model.fit(correlated(600, 0))
    new = model.predict(correlated(2000, 1)) == -1
    assert new.mean() == pytest.approx(0.1, abs=0.05)


def test__score_samples__row_that_breaks_a_relation_between_columns__is_odd():
    """Each cell for itself is ordinary."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1000))
    table = np.c_[a, a + 0.1 * rng.normal(size=1000), b, b**2]
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    broken = [[1.0, -1.0, 0.5, 0.25], [1.0, 1.0, 0.2, 3.0]]
    usual = [[1.0, 1.0, 0.5, 0.25], [-0.5, -0.5, 1.0, 1.0]]
    assert model.score_samples(broken).max() < model.score_samples(usual).min()
    assert_array_equal(model.predict(broken), -1)


def test__score_samples__unit_of_a_column__does_not_matter():
    unit = 4.0 ** np.arange(-4, 4)  # of two: others would round differently
    model, other = detector().fit(X), detector().fit(X * unit)
    assert_allclose(model.score_samples(X), other.score_samples(X * unit), rtol=1e-4)


# Explanations


@pytest.mark.parametrize("n_estimators", [1, 3])
def test__explain__contributions__sum_to_minus_the_score(n_estimators):
    model = detector(n_estimators=n_estimators).fit(X)
    contributions = model.explain(X_CANCER[:, :8])
    assert contributions.shape == (len(X_CANCER), 8)
    assert (contributions >= 0).all()
    assert_allclose(
        contributions.sum(axis=1), -model.score_samples(X_CANCER[:, :8]), rtol=1e-5
    )


@pytest.mark.slow
def test__explain__moved_cell__comes_first():
    train, test = train_test_split(X_CANCER[Y_CANCER == 1], random_state=0)
    model = AutoencoderAnomalyDetector(random_state=0).fit(train)
    rng = np.random.default_rng(0)
    columns = rng.integers(train.shape[1], size=len(test))
    moved = test.copy()
    moved[np.arange(len(test)), columns] = X_CANCER.max(axis=0)[columns]
    odd = model.predict(moved) == -1
    assert odd.mean() > 0.1
    assert (model.explain(moved[odd]).argmax(axis=1) == columns[odd]).mean() > 0.8


def test__explain__expected__follows_from_the_other_cells():
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    table = np.c_[a, 2 * a + 5, -a, rng.normal(size=2000)]
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    moved = table[:100].copy()
    moved[:, 1] = 12.0
    contributions, expected = model.explain(moved, return_expected=True)
    assert (contributions.argmax(axis=1) == 1).mean() > 0.8
    error = np.abs(expected[:, 1] - table[:100, 1])
    assert np.median(error) < 0.5
    assert expected.shape == moved.shape


def test__explain__frame__gives_frames_with_its_names():
    frame = pd.DataFrame(mixed_cells())
    model = detector().fit(frame)
    contributions, expected = model.explain(frame[3:9], return_expected=True)
    for table in (contributions, expected):
        assert list(table.columns) == list(frame.columns)
        assert list(table.index) == list(frame.index[3:9])
    assert set(expected["colour"]) <= set(frame["colour"])
    assert contributions.dtypes.unique() == [np.float64]


def test__explain__polars__gives_polars():
    frame = pl.DataFrame(mixed_cells())
    contributions, expected = detector().fit(frame).explain(frame, return_expected=True)
    assert isinstance(contributions, pl.DataFrame)
    assert isinstance(expected, pl.DataFrame)
    assert contributions.columns == expected.columns == frame.columns


@pytest.mark.slow
def test__missing_cells__go_in(numbers_with_gaps):
    model = AutoencoderAnomalyDetector(random_state=0).fit(numbers_with_gaps)
    scores = model.score_samples(numbers_with_gaps)
    assert np.isfinite(scores).all()
    assert_allclose(model.explain(numbers_with_gaps).sum(axis=1), -scores, rtol=1e-5)
    assert (
        not model.explain(numbers_with_gaps)[numbers_with_gaps.isna()]
        .gt(0)
        .all(axis=None)
    )


@pytest.mark.slow
def test__categories__contradiction__is_odd_and_explained(people):
    model = AutoencoderAnomalyDetector(random_state=0).fit(people)
    rows = people[(people["relationship"] == "Husband") & (people["sex"] == "Male")]
    swapped = rows.assign(sex="Female")
    falls = model.score_samples(swapped) < model.score_samples(rows)
    assert falls.mean() > 0.95
    first = model.explain(swapped).idxmax(axis=1)
    assert first.isin(["sex", "relationship"]).mean() > 0.8


def test__categories__unseen__are_odd():
    frame = pd.DataFrame(mixed_cells()).fillna({"colour": "grey"})
    model = detector().fit(frame)
    unseen = frame.assign(colour="violet")
    falls = model.score_samples(unseen) < model.score_samples(frame)
    assert falls.mean() > 0.95
    assert (model.explain(unseen)["colour"] > model.explain(frame)["colour"]).all()


@pytest.mark.parametrize(
    "params",
    [
        {"scaling": "quantile"},
        {"scaling": "minmax"},
        {"scaling": None},
        {"loss": nn.SmoothL1Loss(reduction="none")},
        {"architecture": TorchModule(Linear), "n_components": 3},
    ],
    ids=["quantile", "minmax", "unscaled", "loss", "module"],
)
def test__autoencoder__of_other_kinds__finds_the_moved_row(params):
    moved = X.copy()
    moved[5, 2] = 10 * X[:, 2].max()
    model = detector(small(**params)).fit(moved)
    assert model.score_samples(moved).argsort().argsort()[5] < 15
    assert model.explain(moved[5:6]).argmax() == 2


def test__categories__rare_one__does_not_outweigh_all_columns():
    """A thousand rows of the other one do not make its score a thousand times lower."""
    frame = pd.DataFrame(correlated(3000, 0)).rename(columns=str)
    frame["kind"] = "usual"
    frame.loc[17, "kind"] = "rare"
    model = detector().fit(frame)
    assert -1000 < model.score_samples(frame)[17] < -1
    unseen = frame[:50].assign(kind="unseen")
    assert (model.score_samples(unseen) > -1000).all()


def test__missing__row_without_any_cell__scores_0():
    model = detector().fit(np.where(np.arange(8) == 2, np.nan, X))
    row = np.full((1, 8), np.nan)
    assert model.score_samples(row) == 0
    assert_array_equal(model.explain(row), 0)


# What the distances compare, and how they add up


@cache
def net_of_colours_and_sizes():
    kind = np.random.default_rng(0).integers(3, size=90)
    colours = np.array(["red", "blue", "grey"])[kind]
    rows = pd.DataFrame({"colour": colours, "size": kind + 0.5})
    return AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(rows).net_


def encode(codes):
    """Return an encoded row of an ordinary size for the code of each colour."""
    X = torch.tensor([[code, 0.0] for code in codes])
    with torch.inference_mode():
        encoded, reconstructed = encode_and_reconstruct(net_of_colours_and_sizes(), X)
    assert encoded.shape == reconstructed.shape
    return encoded


def test__encoded_cells__table_with_categories__counts_numbers_first():
    cells, n_numbers = encoded_cells(net_of_colours_and_sizes(), 2)
    assert n_numbers == 1
    # The size, three colours, and the colours that were not there in `fit`.
    assert cells.tolist() == [0, 1, 1, 1, 1]
    assert len(cells) == encode([0.0]).shape[1]


def test__encode__unknown_category__is_as_far_from_all_others_as_these():
    unknown, *known = encode([-1.0, 0.0, 1.0, 2.0])
    apart = torch.stack([(unknown - other).norm() for other in known])
    among = (known[0] - known[1]).norm()
    torch.testing.assert_close(apart, among.expand(3), rtol=0.2, atol=0)


def test__encode__missing_category__has_only_missing_indicators():
    (row,) = encode([float("nan")])
    assert torch.isnan(row).tolist() == [False, True, True, True, True]


@pytest.mark.parametrize(("distance", "weight"), enumerate([0.5, 1.5, 0.9]))
def test__weigh__distances_below_the_median__hardly_count(distance, weight):
    distances = np.ones((3, 3))
    distances[:, distance] = [0.5, 1.0, 3.0]
    below, at, above = weigh(distances)
    assert at - below == pytest.approx(weight * 0.05)
    assert above - at == pytest.approx(weight * 2.0)


def _with_gaps_and_categories():
    """Return rows of every kind, some of them equal to others."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(correlated(200, 0, 4), columns=list("abcd"))
    frame.insert(1, "kind", rng.choice(["x", "y", None], 200))
    frame["flag"] = rng.random(200) < 0.2
    frame.loc[rng.random(200) < 0.2, "b"] = np.nan
    frame.loc[150:] = frame.loc[100:149].to_numpy()
    return frame.astype({"flag": bool, **dict.fromkeys("abcd", float)})


@pytest.mark.parametrize("n_rows", [1, 3, 200])
@pytest.mark.parametrize("kind", ["numbers", "gaps", "categories"])
def test__explain__share__is_at_least_what_the_score_loses_without_the_cell(
    kind, n_rows
):
    table = pd.DataFrame(correlated(200, 0, 4), columns=list("abcd"))
    rng = np.random.default_rng(0)
    if kind == "gaps":
        table = table.mask(rng.random(table.shape) < 0.1)
    if kind == "categories":  # none of them rare
        table["kind"] = rng.choice(["x", "y", "z"], 200)
    model = detector().fit(table)
    rows = table[:n_rows]
    scores = model.score_samples(rows)
    gains = np.empty(rows.shape)
    for i, column in enumerate(table):
        gains[:, i] = model.score_samples(rows.assign(**{column: None})) - scores
    gains = np.where(rows.isna(), 0, gains.clip(min=0))
    # Where cells stand in for one another, they may lose more than there is.
    least = gains * np.fmin(1, -scores / gains.sum(axis=1).clip(min=1e-9))[:, None]
    contributions = model.explain(rows)
    assert (contributions >= least - 1e-3).to_numpy().all()
    assert not contributions[rows.isna()].any(axis=None)


def test__explain__ordinary_rows__split_their_score_by_the_cells():
    """No ordinary row is explained by all cells alike, and few by a single one."""
    X = correlated(300, 0)
    model = detector().fit(X)
    ordinary = X[model.score_samples(X) > np.median(model.score_samples(X))]
    contributions = model.explain(ordinary)
    shares = contributions / contributions.sum(axis=1, keepdims=True)
    assert (np.ptp(shares, axis=1) > 0.01).all()
    assert np.median((shares > 0).sum(axis=1)) > 2


@pytest.mark.parametrize("n_numbers", [1, 5])
def test__explain__cell_of_an_outlier__leaves_no_share_to_ordinary_cells(n_numbers):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 1 + n_numbers))
    model = detector().fit(table)
    outliers = table[:20].copy()
    outliers[:, 0] = 50.0
    contributions = model.explain(outliers)
    assert (contributions[:, 0] > 0.9 * contributions.sum(axis=1)).all()


@pytest.mark.parametrize("table", [correlated(200, 0), _with_gaps_and_categories()])
def test__explain__many_rows__are_explained_as_each_alone(table):
    """Many share what does not depend on the cell that is left out."""
    model = detector().fit(table)
    together = np.asarray(model.explain(table))
    alone = [np.asarray(model.explain(table[i : i + 1])) for i in range(0, 200, 5)]
    # Shares of ordinary rows are small differences of their distances.
    atol = 1e-5 * together.sum(axis=1).max()
    assert_allclose(together[::5], np.concatenate(alone), rtol=1e-6, atol=atol)
