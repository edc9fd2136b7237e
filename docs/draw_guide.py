"""Draw the pictures of the user guide.

python docs/draw_guide.py             # all
python docs/draw_guide.py reduce      # one of them
python docs/draw_guide.py reduce.svg  # as SVG, beside the one that is stored
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from draw_comparison import read_markdown_table
from drawing import (
    BLUE,
    COLORS,
    DOCS,
    GREEN,
    GREY,
    ORANGE,
    RED,
    STYLE,
    penguins,
    scatter,
    store,
    without_ticks,
)
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import Convolutional
from sklearn_ae.latents import NeighborEmbedding, Variational
from sklearn_ae.noise import GaussianNoise


def _digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)


def _draw_images(axes, rows, label):
    """Draw eight images beside one another, with a gap between them."""
    images = np.pad(rows[:8].reshape(8, 8, 8), [(0, 0), (0, 0), (0, 1)])
    strip = np.hstack([*images])[:, :-1]
    axes.imshow(strip, cmap="gray_r", vmin=0, vmax=strip.max())
    without_ticks(axes)
    axes.spines[:].set_visible(False)
    axes.set_ylabel(label, rotation=0, ha="right", va="center")


def draw_reduce():
    """Errors of PCA and an autoencoder by their size, and what is restored."""
    X_train, X_test, _, _ = _digits()
    sizes = [2, 4, 8, 16, 32]
    errors, restored = {"PCA": [], "autoencoder": []}, {}
    for n in sizes:
        for name, model in (
            ("PCA", PCA(n)),
            ("autoencoder", AutoencoderTransformer(n, random_state=0)),
        ):
            Z = model.fit(X_train).transform(X_test)
            restored[name, n] = model.inverse_transform(Z)
            error = np.square(restored[name, n] - X_test).mean() / X_test.var(0).mean()
            errors[name].append(error)
    figure = plt.figure(figsize=(9, 3.2))
    left, right = figure.subfigures(1, 2, width_ratios=(0.42, 0.58))
    axes = left.subplots()
    for i, (name, values) in enumerate(errors.items()):
        axes.plot(sizes, values, marker="so"[i], color=COLORS[1 - i], label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, sizes)
    axes.set(
        xlabel="numbers kept for each row, of 64",
        ylabel="unexplained variance",
        ylim=(0, None),
        title="450 digits not used in fit",
    )
    axes.legend()
    panels = right.subplots(3, 1)
    _draw_images(panels[0], X_test, "given")
    _draw_images(panels[1], restored["autoencoder", 8], "autoencoder")
    _draw_images(panels[2], restored["PCA", 8], "PCA")
    panels[0].set_title("Restored from 8 numbers each")
    return figure


def draw_clusters_and_maps():
    """Two maps of the digits, PCA's and that of a neighbour embedding."""
    X, y = load_digits(return_X_y=True)
    mapper = AutoencoderTransformer(2, latent=NeighborEmbedding(), random_state=0)
    maps = {
        "PCA": PCA(2).fit_transform(X),
        "NeighborEmbedding": mapper.fit_transform(X),
    }
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2))
    for axes, (name, Z) in zip(panels, maps.items(), strict=True):
        axes.scatter(*Z.T, c=y, cmap="tab10", s=4, linewidth=0)
        for digit in range(10):
            place = np.median(Z[y == digit], axis=0)
            box = {"facecolor": "white", "edgecolor": GREY, "pad": 1.5}
            axes.text(*place, digit, ha="center", va="center", bbox=box)
        axes.set_title(f"{name}: all 1,797 digits")
        without_ticks(axes)
    return figure


def draw_few_labels():
    """Accuracy by the number of labels."""
    X_train, X_test, y_train, y_test = _digits()
    counts = [20, 50, 100, 300, len(y_train)]
    scores = {"logistic regression": [], "pre-trained": []}
    for n in counts:
        linear = LogisticRegression(max_iter=2000).fit(X_train[:n], y_train[:n])
        y = np.where(np.arange(len(y_train)) < n, y_train, -1)
        model = AutoencoderPretrainedClassifier(unlabeled_label=-1, random_state=0)
        for name, fitted in zip(scores, (linear, model.fit(X_train, y)), strict=True):
            scores[name].append(fitted.score(X_test, y_test))
    figure, axes = plt.subplots(figsize=(6, 3.4))
    for i, (name, values) in enumerate(scores.items()):
        axes.plot(counts, values, marker="so"[i], color=COLORS[1 - i], label=name)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{n:,}" for n in counts])
    axes.minorticks_off()
    axes.set(
        xlabel="digits with a label, of 1,347",
        ylabel="accuracy",
        title="450 digits not used in fit, one draw",
    )
    axes.legend()
    return figure


