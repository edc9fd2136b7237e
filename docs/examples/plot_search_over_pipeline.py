"""
Search a pipeline without labels
================================

How many latents, how many clusters? Without labels, the usual scores cannot tell: the
reconstruction error takes the most latents, the inertia of KMeans the most clusters.
:func:`~sklearn_ae.metrics.neighbor_rank_silhouette` compares all settings on common
ground, the columns of the table, so that :class:`~sklearn.model_selection.GridSearchCV`
can search a :class:`~sklearn.pipeline.Pipeline` as a whole.
"""

# %%
# Ten lines
# ---------
# The table: 178 wines from three growers, with 13 numbers each. The search knows
# nothing of the growers.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.metrics import neighbor_rank_silhouette

X, growers = load_wine(return_X_y=True, as_frame=True)
ae = AutoencoderTransformer(max_epochs=100, random_state=0)
pipeline = Pipeline([("ae", ae), ("kmeans", KMeans(n_init=5, random_state=0))])
grid = {"ae__n_components": [2, 4, 8], "kmeans__n_clusters": [2, 3, 4, 5, 6]}
search = GridSearchCV(
    pipeline, grid, scoring=neighbor_rank_silhouette, cv=3
).fit(X)
print(search.best_params_)

# %%
# All scores
# ----------
# The mean over three folds, and how much it varies between them.

results = pd.DataFrame(search.cv_results_)
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
styles = zip("o^s", [":", "--", "-"])
for (n_components, part), (marker, line) in zip(
    results.groupby("param_ae__n_components"), styles
):
    ax.errorbar(
        part["param_kmeans__n_clusters"] + 0.05 * (n_components - 4) / 2,
        part["mean_test_score"],
        part["std_test_score"] / 3**0.5,
        marker=marker,
        linestyle=line,
        capsize=2,
        label=n_components,
    )
ax.set(xlabel="number of clusters", ylabel="silhouette of neighbour ranks")
ax.set_title("178 wines: mean of three folds, and its standard error")
ax.set_xticks(grid["kmeans__n_clusters"])
ax.legend(title="number of latents")

# %%
# Was it right?
# -------------
# Here the growers are known, so they can judge the clusters that were found: rows are
# growers, columns are clusters.

print(
    pd.crosstab(
        growers.rename("grower"), search.predict(X), colnames=["cluster"]
    )
)

# %%
# More to search
# --------------
# Whatever an estimator can be given can be searched, objects and their parameters, too:
# ``"ae__latent": [None, Clustered(3)]`` or ``"ae__noise": [None, SwapNoise(0.2)]``. For
# latents without clusters, :func:`~sklearn_ae.metrics.hidden_cells_r2` is the score.

plt.show()
