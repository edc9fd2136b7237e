"""What a trained net says about rows, block by block."""

from math import isnan

import numpy as np
import torch

from sklearn_ae._tables.categories import CodedTable
from sklearn_ae._tables.reading import BLOCK_CELLS, blocks_of_rows

# Cells of X that go through the network at once: on a CPU its activations stay in
# cache, a GPU wants to be kept busy.
CPU_CELLS = 2**17
GPU_CELLS = 2**24
LAYER_WIDTH = 32


def infer(net, function, X, *n_columns, encoder=None, dtype=np.float32):
    """Send rows through a function of a net, block by block.

    Parameters
    ----------
    net : AutoencoderNet
        Trained.
    function : callable
        Takes the net and a float32 tensor on its device, as those below.
    X : {ndarray, memmap, CSR matrix} of shape (n_rows, n_columns)
        Rows in original units, or latent codes.
    *n_columns : int
        Number of columns that `function` returns, if it returns any.
    encoder : TableEncoder, default=None
        Scales rows in original units; `None` for latent codes.
    dtype : type, default=numpy.float32
        That of what `function` returns.

    Returns
    -------
    out : ndarray of shape (n_rows, *n_columns)
    """
    device = torch.device(net.device)
    cells = CPU_CELLS if device.type == "cpu" else GPU_CELLS
    # Few columns may become many, here or in the hidden layers.
    one_hot = net.module_.one_hot
    encoded = 0 if one_hot is None else len(one_hot.scale)
    n_rows = max(1, cells // max(X.shape[1], LAYER_WIDTH, encoded, *n_columns))
    # Categories are looked up for many rows at once: each time costs as much as theirs.
    at_once = BLOCK_CELLS if isinstance(X, CodedTable) else n_rows * X.shape[1]
    out = np.empty((X.shape[0], *n_columns), dtype=dtype)
    with torch.inference_mode():
        for rows, block in blocks_of_rows(X, at_once):
            # torch warns about arrays that nobody may write to, as frames hold.
            block = np.array(block) if encoder is None else encoder.transform(block)
            pieces = torch.from_numpy(block).split(n_rows)
            parts = [function(net, piece.to(device)).cpu() for piece in pieces]
            out[rows] = torch.cat(parts).numpy() if len(parts) > 1 else parts[0].numpy()
    return out


def encode(net, X):
    """Return the latent codes of scaled rows."""
    # Where no column had missing cells in fit, these count as the mean.
    return net.module_.encode(X, not net.module_.missing and has_missing(X))


def decode(net, Z):
    """Return the scaled rows that latent codes stand for."""
    return net.criterion_.values(net.module_.decode(Z))


def reconstruct(net, X):
    """Return the reconstruction of scaled rows."""
    return decode(net, encode(net, X))


def expect(net, X, expected=None):
    """Return what scaled rows are expected to hold, a share for each category.

    Parameters
    ----------
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows, missing cells as `NaN`.
    expected : Tensor of shape (n_rows, n_encoded), default=None
        What an earlier call returned, to take for the missing cells.
    """
    Z = net.module_.encode(X, missing=True, expected=expected)
    return net.criterion_.expected(net.module_.decode(Z))


def minus_loss(net, X):
    """Return minus the loss of each scaled row."""
    raw = net.module_.decode(encode(net, X))
    return net.criterion_.loss_of_rows(raw, X, has_missing(X)).neg_()


def has_missing(X):
    """Whether any cell of scaled rows is missing."""
    return isnan(X.sum())
