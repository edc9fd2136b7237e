"""The worst of many seeds: predictors against the linear model and the whole training.

Run ``python tests/benchmarks/bench_worst_seed.py`` for real tables cut to 2,000 rows,
and for generated ones whose classes or targets depend on products of columns, with 40,
100 and all labels. The classifier and the regressor are compared with the ends of what
cross-validation chooses from: the linear model on the latents that they start from,
and the network that is trained for all its steps. A run fails if its accuracy on new
rows (R2 of a regressor) is below that of the better one by more than 0.03 and by more
than three standard errors of the paired difference, or if the log loss is above that of
the better one by more than 0.1. There are four divisions of each table, with a
pre-trained encoder each, and five draws of labels, folds and batches of each.

``--results runs.csv`` keeps what was measured: it is not measured again. Tables are
read from the folder in the environment variable SKLEARN_AE_DATA; without it, those that
come with scikit-learn remain. Everything runs on one thread.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from bench_labels import BUILT_IN, TABLES, UNLABELLED, hide_labels, load
from bench_speed import describe_machine
from real_data import DATA
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderPretrainedRegressor
from sklearn_ae._defaults import default_fine_tuning

MOST_ROWS = 2_000
LABELS = [40, 100, MOST_ROWS]
N_DIVISIONS, N_DRAWS = 4, 5
ALLOWED_ACCURACY, ALLOWED_LOG_LOSS, STANDARD_ERRORS = 0.03, 0.1, 3
KEYS = ["table", "labels", "seed"]


class Table(NamedTuple):
    """Rows to learn from and rows to predict."""

    X: np.ndarray | pd.DataFrame
    X_test: np.ndarray | pd.DataFrame
    y: np.ndarray
    y_test: np.ndarray


def products(n_columns, n_factors, noise, rng):
    """Return the signs of a product of some of many normal columns, with noise."""
    X = rng.normal(size=(2 * MOST_ROWS, n_columns))
    y = X[:, :n_factors].prod(axis=1) + noise * rng.normal(size=len(X))
    return X, (y > 0).astype(int)


def beside_noise(make, n_columns, rng):
    """Return a generated table, beside columns that say nothing."""
    X, y = make(2 * MOST_ROWS, random_state=int(rng.integers(2**31)))
    return np.c_[X, rng.normal(size=(len(X), n_columns))], y


def moons(n_rows, random_state):
    """Return two half moons."""
    return datasets.make_moons(n_rows, noise=0.15, random_state=random_state)


def circles(n_rows, random_state):
    """Return two circles, one inside the other."""
    return datasets.make_circles(
        n_rows, noise=0.08, factor=0.6, random_state=random_state
    )


def linear(rng):
    """Return classes that a linear model tells apart, as far as noise lets it."""
    X = rng.normal(size=(2 * MOST_ROWS, 30))
    y = X @ rng.normal(size=30) + 2 * rng.normal(size=len(X))
    return X, (y > 0).astype(int)


def sklearn_table(make, **params):
    """Return a function that draws a table by one of scikit-learn's generators."""
    return lambda rng: make(
        n_samples=2 * MOST_ROWS, random_state=int(rng.integers(2**31)), **params
    )


def product_target(rng):
    """Return a target that is the product of two of ten columns."""
    X = rng.normal(size=(2 * MOST_ROWS, 10))
    return X, X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=len(X))


def linear_target(rng):
    """Return a target that is linear in many columns."""
    X = rng.normal(size=(2 * MOST_ROWS, 30))
    return X, X @ rng.normal(size=30) + 4 * rng.normal(size=len(X))


def read_target(name, target):
    """Return a function that reads a table and takes out the column to predict."""

    def read(rng):
        table = pd.read_csv(DATA / name, keep_default_na=False, na_values=[""])
        y = np.log(table.pop(target).to_numpy(float))
        return table, y

    return read


