"""
7. Image search
===============

Given an image, which of many others are most like it? Comparing it pixel by pixel with
all of them takes long, and longer the larger the images. An autoencoder says in a few
numbers what an image shows. Comparing these few numbers is enough.
"""

# %%
# The images
# ----------
# Those to train on are the collection to search in; those to test with are what we
# search for. A hit is an image of the same digit. The labels serve to count hits, and
# for nothing else.

import argparse

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.noise import GaussianNoise

parser = argparse.ArgumentParser(description="Search images by their latents.")
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
images = load_images(parser.parse_args().mnist or "digits")

X, X_query = images.X_train, images.X_test[:1000]
large = X.shape[1] == 784
print(f"a collection of {len(X):,} images, and {len(X_query):,} to search for")

# %%
# An index in two lines
# ---------------------
# The autoencoder takes 8 numbers for an image, 16 with MNIST. While it trains,
# noise is added to the images; so it learns to look past small differences.

n_components = 16 if large else 8
autoencoder = AutoencoderTransformer(
    n_components,
    scaling=None,
    noise=GaussianNoise(0.3),
    max_epochs=None if large else 100,
    random_state=0,  # and device="cuda" for a GPU
).fit(X)

# %%
# These are the two lines. scikit-learn's nearest neighbours do the rest, and know ways
# to be faster than comparing with each image in turn, if the numbers are few.

index = NearestNeighbors(n_neighbors=10).fit(autoencoder.transform(X))
nearest = index.kneighbors(
    autoencoder.transform(X_query), return_distance=False
)

# %%
# How good is it?
# ---------------
# Of the ten images found, how many show the digit that was searched for?
# Compared with a search among all pixels, and among as many numbers made by PCA:


def share_of_hits(nearest):
    """Return which share of the images found show the digit searched for."""
    hits = images.y_train[nearest] == images.y_test[: len(nearest), None]
    return hits.mean()


def search(Z, Z_query):
    """Return the positions of the ten nearest rows of Z."""
    index = NearestNeighbors(n_neighbors=10).fit(Z)
    return index.kneighbors(Z_query, return_distance=False)


pca = PCA(n_components, random_state=0).fit(X)
by_pixels = search(X, X_query)
by_pca = search(pca.transform(X), pca.transform(X_query))
for n_numbers, name, found in (
    (X.shape[1], "pixels", by_pixels),
    (n_components, "numbers of PCA", by_pca),
    (n_components, "latents", nearest),
):
    print(f"hits by {n_numbers:>3} {name:<15} {share_of_hits(found):.1%}")

# %%
# The images found
# ----------------
# Left, framed, five images that were searched for; right of each, the ten nearest. The
# five were not picked: they are the first ones.

_, height, width = images.image_shape
figure, axes = plt.subplots(5, 11, figsize=(7, 3.4), layout="constrained")
for row, query, found in zip(axes, X_query, nearest, strict=False):
    for ax, image in zip(row, [query, *X[found]], strict=True):
        ax.imshow(image.reshape(height, width), cmap="gray_r")
        ax.set_axis_off()
    row[0].set_axis_on()
    row[0].set(xticks=[], yticks=[])
    row[0].spines[:].set_visible(True)
figure.suptitle(
    "searched for (framed), and found, the nearest first", fontsize=9
)
plt.show()
