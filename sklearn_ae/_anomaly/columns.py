"""Encoded rows made comparable: numbers in robust units, rare categories enlarged."""

import numpy as np

from sklearn_ae._document import documented
from sklearn_ae._tables.spreads import robust_center_and_scale

# Numbers grow linearly up to some three robust deviations, logarithmically beyond.
LINEAR_DEVIATIONS = 3.0
# Robust deviations from the median beyond which a number is far, as codes for missing
# cells are.
FAR_DEVIATIONS = 12.0
# Its inverse hyperbolic sine, in robust deviations.
FAR = LINEAR_DEVIATIONS * np.arcsinh(FAR_DEVIATIONS / LINEAR_DEVIATIONS)
# Robust deviations below this share of the standard deviation are not used: most cells
# of such a column are equal, and the quartiles say nothing about the others.
MIN_ROBUST_SHARE = 0.05
# A column with a smaller standard deviation is constant but for rounding.
MIN_DEVIATION = 1e-2
# Indicators grow only of categories that, with those no more common, have a smaller
# share of the rows than this.
SMALL_TAIL = 0.02
# Largest indicator of a category, that of a column in which nearly all cells are equal:
# its variance is 0.05. A rare category should not be farther away than all other
# columns together.
MAX_INDICATOR = 0.05**-0.5
# Largest cell or factor in a file: its square is far from overflowing.
LARGEST = 1e9


@documented
class ColumnUnits:
    """The units in which encoded rows are compared.

    Parameters
    ----------
    cells : int64 ndarray of shape (n_encoded,)
        The cell that each encoded column belongs to.
    n_numbers : int
        How many of the encoded columns, the first ones, hold numbers.
    soft_clipped : bool
        Whether :class:`Scaler` has clipped the numbers softly.

    Attributes
    ----------
    factor_ : float32 ndarray of shape (n_encoded,)
        How much larger the indicators of rare categories are made.
    center_, unit_ : float32 ndarray of shape (n_numbers,)
        Median and robust deviation of each column of numbers.
    deviation_ : float32 ndarray of shape (n_numbers,)
        Standard deviation of their inverse hyperbolic sine.
    """

    def __init__(self, cells, n_numbers, soft_clipped):
        self.cells = cells
        self.n_numbers = n_numbers
        self.soft_clipped = soft_clipped

    def _to_document(self, writer):
        names = ("factor", "center", "unit", "deviation")
        return {
            "cells": self.cells,
            "n_numbers": self.n_numbers,
            "soft_clipped": self.soft_clipped,
            **{name: getattr(self, f"{name}_") for name in names},
        }

    @classmethod
    def _from_document(cls, fields):
        cells = fields.array("cells", (None,), np.int64, least=0)
        n_encoded, n_numbers = len(cells), fields.integer("n_numbers", 0, len(cells))
        present = np.zeros(n_encoded, dtype=bool)
        fields.require(cells.max(initial=-1) < n_encoded, "cells")
        present[cells] = True
        fields.require(present[: cells.max() + 1].all(), "cells")
        units = cls(cells, n_numbers, fields.flag("soft_clipped"))
        shape = (n_encoded,)
        units.factor_ = fields.array("factor", shape, np.float32, least=1, most=LARGEST)
        units.center_ = fields.array("center", (n_numbers,), np.float32)
        tiny, least = np.finfo(np.float32).tiny, np.float32(MIN_DEVIATION)
        for name, limit in (("unit", tiny), ("deviation", least)):
            values = fields.array(name, (n_numbers,), np.float32, least=float(limit))
            setattr(units, f"{name}_", values)
        return units

    def fit(self, encoded):
        """Learn the units from rows.

        Parameters
        ----------
        encoded : float32 ndarray of shape (n_rows, n_encoded)
            Scaled numbers and indicators of categories; missing cells are `NaN`.

        Returns
        -------
        self : ColumnUnits
        """
        self._fit_indicators(encoded)
        self._fit_numbers(encoded[:, : self.n_numbers])
        return self

    def transform(self, encoded):
        """Return encoded rows, the numbers by their inverse hyperbolic sine.

        The indicators of rare categories are enlarged.
        """
        encoded = encoded * self.factor_[: encoded.shape[-1]]
        numbers = encoded[..., : self.n_numbers]
        numbers -= self.center_
        numbers /= LINEAR_DEVIATIONS * self.unit_
        if self.soft_clipped:
            # arctanh of a softly clipped number is arcsinh of the number itself.
            most = 1 - np.finfo(np.float32).eps
            np.arctanh(np.clip(numbers, -most, most, out=numbers), out=numbers)
        else:
            np.arcsinh(numbers, out=numbers)
        numbers *= LINEAR_DEVIATIONS / self.deviation_
        return encoded

    def _fit_indicators(self, encoded):
        """Learn how much larger the indicators of rare categories are made."""
        self.factor_ = np.ones(len(self.cells), dtype=np.float32)
        for cell in range(self.n_numbers, self.cells.max() + 1):
            block = self.cells == cell
            indicators = encoded[:, block]
            factor = np.sqrt(_rarity((indicators > 0).mean(axis=0), len(encoded)))
            scale = np.ptp(np.nan_to_num(indicators), axis=0).max(initial=1e-6)
            self.factor_[block] = np.clip(factor, 1, max(1, MAX_INDICATOR / scale))

    def _fit_numbers(self, numbers):
        """Learn the robust unit of each column of numbers, and that of its arcsinh."""
        self.center_ = np.zeros(self.n_numbers, dtype=np.float32)
        self.unit_ = np.ones(self.n_numbers, dtype=np.float32)
        self.deviation_ = np.ones(self.n_numbers, dtype=np.float32)
        observed = ~np.isnan(numbers).all(axis=0)
        if not observed.any():
            return
        if not self.soft_clipped:
            seen = numbers[:, observed]
            deviation = np.nanstd(seen, axis=0)
            center, unit = robust_center_and_scale(
                seen, deviation, MIN_ROBUST_SHARE * deviation
            )
            self.center_[observed] = center
            self.unit_[observed] = np.where(unit > 0, unit, 1)
        seen = self.transform(numbers)[:, observed]
        # Many rows with a code for missing cells would make it less far.
        seen[np.abs(seen) > FAR] = np.nan
        deviation = np.nanstd(seen, axis=0)
        self.deviation_[observed] = np.where(deviation > MIN_DEVIATION, deviation, 1)


def _rarity(share, n_rows):
    """Return how far categories are from common ones, by their shares of the rows.

    This is half the share of the next more common category, divided by that of all
    categories that are no more common; 0 if the latter is not small. No category is
    nearer than a more common one.
    """
    levels, index, n_alike = np.unique(share, return_inverse=True, return_counts=True)
    tail = np.maximum(np.cumsum(levels * n_alike), 1 / n_rows)
    following = np.append(levels[1:], 0)
    rarity = np.where(tail < SMALL_TAIL, following / (2 * tail), 0)
    return np.maximum.accumulate(rarity[::-1])[::-1][index]
