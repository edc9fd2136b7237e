"""The regressor: several targets, units, missing targets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

from tests.supervised.helpers import (
    TARGET,
    X_CANCER,
    X_DIABETES,
    Y_DIABETES,
    X,
    regressor,
    small,
)


def test__predict__several_targets__are_each_told():
    y = X_CANCER[:, 20:23]
    train, test = np.split(np.arange(len(y)), [400])
    model = regressor(small(8, max_epochs=20), max_epochs=20)
    model.fit(X_CANCER[train, :20], y[train])
    predicted = model.predict(X_CANCER[test, :20])
    assert predicted.shape == (len(test), 3)
    errors = ((predicted - y[test]) ** 2).mean(axis=0)
    assert (errors < 0.5 * y[test].var(axis=0)).all()


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (-1, 2)])
def test__predict__target_of_any_shape__has_that_of_fit(shape):
    y = np.column_stack([TARGET, TARGET])[:, : shape[-1] if len(shape) > 1 else 1]
    y = y.reshape(shape)
    assert regressor().fit(X, y).predict(X[:7]).shape == (7, *y.shape[1:])


@pytest.mark.parametrize(("factor", "shift"), [(1000, 5), (1e-6, 0), (-3, 1e4)])
def test__predict__target_in_other_units__is_in_those_units(factor, shift):
    plain = regressor().fit(X, TARGET).predict(X)
    scaled = regressor().fit(X, TARGET * factor + shift).predict(X)
    assert_allclose(
        scaled, plain * factor + shift, atol=1e-4 * abs(factor) * TARGET.std()
    )


def test__predict__constant_target__is_that_constant():
    predicted = regressor(max_epochs=10).fit(X, np.full(len(X), 7.5)).predict(X)
    assert_allclose(predicted, 7.5, atol=1e-6)


def test__fit__targets_that_are_missing_in_turn__each_is_learnt():
    """A row counts for the targets that it has."""
    y = X_CANCER[:, 20:22].copy()
    expected = y.copy()
    y[::2, 0] = np.nan
    y[1::2, 1] = np.nan
    model = regressor(small(8, max_epochs=20), max_epochs=20).fit(X_CANCER[:, :20], y)
    errors = np.where(np.isnan(y), model.predict(X_CANCER[:, :20]) - expected, np.nan)
    assert (np.nanmean(errors**2, axis=0) < 0.5 * expected.var(axis=0)).all()


def test__score__diabetes__is_about_that_of_linear_regression():
    X_train, X_test, y_train, y_test = train_test_split(
        X_DIABETES, Y_DIABETES, random_state=0
    )
    linear = LinearRegression().fit(X_train, y_train).score(X_test, y_test)
    model = regressor(small(8, max_epochs=20), max_epochs=10).fit(X_train, y_train)
    assert model.score(X_test, y_test) > linear - 0.1
