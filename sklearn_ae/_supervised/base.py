"""Base class of the classifier and the regressor: pre-training, then fine-tuning."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    is_classifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_array, check_is_fitted
from skorch.history import History
from torch.optim import Optimizer

from sklearn_ae._autoencoder.base import NetMixin, set_net_attributes
from sklearn_ae._autoencoder.meta import (
    AUTOENCODER_CONSTRAINT,
    AutoencoderMetaEstimator,
)
from sklearn_ae._autoencoder.parameters import TRAINING_CONSTRAINTS, check_sizes
from sklearn_ae._autoencoder.training import fit_default_encoder, fit_members
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import Interval
from sklearn_ae._defaults import (
    default_noise,
    default_pretraining,
)
from sklearn_ae._isolation import isolated
from sklearn_ae._modules.convolutional import ConvolutionalNetwork
from sklearn_ae._modules.dense import Dense
from sklearn_ae._net.failures import TrainingInterrupted, raise_if_interrupted
from sklearn_ae._net.inference import encode, has_nan, infer
from sklearn_ae._net.net import (
    AutoencoderNet,
)
from sklearn_ae._net.params import TrainingParams, check_training, resolve_device
from sklearn_ae._seeding import RandomStateLike, draw_seed, seeded_for
from sklearn_ae._supervised.fine_tuning import FineTuning, PredictorParams
from sklearn_ae._supervised.linear_model import ColumnProbe
from sklearn_ae._supervised.predictor import (
    Predictor,
    predict_in_float64,
    take_encoder,
)
from sklearn_ae._supervised.targets import make_labelled_rows
from sklearn_ae._tables.encoder import SHOWN_CELLS, TableEncoder, check_frame
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.sampling import count_copies
from sklearn_ae._tables.sources import SourceTable
from sklearn_ae._tables.table import TableLike, naming

# Hidden layers of the default autoencoder are as wide as the table, but not narrower.
LEAST_WIDTH = 256
# They are not wider than this either, since a wide network is slow.
LARGEST_WIDTH = 600
# So many latents of the default autoencoder lose nothing that labels may depend on.
N_COMPONENTS = 128


def check_fine_tuning(params):
    """Check what the declared constraints of a classifier or regressor cannot say.

    Parameters
    ----------
    params : dict
        ``get_params(deep=False)`` of the estimator.

    Raises
    ------
    TypeError
        If a class is of the wrong kind.
    ValueError
        If sizes are no whole numbers.
    """
    check_sizes("head_layer_sizes", params["head_layer_sizes"])
    check_training(params)


class PretrainedPredictor(
    NetMixin,
    AutoencoderMetaEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Base class of estimators that pre-train on all rows and fine-tune on some."""

    _parameter_constraints: dict[str, Any] = {
        "autoencoder": AUTOENCODER_CONSTRAINT,
        "freeze_encoder": ["boolean", Interval(Integral, 0, None, closed="left")],
        "encoder_lr_scale": [Interval(Real, 0, None, closed="neither")],
        "head_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "device": [str, torch.device, None],
        **TRAINING_CONSTRAINTS,
    }

    _documented: tuple[str, ...] = (
        *("net_", "history_", "loss_curve_", "validation_loss_curve_", "n_iter_"),
        *("autoencoder_", "table_encoder_", "n_features_in_", "feature_names_in_"),
        *("pretraining_history_", "n_components_"),
    )

    n_components_: int
    pretraining_history_: History

    def __init__(
        self,
        autoencoder: AutoencoderTransformer | FrozenEstimator | None = None,
        *,
        freeze_encoder: bool | int = False,
        encoder_lr_scale: float = 1.0,
        head_layer_sizes: ArrayLike = (),
        dropout: float = 0.0,
        optimizer: str | type[Optimizer] = "adamw",
        lr: float = 2e-3,
        weight_decay: float | None = None,
        lr_schedule: str = "cosine",
        max_epochs: int | None = None,
        batch_size: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        device: str | torch.device | None = None,
        callbacks: list[Any] | None = None,
        net_params: dict[str, Any] | None = None,
        verbose: int = 0,
        random_state: RandomStateLike = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.freeze_encoder = freeze_encoder
        self.encoder_lr_scale = encoder_lr_scale
        self.head_layer_sizes = head_layer_sizes
        self.dropout = dropout
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.device = device
        self.callbacks = callbacks
        self.net_params = net_params
        self.verbose = verbose
        self.random_state = random_state

    def _fitted_to_document(self):
        is_same = self.pretraining_history_ is self.autoencoder_.history_
        return {
            "table_encoder": self.table_encoder_,
            "autoencoder": self.autoencoder_,
            "pretraining_history": None if is_same else self.pretraining_history_,
            "net": self.net_,
        }

    def _fitted_from_document(self, fields):
        encoder = fields.part("table_encoder", TableEncoder)
        autoencoder = fields.part("autoencoder", AutoencoderTransformer)
        fields.require(hasattr(autoencoder, "net_"), "autoencoder")
        net = fields.part("net", AutoencoderNet)
        fields.require(isinstance(net.module_, Predictor), "net")
        fields.require(net.module_.fits(encoder), "net")
        history = fields.part("pretraining_history", History, type(None))
        self.autoencoder_, self.table_encoder_ = autoencoder, encoder
        is_same = history is None
        self.pretraining_history_ = autoencoder.history_ if is_same else history
        self.n_components_ = net.module_.encoder.n_components
        encoder.describe_to(self)
        set_net_attributes(self, net)

    def _as_table(self, X, y):
        """Return X as a table that has rows, and y, before the two are compared.

        A source may hold y in a column.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        with naming(type(self).__name__), np.printoptions(threshold=SHOWN_CELLS):
            table = as_table(X)
            shape = getattr(table.X, "shape", ())
            if table.is_frame:
                check_frame(table, type(self).__name__)
            elif len(shape) < 2 or shape[0] == 0:
                # It raises in scikit-learn's words.
                check_array(table.X, accept_sparse=True, dtype=None, estimator=self)
            if isinstance(y, str) and isinstance(table, SourceTable):
                table, y = table.pop(y)
        return table, y

    def _fit(self, X, targets, weights, criterion, probe, n_outputs):
        """Pre-train on all rows, and fine-tune on those that have a target.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        targets : ndarray of shape (n_samples, n_targets)
            `NaN` where one is missing.
        weights : pair of ndarray of shape (n_samples,) or None
            Weights of the rows in each of the two phases.
        criterion : nn.Module
        probe : ClassProbe or TargetProbe
        n_outputs : int
        """
        params = self.get_params(deep=False)
        check_fine_tuning(params)
        if self.device is not None:
            resolve_device(self.device)
        seed = draw_seed(self.random_state)
        is_labelled = ~np.isnan(targets).all(axis=1)
        autoencoder, encoder, rows, interrupt = self._pretrain(
            X, weights[0], is_labelled, seed
        )
        device = resolve_device(self.device or autoencoder.device)
        with seeded_for(self.random_state, device, seed=seed):
            rows, labelled = make_labelled_rows(
                encoder, rows, weights[1], targets, device, count_copies(weights[0])
            )
            labelled, valid = self._split(labelled)
            tuning = FineTuning(
                encoder=take_encoder(autoencoder.module_).to(device),
                n_components=autoencoder.n_components_,
                n_outputs=n_outputs,
                probe=probe,
                column_probe=None if is_classifier(self) else ColumnProbe.of(encoder),
                criterion=criterion,
                activation=autoencoder.activation,
                params=PredictorParams.from_params(params),
                training=TrainingParams.from_params(
                    params,
                    device=device,
                    precision=autoencoder.precision,
                    compile=autoencoder.compile,
                ),
                rng=np.random.default_rng(seed),
            )
            tuning.fit(rows, labelled)
            net = None
            if interrupt is None:
                net, interrupt = self._try_to_fine_tune(tuning, rows, labelled, valid)
            if net is None:
                net = self._start(tuning, labelled)
            # The optimizer's running means belong to the weights before the last step.
            net.optimizer_.state.clear()
        self.autoencoder_ = autoencoder
        # Whoever fits a frozen autoencoder again does not change how rows are read.
        self.table_encoder_ = encoder
        self.pretraining_history_ = autoencoder.history_
        self.n_components_ = autoencoder.n_components_
        encoder.describe_to(self)
        set_net_attributes(self, net)
        if interrupt is not None:
            raise interrupt

    def _pretrain(self, X, sample_weight, is_labelled, seed):
        """Return an autoencoder that was trained on all rows, or before.

        Returns
        -------
        autoencoder : AutoencoderTransformer
        encoder : TableEncoder
        rows : {ndarray, memmap, CSR matrix, CodedTable}
            Checked.
        interrupt : TrainingInterrupted or None
            What ended the training; to be raised once the estimator is usable.
        """
        default = AutoencoderTransformer(
            N_COMPONENTS,
            device=self.device or "cpu",
            verbose=self.verbose,
        )
        autoencoder = self._take_autoencoder(default, default_noise())
        encoder, rows = self._read_table(autoencoder, X)
        if hasattr(autoencoder, "net_"):
            return autoencoder, encoder, encoder.store(rows, sample_weight), None
        if self.random_state is not None and autoencoder.random_state is None:
            autoencoder.set_params(random_state=seed)
        if self.autoencoder is None:
            copies = count_copies(sample_weight)
            n_copies = np.ones(len(is_labelled), int) if copies is None else copies
            n_labelled = int(n_copies[is_labelled].sum())
            width = max(LEAST_WIDTH, min(LARGEST_WIDTH, rows.shape[1]))
            autoencoder.set_params(
                max_epochs=default_pretraining(int(n_copies.sum()), n_labelled),
                hidden_layer_sizes=(width, width),
            )
            fit_default_encoder(autoencoder, encoder, rows, sample_weight)
        else:
            encoder.fit(rows, sample_weight)
        rows = encoder.store(rows, sample_weight)
        _, interrupt = fit_members([autoencoder], rows, encoder, sample_weight)
        return autoencoder, encoder, rows, interrupt

    def _split(self, labelled):
        """Return rows to train on and, for early stopping, rows to validate on."""
        if not self.early_stopping:
            return labelled, None
        rows, valid = labelled.split_stratified(
            self.validation_fraction, is_classifier(self)
        )
        # Where no class has a row to spare, the rows to train on validate, too.
        return (rows, valid) if len(valid) else (labelled, labelled)

    def _try_to_fine_tune(self, tuning, rows, labelled, valid):
        """Return the trained net, `None` without a step, and the interrupt if any."""
        try:
            net = self._fine_tune(tuning, rows, labelled, valid)
            raise_if_interrupted(net)
        except TrainingInterrupted as interrupt:
            return net, interrupt
        except KeyboardInterrupt:
            return None, TrainingInterrupted()
        return net, None

    def _start(self, tuning, labelled):
        """Return a net that was not fine-tuned: its head is the linear model."""
        if np.size(self.head_layer_sizes):
            # Such a head is still random.
            raise KeyboardInterrupt
        return tuning.make_net(len(labelled))

    def _fine_tune(self, tuning, rows, labelled, valid):
        """Return the trained net."""
        return tuning.fine_tune(labelled, valid)

    def _predict_raw(self, X, n_outputs):
        """Return the raw output for rows in original units."""
        rows = self.table_encoder_.check(X)
        return predict_raw(self.net_, rows, n_outputs, self.table_encoder_)

    @isolated
    def transform(self, X: TableLike) -> NDArray[np.float32]:
        """Return the latents of the fine-tuned encoder, from which the head predicts.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components), dtype=float32
        """
        check_is_fitted(self)
        rows, encoder = self.table_encoder_.check(X), self.table_encoder_
        return infer(self.net_, encode, rows, self.n_components_, encoder=encoder)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def predict_raw(net, X, n_outputs, encoder):
    """Return the raw output of a predictor for rows in original units.

    On a CPU the library's own layers compute in float64: in float32, the last digits of
    a prediction would depend on how many rows are predicted at once.

    Returns
    -------
    raw : ndarray of shape (n_rows, n_outputs), dtype=float64
    """
    module = net.module_
    own_layers = isinstance(module.encoder.network, (Dense, ConvolutionalNetwork))
    in_float64 = own_layers and torch.device(net.device).type == "cpu"
    predict = predict_in_float64(module) if in_float64 else module.predict
    dtype = torch.float64 if in_float64 else next(module.head.parameters()).dtype

    def function(net, X):
        X = X.to(dtype)
        return predict(X, not module.may_have_missing and has_nan(X))

    return infer(net, function, X, n_outputs, encoder=encoder, dtype=np.float64)
