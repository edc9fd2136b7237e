"""How far rows lie from those of `fit`.

Three squared distances are looked at, because none of them finds all kinds of odd rows:

- to the *surroundings*, the 18th nearest of 256 rows drawn at random. Odd rows that lie
  together do not vouch for one another, unless they are one in 14 or more, because few
  of them are drawn (Sugiyama and Borgwardt, 2013 [1]_).
- to the *neighbour*, the nearest of 1,024 rows, which sees what is odd although it lies
  within the surroundings.
- to the *reconstruction*, each cell in units of its column; for numbers by the
  logarithm, because one cell can be as far off as it likes.

Each is divided by its median over the rows of `fit`, and hardly counts below that: a
row is odd if any of the three finds it so, and the others shall not make up for that.

References
----------
.. [1] Sugiyama, M. and Borgwardt, K. "Rapid distance-based outlier detection via
   sampling." NIPS 2013.
"""

import numpy as np
import torch

# Rows that medians are taken over, those of them that others are compared with, how
# many of these stand for the surroundings, and which by distance.
N_ROWS, N_REFERENCES, N_SURROUNDINGS, PLACE = 4096, 1024, 256, 18
# How much less a distance counts below its median.
BELOW = 0.1
# Numbers beyond so many robust deviations are drawn in.
BEND = 3.0
# The robust deviation of a normal distribution, and how small it may be beside the
# usual one: where most cells are equal, it says nothing.
QUARTILES_OF_NORMAL, LEAST_UNIT = 1.349, 0.05
# A column that varies less is constant but for rounding.
LEAST_SPREAD = 1e-2
# Mean squared residuals of columns that are always restored, of numbers and of
# categories: these have no logarithm that would keep others from counting too much.
LEAST_RESIDUAL, LEAST_SURPRISE = 1e-12, 0.05
# Squared distances that are no more than rounding, for each column; and how much nearer
# than the surroundings the nearest neighbour may count.
LEAST_SQUARE, LEAST_SHARE = 1e-5, 1e-3
# Rows whose distances to all references fit into the cache of a processor.
PART_ROWS = 256


