"""Do scorers without labels rank settings as labels do?

Run ``python tests/benchmarks/bench_search_scores.py`` for the tables in the section on
searches of docs/development/decisions.md. On each table with classes, at most 1,500
rows, 60 % of them to fit, autoencoders of 2 to 32 components are trained with and
without noise for some 400 steps. Spearman's rank correlation compares scores of
`sklearn_ae.metrics` on the other rows with the accuracy of a linear model and of ten
neighbours on the latents and with the normalised mutual information of `KMeans`, which
also tries numbers of clusters from two to twice as many as there are classes; the
scores that people use otherwise beside them. "Lost" is what the setting with the
highest score is behind the best one. Everything runs on one thread. ``--small`` only
shows that it works.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from labelled_tables import BUILT_IN, FRAMES, TARGETS, divide, names, raw_columns
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.metrics import hidden_cells_r2, neighbor_rank_silhouette
from sklearn_ae.noise import SwapNoise

MOST_ROWS = 1_500
N_STEPS = 400
COMPONENTS = [2, 4, 8, 16, 32]
NOISE = {"none": None, "swap": SwapNoise(rate=0.3)}
LATENT_TARGETS = ["linear", "neighbours", "NMI"]
LATENT_SCORES = ["hidden cells", "reconstruction", "n_components"]
CLUSTER_SCORES = ["rank silhouette", "silhouette", "inertia", "n_clusters"]


def with_classes():
    """Return the tables with classes; those of ADBench say what is an outlier."""
    known = {*BUILT_IN, *FRAMES, "MNIST"} - {*TARGETS}
    return [name for name in names() if name in known]


def settings(n_columns, most_components):
    """Yield the name and the parameters of each autoencoder."""
    for n_components in COMPONENTS:
        if n_components < n_columns and n_components <= most_components:
            for name, noise in NOISE.items():
                yield n_components, name, {"n_components": n_components, "noise": noise}


def measure(name, division, n_steps, most_components):
    """Return scores and what labels say: of latents, and of clusters."""
    X, X_test, y, y_test = divide(name, division, MOST_ROWS)
    columns = raw_columns(X).fit(X).transform(X_test)
    n_epochs = max(1, n_steps // -(-len(y) // 256))
    n_classes = len(np.unique(y))
    numbers = {2, max(2, n_classes // 2), n_classes, n_classes + 2, 2 * n_classes}
    latents, clusters = [], []
    for n_components, noise, params in settings(columns.shape[1], most_components):
        ae = AutoencoderTransformer(max_epochs=n_epochs, random_state=0, **params)
        Z, Z_test = ae.fit_transform(X), ae.transform(X_test)
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        row = {
            "table": name,
            "setting": f"{n_components} {noise}",
            "n_components": n_components,
            "linear": linear.fit(Z, y).score(Z_test, y_test),
            "neighbours": KNeighborsClassifier(10).fit(Z, y).score(Z_test, y_test),
            "hidden cells": hidden_cells_r2(ae, X_test),
            "reconstruction": ae.score(X_test),
        }
        for n_clusters in sorted(numbers):
            kmeans = KMeans(n_clusters, n_init=3, random_state=0).fit(Z)
            labels = kmeans.predict(Z_test)
            nmi = normalized_mutual_info_score(y_test, labels)
            if n_clusters == n_classes:
                row["NMI"] = nmi
            pipeline = Pipeline([("ae", ae), ("clusters", kmeans)])
            clusters.append(
                {
                    "table": name,
                    "setting": f"{row['setting']} {n_clusters}",
                    "NMI": nmi,
                    "n_clusters": n_clusters,
                    "rank silhouette": neighbor_rank_silhouette(pipeline, X_test),
                    "silhouette": _silhouette(columns, labels),
                    "inertia": kmeans.score(Z_test),
                }
            )
        latents.append(row)
    return latents, clusters


def _silhouette(columns, labels):
    n_labels = len(np.unique(labels))
    if not 1 < n_labels < len(labels):
        return -1.0
    return silhouette_score(columns, labels)


def compare(rows, scores, targets):
    """Return rank correlations, and what is lost, of each score for each target."""
    correlations, lost = {}, {}
    for name, table in rows.groupby("table", sort=False):
        for target in targets:
            labels = table[target].to_numpy()
            for score in scores:
                values = table[score].to_numpy()
                if np.ptp(labels) > 0 and np.ptp(values) > 0:
                    correlations[name, f"{score}: {target}"] = spearmanr(
                        values, labels
                    ).statistic
                lost[name, f"{score}: {target}"] = (
                    labels.max() - labels[values.argmax()]
                )
            lost[name, f"mean setting: {target}"] = labels.max() - labels.mean()
    tables = (pd.Series(found).unstack() for found in (correlations, lost))
    return [table.reindex(rows["table"].unique()) for table in tables]


def show(title, rows, scores, targets):
    """Print a table of rank correlations with the mean of what is lost below."""
    correlations, lost = compare(rows, scores, targets)
    columns = [f"{score}: {target}" for target in targets for score in scores]
    print(f"\n| {title} | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
    mean = correlations.mean().rename("mean")
    for name, row in pd.concat([correlations, mean.to_frame().T]).iterrows():
        cells = (f"{row.get(column, np.nan):.2f}" for column in columns)
        print(f"| {name.removeprefix('more/')} | {' | '.join(cells)} |")
    cells = (f"{lost[column].mean():.3f}" for column in columns)
    print(f"| lost, mean | {' | '.join(cells)} |")
    for target in targets:
        print(f"Lost by the mean setting, {target}: ", end="")
        print(f"{lost[f'mean setting: {target}'].mean():.3f}", flush=True)


def main(arguments=None):
    """Print one table for latents and one for clusters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--division", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tables, n_steps, most = with_classes(), N_STEPS, max(COMPONENTS)
    if options.small:
        tables, n_steps, most = ["iris", "wine"], 4, 4
    latents, clusters = [], []
    for name in tables:
        found = measure(name, options.division, n_steps, most)
        latents += found[0]
        clusters += found[1]
        print(f"{name} measured", flush=True)
    show("latents", pd.DataFrame(latents), LATENT_SCORES, LATENT_TARGETS)
    show("clusters", pd.DataFrame(clusters), CLUSTER_SCORES, ["NMI"])


if __name__ == "__main__":
    main()
