"""Tables larger than memory, and more than one process.

Wherever a table goes in, a source goes in, too: a :class:`pyarrow.dataset.Dataset` or a
:class:`polars.LazyFrame`, whose files are scanned and never held whole. Here is what
writes what an estimator says about its rows to files, lets several processes fit
together, lets a long training go on where it was killed, and applies an estimator to
the partitions of a Dask frame.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import torch
from sklearn.utils.validation import check_is_fitted
from torch import distributed as torch_group

from sklearn_ae._collective import (
    Processes,
    entered,
    entering,
    fitting_together,
    here,
    is_first,
)
from sklearn_ae._compat import did_you_mean
from sklearn_ae._net.checkpoint import Checkpoint
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.results import as_frame, finish, write_results
from sklearn_ae._tables.sources import SourceTable

__all__ = ["collective", "write_parquet", "map_partitions", "Checkpoint"]

# Most rows of a part, unless a row group of the source has more.
PART_ROWS = 2**18
# Longest wait for another process that is alive: it may read a large file.
PATIENCE = timedelta(days=2)
# Names that begin so are left out when a folder is read as a data set.
DESCRIPTION = "_parts.json"


@contextmanager
def collective() -> Iterator[None]:
    """Let every `fit` inside train on several processes together.

    Each process makes the same calls with the same arguments. Batches are shared out
    among them; `batch_size` stays the number of rows of all of them together. In the
    end all have the same weights: those that one process would have, up to rounding and
    what training makes of it. In one process nothing changes.

    It joins the process group of :mod:`torch.distributed` that exists, or makes one
    from the environment variables that launchers such as ``torchrun`` set, and leaves
    what it made.

    Yields
    ------
    None

    Raises
    ------
    RuntimeError
        From a `fit`, if another process is gone. If one of them raises an error, the
        others raise it, too.

    Examples
    --------
    In a script that ``torchrun --nproc-per-node=4 script.py`` starts:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.distributed import collective
    >>> X, _ = load_digits(return_X_y=True)
    >>> ae = AutoencoderTransformer(16, max_epochs=2, random_state=0)
    >>> with collective():
    ...     Z = ae.fit(X).transform(X)
    >>> Z.shape
    (1797, 16)
    """
    if entered() is not None or not (torch_group.is_initialized() or _is_launched()):
        yield
        return
    control, accelerated = _make_groups()
    try:
        with entering(Processes(control, accelerated)):
            yield
    finally:
        # All of them, if it is the group that was made here.
        for group in {control, accelerated} - {None}:
            if torch_group.is_initialized():
                torch_group.destroy_process_group(group)


def _is_launched() -> bool:
    """Whether a launcher has started several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _make_groups() -> tuple[Any, Any]:
    """Return groups of processes for tensors on the CPU, and on GPUs or None."""
    accelerated = torch.cuda.is_available() and torch_group.is_nccl_available()
    if torch_group.is_initialized():
        control = torch_group.new_group(backend="gloo", timeout=PATIENCE)
        return control, torch_group.new_group(backend="nccl") if accelerated else None
    store, rank, size = _store()
    torch_group.init_process_group(
        "cpu:gloo,cuda:nccl" if accelerated else "gloo",
        store=torch_group.PrefixStore(_meet(store, rank, size), store),
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    return torch_group.group.WORLD, torch_group.group.WORLD if accelerated else None


def _meet(store: Any, rank: int, size: int) -> str:
    """Return a name for a part of the store that no others have written to.

    A launcher keeps its store when it starts the processes again: they would find the
    addresses of those that are gone. The first process writes a new name; the others
    may read an old one, until they find themselves among those that came to it.
    """
    own, first = uuid4().hex, "sklearn_ae/first"
    if rank == 0:
        store.set(first, own)
        others = [store.get(f"{own}/{other}").decode() for other in range(1, size)]
        store.set(f"{own}/others", " ".join(others))
        return own
    while True:
        name: str = store.get(first).decode()
        store.set(f"{name}/{rank}", own)
        others_key = f"{name}/others"
        if store.check([others_key]) and own in store.get(others_key).decode():
            return name
        time.sleep(0.02)


@cache
def _store() -> tuple[Any, int, int]:
    """Return the store through which processes meet, kept until the process ends."""
    store, rank, size = next(torch_group.rendezvous("env://"))
    store.set_timeout(PATIENCE)
    return store, rank, size


def write_parquet(
    estimator: Any,
    source: Any,
    to: str | os.PathLike[str],
    *,
    method: str = "transform",
    keys: str | Sequence[str] = (),
) -> None:
    """Write what a method of an estimator returns for all rows of a source.

    The folder gets Parquet files of some hundred thousand rows, which together have the
    order of the source. Each is there as a whole or not at all. A call that was
    interrupted goes on with the parts that are not there yet when it is made again.
    Within :func:`collective`, each process writes some of the parts.

    Parameters
    ----------
    estimator : estimator of this package
        Fitted.
    source : pyarrow.dataset.Dataset or polars.LazyFrame
        Its rows; columns that were not in `fit` are not read.
    to : str or path-like
        Folder to write to; it is made if it is not there.
    method : str, default="transform"
        Name of a method that takes rows, such as "score_samples" or "predict". Results
        with one number for each row are in a column of the name of the method.
    keys : str or sequence of str, default=()
        Columns of the source that come first in the files, to tell the rows by.

    Raises
    ------
    TypeError
        If `source` is no source.
    ValueError
        If the folder holds the parts of another call, or `keys` names no columns.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import polars as pl
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.distributed import write_parquet
    >>> columns = {"id": range(100), "a": np.arange(100.0), "b": [1, 2] * 50}
    >>> rows = pl.LazyFrame(columns)
    >>> ae = AutoencoderTransformer(1, max_epochs=1, random_state=0)
    >>> ae = ae.fit(rows.select("a", "b"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_parquet(ae, rows, folder, method="score_samples", keys=["id"])
    ...     pl.read_parquet(f"{folder}/*.parquet").columns
    ['id', 'score_samples']
    """
    check_is_fitted(estimator)
    table = as_table(source)
    if not isinstance(table, SourceTable):
        raise TypeError(
            "write_parquet takes a pyarrow.dataset.Dataset or a polars.LazyFrame. Got "
            f"{type(source).__name__}."
        )
    keys = [keys] if isinstance(keys, str) else keys
    absent = [key for key in keys if key not in table.columns]
    if absent:
        raise ValueError(
            f"keys names the columns {absent}, which are not in the source."
            + did_you_mean(absent[0], table.columns)
        )
    apply = getattr(estimator, method)
    folder = Path(to)
    with fitting_together(estimator):
        folder.mkdir(parents=True, exist_ok=True)
        parts = table.split(PART_ROWS)
        _describe(folder, estimator, method, keys, [len(part) for part in parts])
        processes = here()
        first, step = (0, 1) if processes is None else (processes.rank, processes.size)
        for i in range(first, len(parts), step):
            path = folder / f"part-{i:05}.parquet"
            if not path.exists():
                names = _names(estimator, method)
                write_results(path, apply(parts[i]), names, method, parts[i], keys)


def map_partitions(estimator: Any, frame: Any, method: str = "transform") -> Any:
    """Apply a method of an estimator to each partition of a Dask frame.

    Nothing is computed yet. Dask computes a partition again whose worker is gone.

    Parameters
    ----------
    estimator : estimator
        Fitted; it goes to each worker once.
    frame : dask.dataframe.DataFrame
    method : str, default="transform"
        Name of a method that takes rows.

    Returns
    -------
    result : dask.dataframe.DataFrame or dask.dataframe.Series
        With the index of the frame. A series, named like the method, if it returns one
        number or label for each row.
    """
    import dask
    from dask.dataframe.utils import make_meta, meta_nonempty

    check_is_fitted(estimator)
    some = meta_nonempty(make_meta(frame))
    meta = _apply_to_partition(some, estimator, method)[:0]
    return frame.map_partitions(
        _apply_to_partition,
        dask.delayed(estimator, pure=True, traverse=False),
        method,
        meta,
        meta=meta,
    )


def _apply_to_partition(
    rows: Any, estimator: Any, method: str, empty: Any = None
) -> Any:
    """Return the results for a partition, which may have no rows."""
    if not len(rows) and empty is not None:
        return empty
    values = getattr(estimator, method)(rows)
    return as_frame(values, rows, _names(estimator, method), method)


def _names(estimator: Any, method: str) -> list[str] | None:
    """Return the names of the columns of a result, if the estimator knows them."""
    if method == "predict_proba":
        return [f"{method}_{label}" for label in estimator.classes_]
    if method == "transform" and hasattr(estimator, "get_feature_names_out"):
        return [str(name) for name in estimator.get_feature_names_out()]
    return None


def _describe(
    folder: Path, estimator: Any, method: str, keys: Sequence[str], sizes: list[int]
) -> None:
    """Write down what the parts in a folder are of; refuse those of another call."""
    text = json.dumps(
        {
            "estimator": type(estimator).__name__,
            "weights": _checksum(estimator),
            "method": method,
            "keys": list(keys),
            "rows": sizes,
        }
    )
    path = folder / DESCRIPTION
    processes = here()
    if processes is not None:
        processes.agree("Parts", text)
    if is_first() and not path.exists():
        if any(folder.glob("part-*.parquet")):
            raise ValueError(
                f"The folder {str(folder)!r} holds parts, and nothing tells what they "
                "are of. Give write_parquet an empty one."
            )
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(text, encoding="utf-8")
        finish(unfinished, path)
    if processes is not None:
        processes.agree("Parts", text)
    found = json.loads(path.read_text(encoding="utf-8"))
    differ = [name for name, value in json.loads(text).items() if found[name] != value]
    if differ:
        raise ValueError(
            f"The folder {str(folder)!r} holds parts of a call with other {differ}: "
            "give this one another folder, or empty it."
        )


def _checksum(estimator: Any) -> int:
    """Return a number that tells the weights of an estimator from those of others."""
    members: Iterable[Any] = getattr(estimator, "estimators_", [estimator])
    total = 0
    for member in members:
        for tensor in member.net_.module_.state_dict().values():
            total = crc32(tensor.cpu().contiguous().numpy().tobytes(), total)
    return total
