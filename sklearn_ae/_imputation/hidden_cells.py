"""How far predictions of missing cells can be trusted, learnt from hidden cells."""

import warnings

import numpy as np
import torch

from sklearn_ae._net.inference import infer

# Observed cells that are hidden from training: this share of them, in at most so many
# rows.
HIDDEN_SHARE = 0.1
HIDDEN_ROWS = 20_000
# Encoded cells that are looked at in all; each is held a few times.
MAX_CELLS = 2**22
# A column's predictions are trusted as if so many of its hidden cells had said so.
PRIOR_CELLS = 5.0


def hide(observed, rng):
    """Return a mask of observed cells, drawn at random, to hide from training.

    Parameters
    ----------
    observed : bool ndarray of shape (n_rows, n_columns)
    rng : numpy.random.Generator
    """
    n_rows, n_columns = observed.shape
    hidden = np.zeros_like(observed)
    rows = np.arange(n_rows)
    if n_rows > HIDDEN_ROWS:
        rows = np.sort(rng.choice(n_rows, HIDDEN_ROWS, replace=False))
    hidden[rows] = rng.random((len(rows), n_columns)) < HIDDEN_SHARE
    hidden &= observed
    # A column has to keep something to learn from.
    hidden[:, observed.sum(axis=0) < 2 * hidden.sum(axis=0) + 2] = False
    return hidden


class Trust:
    """How well the expectations of each column agree with cells that were hidden.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    net : AutoencoderNet
        Says what is known about observed cells.
    X : {ndarray, CodedTable} of shape (n_rows, n_columns)
        The rows of `fit`.

    Attributes
    ----------
    factor_ : float64 ndarray of shape (n_columns,)
        With which deviations of the expectations from the mean fit the hidden cells
        best, by least squares over all indicators of a column, between 0 and 1.
    """

    def __init__(self, encoder, net, X):
        self.columns = _columns_of_outputs(encoder)
        self.X = X
        self.encode = encoder.transform
        self.max_rows = max(1, MAX_CELLS // len(self.columns))
        V = self.encode(X[:: -(-X.shape[0] // self.max_rows)])
        truth = self._truth(net, V)
        with warnings.catch_warnings():
            # Columns without any value are left out anyway.
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            self.center = np.nan_to_num(np.nanmean(truth, 0))
            variance = np.nan_to_num(np.nanvar(truth, 0))
        self.variance = self._sum_of_columns(variance)
        self.sums = np.zeros((5, X.shape[1]))

    def _truth(self, net, V):
        """Return scaled rows with a share of 0 or 1 for each category."""
        truth = infer(net, _observe, V, len(self.columns))
        truth[np.isnan(V)[:, self.columns]] = np.nan
        return truth

    def _sum_of_columns(self, values):
        return np.bincount(self.columns, values, self.X.shape[1])

    def add(self, net, hidden, predict):
        """Compare what a net expects in hidden cells with what was there.

        Parameters
        ----------
        net : AutoencoderNet
            Trained without these cells.
        hidden : bool ndarray of shape (n_rows, n_columns)
        predict : callable
            Takes a net and scaled rows, and returns what they are expected to hold.
        """
        rows = np.flatnonzero(hidden.any(axis=1))[: self.max_rows]
        if len(rows) == 0:
            return
        V = self.encode(self.X[rows])
        truth = self._truth(net, V) - self.center
        V[hidden[rows]] = np.nan
        n_outputs = len(self.columns)
        expected = infer(net, predict, V, n_outputs) - self.center
        variance = infer(net, _variance, V, n_outputs)
        # The truth may be a category that a frozen autoencoder does not know.
        chosen = hidden[rows][:, self.columns] & ~np.isnan(truth)
        truth, expected = np.where(chosen, truth, 0.0), np.where(chosen, expected, 0.0)
        terms = truth**2, truth * expected, expected**2, chosen * variance, chosen
        self.sums += [self._sum_of_columns(term.sum(0)) for term in terms]

    def finish(self):
        """Learn from all comparisons how far to trust each column."""
        total, product, square, variance, count = self.sums
        prior = PRIOR_CELLS * self.variance + 1e-12
        self.factor_ = np.clip((product + prior) / (square + prior), 0.0, 1.0)
        left = total - 2 * self.factor_ * product + self.factor_**2 * square
        # Rounding takes what is left of a column of equal cells a hair below 0.
        ratio = left.clip(min=0) / np.maximum(variance, 1e-12)
        self.spread = np.sqrt(np.where(count, ratio, 1.0))[self.columns]
        del self.X, self.encode
        return self

    def apply(self, expected):
        """Return expectations drawn towards the mean as far as they are not trusted."""
        center, factor = (
            torch.as_tensor(values, dtype=expected.dtype, device=expected.device)
            for values in (self.center, self.factor_[self.columns])
        )
        return center + factor * (expected - center)

    def deviations(self, net, X):
        """Return the standard deviation of numbers around what is expected of them.

        The linear model says how much more is known about one row than about another,
        the hidden cells how far it is right about that.
        """
        spread = torch.as_tensor(self.spread, dtype=X.dtype, device=X.device)
        return spread * _variance(net, X).sqrt()


def _columns_of_outputs(encoder):
    """Return the column of the table that each output of the network belongs to."""
    layout = encoder.layout_
    if layout is None:
        return np.arange(encoder.n_features_in_)
    categorical = layout.categorical[layout.column_of_category]
    return torch.cat([layout.numeric, categorical]).numpy()


def _observe(net, X):
    return net.module_.expect_linearly(X)


def _variance(net, X):
    return net.module_.linear_variance(X)
