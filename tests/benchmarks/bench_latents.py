"""What the latent is worth to KMeans and LogisticRegression, beside PCA's.

Run ``python tests/benchmarks/bench_latents.py`` for the second table of
docs/development/defaults.md: codes as training leaves them, and after the final turn
towards the principal components. MNIST is read from the folder that SKLEARN_AE_DATA
names; without it, the digits remain.
"""

from unittest import mock

import numpy as np
import torch
from real_data import DATA
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.pca_start import PCAStart


def worth(encoder, rows, labels):
    """Return the accuracy and the NMI on held-out codes of a fitted encoder."""
    codes = [encoder.transform(X) for X in rows]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    clusters = KMeans(10, n_init=5, random_state=0).fit(codes[0]).predict(codes[1])
    return (
        classifier.fit(codes[0], labels[0]).score(codes[1], labels[1]),
        normalized_mutual_info_score(labels[1], clusters),
    )


def compare(X, y, n_components, seed):
    """Return accuracy and NMI of PCA and of both kinds of codes."""
    *rows, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    pca = make_pipeline(StandardScaler(), PCA(n_components, random_state=seed))
    ae = AutoencoderTransformer(n_components, random_state=seed)
    with mock.patch.object(PCAStart, "align_latent", return_value=None):
        as_trained = worth(ae.fit(rows[0]), rows, (y_train, y_test))
    return [
        worth(pca.fit(rows[0]), rows, (y_train, y_test)),
        as_trained,
        worth(ae.fit(rows[0]), rows, (y_train, y_test)),
    ]


def main():
    """Print one line for each table and size."""
    torch.set_num_threads(1)
    jobs = [("digits", *load_digits(return_X_y=True), k, 3) for k in (10, 16, 32)]
    if (DATA / "mnist.npz").exists():
        mnist = np.load(DATA / "mnist.npz")
        X, y = mnist["X_train"][:6000].astype(np.float32), mnist["y_train"][:6000]
        jobs.append(("MNIST", X, y, 32, 2))
    print("| table, components | PCA | as trained | turned |\n|---|--:|--:|--:|")
    for name, X, y, k, seeds in jobs:
        means = np.mean([compare(X, y, k, seed) for seed in range(seeds)], axis=0)
        cells = (f"{accuracy:.3f}, {nmi:.3f}" for accuracy, nmi in means)
        print(f"| {name}, {k} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
