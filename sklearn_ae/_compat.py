"""What the package takes from private or optional places, and the seeded scope.

Every private import from scikit-learn stands here, so that a release that moves one is
mended in one line.
"""

import importlib
import mmap
import random
import threading
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight
from threadpoolctl import ThreadpoolController

__all__ = [
    "Interval",
    "StrOptions",
    "_check_feature_names_in",
    "_check_sample_weight",
    "_fit_context",
    "_wrap_data_with_container",
    "draw_seed",
    "import_optional",
    "is_mapped",
    "release_pages",
    "seeded",
]

# torch, NumPy and Python each have one global generator for all threads.
_GLOBAL_GENERATORS = threading.RLock()


def import_optional(name, purpose, extra):
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    name : str
        Module to import.
    purpose : str
        What it is needed for; it starts the error message.
    extra : str
        Extra of sklearn_ae that installs it.

    Returns
    -------
    module : module

    Raises
    ------
    ImportError
        With the command that installs the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {name.partition('.')[0]}, which is not installed. "
            f'Install it with: pip install "sklearn_ae[{extra}]"'
        ) from error


def is_mapped(X):
    """Whether a table lies in a file that is read as needed."""
    X = getattr(X, "coded_from", X)
    # A copy in memory of such an array has the same type, but no file.
    return isinstance(X, np.memmap) and X._mmap is not None


def release_pages(X):
    """Let the pages of a mapped file leave memory; other arrays are left alone.

    Pages that were read count as resident until the system wants them back, so a pass
    over a large file would look, and be billed, like a copy of it.
    """
    X = getattr(X, "coded_from", X)
    # A copy-on-write map ("c") keeps its changes in those pages.
    if is_mapped(X) and X.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        X._mmap.madvise(mmap.MADV_DONTNEED)


def draw_seed(random_state):
    """Return a seed below 2**32.

    `None` takes one from the operating system: scikit-learn would draw it from NumPy's
    global state, which has to stay as it was found.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    return int(random_state)


@cache
def _thread_pools():
    """Return the thread pools of NumPy and SciPy; finding them takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def seeded(seed, device, *, one_thread):
    """Seed the global generators for a block, and leave them as they were found.

    Weights, shuffling, noise and the user's own torch modules draw from the global
    generators, so only one block runs at a time.

    Parameters
    ----------
    seed : int
        Seed, at least 0 and below 2**32.
    device : torch.device
        Device that the block computes on.
    one_thread : bool
        Whether the block runs on one CPU thread. The last bits of a sum depend on how
        many threads share it, and joblib gives its workers fewer than the main process.
    """
    with _GLOBAL_GENERATORS, _restored_generators(device):
        random.seed(seed)
        np.random.seed(seed)
        # torch.manual_seed would also seed a GPU that is first used later.
        torch.default_generator.manual_seed(seed)
        if device.type != "cpu":
            module = torch.get_device_module(device)
            getattr(module, "manual_seed_all", module.manual_seed)(seed)
        n_threads = torch.get_num_threads()
        try:
            with _thread_pools().limit(limits=1 if one_thread else None):
                torch.set_num_threads(1 if one_thread else n_threads)
                yield
        finally:
            torch.set_num_threads(n_threads)


@contextmanager
def _restored_generators(device):
    """Leave the global generators as they were found."""
    states = random.getstate(), np.random.get_state()
    kind, devices = "cuda", ()
    # fork_rng does not know the one generator of an Apple GPU.
    if device.type not in ("cpu", "mps"):
        kind = device.type
        devices = range(torch.get_device_module(device).device_count())
    try:
        with torch.random.fork_rng(devices=devices, device_type=kind):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
