"""Errors about parameters, rows and weights, before any work is done."""

import inspect
from difflib import get_close_matches
from math import prod

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data
from torch import nn

from sklearn_ae._compat import _check_sample_weight
from sklearn_ae._modules.dense import make_activation
from sklearn_ae._tables.reading import (
    BOOLEAN,
    CATEGORY,
    DATE,
    NUMBER,
    OTHER,
    as_array_like,
    frame_library,
    is_mapped,
    kinds_of_columns,
    name_columns,
    numbers,
)
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import Contractive, Sparse

# Parameters that shape the dense network, and nothing else.
DENSE_PARAMS = (
    "hidden_layer_sizes",
    "activation",
    "latent_activation",
    "output_activation",
    "tied_weights",
)


def check_params(settings):
    """Check what the declared constraints of the parameters cannot say.

    Raises
    ------
    TypeError
        If a class is of the wrong kind.
    ValueError
        If parameters do not go together.
    """
    _check_sizes("n_components", settings.n_components)
    _check_sizes("hidden_layer_sizes", settings.hidden_layer_sizes)
    _check_class(settings, "optimizer", torch.optim.Optimizer)
    for name in ("activation", "latent_activation", "output_activation"):
        _check_class(settings, name, nn.Module)
        if isinstance(getattr(settings, name), type):
            _check_activation(name, getattr(settings, name))
    if isinstance(settings.loss, type):
        raise TypeError(
            "A callable loss must take a reconstruction and its target. Got the class "
            f"{settings.loss.__name__}; pass an instance, such as "
            "MSELoss(reduction='none')."
        )
    for part in (settings.architecture, settings.latent, settings.noise):
        if hasattr(part, "_parameter_constraints"):
            part._validate_params()
    _check_latent(settings)
    if settings.loss == "bce" and settings.scaling in (
        "standard",
        "quantile",
        "robust",
    ):
        raise ValueError(
            f"loss='bce' needs values in [0, 1]. Scaling {settings.scaling!r} does not "
            "give them. Use scaling='minmax', or scaling=None if X is in [0, 1] "
            "already."
        )
    if isinstance(settings.architecture, TorchModule):
        _check_unused(settings, DENSE_PARAMS)
    elif settings.architecture is not None:
        _check_unused(settings, ["tied_weights"])


def _check_class(settings, name, base):
    """Refuse a class that does not derive from the right one."""
    value = getattr(settings, name)
    if isinstance(value, type) and not issubclass(value, base):
        raise TypeError(
            f"A class given as {name} must derive from the {base.__name__} of torch. "
            f"Got {value!r}."
        )


def _check_sizes(name, value):
    sizes = np.atleast_1d(() if value is None else value)
    if sizes.ndim > 1 or (
        sizes.size and (sizes.dtype.kind not in "iu" or sizes.min() < 1)
    ):
        raise ValueError(f"{name} must hold integers of at least 1. Got {value!r}.")


def _check_activation(name, cls):
    """Refuse a class that torch would fail on in the middle of its own code."""
    cells = torch.zeros(2, 4)
    try:
        # Its weights, if it has any, draw from the global generator.
        with torch.random.fork_rng(devices=()):
            shape = getattr(cls()(cells), "shape", None)
    except Exception as error:
        raise TypeError(
            f"A class given as {name} must be built without arguments and take a "
            f"tensor. {cls.__name__} fails: {error}"
        ) from error
    if shape != cells.shape:
        raise ValueError(
            f"{name} must return a tensor of the shape that it takes. {cls.__name__} "
            f"made {shape and tuple(shape)} of {tuple(cells.shape)}."
        )


