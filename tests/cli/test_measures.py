"""The measures that the default command compares, and its PCA."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sklearn_ae._autoencoder.encoded_columns import EncodedColumns
from sklearn_ae._cli.measures import (
    EncodedPCA,
    Line,
    join_lines,
    line_of_clusters,
    line_of_rows,
    squared_errors,
    wrong_cells,
)
from sklearn_ae._tables.encoder import TableEncoder


def fit_columns(X, scaling="standard"):
    encoder = TableEncoder(scaling=scaling)
    return EncodedColumns(encoder.fit(encoder.check(X, reset=True)))


def coins(share, n=400, seed=0):
    return (np.random.default_rng(seed).random(n) < share).astype(float)


@pytest.mark.parametrize(
    ("share", "other", "best"),
    [(0.2, 0.8, ["b"]), (0.8, 0.2, ["a"]), (0.5, 0.51, ["a", "b"])],
)
@pytest.mark.parametrize("lower_wins", [True, False])
def test__line__best__is_ahead_by_two_standard_errors(share, other, best, lower_wins):
    rows = {"a": coins(share, seed=1), "b": coins(other, seed=2)}
    if lower_wins:
        rows = {name: 1 - row for name, row in rows.items()}
    line = line_of_rows("accuracy", rows, lower_wins)
    assert line.best() == best
    assert line.verdict() == (best[0] if len(best) == 1 else "tie")


def test__line__small_but_certain_difference__is_no_tie():
    """Errors that go up and down together say more than each of them."""
    noise = np.random.default_rng(0).normal(size=300)
    line = line_of_rows("error", {"a": noise + 0.02, "b": noise}, lower_wins=True)
    assert line.best() == ["b"]


def test__line__two_of_three_level__both_are_named():
    rows = {"a": coins(0.9, seed=1), "b": coins(0.2), "c": coins(0.9, seed=2)}
    assert line_of_rows("accuracy", rows).verdict() == "tie: a, c"


def test__line__rows_that_say_nothing__do_not_count():
    row = np.array([1.0, np.nan, 0.0, 1.0])
    assert line_of_rows("accuracy", {"a": row}).values["a"] == pytest.approx(2 / 3)


def test__joined_lines__simplest_of_those_that_are_level__comes_first():
    lines = [
        line_of_rows("first", {"a": coins(0.5), "b": coins(0.9, seed=1)}),
        line_of_rows("second", {"a": coins(0.9, seed=2), "b": coins(0.6)}),
    ]
    assert join_lines(lines).best() == [("first", "b"), ("second", "a")]


def test__clusters__renamed__are_as_good__and_random_ones_worse():
    rng = np.random.default_rng(0)
    classes = rng.integers(3, size=200)
    clusters = {
        "random": rng.integers(3, size=200),
        "same": classes,
        "renamed": (classes + 1) % 3,
    }
    line = line_of_clusters("NMI", clusters, classes, seed=0)
    assert line.values["same"] == line.values["renamed"] == pytest.approx(1)
    assert line.best() == ["same", "renamed"]


def test__squared_errors__missing_cells_and_constant_columns__do_not_count():
    X = pd.DataFrame({"a": [-1.0, 1.0, np.nan], "b": 7.0, "c": [1.0, 2.0, 4.0]})
    errors = squared_errors(fit_columns(X), X, X.fillna(0) * 0, X.columns)
    assert errors["b"].isna().all()
    assert errors["a"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("scaling", ["standard", "auto"])
def test__squared_errors__column_means__have_error_one(scaling):
    X = load_digits(as_frame=True).data
    columns = fit_columns(X, scaling)
    means = pd.DataFrame(np.broadcast_to(X.mean(), X.shape), columns=X.columns)
    errors = squared_errors(columns, X, means, X.columns)
    assert_allclose(errors.mean(axis=None), 1, rtol=1e-3)


def test__wrong_cells__missing_cells__do_not_count():
    X = pd.DataFrame({"a": ["x", "y", None, None], "b": [True, False, True, True]})
    restored = pd.DataFrame({"a": list("xxxx"), "b": [True] * 4})
    assert wrong_cells(X, restored).mean().to_dict() == {"a": 0.5, "b": 0.25}


@pytest.fixture
def mixed():
    """Numbers and categories, of which some cells are missing."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(3, 5, size=(60, 3)), columns=list("abc"))
    X["colour"] = rng.choice(["red", "green", "blue"], len(X), p=[0.6, 0.3, 0.1])
    X["open"] = pd.array(rng.random(len(X)) < 0.3, dtype="boolean")
    X.loc[::5, ["b", "colour"]] = None
    X.loc[1::5, "open"] = None
    return X


def fit_pca(X, n_components=8):
    return EncodedPCA(fit_columns(X), n_components, random_state=0).fit(X)


def test__pca__numbers__is_that_of_standardised_columns():
    X = load_digits(as_frame=True).data
    expected = PCA(5, random_state=0).fit_transform(StandardScaler().fit_transform(X))
    assert_allclose(np.abs(fit_pca(X, 5).transform(X)), np.abs(expected), atol=1e-2)


def test__pca__all_components__restores_observed_cells(mixed):
    restored = fit_pca(mixed).reconstruct(mixed)
    numbers, categories = list("abc"), ["colour", "open"]
    observed = mixed[numbers].notna().to_numpy()
    assert_allclose(
        restored[numbers].to_numpy()[observed],
        mixed[numbers].to_numpy()[observed],
        atol=1e-4,
    )
    wrong = wrong_cells(mixed[categories], restored[categories])
    assert (wrong.mean() == 0).all()


def test__pca__columns_without_missing_cells__count_equally(mixed):
    """However many categories a column has: each has variance 1 as a whole."""
    mixed = mixed.dropna()
    latents = fit_pca(mixed).transform(mixed)
    assert_allclose(latents.var(axis=0).sum(), mixed.shape[1], rtol=1e-3)


def test__pca__category_that_fit_did_not_see__counts_as_missing(mixed):
    pca = fit_pca(mixed, 2)
    unknown, missing = mixed.assign(colour="mauve"), mixed.assign(colour=None)
    assert_array_equal(pca.transform(unknown), pca.transform(missing))


def test__line__is_printed_without_its_rows():
    assert "samples" not in repr(Line("accuracy", {}, {}, 1.0))
