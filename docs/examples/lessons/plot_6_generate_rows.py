"""
6. Generate new rows
====================

A decoder draws an image from a few numbers. Give it numbers that no image led to, and
it draws an image that nobody made. A *variational* autoencoder is trained for that: its
encoder does not name a point but a small cloud of points, and all clouds together are
pushed towards a normal distribution, so that there are no holes between them. Numbers
drawn from there give new images, or new rows of any table.

This lesson uses them to augment a training set that is too small.
"""

# %%
# Too few images
# --------------
# Five images of each digit have a label. That is all there is to learn from.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.latents import Variational

parser = argparse.ArgumentParser(description="Generate rows to learn from.")
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
images = load_images(parser.parse_args().mnist or "digits")

N_FEW, N_NEW, N_DRAWS = 5, 100, 3


def draw_few(seed):
    """Return five images of each digit, and the digits."""
    rng = np.random.default_rng(seed)
    of_each = [np.flatnonzero(images.y_train == digit) for digit in range(10)]
    few = np.concatenate(
        [rng.choice(rows, N_FEW, replace=False) for rows in of_each]
    )
    return images.X_train[few], images.y_train[few]


# %%
# A hundred more of each digit
# ----------------------------
# One variational autoencoder for each digit, so that we know what the new images show.
# Two numbers say how the five images differ. ``sample`` draws new rows in the units of
# the old ones.


def augment(X, y):
    """Return new images and their digits, as many of each."""
    new = []
    for digit in range(10):
        autoencoder = AutoencoderTransformer(
            n_components=2,
            latent=Variational(beta=1.0),
            scaling=None,
            max_epochs=200,
            random_state=0,  # and device="cuda" for a GPU
        ).fit(X[y == digit])
        new.append(autoencoder.sample(N_NEW, random_state=0))
    return np.vstack(new), np.repeat(np.arange(10), N_NEW)


# %%
# Does it help?
# -------------
# Three classifiers learn from the 50 images alone, and from these together with the
# 1,000 new ones. Accuracy on images never seen, the mean over three draws of the 50:

classifiers = {
    "nearest neighbours": KNeighborsClassifier(3),
    "support vectors": SVC(),
    "softmax regression": LogisticRegression(max_iter=1000),
}
results = []
for seed in range(N_DRAWS):
    X, y = draw_few(seed)
    X_new, y_new = augment(X, y)
    X_more, y_more = np.vstack([X, X_new]), np.concatenate([y, y_new])
    for classifier in classifiers.values():
        for rows, labels in ((X, y), (X_more, y_more)):
            classifier.fit(rows, labels)
            results.append(classifier.score(images.X_test, images.y_test))

means = np.reshape(results, (N_DRAWS, len(classifiers), 2)).mean(axis=0)
print(f"{'':<20}{'few images':>12}{'and new ones':>14}")
for name, (few, more) in zip(classifiers, means, strict=True):
    print(f"{name:<20}{few:>12.1%}{more:>14.1%}")

# %%
# Nearest neighbours gain most: where a digit has only five images, three neighbours
# soon show another one, and the new images fill the space between. Models that draw
# smooth borders anyway gain less, or nothing at all. So generated rows are something to
# try, and to check on rows that were held out.
#
# The new images
# --------------
# Left of the gap the five images of each digit, right of it ten new ones. Their grain
# is on purpose: ``sample`` also draws how far pixels lie from what the decoder says of
# them. With ``loss="bce"`` it would not, and the images would be smooth.

_, height, width = images.image_shape
figure, axes = plt.subplots(
    10,
    16,
    figsize=(7, 4.6),
    layout="constrained",
    width_ratios=[1] * 5 + [0.5] + [1] * 10,
)
for digit, row in enumerate(axes):
    old, new = X[y == digit], X_new[y_new == digit][:10]
    for ax in row:
        ax.set_axis_off()
    for ax, picture in zip((*row[:5], *row[6:]), (*old, *new), strict=True):
        ax.imshow(
            picture.reshape(height, width), cmap="gray_r", vmin=0, vmax=1
        )
plt.show()
