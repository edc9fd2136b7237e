"""What numbers deviate from their predictions by, drawn from hidden cells."""

from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from sklearn_ae._document import documented
from sklearn_ae._imputation.hidden_cells import column_of_output, hidden_rows
from sklearn_ae._modules.latent_penalties import GaussianLatent
from sklearn_ae._net.inference import infer
from sklearn_ae._tables.reading import to_tensor

# Hidden cells of a column whose predictions are alike, among which a residual is drawn.
GROUP_CELLS = 50
# Most groups of a column, and most hidden cells that are kept of it.
MAX_GROUPS, MAX_RESIDUALS = 10, 1000
# A column with fewer hidden cells gets imaginary ones, with normal residuals.
LEAST_CELLS = 10
# Least standard deviation to divide by, that of a column of equal cells.
MIN_DEVIATION = 1e-6
# Layers and latents that are active while cells are drawn. torch has a private base
# class of the layers.
RANDOM_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    GaussianLatent,
)


@documented
class Residuals:
    """Draw residuals of numbers from those of hidden cells with like predictions.

    These are local residual draws (Schenker and Taylor, 1996): they have the skewness
    and the tails of the column, and spread as much as numbers of this size do. They are
    divided by the standard deviations of the linear model, which tell how much more is
    known about one row than about another.

    Attributes
    ----------
    edges_ : float32 Tensor of shape (n_numbers, MAX_GROUPS - 1)
        Predictions at which the groups of each column begin, but for the first.
    count_ : int64 Tensor of shape (n_numbers, MAX_GROUPS)
        Number of residuals of each group.
    residuals_ : float32 Tensor of shape (n_numbers, MAX_GROUPS, n_most)
        Ascending in each group.
    """

    def _to_document(self, writer):
        names = ("edges", "count", "residuals")
        return {name: getattr(self, f"{name}_").numpy() for name in names}

    @classmethod
    def _from_document(cls, fields):
        made = cls()
        edges = fields.array("edges", (None, MAX_GROUPS - 1), np.float32)
        shape = len(edges), MAX_GROUPS, None
        residuals = fields.array("residuals", shape, np.float32)
        most = residuals.shape[2]
        count = fields.array("count", residuals.shape[:2], np.int64, least=1, most=most)
        made.edges_, made.count_ = to_tensor(edges), to_tensor(count)
        made.residuals_ = to_tensor(residuals)
        return made

    def fits(self, encoder):
        """Whether it draws residuals of the numbers of an encoder."""
        return len(self.edges_) == n_numbers(encoder)

    def fit(self, encoder, nets, rows, hidden, predict, varies, rng):
        """Learn from the hidden cells.

        Parameters
        ----------
        encoder, nets, rows, hidden, predict, rng
            As for :meth:`Shrinkage.fit`.
        varies : bool ndarray of shape (n_columns,)
            Which columns have cells that differ.

        Returns
        -------
        self : Residuals
        """
        columns = column_of_output(encoder)
        n_columns, parts = n_numbers(encoder), [np.zeros((0, 4))]
        owners = [np.zeros(0, dtype=np.int64)]
        for net, scaled, truth, is_hidden in hidden_rows(
            encoder, nets, rows, hidden, rng
        ):
            function = partial(_predict_twice, predict)
            told = infer(net, function, scaled, 3, len(columns)).astype(np.float64)
            cells, owner = np.nonzero(is_hidden[:, :n_columns])
            parts.append(np.c_[told[cells, :, owner], truth[cells, owner]])
            owners.append(owner)
        owner = np.concatenate(owners)
        predicted, drawn, variance, truth = np.concatenate(parts).T
        missed = truth - predicted
        # Predictions that are drawn themselves have a part of the spread already.
        squares, taken = (
            np.bincount(owner, values**2, n_columns)
            for values in (missed, drawn - predicted)
        )
        left = np.sqrt((1 - taken / np.maximum(squares, MIN_DEVIATION**2)).clip(0))
        residuals = left[owner] * missed / np.sqrt(variance).clip(MIN_DEVIATION)
        order = np.lexsort((predicted, owner))
        bounds = np.searchsorted(owner[order], np.arange(n_columns + 1))
        groups = []
        for j, (start, stop) in enumerate(pairwise(bounds)):
            cells = order[start:stop]
            if len(cells) > MAX_RESIDUALS:
                cells = cells[np.sort(rng.choice(len(cells), MAX_RESIDUALS, False))]
            groups.append(
                _group(predicted[cells], residuals[cells], varies[columns[j]])
            )
        return self._keep(groups)

    def _keep(self, groups):
        """Keep the groups of all columns in arrays, whose rest is padded."""
        largest = np.finfo(np.float32).max
        most = max((len(r) for _, parts in groups for r in parts), default=1)
        self.edges_ = torch.full((len(groups), MAX_GROUPS - 1), largest)
        self.count_ = torch.ones(len(groups), MAX_GROUPS, dtype=torch.int64)
        self.residuals_ = torch.zeros(len(groups), MAX_GROUPS, most)
        for j, (edges, parts) in enumerate(groups):
            self.edges_[j, : len(edges)] = torch.as_tensor(edges)
            for k, part in enumerate(parts):
                self.count_[j, k] = len(part)
                self.residuals_[j, k, : len(part)] = to_tensor(part)
        return self

    def draw(self, net, predicted, X):
        """Return predictions with a residual added to each number.

        Parameters
        ----------
        net : AutoencoderNet
        predicted : Tensor of shape (n_rows, n_outputs)
        X : Tensor of shape (n_rows, n_columns)
            Scaled rows, missing cells as `NaN`.
        """
        edges, count, residuals = (
            part.to(X.device) for part in (self.edges_, self.count_, self.residuals_)
        )
        n_columns = len(edges)
        numbers = predicted[:, :n_columns]
        group = torch.searchsorted(edges, numbers.T.contiguous(), right=True)
        count = count.gather(1, group)
        # With n residuals, the next one lies between two of them, or beyond the first
        # or the last, with the same probability, 1 / (n + 1).
        place = torch.rand_like(numbers.T) * (count + 1) - 1
        place = place.clamp(min=0).minimum((count - 1).to(numbers))
        below = place.long()
        above = torch.minimum(below + 1, count - 1)
        offset = group * residuals.shape[2]
        low, high = (
            residuals.flatten(1).gather(1, offset + side) for side in (below, above)
        )
        residual = torch.lerp(low, high, place - below).T
        deviation = net.module_.linear_variance(X)[:, :n_columns].sqrt()
        residual = residual * deviation.clamp(min=MIN_DEVIATION)
        return torch.cat([numbers + residual, predicted[:, n_columns:]], dim=1)


