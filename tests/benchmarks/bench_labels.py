"""Few labels: AutoencoderPretrainedClassifier and other classifiers.

Run ``python tests/benchmarks/bench_labels.py tables`` for real tables with 1 %, 5 % and
100 % of their labels, ``mnist`` for MNIST with 100 and 1,000, and ``classic`` for the
classic experiment: sigmoid layers, pre-trained by RMSProp and fine-tuned by gradient
descent, against softmax regression and the same network from scratch. Most tables are
read from the folder in the environment variable SKLEARN_AE_DATA; without it, `tables`
takes what comes with scikit-learn, and the other parts scikit-learn's digits.
``--results runs.csv`` keeps the scores of each run: those that are in the file already
are not repeated. Everything runs on one thread; seconds are those of the processor.
"""

import argparse
import time
import warnings
from copy import deepcopy
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import sklearn
import torch
from bench_frames import LESIONS
from bench_speed import describe_machine
from known_runs import KnownRuns
from real_data import DATA
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderTransformer

FRAMES = {
    "adult": ("income", ["split"]),
    "german_credit": ("credit_risk", []),
    "horse_colic": (
        "surgical_lesion",
        # What is known afterwards, and numbers of the rows.
        ["outcome", "hospital_number", "cp_data", *LESIONS],
    ),
}
HORSE_NUMBERS = [
    "rectal_temperature",
    "pulse",
    "respiratory_rate",
    "nasogastric_reflux_ph",
    "packed_cell_volume",
    "total_protein",
    "abdominocentesis_total_protein",
]
BUILT_IN = {"digits": load_digits, "breast_cancer": load_breast_cancer}
TABLES = [
    *("adult", "german_credit", "digits", "SpamBase", "satellite", "Ionosphere"),
    *("horse_colic", "Pima", "breast_cancer", "annthyroid", "landsat", "optdigits"),
    *("pendigits", "mammography", "mnist"),
]
SHARES = {"1 %": 0.01, "5 %": 0.05, "100 %": 1.0}
SEEDS, FULL_SEEDS = range(100, 105), range(100, 103)
KEYS = ["part", "table", "labels", "method", "seed"]
SCORES = ["accuracy", "AUROC", "log loss", "seconds"]
USED_ALL = "learnt from unlabelled rows"
UNLABELLED = -1


class Rows(NamedTuple):
    """Rows to learn from and rows to predict, with codes of their classes."""

    X: np.ndarray | pd.DataFrame
    X_test: np.ndarray | pd.DataFrame
    y: np.ndarray
    y_test: np.ndarray


def load(name, seed):
    """Return the rows of a table: adult's own split, else 30 % to predict."""
    if name in FRAMES:
        target, left_out = FRAMES[name]
        text = str if name == "horse_colic" else None
        path = DATA / f"{name}.csv.gz"
        X = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=text)
        if name == "horse_colic":
            X[HORSE_NUMBERS] = X[HORSE_NUMBERS].astype(float)
        y = pd.factorize(X[target], sort=True)[0]
        if name == "adult":
            test = (X["split"] == "test").to_numpy()
            X = X.drop(columns=[target, *left_out])
            return Rows(X[~test], X[test], y[~test], y[test])
        X = X.drop(columns=[target, *left_out])
    elif name in BUILT_IN:
        X, y = BUILT_IN[name](return_X_y=True)
    else:
        with np.load(DATA / "adbench" / f"{name}.npz") as arrays:
            X, y = arrays["X"].astype(np.float64), arrays["y"].astype(int)
    return Rows(*train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed))


def load_mnist():
    """Return the name and the rows of MNIST, or of scikit-learn's digits."""
    if not (DATA / "mnist.npz").exists():
        return "digits", load("digits", 0)
    with np.load(DATA / "mnist.npz") as arrays:
        rows = Rows(
            *(arrays[key] for key in ("X_train", "X_test", "y_train", "y_test"))
        )
    X, X_test = (
        X.reshape(len(X), -1).astype(np.float32) for X in (rows.X, rows.X_test)
    )
    return "MNIST", Rows(X, X_test, rows.y.astype(int), rows.y_test.astype(int))


