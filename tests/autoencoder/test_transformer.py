"""The estimator refuses latents that it cannot decode, and rows before `fit`."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_ae import AutoencoderTransformer
from tests.helpers import X_WINE


def make(**params):
    defaults = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        (np.zeros((3, 5)), "X has 5 columns.* n_components_=2 columns"),
        (np.zeros(2), "Expected 2D array, got 1D"),
        (np.zeros((0, 2)), "0 sample"),
        ([[np.nan, 0]], "contains NaN"),
        ([[np.inf, 0]], "contains infinity"),
        ([["a", "b"]], "could not convert string to float: 'a'"),
    ],
)
def test__inverse_transform__unusable_codes__are_refused(Z, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X_WINE).inverse_transform(Z)


@pytest.mark.parametrize(
    "method",
    ["transform", "inverse_transform", "reconstruct", "score_samples", "score"],
)
def test__inference__before_fit__says_to_fit(method):
    with pytest.raises(NotFittedError, match="Call 'fit'"):
        getattr(make(), method)(X_WINE)
