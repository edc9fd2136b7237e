"""
4. A convolutional autoencoder
==============================

The networks so far took an image for a row of numbers: shuffle the pixels of all images
in the same way, and nothing would change. A convolutional network knows that pixels
have neighbours. It slides small filters over the image and looks for the same pattern
everywhere.
"""

# %%
# The images
# ----------
# They stay rows of pixels, so that everything in scikit-learn can take them. Inside,
# the network makes pictures of them.

import argparse

import matplotlib.pyplot as plt
import numpy as np
import torch

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import Convolutional
from sklearn_ae.datasets import load_images
from sklearn_ae.displays import LossCurveDisplay, ReconstructionDisplay

parser = argparse.ArgumentParser(
    description="Train a convolutional autoencoder."
)
parser.add_argument("--mnist", nargs="?", const="mnist", metavar="FILE")
images = load_images(parser.parse_args().mnist or "digits")

X_train, X_test = images.X_train, images.X_test
large = X_train.shape[1] == 784
print(f"{len(X_train):,} images of shape {images.image_shape}")

# %%
# Down and up again
# -----------------
# 16, 8 and 8 filters of 3 x 3 pixels. After each of the first two, *pooling* keeps the
# largest of 2 x 2 values, which halves height and width; the third filter takes steps
# of two pixels instead. So 28 pixels become 14, 7 and 4, and the latent is 8 maps of
# 4 x 4, 128 numbers. The decoder repeats each value twice in both directions and
# convolves, three times: from 4 back to 7, to 14 and to exactly 28. The small digits
# are pooled once, and end as 8 maps of 2 x 2.
#
# The loss is binary cross-entropy, which asks of each pixel how likely it is to have
# ink. As latent the maps are taken as they are, since ``n_components`` is not given.

autoencoder = AutoencoderTransformer(
    architecture=Convolutional(
        images.image_shape,
        channels=(16, 8, 8),
        kernel_size=3,
        stride=(1, 1, 2),
        pooling=(2, 2, 1) if large else (2, 1, 1),
        decoder="upsampling",
    ),
    activation="relu",
    latent_activation="relu",
    scaling=None,
    loss="bce",
    optimizer="adam",
    lr=1e-3 if large else 5e-3,
    weight_decay=0,
    batch_size=128 if large else 32,
    random_state=0,  # and device="cuda" for a GPU
)

# %%
# Loss of training and test images
# --------------------------------
# ``partial_fit`` trains for one epoch. Calling it again and again leaves us time to
# look at the images to test with after each: if their loss rose while the loss of
# images to learn from still fell, the network would be learning these by heart.

n_epochs = 10 if large else 40
test_losses = []
for _ in range(n_epochs):
    autoencoder.partial_fit(X_train)
    test_losses.append(-autoencoder.score(X_test))

print(f"loss after {n_epochs} epochs: {autoencoder.loss_curve_[-1]:.4f}")
print(f"on images never seen:  {test_losses[-1]:.4f}")
LossCurveDisplay(autoencoder.loss_curve_, test_losses).plot()

# %%
# The layers
# ----------
# The output of each layer for one image: its shape, as maps, height and width, and how
# many weights the layer has. To see that, we let torch call us after each.


def print_layer(layer, inputs, output):
    """Print the name of a layer, the shape of its output, and its weights."""
    shape = " x ".join(map(str, output.shape[1:]))
    n_weights = sum(weights.numel() for weights in layer.parameters())
    print(f"{type(layer).__name__:<18}{shape:<14}{n_weights:>6,}")


module = autoencoder.module_
layers = [m for m in module.network.modules() if not list(m.children())]
hooks = [layer.register_forward_hook(print_layer) for layer in layers]
with torch.no_grad():
    module(torch.from_numpy(X_test[:1]))
for hook in hooks:
    hook.remove()

# %%
# Five images
# -----------
# Five images to test with, drawn at random, above their reconstructions. They
# have exactly the size they had.

five = np.random.default_rng(0).choice(len(X_test), size=5, replace=False)
restored = autoencoder.reconstruct(X_test[five])
print(
    f"from {X_test[five].shape} to {autoencoder.latent_shape_} "
    f"to {restored.shape}"
)
lazy = ((X_test - X_train.mean(axis=0)) ** 2).mean()
error = ((X_test - autoencoder.reconstruct(X_test)) ** 2).mean()
print(f"squared error: {error:.4f}; of answering with the mean: {lazy:.4f}")
ReconstructionDisplay.from_predictions(
    X_test[five], restored, image_shape=images.image_shape
)
# sphinx_gallery_thumbnail_number = 2
plt.show()