def hide_labels(y, n_labels, seed, stratify=False):
    """Return y with so many labels left, and at least two of each class."""
    rng = np.random.default_rng(seed)
    order, codes = rng.permutation(len(y)), np.unique(y)
    of_class = [order[y[order] == code] for code in codes]
    if stratify:
        each = n_labels // len(codes)
        kept = np.concatenate([places[:each] for places in of_class])
    else:
        least = np.concatenate([places[:2] for places in of_class])
        kept = order[:n_labels]
        counts = np.bincount(y[kept], minlength=len(codes))
        kept = np.union1d(kept, least[counts[y[least]] < 2])
    hidden = np.full_like(y, UNLABELLED)
    hidden[kept] = y[kept]
    return hidden


def scores(model, rows):
    """Return accuracy, area under the ROC curve and log loss of the rows to predict."""
    # Not a matter of the type that the probabilities come in.
    p = np.clip(model.predict_proba(rows.X_test).astype(float), 1e-7, 1)
    p /= p.sum(axis=1, keepdims=True)
    right = p.argmax(axis=1) == rows.y_test
    area = roc_auc_score(
        rows.y_test, p[:, 1] if p.shape[1] == 2 else p, multi_class="ovr"
    )
    return right.mean(), area, log_loss(rows.y_test, p)


class Encoders:
    """The encoder that is trained on all rows, and the same with its first weights.

    Each is made when somebody asks for it, and serves all draws of labels.

    Parameters
    ----------
    X : {ndarray, frame} of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
        Some labels: only what an estimator needs to say what its default is.
    seed : int
    autoencoder : AutoencoderTransformer, default=None
        `None` is the default of the classifier.
    """

    def __init__(self, X, y, seed, autoencoder=None):
        self.X, self.y, self.seed, self.autoencoder = X, y, seed, autoencoder

    @cached_property
    def _trained(self):
        model = AutoencoderPretrainedClassifier(
            self.autoencoder,
            semi_supervised=False,
            unlabeled_label=UNLABELLED,
            max_epochs=1,
            random_state=self.seed,
        )
        start = time.process_time()
        model.fit(self.X, self.y)
        return model.autoencoder_, time.process_time() - start

    def train(self):
        """Train the encoder, if it was not before."""
        return self._trained

    @property
    def trained(self):
        """The encoder, for one classifier after the other."""
        return FrozenEstimator(self._trained[0])

    @property
    def seconds(self):
        """How long it took to train."""
        return self._trained[1]

    @cached_property
    def untrained(self):
        """The same network and scaling, but weights drawn anew."""
        autoencoder = deepcopy(self._trained[0])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            for layer in autoencoder.module_.network.encoder:
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()
        return FrozenEstimator(autoencoder)


def fit_pretrained(X, y, encoders, seed, **params):
    """Fine-tune the trained encoder; the time is that of both phases."""
    model = AutoencoderPretrainedClassifier(
        encoders.trained, unlabeled_label=UNLABELLED, random_state=seed, **params
    )
    return model.fit(X, y), encoders.seconds


def fit_from_scratch(X, y, encoders, seed, **params):
    """Train the same network in the same way, without what all rows taught it."""
    model = AutoencoderPretrainedClassifier(
        encoders.untrained,
        semi_supervised=False,
        unlabeled_label=UNLABELLED,
        random_state=seed,
        **params,
    )
    return model.fit(X, y), 0.0


def fit_in_one(X, y, encoders, seed):
    """Fit the default as users do."""
    model = AutoencoderPretrainedClassifier(
        unlabeled_label=UNLABELLED, random_state=seed
    )
    return model.fit(X, y), 0.0


def prepare(X):
    """Return what encodes and scales the columns of a table for a linear model."""
    if not isinstance(X, pd.DataFrame):
        return StandardScaler()
    numbers = make_column_selector(dtype_include="number")
    others = make_column_selector(dtype_exclude="number")
    return make_column_transformer(
        (
            make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()),
            numbers,
        ),
        (OneHotEncoder(handle_unknown="ignore"), others),
        sparse_threshold=0,
    )


def fit_on_labelled(X, y, encoders, seed, classifier):
    """Fit a pipeline to the labelled rows."""
    labelled = y != UNLABELLED
    model = make_pipeline(prepare(X), classifier)
    if "random_state" in classifier.get_params():
        classifier.set_params(random_state=seed)
    return model.fit(X[labelled], y[labelled]), 0.0


