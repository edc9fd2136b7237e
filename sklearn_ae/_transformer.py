"""AutoencoderTransformer: reduce the columns of a table with an autoencoder."""

import inspect
import warnings
from contextlib import contextmanager
from copy import deepcopy
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import nn

from sklearn_ae._batches import make_rows
from sklearn_ae._compat import (
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    draw_seed,
    is_mapped,
    seeded,
)
from sklearn_ae._defaults import (
    default_batch_size,
    default_hidden_layer_sizes,
    default_max_epochs,
    default_n_components,
)
from sklearn_ae._heads import LOSSES, NumericHead
from sklearn_ae._modules import ACTIVATIONS, Autoencoder, Dense, make_activation
from sklearn_ae._net import (
    OPTIMIZERS,
    continue_from,
    expect_missing,
    make_net,
    resolve_device,
    train,
    train_one_epoch,
)
from sklearn_ae._table import (
    Container,
    Scaler,
    blocks_of_rows,
    has_missing,
    non_numeric_columns,
)
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import Noise

# Cells of X that go through the network at once: on a CPU its activations stay in cache,
# a GPU wants to be kept busy.
CPU_CELLS = 2**17
GPU_CELLS = 2**24


class AutoencoderTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Docstring."""

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "activation": [StrOptions(set(ACTIVATIONS)), type],
        "latent_activation": [StrOptions(set(ACTIVATIONS)), type],
        "output_activation": [StrOptions({"auto", *ACTIVATIONS}), type],
        "architecture": [TorchModule, None],
        "noise": [Noise, None],
        "loss": [StrOptions({"auto", *LOSSES}), callable],
        "scaling": [StrOptions({"standard", "minmax", "quantile"}), None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "lr_schedule": [StrOptions({"constant", "cosine", "plateau"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "device": [str, torch.device],
        "precision": [StrOptions({"float32", "bfloat16", "auto"})],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=None,
        *,
        hidden_layer_sizes=None,
        activation="relu",
        latent_activation="identity",
        output_activation="auto",
        architecture=None,
        noise=None,
        loss="auto",
        scaling="standard",
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.0,
        lr_schedule="cosine",
        max_epochs=None,
        batch_size=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        device="cpu",
        precision="float32",
        compile=False,
        callbacks=None,
        net_params=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.latent_activation = latent_activation
        self.output_activation = output_activation
        self.architecture = architecture
        self.noise = noise
        self.loss = loss
        self.scaling = scaling
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
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.net_params = net_params
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Train the autoencoder to reconstruct the rows of X."""
        with _unchanged_on_error(self):
            warm = self.warm_start and hasattr(self, "net_")
            X, sample_weight, container = self._check_fit(X, sample_weight, not warm)
            device = resolve_device(self.device)
            with self._seeded(device, self.n_iter_ if warm else 0):
                scaler = self._scaler if warm else self._fit_scaler(X, sample_weight)
                rows = make_rows(X, scaler.encode, sample_weight, device)
                net, n_components = self._make_net(scaler, rows, device)
                if warm:
                    continue_from(net, self.net_)
                train(net, *self._split(rows))
            self._keep(net, scaler, container, n_components)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch on some rows of a stream."""
        with _unchanged_on_error(self):
            first = not hasattr(self, "net_")
            X, sample_weight, container = self._check_fit(X, sample_weight, first)
            device = resolve_device(self.device)
            with self._seeded(device, 0 if first else self.n_iter_):
                if first:
                    scaler = self._fit_scaler(X, sample_weight)
                else:
                    scaler = deepcopy(self._scaler).partial_fit(
                        X, sample_weight, self._names
                    )
                rows = make_rows(X, scaler.encode, sample_weight, device)
                if first:
                    net, n_components = self._make_net(scaler, rows, device)
                else:
                    net, n_components = self.net_, self.n_components_
                    container = self._container
                expect_missing(net, scaler.missing_.any())
                train_one_epoch(net, rows)
            self._keep(net, scaler, container, n_components)
        return self

    def _check_fit(self, X, sample_weight, reset):
        """Return checked rows and weights, and what kind of table X is."""
        self._check_params()
        container = Container(X)
        X = self._check_table(X, reset)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            if not sample_weight.any():
                raise ValueError(
                    "Sample weights must contain at least one non-zero number."
                )
        return X, sample_weight, container

    def _check_params(self):
        """Check what the declared constraints cannot say."""
        sizes = np.atleast_1d(
            () if self.hidden_layer_sizes is None else self.hidden_layer_sizes
        )
        if sizes.size and (sizes.dtype.kind not in "iu" or sizes.min() < 1):
            raise ValueError(
                "hidden_layer_sizes must be integers of at least 1. Got "
                f"{self.hidden_layer_sizes}."
            )
        for name, base in (
            ("activation", nn.Module),
            ("latent_activation", nn.Module),
            ("output_activation", nn.Module),
            ("optimizer", torch.optim.Optimizer),
        ):
            value = getattr(self, name)
            if isinstance(value, type) and not issubclass(value, base):
                raise TypeError(
                    f"A class given as {name} must derive from {base.__module__}."
                    f"{base.__name__}. Got {value!r}."
                )
        if self.noise is not None:
            self.noise._validate_params()
        if self.loss == "bce" and self.scaling in ("standard", "quantile"):
            raise ValueError(
                "loss='bce' needs values in [0, 1], which scaling="
                f"{self.scaling!r} does not give. Use scaling='minmax', or scaling=None "
                "if X is in [0, 1] already."
            )
        if isinstance(self.architecture, TorchModule):
            self._check_torch_module_params()

    def _check_torch_module_params(self):
        defaults = inspect.signature(type(self)).parameters
        for name in (
            "hidden_layer_sizes",
            "activation",
            "latent_activation",
            "output_activation",
        ):
            if getattr(self, name) != defaults[name].default:
                raise ValueError(
                    f"{name} shapes the dense network, and architecture=TorchModule("
                    f"...) brings its own. Got {name}={getattr(self, name)!r}; leave it "
                    f"at {defaults[name].default!r}."
                )

    def _check_table(self, X, reset=False):
        """Return X as an ndarray, memmap or CSR matrix of numbers."""
        text = non_numeric_columns(X)
        if text:
            raise ValueError(
                "AutoencoderTransformer takes columns of numbers. These hold something "
                f"else: {text}. Encode them first, for example with OneHotEncoder in a "
                "ColumnTransformer, or drop them."
            )
        checked = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype="numeric",
            ensure_all_finite=False,
            reset=reset,
        )
        return X if is_mapped(X) else checked

    def _check_rows(self, X):
        """Return rows to infer from, as `_check_table` does."""
        check_is_fitted(self)
        # For one row, scikit-learn's validation takes longer than the network.
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype.char in "fd"
            and X.shape[0] > 0
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        ):
            return X
        return self._check_table(X)

    def _seeded(self, device, n_epochs):
        """Seed training that goes on after so many epochs."""
        # Another epoch of a stream draws other noise than the one before.
        seed = (draw_seed(self.random_state) + 7919 * n_epochs) % 2**32
        one_thread = self.random_state is not None and device.type == "cpu"
        return seeded(seed, device, one_thread=one_thread)

    def _fit_scaler(self, X, sample_weight):
        return Scaler(self.scaling).fit(X, sample_weight, self._names)

    def _make_net(self, scaler, rows, device):
        """Return a new net for these rows, and the size of its latent."""
        n_rows = len(rows)
        batch_size = self.batch_size or default_batch_size(n_rows)
        max_epochs = self.max_epochs or default_max_epochs(n_rows, batch_size)
        missing = np.flatnonzero(scaler.missing_)
        network, n_components = self._build_network(len(missing))
        noise = None if self.noise is None else clone(self.noise)
        indicators = missing if self.architecture is None and len(missing) else None
        module = Autoencoder(network, noise, indicators)
        head = self._make_head()
        if self.loss == "bce":
            check_unit_interval(rows)
        net = make_net(
            module,
            head,
            self,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
        )
        expect_missing(net, len(missing) > 0)
        return net, n_components

    def _build_network(self, n_missing):
        """Return the encoder and decoder in one module, and the size of the latent."""
        n_features = self.n_features_in_
        if self.architecture is not None:
            return self.architecture.build(n_features, self.n_components)
        n_components = self.n_components or default_n_components(n_features)
        sizes = self.hidden_layer_sizes
        if sizes is None:
            sizes = default_hidden_layer_sizes(n_components)
        network = Dense(
            n_features + n_missing,
            n_features,
            n_components,
            [int(size) for size in np.atleast_1d(sizes)],
            self.activation,
            self.latent_activation,
        )
        return network, n_components

    def _make_head(self):
        loss = "mse" if self.loss == "auto" else self.loss
        activation = self.output_activation
        if activation == "auto":
            own_output = self.architecture is None and loss == "bce"
            activation = "sigmoid" if own_output else "identity"
        return NumericHead(loss, make_activation(activation))

    def _split(self, rows):
        """Return rows to train on and, for early stopping, rows to validate on."""
        if not self.early_stopping:
            return rows, None
        n_rows = len(rows)
        if n_rows < 2:
            raise ValueError(
                "early_stopping=True holds rows out for validation and needs at least "
                f"2 different rows. Got n_samples = {n_rows}."
            )
        n_valid = min(n_rows - 1, max(1, round(self.validation_fraction * n_rows)))
        order = torch.randperm(n_rows)
        return rows.subset(order[n_valid:]), rows.subset(order[:n_valid])

    def _keep(self, net, scaler, container, n_components):
        """Set the fitted attributes."""
        net.module_.eval()
        self._scaler = scaler
        self._container = container
        self.net_ = net
        self.module_ = net.module_
        self.history_ = net.history_
        self.n_components_ = n_components
        self.loss_curve_ = _curve(net.history_, "train_loss")
        self.validation_loss_curve_ = _curve(net.history_, "valid_loss") or None
        self.n_iter_ = len(self.loss_curve_)
        if net.interrupted_:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} of {net.max_epochs} "
                "epochs. The weights trained so far are kept and usable.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def transform(self, X):
        """Return the latent codes of rows."""
        X = self._check_rows(X)
        return self._infer(X, self._encode, self.n_components_)

    def inverse_transform(self, X):
        """Return the rows that latent codes stand for, in original units."""
        check_is_fitted(self)
        Z = check_array(X, dtype=np.float32, input_name="X")
        if Z.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but inverse_transform takes latent codes "
                f"with n_components_={self.n_components_} columns."
            )
        values = self._infer(Z, self._decode, self.n_features_in_, encoded=True)
        return self._container.wrap(self._scaler.decode(values), like=X)

    def reconstruct(self, X):
        """Return the reconstruction of rows, in original units."""
        rows = self._check_rows(X)
        values = self._infer(rows, self._reconstruct, self.n_features_in_)
        return self._container.wrap(self._scaler.decode(values), like=X)

    def score_samples(self, X):
        """Return minus the reconstruction loss of each row."""
        return self._infer(self._check_rows(X), self._minus_loss)

    def score(self, X, y=None):
        """Return the mean of `score_samples`."""
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    def _infer(self, X, function, *n_columns, encoded=False):
        """Send rows through a function of the module, block by block.

        Parameters
        ----------
        X : {ndarray, memmap, CSR matrix} of shape (n_rows, n_columns)
        function : callable
            Takes a float32 tensor on the device of the net.
        *n_columns : int
            Number of columns that `function` returns, if it returns more than one.
        encoded : bool, default=False
            Whether X is latent codes, not rows in original units.
        """
        device = torch.device(self.net_.device)
        cells = CPU_CELLS if device.type == "cpu" else GPU_CELLS
        out = np.empty((X.shape[0], *n_columns), dtype=np.float32)
        with torch.inference_mode():
            for rows, block in blocks_of_rows(X, cells):
                missing = False
                if not encoded:
                    missing = has_missing(block, self._names)
                    block = self._scaler.encode(block)
                block = torch.from_numpy(block).to(device)
                out[rows] = function(block, missing).cpu().numpy()
        return out

    def _encode(self, X, missing):
        if missing and not self.module_.missing:
            # No column had missing cells in fit: these count as the mean.
            X = torch.nan_to_num(X)
        return self.module_.encode(X)

    def _decode(self, Z, missing=False):
        return self.net_.criterion_.values(self.module_.decode(Z))

    def _reconstruct(self, X, missing):
        return self._decode(self._encode(X, missing))

    def _minus_loss(self, X, missing):
        raw = self.module_.decode(self._encode(X, missing))
        return -self.net_.criterion_.loss_of_rows(raw, X, missing)

    @property
    def _names(self):
        return getattr(self, "feature_names_in_", None)

    @property
    def _n_features_out(self):
        return self.n_components_

    def set_params(self, **params):
        """Set parameters, also those of the parts, as in ``noise__rate=0.2``.

        Parameters
        ----------
        **params : dict
            A search may set ``noise=None`` and ``noise__rate`` at once, as the product
            of two lists: without noise, the rate has nothing to say.

        Returns
        -------
        self : AutoencoderTransformer
        """
        absent = tuple(f"{name}__" for name, value in params.items() if value is None)
        kept = {name: params[name] for name in params if not name.startswith(absent)}
        return super().set_params(**kept)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _curve(history, key):
    """Return one loss for each epoch that was completed."""
    return [row[key] for row in history if key in row]


def check_unit_interval(rows):
    """Refuse rows that binary cross-entropy cannot take."""
    X, _ = rows.sample(100_000)
    X = X[~torch.isnan(X)]
    if ((X < -1e-4) | (X > 1 + 1e-4)).any():
        raise ValueError(
            "loss='bce' needs values in [0, 1]. Got values from "
            f"{X.min().item():.4g} to {X.max().item():.4g}; use scaling='minmax', or "
            "another loss."
        )


@contextmanager
def _unchanged_on_error(estimator):
    """Leave what was fitted before as it was if the block fails."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
