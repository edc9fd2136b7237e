"""What the pictures of the default command show, and in which order."""

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest

from sklearn_ae._cli import pictures
from sklearn_ae.displays._labels import as_labels


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, instead of the files."""
    drawn = []

    def note(figure, path):
        drawn.append(figure)
        path.touch()

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", note)
    return drawn


def test__column_errors__order__favours_neither_method(figures, tmp_path):
    """Sorted by one method's errors, the top of the picture shows it at its worst."""
    names = ["worse for PCA", "bad for both", "worse for the other"]
    errors = {
        "autoencoder": pd.Series([0.1, 0.8, 0.9], names),
        "PCA": pd.Series([0.9, 0.8, 0.2], names),
    }
    pictures.draw_column_errors(tmp_path / "errors.png", {"numbers": errors})
    (axis,) = figures[0].axes
    shown = [label.get_text() for label in axis.get_yticklabels()]
    assert shown == ["bad for both", "worse for the other", "worse for PCA"]


@pytest.mark.parametrize("y", [np.linspace(0, 1, 30), np.repeat(["a", "b"], 15)])
def test__planes__of_two_methods__share_what_colours_mean(figures, tmp_path, y):
    plane = np.random.default_rng(0).normal(size=(30, 2))
    planes = {"one": plane, "other": -plane}
    path = tmp_path / "planes.png"
    pictures.draw_latent_space(path, planes, as_labels(y), np.arange(30))
    axes = figures[0].axes
    legends = [ax for ax in axes if ax.get_legend() is not None]
    n_bars = len(axes) - 2
    assert len(legends) + n_bars == 1
