"""Shrinkage, learnt from cells that are hidden in training."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from tests.helpers import delete
from tests.imputation.helpers import FRAME, make


def test__shrinkage__function_of_another_column__is_near_1():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    sign = np.where(x > 0, "up", "down")
    X = pd.DataFrame({"x": x, "double": 2 * x + 1, "sign": sign})
    assert make(max_epochs=5).fit(X).shrinkage_.min() > 0.8


def test__shrinkage__wrong_predictions_of_noise__fills_in_means():
    """The autoencoder was trained on columns that depend on one another."""
    x = np.random.default_rng(0).normal(size=(2000, 1))
    ae = AutoencoderTransformer(1, max_epochs=3, random_state=0).fit(x @ [[1, 1, 1]])
    noise = np.random.default_rng(1).normal(size=(2000, 3))
    imputer = AutoencoderImputer(FrozenEstimator(ae), random_state=0).fit(noise)
    missing = np.random.default_rng(2).random(noise.shape) < 0.2
    filled = imputer.transform(np.where(missing, np.nan, noise))[missing]
    assert np.sqrt(np.mean(filled**2)) < 0.2


def test__shrinkage__cells_taken_out_with_the_same_seed__is_learnt_from_others():
    """The same random numbers would hide no cell but those that are missing already."""
    X, _ = correlated()
    spreads = [
        np.std([table - X for table in make(max_epochs=2).fit(gaps).draw(gaps)])
        for gaps in (delete(X, 0.2, seed=0)[0], delete(X, 0.2, seed=1)[0])
    ]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)


def correlated(n_rows=3000, rho=0.8):
    """Return normal rows of three columns that depend on a common one."""
    rng = np.random.default_rng(0)
    covariance = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
    return rng.multivariate_normal(np.zeros(3), covariance, n_rows), covariance


def test__shrinkage__frame__can_be_indexed_by_name():
    imputer = deepcopy(make().fit(FRAME))
    for i, name in enumerate(imputer.feature_names_in_):
        assert imputer.shrinkage_[name] == imputer.shrinkage_[i]


def test__shrinkage__array__names_are_refused_and_positions_are_not():
    shrinkage = make().fit(correlated(50)[0]).shrinkage_
    assert shrinkage.shape == (3,)
    with pytest.raises(KeyError, match="position"):
        shrinkage["height"]


def test__shrinkage__before_fit__is_no_attribute():
    assert not hasattr(AutoencoderImputer(), "shrinkage_")
