"""Isolation: global settings, forks and other threads change no result.

Every public method runs in `isolated`: it computes under settings of its own, whatever
those of scikit-learn, NumPy and torch are, and the user's are back when it returns.
While it runs, a fork of the process waits for a safe point.
"""

import os
import threading
from contextlib import ExitStack, contextmanager
from functools import wraps

import numpy as np
import torch
from sklearn import config_context, get_config
from tqdm.auto import tqdm

from sklearn_ae._compat import (
    Function,
    _has_usual_errors,
    _is_any_autocast_enabled,
    _len_torch_function_stack,
)

# Longest time, in seconds, that a fork waits for the threads that compute. One that
# waits for the forking thread in turn never gets to a safe point.
FORK_WAITS = 30.0
# Settings of scikit-learn that change what its parts inside an estimator do; older
# releases lack some.
SKLEARN_CONFIG = {
    name: value
    for name, value in {
        "array_api_dispatch": False,
        "assume_finite": False,
        "enable_metadata_routing": False,
        "sparse_interface": "spmatrix",
        "transform_output": "default",
    }.items()
    if name in get_config()
}
# The whole configuration, if nobody has changed any of it.
USUAL_CONFIG = get_config() | SKLEARN_CONFIG
# Where seeded blocks compute unless told otherwise.
CPU = torch.device("cpu")
# What NumPy does about floating-point errors unless told otherwise.
NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def isolated(function: Function) -> Function:
    """Let a public method compute under settings of its own, safe from forks."""

    @wraps(function)
    def isolated_function(*args, **kwargs):
        thread = threading.get_ident()
        if calls.is_running(thread):
            calls.safe_point()
            return function(*args, **kwargs)
        try:
            calls.start(thread)
            contexts = own_settings()
            if not contexts:
                return function(*args, **kwargs)
            with ExitStack() as stack:
                for context in contexts:
                    stack.enter_context(context)
                return function(*args, **kwargs)
        finally:
            calls.end(thread)

    return isolated_function


def own_settings():
    """Return the contexts that make global settings those of the library.

    Mostly there are none. Looking takes a few microseconds; a row is transformed in
    less than two hundred.
    """
    contexts = []
    config = get_config()
    if config != USUAL_CONFIG and config | SKLEARN_CONFIG != config:
        contexts.append(config_context(**SKLEARN_CONFIG))
    if not _has_usual_errors() and np.geterr() != NUMPY_ERRORS:
        contexts.append(np.errstate(**NUMPY_ERRORS))
    if torch.is_inference_mode_enabled():
        contexts.append(torch.inference_mode(False))
    if not torch.is_grad_enabled():
        contexts.append(torch.enable_grad())
    if _is_any_autocast_enabled():
        contexts += [torch.autocast(kind, enabled=False) for kind in ("cpu", "cuda")]
    # The default device is a mode of torch functions.
    if _len_torch_function_stack() and torch.get_default_device().type != "cpu":
        contexts.append(torch.device("cpu"))
    if float32.is_needed():
        contexts.append(float32.default())
    return contexts


class Float32:
    """The default dtype of torch is float32 while any thread needs it.

    All threads share this setting: the first one that needs another changes it, and the
    last one sets it back.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._n_threads = 0
        self._found = torch.float32

    def is_needed(self):
        """Whether it is something else, or will be when other threads are done."""
        return self._n_threads > 0 or torch.get_default_dtype() != torch.float32

    @contextmanager
    def default(self):
        """Make it the default dtype for a block."""
        with self._lock:
            if self._n_threads == 0:
                self._found = torch.get_default_dtype()
            self._n_threads += 1
            torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            with self._lock:
                self._n_threads -= 1
                if self._n_threads == 0:
                    torch.set_default_dtype(self._found)

    def after_fork(self, is_running):
        """Set it back in a child, where other threads are gone."""
        self._lock = threading.Lock()
        if self._n_threads and not is_running:
            torch.set_default_dtype(self._found)
        self._n_threads = int(self._n_threads > 0 and is_running)


class Generators:
    """torch's global generators, which one thread holds at a time."""

    def __init__(self):
        self._lock = threading.RLock()
        self._thread = None
        self._found = None

    @contextmanager
    def held(self, device=CPU):
        """Let no other thread draw from them, and leave them as they were found.

        Parameters
        ----------
        device : torch.device, default=cpu
            Device that the block computes on.
        """
        with self._locked(), fork_rng(device):
            is_outermost = self._thread is None
            if is_outermost:
                self._found = torch.get_rng_state()
                self._thread = threading.get_ident()
            try:
                yield
            finally:
                if is_outermost:
                    self._thread = None

    @contextmanager
    def _locked(self):
        lock = self._lock
        if not lock.acquire(blocking=False):
            with calls.paused():
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def after_fork(self):
        """Give a child, where other threads are gone, the generators as found."""
        if self._thread is not None and self._thread != threading.get_ident():
            torch.set_rng_state(self._found)
            self._thread = None
        self._lock = threading.RLock()


