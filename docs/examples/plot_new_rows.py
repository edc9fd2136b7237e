"""
New rows, and their judge
=========================

A *variational* autoencoder draws new rows of a table, with its columns, units and
types: to try out software, to share the form of data that cannot be shared, to see
what a model takes for typical. How real do they look? A classifier that tries to tell
them from the real ones is the judge.
"""

# %%
# Ten lines
# ---------
# 442 patients with diabetes, and as many that do not exist.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.latents import Variational

real = load_diabetes(as_frame=True, scaled=False).data
names = "age sex bmi pressure chol ldl hdl chol_hdl trig glucose"
real.columns = names.split()
real["sex"] = real["sex"].map({1: "A", 2: "B"})

ae = AutoencoderTransformer(latent=Variational(), random_state=0).fit(real)
drawn = ae.sample(len(real), random_state=0)
print(drawn.head())

# %%
# The judge
# ---------
# Boosted trees learn to tell real rows from others, by cross-validation. An area
# under the ROC curve of 0.5 means that they cannot, 1 that they always can. For
# comparison, rows whose columns are right one by one, but drawn independently.


def judge(rows):
    """Return how well boosted trees tell rows from real ones, 0.5 to 1."""
    both = pd.concat([real, rows]).astype({"sex": "category"})
    trees = HistGradientBoostingClassifier(random_state=0)
    is_real = np.repeat([1, 0], [len(real), len(rows)])
    return cross_val_score(
        trees, both, is_real, cv=5, scoring="roc_auc"
    ).mean()


rng = np.random.default_rng(0)
independent = real.apply(lambda column: rng.permutation(column))
print(f"drawn by the autoencoder: {judge(drawn):.2f}")
print(f"columns drawn one by one: {judge(independent):.2f}")

# %%
# What the judge sees
# -------------------
# Columns that belong together: total cholesterol and LDL.

figure, axes = plt.subplots(
    1, 3, figsize=(8, 2.8), sharex=True, sharey=True, layout="constrained"
)
tables = {"real": real, "drawn": drawn, "one by one": independent}
for ax, (title, rows) in zip(axes, tables.items()):
    for sex, marker, colour in (("A", "o", "C0"), ("B", "^", "C1")):
        some = rows[rows["sex"] == sex]
        ax.scatter(
            some["chol"],
            some["ldl"],
            s=9,
            marker=marker,
            c=colour,
            lw=0,
            label=sex,
        )
    correlation = round(rows["chol"].corr(rows["ldl"]), 2) + 0.0  # no -0
    ax.set(
        title=f"{title}: correlation {correlation:.2f}",
        xlabel="cholesterol (mg/dl)",
    )
axes[0].set_ylabel("LDL (mg/dl)")
axes[0].legend(title="sex", markerscale=1.5)

# %%
# Are they copies?
# ----------------
# A drawn row should not lie closer to a real one than real ones lie to one another. The
# median distance to the nearest real row, in standard deviations of the columns:

from sklearn.neighbors import NearestNeighbors

numbers = real.drop(columns="sex")
scale = numbers.std()
index = NearestNeighbors(n_neighbors=2).fit(numbers / scale)
among_real = index.kneighbors(numbers / scale)[0][:, 1]
of_drawn = index.kneighbors(drawn[numbers.columns] / scale)[0][:, 0]
print(f"drawn to real: {np.median(of_drawn):.2f}")
print(f"real to real:  {np.median(among_real):.2f}")

# %%
# That is no proof of privacy: rows far out may still be recognised.

plt.show()
