"""Classifier and regressor on the encoder of an autoencoder."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklearn_ae._compat import Interval, StrOptions, _fit_context, draw_seed, seeded
from sklearn_ae._defaults import default_scaling
from sklearn_ae._finetune import FineTuning, make_labelled_rows
from sklearn_ae._fitted import HoldsNet, unchanged_on_error
from sklearn_ae._frames import as_array_like
from sklearn_ae._holding import AUTOENCODER_CONSTRAINT, HoldsAutoencoder
from sklearn_ae._inference import encode, infer, predict_raw
from sklearn_ae._options import OPTIMIZERS, resolve_device
from sklearn_ae._predictor import ClassLoss, TargetLoss
from sklearn_ae._probe import ClassProbe, TargetProbe
from sklearn_ae._targets import encode_labels, encode_targets, weights_of_classes
from sklearn_ae._transformer import AutoencoderTransformer
from sklearn_ae._table import dense
from sklearn_ae._validation import check_table, check_weight
from sklearn_ae.noise import SwapNoise


class _PretrainedPredictor(
    HoldsNet,
    HoldsAutoencoder,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """What the classifier and the regressor share."""

    _parameter_constraints = {
        "autoencoder": AUTOENCODER_CONSTRAINT,
        "freeze_encoder": ["boolean", Interval(Integral, 0, None, closed="left")],
        "encoder_lr_scale": [Interval(Real, 0, None, closed="neither")],
        "head_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "lr_schedule": [StrOptions({"constant", "cosine", "plateau"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "device": [str, torch.device, None],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def _fit(self, X, targets, weight, sample_weight, n_outputs, criterion, probe):
        """Pre-train on all rows, and fine-tune on those that have a target."""
        autoencoder = self._pretrain(X, sample_weight)
        device = resolve_device(self.device or autoencoder.device)
        table = autoencoder._check_rows(X)
        seed = draw_seed(self.random_state)
        one_thread = self.random_state is not None and device.type == "cpu"
        with seeded(seed, device, one_thread=one_thread):
            rows, labelled = make_labelled_rows(
                autoencoder, table, weight, targets, device
            )
            labelled, valid = self._split(labelled)
            rng = np.random.default_rng(seed)
            tuning = FineTuning(
                self, autoencoder, criterion, probe, n_outputs, device, rng
            )
            tuning.fit_probe(rows, labelled)
            if getattr(self, "semi_supervised", False):
                net = tuning.fine_tune_on_all(rows, labelled, valid)
            else:
                net = tuning.fine_tune(labelled, valid)
            net.optimizer_.state.clear()
        self.autoencoder_ = autoencoder
        self.pretraining_history_ = autoencoder.history_
        self.n_components_ = autoencoder.n_components_
        self._note_features(autoencoder)
        self._keep_net(net)

    def _pretrain(self, X, sample_weight):
        """Return an autoencoder that was trained on all rows, or before."""
        template = self._take_autoencoder(self._default_autoencoder(X))
        if hasattr(template, "net_"):
            return template
        if self.random_state is not None and template.random_state is None:
            template.set_params(random_state=draw_seed(self.random_state))
        return template._fit(X, sample_weight)

    def _default_autoencoder(self, X):
        if self.autoencoder is not None:
            return None
        template = AutoencoderTransformer(n_components=128, noise=SwapNoise(0.2))
        X = check_table(template, X, reset=True)
        if template.is_categorical_.any():
            scaling = "robust"
        else:
            rows = dense(X[:: max(1, X.shape[0] // 10_000)]).astype(np.float64)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scaling = default_scaling(np.nanmin(rows, 0), np.nanmax(rows, 0))
        width = max(256, min(600, X.shape[1]))
        template.set_params(
            scaling=scaling,
            hidden_layer_sizes=(width, width),
            device=self.device or "cpu",
            verbose=self.verbose,
        )
        return clone(template)

    def _split(self, labelled):
        """Return rows to train on and, for early stopping, rows to validate on."""
        if not self.early_stopping:
            return labelled, None
        labelled, valid = labelled.split_stratified(
            self.validation_fraction, isinstance(self, ClassifierMixin)
        )
        if len(valid) == 0:
            raise ValueError(
                "early_stopping=True holds labelled rows out for validation and needs "
                "a class with at least 2 of them."
            )
        return labelled, valid

    def _raw(self, X, n_outputs):
        """Return the raw output for each row, in float64."""
        X = self.autoencoder_._check_rows(X)
        return predict_raw(self.net_, X, n_outputs, self.autoencoder_._scaler)

    def transform(self, X):
        check_is_fitted(self)
        X = self.autoencoder_._check_rows(X)
        scaler = self.autoencoder_._scaler
        return infer(self.net_, encode, X, self.n_components_, scaler=scaler)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class AutoencoderPretrainedClassifier(ClassifierMixin, _PretrainedPredictor):
    """Classify rows by an encoder that was trained on all rows, labelled or not."""

    _parameter_constraints = {
        **_PretrainedPredictor._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "unlabeled_label": "no_validation",
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        freeze_encoder=False,
        encoder_lr_scale=1.0,
        head_layer_sizes=(),
        dropout=0.0,
        label_smoothing=0.0,
        class_weight=None,
        unlabeled_label=None,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=None,
        lr_schedule="cosine",
        max_epochs=None,
        batch_size=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        device=None,
        callbacks=None,
        net_params=None,
        verbose=0,
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.freeze_encoder = freeze_encoder
        self.encoder_lr_scale = encoder_lr_scale
        self.head_layer_sizes = head_layer_sizes
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.unlabeled_label = unlabeled_label
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        with unchanged_on_error(self):
            X = as_array_like(X)
            n_rows = _num_samples(X)
            self.classes_, codes = encode_labels(y, n_rows, self.unlabeled_label)
            sample_weight = check_weight(sample_weight, X)
            weight = weights_of_classes(
                self.class_weight, self.classes_, codes, sample_weight
            )
            targets = np.where(codes < 0, np.nan, codes)[:, None]
            criterion = ClassLoss(self.label_smoothing)
            self._fit(
                X,
                targets,
                weight,
                sample_weight,
                len(self.classes_),
                criterion,
                ClassProbe(len(self.classes_)),
            )
        return self

    def predict_proba(self, X):
        check_is_fitted(self)
        return softmax(self._raw(X, len(self.classes_)), axis=1)

    def predict(self, X):
        check_is_fitted(self)
        return self.classes_[self._raw(X, len(self.classes_)).argmax(axis=1)]


class AutoencoderPretrainedRegressor(RegressorMixin, _PretrainedPredictor):
    """Predict numbers by an encoder that was trained on all rows, labelled or not."""

    def __init__(
        self,
        autoencoder=None,
        *,
        freeze_encoder=False,
        encoder_lr_scale=1.0,
        head_layer_sizes=(),
        dropout=0.0,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=None,
        lr_schedule="cosine",
        max_epochs=None,
        batch_size=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        device=None,
        callbacks=None,
        net_params=None,
        verbose=0,
        random_state=None,
    ):
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        with unchanged_on_error(self):
            X = as_array_like(X)
            targets = encode_targets(y, _num_samples(X))
            sample_weight = check_weight(sample_weight, X)
            self._one_target = targets.ndim == 1
            targets = targets.reshape(len(targets), -1)
            self._target_scaler = StandardScaler()
            targets = self._target_scaler.fit(targets, None, sample_weight).transform(
                targets
            )
            n_outputs = targets.shape[1]
            self._fit(
                X,
                targets,
                sample_weight,
                sample_weight,
                n_outputs,
                TargetLoss(),
                TargetProbe(),
            )
        return self

    def predict(self, X):
        check_is_fitted(self)
        scaled = self._raw(X, len(self._target_scaler.scale_))
        predicted = self._target_scaler.inverse_transform(scaled)
        return predicted[:, 0] if self._one_target else predicted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
