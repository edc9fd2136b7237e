"""Tables of real rows: two made of scikit-learn's, and more from a folder of yours.

The environment variable SKLEARN_AE_DATA names that folder. A test that asks for a table
which is not there is skipped; the same test runs on a table that is always there.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer


def find_file(name):
    """Return the path of a file in the user's folder, or skip the test."""
    folder = os.environ.get("SKLEARN_AE_DATA")
    if not folder:
        pytest.skip(f"set SKLEARN_AE_DATA to a folder that holds {name}")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{path} does not exist: SKLEARN_AE_DATA should name its folder")
    return path


def read_numbers(name):
    """Return a frame of numbers of which a fifth is missing."""
    if name == "breast_cancer":
        table = load_breast_cancer(as_frame=True).data[:300]
        return table.mask(np.random.default_rng(0).random(table.shape) < 0.19)
    table = pd.read_csv(find_file(f"{name}.csv.gz")).select_dtypes("number")
    return table.drop(columns="hospital_number")


def read_mixed(name):
    """Return a frame of numbers and text.

    In that of scikit-learn ten columns are cut into ranges, cells are taken out, and
    text says which class each row is in.
    """
    if name != "breast_cancer":
        path = find_file(f"{name}.csv.gz")
        # These codes of four digits begin with 0: read as numbers, they lose it.
        text = {f"lesion_type_{i}": str for i in (1, 2, 3)}
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
        return table.drop(columns="split", errors="ignore")
    data = load_breast_cancer(as_frame=True)
    table = data.data.mask(np.random.default_rng(0).random(data.data.shape) < 0.05)
    for column in table.columns[:10]:
        ranges = pd.qcut(table[column], 6).astype(str)
        table[column] = ranges.where(table[column].notna(), None)
    return table.assign(diagnosis=data.target_names[data.target])


def made_up_people():
    """Return people that resemble those of adult: husbands are men, wives are not."""
    rng = np.random.default_rng(0)
    roles = np.array(["Husband", "Wife", "Own-child", "Unmarried"])
    role = roles[rng.choice(4, size=3000, p=[0.4, 0.1, 0.2, 0.3])]
    sex = np.where(rng.random(3000) < 0.5, "Male", "Female")
    sex = np.where(role == "Husband", "Male", np.where(role == "Wife", "Female", sex))
    age = rng.normal(45, 12, size=3000) - 22 * (role == "Own-child")
    hours = rng.normal(40, 10, size=3000)
    return pd.DataFrame(
        {"age": age, "relationship": role, "sex": sex, "hours_per_week": hours}
    )
