"""One style for the pictures that scripts of this folder draw and store."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

DOCS = Path(__file__).parent
# Okabe and Ito's colours: they stay apart for the colour-blind, and in grey.
BLUE, ORANGE, GREEN, SKY, RED, PURPLE, GREY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#56B4E9",
    "#D55E00",
    "#CC79A7",
    "#8A8A8A",
    "#222222",
)
COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE = {
    "axes.edgecolor": GREY,
    "axes.labelsize": 9,
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 9,
    "image.cmap": "cividis",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.hashsalt": "sklearn_ae",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def start_with_style(gallery_conf, fname):
    """Let an example of the gallery start with the style; sphinx-gallery calls it."""
    mpl.rcdefaults()
    # The gallery writes files for screens of one and of two dots a pixel.
    mpl.rcParams.update(STYLE | {"savefig.dpi": "figure"})


def penguins():
    """Return the 344 penguins of Palmer Station, with holes (CC0, see docs/data)."""
    return pd.read_csv(DOCS / "data" / "penguins.csv").drop(columns="year")


def scatter(axes, x, y, groups, *, size=14, **options):
    """Draw points with a colour and a marker for each group."""
    for (name, group), color, marker in zip(
        pd.DataFrame({"x": x, "y": y}).groupby(list(groups), sort=True),
        COLORS,
        MARKERS,
        strict=False,
    ):
        axes.scatter(
            group["x"],
            group["y"],
            s=size,
            color=color,
            marker=marker,
            linewidth=0,
            label=name,
            **options,
        )


def without_ticks(axes):
    """Hide the ticks, where the numbers on the axes mean nothing."""
    axes.set(xticks=[], yticks=[])


def store(figure, name, folder=None):
    """Write a picture as PNG of 150 dpi, and as SVG if the name says so."""
    folder = Path(folder or DOCS / "images")
    folder.mkdir(exist_ok=True)
    # Without these, each run would give other bytes.
    dates = {"Date": None} if name.endswith(".svg") else {"Software": None}
    figure.savefig(folder / name, metadata=dates)
    plt.close(figure)
