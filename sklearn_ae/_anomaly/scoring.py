"""The score of the anomaly detector, and the share of each column in it.

The way of a row: scaled numbers and codes -> what the distances compare
(`encode_and_reconstruct`) -> distances in units of their medians (`distances.py`) ->
their sum, in which distances below the median hardly count (`weigh`) -> the mean of
that over the autoencoders -> the score, which is minus the mean.
"""

from functools import partial

import numpy as np
import torch
from torch import nn

from sklearn_ae._anomaly.columns import MAX_INDICATOR, ColumnUnits
from sklearn_ae._anomaly.compared import ComparedRows
from sklearn_ae._anomaly.distances import BLOCK_ROWS, PART_ROWS, OutlierDistances
from sklearn_ae._net.inference import encode, expect, infer
from sklearn_ae._tables.reading import to_tensor

# How much each of the distances counts: to the neighbour, the cluster and the
# reconstruction.
WEIGHTS = np.array([0.5, 1.5, 0.9])
# Slope of the score below the median of a distance; above, it is 1.
SLOPE_BELOW_MEDIAN = 0.1
# Cells of other rows that stand in for one that is to be predicted from its row.
N_DONORS = 16


class AnomalyScorer:
    """The detector's score: how ordinary rows are, averaged over autoencoders.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted; it scales checked rows.
    nets : list of AutoencoderNet
        Trained, one for each autoencoder.

    Attributes
    ----------
    distances_ : list of OutlierDistances
        One for each net.
    donors_ : float32 ndarray of shape (N_DONORS, n_columns)
        Scaled cells of each column, spread over its quantiles.
    """

    def __init__(self, encoder, nets):
        self.encoder = encoder
        self.nets = nets

    def fit(self, rows):
        """Learn the distances of ordinary rows.

        Parameters
        ----------
        rows : {ndarray, CSR matrix, CodedTable} of shape (n_rows, n_columns)
            Checked rows in random order.

        Returns
        -------
        self : AnomalyScorer
        """
        scaled = self.encoder.transform(rows)
        soft_clipped = self.encoder.scaling_ == "robust"
        self.distances_ = [
            _fit_distances(net, torch.from_numpy(scaled).to(net.device), soft_clipped)
            for net in self.nets
        ]
        self.donors_ = _draw_donors(scaled)
        return self

    def score_samples(self, rows):
        """Return the score of each checked row: at most 0, lowest for outliers.

        Minus the weighted sum over the distances ``d``, in units of their medians, of
        ``0.1 * d + 0.9 * max(d - 1, 0)``.
        """
        return -self._mean(_abnormality, rows)

    def explain(self, rows):
        """Return the contribution of each cell to minus the score of its row."""
        return self._mean(_contributions, rows, rows.shape[1])

    def expect(self, rows):
        """Return for each cell its value predicted from the others in the row, scaled.

        By the first net. Categories that it does not know are to be missing cells.
        """
        function = partial(_expect_each_cell, donors=to_tensor(self.donors_))
        return infer(self.nets[0], function, rows, rows.shape[1], encoder=self.encoder)

    def _mean(self, function, rows, *n_columns):
        """Return the mean over the nets of a function of rows, in float64.

        Parameters
        ----------
        function : callable
            Takes an `OutlierDistances`, a net and scaled rows.
        rows : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
        *n_columns : int
            Number of columns that `function` returns, if it returns any.
        """
        total = np.zeros((rows.shape[0], *n_columns))
        for net, distances in zip(self.nets, self.distances_, strict=True):
            total += infer(
                net,
                partial(function, distances),
                rows,
                *n_columns,
                encoder=self.encoder,
                dtype=np.float64,
                multiple_of=BLOCK_ROWS,
            )
        return total / len(self.nets)


def weigh(distances):
    """Return how much the distances of rows, in units of their medians, add up to.

    Below the median they hardly do: a row is an outlier if one of its distances is
    large, and small ones shall not make up for that.
    """
    above = np.maximum(distances - 1, 0)
    counted = SLOPE_BELOW_MEDIAN * distances + (1 - SLOPE_BELOW_MEDIAN) * above
    # A product of matrices would be rounded in another way for a single row.
    return (counted * WEIGHTS).sum(axis=-1)


