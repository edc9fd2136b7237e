"""Pictures of reconstructions, of images and of tables."""

from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderAnomalyDetector
from sklearn_ae.architectures import Convolutional
from sklearn_ae.displays import LatentSpaceDisplay, ReconstructionDisplay
from tests.displays.helpers import X_DIGITS, make, texts_of, x_names, y_names
from tests.helpers import mixed_cells

RNG = np.random.default_rng(0)


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


@pytest.mark.parametrize("image_shape", [None, (8, 8)])
@pytest.mark.parametrize(
    ("n_rows", "note"), [(3, "the first 3 of 200 rows"), (200, "")]
)
def test__reconstruction__some_rows__says_how_many_of_how_many(
    image_shape, n_rows, note
):
    display = ReconstructionDisplay.from_predictions(
        X_DIGITS, X_DIGITS, n_rows=n_rows, image_shape=image_shape
    )
    assert display.ax_.get_xlabel().partition("; ")[0].startswith(note)
    assert ("of 200 rows" in display.ax_.get_xlabel()) == bool(note)
