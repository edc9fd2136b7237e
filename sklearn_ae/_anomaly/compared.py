"""Rows compared once with the rows of `fit`, to leave out one cell after the other."""

import numpy as np
import torch

from sklearn_ae._anomaly.far_cells import set_apart


class ComparedRows:
    """Distances of a few rows, as they are and without each of their cells.

    Without a cell, the square of a distance is less by that of one difference, so that
    all but the reconstruction takes a time that does not depend on the number of
    columns. Rows are compared only with those that share no rare category with them,
    nor a number that is far.

    Parameters
    ----------
    distances : OutlierDistances
        Fitted.
    encoded, expected : float32 ndarray of shape (n_rows, n_encoded)
        As for :meth:`OutlierDistances.fit`.
    """

    def __init__(self, distances, encoded, expected):
        self.distances = distances
        self.expected = expected
        self.rows, self.mask, self.weight = distances.prepare(encoded)
        self.observed = np.broadcast_to(self.mask, self.rows.shape)
        self.n_observed = distances.count_observed(self.observed)
        self.norms = distances.row_norms(self.rows)
        self.heights = distances.heights(self.mask)
        self.squares = torch.from_numpy(distances.squares(self.rows, self.mask))
        self.far = distances.far_cells_.find(self.rows, rare=True)
        # How many cells of rows and references are far alike.
        self.n_alike = self.far @ distances.far_references_
        self.has_alike = self.n_alike.any()
        # Squared distances to references, computed when they are needed.
        self._exact = np.full(self.squares.numel(), np.nan)
        self._columns = _columns_of_cells(distances.cells)

    def relative_distances(self):
        """Return the relative distances of the rows, of shape (n_rows, 3)."""
        squares = self.squares.numpy().copy()
        if self.has_alike:
            squares = set_apart(squares, self.n_alike > 0)
        row = np.arange(len(self.rows))
        distances = np.empty((len(self.rows), 3))
        distances[:, :2] = self.distances.nearest(
            squares,
            self.norms,
            self.heights,
            lambda indices, some: self._distance(row[some], indices),
        )
        residuals = self.distances.residuals(self.rows, self.mask, self.expected)
        distances[:, 2] = residuals.sum(axis=1)
        return distances * np.reshape(self.weight, (-1, 1)) / self.distances.medians_

    def relative_distances_without(self, cells, expected):
        """Return the relative distances of the rows if one cell were missing.

        Parameters
        ----------
        cells : int64 ndarray of shape (n_cells,)
            Which cells to leave out, one at a time.
        expected : float32 ndarray of shape (n_cells * n_rows, n_encoded)
            The reconstructions of the rows without each.

        Returns
        -------
        distances : float64 ndarray of shape (2, n_cells, n_rows, 3)
            With the other cells standing in for the missing one, and without.
        """
        n_rows, n_cells = len(self.rows), len(cells)
        squares = np.empty((n_cells, *self.squares.shape), dtype=np.float32)
        norms = np.empty((n_cells, n_rows), dtype=np.float32)
        n_clustered = len(self.distances.heights_)
        heights = np.empty((n_cells, n_rows, n_clustered), dtype=np.float32)
        for i, cell in enumerate(cells):
            norms[i], heights[i] = self._leave_out(cell, squares[i])
        row, left_out = np.tile(np.arange(n_rows), n_cells), np.repeat(cells, n_rows)

        def distance_to(indices, some):
            return self._distance(row[some], indices, left_out[some])

        seen = self.observed[:, self._columns[cells, 0]].T
        weight = self.distances.weight(self.n_observed - seen)
        distances = np.empty((n_cells * n_rows, 3))
        distances[:, :2] = self.distances.nearest(
            squares.reshape(n_cells * n_rows, -1),
            norms.ravel(),
            heights.reshape(n_cells * n_rows, -1),
            distance_to,
        )
        distances[:, 2] = self._residual_without(cells, expected)
        distances = distances.reshape(n_cells, n_rows, 3) / self.distances.medians_
        own_weight = np.broadcast_to(self.weight, weight.shape)
        return distances * np.stack([weight, own_weight])[..., None]

    def _leave_out(self, cell, out):
        """Write into `out` the squares of rows without a cell, infinite where apart.

        Returns
        -------
        norms : float32 ndarray of shape (n_rows,)
            What the squares leave out.
        heights : float32 ndarray of shape (n_rows, n_clustered) or (1, n_clustered)
            At which references join a cluster.
        """
        columns = self._columns[cell]
        columns = columns[columns >= 0]
        rows = torch.from_numpy(2 * self.rows[:, columns])
        seen = torch.from_numpy(-self.observed[:, columns[:1]].astype(np.float32))
        references = torch.from_numpy(self.distances.references_[:, columns].T)
        norms, result = (references**2).sum(0), torch.from_numpy(out)
        if len(columns) == 1:
            torch.addcmul(self.squares, rows, references, out=result)
        else:
            torch.addmm(self.squares, rows, references, out=result)
        result.addcmul_(seen, norms)
        if self.has_alike:
            far_references = self.distances.far_references_[columns]
            alike = self.n_alike - self.far[:, columns] @ far_references > 0
            out[:] = set_apart(out, alike)
        norms = self.norms - np.square(self.rows[:, columns]).sum(axis=1)
        parts = self.distances.height_parts_[columns].sum(axis=0)
        return norms, np.maximum(self.heights - parts, 0)

    def _distance(self, row, index, cell=None):
        """Return squared distances of rows to references, perhaps without a cell.

        Parameters
        ----------
        row, index, cell : int64 ndarray of shape (n,)
            Which row, which reference, and which cell is left out.

        Returns
        -------
        distances : float64 ndarray of shape (n,)
        """
        pairs = row * self.squares.shape[1] + index
        distances = self._exact.take(pairs)
        unknown = np.isnan(distances)
        if unknown.any():
            rows, references = row[unknown], index[unknown]
            difference = self.rows[rows] - self.distances.references_[references]
            if self.mask.ndim:
                difference[~self.mask[rows]] = 0
            distances[unknown] = _sum_of_squares(difference)
            self._exact[pairs[unknown]] = distances[unknown]
        if cell is None:
            return distances
        columns = self._columns[cell]
        difference = np.where(
            (columns >= 0) & self.observed[row[:, None], columns],
            self.rows[row[:, None], columns]
            - self.distances.references_[index[:, None], columns],
            0,
        )
        return np.maximum(distances - _sum_of_squares(difference), 0)

    def _residual_without(self, cells, expected):
        """Return the squared distance to the reconstruction without each cell."""
        expected = expected.reshape(len(cells), *self.rows.shape)
        residuals = self.distances.residuals(self.rows, self.mask, expected)
        residuals[np.arange(len(cells)), :, cells] = 0
        return residuals.sum(axis=-1).ravel()


def _sum_of_squares(differences):
    return np.square(differences, dtype=np.float64).sum(axis=1)


def _columns_of_cells(cells):
    """Return the encoded columns of each cell, those of shorter ones padded by -1."""
    order = np.argsort(cells, kind="stable")
    counts = np.bincount(cells)
    within = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = np.full((len(counts), counts.max()), -1)
    columns[cells[order], within] = order
    return columns
