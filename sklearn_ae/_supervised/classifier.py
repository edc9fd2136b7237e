"""AutoencoderPretrainedClassifier: pre-training, then fine-tuning on labels."""

from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from torch.optim import Optimizer

from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import Interval, Self, StrOptions, _fit_context
from sklearn_ae._document import documented
from sklearn_ae._isolation import isolated
from sklearn_ae._seeding import RandomStateLike
from sklearn_ae._supervised.base import PretrainedPredictor
from sklearn_ae._supervised.docstrings import fill_docstring
from sklearn_ae._supervised.linear_probe import ClassProbe
from sklearn_ae._supervised.predictor import ClassLoss
from sklearn_ae._supervised.semi_supervised import Neighborhood, max_rows
from sklearn_ae._supervised.targets import (
    check_observed,
    read_labels,
    weights_of_classes,
)
from sklearn_ae._tables.table import TableLike, TargetLike, naming
from sklearn_ae._tables.weights import check_weight

# Fewer labelled rows than this cannot tell whether rows of one class lie together.
LEAST_LABELLED = 20


@documented
@fill_docstring
class AutoencoderPretrainedClassifier(ClassifierMixin, PretrainedPredictor):
    """Semi-supervised classifier: pre-training on all rows, fine-tuning on labels.

    For many rows of which few have a label. First an autoencoder learns to reconstruct
    all rows (self-supervised pre-training); then a head takes the place of its decoder,
    and encoder and head are fine-tuned on the labelled rows. Where rows of one class
    lie together, fine-tuning learns from the unlabelled rows, too.

    The defaults suit most tables. The parameters in groups:

    - *network*: `autoencoder`, `head_layer_sizes`, `dropout`
    - *what is learnt*: `label_smoothing`, `semi_supervised`, `class_weight`,
      `unlabeled_label`
    - *the encoder in fine-tuning*: `freeze_encoder`, `encoder_lr_scale`
    - *fine-tuning*: `optimizer`, `lr`, `weight_decay`, `lr_schedule`, `max_epochs`,
      `batch_size`, `early_stopping`, `validation_fraction`, `n_iter_no_change`, `tol`
    - *machine and the rest*: `device`, `callbacks`, `net_params`, `verbose`,
      `random_state`

    Read more in :doc:`/guide/few_labels`.

    Parameters
    ----------
    {autoencoder_and_head}
    label_smoothing : float, default=0.0
        Share of the probability that the loss gives to all classes alike.
    semi_supervised : bool or "auto", default="auto"
        Whether fine-tuning learns from rows without their labels, too, see Notes. With
        "auto", cross-validation decides, if at least 20 and at most half of the rows
        are labelled, but no more than 30,000 (fewer with more than 2,000 columns).
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, as in
        :class:`~sklearn.linear_model.LogisticRegression`.
    unlabeled_label : object, default=None
        A label that marks unlabelled rows, besides `NaN`, `None` and `pandas.NA`: -1
        follows :mod:`sklearn.semi_supervised`. By default, -1 is a class like others.
    {optimizer}
    max_epochs : int, default=None
        Passes over the rows that are trained on. `None` takes 150 to 1,600 steps, or
        fewer if that is better, see Notes; if fine-tuning learns from unlabelled rows,
        30 epochs, or 1,000 steps.
    batch_size : int, default=None
        Largest number of rows in a step. `None` takes a tenth of the labelled rows,
        from 32 to 256; if fine-tuning learns from unlabelled rows, 256.
    early_stopping : bool, default=False
        Whether to hold out labelled rows, stratified by class, stop when the loss on
        them does not improve, and restore the weights that had the lowest one. The last
        row of a class is not held out; where none can be, the rows to train on are also
        those to validate on.
    {stopping_and_net}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    semi_supervised_ : bool
        Whether fine-tuning learnt from rows without their labels.
    {attributes}

    See Also
    --------
    AutoencoderPretrainedRegressor : Semi-supervised regressor.
    sklearn.semi_supervised.SelfTrainingClassifier : Learns from its own predictions.

    Notes
    -----
    {start}

    {noise} Neither is done in semi-supervised training.

    {few_labels}

    {length}

    *Probabilities.* The logits are divided by one number, the temperature with the
    lowest cross-entropy on the rows that were held out [4]_: from 10 to 20,000 labelled
    rows, and with `early_stopping`.

    *Semi-supervised training.* Labels are spread along a graph of nearest neighbours
    [5]_. If these predict held-out labels with fewer than three quarters of the errors
    of the linear model, and at most half as many as the largest class for all rows
    would make, rows of one class lie together; then fine-tuning starts from the spread
    labels, and lets no border between classes pass near a row: predictions must not
    change within a quarter of the distance to its tenth neighbour (virtual adversarial
    training [6]_). At most 60,000 rows take part in it. The temperature of its
    probabilities is set so that they are as sure as spread labels are right. Unless it
    is frozen or slower than the head, the encoder starts at the mean of random and
    pre-trained weights, and its hidden layers are normalised for each row.

    References
    ----------
    .. [1] Kumar, A. et al. "Fine-tuning can distort pretrained features and
       underperform out-of-distribution." ICLR 2022.
    .. [2] Wolpert, D. H. "Stacked generalization." Neural Networks 5 (1992), 241-259.
    .. [3] Gorishniy, Y., Rubachev, I. and Babenko, A. "On embeddings for numerical
       features in tabular deep learning." NeurIPS 2022.
    .. [4] Guo, C. et al. "On calibration of modern neural networks." ICML 2017.
    .. [5] Zhou, D. et al. "Learning with local and global consistency." NIPS 2004.
    .. [6] Miyato, T. et al. "Virtual adversarial training: a regularization method for
       supervised and semi-supervised learning." IEEE TPAMI 41 (2019), 1979-1993.

    Examples
    --------
    Of 1,347 digits, 50 have a label:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import AutoencoderPretrainedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> y_train[50:] = -1
    >>> model = AutoencoderPretrainedClassifier(unlabeled_label=-1, random_state=0)
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.85
    True
    """

    _parameter_constraints = {
        **PretrainedPredictor._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "semi_supervised": ["boolean", StrOptions({"auto"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "unlabeled_label": "no_validation",
    }

    _documented = (
        *PretrainedPredictor._documented,
        *("classes_", "semi_supervised_"),
    )

    classes_: NDArray[Any]
    semi_supervised_: bool

    def __init__(
        self,
        autoencoder: AutoencoderTransformer | FrozenEstimator | None = None,
        *,
        freeze_encoder: bool | int = False,
        encoder_lr_scale: float = 1.0,
        head_layer_sizes: ArrayLike = (),
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        semi_supervised: bool | str = "auto",
        class_weight: dict[Any, float] | str | None = None,
        unlabeled_label: object = None,
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
        super().__init__(
            autoencoder,
            freeze_encoder=freeze_encoder,
            encoder_lr_scale=encoder_lr_scale,
            head_layer_sizes=head_layer_sizes,
            dropout=dropout,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            lr_schedule=lr_schedule,
            max_epochs=max_epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            device=device,
            callbacks=callbacks,
            net_params=net_params,
            verbose=verbose,
            random_state=random_state,
        )
        self.label_smoothing = label_smoothing
        self.semi_supervised = semi_supervised
        self.class_weight = class_weight
        self.unlabeled_label = unlabeled_label

    def _fitted_to_document(self):
        return {
            **super()._fitted_to_document(),
            "classes": self.classes_,
            "semi_supervised": self.semi_supervised_,
        }

    def _fitted_from_document(self, fields):
        super()._fitted_from_document(fields)
        self.classes_ = fields.part("classes", np.ndarray)
        n_outputs = self.module_.n_outputs
        fields.require(self.classes_.shape == (n_outputs,), "classes")
        self.semi_supervised_ = fields.flag("semi_supervised")

    @_fit_context(prefer_skip_nested_validation=True)
    @isolated
    def fit(
        self: Self,
        X: TableLike,
        y: TargetLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Pre-train on all rows, and fine-tune on the labelled ones.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, labelled or not, of numbers and categories. `NaN` and `None` are
            missing cells. Or a source, see :doc:`/larger_than_memory`.
        y : array-like of shape (n_samples,), or str
            Labels, or the name of their column in a source; `NaN`, `None`, `pandas.NA`
            and `unlabeled_label` mark rows without.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, in both phases; only their ratios matter.

        Returns
        -------
        self : AutoencoderPretrainedClassifier

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
                classes, class_indices = read_labels(y, len(X), self.unlabeled_label)
            sample_weight = check_weight(sample_weight, len(X), type(self).__name__)
            weight = weights_of_classes(
                self.class_weight, classes, class_indices, sample_weight
            )
            self.classes_ = classes
            targets = np.where(class_indices < 0, np.nan, class_indices)[:, None]
            check_observed(targets, weight)
            self._fit(
                X,
                targets,
                (sample_weight, weight),
                ClassLoss(self.label_smoothing),
                ClassProbe(len(classes)),
                len(classes),
            )
        return self

    def _start(self, tuning, labelled):
        """Return a net that was not fine-tuned."""
        self.semi_supervised_ = False
        return super()._start(tuning, labelled)

    def _fine_tune(self, tuning, rows, labelled, valid):
        """Return the trained net, semi-supervised if that is asked for or better."""
        asked, n_classes = self.semi_supervised, len(self.classes_)
        # A single row has no neighbours.
        self.semi_supervised_ = bool(asked) and len(rows) > 1
        most = min(len(rows), max_rows(rows)) / 2
        enough = LEAST_LABELLED <= len(labelled) <= most
        if asked == "auto" and not (enough and n_classes > 1):
            self.semi_supervised_ = False
        if self.semi_supervised_:
            unseen = None if valid is labelled else valid
            neighbors = Neighborhood(n_classes).fit(rows, unseen, tuning.encoder)
            spreading = tuning.score_spreading(neighbors)
            self.semi_supervised_ = spreading.is_better or asked != "auto"
        if self.semi_supervised_:
            net = tuning.fine_tune_on_all(neighbors, valid, spreading.accuracy)
            # Sure of a wrong partition, it would get labels wrong that it was shown.
            learnt = tuning.accuracy(net, labelled) >= spreading.accuracy
            if learnt or asked != "auto" or net.was_interrupted_:
                return net
            self.semi_supervised_ = False
        return tuning.fine_tune(labelled, valid)

    @isolated
    def predict_proba(self, X: TableLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), dtype=float64
            In the order of `classes_`.
        """
        check_is_fitted(self)
        return softmax(self._predict_raw(X, len(self.classes_)), axis=1)

    @isolated
    def predict(self, X: TableLike) -> NDArray[Any]:
        """Return the most likely class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.classes_[self._predict_raw(X, len(self.classes_)).argmax(axis=1)]
