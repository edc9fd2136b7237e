"""AutoencoderImputer: imputation of the missing values of a table."""

from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._autoencoder.meta import (
    AUTOENCODER_CONSTRAINT,
    AutoencoderMetaEstimator,
)
from sklearn_ae._autoencoder.training import fit_members
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import (
    Interval,
    Self,
    _check_feature_names_in,
    _fit_context,
    _get_output_config,
    _wrap_data_with_container,
    warn,
)
from sklearn_ae._document import documented
from sklearn_ae._imputation.column_values import ColumnValues
from sklearn_ae._imputation.hidden_cells import MissingCells, Shrinkage, hide
from sklearn_ae._imputation.neighbor_cells import NeighborCells
from sklearn_ae._imputation.residuals import Residuals, random_layers
from sklearn_ae._isolation import isolated
from sklearn_ae._net.inference import expect, infer
from sklearn_ae._seeding import (
    RandomStateLike,
    Stream,
    make_generator,
    seeded_for,
)
from sklearn_ae._tables.encoder import TableEncoder, take_rows
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.sources import SourceTable, StoredRows
from sklearn_ae._tables.table import DenseTableLike, name_columns, naming
from sklearn_ae._tables.writing import floats_hold
from sklearn_ae.noise import HidingNoise

# Refinement passes, by default, of an autoencoder that starts from the means.
PASSES_FROM_MEAN = 10
# Most turns in which the missing cells of a row are drawn.
MAX_TURNS = 10


