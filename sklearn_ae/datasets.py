"""Data sets of small images for the examples; downloaded by `load_images` alone."""

from math import isqrt
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import is_zipfile

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from sklearn_ae._compat import did_you_mean

__all__ = ["load_images"]

# Data sets of OpenML: their names there, and the names of the classes.
_OPENML = {
    "mnist": ("mnist_784", [str(digit) for digit in range(10)]),
    "fashion-mnist": (
        "Fashion-MNIST",
        [
            *("T-shirt", "Trousers", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ],
    ),
}
# Images to train on, which come first in both; 10,000 to test with follow.
_N_TRAIN = 60_000
# Names of the arrays that a file has to have.
_ARRAYS = ("X_train", "y_train", "X_test", "y_test")

Array: TypeAlias = NDArray[Any]


def load_images(
    source: str | PathLike[str] = "digits",
    *,
    data_home: str | PathLike[str] | None = None,
) -> Bunch:
    """Return images as rows of pixels, to train on and to test with.

    Parameters
    ----------
    source : {"digits", "mnist", "fashion-mnist"} or path, default="digits"
        The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn, of
        which 500 are to test with, are "digits". "mnist" and "fashion-mnist" are
        70,000 images of 28 x 28 pixels each, of which 10,000 are to test with: digits
        and clothes, downloaded from OpenML by :func:`~sklearn.datasets.fetch_openml`
        the first time. A path leads to an ``.npz`` file with the arrays "X_train",
        "y_train", "X_test" and "y_test", and "target_names" if the classes have
        names. Its images are integers from 0 to 255 or fractions from 0 to 1: rows of
        the pixels of square grey images, or arrays of shape (n_images, height, width)
        or (n_images, channels, height, width).
    data_home : str or path, default=None
        Folder that downloads are kept in. `None` takes scikit-learn's.

    Returns
    -------
    images : :class:`~sklearn.utils.Bunch`
        Dictionary with attributes:

        X_train, X_test : ndarray of shape (n_images, n_pixels), dtype=float32
            Pixels in [0, 1].
        y_train, y_test : ndarray of shape (n_images,), dtype=int64
            Class of each image, an index of `target_names`.
        target_names : ndarray of str
            Names of the classes.
        image_shape : tuple of int
            Channels, height and width.

    Raises
    ------
    OSError
        If the download fails.
    ValueError
        If there is no such data set, or the file lacks an array or has a wrong one.

    Examples
    --------
    >>> from sklearn_ae.datasets import load_images
    >>> images = load_images()
    >>> images.X_train.shape, images.X_test.shape, images.image_shape
    ((1297, 64), (500, 64), (1, 8, 8))
    >>> images.target_names[images.y_train[:3]].tolist()
    ['2', '1', '2']
    """
    if not isinstance(source, str | PathLike):
        raise TypeError(
            f"source must be a str or the path of an .npz file. Got {source!r}."
        )
    if source == "digits":
        return _load_digits()
    if source in _OPENML:
        return _fetch(source, data_home)
    return _load_file(Path(source))


def _load_digits() -> Bunch:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=500, stratify=y, random_state=0
    )
    names = [str(digit) for digit in range(10)]
    return _bunch(X_train, y_train, X_test, y_test, names, (1, 8, 8))


def _fetch(source: str, data_home: str | PathLike[str] | None) -> Bunch:
    name, target_names = _OPENML[source]
    try:
        X, y = fetch_openml(
            name, version=1, data_home=data_home, return_X_y=True, as_frame=False
        )
    except OSError as error:
        raise OSError(
            f"{source!r} could not be downloaded from OpenML: {error}. Without a "
            "network, pass the path of an .npz file with the arrays "
            f"{', '.join(_ARRAYS)}."
        ) from error
    X, y, n = X / np.float32(255), y.astype(np.int64), _N_TRAIN
    return _bunch(X[:n], y[:n], X[n:], y[n:], target_names, (1, 28, 28))


