"""Numbers far out and rare categories: rows that share one are not compared.

An extreme number that many rows have, as a code for missing cells, would make them
ordinary to one another.
"""

import numpy as np

from sklearn_ae._anomaly.columns import FAR
from sklearn_ae._anomaly.linkage import N_CLUSTERED, ONE_ROW_IN
from sklearn_ae._document import documented

# If more than this share of the rows have a far number, it is an ordinary one, as ink
# is where most images are white.
MOST_FAR_ROWS = 0.1
# Largest share of a rare category.
RARE_SHARE = 0.1
# The same, as a multiple of the mean share of the categories that rows have.
RARE_MULTIPLE = 0.6


@documented
class FarCells:
    """Which cells of rows are far from those of others.

    Attributes
    ----------
    limit_ : float64 ndarray of shape (n_numbers,)
        Numbers beyond it are far, to either side of the median.
    is_rare_ : bool ndarray of shape (n_encoded,)
        Indicators of rare categories.
    """

    def _to_document(self, writer):
        return {"limit": self.limit_, "is_rare": self.is_rare_}

    @classmethod
    def _from_document(cls, fields):
        far_cells = cls()
        tiny = float(np.finfo(np.float32).tiny)
        far_cells.limit_ = fields.array("limit", (None,), least=tiny, most=np.inf)
        far_cells.is_rare_ = fields.array("is_rare", (None,), bool)
        return far_cells

    def fit(self, references, units):
        """Learn which categories are rare, and which numbers are far.

        Parameters
        ----------
        references : float32 ndarray of shape (n_references, n_encoded)
            Rows that others are compared with, in these units.
        units : ColumnUnits

        Returns
        -------
        self : FarCells
        """
        self.limit_ = FAR / units.deviation_.astype(np.float64)
        if self._is_far(references).any(axis=1).mean() > MOST_FAR_ROWS:
            self.limit_[:] = np.inf
        self.is_rare_ = np.zeros(len(units.cells), dtype=bool)
        for cell in range(units.n_numbers, units.cells.max() + 1):
            block = units.cells == cell
            share = (references[:, block] > 0).mean(axis=0)
            mean_share = (share**2).sum() / max(share.sum(), 1e-6)
            self.is_rare_[block] = share <= min(RARE_SHARE, RARE_MULTIPLE * mean_share)
        return self

    def find(self, rows, rare):
        """Return 1 where a number is far or, if `rare`, a category rare, else 0."""
        far = np.zeros(rows.shape, dtype=np.float32)
        far[:, : len(self.limit_)] = self._is_far(rows)
        if rare:
            far[:, self.is_rare_] = rows[:, self.is_rare_] > 0
        return far

    def any_far(self, rows):
        """Return which rows have a number that is far."""
        return self._is_far(rows).any(axis=1)

    def _is_far(self, rows):
        """Return which numbers of rows are far from the median of their column."""
        return np.abs(rows[:, : len(self.limit_)]) > self.limit_


def set_apart(squares, alike):
    """Return squared distances, infinite between rows and references that are alike.

    If those that are left are too few for a cluster, all are compared.

    Parameters
    ----------
    squares : float32 ndarray of shape (n_rows, n_references)
    alike : bool ndarray of shape (n_rows, n_references)
        Whether they share a far cell.

    Returns
    -------
    squares : float32 ndarray of shape (n_rows, n_references)
    """
    among = alike[:, :N_CLUSTERED]
    n_left = (~among).sum(axis=1, keepdims=True)
    enough = n_left * ONE_ROW_IN >= among.shape[1]
    return np.where(alike & enough, np.inf, squares)
