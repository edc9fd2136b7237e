"""Fine-tuning that learns from unlabelled rows, too.

Each step takes a batch of labelled rows and one of all rows. On the latter the
predictions are asked to be the same a little way from the row, whatever the direction
(virtual adversarial training; Miyato et al., 2019 [1]_), where "a little" is measured
by the distance to its neighbours (Hu et al., 2017 [2]_). In the first epochs they also
follow labels that were spread along a graph of neighbours. As that fades, they have to
be sure of one class instead, but on average keep to the shares of the classes that the
spread labels have: else the network may soon be sure of a wrong partition of the rows.
The encoder starts half the way from random weights to the pre-trained ones, which as
they are hardly let go of what they have learnt (Ash and Adams, 2020 [3]_). Its hidden
layers are normalised for each row (Ba et al., 2016 [4]_).

References
----------
.. [1] Miyato, T. et al. "Virtual adversarial training: a regularization method for
   supervised and semi-supervised learning." IEEE TPAMI 41 (2019), 1979-1993.
.. [2] Hu, W. et al. "Learning discrete representations via information maximizing
   self-augmented training." ICML 2017.
.. [3] Ash, J. T. and Adams, R. P. "On warm-starting neural network training." NeurIPS
   2020.
.. [4] Ba, J. L., Kiros, J. R. and Hinton, G. E. "Layer normalization."
   arXiv:1607.06450, 2016.
"""

from copy import copy
from itertools import chain, repeat

import numpy as np
import torch
from torch import nn
from torch.nn.functional import log_softmax, normalize

from sklearn_ae._modules.dense import Dense
from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._supervised.label_spreading import NeighborGraph
from sklearn_ae._tables.rows import BatchIterator, Rows, apply_in_parts

# Radius of a row, in distances to the last of its neighbours.
RADIUS = 0.25
# Part of the training in which spread labels fade out.
FADING = 0.4
# Share of the pre-trained weights in those that training starts from.
PRETRAINED = 0.5
# The narrowest hidden layer that is normalised.
LEAST_NORMALIZED = 8
# A graph of so many rows takes half a minute; as many cells fill half a GB.
MOST_ROWS = 60_000
MOST_CELLS = 2**27


class Neighborhood:
    """Rows and their neighbours, by their latent codes.

    Parameters
    ----------
    rows : Rows, SparseRows or MappedRows
        All rows; `y` holds their weights and classes. Where there are too many, the
        labelled ones and some of the others are taken.
    valid : Rows, SparseRows, MappedRows or None
        Those of them whose labels are not to be seen.
    encoder : Autoencoder
        Fitted.
    n_classes : int

    Attributes
    ----------
    rows : Rows
        In memory.
    codes : int64 ndarray of shape (n_rows,)
        Classes, -1 where there is no label.
    """

    def __init__(self, rows, valid, encoder, n_classes):
        if valid is not None:
            rows = copy(rows)
            rows.y = rows.y.clone()
            rows.y[valid.index.long(), 1] = torch.nan
        X, y = rows[_choose(rows).to(rows.device)]
        self.n_classes = n_classes
        self.codes = np.where(torch.isnan(y[:, 1]).cpu(), -1, y[:, 1].cpu()).astype(int)
        self.rows = Rows(X, y)
        self._encoder = encoder.eval()
        self._graph = NeighborGraph(self._apply(self._encoder.encode).numpy())

    @property
    def labelled(self):
        """Places of the labelled rows."""
        return np.flatnonzero(self.codes >= 0)

    def spread(self, without=()):
        """Return probabilities of the classes by the labels of neighbours.

        Parameters
        ----------
        without : ndarray of int, default=()
            Places of rows whose labels are not to be used.

        Returns
        -------
        probabilities : float64 ndarray of shape (n_rows, n_classes)
        """
        codes = self.codes.copy()
        codes[np.asarray(without, dtype=int)] = -1
        return self._graph.spread(codes, self.n_classes)

    def make_rows(self):
        """Return rows for :class:`SemiSupervisedNet`, and the shares of the classes."""
        inputs = self._apply(self._encoder.inputs)
        farthest = torch.from_numpy(self._graph.neighbors[:, -1])
        radius = RADIUS * torch.linalg.vector_norm(inputs - inputs[farthest], dim=1)
        spread = torch.from_numpy(self.spread())
        # Not how often each is the most likely class: a rare one seldom is.
        weight = self.rows.y[:, 0].cpu().double()
        shares = (weight @ spread / weight.sum()).float()
        shares = torch.lerp(shares, torch.tensor(1 / self.n_classes), 0.01)
        X, y = self.rows.X, self.rows.y
        rows = Rows(X, torch.cat([y, radius[:, None].to(y), spread.to(y)], dim=1))
        rows.labelled = rows.subset(torch.from_numpy(self.labelled).int())
        return rows, shares

    @torch.no_grad()
    def _apply(self, function):
        """Return what a function of the encoder makes of all rows."""
        device = next(self._encoder.parameters()).device
        return apply_in_parts(function, self.rows.X, device)


