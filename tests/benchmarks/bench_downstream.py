"""Do latents help what comes next? Linear models, neighbours and KMeans behind them.

Run ``python tests/benchmarks/bench_downstream.py`` for the tables of
docs/benchmarks.md: the standardised columns, PCA and the autoencoder of the same size
with its defaults, and what costs as little or less than a hidden layer: columns beside
a `Nystroem` map, beside random layers, and the hidden activations of the autoencoder
after and before it was trained. At most 3,000 rows of each table, 60 % of them to fit,
five divisions. ``--results runs.csv`` keeps what was measured: it is not measured
again. Everything runs on one thread. ``--small`` only shows that it works.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_speed import describe_machine
from labelled_tables import TARGETS, divide, names, raw_columns
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.noise import SwapNoise

N_DIVISIONS = 5
KEYS = ["table", "division", "method"]
MEASURES = {
    "linear": "LogisticRegression, Ridge",
    "neighbours": "five neighbours",
    "NMI": "KMeans, NMI",
}
# Widths of the random layers, as those of the default network.
WIDTHS = 128, 64


def hidden_activations(autoencoder, X):
    """Return the activations of all layers of the encoder, and the latents."""
    encoder = autoencoder.table_encoder_
    rows = torch.from_numpy(encoder.transform(encoder.check(X)))
    outputs = []
    with torch.no_grad():
        values = autoencoder.module_.inputs(rows)
        for layer in autoencoder.module_.network.encoder:
            values = layer(values)
            if not isinstance(layer, torch.nn.Linear):
                outputs.append(values)
    return torch.cat([*outputs, values], dim=1).numpy()


def random_layers(X, seed):
    """Return a function that appends the outputs of two untrained ReLU layers."""
    rng = np.random.default_rng(seed)
    n, layers = X.shape[1], []
    for width in WIDTHS:
        scale = np.sqrt(2 / n)
        layers.append((scale * rng.normal(size=(n, width)), rng.normal(size=width) / 2))
        n = width

    def append(X):
        outputs = [X]
        for weight, bias in layers:
            outputs.append(np.maximum(outputs[-1] @ weight + bias, 0))
        return np.hstack(outputs)

    return append


def features(X, X_test, seed):
    """Yield the name of each method and its features of both parts."""
    raw = raw_columns(X).fit(X)
    columns, columns_test = raw.transform(X), raw.transform(X_test)
    yield "columns", columns, columns_test
    ae = AutoencoderTransformer(random_state=seed).fit(X)
    pca = PCA(min(ae.n_components_, *columns.shape), random_state=seed).fit(columns)
    yield "PCA", pca.transform(columns), pca.transform(columns_test)
    yield "latents", ae.transform(X), ae.transform(X_test)
    noise = {"noise": SwapNoise(0.15)}
    trained = AutoencoderTransformer(random_state=seed, **noise).fit(X)
    yield "latents, swap noise", trained.transform(X), trained.transform(X_test)
    start = AutoencoderTransformer(
        random_state=seed, max_epochs=1, lr=1e-12, weight_decay=0.0
    ).fit(X)
    for name, encoder in [
        ("hidden, plain", ae),
        ("hidden, swap noise", trained),
        ("hidden, untrained", start),
    ]:
        yield name, *(hidden_activations(encoder, rows) for rows in (X, X_test))
    append = random_layers(columns, seed)
    yield "columns, random layers", append(columns), append(columns_test)
    kernel = Nystroem(
        gamma=0.5 / columns.shape[1],
        n_components=min(sum(WIDTHS), len(columns)),
        random_state=seed,
    ).fit(columns)
    yield (
        "columns, Nystroem",
        *(
            np.hstack([rows, kernel.transform(rows)])
            for rows in (columns, columns_test)
        ),
    )


def measure(Z, Z_test, y, y_test, is_class, seed):
    """Return what models behind some features reach on new rows."""
    neighbours = KNeighborsClassifier() if is_class else KNeighborsRegressor()
    linear = LogisticRegression(max_iter=1000) if is_class else Ridge()
    scores = {
        "linear": make_pipeline(StandardScaler(), linear)
        .fit(Z, y)
        .score(Z_test, y_test),
        "neighbours": neighbours.fit(Z, y).score(Z_test, y_test),
        "NMI": np.nan,
    }
    if is_class:
        kmeans = KMeans(len(np.unique(y)), n_init=10, random_state=seed).fit(Z)
        scores["NMI"] = normalized_mutual_info_score(y_test, kmeans.predict(Z_test))
    return scores


def bench(tables, n_divisions, path, most_rows):
    """Measure all that the file does not hold, and return it."""
    runs = pd.read_csv(path) if path and path.exists() else pd.DataFrame(columns=KEYS)
    known = set(runs[["table", "division"]].itertuples(index=False, name=None))
    for division in range(n_divisions):
        for name in (n for n in tables if (n, division) not in known):
            X, X_test, y, y_test = divide(name, division, most_rows)
            new = [
                dict(zip(KEYS, (name, division, method), strict=True))
                | measure(Z, Z_test, y, y_test, name not in TARGETS, division)
                for method, Z, Z_test in features(X, X_test, division)
            ]
            runs = pd.concat([runs, pd.DataFrame(new)], ignore_index=True)
            if path:
                runs.to_csv(path, index=False)
    return runs


def paired(scores, reference):
    """Return the mean difference of each table to a reference, and its error."""
    differences = scores.sub(scores[reference], axis=0).groupby("table", sort=False)
    return differences.mean(), differences.sem()


def print_measure(runs, measure, title):
    """Print the means of a measure over the tables, beside the columns and PCA."""
    scores = runs.pivot(index=["table", "division"], columns="method", values=measure)
    scores = scores[runs["method"].unique()].dropna()
    difference, error = paired(scores, "columns")
    print(
        f"\n| {title} | mean | to the columns | to PCA | worse than the columns |\n"
        "|---|--:|--:|--:|--:|"
    )
    for method in scores:
        worse = (difference[method] < -2 * error[method].fillna(0)).sum()
        print(
            f"| {method} | {scores[method].groupby('table').mean().mean():.3f} | "
            f"{difference[method].mean():+.3f} | "
            f"{(difference[method] - difference['PCA']).mean():+.3f} | "
            f"{worse} of {len(difference)} |"
        )


def print_tables(runs):
    """Print a line for each table and measure."""
    for key, title in MEASURES.items():
        means = runs.pivot_table(
            index="table", columns="method", values=key, sort=False
        )
        print(f"\n| {title} | " + " | ".join(means) + " |")
        print("|---|" + "--:|" * means.shape[1])
        for name, row in means.iterrows():
            print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |")


def main(arguments=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--tables", nargs="+", default=names(), choices=names())
    parser.add_argument("--divisions", type=int, default=N_DIVISIONS)
    parser.add_argument("--small", action="store_true", help="a few rows of three")
    arguments = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    describe_machine()
    if arguments.small:
        runs = bench(["iris", "wine", "diabetes"], 1, None, 150)
    else:
        runs = bench(arguments.tables, arguments.divisions, arguments.results, 3_000)
    print_tables(runs)
    is_class = ~runs["table"].isin(TARGETS)
    for key, title in MEASURES.items():
        print_measure(runs[is_class], key, title)
    print_measure(runs[~is_class], "linear", "Ridge, R2")


if __name__ == "__main__":
    main()
