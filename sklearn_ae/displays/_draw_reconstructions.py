"""DrawReconstructions: a callback that draws reconstructions after each epoch."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback

from sklearn_ae._compat import Self
from sklearn_ae._tables.table import TableLike
from sklearn_ae.displays._drawing import (
    GAP,
    ImageRow,
    draw_image_rows,
    new_figure,
    save_image_rows,
    value_range,
)
from sklearn_ae.displays._input import as_images, as_rows, shape_of_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Epochs in one picture: more rows of images make it higher than a page.
MOST_EPOCHS = 12


class DrawReconstructions(Callback):
    """Draw reconstructions of the same few images after each epoch.

    A callback for the `callbacks` of
    :class:`~sklearn_ae.AutoencoderTransformer`. After training, :meth:`plot` draws the
    images on top and under them a row for each epoch.

    Parameters
    ----------
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        The images to draw. Arrays of images may have three or four dimensions.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of an image. `None` takes the
        shape of X, if it has more than two dimensions, or the architecture's.
    path : str or path-like, default=None
        File for the picture, written anew after each epoch.

    Attributes
    ----------
    originals_ : ndarray of shape (n_samples, n_features)
        The images.
    reconstructions_ : list of ndarray of shape (n_samples, n_features)
        Their reconstructions after each epoch.
    epochs_ : list of int
        The number of each of these epochs.
    image_shape_ : tuple of int
        (channels, height, width) of an image.
    ax_ : matplotlib Axes
        What :meth:`plot` drew on.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.displays import DrawReconstructions
    >>> X = load_digits().data
    >>> drawing = DrawReconstructions(X[:5], image_shape=(8, 8))
    >>> ae = AutoencoderTransformer(10, max_epochs=3, callbacks=[drawing]).fit(X)
    >>> display = drawing.plot()
    >>> len(display.ax_.images)
    20
    """

    originals_: NDArray[Any]
    reconstructions_: list[NDArray[Any]]
    epochs_: list[int]
    image_shape_: tuple[int, ...]
    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        X: TableLike,
        *,
        image_shape: tuple[int, ...] | None = None,
        path: str | PathLike[str] | None = None,
    ) -> None:
        self.X = X
        self.image_shape = image_shape
        self.path = path

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Check the images; start anew unless training goes on."""
        if not hasattr(net, "reconstruct"):
            raise ValueError(
                "DrawReconstructions draws the reconstructions of an autoencoder, and "
                f"{type(net).__name__} trains none. Give it to the callbacks of an "
                "AutoencoderTransformer."
            )
        shape = self.image_shape
        if shape is None:
            shape = shape_of_images(self.X)
        if shape is None:
            # Only networks of convolutions know it.
            network = getattr(getattr(net, "module_", None), "network", None)
            shape = next(iter(getattr(network, "map_shapes", ())), None)
        if shape is None:
            raise ValueError(
                "DrawReconstructions needs image_shape, (height, width) or (channels, "
                "height, width): neither X nor the architecture tells it."
            )
        images = as_images(self.X, shape)
        if self.path is not None:
            _check_path(Path(self.path))
        if not (len(net.history) and hasattr(self, "reconstructions_")):
            self.reconstructions_, self.epochs_ = [], []
        self.image_shape_ = images.shape[1:]
        self.originals_ = images.reshape(len(images), -1)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Note the present reconstructions of the images, and write the picture."""
        restored = net.reconstruct(as_rows(self.X).X)
        images = as_images(restored, self.image_shape_)
        self.reconstructions_.append(images.reshape(len(images), -1))
        self.epochs_.append(net.history[-1, "epoch"])
        if self.path is not None:
            save_image_rows(self.path, self._rows())

    def plot(self: Self, ax: "Axes | None" = None, *, cmap: str = "gray_r") -> Self:
        """Draw the images on top, and under them a row for each epoch.

        Of more than 12 epochs, 12 are drawn: the first, the last, and others spread
        evenly between them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        cmap : str, default="gray_r"
            Colours of grey images.

        Returns
        -------
        display : DrawReconstructions
            Itself.

        Raises
        ------
        ValueError
            If no epoch has ended yet.
        """
        if not getattr(self, "reconstructions_", None):
            raise ValueError(
                "DrawReconstructions has nothing to draw before the first epoch has "
                "ended. Fit an estimator with it among its callbacks; a clone of the "
                "estimator, as searches make them, has a copy of it."
            )
        self.ax_ = draw_image_rows(ax, self._rows(cmap), "DrawReconstructions.plot")
        self.figure_ = self.ax_.figure
        return self

    def _rows(self, cmap="gray_r"):
        """Return the rows of the picture."""
        originals = as_images(self.originals_, self.image_shape_)
        limits = value_range(originals)
        n_epochs = len(self.epochs_)
        shown = np.linspace(0, n_epochs - 1, min(n_epochs, MOST_EPOCHS))
        rows = [ImageRow("original", originals, limits, cmap, 2 * GAP)]
        for i in shown.round().astype(int):
            images = as_images(self.reconstructions_[i], self.image_shape_)
            rows.append(ImageRow(f"epoch {self.epochs_[i]}", images, limits, cmap))
        return rows

    def __getstate__(self):
        # A figure belongs to the user's windows, and is no part of what was learnt.
        state = self.__dict__.copy()
        return {k: v for k, v in state.items() if k not in ("ax_", "figure_")}


def _check_path(path):
    """Refuse a path that no picture can be written to, before training."""
    if not path.absolute().parent.is_dir():
        raise ValueError(f"path must be in a folder that exists. Got {str(path)!r}.")
    suffixes = sorted(new_figure(1, 1).canvas.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in ["", *suffixes]:
        raise ValueError(
            f"path must end in one of {suffixes}, the formats of matplotlib. Got "
            f"{str(path)!r}."
        )