@torch.no_grad()
def shrink_and_perturb(encoder):
    """Draw the linear layers of an encoder half the way to random weights."""
    for layer in encoder.network.modules():
        if isinstance(layer, nn.Linear):
            drawn = nn.init.kaiming_normal_(
                torch.empty_like(layer.weight), nonlinearity="relu"
            )
            layer.weight.lerp_(drawn, 1 - PRETRAINED)
            if layer.bias is not None:
                layer.bias.mul_(PRETRAINED)


def normalize_hidden(encoder):
    """Normalise the hidden layers of an encoder, if it is one of dense layers."""
    network = encoder.network
    if not isinstance(network, Dense):
        return
    layers = list(network.encoder)
    *hidden, _ = (layer for layer in layers if isinstance(layer, nn.Linear))
    for layer in hidden:
        # Of few units it would leave little.
        if layer.out_features >= LEAST_NORMALIZED:
            norm = nn.LayerNorm(layer.out_features).to(layer.weight)
            layers.insert(layers.index(layer) + 1, norm)
    network.encoder = nn.Sequential(*layers)


def most_rows(rows):
    """Return how many rows may take part."""
    return min(MOST_ROWS, max(1, MOST_CELLS // rows.X.shape[1]))


def _choose(rows):
    """Return the places of all rows, or of the labelled and some others."""
    n_rows, most = len(rows), most_rows(rows)
    if n_rows <= most:
        return torch.arange(n_rows)
    first = torch.isnan(rows.targets[:, 0]).cpu().float() + torch.rand(n_rows)
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
        Expected share of each class, none of them 0.
    """

    def __init__(self, *args, shares, **kwargs):
        self.shares = shares
        super().__init__(*args, **{"iterator_train": PairedIterator, **kwargs})

    def count_rows(self, batch):
        """Return how many rows a batch holds beside those that come for their label."""
        return len(batch[0]) - _count_labelled(batch[1])

    def weigh(self, batch):
        """Return the summed weight of these rows."""
        return batch[1][_count_labelled(batch[1]) :, 0].sum()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the loss of labelled rows and, in training, that of the others."""
        y = y_true.to(self.device)
        if not training:
            return self.criterion_(y_pred, X, y[:, :2])
        n_labelled = _count_labelled(y)
        loss = self.criterion_(y_pred[:n_labelled], X, y[:n_labelled, :2])
        others = slice(n_labelled, None)
        return loss + self._loss_of_rows(X[others], y_pred[others], y[others])

    def _loss_of_rows(self, X, logits, y):
        """Return the loss of rows whose labels do not matter."""
        weight, radius, spread = y[:, 0], y[:, 2:3], y[:, 3:]
        shares = self.shares.to(logits.device)
        weight = weight / len(weight)
        logp = log_softmax(logits, dim=1)
        p = logp.exp()
        sure = min(1.0, (len(self.history) - 1) / (FADING * self.max_epochs))
        losses = self._divergence_nearby(X, logp.detach(), radius)
        losses = losses - sure * (p * logp).sum(1) - (1 - sure) * (spread * logp).sum(1)
        average = weight @ p / weight.sum()
        imbalance = average @ (average.clamp_min(1e-8) / shares).log()
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


def _count_labelled(y):
    """Return how many rows of a batch come for their label; those held out do not."""
    return int(torch.isnan(y[:, 2]).sum()) if y.shape[1] > 2 else 0
