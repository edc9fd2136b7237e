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

from sklearn_ae._anomaly.columns import LARGEST, ColumnUnits
from sklearn_ae._anomaly.far_cells import FarCells, set_apart
from sklearn_ae._anomaly.linkage import N_CLUSTERED, cluster_gaps
from sklearn_ae._document import documented
from sklearn_ae._tables.reading import to_tensor

# Rows of `fit` that the medians of the distances are taken over.
N_ROWS = 4096
# Rows among those that other rows are compared with: as many as have so many encoded
# cells, which takes the same time in narrow and in wide tables.
N_REFERENCE_CELLS = 2**16
LEAST_REFERENCES, MOST_REFERENCES = 1024, 4096
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
    units : ColumnUnits
        Fitted together with this.
    """

    def __init__(self, units):
        self.units = units
        self.cells, self.n_numbers = units.cells, units.n_numbers
        n_cells = self.cells.max() + 1
        self.membership_ = None
        if n_cells < len(self.cells):
            self.membership_ = np.eye(n_cells, dtype=np.float32)[self.cells]

    def _to_document(self, writer):
        return {
            "units": self.units,
            "references": self.references_,
            "far_cells": self.far_cells_,
            "heights": self.heights_,
            "gap_pairs": self.gap_pairs_,
            "residual_unit": self.residual_unit_,
            "medians": self.medians_,
        }

    @classmethod
    def _from_document(cls, fields):
        units = fields.part("units", ColumnUnits)
        n_encoded, n_cells = len(units.cells), units.cells.max() + 1
        fields.require(n_cells * n_encoded <= MOST_MEMBERS, "units")
        distances = cls(units)
        bounds = {"least": -LARGEST, "most": LARGEST}
        references = fields.array("references", (None, n_encoded), np.float32, **bounds)
        fields.require(0 < len(references) <= MOST_REFERENCES, "references")
        far_cells = fields.part("far_cells", FarCells)
        fields.require(len(far_cells.limit_) == units.n_numbers, "far_cells")
        fields.require(len(far_cells.is_rare_) == n_encoded, "far_cells")
        distances._set_references(references, far_cells)
        n_clustered = min(len(references), N_CLUSTERED)
        heights = fields.array("heights", (n_clustered,), np.float32, least=0.0)
        pairs = fields.array("gap_pairs", (n_clustered, 2), np.int64, least=0)
        fields.require(pairs.max() < n_clustered, "gap_pairs")
        distances._set_heights(heights, pairs)
        tiny = float(np.finfo(np.float32).tiny)
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
        self.units.fit(encoded)
        rows, observed, weight = self.prepare(encoded)
        references = rows[: _n_references(rows.shape[1])].copy()
        self._set_references(references, FarCells().fit(references, self.units))
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

    def _set_references(self, references, far_cells):
        """Set the rows that others are compared with, and which cells are far."""
        self.references_, self.far_cells_ = references, far_cells
        self.norms_ = (references**2).sum(axis=1)
        far = far_cells.find(references, rare=True)
        self.far_references_ = np.ascontiguousarray(far.T)

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
        seen = np.atleast_2d(observed).astype(np.float32)
        n_shared = np.broadcast_to(seen @ seen.T, squares.shape)
        heights, pairs = cluster_gaps(squares, n_shared)
        self._set_heights(heights.astype(np.float32), pairs)

    def _set_heights(self, heights, pairs):
        """Set the heights, and how much each encoded column contributes to them.

        That is in proportion to the squared difference of two rows on both sides.
        """
        self.heights_, self.gap_pairs_ = heights, pairs
        first, last = self.references_[pairs.T]
        parts = np.square(first - last).T
        total = np.maximum(parts.sum(axis=0), np.finfo(np.float32).tiny)
        self.height_parts_ = np.ascontiguousarray(parts / total * heights)

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
        rows = self.units.transform(encoded)
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
            self._set_far_apart(squares, rows)

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

    def _set_far_apart(self, squares, rows):
        """Set squares to infinity, in place, where numbers are far alike.

        The categories do not count: an ordinary rare one differs from a planted one in
        little.
        """
        some = self.far_cells_.any_far(rows)
        if some.any():
            n_alike = (
                self.far_cells_.find(rows[some], rare=False) @ self.far_references_
            )
            squares[some] = set_apart(squares[some], n_alike > 0)

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
        if observed.ndim:
            # The columns of missing cells do not count.
            masked_norms = _masked_sums(observed, references**2, self.norms_)
        squares = np.empty((len(rows), len(self.references_)), dtype=np.float32)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            if observed.ndim:
                norms = _padded(masked_norms[block])
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
        return _masked_sums(observed, to_tensor(self.height_parts_), self.heights_)

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
        differences = self.units.transform(expected)
        differences -= rows
        if observed.ndim:
            differences[..., ~observed] = 0
        return self._sum_of_cells(np.square(differences, out=differences))


def _n_references(n_columns):
    """Return how many rows others are compared with, by their encoded columns."""
    n_references = N_REFERENCE_CELLS // n_columns
    return min(max(n_references, LEAST_REFERENCES), MOST_REFERENCES)


def _masked_sums(observed, parts, whole):
    """Return sums of parts over the columns that rows have.

    Parameters
    ----------
    observed : bool ndarray of shape (n_rows, n_encoded)
    parts : float32 Tensor of shape (n_encoded, n_sums)
    whole : float32 ndarray of shape (n_sums,)
        Sums of complete rows: they are those of a table without missing cells.

    Returns
    -------
    sums : float32 ndarray of shape (n_rows, n_sums)
    """
    sums = np.empty((len(observed), len(whole)), dtype=np.float32)
    for start in range(0, len(observed), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        product = _padded(observed[block].astype(np.float32)) @ parts
        sums[block] = product.numpy()[: len(sums[block])]
    sums[observed.all(axis=1)] = whole
    return sums


def _padded(rows):
    """Return a tensor of `BLOCK_ROWS` rows, of which the last ones are zero."""
    return nn.functional.pad(torch.from_numpy(rows), (0, 0, 0, BLOCK_ROWS - len(rows)))