CLASSES = {
    "moons": lambda rng: beside_noise(moons, 0, rng),
    "moons, noise": lambda rng: beside_noise(moons, 8, rng),
    "circles": lambda rng: beside_noise(circles, 0, rng),
    "circles, noise": lambda rng: beside_noise(circles, 3, rng),
    "quantiles of 6": sklearn_table(
        datasets.make_gaussian_quantiles, n_features=6, n_classes=2
    ),
    "quantiles of 10": sklearn_table(
        datasets.make_gaussian_quantiles, n_features=10, n_classes=3
    ),
    "product of 2": lambda rng: products(10, 2, 0, rng),
    "product of 3": lambda rng: products(6, 3, 0, rng),
    "product, noise": lambda rng: products(10, 2, 0.5, rng),
    "hastie": sklearn_table(datasets.make_hastie_10_2),
    "blobs": sklearn_table(
        datasets.make_classification, n_informative=6, n_classes=3, flip_y=0.05
    ),
    "linear": linear,
}
TARGETS = {
    "friedman1": sklearn_table(datasets.make_friedman1, noise=1.0),
    "friedman2": sklearn_table(datasets.make_friedman2, noise=100.0),
    "friedman3": sklearn_table(datasets.make_friedman3, noise=0.1),
    "sparse": sklearn_table(datasets.make_sparse_uncorrelated),
    "product target": product_target,
    "linear target": linear_target,
    "diabetes": lambda rng: datasets.load_diabetes(return_X_y=True),
    "auto_imports": read_target("auto_imports.csv.gz", "price"),
    "german amount": read_target("german_credit.csv.gz", "credit_amount"),
}
IN_FILES = {"auto_imports", "german amount"}


def take(rows, indices):
    """Return some rows of an array or a frame."""
    return rows.iloc[indices] if isinstance(rows, pd.DataFrame) else rows[indices]


def draw(name, division):
    """Return a table: at most 2,000 rows to learn from and as many to predict."""
    rng = np.random.default_rng([division, 17])
    if name in CLASSES or name in TARGETS:
        X, y = (CLASSES | TARGETS)[name](rng)
        if name in CLASSES:
            y = np.unique(y, return_inverse=True)[1]
        stratify = y if name in CLASSES else None
        parts = train_test_split(
            X,
            y,
            test_size=max(0.3, 1 - MOST_ROWS / len(y)),
            stratify=stratify,
            random_state=division,
        )
    else:
        parts = load(name, division)
    X, X_test, y, y_test = parts
    kept = rng.permutation(len(y))[:MOST_ROWS]
    # What adult's own split or 30 % of a large table leaves over is predicted, too.
    tested = rng.permutation(len(y_test))[:MOST_ROWS]
    return Table(take(X, kept), take(X_test, tested), y[kept], y_test[tested])


def hide(table, name, n_labels, seed):
    """Return the targets with so many left."""
    if n_labels >= len(table.y):
        return table.y
    if name not in TARGETS:
        return hide_labels(table.y, n_labels, seed)
    y = table.y.astype(float).copy()
    y[np.random.default_rng(seed).permutation(len(y))[n_labels:]] = np.nan
    return y


def make_model(name, autoencoder=None, **params):
    """Return the predictor of a table."""
    if name in TARGETS:
        return AutoencoderPretrainedRegressor(autoencoder, **params)
    return AutoencoderPretrainedClassifier(
        autoencoder, unlabeled_label=UNLABELLED, **params
    )


def losses_of(model, table):
    """Return how good each prediction of a new row is, and its log loss or NaN."""
    if hasattr(model, "classes_"):
        p = np.clip(model.predict_proba(table.X_test), 1e-7, 1)
        right = np.arange(len(p)), np.searchsorted(model.classes_, table.y_test)
        return (p.argmax(axis=1) == right[1]).astype(float), -np.log(p[right])
    errors = (model.predict(table.X_test) - table.y_test) ** 2
    return 1 - errors / table.y_test.var(), np.full(len(errors), np.nan)


