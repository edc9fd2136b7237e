"""Figures, axes, colours, grids of images and of cells: the parts of all displays.

matplotlib is optional, so it is imported inside functions.
"""

from typing import NamedTuple

import numpy as np

from sklearn_ae._compat import import_optional

# Resolution of pictures that are written to files.
DOTS_PER_INCH = 200
# Colour of classes beyond those in `CLASS_COLOURS`.
GREY = "#c0c0c0"
# Colour of missing pixels and of rows without a label.
FAINT = "#e4ded8"
# Colour of frames around images and cells.
FRAME = "0.8"
# Share of the background in the colour of notes and other secondary text.
NOTE_PAPER = 0.35
# Colours of classes: those of Okabe and Ito, which the colour-blind can tell apart, and
# three more. The first ones differ in grey, too.
CLASS_COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#000000",
    "#999933",
    "#882255",
    "#8c6d31",
)
# Shapes of their points, where these are large enough to show one.
CLASS_MARKERS = "o^sDv"
# Colours of values and of classes that have an order, which are ordered in grey, too.
ORDERED_CMAP = "cividis"
# Colours of cells, from right to wrong, of their text, which is legible on all of
# these whatever the style of the figure, and of cells without colour.
WRONG_COLOURS = ("#ffffff", "#fbd9b5", "#ee8a44")
INK = "black"
PAPER = "white"

# Width of an image in inches.
IMAGE_INCHES = 0.62
# The same where images stand beside others of the same rows.
HALF_IMAGE_INCHES = 0.36
# Gap between images, in widths of one.
GAP = 0.08
# Gap between images and those beside them.
GAP_BESIDE = 0.6
# Largest height of an image, in widths of one.
TALLEST = 1.5
# Size of the text in cells, in points.
CELL_POINTS = 8
# Mean width of a character in cells, in sizes of the text.
CHARACTER = 0.58
# Height of a line of cells, in sizes of the text.
LINE = 1.55


def new_figure(width, height):
    """Return a figure that neither touches the user's backend nor open figures."""
    figure = import_optional("matplotlib.figure", "Drawing the pictures", "plot")
    return figure.Figure(
        figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained"
    )


def note_colour():
    """Return the colour of notes, which fits the style of the figure."""
    purpose = "Drawing the pictures"
    style = import_optional("matplotlib", purpose, "plot").rcParams
    to_rgb = import_optional("matplotlib.colors", purpose, "plot").to_rgb
    ink, paper = (
        np.array(to_rgb(style[name])) for name in ("text.color", "figure.facecolor")
    )
    return tuple((1 - NOTE_PAPER) * ink + NOTE_PAPER * paper)


def take_axes(ax, size, purpose, projection=None, wiped=True):
    """Return the Axes to draw on, those given or new ones.

    A display replaces an earlier picture on the same Axes: nobody could read both.

    Parameters
    ----------
    ax : Axes or None
    size : (float, float)
        Inches of a new figure.
    purpose : str
        Method that draws; error messages start with it.
    projection : "3d" or None, default=None
    wiped : bool, default=True
        Whether to remove an earlier picture from the Axes given; their title stays.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `ax` is no Axes.
    ValueError
        If it is of the wrong number of dimensions.
    """
    if ax is None:
        pyplot = import_optional("matplotlib.pyplot", purpose, "plot")
        _, ax = pyplot.subplots(
            figsize=size, layout="constrained", subplot_kw={"projection": projection}
        )
        return ax
    axes = import_optional("matplotlib.axes", purpose, "plot")
    if not isinstance(ax, axes.Axes):
        raise TypeError(
            f"{purpose} takes a matplotlib Axes as ax. Got {type(ax).__name__}."
        )
    if projection == "3d" and ax.name != "3d":
        raise ValueError(
            f"{purpose} draws three columns of latents in three dimensions, and ax has "
            "two. Give an Axes made with projection='3d', or leave ax out."
        )
    if projection is None and ax.name == "3d":
        raise ValueError(
            f"{purpose} draws in two dimensions, and ax has three. Give an Axes made "
            "without projection='3d', or leave ax out."
        )
    if wiped:
        wipe(ax)
    return ax


def wipe(ax):
    """Remove the picture on an Axes, its colour bars and its legend."""
    for each in (*ax.images, *ax.patches, *ax.lines, *ax.collections, *ax.texts):
        if getattr(each, "colorbar", None) is not None:
            each.colorbar.remove()
        each.remove()
    if ax.get_legend() is not None:
        ax.get_legend().remove()
    ax.autoscale(True)


