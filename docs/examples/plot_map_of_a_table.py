"""
A map of a table
================

:class:`~sklearn_ae.latents.NeighborEmbedding` puts the rows of a table on a plane,
similar ones close together, as UMAP does; the network then has a place for new rows,
too. Colours show how a column runs over the map.
"""

# %%
# Ten lines
# ---------
# 569 tumours with 30 measures of their cells each. The colour is the mean radius.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.displays import LatentSpaceDisplay
from sklearn_ae.latents import NeighborEmbedding

data = load_breast_cancer(as_frame=True)
tumours = data.data
old, new = train_test_split(tumours, test_size=100, random_state=0)

mapper = AutoencoderTransformer(
    2, latent=NeighborEmbedding(), random_state=0
).fit(old)
display = LatentSpaceDisplay.from_estimator(mapper, old, old["mean radius"])
display.ax_.set_title("Map of 469 tumours by 30 measures")

# %%
# Several columns
# ---------------
# Which measures does the map arrange? Neighbours on the map are alike; how far apart
# groups are, and which way is up, means little.

columns = ["mean area", "mean smoothness", "mean concavity", "worst symmetry"]
figure, axes = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
for ax, column in zip(axes.flat, columns):
    LatentSpaceDisplay.from_estimator(mapper, old, old[column], ax=ax)

# %%
# New rows on the same map
# ------------------------
# 100 tumours that were not there when the map was drawn (open circles), with the
# diagnosis, which the map was not told either.

diagnosis = data.target.map({0: "malignant", 1: "benign"}).rename("diagnosis")
display = LatentSpaceDisplay.from_estimator(mapper, old, diagnosis[old.index])
Z = mapper.transform(new)
for name, colour in {"benign": "C0", "malignant": "C1"}.items():
    here = (diagnosis[new.index] == name).to_numpy()
    display.ax_.scatter(*Z[here].T, s=28, facecolors="none", edgecolors=colour)
display.ax_.set_title("100 new tumours (circles) on the map of 469")

# %%
# How well do old neighbours tell the diagnosis of a new tumour?

from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

plane = make_pipeline(StandardScaler(), PCA(2)).fit(old)
for name, reduce in {"map": mapper, "PCA, 2 numbers": plane}.items():
    nearest = KNeighborsClassifier(10).fit(
        reduce.transform(old), diagnosis[old.index]
    )
    accuracy = nearest.score(reduce.transform(new), diagnosis[new.index])
    print(f"{name:>16}: {accuracy:.2f}")
plt.show()
