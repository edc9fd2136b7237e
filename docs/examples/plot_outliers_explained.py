"""
Outliers of a table, explained
==============================

Which rows of a table do not belong, and why? An autoencoder learns how the columns
depend on one another, so it also finds rows whose cells are all ordinary one by one,
but not together. The table: 442 patients with diabetes, their age, sex, body mass
index, blood pressure and six blood values, in their units.
"""

# %%
# Ten lines
# ---------
# The detector takes the frame as it is, scores each row, and draws the scores and the
# most anomalous rows. The darker a cell, the more of its row's score it explains.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_diabetes

from sklearn_ae import AutoencoderAnomalyDetector
from sklearn_ae.displays import AnomalyDisplay

patients = load_diabetes(as_frame=True, scaled=False).data
names = "age sex bmi pressure chol ldl hdl chol_hdl trig glucose"
patients.columns = names.split()
patients["sex"] = patients["sex"].map({1: "A", 2: "B"})

detector = AutoencoderAnomalyDetector(random_state=0).fit(patients)
display = AnomalyDisplay.from_estimator(detector, patients, n_rows=8)
display.ax_[0].set_title("Outliers among 442 patients")

# %%
# What was expected there?
# ------------------------
# ``explain`` says how much each column adds to the score of a row, and what the network
# expects in each cell given the others. For the most anomalous row, the three columns
# that add most:

worst = patients.iloc[detector.score_samples(patients).argsort()[:1]]
shares, expected = detector.explain(worst, return_expected=True)
top = shares.iloc[0].nlargest(3).index
found = {"cell": worst, "expected": expected.round(1), "adds": shares.round(2)}
print(pd.concat(found).droplevel(1)[top])

# %%
# Are typing errors found?
# ------------------------
# Nobody knows which of these rows are wrong. So we make errors of which we know: in
# ten rows, cholesterol and HDL change places. Each number alone stays possible or
# nearly so. How many of the ten are among the ten most anomalous rows?

import numpy as np
from sklearn.ensemble import IsolationForest

spoiled = patients.copy()
rows = np.random.default_rng(0).choice(len(spoiled), 10, replace=False)
spoiled.loc[rows, ["ldl", "hdl"]] = spoiled.loc[
    rows, ["hdl", "ldl"]
].to_numpy()

scores = (
    AutoencoderAnomalyDetector(random_state=0)
    .fit(spoiled)
    .score_samples(spoiled)
)
numbers = spoiled.assign(sex=spoiled["sex"] == "B")
forest = IsolationForest(random_state=0).fit(numbers).score_samples(numbers)
for name, each in [("autoencoder", scores), ("IsolationForest", forest)]:
    found = np.isin(each.argsort()[:10], rows).sum()
    print(f"{name:>16}: {found} of 10 errors among the 10 most anomalous rows")

# sphinx_gallery_thumbnail_number = 1
plt.show()
