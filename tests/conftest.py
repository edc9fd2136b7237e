"""Settings that have to be made before SciPy is imported, and data for the tests."""

import os

# Without it scikit-learn skips its check of array API input.
os.environ["SCIPY_ARRAY_API"] = "1"

import pytest

from tests.helpers import CONTAINERS
from tests.real_tables import made_up_people, read_mixed, read_numbers


@pytest.fixture(params=["breast_cancer", "horse_colic"])
def numbers_with_gaps(request):
    """A frame of numbers of which a fifth is missing."""
    return read_numbers(request.param)


@pytest.fixture(
    params=["breast_cancer", "adult", "german_credit", "horse_colic", "auto_imports"]
)
def mixed_table(request):
    """A frame of numbers and text, of at most 2,000 rows."""
    return read_mixed(request.param)[:2000]


@pytest.fixture(params=["breast_cancer", "adult"])
def large_mixed_table(request):
    """A frame of numbers and text, at most 5,000 rows; the last column is a class."""
    return read_mixed(request.param)[:5000]


@pytest.fixture(params=["made_up", "adult"])
def people(request):
    """A frame of people: their role in a family, their sex, their age and more."""
    if request.param == "made_up":
        return made_up_people()
    return read_mixed(request.param)[:5000]


@pytest.fixture(params=CONTAINERS)
def container(request):
    """A function that makes a table of columns of cells."""
    return CONTAINERS[request.param]
