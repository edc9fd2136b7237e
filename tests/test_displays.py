"""Displays draw what they are given, from any container, and refuse what they cannot.

Pictures are compared by what they contain, not by their pixels.
"""

import pickle
from copy import deepcopy

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import mixed_cells
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer
from sklearn_ae import _compat as compat_module
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.displays import (
    AnomalyDisplay,
    ClusterGridDisplay,
    DrawReconstructions,
    LatentSpaceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
)
from sklearn_ae.displays._drawing import (
    CLASS_COLOURS,
    GREY,
    class_colours,
    short_number,
)
from sklearn_ae.displays._input import as_labels, spreads_of

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_DIGITS, Y_DIGITS = X_DIGITS[:200], Y_DIGITS[:200]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make(n_components=4, **params):
    defaults = {"max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(n_components, **{**defaults, **params})


@pytest.fixture(scope="module")
def ae():
    return make().fit(X_DIGITS)


@pytest.fixture(scope="module")
def detector():
    return AutoencoderAnomalyDetector(make(), random_state=0).fit(X_DIGITS)


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def y_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def x_names(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def bars_in(patches):
    return sum(bar.get_height() for bar in patches)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# Reconstructions


def test__reconstruction__images__stand_above_their_reconstructions(ae):
    display = ReconstructionDisplay.from_estimator(
        ae, X_DIGITS, n_rows=3, image_shape=(8, 8)
    )
    drawn = [np.asarray(image.get_array()).ravel() for image in display.ax_.images]
    assert_allclose(drawn[:3], X_DIGITS[:3])
    assert_allclose(drawn[3:], ae.reconstruct(X_DIGITS[:3]), rtol=1e-5)
    for above, below in zip(
        display.ax_.images[:3], display.ax_.images[3:], strict=True
    ):
        assert above.get_extent()[:2] == below.get_extent()[:2]
        assert above.get_clim() == below.get_clim() == (0, 16)
    assert y_names(display.ax_) == ["original", "reconstruction"]
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        sparse.csc_matrix,
        pd.DataFrame,
        lambda X: pl.DataFrame(X, schema=[f"p{i}" for i in range(64)]),
        lambda X: X.reshape(-1, 1, 8, 8),
        lambda X: X.reshape(-1, 8, 8).tolist(),
    ],
)
def test__reconstruction__any_container__same_picture(convert):
    X = convert(X_DIGITS[:20])
    display = ReconstructionDisplay.from_predictions(X, X, image_shape=(8, 8))
    assert_allclose(
        [i.get_array().ravel() for i in display.ax_.images[:10]], X_DIGITS[:10]
    )


def test__reconstruction__estimator_on_4d_images__needs_no_shape(ae):
    X = X_DIGITS.reshape(-1, 1, 8, 8)
    display = ReconstructionDisplay.from_estimator(ae, X, n_rows=2)
    assert len(display.ax_.images) == 4


@pytest.mark.parametrize("factor", [1, 255])
def test__reconstruction__colour__is_drawn_as_given(factor):
    X = RNG.random((2, 3, 4, 5)) * factor
    display = ReconstructionDisplay.from_predictions(X, X)
    drawn = display.ax_.images[1].get_array()
    assert_allclose(drawn, X[1].transpose(1, 2, 0) / factor)


@pytest.mark.parametrize(
    "estimator",
    [PCA(3), make_pipeline(StandardScaler(), make()), make_pipeline(PCA(3))],
)
def test__reconstruction__other_estimators__go_there_and_back(estimator):
    estimator = clone(estimator).fit(X_DIGITS)
    display = ReconstructionDisplay.from_estimator(
        estimator, X_DIGITS, n_rows=2, image_shape=(8, 8)
    )
    back = estimator.inverse_transform(estimator.transform(X_DIGITS[:2]))
    assert_allclose(display.reconstructions, back, rtol=1e-5)


def test__reconstruction__image_shape_of_estimator__is_taken(ae):
    ae = deepcopy(ae)
    ae.image_shape_ = (1, 8, 8)
    assert len(ReconstructionDisplay.from_estimator(ae, X_DIGITS).ax_.images) == 20
    pipeline = make_pipeline("passthrough", ae)
    assert (
        len(ReconstructionDisplay.from_estimator(pipeline, X_DIGITS).ax_.images) == 20
    )


