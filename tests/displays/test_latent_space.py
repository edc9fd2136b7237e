"""Pictures of latents."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_ae.displays import LatentSpaceDisplay
from tests.displays.helpers import (
    X_DIGITS,
    Y_DIGITS,
    bars_in,
    legend_of,
    make,
    texts_of,
)

RNG = np.random.default_rng(0)


def test__latent_space__plane__is_a_scatter_with_a_legend():
    codes = RNG.normal(size=(60, 2))
    y = pd.Series(["b", "a", None] * 20, name="kind", index=range(5, 65))
    display = LatentSpaceDisplay.from_predictions(codes, y)
    (points,) = display.ax_.collections
    assert len(points.get_offsets()) == 60
    assert legend_of(display.ax_) == ["a", "b", "no label"]
    assert display.ax_.get_legend().get_title().get_text() == "kind"


def test__latent_space__far_row__does_not_hide_the_others():
    codes = np.vstack([RNG.normal(size=(99, 2)), [[1e6, 0]]])
    ax = LatentSpaceDisplay.from_predictions(codes).ax_
    assert ax.get_xlim()[1] < 100
    assert "1 row farther out" in ax.get_xlabel()


def test__latent_space__continuous__has_a_colour_bar():
    y = RNG.normal(size=60)
    y[3] = np.nan
    display = LatentSpaceDisplay.from_predictions(RNG.normal(size=(60, 2)), y)
    assert len(display.figure_.axes) == 2
    drawn = display.ax_.collections[1].get_array()
    assert_allclose(drawn, y[~np.isnan(y)])


def test__latent_space__three_columns__names_stand_at_the_points():
    codes = RNG.normal(size=(50, 3))
    y = np.array(["Ankle boot", "Bag"])[np.arange(50) % 2]
    ax = LatentSpaceDisplay.from_predictions(codes, y).ax_
    assert ax.name == "3d"
    assert texts_of(ax) == y.tolist()
    assert_allclose([text.get_position_3d() for text in ax.texts], codes)
    assert len({text.get_color() for text in ax.texts}) == 2


def test__latent_space__many_points__some_are_named():
    y = np.repeat(["a", "b"], 50)
    display = LatentSpaceDisplay.from_predictions(RNG.normal(size=(100, 3)), y)
    display.plot(max_names=10)
    assert texts_of(display.ax_) == ["a"] * 5 + ["b"] * 5


def test__latent_space__many_columns__are_principal_components():
    codes = RNG.normal(size=(80, 5)) * [9, 3, 1, 1, 1]
    ax = LatentSpaceDisplay.from_predictions(codes).ax_
    share = PCA(2).fit(codes).explained_variance_ratio_
    assert f"({share[0]:.0%})" in ax.get_xlabel()
    assert f"({share[1]:.0%})" in ax.get_ylabel()


def test__latent_space__one_column__is_a_histogram_by_class():
    codes = RNG.normal(size=(40, 1))
    y = ["cat", "dog"] * 19 + [None] * 2
    ax = LatentSpaceDisplay.from_predictions(codes, y).ax_
    assert legend_of(ax) == ["cat", "dog", "no label"]
    assert [bars_in(group) for group in ax.containers] == [19, 19, 2]
    assert bars_in(LatentSpaceDisplay(codes).plot().ax_.patches) == 40


@pytest.mark.parametrize("codes", [[[1, 2, 3, 4]], np.ones((5, 4)), [[1, 2]]])
def test__latent_space__no_spread__is_drawn_without_a_warning(codes, recwarn):
    display = LatentSpaceDisplay.from_predictions(codes, [0.5] * len(codes))
    assert len(display.ax_.collections[1].get_offsets()) == len(codes)
    assert [str(each.message) for each in recwarn] == []


def test__latent_space__infinite_value__is_drawn_faintly(recwarn):
    codes = RNG.normal(size=(4, 2))
    display = LatentSpaceDisplay.from_predictions(codes, [0.5, np.inf, -np.inf, 2])
    faint, coloured = display.ax_.collections[:2]
    assert len(faint.get_offsets()) == 2
    assert_array_equal(coloured.get_array(), [0.5, 2])
    assert [str(each.message) for each in recwarn] == []


def test__latent_space__pipeline_with_predictor__draws_what_goes_into_it():
    pipeline = make_pipeline(make(2), KMeans(3, random_state=0)).fit(X_DIGITS)
    display = LatentSpaceDisplay.from_estimator(pipeline, X_DIGITS, Y_DIGITS)
    assert_allclose(display.codes, pipeline[0].transform(X_DIGITS))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__latent_space__set_output__is_the_same(ae, library):
    pca = PCA(2).set_output(transform=library).fit(X_DIGITS)
    display = LatentSpaceDisplay.from_estimator(pca, X_DIGITS)
    assert display.codes.shape == (200, 2)


def test__dates__have_a_colour_bar_of_dates():
    days = pd.date_range("2024-01-01", periods=60)
    display = LatentSpaceDisplay(np.random.default_rng(0).normal(size=(60, 2)), days)
    figure = display.plot().figure_
    figure.draw_without_rendering()
    assert display.ax_.get_legend() is None
    (bar,) = [each for each in figure.axes if each is not display.ax_]
    names = [label.get_text() for label in bar.get_yticklabels()]
    assert any(name.startswith("2024-0") for name in names)


def test__classes__of_large_points__have_shapes_of_their_own():
    """On paper without colours, shapes are what tells classes apart."""
    codes, y = RNG.normal(size=(40, 2)), np.repeat(["a", "b"], 20)
    ax = LatentSpaceDisplay.from_predictions(codes, y).ax_
    shapes = [len(path.vertices) for path in ax.collections[0].get_paths()]
    assert {*shapes[:20]} != {*shapes[20:]}
    markers = [line.get_marker() for line in ax.get_legend().get_lines()]
    assert len({*markers}) == 2
