"""
A detector in production
========================

A detector is trained once, saved, and scores new rows every day, elsewhere. That takes
more than a score: a file that is safe to load, an error rate that was promised, and a
sign that the world has changed.
"""

# %%
# Ten lines
# ---------
# Train, save, load. The file is no pickle: loading it runs no code.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_ae import AutoencoderAnomalyDetector, load, save


def pump_data(n_rows, seed, wear=0.0):
    """Return measurements of a pump, which wear makes too hot."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(20, 60, n_rows)
    flow = 0.8 * speed + rng.normal(0, 1, n_rows)
    power = 0.05 * speed**2 + flow + rng.normal(0, 3, n_rows)
    heat = 20 + 0.2 * power + wear + rng.normal(0, 1, n_rows)
    return pd.DataFrame(
        {"speed": speed, "flow": flow, "power": power, "heat": heat}
    )


detector = AutoencoderAnomalyDetector(calibration_fraction=0.5, random_state=0)
detector.fit(pump_data(4000, seed=0))
path = Path(tempfile.mkdtemp()) / "pump.safetensors"
save(detector, path)
detector = load(path)
print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")

# %%
# Which rows of today are outliers?
# ---------------------------------
# A p-value says how rare a score as low is among ordinary rows that were set aside.
# On a thousand rows, one in a hundred is below 0.01 by chance. The procedure of
# Benjamini and Hochberg chooses so that, on average, at most a tenth of the rows
# reported are false alarms. It needs small p-values, so half of the rows were set
# aside: with 2,000 of them, the smallest is 1 / 2,001.

from scipy.stats import false_discovery_control

today = pump_data(1000, seed=1)
today.loc[:19, "flow"] *= 0.7  # a leak, in 20 rows

adjusted = false_discovery_control(detector.p_values(today))
reported = np.flatnonzero(adjusted <= 0.1)
false_alarms = (reported >= 20).sum()
print(
    f"reported: {len(reported)}, {false_alarms} of them false alarms; 20 leaks"
)

# %%
# What to look at first, in a row that was reported:

shares, expected = detector.explain(
    today.iloc[reported[:3]], return_expected=True
)
print("measured", today.iloc[reported[:3]].round(1), sep="\n")
print("expected", expected.round(1), sep="\n")

# %%
# Has the world changed?
# ----------------------
# If new rows come from where the old ones came from, p-values are spread evenly from
# 0 to 1. So a test of that, once a week, tells drift before anybody complains. Here
# the pump wears out from week 10 on: each week it gets 0.15 degrees hotter at the
# same power.

from scipy.stats import kstest

weeks = np.arange(1, 26)
medians, drift = [], []
for week in weeks:
    rows = pump_data(400, seed=100 + week, wear=0.15 * max(0, week - 10))
    p_values = detector.p_values(rows)
    medians.append(np.median(p_values))
    drift.append(kstest(p_values, "uniform").pvalue)

figure, axes = plt.subplots(
    2, 1, figsize=(6.4, 4), sharex=True, layout="constrained"
)
axes[0].plot(weeks, medians, marker="o")
axes[0].axhline(0.5, color="0.5", lw=1, ls=":")
axes[0].set(ylabel="median p-value", ylim=(0, 0.75))
axes[0].set_title("A pump wears out from week 10 on: 400 rows a week")
axes[1].semilogy(weeks, drift, marker="o")
axes[1].axhline(0.001, color="C5", ls="--", label="alarm below 0.001")
axes[1].set(ylabel="p-value of the test\nfor an even spread", xlabel="week")
axes[1].legend()
alarm = weeks[np.array(drift) < 0.001]
print(f"first alarm: week {alarm[0]}" if len(alarm) else "no alarm")

# %%
# Where rows wait in files, ``sklearn-ae score`` does the same from the command line;
# see :doc:`/command_line`. For other languages and devices, see :doc:`/onnx`.

plt.show()
