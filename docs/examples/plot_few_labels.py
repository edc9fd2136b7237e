"""
Few labels on a table
=====================

Many rows, few of them with a label: that is the usual state of a new project.
:class:`~sklearn_ae.AutoencoderPretrainedClassifier` first learns from all rows how the
columns depend on one another, and then from the labels. A missing label marks rows
without one.
"""

# %%
# Ten lines
# ---------
# A generated table of 2,000 machines: 16 sensors, the kind of the machine and its site.
# The machines run in eight modes that nobody has noted, and fail soon in three of them.
# Of 40 machines it is known whether they did.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderPretrainedClassifier

rng = np.random.default_rng(0)
mode = rng.integers(8, size=2000)
sensors = rng.normal(size=(8, 16))[mode] + rng.normal(size=(2000, 16))
machines = pd.DataFrame(sensors, columns=[f"sensor {i}" for i in range(16)])
kind = np.array(["mill", "press", "lathe", "drill"])[mode % 4]
machines["kind"] = np.where(rng.random(2000) < 0.7, kind, "other")
machines["site"] = rng.choice(["north", "south"], 2000)
fails = pd.Series(
    np.where(np.isin(mode, [1, 4, 6]), "fails", "runs"), dtype=object
)

X, X_test, y, y_test = train_test_split(
    machines, fails, test_size=500, random_state=0
)
y_few = y.where(np.arange(len(y)) < 40)  # the others are missing
classifier = AutoencoderPretrainedClassifier(random_state=0).fit(X, y_few)
print(f"accuracy with 40 labels: {classifier.score(X_test, y_test):.3f}")

# %%
# Is it worth it?
# ---------------
# Compared with logistic regression and boosted trees, which see the labelled rows
# alone, for more and more labels; the mean of two draws of them. In a
# :class:`~sklearn.frozen.FrozenEstimator`, the autoencoder that was trained above,
# without any label, serves all of these classifiers.

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

encoder = make_column_transformer(
    (OneHotEncoder(), make_column_selector(dtype_exclude="number")),
    remainder=StandardScaler(),
)
boosting = HistGradientBoostingClassifier(categorical_features="from_dtype")
autoencoder = FrozenEstimator(classifier.autoencoder_)
models = {
    "pre-trained": AutoencoderPretrainedClassifier(
        autoencoder, random_state=0
    ),
    "logistic regression": make_pipeline(encoder, LogisticRegression()),
    "boosted trees": boosting,
}
categories = {"kind": "category", "site": "category"}
sizes, scores = [20, 40, 100], {name: [] for name in models}
for n_labels in sizes:
    for name, model in models.items():
        found = []
        for seed in range(2):
            known = np.random.default_rng(seed).choice(
                len(y), n_labels, replace=False
            )
            if name == "pre-trained":
                model.fit(X, y.where(np.isin(np.arange(len(y)), known)))
                found.append(model.score(X_test, y_test))
            else:
                model.fit(X.iloc[known].astype(categories), y.iloc[known])
                found.append(model.score(X_test.astype(categories), y_test))
        scores[name].append(found)

figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for (name, found), marker, line in zip(
    scores.items(), "os^", ["-", "--", ":"]
):
    means, errors = (
        np.mean(found, axis=1),
        np.std(found, axis=1, ddof=1) / 2**0.5,
    )
    ax.errorbar(
        sizes,
        means,
        errors,
        marker=marker,
        linestyle=line,
        capsize=2,
        label=name,
    )
ax.set(
    xscale="log", xlabel="number of labels", ylabel="accuracy on new machines"
)
ax.set_title(
    "1,500 machines, few with a label: mean of two draws, standard errors"
)
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()

# %%
# When not to use it
# ------------------
# With a label for every row, boosted trees are as good or better on most tables, and
# faster. The same holds where columns have nothing to do with one another: then the
# rows without a label say nothing.

plt.show()
