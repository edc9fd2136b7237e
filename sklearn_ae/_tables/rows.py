"""Rows and batches of them, from arrays in memory, sparse matrices and mapped files.

Slicing whole batches from one tensor is several times faster than a loader that fetches
rows one by one. A batch is a tuple ``(X, y)``; ``y`` holds the weights of the rows, or
their weights and targets, and is `None` when there is neither.
"""

from copy import copy
from itertools import pairwise
from math import ceil
from zlib import crc32

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import Dataset

from sklearn_ae._collective import here
from sklearn_ae._tables.reading import is_mapped, release_pages
from sklearn_ae._tables.sampling import draw_in_steps

# Bytes of a block of neighbouring rows, as which a mapped file is read.
BLOCK_BYTES = 2**20
# Blocks, drawn from all over the file, whose rows are shuffled together.
BLOCKS_IN_MEMORY = 32
# Most rows of a table in which equal rows are merged: sorting more takes time.
MERGED_ROWS = 10_000
# Most cells of such a table.
MERGED_CELLS = 2**21
# Rows of a file that tell it from another one.
CHECKED_ROWS = 4_096
# A row that weighs more than a batch, divided by this, comes in parts.
MOST_PARTS = 8
# Rows that go through a network at once where nobody waits for them.
PART_ROWS = 4_096
# A mapped file is read whole if its rows take at most 256 MB as float32: joblib maps
# every array that it hands to its workers.
MAPPED_CELLS = 2**26