def draw_outliers():
    """Scores with the threshold, and the cells of the lowest rows."""
    table = penguins()
    detector = AutoencoderAnomalyDetector(random_state=0).fit(table)
    scores = detector.score_samples(table)
    lowest = scores.argsort()[:6]
    added = detector.explain(table.iloc[lowest])
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.4), width_ratios=(0.42, 0.58)
    )
    left.hist(scores, bins=40, color=BLUE)
    left.axvline(detector.offset_, color=RED, linestyle="--", label="offset_")
    left.set(
        xlabel="score_samples (low: an outlier)",
        ylabel="rows",
        title="Scores of 344 penguins",
    )
    left.legend(loc="center")
    image = right.imshow(added, cmap="Blues", aspect="auto")
    names = [c.replace("_mm", ", mm").replace("_g", ", g") for c in added]
    right.set_xticks(range(len(names)), names, rotation=35, ha="right")
    right.set_yticks(range(len(lowest)), [f"row {row}" for row in lowest])
    for (i, j), column in np.ndenumerate(np.tile(added.columns, (len(lowest), 1))):
        value = table[column].iloc[lowest[i]]
        if added[column].iloc[i] > 2:
            color = "white" if added[column].iloc[i] > 8 else "black"
            right.text(j, i, value, ha="center", va="center", color=color, fontsize=8)
    right.spines[:].set_visible(False)
    right.tick_params(length=0)
    right.set_title("What each cell adds")
    figure.colorbar(image, ax=right, label="added to the score")
    return figure


def draw_missing_cells():
    """Filled cells against the truth, and best guesses against draws."""
    X = load_wine(as_frame=True).data
    rng = np.random.default_rng(0)
    hidden = rng.random(X.shape) < 0.2
    imputer = AutoencoderImputer(random_state=0)
    filled = imputer.fit_transform(X.mask(hidden))
    scale = X.std().to_numpy()
    truth, guess, mean = (
        (table.to_numpy() / scale - X.mean().to_numpy() / scale)[hidden]
        for table in (X, filled, X * 0 + X.mask(hidden).mean())
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
    left.scatter(truth, guess, s=7, color=BLUE, label="AutoencoderImputer", linewidth=0)
    left.plot(truth, mean, ".", color=ORANGE, markersize=3, label="mean")
    left.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    rmse = [np.sqrt(np.square(v - truth).mean()) for v in (guess, mean)]
    left.set(
        xlabel="truth, standard deviations",
        ylabel="filled in",
        title=f"{hidden.sum()} cells of wine: RMSE {rmse[0]:.2f}, mean {rmse[1]:.2f}",
    )
    left.legend()
    x, y = "flavanoids", "od280/od315_of_diluted_wines"
    rows = hidden[:, X.columns.get_loc(y)]
    (draw, *_) = imputer.set_params(n_draws=1).draw(X.mask(hidden))
    right.scatter(X[x], X[y], s=8, color="#CCCCCC", label="the whole table")
    for name, table, color, marker in (
        ("best guess", filled, BLUE, "o"),
        ("draw", draw, GREEN, "^"),
    ):
        right.scatter(
            X.loc[rows, x],
            table.loc[rows, y],
            s=16,
            color=color,
            marker=marker,
            linewidth=0,
            label=name,
        )
    right.set(xlabel=x, ylabel="OD280/OD315", title="A best guess varies too little")
    right.legend()
    return figure


def draw_new_rows():
    """New rows beside those of the table."""
    table = penguins()
    generator = AutoencoderTransformer(latent=Variational(), random_state=0)
    new = generator.fit(table).sample(344, random_state=0)
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), width_ratios=(1.1, 1.1, 0.8))
    x, y = "flipper_length_mm", "body_mass_g"
    for axes, rows, name in zip(
        panels[:2], (table, new), ("344 penguins", "344 new rows"), strict=True
    ):
        scatter(axes, rows[x], rows[y], rows["species"], size=9)
        axes.set(xlabel="flipper, mm", ylabel="mass, g", title=name)
        axes.set(xlim=(168, 235), ylim=(2500, 6500))
    panels[0].legend(handletextpad=0.1)
    shares = [rows["species"].value_counts(normalize=True) for rows in (table, new)]
    for i, (share, name) in enumerate(zip(shares, ("table", "new"), strict=True)):
        share = share[sorted(share.index)]
        panels[2].bar(
            np.arange(3) + 0.4 * i - 0.2, share, 0.38, color=COLORS[i], label=name
        )
    panels[2].set_xticks(range(3), sorted(shares[0].index))
    panels[2].set(title="Shares of the species")
    panels[2].legend()
    return figure


