"""From a fitted autoencoder and labelled rows to a net that predicts.

A head that starts at random would distort the features of the encoder before it learns
anything, so it starts as a linear model that was fitted to the latent codes (Kumar et
al., 2022 [1]_). Trained on few rows, a network soon does worse than that linear model;
so the weights stop on the way from there to where training ends, as far as
cross-validation recommends (Wortsman et al., 2022 [2]_).

References
----------
.. [1] Kumar, A. et al. "Fine-tuning can distort pretrained features and underperform
   out-of-distribution." ICLR 2022.
.. [2] Wortsman, M. et al. "Robust fine-tuning of zero-shot models." CVPR 2022.
.. [3] Guo, C. et al. "On calibration of modern neural networks." ICML 2017.
"""

from copy import copy, deepcopy
from dataclasses import dataclass, fields
from math import ceil

import numpy as np
import torch
from numpy.typing import ArrayLike

from sklearn_ae._defaults import (
    default_fine_tuning,
    default_fine_tuning_pull,
    default_semi_supervised,
)
from sklearn_ae._modules.dense import ACTIVATIONS
from sklearn_ae._net.callbacks import L2SP
from sklearn_ae._net.make import make_net
from sklearn_ae._net.net import train
from sklearn_ae._supervised.linear_probe import (
    N_FOLDS,
    PROBE_ROWS,
    ClassProbe,
    draw_folds,
)
from sklearn_ae._supervised.predictor import Predictor, UnfreezeEncoder, make_head
from sklearn_ae._supervised.semi_supervised import (
    SemiSupervisedNet,
    normalize_hidden,
    shrink_and_perturb,
)
from sklearn_ae._tables.rows import BatchIterator, apply_in_parts, make_rows

# How far to go from the linear model to the trained network.
WAYS = (0.1, 0.25, 0.5, 0.75, 1.0)
# Half of it with fewer rows than can tell. Up to so many, all are held out in turn, and
# up to so many, a fifth of them. More need not be: they are enough to go all the way.
HALF, WHOLE = 0.5, 1.0
ROWS_TO_CHOOSE, ROWS_FOR_FOLDS, ROWS_TO_HOLD_OUT = 20, 2_000, 20_000
# Where most gradients have become tiny, as those of rare classes do, Adam's usual
# memory turns the next large one into a leap.
STEADY = {"optimizer__betas": (0.9, 0.95), "optimizer__eps": 1e-4}
# What the outputs may be divided by to be less sure.
TEMPERATURES = np.geomspace(1, 100, 200).tolist()
# Latent codes that say what their mean and deviation is.
SAMPLE_ROWS = 20_000


def make_labelled_rows(encoder, X, weight, targets, device):
    """Return the rows of a table, and those of them that have a target.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    X : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
        Checked by `encoder`.
    weight : ndarray of shape (n_rows,) or None
    targets : ndarray of shape (n_rows, n_targets)
        `NaN` where one is missing.
    device : torch.device

    Returns
    -------
    rows, labelled : Rows, SparseRows or MappedRows
        The mean weight of the labelled rows is 1.
    """
    rows = make_rows(X, encoder.transform, weight, device, targets)
    has_target = ~torch.isnan(rows.targets).all(dim=1)
    labelled = rows.subset(has_target.nonzero()[:, 0].int())
    rows.y[:, 0] /= rows.y[labelled.index, 0].mean()
    return rows, labelled


@dataclass(frozen=True)
class PredictorParams:
    """The head of a predictor and how its encoder learns: parameters of the estimators.

    Parameters
    ----------
    freeze_encoder : bool or int
    encoder_lr_scale : float
    head_layer_sizes : int or array-like of int
    dropout : float
    """

    freeze_encoder: bool | int
    encoder_lr_scale: float
    head_layer_sizes: ArrayLike
    dropout: float

    @classmethod
    def from_params(cls, params):
        """Return those among the parameters of a classifier or regressor.

        Parameters
        ----------
        params : dict
            ``get_params(deep=False)`` of an estimator.
        """
        return cls(**{field.name: params[field.name] for field in fields(cls)})