def _abnormality(distances, net, X):
    """Return minus the score of scaled rows by one autoencoder.

    Parameters
    ----------
    distances : OutlierDistances
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows.
    """
    # The network takes blocks that have the same number of rows: else the last digits
    # of the score of one row would depend on how many others there are.
    padded = nn.functional.pad(X, (0, 0, 0, -len(X) % BLOCK_ROWS))
    blocks = [encode_and_reconstruct(net, block) for block in padded.split(BLOCK_ROWS)]
    encoded, expected = (
        torch.cat(parts)[: len(X)] for parts in zip(*blocks, strict=True)
    )
    relative = distances.relative_distances(*_to_numpy([encoded, expected]))
    return torch.from_numpy(weigh(relative))


def _contributions(distances, net, X):
    """Return the share of each cell in minus the score of its row.

    Rows are compared with those that share none of their rare categories: a row that
    does would make the other cells seem to be what sets both apart.
    """
    total = _abnormality(distances, net, X)[:, None]
    parts = X.split(PART_ROWS)
    return torch.cat([_shares(distances, net, part) for part in parts]) * total


def _shares(distances, net, X):
    """Return the share of each cell in minus the score of its row, of at most 1.

    A cell has what would be gone if it were missing and the others stood in for it,
    which is nothing if it contributes less than the mean of its row. What is left is
    shared out in proportion to what would be gone if the others did not stand in.
    """
    total, without = _abnormality_without_each_cell(distances, net, X)
    observed = (~torch.isnan(X)).to(total.device, total.dtype)
    gains, losses = (total - without).clamp_(min=0).mul_(observed)
    # A row that equals the median in each column loses nothing.
    losses += torch.where(losses.sum(1, keepdim=True) > 0, 0, observed)
    left = (total - gains.sum(1, keepdim=True)).clamp_(min=0)
    gains += left * nn.functional.normalize(losses, p=1)
    return nn.functional.normalize(gains, p=1)


