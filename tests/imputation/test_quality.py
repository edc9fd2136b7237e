"""How close filled cells are to the true ones."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.impute import SimpleImputer

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae.noise import GaussianNoise, HidingNoise, MaskingNoise, SwapNoise
from tests.helpers import delete
from tests.imputation.helpers import make, rmse
from tests.real_tables import read_mixed


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test__transform__numbers_of_scikit_learn__is_closer_than_the_mean(load):
    X = load().data
    with_gaps, gone = delete(X, 0.3)
    imputer = make(max_epochs=20).fit(with_gaps)
    simple = SimpleImputer().fit_transform(with_gaps)
    assert rmse(imputer.transform(with_gaps), X, gone) < 0.85 * rmse(simple, X, gone)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["breast_cancer", "german_credit", "auto_imports", "adult"]
)
def test__transform__numbers_and_categories__is_closer_than_the_simplest(name):
    X = read_mixed(name)[:1000]
    with_gaps, gone = delete(X, 0.3)
    got = make(max_epochs=20).fit(with_gaps).transform(with_gaps)
    numeric = X.select_dtypes("number").columns
    here = X.columns.isin(numeric)
    mean = with_gaps[numeric].fillna(with_gaps[numeric].mean())
    errors = [rmse(table[numeric], X[numeric], gone[:, here]) for table in (got, mean)]
    assert errors[0] < errors[1]
    text = X.columns[~here]
    mode = with_gaps[text].fillna(with_gaps[text].mode().iloc[0])
    right = [
        (table[text] == X[text]).to_numpy()[gone[:, ~here]] for table in (got, mode)
    ]
    assert right[0].mean() > right[1].mean()


@pytest.mark.slow
def test__transform__curved_dependence__is_better_than_a_linear_model():
    """Points on a parabola: no linear model knows anything about the other column."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 1000)
    X = np.c_[x, x**2, x**2 + rng.normal(scale=0.1, size=1000)]
    with_gaps = X.copy()
    with_gaps[:300, 1:] = np.nan
    got = make(max_epochs=60).fit(with_gaps).transform(with_gaps)
    left = np.mean((got - X)[:300, 1] ** 2) / X[:, 1].var()
    assert left < 0.5


def test__transform__columns_of_noise__get_mean_and_most_frequent_category():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=2000),
            "b": rng.normal(size=2000),
            "coin": rng.choice(["x", "y"], 2000, p=[0.7, 0.3]),
        }
    )
    with_gaps, gone = delete(X, 0.2)
    got = make(max_epochs=10).fit(with_gaps).transform(with_gaps)
    assert got.a[gone[:, 0]].std() < 0.15
    assert (got.coin[gone[:, 2]] == "x").mean() > 0.97


# Cells that are missing for a reason


def _noisy_copies(n_rows=4000):
    """Return a column and two noisy copies of it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n_rows)
    return x[:, None] + rng.normal(size=(n_rows, 3)) * [0.0, 0.5, 0.5]


@pytest.mark.slow
def test__transform__cells_missing_depending_on_another_column__hardly_biased():
    X = _noisy_copies()
    rng = np.random.default_rng(1)
    gone = rng.random(len(X)) < 1 / (1 + np.exp(-2 * X[:, 0]))
    holed = X.copy()
    holed[gone, 1] = np.nan
    filled = AutoencoderImputer(random_state=0).fit_transform(holed)[gone, 1]
    truth = X[gone, 1].mean()
    assert abs(filled.mean() - truth) < 0.1 < truth - np.nanmean(holed[:, 1])


@pytest.mark.slow
def test__draw__cells_missing_together__depend_on_one_another():
    X = _noisy_copies(2000)
    X[:, 1] = X[:, 0] + 0.2 * (X[:, 1] - X[:, 0])
    rng = np.random.default_rng(1)
    X[rng.random(len(X)) < 0.2, 1] = np.nan
    together = rng.random(len(X)) < 0.3
    X[together, :2] = np.nan
    imputer = AutoencoderImputer(random_state=0, n_estimators=1, n_draws=1).fit(X)
    (drawn,) = imputer.draw(X)
    # That of all rows is 0.995.
    assert np.corrcoef(drawn[together, :2].T)[0, 1] > 0.95


@pytest.mark.parametrize(
    "noise", [None, GaussianNoise(), HidingNoise(), MaskingNoise(), SwapNoise()]
)
def test__fit__complete_table__trains_with_any_noise(noise):
    """The cells that the imputer hides are then the first that are missing."""
    X = _noisy_copies(100)
    autoencoder = AutoencoderTransformer(2, noise=noise, max_epochs=3)
    holed = X.copy()
    holed[0, 0] = np.nan
    assert np.isfinite(AutoencoderImputer(autoencoder).fit(X).transform(holed)).all()
