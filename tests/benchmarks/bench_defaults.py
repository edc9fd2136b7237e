"""Held-out reconstruction with defaults, against PCA of the same size, table by table.

Run ``python tests/benchmarks/bench_defaults.py`` for the table of
docs/development/defaults.md. It uses the data sets of scikit-learn, and more if the
folder that the environment variable SKLEARN_AE_DATA names holds them.
Any parameter can be changed, to see what it contributes:
``python tests/benchmarks/bench_defaults.py lr=1e-3 "noise=SwapNoise(rate=0.1)"``. An
activation given as a class, ``activation=nn.ReLU``, trains without the start at PCA;
``"pull=lambda n, d: 1e4 / n"`` is how strongly weights are drawn back to the start;
``share=0.25`` takes a quarter of the columns as `n_components`; ``max_table=12000``
leaves larger tables out and ``max_rows=6000`` takes a sample of the others.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from real_data import DATA
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderTransformer, noise
from sklearn_ae._net import build

FRAMES = ("adult", "german_credit", "auto_imports", "horse_colic")


def tables():
    """Yield (name, X) with X a float array without missing cells."""
    for name in "iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud":
        yield f"sklearn {name}", getattr(datasets, f"load_{name}")().data
    for path in sorted(DATA.glob("adbench/*.npz")):
        yield path.stem, np.load(path)["X"]
    for name in FRAMES:
        path = DATA / f"{name}.csv.gz"
        if path.exists():
            X = pd.read_csv(path).select_dtypes("number")
            yield name, X.fillna(X.mean()).to_numpy(float)
    if (DATA / "mnist.npz").exists():
        yield "MNIST", np.load(DATA / "mnist.npz")["X_train"][:20_000].astype(float)


def compare(X, seed, share=None, max_rows=None, **params):
    """Return the held-out errors of PCA and the autoencoder, in its scaled units."""
    rng = np.random.default_rng(seed)
    if max_rows is not None and len(X) > max_rows:
        X = X[rng.choice(len(X), max_rows, replace=False)]
    train, test = train_test_split(X, test_size=0.2, random_state=seed)
    k = params.pop("n_components", None)
    k = max(1, round(share * X.shape[1])) if share else k
    torch.manual_seed(seed)
    start = time.perf_counter()
    ae = AutoencoderTransformer(k, random_state=seed, **params).fit(train)
    seconds = time.perf_counter() - start
    scale = ae.table_encoder_.transform
    pca = PCA(min(ae.n_components_, *train.shape), random_state=seed)
    pca.fit(scale(train))
    Z = scale(test)
    errors = [
        np.mean((pca.inverse_transform(pca.transform(Z)) - Z) ** 2),
        np.mean((scale(ae.reconstruct(test)) - Z) ** 2),
    ]
    return {
        "n": len(train),
        "d": X.shape[1],
        "k": ae.n_components_,
        "steps": ae.n_iter_ * -(-len(train) // ae.net_.batch_size),
        "pca": float(errors[0]),
        "ae": float(errors[1]),
        "seconds": seconds,
    }


def main(arguments):
    """Print one line for each table and a summary."""
    params = dict(argument.split("=", 1) for argument in arguments)
    params = {name: _value(text) for name, text in params.items()}
    seeds = range(params.pop("seeds", 2))
    out, only = params.pop("out", None), params.pop("max_table", None)
    build.default_pull = params.pop("pull", build.default_pull)
    torch.set_num_threads(1)
    results, ratios = {}, []
    print("| table | rows | columns | k | steps | PCA | autoencoder | ratio | s |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, X in tables():
        if only and len(X) > only:
            continue
        runs = [compare(X, seed, **params) for seed in seeds]
        results[name] = runs
        mean = {key: np.mean([run[key] for run in runs]) for key in runs[0]}
        per_seed = [run["ae"] / run["pca"] for run in runs]
        ratios += per_seed
        print(
            f"| {name} | {mean['n']:,.0f} | {mean['d']:.0f} | {mean['k']:.0f}"
            f" | {mean['steps']:,.0f} | {mean['pca']:.4f} | {mean['ae']:.4f}"
            f" | {', '.join(f'{r:.3f}' for r in per_seed)} | {mean['seconds']:.1f} |",
            flush=True,
        )
    ratios = np.array(ratios)
    print(
        f"\n{params or 'defaults'}: below PCA in {np.mean(ratios < 1):.1%} of "
        f"{len(ratios)} runs; ratio {np.exp(np.mean(np.log(ratios))):.3f} in the "
        f"geometric mean, {ratios.max():.3f} at worst"
    )
    if out:
        Path(out).write_text(json.dumps(results))


def _value(text):
    names = {"nn": torch.nn, **vars(noise)}
    return eval(text, names)  # the text is typed by whoever runs the script


if __name__ == "__main__":
    main(sys.argv[1:])
