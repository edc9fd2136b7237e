"""AutoencoderPretrainedClassifier: classify rows by the encoder of an autoencoder."""

from numbers import Real

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._compat import Interval, StrOptions, _fit_context
from sklearn_ae._supervised.base import PretrainedPredictor
from sklearn_ae._supervised.fine_tuning import ROWS_TO_CHOOSE
from sklearn_ae._supervised.linear_probe import ClassProbe
from sklearn_ae._supervised.predictor import ClassLoss
from sklearn_ae._supervised.semi_supervised import Neighborhood, most_rows
from sklearn_ae._supervised.targets import (
    check_observed,
    encode_labels,
    weights_of_classes,
)
from sklearn_ae._tables.encoder import check_weight
from sklearn_ae._tables.reading import as_table


class AutoencoderPretrainedClassifier(ClassifierMixin, PretrainedPredictor):
    """Classify rows by an encoder that was trained on all rows, labelled or not.

    For many rows of which few have a label. First an autoencoder learns to reconstruct
    all rows; then a head takes the place of its decoder, and both are fine-tuned on the
    labelled rows. Where rows of one class lie together, the second phase learns from
    the others, too.

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
    label_smoothing : float, default=0.0
        Share of the probability that the loss gives to all classes alike.
    semi_supervised : bool or "auto", default="auto"
        Whether the second phase learns from rows without their labels, too, see Notes.
        "auto" asks cross-validation, if 20 to 30,000 rows are labelled (fewer where
        there are more than 2,000 columns).
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, as in
        :class:`~sklearn.linear_model.LogisticRegression`.
    unlabeled_label : object, default=None
        A label that marks unlabelled rows, beside `NaN`, `None` and `pandas.NA`: -1
        follows :mod:`sklearn.semi_supervised`. By default, -1 is a class like others.
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
        takes 300 to 2,500 steps; with unlabelled rows in the second phase 30 epochs, or
        1,000 steps.
    batch_size : int, default=None
        Largest number of rows in a step. `None` takes a tenth
        of the labelled rows, from 32 to 256; with unlabelled rows 256.
    early_stopping : bool, default=False
        Whether to hold out labelled rows, stratified by class, stop when the loss on
        them does not improve, and restore the weights that had the lowest one. The last
        row of a class is not held out; where none can be, those to train on have to do.
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
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    semi_supervised_ : bool
        Whether the second phase learnt from rows without their labels.
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
    AutoencoderPretrainedRegressor : The same for numbers.
    sklearn.semi_supervised.SelfTrainingClassifier : Learns from its own predictions.

    Notes
    -----
    *Start.* A head without hidden layers starts as a linear model, fitted to the latent
    codes of the labelled rows, with a penalty chosen by cross-validation: a head that
    starts at random would distort the encoder before it learns anything [1]_.

    *Noise.* The autoencoder's noise corrupts the labelled rows, too, half as strongly,
    but not in semi-supervised training.

    *Few labels.* A network that is trained on few rows ends up worse than the linear
    model. So the weights stop on the way from there to where training ends [2]_: half
    the way for fewer than 20 labels, as far as cross-validation recommends for up to
    20,000 (from 2,000 on a single fifth is held out), and all the way for more, with
    `early_stopping`, and in semi-supervised training. `history_` tells how training
    went; `callbacks` do not see the trials.

    *Unlabelled rows in the second phase.* Labels are spread along a graph of nearest
    neighbours [3]_. If these tell held-out labels better than the linear model does, by
    more than a standard error, rows of one class lie together; then the second phase
    starts out from the spread labels, and lets no border between classes pass near a
    row: predictions must not change within a quarter of the distance to its tenth
    neighbour (virtual adversarial training [4]_). At most 60,000 rows take part in it.
    Its probabilities are tempered to be as sure as spread labels are right.
    Unless it is frozen or slower than the head, the encoder starts half the way between
    random and pre-trained weights, and its hidden layers are normalised for each row.

    References
    ----------
    .. [1] Kumar, A. et al. "Fine-tuning can distort pretrained features and
       underperform out-of-distribution." ICLR 2022.
    .. [2] Wortsman, M. et al. "Robust fine-tuning of zero-shot models." CVPR 2022.
    .. [3] Zhou, D. et al. "Learning with local and global consistency." NIPS 2004.
    .. [4] Miyato, T. et al. "Virtual adversarial training: a regularization method for
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

    def __init__(
        self,
        autoencoder=None,
        *,
        freeze_encoder=False,
        encoder_lr_scale=1.0,
        head_layer_sizes=(),
        dropout=0.0,
        label_smoothing=0.0,
        semi_supervised="auto",
        class_weight=None,
        unlabeled_label=None,
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
        self.label_smoothing = label_smoothing
        self.semi_supervised = semi_supervised
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
        """Pre-train on all rows, and fine-tune on the labelled ones.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, labelled or not, of numbers and categories. `NaN` and `None` are
            missing cells.
        y : array-like of shape (n_samples,)
            Labels; `NaN`, `None`, `pandas.NA` and `unlabeled_label` mark rows without.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, in both phases; only their ratios matter.

        Returns
        -------
        self : AutoencoderPretrainedClassifier

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
            classes, codes = encode_labels(y, len(X), self.unlabeled_label)
            sample_weight = check_weight(sample_weight, len(X))
            weight = weights_of_classes(
                self.class_weight, classes, codes, sample_weight
            )
            self.classes_ = classes
            targets = np.where(codes < 0, np.nan, codes)[:, None]
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

    def _fine_tune(self, tuning, rows, labelled, valid):
        asked, n_classes = self.semi_supervised, len(self.classes_)
        # A single row has no neighbours.
        self.semi_supervised_ = bool(asked) and len(rows) > 1
        enough = ROWS_TO_CHOOSE <= len(labelled) <= most_rows(rows) / 2
        if asked == "auto" and not (enough and n_classes > 1):
            self.semi_supervised_ = False
        if self.semi_supervised_:
            unseen = None if valid is labelled else valid
            neighbors = Neighborhood(rows, unseen, tuning.encoder, n_classes)
            wins = tuning.spreading_wins(neighbors)
            self.semi_supervised_ = wins or asked != "auto"
        if self.semi_supervised_:
            return tuning.fine_tune_on_all(neighbors, valid)
        return tuning.fine_tune(labelled, valid)

    def predict_proba(self, X):
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

    def predict(self, X):
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
