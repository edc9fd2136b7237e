"""Docstrings of the classifier and the regressor, put together from shared parts."""

import inspect
import re

import pytest

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderPretrainedRegressor

ESTIMATORS = [AutoencoderPretrainedClassifier, AutoencoderPretrainedRegressor]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test__docstring__parameters__are_those_of_the_signature_in_its_order(estimator):
    doc = inspect.getdoc(estimator)
    section = doc.partition("Parameters\n---")[2].partition("\n\nAttributes\n")[0]
    documented = re.findall(r"^(\w+) : ", section, flags=re.MULTILINE)
    assert documented == list(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test__docstring__any__has_no_part_left_to_fill(estimator):
    assert not re.search(r"^\{\w+\}$", inspect.getdoc(estimator), flags=re.MULTILINE)
