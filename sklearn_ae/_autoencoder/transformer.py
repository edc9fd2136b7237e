"""AutoencoderTransformer: dimensionality reduction with an autoencoder."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor
from torch.optim import Optimizer

from sklearn_ae._autoencoder.base import (
    DocumentMixin,
    NestedParamsMixin,
    NetMixin,
    OnnxMixin,
    unchanged_on_error,
)
from sklearn_ae._autoencoder.html_repr import HTMLReprMixin
from sklearn_ae._autoencoder.parameters import TRAINING_CONSTRAINTS, check_params
from sklearn_ae._autoencoder.row_sampler import RowSampler
from sklearn_ae._autoencoder.training import (
    fit_autoencoder,
    fit_one_epoch,
    read_table,
    resolve_scaling,
    set_attributes,
)
from sklearn_ae._compat import (
    HasMethods,
    Interval,
    Self,
    StrOptions,
    _fit_context,
    available_if,
)
from sklearn_ae._document import documented
from sklearn_ae._isolation import isolated
from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._modules.dense import ACTIVATIONS, Activation
from sklearn_ae._modules.latent_penalties import GaussianLatent
from sklearn_ae._modules.losses import LOSSES
from sklearn_ae._net.inference import decode, encode, infer, minus_loss, reconstruct
from sklearn_ae._net.neighbor_embedding import NeighborEmbeddingNet
from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._seeding import RandomStateLike, draw_seed, seeded
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.reading import as_array
from sklearn_ae._tables.table import TableLike
from sklearn_ae._tables.weights import check_weight
from sklearn_ae.latents import (
    Clustered,
    Contractive,
    NeighborEmbedding,
    Sparse,
    Variational,
)
from sklearn_ae.noise import GaussianNoise, HidingNoise, MaskingNoise, SwapNoise


def _learns_from_streams(autoencoder):
    """Whether an autoencoder can be trained on a part of the rows after another."""
    net = getattr(autoencoder, "net_", None)
    # A parameter that was set after the last fit takes effect in the next one.
    is_embedding = (
        isinstance(autoencoder.latent, NeighborEmbedding)
        if net is None
        else isinstance(net, NeighborEmbeddingNet)
    )
    if not is_embedding:
        return True
    raise AttributeError(
        "latent=NeighborEmbedding() needs the neighbours of each row among all rows, "
        "which partial_fit does not see. Use fit."
    )


def _draws_rows(autoencoder):
    """Whether an autoencoder can draw rows; scikit-learn shows the reason if not."""
    if isinstance(autoencoder.latent, Variational):
        return True
    raise AttributeError(
        "Only an autoencoder with latent=Variational() can draw new rows. Got "
        f"latent={autoencoder.latent!r}."
    )


@documented
class AutoencoderTransformer(
    DocumentMixin,
    NestedParamsMixin,
    NetMixin,
    OnnxMixin,
    HTMLReprMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Dimensionality reduction with an autoencoder.

    An encoder network maps each row through a bottleneck to a few numbers, its latents
    or embedding; a decoder network maps the latents back. Both are trained, through
    skorch, to reconstruct the rows [1]_. The transformer is used like
    :class:`~sklearn.decomposition.PCA`, alone or in a
    :class:`~sklearn.pipeline.Pipeline` before clustering or classification, and can
    follow curves where PCA follows planes.

    The defaults suit most tables; `n_components` is what to set first. The parameters
    in groups:

    - *network*: `n_components`, `hidden_layer_sizes`, `activation`,
      `latent_activation`, `output_activation`, `tied_weights`, `architecture`
    - *what is learnt*: `latent`, `noise`, `loss`
    - *table*: `scaling`, `categorical_features`, `max_categories`
    - *training*: `optimizer`, `lr`, `weight_decay`, `lr_schedule`, `max_epochs`,
      `batch_size`, `early_stopping`, `validation_fraction`, `n_iter_no_change`, `tol`
    - *machine and the rest*: `device`, `precision`, `compile`, `callbacks`,
      `net_params`, `warm_start`, `verbose`, `random_state`

    Read more in :doc:`/guide/reduce`.

    Parameters
    ----------
    n_components : int, default=None
        Number of latents, the width of the bottleneck. `None` takes half the number of
        columns, at most 32; with a `Convolutional` architecture, the maps of its last
        stage.
    hidden_layer_sizes : array-like of int, default=None
        Widths of the dense layers of the encoder, outermost first; the decoder mirrors
        them. ``()`` has no hidden layer. `None` takes two layers, of
        ``max(128, 2 * n_components)`` and ``max(64, 2 * n_components)`` units; with
        ``latent=NeighborEmbedding()`` three of ``max(128, 2 * n_components)``.
    activation : {"relu", "gelu", "silu", "tanh", "sigmoid", "identity"} or type, \
            default="relu"
        Activation of the hidden layers; a type is a class derived from
        :class:`torch.nn.Module` that is built without arguments.
    latent_activation : same as `activation`, default="identity"
        Activation of the latent layer.
    output_activation : "auto" or same as `activation`, default="auto"
        Activation of the output; "auto" is "sigmoid" for ``loss="bce"`` and else
        "identity".
    tied_weights : bool, default=False
        Whether each dense layer of the decoder has the weights of its counterpart in
        the encoder, transposed.
    architecture : Convolutional, TorchModule or object with `build`, default=None
        Convolutions for images, around or instead of the dense layers, see
        :class:`~sklearn_ae.architectures.Convolutional`; a torch model of your own, see
        :class:`~sklearn_ae.architectures.TorchModule`; or an architecture of your own,
        see :mod:`sklearn_ae.architectures`. `None` is the dense network
        that the parameters above describe.
    latent : Clustered, Contractive, NeighborEmbedding, Sparse or Variational, \
            default=None
        What the latents are to be beside a short description of the row, see
        :mod:`sklearn_ae.latents`.
    noise : "auto", GaussianNoise, HidingNoise, MaskingNoise, SwapNoise or None, \
            default="auto"
        Corrupts the input while training, see :mod:`sklearn_ae.noise`; the target, the
        validation loss and everything after `fit` see clean rows. "auto" is none, but
        in an estimator that holds the autoencoder the noise that it needs:
        ``SwapNoise(0.3)`` in the detector and the predictors, ``HidingNoise()`` in the
        imputer. `None` is none everywhere.
    loss : {"auto", "mse", "mae", "huber", "bce"} or callable, default="auto"
        Loss between a numeric cell and its reconstruction, in scaled units: squared
        error ("auto" and "mse"), absolute error, the Huber loss with delta 1, or binary
        cross-entropy for values in [0, 1]. A callable takes two tensors of shape
        (n_rows, n_numeric), the reconstruction and the target, and returns a loss for
        each cell or for each row. That of a categorical cell is the cross-entropy,
        divided by the entropy of its column. Each column counts equally.
    scaling : {"auto", "standard", "minmax", "quantile", "robust"} or None, \
            default="auto"
        How numeric columns are scaled inside, and scaled back by `inverse_transform`.
        "standard" gives each column zero mean and unit variance; "auto" does so, but
        leaves columns in the unit that they share, if most have the same range, as
        pixels, spectra and ratings do, see Notes; with ``loss="bce"`` it is "minmax".
        "minmax" scales to the range [0, 1]; "quantile" by rank to a normal
        distribution; "robust" by median and interquartile range, with outliers softly
        clipped to at most three deviations; `None` not at all.
    categorical_features : "from_dtype", array-like of bool, int or str, or None, \
            default="from_dtype"
        Columns whose cells are categories. "from_dtype" takes the columns of a frame
        that hold text or booleans or have a categorical dtype, and those columns of an
        array of objects that hold text or booleans. A mask, indices, or the names of
        the columns of a frame say it outright. With `None`, all are numbers.
    max_categories : int, default=100
        Most categories of a column. Where there are more, the infrequent ones share
        one, which is restored as the most frequent of them. `None` sets no limit.
    optimizer : {"adamw", "adam", "rmsprop", "sgd"} or type, default="adamw"
        Optimizer, or a class derived from :class:`torch.optim.Optimizer`.
    lr : float, default=2e-3
        Learning rate at the start.
    weight_decay : float, default=None
        Weight decay of the optimizer. `None` decays the weights towards where training
        started instead of to zero, the more the fewer rows there are, see Notes.
    lr_schedule : {"cosine", "plateau", "constant"}, default="cosine"
        The learning rate falls to zero along half a cosine; or "plateau"
        divides it by 10 after 5 epochs without progress of the validation loss, or of
        the training loss without early stopping. Any other schedule is a
        :class:`skorch.callbacks.LRScheduler` among `callbacks`.
    max_epochs : int, default=None
        Passes over the rows. `None` takes 20, more if that is under 1,000 steps, fewer
        if it is over 4,000 steps, at least 1; with ``latent=NeighborEmbedding()`` the
        steps are 4,000, or 2,000 for less than 1,000 rows, and 8,000.
    batch_size : int, default=None
        Largest number of rows in a step; rows are shared out evenly. `None` takes 256,
        fewer with a `Convolutional` architecture.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when the loss on them does not improve, and
        restore the weights that had the lowest one.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, drawn at random, if `early_stopping`.
    n_iter_no_change : int, default=10
        Epochs without improvement of the validation loss by `tol` before stopping.
    tol : float, default=1e-4
        Smallest improvement that counts.
    device : str or torch.device, default="cpu"
        Where to compute: "cpu", "cuda", "cuda:1", "mps", or "auto" for the best there
        is. Rows in memory are moved there as a whole if they fit.
    precision : {"float32", "bfloat16", "auto"}, default="float32"
        Type that the network computes in while training; "auto" is "bfloat16" on a GPU
        that has it, and for dense layers from 256 units on with batches of 256 rows on
        a processor that has it (AVX512-BF16 or AMX). Whatever was trained, results are
        computed in float32.
    compile : bool, default=False
        Whether to train through :func:`torch.compile`. It takes from 10 to 50 seconds
        to compile, and pays for large networks.
    callbacks : list, default=None
        skorch callbacks. As in skorch, instances are used as they are, not cloned.
    net_params : dict, default=None
        Further parameters of the skorch net: those of the optimizer as in
        ``{"optimizer__betas": (0.9, 0.95)}``, of the `callbacks`, and of
        :func:`torch.compile` as in ``{"compile__mode": "reduce-overhead"}``.
    warm_start : bool, default=False
        Whether `fit` goes on with the weights and the scaling of the last one.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar with the losses, 2 skorch's table.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the order of the rows, the noise and the validation split.
        The same seed gives the same weights, bit for bit on the CPU, on which training
        then uses one thread: what several threads sum depends on how many there are.
        The global states of torch, NumPy and Python are left as they were found.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net.
    module_ : torch.nn.Module
        Its module, on scaled rows: ``module_(X)``, ``module_.encode(X)``,
        ``module_.decode(Z)``; ``module_.network`` is the dense network, or yours.
    history_ : skorch.history.History
        Losses and durations of each epoch.
    n_components_ : int
        Number of latents.
    latent_shape_ : tuple of int
        Shape in which the latents of a row can be looked at, ``(n_components_,)``
        unless a `Convolutional` architecture gives them another one.
    image_shape_ : (int, int, int)
        Channels, height and width of the images, if `architecture` is `Convolutional`.
    n_iter_ : int
        Number of epochs.
    loss_curve_ : list of float
        Mean training loss of each epoch, of corrupted rows if there is `noise`.
    validation_loss_curve_ : list of float or None
        Mean loss of the held-out rows after each epoch, if `early_stopping`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X is a frame whose column names are all strings.
    is_categorical_ : ndarray of shape (n_features,), dtype=bool
        Which columns are categorical.
    scaling_ : {"common", "standard", "minmax", "quantile", "robust"} or None
        How numeric columns are scaled: ``scaling="auto"`` becomes "common" where they
        share a unit, else "standard", or "minmax".
    table_encoder_ : TableEncoder
        What is known of the table: it scales rows for the network, and back.
    cluster_stability_ : float
        How far halves of the rows lead to the same clusters, if `latent` is
        `Clustered`.
    row_sampler_ : RowSampler or None
        What `sample` draws with, if `latent` is `Variational`.

    See Also
    --------
    sklearn.decomposition.PCA : The best linear reconstruction.

    Notes
    -----
    *Start.* With the activations "relu", "gelu", "silu" and "identity", a linear latent
    and a linear output, training starts at PCA: pairs of hidden units carry the
    principal components through the layers unchanged. `weight_decay=None` decays the
    weights back there, weakly for many rows and strongly for few, so that small tables
    do not end up worse than PCA. After training, the latent is turned by the linear map
    that brings the codes closest to the principal components, and the decoder undoes
    it; not so with `latent` or `tied_weights`. With the latter, a table with categories
    starts from random weights.

    *Categorical columns* are stored as codes, and encoded when a batch goes through the
    network: one indicator for each category, centred, and scaled so that the indicators
    of a column together have variance 1. The output is restored as the most likely
    category. A category that was not seen in `fit` is taken for an infrequent one, or,
    where there are none, for a missing cell.

    *Missing cells* (`NaN`, `None`, `pandas.NA`) of X are fed as 0, the mean of a
    standardised column, together with a column that says so, and are left out of the
    loss. A column that is missing everywhere is reconstructed as `NaN`.

    *Equal rows.* In tables of up to 10,000 rows and two million cells, equal rows are
    merged into one that weighs more. So a sample weight of 2 is the same as a row that
    stands there twice, and the order of the rows makes no difference, bit for bit.

    *Columns that share a unit.* With ``scaling="auto"``, at least three columns and at
    least two thirds of those that vary must have the same range within a tenth, in
    `fit` or the first `partial_fit`. They, and the columns that stay within this range,
    are divided by one number, the root of their mean variance, so that pixels at the
    margin, which hardly vary, count little, as they do in the image. Where most of them
    hold whole numbers, the others are no part of it. Every other column is
    standardised. A flag of 0 and 1 beside marks from 0 to 100 counts as little as a
    pixel at the margin: let it be a category, or set ``scaling="standard"``.

    *Robust scaling* turns z, the distance from the median in units of the interquartile
    range over 1.349, into ``z / sqrt(1 + (z / 3) ** 2)`` [2]_. Where most cells of a
    column are equal, the unit is its deviation. `inverse_transform` stays within the
    range of the rows of `fit`.

    *Sparse matrices* are made dense a batch at a time, and *memory-mapped* arrays
    (`numpy.load` with ``mmap_mode="r"``) are read in blocks.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. "Reducing the dimensionality of data
       with neural networks." Science 313 (2006), 504-507.
    .. [2] Holzmüller, D., Grinsztajn, L. and Steinwart, I. "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data." NeurIPS 2024.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ae import AutoencoderTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> ae = AutoencoderTransformer(16, max_epochs=10, random_state=0)
    >>> ae.fit_transform(X).shape
    (1797, 16)
    >>> ae.reconstruct(X).shape
    (1797, 64)
    >>> pipeline = make_pipeline(ae, KMeans(10, random_state=0))
    >>> pipeline.fit_predict(X).shape
    (1797,)

    Columns of numbers and categories, of which some cells are missing:

    >>> import pandas as pd
    >>> rows = pd.DataFrame(
    ...     {
    ...         "age": [14, 2, 9, 7, 4, 11] * 20,
    ...         "animal": ["cat", "cat", None, "dog", None, "dog"] * 20,
    ...         "indoors": [True, True, True, False, False, False] * 20,
    ...     }
    ... )
    >>> ae = AutoencoderTransformer(2, random_state=0).fit(rows)
    >>> ae.reconstruct(rows).head(6)
       age animal  indoors
    0   14    cat     True
    1    2    cat     True
    2    9    cat     True
    3    7    dog    False
    4    4    dog    False
    5   11    dog    False
    """

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
        "tied_weights": ["boolean"],
        "architecture": [HasMethods("build"), None],
        "latent": [
            Clustered,
            Contractive,
            NeighborEmbedding,
            Sparse,
            Variational,
            None,
        ],
        "noise": [
            StrOptions({"auto"}),
            GaussianNoise,
            HidingNoise,
            MaskingNoise,
            SwapNoise,
            None,
        ],
        "loss": [StrOptions({"auto", *LOSSES}), callable],
        "scaling": [
            StrOptions({"auto", "standard", "minmax", "quantile", "robust"}),
            None,
        ],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 2, None, closed="left"), None],
        "device": [str, torch.device],
        "precision": [StrOptions({"float32", "bfloat16", "auto"})],
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        **TRAINING_CONSTRAINTS,
    }

    _documented = (
        *("net_", "history_", "loss_curve_", "validation_loss_curve_", "n_iter_"),
        *("table_encoder_", "n_features_in_", "feature_names_in_", "is_categorical_"),
        *("scaling_", "image_shape_", "n_components_", "latent_shape_"),
        *("row_sampler_", "cluster_stability_"),
    )

    n_components_: int
    latent_shape_: tuple[int, ...]
    image_shape_: tuple[int, int, int]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    is_categorical_: NDArray[np.bool_]
    table_encoder_: TableEncoder
    row_sampler_: RowSampler | None

    def __init__(
        self,
        n_components: int | None = None,
        *,
        hidden_layer_sizes: ArrayLike | None = None,
        activation: Activation = "relu",
        latent_activation: Activation = "identity",
        output_activation: Activation = "auto",
        tied_weights: bool = False,
        architecture: Any = None,
        latent: Clustered
        | Contractive
        | NeighborEmbedding
        | Sparse
        | Variational
        | None = None,
        noise: str
        | GaussianNoise
        | HidingNoise
        | MaskingNoise
        | SwapNoise
        | None = "auto",
        loss: str | Callable[[Tensor, Tensor], Tensor] = "auto",
        scaling: str | None = "auto",
        categorical_features: str | ArrayLike | None = "from_dtype",
        max_categories: int | None = 100,
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
        device: str | torch.device = "cpu",
        precision: str = "float32",
        compile: bool = False,
        callbacks: list[Any] | None = None,
        net_params: dict[str, Any] | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: RandomStateLike = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.latent_activation = latent_activation
        self.output_activation = output_activation
        self.tied_weights = tied_weights
        self.architecture = architecture
        self.latent = latent
        self.noise = noise
        self.loss = loss
        self.scaling = scaling
        self.categorical_features = categorical_features
        self.max_categories = max_categories
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

    def _fitted_to_document(self):
        return {
            "table_encoder": self.table_encoder_,
            "net": self.net_,
            "row_sampler": self.row_sampler_,
        }

    def _fitted_from_document(self, fields):
        encoder = fields.part("table_encoder", TableEncoder)
        net = fields.part("net", AutoencoderNet)
        fields.require(isinstance(net.module_, Autoencoder), "net")
        fields.require(net.module_.blueprint.fits(encoder), "net")
        sampler = fields.part("row_sampler", RowSampler, type(None))
        is_variational = isinstance(net.module_.latent, GaussianLatent)
        fields.require(is_variational == (sampler is not None), "row_sampler")
        if sampler is not None:
            n_numbers = encoder.n_features_in_
            if encoder.layout_ is not None:
                n_numbers = len(encoder.layout_.numeric)
            sizes = net.module_.n_components, n_numbers
            fields.require(sampler.fits(*sizes), "row_sampler")
        net.table_encoder = encoder
        set_attributes(self, net, encoder, sampler)

    @_fit_context(prefer_skip_nested_validation=True)
    @isolated
    def fit(
        self: Self,
        X: TableLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the autoencoder to reconstruct the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, in any units, of numbers and categories. `NaN` and `None` are missing
            cells. Or a source, such as ``pyarrow.dataset.dataset(folder)``, whose files
            need not fit into memory, see :doc:`/larger_than_memory`. With a
            `Convolutional` architecture also images, an array of shape
            (n_samples, channels, height, width) or (n_samples, height, width), here and
            below; reconstructions then have this shape.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts; only their ratios matter.

        Returns
        -------
        self : AutoencoderTransformer

        Raises
        ------
        KeyboardInterrupt
            If training was interrupted, as by Ctrl+C. What was trained so far is kept
            and usable; before the first step, what was fitted before is left as it was.
        ValueError
            If X or a parameter cannot be used, or the loss stops being finite. What was
            fitted before is left as it was. Dates, identifiers and free text are
            columns that cannot be used.

        Warns
        -----
        ConvergenceWarning
            If a variational latent is the same for all rows.
        """
        with unchanged_on_error(self):
            warm = self.warm_start and hasattr(self, "net_")
            if warm:
                check_params(self.get_params(deep=False), type(self))
                rows = self.table_encoder_.check(X)
                encoder = self._encoder_of_last_fit(rows)
            else:
                encoder, rows = read_table(self, X, self)
            sample_weight = self._check_weight(sample_weight, rows)
            if not warm:
                encoder.fit(rows, sample_weight)
            rows = encoder.store(rows, sample_weight)
            fit_autoencoder(self, rows, encoder, sample_weight, warm=warm)
        return self

    def _encoder_of_last_fit(self, rows):
        scaling = self.table_encoder_.scaling
        if scaling != resolve_scaling(self):
            raise ValueError(
                f"warm_start=True goes on with the scaling of the last fit, {scaling!r}"
                f". Got scaling={self.scaling!r}; set warm_start=False to start anew."
            )
        return self.table_encoder_.extended(rows)

    @available_if(_learns_from_streams)
    @_fit_context(prefer_skip_nested_validation=True)
    @isolated
    def partial_fit(
        self: Self,
        X: TableLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on some rows of a stream.

        The first call decides the network, the categories, and the columns with missing
        cells that get an indicator; with ``scaling="quantile"`` or "robust" also the
        scale, which the other scalings update with each call. The learning rate is `lr`
        throughout, and there is no early stopping: schedule and stopping belong to
        `fit`.
        Parameters that are set after the first call take effect in the next `fit`.
        A `NeighborEmbedding` needs all rows at once, and has no `partial_fit`.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts among these rows.

        Returns
        -------
        self : AutoencoderTransformer
        """
        with unchanged_on_error(self):
            if hasattr(self, "net_"):
                check_params(self.get_params(deep=False), type(self))
                rows = self.table_encoder_.check(X)
                sample_weight = self._check_weight(sample_weight, rows)
                encoder = self.table_encoder_.updated(rows, sample_weight)
            else:
                encoder, rows = read_table(self, X, self)
                sample_weight = self._check_weight(sample_weight, rows)
                encoder.fit(rows, sample_weight)
            rows = encoder.store(rows, sample_weight)
            fit_one_epoch(self, rows, encoder, sample_weight)
        return self

    def _check_weight(self, sample_weight, rows):
        return check_weight(sample_weight, rows.shape[0], type(self).__name__)

    def _check(self, X):
        """Return checked rows to infer from."""
        check_is_fitted(self)
        return self.table_encoder_.check(X)

    @isolated
    def transform(self, X: TableLike) -> NDArray[np.float32]:
        """Return the latents, or embedding, of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components), dtype=float32
        """
        rows, encoder = self._check(X), self.table_encoder_
        return infer(self.net_, encode, rows, self.n_components_, encoder=encoder)

    @isolated
    def inverse_transform(self, X: ArrayLike) -> Any:
        """Return the rows that latents are decoded to, in original units.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_components)
            Latents; an array may also have the shape
            ``(n_samples, *latent_shape_)``.

        Returns
        -------
        X_original : {ndarray, dataframe} of shape (n_samples, n_features)
            A frame with the columns and dtypes seen in `fit`, if that was one;
            otherwise an array, of objects if categories are no numbers, or integers
            that no float holds, else of float32 if X was in `fit`, else of float64.
        """
        check_is_fitted(self)
        latents: Any = as_array(X)
        if getattr(X, "ndim", 2) > 2 and latents.shape[1:] == self.latent_shape_:
            latents = latents.reshape(-1, self.n_components_)
        Z = check_array(latents, dtype=np.float32, input_name="X")
        if Z.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but inverse_transform takes latents "
                f"with n_components_={self.n_components_} columns."
            )
        values = infer(self.net_, decode, Z, self.n_features_in_)
        return self.table_encoder_.inverse_transform(values, like=latents)

    @isolated
    def reconstruct(self, X: TableLike) -> Any:
        """Return the reconstruction of rows, in original units.

        The same as ``inverse_transform(transform(X))``, in one pass.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        X_reconstructed : {ndarray, dataframe} of shape (n_samples, n_features)
            As `inverse_transform` returns it.
        """
        rows, encoder = self._check(X), self.table_encoder_
        n_columns = self.n_features_in_
        values = infer(self.net_, reconstruct, rows, n_columns, encoder=encoder)
        return encoder.inverse_transform(values, like=X)

    @available_if(_draws_rows)
    @isolated
    def sample(self, n_samples: int = 1, random_state: RandomStateLike = None) -> Any:
        """Draw new rows, if `latent` is `Variational`.

        Latents are drawn from a mixture of normal distributions, fitted to those of the
        rows of `fit` or of the last `partial_fit`, up to 5,000 of them, and decoded.
        Numbers are drawn around the decoder's output, and then get the distribution
        that they have in these rows: of each column, the median of the draws becomes
        the median, and so on, in a thousand steps. So they are numbers of these rows.
        Categories are drawn by their probabilities. Rows of which some cells are given
        are drawn by :meth:`AutoencoderImputer.draw`.

        With ``loss="bce"``, columns that hold only 0 and 1 are drawn by their
        probabilities, and others, such as pixels, are what the decoder says.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the rows: with `None`, each call returns others.

        Returns
        -------
        X : {ndarray, dataframe} of shape (n_samples, n_features)
            As `inverse_transform` returns it, without missing cells but for columns
            that were missing everywhere.

        Raises
        ------
        AttributeError
            If `latent` is not `Variational`.
        ValueError
            If `n_samples` is less than 1, or `latent` was set after the last `fit`.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_random_state(random_state)
        if self.row_sampler_ is None:
            raise ValueError(
                "latent was set to Variational() after the last fit, which trained "
                "another one. Call fit again."
            )
        seed, device = draw_seed(random_state), torch.device(self.net_.device)
        with seeded(seed, device, one_thread=False):
            values = self.row_sampler_.draw(self.net_, n_samples)
        return self.table_encoder_.inverse_transform(
            values, among=self.row_sampler_.cells_
        )

    @isolated
    def score_samples(self, X: TableLike) -> NDArray[np.float32]:
        """Return minus the reconstruction loss of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype=float32
            Minus the mean loss over the observed cells; with the default loss and
            scaling in squared standard deviations for numeric columns, and in
            entropies of the column for categorical ones, so that knowing only the
            mean or the frequencies scores about -1. The lower, the more abnormal. A
            row without any observed cell has nothing to get wrong, and scores 0.
        """
        rows = self._check(X)
        return infer(self.net_, minus_loss, rows, encoder=self.table_encoder_)

    @isolated
    def score(self, X: TableLike, y: object = None) -> float:
        """Return the mean of `score_samples`, for searches and cross-validation.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Minus the mean reconstruction loss. The higher, the better.

        Notes
        -----
        More components reconstruct better, so a search over `n_components` that
        maximises this score takes the most. Choose their number by the score of what
        follows in a pipeline, such as a classifier. The score of `KMeans` is no such
        guide: minus its inertia, in units of the latents, it favours the fewest.
        Without labels, the scorers of :mod:`sklearn_ae.metrics` compare all numbers.
        """
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Named columns of categories need a dense table.
        from_dtype = isinstance(self.categorical_features, str)
        tags.input_tags.sparse = from_dtype or self.categorical_features is None
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
