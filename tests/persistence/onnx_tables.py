"""How far graphs of ONNX are from their estimators, on real tables.

``python -m tests.persistence.onnx_tables`` tries all tables of the folder that
SKLEARN_AE_DATA names, prints a line for each, and ends with the largest differences.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
    to_onnx,
)
from sklearn_ae._persistence.onnx_check import METHODS

MOST_ROWS = 3000
OUTPUTS = {
    "transformer": ["latents", "scores"],
    "classifier": ["label", "probabilities"],
    "regressor": ["prediction"],
    "detector": ["label", "scores"],
}
# Largest differences: of scores as a share of the value, of others of the value or 1,
# of labels the share of the rows that lie on a border.
LIMITS = {"scores": 1e-4, "label": 1e-3, "prediction": 1e-4}
LIMIT = 1e-5


def run(model, table):
    """Return the outputs of a graph for a table, by their names."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    inputs = session.get_inputs()
    if isinstance(table, np.ndarray):
        feed = {inputs[0].name: table}
    else:
        kinds = {"string": object, "int64": np.int64, "bool": bool}
        kinds |= {"float": np.float32, "double": np.float64}
        feed = {
            one.name: table.iloc[:, [i]].to_numpy().astype(kinds[one.type[7:-1]])
            for i, one in enumerate(inputs)
        }
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def read_tables(folder):
    """Yield (name, table, labels) of all tables in a folder, or of a file."""
    folder = Path(folder)
    for path in sorted(folder.glob("**/*")) if folder.is_dir() else [folder]:
        rng = np.random.default_rng(0)
        if path.suffix == ".npz":
            data = np.load(path)
            X, y = (data[key] for key in list(data)[:2])
            X = X.reshape(len(X), -1)
            some = rng.permutation(len(X))[:MOST_ROWS]
            yield path.stem, X[some], y[some]
        elif path.name.endswith(".csv.gz"):
            table = pd.read_csv(path).drop(columns="split", errors="ignore")
            table = table.sample(frac=1, random_state=0)[:MOST_ROWS]
            text = table.select_dtypes(exclude="number").columns
            times = [each for each in text if table[each].nunique() > 1000]
            table, text = table.drop(columns=times), text.drop(times)
            name = text[-1] if len(text) else table.columns[-1]
            labels = table.pop(name).astype(object).map(str).to_numpy()
            yield path.name.partition(".")[0], table, labels


def spoil(table):
    """Return new rows: cells are missing, and categories were not in `fit`."""
    rng = np.random.default_rng(1)
    holes = rng.random(table.shape) < 0.05
    if isinstance(table, np.ndarray):
        return np.where(holes, np.nan, table)
    table = table.copy()
    for i, name in enumerate(table):
        column = table[name]
        if column.dtype.kind == "b":
            continue
        if not pd.api.types.is_numeric_dtype(column):
            column = column.astype(object)
            column[rng.random(len(table)) < 0.02] = "no category"
        table[name] = column.mask(holes[:, i])
    return table


def make_estimators(labels):
    """Return estimators of all kinds that can be exported, trained in no time."""
    ae = AutoencoderTransformer(random_state=0, max_epochs=3)
    phases = {"max_epochs": 3, "random_state": 0}
    codes = np.unique(labels, return_inverse=True)[1]
    return {
        "transformer": (ae, None),
        "classifier": (AutoencoderPretrainedClassifier(ae, **phases), labels),
        "regressor": (AutoencoderPretrainedRegressor(ae, **phases), codes * 1.5),
        "detector": (AutoencoderAnomalyDetector(ae, random_state=0), None),
    }


def differences(estimator, table, outputs):
    """Return how far a graph is from an estimator, by the names of the outputs."""
    got = run(to_onnx(estimator, outputs=outputs, check=False), table)
    found = {}
    for name, values in got.items():
        expected = np.asarray(getattr(estimator, METHODS[name])(table))
        if name == "label":
            found[name] = float((values != expected).mean())
            continue
        least = 1e-30 if name == "scores" else 1
        expected = expected.reshape(values.shape)
        share = np.abs(values - expected) / np.maximum(least, np.abs(expected))
        # Of one row in a hundred, neighbours may be as near but for rounding.
        of_rows = 0.99 if name == "scores" else 1.0
        found[name] = float(np.quantile(share, of_rows))
    return found


def compare(table, labels, kinds=tuple(OUTPUTS)):
    """Return the differences of estimators of some kinds, fitted on half of a table."""
    half = len(table) // 2
    rows = spoil(table[half:])
    found = {}
    for kind in kinds:
        estimator, y = make_estimators(labels)[kind]
        estimator.fit(table[:half], *([] if y is None else [y[:half]]))
        for name, value in differences(estimator, rows, OUTPUTS[kind]).items():
            found[kind, name] = value
    return found


def check(found):
    """Assert that differences are within the limits."""
    for (kind, output), value in found.items():
        assert value <= LIMITS.get(output, LIMIT), (kind, output, value)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help="names of some tables")
    wanted = parser.parse_args().tables
    worst = {}
    for name, table, labels in read_tables(os.environ["SKLEARN_AE_DATA"]):
        if wanted and name not in wanted:
            continue
        found = compare(table, labels)
        cells = []
        for (kind, output), value in found.items():
            worst[kind, output] = max(worst.get((kind, output), 0), value)
            mark = " !" if value > LIMITS.get(output, LIMIT) else ""
            cells.append(f"{kind} {output} {value:.1e}{mark}")
        print(name, table.shape, *cells, sep=", ", flush=True)
    print("largest", *(f"{k} {o} {v:.1e}" for (k, o), v in worst.items()), sep=", ")


if __name__ == "__main__":
    main()