def test__reconstruction__image_shape_of_a_later_step__is_not_that_of_the_rows():
    """The images of the estimator are made of principal components here."""
    ae = make(None, architecture=Convolutional((1, 4, 4), channels=(2,)))
    pipeline = make_pipeline(PCA(16), ae).fit(X_DIGITS)
    display = ReconstructionDisplay.from_estimator(pipeline, X_DIGITS)
    assert display.image_shape is None


def test__reconstruction__predictor_or_search__is_taken_to_its_autoencoder(ae):
    pipeline = make_pipeline(ae, KMeans(3, random_state=0)).fit(X_DIGITS)
    search = GridSearchCV(make(), {"n_components": [4]}, cv=2).fit(X_DIGITS)
    for estimator, inner in ((pipeline, pipeline[0]), (search, search.best_estimator_)):
        display = ReconstructionDisplay.from_estimator(estimator, X_DIGITS, n_rows=3)
        table = ReconstructionDisplay.from_estimator(inner, X_DIGITS, n_rows=3)
        assert_array_equal(display.reconstructions, table.reconstructions)


def test__from_estimator__scaler_before_a_predictor__the_autoencoder_is_taken():
    """What the scaler alone gives and takes back would be the rows themselves."""
    detector = AutoencoderAnomalyDetector(make(), random_state=0)
    pipeline = make_pipeline(StandardScaler(), detector).fit(X_DIGITS)
    inner = make_pipeline(pipeline[0], pipeline[1].autoencoder_)
    display = LatentSpaceDisplay.from_estimator(pipeline, X_DIGITS)
    assert_array_equal(display.codes, inner.transform(X_DIGITS))
    display = ReconstructionDisplay.from_estimator(
        pipeline, X_DIGITS, n_rows=2, image_shape=(8, 8)
    )
    there_and_back = inner.inverse_transform(inner.transform(X_DIGITS[:2]))
    assert_array_equal(display.reconstructions, there_and_back)


def test__any_display__arrays_as_parameters__are_taken():
    X, shape, names = (
        X_DIGITS[:9],
        np.array([8, 8]),
        np.array([f"p{i}" for i in range(64)]),
    )
    assert ReconstructionDisplay.from_predictions(X, X, image_shape=shape).ax_.images
    assert ClusterGridDisplay.from_predictions(X, X, Y_DIGITS[:9], image_shape=shape)
    fake_epochs(1, image_shape=shape)
    index = pd.Index([f"r{i}" for i in range(9)])
    given = {"feature_names": names, "row_names": index}
    table = ReconstructionDisplay(X, X, **given).plot().ax_
    assert x_names(table) == names[:12].tolist()
    assert y_names(table)[::2] == [*index]
    table = AnomalyDisplay(-np.arange(9.0), X, X, **given).plot().ax_[1]
    assert y_names(table)[0] == "r0 (\N{MINUS SIGN}8)"


def test__reconstruction__mixed_table__any_container_can_be_drawn(container):
    X = container(mixed_cells())
    ae = make(2).fit(X)
    display = ReconstructionDisplay.from_estimator(ae, X, n_rows=5)
    assert display.ax_.collections[0].get_array().shape == (10, 5)
    texts = texts_of(display.ax_)
    assert texts[0] == "\N{EN DASH}"  # missing
    assert texts[2] == "\N{EN DASH}"
    assert y_names(display.ax_)[1::2] == ["restored"] * 5


def test__reconstruction__table__colour_is_how_far_off():
    X = pd.DataFrame({"a": [0.0, 2.0, 0.0, 2.0], "b": ["u", "v", "u", None]})
    R = pd.DataFrame({"a": [0.5, 2.0, 9.0, 2.0], "b": ["u", "u", "u", "u"]})
    display = ReconstructionDisplay.from_predictions(X, R)
    wrong = display.ax_.collections[0].get_array()
    expected = [[0.5, 0], [0, 2], [2, 0], [0, np.nan]]
    assert_array_equal(wrong[1::2].filled(np.nan), expected)
    assert wrong[::2].mask.all()
    assert texts_of(display.ax_)[:4] == ["0", "u", "0.5", "u"]
    assert x_names(display.ax_) == ["a", "b"]


