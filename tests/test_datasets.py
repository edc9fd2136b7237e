"""Images for the examples: what comes back, and what is said about wrong files."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from sklearn_ae import datasets
from sklearn_ae.datasets import load_images

RNG = np.random.default_rng(0)


def write(path, n_train=6, n_test=4, size=(5, 5), **arrays):
    """Write a file of images, and return its path."""
    arrays = {
        "X_train": RNG.integers(256, size=(n_train, *size), dtype=np.uint8),
        "y_train": np.arange(n_train) % 3,
        "X_test": RNG.integers(256, size=(n_test, *size), dtype=np.uint8),
        "y_test": np.arange(n_test) % 3,
    } | arrays
    path = path / "images.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test__digits__both_parts__are_scikit_learns_images():
    images = load_images()
    X, y = load_digits(return_X_y=True)
    got = np.vstack([images.X_train, images.X_test])
    labels = np.concatenate([images.y_train, images.y_test])
    order, expected = np.lexsort(got.T), np.lexsort(X.T)
    assert_allclose(got[order] * 16, X[expected])
    assert_array_equal(labels[order], y[expected])
    assert images.X_train.dtype == np.float32
    assert images.image_shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("source", "name"), [("mnist", "mnist_784"), ("fashion-mnist", "Fashion-MNIST")]
)
def test__openml__first_rows__are_those_to_train_on(monkeypatch, source, name):
    def fetch(called, **options):
        assert called == name
        assert options["data_home"] == "folder"
        X = np.repeat(np.arange(10)[:, None], 784, axis=1)
        return X, np.arange(10).astype(str).astype(object)

    monkeypatch.setattr(datasets, "fetch_openml", fetch)
    monkeypatch.setattr(datasets, "_N_TRAIN", 7)
    images = load_images(source, data_home="folder")
    assert_allclose(images.X_train[:, 0] * 255, np.arange(7), rtol=1e-6)
    assert_array_equal(images.y_test, [7, 8, 9])
    assert images.image_shape == (1, 28, 28)
    assert len(images.target_names) == 10
    assert images.X_test.dtype == np.float32


def test__openml__without_network__error_says_what_else_there_is(monkeypatch):
    def fetch(*args, **options):
        raise OSError("Name or service not known")

    monkeypatch.setattr(datasets, "fetch_openml", fetch)
    with pytest.raises(OSError, match=r"'mnist' could not be downloaded.*an \.npz"):
        load_images("mnist")


@pytest.mark.parametrize(
    ("size", "image_shape"),
    [((25,), (1, 5, 5)), ((5, 7), (1, 5, 7)), ((3, 5, 7), (3, 5, 7))],
)
def test__file__each_form_of_image__becomes_rows_of_fractions(
    tmp_path, size, image_shape
):
    path = write(tmp_path, size=size)
    images = load_images(str(path))
    assert images.image_shape == image_shape
    with np.load(path) as file:
        expected = file["X_train"].reshape(6, -1) / 255
    assert_allclose(images.X_train, expected, rtol=1e-6)
    assert images.X_train.dtype == np.float32


def test__file__of_fractions__is_taken_as_it_is(tmp_path):
    X = RNG.random((6, 25))
    images = load_images(write(tmp_path, size=(25,), X_train=X))
    assert_allclose(images.X_train, X, rtol=1e-6)


def test__file__as_keras_names_it__is_read(tmp_path):
    with np.load(write(tmp_path)) as file:
        arrays = {name.lower(): file[name] for name in file.files}
    np.savez(tmp_path / "keras.npz", **arrays)
    assert load_images(tmp_path / "keras.npz").X_test.shape == (4, 25)


def test__labels__of_any_kind__are_positions_of_their_names(tmp_path):
    labels = np.array(["cat", "dog", "cat", "emu", "dog", "emu"])
    images = load_images(write(tmp_path, y_train=labels, y_test=labels[:4]))
    assert_array_equal(images.target_names[images.y_train], labels)
    assert_array_equal(images.target_names[images.y_test], labels[:4])


def test__labels__with_names_in_the_file__lead_to_these(tmp_path):
    """A class without an image keeps its name, and the others theirs."""
    names = np.array(["shirt", "coat", "bag", "sandal"])
    path = write(tmp_path, y_train=np.full(6, 3), target_names=names)
    assert_array_equal(load_images(path).y_train, 3)
    assert_array_equal(load_images(path).target_names, names)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y_test": None}, "lacks y_test; it has X_train, y_train, X_test"),
        ({"y_test": np.zeros(3)}, r"one label for each image.*\(3,\) and X_test"),
        ({"X_test": np.zeros((4, 5, 6))}, r"same size. Got shapes \(6, 5, 5\)"),
        ({"X_train": np.full((6, 5, 5), 2.0)}, "X_train.*from 2.0 to 2.0"),
        ({"X_train": np.full((6, 5, 5), np.nan)}, "X_train.*from nan to nan"),
        ({"X_test": np.full((4, 5, 5), "a")}, "X_test must hold integers.*dtype <U1"),
        ({"size": (24,)}, r"with square images.*Got \(6, 24\)"),
        ({"size": ()}, r"with square images.*Got \(6,\)"),
        ({"target_names": np.array(["a"])}, "With 1 target_names.*from 0 to 2"),
    ],
)
def test__file__that_holds_something_else__is_refused(tmp_path, arrays, message):
    path = write(tmp_path, **arrays)
    with pytest.raises(ValueError, match=message):
        load_images(path)


def test__file__that_is_no_archive__is_refused(tmp_path):
    (tmp_path / "images.npz").write_text("no images")
    with pytest.raises(ValueError, match=r"not a file that numpy\.savez writes"):
        load_images(tmp_path / "images.npz")


def test__source__misspelt__nearest_name_is_offered():
    with pytest.raises(ValueError, match=r"no such file\. Did you mean 'mnist'"):
        load_images("minst")


def test__source__of_another_type__is_refused():
    with pytest.raises(TypeError, match="source must be a str or the path"):
        load_images(3)
