"""save, load and describe."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import validate_params
from sklearn_ae._document import REGISTRY, TORCH, Reader, Writer, walk
from sklearn_ae._imputation.imputer import AutoencoderImputer
from sklearn_ae._isolation import isolated
from sklearn_ae._net.params import resolve_device
from sklearn_ae._persistence.container import read_file, write_file
from sklearn_ae._supervised.classifier import AutoencoderPretrainedClassifier
from sklearn_ae._supervised.regressor import AutoencoderPretrainedRegressor

ESTIMATORS = (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
# Of the format. A release reads all formats up to its own.
FORMAT_VERSION = 1
# The first release that reads this format.
READ_BY = "0.1.0"
# Longest reason in a message: parts of it may come from the file.
MOST_REASON = 400
# The libraries whose versions a file notes.
LIBRARIES = ("numpy", "pandas", "scikit-learn", "skorch", "torch")


@isolated
def save(
    estimator: Any, path: str | os.PathLike[str], *, training_state: bool = False
) -> None:
    """Save an estimator to a file, without pickle.

    Parameters
    ----------
    estimator : estimator instance
        One of this package, fitted or not.
    path : str or path-like
        The file, by custom with the suffix ``.safetensors``. It holds the old model or
        the new one, whatever happens meanwhile.
    training_state : bool, default=False
        Whether to keep what the optimizer has learnt about each weight, so that
        `partial_fit` goes on, bit for bit, as if there had been no file. That is up to
        twice the size of the weights.

    Raises
    ------
    OSError
        If the file cannot be written. The one that was there is left as it was.
    TypeError
        If `estimator` is none of this package.
    ValueError
        If it has an object that nobody could find by its name, as a lambda.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer, load, save
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, max_epochs=5, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     save(ae, f"{folder}/wine.safetensors")
    ...     same = load(f"{folder}/wine.safetensors")
    >>> bool((same.transform(X) == ae.transform(X)).all())
    True
    """
    if not isinstance(estimator, ESTIMATORS):
        raise TypeError(
            "save takes an estimator of sklearn_ae; of a pipeline, save the step. Got "
            f"{type(estimator).__name__}."
        )
    validate_params(estimator)
    root = Writer(training_state=training_state).write(estimator)
    versions = {name: version(name) for name in LIBRARIES}
    document = {
        "format_version": FORMAT_VERSION,
        "read_by": READ_BY,
        "written_by": {"sklearn_ae": _own_version(), **versions},
        "root": root,
    }
    write_file(path, document)


@isolated
def load(
    path: str | os.PathLike[str],
    *,
    classes: Mapping[str, Any] | None = None,
    device: str | torch.device | None = None,
) -> Any:
    """Load an estimator from a file that `save` has written.

    No file makes it run code, import a module or open another file, or takes more
    memory than it has bytes, and a constant. Classes that you pass are your own code.

    Parameters
    ----------
    path : str or path-like
    classes : dict of str to type, default=None
        Your own classes and functions, such as ``{"mine.models:Network": Network}``, by
        the names that `describe` lists.
    device : str or torch.device, default=None
        Where to put the networks. `None` puts them where they were trained, or, if that
        device is not here, on the CPU.

    Returns
    -------
    estimator : estimator instance
        On the same versions of the libraries and processor, it computes the same bits.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file, was changed, or needs a later release or classes of
        yours.
    """
    usable = None if device is None else resolve_device(device)
    with _refusing(path):
        document = _read_document(path)
        root = document["root"]
        _check_classes(root, classes or {})
        estimator = Reader(root, classes, usable).read(root)
        if not isinstance(estimator, ESTIMATORS):
            raise ValueError("it holds no estimator")
    return estimator


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Describe a file that `save` has written, without making what it holds.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    description : dict
        ``"estimator"``, the name of its class; ``"params"``, its parameters as they
        stand in the file; ``"format_version"`` and ``"written_by"``, the versions of
        the libraries; ``"classes"``, the names of those that `load` needs from you;
        ``"training_rows"``, what of the rows of `fit` the file holds, one sentence for
        each; and ``"n_bytes"``.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file, was changed, or needs a later release.
    """
    with _refusing(path):
        document = _read_document(path)
        root = document["root"]
        held = {str(node["object"]) for node in walk(root) if "object" in node}
        return {
            "estimator": root["object"],
            "params": root["fields"]["params"],
            "format_version": document["format_version"],
            "written_by": document["written_by"],
            "classes": _classes_in(root),
            "training_rows": [ROWS_IN[name] for name in ROWS_IN if name in held],
            "n_bytes": os.path.getsize(path),
        }


# What objects hold of the rows of `fit`.
ROWS_IN = {
    "Categories": "The categories of each column, and the share of each.",
    "Scaler": "The least and the largest number, or the mean, of each column.",
    "QuantileTransformer": "Up to 1,000 quantiles of each column, which are cells.",
    "RowSampler": "Up to 1,000 cells of each column, which sample draws from.",
    "ColumnUnits": "The median and the spread of each column, scaled.",
    "OutlierDistances": "Up to 4,096 whole rows, scaled, to compare others with.",
    "AutoencoderAnomalyDetector": "16 cells of each column, scaled, and the scores of "
    "up to 10,000 rows.",
    "NeighborCells": "Up to 2,048 whole rows, scaled, whose cells fill missing ones.",
    "Shrinkage": "The mean of each column.",
    "LinearFill": "The mean of each column.",
}


def _own_version() -> str:
    return str(sys.modules["sklearn_ae"].__version__)


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong with the content of a file into one sentence."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        # Whatever a file says, it is the file that is wrong.
        text = " ".join(str(error).split()).replace(". ", "; ").rstrip(".")
        reason = text[:MOST_REASON] or f"it gives a {type(error).__name__}"
        message = f"{os.fspath(path)} cannot be loaded: {reason}."
        raise ValueError(message) from error


def _read_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    document = read_file(path)
    format_version, read_by = document["format_version"], document["read_by"]
    if type(format_version) is not int:
        raise ValueError("its format is no number")
    if format_version > FORMAT_VERSION:
        raise ValueError(
            f"it has format {format_version}, which sklearn_ae {str(read_by)[:20]} and "
            f"later read; this is {_own_version()}"
        )
    return document


def _classes_in(root: Any) -> list[str]:
    """Return the names of classes and functions that are not of this package."""
    names = {str(node.get("object", node.get("name"))) for node in walk(root)}
    return sorted(names - {"None", *REGISTRY, *TORCH})


def _check_classes(root: Any, classes: Mapping[str, Any]) -> None:
    """Refuse a file with classes of the user that were not handed over."""
    missing = [name for name in _classes_in(root) if name not in classes]
    if missing:
        shown = ", ".join(f"{name!r}: ..." for name in missing)
        raise ValueError(
            "it has classes or functions of yours, which you pass as in load(path, "
            f"classes={{{shown}}})"
        )
