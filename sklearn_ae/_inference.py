"""What a trained net says about rows, block by block."""

from copy import deepcopy
from math import isnan

import numpy as np
import torch

from sklearn_ae._categories import CodedTable
from sklearn_ae._convolutional import ConvolutionalNetwork
from sklearn_ae._modules import Dense
from sklearn_ae._table import BLOCK_CELLS, blocks_of_rows

# Cells of X that go through the network at once: on a CPU its activations stay in
# cache, a GPU wants to be kept busy.
CPU_CELLS = 2**17
GPU_CELLS = 2**24
LAYER_WIDTH = 32
# That of a column in which nearly all cells are equal: its variance is 0.05.
LARGEST_INDICATOR = 0.05**-0.5


def infer(net, function, X, *n_columns, scaler=None, dtype=np.float32):
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
    scaler : Scaler, default=None
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
            block = np.array(block) if scaler is None else scaler.encode(block)
            pieces = torch.from_numpy(block).split(n_rows)
            parts = [function(net, piece.to(device)).cpu() for piece in pieces]
            out[rows] = torch.cat(parts).numpy() if len(parts) > 1 else parts[0].numpy()
    return out


def encode(net, X):
    """Return the latent codes of scaled rows."""
    # Where no column had missing cells in fit, these count as the mean.
    return net.module_.encode(X, not net.module_.missing and has_missing(X))


def predict_raw(net, X, n_outputs, scaler):
    """Return the raw output of a predictor for rows in original units.

    On a CPU the library's own layers compute in float64: in float32, the last digits of
    a prediction would depend on how many rows are predicted at once.

    Returns
    -------
    raw : ndarray of shape (n_rows, n_outputs), dtype=float64
    """
    module = net.module_
    own_layers = isinstance(module.encoder.network, (Dense, ConvolutionalNetwork))
    if own_layers and torch.device(net.device).type == "cpu":
        module = deepcopy(module).double()
    dtype = next(module.head.parameters()).dtype

    def function(net, X):
        X = X.to(dtype)
        missing = not module.missing and has_missing(X)
        return module.head(module.encode(X, missing))

    return infer(net, function, X, n_outputs, scaler=scaler, dtype=np.float64)


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


def expect_each(net, X, donors):
    """Return for each cell what is expected there, given the others in its row.

    The cell is replaced by some of other rows, as it may have been in training, and
    what the network makes of these is averaged.

    Parameters
    ----------
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows.
    donors : Tensor of shape (n_donors, n_columns)
        Scaled cells of other rows.
    """
    out = torch.empty_like(X)
    for column in range(X.shape[1]):
        rows, expected = X.clone(), 0.0
        for cell in donors[:, column].tolist():
            rows[:, column] = cell
            expected = expected + expect(net, rows)
        best = net.criterion_.most_likely(expected / len(donors))
        out[:, column] = best[:, column]
    return out


def encode_and_expect(net, X):
    """Return encoded rows, and what they are expected to hold.

    Missing cells are `NaN`. A negative code is a category that was not there in `fit`:
    it has an indicator of its own, which stands last and is never expected.

    Parameters
    ----------
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows.

    Returns
    -------
    encoded, expected : Tensor of shape (n_rows, n_encoded)
        See `encoded_blocks`.
    """
    module, one_hot = net.module_, net.module_.one_hot
    if one_hot is None:
        return X, net.criterion_.expected(module.decode(encode(net, X)))
    codes = X[:, one_hot.categorical]
    missing, unknown = torch.isnan(codes), codes < 0
    X = X.index_copy(1, one_hot.categorical, codes.masked_fill(unknown, torch.nan))
    encoded = one_hot(X)
    expected = net.criterion_.expected(module.decode(encode(net, X)))
    expected = one_hot.from_shares(expected)
    n_numbers, columns = len(one_hot.numeric), one_hot.column_of_category
    encoded[:, n_numbers:] = torch.where(
        unknown[:, columns], -one_hot.shift, encoded[:, n_numbers:]
    )
    # A rare category should not be farther away than all other columns together.
    damped = one_hot.scale.clamp(max=LARGEST_INDICATOR) / one_hot.scale
    encoded[:, n_numbers:] *= damped
    expected[:, n_numbers:] *= damped
    own = unknown * one_hot.scale[one_hot.offsets].clamp(max=LARGEST_INDICATOR)
    encoded = torch.cat([encoded, own.masked_fill(missing, torch.nan)], dim=1)
    return encoded, torch.cat([expected, torch.zeros_like(own)], dim=1)


def encoded_blocks(net, n_columns):
    """Return the cell of each encoded column, and how many columns are of numbers.

    Numbers come first, and so do their cells.

    Parameters
    ----------
    net : AutoencoderNet
    n_columns : int
        Of the table.

    Returns
    -------
    blocks : int64 ndarray of shape (n_encoded,)
    n_numbers : int
    """
    module = net.module_
    if module.one_hot is None:
        return np.arange(n_columns), n_columns
    n_numbers = len(module.one_hot.numeric)
    unknown = n_numbers + torch.arange(len(module.one_hot.categorical))
    return torch.cat(
        [module.blocks, unknown.to(module.blocks)]
    ).cpu().numpy(), n_numbers


def minus_loss(net, X):
    """Return minus the loss of each scaled row."""
    raw = net.module_.decode(encode(net, X))
    return net.criterion_.loss_of_rows(raw, X, has_missing(X)).neg_()


def has_missing(X):
    """Whether any cell of scaled rows is missing."""
    return isnan(X.sum())