class FineTuning:
    """Fine-tune the encoder of an autoencoder, and a head, on labelled rows.

    Parameters
    ----------
    params : PredictorParams
    training : TrainingParams
        Its device is the one to train on.
    autoencoder : AutoencoderTransformer
        Fitted; copies of its encoder are trained.
    criterion : nn.Module
        Loss of a batch.
    probe : ClassProbe or TargetProbe
        Linear model that the head starts from.
    n_outputs : int
    rng : Generator
    """

    def __init__(self, params, training, autoencoder, criterion, probe, n_outputs, rng):
        self.params = params
        self.training = training
        self.autoencoder = autoencoder
        self.criterion = criterion
        self.probe = probe
        self.n_outputs = n_outputs
        self.device = training.device
        self.rng = rng
        self.encoder = take_encoder(autoencoder).to(self.device)

    def fit_probe(self, rows, labelled):
        """Fit the linear model to the latent codes of labelled rows.

        Parameters
        ----------
        rows, labelled : Rows, SparseRows or MappedRows
            All rows say in which units the codes are.
        """
        Z = self._encode(rows.sample(SAMPLE_ROWS)[0])
        self.center = Z.mean(axis=0)
        # One unit for all components: those that vary little are mostly noise.
        self.unit = np.sqrt(np.mean((Z - self.center) ** 2)) or 1.0
        self.probe.fit(*self._codes_and_targets(labelled), self.rng)

    def fine_tune(self, labelled, valid):
        """Return a net that was trained on labelled rows, as far as is good.

        Parameters
        ----------
        labelled, valid : Rows, SparseRows, MappedRows or None
            Rows to train on, and to stop early by.
        """
        classes = isinstance(self.probe, ClassProbe)
        chosen = classes and valid is None
        way = self._choose_way(labelled) if chosen else WHOLE
        self._refit_probe(labelled)
        net, start = self._train(labelled, valid)
        go_back(net.module_, start, way)
        return net

    def spreading_wins(self, neighbors):
        """Whether neighbours tell held-out labels better than the linear model does.

        Rows of one class then lie together, which is what learning from unlabelled rows
        takes for granted. Better is what is so by more than a standard error.

        Parameters
        ----------
        neighbors : Neighborhood
            Of all rows.
        """
        places = neighbors.labelled
        places = places[:: ceil(len(places) / PROBE_ROWS)]
        labelled = neighbors.rows.subset(torch.from_numpy(places))
        Z, y, weight = self._codes_and_targets(labelled)
        codes, right, won = y[:, 0].astype(int), np.zeros(len(y)), np.zeros(len(y))
        folds = draw_folds(codes, N_FOLDS, self.rng)
        for fold in range(N_FOLDS):
            out = folds == fold
            if not out.any() or out.all():
                continue
            self.probe.refit(Z[~out], y[~out], weight[~out])
            by_probe = (Z[out] @ self.probe.coef_.T + self.probe.intercept_).argmax(1)
            spread = neighbors.spread(without=places[out])
            by_spread = spread[places[out]].argmax(1)
            right[out] = by_spread == codes[out]
            won[out] = right[out] - (by_probe == codes[out])
        share = weight / weight.sum()
        mean = share @ won
        self.accuracy_of_spreading = share @ right
        return bool(mean > np.sqrt(share**2 @ (won - mean) ** 2))

    def fine_tune_on_all(self, neighbors, valid):
        """Return a net that was trained on labelled rows and on all others.

        Parameters
        ----------
        neighbors : Neighborhood
            Of all rows.
        valid : Rows, SparseRows, MappedRows or None
            Rows to stop early by.
        """
        rows, shares = neighbors.make_rows()
        self._refit_probe(rows.labelled)
        encoder = deepcopy(self.encoder)
        # Noise for all rows alike would hide what the adversary does.
        encoder.noise = None
        # A slow encoder would not get far from where random weights put it.
        if not self.params.freeze_encoder and self.params.encoder_lr_scale >= 1:
            shrink_and_perturb(encoder)
            normalize_hidden(encoder)
        net = self.make_net(
            len(rows),
            encoder,
            default_semi_supervised(len(rows)),
            net_class=SemiSupervisedNet,
            shares=shares,
        )
        train(net, rows, valid)
        self._temper(net.module_, rows.sample(PROBE_ROWS)[0].to(self.device))
        return net

    @torch.no_grad()
    def _temper(self, module, X):
        """Make predictions as sure as labels spread along neighbours are right.

        Trained to be sure of rows without a label, a network is surer than it is right
        (temperature scaling; Guo et al., 2017 [3]_).
        """
        logits = module.eval()(X)
        for temperature in TEMPERATURES:
            sureness = torch.softmax(logits / temperature, 1).amax(1).mean()
            if sureness <= self.accuracy_of_spreading:
                break
        for weight in module.head[-1].parameters():
            weight.div_(temperature)

    def make_net(self, n_labelled, encoder=None, steps=None, **params):
        """Return a new net, whose head starts as the linear model.

        Parameters
        ----------
        n_labelled : int
        encoder : Autoencoder, default=None
            `None` takes a copy of the fitted one.
        steps : (int, int), default=None
            Batch size and number of epochs where the user gave none; `None` takes
            those of fine-tuning.
        **params
            Parameters of the net.
        """
        batch_size, max_epochs = steps or default_fine_tuning(n_labelled)
        lr_scale = self.params.encoder_lr_scale
        if lr_scale != 1:
            lr = self.training.lr * lr_scale
            params["optimizer__param_groups"] = [("encoder*", {"lr": lr})]
        if encoder is None:
            encoder = deepcopy(self.encoder)
        return make_net(
            # The encoder comes as it infers: without dropout, its running means kept.
            Predictor(encoder, self._make_head()).train(),
            self.criterion,
            self.training.with_defaults(batch_size=batch_size, max_epochs=max_epochs),
            callbacks=self._callbacks(n_labelled),
            **params,
        )

    def _make_head(self):
        """Return a head that computes what the linear model does."""
        activation = self.autoencoder.activation
        head = make_head(
            self.autoencoder.n_components_,
            self.n_outputs,
            [int(size) for size in np.atleast_1d(self.params.head_layer_sizes)],
            activation if activation in ACTIVATIONS else "relu",
            self.params.dropout,
        )
        if not np.size(self.params.head_layer_sizes):
            self._start_head(head[-1])
        return head

    def _callbacks(self, n_labelled):
        """Return the callbacks for the decay to the start, and for a frozen encoder."""
        callbacks = []
        is_default = self.training.weight_decay is None
        # Its strength is for steps of the length that these optimizers take.
        if is_default and self.training.optimizer in ("adam", "adamw"):
            strength = default_fine_tuning_pull(n_labelled)
            callbacks.append(("pull_to_start", L2SP(strength)))
        frozen = self.params.freeze_encoder
        if frozen:
            n_epochs = None if isinstance(frozen, (bool, np.bool_)) else frozen
            callbacks.append(("unfreeze_encoder", UnfreezeEncoder(n_epochs)))
        return callbacks

    @torch.no_grad()
    def _start_head(self, layer):
        weight = self.probe.coef_ / self.unit
        bias = self.probe.intercept_ - weight @ self.center
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))

    def _train(self, labelled, valid=None):
        """Return a trained net, and the weights that it started from."""
        steady = self.training.optimizer in ("adam", "adamw")
        net = self.make_net(len(labelled), **(STEADY if steady else {}))
        start = deepcopy(net.module_.state_dict())
        train(net, labelled, valid)
        return net, start

    def _choose_way(self, labelled):
        """Return the share of the way that predicts rows best that were held out."""
        n_rows = len(labelled)
        if n_rows < ROWS_TO_CHOOSE:
            return HALF
        if n_rows > ROWS_TO_HOLD_OUT:
            return WHOLE
        # Trials are no part of the training that callbacks follow.
        trial = copy(self)
        trial.training = self.training.without_callbacks()
        folds = draw_folds(labelled.targets[:, 0].cpu().numpy(), N_FOLDS, self.rng)
        losses = np.zeros(len(WAYS))
        for fold in range(N_FOLDS if n_rows <= ROWS_FOR_FOLDS else 1):
            out = torch.from_numpy(folds == fold)
            parts = (part.nonzero()[:, 0].int() for part in (~out, out))
            losses += trial._try(*map(labelled.subset, parts))
        return WAYS[np.argmin(losses)]

    def _try(self, labelled, out):
        """Return the loss of rows that were held out, after each way."""
        self._refit_probe(labelled)
        net, start = self._train(labelled)
        if net.interrupted_after_ is not None:
            raise KeyboardInterrupt
        end = deepcopy(net.module_.state_dict())
        losses = []
        for way in WAYS:
            net.module_.load_state_dict(end)
            go_back(net.module_, start, way)
            losses.append(self._loss(net, out))
        return np.array(losses)

    def _refit_probe(self, labelled):
        self.probe.refit(*self._codes_and_targets(labelled))

    @torch.no_grad()
    def _loss(self, net, rows):
        """Return the summed loss of rows."""
        module = net.module_.eval()
        return sum(
            len(X) * net.criterion_(module(X.to(self.device)), X, y.to(self.device))
            for X, y in BatchIterator(rows, PROBE_ROWS)
        ).item()

    @torch.no_grad()
    def _encode(self, X):
        codes = apply_in_parts(self.encoder.eval().encode, X, self.device)
        return codes.double().numpy()

    def _codes_and_targets(self, rows):
        """Return codes, targets and weights of rows, evenly spaced if too many."""
        X, y = rows.sample(PROBE_ROWS)
        Z = (self._encode(X) - self.center) / self.unit
        y = y.cpu().double().numpy()
        return Z, y[:, 1:], y[:, 0]


@torch.no_grad()
def go_back(module, start, way):
    """Set the weights of a module to a point on the way from where they started."""
    for name, weight in module.state_dict().items():
        if weight.is_floating_point() and not torch.equal(weight, start[name]):
            weight.copy_(torch.lerp(start[name], weight, way))


def take_encoder(autoencoder):
    """Return a copy of the encoder of a fitted autoencoder, with half its noise."""
    encoder = deepcopy(autoencoder.module_)
    if encoder.noise is not None:
        strengths = encoder.noise.get_params().items()
        encoder.noise.set_params(**{name: value / 2 for name, value in strengths})
    # Rows to fine-tune on may have missing cells where those before had none.
    encoder.allow_missing()
    network = encoder.network
    if not hasattr(type(network), "encode") and not hasattr(type(network), "decode"):
        # A method may use any part of the network, a submodule only itself.
        del network.decoder
    return encoder
