"""Draw the pictures of docs/comparison.md, and write its figures and the README's.

python docs/draw_comparison.py

The results of the benchmarks lie in docs/results, as the scripts of tests/benchmarks
write and print them; speed and maps are read from the tables of docs/benchmarks.md.
Whatever rows are there are drawn. Between two comments that name this script, the text
of README.md and docs/comparison.md is replaced.
"""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from drawing import BLACK, COLORS, DOCS, GREY, MARKERS, STYLE, store

RESULTS = DOCS / "results"
OURS = {
    "anomalies": "sklearn_ae",
    "labels": "pre-trained",
    "targets": "pre-trained",
    "imputation": "AutoencoderImputer",
}
# What classes and targets are compared with, table by table.
LINEAR_AND_TREES = ["LogisticRegression", "Ridge", "HistGradientBoosting"]
# Names for readers, where the scripts have others.
NAMES = {
    "IterativeImputer, trees": "trees (as MissForest)",
}


def read_results(name):
    """Return the rows of a file of results, each as often as it was run."""
    runs = pd.read_csv(RESULTS / f"{name}.csv")
    # The folder of a table says nothing to a reader.
    return runs.assign(table=runs["table"].str.removeprefix("more/"))


def read_markdown_table(path, *columns):
    """Return the first table of a page whose columns start with the given ones."""
    start = "^\\| " + re.escape(" | ".join(columns))
    text = re.search(start + r".*\n((?:\|.*\n?)+)", path.read_text("utf-8"), re.M)
    rows = [line.strip("| \n").split(" | ") for line in text[0].splitlines()]
    return pd.DataFrame(rows[2:], columns=rows[0])


def _numbers(column, pattern=r"([\d.]+)"):
    return column.str.replace(",", "").str.extract(pattern)[0].astype(float)


def differences(runs, score, ours, cases):
    """Return by how much each method is behind ours, and the error of that.

    Parameters
    ----------
    runs : DataFrame
        With the columns "method" and "seed".
    score : str
    ours : str
        Our method.
    cases : list of str
        The columns that tell one comparison from another.

    Returns
    -------
    found : DataFrame
        The columns "mean" and "error", the standard error over the seeds, for each
        method and case.
    """
    wide = runs.dropna(subset=[score]).pivot_table(score, [*cases, "seed"], "method")
    names = [*cases, "method"]
    if ours not in wide or wide.shape[1] == 1:
        index = pd.MultiIndex.from_arrays([[]] * len(names), names=names)
        return pd.DataFrame({"mean": [], "error": []}, index)
    gain = wide.drop(columns=ours).rsub(wide[ours], axis=0)
    grouped = gain.groupby(level=cases, sort=False)
    mean, error = grouped.mean().stack(), grouped.sem().stack()
    found = pd.DataFrame({"mean": mean, "error": error.reindex(mean.index)})
    return found.rename_axis(index=names).fillna({"error": 0.0})


