"""Pictures of the default command: images, errors of columns, latents.

The pictures are drawn on matplotlib's Figure objects, without pyplot, so that neither
the user's backend nor open figures are touched.
"""

import numpy as np
import pandas as pd

from sklearn_ae._cli.results import written_whole
from sklearn_ae.displays._drawing import (
    CLASS_COLOURS,
    ImageRow,
    new_figure,
    save_image_rows,
    value_range,
)
from sklearn_ae.displays._latent_space import LatentSpaceDisplay
from sklearn_ae.displays._text import shortened

# Names of the two methods that restore rows.
METHODS = ("autoencoder", "PCA")
# Colour of each method.
METHOD_COLOURS = CLASS_COLOURS[:2]
# Columns in a picture of errors; with more, the names would be illegible.
MAX_BARS = 25
# Titles of the axis of errors, by the kind of columns.
ERROR_LABELS = {
    "numbers": "Numbers: mean squared error\nin squared standard deviations",
    "categories": "Categories: share of cells\nrestored wrongly",
}


def draw_images(path, images, shape):
    """Draw images above their reconstructions.

    Parameters
    ----------
    path : Path
        PNG file to write.
    images : dict of str to ndarray of shape (n_images, n_pixels)
        "original", and the reconstructions of each method.
    shape : (int, int)
        Height and width of an image.
    """
    images = {name: table.reshape(-1, 1, *shape) for name, table in images.items()}
    limits = value_range(images["original"])
    rows = [ImageRow(name, each, limits) for name, each in images.items()]
    with written_whole(path) as part:
        save_image_rows(part, rows)


def draw_column_errors(path, errors):
    """Draw the error of each column as a pair of bars, numbers left of categories.

    Parameters
    ----------
    path : Path
        PNG file to write.
    errors : dict of "numbers" or "categories" to dict of str to Series
        Errors of the autoencoder and of PCA by column. Columns with NaN are left out.
    """
    panels = {kind: _largest_first(of) for kind, of in errors.items()}
    n_bars = min(MAX_BARS, max(map(len, panels.values())))
    figure = new_figure(5.6 * len(panels), 1.5 + 0.28 * n_bars)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (kind, panel) in zip(axes, panels.items(), strict=True):
        _draw_bars(axis, panel, n_bars)
        axis.set_xlabel(ERROR_LABELS[kind], labelpad=8)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, frameon=False, loc="outside upper center", ncols=2)
    with written_whole(path) as part:
        figure.savefig(part)


def _largest_first(errors):
    """Return the errors of both methods, by column, in an order that favours none."""
    errors = pd.DataFrame(errors)[list(METHODS)].dropna()
    order = (-errors.mean(axis=1)).argsort(kind="stable")
    return errors.iloc[order]


def _draw_bars(axis, panel, n_bars):
    """Draw the largest errors, by column, in room for n_bars."""
    worst = panel[:MAX_BARS]
    positions = np.arange(len(worst))
    for method, colour, shift in zip(METHODS, METHOD_COLOURS, (-0.2, 0.2), strict=True):
        axis.barh(positions + shift, worst[method], 0.38, color=colour, label=method)
    axis.set_yticks(positions, [shortened(name) for name in worst.index])
    # Bars are as thick as in the other panel; the axis is above, where they start.
    axis.set_ylim(n_bars - 0.5, -0.5)
    axis.set_xlim(left=0)
    axis.xaxis.set_ticks_position("top")
    axis.locator_params(axis="x", nbins=6)
    axis.xaxis.set_label_position("top")
    axis.spines["left"].set_bounds(len(worst) - 0.5, -0.5)
    axis.spines[["bottom", "right"]].set_visible(False)
    if len(worst) < len(panel):
        note = f"the {len(worst)} of {len(panel)} columns with the largest errors"
        axis.text(0, len(worst) - 0.3, note, va="top", fontsize=9, color="0.4")


def draw_latent_space(path, planes, target, rows):
    """Draw the rows in two planes, of the autoencoder and of PCA.

    Parameters
    ----------
    path : Path
        PNG file to write.
    planes : dict of str to ndarray of shape (n_rows, 2)
        Two columns of each method, by its title.
    target : Labels or None
        Classes or continuous values that colour the rows.
    rows : ndarray of int of shape (n_rows,)
        Where the rows of the planes stand in the target.
    """
    y = None if target is None else target.take(rows)
    figure = new_figure(11, 4.2)
    axes = figure.subplots(1, len(planes))
    for axis, (title, plane) in zip(axes, planes.items(), strict=True):
        LatentSpaceDisplay(plane, y).plot(ax=axis)
        axis.set_title(title, fontsize=11)
        axis.set(xticks=[], yticks=[])
    # Both pictures have the same legend or colour bar.
    if target is not None and target.classes:
        axes[0].get_legend().remove()
    for dots in axes[0].collections:
        if dots.colorbar is not None:
            dots.colorbar.remove()
    with written_whole(path) as part:
        figure.savefig(part)
