"""Speed and memory, side by side with a plain torch loop and skorch's own loader.

Run ``python tests/benchmarks/bench_speed.py`` for the table of docs/benchmarks.md, and
add ``--memory`` for the peak memory of `fit`, which writes a file of 4 GB to a
temporary folder. Everything runs on one thread; each ratio compares runs that took
turns.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import skorch
import torch
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import Convolutional

SHAPES = {
    "50,000 x 32, 64-8-64": (50_000, 32, 64, 8, 10),
    "20,000 x 784, 256-32-256": (20_000, 784, 256, 32, 10),
}
BATCH = 256


def make_network(d, hidden, k):
    """Return the layers that every contestant trains."""
    return nn.Sequential(
        nn.Linear(d, hidden),
        nn.ReLU(),
        nn.Linear(hidden, k),
        nn.Linear(k, hidden),
        nn.ReLU(),
        nn.Linear(hidden, d),
    )


def train_plain(make, X, epochs):
    """Train a new network with the loop that a torch user would write to be fast."""
    X = torch.from_numpy(X)
    module = make()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(len(X)).split(BATCH):
            batch = X[index]
            optimizer.zero_grad()
            nn.functional.mse_loss(module(batch), batch).backward()
            optimizer.step()


def train_estimator(X, hidden, k, epochs):
    """Train the estimator on the same network, with its default scaling."""
    AutoencoderTransformer(
        k,
        hidden_layer_sizes=(hidden,),
        optimizer="adam",
        batch_size=BATCH,
        max_epochs=epochs,
        random_state=0,
    ).fit(X)


def train_skorch(X, hidden, k, epochs):
    """Train through skorch as it comes."""
    net = skorch.NeuralNet(
        make_network(X.shape[1], hidden, k),
        criterion=nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    net.fit(X, X)


def seconds(function, *args):
    """Return how long one call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def take_turns(functions, repeats):
    """Return the seconds of each run; the functions take turns after a warm-up."""
    for function in functions.values():
        function()
    runs = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            runs[name].append(seconds(function))
    return runs


def ratio(runs, name, other):
    """Return the median of how many times faster `name` was, pair by pair."""
    return median(b / a for a, b in zip(runs[name], runs[other], strict=True))


def bench_training(repeats):
    """Print rows per second of training."""
    print("\n| training | plain loop | sklearn_ae | skorch | of plain | of skorch |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, (n, d, hidden, k, epochs) in SHAPES.items():
        X = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
        runs = take_turns(
            {
                "plain": partial(
                    train_plain, partial(make_network, d, hidden, k), X, epochs
                ),
                "ours": partial(train_estimator, X, hidden, k, epochs),
                "skorch": partial(train_skorch, X, hidden, k, epochs),
            },
            repeats,
        )
        rates = (n * epochs / median(runs[key]) for key in runs)
        print(
            f"| {name} | "
            + " | ".join(f"{rate:,.0f} rows/s" for rate in rates)
            + f" | {ratio(runs, 'ours', 'plain'):.2f}"
            + f" | {ratio(runs, 'ours', 'skorch'):.1f} |"
        )


def make_convolutions():
    """Return convolutions down to 4 x 4 x 8 numbers, and back, as one writes them."""

    def block(n_in, n_out, *more, **options):
        return [nn.Conv2d(n_in, n_out, 3, padding=1, **options), nn.ReLU(), *more]

    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *block(1, 16, nn.MaxPool2d(2)),
        *block(16, 8, nn.MaxPool2d(2)),
        *block(8, 8, stride=2),
        *block(8, 8, nn.Upsample((7, 7))),
        *block(8, 8, nn.Upsample((14, 14))),
        *block(8, 16, nn.Upsample((28, 28))),
        nn.Conv2d(16, 1, 3, padding=1),
        nn.Flatten(),
    )


def train_convolutional(X, epochs):
    """Train the estimator on the same network."""
    AutoencoderTransformer(
        architecture=Convolutional(
            (1, 28, 28),
            (16, 8, 8),
            stride=(1, 1, 2),
            pooling=(2, 2, 1),
            decoder="upsampling",
        ),
        latent_activation="relu",
        scaling=None,
        optimizer="adam",
        batch_size=BATCH,
        max_epochs=epochs,
        random_state=0,
    ).fit(X)


def bench_convolutions(repeats):
    """Print rows per second of training convolutions."""
    n, epochs = 5_000, 2
    X = np.random.default_rng(0).random((n, 784), dtype=np.float32)
    runs = take_turns(
        {
            "plain": partial(train_plain, make_convolutions, X, epochs),
            "ours": partial(train_convolutional, X, epochs),
        },
        repeats,
    )
    rates = (n * epochs / median(runs[key]) for key in runs)
    print("\n| training convolutions | plain loop | sklearn_ae | of plain |")
    print("|---|--:|--:|--:|")
    print(
        "| 28 x 28, 16-8-8 | "
        + " | ".join(f"{rate:,.0f} rows/s" for rate in rates)
        + f" | {ratio(runs, 'ours', 'plain'):.2f} |"
    )


