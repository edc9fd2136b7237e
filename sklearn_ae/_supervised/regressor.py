"""AutoencoderPretrainedRegressor: pre-training, then fine-tuning on targets."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._compat import Self, _fit_context
from sklearn_ae._document import documented
from sklearn_ae._isolation import isolated
from sklearn_ae._supervised.base import PretrainedPredictor
from sklearn_ae._supervised.docstrings import fill_docstring
from sklearn_ae._supervised.linear_probe import TargetProbe
from sklearn_ae._supervised.predictor import TargetLoss
from sklearn_ae._supervised.targets import check_observed, read_targets
from sklearn_ae._tables.scaling import unit_of_tiny
from sklearn_ae._tables.table import TableLike, TargetLike, naming
from sklearn_ae._tables.weights import check_weight


@documented
@fill_docstring
class AutoencoderPretrainedRegressor(RegressorMixin, PretrainedPredictor):
    """Semi-supervised regressor: pre-training on all rows, fine-tuning on targets.

    For many rows of which few have a target. First an autoencoder learns to reconstruct
    all rows (self-supervised pre-training); then a head takes the place of its decoder,
    and encoder and head are fine-tuned on the rows with a target.

    The defaults suit most tables. The parameters in groups:

    - *network*: `autoencoder`, `head_layer_sizes`, `dropout`
    - *the encoder in fine-tuning*: `freeze_encoder`, `encoder_lr_scale`
    - *fine-tuning*: `optimizer`, `lr`, `weight_decay`, `lr_schedule`, `max_epochs`,
      `batch_size`, `early_stopping`, `validation_fraction`, `n_iter_no_change`, `tol`
    - *machine and the rest*: `device`, `callbacks`, `net_params`, `verbose`,
      `random_state`

    Read more in :doc:`/guide/few_labels`.

    Parameters
    ----------
    {autoencoder_and_head}
    {optimizer}
    max_epochs : int, default=None
        Passes over the rows that are trained on. `None` takes 150 to 1,600 steps, or
        fewer if that is better, see Notes.
    batch_size : int, default=None
        Largest number of rows in a step. `None` takes a tenth of the labelled rows,
        from 32 to 256.
    early_stopping : bool, default=False
        Whether to hold out labelled rows with small and large targets, stop when the
        loss on them does not improve, and restore the weights that had the lowest one.
    {stopping_and_net}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    AutoencoderPretrainedClassifier : Semi-supervised classifier.

    Notes
    -----
    {start}

    {noise}

    {columns}

    {length}

    References
    ----------
    .. [1] Kumar, A. et al. "Fine-tuning can distort pretrained features and
       underperform out-of-distribution." ICLR 2022.
    .. [2] Wolpert, D. H. "Stacked generalization." Neural Networks 5 (1992), 241-259.
    .. [3] Gorishniy, Y., Rubachev, I. and Babenko, A. "On embeddings for numerical
       features in tabular deep learning." NeurIPS 2022.

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

    _documented = (
        *PretrainedPredictor._documented,
        *("_target_shape", "_target_unit", "_target_scaler"),
    )

    def _fitted_to_document(self):
        return {
            **super()._fitted_to_document(),
            "target_shape": self._target_shape,
            "target_unit": self._target_unit,
            "target_scaler": self._target_scaler,
        }

    def _fitted_from_document(self, fields):
        super()._fitted_from_document(fields)
        shape = (self.module_.n_outputs,)
        self._target_shape = fields.integers("target_shape", 1, *shape)
        fields.require(self._target_shape in (shape, ()), "target_shape")
        fields.require(self._target_shape or shape == (1,), "target_shape")
        self._target_unit = fields.array("target_unit", shape, least=0.0, most=1.0)
        self._target_scaler = fields.part("target_scaler", StandardScaler)
        fields.require(self._target_scaler.mean_.shape == shape, "target_scaler")

    @_fit_context(prefer_skip_nested_validation=True)
    @isolated
    def fit(
        self: Self,
        X: TableLike,
        y: TargetLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Pre-train on all rows, and fine-tune on those with a target.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, labelled or not, of numbers and categories. `NaN` and `None` are
            missing cells. Or a source, see :doc:`/larger_than_memory`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), or str
            Targets, or the name of their column in a source; `NaN`, `None` and
            `pandas.NA` are missing ones. A row may have some of several targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, in both phases; only their ratios matter.

        Returns
        -------
        self : AutoencoderPretrainedRegressor

        Raises
        ------
        KeyboardInterrupt
            If training was interrupted, as by Ctrl+C. What was trained so far is kept
            and usable: the autoencoder and a linear model on its latents, or the
            network. Before that, what was fitted before is left as it was.
        NotFittedError
            If a frozen autoencoder is not fitted.
        ValueError
            If X, y or a parameter cannot be used, or a loss stops being finite. What
            was fitted before is left as it was.
        """
        with unchanged_on_error(self):
            X, y = self._as_table(X, y)
            with naming(type(self).__name__):
                values = read_targets(y, len(X))
            sample_weight = check_weight(sample_weight, len(X), type(self).__name__)
            targets = values.reshape(len(values), -1)
            self._target_shape = values.shape[1:]
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                self._target_unit = unit_of_tiny(np.fmax.reduce(np.abs(targets)))
                targets = targets / self._target_unit
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

    @isolated
    def predict(self, X: TableLike) -> NDArray[np.float64]:
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
        # Not by its inverse_transform, whose validation takes as long as the network.
        predicted = scaled * self._target_scaler.scale_ + self._target_scaler.mean_
        return (predicted * self._target_unit).reshape(-1, *self._target_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
