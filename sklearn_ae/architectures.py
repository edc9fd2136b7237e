"""Architectures: parameter objects whose method `build` returns a torch module.

An architecture of your own is any object with a method `build`; derived from
scikit-learn's :class:`~sklearn.base.BaseEstimator`, it can be cloned, and searched as
``architecture__width``. `build` gets the number of columns of the network's input
and output and, by name, the parameters of the autoencoder that are about layers, as
the user gave them: `n_components`, `hidden_layer_sizes`, `activation` and
`latent_activation`; and `image_shape`, the (channels, height, width) of images or
`None`. It returns a new :class:`torch.nn.Module` with the submodules ``encoder`` and
``decoder`` or the methods ``encode(X)`` and ``decode(Z)``, and the size of its latent.
The decoder returns one value for each column, before `output_activation`. Missing cells
are fed as 0.

A method ``find_image_shape(n_features, given=None)`` is optional, for architectures of
images: it returns the (channels, height, width) of rows with so many columns, where
`given` is that of an X of more than two dimensions. A network may have an attribute
`latent_shape`, the shape in which its latent can be looked at.

Examples
--------
>>> from sklearn.base import BaseEstimator
>>> from sklearn.datasets import load_wine
>>> from sklearn_ae import AutoencoderTransformer
>>> from torch import nn
>>> class Bottleneck(BaseEstimator):
...     def __init__(self, width=32):
...         self.width = width
...
...     def build(self, n_features, *, n_components, **others):
...         layers = {
...             "encoder": nn.Sequential(
...                 nn.Linear(n_features, self.width),
...                 nn.SiLU(),
...                 nn.Linear(self.width, n_components),
...             ),
...             "decoder": nn.Linear(n_components, n_features),
...         }
...         return nn.ModuleDict(layers), n_components
>>> X, _ = load_wine(return_X_y=True)
>>> bottleneck = Bottleneck(width=16)
>>> ae = AutoencoderTransformer(2, architecture=bottleneck, max_epochs=5)
>>> ae.fit_transform(X).shape
(178, 2)
"""

import inspect
from collections.abc import Callable
from copy import deepcopy
from math import isqrt, prod
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from sklearn_ae._compat import Interval, StrOptions
from sklearn_ae._defaults import default_n_components
from sklearn_ae._document import documented
from sklearn_ae._modules.autoencoder import decoder_of, encoder_of
from sklearn_ae._modules.convolutional import ConvolutionalNetwork
from sklearn_ae._modules.dense import Activation

__all__ = ["Convolutional", "TorchModule"]

_SIZE = Interval(Integral, 1, None, closed="left")


