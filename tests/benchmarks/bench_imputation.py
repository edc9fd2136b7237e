"""Deleted cells of real tables, filled by AutoencoderImputer and other imputers.

Run ``python tests/benchmarks/bench_imputation.py`` for the tables of
docs/benchmarks.md. The tables with categories are read from the folder in the
environment variable SKLEARN_AE_DATA; without it, only tables of numbers are used.
MIDAS2 takes part if the package midasverse-midas is installed. ``--results runs.csv``
keeps the scores of each run: those that are in the file already are not repeated. What
each part of the imputer contributes is measured by bench_ablation.py.
"""

import argparse
import time
import warnings
from functools import partial
from pathlib import Path

import labelled_tables
import numpy as np
import pandas as pd
import sklearn
import torch
from bench_frames import read
from bench_speed import describe_machine
from known_runs import KnownRuns
from real_data import DATA
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from sklearn_ae import AutoencoderImputer

try:
    from midas2 import MIDAS
except ImportError:
    MIDAS = None

NUMERIC = {"wine": load_wine, "breast_cancer": load_breast_cancer}
MIXED = ["adult", "german_credit", "auto_imports"]
CLASSES = [
    f"more/{name}"
    for name in ("ecoli", "glass", "letter", "mpg", "segment", "vehicle", "vowel")
]
MAX_ROWS = 5_000
MIDAS_DRAWS = 25
NAMES = {"rmse": "RMSE", "accuracy": "accuracy"}
# More settings than this are counted, not named.
MOST_NAMED = 6
HOLES = ["10 %", "30 %", "50 %", "30 %, not at random"]


def load(name):
    """Return the columns of a table without its target, of at most so many rows."""
    if name in NUMERIC:
        return NUMERIC[name](as_frame=True).data
    if name in CLASSES:
        X = pd.DataFrame(labelled_tables.load(name)[0]).select_dtypes("number")
        return X.iloc[:MAX_ROWS].astype(float)
    X = read(name)
    if len(X) > MAX_ROWS:
        X = X.sample(MAX_ROWS, random_state=0, ignore_index=True)
    return X


def tables():
    """Return the names of the tables at hand."""
    mixed, classes = (
        [name for name in names if (DATA / f"{name}.csv.gz").exists()]
        for names in (MIXED, CLASSES)
    )
    return [*mixed, *NUMERIC, *classes]


def numbers_of(X):
    """Return the names of the columns of numbers."""
    return X.select_dtypes("number").columns


def make_holes(X, kind, seed):
    """Return a mask of the cells to delete.

    If they are not drawn at random, the largest value of a column is three times as
    likely to be deleted as the smallest. Categories count as large in a random order.
    """
    rng = np.random.default_rng(seed)
    rate = float(kind.partition(" ")[0]) / 100
    holes = np.zeros(X.shape, dtype=bool)
    for j, name in enumerate(X):
        column, observed = X[name], X[name].notna().to_numpy()
        size = np.zeros(len(X))
        if kind.endswith("not at random"):
            if name not in numbers_of(X):
                levels = np.sort(column.dropna().unique())
                sizes = rng.permutation(np.linspace(0, 1, len(levels)))
                column = column.map(dict(zip(levels, sizes, strict=True)))
                size = column.fillna(0).to_numpy(float)
            else:
                size = column.rank(pct=True).fillna(0).to_numpy()
        odds = 1 + 2 * size
        holes[:, j] = rng.random(len(X)) < rate * odds / odds[observed].mean()
        holes[:, j] &= observed
        if (holes[:, j] == observed).all():
            holes[np.flatnonzero(observed)[0], j] = False
    return holes


def scores(X, filled, holes):
    """Return the RMSE of numbers in standard deviations, and the accuracy."""
    numbers = X.columns.isin(numbers_of(X))
    errors = (filled[numbers_of(X)] - X[numbers_of(X)]) / X[numbers_of(X)].std(ddof=0)
    right = (filled.loc[:, ~numbers] == X.loc[:, ~numbers]).to_numpy()
    squared = errors.to_numpy(float)[holes[:, numbers]] ** 2
    right = right[holes[:, ~numbers]]
    # A constant column has no unit.
    return np.sqrt(np.nanmean(squared)), right.mean() if len(right) else np.nan


