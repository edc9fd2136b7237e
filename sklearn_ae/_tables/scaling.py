"""Scaler: from rows in original units to scaled float32 columns, and back.

Everything here works on blocks of rows, so that a table that does not fit in memory
never has to.
"""

import warnings
from math import isfinite

import numpy as np
import torch
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from sklearn_ae._defaults import find_shared_unit
from sklearn_ae._tables.quantiles import to_normal_scores
from sklearn_ae._tables.reading import (
    blocks_of_rows,
    check_cells,
    to_tensor,
)
from sklearn_ae._tables.sampling import sample_rows
from sklearn_ae._tables.spreads import robust_center_and_scale, root_mean_square
from sklearn_ae._tables.table import name_columns
from sklearn_ae._tables.writing import clip_to_dtype

# Largest scaled value: beyond it a float32 network overflows, when it is squared and
# summed over 10,000 columns.
LARGEST_SCALED = 1e15
# Limit of the soft clipping of "robust" scaling, in deviations, as in Holzmueller et
# al. (2024).
SOFT_CLIP_LIMIT = 3.0
# Largest share of that limit that is undone: at the limit itself it would be infinite.
LARGEST_CLIPPED = 1 - 1e-6
# Smallest scale that a float32 number, and its inverse, have in full precision.
SMALLEST_FLOAT32_SCALE = 1e-37
# Largest such scale.
LARGEST_FLOAT32_SCALE = 1e37
# Largest range of a constant column, as a share of its largest number: its cells differ
# by rounding errors.
CONSTANT_RANGE = 2.0**-48
# Unit of a constant column, as a share of its number.
CONSTANT_UNIT = 0.125
# Largest rounding error of a center, in units of the scale.
CENTER_ERROR = 2.0**-10
# Least number whose square, and that of a much smaller one, is no 0 in float64.
SMALLEST_SQUARED = 1e-140
# Unit of smaller numbers. Should larger ones follow, their squares are finite.
TINY_UNIT = 2.0**-500
# Least range of a column, as a share of its largest number, that float32 numbers rank.
FLOAT32_RANGE = 2.0**-10


