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


def read_mixed(name):
    """Return a table of numbers and text as a frame.

    The real one where it is at hand, else one of scikit-learn: ten of its columns are
    cut into ranges, cells are taken out, and text says which class each row is in.
    """
    path = DATA / f"{name}.csv.gz"
    if path.exists():
        # These codes of four digits begin with 0: read as numbers, they lose it.
        text = {f"lesion_type_{i}": str for i in (1, 2, 3)}
        return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    data = load_breast_cancer(as_frame=True)
    table = data.data.mask(np.random.default_rng(0).random(data.data.shape) < 0.05)
    for column in table.columns[:10]:
        ranges = pd.qcut(table[column], 6).astype(str)
        table[column] = ranges.where(table[column].notna(), None)
    return table.assign(diagnosis=data.target_names[data.target])


@pytest.fixture(params=["adult", "german_credit", "horse_colic", "auto_imports"])
def real_table(request):
    """A table of numbers and text, of at most 2,000 rows."""
    return read_mixed(request.param)[:2000]


@pytest.fixture(scope="session")
def census():
    """5,000 people, or what stands in for them."""
    return read_mixed("adult")[:5000].drop(columns="split", errors="ignore")
