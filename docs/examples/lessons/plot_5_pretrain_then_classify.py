"""
5. Pre-train, then classify
===========================

Images are cheap, labels are not: somebody has to look at each image and say what it
shows. So there are often many images of which few have a label. The recipe for that: an
autoencoder learns from all images how to say in a few numbers what they show. Then its
decoder is dropped, a layer with one output for each class takes its place, and encoder
and new layer together are trained on the images that have a label.

Here this is compared with

* softmax regression on the pixels, which is a network without hidden layers, and
* the same network without pre-training, from random weights.
"""

# %%
# The images
# ----------

import argparse
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_ae import AutoencoderPretrainedClassifier, AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.displays import LossCurveDisplay

parser = argparse.ArgumentParser(description="Pre-train, then classify.")
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
images = load_images(parser.parse_args().mnist or "digits")

X, y = images.X_train, images.y_train
large = X.shape[1] == 784
sizes = (100, 1_000, 10_000) if large else (50, 100, 500)
print(f"{len(X):,} images to learn from, {len(images.X_test):,} to test with")

# %%
# First phase: reconstruct
# ------------------------
# 784 pixels, 256 units, 128 numbers, all with sigmoids, trained by RMSProp. The rate
# starts at 0.02 and falls to zero. The labels are not used.

autoencoder = AutoencoderTransformer(
    n_components=128,
    hidden_layer_sizes=256,
    activation="sigmoid",
    latent_activation="sigmoid",
    output_activation="sigmoid",
    scaling=None,
    loss="mse",
    optimizer="rmsprop",
    lr=0.02,
    lr_schedule="cosine",
    weight_decay=0,
    max_epochs=20 if large else 100,
    batch_size=256 if large else 64,
    net_params={"optimizer__alpha": 0.9, "optimizer__eps": 1e-10},
    random_state=0,  # and device="cuda" for a GPU
)
autoencoder.fit(X)
LossCurveDisplay.from_estimator(autoencoder)

# %%
# Second phase: classify
# ----------------------
# Gradient descent with a rate of 0.5, without momentum or any other help. In a
# :class:`~sklearn.frozen.FrozenEstimator`, an autoencoder is used as it is, so that
# one serves all the classifiers that follow. The classifier starts out with a linear
# model of the 128 numbers, and goes on from there. The network without pre-training has
# the same layers and the same rate, and takes ten times as many epochs, since it has to
# start from nothing.


def make_models(n_labels, seed):
    """Return softmax regression, a new network, and a pre-trained one."""
    batch_size = min(max(32, n_labels // 10), 256)
    softmax = LogisticRegression(max_iter=1000)
    scratch = MLPClassifier(
        (256, 128),
        activation="logistic",
        solver="sgd",
        learning_rate_init=0.5,
        momentum=0,
        alpha=0,
        batch_size=batch_size,
        max_iter=500,
        n_iter_no_change=500,
        random_state=seed,
    )
    pretrained = AutoencoderPretrainedClassifier(
        FrozenEstimator(autoencoder),
        optimizer="sgd",
        lr=0.5,
        lr_schedule="constant",
        weight_decay=0,
        batch_size=batch_size,
        max_epochs=50,
        semi_supervised=False,
        random_state=seed,
    )
    return softmax, scratch, pretrained


def accuracies(n_labels, seed):
    """Return the accuracy of each model with labels drawn at random."""
    X_few, _, y_few, _ = train_test_split(
        X, y, train_size=n_labels, stratify=y, random_state=seed
    )
    models = [model.fit(X_few, y_few) for model in make_models(n_labels, seed)]
    return [model.score(images.X_test, images.y_test) for model in models]


warnings.simplefilter("ignore", ConvergenceWarning)
results = np.array([[accuracies(n, seed) for seed in range(3)] for n in sizes])

# %%
# Accuracy by number of labels
# ----------------------------
# Accuracy on images never seen, the mean over three draws of labels:

names = ["softmax regression", "without pre-training", "pre-trained"]
means = results.mean(axis=1)
print(f"{'labels':>8}", *(f"{name:>22}" for name in names))
for n_labels, row in zip(sizes, means, strict=True):
    print(f"{n_labels:>8,}", *(f"{accuracy:>22.1%}" for accuracy in row))

# %%
# The bars are standard errors.

figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
errors = results.std(axis=1, ddof=1) / np.sqrt(results.shape[1])
colours, markers, lines = (
    ("#E69F00", "#009E73", "#0072B2"),
    "s^o",
    (":", "--", "-"),
)
for i, name in enumerate(names):
    axes.errorbar(
        sizes,
        means[:, i],
        errors[:, i],
        color=colours[i],
        marker=markers[i],
        linestyle=lines[i],
        capsize=3,
        label=name,
    )
axes.set(
    xscale="log", xlabel="number of labels", ylabel="accuracy on new images"
)
axes.set_title(f"{len(X):,} images, few with a label: mean of three draws")
axes.set_xticks(sizes, [f"{n_labels:,}" for n_labels in sizes])
axes.minorticks_off()
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
# sphinx_gallery_thumbnail_number = 2
plt.show()
