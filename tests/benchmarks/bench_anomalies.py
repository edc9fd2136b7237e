"""Odd rows: AutoencoderAnomalyDetector and others.

Run ``python tests/benchmarks/bench_anomalies.py tables`` for those of ADBench [1]_,
``classes`` for tables of which one class after the other is made rare, ``speed`` for
the time of `fit` and of scoring beside PyOD's AutoEncoder, ``members`` for training an
ensemble at once or one after the other, ``explain`` for cells of real rows that were
moved, and ``mixed`` for contradictions among the categories of adult. Tables are read
from the folder in the environment variable SKLEARN_AE_DATA; without it, there are those
that come with scikit-learn. ``--results runs.csv`` keeps the scores of each run: those
that are in the file already are not repeated. PyOD's detectors are compared if it is
installed (``pip install pyod``). Everything runs on one thread.

References
----------
.. [1] Han, S. et al. "ADBench: anomaly detection benchmark." NeurIPS 2022.
"""

import argparse
import time
import warnings
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path

import labelled_tables
import numpy as np
import pandas as pd
import sklearn
import torch
from bench_speed import describe_machine
from known_runs import KnownRuns
from real_data import DATA
from scipy.stats import wilcoxon
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from torch import nn

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer

MAX_ROWS = 10_000
SEEDS = range(3)
SETTINGS = ("contaminated", "one-class")
SCORES = ["AUROC", "average precision", "seconds of fit", "microseconds a row"]
KEYS = ["setting", "table", "seed", "method"]
OURS = "sklearn_ae"
CLASS_TABLES = [
    *("breast_cancer", "digits", "iris", "wine", "more/dermatology", "more/ecoli"),
    *("more/glass", "more/letter", "more/penguins", "more/segment", "more/vehicle"),
    *("more/vowel", "MNIST"),
]
# Share of a rare class, in rows of the others.
RARE = 0.05
# In names, between a table and the class that is made rare.
IN_CLASS = ", class "


def load(name, seed):
    """Return at most 10,000 rows of a table, and which of them are anomalies."""
    if IN_CLASS in name:
        return load_rare(name, seed)
    X, y = load_all(name)
    if len(X) > MAX_ROWS:
        X, _, y, _ = train_test_split(
            X, y, train_size=MAX_ROWS, stratify=y, random_state=seed
        )
    return X, y


def rare_classes(tables):
    """Return names of tables with a class that is made rare, up to four of each."""
    names = []
    for table in tables:
        if table in labelled_tables.names():
            _, y = labelled_tables.load(table)
            counts = np.bincount(y)
            by_size = [c for c in np.argsort(counts, kind="stable") if counts[c] >= 5]
            places = np.unique(np.linspace(0, len(by_size) - 1, 4).astype(int))
            names += [f"{table}{IN_CLASS}{by_size[i]}" for i in places]
    return names


def load_rare(name, seed):
    """Return a table of numbers of which one class is made rare."""
    table, rare = name.split(IN_CLASS)
    X, y = labelled_tables.load(table)
    if isinstance(X, pd.DataFrame):
        X = X.select_dtypes("number")
        X = X.fillna(X.mean()).to_numpy(float)
    rng = np.random.default_rng(seed)
    others, few = (
        rng.permutation(np.flatnonzero(c)) for c in (y != int(rare), y == int(rare))
    )
    others = others[:MAX_ROWS]
    chosen = np.sort(np.r_[others, few[: max(5, int(RARE * len(others)))]])
    return X[chosen], y[chosen] == int(rare)


def load_all(name):
    """Return a table, and which of its rows are anomalies."""
    if name == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True)
        kept = (y == 1) | (np.cumsum(y == 0) <= 20)  # 0 is malignant
        return X[kept], (y == 0)[kept]
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        kept = (y > 0) | (np.cumsum(y == 0) <= 50)
        return X[kept], (y == 0)[kept]
    with np.load(DATA / "adbench" / f"{name}.npz") as arrays:
        return arrays["X"].astype(np.float64), arrays["y"].astype(bool)


