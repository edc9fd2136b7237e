"""The measures that the default command compares, and its PCA."""

import numpy as np
import pandas as pd
import pytest

from sklearn_ae._cli.measures import (
    Line,
    StandardizedPCA,
    matched_accuracy,
    scales_of,
    squared_errors,
    wrong_shares,
)


@pytest.mark.parametrize(
    ("autoencoder", "pca", "lower_wins", "better"),
    [
        (0.2, 0.3, True, "autoencoder"),
        (0.2, 0.3, False, "PCA"),
        (0.9501, 0.9502, False, "tie"),
    ],
)
def test__line__better__follows_the_printed_digits(
    autoencoder, pca, lower_wins, better
):
    assert Line("measure", autoencoder, pca, lower_wins).better == better


def test__matched_accuracy__renamed_clusters__is_one():
    assert matched_accuracy([0, 0, 1, 2], [2, 2, 0, 1]) == 1
    assert matched_accuracy([0, 0, 1, 1], [0, 0, 0, 0]) == 0.5


def test__squared_errors__missing_cells_and_constant_columns__do_not_count():
    rows = pd.DataFrame({"a": [-1.0, 1.0, np.nan], "b": 7.0})
    X = pd.DataFrame({"a": [np.nan, 3.0], "b": 7.0})
    errors = squared_errors(X, 0 * X.fillna(0), scales_of(rows))
    np.testing.assert_array_equal(errors, [9.0, np.nan])


def test__squared_errors__column_means__have_error_one():
    X = pd.DataFrame(np.random.default_rng(0).normal(3, 5, size=(50, 4)))
    means = pd.DataFrame(np.broadcast_to(X.mean(), X.shape))
    np.testing.assert_allclose(squared_errors(X, means, scales_of(X)), 1)


def test__wrong_shares__missing_cells__do_not_count():
    X = pd.DataFrame({"a": ["x", "y", None, None], "b": [True, False, True, True]})
    restored = pd.DataFrame({"a": list("xxxx"), "b": [True] * 4})
    assert wrong_shares(X, restored).to_dict() == {"a": 0.5, "b": 0.25}


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


def test__pca__all_components__restores_observed_cells(mixed):
    restored = StandardizedPCA(8, random_state=0).fit(mixed).reconstruct(mixed)
    numbers = list("abc")
    observed = mixed[numbers].notna().to_numpy()
    np.testing.assert_allclose(
        restored[numbers].to_numpy()[observed], mixed[numbers].to_numpy()[observed]
    )
    categories = ["colour", "open"]
    assert (wrong_shares(mixed[categories], restored[categories]) == 0).all()


def test__pca__columns_without_missing_cells__count_equally(mixed):
    """However many categories a column has: each has variance 1 as a whole."""
    mixed = mixed.dropna()
    latents = StandardizedPCA(8, random_state=0).fit(mixed).transform(mixed)
    np.testing.assert_allclose(latents.var(axis=0).sum(), mixed.shape[1])


def test__pca__category_that_fit_did_not_see__counts_as_missing(mixed):
    pca = StandardizedPCA(2, random_state=0).fit(mixed)
    unknown, missing = mixed.assign(colour="mauve"), mixed.assign(colour=None)
    np.testing.assert_array_equal(pca.transform(unknown), pca.transform(missing))