def n_numbers(encoder):
    """Return how many columns of numbers a net tells, which come first."""
    layout = encoder.layout_
    return encoder.n_features_in_ if layout is None else len(layout.numeric)


def _predict_twice(predict, net, X):
    """Return predictions, those while cells are drawn, and the linear variance."""
    predicted = drawn = predict(net, X)
    if _random_layers_of(net.module_):
        with random_layers(net.module_):
            drawn = predict(net, X)
    return torch.stack([predicted, drawn, net.module_.linear_variance(X)], dim=1)


def _group(predicted, residuals, varies):
    """Return where the groups of a column begin, and the residuals of each.

    Parameters
    ----------
    predicted : ndarray of shape (n_cells,)
        Ascending.
    residuals : ndarray of shape (n_cells,)
    varies : bool
        Whether cells of the column differ.
    """
    n_cells = len(residuals)
    if n_cells < LEAST_CELLS:
        levels = (torch.arange(GROUP_CELLS) + 0.5) / GROUP_CELLS
        normal = torch.special.ndtri(levels.double()).numpy() * varies
        return np.zeros(0), [np.sort(np.r_[residuals, normal])]
    n_groups = min(max(n_cells // GROUP_CELLS, 1), MAX_GROUPS)
    parts = np.array_split(np.arange(n_cells), n_groups)
    edges = predicted[[part[0] for part in parts[1:]]] if n_groups > 1 else np.zeros(0)
    return edges, [np.sort(residuals[part]) for part in parts]


def _random_layers_of(module):
    return [m for m in module.modules() if isinstance(m, RANDOM_LAYERS)]


@contextmanager
def random_layers(module):
    """Let the dropout layers of a module drop cells, and draw variational latents."""
    layers = _random_layers_of(module)
    try:
        for layer in layers:
            layer.train()
        yield
    finally:
        for layer in layers:
            layer.eval()
