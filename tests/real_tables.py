"""Real tables, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

DATA = Path(
    os.environ.get("SKLEARN_AE_DATA", Path(__file__).parents[2] / "shared" / "data")
)


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
