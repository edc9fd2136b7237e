"""The seeded scope: global generators and threads, left as they were found."""

import random
import threading
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

# torch, NumPy and Python each have one global generator for all threads.
_GLOBAL_GENERATORS = threading.RLock()


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