class Boosting:
    """HistGradientBoostingClassifier on a frame as it is."""

    def __init__(self, X, y, seed):
        self.columns, self.types = None, {}
        if isinstance(X, pd.DataFrame):
            # It cannot take columns without any observed cell.
            self.columns = X.columns[X[y != UNLABELLED].notna().any()]
            others = X[self.columns].select_dtypes(exclude="number")
            self.types = {
                name: pd.CategoricalDtype(sorted(others[name].dropna().unique()))
                for name in others
            }
        self.model = HistGradientBoostingClassifier(random_state=seed)
        self.model.fit(self._take(X[y != UNLABELLED]), y[y != UNLABELLED])

    def _take(self, X):
        return X if self.columns is None else X[self.columns].astype(self.types)

    def predict_proba(self, X):
        """Return the probability of each class."""
        return self.model.predict_proba(self._take(X))


def fit_boosting(X, y, encoders, seed):
    """Fit HistGradientBoostingClassifier to the labelled rows."""
    return Boosting(X, y, seed), 0.0


PRETRAINED = "pre-trained"
SCRATCH = "the same network from scratch"
METHODS = {
    PRETRAINED: fit_pretrained,
    SCRATCH: fit_from_scratch,
    "LogisticRegression": lambda *args: fit_on_labelled(
        *args, LogisticRegression(max_iter=1000)
    ),
    "HistGradientBoosting": fit_boosting,
    "MLPClassifier": lambda *args: fit_on_labelled(*args, MLPClassifier()),
    "RandomForest": lambda *args: fit_on_labelled(*args, RandomForestClassifier()),
    "ExtraTrees": lambda *args: fit_on_labelled(*args, ExtraTreesClassifier()),
}


def fit_and_score(fit, rows, y, encoders, seed):
    """Return the scores of a classifier by their names, and how it was trained."""
    start = time.process_time()
    model, before = fit(rows.X, y, encoders, seed)
    seconds = time.process_time() - start + before
    found = dict(zip(SCORES, (*scores(model, rows), seconds), strict=True))
    return found | {USED_ALL: float(getattr(model, "semi_supervised_", False))}


class Results(KnownRuns):
    """Scores of runs.

    Parameters
    ----------
    path : Path or None
    """

    def __init__(self, path):
        super().__init__(path, KEYS)

    def add(self, methods, rows, y, encoders, **keys):
        """Fit methods to labels, unless their scores are known."""
        for method, fit in methods.items():

            def function(fit=fit):
                # Its seconds are counted once, whoever asks for it first.
                encoders.train()
                return fit_and_score(fit, rows, y, encoders, keys["seed"])

            self.measure(function, **keys, method=method)

    def of(self, part, tables, labels):
        """Return the runs of a part, in the order of tables and labels."""
        runs = self.frame()
        runs = runs[runs["part"] == part]
        runs = runs[
            runs["table"].isin(list(tables)) & runs["labels"].isin(list(labels))
        ]
        order = {name: i for i, name in enumerate([*tables, *labels])}
        return runs.sort_values(
            ["table", "labels", "seed"],
            key=lambda column: column.map(lambda value: order.get(value, value)),
            kind="stable",
        )


def cell(runs, score):
    """Return the text of a mean and its standard error."""
    mean, error, percent = runs[score].mean(), runs[score].sem(), score == "accuracy"
    if score == "seconds":
        return f"{mean:.1f}"
    text = f"{mean:.1%}" if percent else f"{mean:.3f}"
    if np.isnan(error):
        return text
    return f"{text} ± {error:.1%}" if percent else f"{text} ± {error:.3f}"


def print_scores(runs, score, methods):
    """Print a table in Markdown: a row for each table and number of labels."""
    print(f"\n**{score[0].upper() + score[1:]}**")
    print(f"\n| table | labels | {' | '.join(methods)} |")
    print(f"|---|--:|{'--:|' * len(methods)}", flush=True)
    for (table, labels), group in runs.groupby(["table", "labels"], sort=False):
        of_method = dict(list(group.groupby("method")))
        cells = [cell(of_method[m], score) if m in of_method else "" for m in methods]
        print(f"| {table} | {labels} | {' | '.join(cells)} |", flush=True)