def test__reconstruction__long_table__keeps_the_columns_restored_worst():
    X = pd.DataFrame(RNG.normal(size=(30, 20))).add_prefix("c")
    R = X.copy()
    R["c7"] += 1
    R["c3"] += 1
    display = ReconstructionDisplay.from_predictions(X, R, ax=None, n_columns=2)
    assert x_names(display.ax_) == ["c3", "c7"]
    assert "2 of 20 columns" in display.ax_.get_xlabel()


def test__spreads__constant_column__counts_its_size():
    assert_allclose(spreads_of(np.array([[5.0, 0.0], [5.0, 0.0]])), [5, 1])
    sparse_spreads = spreads_of(sparse.csr_matrix([[1.0, 4.0], [3.0, 4.0]]))
    assert_allclose(sparse_spreads, [1, 4])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.14159, "3.14"),
        (1987, "1987"),
        (77516, "77.5k"),
        (1234567, "1.23M"),
        (999_900, "1M"),
        (-2.5, "\N{MINUS SIGN}2.5"),
        (0.00001234, "1.2e\N{MINUS SIGN}5"),
        (float("inf"), "inf"),
    ],
)
def test__short_number__any_size__has_three_digits(value, text):
    assert short_number(value) == text


# Latents


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


def test__latent_space__amounts__have_a_colour_bar():
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


def test__latent_space__infinite_amount__is_drawn_faintly(recwarn):
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


def test__class_colours__many_classes__the_most_frequent_have_colours():
    colours = class_colours(np.arange(15))
    assert colours[:5] == [GREY] * 5
    assert colours[5:] == list(CLASS_COLOURS)


@pytest.mark.parametrize(
    ("y", "classes", "values"),
    [
        ([1, 0, 1], ("0", "1"), [1, 0, 1]),
        ([1.0, np.nan, 3.0], ("1", "3"), [0, -1, 1]),
        ([True, False, None], ("False", "True"), [1, 0, -1]),
        (pd.Series(["x", pd.NA, "y"], dtype="string"), ("x", "y"), [0, -1, 1]),
        (
            pd.Categorical(["hi", "lo", None], ["lo", "mid", "hi"]),
            ("hi", "lo"),
            [0, 1, -1],
        ),
        (
            pd.Series(["hi", "lo"], dtype=pd.CategoricalDtype(["lo", "hi"])),
            ("lo", "hi"),
            [1, 0],
        ),
        (pl.Series("n", ["u", None, "t"]), ("t", "u"), [1, -1, 0]),
        (np.array([["a"], ["b"]]), ("a", "b"), [0, 1]),
        ([1, "a"], ("1", "a"), [0, 1]),
        ([0.5, 1.5], (), [0.5, 1.5]),
        ([0.5, np.inf], (), [0.5, np.nan]),
        (np.arange(30), (), np.arange(30)),
    ],
)
def test__labels__any_kind__are_classes_or_amounts(y, classes, values):
    labels = as_labels(y)
    assert labels.classes == classes
    assert_array_equal(labels.values, values)


# Losses


def test__loss_curve__best_epoch__is_marked():
    ax = LossCurveDisplay([100, 5, 1], [90, 2, 4], best_epoch=2).plot().ax_
    training, validation, best = ax.lines
    assert_array_equal(training.get_xdata(), [1, 2, 3])
    assert_array_equal(validation.get_ydata(), [90, 2, 4])
    assert set(best.get_xdata()) == {2}
    assert legend_of(ax) == ["training", "validation", "best epoch: 2"]
    assert ax.get_yscale() == "log"


def test__loss_curve__fits_one_after_another__each_loss_stands_at_its_epoch():
    """The weights are those of the last fit, whatever an earlier one reached."""
    ae = make(max_epochs=3, early_stopping=True, warm_start=True).fit(X_DIGITS)
    assert "best epoch" in legend_of(LossCurveDisplay.from_estimator(ae).ax_)[2]
    first = ae.validation_loss_curve_
    display = LossCurveDisplay.from_estimator(ae.partial_fit(X_DIGITS))
    assert_array_equal(display.validation_loss_curve, [*first, np.nan])
    assert legend_of(display.ax_) == ["training", "validation"]
    display = LossCurveDisplay.from_estimator(ae.fit(X_DIGITS[::-1]))
    losses = np.array(display.validation_loss_curve)
    assert len(losses) == len(display.loss_curve) == 7
    assert display.best_epoch == 5 + losses[4:].argmin()
    # An earlier fit with a lower loss does not count.
    ae.net_.history_[1]["valid_loss"] = 0.0
    assert LossCurveDisplay.from_estimator(ae).best_epoch == display.best_epoch