@documented
class AutoencoderImputer(AutoencoderMetaEstimator, TransformerMixin, BaseEstimator):
    """Imputation of missing values in tables, with a denoising autoencoder.

    An autoencoder learns to restore cells that are hidden from it while it trains
    [1]_ [2]_, and then restores those that are missing. Columns of numbers and of
    categories are filled together, each from all others; observed cells come back as
    they are.

    The defaults suit most tables. The parameters in groups:

    - *network*: `autoencoder`, `n_estimators`
    - *what is filled in*: `max_iter`, `n_draws`, `add_indicator`
    - *the rest*: `random_state`

    Read more in :doc:`/guide/missing_cells`.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer or FrozenEstimator, default=None
        The autoencoder to train; with ``noise="auto"``, cells are hidden from it. A
        fitted one in a :class:`~sklearn.frozen.FrozenEstimator` is used as it is.
        `None` takes ``AutoencoderTransformer(weight_decay=0.0)``.
    n_estimators : int, default=2
        Number of autoencoders whose predictions are averaged, together with the linear
        model that they start from. Each hides other cells, and takes as long as the
        first.
    max_iter : int, default=None
        Refinement passes: the first network pass starts from a linear model of the
        columns, each other one from what the pass before it filled in. `None` takes 1;
        10 where the autoencoder was not trained with
        :class:`~sklearn_ae.noise.HidingNoise`, as it then starts from the means.
    n_draws : int, default=5
        Number of tables that `draw` returns.
    add_indicator : bool, default=False
        Whether to append a column for each column that had missing cells in `fit`,
        which says where they were.
    random_state : int, RandomState instance or None, default=None
        Seed of the hidden cells and of the autoencoders, unless those have their own,
        and of `draw`.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The first of the fitted autoencoders.
    estimators_ : list of AutoencoderTransformer
        All of them.
    shrinkage_ : ndarray of shape (n_features,)
        Factor by which the predictions of each column deviate from its mean, chosen so
        that they fit the hidden cells best: from 0, where the mean or the most frequent
        category is filled in, to 1, where the prediction itself is. Predictions that
        hardly deviate, of a column that nothing is known about, need no small factor.
        In the order of the columns of X; where these have names, those can be used as
        an index, too: ``shrinkage_["weight"]``.
    n_iter_ : int
        Number of refinement passes.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X is a frame whose column names are all strings.

    See Also
    --------
    sklearn.impute.SimpleImputer : Fills in the mean or the most frequent value.
    sklearn.impute.IterativeImputer : Fills numbers by a regression of each column.

    Notes
    -----
    What the networks predict is averaged with the cells of the five nearest rows that
    have them, among up to 2,048 rows of `fit`; for most tables, these count little.

    A tenth of the observed cells, in at most 20,000 rows, are hidden from training.
    Their values decide how much neighbours count in each column, and `shrinkage_`, so
    that columns that nothing is known about get their mean or most frequent category
    and not a guess. A frozen autoencoder may know
    these cells: fit the imputer on other rows than it was trained on.

    Numbers are filled with their expectation, so an integer column that is stored as
    floats gets fractions; nullable integers of pandas and polars, and Python's in a
    column of objects, stay whole. Heavy
    tails are better restored with ``AutoencoderTransformer(scaling="quantile")``.

    A column without any observed cell is left out, with a warning, as scikit-learn's
    imputers do.

    References
    ----------
    .. [1] Gondara, L. and Wang, K. "MIDA: Multiple imputation using denoising
       autoencoders." PAKDD 2018.
    .. [2] Lall, R. and Robinson, T. "The MIDAS touch: accurate and scalable
       missing-data imputation with deep learning." Political Analysis 30 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn_ae import AutoencoderImputer
    >>> rows = pd.DataFrame(
    ...     {
    ...         "weight": [4.1, 3.9, 4.4, 31.0, np.nan, 30.2] * 20,
    ...         "animal": ["cat", "cat", None, "dog", "dog", "dog"] * 20,
    ...         "indoors": [True, True, True, False, False, False] * 20,
    ...     }
    ... )
    >>> AutoencoderImputer(random_state=0).fit_transform(rows).head(6).round()
       weight animal  indoors
    0     4.0    cat     True
    1     4.0    cat     True
    2     4.0    cat     True
    3    31.0    dog    False
    4    31.0    dog    False
    5    30.0    dog    False
    """

    _parameter_constraints = {
        "autoencoder": AUTOENCODER_CONSTRAINT,
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "add_indicator": ["boolean"],
        "random_state": ["random_state"],
    }

    _documented = (
        *("estimators_", "autoencoder_", "table_encoder_", "n_features_in_"),
        *("feature_names_in_", "n_iter_", "_indicated", "_kept", "_shrinkage"),
        *("_draw_shrinkage", "_neighbors", "_residuals"),
    )

    estimators_: list[AutoencoderTransformer]
    n_iter_: int

    def __init__(
        self,
        autoencoder: AutoencoderTransformer | FrozenEstimator | None = None,
        *,
        n_estimators: int = 2,
        max_iter: int | None = None,
        n_draws: int = 5,
        add_indicator: bool = False,
        random_state: RandomStateLike = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.n_estimators = n_estimators
        self.max_iter = max_iter
        self.n_draws = n_draws
        self.add_indicator = add_indicator
        self.random_state = random_state

    def _fitted_to_document(self):
        return {
            "table_encoder": self.table_encoder_,
            "estimators": self.estimators_,
            "indicated": self._indicated,
            "kept": self._kept,
            "n_iter": int(self.n_iter_),
            "shrinkage": self._shrinkage,
            "draw_shrinkage": self._draw_shrinkage,
            "neighbors": self._neighbors,
            "residuals": self._residuals,
        }

    def _fitted_from_document(self, fields):
        encoder = fields.part("table_encoder", TableEncoder)
        self._members_from_document(fields, encoder)
        shape = (encoder.n_features_in_,)
        self._indicated = fields.array("indicated", shape, bool)
        self._kept = fields.array("kept", shape, bool)
        self.n_iter_ = fields.integer("n_iter", 1)
        self._shrinkage = fields.part("shrinkage", Shrinkage)
        self._draw_shrinkage = fields.part("draw_shrinkage", Shrinkage)
        self._neighbors = fields.part("neighbors", NeighborCells)
        for part in (self._shrinkage, self._draw_shrinkage, self._neighbors):
            fields.require(part.fits(encoder), "shrinkage")
        self._residuals = fields.part("residuals", Residuals)
        fields.require(self._residuals.fits(encoder), "residuals")

    @_fit_context(prefer_skip_nested_validation=True)
    @isolated
    def fit(self: Self, X: DenseTableLike, y: object = None) -> Self:
        """Train the autoencoders on the observed cells of X.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows, in any units, of numbers and categories. `NaN`, `None` and
            `pandas.NA` are missing cells. Or a source, see
            :doc:`/larger_than_memory`.
        y : None
            Ignored.

        Returns
        -------
        self : AutoencoderImputer

        Raises
        ------
        KeyboardInterrupt
            If training was interrupted, as by Ctrl+C. What was trained so far is kept
            and usable, with fewer autoencoders if some were not trained; before the
            first step, what was fitted before is left as it was.
        NotFittedError
            If a frozen autoencoder is not fitted.
        ValueError
            If X cannot be used, as in :meth:`AutoencoderTransformer.fit`.

        Warns
        -----
        UserWarning
            If a column has no observed cell. It is left out of what `transform`
            returns.
        """
        with unchanged_on_error(self):
            rng = make_generator(self.random_state, Stream.HIDDEN_CELLS)
            template = self._make_template()
            frozen = isinstance(self.autoencoder, FrozenEstimator)
            encoder, rows = self._read_table(template, _as_dense_table(X))
            self.table_encoder_ = encoder
            if not frozen:
                encoder.fit(rows)
            rows = encoder.store(rows)
            missing = _missing_cells(X, rows)
            observed = missing.n_missing < missing.n_rows
            if frozen:
                observed = encoder.has_observed_
                encoder.check_cells(rows)
            self._note_columns(missing.n_missing > 0, observed)
            n_members = 1 if frozen else self.n_estimators
            hidden = [hide(missing, observed, rng) for _ in range(n_members)]
            self.estimators_, interrupt = self._fit_members(template, rows, hidden, rng)
            self.autoencoder_ = self.estimators_[0]
            self.n_iter_ = self.max_iter or self._default_max_iter()
            hidden = hidden[: len(self.estimators_)]
            self._learn_from_hidden_cells(rows, hidden, rng)
            if interrupt is not None:
                raise interrupt
        return self

    def _make_template(self):
        """Return the autoencoder to train a clone of, or the fitted one to use."""
        # By default, weight decay keeps networks of small tables near the linear model
        # that they start from. Hidden cells are the better regularisation.
        default = AutoencoderTransformer(weight_decay=0.0)
        return self._take_autoencoder(default, HidingNoise())

    def _note_columns(self, has_missing, observed):
        """Set the attributes that describe the columns."""
        self.table_encoder_.describe_to(self)
        self._indicated = has_missing
        self._kept = observed
        if not self._kept.all():
            names = getattr(self, "feature_names_in_", None)
            warn(
                f"Columns {name_columns(~self._kept, names)} have no observed cell to "
                "learn from. They are left out of what transform returns.",
                UserWarning,
            )

    def _fit_members(self, template, rows, hidden, rng):
        """Train an autoencoder without each of the hidden cells, as `fit_members`."""
        if hasattr(template, "net_"):
            return [template], None
        members = (self._make_member(template, rng) for _ in hidden)
        return fit_members(members, rows, self.table_encoder_, hidden=hidden)

    def _default_max_iter(self):
        starts_from_mean = self.autoencoder_.module_.fill is None
        return PASSES_FROM_MEAN if starts_from_mean else 1

    def _learn_from_hidden_cells(self, rows, hidden, rng):
        """Learn what hidden cells tell of the predictions of missing ones."""
        nets = [member.net_ for member in self.estimators_]
        known = self.table_encoder_, nets, rows, hidden
        self._draw_shrinkage = Shrinkage().fit(*known, self._predict, rng)
        self._neighbors = NeighborCells().fit(*known, self._predict, rng)
        self._shrinkage = Shrinkage().fit(*known, self._predict_near, rng)
        self._neighbors.show_hidden_cells(nets, self._predict)
        # Dropout and variational latents draw, too. `random_state` itself may be one
        # that later fits use.
        device, seed = torch.device(nets[0].device), int(rng.integers(2**31))
        varies = self._shrinkage.variance_ > 0
        with seeded_for(self.random_state, device, seed=seed):
            self._residuals = Residuals().fit(*known, self._predict_alone, varies, rng)

    @property
    def shrinkage_(self) -> ColumnValues:
        """Factor of the predictions' deviations from the mean, for each column."""
        names = getattr(self, "feature_names_in_", None)
        return ColumnValues(self._shrinkage.factor_, names)

    def _predict(self, net, X):
        """Return predictions for the cells of scaled rows, after all passes."""
        linear = predicted = net.module_.expect_linearly(X)
        for _ in range(self.n_iter_):
            predicted = expect(net, X, predicted)
        if net.module_.fill is None:
            return predicted
        # The linear model errs elsewhere than the networks: it is one more member.
        return torch.lerp(predicted, linear, 1 / (len(self.estimators_) + 1))

    def _predict_alone(self, net, X):
        """Return predictions for cells of scaled rows, as one net makes them."""
        return self._draw_shrinkage.apply(self._predict(net, X))

    def _predict_near(self, net, X):
        """Return predictions for cells of scaled rows, of neighbours, too."""
        return self._neighbors.apply(net, self._predict(net, X), X)

    def _fill(self, net, X):
        """Return scaled rows, with the best guess in place of missing cells."""
        parts = [self._predict(member.net_, X) for member in self.estimators_]
        predicted = self._neighbors.apply(net, sum(parts) / len(parts), X)
        return net.criterion_.most_likely(self._shrinkage.apply(predicted))

    def _draw(self, net, X):
        """Return scaled rows, with a draw in place of missing cells.

        The missing cells of a row are drawn one after the other in random order, each
        given those drawn before; where there are many, a few at a time.
        """
        missing = torch.isnan(X)
        order = torch.where(missing, torch.rand_like(X), 2.0).argsort(1).argsort(1)
        n_turns = min(MAX_TURNS, int(missing.sum(1).max()))
        order = torch.where(missing, order % n_turns, -1)
        for turn in range(n_turns):
            drawn = self._residuals.draw(net, self._predict_alone(net, X), X)
            drawn = net.criterion_.sample(drawn, torch.zeros_like(drawn))
            X = torch.where(order == turn, net.criterion_.most_likely(drawn), X)
        return X

    def transform(self, X: DenseTableLike) -> Any:
        """Impute X: return it with its missing values filled in.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        X_filled : {ndarray, dataframe} of shape (n_samples, n_features_out)
            A frame with the types of X if that is one. Observed cells are those of X,
            bit for bit: an array of objects that holds categories, or integers beyond
            what float64 holds exactly, comes back as one.
        """
        check_is_fitted(self)
        return self._to_output_library(self._fill_table(X))

    def draw(self, X: DenseTableLike) -> list[Any]:
        """Return several tables for multiple imputation, the missing cells drawn.

        Results that are computed on each of them differ by as much as is not known
        about the missing cells [1]_. A number is drawn around its prediction, as far
        from it as a hidden cell was whose prediction was of the same size [2]_, and a
        category with its probability; the autoencoders take turns. Their dropout
        layers are active, and variational latents are drawn, if they have any. How
        uncertain the autoencoders themselves are shows only in how they differ: for
        intervals by Rubin's rules, let `n_estimators` be at least `n_draws`.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        tables : list of {ndarray, dataframe} of shape (n_samples, n_features_out)
            `n_draws` tables, each as `transform` returns it.

        References
        ----------
        .. [1] Rubin, D. B. "Multiple imputation for nonresponse in surveys." Wiley,
           1987.
        .. [2] Schenker, N. and Taylor, J. M. G. "Partially parametric techniques for
           multiple imputation." Computational Statistics and Data Analysis 22 (1996).
        """
        check_is_fitted(self)
        return [
            _wrap_data_with_container(
                "transform", self._to_output_library(drawn), X, self
            )
            for drawn in self._draw_tables(X)
        ]

    def _to_output_library(self, table):
        """Return what scikit-learn makes the output of, whose setting is the user's.

        It makes objects of the columns of other libraries.
        """
        return table.to_library(_get_output_config("transform", self)["dense"])

    def _check(self, X):
        """Return the table in which cells are to be filled, and its checked rows."""
        X = _as_dense_table(X)
        if isinstance(X, SourceTable):
            # What comes back is a table in memory, and its observed cells are these.
            X = X.project(self.table_encoder_.names).collected
        rows = self.table_encoder_.check(X)
        # Those without missing cells go through no network, which would find them.
        self.table_encoder_.check_cells(rows)
        return _table_as_given(X, rows), rows

    @isolated
    def _fill_table(self, X):
        """Return the table whose missing cells are predicted."""
        table, rows = self._check(X)
        return self._complete(table, rows, self.autoencoder_.net_, self._fill)

    @isolated
    def _draw_tables(self, X):
        """Return `n_draws` tables whose missing cells are drawn."""
        table, rows = self._check(X)
        device = torch.device(self.autoencoder_.net_.device)
        tables = []
        with seeded_for(self.random_state, device):
            for i in range(self.n_draws):
                net = self.estimators_[i % len(self.estimators_)].net_
                with random_layers(net.module_):
                    tables.append(self._complete(table, rows, net, self._draw))
        return tables

    def _complete(self, table, rows, net, function):
        """Return a table whose missing cells are filled by a function of a net.

        Parameters
        ----------
        table : Table
            As the user has it.
        rows : {ndarray, memmap, CodedTable} of shape (n_rows, n_columns)
            The same, checked.
        net : AutoencoderNet
        function : callable
            Takes the net and scaled rows, and returns these without missing cells.
        """
        missing, encoder = table.missing(), self.table_encoder_
        incomplete = missing[:, self._kept].any(axis=1)
        values = None
        if incomplete.any():
            part, n_columns = take_rows(rows, incomplete), self.n_features_in_
            values = infer(net, function, part, n_columns, encoder=encoder)
        filled = encoder.fill(table, missing, values, self._kept)
        names = self._indicator_names(_check_feature_names_in(self))
        indicators = missing[:, self._indicated & self.add_indicator]
        return as_table(as_table(filled).append(names, indicators))

    def _indicator_names(self, names):
        if not self.add_indicator:
            return []
        return [f"missingindicator_{name}" for name in names[self._indicated]]

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X, if they were not known in `fit`.

        Returns
        -------
        feature_names_out : ndarray of str
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names[self._kept]
        return np.array([*kept, *self._indicator_names(names)], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _as_dense_table(X):
    """Return X as a table; a sparse matrix is refused."""
    with naming("AutoencoderImputer"):
        table = as_table(X)
    if sparse.issparse(table.X):
        raise TypeError(
            "Sparse data was passed, but AutoencoderImputer needs a dense table. Use "
            "'.toarray()' to convert to a dense numpy array."
        )
    return table


def _table_as_given(X, rows):
    """Return the table in which cells are to be filled.

    An array is one of numbers; of objects only if floats cannot hold its integers.
    """
    table = as_table(X)
    if table.is_frame:
        return table
    given = getattr(rows, "coded_from", rows)
    if table.X.dtype == object and given is rows:
        objects = table.X.reshape(rows.shape)
        given = rows if floats_hold(objects, rows) else objects
    return as_table(given)


def _missing_cells(X, rows):
    """Return the missing cells of a table and its checked, or stored, rows."""
    if isinstance(rows, StoredRows):
        return MissingCells(stored=rows)
    return MissingCells(_table_as_given(X, rows).missing())