class Rows(Dataset):
    """Encoded rows held as one tensor, on the CPU or on the device.

    Parameters
    ----------
    X : Tensor of shape (n_stored, n_encoded), dtype=float32
    y : Tensor of shape (n_stored,) or (n_stored, 1 + n_targets), dtype=float32, \
            default=None
        Weights, or a column of weights and columns of targets.
    index : Tensor of shape (n_rows,), dtype=int32, default=None
        Positions of the rows to use, ascending; `None` uses all.
    copies : Tensor of shape (n_stored,), dtype=int64, default=None
        How many equal rows of the table each of them stands for; `None`: one.
    """

    def __init__(self, X, y=None, index=None, copies=None):
        self.X = X
        self.y = y
        self.index = index
        self.copies = copies

    @property
    def device(self):
        """Device of the rows."""
        return self.X.device

    @property
    def targets(self):
        """What is to be predicted, of shape (n_rows, n_targets)."""
        return (self.y if self.index is None else self.y[self.index])[:, 1:]

    @property
    def weight(self):
        """How much each row counts, of shape (n_rows,), or None: all alike."""
        if self.y is None:
            return None
        weight = self.y if self.y.ndim == 1 else self.y[:, 0]
        return weight if self.index is None else weight[self.index]

    @property
    def n_copies(self):
        """How many rows of the table each row stands for, of shape (n_rows,)."""
        if self.copies is None:
            return torch.ones(len(self), dtype=torch.int64)
        return self.copies if self.index is None else self.copies[self.index.cpu()]

    def __len__(self):
        return self.X.shape[0] if self.index is None else len(self.index)

    def __getitem__(self, indices):
        if self.index is not None:
            indices = self.index[indices]
        return self._take(indices), None if self.y is None else self.y[indices]

    def _take(self, indices):
        if isinstance(indices, slice):
            return self.X[indices]
        # Four times faster than X[indices], which handles every kind of index.
        return self.X.index_select(0, indices)

    def subset(self, indices):
        """Return some of the rows, without copying them."""
        indices = indices.to(self.device)
        chosen = copy(self)
        chosen.index = indices if self.index is None else self.index[indices]
        return chosen

    def with_targets(self, targets):
        """Return the rows with targets, without copying X.

        Parameters
        ----------
        targets : Tensor of shape (n_rows, n_targets)
        """
        weight = torch.ones(len(self)) if self.weight is None else self.weight
        y = torch.cat([weight[:, None], targets.to(weight)], dim=1).to(self.device)
        chosen = copy(self)
        chosen.y = y
        if self.index is not None:
            chosen.y = y.new_zeros(self.X.shape[0], y.shape[1])
            chosen.y[self.index] = y
        return chosen

    def take_shares(self, shares):
        """Return rows of which only a share of the weight is left, without copying X.

        Parameters
        ----------
        shares : Tensor of shape (n_rows,)
            From 0, where a row is left out, to 1.
        """
        chosen = (shares > 0).nonzero()[:, 0].int()
        part, shares = self.subset(chosen), shares[chosen]
        if (shares < 1).any():
            n_stored = self.X.shape[0]
            part.y = torch.ones(n_stored) if self.y is None else self.y.clone()
            weight = part.y if part.y.ndim == 1 else part.y[:, 0]
            weight[part.index] *= shares.to(weight)
            part.copies = torch.ones(n_stored, dtype=torch.int64)
            indices = part.index.cpu()
            left = self.n_copies[chosen] * shares
            part.copies[indices] = left.round().long().clamp(min=1)
        return part

    def split(self, fraction):
        """Return two parts, the second drawn at random.

        A row that stands for several equal ones is divided as these would be.

        Parameters
        ----------
        fraction : float
            Size of the second part. Both parts have a row if there are two.
        """
        n_copies = self.n_copies
        n_rows = int(n_copies.sum())
        n_valid = min(n_rows - 1, max(1, round(fraction * n_rows)))
        drawn = torch.randperm(n_rows, dtype=torch.int32)[:n_valid]
        if self.copies is not None:
            drawn = torch.searchsorted(n_copies.cumsum(0), drawn, right=True)
        return self._split(drawn)

    def split_stratified(self, fraction, are_classes):
        """Return two parts in which the first target is distributed alike.

        A row that stands for several equal ones is divided as these would be.

        Parameters
        ----------
        fraction : float
            Size of the second part.
        are_classes : bool
            Whether the first part has to have a row of each value.

        Returns
        -------
        rows, valid : Rows
            `valid` is empty if no row can be spared.
        """
        shuffled = torch.randperm(len(self))
        values, order = self.targets[shuffled, 0].cpu().sort(stable=True)
        shuffled = shuffled[order]
        n_copies = self.n_copies[shuffled]
        n_spare = n_copies.clone()
        n_spare[0] -= 1
        if are_classes:
            n_spare[1:] -= (values[1:] != values[:-1]).long()
        ends = n_spare.cumsum(0)
        n_all, n_valid = int(n_copies.sum()), int(ends[-1])
        n_valid = min(n_valid, max(1, round(fraction * n_all)))
        # Neighbours have the same or similar values: every so many of them is taken.
        drawn = torch.arange(n_valid, dtype=torch.float64) + torch.rand(())
        drawn = (drawn * (int(ends[-1]) / max(1, n_valid))).long()
        drawn = torch.searchsorted(ends, drawn.clamp_max(int(ends[-1]) - 1), right=True)
        return self._split(shuffled[drawn])

    def _split(self, indices):
        """Return the rows without a copy of one for each index, and these copies."""
        if self.copies is not None:
            share = torch.bincount(indices, minlength=len(self)) / self.n_copies
            return self.take_shares(1 - share), self.take_shares(share)
        # A mask and 32 bits: sorted 64-bit positions of many rows fill hundreds of MB.
        drawn = torch.zeros(len(self), dtype=torch.bool)
        drawn[indices.long()] = True
        parts = (part.nonzero()[:, 0].int() for part in (~drawn, drawn))
        return tuple(self.subset(part) for part in parts)

    def sample(self, n_rows):
        """Return at most `n_rows` rows as a tensor, and what comes with them."""
        drawn = self.draw(n_rows)
        return drawn.X, drawn.y

    def draw(self, n_rows):
        """Return at most `n_rows` rows in memory that stand for all of them.

        Those with weights are drawn as the equal rows that they stand for would be. One
        row is drawn at random in each of many steps, so that no order of rows is
        special and a mapped file is read in order.
        """
        if len(self) <= n_rows:
            return self._read(None, self.n_copies)
        shift = torch.rand(n_rows, dtype=torch.float64)
        if self.y is None:
            drawn = draw_in_steps(len(self), shift.numpy())
            return self._read(torch.from_numpy(drawn), None)
        ends = self.weight.cpu().double().cumsum(0)
        drawn = (torch.arange(n_rows) + shift) * (ends[-1] / n_rows)
        drawn = torch.searchsorted(ends, drawn, right=True)
        drawn, times = drawn.clamp_max(len(self) - 1).unique(return_counts=True)
        part = self._read(drawn, torch.minimum(times, self.n_copies[drawn]))
        part.weight.copy_(times / times.double().mean())
        return part

    def _read(self, indices, n_copies):
        """Return some rows in memory, or all, each for a number of equal ones."""
        indices = slice(None) if indices is None else indices.to(self.device)
        # Whatever subclasses make of the targets.
        X, y = Rows.__getitem__(self, indices)
        return Rows(X, y, copies=n_copies)

    def divide_heavy(self, batch_size):
        """Return rows in which those of large weight come several times, with parts.

        Equal rows would be in every batch, not all of them in one.
        """
        weight = self.weight
        if weight is None or len(self) <= batch_size:
            return self
        of_batch = weight.mean() * batch_size
        n_parts = (weight * min(MOST_PARTS, batch_size) / of_batch).cpu()
        n_parts = n_parts.round().long().clamp(min=1)
        if n_parts.max() <= 1:
            return self
        index = torch.arange(len(self)) if self.index is None else self.index.cpu()
        divided = copy(self)
        divided.index = index.repeat_interleave(n_parts).int().to(self.device)
        divided.y = self.y.clone()
        weight = divided.y if self.y.ndim == 1 else divided.y[:, 0]
        weight[index.long()] /= n_parts.to(weight)
        return divided

    def pieces(self, batch_size, shuffle):
        """Yield `Rows` that are in memory, and the order in which to visit each."""
        # All rows at once: their order would change nothing but rounding.
        shuffle = shuffle and len(self) > batch_size
        order = torch.randperm(len(self), device=self.device) if shuffle else None
        yield self, order


