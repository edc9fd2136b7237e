"""A table of wines, and the command line in an output folder of its own."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

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
