"""Settings that have to be made before SciPy is imported, and data for the tests."""

import os

# Without it scikit-learn skips its check of array API input.
os.environ["SCIPY_ARRAY_API"] = "1"

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

DATA = Path(
    os.environ.get("SKLEARN_AE_DATA", Path(__file__).parents[2] / "shared" / "data")
)


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