class LazyRows(Rows):
    """Rows that are scaled when they are taken.

    Parameters
    ----------
    X : CSR matrix or memmap of shape (n_stored, n_columns)
    transform : callable
        Turns some rows of X into a float32 ndarray.
    y, index, copies : Tensor, default=None
        As in :class:`Rows`.
    hidden : HiddenCells, default=None
        Cells that are left out, as if they were missing.
    """

    def __init__(self, X, transform, y=None, index=None, copies=None, hidden=None):
        super().__init__(X, y, index, copies)
        self.transform = transform
        self.hidden = hidden

    @property
    def device(self):
        """Device of the rows: they stay on the CPU."""
        return torch.device("cpu")

    def _take(self, indices):
        indices = indices.numpy() if isinstance(indices, torch.Tensor) else indices
        X = self.transform(self.X[indices])
        if self.hidden is not None:
            if isinstance(indices, slice):
                indices = np.arange(self.X.shape[0])[indices]
            self.hidden.take_from(X, indices)
        return torch.from_numpy(X)


class SparseRows(LazyRows):
    """Rows of a sparse matrix, made dense one batch at a time."""

    def pieces(self, batch_size, shuffle):
        """Yield one batch of dense rows at a time."""
        n_rows = len(self)
        shuffle = shuffle and n_rows > batch_size
        order = torch.randperm(n_rows) if shuffle else torch.arange(n_rows)
        for indices in even_slices(n_rows, batch_size):
            yield Rows(*self[order[indices]]), None


