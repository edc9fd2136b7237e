"""A table of wines, and the command line in an output folder of its own."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._cli.main import main


@pytest.fixture
def wine():
    """178 rows with every kind of column that a user's table may hold."""
    frame, cultivar = load_wine(return_X_y=True, as_frame=True)
    frame = frame.iloc[:, [0, 1, 2, 3, 4, 10]].copy()
    frame.loc[::7, "ash"] = np.nan
    frame["organic"] = (frame["alcohol"] > 13).astype(object)
    frame.loc[::5, "organic"] = None
    frame["constant"] = 1.5
    frame["empty"] = np.nan
    frame["grower"] = [f"grower {i % 100}" for i in range(len(frame))]
    frame["cork"] = np.where(frame["hue"] > 1, "natural", "synthetic")
    frame.loc[::9, "cork"] = None
    frame["cultivar"] = cultivar.map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
    return frame


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that runs the command line in an output folder of its own."""

    def run(*arguments):
        code = main([*map(str, arguments), "--output", str(tmp_path / "output")])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main([*map(str, arguments)])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


@pytest.fixture
def briefly(monkeypatch):
    """Let commands train for one epoch: what they print and write has the same form."""
    short = AutoencoderTransformer(2, max_epochs=1, random_state=0)

    def fit(estimator, X, y=None):
        if "autoencoder" in estimator.get_params():
            estimator.set_params(autoencoder=short)
        if "max_epochs" in estimator.get_params():
            estimator.set_params(max_epochs=1)
        return estimator.fit(X, y)

    commands = ("anomalies", "impute", "embed", "cluster", "rows_map", "predict")
    for name in (*commands, "sample", "default_compare"):
        monkeypatch.setattr(f"sklearn_ae._cli.{name}.fit", fit)
