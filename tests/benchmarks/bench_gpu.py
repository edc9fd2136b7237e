"""All that has to be measured on a GPU, in at most six minutes.

Run ``python tests/benchmarks/bench_gpu.py`` on a machine with a GPU. It runs the tests
that need one (``pytest -m cuda``), and then prints one table each for training beside
a plain loop, skorch's own loader and PyOD, for inference, and for the other estimators
with the differences from the CPU. Where its time is over, it leaves out what is left
and says so. ``--small --device cpu`` only shows that it works.
"""

import argparse
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_speed import describe_machine, make_network, train_skorch
from sklearn.datasets import make_classification
from torch import nn
from torch.profiler import ProfilerActivity, profile

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)

BATCHES = (256, 1_024, 8_192, 65_536)
# Columns, hidden units, latents and rows.
SHAPES = (
    (32, 64, 8, 262_144),
    (784, 256, 32, 131_072),
    (3_072, 512, 64, 65_536),
)
# skorch and PyOD fetch row by row, which takes seconds for more rows than these.
FEW_ROWS = 8_192


class Clock:
    """The time that is left, and the time of calls on a device."""

    def __init__(self, device, minutes):
        self.device = torch.device(device)
        self.end = time.perf_counter() + 60 * minutes

    def is_over(self):
        """Whether no time is left."""
        return time.perf_counter() > self.end

    def wait(self):
        """Wait until the device has done all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, function, *args):
        """Return how long one call takes, with all the work that it starts."""
        self.wait()
        start = time.perf_counter()
        function(*args)
        self.wait()
        return time.perf_counter() - start

    def seconds_an_epoch(self, train, n_more=2):
        """Return the time of an epoch, without what comes before the first."""
        train(1)
        first = self.seconds(train, 1)
        return max((self.seconds(train, 1 + n_more) - first) / n_more, 1e-9)


def make_estimator(shape, batch, device, epochs):
    """Return the estimator with the layers of `make_network`."""
    _, hidden, k, _ = shape
    return AutoencoderTransformer(
        k,
        hidden_layer_sizes=(hidden,),
        optimizer="adam",
        batch_size=batch,
        max_epochs=epochs,
        device=device,
        random_state=0,
    )


def trainers(shape, batch, X, device):
    """Return functions that train for some epochs, and on how many rows."""
    d, hidden, k, _ = shape
    few = X[:FEW_ROWS]

    def bare(epochs):
        rows = torch.from_numpy(X).to(device)
        module = make_network((d, hidden, k)).to(device)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
        for _ in range(epochs):
            for index in torch.randperm(len(rows), device=device).split(batch):
                part = rows[index]
                optimizer.zero_grad()
                nn.functional.mse_loss(module(part), part).backward()
                optimizer.step()

    def ours(epochs):
        make_estimator(shape, batch, device, epochs).fit(X)

    def by_skorch(epochs):
        train_skorch((d, hidden, k), few, epochs, batch, device)

    found = {
        "bare": (bare, len(X)),
        "ours": (ours, len(X)),
        "skorch": (by_skorch, len(few)),
    }
    if find_spec("pyod"):
        from pyod.models.auto_encoder import AutoEncoder

        def by_pyod(epochs):
            AutoEncoder(
                hidden_neuron_list=[hidden, k],
                epoch_num=epochs,
                batch_size=batch,
                device=torch.device(device),
                verbose=0,
            ).fit(few)

        found["PyOD"] = (by_pyod, len(few))
    return found


def share_busy(clock, train):
    """Return the share of the time of a training that the GPU computes, `NaN` on a CPU.

    The profiler slows the processor down, so the share without it is larger.
    """
    if clock.device.type != "cuda":
        return np.nan
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        seconds = clock.seconds(train, 3)
    events = profiled.key_averages()
    return sum(event.self_device_time_total for event in events) / 1e6 / seconds


def peak_memory(clock, train):
    """Return the most memory in MB that a training takes on a GPU, `NaN` on a CPU."""
    if clock.device.type != "cuda":
        return np.nan
    torch.cuda.reset_peak_memory_stats(clock.device)
    train(1)
    return torch.cuda.max_memory_allocated(clock.device) / 2**20


def bench_training(clock, shapes, batches, device):
    """Print rows per second, the share of the time that the GPU is busy, and memory."""
    print("\n| columns | batch | bare | ours | skorch | PyOD | of bare | of skorch |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    others = []
    for shape in shapes:
        X = np.random.default_rng(0).standard_normal(
            (shape[3], shape[0]), dtype=np.float32
        )
        for batch in batches:
            if clock.is_over():
                print(f"| {shape[0]:,} | {batch:,} | out of time |")
                continue
            found = trainers(shape, batch, X, device)
            rates = {
                name: n_rows / clock.seconds_an_epoch(train)
                for name, (train, n_rows) in found.items()
            }
            cells = [
                f"{rates[name]:,.0f}" if name in rates else "not installed"
                for name in ("bare", "ours", "skorch", "PyOD")
            ]
            print(
                f"| {shape[0]:,} | {batch:,} | {' | '.join(cells)} | "
                f"{rates['ours'] / rates['bare']:.2f} | "
                f"{rates['ours'] / rates['skorch']:.1f} |",
                flush=True,
            )
            ours, bare = found["ours"][0], found["bare"][0]
            others.append(
                f"| {shape[0]:,} | {batch:,} | {share_busy(clock, ours):.0%} | "
                f"{share_busy(clock, bare):.0%} | {peak_memory(clock, ours):,.0f} MB | "
                f"{peak_memory(clock, bare):,.0f} MB |"
            )
    print("\n| columns | batch | busy | busy, bare | peak memory | peak memory, bare |")
    print("|--:|--:|--:|--:|--:|--:|")
    print("\n".join(others), flush=True)


def bench_inference(clock, shapes, device):
    """Print the time that rows take there, and rows per second of the results."""
    print("\n| columns | rows | transfer | transform | score_samples | bare module |")
    print("|--:|--:|--:|--:|--:|--:|", flush=True)
    for shape in shapes:
        if clock.is_over():
            print(f"| {shape[0]:,} | out of time |")
            continue
        d, hidden, k, n_rows = shape
        X = np.random.default_rng(0).standard_normal((n_rows, d), dtype=np.float32)
        ae = make_estimator(shape, 1_024, device, 1).fit(X[:4_096])
        module = make_network((d, hidden, k)).to(device)

        def bare(X, module=module):
            with torch.inference_mode():
                module(torch.from_numpy(X).to(device)).cpu()

        def transfer(X=X):
            torch.from_numpy(X).to(device)

        runs = []
        for function in (ae.transform, ae.score_samples, bare):
            function(X)
            runs.append(n_rows / clock.seconds(function, X))
        transfer()
        cells = " | ".join(f"{rate:,.0f} rows/s" for rate in runs)
        print(
            f"| {d:,} | {n_rows:,} | {1e3 * clock.seconds(transfer):.1f} ms | {cells} |"
        )


def estimators(n_rows, max_epochs=None):
    """Return estimators by what they are tried on, their data and their output."""
    X, y = make_classification(n_rows, 30, n_informative=20, random_state=0)
    X = X.astype(np.float32)
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    mixed = pd.DataFrame(X[:, :10]).add_prefix("x")
    for i in range(10, 14):
        mixed[f"c{i}"] = pd.cut(X[:, i], 8, labels=list("abcdefgh"))

    def ae(device):
        return AutoencoderTransformer(
            8, max_epochs=max_epochs, device=device, random_state=0
        )

    return {
        "transformer": (ae, X, None, "score_samples"),
        "transformer, missing cells": (ae, gaps, None, "score_samples"),
        "transformer, mixed table": (ae, mixed, None, "score_samples"),
        "detector": (
            lambda device: AutoencoderAnomalyDetector(ae(device), random_state=0),
            X,
            None,
            "score_samples",
        ),
        "classifier": (
            lambda device: AutoencoderPretrainedClassifier(
                ae(device), max_epochs=max_epochs, random_state=0
            ),
            X,
            np.where(np.arange(n_rows) % 10 == 0, y, np.nan),
            "predict_proba",
        ),
        "imputer": (
            lambda device: AutoencoderImputer(ae(device), random_state=0),
            gaps,
            None,
            "transform",
        ),
    }


def bench_estimators(clock, found, device):
    """Print the time of each estimator here and there, and how its results differ."""
    print("\n| estimator | fit, cpu | fit | use, cpu | use | correlation | differs |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    for name, (make, X, y, method) in found.items():
        if clock.is_over():
            print(f"| {name} | out of time |")
            continue
        times, outputs = [], []
        for where in ("cpu", device):
            model = make(where)
            times.append(clock.seconds(model.fit, X, y))
            use = getattr(model, method)
            use(X)
            times.append(clock.seconds(use, X))
            outputs.append(np.asarray(use(X), dtype=float).ravel())
        correlation = np.corrcoef(outputs)[0, 1]
        difference = np.median(np.abs(outputs[0] - outputs[1])) / outputs[0].std()
        fit_cpu, use_cpu, fit, use = times
        print(
            f"| {name} | {fit_cpu:.2f} s | {fit:.2f} s | {1e3 * use_cpu:.0f} ms | "
            f"{1e3 * use:.0f} ms | {correlation:.4f} | {difference:.4f} deviations |",
            flush=True,
        )


def run_cuda_tests():
    """Run the tests that need a GPU."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-n", "0"]
    return subprocess.run([*command, "tests"], cwd=root, check=False).returncode


def main(arguments=None):
    """Measure what the arguments ask for, and return the exit status of the tests."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=5.5)
    parser.add_argument("--small", action="store_true", help="a few rows of each")
    arguments = parser.parse_args(arguments)
    device = arguments.device
    clock = Clock(device, arguments.minutes)
    describe_machine()
    shapes, batches, found = SHAPES, BATCHES, estimators(20_000)
    if arguments.small:
        shapes, batches, found = ((8, 16, 2, 300),), (64,), estimators(120, 1)
    status = 0
    if clock.device.type == "cuda":
        print(torch.cuda.get_device_name(clock.device))
        status = run_cuda_tests()
    bench_training(clock, shapes, batches, device)
    bench_inference(clock, shapes, device)
    bench_estimators(clock, found, device)
    return status


if __name__ == "__main__":
    sys.exit(main())
