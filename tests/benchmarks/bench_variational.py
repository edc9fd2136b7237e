"""What the parts of a variational latent are worth on tables.

Run ``python tests/benchmarks/bench_variational.py`` for a table of docs/benchmarks.md.
Each table is split in two halves. For each variant: how many latents vary over the test
rows, how many times PCA's error of the same size is the error of reconstructing them,
and how well new rows pass for test rows: the area under the ROC curve of boosted trees
that tell the two apart by cross-validation (0.5 is the best), and the mean difference
between their correlations. ADBench's tables are read from the folder that
SKLEARN_AE_DATA names; without them, those of scikit-learn remain.
"""

from contextlib import ExitStack
from unittest import mock

import numpy as np
import pandas as pd
import torch
from real_data import DATA
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._autoencoder import row_sampler
from sklearn_ae._modules.losses import NumericReconstructionLoss
from sklearn_ae._net.callbacks import Annealing
from sklearn_ae.latents import Variational

NAMES = ["annthyroid", "cover", "mammography", "Pima", "satellite", "shuttle"]
MOST_ROWS = 10_000


def tables():
    """Yield the name and the normal rows of each table."""
    yield "wine", load_wine().data
    yield "breast cancer", load_breast_cancer().data
    yield "digits", load_digits().data
    for name in NAMES:
        path = DATA / "adbench" / f"{name}.npz"
        if path.exists():
            with np.load(path) as file:
                yield name, file["X"][file["y"] == 0]


def variant(name):
    """Return a context in which one part is replaced."""
    stack, patch = ExitStack(), mock.patch.object
    if name == "variance 1":
        nats = lambda self, raw, *args: raw.new_full((), 0.5)  # noqa: E731
        stack.enter_context(patch(NumericReconstructionLoss, "nats_per_loss", nats))
    if name.endswith("no annealing"):
        stack.enter_context(patch(Annealing, "_set_weight"))
    if name == "no matching":
        same = lambda column, observed: column  # noqa: E731
        stack.enter_context(patch(row_sampler, "_match_distribution", same))
    if name == "standard normal codes":

        def sample(self, n_rows):
            normal = np.random.normal(size=(n_rows, self.n_features_in_))
            return normal, np.zeros(n_rows, dtype=int)

        stack.enter_context(patch(GaussianMixture, "sample", sample))
    return stack


VARIANTS = [
    "as released",
    "standard normal codes",
    "no matching",
    "variance 1",
    "no annealing",
    "tanh, which cannot start as PCA",
    "tanh, no annealing",
]


def tell_apart(real, new, seed):
    """Return the AUROC of boosted trees that learn which rows are new."""
    # The last digits would give away what has been through float32.
    both = np.vstack([real, new]).round(3)
    is_new = np.repeat([0, 1], [len(real), len(new)])
    guess = cross_val_predict(
        HistGradientBoostingClassifier(max_iter=50, random_state=seed),
        both,
        is_new,
        cv=StratifiedKFold(3, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    return roc_auc_score(is_new, guess[:, 1])


def measure(X, name, seed=0):
    """Return the figures of one variant on one table."""
    rng = np.random.default_rng(seed)
    X = X[rng.permutation(len(X))[:MOST_ROWS]]
    X, X_test = train_test_split(X, test_size=0.5, random_state=seed)
    scaler = StandardScaler().fit(X)
    activation = "tanh" if name.startswith("tanh") else "relu"
    with variant(name):
        ae = AutoencoderTransformer(
            activation=activation, latent=Variational(), random_state=seed
        ).fit(X)
        drawn = scaler.transform(ae.sample(len(X_test), random_state=seed))
    active = int((ae.transform(X_test).var(axis=0) > 0.01).sum())
    X, X_test = scaler.transform(X), scaler.transform(X_test)
    pca = PCA(ae.n_components_, random_state=seed).fit(X)
    restored = pca.inverse_transform(pca.transform(X_test))
    with np.errstate(invalid="ignore"):
        gap = np.abs(np.nan_to_num(np.corrcoef(X_test.T) - np.corrcoef(drawn.T)))
    return {
        "active": active / ae.n_components_,
        "error / PCA's": -ae.score(X_test * scaler.scale_ + scaler.mean_)
        / np.square(restored - X_test).mean(),
        "told apart": tell_apart(X_test, drawn, seed),
        "correlations": gap.mean(),
    }


def main():
    """Print the figures of each variant: on each table, and their means."""
    torch.set_num_threads(1)
    figures = {}
    for table, X in tables():
        for name in VARIANTS:
            figures[table, name] = measure(X, name)
            cells = [f"{value:8.3f}" for value in figures[table, name].values()]
            print(f"{table:14s} {name:32s}", *cells, flush=True)
    frame = pd.DataFrame(figures).T.rename_axis(["table", "variant"])
    means = frame.groupby("variant", sort=False).mean()
    ratio = np.log(frame["error / PCA's"]).groupby("variant", sort=False).mean()
    print(means.assign(**{"error / PCA's": np.exp(ratio)}).round(3).to_markdown())


if __name__ == "__main__":
    main()
