"""AutoencoderAnomalyDetector: find the odd rows of a table, and say why."""

from functools import partial
from math import ceil
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._anomaly.distances import N_ROWS, Rarity
from sklearn_ae._anomaly.scoring import (
    _explain,
    _rarity_of,
    _to_numpy,
    encode_and_expect,
    encoded_blocks,
    expect_each,
)
from sklearn_ae._autoencoder.base import unchanged_on_error
from sklearn_ae._autoencoder.meta import (
    AUTOENCODER_CONSTRAINT,
    AutoencoderMetaEstimator,
)
from sklearn_ae._autoencoder.training import fit_autoencoder
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import Interval, StrOptions, _fit_context
from sklearn_ae._net.inference import infer
from sklearn_ae._net.params import resolve_device
from sklearn_ae._seeding import draw_seed
from sklearn_ae._tables.reading import as_table
from sklearn_ae.noise import SwapNoise

# The default autoencoder: a latent that loses nothing of most tables, and noise that
# keeps the network from passing cells on as they are.
LARGEST_LATENT, SWAPPED = 32, 0.3
MOST_CALIBRATION = 10_000
# Cells of other rows that stand in for one that is to be expected from the others.
N_DONORS = 16
# What stands for categories that were not there in `fit`.
UNKNOWN = -1.0
# Stream of random numbers that rows are drawn from, beside the seed.
DRAWING = 6007
# How far from their median the roots of ordinary rows' scores are, in units of the
# distance of the third quartile: if they are normally distributed, 2.7 deviations.
FENCE = 4.0
# A row that is no farther than the median in any way is no outlier.
LEAST_FENCE = 0.3


