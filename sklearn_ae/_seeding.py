"""Random numbers: seeds, their streams, and the seeded scope.

The seeded scope leaves the global generators and the threads as they were found.
"""

from contextlib import contextmanager
from enum import IntEnum
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from sklearn_ae._collective import same
from sklearn_ae._document import describe_as
from sklearn_ae._isolation import generators, is_forked

# What a parameter `random_state` may be.
RandomStateLike: TypeAlias = int | np.random.RandomState | None
# Training that goes on takes the seed this much further for each epoch so far. With 1,
# it would draw the numbers that fits with the next few seeds start with.
SEED_STEP = 7919
# Products of fewer multiplications are computed on one thread: half of such a product
# takes no longer than one thread may wait for another.
SHARED_MULTIPLICATIONS = 2**24


class Stream(IntEnum):
    """The streams of random numbers that one `random_state` seeds.

    Numbers that are drawn from different streams are independent. A stream of its own
    also differs from ``numpy.random.default_rng(random_state)``, which a user may have
    drawn from with the same seed, for instance to delete the cells that are imputed.
    """

    # Cells of the table that the imputer hides from training.
    HIDDEN_CELLS = 7919
    # Rows that the detector sets aside for calibration or compares others with.
    DETECTOR_ROWS = 6007


def draw_seed(random_state):
    """Return a seed below 2**32.

    `None` takes one from the operating system: scikit-learn would draw it from NumPy's
    global state, which has to stay as it was found. Processes that fit together take
    that of the first one.
    """
    if random_state is None:
        return same(int(np.random.SeedSequence().generate_state(1)[0]))
    if isinstance(random_state, np.random.RandomState):
        return same(int(random_state.randint(2**32, dtype=np.uint32)))
    return int(random_state)


def make_generator(random_state, stream):
    """Return a NumPy generator of the numbers of one stream.

    Parameters
    ----------
    random_state : int, RandomState instance or None
    stream : Stream
    """
    return np.random.default_rng([draw_seed(random_state), int(stream)])


def draw_seed_from_torch():
    """Return a seed for a part of scikit-learn inside a seeded block."""
    return int(torch.randint(2**32, ()))


@cache
def _thread_pools():
    """Return the thread pools of NumPy and SciPy; finding them takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def seeded(seed, device, *, one_thread):
    """Seed torch's global generators for a block, and leave them as they were found.

    Weights, shuffling, noise and the user's own torch modules draw from torch's global
    generators, so only one block runs at a time. Those of NumPy and Python are not
    touched: other threads may draw from them at any time.

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
    with generators.held(device):
        # torch.manual_seed would also seed a GPU that is first used later.
        torch.default_generator.manual_seed(seed)
        if device.type != "cpu":
            module = torch.get_device_module(device)
            getattr(module, "manual_seed_all", module.manual_seed)(seed)
        n_threads = torch.get_num_threads()
        # The threads of the parent are not there in a forked child.
        one_thread = one_thread or is_forked()
        try:
            with _thread_pools().limit(limits=1 if one_thread else None):
                torch.set_num_threads(1 if one_thread else n_threads)
                yield
        finally:
            torch.set_num_threads(n_threads)


def seeded_for(random_state, device, *, seed=None, n_epochs=0):
    """Return `seeded` as an estimator with a parameter `random_state` needs it.

    With `random_state=None` nobody can repeat the results, and several threads are
    faster.

    Parameters
    ----------
    random_state : int, RandomState instance or None
    device : torch.device
        Device that the block computes on.
    seed : int, default=None
        Seed that was drawn from `random_state` before. `None` draws it.
    n_epochs : int, default=0
        Number of epochs before the block: training that goes on does not draw the same
        numbers again.

    Returns
    -------
    scope : context manager
    """
    if seed is None:
        seed = draw_seed(random_state)
    seed = (seed + SEED_STEP * n_epochs) % 2**32
    one_thread = random_state is not None and device.type == "cpu"
    return seeded(seed, device, one_thread=one_thread)


@contextmanager
def threads_for(n_multiplications):
    """Compute a block on one CPU thread if its products are too small to be shared.

    The threads of a product wait for one another. Where other processes keep a core
    busy, that takes many times as long as a small product.

    Parameters
    ----------
    n_multiplications : float
        Those in the largest product of the block.
    """
    n_threads = torch.get_num_threads()
    try:
        if n_multiplications < SHARED_MULTIPLICATIONS and n_threads > 1:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(n_threads)


def _read_random_state(state):
    random = np.random.RandomState(0)
    random.set_state(state)
    return random


describe_as(
    np.random.RandomState,
    lambda value, writer: {"state": value.get_state(legacy=True)},
    lambda fields: _read_random_state(fields.value("state")),
)