def split(X, y, setting, seed):
    """Return rows to fit, rows to score, and which of the latter are anomalies."""
    if setting == "contaminated":
        X, X_test, _, y_test = train_test_split(
            X, y, test_size=0.3, stratify=y, random_state=seed
        )
        return X, X_test, y_test
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~y))
    fitted = normal[: len(normal) // 2]
    others = np.setdiff1d(np.arange(len(y)), fitted)
    return X[fitted], X[others], y[others]


class ReconstructionError:
    """Squared error of PCA with half as many components as columns."""

    def fit(self, X):
        """Fit PCA."""
        self.pca = PCA(min(ceil(X.shape[1] / 2), len(X))).fit(X)
        return self

    def score_samples(self, X):
        """Return minus the mean squared error of rows."""
        return -((X - self.pca.inverse_transform(self.pca.transform(X))) ** 2).mean(1)


class PyOD:
    """A detector of PyOD, whose scores have the other sign."""

    def __init__(self, detector):
        self.detector = detector

    def fit(self, X):
        """Fit the detector."""
        self.detector.fit(X)
        return self

    def score_samples(self, X):
        """Return minus the outlier score of rows."""
        return -self.detector.decision_function(X)


def pyod_autoencoder(seed, **params):
    """Return PyOD's autoencoder."""
    from pyod.models.auto_encoder import AutoEncoder

    return PyOD(AutoEncoder(random_state=seed, verbose=0, **params))


def _pyod(module, name):
    def make(seed):
        models = import_module(f"pyod.models.{module}")
        return PyOD(getattr(models, name)())

    return make


METHODS = {
    OURS: lambda seed: AutoencoderAnomalyDetector(random_state=seed),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
    "LocalOutlierFactor": lambda seed: LocalOutlierFactor(novelty=True),
    "OneClassSVM": lambda seed: OneClassSVM(),
    "PCA": lambda seed: ReconstructionError(),
}
if find_spec("pyod"):
    METHODS |= {
        "PyOD AutoEncoder": pyod_autoencoder,
        "PyOD KNN": _pyod("knn", "KNN"),
        "PyOD ECOD": _pyod("ecod", "ECOD"),
        "PyOD COPOD": _pyod("copod", "COPOD"),
    }


def run(method, X, X_test, y_test, seed):
    """Return the scores of one run."""
    if method != OURS:
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
    start = time.process_time()
    model = METHODS[method](seed).fit(X)
    fitted = time.process_time()
    scores = -np.asarray(model.score_samples(X_test), dtype=float)
    scored = time.process_time()
    return {
        "AUROC": roc_auc_score(y_test, scores),
        "average precision": average_precision_score(y_test, scores),
        "seconds of fit": fitted - start,
        "microseconds a row": (scored - fitted) / len(X_test) * 1e6,
    }


def bench_tables(tables, path, seeds=SEEDS):
    """Compare the methods on tables, in both settings."""
    known = KnownRuns(path, KEYS)
    for seed in seeds:
        for table in tables:
            X, y = load(table, seed)
            for setting in SETTINGS:
                parts = split(X, y, setting, seed)
                for method in METHODS:
                    keys = dict(zip(KEYS, (setting, table, seed, method), strict=True))
                    known.measure(partial(run, method, *parts, seed), **keys)
    runs = known.frame()
    print_tables(runs[runs["table"].isin(tables)])


def print_tables(runs):
    """Print means over the tables, ranks and paired tests, and the AUROC on each."""
    # All classes of a table make one.
    runs = runs.assign(table=runs["table"].str.split(",").str[0])
    n_tables, n_seeds = runs["table"].nunique(), runs["seed"].nunique()
    print(
        f"\nMeans over {n_tables} tables and {n_seeds} seeds; ranks by AUROC, and p of"
    )
    print("Wilcoxon's test that its differences are due to chance")
    each = runs.groupby(["setting", "table", "method"])[SCORES].mean()
    for setting, group in each.groupby("setting"):
        areas = group["AUROC"].droplevel("setting").unstack()
        areas = areas[[method for method in METHODS if method in areas]]
        ranks = areas.rank(axis=1, ascending=False).mean()
        means = group.groupby("method")[SCORES].mean()
        print(f"\n{setting}\n\n| method | {' | '.join(SCORES)} | ", end="")
        print(
            f"mean rank | tables where worse | p |\n|---|{'--:|' * (len(SCORES) + 3)}"
        )
        for method in areas:
            gain = areas[OURS] - areas[method]
            cells = [f"{value:.3f}" for value in means.loc[method]]
            cells.append(f"{ranks[method]:.1f}")
            cells += [
                f"{(gain > 0).sum()} of {n_tables}",
                f"{wilcoxon(gain).pvalue:.3f}",
            ]
            if method == OURS:
                cells[-2:] = "", ""
            print(f"| {method} | {' | '.join(cells)} |", flush=True)
    for setting, group in each.groupby("setting"):
        areas = group["AUROC"].droplevel("setting").unstack()
        areas = areas[[method for method in METHODS if method in areas]]
        print(f"\nAUROC, {setting}\n\n| table | {' | '.join(areas.columns)} |")
        print(f"|---|{'--:|' * areas.shape[1]}")
        for table, values in areas.iterrows():
            print(f"| {table} | {' | '.join(f'{x:.3f}' for x in values)} |")


def median_seconds(*functions, repeats=5):
    """Return the median processor time of functions that take turns."""
    seconds = []
    for _ in range(repeats + 1):
        seconds.append([])
        for function in functions:
            start = time.process_time()
            function()
            seconds[-1].append(time.process_time() - start)
    return np.median(seconds[1:], axis=0)


def bench_speed():
    """Compare the time of fit and of scoring with PyOD's autoencoder."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(20_000, 8)) @ rng.normal(size=(8, 32))).astype(np.float32)
    X += rng.normal(size=X.shape).astype(np.float32)
    n_epochs = 10
    autoencoder = AutoencoderTransformer(max_epochs=n_epochs)
    ours = AutoencoderAnomalyDetector(autoencoder, random_state=0)
    fits = [lambda: ours.fit(X)]
    scores = [lambda: ours.score_samples(X)]
    if find_spec("pyod"):
        theirs = pyod_autoencoder(0, epoch_num=n_epochs)
        fits.append(lambda: theirs.fit(X))
        scores.append(lambda: theirs.score_samples(X))
    print(f"\n{len(X):,} x {X.shape[1]}, {n_epochs} epochs, medians\n")
    print("| | sklearn_ae | PyOD AutoEncoder | times as fast |\n|---|--:|--:|--:|")
    for name, functions, repeats, unit in (
        ("fit, s", fits, 3, 1),
        ("score_samples, microseconds a row", scores, 7, 1e6 / len(X)),
    ):
        seconds = median_seconds(*functions, repeats=repeats) * unit
        cells = [f"{value:.2f}" for value in seconds]
        cells += ["", ""] if len(cells) == 1 else [f"{seconds[1] / seconds[0]:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    if (DATA / "adbench" / "donors.npz").exists():
        X, y = load_all("donors")
        detector = AutoencoderAnomalyDetector(random_state=0)
        fit, score = (
            median_seconds(function, repeats=1)[0]
            for function in (lambda: detector.fit(X), lambda: detector.score_samples(X))
        )
        area = roc_auc_score(y, -detector.score_samples(X))
        print(f"\ndonors, {len(X):,} x {X.shape[1]}: fit {fit:.1f} s, ", end="")
        print(f"score_samples {score:.1f} s, AUROC {area:.3f}")


class Batched(nn.Module):
    """Linear layers of several networks, one for each part of the batch."""

    def __init__(self, n_members, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_members, n_in, n_out) / n_in**0.5)
        self.bias = nn.Parameter(torch.zeros(n_members, 1, n_out))

    def forward(self, X):
        """Return the output of shape (n_members, n_rows, n_out)."""
        return torch.baddbmm(self.bias, X, self.weight)


def bench_members(n_members=5, n_steps=100):
    """Compare steps of several small networks, one after the other and at once."""

    def layers(n_features, linear):
        widths = [n_features, 128, 64, min(32, n_features), 64, 128, n_features]
        parts = []
        for n_in, n_out in pairwise(widths):
            parts += [linear(n_in, n_out), nn.ReLU()]
        return nn.Sequential(*parts[:-1])

    def train(network, X):
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)
        for _ in range(n_steps):
            for parameter in network.parameters():
                parameter.grad = None
            nn.functional.mse_loss(network(X), X).backward()
            optimizer.step()

    print(f"\n{n_members} networks, 256 rows a step, milliseconds a network and step\n")
    print("| columns | one after the other | at once | times as fast |")
    print("|--:|--:|--:|--:|")
    for n_features in (10, 32, 100):
        X = torch.randn(256, n_features)
        X_each = X.expand(n_members, *X.shape)

        def one_by_one(X=X, n_features=n_features):
            for _ in range(n_members):
                train(layers(n_features, nn.Linear), X)

        def at_once(X=X_each, n_features=n_features):
            train(layers(n_features, lambda *n: Batched(n_members, *n)), X)

        ms = median_seconds(one_by_one, at_once) / n_members / n_steps * 1e3
        print(f"| {n_features} | {ms[0]:.2f} | {ms[1]:.2f} | {ms[0] / ms[1]:.2f} |")


def plant(X, rng):
    """Return rows with one cell each moved to an extreme of its column, and which."""
    moved, varying = X.copy(), np.flatnonzero(X.std(axis=0) > 0)
    columns = rng.choice(varying, size=len(X))
    extremes = np.stack([X.min(axis=0), X.max(axis=0)])
    # The extreme that is farther off.
    distance = np.abs(extremes[:, columns] - X[np.arange(len(X)), columns])
    moved[np.arange(len(X)), columns] = extremes[distance.argmax(axis=0), columns]
    return moved, columns


def bench_explain(tables):
    """Count how often the cell that was moved comes first."""
    print("\n| table | rows | detected | moved column first |\n|---|--:|--:|--:|")
    shares = []
    for table in tables:
        X, y = load(table, 0)
        X, X_test, _ = split(X, y, "one-class", 0)
        detector = AutoencoderAnomalyDetector(random_state=0).fit(X)
        X_test = X_test[detector.predict(X_test) == 1][:1000]
        moved, columns = plant(X_test, np.random.default_rng(0))
        odd = detector.predict(moved) == -1
        if not odd.any():
            print(f"| {table} | {len(moved):,} | 0.0% | |", flush=True)
            continue
        first = detector.explain(moved[odd]).argmax(axis=1) == columns[odd]
        shares.append(first.mean())
        print(f"| {table} | {len(moved):,} | {odd.mean():.1%} | {shares[-1]:.1%} |")
    print(f"\nmean {np.mean(shares):.1%}, worst {np.min(shares):.1%}")


SWAPS = {"Husband": ("sex", "Female"), "Wife": ("sex", "Male")}


def load_adult():
    """Return the training rows of adult, as a frame."""
    X = pd.read_csv(DATA / "adult.csv.gz", keep_default_na=False, na_values=[""])
    return X[X["split"] == "train"].drop(columns=["split", "income"])


def contradict(X):
    """Return rows of husbands and wives, and the same of the other sex."""
    chosen = X[
        ((X["relationship"] == "Husband") & (X["sex"] == "Male"))
        | ((X["relationship"] == "Wife") & (X["sex"] == "Female"))
    ]
    other = chosen.assign(sex=chosen["sex"].map({"Male": "Female", "Female": "Male"}))
    return chosen, other


def as_ordinal(X, like):
    """Return categories as their places in the alphabet."""
    categories = {
        name: sorted(like[name].dropna().unique())
        for name in like.select_dtypes(exclude="number")
    }
    codes = {
        name: pd.Categorical(X[name], levels).codes.astype(float)
        for name, levels in categories.items()
    }
    return X.assign(**codes).astype(float)


def bench_mixed(n_rows=2_000):
    """Swap the sex of husbands and wives, and look whether that is found."""
    X = load_adult()
    print(
        "\n| seed | columns | score falls | first of explain | AUROC |"
        "\n|--:|---|--:|--:|--:|"
    )
    for seed in SEEDS:
        train, test = train_test_split(X, test_size=0.3, random_state=seed)
        before, after = (part[:n_rows] for part in contradict(test))
        for kind in ("as they are", "ordinal"):
            fitted = train
            rows = before, after
            if kind == "ordinal":
                fitted = as_ordinal(train, X)
                rows = [as_ordinal(part, X) for part in rows]
            detector = AutoencoderAnomalyDetector(random_state=seed).fit(fitted)
            scores = [detector.score_samples(part) for part in rows]
            falls = (scores[1] < scores[0]).mean()
            first = detector.explain(rows[1]).idxmax(axis=1)
            first = first.isin(["sex", "relationship"]).mean()
            area = roc_auc_score(
                np.repeat([0, 1], [len(s) for s in scores]), -np.concatenate(scores)
            )
            print(
                f"| {seed} | {kind} | {falls:.1%} | {first:.1%} | {area:.3f} |",
                flush=True,
            )


def find_tables():
    """Return the names of the tables that can be read."""
    names = sorted(path.stem for path in (DATA / "adbench").glob("*.npz"))
    return names or ["breast_cancer", "digits"]


def main():
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["tables", "classes", "speed", "members", "explain", "mixed"]
    parser.add_argument("part", choices=parts)
    parser.add_argument("--results", type=Path, metavar="FILE")
    parser.add_argument("--tables", nargs="+", metavar="NAME")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    describe_machine()
    print(f"scikit-learn {sklearn.__version__}, pandas {pd.__version__}")
    if arguments.part == "tables":
        bench_tables(arguments.tables or find_tables(), arguments.results)
    elif arguments.part == "classes":
        tables = rare_classes(arguments.tables or CLASS_TABLES)
        bench_tables(tables, arguments.results, seeds=[0])
    elif arguments.part == "explain":
        bench_explain(arguments.tables or find_tables())
    else:
        {"speed": bench_speed, "members": bench_members, "mixed": bench_mixed}[
            arguments.part
        ]()


if __name__ == "__main__":
    main()
