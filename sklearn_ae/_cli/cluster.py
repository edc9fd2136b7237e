"""The command ``cluster``: groups of rows that are alike, and what they are like."""

import numpy as np
import pandas as pd

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import results
from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.steps import Console, fit, load, save_model, training
from sklearn_ae.displays._text import printed_cell
from sklearn_ae.latents import Clustered

# Columns that are printed of each cluster.
N_SHOWN = 3
# Stability below which clusters may have been made up.
STABLE = 0.5


def run(arguments):
    """Write the cluster of each row of the table that the arguments name."""
    console = Console(arguments)
    table = load(arguments, console)
    if arguments.k >= len(table.X) / 2:
        raise UserError(
            f"-k {arguments.k} clusters are too many for {len(table.X)} rows: take "
            "less than half as many."
        )
    autoencoder = fit(
        AutoencoderTransformer(latent=Clustered(arguments.k), **training(arguments)),
        table.X,
    )
    verdict = stability(autoencoder.cluster_stability_)
    write(autoencoder, table, arguments, console, verdict)
    save_model(autoencoder, arguments, console)


def write(autoencoder, table, arguments, console, *verdict):
    """Write the clusters of a table, and print what they are like."""
    latents = autoencoder.transform(table.X)
    clusters = assigned(latents, autoencoder.latent.n_clusters)
    frame = pd.DataFrame({"cluster": clusters})
    frame = results.with_rows(table, frame, arguments.append)
    results.write_table(frame, arguments.output)
    console.table("", *report(table, clusters))
    console.lines("", *verdict)
    if str(arguments.output) != "-":
        console.lines(f"The cluster of each row is in {arguments.output}.")


def assigned(latents, n_clusters):
    """Return the number of each row's cluster, from 1: the most probable one.

    The last latents of a row are the probabilities of its clusters, up to a factor.
    """
    return latents[:, -n_clusters:].argmax(axis=1) + 1


def report(table, clusters):
    """Return the lines that say what each cluster is like."""
    lines = [f"{'cluster':>7}  {'rows':>8}  what tells it from the other rows"]
    numbers, counts = np.unique(clusters, return_counts=True)
    for number in numbers[np.argsort(-counts, kind="stable")]:
        inside = clusters == number
        traits = sorted(_traits(table, inside), reverse=True)[:N_SHOWN]
        shown = "; ".join(text for _, text in traits)
        lines.append(f"{number:>7}  {inside.sum():>8,}  {shown}")
    return lines


def _traits(table, inside):
    """Yield how much the rows inside differ in each column, and in words how."""
    for name in table.X:
        cells = table.X[name]
        here, there = cells[inside].dropna(), cells[~inside].dropna()
        if not len(here) or not len(there):
            continue
        title = printed_cell(name, 24)
        if name in table.categories:
            shares = here.value_counts(normalize=True)
            others = there.value_counts(normalize=True)
            apart = shares.sub(others, fill_value=0)
            level = apart.idxmax()
            share, other = shares.get(level, 0), others.get(level, 0)
            text = f"{title} {printed_cell(level)} {share:.0%} ({other:.0%})"
            spread = np.sqrt(max(share * (1 - share) + other * (1 - other), 0.02) / 2)
            yield apart[level] / spread, text
        else:
            spread = np.sqrt((here.var(ddof=0) + there.var(ddof=0)) / 2)
            values = pd.DataFrame({name: [here.median(), there.median()]})
            here_text, there_text = results.in_units(table, values)[name]
            text = f"{title} {_shown(here_text)} ({_shown(there_text)})"
            yield abs(here.mean() - there.mean()) / max(spread, 1e-12), text


def _shown(cell):
    return printed_cell(float(cell) if isinstance(cell, float) else cell)


def stability(value):
    """Return a sentence on how far the clusters would be found again."""
    if np.isnan(value):
        return "There are too few rows to tell how stable the clusters are."
    verdict = (
        "the rows have such clusters"
        if value >= STABLE
        else "they may have been made up: try another -k"
    )
    return f"Stability of the clusters: {value:.2f} of 1; {verdict}."
