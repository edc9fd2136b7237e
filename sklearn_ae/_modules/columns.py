"""What torch modules need to know of the columns of a table."""

from typing import Protocol

from torch import Tensor


class Columns(Protocol):
    """Where numeric and categorical columns stand in the rows, and when encoded.

    A protocol, so that the modules know no tables; `Layout` has these properties. Rows
    have one column for each column of the table, of codes where it is categorical.
    Encoded rows have the numeric columns first, and then one column for each category.
    """

    @property
    def numeric(self) -> Tensor:
        """Positions of the numeric columns in the rows."""

    @property
    def categorical(self) -> Tensor:
        """Positions of the categorical columns in the rows."""

    @property
    def sizes(self) -> Tensor:
        """Number of categories of each categorical column."""

    @property
    def offsets(self) -> Tensor:
        """Position of the first category of each column among all categories."""

    @property
    def column_of_category(self) -> Tensor:
        """The categorical column, counted from 0, that each category belongs to."""

    @property
    def blocks(self) -> Tensor:
        """The cell that each encoded column belongs to, ascending."""

    @property
    def first_indices(self) -> Tensor:
        """The first encoded column of each column of the rows."""

    @property
    def share_of_category(self) -> Tensor:
        """Share of the rows in each category."""

    @property
    def entropies(self) -> Tensor:
        """Entropy of each categorical column in nats."""

    @property
    def scale(self) -> Tensor:
        """Factor of each indicator, with which those of a column have variance 1."""