def framed(plane, margin=0.35):
    """Return points moved into a frame around most of them, and how many were outside.

    A few rows far from all others would leave one dot for the rest.

    Parameters
    ----------
    plane : ndarray of shape (n_rows, n_dimensions)
    margin : float, default=0.35
        Of the frame around 96 % of the rows, in widths of that.
    """
    low, high = np.percentile(plane, [2, 98], axis=0)
    margin = margin * (high - low)
    inside = np.clip(plane, low - margin, high + margin)
    return inside, int((inside != plane).any(axis=1).sum())


def class_colours(sizes, are_ordered=False):
    """Return a colour for each class, grey for the less frequent of many.

    Parameters
    ----------
    sizes : sequence of int
        Number of rows of each class.
    are_ordered : bool, default=False
        Whether the classes have an order, which their colours then show.
    """
    if are_ordered:
        purpose = "Drawing the pictures"
        matplotlib = import_optional("matplotlib", purpose, "plot")
        colours = import_optional("matplotlib.colors", purpose, "plot")
        cmap = matplotlib.colormaps[ORDERED_CMAP]
        return [colours.to_hex(cmap(x)) for x in np.linspace(0, 0.95, len(sizes))]
    frequent = np.argsort(-np.asarray(sizes), kind="stable")[: len(CLASS_COLOURS)]
    colour_of = dict(zip(np.sort(frequent), CLASS_COLOURS, strict=False))
    return [colour_of.get(number, GREY) for number in range(len(sizes))]


class ImageRow(NamedTuple):
    """A row of a grid of images.

    `images` has the shape (n_images, n_channels, height, width), with 1 channel for
    grey or 3 or 4 for colour. `limits` are the values drawn as the first and the last
    colour, `gap` is the space below, in widths of an image. One that is `beside`
    stands at the right of the row before it, and has its name above.
    """

    name: str
    images: np.ndarray
    limits: tuple
    cmap: str = "gray_r"
    gap: float = GAP
    beside: bool = False

    @property
    def height(self):
        """Height of the row in widths of an image."""
        height, width = self.images.shape[2:]
        return min(height / width, TALLEST)


def save_image_rows(path, rows):
    """Write a picture of rows of images to a file."""
    figure = new_figure(*_image_rows_size(rows))
    draw_image_rows(figure.subplots(), rows, "Drawing the pictures")
    figure.savefig(path)


def _image_rows_size(rows, label=""):
    beside = any(row.beside for row in rows)
    inches = HALF_IMAGE_INCHES if beside else IMAGE_INCHES
    height = sum(row.height + row.gap for row in rows if not row.beside)
    names = max(len(row.name) for row in rows if not row.beside)
    names = 0.09 * names + 0.3 + 0.3 * bool(label)
    width = inches * _width_of(rows) + names
    return width, max(inches * height + 0.1 + 0.2 * beside, 0.09 * len(label))


def _width_of(rows):
    """Return how wide rows are with those beside them, in widths of an image."""
    n_images, n_beside = (
        max((len(row.images) for row in rows if row.beside == beside), default=0)
        for beside in (False, True)
    )
    return (1 + GAP) * (n_images + n_beside) + GAP_BESIDE * bool(n_beside)


def draw_image_rows(ax, rows, purpose, label=""):
    """Draw rows of images on one Axes, with their names at the left, and return it.

    Parameters
    ----------
    ax : Axes or None
        `None` makes a new figure.
    rows : list of ImageRow
    purpose : str
        Method that draws; error messages start with it.
    label : str, default=""
        Title of the axis at the left of the names.
    """
    ax = take_axes(ax, _image_rows_size(rows, label), purpose)
    bottom, top, names = 0.0, 0.0, {}
    right = (1 + GAP) * max(len(row.images) for row in rows if not row.beside)
    right += GAP_BESIDE
    for row in rows:
        if not row.beside:
            top, bottom = bottom, bottom + row.height + row.gap
            names[top + row.height / 2] = row.name
        elif top == 0:
            ax.text(right, -2 * GAP, row.name, va="bottom", color=note_colour())
        height, width = row.images.shape[2:]
        half = row.height * width / height / 2
        for i, image in enumerate(row.images):
            middle = i * (1 + GAP) + 0.5 + right * row.beside
            _draw_image(ax, image, row, (middle - half, middle + half, top))
    ax.set(
        xlim=(-GAP / 2, _width_of(rows) - GAP / 2),
        ylim=(bottom - rows[-1].gap + GAP / 2, -GAP / 2),
        aspect="equal",
        # Constrained layout has room for the names at the left edge.
        anchor="W",
        xticks=[],
        ylabel=label,
    )
    ax.set_yticks([*names], [*names.values()])
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    return ax


