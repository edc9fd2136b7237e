"""What each part of the estimators is worth: the same without it, on real tables.

Run ``python tests/benchmarks/bench_ablation.py labels`` for the classifier, ``targets``
for the regressor, ``rows`` for new rows, ``cells`` for the imputer and ``outliers`` for
the detector. Tables, divisions and scores are those of bench_labels.py,
bench_targets.py, bench_sampling.py, bench_imputation.py and bench_anomalies.py;
``--tables``, ``--settings``, ``--variants`` and ``--seeds`` choose some, and
``--results runs.csv`` keeps the scores of each run: those that are in the file already
are not repeated. For each variant: the mean over the tables, its difference to the
estimator as it is with the paired standard error over the tables, and on how many
tables it is worse and better. Everything runs on one thread.

A part is switched off by replacing a constant or a small function of the library, so
some cannot be: a head that starts at random would change the linear model that the
network is stacked with, too. What pre-training is worth, bench_labels.py shows (the
same network from scratch).
"""

import argparse
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import bench_anomalies
import bench_imputation
import bench_labels
import bench_sampling
import bench_targets
import numpy as np
import pandas as pd
import sklearn
import torch
from bench_speed import describe_machine
from known_runs import KnownRuns
from real_data import DATA
from sklearn.metrics import average_precision_score, roc_auc_score

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae._anomaly import scoring
from sklearn_ae._autoencoder import row_sampler
from sklearn_ae._autoencoder.row_sampler import RowSampler
from sklearn_ae._imputation.hidden_cells import Shrinkage
from sklearn_ae._imputation.neighbor_cells import NeighborCells
from sklearn_ae._net.inference import expect
from sklearn_ae._supervised import fine_tuning, linear_probe, plan, predictor
from sklearn_ae._supervised.linear_model import ColumnProbe
from sklearn_ae._supervised.stacking import stack_logits
from sklearn_ae._supervised.temperature import cross_entropy_of

WHOLE = "as it is"
KEYS = ["part", "table", "setting", "variant", "seed"]


class Variant(NamedTuple):
    """An estimator without one of its parts."""

    patches: tuple = ()
    """Triples of an object of the library, the name of an attribute, and its value."""
    params: dict = {}
    """Parameters of the estimator."""


class Part(NamedTuple):
    """A part of the library."""

    prepare: Callable
    """Takes a table, a setting and a seed; returns what all variants have in common."""
    measure: Callable
    """Takes that, the seed and parameters of a variant; returns scores by name."""
    scores: dict[str, int]
    """1 for scores of which large ones are good, else -1."""
    variants: dict[str, Variant]
    settings: list[str]
    tables: Callable
    """Returns the names of the tables at hand."""
    idle: dict[str, list[str]] = {}
    """By the setting, variants that change nothing there."""


# Parts that classifier and regressor have in common.


def keep_network(tuning, best, predicted, start):
    """Return the plan of the network alone, with its own temperature."""
    return best


def _train_to_the_end(tuning, lengths, noises, predict, best_plan=plan._best_plan):
    return best_plan(tuning, lengths[:1], noises, predict)


SUPERVISED = {
    WHOLE: Variant(),
    "the network alone": Variant(((plan, "_stack", keep_network),)),
    "without bins": Variant(((predictor, "default_n_bins", lambda *args: 0),)),
    "without weaker noise": Variant(((plan, "NOISES", (1.0,)),)),
    "without shorter training": Variant(((plan, "_best_plan", _train_to_the_end),)),
}
# They take 500 labels.
MANY = ["without bins", "without weaker noise", "without shorter training"]
NOT_TRAINED = ((plan, "LENGTHS", (0.0,)), (plan, "MANY_ROWS", np.inf))


# Classes.


def _no_temperature(logits, class_indices, weight, label_smoothing=0.0):
    return 1.0, cross_entropy_of(logits, class_indices, weight, label_smoothing)


def _shares_alone(*args):
    factors = stack_logits(*args)
    return factors / factors.sum()


LABELS = SUPERVISED | {
    "without semi-supervised training": Variant(params={"semi_supervised": False}),
    "without fine-tuning": Variant(NOT_TRAINED, {"semi_supervised": False}),
    "without prior on the penalty": Variant(((linear_probe, "PRIOR", 0.0),)),
    "without temperature": Variant(
        (
            (predictor, "fit_temperature", _no_temperature),
            (predictor, "stack_logits", _shares_alone),
            (fine_tuning, "match_confidence", lambda *args: 1.0),
        )
    ),
}


@lru_cache(maxsize=1)
def prepare_labels(table, setting, seed):
    """Return rows, some labels, and an encoder that was trained on all rows."""
    rows = bench_labels.load(table, seed)
    n_labels = round(bench_labels.SHARES[setting] * len(rows.y))
    y = bench_labels.hide_labels(rows.y, n_labels, seed)
    encoders = bench_labels.Encoders(rows.X, y, seed)
    encoders.train()
    return rows, y, encoders


