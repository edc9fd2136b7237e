"""
2. Images in three dimensions
=============================

How few numbers can say what an image shows? This lesson is about an embedding of images
in three. Three numbers are a point in space, so that the images can be looked at all at
once: images that the network takes for alike lie close together.

The images here are the small digits of scikit-learn. The recipe is known from
Fashion-MNIST, 70,000 photographs of clothes, which ``--data`` downloads::

    python plot_2_images_in_three_dimensions.py
    python plot_2_images_in_three_dimensions.py --data fashion-mnist
    python plot_2_images_in_three_dimensions.py --data mnist.npz
"""

# %%
# The images
# ----------

import argparse

import matplotlib.pyplot as plt

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.displays import DrawReconstructions, LatentSpaceDisplay

parser = argparse.ArgumentParser(description="Images in three dimensions.")
parser.add_argument(
    "--data",
    "--mnist",
    nargs="?",
    default="digits",
    const="mnist",
    metavar="NAME or FILE",
    help="digits, mnist, fashion-mnist or the path of an .npz file",
)
images = load_images(parser.parse_args().data)
X_train, X_test = images.X_train, images.X_test
names = images.target_names[images.y_train]
print(f"{len(X_train):,} images of {', '.join(images.target_names)}")

# %%
# A funnel of layers
# ------------------
# From 784 pixels to 3 numbers in one step is too much to ask. Layers of 128, 64 and 12
# units lead there, and the decoder goes back the same way. In between, ReLU: a unit
# passes on what is positive and nothing else. The last layer has a sigmoid, since
# pixels lie between 0 and 1.
#
# ``device="auto"`` takes a GPU if there is one; ``device="cuda"`` would insist on it.
# And the callback takes the same five images after every epoch and draws their
# reconstructions.

large = X_train.shape[1] == 784
pictures = DrawReconstructions(X_test[:5], image_shape=images.image_shape)
autoencoder = AutoencoderTransformer(
    n_components=3,
    hidden_layer_sizes=(128, 64, 12),
    activation="relu",
    output_activation="sigmoid",
    scaling=None,
    loss="mse",
    optimizer="adam",
    lr=0.005,
    lr_schedule="constant",
    weight_decay=0,
    max_epochs=10,
    batch_size=64 if large else 8,
    callbacks=[pictures],
    device="auto",
    random_state=1,
)
autoencoder.fit(X_train)

# %%
# From the top: the five images, then what came out after the first epoch, the second,
# and so on. The first rows are blurred and alike; then the images find their shapes.
# With three numbers each they will not get sharp, and some are taken for another.

pictures.plot()

# %%
# The same in numbers:

first, last = autoencoder.loss_curve_[0], autoencoder.loss_curve_[-1]
lazy_loss = ((X_test - X_train.mean(axis=0)) ** 2).mean()
print(f"loss in the first epoch: {first:.4f}, in the last: {last:.4f}")
print(f"loss on images never seen: {-autoencoder.score(X_test):.4f}")
print(f"loss of answering with the mean: {lazy_loss:.4f}")

# %%
# The space of images
# -------------------
# The first 200 images to learn from, each written as the name of its class at the place
# that the encoder gives it. The encoder was never told the names; where a name fills a
# region of its own, the class can be told from the three numbers.

LatentSpaceDisplay.from_estimator(autoencoder, X_train[:200], names[:200])
# sphinx_gallery_thumbnail_number = 2
plt.show()