class MappedRows(LazyRows):
    """Rows of a memory-mapped file, read in blocks that are shuffled in groups.

    Reading single rows from all over a file is slow, and reading it in order keeps
    neighbours together. Each piece joins blocks of neighbouring rows drawn from all
    over the file and shuffles the rows within (Xu et al., 2022) [1]_.

    References
    ----------
    .. [1] Xu, L. et al. "In-database machine learning with CorgiPile: stochastic
       gradient descent without full data shuffle." SIGMOD 2022.
    """

    def _read(self, indices, n_copies):
        indices = torch.arange(len(self)) if indices is None else indices
        parts = []
        # Reading one row makes many of its neighbours resident.
        for part in indices.split(256):
            parts.append(self[part])
            release_pages(self.X)
        X, y = zip(*parts, strict=True)
        return Rows(
            torch.cat(X), None if self.y is None else torch.cat(y), copies=n_copies
        )

    def pieces(self, batch_size, shuffle):
        """Yield `Rows` of many blocks, and the order in which to visit them."""
        n_rows = len(self)
        row_bytes = getattr(self.X, "row_bytes", self.X[:1].nbytes)
        n_blocks = ceil(n_rows * row_bytes / BLOCK_BYTES)
        n_blocks = min(n_blocks, n_rows)
        bounds = torch.linspace(0, n_rows, n_blocks + 1, dtype=torch.float64).long()
        order = torch.randperm(n_blocks) if shuffle else torch.arange(n_blocks)
        # Rows far apart fill the same memory with fewer of them.
        n_joined = max(1, BLOCKS_IN_MEMORY * n_rows // self.X.shape[0])
        for group in order.tensor_split(ceil(n_blocks / n_joined)):
            indices = [torch.arange(bounds[i], bounds[i + 1]) for i in group]
            piece = Rows(*self[torch.cat(indices)])
            release_pages(self.X)
            yield piece, torch.randperm(len(piece)) if shuffle else None


class BatchIterator:
    """Iterate over the batches of rows; skorch builds one for each fit.

    Every row comes once, but for one that weighs as much as a good part of a batch. The
    rows are shared out evenly: 257 rows in batches of 256 would train as hard on the
    last row as on all the others.

    Parameters
    ----------
    rows : Rows, SparseRows or MappedRows
    batch_size : int
        Largest number of rows in a batch.
    shuffle : bool, default=False
        Whether each pass visits the rows in a new random order.
    """

    def __init__(self, rows, batch_size, shuffle=False):
        self.rows = rows.divide_heavy(batch_size) if shuffle else rows
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __iter__(self):
        for piece, order in self.rows.pieces(self.batch_size, self.shuffle):
            for indices in even_slices(len(piece), self.batch_size):
                yield piece[indices if order is None else order[indices]]


def apply_in_parts(function, X, device):
    """Return a function's results on the CPU for rows that it gets on a device."""
    parts = X.split(PART_ROWS)
    return torch.cat([function(part.to(device)).cpu() for part in parts])


def even_slices(n_rows, batch_size):
    """Return slices that share out rows evenly, none longer than a batch."""
    n_batches = ceil(n_rows / batch_size)
    bounds = [i * n_rows // n_batches for i in range(n_batches + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def _in_lowest_terms(copies):
    """Return numbers of copies as a tensor, or None: a table twice is the table."""
    copies = copies // np.gcd.reduce(copies)
    return torch.from_numpy(copies) if copies.max() > 1 else None


def make_rows(
    X, transform, sample_weight, device, targets=None, copies=None, hidden=None
):
    """Return the rows of a validated table in the form that trains fastest.

    Parameters
    ----------
    X : {ndarray, memmap, CSR matrix} of shape (n_rows, n_columns)
    transform : callable
        Turns some rows into a float32 ndarray.
    sample_weight : ndarray of shape (n_rows,) or None
        Rows of weight zero are left out; the others are scaled to a mean of 1.
    device : torch.device
        Rows in memory go there whole if they fill at most half of what is free.
    targets : ndarray of shape (n_rows, n_targets), default=None
        What is to be predicted.
    copies : int64 ndarray of shape (n_rows,), default=None
        How many equal rows each row stands for; `None`: one.
    hidden : HiddenCells, default=None
        Cells that are left out, as if they were missing.

    Returns
    -------
    rows : Rows, SparseRows or MappedRows
    """
    weight = y = None
    n_copies = None if copies is None else _in_lowest_terms(copies)
    if sample_weight is not None:
        mean = sample_weight[sample_weight > 0].mean()
        weight = y = torch.from_numpy((sample_weight / mean).astype(np.float32))
    if targets is not None:
        targets = torch.from_numpy(targets.astype(np.float32))
        ones = torch.ones(len(targets)) if weight is None else weight
        y = torch.cat([ones[:, None], targets], dim=1)
    if sparse.issparse(X):
        rows = SparseRows(X, transform, y, copies=n_copies, hidden=hidden)
    elif is_mapped(X) and X.size > MAPPED_CELLS:
        rows = MappedRows(X, transform, y, copies=n_copies, hidden=hidden)
    else:
        scaled = transform(X)
        if hidden is not None:
            hidden.take_from(scaled, np.arange(len(scaled)))
        rows = Rows(torch.from_numpy(scaled), y, copies=n_copies)
    processes = here()
    if processes is not None:
        processes.agree("The rows", [*X.shape, checksum(rows)])
    if weight is not None:
        rows = rows.subset(weight.nonzero()[:, 0].int())
        # In full precision: rounded, k times a weight is not that of k rows.
        weight = sample_weight[weight.numpy() > 0] / mean
    if len(rows) <= MERGED_ROWS and len(rows) * X.shape[1] <= MERGED_CELLS:
        rows = merge_equal_rows(rows, weight)
    return move_if_it_fits(rows, device)


def checksum(rows):
    """Return a number that tells rows from others; of those in files, by some of them.

    Parameters
    ----------
    rows : Rows, SparseRows or MappedRows
    """
    X, y = rows.X, rows.y
    if type(rows) is not Rows:
        n_rows = min(len(rows), CHECKED_ROWS)
        X, _ = rows[
            torch.linspace(0, len(rows) - 1, n_rows, dtype=torch.float64).long()
        ]
    numbers = (part for part in (X, y) if part is not None)
    total = 0
    for part in numbers:
        total = crc32(np.ascontiguousarray(part.cpu().numpy()).data, total)
    return total


def merge_equal_rows(rows, weight=None):
    """Return `Rows` without repetition, each weighted by how often it occurred.

    Rows are equal if their targets are, too. This trains the same network, on fewer
    rows where a table repeats itself. The result
    no longer depends on the order of the rows or on whether they were repeated or
    weighted, bit for bit.
    """
    X, y = rows[:]
    # Adding 0 turns -0 into 0, which differ in their bytes.
    X = X.numpy() + np.float32(0)
    keys = X if y is None or y.ndim == 1 else np.hstack([X, y[:, 1:].numpy()])
    keys = np.ascontiguousarray(keys)
    raw = keys.view(np.dtype((np.void, keys.shape[1] * keys.itemsize))).ravel()
    _, first, inverse = np.unique(raw, return_index=True, return_inverse=True)
    if weight is None and y is not None:
        weight = (y if y.ndim == 1 else y[:, 0]).numpy()
    inverse = inverse.ravel()
    total = np.bincount(inverse, weight)
    total = torch.from_numpy((total / total.mean()).astype(np.float32))
    copies = np.zeros(len(first), dtype=np.int64)
    np.add.at(copies, inverse, rows.n_copies.numpy())
    merged = Rows(torch.from_numpy(X[first]), copies=_in_lowest_terms(copies))
    if y is not None and y.ndim == 2:
        merged.y = torch.cat([total[:, None], y[first, 1:]], dim=1)
    elif total.min() < total.max():
        merged.y = total
    return merged


def move_if_it_fits(rows, device):
    """Return rows in memory on a device if they fill at most half of what is free."""
    if type(rows) is not Rows or device.type == "cpu":
        return rows
    if device.type == "cuda" and rows.X.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return rows
    tensors = rows.X, rows.y, rows.index
    return Rows(
        *(None if tensor is None else tensor.to(device) for tensor in tensors),
        copies=rows.copies,
    )
