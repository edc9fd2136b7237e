"""NeighborEmbedding beside PCA and UMAP: neighbours kept, clusters, new rows, seconds.

Run ``python tests/benchmarks/bench_neighbor_embedding.py`` for the tables of "Neighbour
embedding" in docs/benchmarks.md, with ``--mnist`` for 70,000 images. UMAP is that of
umap-learn, if it is installed; its ParametricUMAP needs TensorFlow. All methods get the
same scaled columns, on one thread; seconds are those of the processor. Most tables are
read from the folder in the environment variable SKLEARN_AE_DATA; without it, those of
scikit-learn remain.
"""

import argparse
import time
import warnings
from importlib.util import find_spec

import labelled_tables
import numpy as np
import torch
from bench_speed import describe_machine
from real_data import DATA
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.latents import NeighborEmbedding

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap
except ImportError:
    umap = None

TABLES = ["digits", "wine", "breast_cancer", "more/segment", "more/letter"]
N_ROWS, N_NEIGHBORS = 3000, 15


def embedding(n_components, seed, **params):
    """Return our estimator; the columns are scaled already."""
    return AutoencoderTransformer(
        n_components,
        latent=NeighborEmbedding(),
        scaling=None,
        random_state=seed,
        **params,
    )


METHODS = {
    "PCA": lambda k, seed: PCA(k, random_state=seed),
    "NeighborEmbedding": embedding,
}
if umap is not None:
    METHODS["UMAP"] = lambda k, seed: umap.UMAP(
        n_components=k, random_state=seed, n_jobs=1
    )
if umap is not None and find_spec("tensorflow") is not None:
    METHODS["ParametricUMAP"] = lambda k, seed: umap.ParametricUMAP(
        n_components=k, random_state=seed, n_jobs=1
    )


def load(name):
    """Return numbers, scaled to unit variance (of all pixels together), and labels."""
    if name == "mnist":
        mnist = np.load(DATA / "mnist.npz")
        X = np.concatenate([mnist["X_train"], mnist["X_test"]]).astype(np.float32)
        X, y = X.reshape(len(X), -1), np.r_[mnist["y_train"], mnist["y_test"]]
    else:
        X, y = labelled_tables.load(name)
        X = np.asarray(X, dtype=float)
    X = X - X.mean(0)
    if name in ("digits", "mnist"):
        return X / np.sqrt(X.var(0).mean()), y
    X = X[:, X.std(0) > 0]
    return X / X.std(0), y


def neighbors_kept(X, Z):
    """Return the share of each row's nearest neighbours that are so among latents."""
    near = [
        NearestNeighbors(n_neighbors=N_NEIGHBORS)
        .fit(values)
        .kneighbors(return_distance=False)
        for values in (X, Z)
    ]
    pairs = zip(*near, strict=True)
    return np.mean([len(np.intersect1d(*pair)) for pair in pairs]) / N_NEIGHBORS


def kept(X, Z):
    """Return trustworthiness and neighbours kept, of a sample of many rows."""
    some = np.random.default_rng(0).permutation(len(X))[:N_ROWS]
    X, Z = X[some], Z[some]
    return trustworthiness(X, Z, n_neighbors=N_NEIGHBORS), neighbors_kept(X, Z)


def measure(model, X, y, seed):
    """Return what a model makes of rows that it is fitted to, and of others."""
    X, X_new, y, y_new = train_test_split(X, y, test_size=0.25, random_state=seed)
    start = time.process_time()
    Z = np.asarray(model.fit_transform(X), dtype=float)
    seconds = time.process_time() - start
    start = time.process_time()
    Z_new = np.asarray(model.transform(X_new), dtype=float)
    seconds_new = time.process_time() - start
    kmeans = KMeans(len(np.unique(y)), n_init=5, random_state=seed).fit(Z)
    return [
        *kept(X, Z),
        normalized_mutual_info_score(y, kmeans.labels_),
        *kept(X_new, Z_new),
        normalized_mutual_info_score(y_new, kmeans.predict(Z_new)),
        seconds,
        seconds_new,
    ]


def main(argv=None):
    """Print one line for each table, size and method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", action="store_true", help="70,000 images")
    parser.add_argument("--small", action="store_true", help="a few rows, as a test")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="umap")
    describe_machine()
    print("" if umap is None else f"umap-learn {umap.__version__}\n")
    at_hand = labelled_tables.names()
    names = ["mnist"] if arguments.mnist else [n for n in TABLES if n in at_hand]
    seeds, n_rows, sizes = range(2), N_ROWS, (2, 10)
    if arguments.mnist:
        seeds, n_rows = range(1), None
    if arguments.small:
        names, seeds, n_rows = ["digits"], range(1), 200
    print(
        "| embedding | method | trustworthiness | neighbours kept | NMI "
        "| trustworthiness, new rows | kept, new | NMI, new | fit, s | new rows, s |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for name in names:
        X, y = load(name)
        some = np.random.default_rng(0).permutation(len(X))[:n_rows]
        X, y = X[some], y[some]
        for k in sizes:
            for method, make in METHODS.items():
                runs = [measure(make(k, seed), X, y, seed) for seed in seeds]
                *shares, seconds, seconds_new = np.mean(runs, axis=0)
                cells = [f"{share:.3f}" for share in shares]
                cells += [f"{seconds:.1f}", f"{seconds_new:.2f}"]
                cells = [f"{name.removeprefix('more/')}, {k}", method, *cells]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
