"""Extreme cells that several rows share, as codes for missing cells."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from tests.anomaly.helpers import detector, small


def table(seed, n_rows, n_numbers, column, cell):
    """Return a frame of 400 rows, and in which of them a cell is the same."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 12, size=400).round(),
            "colour": rng.choice([*"pqrst"], size=400),
            "shape": rng.choice([*"klmn"], size=400),
            **{f"x{i}": rng.normal(size=400) for i in range(n_numbers)},
        }
    )
    is_outlier = np.isin(np.arange(400), rng.permutation(400)[:n_rows])
    frame.loc[is_outlier, column] = cell
    return frame, is_outlier


def fit(frame):
    ae = small(n_components=frame.shape[1], scaling="robust", max_epochs=20)
    return detector(ae).fit(frame)


@pytest.mark.parametrize("n_rows", [1, 5, 28])
@pytest.mark.parametrize("code", [-999.0, 9999.0, 99999.0])
@pytest.mark.parametrize("n_numbers", [0, 2])
def test__extreme_number__that_rows_share__is_found_and_explained(
    n_rows, code, n_numbers
):
    frame, is_outlier = table(n_rows, n_rows, n_numbers, "age", code)
    model = fit(frame)
    scores = model.score_samples(frame)
    assert roc_auc_score(is_outlier, -scores) > 0.99
    contributions = model.explain(frame[is_outlier])
    assert_allclose(contributions.sum(axis=1), -scores[is_outlier], rtol=1e-5)
    assert (contributions.idxmax(axis=1) == "age").all()
    share = contributions["age"] / contributions.sum(axis=1)
    assert share.median() > 0.9


@pytest.mark.parametrize("n_rows", [1, 5, 28])
def test__extreme_number__that_rows_share__hides_no_ordinary_row(n_rows):
    frame, is_outlier = table(0, n_rows, 2, "age", -999.0)
    is_found = fit(frame).predict(frame) == -1
    assert is_found[is_outlier].mean() > 0.9
    assert is_found[~is_outlier].mean() < 0.03


@pytest.mark.parametrize("n_rows", [1, 5])
@pytest.mark.parametrize("n_numbers", [0, 3])
def test__rare_category__that_rows_share__is_found(n_rows, n_numbers):
    frame, is_outlier = table(0, n_rows, n_numbers, "colour", "ERR")
    assert roc_auc_score(is_outlier, -fit(frame).score_samples(frame)) > 0.9


def test__rare_category__beside_a_less_rare_one__is_found_as_well():
    frame, is_outlier = table(0, 3, 3, "colour", "ERR")
    rarest = np.flatnonzero(is_outlier)[0]
    frame.loc[rarest, "colour"] = "ERR2"
    scores = fit(frame).score_samples(frame)
    assert (scores[rarest] < scores[~is_outlier]).mean() > 0.95
    assert roc_auc_score(is_outlier, -scores) > 0.95


@pytest.mark.parametrize("n_rows", [1, 5, 28])
@pytest.mark.parametrize("n_numbers", [0, 3])
def test__rare_category__that_rows_share__is_explained(n_rows, n_numbers):
    frame, is_outlier = table(0, n_rows, n_numbers, "colour", "ERR")
    contributions = fit(frame).explain(frame[is_outlier])
    assert (contributions.idxmax(axis=1) == "colour").mean() > 0.7
    share = contributions["colour"] / contributions.sum(axis=1)
    assert share.median() > 0.7


def test__explain__categories_that_are_all_rare__shares_out_the_score():
    """With as many categories as this, most rows share one with others."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({c: rng.integers(40, size=300).astype(str) for c in "abc"})
    model = fit(frame)
    total = model.explain(frame[:50]).sum(axis=1)
    assert_allclose(total, -model.score_samples(frame[:50]), rtol=1e-5)
