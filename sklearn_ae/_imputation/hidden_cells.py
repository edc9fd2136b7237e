"""Cells hidden from training, and what they say about predictions of missing cells."""

import warnings
from typing import NamedTuple

import numpy as np
import torch

from sklearn_ae._document import documented
from sklearn_ae._net.inference import infer
from sklearn_ae._tables.reading import blocks_of_rows, to_tensor
from sklearn_ae._tables.sampling import draw_in_steps

# Share of the observed cells that are hidden from training.
HIDDEN_SHARE = 0.1
# Most rows in which cells are hidden.
MAX_HIDDEN_ROWS = 20_000
# Most encoded cells that predictions are compared with the truth for: each takes
# memory in several arrays.
MAX_CELLS = 2**22
# Imaginary hidden cells of each column that agree with its predictions: where there are
# few real ones, it may be chance that they disagree.
PRIOR_CELLS = 5.0
# Least variance to divide by, that of a column of equal cells.
MIN_VARIANCE = 1e-12


class MissingCells:
    """The missing cells of a table.

    Parameters
    ----------
    missing : bool ndarray of shape (n_rows, n_columns), default=None
    stored : StoredRows, default=None
        Scaled rows of a table whose mask would take too much memory.
    """

    def __init__(self, missing=None, stored=None):
        self.missing, self.stored = missing, stored
        if stored is None:
            self.n_rows, self.n_missing = len(missing), missing.sum(axis=0)
        else:
            blocks = blocks_of_rows(stored)
            self.n_rows = len(stored)
            self.n_missing = sum(np.isnan(block).sum(axis=0) for _, block in blocks)

    def of_rows(self, rows):
        """Return a mask of the missing cells of some rows."""
        if self.stored is None:
            return self.missing[rows]
        return np.isnan(np.asarray(self.stored[rows]))


class HiddenCells(NamedTuple):
    """Cells of a table that are hidden from training."""

    rows: np.ndarray
    """The rows that may have hidden cells, ascending."""
    mask: np.ndarray
    """Which cells of these are hidden, of shape (n_hidden_rows, n_columns)."""

    def take_from(self, X, indices):
        """Make the hidden cells of some rows missing.

        Parameters
        ----------
        X : ndarray of shape (n_chosen, n_columns)
            Changed in place.
        indices : ndarray of shape (n_chosen,)
            Which rows these are.
        """
        X[self.of_rows(indices)] = np.nan

    def of_rows(self, indices):
        """Return a mask of the hidden cells of some rows.

        Parameters
        ----------
        indices : ndarray of shape (n_chosen,)
        """
        positions = np.searchsorted(self.rows, indices).clip(max=len(self.rows) - 1)
        return self.mask[positions] & (self.rows[positions] == indices)[:, None]


def hide(missing, observed, rng):
    """Return observed cells, drawn at random, to hide from training.

    Parameters
    ----------
    missing : MissingCells
    observed : bool ndarray of shape (n_columns,)
        Which columns have observed cells to learn from.
    rng : numpy.random.Generator

    Returns
    -------
    hidden : HiddenCells
    """
    n_rows, n_columns = missing.n_rows, len(observed)
    rows = np.arange(n_rows)
    if n_rows > MAX_HIDDEN_ROWS:
        rows = np.sort(rng.choice(n_rows, MAX_HIDDEN_ROWS, replace=False))
    mask = rng.random((len(rows), n_columns)) < HIDDEN_SHARE
    mask &= ~missing.of_rows(rows) & observed
    # A column has to keep something to learn from.
    n_observed = np.where(observed, n_rows - missing.n_missing, 0)
    mask[:, n_observed < 2 * mask.sum(axis=0) + 2] = False
    return HiddenCells(rows, mask)


