"""What KMeans finds in tables with classes: rows, PCA, plain latents, `Clustered`.

Run ``python tests/benchmarks/bench_clusters.py`` for the table "Clusters" of
docs/benchmarks.md, with ``--mnist`` for 60,000 images of MNIST and 10,000 new ones.
Cells are accuracy and NMI, means of the seeds; the worst NMI is in brackets. Tables
beside scikit-learn's are read from the folder that SKLEARN_AE_DATA names.
"""

import argparse
import time
import warnings

import numpy as np
from labelled_tables import BUILT_IN, TARGETS, load, names, raw_columns
from real_data import DATA
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.pipeline import make_pipeline

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._defaults import default_n_components
from sklearn_ae.latents import Clustered


def tables():
    """Return the names of tables whose classes somebody may look for."""
    return [
        name
        for name in names()
        if (name in BUILT_IN or name.startswith("more/")) and name not in TARGETS
    ]


def methods(X, n_clusters, seed):
    """Return what comes before KMeans, by name."""
    n_components = min(default_n_components(X.shape[1]), len(X))
    return {
        "rows": raw_columns(X),
        "PCA": make_pipeline(raw_columns(X), PCA(n_components, random_state=seed)),
        "latents": AutoencoderTransformer(random_state=seed),
        "Clustered": AutoencoderTransformer(
            latent=Clustered(n_clusters), random_state=seed
        ),
    }


def accuracy(labels, clusters):
    """Return the share of rows on the diagonal, clusters being named as is best."""
    table = contingency_matrix(labels, clusters)
    return table[linear_sum_assignment(-table)].sum() / len(labels)


def measure(X, y, seeds):
    """Return accuracy, NMI and seconds of each method, one row for each seed."""
    n_clusters = len(set(y))
    found = {}
    for seed in range(seeds):
        for name, method in methods(X, n_clusters, seed).items():
            start = time.process_time()
            Z = method.fit_transform(X)
            kmeans = KMeans(n_clusters, n_init=10, random_state=seed).fit(Z)
            seconds = time.process_time() - start
            nmi = normalized_mutual_info_score(y, kmeans.labels_)
            row = accuracy(y, kmeans.labels_), nmi, seconds
            found.setdefault(name, []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def mnist(seeds):
    """Print accuracies on the images of `fit` and on new ones."""
    images = np.load(DATA / "mnist.npz")
    X, X_new = (
        images[name].reshape(len(images[name]), -1).astype(np.float32)
        for name in ("X_train", "X_test")
    )
    for seed in range(seeds):
        start = time.process_time()
        ae = AutoencoderTransformer(latent=Clustered(10), random_state=seed)
        kmeans = KMeans(10, n_init=1, random_state=seed).fit(ae.fit_transform(X))
        seconds = time.process_time() - start
        new = kmeans.predict(ae.transform(X_new))
        print(
            f"| MNIST, seed {seed} | {accuracy(images['y_train'], kmeans.labels_):.3f} "
            f"| {accuracy(images['y_test'], new):.3f} | {ae.cluster_stability_:.2f} "
            f"| {seconds:.0f} |",
            flush=True,
        )


def main(arguments=None):
    """Print one line for each table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="*")
    parser.add_argument("--mnist", action="store_true")
    parser.add_argument("--small", action="store_true", help="iris, one seed")
    options = parser.parse_args(arguments)
    if options.small:
        options.tables, options.seeds = ["iris"], 1
    warnings.simplefilter("ignore")
    if options.mnist:
        mnist(options.seeds)
        return
    columns = ["rows", "PCA", "latents", "Clustered"]
    print(f"| table | {' | '.join(columns)} | s |\n|---{'|--:' * 5}|")
    for name in options.tables or tables():
        found = measure(*load(name), options.seeds)
        cells = [
            f"{rows[:, 0].mean():.2f}, {rows[:, 1].mean():.2f} ({rows[:, 1].min():.2f})"
            for rows in found.values()
        ]
        seconds = found["Clustered"][:, 2].mean()
        print(f"| {name} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
