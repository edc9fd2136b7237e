"""
Pre-train on all rows, then classify from few labels
====================================================

The classic recipe for many rows of which few have a label: first train an autoencoder
to reconstruct all rows; then drop its decoder, put a layer with one output for each
class in its place, and train encoder and output layer on the labelled rows by gradient
descent.

This example does that for images of digits, and compares it with

* softmax regression on the pixels, which is a network without hidden layers, and
* the same network, trained on the labelled rows alone, from random weights.

By default it takes the small images that come with scikit-learn. For MNIST::

    python pretrain_then_classify.py --mnist             # downloads it from OpenML
    python pretrain_then_classify.py --mnist mnist.npz   # X_train, y_train, X_test, ...

With ``--plot accuracy.png``, it draws a picture of the results; that takes matplotlib.
"""

# %%
# The rows
# --------
# A few hundred rows, or for MNIST the last 10,000, are kept aside to test with. The
# autoencoder sees all others, and never their labels.

import argparse
import warnings

import numpy as np
from sklearn.datasets import fetch_openml, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderTransformer
from sklearn_ae.noise import SwapNoise

parser = argparse.ArgumentParser(description="Pre-train, then classify.")
parser.add_argument("--mnist", nargs="?", const="OpenML", metavar="FILE")
parser.add_argument("--plot", metavar="FILE")
arguments = parser.parse_args()


def load(mnist):
    """Return rows to learn from and to test on, their classes, and label counts."""
    if mnist is None:
        X, y = load_digits(return_X_y=True)
        rows = train_test_split(X, y, test_size=500, stratify=y, random_state=0)
        return *rows, (20, 100, 500)
    if mnist == "OpenML":
        X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
        rows = X[:60_000], X[60_000:], y[:60_000].astype(int), y[60_000:].astype(int)
    else:
        with np.load(mnist) as file:
            rows = [file[key] for key in ("X_train", "X_test", "y_train", "y_test")]
    X, X_test, y, y_test = rows
    X, X_test = (X.reshape(len(X), -1).astype(np.float32) for X in (X, X_test))
    return X, X_test, y.astype(int), y_test.astype(int), (100, 1_000, 10_000)


X, X_test, y, y_test, sizes = load(arguments.mnist)
print(f"{len(X):,} rows to learn from, {len(X_test):,} to test with")

# %%
# First phase: reconstruct
# ------------------------
# Layers of 256 and 128 units, and the same back, trained by RMSProp. Three of ten
# pixels are swapped for those of other images: so the encoder has to learn what images
# of digits look like in order to restore them.

autoencoder = AutoencoderTransformer(
    128,
    hidden_layer_sizes=256,
    noise=SwapNoise(0.3),
    scaling="minmax",
    optimizer="rmsprop",
    lr=1e-3,
    random_state=0,
)
autoencoder.fit(X)
first, last = autoencoder.loss_curve_[0], autoencoder.loss_curve_[-1]
print(
    f"Loss of the reconstruction: {first:.4f} in the first epoch, {last:.4f} at the end"
)

# %%
# Second phase: fine-tune on few labels
# -------------------------------------
# In a :class:`~sklearn.frozen.FrozenEstimator`, an autoencoder is used as it is: one
# serves all the models that follow. They all see all rows, but those without a label
# are marked by -1. Here the second phase takes no notice of them; by default, it may
# learn from them, too.


def make_models(seed):
    """Return softmax regression, a network from scratch, and a pre-trained one."""
    softmax = LogisticRegression(max_iter=1000)
    scratch = MLPClassifier(
        (256, 128),
        solver="sgd",
        learning_rate_init=0.03,
        max_iter=1000,
        random_state=seed,
    )
    pretrained = AutoencoderPretrainedClassifier(
        FrozenEstimator(autoencoder),
        optimizer="sgd",
        lr=0.03,
        weight_decay=0,
        net_params={"optimizer__momentum": 0.9, "optimizer__nesterov": True},
        semi_supervised=False,
        unlabeled_label=-1,
        random_state=seed,
    )
    return [make_pipeline(MinMaxScaler(), m) for m in (softmax, scratch)], pretrained


def accuracies(n_labels, seed):
    """Return the accuracy of each model with so many labels, as many of each class."""
    labelled, _ = train_test_split(
        np.arange(len(y)), train_size=n_labels, stratify=y, random_state=seed
    )
    y_partly = np.full(len(y), -1)
    y_partly[labelled] = y[labelled]
    others, pretrained = make_models(seed)
    for model in others:
        model.fit(X[labelled], y[labelled])
    pretrained.fit(X, y_partly)
    return [model.score(X_test, y_test) for model in (*others, pretrained)]


warnings.simplefilter("ignore", ConvergenceWarning)
names = ["softmax regression", "from scratch", "pre-trained"]
results = np.array([[accuracies(n, seed) for seed in range(5)] for n in sizes])
means = results.mean(axis=1)

# %%
# What came of it: mean accuracy over five draws of labels
# ---------------------------------------------------------

print(f"\n{'labels':>8}", *(f"{name:>20}" for name in names))
for n_labels, row in zip(sizes, means, strict=True):
    print(f"{n_labels:>8,}", *(f"{accuracy:>20.1%}" for accuracy in row))

# %%
# The same as a picture:

if arguments.plot is not None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    errors = results.std(axis=1, ddof=1) / np.sqrt(results.shape[1])
    for name, mean, error in zip(names, means.T, errors.T, strict=True):
        axes.errorbar(sizes, mean, error, marker="o", capsize=3, label=name)
    axes.set(xscale="log", xlabel="labels", ylabel="accuracy on test rows")
    axes.set_xticks(sizes, [f"{n_labels:,}" for n_labels in sizes])
    axes.minorticks_off()
    axes.legend()
    figure.savefig(arguments.plot, dpi=150)
    print(f"Picture in {arguments.plot}")
