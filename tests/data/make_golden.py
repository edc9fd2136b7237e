"""Write a file of each estimator, which all later releases have to read.

``python -m tests.data.make_golden RELEASE`` writes a folder of this name here, once for
each release; files of earlier ones are never written again. Beside each file stands
what the estimator said of some rows.
"""

import argparse
from pathlib import Path

import numpy as np

from sklearn_ae import save
from tests.persistence.helpers import ESTIMATORS, fitted, results, rows_for

HERE = Path(__file__).parent


def arrays_of(estimator):
    """Return the numbers among the results, by the names of the methods."""
    found = {}
    for name, values in results(estimator, rows_for(estimator)).items():
        table = values[0] if isinstance(values, list) else values
        if hasattr(table, "select_dtypes"):
            table = table.select_dtypes("number").to_numpy(dtype=float)
        if table.dtype.kind in "fiu":
            found[name] = table
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", help="such as 0.1.0")
    folder = HERE / parser.parse_args().release
    folder.mkdir(exist_ok=True)
    for name in ESTIMATORS:
        save(fitted(name), folder / f"{name}.safetensors")
        np.savez_compressed(folder / f"{name}.npz", **arrays_of(fitted(name)))


if __name__ == "__main__":
    main()