def measure(name, table, autoencoder, n_labels, seed):
    """Return what one run and the two that it is compared with reach."""
    y = hide(table, name, n_labels, seed)
    n_known = np.count_nonzero(~np.isnan(y) if y.dtype.kind == "f" else y != UNLABELLED)
    start = time.process_time()
    model = make_model(name, autoencoder, random_state=seed).fit(table.X, y)
    seconds = time.process_time() - start
    ends = {
        "linear": {"max_epochs": 1, "lr": 1e-12},
        "whole": {"max_epochs": default_fine_tuning(n_known)[1]},
    }
    if name not in TARGETS:
        ends = {
            end: params | {"semi_supervised": False} for end, params in ends.items()
        }
    quality, log_loss = losses_of(model, table)
    run = {
        "quality": quality.mean(),
        "log loss": log_loss.mean(),
        "seconds": seconds,
        "epochs": model.n_iter_,
        "semi-supervised": float(getattr(model, "semi_supervised_", False)),
        "lost": 0.0,
        "log loss above": 0.0,
        "fails": False,
    }
    for end, params in ends.items():
        other = make_model(name, autoencoder, random_state=seed, **params)
        other_quality, other_loss = losses_of(other.fit(table.X, y), table)
        lost = other_quality - quality
        above = np.nan_to_num(log_loss.mean() - other_loss.mean())
        error = lost.std() / np.sqrt(len(lost))
        run[end] = other_quality.mean()
        run["lost"] = max(run["lost"], lost.mean())
        run["log loss above"] = max(run["log loss above"], above)
        run["fails"] |= bool(
            lost.mean() > max(ALLOWED_ACCURACY, STANDARD_ERRORS * error)
            or above > ALLOWED_LOG_LOSS
        )
    return run


def bench(names, labels, n_draws, path):
    """Measure all runs that the file does not hold, and return them."""
    runs = pd.read_csv(path) if path and path.exists() else pd.DataFrame(columns=KEYS)
    known = set(runs[KEYS].itertuples(index=False, name=None))
    for division, name in ((d, n) for d in range(N_DIVISIONS) for n in names):
        table = autoencoder = None
        for n_labels, i in ((n, i) for n in labels for i in range(n_draws)):
            run = {"table": name, "labels": n_labels, "seed": N_DRAWS * division + i}
            if tuple(run.values()) in known:
                continue
            if table is None:
                table = draw(name, division)
                first = {"random_state": division, "max_epochs": 1}
                model = make_model(name, **first).fit(table.X, table.y)
                autoencoder = FrozenEstimator(model.autoencoder_)
            if n_labels < MOST_ROWS and n_labels > 0.7 * len(table.y):
                continue
            run |= measure(name, table, autoencoder, n_labels, run["seed"])
            runs = pd.concat([runs, pd.DataFrame([run])], ignore_index=True)
            if path:
                runs.to_csv(path, index=False)
    return runs


def print_worst(runs):
    """Print for each table and number of labels how far the worst run falls short."""
    print(
        "\n| table | labels | runs | quality | linear | whole | most lost | "
        "log loss above | failed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for (name, n_labels), group in runs.groupby(["table", "labels"], sort=False):
        means = group[["quality", "linear", "whole"]].mean()
        labels = n_labels if n_labels < MOST_ROWS else "all"
        print(
            f"| {name} | {labels} | {len(group)} | "
            + " | ".join(f"{mean:.3f}" for mean in means)
            + f" | {group['lost'].max():.3f} | {group['log loss above'].max():.3f} | "
            f"{group['fails'].sum()} |"
        )
    print(f"\n{runs['fails'].sum()} of {len(runs)} runs fail.")


if __name__ == "__main__":
    every = [*CLASSES, *TARGETS, *(name for name in TABLES if name != "mnist")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--tables", nargs="+", choices=every)
    parser.add_argument("--labels", nargs="+", type=int, default=LABELS)
    parser.add_argument("--draws", type=int, default=N_DRAWS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    describe_machine()
    names = arguments.tables or every
    if not DATA.exists():
        names = [n for n in names if n in CLASSES | TARGETS | BUILT_IN]
        names = [name for name in names if name not in IN_FILES]
    print_worst(bench(names, arguments.labels, arguments.draws, arguments.results))