def draw_forest(axes, groups, *, title, unit):
    """Draw the differences of each table, one mark for each group, with their errors.

    Parameters
    ----------
    axes : Axes
    groups : dict of str to DataFrame
        Differences with the tables as index.
    title, unit : str
    """
    tables = sorted(set().union(*(g.index for g in groups.values())), key=str.lower)
    heights = pd.Series(range(len(tables)), tables[::-1])
    axes.axvline(0, color=BLACK, linewidth=0.8)
    lines = [unit]
    for i, (name, found) in enumerate(groups.items()):
        shift = 0.3 * (i - (len(groups) - 1) / 2)
        axes.errorbar(
            found["mean"],
            heights[found.index] - shift,
            xerr=2 * found["error"],
            fmt=MARKERS[i],
            color=COLORS[i],
            markersize=3.5,
            elinewidth=0.8,
            label=name,
        )
        lines.append(f"{name}: {won(found)}")
    for height in heights[::2]:
        axes.axhspan(height - 0.5, height + 0.5, color="#F5F5F5", zorder=0, linewidth=0)
    axes.set_yticks(heights, [str(table) for table in heights.index])
    axes.set_ylim(-0.6, len(tables) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(title)
    axes.set_xlabel("\n".join(lines), fontsize=7)


def won(found):
    """Say on how many cases ours is better, and by how much on average."""
    better = (found["mean"] > 0).sum()
    return f"{better} of {len(found)} better, by {found['mean'].mean():+.3f}"


def add_legend(figure, axes):
    """Put one legend for all panels below them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def draw_anomalies(folder=None, results="anomalies", name="outliers"):
    """Draw the areas under the ROC curve, ours less those of others."""
    runs = read_results(results)
    found = differences(runs, "AUROC", OURS["anomalies"], ["setting", "table"])
    n_tables = runs["table"].nunique()
    peers = ["IsolationForest", "PyOD AutoEncoder", "PyOD KNN", "PyOD ECOD"]
    with plt.rc_context(STYLE):
        size = 11, 1.5 + 0.19 * n_tables
        figure, panels = plt.subplots(1, len(peers), figsize=size, sharey=True)
        for axes, peer in zip(panels, peers, strict=True):
            groups = {
                setting: rows.droplevel("setting")
                for setting, rows in found.xs(peer, level="method").groupby(
                    level="setting", sort=False
                )
            }
            draw_forest(axes, groups, title=peer, unit="AUROC, ours less theirs")
        add_legend(figure, panels[0])
        store(figure, f"comparison_{name}.png", folder)


def draw_classes(folder=None):
    """Draw the same for tables of which a class was made rare, if they were run."""
    if (RESULTS / "classes.csv").exists():
        draw_anomalies(folder, "classes", "classes")


def draw_labels(folder=None):
    """Draw the accuracies with few labels, ours less those of others."""
    _draw_shares("labels", "accuracy", ["1 %", "5 %", "100 %"], folder)


def draw_targets(folder=None):
    """Draw the same for targets that are numbers."""
    _draw_shares("targets", "R2", ["50", "10 %", "100 %"], folder)


def _draw_shares(name, score, shares, folder):
    runs = read_results(name)
    found = differences(runs, score, OURS[name], ["labels", "table"])
    names = [peer for peer in LINEAR_AND_TREES if peer in set(runs["method"])]
    shares = [share for share in shares if share in found.index.unique("labels")]
    with plt.rc_context(STYLE):
        size = 10, 1.5 + 0.26 * runs["table"].nunique()
        figure, panels = plt.subplots(1, len(shares), figsize=size, sharey=True)
        for axes, share in zip(np.atleast_1d(panels), shares, strict=True):
            rows = found.xs(share, level="labels")
            groups = {peer: rows.xs(peer, level="method") for peer in names}
            title = _name_share(share, name)
            unit = f"{score.replace('R2', 'R²')}, ours less theirs"
            draw_forest(axes, groups, title=title, unit=unit)
        add_legend(figure, axes)
        store(figure, f"comparison_{name}.png", folder)


def _name_share(share, name):
    return f"{share} of the {name}" if "%" in share else f"{share} {name}"


def draw_imputation(folder=None):
    """Draw the errors of filled cells, those of others less ours."""
    runs = read_results("imputation")
    runs["gain"] = -runs["rmse"]
    peers = ["KNNImputer", "IterativeImputer", "IterativeImputer, trees"]
    panels = {
        "gain": "RMSE, theirs less ours",
        "accuracy": "accuracy, ours less theirs",
    }
    n_tables = runs["table"].nunique()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(9, 2 + 0.3 * n_tables))
        for panel, (score, unit) in zip(axes, panels.items(), strict=True):
            # The mean over the kinds of holes, the error over the seeds.
            found = differences(runs, score, OURS["imputation"], ["table"])
            groups = {
                NAMES.get(peer, peer): found.xs(peer, level="method")
                for peer in peers
                if peer in found.index.unique("method")
            }
            title = "Numbers" if score == "gain" else "Categories"
            draw_forest(panel, groups, title=title, unit=unit)
        add_legend(figure, axes[0])
        store(figure, "comparison_imputation.png", folder)


def read_speed(pattern=r"([\d.]+)"):
    """Return the rows a second of each trainer on each network, from the benchmarks."""
    table = read_markdown_table(DOCS / "benchmarks.md", "training", "batch")
    table = table[table["batch"] == "256"].set_index("training").drop(columns="batch")
    return table.apply(_numbers, pattern=pattern)


def draw_speed(folder=None):
    """Draw how fast networks of the same layers are trained."""
    speed = read_speed()
    peers = ["sklearn_ae", "plain loop", "MLPRegressor", "skorch", "PyOD"]
    with plt.rc_context(STYLE):
        # One scale for all would need logarithms, on which bars have no length.
        figure, panels = plt.subplots(1, len(speed), figsize=(9, 2.6), sharey=True)
        for axes, (network, rows) in zip(panels, speed[peers].iterrows(), strict=True):
            axes.barh(peers, rows / 1e3, color=[*COLORS[:4], GREY])
            axes.set_title(network)
            axes.tick_params(axis="y", length=0)
        panels[0].invert_yaxis()
        unit = "thousand rows a second: the same layers, batches of 256, one core"
        figure.supxlabel(unit, fontsize=9)
        store(figure, "comparison_speed.png", folder)


def read_clusters():
    """Return the NMI of clusters and classes for each table and method."""
    table = read_markdown_table(RESULTS / "clusters.txt", "table", "rows")
    table["table"] = table["table"].str.removeprefix("more/")
    # "0.96, 0.93 (0.93)": accuracy, NMI, and the least NMI of the seeds.
    return (
        table.set_index("table")
        .drop(columns="s")
        .apply(lambda column: column.str.extract(r", ([\d.]+)")[0].astype(float))
    )


def draw_clusters(folder=None):
    """Draw the NMI of KMeans behind Clustered, the columns and PCA."""
    found = read_clusters().sort_values("Clustered")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 1 + 0.17 * len(found)))
        for i, (name, label) in enumerate(
            {
                "rows": "columns",
                "PCA": "PCA",
                "Clustered": "latent=Clustered()",
            }.items()
        ):
            axes.plot(
                found[name],
                # Equal values would hide one another.
                np.arange(len(found)) + 0.2 * (1 - i),
                linestyle="",
                marker=MARKERS[2 - i],
                color=COLORS[2 - i],
                markersize=5 if name == "Clustered" else 4,
                label=label,
            )
        for height in range(0, len(found), 2):
            axes.axhspan(height - 0.5, height + 0.5, color="#F5F5F5", linewidth=0)
        axes.set_yticks(range(len(found)), found.index)
        axes.set_ylim(-0.6, len(found) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.set(
            xlabel="NMI of clusters and classes",
            title="KMeans behind the columns, PCA and Clustered",
        )
        axes.legend(loc="lower right")
        store(figure, "comparison_clusters.png", folder)


def _mean(runs, method, score):
    chosen = runs[runs["method"] == method]
    return chosen.groupby("table")[score].mean().mean()


def write_figures():
    """Return the lines on figures against others, for the README."""
    anomalies = read_results("anomalies")
    dirty = anomalies[anomalies["setting"] == "contaminated"]
    clean = anomalies[anomalies["setting"] == "one-class"]
    labels = read_results("labels")
    few = labels[labels["labels"] == "1 %"]
    holes = read_results("imputation")
    mixed = holes[holes.groupby("table")["accuracy"].transform("count") > 0]
    clusters = read_clusters()
    ours = OURS
    ahead = int((clusters["Clustered"] > clusters["PCA"]).sum())
    # The medians over pairs of runs, which stand in brackets.
    ratios = read_speed(r"\(([\d.]+)\)")
    lines = [
        f"- **Outliers**, {dirty['table'].nunique()} tables of ADBench, AUROC: "
        f"{_mean(dirty, ours['anomalies'], 'AUROC'):.2f}; IsolationForest "
        f"{_mean(dirty, 'IsolationForest', 'AUROC'):.2f}, PyOD's AutoEncoder "
        f"{_mean(dirty, 'PyOD AutoEncoder', 'AUROC'):.2f}. Fitted to clean rows "
        f"{_mean(clean, ours['anomalies'], 'AUROC'):.2f}, "
        f"{_mean(clean, 'IsolationForest', 'AUROC'):.2f} and "
        f"{_mean(clean, 'PyOD AutoEncoder', 'AUROC'):.2f}.",
        f"- **1 % of the labels**, {few['table'].nunique()} tables, accuracy: "
        f"{_mean(few, ours['labels'], 'accuracy'):.2f}; LogisticRegression "
        f"{_mean(few, 'LogisticRegression', 'accuracy'):.2f}, "
        f"HistGradientBoostingClassifier "
        f"{_mean(few, 'HistGradientBoosting', 'accuracy'):.2f}.",
        f"- **Missing cells**, {mixed['table'].nunique()} tables with categories, "
        f"error of numbers and share of categories restored: "
        f"{_mean(mixed, ours['imputation'], 'rmse'):.2f} and "
        f"{_mean(mixed, ours['imputation'], 'accuracy'):.0%}; KNNImputer "
        f"{_mean(mixed, 'KNNImputer', 'rmse'):.2f} and "
        f"{_mean(mixed, 'KNNImputer', 'accuracy'):.0%}, IterativeImputer "
        f"{_mean(mixed, 'IterativeImputer', 'rmse'):.2f} and "
        f"{_mean(mixed, 'IterativeImputer', 'accuracy'):.0%}.",
        f"- **Clusters**, {len(clusters)} tables with classes, NMI of KMeans: "
        f"{clusters['Clustered'].mean():.2f} behind `Clustered`, "
        f"{clusters['PCA'].mean():.2f} behind PCA; better on {ahead}.",
        f"- **Speed** of training the same layers in batches of 256: "
        f"{ratios['skorch'].min():.1f} to "
        f"{ratios['skorch'].max():.1f} times skorch's, {ratios['PyOD'].min():.1f} to "
        f"{ratios['PyOD'].max():.1f} times PyOD's, "
        f"{ratios['MLPRegressor'].min():.1f} to {ratios['MLPRegressor'].max():.1f} "
        f"times that of `MLPRegressor(X, X)`.",
    ]
    return "\n".join(_wrap(line) for line in lines)


def _wrap(line, width=98):
    words, lines = line.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append(" ")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines)


def _table(frame, digits):
    """Return a Markdown table of numbers, one row for each method."""
    head = ["method", *frame.columns]
    rows = [
        [NAMES.get(name, name)]
        + ["" if v != v else f"{v:.{d}f}" for v, d in zip(row, digits, strict=True)]
        for name, row in zip(frame.index, frame.to_numpy(dtype=float), strict=True)
    ]
    lines = [head, ["---"] + ["--:"] * len(frame.columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _behind(runs, score, ours, cases, *, smaller=False):
    found = differences(runs, score, ours, cases)["mean"] * (-1 if smaller else 1)
    return (found < 0).groupby(level="method").sum()


def write_class_table():
    """Return the picture and the means for tables with a rare class, if any."""
    if not (RESULTS / "classes.csv").exists():
        return ""
    text = "![Differences by table, where a class was made rare](images/%s)\n\n%s"
    return text % ("comparison_classes.png", write_anomaly_table("classes"))


def write_anomaly_table(results="anomalies"):
    """Return means of the detectors, for the comparison."""
    runs = read_results(results)
    frame = pd.DataFrame(index=pd.Index(runs["method"].unique(), name="method"))
    for score in ("AUROC", "average precision"):
        means = runs.pivot_table(score, "method", "setting", sort=False)
        frame = frame.join(means.add_prefix(f"{score}, "))
    digits = [3] * frame.shape[1]
    means = runs.groupby("method")
    frame["seconds of fit"] = means["seconds of fit"].mean()
    frame["µs a row"] = means["microseconds a row"].mean()
    cases = ["setting", "table"]
    frame[f"AUROC ahead of us, of {runs.groupby(cases).ngroups}"] = _behind(
        runs, "AUROC", OURS["anomalies"], cases
    )
    return _table(frame, (*digits, 2, 1, 0))


def write_label_table():
    """Return means of the classifiers, for the comparison."""
    return _share_table("labels", "accuracy")


def write_target_table():
    """Return means of the regressors, for the comparison."""
    return _share_table("targets", "R2")


def _share_table(name, score):
    runs = read_results(name)
    frame = runs.pivot_table(score, "method", "labels", sort=False)
    n_cases = runs.groupby(["labels", "table"]).ngroups
    frame.columns = [_name_share(share, name) for share in frame]
    frame[f"ahead of us, of {n_cases}"] = _behind(
        runs, score, OURS[name], ["labels", "table"]
    )
    frame["seconds, median"] = runs.groupby("method")["seconds"].median()
    return _table(frame, [3] * (frame.shape[1] - 2) + [0, 1])


def write_imputation_table():
    """Return means of the imputers, for the comparison."""
    runs = read_results("imputation")
    means = runs.groupby("method", sort=False)
    frame = pd.DataFrame(
        {
            "RMSE of numbers": means["rmse"].mean(),
            "categories restored": means["accuracy"].mean(),
            "seconds, median": means["seconds"].median(),
        }
    )
    cases = ["table", "holes"]
    frame[f"numbers: ahead of us, of {runs.groupby(cases).ngroups}"] = _behind(
        runs, "rmse", OURS["imputation"], cases, smaller=True
    )
    frame["categories: ahead of us"] = _behind(
        runs, "accuracy", OURS["imputation"], cases
    )
    return _table(frame, (3, 3, 2, 0, 0))


def insert(path, name, text):
    """Replace what stands between the comments of this name on a page."""
    page = path.read_text("utf-8")
    begin = f"<!-- {name}: written by docs/draw_comparison.py -->\n"
    pattern = re.escape(begin) + r".*?(?=<!-- end of " + name + " -->)"
    page, n_found = re.subn(pattern, lambda _: f"{begin}{text}\n", page, flags=re.S)
    if not n_found:
        raise ValueError(f"{path.name} has no place for {name!r}.")
    path.write_text(page, "utf-8")


PICTURES = (
    draw_anomalies,
    draw_classes,
    draw_labels,
    draw_targets,
    draw_imputation,
    draw_speed,
    draw_clusters,
)


def main():
    """Draw all pictures, and write all figures."""
    for draw in PICTURES:
        draw()
    insert(DOCS.parent / "README.md", "figures", write_figures())
    page = DOCS / "comparison.md"
    insert(page, "outliers", write_anomaly_table())
    insert(page, "classes", write_class_table())
    insert(page, "labels", write_label_table())
    insert(page, "targets", write_target_table())
    insert(page, "imputation", write_imputation_table())


if __name__ == "__main__":
    main()
