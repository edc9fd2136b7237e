"""Distances of rows to the rows of `fit`, for outlier detection.

Three squared distances are computed, because none of them finds every kind of outlier:

- to the *surroundings*, the 18th nearest of 256 rows drawn at random. Outliers that lie
  together do not mask one another, unless they are one row in 14 or more, because few
  of them are drawn (Sugiyama and Borgwardt, 2013 [1]_).
- to the *neighbour*, the nearest of 1,024 rows, which finds outliers that lie within
  the surroundings.
- to the *reconstruction*, each cell in units of its column; for numbers by the
  logarithm, because one cell can be off by any amount.

Each is divided by its median over the rows of `fit`. What the three distances add up to
is the score in `scoring.py`.

References
----------
.. [1] Sugiyama, M. and Borgwardt, K. "Rapid distance-based outlier detection via
   sampling." NIPS 2013.
"""

from typing import NamedTuple

import numpy as np
import torch

from sklearn_ae._tables.reading import to_tensor
from sklearn_ae._tables.scaling import robust_center_and_scale

# Rows of `fit` that the medians of the distances are taken over.
N_ROWS = 4096
# Rows among those that other rows are compared with.
N_REFERENCES = 1024
# References, the first ones, among which the surroundings of a row are looked for.
N_SURROUNDINGS = 256
# Rank, among the sorted distances to those, of the one to the surroundings.
RANK = 18
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
# Least median of the distance to the neighbour, as a share of that to the surroundings.
MIN_NEIGHBOUR_SHARE = 1e-3
# Least median of any distance, as a share of its mean: where most rows have a twin, the
# nearest neighbour is at distance 0.
MIN_MEDIAN_SHARE = 0.01
# Robust deviations from the median beyond which a number is far, as codes for missing
# cells are.
FAR_DEVIATIONS = 12.0
# Its inverse hyperbolic sine, in robust deviations.
FAR = LINEAR_DEVIATIONS * np.arcsinh(FAR_DEVIATIONS / LINEAR_DEVIATIONS)
# Largest share of a rare category.
RARE_SHARE = 0.1
# The same, as a multiple of the mean share of the categories that rows have.
RARE_MULTIPLE = 0.6
# Rows whose distances to all references fit into the cache of a processor.
PART_ROWS = 256


