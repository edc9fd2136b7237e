"""Fitted estimators to draw, and figures closed after each test."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from sklearn_ae import AutoencoderAnomalyDetector
from tests.displays.helpers import X_DIGITS, make


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def ae():
    return make().fit(X_DIGITS)


@pytest.fixture(scope="module")
def detector():
    return AutoencoderAnomalyDetector(make(), random_state=0).fit(X_DIGITS)
