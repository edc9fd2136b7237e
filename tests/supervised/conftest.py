"""A model of each kind, with its target."""

import pytest
from sklearn.base import clone

from tests.supervised.helpers import MODELS


@pytest.fixture(params=MODELS)
def model_and_y(request):
    model, y = MODELS[request.param]
    return clone(model), y