def bench_inference(repeats):
    """Print rows per second of `transform` and `score_samples`."""
    n, d, hidden, k = 200_000, 32, 64, 8
    X = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    ae = AutoencoderTransformer(
        k, hidden_layer_sizes=(hidden,), max_epochs=1, random_state=0
    ).fit(X[:5_000])
    module = make_network(d, hidden, k).eval()

    def bare(X, module=module, chunk=4096):
        with torch.inference_mode():
            for start in range(0, len(X), chunk):
                module(torch.from_numpy(X[start : start + chunk])).numpy()

    row = X[:1]
    work = {
        "transform, 200,000 x 32": (
            lambda: bare(X),
            lambda: ae.transform(X),
            lambda: bare(X, module[:3]),
        ),
        "score_samples, 200,000 x 32": (
            lambda: bare(X),
            lambda: ae.score_samples(X),
            lambda: bare(X),
        ),
        "transform, one row, 1,000 times": (
            lambda: [bare(row) for _ in range(1000)],
            lambda: [ae.transform(row) for _ in range(1000)],
            lambda: [bare(row, module[:3]) for _ in range(1000)],
        ),
    }
    print("\n| inference | module(X) | sklearn_ae | times as fast | of its own half |")
    print("|---|--:|--:|--:|--:|")
    for name, (reference, ours, half) in work.items():
        runs = take_turns({"bare": reference, "ours": ours, "half": half}, 3 * repeats)
        print(
            f"| {name} | {1e3 * median(runs['bare']):.1f} ms"
            f" | {1e3 * median(runs['ours']):.1f} ms"
            f" | {ratio(runs, 'ours', 'bare'):.2f}"
            f" | {ratio(runs, 'ours', 'half'):.2f} |"
        )


# The start of a script that measures the memory of its own process.
WATCH_MEMORY = """
import sys, threading, time
import numpy as np, torch
from sklearn_ae import AutoencoderTransformer
torch.set_num_threads(1)

def status(key):
    with open("/proc/self/status") as file:
        sizes = [int(line.split()[1]) for line in file if line.startswith(key)]
    return sizes[0] / 1024

def watch():
    while not done:
        peak[0] = max(peak[0], status("VmRSS"))
        time.sleep(0.002)
"""

MEMORY_SCRIPT = """
AutoencoderTransformer(4, max_epochs=1).fit(np.random.rand(300, 8))
X = np.load(sys.argv[1], mmap_mode=sys.argv[2] if sys.argv[2] != "none" else None)
before = status("VmRSS")
done, peak = False, [before]
thread = threading.Thread(target=watch)
thread.start()
ae = AutoencoderTransformer(
    8, max_epochs=1, early_stopping=sys.argv[3] == "early", batch_size=1024,
    random_state=0,
)
ae.fit(X)
done = True
thread.join()
print(before, peak[0], X.nbytes / 2**20)
"""


def bench_memory():
    """Print the peak memory of `fit`, beside what the process held before."""
    print("\n| fit | array | before | peak | allowed |")
    print("|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, rows, mode in (
            ("in memory, 400 MB", 400 * 2**18 // 64, "none"),
            ("memory-mapped, 4 GB", 4096 * 2**18 // 64, "r"),
        ):
            path = Path(folder) / "X.npy"
            write_array(path, rows, 64)
            for early in ("whole", "early"):
                script = WATCH_MEMORY + MEMORY_SCRIPT
                command = [sys.executable, "-c", script, path, mode, early]
                result = subprocess.run(
                    command, capture_output=True, text=True, check=True
                )
                before, peak, size = map(float, result.stdout.split())
                # `before` holds the array itself when it is in memory.
                allowed = before + 1.2 * size + 150 if mode == "none" else 1024
                print(
                    f"| {name}{', early stopping' * (early == 'early')} | {size:.0f} MB"
                    f" | {before:.0f} MB | {peak:.0f} MB | {allowed:.0f} MB |"
                )


def write_array(path, rows, columns):
    """Write float32 rows to an npy file, a piece at a time."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (rows, columns))
    rng = np.random.default_rng(0)
    for start in range(0, rows, 100_000):
        stop = min(start + 100_000, rows)
        X[start:stop] = rng.standard_normal((stop - start, columns), dtype=np.float32)
    X.flush()


def describe_machine():
    """Print what the figures were measured on."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line for line in lines if line.startswith("model name")]
        processor = names[0].partition(": ")[2] if names else processor
    print(
        f"{processor}, one thread; Python {platform.python_version()}, torch "
        f"{torch.__version__}, skorch {skorch.__version__}, NumPy {np.__version__}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    describe_machine()
    bench_training(arguments.repeats)
    bench_convolutions(arguments.repeats)
    bench_inference(arguments.repeats)
    if arguments.memory:
        bench_memory()