def fork_rng(device):
    """Return a context that leaves torch's generators as they were found."""
    kind, devices = "cuda", ()
    # fork_rng does not know the one generator of an Apple GPU.
    if device.type not in ("cpu", "mps"):
        kind = device.type
        devices = range(torch.get_device_module(device).device_count())
    return torch.random.fork_rng(devices=devices, device_type=kind)


class Calls:
    """Calls of public methods that are running, for a fork to wait until none is.

    A fork copies the locks that other threads hold, those inside torch included, and
    nobody in the child releases them. So it waits until all threads that compute are at
    a safe point, between two batches, and keeps them there.
    """

    def __init__(self):
        self._condition = threading.Condition()
        self._running = set()
        self._n_forks = 0
        self._forking = threading.local()
        self._is_broken = False

    def is_running(self, thread):
        """Whether a thread is inside a public method."""
        return thread in self._running

    def start(self, thread):
        """Note that a thread computes, once no process is being forked.

        Raises
        ------
        RuntimeError
            In a child that was forked while a thread was computing.
        """
        if self._is_broken:
            raise RuntimeError(
                "This process was forked while another thread of its parent was inside "
                "sklearn_ae, and might wait for that thread forever. Fork before or "
                "after, or start processes by spawn, forkserver or joblib's loky."
            )
        self._running.add(thread)
        # Noted first: a fork that begins now waits for this thread.
        while self._n_forks:
            self.end(thread)
            with self._condition:
                self._condition.wait_for(lambda: not self._n_forks)
            self._running.add(thread)

    def end(self, thread):
        """Note that a thread does not compute any more."""
        self._running.discard(thread)
        if self._n_forks:
            with self._condition:
                self._condition.notify_all()

    def safe_point(self):
        """Let another thread fork now, if it waits to."""
        if self._n_forks:
            with self.paused():
                pass

    @contextmanager
    def paused(self):
        """Let other threads fork during a block that only waits."""
        thread = threading.get_ident()
        was_running = thread in self._running
        self.end(thread)
        try:
            yield
        finally:
            if was_running:
                self.start(thread)

    def before_fork(self):
        """Wait until no other thread computes."""
        thread = threading.get_ident()
        self._forking.was_running = thread in self._running
        self._forking.is_safe = False
        with self._condition:
            self._n_forks += 1
            # Two threads that fork from within a method do not wait for one another.
            self._running.discard(thread)
            self._condition.notify_all()
            self._forking.is_safe = self._condition.wait_for(
                lambda: not self._running, FORK_WAITS
            )

    def after_fork_in_parent(self):
        """Let the others go on."""
        with self._condition:
            self._n_forks -= 1
            if self._forking.was_running:
                self._running.add(threading.get_ident())
            self._condition.notify_all()

    def after_fork_in_child(self):
        """Forget the others, which are gone.

        Returns
        -------
        was_running : bool
            Whether the one thread left is inside a public method.
        """
        was_running = self._forking.was_running
        self._condition = threading.Condition()
        self._running = {threading.get_ident()} if was_running else set()
        self._n_forks = 0
        self._is_broken = not self._forking.is_safe
        return was_running


calls = Calls()
float32 = Float32()
generators = Generators()
_forked = False


def is_forked():
    """Whether this process is a forked child, without the threads of its parent."""
    return _forked


def _make_child_usable():
    """Do without the threads of the parent, and without the locks that they held."""
    global _forked
    _forked = True
    was_running = calls.after_fork_in_child()
    float32.after_fork(was_running)
    generators.after_fork()
    # OpenMP would wait for the threads of the parent, which are gone.
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())


# Windows has no forks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=calls.before_fork,
        after_in_parent=calls.after_fork_in_parent,
        after_in_child=_make_child_usable,
    )
