"""How well numbers are predicted: the pre-trained regressor beside scikit-learn's.

Run ``python tests/benchmarks/bench_targets.py`` for the tables "Targets that are
numbers" of docs/benchmarks.md. Of each table at most 10,000 rows, 30 % of them to
predict; all other rows are at hand, and the targets of 50, of a tenth, or of all of
them. Cells are shares of explained variance (R2), at least -1. Files are read from the
folder that SKLEARN_AE_DATA names; without it, the tables of scikit-learn remain.
"""

import argparse
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_speed import describe_machine
from known_runs import KnownRuns
from labelled_tables import raw_columns
from real_data import DATA
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderPretrainedRegressor

# The target, and columns that are left out.
FILES = {
    "adult": ("hours_per_week", ["split"]),
    "german_credit": ("credit_amount", []),
    "auto_imports": ("price", []),
    "more/mpg": ("mpg", ["name"]),
    "more/diamonds": ("price", []),
    "more/taxis": ("fare", ["pickup", "dropoff", "total", "tip", "tolls"]),
    "more/titanic": (
        "fare",
        ["alive", "class", "who", "adult_male", "deck", "embark_town", "alone"],
    ),
    "more/penguins": ("body_mass_g", []),
}
MOST_ROWS = 10_000
LABELS = {"50": 50, "10 %": 0.1, "100 %": 1.0}
SEEDS = range(3)
KEYS = ["table", "labels", "method", "seed"]


def tables():
    """Return the rows and targets of tables, by name."""
    found = {}
    for name, (target, left_out) in FILES.items():
        path = DATA / f"{name}.csv.gz"
        if path.exists():
            X = pd.read_csv(path).dropna(subset=[target])
            names = X.columns[X.columns.str.lower() == target]
            y = X.pop(names[0]).to_numpy(float)
            found[name] = X.drop(columns=left_out), y
    found["diabetes"] = datasets.load_diabetes(return_X_y=True, scaled=False)
    wine = datasets.load_wine().data
    found["wine, alcohol"] = wine[:, 1:], wine[:, 0]
    found["Friedman 1"] = datasets.make_friedman1(3_000, noise=1.0, random_state=0)
    found["Friedman 2"] = datasets.make_friedman2(3_000, noise=100.0, random_state=0)
    return found


def with_columns(X, regressor):
    """Return a regressor behind standardised numbers and indicators."""
    pipeline = make_pipeline(raw_columns(X), regressor)
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def categorical(X):
    """Return a frame whose text is categories."""
    if not isinstance(X, pd.DataFrame):
        return X
    text = X.columns[[X[name].dtype.kind not in "iuf" for name in X]]
    return X.astype(dict.fromkeys(text, "category"))


def methods(X, seed):
    """Return the regressors by name."""
    return {
        "pre-trained": AutoencoderPretrainedRegressor(random_state=seed),
        "Ridge": with_columns(X, RidgeCV(np.logspace(-3, 3, 13))),
        "HistGradientBoosting": HistGradientBoostingRegressor(
            categorical_features="from_dtype", random_state=seed
        ),
        "MLPRegressor": with_columns(X, MLPRegressor(random_state=seed)),
    }


def measure(X, y, labels, method, seed):
    """Return the explained variance, and the seconds of the fit, by name."""
    X = categorical(X)
    index = np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS]
    train, test = train_test_split(index, test_size=0.3, random_state=seed)
    rows = X.iloc if isinstance(X, pd.DataFrame) else X
    X_train, X_test = rows[train], rows[test]
    n_labels = labels if labels > 1 else max(20, round(labels * len(train)))
    is_known = np.arange(len(train)) < n_labels
    target = np.where(is_known, y[train], np.nan)
    regressor = methods(X_train, seed)[method]
    if method != "pre-trained":
        X_train, target = X_train[is_known], target[is_known]
    start = time.process_time()
    predicted = regressor.fit(X_train, target).predict(X_test)
    seconds = time.process_time() - start
    return {"R2": max(-1.0, r2_score(y[test], predicted)), "seconds": seconds}


def main(arguments=None):
    """Print a line for each table, and means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--results", type=Path)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    describe_machine()
    known = KnownRuns(options.results, KEYS)
    for name, (X, y) in tables().items():
        for labels, n_labels in LABELS.items():
            if name not in (options.tables or [name]) or n_labels > 0.5 * len(y):
                continue
            for method in methods(X, 0):
                for seed in range(options.seeds):
                    keys = dict(zip(KEYS, (name, labels, method, seed), strict=True))
                    function = partial(measure, X, y, n_labels, method, seed)
                    known.measure(function, **keys)
    print_tables(known.frame())


def print_tables(runs):
    """Print scores with standard errors, their means, and the seconds."""
    order = list(runs["method"].unique())
    groups = runs.groupby(["table", "labels", "method"], sort=False)["R2"]
    cells = (
        groups.mean().round(2).astype(str) + " ± " + groups.sem().round(2).astype(str)
    )
    print(cells.unstack()[order].to_markdown())
    means = groups.mean().unstack()[order].groupby("labels", sort=False).mean()
    print(means.round(3).to_markdown())
    seconds = runs.groupby(["labels", "method"], sort=False)["seconds"].median()
    print(seconds.unstack()[order].round(1).to_markdown())


if __name__ == "__main__":
    main()