def _check_latent(settings):
    """Refuse what a penalty on the latent is not made for."""
    if settings.compile and isinstance(settings.latent, Contractive):
        raise ValueError(
            "torch.compile cannot compile the derivatives that latent=Contractive() "
            "needs. Got compile=True; set it to False."
        )
    latent, activation = settings.latent, settings.latent_activation
    own_layers = not isinstance(settings.architecture, TorchModule)
    if not (isinstance(latent, Sparse) and latent.penalty == "kl" and own_layers):
        return
    # Its weights, if it has any, draw from the global generator.
    with torch.random.fork_rng(devices=()), torch.no_grad():
        latents = make_activation(activation)(torch.linspace(-9, 9, 100)[None])
    if latents.min() < 0 or latents.max() > 1:
        raise ValueError(
            "latent=Sparse('kl') needs latents in [0, 1]. Got latent_activation="
            f"{activation!r}; use latent_activation='sigmoid', or Sparse('l1')."
        )


def _check_unused(settings, names):
    """Refuse parameters of the dense network that an architecture would ignore."""
    defaults = inspect.signature(type(settings)).parameters
    for name in names:
        value, default = getattr(settings, name), defaults[name].default
        if value is not default and not (isinstance(value, str) and value == default):
            raise ValueError(
                f"{name} shapes the dense network, and architecture="
                f"{type(settings.architecture).__name__}(...) brings its own. Got "
                f"{name}={value!r}; leave it at {default!r}."
            )


def check_table(estimator, X, *, reset):
    """Return X as an ndarray, memmap or CSR matrix, or as the frame that it is.

    Infinite cells are found where blocks of rows are read, not here: a pass over a
    large file takes minutes.

    Parameters
    ----------
    estimator : BaseEstimator
        Its number and names of columns, and which of them are categorical, are set or
        compared.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
    reset : bool
        Whether to set them.

    Returns
    -------
    X : {ndarray, memmap, CSR matrix, dataframe} of shape (n_samples, n_features)
        Numbers, unless `estimator.is_categorical_` has any.
    """
    X = as_array_like(X)
    holds_images = isinstance(estimator.architecture, Convolutional)
    if holds_images and isinstance(X, (list, tuple)):
        X = np.asarray(X)
    shape = getattr(X, "shape", ())
    if holds_images:
        X = _flatten(estimator, X, reset=reset)
    is_frame = frame_library(X) is not None
    if is_frame:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        X = _check_array(estimator, X, reset=reset)
    if reset:
        estimator.is_categorical_ = _find_categorical(estimator, X)
        _find_image_shape(estimator, shape)
    elif is_frame:
        _check_numeric_columns(X, np.flatnonzero(~estimator.is_categorical_).tolist())
    if not estimator.is_categorical_.any():
        if is_frame:
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator)
        return numbers(X, getattr(estimator, "feature_names_in_", None))
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed, but categorical columns need a dense table. Use "
            "'.toarray()' to convert to a dense numpy array."
        )
    if len(X) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
            f"required by {type(estimator).__name__}."
        )
    return X


def _flatten(estimator, X, *, reset):
    """Return images as rows of pixels."""
    if getattr(X, "ndim", 2) < 3:
        return X
    if X.ndim > 4:
        raise ValueError(
            f"Found array with dim {X.ndim}, of shape {tuple(X.shape)}, while "
            "Convolutional takes X of shape (n_samples, n_pixels), (n_samples, height, "
            "width) or (n_samples, channels, height, width)."
        )
    seen = getattr(estimator, "image_shape_", None)
    if not reset and _image_shape(X.shape) != seen:
        raise ValueError(
            f"X has images of shape {_image_shape(X.shape)}, but those seen in fit had "
            f"{seen} (channels, height, width)."
        )
    return X.reshape(len(X), prod(X.shape[1:]))


def _image_shape(shape):
    """Return (channels, height, width) of an array of images of some shape."""
    return (1, *shape[1:])[-3:]


def _find_image_shape(estimator, shape):
    """Set the shape of the images that the rows are, if they are."""
    vars(estimator).pop("image_shape_", None)
    if not isinstance(estimator.architecture, Convolutional):
        return
    if estimator.is_categorical_.any():
        raise ValueError(
            "Convolutional takes the pixels of images, and X has columns of categories "
            "or booleans, the first of them column "
            f"{estimator.is_categorical_.argmax()}. With categorical_features=None, "
            "booleans are numbers."
        )
    n_features = estimator.n_features_in_
    given = _image_shape(shape) if len(shape) > 2 else None
    estimator.image_shape_ = estimator.architecture.find_image_shape(n_features, given)


