"""ClusterGridDisplay: images of each cluster, and their latents as pictures."""

from collections.abc import Mapping
from math import ceil, prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ae._compat import Self
from sklearn_ae._tables.table import TableLike, TargetLike
from sklearn_ae.displays._drawing import (
    ImageRow,
    draw_image_rows,
    value_range,
)
from sklearn_ae.displays._estimators import fitted_shape, transformer_of
from sklearn_ae.displays._input import (
    as_image_shape,
    as_images,
    as_latents,
    as_rows,
    check_count,
    check_same_rows,
    shape_of_images,
)
from sklearn_ae.displays._labels import as_labels
from sklearn_ae.displays._text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Title of the latents.
LATENTS = "their latents, one colour a value"
# Width of a cell of maps, in widths of the gap between maps.
CELL = 2


class ClusterGridDisplay:
    """Clusters of images: a row of each, and beside it the latents as pictures.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    originals : array-like of shape (n_rows, n_pixels)
        Images of all clusters.
    codes : array-like of shape (n_rows, n_components)
        Their latents.
    clusters : array-like of shape (n_rows,)
        The cluster of each.
    cluster_sizes : dict of str to int
        How many rows the clusters have in all, in the order of drawing.
    image_shape : tuple of int
        (height, width) or (channels, height, width) of an image.
    latent_shape : tuple of int, default=None
        (height, width) that latents are drawn in, or (maps, height, width) for maps,
        drawn side by side. `None` takes the smallest square with room for all.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.displays import ClusterGridDisplay
    >>> X = load_digits().data
    >>> ae = AutoencoderTransformer(9, max_epochs=5, random_state=0)
    >>> clustering = make_pipeline(ae, KMeans(3, random_state=0)).fit(X)
    >>> display = ClusterGridDisplay.from_estimator(
    ...     clustering, X, n_images=4, image_shape=(8, 8)
    ... )
    >>> len(display.ax_.images)
    24
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        originals: ArrayLike,
        codes: ArrayLike,
        clusters: TargetLike,
        *,
        cluster_sizes: Mapping[str, int],
        image_shape: tuple[int, ...],
        latent_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.originals = originals
        self.codes = codes
        self.clusters = clusters
        self.cluster_sizes = cluster_sizes
        self.image_shape = image_shape
        self.latent_shape = latent_shape

    @classmethod
    def from_estimator(
        cls: type[Self],
        estimator: Any,
        X: TableLike,
        clusters: TargetLike | None = None,
        *,
        n_images: int = 10,
        image_shape: tuple[int, ...] | None = None,
        latent_shape: tuple[int, ...] | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the first images of each cluster, and their latents.

        Parameters
        ----------
        estimator : estimator instance
            A fitted autoencoder or other transformer, or a pipeline of one and a
            predictor, such as :class:`~sklearn.cluster.KMeans`.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Images. The first ones of each cluster are drawn, rather than those nearest
            to its centre, which would hide what does not belong there. Arrays of images
            may have three or four dimensions.
        clusters : array-like of shape (n_samples,), default=None
            The cluster of each row; rows where it is missing are left out. `None` takes
            what the estimator predicts.
        n_images : int, default=10
            How many images of each cluster to draw.
        image_shape : tuple of int, default=None
            (height, width) or (channels, height, width) of an image. `None` takes the
            shape of X, if it has more than two dimensions, or the estimator's.
        latent_shape : tuple of int, default=None
            (height, width) that latents are drawn in, or (maps, height, width) for
            maps, drawn side by side. `None` takes the estimator's, if it has one,
            else the smallest square with room for all.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : ClusterGridDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no `transform`, so that there are no latents.
        ValueError
            If X or a parameter cannot be used.
        """
        if image_shape is None:
            image_shape = shape_of_images(X, estimator)
        X = as_rows(X).X
        latents = as_latents(transformer_of(estimator, "transform").transform(X))
        if latent_shape is None:
            latent_shape = fitted_shape(estimator, "latent_shape_", latents.shape[1])
        if clusters is None:
            if not hasattr(estimator, "predict"):
                raise ValueError(
                    "clusters must be given unless the estimator predicts them, as a "
                    f"pipeline that ends in KMeans does. Got {estimator!r}."
                )
            clusters = estimator.predict(X)
        return cls.from_predictions(
            X,
            latents,
            clusters,
            n_images=n_images,
            image_shape=image_shape,
            latent_shape=latent_shape,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls: type[Self],
        X: TableLike,
        codes: ArrayLike,
        clusters: TargetLike,
        *,
        n_images: int = 10,
        image_shape: tuple[int, ...] | None = None,
        latent_shape: tuple[int, ...] | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the first images of each cluster, and their latents.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Images. Arrays of them may have three or four dimensions.
        codes : array-like of shape (n_samples, n_components)
            Their latents.
        clusters : array-like of shape (n_samples,)
            The cluster of each row; rows where it is missing are left out.
        n_images : int, default=10
            How many images of each cluster to draw.
        image_shape : tuple of int, default=None
            (height, width) or (channels, height, width) of an image. `None` takes the
            shape of X, if it has more than two dimensions.
        latent_shape : tuple of int, default=None
            (height, width) that latents are drawn in, or (maps, height, width) for
            maps, drawn side by side. `None` takes the smallest square with room for
            all.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : ClusterGridDisplay

        Raises
        ------
        ValueError
            If X or a parameter cannot be used.
        """
        check_count("n_images", n_images)
        if image_shape is None:
            image_shape = shape_of_images(X)
        if image_shape is None:
            raise ValueError(
                "image_shape must be given, (height, width) or (channels, height, "
                "width): neither X nor the estimator tells it."
            )
        table, latents = as_rows(X), as_latents(codes)
        labels = as_labels(clusters, all_classes=True)
        check_same_rows(X=table, codes=latents, clusters=labels.values)
        if labels.missing.all():
            raise ValueError(
                "clusters must name the cluster of some rows. All are missing."
            )
        n_clusters = len(labels.classes)
        each = [np.flatnonzero(labels.values == number) for number in range(n_clusters)]
        rows = np.concatenate([members[:n_images] for members in each])
        images = as_images(table.take(rows), image_shape)
        sizes = map(len, each)
        display = cls(
            images.reshape(len(images), -1),
            latents[rows],
            np.array([labels.classes[i] for i in labels.values[rows]], dtype=object),
            cluster_sizes=dict(zip(labels.classes, sizes, strict=True)),
            image_shape=tuple(image_shape),
            latent_shape=latent_shape,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self: Self,
        ax: "Axes | None" = None,
        *,
        cmap: str = "gray_r",
        latent_cmap: str | None = None,
    ) -> Self:
        """Draw the clusters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        cmap : str, default="gray_r"
            Colours of grey images.
        latent_cmap : str, default=None
            Colours of latents; the same value has the same colour in all of them.
            `None` takes blue for negative and red for positive ones, with 0 as white,
            or shades of grey if none is negative.

        Returns
        -------
        display : ClusterGridDisplay
            Itself.
        """
        images = as_images(self.originals, self.image_shape)
        latents = as_latents(self.codes)
        check_same_rows(originals=images, codes=latents, clusters=self.clusters)
        pictures = _latent_pictures(latents, self.latent_shape)
        signed = latents.min() < 0
        # One latent far out would leave all others pale.
        highest = float(np.quantile(abs(latents), 0.99)) or 1.0
        latent_cmap = latent_cmap or ("RdBu_r" if signed else "gray_r")
        clusters = np.asarray(self.clusters, dtype=object).astype(str)
        rows = []
        for name, size in self.cluster_sizes.items():
            members = clusters == str(name)
            title = f"{shortened(name, 16)} ({size:,})"
            limits = (-highest if signed else 0.0, highest)
            rows += [
                ImageRow(title, images[members], value_range(images), cmap),
                ImageRow(LATENTS, pictures[members], limits, latent_cmap, beside=True),
            ]
        label = "cluster (number of images)"
        self.ax_ = draw_image_rows(ax, rows, "ClusterGridDisplay.plot", label)
        self.figure_ = self.ax_.figure
        return self


def _latent_pictures(latents, latent_shape):
    """Return latents as pictures of shape (n_rows, 1, height, width).

    Numbers without a shape, or maps with a gap between them, fill the smallest square;
    the rest of it is `NaN`.

    Raises
    ------
    ValueError
        If the shape does not fit the latents.
    """
    n_components = latents.shape[1]
    shape, gap = (n_components, 1, 1), 0
    if latent_shape is not None:
        shape = as_image_shape(latent_shape, "latent_shape")
        gap = int(shape[0] > 1)
    if prod(shape) != n_components:
        raise ValueError(
            f"latent_shape={latent_shape} needs {prod(shape)} latents. Got codes with "
            f"{n_components} columns."
        )
    maps = latents.reshape(-1, *shape)
    if gap:
        # A gap as wide as a cell would fill much of the picture.
        maps = np.kron(maps, np.ones((CELL, CELL)))
    _, n_maps, height, width = maps.shape
    n_columns = ceil(sqrt(n_maps))
    high, wide = (height + gap) * ceil(n_maps / n_columns), (width + gap) * n_columns
    pictures = np.full((len(latents), 1, high - gap, wide - gap), np.nan)
    for i, each in enumerate(maps.swapaxes(0, 1)):
        top, left = (height + gap) * (i // n_columns), (width + gap) * (i % n_columns)
        pictures[:, 0, top : top + height, left : left + width] = each
    return pictures
