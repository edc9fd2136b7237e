"""Pictures of clusters."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

from sklearn_ae.displays import ClusterGridDisplay
from tests.displays.helpers import X_DIGITS, Y_DIGITS, assert_inside, make, y_names


def test__cluster_grid__each_cluster__has_images_beside_their_latents(ae):
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
    assert y_names(display.ax_) == [f"high ({sizes[0]})", f"low ({sizes[1]})"]
    # Latents stand in the row of their images, at the right of all of them.
    extents = np.reshape(
        [image.get_extent() for image in display.ax_.images], (2, 6, 4)
    )
    assert (extents[:, :, 2:] == extents[:, :1, 2:]).all()
    assert extents[:, 3:, 0].min() > extents[:, :3, 1].max()


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


def test__cluster_grid__missing_clusters__are_left_out():
    clusters = [None, "a", np.nan, "b"]
    display = ClusterGridDisplay.from_predictions(
        X_DIGITS[:4], X_DIGITS[:4, :4], clusters, image_shape=(8, 8)
    )
    assert display.cluster_sizes == {"a": 1, "b": 1}
