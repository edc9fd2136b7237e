"""Pictures of scores and of what contributes to them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_ae.displays import AnomalyDisplay
from tests.displays.helpers import (
    X_DIGITS,
    assert_inside,
    bars_in,
    legend_of,
    texts_of,
    x_names,
    y_names,
)


def test__anomaly__scores__are_counted_on_both_sides_of_the_threshold(detector):
    display = AnomalyDisplay.from_estimator(detector, X_DIGITS, n_rows=4, n_columns=5)
    histogram, table = display.ax_
    scores = detector.score_samples(X_DIGITS)
    n_outliers = int((scores < detector.offset_).sum())
    bars = [bars_in(group) for group in histogram.containers]
    assert bars == [200 - n_outliers, n_outliers]
    assert f"{n_outliers} outlier" in legend_of(histogram)[1] + legend_of(histogram)[2]
    assert set(histogram.lines[0].get_xdata()) == {detector.offset_}
    lowest = np.argsort(scores, kind="stable")[:4]
    assert [name.split(" (")[0] for name in y_names(table)] == [
        f"row {i}" for i in lowest
    ]
    assert table.collections[0].get_array().shape == (4, 5)


def test__anomaly__contributions__choose_and_colour_the_columns():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": ["u", None], "c": [0.0, 7.0]})
    shares = pd.DataFrame({"a": [0.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 3.0]})
    X.index = ["first", "second"]
    display = AnomalyDisplay.from_predictions(
        X, [-1.0, -4.0], shares, offset=-2.0, n_columns=2
    )
    table = display.ax_[1]
    assert x_names(table) == ["b", "c"]
    assert y_names(table) == ["second (\N{MINUS SIGN}4)", "first (\N{MINUS SIGN}1)"]
    assert_allclose(table.collections[0].get_array(), [[0.25, 0.75], [1, 0]])
    assert texts_of(table) == ["\N{EN DASH}", "7", "u", "0"]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test__anomaly__long_tail__every_score_is_in_a_bar(scale):
    scores = -scale * np.concatenate([[0.0], np.geomspace(0.1, 1e5, 99), np.ones(100)])
    shares, X = np.ones((200, 2)), np.ones((200, 2))
    display = AnomalyDisplay.from_predictions(X, scores, shares, offset=-2 * scale)
    bars = [bars_in(group) for group in display.ax_[0].containers]
    assert bars == [(scores >= -2 * scale).sum(), (scores < -2 * scale).sum()]
    assert display.ax_[0].get_xscale() == "symlog"


def test__anomaly__one_row__nothing_is_cut(detector):
    display = AnomalyDisplay.from_estimator(detector, X_DIGITS[:1])
    bar = display.figure_.axes[-1]
    assert_inside(display.figure_, bar.yaxis.label, display.ax_[1].xaxis.label)


@pytest.mark.parametrize("layout", [None, "tight", "constrained"])
def test__anomaly__axes_in_any_layout__nothing_lies_on_anything(layout):
    X = pd.DataFrame(np.ones((60, 4)), columns=["a rather long name", *"bcd"])
    figure, ax = plt.subplots(figsize=(7, 5), layout=layout)
    args = X, -np.arange(60.0), np.ones((60, 4))
    display = AnomalyDisplay.from_predictions(*args, offset=-50, ax=ax)
    ax.set_title("A title")
    figure.draw_without_rendering()
    histogram, table = display.ax_
    extent = {
        "name": table.get_xticklabels()[0].get_window_extent(),
        "axis": histogram.xaxis.label.get_window_extent(),
        "bars": histogram.get_window_extent(),
        "title": ax.title.get_window_extent(),
        "legend": histogram.get_legend().get_window_extent(),
        "threshold": histogram.lines[0].get_window_extent(),
    }
    # From the bottom to the top; neighbours may touch, up to rounding.
    touching = 1e-6
    assert extent["name"].y1 <= extent["axis"].y0 + touching
    assert extent["threshold"].y1 <= extent["legend"].y0 + touching
    assert extent["legend"].y1 <= extent["bars"].y1 + touching
    assert extent["bars"].y1 <= extent["title"].y0 + touching
    assert extent["title"].y1 <= figure.bbox.y1 + touching


def test__anomaly__axes__one_is_divided_and_two_are_taken():
    args = np.ones((3, 2)), [-1.0, -2.0, -3.0], np.ones((3, 2))
    _, ax = plt.subplots()
    display = AnomalyDisplay.from_predictions(*args, ax=ax)
    assert display.ax_.shape == (2,)
    assert {each.figure for each in display.ax_} == {ax.figure}
    assert display.ax_[0] is ax
    _, pair = plt.subplots(1, 2)
    assert list(display.plot(ax=pair).ax_) == list(pair)
    with pytest.raises(ValueError, match="part of a grid"):
        display.plot(ax=plt.figure().add_axes([0, 0, 1, 1]))