def _abnormality_without_each_cell(distances, net, X):
    """Return minus the score of rows, and the same if one of their cells were missing.

    Returns
    -------
    total : float64 Tensor of shape (n_rows, 1)
    without : float64 Tensor of shape (2, n_rows, n_columns)
        With the other cells standing in for the missing one, and without.
    """
    n_rows, n_columns = X.shape
    compared = ComparedRows(distances, *_to_numpy(encode_and_reconstruct(net, X)))
    total = weigh(compared.relative_distances())
    without = np.empty((2, n_columns, n_rows))
    cells, step = _cell_of_column(net, n_columns), max(1, PART_ROWS // n_rows)
    # Copies of the rows, each without another column, go through the network at once.
    for columns in np.split(np.arange(n_columns), range(step, n_columns, step)):
        copies = X.repeat(len(columns), 1, 1)
        copies[np.arange(len(columns)), :, columns] = torch.nan
        _, expected = encode_and_reconstruct(net, copies.flatten(0, 1))
        relative = compared.relative_distances_without(
            cells[columns], expected.cpu().numpy()
        )
        without[:, columns] = weigh(relative)
    return torch.from_numpy(total)[:, None], torch.from_numpy(without).mT


def _fit_distances(net, scaled, soft_clipped):
    """Return the distances that a net and some scaled rows of `fit` give."""
    cells, n_numbers = encoded_cells(net, scaled.shape[1])
    distances = OutlierDistances(ColumnUnits(cells, n_numbers, soft_clipped))
    with torch.inference_mode():
        return distances.fit(*_to_numpy(encode_and_reconstruct(net, scaled)))


def encode_and_reconstruct(net, X):
    """Return rows as the distances compare them, and their reconstruction.

    Parameters
    ----------
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled numbers and codes. Missing cells are `NaN`. A negative code is a category
        that was not there in `fit`: the network takes it for a missing cell, but it
        differs from all categories that were.

    Returns
    -------
    encoded, reconstructed : Tensor of shape (n_rows, n_encoded)
        All numbers, the indicators of all categories, and for each categorical column
        the indicator of an unknown category, which is never predicted.
    """
    one_hot = net.module_.one_hot
    if one_hot is None:
        return X, _reconstruct(net, X)
    codes = X[:, one_hot.categorical]
    is_missing, is_unknown = torch.isnan(codes), codes < 0
    X = X.index_copy(1, one_hot.categorical, codes.masked_fill(is_unknown, torch.nan))

    n_numbers, n_categories = len(one_hot.numeric), len(one_hot.scale)
    numbers, known = one_hot(X).split([n_numbers, n_categories], dim=1)
    reconstructed = one_hot.from_shares(_reconstruct(net, X))
    new_numbers, new_known = reconstructed.split([n_numbers, n_categories], dim=1)

    # The indicators of a cell that holds an unknown category are those of no category.
    column_of_category = one_hot.column_of_category
    known = torch.where(is_unknown[:, column_of_category], -one_hot.shift, known)
    largest = one_hot.scale.clamp(max=MAX_INDICATOR)
    factor = largest / one_hot.scale
    # All categories of a column have the scale of its first one.
    unknown = is_unknown * largest[one_hot.offsets]
    unknown = unknown.masked_fill(is_missing, torch.nan)
    return (
        torch.cat([numbers, known * factor, unknown], dim=1),
        torch.cat([new_numbers, new_known * factor, torch.zeros_like(unknown)], dim=1),
    )


def _reconstruct(net, X):
    """Return numbers, and a share for each category, as the network restores them."""
    return net.criterion_.expected(net.module_.decode(encode(net, X)))


def encoded_cells(net, n_columns):
    """Return the cell that each column of `encode_and_reconstruct` belongs to.

    Cells are counted in the order of the encoded columns: numbers, then categories.

    Parameters
    ----------
    net : AutoencoderNet
    n_columns : int
        Of the table.

    Returns
    -------
    cells : int64 ndarray of shape (n_encoded,)
    n_numbers : int
        How many of the encoded columns, the first ones, hold numbers.
    """
    one_hot = net.module_.one_hot
    if one_hot is None:
        return np.arange(n_columns), n_columns
    n_numbers = len(one_hot.numeric)
    known = n_numbers + one_hot.column_of_category.cpu().numpy()
    unknown = np.arange(n_numbers, n_columns)
    return np.concatenate([np.arange(n_numbers), known, unknown]), n_numbers


def _cell_of_column(net, n_columns):
    """Return the cell of `encoded_cells` that each column of the table is."""
    one_hot = net.module_.one_hot
    if one_hot is None:
        return np.arange(n_columns)
    columns = torch.cat([one_hot.numeric, one_hot.categorical]).cpu()
    return columns.argsort().numpy()


def _draw_donors(scaled):
    """Return observed cells of each column at evenly spaced quantiles."""
    in_order = np.sort(scaled, axis=0)
    n_observed = (~np.isnan(in_order)).sum(axis=0)
    shares = (np.arange(N_DONORS) + 0.5) / N_DONORS
    indices = np.outer(shares, n_observed).astype(int)
    return np.take_along_axis(in_order, indices, axis=0)


def _expect_each_cell(net, X, donors):
    """Return for each cell its value predicted from the others in the row.

    The cell is replaced by some of other rows, as it may have been in training, and
    the predictions for these are averaged.

    Parameters
    ----------
    net : AutoencoderNet
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows.
    donors : Tensor of shape (n_donors, n_columns)
        Scaled cells of other rows.
    """
    predicted = torch.empty_like(X)
    for column in range(X.shape[1]):
        rows, expected = X.clone(), 0.0
        for cell in donors[:, column].tolist():
            rows[:, column] = cell
            expected = expected + expect(net, rows)
        best = net.criterion_.most_likely(expected / len(donors))
        predicted[:, column] = best[:, column]
    return predicted


def _to_numpy(tensors):
    return [tensor.cpu().numpy() for tensor in tensors]
