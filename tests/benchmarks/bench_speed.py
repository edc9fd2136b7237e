"""Speed and memory, side by side with other ways to train the same layers.

Run ``python tests/benchmarks/bench_speed.py`` for the tables of docs/benchmarks.md, and
add ``--memory`` for the peak memory of `fit`, which writes a file of 4 GB to a
temporary folder. PyOD is compared if it is installed (``pip install pyod``).
Everything runs on one thread; each ratio compares runs that took turns. ``--small``
only shows that it works.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import skorch
import torch
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.neural_network import MLPRegressor
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import Convolutional

# Rows, and the widths from the columns to the latent.
NETS = {
    "32 columns, 64-8-64": (50_000, (32, 64, 8)),
    "30 columns, the default": (50_000, (30, 128, 64, 15)),
    "784 columns, 256-32-256": (10_000, (784, 256, 32)),
}
BATCHES = (64, 256, 1_024)
EPOCHS = 10
BATCH = 256


def make_network(widths):
    """Return the layers that every contestant trains."""
    widths = [*widths, *widths[-2::-1]]
    layers = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        # The latent and the output are linear.
        is_hidden = i + 1 not in (len(widths) // 2, len(widths) - 1)
        layers += [nn.Linear(n_in, n_out)] + [nn.ReLU()] * is_hidden
    return nn.Sequential(*layers)


def train_plain(make, X, epochs, batch=BATCH):
    """Train a new network with the loop that a torch user would write to be fast."""
    X = torch.from_numpy(X)
    module = make()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(len(X)).split(batch):
            part = X.index_select(0, index)
            optimizer.zero_grad()
            nn.functional.mse_loss(module(part), part).backward()
            optimizer.step()


def multiply(widths, X, epochs, batch):
    """Compute only the products of a training, into arrays that are ready."""
    widths = [*widths, *widths[-2::-1]]
    layers = [
        (
            torch.randn(n_out, n_in),
            torch.randn(batch, n_in),
            torch.randn(batch, n_out),
            torch.empty(n_out, n_in),
        )
        for n_in, n_out in pairwise(widths)
    ]
    for _ in range(epochs * len(X) // batch):
        for W, A, Z, _ in layers:
            torch.mm(A, W.t(), out=Z)
        for i, (W, A, Z, gradient) in enumerate(layers):
            torch.mm(Z.t(), A, out=gradient)
            if i:
                torch.mm(Z, W, out=A)
        for _, A, _, _ in layers:
            # Numbers that grow with each product would overflow.
            A.fill_(1e-3)


def train_estimator(widths, X, epochs, batch):
    """Train the estimator on the same network, with its default scaling."""
    AutoencoderTransformer(
        widths[-1],
        hidden_layer_sizes=widths[1:-1],
        optimizer="adam",
        batch_size=batch,
        max_epochs=epochs,
        random_state=0,
    ).fit(X)


def train_mlp(widths, X, epochs, batch):
    """Train scikit-learn's network; its latent has an activation, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MLPRegressor(
            hidden_layer_sizes=[*widths[1:], *widths[-2:0:-1]],
            batch_size=batch,
            max_iter=epochs,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=epochs,
            random_state=0,
        ).fit(X, X)


def train_skorch(widths, X, epochs, batch, device="cpu"):
    """Train through skorch as it comes."""
    net = skorch.NeuralNet(
        make_network(widths),
        criterion=nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=device,
    )
    net.fit(X, X)


def train_pyod(widths, X, epochs, batch):
    """Train PyOD's autoencoder without what the others do not have."""
    from pyod.models.auto_encoder import AutoEncoder

    AutoEncoder(
        hidden_neuron_list=[*widths[1:]],
        epoch_num=epochs,
        batch_size=batch,
        batch_norm=False,
        dropout_rate=0.0,
        verbose=0,
    ).fit(X)


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


def bench_training(repeats, nets=NETS, batches=BATCHES):
    """Print rows per second of whole fits, and how many times as fast ours is."""
    trainers = {
        "products": multiply,
        "plain loop": lambda widths, *args: train_plain(
            partial(make_network, widths), *args
        ),
        "MLPRegressor": train_mlp,
        "skorch": train_skorch,
    }
    if find_spec("pyod"):
        trainers["PyOD"] = train_pyod
    print("\nRows per second; in brackets how many times as fast sklearn_ae is.")
    print(f"\n| training | batch | sklearn_ae | {' | '.join(trainers)} |")
    print("|---|--:|--:|" + "--:|" * len(trainers), flush=True)
    for name, (n, widths) in nets.items():
        X = np.random.default_rng(0).standard_normal((n, widths[0]), dtype=np.float32)
        for batch in batches:
            functions = {
                key: partial(train, widths, X, EPOCHS, batch)
                for key, train in {"ours": train_estimator, **trainers}.items()
            }
            runs = take_turns(functions, repeats)
            rates = {key: n * EPOCHS / median(times) for key, times in runs.items()}
            cells = " | ".join(
                f"{rates[key]:,.0f} ({ratio(runs, 'ours', key):.2f})"
                for key in trainers
            )
            print(
                f"| {name} | {batch:,} | {rates['ours']:,.0f} | {cells} |", flush=True
            )


