"""Processes that fit one estimator together, each on its share of every batch.

Inside `distributed.collective` all processes do the same: they check the same rows,
learn the same scale and draw the same random numbers. Only the pass of a batch through
the network is shared out. Each process sends the rows of its share through the layers;
the outputs are gathered, so that each computes the loss of the whole batch, whatever it
is made of; and the gradients are averaged. So weights are those of one process up to
rounding, and equal on all.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

from sklearn_ae._compat import default_store

# Seconds between two looks at whether another process has failed.
LOOK_AFTER = 0.2
# Seconds that a process waits for the others to notice that it leaves.
FAREWELL = 10.0
# Random numbers by which the streams of two processes differ in layers that draw.
STRIDE = 997
# What another process may have raised that is raised here as the same.
ERRORS = {error.__name__: error for error in (ValueError, TypeError, OSError)}


class OtherProcessFailed(RuntimeError):
    """Another process of a collective fit has failed, or is gone."""


class Processes:
    """The processes of a collective block.

    Parameters
    ----------
    control : ProcessGroup
        Of gloo, for tensors on the CPU.
    accelerated : ProcessGroup or None
        For tensors on GPUs.
    """

    def __init__(self, control: Any, accelerated: Any) -> None:
        self.control, self.accelerated = control, accelerated
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self.weight = _weight(self.rank, self.size)
        """How much gradients of this process count in the mean over all of them."""
        self.store: Any = default_store()
        self.is_fitting = False
        self.is_broken = False
        self.layers_draw = False
        """Whether layers, such as those with dropout, draw random numbers."""
        self.share: slice | None = None
        self.n_rows = 0
        self._owner = os.getpid(), threading.get_ident()
        self._name = f"sklearn_ae/{self.store.add('sklearn_ae/blocks', 1)}"
        self._name = self.exchange(self._name)[0]

    def is_here(self) -> bool:
        """Whether this is the thread of the process that entered the block."""
        return self._owner == (os.getpid(), threading.get_ident())

    # Waiting, and failing together.

    def wait(self, work: Any) -> None:
        """Wait for an exchange, unless another process fails meanwhile.

        Raises
        ------
        Exception
            What the other one has raised, or `OtherProcessFailed`.
        """
        start = looked = time.monotonic()
        while not work.is_completed():
            now = time.monotonic()
            # An exchange takes a fraction of a millisecond, if nobody is late.
            time.sleep(
                0 if now - start < 0.001 else 0.0002 if now - start < 1 else 0.01
            )
            if now - looked > LOOK_AFTER:
                self._look(work)
                looked = now
        try:
            work.wait()
        except RuntimeError as error:
            self.is_broken = True
            time.sleep(LOOK_AFTER)
            self._raise_failure()
            raise OtherProcessFailed(
                f"Another process of collective() is gone: {error}"
            ) from error

    def _look(self, work: Any) -> None:
        """Raise the failure of another process, if there is one."""
        self._raise_failure()
        if self._asks(lambda: self.store.check([f"{self._name}/left"])):
            # It may have left after all it had to do.
            time.sleep(LOOK_AFTER)
            if not work.is_completed():
                self.is_broken = True
                raise OtherProcessFailed(
                    "Another process has left collective() while this one was in a "
                    "fit. All of them must make the same calls."
                )

    def _asks(self, question: Callable[[], Any]) -> Any:
        """Return the answer of the store; it is gone with the process that holds it."""
        try:
            return question()
        except RuntimeError as error:
            self.is_broken = True
            raise OtherProcessFailed(
                f"The first process of collective() is gone: {error}"
            ) from error

    def _raise_failure(self) -> None:
        key = f"{self._name}/failed"
        if not self._asks(lambda: self.store.check([key])):
            return
        rank, name, message = json.loads(self._asks(lambda: self.store.get(key)))
        self.is_broken = True
        self._asks(lambda: self.store.add(f"{self._name}/seen", 1))
        text = f"Process {rank} of {self.size} failed: {message}"
        if name in ERRORS:
            raise ERRORS[name](text)
        raise OtherProcessFailed(
            f"Process {rank} of {self.size} failed: {name}: {message}"
        )

    def fail(self, error: BaseException) -> None:
        """Tell the others, and wait until they know."""
        if self.is_broken:
            return
        self.is_broken = True
        try:
            failure = json.dumps([self.rank, type(error).__name__, str(error)])
            self.store.set(f"{self._name}/failed", failure)
            end = time.monotonic() + FAREWELL
            while time.monotonic() < end:
                if self.store.add(f"{self._name}/seen", 0) >= self.size - 1:
                    break
                time.sleep(0.05)
        except RuntimeError:
            # The store is gone with its process, and the others will notice.
            pass

    def leave(self) -> None:
        """Tell the others that this process makes no more calls."""
        try:
            self.store.set(f"{self._name}/left", "")
            n_left = self.store.add(f"{self._name}/n_left", 1)
            end = time.monotonic() + (1.0 if self.is_broken else FAREWELL)
            while n_left < self.size and time.monotonic() < end:
                time.sleep(0.02)
                n_left = self.store.add(f"{self._name}/n_left", 0)
        except RuntimeError:
            # The process that holds the store has left for good.
            pass

    # Exchanges of small objects.

    def exchange(self, value: Any) -> list[Any]:
        """Return the values of all processes, which JSON can write."""
        data = torch.frombuffer(
            bytearray(json.dumps(value).encode()), dtype=torch.uint8
        )
        lengths = self._gather(torch.tensor([len(data)]))
        longest = int(max(lengths))
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(data)] = data
        parts = self._gather(padded)
        return [
            json.loads(part[: int(length)].numpy().tobytes())
            for part, length in zip(parts, lengths, strict=True)
        ]

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        self.wait(
            distributed.all_gather(parts, tensor, group=self.control, async_op=True)
        )
        return parts

    def same(self, value: Any) -> Any:
        """Return the value of the first process."""
        return self.exchange(value)[0]

    def agree(self, what: str, value: Any) -> None:
        """Refuse values that differ between processes.

        Parameters
        ----------
        what : str
            What the value is, for the message.
        value : object
        """
        values = self.exchange(value)
        for rank, other in enumerate(values):
            if other != values[0]:
                first = values[0]
                if isinstance(first, dict):
                    names = [n for n in first if first[n] != other.get(n)]
                    first, other = (
                        {n: v.get(n) for n in names} for v in (first, other)
                    )
                raise ValueError(
                    "All processes of collective() must make the same calls with the "
                    f"same arguments. {what} of process {rank} differ from those of "
                    f"process 0: {other} instead of {first}."
                )

    # Exchanges of tensors.

    def _sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        group = self.control if tensor.device.type == "cpu" else self.accelerated
        self.wait(distributed.all_reduce(tensor, group=group, async_op=True))
        return tensor

    @torch.no_grad()
    def set_same(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors the values that they have in the first process."""
        for tensor in tensors:
            own = tensor if self.rank == 0 else torch.zeros_like(tensor)
            is_bool = tensor.dtype == torch.bool
            own = own.to(torch.uint8) if is_bool else own.contiguous().clone()
            tensor.copy_(self._sum(own).to(tensor.dtype))

    def own(self, X: Tensor) -> Tensor:
        """Return the rows of a batch that this process has, which may be none."""
        return X[self._slice(len(X))]

    def _slice(self, n_rows: int) -> slice:
        start, stop = (n_rows * r // self.size for r in (self.rank, self.rank + 1))
        return slice(start, stop)

    def gather(self, own: Tensor, n_rows: int) -> Tensor:
        """Return the rows of all processes."""
        whole = own.new_zeros(n_rows, *own.shape[1:])
        whole[self._slice(n_rows)] = own
        return self._sum(whole)

    @torch.no_grad()
    def average_gradients(self, weights: Iterable[Tensor]) -> None:
        """Average the gradients over all processes.

        Those of what only one process has sent through the layers are divided by its
        weight before; those of what all have computed are equal.
        """
        gradients = [w.grad for w in weights if w.grad is not None]
        if not gradients:
            return
        joined = torch.cat([gradient.reshape(-1) for gradient in gradients])
        joined = self._sum(joined * self.weight)
        parts = joined.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def in_shares(self, function: Callable[[Tensor], Any], X: Tensor) -> Any:
        """Return a function of all rows, of which this process computes its share."""
        n_rows, part = len(X), self._slice(len(X))
        is_empty = part.start == part.stop
        # Layers may not know what to do with no row at all.
        rows = slice(0, 1) if is_empty else part
        before = _generator_states(X.device)
        if self.layers_draw:
            torch.rand(STRIDE * self.rank, device=X.device)
        self.share, self.n_rows, self._states = rows, n_rows, before
        try:
            out = function(X[rows])
        finally:
            self.share = None
        self._align_generators(X.device)
        if isinstance(out, tuple):
            return tuple(_Gathered.apply(o[:0] if is_empty else o, n_rows) for o in out)
        return _Gathered.apply(out[:0] if is_empty else out, n_rows)

    def randn(self, X: Tensor) -> Tensor:
        """Return normal numbers for the rows of this process, drawn for all of them."""
        self._align_generators(X.device)
        drawn = torch.randn(self.n_rows, *X.shape[1:], dtype=X.dtype, device=X.device)
        self._states = _generator_states(X.device)
        return drawn[self.share]

    def _align_generators(self, device: torch.device) -> None:
        """Set back what layers have drawn, for a number of rows that differs."""
        states = _generator_states(device)
        if all(map(torch.equal, states, self._states)):
            return
        self.layers_draw = True
        torch.set_rng_state(self._states[0])
        if device.type != "cpu":
            torch.get_device_module(device).set_rng_state(self._states[1], device)
        # The same numbers shall not come again.
        torch.rand((), device=device)
        self._states = _generator_states(device)


class _Gathered(torch.autograd.Function):
    """The rows of all processes; the gradient is that of the rows of this one."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, n_rows: int) -> Tensor:
        ctx.n_rows = n_rows
        together = here()
        assert together is not None
        ctx.together = together
        return together.gather(own, n_rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return ctx.together.own(gradient) / ctx.together.weight, None


def _weight(rank: int, size: int) -> float:
    """Return the weight of a process: powers of 2, which sum up to 1 over all of them.

    So multiplying by them rounds nothing. A gradient that is zero but for rounding may
    otherwise get another sign, which Adam's first steps turn into another direction.
    """
    power: int = 2 ** (size.bit_length() - 1)
    return 1 / power if rank >= 2 * (size - power) else 1 / (2 * power)


def _generator_states(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state(device))
    return states


_entered: Processes | None = None


def entered() -> Processes | None:
    """Return the processes of the block that this thread is in, if it is in one."""
    return _entered if _entered is not None and _entered.is_here() else None


def here() -> Processes | None:
    """Return the processes that fit together right now, if there are some."""
    processes = entered()
    return processes if processes is not None and processes.is_fitting else None


def is_first() -> bool:
    """Whether this process is the one that shows progress and writes files."""
    processes = entered()
    return processes is None or processes.rank == 0


def in_shares(function: Callable[[Tensor], Any], X: Tensor) -> Any:
    """Return a function of the rows of a batch, shared out if processes fit together.

    Parameters
    ----------
    function : callable
        Returns a tensor, or a tuple of tensors, with one row for each row of X.
    X : Tensor of shape (n_rows, ...)
    """
    processes = here()
    return function(X) if processes is None else processes.in_shares(function, X)


def randn_rows(X: Tensor) -> Tensor:
    """Return normal numbers of the shape of X, those of one process if shared out."""
    processes = here()
    if processes is None or processes.share is None:
        return torch.randn_like(X)
    return processes.randn(X)


def same(value: Any) -> Any:
    """Return the value of the first process that fits, if several do so together."""
    processes = here()
    return value if processes is None else processes.same(value)


@contextmanager
def fitting_together(estimator: Any) -> Iterator[None]:
    """Let a fit succeed or fail on all processes, if it is in a collective block.

    Parameters
    ----------
    estimator : estimator
        Its class and its parameters must be the same on all.
    """
    processes = entered()
    if processes is None or processes.is_fitting:
        yield
        return
    if processes.is_broken:
        raise OtherProcessFailed(
            "A fit in this collective() has failed. Leave it, and enter another one."
        )
    processes.is_fitting = True
    try:
        for name, value in _describe(estimator).items():
            processes.agree(name, value)
        yield
        processes.agree("Calls", type(estimator).__name__)
    except BaseException as error:
        processes.fail(error)
        raise
    finally:
        processes.is_fitting = False


def _describe(estimator: Any) -> dict[str, Any]:
    """Return what is to be the same in all processes, with its name for messages."""
    params = estimator.get_params(deep=False)
    others = {"callbacks", "net_params", "random_state", "verbose", "device"}
    texts = {name: repr(params[name]) for name in sorted({*params} - others)}
    # The address of an object differs.
    texts = {name: text for name, text in texts.items() if " at 0x" not in text}
    return {"Calls": type(estimator).__name__, "Parameters": texts}


@contextmanager
def entering(processes: Processes) -> Iterator[None]:
    """Let the `fit` inside be one of these processes together."""
    global _entered
    before, _entered = _entered, processes
    try:
        yield
    except BaseException as error:
        processes.fail(error)
        raise
    finally:
        _entered = before
        processes.leave()


def local_index(n_devices: int) -> int | None:
    """Return the index of the device of this process among those of the machine."""
    processes = entered()
    if processes is None or not n_devices:
        return None
    return int(os.environ.get("LOCAL_RANK", processes.rank)) % n_devices