def _draw_image(ax, image, row, place):
    """Draw an image between left and right, from its upper edge down."""
    matplotlib = import_optional("matplotlib", "Drawing the pictures", "plot")
    patches = import_optional("matplotlib.patches", "Drawing the pictures", "plot")
    left, right, top = place
    low, high = row.limits
    if len(image) == 1:
        image = np.ma.masked_invalid(image[0])
        cmap = matplotlib.colormaps[row.cmap].with_extremes(bad=FAINT)
        colours = {"cmap": cmap, "vmin": low, "vmax": high}
    else:
        image = np.nan_to_num((image - low) / (high - low)).clip(0, 1)
        image, colours = image.transpose(1, 2, 0), {}
    extent = (left, right, top + row.height, top)
    ax.imshow(image, extent=extent, origin="upper", **colours)
    frame = patches.Rectangle(
        (left, top), right - left, row.height, fill=False, lw=0.5, ec=FRAME
    )
    ax.add_patch(frame)


def value_range(images):
    """Return the values of images that are drawn as their lightest and darkest.

    The limits of colour images are known: 1, or 255 if they are bytes.
    """
    known = images[np.isfinite(images)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if images.shape[1] > 1 and low >= 0 and high <= 255:
        return 0.0, 255.0 if high > 1 else 1.0
    return low, high if high > low else low + 1.0


class CellGrid(NamedTuple):
    """A table whose cells are coloured, with their text.

    `wrong` has the shape of `texts`, `NaN` for cells without colour. `highest` has the
    full colour, `ticks` say in words what values of the colour bar mean.
    """

    texts: list
    wrong: np.ndarray
    column_names: list
    row_names: list
    highest: float
    colour_label: str
    ticks: dict

    @property
    def widths(self):
        """Width of each column in characters."""
        columns = zip(*self.texts, strict=True)
        return np.array([max(3, *map(len, column)) + 1.5 for column in columns])


def cell_grid_size(grid):
    """Return the inches of a figure of these cells."""
    points = CELL_POINTS / 72
    names = max(map(len, grid.row_names), default=0) * CHARACTER + 1
    columns = column_names_inches(grid)
    # A name stands aslant over its column: the last one sticks out.
    width = points * (CHARACTER * grid.widths.sum() + names) + columns
    # The label of the colour bar stands upright at the right of the cells.
    label = max(map(len, grid.colour_label.split("\n"))) * CHARACTER + 1
    height = max(LINE * len(grid.texts), label)
    return width + 0.9, points * height + columns + 0.3


def column_names_inches(grid):
    """Return how far the names of the columns stand out above them."""
    longest = max(map(len, grid.column_names), default=0)
    return CELL_POINTS / 72 * (longest * CHARACTER * 0.75 + 2)


def draw_cell_grid(ax, grid):
    """Draw a table of cells on one Axes, with column names above and a colour bar."""
    colours = import_optional("matplotlib.colors", "Drawing the pictures", "plot")
    cmap = colours.LinearSegmentedColormap.from_list("wrong", WRONG_COLOURS)
    edges = np.concatenate([[0], np.cumsum(grid.widths)])
    lines = np.arange(len(grid.texts) + 1)
    cmap = cmap.with_extremes(bad=PAPER)
    cells = np.ma.masked_invalid(grid.wrong)
    mesh = ax.pcolormesh(
        edges, lines, cells, cmap=cmap, vmin=0, vmax=grid.highest, ec=FRAME, lw=0.4
    )
    points = _points_that_fit(ax, edges[-1], len(grid.texts))
    middles = (edges[:-1] + edges[1:]) / 2
    for line, texts in enumerate(grid.texts):
        for middle, text in zip(middles, texts, strict=True):
            ax.text(
                middle,
                line + 0.5,
                text,
                fontsize=points,
                color=INK,
                ha="center",
                va="center",
            )
    ax.set_yticks(lines[:-1] + 0.5, grid.row_names, fontsize=points)
    names = map(len, grid.column_names)
    fit = all(n <= width for n, width in zip(names, grid.widths, strict=True))
    aslant = {} if fit else {"rotation": 40, "ha": "left", "rotation_mode": "anchor"}
    ax.xaxis.tick_top()
    ax.set_xticks(middles, grid.column_names, fontsize=points, **aslant)
    ax.tick_params(length=0)
    ax.set_ylim(len(grid.texts), 0)
    ax.spines[:].set_color(FRAME)
    bar = ax.figure.colorbar(mesh, ax=ax, aspect=25, pad=0.02, fraction=0.04)
    bar.set_ticks(list(grid.ticks), labels=list(grid.ticks.values()), fontsize=points)
    bar.set_label(grid.colour_label, fontsize=points)
    bar.outline.set_edgecolor(FRAME)


def _points_that_fit(ax, n_characters, n_lines):
    """Return the size of the text that fits into cells, before the layout is final."""
    inches = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    widest = 72 * inches.width / n_characters / CHARACTER
    highest = 72 * inches.height / n_lines / 1.2
    return max(4.0, min(CELL_POINTS, widest, highest))