@documented
class Convolutional(BaseEstimator):
    """Convolutional autoencoder for images, given as rows of pixels.

    Each stage is a convolution, the `activation` of the autoencoder, and the maximum of
    each window. They pad at the edges, so that a stride of s turns a side of n pixels
    into ``ceil(n / s)``; the decoder goes back through the same sizes, and ends at
    exactly those of the image, odd or even.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Channels, height and width: (1, 28, 28) or (28, 28) for grey images of 28 x 28
        pixels, (3, 32, 32) for colour. The columns of X are the pixels of the first
        channel, row by row, then those of the next. `None` takes that of an X of
        more than two dimensions; else one grey square if the number of columns is a
        square number, three of them if a third of it is, and a single row of pixels
        otherwise.
    channels : sequence of int, default=(16, 8)
        Number of filters of each stage, outermost first.
    kernel_size : int or sequence of int, default=3
        Height and width of the filters; one for all stages, or one for each.
    stride : int or sequence of int, default=1
        Step of each convolution.
    pooling : int or sequence of int, default=2
        Height and width of the windows that the maximum is taken of; 1 leaves it out.
    pooling_stride : int or sequence of int, default=None
        Step from window to window. `None` takes `pooling`, so that they do not overlap.
    decoder : {"transposed", "upsampling"}, default="transposed"
        How the decoder enlarges: by transposed convolutions, or by repeating pixels and
        convolving, which leaves no checkerboard patterns [1]_.
    latent_shape : tuple of int, default=None
        Height and width, if a dense latent is to be looked at as a small picture:
        ``n_components=None`` then takes as many latents as it has pixels.

    See Also
    --------
    sklearn_ae.displays.ClusterGridDisplay : Images and their latents as pictures.

    Notes
    -----
    *Latent.* With ``n_components=None``, the maps of the last stage are the latent as
    they are, and `latent_activation` is their activation. A number, or `latent_shape`,
    puts a dense layer between maps and latent, and before it dense layers with the
    `hidden_layer_sizes` of the autoencoder, by default none.

    *Pictures.* After `fit`, the autoencoder has the attributes `image_shape_` and
    `latent_shape_`. Where maps are the latent, the latter is theirs, (channels, height,
    width), and ``ae.transform(X).reshape(-1, *ae.latent_shape_)`` are pictures.

    *Scaling.* All pixels have one unit: ``scaling="auto"`` keeps it, and so does
    dividing them by their largest possible value, with ``scaling=None``; "standard"
    makes much of a pixel that is nearly always white.

    *Training.* A batch has a 400th of the images, but 24 to 256 of them, unless
    `batch_size` says otherwise, and `max_epochs` takes at most 8,000 steps.

    References
    ----------
    .. [1] Odena, A., Dumoulin, V. and Olah, C. "Deconvolution and checkerboard
       artifacts." Distill, 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.architectures import Convolutional
    >>> X, _ = load_digits(return_X_y=True)
    >>> images = Convolutional((1, 8, 8))
    >>> ae = AutoencoderTransformer(
    ...     10, architecture=images, scaling="minmax", max_epochs=2
    ... )
    >>> ae.fit_transform(X).shape
    (1797, 10)

    A latent of small pictures:

    >>> ae.set_params(n_components=None).fit_transform(X).shape
    (1797, 32)
    >>> ae.latent_shape_
    (8, 2, 2)
    """

    _parameter_constraints = {
        "image_shape": [tuple, list, None],
        "channels": [_SIZE, "array-like"],
        "kernel_size": [_SIZE, "array-like"],
        "stride": [_SIZE, "array-like"],
        "pooling": [_SIZE, "array-like"],
        "pooling_stride": [_SIZE, "array-like", None],
        "decoder": [StrOptions({"transposed", "upsampling"})],
        "latent_shape": [tuple, list, None],
    }

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        channels: ArrayLike = (16, 8),
        *,
        kernel_size: ArrayLike = 3,
        stride: ArrayLike = 1,
        pooling: ArrayLike = 2,
        pooling_stride: ArrayLike | None = None,
        decoder: str = "transposed",
        latent_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.pooling = pooling
        self.pooling_stride = pooling_stride
        self.decoder = decoder
        self.latent_shape = latent_shape

    def find_image_shape(
        self, n_features: int, given: tuple[int, ...] | None = None
    ) -> tuple[int, ...]:
        """Return the shape of the images in the rows of X.

        Parameters
        ----------
        n_features : int
            Number of columns.
        given : (int, int, int), default=None
            Channels, height and width of an X that has more than two dimensions.

        Returns
        -------
        image_shape : (int, int, int)

        Raises
        ------
        ValueError
            If X does not hold images of `image_shape`.
        """
        if self.image_shape is None:
            return _guess_shape(n_features) if given is None else _checked_order(given)
        image_shape = self._sizes("image_shape")
        if len(image_shape) not in (2, 3):
            raise ValueError(
                "image_shape must be (channels, height, width) or (height, width), "
                f"such as (1, 28, 28). Got {self.image_shape!r}."
            )
        image_shape = (1, *image_shape)[-3:]
        if given not in (None, image_shape):
            raise ValueError(
                f"Convolutional(image_shape={image_shape}) takes an array of shape "
                f"(n_samples, {', '.join(map(str, image_shape))}). Got images of shape "
                f"{given}."
            )
        if n_features != prod(image_shape):
            raise ValueError(
                f"Convolutional(image_shape={image_shape}) needs one column for each "
                f"pixel, {prod(image_shape)} in all. Got X with {n_features} columns."
            )
        return image_shape

    def build(
        self,
        n_features: int,
        *,
        n_components: int | None = None,
        hidden_layer_sizes: ArrayLike | None = None,
        activation: Activation = "relu",
        latent_activation: Activation = "identity",
        image_shape: tuple[int, ...] | None = None,
    ) -> tuple[nn.Module, int]:
        """Return a new network.

        Parameters
        ----------
        n_features : int
            Number of pixels, those of all channels.
        n_components : int, default=None
            Size of a dense latent; `None` takes the maps of the last stage.
        hidden_layer_sizes : array-like of int, default=None
            Widths of dense layers between the maps and a dense latent; `None` takes
            none.
        activation : str or type, default="relu"
            Activation of the hidden layers.
        latent_activation : str or type, default="identity"
            Activation of the latent layer.
        image_shape : (int, int, int), default=None
            Channels, height and width of the images. `None` takes what
            `find_image_shape` returns.

        Returns
        -------
        network : ConvolutionalNetwork
        n_components : int
            Size of the latent.

        Raises
        ------
        ValueError
            If sizes do not fit together.
        """
        channels = self._sizes("channels")
        n_components = self._dense_size(n_components)
        sizes = hidden_layer_sizes
        if sizes is not None and n_components is None:
            raise ValueError(
                "hidden_layer_sizes are dense layers before a dense latent, and with "
                "n_components=None the latent of Convolutional is convolutional. Got "
                f"hidden_layer_sizes={sizes!r}; set n_components as well."
            )
        network = ConvolutionalNetwork(
            image_shape or self.find_image_shape(n_features),
            channels,
            self._per_stage("kernel_size", len(channels)),
            self._per_stage("stride", len(channels)),
            self._per_stage("pooling", len(channels)),
            self._per_stage("pooling_stride", len(channels)),
            self.decoder == "upsampling",
            n_components,
            [int(size) for size in np.atleast_1d(() if sizes is None else sizes)],
            activation,
            latent_activation,
            None if self.latent_shape is None else self._sizes("latent_shape"),
        )
        return network, network.n_components

    def _sizes(self, name: str) -> tuple[int, ...]:
        """Return a parameter as a tuple of positive integers."""
        value = np.atleast_1d(np.asarray(getattr(self, name)))
        if value.ndim > 1 or not value.size or value.dtype.kind not in "iu":
            value = np.zeros(1)
        if value.min() < 1:
            raise ValueError(
                f"{name} of Convolutional must hold integers of at least 1. Got "
                f"{getattr(self, name)!r}."
            )
        return tuple(value.tolist())

    def _per_stage(self, name: str, n_stages: int) -> tuple[int, ...]:
        """Return one size for each stage."""
        if name == "pooling_stride" and self.pooling_stride is None:
            name = "pooling"
        sizes = self._sizes(name)
        if len(sizes) == 1:
            return sizes * n_stages
        if len(sizes) != n_stages:
            raise ValueError(
                f"{name} of Convolutional must be one integer, or one for each of the "
                f"{n_stages} stages that channels={self.channels!r} has. Got "
                f"{getattr(self, name)!r}."
            )
        return sizes

    def _dense_size(self, n_components: int | None) -> int | None:
        """Return the size of a dense latent, None if maps are the latent."""
        if self.latent_shape is None:
            return n_components
        n_pixels = prod(self._sizes("latent_shape"))
        if n_components not in (None, n_pixels):
            raise ValueError(
                f"Convolutional(latent_shape={self.latent_shape!r}) is a latent of "
                f"{n_pixels} numbers. Got n_components={n_components}; leave it at "
                "None."
            )
        return n_pixels


