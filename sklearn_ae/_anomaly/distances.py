"""Distances of rows to the rows of `fit`, for outlier detection.

Squared distances to three things are computed, because none finds every kind of
outlier:

- to the *neighbour*, the nearest of 1,024 to 4,096 rows drawn at random (Sugiyama and
  Borgwardt, 2013 [1]_), which finds rows that lie alone.
- to the *cluster*, the nearest group of at least one row in 14 of up to 1,024: at what
  distance a row joins one by single linkage (Gower and Ross, 1969 [2]_). Outliers that
  lie together join none, and ordinary rows are near however far out they lie.
- to the *reconstruction*, each cell in units of its column; for numbers by the
  logarithm, because one cell can be off by any amount.

Each is divided by its median over the rows of `fit`. What the distances add up to is
the score in `scoring.py`.

References
----------
.. [1] Sugiyama, M. and Borgwardt, K. "Rapid distance-based outlier detection via
   sampling." NIPS 2013.
.. [2] Gower, J. C. and Ross, G. J. S. "Minimum spanning trees and single linkage
   cluster analysis." Applied Statistics 18 (1969), 54-64.
"""

import numpy as np
import torch
from torch import nn

from sklearn_ae._anomaly.linkage import ONE_ROW_IN, cluster_gaps
from sklearn_ae._document import documented
from sklearn_ae._tables.reading import to_tensor
from sklearn_ae._tables.spreads import robust_center_and_scale

# Rows of `fit` that the medians of the distances are taken over.
N_ROWS = 4096
# Rows among those that other rows are compared with: as many as have so many encoded
# cells, which takes the same time in narrow and in wide tables.
N_REFERENCE_CELLS = 2**16
LEAST_REFERENCES, MOST_REFERENCES = 1024, 4096
# References, the first ones, among which clusters are looked for.
N_CLUSTERED = 1024
# Numbers grow linearly up to some three robust deviations, logarithmically beyond.
LINEAR_DEVIATIONS = 3.0
# Robust deviations below this share of the standard deviation are not used: most cells
# of such a column are equal, and the quartiles say nothing about the others.
MIN_ROBUST_SHARE = 0.05
# A column with a smaller standard deviation is constant but for rounding.
MIN_DEVIATION = 1e-2
# Unit of the squared residuals of a column of numbers that is always restored.
MIN_MEAN_RESIDUAL = 1e-12
# The same for a column of categories. No logarithm keeps one surprising category from
# counting more than all other columns together, so this is larger.
MIN_MEAN_SURPRISE = 0.05
# Squared distances up to this, for each encoded column, may be rounding errors.
ROUNDING = 1e-5
# Least median of the distance to the neighbour, as a share of that to the cluster.
MIN_NEIGHBOUR_SHARE = 1e-3
# Least median of any distance, as a share of its mean: where most rows have a twin, the
# nearest neighbour is at distance 0.
MIN_MEDIAN_SHARE = 0.01
# The ninth decile of the distance to the cluster is at most so many of its units.
MOST_MEDIANS = 3.0
# Robust deviations from the median beyond which a number is far, as codes for missing
# cells are.
FAR_DEVIATIONS = 12.0
# If more than this share of the rows have such a number, it is an ordinary one, as ink
# is where most images are white.
MOST_FAR_ROWS = 0.1
# Its inverse hyperbolic sine, in robust deviations.
FAR = LINEAR_DEVIATIONS * np.arcsinh(FAR_DEVIATIONS / LINEAR_DEVIATIONS)
# Largest share of a rare category.
RARE_SHARE = 0.1
# The same, as a multiple of the mean share of the categories that rows have.
RARE_MULTIPLE = 0.6
# Indicators grow only of categories that, with those no more common, have a smaller
# share of the rows than this.
SMALL_TAIL = 0.02
# Largest indicator of a category, that of a column in which nearly all cells are equal:
# its variance is 0.05. A rare category should not be farther away than all other
# columns together.
MAX_INDICATOR = 0.05**-0.5
# Most pairs of a cell and an encoded column in a file: each takes memory.
MOST_MEMBERS = 2**26
# Rows whose distances to all references fit into the cache of a processor.
PART_ROWS = 256
# Rows of each matrix product. Those of one size are rounded alike whatever else they
# hold; a single row takes as long as this many.
BLOCK_ROWS = 64


