"""Frames of mixed columns: memory of `fit`, and what is restored of real tables.

Run ``python tests/benchmarks/bench_frames.py`` for the tables of docs/benchmarks.md.
The real tables are read from the folder in the environment variable SKLEARN_AE_DATA,
as NAME.csv.gz; without them, only memory is measured. ``--pull`` shows instead how
strongly the weights of small tables had better be drawn back.
"""

import argparse
import subprocess
import sys

import numpy as np
import pandas as pd
import torch
from bench_speed import WATCH_MEMORY, describe_machine
from real_data import DATA
from sklearn.model_selection import KFold, train_test_split

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._autoencoder.encoded_columns import EncodedColumns
from sklearn_ae._cli.measures import EncodedPCA
from sklearn_ae._net import build

# Columns that are left out: targets, numbers of the rows, what is known afterwards.
TABLES = {
    "adult": ["income", "split"],
    "german_credit": ["credit_risk"],
    "auto_imports": ["price"],
    "horse_colic": ["outcome", "surgical_lesion", "hospital_number", "cp_data"],
}
LESIONS = ["lesion_type_1", "lesion_type_2", "lesion_type_3"]

MEMORY_SCRIPT = """
import pandas as pd

rng = np.random.default_rng(0)
n_rows, kind = int(sys.argv[1]), sys.argv[2]
hidden = rng.standard_normal((n_rows, 4), dtype=np.float32)
columns = {}
for i in range(10):
    columns[f"number {i}"] = hidden @ rng.standard_normal(4)
for i, n_levels in enumerate([2, 3, 5, 8, 10, 20, 40, 60, 80, 100]):
    place = hidden @ rng.standard_normal(4, dtype=np.float32)
    codes = np.clip(n_levels * (place / 8 + 0.5), 0, n_levels - 1).astype(np.int8)
    levels = [f"level {j}" for j in range(n_levels)]
    columns[f"category {i}"] = pd.Categorical.from_codes(codes, levels)
del hidden
X = pd.DataFrame(columns)
del columns
size = 0
if kind == "polars":
    import polars
    X = polars.from_pandas(X).with_columns(polars.selectors.categorical().cast(str))
    size = X.estimated_size()
elif kind != "category":
    dtype = {"object": object, "str": "str", "Arrow": "string[pyarrow]"}[kind]
    X = X.astype({name: dtype for name in X if name.startswith("category")})
size = size or X.memory_usage(deep=True).sum()
AutoencoderTransformer(4, max_epochs=1).fit(X[:2000])
before = status("VmRSS")
done, peak = False, [before]
thread = threading.Thread(target=watch)
thread.start()
start = time.perf_counter()
AutoencoderTransformer(max_epochs=1, random_state=0).fit(X)
seconds = time.perf_counter() - start
done = True
thread.join()
print(size / 2**20, before, peak[0], seconds)
"""


def bench_memory(n_rows):
    """Print the memory of `fit` beside that of a frame of 10 and 10 columns."""
    print("\n| frame of | frame | needed on top | in all, of the frame | s |")
    print("|---|--:|--:|--:|--:|")
    for kind in ("category", "str", "object", "Arrow", "polars"):
        command = [
            sys.executable,
            "-c",
            WATCH_MEMORY + MEMORY_SCRIPT,
            str(n_rows),
            kind,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        size, before, peak, seconds = map(float, result.stdout.split())
        print(
            f"| {kind} | {size:.0f} MB | {peak - before:.0f} MB "
            f"| {1 + (peak - before) / size:.1f} times | {seconds:.0f} |",
            flush=True,
        )


def errors(X, restored, scales):
    """Return the squared error of numbers and the share of categories restored."""
    numbers = scales.index
    squared = ((restored[numbers] - X[numbers]) / scales) ** 2
    others = X.columns.difference(numbers)
    observed = X[others].notna().to_numpy()
    right = (restored[others] == X[others]).to_numpy()
    return np.nanmean(squared.to_numpy()), right[observed].mean()


def read(name):
    """Return the columns of a table without its targets."""
    path = DATA / f"{name}.csv.gz"
    text = dict.fromkeys(LESIONS, str) if name == "horse_colic" else None
    X = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=text)
    X = X.drop(columns=TABLES[name])
    return X.astype(dict.fromkeys(X.select_dtypes("number"), float))


def bench_round_trip():
    """Print what the autoencoder and PCA restore of rows that they have not seen."""
    print("\n| table | rows | columns | k | numbers | PCA | categories | PCA | s |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in TABLES:
        X = read(name)
        for n_components in (None, 2 * X.shape[1]):
            scores = []
            for seed in range(3):
                train, test = train_test_split(X, test_size=0.2, random_state=seed)
                ae = AutoencoderTransformer(n_components, random_state=seed).fit(train)
                columns = EncodedColumns(ae.table_encoder_)
                pca = EncodedPCA(columns, ae.n_components_, seed).fit(train)
                numbers = X.columns[~ae.is_categorical_]
                scales = X[numbers].std()
                parts = [errors(test, m.reconstruct(test), scales) for m in (ae, pca)]
                seconds = sum(row["dur"] for row in ae.history_)
                scores.append([*np.transpose(parts).ravel(), seconds])
            ours, pca, right, pca_right, seconds = np.mean(scores, axis=0)
            print(
                f"| {name} | {len(train):,} | {X.shape[1]} | {ae.n_components_} "
                f"| {ours:.3f} | {pca:.3f} | {right:.1%} | {pca_right:.1%} "
                f"| {seconds:.1f} |",
                flush=True,
            )


def bench_pull():
    """Print the loss of held-out rows for weights drawn back with other strengths."""
    adult = read("adult")
    tables = {
        "german_credit": read("german_credit"),
        "auto_imports": read("auto_imports"),
        "adult, 2,000 rows": adult.sample(2000, random_state=0),
        "adult, 300 rows": adult.sample(300, random_state=1),
    }
    rule = build.default_pull
    print("\n| table | not at all | columns | 4 x columns | columns and categories |")
    print("|---|--:|--:|--:|--:|")
    for name, X in tables.items():
        n_columns = X.shape[1]
        strengths = {
            "not at all": lambda n_rows, width: 0.0,
            "columns": lambda n_rows, width, d=n_columns: rule(n_rows, d),
            "4 x columns": lambda n_rows, width, d=n_columns: rule(n_rows, 4 * d),
            "rule": rule,
        }
        cells = []
        for strength in strengths.values():
            build.default_pull = strength
            folds = KFold(3, shuffle=True, random_state=0).split(X)
            losses = [
                -AutoencoderTransformer(random_state=0)
                .fit(X.iloc[train])
                .score(X.iloc[test])
                for train, test in folds
            ]
            cells.append(f"{np.mean(losses):.3f}")
        build.default_pull = rule
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pull", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    describe_machine()
    has_tables = all((DATA / f"{name}.csv.gz").exists() for name in TABLES)
    if arguments.pull and has_tables:
        bench_pull()
    elif not arguments.pull:
        bench_memory(1_000_000)
        if has_tables:
            bench_round_trip()