def default_fits(small):
    """Return estimators with their defaults, the rows and the targets of `fit`."""
    X_iris, X_digits = load_iris().data, load_digits().data
    y_digits = load_digits().target.astype(float)
    few = np.where(np.arange(len(y_digits)) < 50, y_digits, np.nan)
    n = 300 if small else 20_000
    X_made, y_made = make_classification(n, 20, n_informative=12, random_state=0)
    y_some = np.where(np.arange(n) < n // 20, y_made, np.nan)
    rng = np.random.default_rng(0)
    X_large = rng.standard_normal((300 if small else 100_000, 30))
    X_gaps = X_made[:1_000].copy()
    X_gaps[rng.random(X_gaps.shape) < 0.1] = np.nan
    ae = AutoencoderTransformer(random_state=0)
    detector = AutoencoderAnomalyDetector(random_state=0)
    classifier = AutoencoderPretrainedClassifier(random_state=0)
    fits = {
        "transformer, iris": (ae, X_iris, None),
        "transformer, digits": (ae, X_digits, None),
        "transformer, 100,000 x 30": (ae, X_large, None),
        "detector, digits": (detector, X_digits, None),
        "detector, 100,000 x 30": (detector, X_large, None),
        "classifier, digits": (classifier, X_digits, y_digits),
        "classifier, digits, 50 labels": (classifier, X_digits, few),
        "classifier, 20,000 x 20": (classifier, X_made, y_made),
        "classifier, 20,000 x 20, 1,000 labels": (classifier, X_made, y_some),
        "imputer, 1,000 x 20": (AutoencoderImputer(random_state=0), X_gaps, None),
    }
    return dict(list(fits.items())[:1]) if small else fits


def bench_defaults(repeats, small=False):
    """Print the processor time of fits with the defaults."""
    print("\n| default fit | processor time |")
    print("|---|--:|", flush=True)
    for name, (estimator, X, y) in default_fits(small).items():
        times = []
        for _ in range(min(repeats, 3)):
            start = time.process_time()
            estimator.fit(X, y)
            times.append(time.process_time() - start)
        print(f"| {name} | {median(times):.2f} s |", flush=True)


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


def bench_convolutions(repeats, n=5_000):
    """Print rows per second of training convolutions."""
    epochs = 2
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


def bench_inference(repeats, n=200_000):
    """Print rows per second of `transform` and `score_samples`."""
    d, hidden, k = 32, 64, 8
    X = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    ae = AutoencoderTransformer(
        k, hidden_layer_sizes=(hidden,), max_epochs=1, random_state=0
    ).fit(X[:5_000])
    module = make_network((d, hidden, k)).eval()

    def bare(X, module=module, chunk=4096):
        with torch.inference_mode():
            for start in range(0, len(X), chunk):
                module(torch.from_numpy(X[start : start + chunk])).numpy()

    work = {
        "transform": (ae.transform, module[:3]),
        "score_samples": (ae.score_samples, module),
    }
    print("\n| inference | module(X) | sklearn_ae | times as fast | of its own half |")
    print("|---|--:|--:|--:|--:|")
    for name, (method, half) in work.items():
        functions = {
            "bare": partial(bare, X),
            "ours": partial(method, X),
            "half": partial(bare, X, half),
        }
        runs = take_turns(functions, 3 * repeats)
        print(
            f"| {name}, {n:,} x {d} | {1e3 * median(runs['bare']):.1f} ms"
            f" | {1e3 * median(runs['ours']):.1f} ms"
            f" | {ratio(runs, 'ours', 'bare'):.2f}"
            f" | {ratio(runs, 'ours', 'half'):.2f} |"
        )


def bench_one_row(repeats, n_calls=300):
    """Print the processor time of each method for one row."""
    X, y = load_digits(return_X_y=True)
    ae = AutoencoderTransformer(16, max_epochs=1, random_state=0).fit(X)
    wide = AutoencoderTransformer(
        128, hidden_layer_sizes=(256, 256), max_epochs=1, random_state=0
    )
    classifier = AutoencoderPretrainedClassifier(
        wide, max_epochs=1, semi_supervised=False, random_state=0
    ).fit(X[:300], y[:300])
    row, latents = X[:1], ae.transform(X[:1])
    work = {
        "transform": partial(ae.transform, row),
        "inverse_transform": partial(ae.inverse_transform, latents),
        "reconstruct": partial(ae.reconstruct, row),
        "score": partial(ae.score, row),
        "classifier, transform": partial(classifier.transform, row),
        "classifier, predict": partial(classifier.predict, row),
        "classifier, predict_proba": partial(classifier.predict_proba, row),
        "classifier, score": partial(classifier.score, row, y[:1]),
    }
    print("\n| one row of digits | microseconds |")
    print("|---|--:|")
    for name, function in work.items():
        times = []
        for _ in range(3 * repeats):
            start = time.process_time()
            for _ in range(n_calls):
                function()
            times.append((time.process_time() - start) / n_calls)
        print(f"| {name} | {1e6 * median(times):.0f} |", flush=True)


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


def main(arguments=None):
    """Print the tables that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--small", action="store_true", help="a few rows of each")
    arguments = parser.parse_args(arguments)
    repeats = arguments.repeats
    torch.set_num_threads(1)
    describe_machine()
    if arguments.small:
        bench_training(1, {"8 columns, 16-2-16": (200, (8, 16, 2))}, (64,))
        bench_defaults(1, small=True)
        bench_convolutions(1, n=64)
        bench_inference(1, n=500)
        bench_one_row(1, n_calls=1)
        return
    bench_training(repeats)
    bench_defaults(repeats)
    bench_convolutions(repeats)
    bench_inference(repeats)
    bench_one_row(repeats)
    if arguments.memory:
        bench_memory()


if __name__ == "__main__":
    main()
