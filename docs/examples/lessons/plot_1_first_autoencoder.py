"""
1. A first autoencoder
======================

An autoencoder is a network that learns to reconstruct its input. The point is that it
cannot just hand the input through: a layer in the middle, the *bottleneck*, has fewer
units than the image has pixels. The half before that layer, the *encoder*, has to say
in a few numbers, the *latents*, what the image shows; the other half, the *decoder*,
has to draw it from these numbers.
"""

# %%
# The images
# ----------
# Each row has the pixels of one image, from 0, white paper, to 1, full ink. The
# network will never see the images to test with while it learns.

import argparse

import matplotlib.pyplot as plt

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.displays import LossCurveDisplay, ReconstructionDisplay

parser = argparse.ArgumentParser(description="Train a first autoencoder.")
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
source = parser.parse_args().mnist or "digits"

images = load_images(source)
X_train, X_test = images.X_train, images.X_test
n_pixels = X_train.shape[1]
print(f"{len(X_train):,} images to learn from, {len(X_test):,} to test with")

# %%
# The network
# -----------
# One layer in, one layer out: 784 pixels become 256 numbers, and these become 784
# pixels again. For the 64 pixels of the small digits, 24 numbers do. The sigmoid
# keeps both the numbers and the pixels between 0 and 1.
#
# Training shows the network 100 images at a time, compares what comes out with what
# went in, pixel by pixel, and shifts the weights a little so that the squared
# difference shrinks. RMSProp decides how far, and once all images have been
# shown, an *epoch* is over. The settings come from a recipe of TensorFlow's early
# days; its RMSProp averages over fewer steps than torch's does by default (``alpha``).
# The small digits are so few that an epoch has 13 steps; they get more epochs.

large = n_pixels == 784
autoencoder = AutoencoderTransformer(
    n_components=256 if large else 24,
    hidden_layer_sizes=(),
    latent_activation="sigmoid",
    output_activation="sigmoid",
    scaling=None,
    loss="mse",
    optimizer="rmsprop",
    lr=0.01,
    lr_schedule="constant",
    weight_decay=0,
    max_epochs=20 if large else 200,
    batch_size=100,
    net_params={"optimizer__alpha": 0.9, "optimizer__eps": 1e-10},
    random_state=0,
)
autoencoder.fit(X_train)

# %%
# There is no ``y``: the images are both the question and the answer. And there is
# nothing to move to a GPU by hand: ``device="cuda"`` among the parameters is all.
#
# Did it learn?
# -------------
# With MNIST, the recipe reports a training cost of 0.0231 after 20 epochs. To see what
# such a number means, take the laziest answer there is, the mean of all images:

cost, test_cost = autoencoder.loss_curve_[-1], -autoencoder.score(X_test)
lazy_cost = ((X_test - X_train.mean(axis=0)) ** 2).mean()
print(f"training cost after {autoencoder.n_iter_} epochs: {cost:.4f}")
print(f"cost on images never seen:      {test_cost:.4f}")
print(f"cost of answering with the mean: {lazy_cost:.4f}")

# %%
# The curve falls fast at first, then ever more slowly.

LossCurveDisplay.from_estimator(autoencoder)

# %%
# What comes out
# --------------
# Ten images to test with, and below each its reconstruction:

ReconstructionDisplay.from_estimator(
    autoencoder, X_test, n_rows=10, image_shape=images.image_shape
)
# sphinx_gallery_thumbnail_number = 2
plt.show()