def print_means(runs, score, methods):
    """Print means over the tables that have runs of all methods."""
    print(f"\nMean {score} over tables\n\n| labels | tables | {' | '.join(methods)} |")
    print(f"|--:|--:|{'--:|' * len(methods)}")
    for labels, group in runs.groupby("labels", sort=False):
        means = group.pivot_table(index="table", columns="method", values=score)
        means = means.reindex(columns=methods).dropna()
        cells = " | ".join(f"{mean:.3f}" for mean in means.mean())
        print(f"| {labels} | {len(means)} | {cells} |")


def print_losses(runs, score, methods):
    """Print where the first method is worse than others by more than an error.

    The errors are those of the differences between runs on the same rows and labels.
    """
    sign = -1 if score == "log loss" else 1
    print(f"\n{score}: {methods[0]} is better and worse by more than an error\n")
    print("| labels | than | better | worse | where (by) |\n|--:|---|--:|--:|---|")
    for labels, group in runs.groupby("labels", sort=False):
        values = group.pivot(index=["table", "seed"], columns="method", values=score)
        for other in methods[1:]:
            gain = sign * (values[methods[0]] - values[other]).dropna()
            gain = gain.groupby("table").agg(["mean", "sem"]).fillna(0)
            worse = gain[gain["mean"] < -gain["sem"]]["mean"]
            better = (gain["mean"] > gain["sem"]).sum()
            where = ", ".join(f"{table} ({-x:.3f})" for table, x in worse.items())
            cells = labels, other, f"{better} of {len(gain)}", str(len(worse)), where
            print(f"| {' | '.join(cells)} |")


def bench_tables(results, tables):
    """Compare the methods on tables, the smallest shares of labels first."""
    for shares, seeds in ((["1 %", "5 %"], SEEDS), (["100 %"], FULL_SEEDS)):
        for name, seed in ((n, s) for n in tables for s in seeds):
            rows = load(name, seed)
            labels = {
                share: hide_labels(rows.y, round(SHARES[share] * len(rows.y)), seed)
                for share in shares
            }
            encoders = Encoders(rows.X, labels[shares[0]], seed)
            for share, y in labels.items():
                keys = {"part": "tables", "table": name, "labels": share, "seed": seed}
                results.add(METHODS, rows, y, encoders, **keys)
    print_tables(results.of("tables", tables, SHARES))


def print_tables(runs):
    """Print what came of the methods on tables."""
    for score in SCORES:
        print_scores(runs, score, list(METHODS))
    ours = runs[runs["method"] == PRETRAINED]
    print("\nRuns whose second phase learnt from unlabelled rows, too\n")
    for (table, labels), used in ours.groupby(["table", "labels"], sort=False)[
        USED_ALL
    ]:
        if used.any():
            print(f"* {table}, {labels}: {used.sum():.0f} of {len(used)}")
    for score in SCORES[:3]:
        print_means(runs, score, list(METHODS))
        print_losses(runs, score, list(METHODS))


def bench_mnist(results, sizes):
    """Compare the methods on MNIST with few labels.

    One encoder serves all draws of labels, since it does not see them. For each size,
    the first draw is fitted as users do, too, both phases in one.
    """
    table, rows = load_mnist()
    encoders = Encoders(rows.X, hide_labels(rows.y, 100, SEEDS[0]), seed=SEEDS[0])
    chosen = {name: METHODS[name] for name in METHODS if name != "HistGradientBoosting"}
    labels = {}
    for size in sizes:
        for kind in ("stratified", "random"):
            labels[f"{size:,} {kind}"] = size, kind == "stratified"
    for name, seed in ((n, s) for n in labels for s in SEEDS):
        size, stratify = labels[name]
        y = hide_labels(rows.y, size, seed, stratify)
        keys = {"part": "mnist", "table": table, "labels": name, "seed": seed}
        results.add(chosen, rows, y, encoders, **keys)
        if seed == SEEDS[0] and stratify:
            results.add({"in one fit": fit_in_one}, rows, y, encoders, **keys)
    print(f"\n{len(rows.y):,} rows, {len(rows.y_test):,} to predict.")
    print("One pre-trained encoder serves all draws; its seconds count in each.")
    runs = results.of("mnist", [table], labels)
    for score in SCORES:
        print_scores(runs, score, [*chosen, "in one fit"])


# The learning rate of the pre-trained network, and what the others may choose from: the
# setting with the best accuracy on the rows to predict counts, for each size.
RATE, RATES, MLP_RATES, STRENGTHS = 0.1, (0.01, 0.1), (0.03, 0.1), (0.1, 1.0)
CLASSIC_SIZES = (100, 1_000, 10_000)


