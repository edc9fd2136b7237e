"""Errors about parameters, rows and weights, before any work is done."""

import inspect

import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch import nn

from sklearn_ae._compat import _check_sample_weight, is_mapped
from sklearn_ae._frames import as_array_like, non_numeric_columns, numbers

# Parameters that shape the dense network, and nothing else.
DENSE_PARAMS = (
    "hidden_layer_sizes",
    "activation",
    "latent_activation",
    "output_activation",
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
    bases = dict.fromkeys(DENSE_PARAMS[1:], nn.Module)
    for name, base in {**bases, "optimizer": torch.optim.Optimizer}.items():
        value = getattr(settings, name)
        if isinstance(value, type) and not issubclass(value, base):
            raise TypeError(
                f"A class given as {name} must derive from the {base.__name__} of "
                f"torch. Got {value!r}."
            )
        if base is nn.Module and isinstance(value, type):
            _check_activation(name, value)
    if isinstance(settings.loss, type):
        raise TypeError(
            "A callable loss must take a reconstruction and its target. Got the class "
            f"{settings.loss.__name__}; pass an instance, such as "
            "MSELoss(reduction='none')."
        )
    if settings.noise is not None:
        settings.noise._validate_params()
    if settings.loss == "bce" and settings.scaling in ("standard", "quantile"):
        raise ValueError(
            f"loss='bce' needs values in [0, 1]. Scaling {settings.scaling!r} does not "
            "give them. Use scaling='minmax', or scaling=None if X is in [0, 1] "
            "already."
        )
    if settings.architecture is not None:
        _check_unused(settings)


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


def _check_unused(settings):
    """Refuse parameters that an architecture of the user's own would ignore."""
    defaults = inspect.signature(type(settings)).parameters
    for name in DENSE_PARAMS:
        value, default = getattr(settings, name), defaults[name].default
        if value is not default and not (isinstance(value, str) and value == default):
            raise ValueError(
                f"{name} shapes the dense network, and architecture=TorchModule(...) "
                f"brings its own. Got {name}={value!r}; leave it at {default!r}."
            )


def check_table(estimator, X, *, reset):
    """Return X as an ndarray, memmap or CSR matrix of numbers.

    Infinite cells are found where blocks of rows are read, not here: a pass over a
    large file takes minutes.

    Parameters
    ----------
    estimator : BaseEstimator
        Its number and names of columns are set or compared.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
    reset : bool
        Whether to set them.
    """
    text = non_numeric_columns(X)
    if text:
        raise ValueError(
            f"{type(estimator).__name__} takes columns of numbers. These hold "
            f"something else: {text}. Encode them first, for example with "
            "OneHotEncoder in a ColumnTransformer, or drop them."
        )
    checked = validate_data(
        estimator,
        as_array_like(X),
        accept_sparse="csr",
        dtype=None,
        ensure_all_finite=False,
        reset=reset,
    )
    checked = numbers(checked, getattr(estimator, "feature_names_in_", None))
    return X if is_mapped(X) else checked


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
