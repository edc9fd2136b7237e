"""Where the columns of a table stand in the input and the output of a network."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from sklearn_ae._document import documented

# A constant column has no variance, and no indicator other than 0.
LEAST_VARIANCE = 1e-6


@documented
@dataclass(frozen=True, eq=False)
class Layout:
    """The encoded columns: all numeric ones, then a block for each categorical one.

    Rows are stored with one number a cell, a category as its code. A network reads and
    writes one column for each category instead. So a table with categories takes no
    more memory than one of numbers, and the wide form exists for one batch at a time.

    Parameters
    ----------
    shares : tuple of (ndarray of shape (n_categories,) or None)
        For each column of the table the share of the rows in each category, `None` for
        numeric columns.
    """

    shares: tuple

    def _to_document(self, writer):
        return {"shares": [None if s is None else s.tolist() for s in self.shares]}

    @classmethod
    def _from_document(cls, fields):
        shares = fields.part("shares", list)
        shares = tuple(None if share is None else np.array(share) for share in shares)
        for share in shares:
            fits = share is None or (share.dtype == np.float64 and share.ndim == 1)
            fields.require(fits and (share is None or (share >= 0).all()), "shares")
        return cls(shares)

    @cached_property
    def numeric(self):
        """Positions of the numeric columns in the table, as an int64 tensor."""
        return self._positions(categorical=False)

    @cached_property
    def categorical(self):
        """Positions of the categorical columns in the table, as an int64 tensor."""
        return self._positions(categorical=True)

    def _positions(self, categorical):
        chosen = [(share is not None) == categorical for share in self.shares]
        return torch.from_numpy(np.flatnonzero(chosen))

    @cached_property
    def sizes(self):
        """Number of categories of each categorical column, as an int64 tensor."""
        sizes = [len(share) for share in self.shares if share is not None]
        return torch.tensor(sizes, dtype=torch.int64)

    @cached_property
    def offsets(self):
        """Position of the first category of each column among all categories."""
        return self.sizes.cumsum(0) - self.sizes

    @cached_property
    def column_of_category(self):
        """The categorical column, counted from 0, that each category belongs to."""
        return torch.arange(len(self.sizes)).repeat_interleave(self.sizes)

    @cached_property
    def blocks(self):
        """The cell that each encoded column belongs to, ascending."""
        n_numeric = len(self.numeric)
        return torch.cat([torch.arange(n_numeric), n_numeric + self.column_of_category])

    @cached_property
    def first_indices(self):
        """The first encoded column of each column of the table."""
        n_numeric = len(self.numeric)
        indices = torch.empty(len(self.shares), dtype=torch.int64)
        indices[self.numeric] = torch.arange(n_numeric)
        indices[self.categorical] = n_numeric + self.offsets
        return indices

    @property
    def width(self):
        """Number of encoded columns."""
        return len(self.numeric) + int(self.sizes.sum())

    @cached_property
    def share_of_category(self):
        """Share of the rows in each category, as a float64 tensor."""
        shares = [torch.from_numpy(share) for share in self.shares if share is not None]
        return torch.cat(shares).double()

    @cached_property
    def entropies(self):
        """Entropy of each categorical column in nats, as a float64 tensor."""
        return self._sum_within_columns(-torch.xlogy(*[self.share_of_category] * 2))

    @cached_property
    def variances(self):
        """Total variance of the indicators of each categorical column."""
        shares = self.share_of_category
        return self._sum_within_columns(shares * (1 - shares))

    @cached_property
    def scale(self):
        """Factor of each indicator, with which those of a column have variance 1."""
        variances = self.variances.clamp(min=LEAST_VARIANCE)
        return variances.rsqrt()[self.column_of_category]

    def _sum_within_columns(self, values):
        return torch.zeros(len(self.sizes), dtype=values.dtype).index_add(
            0, self.column_of_category, values
        )
