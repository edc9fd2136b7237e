"""AutoencoderPretrainedRegressor: predict numbers by the encoder of an autoencoder."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._compat import _fit_context
from sklearn_ae._supervised.base import PretrainedPredictor
from sklearn_ae._supervised.linear_probe import TargetProbe
from sklearn_ae._supervised.predictor import TargetLoss
from sklearn_ae._supervised.targets import check_observed, encode_targets
from sklearn_ae._tables.encoder import check_weight
from sklearn_ae._tables.reading import as_table


class AutoencoderPretrainedRegressor(RegressorMixin, PretrainedPredictor):
    """Predict numbers by an encoder that was trained on all rows, labelled or not.

    For many rows of which few have a target. First an autoencoder learns to reconstruct
    all rows; then a head takes the place of its decoder, and both are fine-tuned on the
    rows with a target.

    Read more in :doc:`/getting_started`.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer or FrozenEstimator, default=None
        What is trained on all rows first. A fitted one in a
        :class:`~sklearn.frozen.FrozenEstimator` is used as it is: one pre-trained
        encoder serves many models. `None` takes
        ``AutoencoderTransformer(128, noise=SwapNoise(0.3))`` with two hidden layers as
        wide as the table, but of 256 to 600 units, and with ``scaling="robust"``, or
        "minmax" if most columns have the same range, as pixels do.
    freeze_encoder : bool or int, default=False
        Whether the encoder stays as it is, bit for bit, or the number of epochs for
        which it does.
    encoder_lr_scale : float, default=1.0
        Learning rate of the encoder, in units of that of the head.
    head_layer_sizes : array-like of int, default=()
        Widths of hidden layers between the latent code and the output.
    dropout : float, default=0.0
        Share of the inputs of each layer of the head that are set to 0 while training.
    optimizer : {"adamw", "adam", "rmsprop", "sgd"} or type, default="adamw"
        Optimizer of the fine-tuning, or a class derived from
        :class:`torch.optim.Optimizer`. On labelled rows alone, "adamw" and "adam" take
        betas of 0.9 and 0.95 and an eps of 1e-4, unless `net_params` say otherwise.
    lr : float, default=1e-3
        Learning rate at the start.
    weight_decay : float, default=None
        Weight decay of the optimizer. `None` draws the weights back to where
        fine-tuning started instead of to zero, the fewer the labels the more, with
        "adamw" and "adam"; with other optimizers it is 0.
    lr_schedule : {"cosine", "plateau", "constant"}, default="cosine"
        As in :class:`AutoencoderTransformer`.
    max_epochs : int, default=None
        Passes over the rows that are trained on. `None`
        takes 300 to 2,500 steps.
    batch_size : int, default=None
        Largest number of rows in a step. `None` takes a tenth
        of the labelled rows, from 32 to 256.
    early_stopping : bool, default=False
        Whether to hold out labelled rows with small and large targets, stop when the
        loss on them does not improve, and restore the weights that had the lowest one.
    validation_fraction : float, default=0.1
        Share of the labelled rows to hold out, if `early_stopping`.
    n_iter_no_change : int, default=10
        Epochs without improvement of the validation loss by `tol` before stopping.
    tol : float, default=1e-4
        Smallest improvement that counts.
    device : str or torch.device, default=None
        Where to fine-tune, as in :class:`AutoencoderTransformer`. `None` takes that of
        the autoencoder; a device given here is also that of the default one. The
        autoencoder's `precision` and `compile` hold for both phases.
    callbacks : list, default=None
        skorch callbacks of the fine-tuning.
    net_params : dict, default=None
        Further parameters of the skorch net, as in ``{"optimizer__momentum": 0.9}``
        for ``optimizer="sgd"``.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar with the losses, 2 skorch's table. An
        `autoencoder` that is given has its own.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random, also of the autoencoder unless it has its own. The
        same seed gives the same model, bit for bit on the CPU.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        As it was before fine-tuning; `transform` gives what became of its latent codes.
    net_ : skorch.NeuralNet
        The fitted net.
    module_ : torch.nn.Module
        Its module, on scaled rows, with the parts `encoder` and `head`.
    pretraining_history_, history_ : skorch.history.History
        Losses and durations of each epoch of the two phases.
    n_iter_ : int
        Number of epochs of the fine-tuning.
    loss_curve_ : list of float
        Mean training loss of each epoch of the fine-tuning.
    validation_loss_curve_ : list of float or None
        Mean loss of the held-out rows after each epoch, if `early_stopping`.
    n_components_ : int
        Number of features that `transform` returns.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X is a frame whose column names are all strings.

    See Also
    --------
    AutoencoderPretrainedClassifier : The same for classes.

    Notes
    -----
    *Start.* A head without hidden layers starts as a linear model, fitted to the latent
    codes of the labelled rows, with a penalty chosen by cross-validation: a head that
    starts at random would distort the encoder before it learns anything [1]_.

    *Noise.* The autoencoder's noise corrupts the labelled rows, too, half as strongly.

    References
    ----------
    .. [1] Kumar, A. et al. "Fine-tuning can distort pretrained features and
       underperform out-of-distribution." ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_ae import AutoencoderPretrainedRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> y[100:] = np.nan
    >>> model = AutoencoderPretrainedRegressor(random_state=0).fit(X, y)
    >>> model.predict(X[:3]).shape
    (3,)
    """

    def __init__(
        self,
        autoencoder=None,
        *,
        freeze_encoder=False,
        encoder_lr_scale=1.0,
        head_layer_sizes=(),
        dropout=0.0,
        optimizer="adamw",
        lr=1e-3,
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
        """Pre-train on all rows, and fine-tune on those with a target.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, labelled or not, of numbers and categories. `NaN` and `None` are
            missing cells.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; `NaN`, `None` and `pandas.NA` are missing ones. A row may have some
            of several targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, in both phases; only their ratios matter.

        Returns
        -------
        self : AutoencoderPretrainedRegressor

        Raises
        ------
        NotFittedError
            If a frozen autoencoder is not fitted.
        ValueError
            If X, y or a parameter cannot be used, or a loss stops being finite. What
            was fitted before is left as it was.
        """
        with unchanged_on_error(self):
            X = as_table(X)
            y = encode_targets(y, len(X))
            sample_weight = check_weight(sample_weight, len(X))
            targets = y.reshape(len(y), -1)
            self._target_shape = y.shape[1:]
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                self._target_scaler = StandardScaler().fit(targets, None, sample_weight)
                scaled = self._target_scaler.transform(targets)
            check_observed(targets, sample_weight)
            if not np.isfinite(scaled[~np.isnan(targets)]).all():
                raise ValueError(
                    "The targets in y are too large for float64 to scale. Divide them "
                    "by a constant, or take their logarithm, before fitting."
                )
            self._fit(
                X,
                scaled,
                (sample_weight, sample_weight),
                TargetLoss(),
                TargetProbe(),
                targets.shape[1],
            )
        return self

    def predict(self, X):
        """Return the predicted target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            As `y` was in `fit`, in float64.
        """
        check_is_fitted(self)
        scaled = self._predict_raw(X, len(self._target_scaler.scale_))
        predicted = self._target_scaler.inverse_transform(scaled)
        return predicted.reshape(-1, *self._target_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