class ComparedRows(NamedTuple):
    """Rows and what comparing them with the references gives, for leaving out cells."""

    rows: np.ndarray
    """Of shape (n_rows, n_encoded), without `NaN`."""
    observed: np.ndarray
    """Which of them are observed, of the same shape."""
    n_observed: np.ndarray
    """Number of observed cells of each row, of shape (n_rows,)."""
    squares: torch.Tensor
    """As `_squares` returns them, of shape (n_rows, n_references)."""


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
        self._fit_units(encoded[:, : self.n_numbers])
        n_cells = self.cells.max() + 1
        self.membership_ = None
        if n_cells < len(self.cells):
            self.membership_ = np.eye(n_cells, dtype=np.float32)[self.cells]
        rows, observed, _ = self._prepare(encoded)
        self.references_ = rows[:N_REFERENCES].copy()
        self.norms_ = (self.references_**2).sum(axis=1)
        self._fit_far()
        residuals = self._residuals(rows, observed, expected).mean(axis=0)
        least = np.full_like(residuals, MIN_MEAN_SURPRISE)
        least[: self.n_numbers] = MIN_MEAN_RESIDUAL
        self.residual_unit_ = np.maximum(residuals, least)
        self._fit_medians(self._squared_distances(encoded, expected))
        return self

    def relative_distances(self, encoded, expected, n_left_out=0, rare=False):
        """Return the distances of rows, each divided by its median over rows of `fit`.

        Parameters
        ----------
        encoded, expected
            As for `fit`.
        n_left_out : int, default=0
            How many of the missing cells of each row the others do not stand in for.
        rare : bool, default=False
            Whether to compare rows only with those that share no rare category with
            them. Numbers that are far are never shared.

        Returns
        -------
        distances : float64 ndarray of shape (n_rows, 3)
            To the surroundings, the neighbour and the reconstruction.
        """
        distances = self._squared_distances(encoded, expected, n_left_out, rare)
        return distances / self.medians_

    def compare(self, encoded):
        """Return what `relative_distances_without` needs to know of rows.

        Parameters
        ----------
        encoded
            As for `fit`.

        Returns
        -------
        compared : ComparedRows
        """
        rows, observed, _ = self._prepare(encoded)
        mask = np.broadcast_to(observed, rows.shape).copy()
        n_observed = (
            self._sum_of_cells(mask.astype(np.float32)).astype(bool).sum(axis=1)
        )
        squares = torch.from_numpy(self._squares(rows, observed))
        return ComparedRows(rows, mask, n_observed, squares)

    def relative_distances_without(self, compared, cell, expected):
        """Return the distances of rows from which a cell is left out.

        They are those of rows in which the cell is missing and the others do not stand
        in for it, in a time that the references hardly add to: without a cell, the
        square of a distance is less by that of one difference.

        Parameters
        ----------
        compared : ComparedRows
        cell : int
        expected : float32 ndarray of shape (n_rows, n_encoded)
            The reconstruction of the rows without the cell.

        Returns
        -------
        distances : float64 ndarray of shape (n_rows, 3)
        """
        columns = np.flatnonzero(self.cells == cell)
        rows, observed = compared.rows.copy(), compared.observed.copy()
        seen = observed[:, columns[:1]].astype(np.float32)
        references = self.references_[:, columns]
        squares = torch.addmm(
            compared.squares,
            torch.from_numpy(np.hstack([2 * rows[:, columns], -seen])),
            torch.from_numpy(np.vstack([references.T, (references**2).sum(axis=1)])),
        )
        rows[:, columns], observed[:, columns] = 0, False
        n_counted = np.maximum(compared.n_observed - seen[:, 0] + 1, 1)
        weight = ((self.cells.max() + 1) / n_counted).astype(np.float32)
        squared = self._squares_of_part(
            rows, observed, weight, squares.numpy(), expected, rare=True
        )
        return squared / self.medians_

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

    def _fit_medians(self, distances):
        """Learn the unit of each of the three distances."""
        least = np.maximum(
            MIN_MEDIAN_SHARE * distances.mean(axis=0), ROUNDING * len(self.cells)
        )
        self.medians_ = np.maximum(np.median(distances, axis=0), least)
        surroundings, neighbour, _ = self.medians_
        self.medians_[1] = max(neighbour, MIN_NEIGHBOUR_SHARE * surroundings)

    def _arcsinh(self, encoded):
        """Return encoded rows, the numbers by their inverse hyperbolic sine."""
        encoded = encoded.copy()
        numbers = encoded[:, : self.n_numbers]
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

    def _prepare(self, encoded, n_left_out=0):
        """Return rows to compare, their observed cells, and the weight of these.

        Returns
        -------
        rows : float32 ndarray of shape (n_rows, n_encoded)
            Without `NaN`.
        observed : bool ndarray of shape (n_rows, n_encoded), or True
        weight : float32 ndarray of shape (n_rows,), or 1
            More than 1 where observed cells stand in for missing ones.
        """
        rows = self._arcsinh(encoded)
        if not np.isnan(rows.sum()):
            return rows, np.True_, np.float32(1)
        observed = ~np.isnan(rows)
        n_observed = self._sum_of_cells(observed.astype(np.float32)).astype(bool)
        n_counted = np.maximum(n_observed.sum(axis=1) + n_left_out, 1)
        weight = (self.cells.max() + 1) / n_counted
        return np.where(observed, rows, 0), observed, weight.astype(np.float32)

    def _sum_of_cells(self, values):
        """Return the sum over the encoded columns of each cell."""
        return values if self.membership_ is None else values @ self.membership_

    def _squared_distances(self, encoded, expected, n_left_out=0, rare=False):
        """Return the three squared distances of rows, of shape (n_rows, 3)."""
        distances = np.empty((len(encoded), 3))
        for start in range(0, len(encoded), PART_ROWS):
            part = slice(start, start + PART_ROWS)
            rows, observed, weight = self._prepare(encoded[part], n_left_out)
            squares = self._squares(rows, observed)
            distances[part] = self._squares_of_part(
                rows, observed, weight, squares, expected[part], rare
            )
        return distances

    def _squares_of_part(self, rows, observed, weight, squares, expected, rare):
        """Return the three squared distances of prepared rows, of shape (n_rows, 3)."""
        distances = np.empty((len(rows), 3))
        for i, nearest in enumerate(self._nearest(rows, observed, squares, rare)):
            # Unlike the squares by matrix product, which `_nearest` compares, these are
            # rounded alike in every batch.
            differences = np.where(observed, rows - self.references_[nearest], 0)
            distances[:, i] = weight * (differences**2).sum(axis=1)
        residuals = self._residuals(rows, observed, expected) / self.residual_unit_
        numbers = residuals[:, : self.n_numbers]
        np.log1p(numbers, out=numbers)
        distances[:, 2] = weight * residuals.sum(axis=1)
        return distances

    def _nearest(self, rows, observed, squares, rare):
        """Return the references that end the surroundings, and the nearest ones.

        A reference that equals a row is not its neighbour: else the rows of `fit` would
        seem less anomalous than new ones. Nor is one with an extreme number in a column
        where the row has one, too.
        """
        rank = max(1, min(RANK, len(self.references_) - 1)) - 1
        self._set_apart(squares, rows, rank, rare)
        neighbour = squares.argmin(axis=1)
        apart = np.where(observed, rows - self.references_[neighbour], 0)
        same = (apart**2).sum(axis=1) <= ROUNDING**2 * len(self.cells)
        if same.any() and len(self.references_) > 1:
            squares[same, neighbour[same]] = np.inf
            neighbour[same] = squares[same].argmin(axis=1)
        some = squares[:, :N_SURROUNDINGS]
        square_at_rank = np.partition(some, rank, axis=1)[:, rank, None]
        return (some == square_at_rank).argmax(axis=1), neighbour

    def _residuals(self, rows, observed, expected):
        """Return the squared residual of each cell, 0 where it is missing."""
        differences = np.where(observed, rows - self._arcsinh(expected), 0)
        return self._sum_of_cells(differences**2)

    def _fit_far(self):
        """Learn which categories are rare, and which cells of references are far."""
        self.is_rare_ = np.zeros(len(self.cells), dtype=bool)
        for cell in range(self.n_numbers, self.cells.max() + 1):
            block = self.cells == cell
            share = (self.references_[:, block] > 0).mean(axis=0)
            mean_share = (share**2).sum() / max(share.sum(), 1e-6)
            self.is_rare_[block] = share <= min(RARE_SHARE, RARE_MULTIPLE * mean_share)
        self.far_references_ = self._far(self.references_, rare=True).T

    def _far(self, rows, rare):
        """Return 1 where a number is far or, if `rare`, a category rare, else 0."""
        far = (rows > 0) & (self.is_rare_ & rare)
        far[:, : self.n_numbers] = (
            np.abs(rows[:, : self.n_numbers]) * self.deviation_ > FAR
        )
        return far.astype(np.float32)

    def _set_apart(self, squares, rows, rank, rare):
        """Set squares to infinity, in place, where rows and references are far alike.

        An extreme number that many rows have, as a code for missing cells, would make
        them ordinary to one another.
        """
        far = self._far(rows, rare)
        some = far.any(axis=1)
        if not some.any():
            return
        alike = far[some] @ self.far_references_ > 0
        # Too few references may be left.
        n_left = (~alike[:, :N_SURROUNDINGS]).sum(axis=1, keepdims=True)
        squares[some] = np.where(alike & (n_left > rank + 1), np.inf, squares[some])

    def _squares(self, rows, observed):
        """Return squared distances to the references, but for a constant in each row.

        The constant, the squared norm of the row, does not change their order.
        """
        references = to_tensor(self.references_).T
        if observed.ndim:
            # The columns of missing cells do not count.
            norms = torch.from_numpy(observed.astype(np.float32)) @ references**2
        else:
            norms = to_tensor(self.norms_)
        return torch.addmm(norms, torch.from_numpy(rows), references, alpha=-2).numpy()
