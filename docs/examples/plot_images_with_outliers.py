"""
Images that do not belong
=========================

:class:`~sklearn_ae.AutoencoderAnomalyDetector` takes any autoencoder. With a
:class:`~sklearn_ae.architectures.Convolutional` one, it looks for images that do not
belong among the others, and shows what is wrong with them, pixel by pixel.
"""

# %%
# Ten lines
# ---------
# It learns what 7s look like, from 130 images of 8 x 8 pixels, and then sees other
# digits.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer
from sklearn_ae.architectures import Convolutional

digits = load_digits()
X, is_seven = digits.data / 16, digits.target == 7
train, test = (
    X[is_seven][:130],
    np.concatenate([X[is_seven][130:], X[~is_seven][:450]]),
)
truth = np.repeat([1, 0], [is_seven.sum() - 130, 450])

ae = AutoencoderTransformer(
    8, architecture=Convolutional((8, 8), channels=(16, 32))
)
detector = AutoencoderAnomalyDetector(ae, random_state=0).fit(train)
scores = detector.score_samples(test)
print(f"area under the ROC curve: {roc_auc_score(truth, scores):.3f}")

# %%
# The least and the most anomalous
# --------------------------------
# Above the images, below what each pixel adds to the score. The 2s have their foot
# where no 7 has ink.

order = scores.argsort()[::-1]
shown = np.concatenate([order[:5], order[-5:]])
explained = detector.explain(test[shown])

widths = [1] * 5 + [0.3] + [1] * 5
figure, axes = plt.subplots(
    2, 11, figsize=(8, 2.1), width_ratios=widths, layout="constrained"
)
for ax in axes[:, 5]:
    ax.set_axis_off()
limit = np.quantile(explained, 0.99)
cells = np.delete(axes, 5, axis=1)
for above, below, image, shares in zip(*cells, test[shown], explained):
    above.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    heat = below.imshow(
        shares.reshape(8, 8), cmap="magma_r", vmin=0, vmax=limit
    )
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.8")
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("explained")
axes[0, 2].set_title("least anomalous")
axes[0, 8].set_title("most anomalous")
figure.colorbar(heat, ax=axes[1], label="adds to score", aspect=8)

# %%
# Are convolutions worth it?
# --------------------------
# The same with the default, a network that does not know which pixels are neighbours.
# On small images that are centred, as these are, it is as good, and faster; the
# larger the images and the less they are centred, the more convolutions are worth.

dense = AutoencoderAnomalyDetector(random_state=0).fit(train)
area = roc_auc_score(truth, dense.score_samples(test))
print(f"without convolutions: {area:.3f}")
plt.show()
