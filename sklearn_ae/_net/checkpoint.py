"""Checkpoints: what a training needs to go on, bit for bit, where it was killed."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.history import History
from torch import Tensor

from sklearn_ae._collective import here, is_first
from sklearn_ae._seeding import draw_seed
from sklearn_ae._tables.rows import checksum

# Parameters that do not change what is learnt.
HARMLESS = ("callbacks", "verbose", "device")
FILE_NAME = "checkpoint.pt"
# Types that can be written without pickle, besides tensors and what holds these.
PLAIN = (bool, int, float, str)


class Checkpoint(Callback):
    """Write what training needs to go on after each epoch, and go on from there.

    A callback for :class:`~sklearn_ae.AutoencoderTransformer`. If the folder holds the
    checkpoint of a `fit` that was killed, the same `fit` goes on after the last epoch
    that was completed, and ends with the weights of one that was not disturbed. The
    checkpoint of a `fit` with other rows or parameters is refused.

    Parameters
    ----------
    folder : str or path-like
        Where to write; it is made if it is not there. Processes that fit together
        need the same one, which the first of them writes.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.distributed import Checkpoint
    >>> X, _ = load_digits(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ae = AutoencoderTransformer(16, callbacks=[Checkpoint(folder)])
    ...     ae = ae.set_params(max_epochs=2, random_state=0).fit(X)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder

    def begin(self, params: Mapping[str, Any]) -> int:
        """Read the checkpoint that is there, and return the seed of the training.

        Parameters
        ----------
        params : mapping
            ``get_params(deep=False)`` of the estimator.

        Returns
        -------
        seed : int
            Seed of the training.
        """
        texts = {n: repr(params[n]) for n in params if n not in HARMLESS}
        self._params = {n: text for n, text in texts.items() if " at 0x" not in text}
        self._saved = self._read()
        if self._saved is None:
            self._seed = draw_seed(params["random_state"])
        else:
            self._compare("parameters", self._params, self._saved["params"])
            self._seed = self._saved["seed"]
        return self._seed

    def end(self) -> None:
        """Forget the training: later epochs of `partial_fit` are no part of it."""
        for name in ("_params", "_saved", "_seed", "_rows"):
            self.__dict__.pop(name, None)

    @property
    def _path(self) -> Path:
        return Path(self.folder, FILE_NAME)

    def _read(self) -> dict[str, Any] | None:
        data = self._path.read_bytes() if self._path.exists() else b""
        processes = here()
        if processes is not None:
            processes.agree("Checkpoints", crc32(data))
        if not data:
            return None
        try:
            saved: dict[str, Any] = torch.load(
                io.BytesIO(data), map_location="cpu", weights_only=True
            )
        except Exception as error:
            raise ValueError(
                f"{str(self._path)!r} is no checkpoint: {error}"
            ) from error
        return saved

    def _compare(
        self, what: str, now: Mapping[str, Any], then: Mapping[str, Any]
    ) -> None:
        """Refuse the checkpoint of another fit."""
        names = [n for n in {**then, **now} if now.get(n) != then.get(n)]
        if names:
            raise ValueError(
                f"The folder {str(self.folder)!r} holds the checkpoint of a fit with "
                f"other {what}, {names}: give this fit another folder, or empty it."
            )

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Go on from the checkpoint, if there is one.

        Parameters
        ----------
        net : NeuralNet
        X : pair of rows
            Rows to train on and to validate on.
        y : None
        **kwargs : dict
            Ignored.
        """
        if not hasattr(self, "_seed"):
            return
        self._rows = {
            "rows": [checksum(rows) for rows in X if rows is not None],
            "weights at the start": _crc(net.module_.state_dict().values()),
        }
        if self._saved is not None:
            self._compare("rows", self._rows, self._saved["rows"])
            _restore(net, self._saved)
        self._saved = None

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write a checkpoint, which takes the place of the last one at once.

        Parameters
        ----------
        net : NeuralNet
        **kwargs : dict
            Ignored.
        """
        if not hasattr(self, "_rows") or not is_first():
            return
        state = {
            "params": self._params,
            "seed": self._seed,
            "rows": self._rows,
            **_state(net),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".tmp")
        with open(unfinished, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self._path)


@contextmanager
def resuming(params: Mapping[str, Any]) -> Iterator[int | None]:
    """Let a training go on from the checkpoint among its callbacks, if there is one.

    Parameters
    ----------
    params : mapping
        ``get_params(deep=False)`` of the estimator.

    Yields
    ------
    seed : int or None
        Seed of the training; `None` if no callback is a checkpoint.
    """
    items = params["callbacks"] or []
    callbacks = [item[1] if isinstance(item, tuple) else item for item in items]
    found = [callback for callback in callbacks if isinstance(callback, Checkpoint)]
    if not found:
        yield None
        return
    try:
        yield found[0].begin(params)
    finally:
        found[0].end()


def _crc(tensors: Any) -> int:
    total = 0
    for tensor in tensors:
        total = crc32(tensor.cpu().contiguous().numpy().tobytes(), total)
    return total


def _state(net: Any) -> dict[str, Any]:
    """Return what a training needs to go on after an epoch."""
    device = torch.device(net.device)
    generators = [torch.get_rng_state()]
    if device.type != "cpu":
        generators.append(torch.get_device_module(device).get_rng_state(device))
    return {
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "annealing": getattr(net.module_.latent, "annealing", None),
        "generators": generators,
        "history": json.dumps(net.history.to_list(), default=float),
        "callbacks": {name: _state_of(callback) for name, callback in net.callbacks_},
    }


def _restore(net: Any, saved: dict[str, Any]) -> None:
    """Let a net that is about to train go on where another one was."""
    n_before = len(net.history)
    net.module_.load_state_dict(saved["module"])
    net.criterion_.load_state_dict(saved["criterion"])
    net.optimizer_.load_state_dict(saved["optimizer"])
    net.history_ = History(json.loads(saved["history"]))
    net.n_epochs_done_ = len(net.history) - n_before
    for name, callback in net.callbacks_:
        for attribute, value in saved["callbacks"].get(name, {}).items():
            part: Any = getattr(callback, attribute, None)
            if hasattr(part, "load_state_dict"):
                part.load_state_dict(value)
            else:
                setattr(callback, attribute, value)
    if saved["annealing"] is not None:
        net.module_.latent.annealing = saved["annealing"]
    device = torch.device(net.device)
    torch.set_rng_state(saved["generators"][0])
    if device.type != "cpu":
        module = torch.get_device_module(device)
        module.set_rng_state(saved["generators"][1], device)


def _state_of(callback: Callback) -> dict[str, Any]:
    """Return what a callback has learnt: attributes that end in an underscore."""
    state = {}
    for name, value in vars(callback).items():
        if name.startswith("_") or not name.endswith("_"):
            continue
        if hasattr(value, "state_dict") and not isinstance(value, type):
            state[name] = value.state_dict()
        elif _is_plain(value):
            state[name] = value
    return state


def _is_plain(value: Any) -> bool:
    """Whether a value can be written without pickle."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    return value is None or isinstance(value, Tensor) or type(value) in PLAIN