@pytest.mark.parametrize("losses", [[3, 2, 1], [100, 1, -1], [100, 1, 0], [5]])
def test__loss_curve__narrow_or_not_positive__is_linear(losses):
    assert LossCurveDisplay(losses).plot().ax_.get_yscale() == "linear"


def test__loss_curve__other_estimators__are_drawn(ae, detector):
    mlp = MLPClassifier(max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X_DIGITS, Y_DIGITS)
    search = GridSearchCV(make(), {"n_components": [2]}, cv=2).fit(X_DIGITS)
    for estimator in (ae, make_pipeline("passthrough", ae), detector, search, mlp):
        display = LossCurveDisplay.from_estimator(estimator)
        assert len(display.ax_.lines) == 1
    assert_allclose(display.loss_curve, mlp.loss_curve_)


# Clusters


def test__cluster_grid__each_cluster__has_images_above_their_latents(ae):
    clusters = np.array(["low", "high"])[(Y_DIGITS < 5).astype(int)]
    display = ClusterGridDisplay.from_estimator(
        ae, X_DIGITS, clusters, n_images=3, image_shape=(8, 8)
    )
    drawn = [np.asarray(image.get_array()) for image in display.ax_.images]
    rows = [np.flatnonzero(clusters == name)[:3] for name in ("high", "low")]
    for start, chosen in zip((0, 6), rows, strict=True):
        for i, row in enumerate(chosen):
            assert_allclose(drawn[start + i].ravel(), X_DIGITS[row])
            code = ae.transform(X_DIGITS[[row]])[0]
            assert drawn[start + 3 + i].shape == (2, 2)
            assert_allclose(drawn[start + 3 + i].ravel(), code, rtol=1e-4, atol=1e-6)
    sizes = [(clusters == name).sum() for name in ("high", "low")]
    titles = [f"high ({sizes[0]})", "latents", f"low ({sizes[1]})", "latents"]
    assert y_names(display.ax_) == titles


def test__cluster_grid__fitted_pipeline__predicts_the_clusters():
    pipeline = make_pipeline(make(6), KMeans(3, random_state=0)).fit(X_DIGITS)
    display = ClusterGridDisplay.from_estimator(pipeline, X_DIGITS, image_shape=(8, 8))
    counts = np.bincount(pipeline.predict(X_DIGITS)).tolist()
    assert list(display.cluster_sizes.values()) == counts
    assert display.codes.shape[1] == 6
    assert display.ax_.images[-1].get_array().shape == (2, 3)


def test__cluster_grid__maps__stand_in_a_square_with_gaps():
    codes = np.arange(12.0).reshape(1, 12)
    display = ClusterGridDisplay.from_predictions(
        np.zeros((1, 1, 4, 4)), codes, [0], latent_shape=(3, 2, 2)
    )
    picture = display.ax_.images[1].get_array()
    assert picture.shape == (9, 9)
    for map_, rows, columns in ((0, 0, 0), (1, 0, 5), (2, 5, 0)):
        drawn = picture[rows : rows + 4 : 2, columns : columns + 4 : 2]
        assert_array_equal(drawn, codes[0, 4 * map_ : 4 * map_ + 4].reshape(2, 2))
    assert picture.mask[4].all()
    assert picture.mask[:, 4].all()
    assert picture.mask[5:, 5:].all()


def test__cluster_grid__prime_number_of_latents__fills_a_square():
    codes = np.arange(7.0).reshape(1, 7)
    display = ClusterGridDisplay.from_predictions(np.zeros((1, 1, 4, 4)), codes, [0])
    picture = display.ax_.images[1].get_array()
    assert_array_equal(picture.compressed(), codes[0])
    assert picture.shape == (3, 3)


def test__cluster_grid__few_clusters__nothing_is_cut():
    names = np.array(["a cluster of a long name", "b"])[Y_DIGITS % 2]
    display = ClusterGridDisplay.from_predictions(
        X_DIGITS, X_DIGITS[:, :6], names, n_images=6, image_shape=(8, 8)
    )
    assert_inside(display.figure_, display.ax_.yaxis.label)