def _check_numeric_columns(X, columns):
    """Refuse a frame in which columns of numbers have become something else."""
    for column, kind in zip(columns, kinds_of_columns(X, columns), strict=True):
        if kind not in (NUMBER, BOOLEAN):
            raise ValueError(
                f"Column {X.columns[column]!r} held numbers in fit. Got a column of "
                f"dtype {list(X.dtypes)[column]}."
            )


def _check_array(estimator, X, reset):
    checked = validate_data(
        estimator,
        X,
        accept_sparse="csr",
        dtype=None,
        ensure_all_finite=False,
        reset=reset,
    )
    return X if is_mapped(X) else checked


def _find_categorical(estimator, X):
    """Return a mask of the categorical columns; refuse those that cannot be used."""
    wanted, kinds = estimator.categorical_features, np.array(kinds_of_columns(X))
    if isinstance(wanted, str):
        is_categorical = (kinds == CATEGORY) | (kinds == BOOLEAN)
    else:
        is_categorical = _chosen_columns([] if wanted is None else wanted, X)
    unusable = {
        "dates or times. Make numbers of them, for example the days since a date": (
            kinds == DATE
        ),
        "text or categories that categorical_features leaves out. Name them there": (
            (kinds == CATEGORY) & ~is_categorical
        ),
        "neither real numbers nor categories. Make numbers or text of them": (
            kinds == OTHER
        ),
    }
    reasons = [
        f"Columns {_describe_columns(X, chosen)} hold {reason}, or drop them."
        for reason, chosen in unusable.items()
        if chosen.any()
    ]
    if reasons:
        raise ValueError(
            f"{type(estimator).__name__} takes columns of numbers and of categories. "
            + " ".join(reasons)
        )
    return is_categorical


def _describe_columns(X, chosen):
    """Return the names or positions of some columns, with their dtypes."""
    if frame_library(X) is None:
        return name_columns(chosen, None)
    columns = [
        f"{name!r} ({dtype})"
        for name, dtype, here in zip(X.columns, X.dtypes, chosen, strict=True)
        if here
    ]
    return ", ".join(columns)


def _chosen_columns(wanted, X):
    """Return a mask of the columns that `categorical_features` names."""
    wanted, n_columns = np.asarray(wanted), X.shape[1]
    mask = np.zeros(n_columns, dtype=bool)
    if wanted.size == 0:
        return mask
    if wanted.ndim != 1 or wanted.dtype.kind not in "biuOU":
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or an array-like of "
            f"bool, int or str. Got {wanted.tolist()!r}."
        )
    if wanted.dtype.kind == "b":
        if len(wanted) != n_columns:
            raise ValueError(
                "categorical_features as a boolean mask must have one entry for each "
                f"of the {n_columns} columns of X. Got {len(wanted)}."
            )
        return wanted
    if wanted.dtype.kind in "iu":
        if wanted.min() < 0 or wanted.max() >= n_columns:
            raise ValueError(
                "categorical_features as indices must be in [0, n_features - 1]. Got "
                f"{wanted.tolist()} with {n_columns} columns."
            )
        mask[wanted] = True
        return mask
    if frame_library(X) is None:
        raise ValueError(
            "categorical_features can only be names where X is a frame. Give "
            f"indices or a mask. Got {wanted.tolist()!r}."
        )
    names = list(X.columns)
    for name in wanted.tolist():
        if name not in names:
            nearest = get_close_matches(str(name), [str(n) for n in names], n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(
                f"categorical_features names the column {name!r}, which X does not "
                f"have.{hint}"
            )
        mask[names.index(name)] = True
    return mask


def check_weight(sample_weight, X):
    """Return sample weights as an ndarray, `None` as it is."""
    if sample_weight is None:
        return None
    sample_weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if sample_weight.max() > 1e300 / len(sample_weight):
        # Their sum would overflow.
        sample_weight = sample_weight / sample_weight.max()
    if not sample_weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return sample_weight
