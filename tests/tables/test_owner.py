"""Errors and warnings name the estimator in use, not the one that is inside of it."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.frozen import FrozenEstimator

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)

WINE = load_wine(as_frame=True)
DATES = WINE.data.assign(day=pd.Timestamp("2020-01-01"))
SMALL = AutoencoderTransformer(2, max_epochs=1, random_state=0)
FROZEN = FrozenEstimator(
    AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(WINE.data)
)

ESTIMATORS = [
    SMALL,
    AutoencoderAnomalyDetector(SMALL),
    AutoencoderImputer(SMALL),
    AutoencoderPretrainedClassifier(SMALL, max_epochs=1),
    AutoencoderPretrainedRegressor(SMALL, max_epochs=1),
]
HOLDERS = [type(estimator)(FROZEN, random_state=0) for estimator in ESTIMATORS[1:]]
METHODS = ["transform", "score_samples", "predict", "p_values", "explain"]


def label(estimator):
    return type(estimator).__name__ + " frozen" * _is_frozen(estimator)


def methods_of(estimator):
    return [name for name in METHODS if hasattr(estimator, name)]


@pytest.mark.parametrize("estimator", [*ESTIMATORS, *HOLDERS], ids=label)
def test__fit__column_of_dates__names_the_estimator_in_use(estimator):
    name = type(estimator).__name__
    X = (
        WINE.data.assign(ash=pd.Timestamp("2020-01-01"))
        if _is_frozen(estimator)
        else DATES
    )
    expected = "Column 'ash' held numbers" if _is_frozen(estimator) else f"{name} takes"
    with pytest.raises(ValueError, match=expected) as error:
        estimator.fit(X, WINE.target)
    _assert_names(error, name)


@pytest.mark.parametrize("estimator", HOLDERS, ids=label)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test__fit__frozen_autoencoder_of_other_columns__names_the_estimator_in_use(
    estimator,
):
    with pytest.raises(
        ValueError, match=f"{type(estimator).__name__} is expecting"
    ) as (error):
        estimator.fit(WINE.data.to_numpy()[:, :5], WINE.target)
    _assert_names(error, type(estimator).__name__)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=label)
def test__inference__other_columns__names_the_estimator_in_use(estimator):
    fitted = estimator.fit(WINE.data, WINE.target)
    name = type(estimator).__name__
    for method in methods_of(estimator):
        with pytest.raises(ValueError, match="feature names should match") as error:
            getattr(fitted, method)(WINE.data.iloc[:, ::-1])
        _assert_names(error, name)
        with (
            pytest.warns(UserWarning, match=f"{name} was fitted with feature names"),
            pytest.raises(ValueError, match=f"{name} is expecting 13") as error,
        ):
            getattr(fitted, method)(WINE.data.to_numpy()[:, :4])
        _assert_names(error, name)


def test__fit__rows_without_an_observed_cell__is_refused_before_training():
    X = np.full((10, 3), np.nan)
    with pytest.raises(ValueError, match="no observed cell"):
        AutoencoderTransformer(2).fit(X)


def _is_frozen(estimator):
    return isinstance(getattr(estimator, "autoencoder", None), FrozenEstimator)


def _assert_names(error, name):
    others = {type(estimator).__name__ for estimator in ESTIMATORS} - {name}
    assert not re.search("|".join(sorted(others)), str(error.value))