def assert_inside(figure, *artists):
    figure.draw_without_rendering()
    for artist in artists:
        left, bottom, right, top = artist.get_window_extent().extents
        width, height = figure.bbox.size
        assert min(left, bottom, width - right, height - top) >= 0


def test__cluster_grid__missing_clusters__are_left_out():
    clusters = [None, "a", np.nan, "b"]
    display = ClusterGridDisplay.from_predictions(
        X_DIGITS[:4], X_DIGITS[:4, :4], clusters, image_shape=(8, 8)
    )
    assert display.cluster_sizes == {"a": 1, "b": 1}


# Anomalies


def test__anomaly__scores__are_counted_on_both_sides_of_the_threshold(detector):
    display = AnomalyDisplay.from_estimator(detector, X_DIGITS, n_rows=4, n_columns=5)
    histogram, table = display.ax_
    scores = detector.score_samples(X_DIGITS)
    n_odd = int((scores < detector.offset_).sum())
    bars = [bars_in(group) for group in histogram.containers]
    assert bars == [200 - n_odd, n_odd]
    assert f"{n_odd} outlier" in legend_of(histogram)[1] + legend_of(histogram)[2]
    assert set(histogram.lines[0].get_xdata()) == {detector.offset_}
    oddest = np.argsort(scores, kind="stable")[:4]
    assert [name.split(" (")[0] for name in y_names(table)] == [
        f"row {i}" for i in oddest
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
    assert extent["name"].y1 <= extent["axis"].y0
    assert extent["legend"].y1 <= extent["bars"].y1 <= extent["title"].y0
    assert extent["threshold"].y1 <= extent["legend"].y0
    assert extent["title"].y1 <= figure.bbox.y1


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


# The callback


def test__draw_reconstructions__each_epoch__adds_a_row(tmp_path):
    path = tmp_path / "epochs.png"
    drawing = DrawReconstructions(X_DIGITS[:3], image_shape=(8, 8), path=path)
    n_figures = len(plt.get_fignums())
    ae = make(max_epochs=4, callbacks=[drawing]).fit(X_DIGITS)
    assert len(plt.get_fignums()) == n_figures
    assert path.read_bytes().startswith(b"\x89PNG")
    assert drawing.epochs_ == [1, 2, 3, 4]
    display = drawing.plot()
    assert display is drawing
    assert len(drawing.ax_.images) == 15
    assert y_names(drawing.ax_) == ["original", *(f"epoch {i}" for i in range(1, 5))]
    last = ae.reconstruct(X_DIGITS[:3])
    assert_allclose(drawing.reconstructions_[-1], last, rtol=1e-3, atol=1e-3)


class Dropping(nn.Module):
    """A network with dropout, which draws random numbers wherever it is not off."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_features, 4), nn.Dropout(0.5))
        self.decoder = nn.Linear(4, n_features)


def test__draw_reconstructions__training__is_not_changed_by_it():
    drawing = DrawReconstructions(X_DIGITS[:3].reshape(-1, 1, 8, 8))
    params = {"architecture": TorchModule(Dropping), "max_epochs": 4, "batch_size": 32}
    drawn = make(None, callbacks=[drawing], **params).fit(X_DIGITS)
    plain = make(None, **params).fit(X_DIGITS)
    assert drawn.loss_curve_ == plain.loss_curve_
    assert_array_equal(drawn.transform(X_DIGITS), plain.transform(X_DIGITS))


def test__draw_reconstructions__architecture_with_image_shape__needs_no_other():
    drawing = DrawReconstructions(X_DIGITS[:2])
    architecture = Convolutional((1, 8, 8), channels=(2,), latent_shape=(2, 3))
    ae = make(None, architecture=architecture, callbacks=[drawing]).fit(X_DIGITS)
    assert drawing.image_shape_ == (1, 8, 8)
    display = ClusterGridDisplay.from_estimator(ae, X_DIGITS, Y_DIGITS > 4)
    assert display.latent_shape == (2, 3)


def test__draw_reconstructions__fitted_again__starts_anew():
    drawing = DrawReconstructions(X_DIGITS[:2], image_shape=(8, 8))
    ae = make(callbacks=[drawing]).fit(X_DIGITS).fit(X_DIGITS)
    assert drawing.epochs_ == [1, 2]
    copied = clone(ae).fit(X_DIGITS).callbacks[0]
    assert copied is not drawing
    assert copied.epochs_ == [1, 2]


def fake_epochs(n_epochs, **params):
    """Return a callback that went through epochs of a net that halves the images."""

    class Net:
        history = []

        @staticmethod
        def reconstruct_rows(X):
            return X / 2

    class History(list):
        def __getitem__(self, key):
            return len(self) if isinstance(key, tuple) else super().__getitem__(key)

    net = Net()
    net.history = History()
    drawing = DrawReconstructions(X_DIGITS[:2], **{"image_shape": (8, 8), **params})
    drawing.on_train_begin(net)
    for _ in range(n_epochs):
        net.history.append({})
        drawing.on_epoch_end(net)
    return drawing


def test__draw_reconstructions__many_epochs__twelve_are_spread_evenly():
    drawing = fake_epochs(100).plot()
    names = y_names(drawing.ax_)
    assert len(names) == 13
    assert names[1] == "epoch 1"
    assert names[-1] == "epoch 100"
    assert_allclose(drawing.ax_.images[-1].get_array().ravel(), X_DIGITS[1] / 2)


@pytest.mark.parametrize(
    "copied", [deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
)
def test__draw_reconstructions__drawn__can_be_copied(copied):
    drawing = copied(fake_epochs(2).plot())
    assert not hasattr(drawing, "figure_")
    assert len(drawing.plot().ax_.images) == 6


def test__draw_reconstructions__what_it_cannot_do__is_refused_before_training():
    with pytest.raises(ValueError, match="needs image_shape"):
        fake_epochs(0, image_shape=None)
    with pytest.raises(ValueError, match="folder that exists"):
        fake_epochs(0, path="nowhere/at/all.png")
    with pytest.raises(ValueError, match=r"one of .*'png'.* Got 'x.foo'"):
        fake_epochs(0, path="x.foo")
    with pytest.raises(ValueError, match="trains none"):
        DrawReconstructions(X_DIGITS).on_train_begin(object())
    with pytest.raises(ValueError, match="nothing to draw"):
        fake_epochs(0).plot()


# All displays


def every_display():
    X = X_DIGITS[:20]
    return {
        "reconstruction": ReconstructionDisplay(X, X),
        "images": ReconstructionDisplay(X, X, image_shape=(8, 8)),
        "latent": LatentSpaceDisplay(X[:, 2:4], Y_DIGITS[:20]),
        "amounts": LatentSpaceDisplay(X[:, 2:4], np.linspace(0, 1, 20)),
        "losses": LossCurveDisplay([2, 1]),
        "clusters": ClusterGridDisplay(
            X, X[:, :4], ["a"] * 20, cluster_sizes={"a": 20}, image_shape=(8, 8)
        ),
        "anomaly": AnomalyDisplay(-np.arange(20.0), X[:5], X[:5], offset=-17),
        "epochs": fake_epochs(2),
    }


@pytest.mark.parametrize("name", every_display())
def test__plot__axes_given__are_drawn_on(name):
    ax = Figure().subplots()
    display = every_display()[name]
    assert display.plot(ax=ax) is display
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", [name for name in every_display() if name != "losses"])
def test__plot__same_axes_again__the_picture_is_drawn_anew(name):
    def content():
        return [
            (
                type(each),
                each.get_position(original=True).bounds,
                len(each.get_children()),
            )
            for each in ax.figure.axes
        ]

    ax = Figure().subplots()
    ax.set_title("mine")
    every_display()[name].plot(ax=ax)
    once = content()
    every_display()[name].plot(ax=ax)
    assert content() == once
    assert ax.get_title() == "mine"


@pytest.mark.parametrize("name", every_display())
def test__plot__wrong_axes__are_refused(name):
    with pytest.raises(TypeError, match="takes a matplotlib Axes"):
        every_display()[name].plot(ax="here")
    space = plt.figure().add_subplot(projection="3d")
    with pytest.raises(ValueError, match="two dimensions"):
        every_display()[name].plot(ax=space)


@pytest.mark.parametrize("name", every_display())
def test__plot__without_matplotlib__says_how_to_install_it(name, monkeypatch):
    def no_module(module):
        raise ImportError(module)

    display = every_display()[name]
    monkeypatch.setattr(compat_module.importlib, "import_module", no_module)
    with pytest.raises(ImportError, match=r'pip install "sklearn_ae\[plot\]"'):
        display.plot()


@pytest.mark.parametrize("name", every_display())
def test__plot__drawn_and_saved__gives_no_warning(name, tmp_path, recwarn):
    every_display()[name].plot().figure_.savefig(tmp_path / "picture.png")
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize(
    "call",
    [
        lambda e: ReconstructionDisplay.from_estimator(e, X_DIGITS),
        lambda e: LatentSpaceDisplay.from_estimator(e, X_DIGITS),
        lambda e: LossCurveDisplay.from_estimator(e),
        lambda e: ClusterGridDisplay.from_estimator(
            e, X_DIGITS, Y_DIGITS, image_shape=(8, 8)
        ),
        lambda e: AnomalyDisplay.from_estimator(e, X_DIGITS),
    ],
)
def test__from_estimator__unfitted_or_unable__is_refused(call):
    with pytest.raises(NotFittedError):
        call(make())
    unable = IsolationForest(n_estimators=5, random_state=0).fit(X_DIGITS)
    with pytest.raises(TypeError, match="IsolationForest"):
        call(unable)


SPACE = np.ones((4, 3))
CALLS = {
    "needs one column per pixel, 72 in all. Got X with 64": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS, image_shape=(9, 8))
    ),
    "1 channel .grey., 3": lambda: ReconstructionDisplay.from_predictions(
        X_DIGITS, X_DIGITS, image_shape=(2, 4, 8)
    ),
    "image_shape must be .height, width.": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS, image_shape=64)
    ),
    "inconsistent numbers of samples: .200, 3.": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS[:3])
    ),
    "same shape. Got": lambda: ReconstructionDisplay.from_predictions(
        X_DIGITS, X_DIGITS[:, :5]
    ),
    "n_rows must be an integer of at least 1. Got 0": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS, n_rows=0)
    ),
    "minimum of 1 is required": lambda: ReconstructionDisplay.from_predictions(
        X_DIGITS[:0], X_DIGITS[:0]
    ),
    "in two dimensions, or images": lambda: LatentSpaceDisplay.from_predictions([1, 2]),
    "inconsistent numbers of samples: .4, 2.": lambda: (
        LatentSpaceDisplay.from_predictions(SPACE, ["a", "b"])
    ),
    "in three dimensions, and ax has two": lambda: LatentSpaceDisplay(SPACE).plot(
        ax=Figure().subplots()
    ),
    "codes must be finite": lambda: LatentSpaceDisplay.from_predictions(SPACE * np.nan),
    "Labels must be one column": lambda: LatentSpaceDisplay.from_predictions(
        SPACE, SPACE
    ),
    "loss_curve must be finite numbers": lambda: LossCurveDisplay([]).plot(),
    "inconsistent numbers of samples: .200, 200, 5.": lambda: (
        ClusterGridDisplay.from_predictions(
            X_DIGITS, X_DIGITS[:, :4], [0] * 5, image_shape=(8, 8)
        )
    ),
    "latent_shape=.3, 3. needs 9 latents. Got codes with 4": lambda: (
        ClusterGridDisplay.from_predictions(
            X_DIGITS, X_DIGITS[:, :4], Y_DIGITS, image_shape=(8, 8), latent_shape=(3, 3)
        )
    ),
    "image_shape must be given": lambda: ClusterGridDisplay.from_predictions(
        X_DIGITS, X_DIGITS[:, :4], Y_DIGITS
    ),
    "clusters must be given": lambda: ClusterGridDisplay.from_estimator(
        PCA(2).fit(X_DIGITS), X_DIGITS, image_shape=(8, 8)
    ),
    "All are missing": lambda: ClusterGridDisplay.from_predictions(
        SPACE, SPACE, [None] * 4, image_shape=(1, 3)
    ),
    "scores must be finite numbers": lambda: AnomalyDisplay.from_predictions(
        SPACE, [np.nan] * 4, SPACE
    ),
    "contributions and cells must have the same shape": lambda: (
        AnomalyDisplay.from_predictions(SPACE, [1] * 4, SPACE[:, :2])
    ),
}


@pytest.mark.parametrize("message", CALLS)
def test__wrong_input__any_display__says_what_must_hold(message):
    with pytest.raises(ValueError, match=message):
        CALLS[message]()