def classic_autoencoder():
    """Return the first phase of the classic experiment."""
    return AutoencoderTransformer(
        128,
        hidden_layer_sizes=256,
        activation="sigmoid",
        latent_activation="sigmoid",
        scaling="minmax",
        loss="bce",
        optimizer="rmsprop",
        lr=1e-3,
        weight_decay=0,
    )


def fit_softmax(X, y, encoders, seed, C):
    """Fit softmax regression to the pixels of the labelled rows."""
    labelled = y != UNLABELLED
    model = make_pipeline(MinMaxScaler(), LogisticRegression(C=C, max_iter=1000))
    return model.fit(X[labelled], y[labelled]), 0.0


def fit_perceptron(X, y, encoders, seed, lr):
    """Train layers of the same widths from scikit-learn's random weights."""
    labelled = y != UNLABELLED
    network = MLPClassifier(
        (256, 128),
        activation="logistic",
        solver="sgd",
        learning_rate_init=lr,
        max_iter=max(100, 1_000_000 // labelled.sum()),
        random_state=seed,
    )
    model = make_pipeline(MinMaxScaler(), network)
    return model.fit(X[labelled], y[labelled]), 0.0


def best_of(runs, methods, name):
    """Return the runs of the methods with the best accuracy, and which they are."""
    chosen = runs[runs["method"].isin(list(methods))]
    means = chosen.groupby(["labels", "method"], sort=False)["accuracy"].mean()
    best = dict(means.groupby("labels", sort=False).idxmax())
    parts = [
        chosen[(chosen["labels"] == labels) & (chosen["method"] == method)]
        for labels, (_, method) in best.items()
    ]
    return pd.concat(parts).assign(method=name), [method for _, method in best.values()]


def bench_classic(results):
    """Compare a pre-trained network with the same from scratch and with no network."""
    table, rows = load_mnist()
    sgd = {"optimizer": "sgd", "weight_decay": 0, "lr_schedule": "constant"}
    # As MLPClassifier trains by default.
    nesterov = {"optimizer__momentum": 0.9, "optimizer__nesterov": True}
    tuned = {**sgd, "max_epochs": 100, "net_params": nesterov}
    groups = {
        "pre-trained": {
            f"pre-trained, rate {RATE}, momentum": partial(
                fit_pretrained, lr=RATE, semi_supervised=False, **tuned
            )
        },
        "from scratch": {
            f"head start, rate {lr}": partial(fit_from_scratch, lr=lr, **sgd)
            for lr in RATES
        }
        | {
            f"MLPClassifier, rate {lr}": partial(fit_perceptron, lr=lr)
            for lr in MLP_RATES
        },
        "softmax regression": {
            f"softmax regression, C={C:g}": partial(fit_softmax, C=C) for C in STRENGTHS
        },
    }
    encoders = Encoders(
        rows.X, hide_labels(rows.y, 100, SEEDS[0]), SEEDS[0], classic_autoencoder()
    )
    labels = {f"{size:,}": size for size in CLASSIC_SIZES if size < len(rows.y)}
    for name, seed in ((n, s) for n in labels for s in SEEDS):
        y = hide_labels(rows.y, labels[name], seed, stratify=True)
        keys = {"part": "classic", "table": table, "labels": name, "seed": seed}
        for methods in groups.values():
            results.add(methods, rows, y, encoders, **keys)
    runs, parts = results.of("classic", [table], labels), []
    for name, methods in groups.items():
        part, best = best_of(runs, methods, name)
        print(f"\n{name}: best with {', '.join(best)}", flush=True)
        parts.append(part)
    for score in SCORES:
        print_scores(pd.concat(parts), score, list(groups))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["tables", "mnist", "classic"])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES)
    parser.add_argument("--labels", nargs="+", type=int, default=[100, 1_000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    describe_machine()
    print(f"scikit-learn {sklearn.__version__}, pandas {pd.__version__}")
    results = Results(arguments.results)
    if arguments.part == "tables":
        names = arguments.tables if DATA.exists() else list(BUILT_IN)
        bench_tables(results, names)
    elif arguments.part == "mnist":
        bench_mnist(results, arguments.labels)
    else:
        bench_classic(results)