def draw_images():
    """Noisy digits, and what a convolutional autoencoder makes of them."""
    X_train, X_test, _, _ = _digits()
    ae = AutoencoderTransformer(
        16,
        architecture=Convolutional(image_shape=(1, 8, 8), channels=(16, 8)),
        noise=GaussianNoise(0.5),
        max_epochs=60,
        random_state=0,
    ).fit(X_train / 16)
    noisy = X_test / 16 + np.random.default_rng(0).normal(0, 0.25, X_test.shape)
    figure, panels = plt.subplots(3, 1, figsize=(7, 3))
    _draw_images(panels[0], X_test / 16, "given")
    _draw_images(panels[1], noisy.clip(0, 1), "with noise")
    _draw_images(panels[2], ae.reconstruct(noisy).clip(0, 1), "reconstructed")
    panels[0].set_title("Digits that were not used in fit")
    return figure


def draw_large_tables():
    """Memory of a fit by the size of the table, from the benchmarks."""
    table = read_markdown_table(DOCS / "benchmarks.md", "fit", "array")
    table = table[~table["fit"].str.contains("early")]
    array, before, peak = (
        table[name].str.extract(r"(\d+)")[0].astype(float)
        for name in ("array", "before", "peak")
    )
    figure, axes = plt.subplots(figsize=(6, 2.2))
    heights = np.arange(len(table))
    axes.barh(heights + 0.2, array, 0.36, color=GREY, label="the table")
    axes.barh(heights - 0.2, peak - before, 0.36, color=BLUE, label="added by fit")
    axes.set_yticks(heights, table["fit"])
    axes.set(xlabel="MB", title="Memory that a fit adds to that of the process")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="upper right", reverse=True)
    axes.invert_yaxis()
    return figure


def draw_save_and_deploy():
    """Which file serves what."""
    figure, axes = plt.subplots(figsize=(8, 2.6))
    axes.set(xlim=(-0.05, 10.05), ylim=(0, 3.4))
    axes.axis("off")
    rows = [
        (2.8, GREEN, "save: a .safetensors file", "load: for years;\nno code is run"),
        (1.7, GREY, "joblib, pickle", "the same versions,\nfiles you trust"),
        (0.6, ORANGE, "to_onnx: an .onnx file", "onnxruntime: no torch,\nno Python"),
    ]
    boxes = [(0, 1.9, 1.7, BLUE, "fitted estimator")]
    for y, color, file, reader in rows:
        boxes += [(3.1, 3.0, y, color, file), (7.4, 2.6, y, color, reader)]
    for x, width, y, color, text in boxes:
        style = {"facecolor": "white", "edgecolor": color, "linewidth": 1.2}
        axes.add_patch(plt.Rectangle((x, y - 0.42), width, 0.84, **style))
        axes.text(x + width / 2, y, text, ha="center", va="center")
    arrow = {"arrowstyle": "->", "color": GREY, "shrinkA": 3, "shrinkB": 3}
    for y, *_ in rows:
        axes.annotate("", (3.1, y), (1.9, 1.7), arrowprops=arrow)
        axes.annotate("", (7.4, y), (6.1, y), arrowprops=arrow)
    return figure


PICTURES = {
    name.removeprefix("draw_"): draw
    for name, draw in list(globals().items())
    if name.startswith("draw_") and callable(draw)
}


def main(*names, folder=None):
    """Draw pictures, all of them if none is named."""
    for name in names or PICTURES:
        stem, _, ending = name.partition(".")
        with plt.rc_context(STYLE):
            store(PICTURES[stem](), f"guide_{stem}.{ending or 'png'}", folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
