"""Architectures: parameter objects whose `build` returns a torch module."""

import inspect
from copy import deepcopy

import torch
from sklearn.base import BaseEstimator
from torch import nn

from sklearn_ae._defaults import default_n_components
from sklearn_ae._modules import half

__all__ = ["TorchModule"]


class TorchModule(BaseEstimator):
    """Bring your own torch model.

    Parameters
    ----------
    cls : type
        A subclass of :class:`torch.nn.Module` with the submodules ``encoder`` and
        ``decoder``, or the methods ``encode(X)`` and ``decode(Z)``, where ``X`` is a
        float32 tensor of shape (n_rows, n_features), ``Z`` one of shape
        (n_rows, n_components), and the decoder returns the shape of ``X``. It need not
        import anything from this library.
    **kwargs : dict
        Passed to `cls`, and open to ``set_params`` and searches by their names. If
        ``__init__`` takes ``n_features`` or ``n_components`` and they are not given
        here, the number of columns of ``X`` and the ``n_components`` of the
        autoencoder are passed as well.

    Notes
    -----
    The module sees scaled columns, missing cells as 0. Its output is taken as it is:
    with ``loss="bce"`` it has to be in [0, 1]. Of a table with categories it sees the
    numeric columns first, then a block of indicators for each categorical column, and
    returns logits in their places; ``n_features`` is the number of all these columns.
    After `fit`, ``module_.network`` of the autoencoder is the trained instance.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from torch import nn
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.architectures import TorchModule
    >>> class Mine(nn.Module):
    ...     def __init__(self, n_features, width=16):
    ...         super().__init__()
    ...         self.encoder = nn.Sequential(
    ...             nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, 2)
    ...         )
    ...         self.decoder = nn.Linear(2, n_features)
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(
    ...     architecture=TorchModule(Mine, width=32), max_epochs=5
    ... )
    >>> ae.fit_transform(X).shape
    (178, 2)
    """

    def __init__(self, cls, **kwargs):
        self.cls = cls
        self.kwargs = kwargs

    def get_params(self, deep=True):
        """Return `cls` and the keyword arguments.

        Parameters
        ----------
        deep : bool, default=True
            For compatibility with scikit-learn.

        Returns
        -------
        params : dict
        """
        return {"cls": self.cls, **self.kwargs}

    def set_params(self, **params):
        """Set `cls` or any keyword argument of its `__init__`.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : TorchModule
        """
        self.cls = params.pop("cls", self.cls)
        self.kwargs = {**self.kwargs, **params}
        return self

    def build(self, n_features, n_components):
        """Return a new instance of `cls`, checked with one row.

        Parameters
        ----------
        n_features : int
            Number of columns.
        n_components : int or None
            Size of the latent that the user asked for. `None` leaves it to the module,
            and offers it the default.

        Returns
        -------
        network : nn.Module
        n_components : int
            Width of the latent, as the module returns it.

        Raises
        ------
        TypeError
            If `cls` is not a module class, or cannot encode and decode.
        ValueError
            If a width does not fit.
        """
        name = getattr(self.cls, "__name__", repr(self.cls))
        if not (isinstance(self.cls, type) and issubclass(self.cls, nn.Module)):
            raise TypeError(
                "TorchModule needs a class that derives from torch.nn.Module. Got "
                f"{self.cls!r}."
            )
        network = self.cls(**self._arguments(n_features, n_components))
        for method in ("encode", "decode"):
            if not hasattr(self.cls, method) and not hasattr(network, f"{method}r"):
                raise TypeError(
                    f"{name} needs a method '{method}' or a submodule '{method}r' to "
                    "be used as TorchModule. Got neither."
                )
        return network, _check_widths(network, name, n_features, n_components)

    def _arguments(self, n_features, n_components):
        if n_components is None:
            n_components = default_n_components(n_features)
        offered = {"n_features": n_features, "n_components": n_components}
        taken = inspect.signature(self.cls).parameters
        # Modules among the arguments are trained, and each fit starts with new ones.
        return {k: v for k, v in offered.items() if k in taken} | deepcopy(self.kwargs)


def _check_widths(network, name, n_features, n_components):
    """Send two rows through a network and return the width of its latent."""
    training = network.training
    network.eval()
    with torch.no_grad():
        Z = _try(network, "encode", torch.zeros(2, n_features), name)
        if not isinstance(Z, torch.Tensor) or Z.ndim != 2 or Z.shape[0] != 2:
            raise ValueError(
                f"The encoder of {name} must return a tensor of shape "
                f"(n_rows, n_components). Got {_describe(Z)} for 2 rows."
            )
        output = _try(network, "decode", Z, name)
    network.train(training)
    if not isinstance(output, torch.Tensor) or output.shape != (2, n_features):
        raise ValueError(
            f"The decoder of {name} must return one value per column of X, shape "
            f"(2, {n_features}) for 2 rows. Got {_describe(output)}."
        )
    if n_components is not None and Z.shape[1] != n_components:
        raise ValueError(
            f"The encoder of {name} returns {Z.shape[1]} components, but n_components="
            f"{n_components}. Set n_components=None, or let __init__ of {name} take "
            "n_components."
        )
    return Z.shape[1]


def _try(network, method, rows, name):
    """Return what half a network makes of two rows."""
    try:
        return half(network, method)(rows)
    except Exception as error:
        raise ValueError(
            f"{name} cannot {method} 2 rows of {rows.shape[1]} float32 columns: "
            f"{error}. Its __init__ may take n_features and n_components, to learn "
            "the widths."
        ) from error


def _describe(output):
    """Return the shape of a tensor or the type of anything else."""
    if isinstance(output, torch.Tensor):
        return f"shape {tuple(output.shape)}"
    return f"an object of type {type(output).__name__}"
