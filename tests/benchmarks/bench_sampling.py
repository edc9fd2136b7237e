"""How well new rows pass for real ones: `sample`, and the generators of `ctgan`.

Run ``python tests/benchmarks/bench_sampling.py`` for the table "New rows" of
docs/benchmarks.md. Each table, its target among the columns, is split in two halves, of
which one is learnt. TVAE and CTGAN take part if `ctgan` is installed. *Training rows*
are the rows of `fit` themselves, drawn with replacement: what is as near to the other
half as can be, and not new. Files beside scikit-learn's are read from the folder that
SKLEARN_AE_DATA names.
"""

import argparse
import time
import warnings
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_speed import describe_machine
from bench_variational import tell_apart
from known_runs import KnownRuns
from labelled_tables import TARGETS, load, names, raw_columns
from scipy.stats import ks_2samp
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.latents import Variational

try:
    from ctgan import CTGAN, TVAE
except ImportError:
    CTGAN = TVAE = None

MOST_ROWS = 4_000
TARGET = "_target"
MEASURES = ["told apart", "shape", "trend", "model", "nearer", "seconds"]


def frame_of(name):
    """Return a table without missing cells, its target in the last column."""
    X, y = load(name)
    X = pd.DataFrame(X).rename(columns=str).reset_index(drop=True)
    for column in X:
        if X[column].dtype.kind in "fiu":
            X[column] = X[column].astype(float).fillna(X[column].median())
        else:
            X[column] = X[column].astype(object).where(X[column].notna(), "none")
            X[column] = X[column].astype(str).astype("category")
    classes = [f"class {label}" for label in y]
    X[TARGET] = y if name in TARGETS else pd.Categorical(classes)
    return X.sample(min(len(X), MOST_ROWS), random_state=0, ignore_index=True)


def draw_ours(X, n_rows, seed):
    """Draw from a variational latent."""
    ae = AutoencoderTransformer(latent=Variational(), random_state=seed).fit(X)
    return ae.sample(n_rows, random_state=seed)


def draw_with(generator):
    """Return a function that draws from one of ctgan's generators."""

    def draw(X, n_rows, seed):
        torch.manual_seed(seed)
        np.random.seed(seed)
        model = generator(enable_gpu=False)
        model.set_random_state(seed)
        categories = X.columns[X.dtypes == "category"]
        model.fit(X.astype(dict.fromkeys(categories, object)), list(categories))
        return model.sample(n_rows).astype(X.dtypes.to_dict())

    return draw


def draw_again(X, n_rows, seed):
    """Draw rows of the table with replacement."""
    return X.sample(n_rows, replace=True, random_state=seed)


METHODS = {"sklearn_ae": draw_ours}
if TVAE is not None:
    METHODS |= {"TVAE": draw_with(TVAE), "CTGAN": draw_with(CTGAN)}
METHODS["training rows"] = draw_again


def codes(X, like):
    """Return numbers, those of categories being their places, to three digits."""
    parts = [
        X[name].cat.codes if X[name].dtype == "category" else X[name] / like[name].std()
        for name in X
    ]
    return np.column_stack(parts).astype(float).round(3)


def shape(real, new):
    """Return how alike columns are: 1 less the largest gap between distributions."""
    alike = []
    for name in real:
        if real[name].dtype == "category":
            shares = [X[name].value_counts(normalize=True) for X in (real, new)]
            alike.append(1 - shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
        else:
            alike.append(1 - ks_2samp(real[name], new[name]).statistic)
    return np.mean(alike)


def trend(real, new):
    """Return how alike pairs of columns are: correlations, or shares of pairs."""
    columns = real.columns[:20]
    alike = []
    for pair in combinations(columns, 2):
        if all(real[name].dtype != "category" for name in pair):
            gap = [np.nan_to_num(X[list(pair)].corr().iloc[0, 1]) for X in (real, new)]
            alike.append(1 - abs(gap[0] - gap[1]) / 2)
            continue
        tables = [_cut(X, real, pair).value_counts(normalize=True) for X in (real, new)]
        alike.append(1 - tables[0].sub(tables[1], fill_value=0).abs().sum() / 2)
    return np.mean(alike)


def _cut(X, like, pair):
    """Return two columns as text, numbers in four parts."""
    parts = {}
    for name in pair:
        column = X[name]
        if column.dtype != "category":
            edges = np.unique(like[name].quantile([0.25, 0.5, 0.75]))
            column = np.digitize(column, edges)
        parts[name] = pd.Series(column).astype(str).to_numpy()
    return pd.DataFrame(parts)


def model(train, new, test, seed):
    """Return the score on real rows of trees that learnt from new rows."""
    is_class = test[TARGET].dtype == "category"
    kind = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    trees = kind(random_state=seed)
    X, X_test = (codes(x.drop(columns=TARGET), train) for x in (new, test))
    if is_class:
        if new[TARGET].nunique() < 2:
            return (test[TARGET] == new[TARGET].iloc[0]).mean()
        return trees.fit(X, new[TARGET].astype(str)).score(
            X_test, test[TARGET].astype(str)
        )
    return max(-1.0, r2_score(test[TARGET], trees.fit(X, new[TARGET]).predict(X_test)))


def nearer(train, new, test):
    """Return the share of new rows that are nearer to a row of `fit` than to another.

    It is a half if the rows of `fit` are no better known than the others.
    """
    encode = raw_columns(train).fit(train)
    n_rows = min(len(train), len(test))
    gaps = [
        NearestNeighbors(n_neighbors=1)
        .fit(encode.transform(X[:n_rows]))
        .kneighbors(encode.transform(new))[0][:, 0]
        for X in (train, test)
    ]
    return np.mean((gaps[0] < gaps[1]) + 0.5 * (gaps[0] == gaps[1]))


def measure(name, method, seed=0):
    """Return the measures of one method on one table."""
    train, test = train_test_split(frame_of(name), test_size=0.5, random_state=seed)
    start = time.process_time()
    new = METHODS[method](train, len(test), seed)
    seconds = time.process_time() - start
    new = new[train.columns].astype(train.dtypes.to_dict())
    return {
        "told apart": tell_apart(codes(test, train), codes(new, train), seed),
        "shape": shape(test, new),
        "trend": trend(test, new),
        "model": model(train, new, test, seed),
        "nearer": nearer(train, new, test),
        "seconds": seconds,
    }


def tables():
    """Return the names of tables that are not images or copies of one another."""
    return [
        name
        for name in names()
        if name not in ("MNIST", "mnist", "musk", "satimage-2", "WDBC", "digits")
    ]


def main(arguments=None):
    """Print the means over the tables, and what trees can tell on each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*")
    parser.add_argument("--results", type=Path)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    describe_machine()
    known = KnownRuns(options.results, ["table", "method"])
    for name in options.tables or tables():
        for method in METHODS:
            function = partial(measure, name, method)
            known.measure(function, table=name, method=method)
    runs = known.frame()
    means = runs.groupby("method", sort=False)[MEASURES].mean()
    print(means.round(3).to_markdown())
    apart = runs.pivot(index="table", columns="method", values="told apart")
    print(apart[list(METHODS)].round(3).to_markdown())


if __name__ == "__main__":
    main()
