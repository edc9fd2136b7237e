"""
Customer segments, and what sets them apart
===========================================

:class:`~sklearn_ae.latents.Clustered` trains latents that fall into groups, and says
whether there are any. What makes a group is then read from the table itself.
"""

# %%
# Ten lines
# ---------
# A generated table of 600 customers, of whom three kinds exist: families, gardeners
# and young people, who buy different things. How they come to the shop is known, too,
# but is not to form the segments.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.latents import Clustered

rng = np.random.default_rng(0)
kind = rng.choice(3, 600, p=[0.5, 0.2, 0.3])
typical = {
    "groceries": [9, 2, 4],
    "household": [6, 2, 5],
    "garden": [1, 6, 1],
    "tools": [1, 8, 2],
    "toys": [2, 1, 6],
    "clothes": [3, 2, 8],
    "visits": [12, 4, 6],
    "discounts": [2, 1, 6],
}
customers = pd.DataFrame(
    {
        column: rng.poisson(np.take(mean, kind))
        for column, mean in typical.items()
    }
)
online = rng.random(600) < np.take([0.2, 0.4, 0.8], kind)

ae = AutoencoderTransformer(latent=Clustered(3), random_state=0)
segments = make_pipeline(ae, KMeans(3, random_state=0)).fit(customers)
segment = segments.predict(customers)
print(f"stability: {segments[0].cluster_stability_:.2f}")

# %%
# A stability near 1 says that halves of the customers lead to the same groups; below
# 0.5, the groups would be made up.
#
# What sets each apart?
# ---------------------
# The mean of each column in each segment, with the share of those who order online, and
# how far that is from the mean of all customers, in standard deviations:

numbers = customers.assign(online=online.astype(float))
means = numbers.groupby(segment).mean()
apart = (means - numbers.mean()) / numbers.std()
sizes = pd.Series(segment).value_counts().sort_index()

figure, ax = plt.subplots(figsize=(8.4, 2.4), layout="constrained")
picture = ax.imshow(apart, cmap="PuOr", vmin=-2, vmax=2, aspect="auto")
ax.set_xticks(range(len(apart.columns)), apart.columns)
ax.set_yticks(
    range(3), [f"segment {i} ({n} customers)" for i, n in sizes.items()]
)
for (row, column), value in np.ndenumerate(means.to_numpy()):
    dark = abs(apart.iloc[row, column]) > 1.2
    ax.text(
        column,
        row,
        f"{value:.3g}",
        ha="center",
        va="center",
        color="w" if dark else "k",
    )
ax.spines[:].set_visible(False)
ax.set_title("Mean of each column in each segment")
figure.colorbar(picture, label="standard deviations\nfrom all customers")

# %%
# Which customers stand between two segments?
# -------------------------------------------
# The last latents are soft assignments: the probability of each segment, times a
# factor.

assignments = segments[0].transform(customers)[:, -3:]
sure = assignments.max(axis=1) / assignments.sum(axis=1)
print(f"{(sure < 0.9).mean():.1%} of the customers are between segments")

# %%
# Here the kinds are known: rows are kinds, columns are segments.

print(pd.crosstab(kind, segment, rownames=["kind"], colnames=["segment"]))

# %%
# On groups as compact as these, KMeans on the scaled columns alone finds the same.
# What the latent adds here is the stability, soft assignments, and rows that it can
# restore; on groups of other shapes, such as digits, it also finds more, see
# :doc:`/auto_examples/lessons/plot_3_compress_then_cluster`.

# %%
# What if there are no groups?
# ----------------------------
# Shuffling each column by itself leaves no groups; the stability tells.

shuffled = customers.apply(lambda column: rng.permutation(column))
nothing = AutoencoderTransformer(latent=Clustered(3), random_state=0).fit(
    shuffled
)
print(f"stability without groups: {nothing.cluster_stability_:.2f}")
plt.show()