class Rarity:
    """What makes rows rare.

    Parameters
    ----------
    blocks : int64 ndarray of shape (n_encoded,)
        The cell that each encoded column belongs to.
    n_numbers : int
        How many of the encoded columns, the first ones, hold numbers.
    drawn_in : bool
        Whether numbers come as :class:`Scaler` draws them in.
    """

    def __init__(self, blocks, n_numbers, drawn_in):
        self.blocks = blocks
        self.n_numbers = n_numbers
        self.drawn_in = drawn_in

    def fit(self, encoded, expected):
        """Learn from rows in random order.

        Parameters
        ----------
        encoded : float32 ndarray of shape (n_rows, n_encoded)
            Scaled numbers and indicators of categories; missing cells are `NaN`.
        expected : float32 ndarray of shape (n_rows, n_encoded)
            What an autoencoder makes of them.

        Returns
        -------
        self : Rarity
        """
        self._fit_bend(encoded[:, : self.n_numbers])
        n_cells = self.blocks.max() + 1
        self.membership = None
        if n_cells < len(self.blocks):
            self.membership = np.eye(n_cells, dtype=np.float32)[self.blocks]
        U, here, _ = self._prepare(encoded)
        self.references = U[:N_REFERENCES].copy()
        self.norms = (self.references**2).sum(axis=1)
        residuals = self._residuals(U, here, expected).mean(axis=0)
        least = np.full_like(residuals, LEAST_SURPRISE)
        least[: self.n_numbers] = LEAST_RESIDUAL
        self.residual_unit = np.maximum(residuals, least)
        distances = self._distances(encoded, expected)
        medians = np.median(distances, axis=0)
        # Where most rows have a twin, the nearest neighbour is at distance 0.
        least = np.maximum(
            0.01 * distances.mean(axis=0), LEAST_SQUARE * len(self.blocks)
        )
        self.medians = np.maximum(medians, least)
        self.medians[1] = max(self.medians[1], LEAST_SHARE * self.medians[0])
        return self

    def score(self, encoded, expected, n_left_out=0):
        """Return how rare rows are.

        Parameters
        ----------
        encoded, expected
            As for `fit`.
        n_left_out : int, default=0
            How many of the missing cells of each row the others shall not make up for.

        Returns
        -------
        rarity : float64 ndarray of shape (n_rows,)
        """
        distances = self._distances(encoded, expected, n_left_out)
        return _rise(distances / self.medians).sum(axis=1)

    def _fit_bend(self, numbers):
        """Learn the robust unit of each column of numbers, and that of what is bent."""
        self.center = np.zeros(self.n_numbers, dtype=np.float32)
        self.unit, self.spread = np.ones((2, self.n_numbers), dtype=np.float32)
        here = ~np.isnan(numbers).all(axis=0)
        if not here.any():
            return
        if not self.drawn_in:
            seen = numbers[:, here]
            quartiles = np.nanquantile(seen, [0.25, 0.5, 0.75], axis=0)
            unit = (quartiles[2] - quartiles[0]) / QUARTILES_OF_NORMAL
            deviation = np.nanstd(seen, axis=0)
            unit = np.where(unit > LEAST_UNIT * deviation, unit, deviation)
            self.center[here] = quartiles[1]
            self.unit[here] = np.where(unit > 0, unit, 1)
        spread = np.nanstd(self._bend(numbers)[:, here], axis=0)
        self.spread[here] = np.where(spread > LEAST_SPREAD, spread, 1)

    def _bend(self, encoded):
        """Return encoded rows with numbers that are far out drawn in."""
        bent = encoded.copy()
        numbers = bent[:, : self.n_numbers]
        numbers -= self.center
        numbers /= BEND * self.unit
        if self.drawn_in:
            # As the inverse hyperbolic sine of what they were before.
            most = 1 - np.finfo(np.float32).eps
            np.arctanh(np.clip(numbers, -most, most, out=numbers), out=numbers)
        else:
            np.arcsinh(numbers, out=numbers)
        numbers *= BEND / self.spread
        return bent

    def _prepare(self, encoded, n_left_out=0):
        """Return bent rows, which cells are there, and by how much more these count."""
        bent = self._bend(encoded)
        if not np.isnan(bent.sum()):
            return bent, np.True_, np.float32(1)
        here = ~np.isnan(bent)
        n_here = self._sum_of_cells(here.astype(np.float32)).astype(bool).sum(axis=1)
        factor = (self.blocks.max() + 1) / np.maximum(n_here + n_left_out, 1)
        return np.where(here, bent, 0), here, factor.astype(np.float32)

    def _sum_of_cells(self, values):
        """Return the sum over the encoded columns of each cell."""
        return values if self.membership is None else values @ self.membership

    def _distances(self, encoded, expected, n_left_out=0):
        """Return the three squared distances of rows, of shape (n_rows, 3)."""
        distances = np.empty((len(encoded), 3))
        for start in range(0, len(encoded), PART_ROWS):
            part = slice(start, start + PART_ROWS)
            U, here, factor = self._prepare(encoded[part], n_left_out)
            for i, nearest in enumerate(self._nearest(U, here)):
                # These squares are rounded as those of no other batch would be.
                differences = np.where(here, U - self.references[nearest], 0)
                distances[part, i] = factor * (differences**2).sum(axis=1)
            residuals = self._residuals(U, here, expected[part]) / self.residual_unit
            numbers = residuals[:, : self.n_numbers]
            np.log1p(numbers, out=numbers)
            distances[part, 2] = factor * residuals.sum(axis=1)
        return distances

    def _nearest(self, U, here):
        """Return which reference the surroundings end at, and which is the neighbour.

        No row is its own neighbour: else those of `fit` would seem less rare than new
        ones.
        """
        squares = self._squares(U, here)
        neighbour = squares.argmin(axis=1)
        apart = np.where(here, U - self.references[neighbour], 0)
        same = (apart**2).sum(axis=1) <= LEAST_SQUARE**2 * len(self.blocks)
        if same.any() and len(self.references) > 1:
            squares[same, neighbour[same]] = np.inf
            neighbour[same] = squares[same].argmin(axis=1)
        some = squares[:, :N_SURROUNDINGS]
        place = max(1, min(PLACE, len(self.references) - 1)) - 1
        chosen = np.partition(some, place, axis=1)[:, place, None]
        return (some == chosen).argmax(axis=1), neighbour

    def _residuals(self, U, here, expected):
        """Return the squared residual of each cell, 0 where it is missing."""
        return self._sum_of_cells(np.where(here, U - self._bend(expected), 0) ** 2)

    def _squares(self, U, here):
        """Return squared distances to the references, less what all have in common."""
        references, U = torch.from_numpy(self.references).T, torch.from_numpy(U)
        if here.ndim:
            # Those of missing cells do not count.
            norms = torch.from_numpy(here.astype(np.float32)) @ references**2
        else:
            norms = torch.from_numpy(self.norms)
        return torch.addmm(norms, U, references, alpha=-2).numpy()


def _rise(ratio):
    """Return how much a squared distance counts, in units of its median."""
    return BELOW * ratio + (1 - BELOW) * np.maximum(ratio - 1, 0)
