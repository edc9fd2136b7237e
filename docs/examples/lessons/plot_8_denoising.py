"""
8. Denoising
============

Old photographs have scratches, scans have specks, cameras have noise in the dark. An
autoencoder can learn to take them away without ever being told what noise is: it is
shown noisy images and has to answer with the clean ones.
"""

# %%
# The images
# ----------
# To each pixel of the images to test with, which lies between 0 and 1, we add a random
# number with a standard deviation of 0.5. These noisy images are never used to train.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.noise import GaussianNoise

parser = argparse.ArgumentParser(description="Take the noise from images.")
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
images = load_images(parser.parse_args().mnist or "digits")

X, clean = images.X_train, images.X_test
large = X.shape[1] == 784
noise = np.random.default_rng(0).normal(0, 0.5, size=clean.shape)
noisy = (clean + noise).astype(np.float32)
print(
    f"{len(X):,} images to learn from, {len(clean):,} noisy images to restore"
)

# %%
# Noisy in, clean out
# -------------------
# One parameter makes a denoising autoencoder: ``noise`` corrupts the images on their
# way into the network, anew each time, and the loss compares what comes out with the
# clean image. Repeating the input would be punished now; the network has to know what
# images look like in order to tell them from the noise.

settings = {
    "hidden_layer_sizes": (256, 128),
    "scaling": None,
    "max_epochs": 20 if large else 200,
    "random_state": 0,  # and device="cuda" for a GPU
}
n_components = 64 if large else 16
denoising = AutoencoderTransformer(
    n_components, noise=GaussianNoise(0.5), **settings
).fit(X)
restored = denoising.reconstruct(noisy)

# %%
# How good is it?
# ---------------
# The mean squared difference from the clean images. Squeezing images through a few
# numbers takes some noise away in any case; so the comparison includes PCA with as many
# numbers, and the same autoencoder trained without noise, besides the noisy images. And
# whoever always answers with the mean of all images is better than the noisy ones, too.

pca = PCA(n_components, random_state=0).fit(X)
plain = AutoencoderTransformer(n_components, **settings).fit(X)
answers = {
    "the noisy images": noisy,
    "the mean image": np.broadcast_to(X.mean(axis=0), clean.shape),
    "PCA": pca.inverse_transform(pca.transform(noisy)),
    "autoencoder, trained without noise": plain.reconstruct(noisy),
    "denoising autoencoder": restored,
}
for name, answer in answers.items():
    print(f"{name:<36}{((answer - clean) ** 2).mean():.4f}")

# %%
# Ten images: as they were, with noise, and restored.

_, height, width = images.image_shape
rows = {"clean": clean, "noisy": noisy, "restored": restored}
figure, axes = plt.subplots(3, 10, figsize=(7, 2.3), layout="constrained")
for row, (name, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(row, pictures, strict=False):
        ax.imshow(
            picture.reshape(height, width), cmap="gray_r", vmin=0, vmax=1
        )
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="0.8")
    row[0].set_ylabel(name)
plt.show()
