"""
3. Compress, then cluster
=========================

Which images are alike? :class:`~sklearn.cluster.KMeans` answers by distances between
rows of pixels. Shift a digit to the side, and it is far from where it was. This
lesson clusters the numbers that an autoencoder takes an image for instead, and asks
whether that is better: with a dense autoencoder, with a convolutional one, and with
one whose latent is made for clusters.
"""

# %%
# Images of equal contrast
# ------------------------
# Thick strokes and thin ones should not end up in different clusters for that reason
# alone. So each image is standardised by its own mean and standard deviation. That is a
# matter of one row at a time; nothing is learnt from the others.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import Convolutional
from sklearn_ae.datasets import load_images
from sklearn_ae.displays import ClusterGridDisplay
from sklearn_ae.latents import Clustered

parser = argparse.ArgumentParser(
    description="Compress images, then cluster them."
)
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
images = load_images(parser.parse_args().mnist or "digits")

pixels, y = images.X_train[:3000], images.y_train[:3000]
X = pixels - pixels.mean(axis=1, keepdims=True)
X /= X.std(axis=1, keepdims=True)
large = X.shape[1] == 784
print(f"{len(X):,} images of {X.shape[1]} pixels")

# %%
# How to tell whether clusters are good
# -------------------------------------
# The digits that the images show were not used to find the clusters, so they can judge
# them. *Accuracy*: let each cluster stand for one digit, in the way that suits best,
# and count the images that are right. *NMI*, normalised mutual information: how much
# the cluster says about the digit, from 0, nothing, to 1, everything. Since KMeans
# depends on where it starts, both are the mean of five runs.


def cluster(name, Z):
    """Print how good five clusterings are, and return the last one."""
    scores = []
    for seed in range(5):
        clusters = KMeans(10, n_init=10, random_state=seed).fit_predict(Z)
        counts = contingency_matrix(y, clusters)
        matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
        scores.append(
            [matched / len(y), normalized_mutual_info_score(y, clusters)]
        )
    accuracy, nmi = np.mean(scores, axis=0)
    print(f"{name:<28}accuracy {accuracy:.3f}   NMI {nmi:.3f}")
    return clusters


n_components = 100 if large else 25
cluster("pixels", pixels)
cluster("standardised pixels", X)
cluster(
    f"PCA, {n_components} numbers",
    PCA(n_components, random_state=0).fit_transform(X),
)

# %%
# A dense autoencoder
# -------------------
# A hidden layer of 256 units leads to 100 numbers, 25 for the small digits. They are as
# many as a square has, so that they can be looked at as a picture, too.

settings = {
    "scaling": None,
    "loss": "mse",
    "optimizer": "adam",
    "batch_size": 100,
    "random_state": 0,  # and device="cuda" for a GPU
}
dense = AutoencoderTransformer(
    n_components, hidden_layer_sizes=256, lr=0.01, max_epochs=100, **settings
).fit(X)
Z = dense.transform(X)
clusters = cluster("dense autoencoder", Z)

# %%
# Ten images from each cluster, and below them the numbers that stand for them, as small
# pictures. These are no images of anything: a pattern that many pictures in a row share
# is what KMeans took for a cluster.

side = 10 if large else 5
ClusterGridDisplay.from_predictions(
    pixels,
    Z,
    clusters,
    image_shape=images.image_shape,
    latent_shape=(side, side),
)

# %%
# A convolutional autoencoder
# ---------------------------
# Ten filters of 5 x 5 pixels slide over the image; of each of the ten maps, the largest
# value in each window of 5 x 5 is kept, window by window in steps of one pixel. So it
# matters less where exactly something was. A dense layer makes a latent of 14 x 14
# numbers, and the way back ends with a transposed convolution. The rate is 0.005. For
# the small digits, filters and windows have 3 x 3 pixels, and the latent 5 x 5 numbers.

side = 14 if large else 5
convolutional = AutoencoderTransformer(
    architecture=Convolutional(
        images.image_shape,
        channels=10,
        kernel_size=5 if large else 3,
        pooling=5 if large else 3,
        pooling_stride=1,
        latent_shape=(side, side),
    ),
    lr=0.005,
    max_epochs=20 if large else 100,
    **settings,
).fit(X)
Z = convolutional.transform(X)
clusters = cluster("convolutional autoencoder", Z)

# %%
# A latent made for clusters
# --------------------------
# So far the autoencoder was to restore images, and whatever helps KMeans was a
# by-product. :class:`~sklearn_ae.latents.Clustered` makes it the aim: ten of the
# latents say how likely an image is to be in each of ten clusters, so that images a
# little shifted or bent stay in theirs; the others are free to restore the image.

clustered = AutoencoderTransformer(
    latent=Clustered(10),
    random_state=0,  # and device="cuda" for a GPU
).fit(pixels)
Z = clustered.transform(pixels)
clusters = cluster("clustered latent", Z)
print(f"stability of the clusters: {clustered.cluster_stability_:.2f}")

# %%
# The clusters, and below each image its ten assignments: one is dark, the others are
# not.

assignments = Z[:, -10:]
ClusterGridDisplay.from_predictions(
    pixels,
    assignments,
    clusters,
    image_shape=images.image_shape,
    latent_shape=(2, 5),
)
# sphinx_gallery_thumbnail_number = 2
plt.show()
