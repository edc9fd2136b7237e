"""Size and seconds of save and load beside pickle and skops; speed of onnxruntime.

``python tests/benchmarks/bench_persistence.py`` prints the tables of the documentation:
sizes in kB, and medians of milliseconds of the processor.
"""

import argparse
import pickle
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io as sio
from real_data import DATA
from sklearn.datasets import load_digits

from sklearn_ae import (
    TRUSTED_TYPES,
    AutoencoderAnomalyDetector,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
    load,
    save,
    to_onnx,
)


def median(function, n_times, n_calls=1):
    """Return the median of the milliseconds that a call takes."""
    seconds = []
    for _ in range(n_times):
        start = time.process_time()
        for _ in range(n_calls):
            function()
        seconds.append((time.process_time() - start) / n_calls)
    return 1000 * statistics.median(seconds)


def measure_files(name, estimator, n_times):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        writing = median(lambda: save(estimator, path), n_times)
        reading = median(lambda: load(path), n_times)
        size = path.stat().st_size
    cells = [f"{size / 1e3:,.0f}, {writing:.1f}, {reading:.1f}"]
    for dump, read in (
        (pickle.dumps, pickle.loads),
        (sio.dumps, partial(sio.loads, trusted=TRUSTED_TYPES)),
    ):
        content = dump(estimator)
        writing = median(partial(dump, estimator), n_times)
        reading = median(partial(read, content), n_times)
        cells.append(f"{len(content) / 1e3:,.0f}, {writing:.1f}, {reading:.1f}")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measure_graph(name, estimator, method, rows, n_times):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = to_onnx(estimator, check=False)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    cells = []
    # A single call for one row is as short as what the processor does in between.
    for n_rows, n_calls in ((1, 100), (10_000, 1)):
        some = np.resize(rows, (n_rows, rows.shape[1]))
        predict = partial(getattr(estimator, method), some)
        own = median(predict, n_times, n_calls)
        graph = partial(session.run, None, {"X": some})
        other = median(graph, n_times, n_calls)
        cells += [f"{own:.2f}", f"{other:.2f}"]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    n_times = parser.parse_args().times
    digits, labels = load_digits(return_X_y=True)
    adult = pd.read_csv(DATA / "adult.csv.gz")
    fitted = {
        "transformer, digits": AutoencoderTransformer(random_state=0).fit(digits),
        "classifier, digits": AutoencoderPretrainedClassifier(random_state=0).fit(
            digits, labels
        ),
        "detector, digits": AutoencoderAnomalyDetector(random_state=0).fit(digits),
        "detector, adult": AutoencoderAnomalyDetector(random_state=0).fit(adult),
    }
    print("\n| estimator | save, load | pickle | skops |\n|---|--:|--:|--:|")
    for name, estimator in fitted.items():
        measure_files(name, estimator, n_times)
    head = "| estimator | 1 row | ONNX | 10,000 rows | ONNX |"
    print(f"\n{head}\n|---|--:|--:|--:|--:|")
    methods = {"transformer": "transform", "classifier": "predict_proba"}
    methods["detector"] = "score_samples"
    for name in [n for n in fitted if n.endswith("digits")]:
        method = methods[name.partition(",")[0]]
        measure_graph(name, fitted[name], method, digits, n_times)


if __name__ == "__main__":
    main()