def _checked_order(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of images unless the channels seem to stand last."""
    if shape[2] in (1, 3, 4) and shape[0] not in (1, 3, 4):
        raise ValueError(
            "Images must have the shape (channels, height, width). Got "
            f"{shape}, which looks as if channels came last; pass "
            "numpy.moveaxis(X, -1, 1), or set image_shape if it is right."
        )
    return shape


def _guess_shape(n_pixels: int) -> tuple[int, int, int]:
    """Return the shape of square images, grey or colour, or of a row of pixels."""
    for channels in (1, 3):
        side = isqrt(n_pixels // channels)
        if channels * side**2 == n_pixels:
            return channels, side, side
    return 1, 1, n_pixels


@documented
class TorchModule(BaseEstimator):
    """An autoencoder network of your own, from a torch module class.

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

    def __init__(self, cls: type[nn.Module], **kwargs: Any) -> None:
        self.cls = cls
        self.kwargs = kwargs

    def get_params(self, deep: bool = True) -> dict[str, Any]:
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

    def set_params(self, **params: Any) -> "TorchModule":
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

    def build(
        self, n_features: int, *, n_components: int | None = None, **layers: Any
    ) -> tuple[nn.Module, int]:
        """Return a new instance of `cls`, checked with two rows.

        Parameters
        ----------
        n_features : int
            Number of columns.
        n_components : int, default=None
            Size of the latent. `None` leaves it to the module, and offers it the
            default.
        **layers
            Other parameters of the autoencoder, ignored: the module has its own layers.

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
        width = _check_network(network, name, n_features)
        if n_components not in (None, width):
            raise ValueError(
                f"The encoder of {name} returns {width} components, but n_components="
                f"{n_components}. Set n_components=None, or let __init__ of {name} "
                "take n_components."
            )
        return network, width

    def _arguments(self, n_features: int, n_components: int | None) -> dict[str, Any]:
        """Return the keyword arguments of `cls`."""
        if n_components is None:
            n_components = default_n_components(n_features)
        offered = {"n_features": n_features, "n_components": n_components}
        accepted = inspect.signature(self.cls).parameters
        # Modules among the arguments are trained, and each fit starts with new ones.
        own = deepcopy(self.kwargs)
        return {k: v for k, v in offered.items() if k in accepted} | own


def build_network(
    architecture: Any, n_features: int, **layers: Any
) -> tuple[nn.Module, int]:
    """Return what an architecture builds, checked if it is one of the user's.

    Parameters
    ----------
    architecture : object
        With a method `build`, as this module describes.
    n_features : int
        Number of columns of the network's input and output.
    **layers
        Further arguments of `build`.

    Returns
    -------
    network : nn.Module
    n_components : int
        Size of the latent.
    """
    built = architecture.build(n_features, **layers)
    if isinstance(architecture, (Convolutional, TorchModule)):
        return built
    name = type(architecture).__name__
    if not (
        isinstance(built, tuple) and len(built) == 2 and isinstance(built[0], nn.Module)
    ):
        raise TypeError(
            f"{name}.build must return a torch module and the size of its latent. Got "
            f"{built!r}."
        )
    network, n_components = built
    width = _check_network(network, name, n_features)
    if width != n_components:
        raise ValueError(
            f"{name}.build returned n_components={n_components!r}, but its encoder "
            f"returns {width} components."
        )
    return network, width


def _check_network(network: nn.Module, name: str, n_features: int) -> int:
    """Send two rows through a network and return the width of its latent."""
    for method in ("encode", "decode"):
        if not hasattr(type(network), method) and not hasattr(network, f"{method}r"):
            raise TypeError(
                f"{name} needs a method '{method}' or a submodule '{method}r' to "
                "be used as architecture. Got neither."
            )
    training = network.training
    network.eval()
    with torch.no_grad():
        Z = _try("encode", encoder_of(network), torch.zeros(2, n_features), name)
        if not isinstance(Z, Tensor) or Z.ndim != 2 or Z.shape[0] != 2:
            raise ValueError(
                f"The encoder of {name} must return a tensor of shape "
                f"(n_rows, n_components). Got {_describe(Z)} for 2 rows."
            )
        output = _try("decode", decoder_of(network), Z, name)
    network.train(training)
    if not isinstance(output, Tensor) or output.shape != (2, n_features):
        raise ValueError(
            f"The decoder of {name} must return one value per column of X, shape "
            f"(2, {n_features}) for 2 rows. Got {_describe(output)}."
        )
    return Z.shape[1]


def _try(
    verb: str, function: Callable[[Tensor], Any], rows: Tensor, name: str
) -> object:
    """Return the result of an encoder or decoder for two rows."""
    try:
        return function(rows)
    except Exception as error:
        raise ValueError(
            f"{name} cannot {verb} 2 rows of {rows.shape[1]} float32 columns: "
            f"{error}. Its __init__ may take n_features and n_components, to learn "
            "the widths."
        ) from error


def _describe(output: object) -> str:
    """Return the shape of a tensor or the type of anything else."""
    if isinstance(output, Tensor):
        return f"shape {tuple(output.shape)}"
    return f"an object of type {type(output).__name__}"