def _load_file(path: Path) -> Bunch:
    if not path.is_file():
        hint = did_you_mean(path.name.lower(), ["digits", *_OPENML])
        raise ValueError(
            "source must be 'digits', 'mnist', 'fashion-mnist' or the path of an .npz "
            f"file. Got {str(path)!r}, and there is no such file.{hint}"
        )
    if not is_zipfile(path):
        raise ValueError(f"{str(path)!r} is not a file that numpy.savez writes.")
    with np.load(path, allow_pickle=False) as file:
        # Keras calls its arrays x_train and x_test.
        names = {name.lower(): name for name in file.files}
        missing = [name for name in _ARRAYS if name.lower() not in names]
        if missing:
            raise ValueError(
                f"{str(path)!r} must hold the arrays {', '.join(_ARRAYS)}. It lacks "
                f"{', '.join(missing)}; it has {', '.join(file.files) or 'none'}."
            )
        arrays = {name: file[names[name.lower()]] for name in _ARRAYS}
        target_names = file["target_names"] if "target_names" in names else None
    _check_lengths(arrays)
    image_shape = _image_shape(arrays["X_train"], arrays["X_test"])
    X_train, X_test = (_to_fractions(name, arrays[name]) for name in _ARRAYS[::2])
    y_train, y_test, target_names = _to_class_indices(
        arrays["y_train"], arrays["y_test"], target_names
    )
    return _bunch(X_train, y_train, X_test, y_test, target_names, image_shape)


def _check_lengths(arrays: dict[str, Array]) -> None:
    """Check that there is one label for each image."""
    for part in ("train", "test"):
        images, labels = arrays[f"X_{part}"], arrays[f"y_{part}"]
        if labels.shape != images.shape[:1] or len(labels) == 0:
            raise ValueError(
                f"y_{part} must hold one label for each image of X_{part}. Got shape "
                f"{labels.shape} and X_{part} of shape {images.shape}."
            )


def _image_shape(X_train: Array, X_test: Array) -> tuple[int, ...]:
    """Return channels, height and width."""
    if X_train.shape[1:] != X_test.shape[1:]:
        raise ValueError(
            "X_train and X_test must hold images of the same size. Got shapes "
            f"{X_train.shape} and {X_test.shape}."
        )
    size = X_train.shape[1:]
    if len(size) == 1 and isqrt(size[0]) ** 2 == size[0] > 0:
        return 1, isqrt(size[0]), isqrt(size[0])
    if len(size) in (2, 3) and 0 not in size:
        return (1, *size)[-3:]
    raise ValueError(
        "X_train must have the shape (n_images, n_pixels) with square images, "
        "(n_images, height, width) or (n_images, channels, height, width). Got "
        f"{X_train.shape}."
    )


def _to_fractions(name: str, X: Array) -> Array:
    """Return images as rows of pixels in [0, 1]."""
    largest = 255 if X.dtype.kind in "iu" else 1
    if X.dtype.kind not in "iuf" or not (X.min() >= 0 and X.max() <= largest):
        raise ValueError(
            f"{name} must hold integers from 0 to 255 or fractions from 0 to 1. Got "
            f"dtype {X.dtype}"
            + (f" from {X.min()} to {X.max()}." if X.dtype.kind in "iuf" else ".")
        )
    return X.reshape(len(X), -1) / np.float32(largest)


def _to_class_indices(
    y_train: Array, y_test: Array, target_names: Array | None
) -> tuple[Array, Array, Array]:
    """Return labels as class indices, and the names of the classes."""
    classes, y = np.unique(np.concatenate([y_train, y_test]), return_inverse=True)
    if target_names is None:
        target_names = classes.astype(str)
    elif classes.dtype.kind in "iu" and 0 <= classes[0] <= classes[-1] < len(
        target_names
    ):
        y = classes[y]
    else:
        raise ValueError(
            f"With {len(target_names)} target_names, labels must be integers from 0 to "
            f"{len(target_names) - 1}. Got labels from {classes[0]} to {classes[-1]}."
        )
    return y[: len(y_train)], y[len(y_train) :], target_names


def _bunch(
    X_train: Array,
    y_train: Array,
    X_test: Array,
    y_test: Array,
    target_names: ArrayLike,
    image_shape: tuple[int, ...],
) -> Bunch:
    return Bunch(
        X_train=X_train.astype(np.float32, copy=False),
        y_train=y_train.astype(np.int64, copy=False),
        X_test=X_test.astype(np.float32, copy=False),
        y_test=y_test.astype(np.int64, copy=False),
        target_names=np.asarray(target_names),
        image_shape=image_shape,
    )