class AutoencoderAnomalyDetector(AutoencoderMetaEstimator, OutlierMixin, BaseEstimator):
    """Find the odd rows of a table, and say what is odd about them.

    A row is odd if it lies far from the others, or if an autoencoder that was trained
    on them cannot restore it from what its cells have to do with one another. For
    tables of numbers and categories, with missing cells or without. The rows of `fit`
    may be clean (novelty detection) or contain odd ones that are to be found (outlier
    detection).

    Read more in :doc:`/getting_started`.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer or FrozenEstimator, default=None
        What is trained to restore the rows. A fitted one in a
        :class:`~sklearn.frozen.FrozenEstimator` is used as it is, and is the only one;
        if it has seen the rows of `fit`, `p_values` are too small. `None` takes
        ``AutoencoderTransformer(n, noise=SwapNoise(0.3), scaling="robust")`` with as
        many latents as there are columns, at most 32.
    n_estimators : int, default=1
        Number of autoencoders, each with its own seed, whose scores are averaged. Those
        after one that is interrupted, as by Ctrl+C, are not trained.
    contamination : "auto" or float, default="auto"
        Share of the rows of `fit` that `predict` calls outliers, in (0, 0.5]. "auto"
        lets their scores decide: outliers are rows with a score far below the others,
        at most some two of a hundred ordinary rows.
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
    *Score.* Minus the sum of three squared distances, each in units of its median over
    rows of `fit`, ``-f(s) - f(n) - f(r)``: to the surroundings (the 18th nearest of 256
    rows of `fit` [1]_), to the nearest neighbour (among 1,024 rows), and to the
    reconstruction. Below the median, a distance counts a tenth:
    ``f(x) = 0.1 * x + 0.9 * max(x - 1, 0)``. So ordinary rows score about -0.3 to -5.
    Numbers are compared in robust units, those far out drawn in by the inverse
    hyperbolic sine; a column of categories counts as much as one of numbers. Squared
    residuals are divided by the mean of their column; of numbers, the logarithm of one
    more than that counts. No row is compared with itself: rows of `fit` score as new
    ones that equal them.

    *Missing cells* are left out, and the others count more; a row without any cell
    scores 0. In rows that others are compared with, they count as the median. Where
    columns had no missing cells in `fit`, the autoencoder has not learnt to do without
    them, and a missing cell may make others look odd. A category that was not there in
    `fit` is as far from all others as these are from one another, unless there are
    infrequent ones that it counts as.

    *Clean rows or not.* In either case nothing has to be set. Odd rows that lie
    together vouch for one another if they are more than some 7 % of the rows of `fit`.
    If the rows of `fit` are known to be clean, `p_values` hold what they promise; with
    odd rows among them they are too large rather than too small.

    References
    ----------
    .. [1] Sugiyama, M. and Borgwardt, K. "Rapid distance-based outlier detection via
       sampling." NIPS 2013.
    .. [2] Bates, S. et al. "Testing for outliers with conformal p-values." The Annals
       of Statistics 51 (2023), 149-178.

    Examples
    --------
    Two of these columns say the same thing twice, but in one row:

    >>> import pandas as pd
    >>> from sklearn_ae import AutoencoderAnomalyDetector
    >>> rows = pd.DataFrame(
    ...     {
    ...         "celsius": [float(i % 30) for i in range(300)],
    ...         "fahrenheit": [32 + 1.8 * (i % 30) for i in range(300)],
    ...         "wind": [["calm", "breeze", "storm"][i % 7 % 3] for i in range(300)],
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

    def __init__(
        self,
        autoencoder=None,
        *,
        n_estimators=1,
        contamination="auto",
        calibration_fraction=0.1,
        device=None,
        verbose=0,
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.n_estimators = n_estimators
        self.contamination = contamination
        self.calibration_fraction = calibration_fraction
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn what rows are like.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows, of numbers and categories. `NaN` and `None` are missing cells.
        y : None
            Ignored.

        Returns
        -------
        self : AutoencoderAnomalyDetector

        Raises
        ------
        NotFittedError
            If a frozen autoencoder is not fitted.
        ValueError
            If X or a parameter cannot be used, or the loss stops being finite. What was
            fitted before is left as it was.
        """
        with unchanged_on_error(self):
            template = self._make_template()
            encoder, rows = self._read_table(template, X, unknown=UNKNOWN)
            if self.autoencoder is None:
                n_components = min(LARGEST_LATENT, rows.shape[1])
                template.set_params(n_components=n_components)
            rng = np.random.default_rng([draw_seed(self.random_state), DRAWING])
            order = rng.permutation(rows.shape[0])
            n_held_out = int(self.calibration_fraction * len(order))
            n_held_out = min(n_held_out, MOST_CALIBRATION)
            held_out, used = np.sort(order[:n_held_out]), order[n_held_out:]
            self.estimators_ = self._fit_members(template, encoder, rows, held_out, rng)
            self.autoencoder_ = self.estimators_[0]
            self.table_encoder_ = encoder
            encoder.describe_to(self)
            used = rng.choice(used, min(N_ROWS, len(used)), replace=False)
            some = rows[used]
            self._rarities = [self._fit_rarity(m, some) for m in self.estimators_]
            self._donors = self._draw_donors(some)
            self.offset_ = self._find_offset(rows, some)
            self.calibration_indices_ = held_out
            self.calibration_scores_ = np.sort(self._score(rows[held_out]))
        return self

    def _make_template(self):
        """Return the autoencoder to train clones of, or the fitted one to use."""
        if self.device is not None:
            resolve_device(self.device)
        default = AutoencoderTransformer(
            noise=SwapNoise(SWAPPED), scaling="robust", verbose=self.verbose
        )
        template = self._take_autoencoder(default)
        if self.device is not None and not hasattr(template, "net_"):
            template.set_params(device=self.device)
        return template

    def _fit_members(self, template, encoder, rows, held_out, rng):
        """Return autoencoders that were trained without the rows held out."""
        if hasattr(template, "net_"):
            return [template]
        weight = None
        if len(held_out):
            weight = np.ones(rows.shape[0])
            weight[held_out] = 0
        encoder.fit(rows, weight)
        members = []
        for i in range(self.n_estimators):
            member = self._make_member(template, rng)
            if i and template.random_state is not None:
                # With one seed, all would be the same network.
                seed = (draw_seed(template.random_state) + i) % 2**32
                member.set_params(random_state=seed)
            members.append(fit_autoencoder(member, rows, encoder, weight))
            if members[-1].net_.interrupted_after_ is not None:
                break
        return members

    def _fit_rarity(self, member, rows):
        """Return what says how rare rows are, by what a member makes of some."""
        blocks, n_numbers = encoded_blocks(member.net_, rows.shape[1])
        encoder = self.table_encoder_
        rarity = Rarity(blocks, n_numbers, drawn_in=encoder.scaling_ == "robust")
        scaled = torch.from_numpy(encoder.transform(rows)).to(member.net_.device)
        with torch.inference_mode():
            return rarity.fit(*_to_numpy(encode_and_expect(member.net_, scaled)))

    def _draw_donors(self, rows):
        """Return scaled cells that stand for the column that they come from."""
        cells = np.sort(self.table_encoder_.transform(rows), axis=0)
        shares = (np.arange(N_DONORS) + 0.5) / N_DONORS
        places = np.outer(shares, (~np.isnan(cells)).sum(axis=0)).astype(int)
        return np.take_along_axis(cells, places, axis=0)

    def _find_offset(self, table, rows):
        """Return the score below which rows are outliers."""
        if self.contamination != "auto":
            share = 100 * self.contamination
            return float(np.percentile(self._score(table), share))
        # As distances.
        roots = np.sqrt(-self._score(rows))
        median, third = np.quantile(roots, [0.5, 0.75])
        fence = (median + FENCE * (third - median)) ** 2
        return -float(max(fence, LEAST_FENCE))

    def _check(self, X):
        """Return checked rows, in which categories unknown in `fit` are marked."""
        check_is_fitted(self)
        return self.table_encoder_.check(X, unknown=UNKNOWN)

    def _mean_of_members(self, table, function, *n_columns):
        """Return the mean of what members say about rows, in float64."""
        total = np.zeros((table.shape[0], *n_columns))
        for member, rarity in zip(self.estimators_, self._rarities, strict=True):
            total += infer(
                member.net_,
                partial(function, rarity),
                table,
                *n_columns,
                encoder=self.table_encoder_,
                dtype=np.float64,
            )
        return total / len(self.estimators_)

    def _score(self, table):
        return -self._mean_of_members(table, _rarity_of)

    def score_samples(self, X):
        """Return how ordinary rows are.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype=float64
            At most 0; the lower, the more abnormal.
        """
        return self._score(self._check(X))

    def decision_function(self, X):
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

    def predict(self, X):
        """Return which rows are outliers.

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

    def explain(self, X, *, return_expected=False):
        """Return what each column contributes to the scores of rows.

        The score of a row is shared out in proportion to how much of it would be gone
        if a cell were missing. This takes as long as scoring the rows once more for
        each column.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows in the units seen in `fit`.
        return_expected : bool, default=False
            Whether to return, too, what each cell would be expected to hold; this takes
            some 16 times as long.

        Returns
        -------
        contributions : {ndarray, dataframe} of shape (n_samples, n_features)
            In float64, none negative; those of a row sum to minus its score. A frame
            with the columns of X if that is one.
        expected : {ndarray, dataframe} of shape (n_samples, n_features)
            Only if `return_expected`: for each cell what the first autoencoder makes of
            the others in its row. In the units of X and the form of the table of `fit`.
        """
        check_is_fitted(self)
        table = as_table(X)
        rows = self._check(table)
        contributions = self._mean_of_members(rows, _explain, rows.shape[1])
        contributions = table.with_values(contributions)
        if not return_expected:
            return contributions
        return contributions, self._expect(X)

    def _expect(self, X):
        """Return what cells are expected to hold, in original units."""
        first = self.autoencoder_
        function = partial(expect_each, donors=torch.from_numpy(self._donors))
        encoder = self.table_encoder_
        rows = encoder.check(X)
        values = infer(first.net_, function, rows, rows.shape[1], encoder=encoder)
        return encoder.inverse_transform(values, like=X)

    def p_values(self, X, *, level=None):
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
