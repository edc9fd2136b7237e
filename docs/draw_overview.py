"""Draw the first picture of the README: one table, and what comes of it.

python docs/draw_overview.py
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from drawing import BLUE, RED, STYLE, penguins, scatter, store, without_ticks
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
)
from sklearn_ae.latents import Clustered, NeighborEmbedding, Variational

# Rows with holes, and some others; the outlier joins them.
SHOWN = [0, 3, 9, 47, 178, 256, 300]
SHORT = {
    "species": "species",
    "island": "island",
    "bill_length_mm": "bill, mm",
    "bill_depth_mm": "depth, mm",
    "flipper_length_mm": "flipper, mm",
    "body_mass_g": "mass, g",
    "sex": "sex",
}
HOLE, FILLED, OUTLIER = "#F2F2F2", "#CFE6F5", "#F7D9C8"


def _text(value, column):
    if value != value:
        return "?"
    if isinstance(value, str):
        return value
    return f"{value:.1f}" if column.startswith("bill") else f"{value:.0f}"


def _draw_table(axes, rows, colors, *, widths=None):
    axes.axis("off")
    drawn = axes.table(
        cellText=[[_text(row[c], c) for c in rows] for _, row in rows.iterrows()],
        colLabels=[SHORT[column] for column in rows],
        cellColours=colors,
        colWidths=widths,
        cellLoc="center",
        loc="center",
        bbox=[0, 0, 1, 1],
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7.5)
    for (row, _), cell in drawn.get_celld().items():
        cell.set_edgecolor("#D0D0D0")
        if row == 0:
            cell.set_text_props(weight="bold")
            cell.set_facecolor("#E8E8E8")


def _draw_map(axes, table, species):
    mapper = AutoencoderTransformer(2, latent=NeighborEmbedding(), random_state=0)
    scatter(axes, *mapper.fit_transform(table).T, species)
    axes.set_title("A map, species hidden")
    axes.legend(loc="center", handletextpad=0.1, borderpad=0)
    without_ticks(axes)


def _draw_clusters(axes, table, species):
    ae = AutoencoderTransformer(latent=Clustered(6), random_state=0)
    clusters = make_pipeline(ae, KMeans(6, random_state=0)).fit_predict(table)
    groups = species.str.cat(table["sex"].fillna("sex ?"), sep=", ")
    names = sorted(groups.unique())
    counts = np.array([np.bincount(clusters[groups == n], minlength=6) for n in names])
    # Each cluster stands where the group is that most of it comes from.
    counts = counts[:, np.argsort(counts.argmax(axis=0), kind="stable")]
    axes.imshow(np.sqrt(counts), cmap="Blues", aspect="auto", vmax=11)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if count > 40 else "black"
            axes.text(column, row, count, ha="center", va="center", color=color)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(6), range(1, 7))
    axes.set_xlabel("cluster")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title("Six clusters, species hidden")


def _draw_outlier(axes, table, detector, row):
    added, expected = detector.explain(table[row : row + 1], return_expected=True)
    columns = added.columns[::-1]
    axes.barh([SHORT[c] for c in columns], added.iloc[0][columns], color=BLUE)
    column = added.iloc[0].idxmax()
    name, unit = SHORT[column].split(", ")
    axes.text(
        0.98,
        0.94,
        f"{name} of {_text(table.loc[row, column], column)} {unit},\n"
        f"where the other cells\nsay {expected[column].iloc[0]:.0f} {unit}",
        transform=axes.transAxes,
        ha="right",
        va="top",
        color=RED,
        weight="bold",
    )
    axes.set_xlabel("added to the outlier score")
    axes.set_title("The outlier (pink on the left), explained")


def _draw_new_rows(axes, table):
    generator = AutoencoderTransformer(latent=Variational(), random_state=0)
    new = generator.fit(table).sample(150, random_state=0)
    x, y = "bill_length_mm", "flipper_length_mm"
    axes.scatter(table[x], table[y], s=8, color="#C8C8C8", label="the table")
    scatter(axes, new[x], new[y], new["species"], alpha=0.8)
    axes.set(xlabel=SHORT[x], ylabel=SHORT[y])
    axes.legend(handletextpad=0.1, loc="upper left", borderpad=0, fontsize=7)
    axes.set_title("150 new rows")


def draw(folder=None):
    """Compute all that the picture shows, and store it."""
    table = penguins()
    measured = table.drop(columns=["species", "island"])
    filled = AutoencoderImputer(random_state=0).fit_transform(table)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(12.5, 6.2))
        left, right = figure.subfigures(1, 2, width_ratios=(0.4, 0.6), wspace=0.04)
        before, after = left.subplots(2, 1)
        detector = AutoencoderAnomalyDetector(random_state=0).fit(table)
        outlier = int(detector.score_samples(table).argmin())
        shown = sorted({*SHOWN, outlier})
        rows = table.loc[shown]
        holes = rows.isna().to_numpy()
        widths = [0.17, 0.16, 0.13, 0.14, 0.16, 0.12, 0.12]
        n_rows = f"{len(shown)} of {len(table)} rows"
        before.set_title(f"A table: numbers, categories, holes ({n_rows})")
        colors = np.where(holes, HOLE, "white").astype(object)
        colors[shown.index(outlier)] = OUTLIER
        _draw_table(before, rows, colors, widths=widths)
        after.set_title("Its missing cells, filled (blue)")
        rows = filled.loc[shown]
        _draw_table(after, rows, np.where(holes, FILLED, "white"), widths=widths)
        panels = right.subplots(2, 2)
        _draw_map(panels[0, 0], measured, table["species"])
        _draw_clusters(panels[0, 1], measured, table["species"])
        _draw_outlier(panels[1, 0], table, detector, outlier)
        _draw_new_rows(panels[1, 1], table)
        store(figure, "overview.png", folder)


if __name__ == "__main__":
    draw(*sys.argv[1:])