def _round_to_bits(values, bits):
    """Round floats to a mantissa of so many bits."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def unit_of_tiny(largest):
    """Return units in which the squares of tiny numbers are not rounded to 0.

    Parameters
    ----------
    largest : ndarray of shape (n_columns,)
        Largest absolute value of each column; `NaN` if it has none.

    Returns
    -------
    unit : float64 ndarray of shape (n_columns,)
        A power of two, so that it changes no digit; 1 for columns that need none.
    """
    is_tiny = (largest > 0) & (largest < SMALLEST_SQUARED)
    return np.where(is_tiny, TINY_UNIT, 1.0)


class Scaler:
    """Scale columns to a range that a network learns well, and undo it.

    Missing cells stay `NaN`, and so does a column that holds nothing else. A constant
    column is 0, in the unit that columns share or an eighth of its number, and comes
    back as this number.

    Parameters
    ----------
    scaling : {"auto", "standard", "minmax", "quantile", "robust", None}
        Zero mean, and unit variance or one unit for the columns that share it; zero
        mean and unit variance; the range [0, 1]; a normal distribution by rank; median
        and interquartile range, with outliers clipped softly; or as it is.
    is_categorical : bool ndarray of shape (n_columns,), default=None
        Columns of codes, which stay as they are. `None`: there are none.

    Attributes
    ----------
    scaling_ : {"common", "standard", "minmax", "quantile", "robust", None}
        What was done: "auto" becomes "common" where columns share a unit, and else
        "standard".
    has_missing_ : bool ndarray of shape (n_columns,)
        Columns with missing cells.
    has_observed_ : bool ndarray of shape (n_columns,)
        Columns with observed cells.
    has_indicator_ : bool ndarray of shape (n_columns,)
        Columns with missing cells in `fit`: the network has an input for each.
    dtype_ : {float32, float64}
        Type that `inverse_transform` returns: float32 if all rows had it.
    """

    def __init__(self, scaling, is_categorical=None):
        self.scaling = scaling
        if is_categorical is not None and not is_categorical.any():
            is_categorical = None
        self.is_categorical = is_categorical

    def fit(self, X, sample_weight=None, names=None):
        """Learn the scale of each column from all rows of X.

        Parameters
        ----------
        X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        sample_weight : ndarray of shape (n_rows,), default=None
        names : sequence of str, default=None
            Names of the columns for messages.
        """
        self.names = names
        self.scaling_ = self.scaling
        self._shares_unit = np.zeros(X.shape[1], dtype=bool)
        self.has_missing_ = np.zeros(X.shape[1], dtype=bool)
        self.has_observed_ = np.zeros(X.shape[1], dtype=bool)
        self.dtype_ = np.dtype(np.float32)
        self._moments, self._shift = StandardScaler(), None
        self._center_and_scale = None
        self._least = np.full(X.shape[1], np.inf)
        self._largest = np.full(X.shape[1], -np.inf)
        self._learn(X, sample_weight)
        self.has_indicator_ = self.has_missing_.copy()
        if self.scaling == "auto":
            self._find_shared_unit(X, sample_weight)
        self._set_center_and_scale()
        if self.scaling == "quantile":
            self._fit_quantiles(sample_rows(X, sample_weight))
        elif self.scaling == "robust":
            self._fit_quartiles(sample_rows(X, sample_weight))
        return self

    def make_robust(self, X, sample_weight=None):
        """Let a fitted standard scale become a robust one; parameters as in `fit`."""
        self.scaling = self.scaling_ = "robust"
        self._set_center_and_scale()
        self._fit_quartiles(sample_rows(X, sample_weight))

    def _find_shared_unit(self, X, sample_weight):
        """Find the columns that share a unit: most of them, or none."""
        is_number = self.has_observed_.copy()
        if self.is_categorical is not None:
            is_number &= ~self.is_categorical
        shares = np.zeros(len(is_number), dtype=bool)
        shares[is_number] = find_shared_unit(
            self._least[is_number], self._largest[is_number]
        )
        if shares.any():
            # Shares are no counts, though they may lie in the same range.
            rows = sample_rows(X, sample_weight)[:, shares]
            is_whole = (np.isnan(rows) | (rows == np.round(rows))).all(axis=0)
            if 2 * is_whole.sum() >= len(is_whole):
                shares[shares] = is_whole
        self._shares_unit = shares
        self.scaling_ = "common" if shares.any() else "standard"

    def _fit_quartiles(self, rows):
        center, scale = self._mean_and_deviation()
        # A column that is observed in none of these rows has its mean and deviation.
        observed = self.has_observed_ & ~np.isnan(rows).all(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            center[observed], scale[observed] = robust_center_and_scale(
                rows[:, observed],
                scale[observed],
                CONSTANT_RANGE * self._largest_size()[observed],
            )
        self._center_and_scale = center, scale
        self._set_center_and_scale()

    def _fit_quantiles(self, rows):
        # scikit-learn takes values within 1e-7 of one another for equal, so all columns
        # get a span of 1 first. Half of it is a float64, whatever the column holds.
        half_span = np.where(self._is_constant, self._scale / 2, 0.5)
        varies = self.has_observed_ & ~self._is_constant
        half_span[varies] = (self._largest / 2 - self._least / 2)[varies]
        self._half_span = half_span
        self._half_least = np.where(self.has_observed_, self._least / 2, 0.0)
        size = self._largest_size()
        self._is_float32 = (
            varies
            & (half_span > FLOAT32_RANGE / 2 * size)
            & (size > SMALLEST_FLOAT32_SCALE)
            & (size < LARGEST_FLOAT32_SCALE)
        )
        quantiles = QuantileTransformer(
            n_quantiles=min(1000, len(rows)),
            output_distribution="normal",
            subsample=None,
        )
        with warnings.catch_warnings():
            # A column without any value is no fault here.
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            self._quantiles = quantiles.fit(self._to_unit_span(rows))
        # Ranks are those of float32 numbers: else a float32 cell would not equal the
        # float64 one that it was, and rank above or below all that do.
        self._float32_quantiles = self._to_unit_span(
            self._to_float32(self._from_unit_span(quantiles.quantiles_))
        )

    def _to_unit_span(self, X):
        # Beyond the least and the largest, all values rank alike.
        with np.errstate(over="ignore"):
            return np.clip((X / 2 - self._half_least) / self._half_span, -1, 2)

    def _from_unit_span(self, shares):
        return (shares * self._half_span + self._half_least) * 2

    def _to_float32(self, X):
        """Return X, rounded to float32 in the columns that this ranks alike."""
        with np.errstate(over="ignore", under="ignore"):
            return np.where(self._is_float32, X.astype(np.float32), X)

    def _to_normal(self, X):
        """Return a block of rows by rank; constant columns in units of their number."""
        shares = self._to_unit_span(self._to_float32(X.astype(np.float64)))
        columns = np.ascontiguousarray(shares.T)
        for i in np.flatnonzero(self._is_ranked()):
            columns[i] = to_normal_scores(columns[i], self._float32_quantiles[:, i])
        return columns.T

    def _is_ranked(self):
        """Return a mask of the columns that are scaled by rank."""
        if self.is_categorical is None:
            return ~self._is_constant
        return ~(self._is_constant | self.is_categorical)

    def partial_fit(self, X, sample_weight=None):
        """Update the scale of each column with further rows; quantiles stay."""
        self._learn(X, sample_weight)
        self._set_center_and_scale()
        return self

    def _learn(self, X, sample_weight):
        """Update what is known about each column with rows."""
        if X.dtype != np.float32:
            self.dtype_ = np.dtype(np.float64)
        for rows, block in blocks_of_rows(X):
            weight = None
            if sample_weight is not None:
                weight = sample_weight[rows]
                block, weight = block[weight > 0], weight[weight > 0]
            if len(block):
                self._update(block, weight)

    def note_missing(self, X):
        """Note the columns of further rows with missing cells; the scale stays."""
        if X.dtype != np.float32:
            self.dtype_ = np.dtype(np.float64)
        for _, block in blocks_of_rows(X):
            if check_cells(block, self.names):
                self.has_missing_ |= np.isnan(block).any(axis=0)
        return self

    def _update(self, block, weight):
        """Update what is known about each column with a block of rows."""
        if check_cells(block, self.names):
            missing = np.isnan(block)
            self.has_missing_ |= missing.any(axis=0)
            observed = ~missing.all(axis=0)
        else:
            observed = np.ones(block.shape[1], dtype=bool)
        self.has_observed_ |= observed
        with np.errstate(over="ignore", invalid="ignore"):
            if self.scaling in ("auto", "standard", "robust"):
                self._update_moments(block, weight, observed)
            if self.scaling is not None:
                np.fmin(self._least, np.fmin.reduce(block), out=self._least)
                np.fmax(self._largest, np.fmax.reduce(block), out=self._largest)

    def _update_moments(self, block, weight, observed):
        """Update mean and variance of the columns that are observed in a block."""
        moments = self._moments
        # scikit-learn lets the mean of a column become NaN with the first block that
        # has no value of it, and stay NaN whatever comes before or after.
        absent, names = np.flatnonzero(~observed), ("mean_", "var_", "scale_")
        before = [
            getattr(moments, name, np.zeros(len(observed)))[absent] for name in names
        ]
        if self._shift is None:
            # The sum of numbers far from 0 would lose the digits in which they differ.
            # Those of float32 numbers do not get lost in a float64 sum.
            is_shifted = observed & (block.dtype != np.float32)
            self._shift = np.where(is_shifted, np.fmin.reduce(block), 0.0)
            self._unit = unit_of_tiny(np.fmax.reduce(np.abs(block - self._shift)))
        if self._shift.any():
            block = block - self._shift
        if (self._unit < 1).any():
            block = block / self._unit
        try:
            moments.partial_fit(block, sample_weight=weight)
        except ValueError:
            self._refuse_too_far_apart(np.isinf(block).any(axis=0))
            raise
        for name, values in zip(names, before, strict=True):
            getattr(moments, name)[absent] = values

    def _mean_and_deviation(self):
        """Return mean and standard deviation of each column."""
        deviation = np.sqrt(self._moments.var_) * self._unit
        return self._moments.mean_ * self._unit + self._shift, deviation

    def _largest_size(self):
        """Return the largest absolute value of each column."""
        return np.maximum(np.abs(self._least), np.abs(self._largest))

    def _set_center_and_scale(self):
        center, scale = (
            np.zeros(len(self.has_observed_)),
            np.ones(len(self.has_observed_)),
        )
        self._is_constant = np.zeros(len(self.has_observed_), dtype=bool)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.scaling is not None:
                size = self._largest_size()
                self._is_constant = self.has_observed_ & (
                    self._largest - self._least <= CONSTANT_RANGE * size
                )
            if self.scaling in ("auto", "standard"):
                center, scale = self._mean_and_deviation()
                shares = self._shares_unit
                common = root_mean_square(scale[shares & ~self._is_constant])
                scale[shares] = common
            elif self.scaling == "minmax":
                center, scale = self._least, self._largest - self._least
            elif self.scaling == "robust":
                center, scale = self._center_and_scale or (center, scale)
            if self.is_categorical is not None:
                self._is_constant &= ~self.is_categorical
                center = np.where(self.is_categorical, 0.0, center)
                scale = np.where(self.is_categorical, 1.0, scale)
            center = np.where(self._is_constant, self._least, center)
            unit = CONSTANT_UNIT * np.abs(self._least)
            has_own_unit = self._is_constant & ~self._shares_unit
            scale = np.where(has_own_unit, unit, scale)
            self._set_rounded(center, scale)

    def _refuse_too_far_apart(self, unusable):
        if unusable.any():
            raise ValueError(
                f"The values of columns {name_columns(unusable, self.names)} of X are "
                "too far apart for float64. Divide them by a constant, or take their "
                "logarithm, before fitting."
            )

    def _set_rounded(self, center, scale):
        """Set center and scale of the columns to numbers of fewer bits."""
        unusable = self.has_observed_ & ~(np.isfinite(center) & np.isfinite(scale))
        self._refuse_too_far_apart(unusable)
        # Rounded, the two do not depend on the order in which rows were added up: an
        # array, its blocks, its sparse form and repeated rows scale to the same bits.
        scale = np.where(self.has_observed_ & (scale > 0), scale, 1.0)
        scale = _round_to_bits(scale, 24)
        on_grid = np.round(center / scale * 2.0**20) / 2.0**20 * scale
        rounded = np.where(
            np.abs(center) > 2.0**20 * scale, _round_to_bits(center, 46), on_grid
        )
        is_near = np.abs(rounded - center) <= CENTER_ERROR * scale
        self._center = np.where(is_near & ~self._is_constant, rounded, center)
        if self.dtype_ == np.float32:
            self._center = self._center.astype(np.float32).astype(np.float64)
        # A column of which nothing is known stays missing, there and back.
        self._center[~self.has_observed_] = np.nan
        self._scale = scale
        self._set_float32()

    def _set_float32(self):
        """Round center and scale to float32, and note whether that loses nothing."""
        scale = self._scale
        with np.errstate(over="ignore", under="ignore"):
            self._float32_center = torch.from_numpy(self._center.astype(np.float32))
            self._float32_factor = torch.from_numpy((1 / scale).astype(np.float32))
        self._fits_float32 = self.dtype_ == np.float32 and bool(
            np.all((scale > SMALLEST_FLOAT32_SCALE) & (scale < LARGEST_FLOAT32_SCALE))
            and not np.any(np.abs(self._center) > LARGEST_FLOAT32_SCALE)
        )

    def transform(self, X, out=None):
        """Return rows as a dense float32 ndarray of scaled columns.

        Parameters
        ----------
        X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        out : float32 ndarray of shape (n_rows, n_columns), default=None
            Written to instead of a new array.
        """
        if out is None:
            out = np.empty(X.shape, dtype=np.float32)
        for rows, block in blocks_of_rows(X):
            self._transform_block(block, out[rows])
        return out

    def _transform_block(self, X, out):
        if self.scaling == "quantile":
            check_cells(X, self.names)
            out[:] = self._keep_codes(X, self._to_normal(X))
            return
        if X.dtype == np.float32 and self._fits_float32:
            # The center is a float32 number, so the difference loses nothing. In torch:
            # NumPy is slow with rows of few columns.
            X_own = torch.from_numpy(np.require(X, requirements="CW"))
            scaled = torch.sub(X_own, self._float32_center, out=torch.from_numpy(out))
            scaled.mul_(self._float32_factor)
        else:
            scaled = torch.from_numpy(np.subtract(X, self._center, dtype=np.float64))
            scaled.div_(to_tensor(self._scale))
        if not isfinite(scaled.sum()):
            check_cells(X, self.names)
        scaled.clamp_(-LARGEST_SCALED, LARGEST_SCALED)
        if self.scaling == "robust":
            self._soft_clip(scaled)
        if scaled.dtype == torch.float64:
            out[:] = scaled.numpy()

    def _soft_clip(self, scaled):
        """Clip values smoothly in place, so that none is beyond three deviations."""
        clipped = scaled / torch.sqrt(1 + (scaled / SOFT_CLIP_LIMIT) ** 2)
        if self.is_categorical is not None:
            clipped[:, self.is_categorical] = scaled[:, self.is_categorical]
        scaled.copy_(clipped)

    def _undo_soft_clip(self, values):
        """Return values in original units, within the range of the rows of `fit`."""
        share = values.astype(np.float64) / SOFT_CLIP_LIMIT
        share = np.clip(share, -LARGEST_CLIPPED, LARGEST_CLIPPED)
        X = share * SOFT_CLIP_LIMIT / np.sqrt(1 - share**2) * self._scale
        return np.clip(X + self._center, self._least, self._largest)

    def numbers(self):
        """Return what columns are scaled by, and whether float32 rows in float32."""
        names = ("center", "scale", "is_constant", "least", "largest", "fits_float32")
        return {name: getattr(self, f"_{name}") for name in names}

    def quantiles(self):
        """Return what columns are ranked by, None if they are scaled by numbers."""
        if self.scaling != "quantile":
            return None
        names = ("half_least", "half_span", "is_float32", "float32_quantiles")
        learnt = {name: getattr(self, f"_{name}") for name in names}
        return learnt | {
            "is_ranked": self._is_ranked(),
            "quantiles": self._quantiles.quantiles_,
        }

    def inverse_transform(self, values):
        """Return scaled rows in their original units, as an ndarray of `dtype_`."""
        out = np.empty(values.shape, dtype=self.dtype_)
        for rows, block in blocks_of_rows(values):
            # A reconstruction may overshoot the largest number there is.
            with np.errstate(over="ignore", invalid="ignore"):
                out[rows] = clip_to_dtype(
                    self._inverse_transform_block(block), self.dtype_
                )
        return out

    def _inverse_transform_block(self, values):
        if self.scaling == "quantile":
            shares = self._quantiles.inverse_transform(values.astype(np.float64))
            X = self._keep_codes(values, self._from_unit_span(shares))
        elif self.scaling == "robust":
            X = self._keep_codes(values, self._undo_soft_clip(values))
        else:
            X = values * self._scale + self._center
        return np.where(self._is_constant & ~np.isnan(values), self._center, X)

    def _keep_codes(self, codes, values):
        """Return values of numeric columns beside codes of categorical ones."""
        if self.is_categorical is None:
            return values
        return np.where(self.is_categorical, codes, values)