def measure_labels(rows, y, encoders, seed, **params):
    """Return the scores of a classifier."""
    fit = bench_labels.fit_pretrained

    def fit_variant(*args):
        return fit(*args, **params)

    return bench_labels.fit_and_score(fit_variant, rows, y, encoders, seed)


def label_tables():
    """Return the names of tables with classes."""
    return bench_labels.TABLES if DATA.exists() else list(bench_labels.BUILT_IN)


# Targets.


def _columns_alone(tuning, labelled):
    return plan.Plan(length=0.0, factor=0.0, start_factor=1.0)


TARGETS = SUPERVISED | {
    "linear model on latents instead of columns": Variant(
        ((ColumnProbe, "of", lambda encoder: None),)
    ),
    "without fine-tuning": Variant(NOT_TRAINED),
    "ridge regression on columns alone": Variant(
        ((fine_tuning, "choose_plan", _columns_alone),)
    ),
}
target_tables = lru_cache(bench_targets.tables)


def prepare_targets(table, setting, seed):
    """Return rows, targets, and the number of those that are known."""
    return *target_tables()[table], bench_targets.LABELS[setting]


def measure_targets(X, y, n_labels, seed):
    """Return the scores of a regressor."""
    return bench_targets.measure(X, y, n_labels, "pre-trained", seed)


# New rows.


def _fit_one_distribution(self, latents, errors, fit=RowSampler._fit_errors):
    """Give all components the errors of the whole table."""
    fit(self, latents, errors)
    share = self.mixture_.weights_[:, None]
    mean, squares = self.error_mean_, self.error_std_**2 + self.error_mean_**2
    mean = (share * mean).sum(axis=0)
    self.error_mean_[:] = mean
    self.error_std_[:] = np.sqrt((share * squares).sum(axis=0) - mean**2)


def _fit_no_errors(self, latents, errors, fit=RowSampler._fit_errors):
    fit(self, latents, errors)
    self.error_mean_[:] = self.error_std_[:] = 0.0


ROWS = {
    WHOLE: Variant(),
    "one component": Variant(((row_sampler, "MOST_COMPONENTS", 1),)),
    "at most ten components": Variant(((row_sampler, "MOST_COMPONENTS", 10),)),
    "without errors": Variant(((RowSampler, "_fit_errors", _fit_no_errors),)),
    "independent errors": Variant(((row_sampler, "MOST_CORRELATED", 0),)),
    "equal errors of components": Variant(
        ((RowSampler, "_fit_errors", _fit_one_distribution),)
    ),
    "without matching of ranks": Variant(
        ((row_sampler, "_match_distribution", lambda column, observed: column),)
    ),
}


def prepare_rows(table, setting, seed):
    """Return the name of a table."""
    return (table,)


def measure_rows(table, seed):
    """Return what trees and distributions tell of new rows."""
    return bench_sampling.measure(table, "sklearn_ae", seed)


# Missing cells.


def _predict_linearly(self, net, X):
    return net.module_.expect_linearly(X)


def _predict_by_networks(self, net, X):
    return expect(net, X, net.module_.expect_linearly(X))


CELLS = {
    WHOLE: Variant(),
    "`n_estimators=1`": Variant(params={"n_estimators": 1}),
    "`n_estimators=4`": Variant(params={"n_estimators": 4}),
    "`max_iter=3`": Variant(params={"max_iter": 3}),
    "`weight_decay=None`": Variant(params={"autoencoder": AutoencoderTransformer()}),
    "without hiding cells in training": Variant(
        params={"autoencoder": AutoencoderTransformer(noise=None, weight_decay=0.0)}
    ),
    "without shrinkage": Variant(((Shrinkage, "apply", lambda self, cells: cells),)),
    "without neighbours": Variant(
        ((NeighborCells, "apply", lambda self, net, cells, X: cells),)
    ),
    "linear model and neighbours": Variant(
        ((AutoencoderImputer, "_predict", _predict_linearly),)
    ),
    "networks and neighbours": Variant(
        ((AutoencoderImputer, "_predict", _predict_by_networks),)
    ),
}


def prepare_cells(table, setting, seed):
    """Return a table, and which of its cells are deleted."""
    return bench_imputation.load(table), setting


def measure_cells(X, setting, seed, **params):
    """Return the errors of an imputer."""
    method = bench_imputation.with_ae(**params)
    return bench_imputation.fill(method, X, setting, seed)


# Outliers.

DISTANCES = ["neighbour", "cluster", "reconstruction"]


def _weights(factors):
    return Variant(((scoring, "WEIGHTS", scoring.WEIGHTS * factors),))


OUTLIERS = {WHOLE: Variant()} | {
    f"without {name}": _weights(np.arange(len(DISTANCES)) != i)
    for i, name in enumerate(DISTANCES)
}
OUTLIERS["equal weights"] = _weights(1 / scoring.WEIGHTS)


@lru_cache(maxsize=1)
def prepare_outliers(table, setting, seed):
    """Return a fitted detector, rows to score, and which of them are outliers."""
    X, y = bench_anomalies.load(table, seed)
    X, X_test, y_test = bench_anomalies.split(X, y, setting, seed)
    detector = bench_anomalies.METHODS[bench_anomalies.OURS](seed)
    return detector.fit(X), X_test, y_test


