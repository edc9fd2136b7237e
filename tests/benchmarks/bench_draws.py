"""Draws of AutoencoderImputer: how often hidden numbers lie within their range.

Run ``python tests/benchmarks/bench_draws.py`` for the table of docs/benchmarks.md. The
range of 19 draws covers 90 % of the hidden numbers if these come from the same
distribution as the draws. Tables are those of labelled_tables, at most 2,000 rows of
each, without their labels. ``--rate 0.5`` hides half of the cells, ``--variational``
takes autoencoders with a variational latent, and names of tables choose some.
"""

import argparse
import time
import warnings

import labelled_tables
import numpy as np
import pandas as pd
import torch

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae.latents import Variational

N_DRAWS = 19
MAX_ROWS = 2_000
# Least hidden numbers of a column that counts among the worst.
MIN_CELLS = 100
# These take minutes: hundreds of columns.
LEFT_OUT = {"MNIST", "musk"}


def load(name):
    """Return the columns of a table without its labels, numbers as floats."""
    X = pd.DataFrame(labelled_tables.load(name)[0])
    X = X.rename(columns=str)
    X = X.astype(dict.fromkeys(X.select_dtypes("number"), float))
    if len(X) > MAX_ROWS:
        X = X.sample(MAX_ROWS, random_state=0, ignore_index=True)
    return X


def hide(X, rate, seed):
    """Return a mask of the cells to delete; each column keeps two."""
    rng = np.random.default_rng(seed)
    observed = X.notna().to_numpy()
    hidden = observed & (rng.random(X.shape) < rate)
    for j in np.flatnonzero((observed & ~hidden).sum(axis=0) < 2):
        hidden[np.flatnonzero(observed[:, j])[:2], j] = False
    return hidden


def judge(truth, drawn):
    """Return how the draws of numbers lie around the true ones.

    Parameters
    ----------
    truth : ndarray of shape (n_cells,)
    drawn : ndarray of shape (n_draws, n_cells)

    Returns
    -------
    scores : dict
        Of each cell: whether the range covers it; with which probability it does if
        the order of equal numbers is a matter of chance, which is 90 % for columns of
        few values, too; the continuous ranked probability score, without its bias; the
        width of the range.
    """
    n_draws = len(drawn)
    below, equal = (drawn < truth).sum(0), (drawn == truth).sum(0)
    first, last = np.maximum(below, 1), np.minimum(below + equal, n_draws - 1)
    order = 2 * np.arange(n_draws)[:, None] - n_draws + 1
    spread = (order * np.sort(drawn, axis=0)).sum(0) / (n_draws * (n_draws - 1))
    least, largest = drawn.min(0), drawn.max(0)
    return {
        "covered": (least <= truth) & (truth <= largest),
        "by chance": np.clip(last - first + 1, 0, None) / (equal + 1),
        "crps": np.abs(drawn - truth).mean(0) - spread,
        "width": largest - least,
    }


def measure(X, rate, seed, autoencoder=None):
    """Return a frame with the scores of each column of numbers, and the seconds."""
    hidden = hide(X, rate, seed)
    with_gaps, start = X.mask(hidden), time.process_time()
    imputer = AutoencoderImputer(autoencoder, n_draws=N_DRAWS, random_state=seed)
    tables = imputer.fit(with_gaps).draw(with_gaps)
    seconds, rows = time.process_time() - start, {}
    for j, name in enumerate(X):
        cells, unit = hidden[:, j], X[name].std() if X[name].dtype == float else 0
        if cells.any() and unit > 0:
            drawn = np.stack([t[name].to_numpy(float)[cells] for t in tables]) / unit
            scores = judge(X[name].to_numpy()[cells] / unit, drawn)
            means = {key: values.mean() for key, values in scores.items()}
            rows[name] = {"cells": cells.sum(), **means}
    return pd.DataFrame(rows).T, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--variational", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    autoencoder = None
    if arguments.variational:
        autoencoder = AutoencoderTransformer(weight_decay=0.0, latent=Variational())
    names = [n for n in labelled_tables.names() if n not in LEFT_OUT]
    print("| table | hidden | covered | ties by chance | columns | CRPS | width | s |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in arguments.tables or names:
        columns, seconds = measure(load(name), arguments.rate, 0, autoencoder)
        if columns.empty:
            continue
        weights = columns["cells"]
        mean = columns.mul(weights, axis=0).sum() / weights.sum()
        worst = columns["by chance"][weights >= MIN_CELLS]
        extremes = f"{worst.min():.0%} to {worst.max():.0%}" if len(worst) else ""
        print(
            f"| {name} | {weights.sum():.0f} | {mean['covered']:.1%} "
            f"| {mean['by chance']:.1%} | {extremes} | {mean['crps']:.3f} "
            f"| {mean['width']:.2f} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