@documented
class Shrinkage:
    """Shrink the predictions of each column to its mean, as hidden cells tell.

    The deviations of the predictions from the mean are multiplied by one factor for
    each column, the one with which they fit the hidden cells best by least squares over
    all its indicators.

    Attributes
    ----------
    factor_ : float64 ndarray of shape (n_columns,)
        From 0, where the mean is the best prediction, to 1.
    """

    def _to_document(self, writer):
        names = ("column_of_output", "center", "variance", "factor")
        return {name: getattr(self, f"{name}_") for name in names}

    @classmethod
    def _from_document(cls, fields):
        shrinkage = cls()
        columns = fields.array("column_of_output", (None,), np.int64, least=0)
        factor = fields.array("factor", (None,), least=0.0, most=1.0)
        fields.require(columns.max(initial=-1) < len(factor), "column_of_output")
        shrinkage.column_of_output_, shrinkage.factor_ = columns, factor
        shrinkage.n_columns_ = len(factor)
        shrinkage.variance_ = fields.array("variance", factor.shape, least=0.0)
        shrinkage.center_ = fields.array("center", columns.shape, np.float32)
        return shrinkage

    def fits(self, encoder):
        """Whether it shrinks what a net says about the rows of an encoder."""
        expected = column_of_output(encoder)
        same = np.array_equal(self.column_of_output_, expected)
        return same and self.n_columns_ == encoder.n_features_in_

    def fit(self, encoder, nets, rows, hidden, predict, rng):
        """Learn the factors.

        Parameters
        ----------
        encoder : TableEncoder
            Scales rows, and knows where columns stand in the output of a net.
        nets : list of AutoencoderNet
        rows : {ndarray, memmap, CodedTable} of shape (n_rows, n_columns)
            The checked rows of `fit`.
        hidden : list of HiddenCells
            For each net the cells that it was trained without.
        predict : callable
            Takes a net and scaled rows, and returns predictions of all cells, numbers
            and a share for each category.
        rng : numpy.random.Generator

        Returns
        -------
        self : Shrinkage
        """
        self.column_of_output_ = column_of_output(encoder)
        self.n_columns_ = rows.shape[1]
        some = draw(np.arange(rows.shape[0]), _most_rows(encoder), rng)
        self._fit_moments(_truth(nets[0], encoder, encoder.transform(rows[some])))
        sums = np.zeros((3, self.n_columns_))
        for compared in hidden_rows(encoder, nets, rows, hidden, rng):
            sums += self._compare(*compared, predict)
        self._fit_factor(*sums)
        return self

    def _fit_moments(self, truth):
        """Learn the mean of each output and the variance of each column."""
        with warnings.catch_warnings():
            # Columns without any value are left out anyway.
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            self.center_ = np.nan_to_num(np.nanmean(truth, 0))
            variance = np.nan_to_num(np.nanvar(truth, 0))
            # Rounding can give a column of equal cells another mean, and a variance.
            least, largest = np.nanmin(truth, 0), np.nanmax(truth, 0)
        is_constant = least == largest
        self.center_[is_constant] = least[is_constant]
        self.variance_ = self._sum_of_columns(np.where(is_constant, 0.0, variance))

    def _compare(self, net, scaled, truth, is_hidden, predict):
        """Return what least squares needs, summed over the hidden cells of each column.

        Returns
        -------
        sums : list of ndarray of shape (n_columns,)
            Squares of the truth, its products with the predictions, squares of these,
            all as deviations from the mean.
        """
        n_outputs = len(self.column_of_output_)
        predicted = infer(net, predict, scaled, n_outputs) - self.center_
        truth = np.where(is_hidden, truth - self.center_, 0.0)
        predicted = np.where(is_hidden, predicted, 0.0)
        terms = truth**2, truth * predicted, predicted**2
        return [self._sum_of_columns(term.sum(0)) for term in terms]

    def _fit_factor(self, truths, products, predictions):
        """Learn from the sums of `_compare` over all nets."""
        prior = PRIOR_CELLS * self.variance_ + MIN_VARIANCE
        factor = (products + prior) / (predictions + prior)
        # Where all cells are equal, whatever a prediction deviates by is an error.
        factor[(self.variance_ == 0) & (truths == 0)] = 0.0
        self.factor_ = np.clip(factor, 0.0, 1.0)

    def _sum_of_columns(self, values):
        """Return the sum over the outputs of each column."""
        return np.bincount(self.column_of_output_, values, self.n_columns_)

    def apply(self, predicted):
        """Return predictions of a net, shrunk to the mean.

        Parameters
        ----------
        predicted : Tensor of shape (n_rows, n_outputs)
        """
        center, factor = (
            to_tensor(values).to(predicted)
            for values in (self.center_, self.factor_[self.column_of_output_])
        )
        return center + factor * (predicted - center)


def hidden_rows(encoder, nets, rows, hidden, rng):
    """Yield rows with hidden cells, and what these hold.

    Parameters
    ----------
    encoder, nets, rows, hidden, rng
        As for :meth:`Shrinkage.fit`.

    Yields
    ------
    net : AutoencoderNet
    scaled : float32 ndarray of shape (n_rows, n_columns)
        Without the cells that are hidden from the net.
    truth : float32 ndarray of shape (n_rows, n_outputs)
        With them.
    is_hidden : bool ndarray of shape (n_rows, n_outputs)
    """
    outputs = column_of_output(encoder)
    for net, cells in zip(nets, hidden, strict=True):
        chosen = np.flatnonzero(cells.mask.any(axis=1))
        chosen = draw(chosen, _most_rows(encoder), rng)
        if len(chosen):
            mask = cells.mask[chosen]
            scaled = encoder.transform(rows[cells.rows[chosen]])
            truth = _truth(net, encoder, scaled)
            # The truth may be a category that a frozen autoencoder does not know.
            is_hidden = mask[:, outputs] & ~np.isnan(truth)
            scaled[mask] = np.nan
            yield net, scaled, truth, is_hidden


def _truth(net, encoder, scaled):
    """Return scaled rows with a share of 0 or 1 for each category."""
    outputs = column_of_output(encoder)
    truth = infer(net, _numbers_and_shares, scaled, len(outputs))
    truth[np.isnan(scaled)[:, outputs]] = np.nan
    return truth


def _most_rows(encoder):
    return max(1, MAX_CELLS // len(column_of_output(encoder)))


def draw(indices, n_drawn, rng):
    """Return at most so many of some indices, drawn at random."""
    if len(indices) <= n_drawn:
        return indices
    return indices[draw_in_steps(len(indices), rng.random(n_drawn))]


def column_of_output(encoder):
    """Return the column of the table that each output of a net belongs to."""
    layout = encoder.layout_
    if layout is None:
        return np.arange(encoder.n_features_in_)
    categorical = layout.categorical[layout.column_of_category]
    return torch.cat([layout.numeric, categorical]).numpy()


def _numbers_and_shares(net, X):
    return net.module_.expect_linearly(X)