def measure_outliers(detector, X_test, y_test, seed):
    """Return the scores of a detector."""
    found = -detector.score_samples(X_test)
    return {
        "AUROC": roc_auc_score(y_test, found),
        "average precision": average_precision_score(y_test, found),
    }


def outlier_tables():
    """Return the names of ADBench's tables, and of tables with a rare class."""
    classes = bench_anomalies.rare_classes(bench_anomalies.CLASS_TABLES)
    return bench_anomalies.find_tables() + classes


PARTS = {
    "labels": Part(
        prepare_labels,
        measure_labels,
        {"accuracy": 1, "log loss": -1},
        LABELS,
        list(bench_labels.SHARES),
        label_tables,
        {"1 %": MANY, "100 %": ["without semi-supervised training"]},
    ),
    "targets": Part(
        prepare_targets,
        measure_targets,
        {"R2": 1},
        TARGETS,
        list(bench_targets.LABELS),
        lambda: list(target_tables()),
        {"50": MANY},
    ),
    "rows": Part(
        prepare_rows,
        measure_rows,
        {"told apart": -1, "shape": 1, "trend": 1, "model": 1, "nearer": -1},
        ROWS,
        ["half of the rows"],
        bench_sampling.tables,
    ),
    "cells": Part(
        prepare_cells,
        measure_cells,
        {"rmse": -1, "accuracy": 1},
        CELLS,
        ["10 %", "50 %"],
        bench_imputation.tables,
    ),
    "outliers": Part(
        prepare_outliers,
        measure_outliers,
        {"AUROC": 1, "average precision": 1},
        OUTLIERS,
        list(bench_anomalies.SETTINGS),
        outlier_tables,
    ),
}


def measure(part, variant, table, setting, seed):
    """Return the scores of a variant of a part of the library."""
    prepared = part.prepare(table, setting, seed)
    with ExitStack() as stack:
        for patch in variant.patches:
            stack.enter_context(mock.patch.object(*patch))
        return part.measure(*prepared, seed, **variant.params)


def bench(name, tables, settings, seeds, variants, known):
    """Add the runs of some variants of a part of the library."""
    part = PARTS[name]
    for table, setting, seed, label in product(tables, settings, seeds, variants):
        if label not in part.idle.get(setting, []):
            keys = dict(zip(KEYS, (name, table, setting, label, seed), strict=True))

            def function(run=(part.variants[label], table, setting, seed)):
                return measure(part, *run)

            known.measure(function, **keys)


def print_part(part, runs):
    """Print a table in Markdown: a row for each setting and variant."""
    is_rare = runs["table"].str.contains(bench_anomalies.IN_CLASS)
    setting = runs["setting"].where(~is_rare, runs["setting"] + ", rare classes")
    # All classes of a table make one.
    runs = runs.assign(
        setting=setting, table=runs["table"].str.split(bench_anomalies.IN_CLASS).str[0]
    )
    heads = [head for s in part.scores for head in (s, "difference", "worse, better")]
    print(f"\n| setting | variant | {' | '.join(heads)} |")
    print(f"|---|---|{'--:|' * len(heads)}")
    for setting, group in runs.groupby("setting", sort=False):
        groups = group.groupby(["variant", "table"], sort=False)[list(part.scores)]
        means = groups.mean()
        whole = means.loc[WHOLE]
        for variant in means.index.unique("variant"):
            cells = [setting, variant]
            for score, sign in part.scores.items():
                values = means.loc[variant][score]
                cells.append("" if values.isna().all() else f"{values.mean():.3f}")
                cells += compare(sign * values, sign * whole[score], sign)
            print(f"| {' | '.join(cells)} |", flush=True)
    for setting, group in runs.groupby("setting", sort=False):
        print(f"\n{setting}: {group['table'].nunique()} tables")


def compare(values, whole, sign):
    """Return texts: the difference, and on how many tables it is to which side."""
    gaps = (values - whole).dropna()
    if not gaps.any():
        return "", ""
    counts = f"{(gaps < 0).sum()}, {(gaps > 0).sum()}"
    error = f" ± {gaps.sem():.3f}" if len(gaps) > 1 else ""
    return f"{sign * gaps.mean():+.3f}{error}", counts


def main(arguments=None):
    """Run a part, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--tables", nargs="+")
    parser.add_argument("--settings", nargs="+")
    parser.add_argument("--variants", nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    describe_machine()
    print(f"scikit-learn {sklearn.__version__}, pandas {pd.__version__}")
    part = PARTS[options.part]
    asked = {
        "table": options.tables or part.tables(),
        "setting": options.settings or part.settings,
        "seed": range(options.seeds),
        "variant": options.variants or list(part.variants),
    }
    known = KnownRuns(options.results, KEYS)
    bench(options.part, *asked.values(), known)
    runs = known.frame()
    runs = runs[runs["part"] == options.part]
    for column, values in asked.items():
        runs = runs[runs[column].isin(list(values))]
    print_part(part, runs)


if __name__ == "__main__":
    main()