class Blocks:
    """A frame as one array: numbers, and a block of indicators for each category.

    Each column of the frame has the mean 0 and, over its block, the variance 1.
    `n_left_out` of the indicators of each block are left out.
    """

    def __init__(self, X, n_left_out=0):
        self.X, self.n_left_out = X, n_left_out
        self.parts = {}
        for name in X:
            block = X[[name]]
            if name not in numbers_of(X):
                block = pd.get_dummies(X[name], dtype=float)
                block[X[name].isna()] = np.nan
                block = block.iloc[:, n_left_out:]
            scale = np.sqrt(block.var(ddof=0).sum()) or 1.0
            self.parts[name] = block, block.mean(), scale

    def encode(self):
        """Return the array."""
        parts = [(block - mean) / scale for block, mean, scale in self.parts.values()]
        return np.hstack(parts)

    def decode(self, Z):
        """Return the frame, its missing cells filled from an array without any."""
        filled, start = self.X.copy(), 0
        for name, (block, mean, scale) in self.parts.items():
            stop = start + block.shape[1]
            values = Z[:, start:stop] * scale + mean.to_numpy()
            if name in numbers_of(self.X):
                values = values[:, 0]
            else:
                levels = np.sort(self.X[name].dropna().unique())
                rest = 1 - values.sum(axis=1, keepdims=True)
                values = np.hstack([rest] * self.n_left_out + [values])
                values = levels[values.argmax(axis=1)]
            filled[name] = self.X[name].where(self.X[name].notna(), values)
            start = stop
        return filled


def fill_simply(X, seed):
    """Fill in means and most frequent categories."""
    filled, numbers = X.copy(), numbers_of(X)
    for strategy, names in (
        ("mean", numbers),
        ("most_frequent", X.columns.difference(numbers)),
    ):
        if len(names):
            imputer = SimpleImputer(strategy=strategy)
            filled[names] = imputer.fit_transform(X[names].to_numpy())
    return filled


def fill_blocks(imputer, X, n_left_out=0):
    """Fill the array of numbers and indicators."""
    blocks = Blocks(X, n_left_out)
    return blocks.decode(imputer.fit_transform(blocks.encode()))


def fill_with_trees(X, seed):
    """Fill cells by extremely randomised trees, in five rounds, as MissForest does."""
    trees = ExtraTreesRegressor(50, max_features="sqrt", random_state=seed)
    return fill_blocks(IterativeImputer(trees, max_iter=5, random_state=seed), X)


def fill_with_midas(X, seed):
    """Fill in the mean of the draws of MIDAS, which does not scale columns itself."""
    numbers = numbers_of(X)
    mean, scale = X[numbers].mean(), X[numbers].std().replace(0, 1)
    scaled = X.astype(object)
    scaled[numbers] = (X[numbers] - mean) / scale
    scaled = scaled.astype(dict.fromkeys(numbers, float))
    midas = MIDAS()
    midas.fit(scaled, seed=seed, verbose=False)
    drawn = sum(midas.transform(m=MIDAS_DRAWS, revert_cols=False)) / MIDAS_DRAWS
    drawn.index, filled = X.index, X.copy()
    for name in X:
        if name in numbers:
            values = drawn[name] * scale[name] + mean[name]
        else:
            levels = np.sort(X[name].dropna().unique())
            if len(levels) == 2:
                values = levels[(drawn[name] > 0).astype(int)]
            else:
                shares = drawn[[f"{name}_{level}" for level in levels]].to_numpy()
                values = levels[shares.argmax(axis=1)]
        filled[name] = X[name].where(X[name].notna(), values)
    return filled


def with_ae(**params):
    """Return a function that fills a frame with AutoencoderImputer."""

    def fill_with_ae(X, seed):
        return AutoencoderImputer(random_state=seed, **params).fit_transform(X)

    return fill_with_ae


METHODS = {
    "AutoencoderImputer": with_ae(),
    "SimpleImputer": fill_simply,
    "KNNImputer": lambda X, seed: fill_blocks(KNNImputer(), X),
    "IterativeImputer": lambda X, seed: fill_blocks(
        IterativeImputer(random_state=seed), X
    ),
    "IterativeImputer, one indicator less": lambda X, seed: fill_blocks(
        IterativeImputer(random_state=seed), X, n_left_out=1
    ),
}
METHODS["IterativeImputer, trees"] = fill_with_trees
if MIDAS is not None:
    METHODS["MIDAS2"] = fill_with_midas


