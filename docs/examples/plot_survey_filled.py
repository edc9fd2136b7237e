"""
Fill the holes of a survey
==========================

People skip questions. :class:`~sklearn_ae.AutoencoderImputer` fills the missing cells
of a frame, numbers and categories alike, from the other answers of the same row, and
gives back the frame with its columns and types.
"""

# %%
# Ten lines
# ---------
# A health survey of 442 people, in which each cell is missing with a probability of
# 20 %. Some answers are numbers, others are classes such as "overweight".

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from sklearn_ae import AutoencoderImputer

full = load_diabetes(as_frame=True, scaled=False).data
names = "age sex bmi pressure chol ldl hdl chol_hdl trig glucose"
full.columns = names.split()
full["sex"] = full["sex"].map({1: "A", 2: "B"})
full["weight"] = pd.cut(
    full.pop("bmi"), [0, 25, 30, 99], labels=["normal", "over", "obese"]
)
full["sugar"] = pd.cut(
    full.pop("glucose"), [0, 85, 95, 999], labels=["low", "middle", "high"]
)

survey = full.mask(np.random.default_rng(0).random(full.shape) < 0.2)
filled = AutoencoderImputer(random_state=0).fit_transform(survey)
print(survey.head(), filled.head().round(1), sep="\n\n")

# %%
# How good is it?
# ---------------
# Here the true answers are known. For numbers: the root mean squared error in standard
# deviations of the column; for classes: the share of wrong ones. Compared with the mean
# and the most frequent class.


def errors(filled):
    """Return the error of each column at the cells that were missing."""
    found = {}
    for name in full:
        hole = survey[name].isna()
        truth, guess = full.loc[hole, name], filled.loc[hole, name]
        if truth.dtype == float:
            found[name] = ((truth - guess) ** 2).mean() ** 0.5 / full[
                name
            ].std()
        else:
            found[name] = (truth.astype(str) != guess.astype(str)).mean()
    return pd.Series(found)


numbers = full.select_dtypes(float).columns
simple = survey.fillna(survey[numbers].mean())
simple = simple.fillna(survey.mode().iloc[0])
compared = pd.DataFrame(
    {"AutoencoderImputer": errors(filled), "mean or mode": errors(simple)}
)

figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
titles = {
    "numbers": "error in standard deviations",
    "classes": "share of wrong classes",
}
for ax, (kind, title) in zip(axes, titles.items()):
    part = compared.loc[
        [n for n in full if (n in numbers) == (kind == "numbers")]
    ]
    part.plot.barh(
        ax=ax, legend=kind == "classes", width=0.75, xlabel=title, title=kind
    )
    ax.invert_yaxis()
axes[1].legend(loc="upper right", bbox_to_anchor=(1, -0.25), ncols=2)

# %%
# How sure is it?
# ---------------
# One filled table hides that nobody knows the answers. ``draw`` returns several tables,
# in each of which the cells are filled with one of the answers that are likely, so that
# an analysis of each, pooled, has honest errors (multiple imputation).

imputer = AutoencoderImputer(n_draws=20, n_estimators=3, random_state=0).fit(
    survey
)
tables = imputer.draw(survey)
means = np.array([table["trig"].mean() for table in tables])
spread = means.std(ddof=1)
print(f"mean of trig: {means.mean():.3f} ± {spread:.3f} from what is missing")
print(f"true mean:    {full['trig'].mean():.3f}")
# sphinx_gallery_thumbnail_number = 1
plt.show()
