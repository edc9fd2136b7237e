"""Fine-tuning that learns from unlabelled rows, too.

Each step takes a batch of labelled rows and one of all rows. On the latter the
predictions are asked to be the same a little way from the row, whatever the direction
(virtual adversarial training; Miyato et al., 2019 [1]_), where "a little" is measured
by the distance to its neighbours (Hu et al., 2017 [2]_); to be sure of one class; and
to have, on average, the classes in the shares in which they are labelled. In the first
epochs they also follow labels that were spread along a graph of neighbours: else these
terms may settle on a wrong partition of the rows.

References
----------
.. [1] Miyato, T. et al. "Virtual adversarial training: a regularization method for
   supervised and semi-supervised learning." IEEE TPAMI 41 (2019), 1979-1993.
.. [2] Hu, W. et al. "Learning discrete representations via information maximizing
   self-augmented training." ICML 2017.
"""

from itertools import chain, repeat

import numpy as np
import torch
from torch.nn.functional import log_softmax, normalize

from sklearn_ae._batches import BatchIterator, Rows
from sklearn_ae._net import AutoencoderNet
from sklearn_ae._spreading import NeighborGraph

# Radius of a row, in distances to the last of its neighbours.
RADIUS = 0.25
# Part of the training in which spread labels fade out.
FADING = 0.4
# A graph of so many rows takes half a minute; as many cells fill half a GB.
MOST_ROWS = 60_000
MOST_CELLS = 2**27


@torch.no_grad()
def prepare_rows(rows, labelled, module, n_classes):
    """Return rows for :class:`SemiSupervisedNet`: all of them, or as many as it takes.

    Parameters
    ----------
    rows, labelled : Rows, SparseRows or MappedRows
        All rows, and those with a label; `y` holds their weights and classes.
    module : Autoencoder
        Fitted.
    n_classes : int

    Returns
    -------
    rows : Rows
        In memory, with the attribute `labelled`.
    """
    chosen = _choose(rows, max(1, MOST_CELLS // rows.X.shape[1]))
    X, y = rows[chosen]
    codes = np.where(torch.isnan(y[:, 1]), -1, y[:, 1].cpu()).astype(np.int64)
    parts = X.split(4096)
    Z = torch.cat([module.encode(part, missing=True).cpu() for part in parts])
    graph = NeighborGraph(Z.numpy())
    last = torch.from_numpy(graph.neighbors[:, -1])
    farthest = last.to(X.device).split(4096)
    distances = [
        (
            module.inputs(part, missing=True) - module.inputs(X[there], missing=True)
        ).norm(dim=1, keepdim=True)
        for part, there in zip(parts, farthest, strict=True)
    ]
    spread = torch.from_numpy(graph.spread(codes, n_classes)).to(y)
    rows = Rows(X, torch.cat([y, RADIUS * torch.cat(distances), spread], dim=1))
    rows.labelled = rows.subset(torch.from_numpy(np.flatnonzero(codes >= 0)).int())
    return rows


def _choose(rows, most):
    """Return the places of all rows, or of the labelled and some others."""
    n_rows = len(rows)
    most = min(MOST_ROWS, most)
    if n_rows <= most:
        return torch.arange(n_rows)
    y = rows.y if rows.index is None else rows.y[rows.index]
    first = torch.isnan(y[:, 1]).cpu().float() + torch.rand(n_rows)
    return first.argsort()[:most].sort().values


class PairedIterator:
    """Iterate over batches of all rows, each behind a batch of labelled ones.

    Parameters
    ----------
    rows : Rows
        All rows, which come once, with an attribute `labelled`: those that have a
        label, which come as often as it takes.
    batch_size : int
        Largest number of rows, and of labelled rows, in a batch.
    shuffle : bool, default=False
    """

    def __init__(self, rows, batch_size, shuffle=False):
        self.batches = BatchIterator(rows, batch_size, shuffle)
        self.labelled = BatchIterator(rows.labelled, batch_size, shuffle)

    def __iter__(self):
        labelled = chain.from_iterable(repeat(self.labelled))
        for pair in zip(labelled, self.batches, strict=False):
            (X_labelled, y_labelled), (X, y) = pair
            # That a row is there for its label is written where others have a radius.
            y_labelled = y_labelled.clone()
            y_labelled[:, 2] = torch.nan
            yield torch.cat([X_labelled, X]), torch.cat([y_labelled, y])


class SemiSupervisedNet(AutoencoderNet):
    """A net that trains a predictor of classes on all rows.

    What comes with a row is its weight, its class or `NaN`, its radius, and a
    probability of each class.

    Parameters
    ----------
    *args, **kwargs
        Passed to :class:`AutoencoderNet`.
    shares : Tensor of shape (n_classes,)
        Expected share of each class.
    """

    def __init__(self, *args, shares, **kwargs):
        self.shares = shares
        super().__init__(*args, **kwargs, iterator_train=PairedIterator)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the loss of labelled rows and, in training, that of the others."""
        y = y_true.to(self.device)
        if not training:
            return self.criterion_(y_pred, X, y[:, :2])
        n_labelled = int(torch.isnan(y[:, 2]).sum())
        loss = self.criterion_(y_pred[:n_labelled], X, y[:n_labelled, :2])
        others = slice(n_labelled, None)
        return loss + self._loss_of_rows(X[others], y_pred[others], y[others])

    def _loss_of_rows(self, X, logits, y):
        """Return the loss of rows whose labels do not matter."""
        weight, radius, spread = y[:, 0], y[:, 2:3], y[:, 3:]
        weight = weight / weight.sum()
        logp = log_softmax(logits, dim=1)
        p = logp.exp()
        average = weight @ p
        imbalance = average @ (average.clamp_min(1e-8).log() - self.shares.log())
        losses = self._divergence_nearby(X, logp.detach(), radius) - (p * logp).sum(1)
        fading = 1 - (len(self.history) - 1) / (FADING * self.max_epochs)
        if fading > 0:
            losses = losses - fading * (spread * logp).sum(1)
        return weight @ losses + imbalance

    def _divergence_nearby(self, X, logp, radius):
        """Return how far predictions change within a radius, in the worst direction."""
        module = self.module_
        inputs = module.inputs(X.to(self.device)).detach()

        def divergence(step):
            logq = log_softmax(self.compute(module.predict_inputs, inputs + step), 1)
            return (logp.exp() * (logp - logq)).sum(1)

        step = normalize(torch.randn_like(inputs), dim=1) * radius
        step.requires_grad_()
        (gradient,) = torch.autograd.grad(divergence(step).sum(), step)
        return divergence(normalize(gradient, dim=1, eps=1e-20) * radius)
