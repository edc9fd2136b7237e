"""Settings that have to be made before SciPy is imported, and data for the tests."""

import os

# Without it scikit-learn skips its check of array API input.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from tests.helpers import CONTAINERS
from tests.real_tables import DATA, read_mixed


@pytest.fixture(scope="session")
def horses():
    """A table of numbers of which a fifth is missing, as a frame.

    The real one where it is at hand, else one of scikit-learn with cells taken out.
    """
    path = DATA / "horse_colic.csv.gz"
    if path.exists():
        table = pd.read_csv(path).select_dtypes("number")
        return table.drop(columns="hospital_number")
    table = load_breast_cancer(as_frame=True).data[:300]
    return table.mask(np.random.default_rng(0).random(table.shape) < 0.19)


@pytest.fixture(params=["adult", "german_credit", "horse_colic", "auto_imports"])
def real_table(request):
    """A table of numbers and text, of at most 2,000 rows."""
    return read_mixed(request.param)[:2000]


@pytest.fixture(scope="session")
def census():
    """5,000 people, or what stands in for them."""
    return read_mixed("adult")[:5000].drop(columns="split", errors="ignore")


@pytest.fixture(params=CONTAINERS)
def container(request):
    """A function that makes a table of columns of cells."""
    return CONTAINERS[request.param]
