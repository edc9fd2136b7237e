"""Semi-supervised fine-tuning: it learns from unlabelled rows, too.

Each step takes a batch of labelled rows and one of all rows. On the latter, predictions
are to stay the same near a row, whatever the direction (virtual adversarial training;
Miyato et al., 2019 [1]_), where "near" is measured by the distance to its neighbours
(Hu et al., 2017 [2]_). In the first epochs the predictions also follow labels that were
spread along a graph of neighbours. As that fades, their entropy has to become small
instead, while their average keeps to the shares of the classes in the spread labels:
else the network may soon be sure of a wrong partition of the rows.

The encoder starts at the mean of random weights and the pre-trained ones, which as they
are hardly let go of what they have learnt (Ash and Adams, 2020 [3]_). Its hidden layers
are normalised for each row (Ba et al., 2016 [4]_).

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

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from sklearn_ae._document import describe_as
from sklearn_ae._modules.dense import Dense
from sklearn_ae._modules.neighbors import NeighborGraph
from sklearn_ae._modules.virtual_adversarial import virtual_adversarial_divergence
from sklearn_ae._net.documents import read_net, write_net
from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._net.paired_rows import PairedIterator, PairedRows, PairedTargets
from sklearn_ae._supervised.label_spreading import spread_labels
from sklearn_ae._tables.rows import Rows, apply_in_parts

# Length of a perturbation, in distances of the row to the last of its neighbours.
RADIUS = 0.25
# Spread labels fade out in this share of the training.
FADING = 0.4
# The pre-trained weights have this share in those that training starts from.
PRETRAINED = 0.5
# Expected shares of the classes move this far towards equal ones: none may be 0.
SMOOTHED = 0.01
# A hidden layer of fewer units is not normalised: little would be left of it.
LEAST_NORMALIZED = 8
# A graph of more rows than this would take longer than half a minute.
MOST_ROWS = 60_000
# The rows of a graph have at most so many cells, half a GB.
MOST_CELLS = 2**27


class UnlabelledTargets(NamedTuple):
    """What comes with rows that are used without their labels."""

    weight: Tensor
    """How much each row counts, of shape (n_rows,)."""
    radius: Tensor
    """Length of a perturbation, of shape (n_rows, 1)."""
    probabilities: Tensor
    """Probability of each class by spread labels, of shape (n_rows, n_classes)."""

    def to(self, device):
        """Return all parts on a device."""
        return UnlabelledTargets(*(part.to(device) for part in self))


class UnlabelledRows(Rows):
    """Rows whose batches come with :class:`UnlabelledTargets`.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_encoded), dtype=float32
    targets : UnlabelledTargets
    """

    def __init__(self, X, targets):
        weight, radius, probabilities = targets.to(X.device)
        # One tensor: a batch takes one look-up instead of three.
        super().__init__(X, torch.cat([weight[:, None], radius, probabilities], dim=1))

    def __getitem__(self, indices):
        X, y = super().__getitem__(indices)
        return X, UnlabelledTargets(y[:, 0], y[:, 1:2], y[:, 2:])


class Neighborhood:
    """Rows, their neighbours by their latents, and the classes of those with a label.

    Parameters
    ----------
    n_classes : int

    Attributes
    ----------
    rows_ : Rows
        In memory; `y` holds the weight and the class of each row.
    class_indices_ : int64 ndarray of shape (n_rows,)
        -1 where there is no label.
    seen_ : float64 ndarray of shape (n_rows,)
        Share of each row that is not held out.
    graph_ : NeighborGraph
    """

    def __init__(self, n_classes):
        self.n_classes = n_classes

    def fit(self, rows, valid, encoder):
        """Find the neighbours of each row.

        Parameters
        ----------
        rows : Rows, SparseRows or MappedRows
            All rows; `y` holds their weights and classes. Where there are too many, the
            labelled ones and some of the others are taken.
        valid : Rows, SparseRows, MappedRows or None
            Those of them that are held out, whose labels are not to be seen.
        encoder : Autoencoder
            Fitted.
        """
        seen = torch.ones(rows.X.shape[0], dtype=torch.float64)
        if valid is not None:
            index = valid.index.long().cpu()
            held_out, weight = (part.y[:, 0].cpu()[index] for part in (valid, rows))
            # Of a row that stands for several, some may be held out and others not.
            seen[index] -= (held_out / weight).double()
        chosen = _choose(rows)
        X, y = rows[chosen.to(rows.device)]
        if rows.index is not None:
            seen = seen[rows.index.long().cpu()]
        self.seen_ = seen[chosen].numpy()
        class_indices = y[:, 1].cpu().numpy()
        unlabelled = np.isnan(class_indices) | (self.seen_ <= 0)
        self.class_indices_ = np.where(unlabelled, -1, class_indices).astype(int)
        self.rows_ = Rows(X, y, copies=rows.n_copies[chosen])
        Z = self._apply(encoder, "encode").numpy()
        self.graph_ = NeighborGraph().fit(Z, self.rows_.n_copies.numpy())
        return self

    @property
    def labelled_indices(self):
        """Indices of the labelled rows."""
        return np.flatnonzero(self.class_indices_ >= 0)

    @property
    def labelled(self):
        """The labelled rows, without the share of their weight that is held out."""
        labelled = np.where(self.class_indices_ >= 0, self.seen_, 0.0)
        return self.rows_.take_shares(torch.from_numpy(labelled))

    def spread(self, held_out=0.0):
        """Return probabilities of the classes by the labels of neighbours.

        Parameters
        ----------
        held_out : ndarray of shape (n_rows,), default=0.0
            Share of each row whose label is not to be used either.

        Returns
        -------
        probabilities : float64 ndarray of shape (n_rows, n_classes)
        """
        seen = np.maximum(self.seen_ - held_out, 0.0)
        return spread_labels(self.graph_, self.class_indices_, self.n_classes, seen)

    def make_rows(self, encoder):
        """Return rows for :class:`SemiSupervisedNet`, and the shares of the classes.

        Parameters
        ----------
        encoder : Autoencoder
            Its inputs are what the net perturbs.

        Returns
        -------
        rows : PairedRows
        shares : Tensor of shape (n_classes,)
        """
        radius = RADIUS * self.graph_.radius(self._apply(encoder, "inputs"))
        spread = torch.from_numpy(self.spread())
        # Not how often each is the most likely class: a rare one seldom is.
        weight = self.rows_.y[:, 0].cpu().double()
        shares = (weight @ spread / weight.sum()).float()
        shares = torch.lerp(shares, torch.tensor(1 / self.n_classes), SMOOTHED)
        targets = UnlabelledTargets(
            self.rows_.y[:, 0], radius[:, None].float(), spread.float()
        )
        return PairedRows(UnlabelledRows(self.rows_.X, targets), self.labelled), shares

    @torch.no_grad()
    def _apply(self, encoder, method):
        """Return on the CPU what a method of the encoder returns for all rows."""
        function = getattr(encoder.eval(), method)
        device = next(encoder.parameters()).device
        return apply_in_parts(function, self.rows_.X, device)


def max_rows(rows):
    """Return how many rows may take part in semi-supervised training."""
    return min(MOST_ROWS, max(1, MOST_CELLS // rows.X.shape[1]))


def _choose(rows):
    """Return the indices of all rows, or of the labelled and some others."""
    n_rows, most = len(rows), max_rows(rows)
    if n_rows <= most:
        return torch.arange(n_rows)
    order = torch.isnan(rows.targets[:, 0]).cpu().float() + torch.rand(n_rows)
    return order.argsort()[:most].sort().values


@torch.no_grad()
def shrink_and_perturb(encoder):
    """Move the linear layers of an encoder towards random weights."""
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
        if layer.out_features >= LEAST_NORMALIZED:
            norm = nn.LayerNorm(layer.out_features).to(layer.weight)
            layers.insert(layers.index(layer) + 1, norm)
    network.encoder = nn.Sequential(*layers)


class SemiSupervisedNet(AutoencoderNet):
    """A net that trains a predictor of classes on labelled rows and on all rows.

    It trains on :class:`PairedRows`: the repeated rows are the labelled ones and come
    with their weight and class, the others with :class:`UnlabelledTargets`. The rows to
    validate on are labelled.

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
        """Return how many rows a batch holds, without the repeated ones."""
        _, y = batch
        return len(y.rows.weight if isinstance(y, PairedTargets) else y)

    def weigh(self, batch):
        """Return the summed weight of these rows."""
        _, y = batch
        return (y.rows.weight if isinstance(y, PairedTargets) else y[:, 0]).sum()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the loss of labelled rows and, in training, that of the others."""
        y = y_true.to(self.device)
        if not isinstance(y, PairedTargets):
            return self.criterion_(y_pred, X, y)
        n_labelled = len(y.repeated)
        loss = self.criterion_(y_pred[:n_labelled], X[:n_labelled], y.repeated)
        return loss + self._unlabelled_loss(X[n_labelled:], y_pred[n_labelled:], y.rows)

    def _unlabelled_loss(self, X, logits, targets):
        """Return the loss of rows whose labels do not matter."""
        shares = self.shares.to(logits.device)
        weight = targets.weight / len(targets.weight)
        log_p = log_softmax(logits, dim=1)
        p = log_p.exp()
        divergence = virtual_adversarial_divergence(
            self._predict_inputs,
            self.module_.inputs(X.to(self.device)).detach(),
            log_p.detach(),
            targets.radius,
        )
        # The cross-entropy with spread labels fades into the entropy.
        faded = min(1.0, (len(self.history) - 1) / (FADING * self.max_epochs))
        losses = divergence - faded * (p * log_p).sum(1)
        losses = losses - (1 - faded) * (targets.probabilities * log_p).sum(1)
        average = weight @ p / weight.sum()
        imbalance = average @ (average.clamp_min(1e-8) / shares).log()
        return weight @ losses + imbalance

    def _predict_inputs(self, inputs):
        """Return logits for what the network gets of the rows."""
        return self.compute(self.module_.predict_inputs, inputs)


_NAMES = ("shares",)
describe_as(
    SemiSupervisedNet,
    partial(write_net, names=_NAMES),
    partial(read_net, net_class=SemiSupervisedNet, names=_NAMES),
)
