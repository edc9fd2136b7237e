"""Inference: rows through a trained net, block by block."""

from collections.abc import Callable
from math import ceil, isnan
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from skorch import NeuralNet
from torch import Tensor

from sklearn_ae._isolation import calls
from sklearn_ae._seeding import threads_for
from sklearn_ae._tables.categories import CodedTable
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.reading import BLOCK_CELLS, blocks_of_rows

# Cells of X that go through the network at once on a CPU: activations stay in cache.
CPU_CELLS = 2**17
# Cells of X that go through the network at once on a GPU, to keep it busy.
GPU_CELLS = 2**24
# Columns that a table counts as at least: hidden layers are wider than a few columns.
LAYER_WIDTH = 32


def infer(
    net: NeuralNet,
    function: Callable[[NeuralNet, Tensor], Tensor],
    X: Any,
    *n_columns: int,
    encoder: TableEncoder | None = None,
    dtype: DTypeLike = np.float32,
    multiple_of: int = 1,
) -> NDArray[Any]:
    """Send rows through a function of a net, block by block.

    Parameters
    ----------
    net : AutoencoderNet
        Trained.
    function : callable
        Takes the net and a float32 tensor on its device, as those below.
    X : {ndarray, memmap, CSR matrix} of shape (n_rows, n_columns)
        Rows in original units, or scaled rows, or latents.
    *n_columns : int
        Number of columns that `function` returns, if it returns any.
    encoder : TableEncoder, default=None
        Transforms blocks of rows in original units; `None` takes X as it is.
    dtype : type, default=numpy.float32
        That of what `function` returns.
    multiple_of : int, default=1
        `function` takes blocks of so many rows, or multiples, but for the last one.

    Returns
    -------
    out : ndarray of shape (n_rows, *n_columns)
    """
    device = torch.device(net.device)
    cells = CPU_CELLS if device.type == "cpu" else GPU_CELLS
    # Few columns may become many, as indicators or in the hidden layers.
    one_hot = net.module_.one_hot
    encoded = 0 if one_hot is None else len(one_hot.scale)
    n_rows = max(1, cells // max(X.shape[1], LAYER_WIDTH, encoded, *n_columns))
    n_rows = ceil(n_rows / multiple_of) * multiple_of
    # Categories are looked up for many rows at once: each time costs as much as theirs.
    at_once = BLOCK_CELLS if isinstance(X, CodedTable) else n_rows * X.shape[1]
    out = np.empty((X.shape[0], *n_columns), dtype=dtype)
    product = net.module_.largest_product(min(n_rows, X.shape[0]))
    with torch.inference_mode(), threads_for(product):
        for rows, block in blocks_of_rows(X, at_once):
            calls.safe_point()
            # torch warns about arrays that nobody may write to, as frames hold.
            block = np.array(block) if encoder is None else encoder.transform(block)
            pieces = torch.from_numpy(block).split(n_rows)
            parts = [function(net, piece.to(device)).cpu() for piece in pieces]
            out[rows] = torch.cat(parts).numpy() if len(parts) > 1 else parts[0].numpy()
    return out


def encode(net: NeuralNet, X: Tensor) -> Tensor:
    """Return the latents of scaled rows."""
    # Where no column had missing cells in fit, these count as the mean.
    return net.module_.encode(X, not net.module_.may_have_missing and has_nan(X))


def decode(net: NeuralNet, Z: Tensor) -> Tensor:
    """Return the scaled rows that latents stand for."""
    return net.criterion_.values(net.module_.decode(Z))


def reconstruct(net: NeuralNet, X: Tensor) -> Tensor:
    """Return the reconstruction of scaled rows."""
    return decode(net, encode(net, X))


def expect(net: NeuralNet, X: Tensor, expected: Tensor | None = None) -> Tensor:
    """Return the expectation of scaled rows, a share for each category.

    Parameters
    ----------
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows, missing cells as `NaN`.
    expected : Tensor of shape (n_rows, n_encoded), default=None
        Result of an earlier call, to take for the missing cells.
    """
    Z = net.module_.encode(X, may_have_missing=True, expected=expected)
    if net.module_.latent is not None:
        Z = net.module_.latent.sample(Z)
    return net.criterion_.expected(net.module_.decode(Z))


def minus_loss(net: NeuralNet, X: Tensor) -> Tensor:
    """Return minus the loss of each scaled row."""
    raw = net.module_.decode(encode(net, X))
    return net.criterion_.loss_of_rows(raw, X, has_nan(X)).neg_()


def has_nan(X: Tensor) -> bool:
    """Whether any cell of scaled rows is missing."""
    return isnan(X.sum().item())
