"""AutoencoderAnomalyDetector: find outliers in a table, and explain them."""

from math import ceil
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._anomaly.distances import N_ROWS, OutlierDistances
from sklearn_ae._anomaly.scoring import N_DONORS, AnomalyScorer, encoded_cells
from sklearn_ae._anomaly.threshold import allow_for_new_rows, find_threshold
from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._autoencoder.meta import (
    AUTOENCODER_CONSTRAINT,
    AutoencoderMetaEstimator,
)
from sklearn_ae._autoencoder.training import fit_members
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import Interval, Self, StrOptions, _fit_context
from sklearn_ae._defaults import (
    DEFAULT_STEPS,
    default_detector_n_components,
    default_detector_steps,
    default_noise,
)
from sklearn_ae._document import documented
from sklearn_ae._isolation import isolated
from sklearn_ae._net.params import resolve_device
from sklearn_ae._seeding import RandomStateLike, Stream, draw_seed, make_generator
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.table import TableLike

# Most rows of `fit` that are set aside for calibration.
MAX_CALIBRATION_ROWS = 10_000
# Code of categories that were not there in `fit`.
UNKNOWN = -1.0


@documented
class AutoencoderAnomalyDetector(AutoencoderMetaEstimator, OutlierMixin, BaseEstimator):
    """Outlier and novelty detection with an autoencoder, and why rows are outliers.

    A row is an outlier, or anomaly, if it lies far from the others, or if an
    autoencoder that was trained on them cannot restore it, because its cells do not go
    together as those of the others do. For tables of numbers and categories, with or
    without missing cells. The rows of `fit` may be clean (novelty detection) or contain
    outliers that are to be found (outlier detection).

    The defaults suit most tables. The parameters in groups:

    - *network*: `autoencoder`, `n_estimators`
    - *threshold and p-values*: `contamination`, `calibration_fraction`
    - *machine and the rest*: `device`, `verbose`, `random_state`

    Read more in :doc:`/guide/outliers`.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer or FrozenEstimator, default=None
        The autoencoder that is trained to restore the rows. A fitted one in a
        :class:`~sklearn.frozen.FrozenEstimator` is used as it is, and is the only one;
        if it has seen the rows of `fit`, `p_values` are too small. `None` takes
        ``AutoencoderTransformer(n, noise=SwapNoise(0.3), scaling="robust")`` with as
        many latents as there are columns, at most 32, and trains it for 20 epochs, but
        at most some 2,000 steps, and at least 1,000; 250 from 500 columns on.
    n_estimators : int, default=1
        Number of autoencoders, each with its own seed, whose scores are averaged.
    contamination : "auto" or float, default="auto"
        Share of the rows of `fit` that `predict` calls outliers, in (0, 0.5]. "auto"
        lets their scores decide: outliers are rows with a score far below the others,
        at most some two of a hundred ordinary rows (of new ones more, if there were
        fewer than some 100 rows, or than columns). Of rows that few others resemble, no
        more than these are outliers unless a gap parts their scores from those of the
        others; where most rows have a twin, as in tables of a few flags, gaps do not
        count.
    calibration_fraction : float, default=0.1
        Share of the rows of `fit`, in [0, 1), at most 10,000 of them, that no
        autoencoder and no distance learns from; `p_values` compares others with them.
    device : str or torch.device, default=None
        Where to train and score. `None` takes that of the autoencoder; a frozen one
        stays where it is.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar, 2 skorch's table. An `autoencoder` that is
        given has its own.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random, also of the autoencoder unless it has its own. The
        same seed gives the same scores, bit for bit on the CPU.

    Attributes
    ----------
    estimators_ : list of AutoencoderTransformer
        The autoencoders.
    autoencoder_ : AutoencoderTransformer
        The first of them.
    offset_ : float
        Score below which rows are outliers.
    calibration_indices_ : ndarray of shape (n_calibration,)
        Positions of the rows of `fit` that were set aside.
    calibration_scores_ : ndarray of shape (n_calibration,), dtype=float64
        Their scores, ascending.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X is a frame whose column names are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Splits columns at random.
    sklearn.neighbors.LocalOutlierFactor : Compares rows with their neighbours.

    Notes
    -----
    *Score.* Minus a sum of squared distances, each in units of its median over rows of
    `fit`, ``-0.5 * f(n) - 1.5 * f(c) - 0.9 * f(r)``: to the nearest neighbour (among
    4,096 rows drawn at random [1]_, or fewer of wide tables, but 1,024), to the nearest
    cluster, and to the reconstruction. A cluster has at least one row in 14, of 1,024
    or all; a row joins it at some distance in single-linkage clustering [3]_, however
    long or bent it is. The unit of that is a third of its ninth decile, if this is more
    than its median: the rarer combinations of categories are too small for clusters,
    but ordinary. Below the median, a distance counts a tenth:
    ``f(x) = 0.1 * x + 0.9 * max(x - 1, 0)``. So ordinary rows score about -0.2 to -5.
    Numbers are compared in robust units, by their inverse hyperbolic sine, so that
    those far out count less; a column of categories counts as much as one of numbers.
    Squared residuals are divided by the mean of their column; of numbers, the logarithm
    of one more than that counts. No row is compared with itself: rows of `fit` score as
    new ones that equal them. Nor is a row compared with others that share an extreme
    number with it, more than 12 robust deviations from the median of a column: many
    rows with a code such as -999 are no less anomalous than one, unless more than a
    tenth of the rows have numbers so far out.

    *Missing cells* are left out, and the others count more; a row without any cell
    scores 0. In rows that others are compared with, they count as the median. Where
    columns had no missing cells in `fit`, the autoencoder has not learnt to do without
    them, and a missing cell may make others look anomalous. A category that was not
    there in `fit` is as far from all others as these are from one another, unless there
    are infrequent ones that it counts as.

    *Clean rows or not.* In either case nothing has to be set. Outliers that lie
    together mask one another if they are more than some 7 % of the rows of `fit`. If
    the rows of `fit` are known to be clean, `p_values` are valid; with outliers among
    them they are too large rather than too small.

    References
    ----------
    .. [1] Sugiyama, M. and Borgwardt, K. "Rapid distance-based outlier detection via
       sampling." NIPS 2013.
    .. [2] Bates, S. et al. "Testing for outliers with conformal p-values." The Annals
       of Statistics 51 (2023), 149-178.
    .. [3] Gower, J. C. and Ross, G. J. S. "Minimum spanning trees and single linkage
       cluster analysis." Applied Statistics 18 (1969), 54-64.

    Examples
    --------
    Two of these columns hold the same temperature, except in one row:

    >>> import pandas as pd
    >>> from sklearn_ae import AutoencoderAnomalyDetector
    >>> rows = pd.DataFrame(
    ...     {
    ...         "celsius": [float(i % 30) for i in range(300)],
    ...         "fahrenheit": [32 + 1.8 * (i % 30) for i in range(300)],
    ...         "wind": [["calm", "windy", "gale"][i % 7 % 3] for i in range(300)],
    ...     }
    ... )
    >>> rows.loc[7, "fahrenheit"] = 80.0
    >>> detector = AutoencoderAnomalyDetector(random_state=0).fit(rows)
    >>> int(detector.score_samples(rows).argmin())
    7
    """

    _parameter_constraints = {
        "autoencoder": AUTOENCODER_CONSTRAINT,
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="left")],
        "device": [str, torch.device, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    _documented = (
        *("estimators_", "autoencoder_", "table_encoder_", "n_features_in_"),
        *("feature_names_in_", "_scorer", "calibration_indices_"),
        *("calibration_scores_", "offset_"),
    )

    estimators_: list[AutoencoderTransformer]
    offset_: float
    calibration_indices_: NDArray[np.intp]
    calibration_scores_: NDArray[np.float64]

    def __init__(
        self,
        autoencoder: AutoencoderTransformer | FrozenEstimator | None = None,
        *,
        n_estimators: int = 1,
        contamination: str | float = "auto",
        calibration_fraction: float = 0.1,
        device: str | torch.device | None = None,
        verbose: int = 0,
        random_state: RandomStateLike = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.n_estimators = n_estimators
        self.contamination = contamination
        self.calibration_fraction = calibration_fraction
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def _fitted_to_document(self):
        return {
            "table_encoder": self.table_encoder_,
            "estimators": self.estimators_,
            "distances": self._scorer.distances_,
            "donors": self._scorer.donors_,
            "calibration_indices": self.calibration_indices_,
            "calibration_scores": self.calibration_scores_,
            "offset": self.offset_,
        }

    def _fitted_from_document(self, fields):
        encoder = fields.part("table_encoder", TableEncoder)
        members = self._members_from_document(fields, encoder)
        nets = [member.net_ for member in members]
        self._scorer = scorer = AnomalyScorer(encoder, nets)
        scorer.distances_ = fields.parts("distances", OutlierDistances)
        fields.require(len(scorer.distances_) == len(nets), "distances")
        for net, distances in zip(nets, scorer.distances_, strict=True):
            cells, n_numbers = encoded_cells(net, encoder.n_features_in_)
            alike = np.array_equal(distances.cells, cells)
            fields.require(alike and distances.n_numbers == n_numbers, "distances")
        shape = N_DONORS, encoder.n_features_in_
        scorer.donors_ = fields.array("donors", shape, np.float32, missing=True)
        indices = fields.array("calibration_indices", (None,), np.intp, least=0)
        scores = fields.array("calibration_scores", indices.shape, most=0.0)
        fields.require((np.diff(scores) >= 0).all(), "calibration_scores")
        self.calibration_indices_, self.calibration_scores_ = indices, scores
        self.offset_ = fields.number("offset")

    @_fit_context(prefer_skip_nested_validation=True)
    @isolated
    def fit(self: Self, X: TableLike, y: object = None) -> Self:
        """Train the autoencoders, and learn how far ordinary rows lie from others.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, of numbers and categories. `NaN` and `None` are missing cells. Or a
            source, see :doc:`/larger_than_memory`.
        y : None
            Ignored.

        Returns
        -------
        self : AutoencoderAnomalyDetector

        Raises
        ------
        KeyboardInterrupt
            If training was interrupted, as by Ctrl+C. What was trained so far is kept
            and usable, with fewer autoencoders if some were not trained; before the
            first step, what was fitted before is left as it was.
        NotFittedError
            If a frozen autoencoder is not fitted.
        ValueError
            If X or a parameter cannot be used, or the loss stops being finite. What was
            fitted before is left as it was.
        """
        with unchanged_on_error(self):
            template = self._make_template()
            encoder, rows = self._read_table(template, X, unknown=UNKNOWN)
            n_rows, n_columns = rows.shape
            if self.autoencoder is None:
                n_components = default_detector_n_components(n_columns)
                template.set_params(n_components=n_components)
            rng = make_generator(self.random_state, Stream.DETECTOR_ROWS)
            held_out, used = self._split(n_rows, rng)
            weight = None
            if not hasattr(template, "net_"):
                weight = self._fit_encoder(encoder, rows, held_out)
            rows = encoder.store(rows, weight)
            self.estimators_, interrupt = self._fit_members(
                template, encoder, rows, weight, rng
            )
            self.autoencoder_ = self.estimators_[0]
            self.table_encoder_ = encoder
            encoder.describe_to(self)
            some = rows[rng.choice(used, min(N_ROWS, len(used)), replace=False)]
            nets = [member.net_ for member in self.estimators_]
            self._scorer = AnomalyScorer(encoder, nets).fit(some)
            self.calibration_indices_ = held_out
            scores = self._scorer.score_samples(rows[held_out])
            self.calibration_scores_ = np.sort(scores)
            self.offset_ = self._find_offset(rows, some)
            if interrupt is not None:
                raise interrupt
        return self

    def _split(self, n_rows, rng):
        """Return the indices of the rows to set aside, ascending, and of the others."""
        order = rng.permutation(n_rows)
        n_held_out = min(int(self.calibration_fraction * n_rows), MAX_CALIBRATION_ROWS)
        return np.sort(order[:n_held_out]), order[n_held_out:]

    def _make_template(self):
        """Return the autoencoder to train clones of, or the fitted one to use."""
        if self.device is not None:
            resolve_device(self.device)
        default = AutoencoderTransformer(scaling="robust", verbose=self.verbose)
        template = self._take_autoencoder(default, default_noise())
        if self.device is not None and not hasattr(template, "net_"):
            template.set_params(device=self.device)
        return template

    def _fit_encoder(self, encoder, rows, held_out):
        """Learn the scale without the rows held out; return the weights that say so."""
        weight = None
        if len(held_out):
            weight = np.ones(rows.shape[0])
            weight[held_out] = 0
        encoder.fit(rows, weight)
        return weight

    def _fit_members(self, template, encoder, rows, weight, rng):
        """Train autoencoders without the rows held out, as `fit_members` does."""
        if hasattr(template, "net_"):
            return [template], None
        steps = DEFAULT_STEPS
        if self.autoencoder is None:
            steps = default_detector_steps(rows.shape[1])
        members = self._make_members(template, rng)
        return fit_members(members, rows, encoder, weight, steps=steps)

    def _make_members(self, template, rng):
        """Yield autoencoders to train, each with another seed."""
        for i in range(self.n_estimators):
            member = self._make_member(template, rng)
            if i and template.random_state is not None:
                # With one seed, all would be the same network.
                seed = (draw_seed(template.random_state) + i) % 2**32
                member.set_params(random_state=seed)
            yield member

    def _find_offset(self, rows, some):
        """Return the score below which rows are outliers."""
        if self.contamination != "auto":
            share = 100 * self.contamination
            return float(np.percentile(self._scorer.score_samples(rows), share))
        scores, new = self._scorer.score_samples(some), self.calibration_scores_
        threshold = find_threshold(np.concatenate([scores, new]), rows.shape[1])
        return allow_for_new_rows(threshold, scores, new)

    def _check(self, X):
        """Return checked rows, in which categories unknown in `fit` are marked."""
        check_is_fitted(self)
        return self.table_encoder_.check(X, unknown=UNKNOWN)

    @isolated
    def score_samples(self, X: TableLike) -> NDArray[np.float64]:
        """Return the anomaly score of rows: how ordinary they are.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype=float64
            At most 0; the lower, the more abnormal.
        """
        rows = self._check(X)
        return self._scorer.score_samples(rows)

    @isolated
    def decision_function(self, X: TableLike) -> NDArray[np.float64]:
        """Return how far the scores of rows are above `offset_`.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        decision : ndarray of shape (n_samples,), dtype=float64
            Negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    @isolated
    def predict(self, X: TableLike) -> NDArray[np.int_]:
        """Predict which rows are outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), dtype=int
            -1 for outliers and 1 for others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @isolated
    def explain(self, X: TableLike, *, return_expected: bool = False) -> Any:
        """Return what each column contributes to the scores of rows.

        Each cell has what of the score would be gone if it were missing, and the others
        counted more: that is nearly all of it for the one odd cell of an outlier. What
        is left, as most of the score of an ordinary row, is shared out in proportion
        to what would be gone if the others did not count more. This takes about as long
        as scoring the rows once more for each column.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.
        return_expected : bool, default=False
            Whether to return the expected value of each cell, too; this takes some 16
            times as long.

        Returns
        -------
        contributions : {ndarray, dataframe} of shape (n_samples, n_features)
            In float64, none negative; those of a row sum to minus its score. A frame
            with the columns of X if that is one.
        expected : {ndarray, dataframe} of shape (n_samples, n_features)
            Only if `return_expected`: for each cell what the first autoencoder predicts
            from the others in its row. In the units of X and the form of the table of
            `fit`.
        """
        check_is_fitted(self)
        table = self.table_encoder_.as_table(X)
        contributions = table.with_values(self._scorer.explain(self._check(table)))
        if not return_expected:
            return contributions
        encoder = self.table_encoder_
        expected = self._scorer.expect(encoder.check(table))
        return contributions, encoder.inverse_transform(expected, like=X)

    @isolated
    def p_values(
        self, X: TableLike, *, level: float | None = None
    ) -> NDArray[np.float64]:
        """Return how likely scores as low as those of rows are among ordinary rows.

        Conformal p-values [1]_: one more than the number of calibration rows that score
        as low or lower, divided by one more than their number. If a row comes from
        where the rows of `fit` came from, its p-value is `t` or less with a probability
        of at most `t`, whatever the autoencoder has learnt; this is meant over draws of
        the calibration rows, too. The Benjamini-Hochberg procedure
        (:func:`scipy.stats.false_discovery_control`) on them keeps the expected rate of
        false discoveries.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows that were not in `fit`.
        level : float, default=None
            The level that the p-values are to be compared with. `None`: not known.

        Returns
        -------
        p_values : ndarray of shape (n_samples,), dtype=float64

        Raises
        ------
        ValueError
            If there are no calibration rows, or too few for any p-value to be as small
            as `level`.

        References
        ----------
        .. [1] Bates, S. et al. "Testing for outliers with conformal p-values." The
           Annals of Statistics 51 (2023), 149-178.
        """
        check_is_fitted(self)
        n_rows = len(self.calibration_scores_)
        if n_rows == 0:
            raise ValueError(
                "p_values compares rows with calibration rows, and none were set aside "
                f"with calibration_fraction={self.calibration_fraction}. Increase it, "
                "and fit again."
            )
        if level is not None:
            _check_level(level, n_rows)
        scores = self.score_samples(X)
        as_low = np.searchsorted(self.calibration_scores_, scores, side="right")
        return (1 + as_low) / (1 + n_rows)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _check_level(level, n_rows):
    if not (isinstance(level, Real) and 0 < level < 1):
        raise ValueError(f"level must be a number between 0 and 1. Got {level!r}.")
    needed = ceil(1 / level - 1e-9) - 1
    if n_rows < needed:
        raise ValueError(
            f"With {n_rows} calibration rows no p-value is less than "
            f"{1 / (1 + n_rows):.3g}; level={level} takes at least {needed} "
            "calibration rows. Fit to more rows, or increase calibration_fraction."
        )
