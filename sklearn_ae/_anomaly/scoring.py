"""From rows to the detector's scores, and what each column adds to them."""

import numpy as np
import torch

from sklearn_ae._anomaly.distances import PART_ROWS
from sklearn_ae._net.inference import encode, expect

# That of a column in which nearly all cells are equal: its variance is 0.05.
LARGEST_INDICATOR = 0.05**-0.5


def _rarity_of(rarity, net, X, n_left_out=0):
    """Return how rare scaled rows are.

    All parts have the same number of rows: else the last digits of what is said about
    one row would depend on how many others there are.
    """
    scores = []
    for part in X.split(PART_ROWS):
        padded = torch.nn.functional.pad(part, (0, 0, 0, PART_ROWS - len(part)))
        score = rarity.score(*_to_numpy(encode_and_expect(net, padded)), n_left_out)
        scores.append(score[: len(part)])
    return torch.from_numpy(np.concatenate(scores))


def _explain(rarity, net, X):
    """Return what each cell contributes to how rare scaled rows are."""
    total = _rarity_of(rarity, net, X)
    gains = torch.empty(X.shape, dtype=total.dtype)
    # A part is filled with the same rows, each time without another column.
    for columns in torch.arange(X.shape[1]).split(max(1, PART_ROWS // len(X))):
        without = X.repeat(len(columns), 1, 1)
        without[torch.arange(len(columns)), :, columns] = torch.nan
        left = _rarity_of(rarity, net, without.flatten(0, 1), n_left_out=1)
        gains[:, columns] = total[:, None] - left.view(len(columns), -1).T
    here = (~torch.isnan(X)).cpu().to(gains.dtype)
    gains = gains.clamp_(min=0).mul_(here)
    gained = gains.sum(1, keepdim=True)
    # Where no cell is to blame more than others, all that are there are alike.
    alike = here / here.sum(1, keepdim=True).clamp(min=1)
    return torch.where(gained > 0, gains / gained, alike) * total[:, None]


def _to_numpy(tensors):
    return [tensor.cpu().numpy() for tensor in tensors]


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