@documented
class OutlierDistances:
    """Squared distances of rows to those of `fit`, in units of their medians.

    Parameters
    ----------
    cells : int64 ndarray of shape (n_encoded,)
        The cell that each encoded column belongs to.
    n_numbers : int
        How many of the encoded columns, the first ones, hold numbers.
    soft_clipped : bool
        Whether :class:`Scaler` has clipped the numbers softly.
    """

    def __init__(self, cells, n_numbers, soft_clipped):
        self.cells = cells
        self.n_numbers = n_numbers
        self.soft_clipped = soft_clipped
        n_cells = cells.max() + 1
        self.membership_ = None
        if n_cells < len(cells):
            self.membership_ = np.eye(n_cells, dtype=np.float32)[cells]

    def _to_document(self, writer):
        names = ("factor", "center", "unit", "deviation", "references", "is_rare")
        return {
            "cells": self.cells,
            "n_numbers": self.n_numbers,
            "soft_clipped": self.soft_clipped,
            **{name: getattr(self, f"{name}_") for name in names},
            "far_limit": self.far_limit_.astype(np.float64),
            "gaps": self.gaps_,
            "heights": self.heights_,
            "residual_unit": self.residual_unit_,
            "medians": self.medians_,
        }

    @classmethod
    def _from_document(cls, fields):
        cells = fields.array("cells", (None,), np.int64, least=0)
        n_encoded, n_numbers = len(cells), fields.integer("n_numbers", 0, len(cells))
        present = np.zeros(n_encoded, dtype=bool)
        fields.require(cells.max(initial=-1) < n_encoded, "cells")
        present[cells] = True
        n_cells = cells.max() + 1
        fields.require(present[:n_cells].all(), "cells")
        fields.require(n_cells * n_encoded <= MOST_MEMBERS, "cells")
        distances = cls(cells, n_numbers, fields.flag("soft_clipped"))
        tiny = float(np.finfo(np.float32).tiny)
        distances.factor_ = fields.array("factor", (n_encoded,), np.float32, least=1.0)
        distances.center_ = fields.array("center", (n_numbers,), np.float32)
        for name in ("unit", "deviation"):
            values = fields.array(name, (n_numbers,), np.float32, least=tiny)
            setattr(distances, f"{name}_", values)
        limit = fields.array("far_limit", (n_numbers,), least=tiny, most=np.inf)
        distances.far_limit_ = limit
        references = fields.array("references", (None, n_encoded), np.float32)
        fields.require(0 < len(references) <= MOST_REFERENCES, "references")
        distances._set_references(references)
        n_clustered = min(len(references), N_CLUSTERED)
        gaps = fields.array("gaps", (n_clustered, 2), np.int64, least=0)
        fields.require(gaps.max() < n_clustered, "gaps")
        heights = fields.array("heights", (n_clustered,), np.float32, least=0.0)
        distances._set_heights(gaps, heights)
        distances.is_rare_ = fields.array("is_rare", (n_encoded,), bool)
        distances._set_far()
        values = fields.array("residual_unit", (n_cells,), np.float32, least=tiny)
        distances.residual_unit_ = values
        distances.medians_ = fields.array("medians", (3,), least=tiny)
        return distances

    def fit(self, encoded, expected):
        """Learn the units of columns and distances from rows in random order.

        Parameters
        ----------
        encoded : float32 ndarray of shape (n_rows, n_encoded)
            Scaled numbers and indicators of categories; missing cells are `NaN`.
        expected : float32 ndarray of shape (n_rows, n_encoded)
            Their reconstruction by an autoencoder.

        Returns
        -------
        self : OutlierDistances
        """
        self._fit_indicators(encoded)
        self._fit_units(encoded[:, : self.n_numbers])
        rows, observed, weight = self.prepare(encoded)
        self._set_references(rows[: _n_references(rows.shape[1])].copy())
        self._fit_far()
        self._fit_clusters(rows, observed, weight)
        residuals = self._squared_residuals(rows, observed, expected).mean(axis=0)
        least = np.full_like(residuals, MIN_MEAN_SURPRISE)
        least[: self.n_numbers] = MIN_MEAN_RESIDUAL
        self.residual_unit_ = np.maximum(residuals, least)
        self._fit_medians(self._squared_distances(encoded, expected))
        return self

    def relative_distances(self, encoded, expected):
        """Return the distances of rows, each divided by its median over rows of `fit`.

        Parameters
        ----------
        encoded, expected
            As for `fit`.

        Returns
        -------
        distances : float64 ndarray of shape (n_rows, 3)
            To the neighbour, the cluster and the reconstruction.
        """
        return self._squared_distances(encoded, expected) / self.medians_

    def _set_references(self, references):
        """Set the rows that others are compared with."""
        self.references_ = references
        self.norms_ = (references**2).sum(axis=1)

    def _fit_indicators(self, encoded):
        """Learn how much larger the indicators of rare categories are made."""
        self.factor_ = np.ones(len(self.cells), dtype=np.float32)
        for cell in range(self.n_numbers, self.cells.max() + 1):
            block = self.cells == cell
            indicators = encoded[:, block]
            factor = np.sqrt(_rarity((indicators > 0).mean(axis=0), len(encoded)))
            scale = np.ptp(np.nan_to_num(indicators), axis=0).max(initial=1e-6)
            self.factor_[block] = np.clip(factor, 1, max(1, MAX_INDICATOR / scale))

    def _fit_units(self, numbers):
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
        seen = self._arcsinh(numbers)[:, observed]
        # Many rows with a code for missing cells would make it less far.
        seen[np.abs(seen) > FAR] = np.nan
        deviation = np.nanstd(seen, axis=0)
        self.deviation_[observed] = np.where(deviation > MIN_DEVIATION, deviation, 1)

    def _fit_clusters(self, rows, observed, weight):
        """Learn at which height each of the first references joins a cluster."""
        first = slice(min(len(self.references_), N_CLUSTERED))
        if observed.ndim:
            observed, weight = observed[first], weight[first, None]
        rows = rows[first]
        squares = self.squares(rows, observed)[:, first].astype(np.float64)
        squares += self.row_norms(rows)[:, None]
        squares = np.maximum(squares, 0) * weight
        # Rows that lack other cells are not equally far from one another.
        squares = (squares + squares.T) / 2
        np.fill_diagonal(squares, 0)
        gaps = cluster_gaps(squares)
        self._set_heights(gaps, squares[tuple(gaps.T)].astype(np.float32))

    def _set_heights(self, gaps, heights):
        """Set the heights, and how much each encoded column contributes to them."""
        self.gaps_, self.heights_ = gaps, heights
        first, last = self.references_[gaps.T]
        parts = np.square(first - last).T
        total = np.maximum(parts.sum(axis=0), np.finfo(np.float32).tiny)
        self.height_parts_ = np.ascontiguousarray(parts * (heights / total))

    def _fit_medians(self, distances):
        """Learn the unit of each of the distances."""
        least = np.maximum(
            MIN_MEDIAN_SHARE * distances.mean(axis=0), ROUNDING * len(self.cells)
        )
        self.medians_ = np.maximum(np.median(distances, axis=0), least)
        # Categories and flags part rows into many groups that are too small for
        # clusters, but ordinary.
        ninth = np.quantile(distances[:, 1], 0.9)
        self.medians_[1] = max(self.medians_[1], ninth / MOST_MEDIANS)
        least = MIN_NEIGHBOUR_SHARE * self.medians_[1]
        self.medians_[0] = max(self.medians_[0], least)

    def _arcsinh(self, encoded):
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

    def prepare(self, encoded):
        """Return rows to compare, their observed cells, and the weight of these.

        Returns
        -------
        rows : float32 ndarray of shape (n_rows, n_encoded)
            Without `NaN`.
        observed : bool ndarray of shape (n_rows, n_encoded), or True
        weight : float32 ndarray of shape (n_rows,), or 1
            More than 1 where observed cells stand in for missing ones, 0 for rows
            without any cell.
        """
        rows = self._arcsinh(encoded)
        if not np.isnan(rows.sum()):
            return rows, np.True_, np.float32(1)
        observed = ~np.isnan(rows)
        rows[~observed] = 0
        return rows, observed, self.weight(self.count_observed(observed))

    def count_observed(self, observed):
        """Return the number of observed cells of rows."""
        cells = self._sum_of_cells(observed.astype(np.float32))
        return (cells > 0).sum(axis=1)

    def weight(self, n_counted):
        """Return how much each cell counts where only so many of a row do."""
        n_cells = self.cells.max() + 1
        weight = np.where(n_counted > 0, n_cells / np.maximum(n_counted, 1), 0)
        return weight.astype(np.float32)

    def _sum_of_cells(self, values):
        """Return the sum over the encoded columns of each cell."""
        return values if self.membership_ is None else values @ self.membership_

    def _squared_distances(self, encoded, expected):
        """Return the squared distances of rows, of shape (n_rows, 3)."""
        distances = np.empty((len(encoded), 3))
        for start in range(0, len(encoded), PART_ROWS):
            part = slice(start, start + PART_ROWS)
            rows, observed, weight = self.prepare(encoded[part])
            squares = self.squares(rows, observed)
            self._set_apart(squares, rows)

            def distance_to(indices, some, rows=rows, observed=observed):
                # Unlike `squares`, these are rounded alike in every batch.
                differences = rows[some] - self.references_[indices]
                if observed.ndim:
                    differences[~observed[some]] = 0
                return np.square(differences, out=differences).sum(axis=1)

            norms = self.row_norms(rows)
            heights = self.heights(observed)
            distances[part, :2] = self.nearest(squares, norms, heights, distance_to)
            residuals = self.residuals(rows, observed, expected[part])
            distances[part, 2] = residuals.sum(axis=1)
            distances[part] *= np.reshape(weight, (-1, 1))
        return distances

    def squares(self, rows, observed):
        """Return squared distances to the references, but for `row_norms`.

        These do not change their order.

        Parameters
        ----------
        rows, observed
            As from `prepare`.

        Returns
        -------
        squares : float32 ndarray of shape (n_rows, n_references)
        """
        if self.references_.shape[1] == 1:
            # Many rows of one column are so near that rounding would order them.
            return np.square((rows - self.references_.T) * observed)
        references = to_tensor(self.references_).T
        norms = to_tensor(self.norms_)
        squares = np.empty((len(rows), len(self.references_)), dtype=np.float32)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            if observed.ndim:
                # The columns of missing cells do not count.
                mask = _padded(observed[block].astype(np.float32))
                norms = mask @ references**2
            products = torch.addmm(norms, _padded(rows[block]), references, alpha=-2)
            squares[block] = products.numpy()[: len(squares[block])]
        return squares

    def row_norms(self, rows):
        """Return what `squares` leaves out, of shape (n_rows,)."""
        # Of one column, nothing.
        return np.square(rows).sum(axis=1) * np.float32(rows.shape[1] > 1)

    def heights(self, observed):
        """Return the heights at which references join a cluster, but for the weight.

        Parameters
        ----------
        observed
            As from `prepare`.

        Returns
        -------
        heights : float32 ndarray of shape (n_rows, n_clustered) or (1, n_clustered)
        """
        if not observed.ndim:
            return self.heights_[None]
        parts = to_tensor(self.height_parts_)
        heights = np.empty((len(observed), len(self.heights_)), dtype=np.float32)
        for start in range(0, len(observed), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            sums = _padded(observed[block].astype(np.float32)) @ parts
            heights[block] = sums.numpy()[: len(heights[block])]
        # As they are where no other row lacks a cell.
        heights[observed.all(axis=1)] = self.heights_
        return heights

    def nearest(self, squares, norms, heights, distance_to):
        """Return the squared distances to neighbour and cluster.

        A reference that equals a row is not its neighbour: else the rows of `fit` would
        seem less anomalous than new ones.

        Parameters
        ----------
        squares : float32 ndarray of shape (n_rows, n_references)
            From `squares`, infinite where rows are not compared; overwritten.
        norms : float32 ndarray of shape (n_rows,)
            From `row_norms`.
        heights : float32 ndarray of shape (n_rows, n_clustered) or (1, n_clustered)
            From `heights`.
        distance_to : callable
            Takes the index of a reference for each row, and which rows; returns their
            squared distances.

        Returns
        -------
        distances : float64 ndarray of shape (n_rows, 2)
        """
        every = slice(None)
        indices = squares.argmin(axis=1)
        nearest = distance_to(indices, every)
        same = nearest <= ROUNDING**2 * len(self.cells)
        if same.any() and len(self.references_) > 1:
            squares[same, indices[same]] = np.inf
            indices[same] = squares[same].argmin(axis=1)
            nearest[same] = distance_to(indices[same], same)
        joins = squares[:, : len(self.heights_)] + norms[:, None]
        np.maximum(joins, heights, out=joins)
        indices = joins.argmin(axis=1)
        heights = np.broadcast_to(heights, joins.shape)
        height = heights[np.arange(len(joins)), indices]
        cluster = np.maximum(distance_to(indices, every), height)
        return np.stack([nearest, cluster], axis=1)

    def residuals(self, rows, observed, expected):
        """Return how much each cell contributes to the distance to the reconstruction.

        Parameters
        ----------
        rows, observed
            As from `prepare`.
        expected : float32 ndarray of shape (..., n_rows, n_encoded)

        Returns
        -------
        residuals : float32 ndarray of shape (..., n_rows, n_cells)
            0 where a cell is missing.
        """
        residuals = self._squared_residuals(rows, observed, expected)
        residuals /= self.residual_unit_
        numbers = residuals[..., : self.n_numbers]
        np.log1p(numbers, out=numbers)
        return residuals

    def _squared_residuals(self, rows, observed, expected):
        """Return the squared residual of each cell, 0 where it is missing."""
        differences = self._arcsinh(expected)
        differences -= rows
        if observed.ndim:
            differences[..., ~observed] = 0
        return self._sum_of_cells(np.square(differences, out=differences))

    def _fit_far(self):
        """Learn which categories are rare, and which cells of references are far."""
        self.far_limit_ = FAR / self.deviation_
        if self._is_far(self.references_).any(axis=1).mean() > MOST_FAR_ROWS:
            self.far_limit_[:] = np.inf
        self.is_rare_ = np.zeros(len(self.cells), dtype=bool)
        for cell in range(self.n_numbers, self.cells.max() + 1):
            block = self.cells == cell
            share = (self.references_[:, block] > 0).mean(axis=0)
            mean_share = (share**2).sum() / max(share.sum(), 1e-6)
            self.is_rare_[block] = share <= min(RARE_SHARE, RARE_MULTIPLE * mean_share)
        self._set_far()

    def _set_far(self):
        """Set which cells of references are far."""
        self.far_references_ = np.ascontiguousarray(
            self.far(self.references_, rare=True).T
        )

    def far(self, rows, rare):
        """Return 1 where a number is far or, if `rare`, a category rare, else 0."""
        far = np.zeros(rows.shape, dtype=np.float32)
        far[:, : self.n_numbers] = self._is_far(rows)
        if rare:
            far[:, self.is_rare_] = rows[:, self.is_rare_] > 0
        return far

    def _is_far(self, rows):
        """Return which numbers of rows are far from the median of their column."""
        return np.abs(rows[:, : self.n_numbers]) > self.far_limit_

    def _set_apart(self, squares, rows):
        """Set squares to infinity, in place, where rows and references are far alike.

        An extreme number that many rows have, as a code for missing cells, would make
        them ordinary to one another.
        """
        some = self._is_far(rows).any(axis=1)
        if some.any():
            n_alike = self.far(rows[some], rare=False) @ self.far_references_
            squares[some] = self.apart(squares[some], n_alike > 0)

    def apart(self, squares, alike):
        """Return squares that are infinite where rows and references are far alike.

        Parameters
        ----------
        squares : float32 ndarray of shape (n_rows, n_references)
        alike : bool ndarray of shape (n_rows, n_references)

        Returns
        -------
        squares : float32 ndarray of shape (n_rows, n_references)
        """
        # Those that are left may be too few for a cluster.
        among = alike[:, : len(self.heights_)]
        n_left = (~among).sum(axis=1, keepdims=True)
        enough = n_left * ONE_ROW_IN > among.shape[1]
        return np.where(alike & enough, np.inf, squares)


def _n_references(n_columns):
    """Return how many rows others are compared with, by their encoded columns."""
    n_references = N_REFERENCE_CELLS // n_columns
    return min(max(n_references, LEAST_REFERENCES), MOST_REFERENCES)


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


def _padded(rows):
    """Return a tensor of `BLOCK_ROWS` rows, of which the last ones are zero."""
    return nn.functional.pad(torch.from_numpy(rows), (0, 0, 0, BLOCK_ROWS - len(rows)))
