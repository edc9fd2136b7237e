"""Batches in pairs: of all rows, and of some that come again and again beside them."""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_ae._tables.rows import BatchIterator, Rows


class PairedRows(Dataset):
    """All rows, and some rows that come again and again beside them.

    Parameters
    ----------
    rows : Rows
        All rows, which come once an epoch.
    repeated : Rows
        Rows of which each batch has some, as often as it takes.
    """

    def __init__(self, rows: Rows, repeated: Rows) -> None:
        self.rows = rows
        self.repeated = repeated

    def __len__(self) -> int:
        return len(self.rows)


class PairedTargets(NamedTuple):
    """Weights and targets of a paired batch; both parts have `to`, as tensors do."""

    repeated: Any
    """Those of the repeated rows, which stand first in the batch."""
    rows: Any
    """Those of the rows behind them."""

    def to(self, device: torch.device | str) -> "PairedTargets":
        """Return both parts on a device."""
        return PairedTargets(self.repeated.to(device), self.rows.to(device))


class PairedIterator:
    """Iterate over batches of all rows, each behind a batch of the repeated ones.

    A batch is a pair ``(X, y)``, as everywhere in skorch: `X` has the repeated rows
    first, `y` is a :class:`PairedTargets`.

    Parameters
    ----------
    rows : PairedRows
    batch_size : int
        Largest number of rows, and of repeated rows, in a batch.
    shuffle : bool, default=False
    """

    def __init__(
        self, rows: PairedRows, batch_size: int, shuffle: bool = False
    ) -> None:
        self.batches = BatchIterator(rows.rows, batch_size, shuffle)
        self.repeated = BatchIterator(rows.repeated, batch_size, shuffle)

    def __iter__(self) -> Iterator[tuple[Tensor, PairedTargets]]:
        repeated = chain.from_iterable(repeat(self.repeated))
        for (X_repeated, y_repeated), (X, y) in zip(
            repeated, self.batches, strict=False
        ):
            yield torch.cat([X_repeated, X]), PairedTargets(y_repeated, y)