def fill(method, X, kind, seed):
    """Return the scores of a method that fills holes of a kind, and its seconds."""
    holes = make_holes(X, kind, seed)
    with_holes = X.mask(holes)
    start = time.process_time()
    filled = method(with_holes, seed)
    seconds = time.process_time() - start
    rmse, accuracy = scores(X, filled, holes)
    return {"rmse": rmse, "accuracy": accuracy, "seconds": seconds}


def run(methods, tables, kinds, seeds, path):
    """Return a frame with a row of scores for each run."""
    keys = ["method", "table", "holes", "seed"]
    known = KnownRuns(path, keys)
    for method, table in ((m, t) for m in methods for t in tables):
        X = load(table)
        for kind, seed in ((k, s) for k in kinds for s in seeds):
            key = dict(zip(keys, (method, table, kind, seed), strict=True))
            known.measure(partial(fill, methods[method], X, kind, seed), **key)
    runs = known.frame()
    wanted = {"method": methods, "table": tables, "holes": kinds, "seed": seeds}
    for column, values in wanted.items():
        runs = runs[runs[column].isin(list(values))]
    return runs.sort_values(
        keys, key=lambda column: column.map(list(wanted[column.name]).index)
    )


def both(rmse, accuracy, *errors):
    """Return the text of both scores, with their standard errors if given."""
    parts = [f"{rmse:.3f}", f"{accuracy:.1%}"]
    if errors:
        parts = [f"{rmse:.3f} ± {errors[0]:.3f}", f"{accuracy:.1%} ± {errors[1]:.1%}"]
    return " / ".join(parts[: 1 if np.isnan(accuracy) else 2])


def print_table(heads, rows):
    """Print a table in Markdown; columns of scores are aligned to the right."""
    print(f"\n| {' | '.join(heads)} |")
    texts = {"table", "deleted", "seconds", "better than", "not in"}
    print("|" + "".join("---|" if head in texts else "--:|" for head in heads))
    for row in rows:
        print(f"| {' | '.join(row)} |")


def print_scores(runs):
    """Print the means over the seeds, and what they are over the kinds of holes."""
    methods, scores = list(runs["method"].unique()), ["rmse", "accuracy"]
    groups = runs.groupby(["table", "holes", "method"], sort=False)[scores].mean()
    cells = groups.apply(lambda row: both(*row), axis=1).unstack()[methods]
    rows = [
        [*index, *row] for index, row in zip(cells.index, cells.to_numpy(), strict=True)
    ]
    print_table(["table", "deleted", *methods], rows)
    parts = {name: [name] for name in runs["table"].unique()}
    parts["the three mixed tables"] = MIXED
    rows = []
    for name, tables in parts.items():
        chosen = runs[runs["table"].isin(tables)]
        of_seed = chosen.groupby(["method", "seed"])[scores].mean()
        mean = of_seed.groupby("method").mean()
        error = of_seed.groupby("method").sem()
        rows.append([name, *(both(*mean.loc[m], *error.loc[m]) for m in methods)])
    print_table(["table", *methods], rows)
    seconds = (
        runs.groupby(["table", "method"], sort=False)["seconds"].median().unstack()
    )
    rows = [
        [name, *(f"{row[m]:.2f}" for m in methods)] for name, row in seconds.iterrows()
    ]
    print_table(["seconds", *methods], rows)
    print_wins(groups, methods)


def print_wins(groups, methods):
    """Print how often the first method is better than each other one, and where not."""
    rows = []
    for other in methods[1:]:
        ours, theirs = (groups.xs(m, level="method") for m in (methods[0], other))
        better = {
            "rmse": (ours < theirs)["rmse"],
            "accuracy": (ours > theirs)["accuracy"][ours["accuracy"].notna()],
        }
        counts = [f"{won.sum()} of {len(won)}" for won in better.values()]
        where = [
            f"{NAMES[score]} of {table}, {kind}"
            for score, won in better.items()
            for table, kind in won.index[~won]
        ]
        if len(where) > MOST_NAMED:
            where = [f"{len(where)} settings, see above"]
        rows.append([other, *counts, "; ".join(where)])
    print_table(["better than", "RMSE", "accuracy", "not in"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    describe_machine()
    print(f"scikit-learn {sklearn.__version__}, pandas {pd.__version__}")
    print_scores(run(METHODS, tables(), HOLES, range(3), arguments.results))
