"""Numbers and colours, as the displays write them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from sklearn_ae.displays import AnomalyDisplay, ReconstructionDisplay
from sklearn_ae.displays._drawing import CLASS_COLOURS, GREY, class_colours


def test__class_colours__many_classes__the_most_frequent_have_colours():
    colours = class_colours(np.arange(15))
    assert colours[:5] == [GREY] * 5
    assert colours[5:] == list(CLASS_COLOURS)


def _lightness(colour):
    """Return how light a colour is in grey, from 0 to 1."""
    return np.dot(to_rgb(colour), [0.299, 0.587, 0.114])


def test__class_colours__two_classes__differ_in_grey():
    first, second = map(_lightness, class_colours([5, 5]))
    assert abs(first - second) > 0.2


def test__class_colours__ordered__grow_lighter_step_by_step():
    """In grey, the order is all that is left."""
    steps = np.diff([*map(_lightness, class_colours([3] * 6, are_ordered=True))])
    assert (steps > 0.05).all()


@pytest.mark.parametrize("style", ["dark_background", "grayscale", "ggplot"])
@pytest.mark.parametrize("display", ["anomalies", "reconstructions"])
def test__cells__in_any_style__have_dark_ink_on_light_colours(style, display):
    cells = np.random.default_rng(0).normal(size=(9, 3))
    cells[0, 0] = np.nan
    with plt.style.context(style):
        if display == "anomalies":
            plot = AnomalyDisplay(-np.arange(9.0), np.abs(cells), cells).plot()
            ax = plot.ax_[1]
        else:
            ax = ReconstructionDisplay(cells, cells + 1).plot().ax_
        ax.figure.draw_without_rendering()
    mesh = ax.collections[0]
    papers = mesh.get_facecolors()[:, :3].min(axis=1), mesh.get_facecolors()[:, 3]
    assert papers[0].min() > 0.2
    assert (papers[1] == 1).all()
    assert {to_hex(text.get_color()) for text in ax.texts} == {"#000000"}
    background = np.mean(to_rgb(ax.figure.get_facecolor()))
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label):
        assert abs(np.mean(to_rgb(label.get_color())) - background) > 0.35
