"""Arrays and sparse matrices as tables."""

from math import prod

import numpy as np
import pandas as pd
from scipy import sparse

from sklearn_ae._compat import _num_samples
from sklearn_ae._document import LARGEST_INT, documented
from sklearn_ae._tables.table import (
    NUMBER,
    Table,
    is_missing,
    kind_of_dtype,
    kind_of_objects,
    name_columns,
    to_numbers,
)
from sklearn_ae._tables.writing import decode_array, number_types


class ArrayTable(Table):
    """An ndarray, a memory-mapped array, a sparse matrix, or a list of rows."""

    is_frame = False

    def __len__(self):
        return _num_samples(self.X)

    @property
    def names(self):
        """Positions of the columns."""
        return list(range(self.X.shape[1]))

    @property
    def dtypes(self):
        """An array has one dtype, not one for each column."""
        return None

    def kinds(self, columns=None):
        """Return what columns hold; a whole array of booleans is one of numbers."""
        columns = range(self.shape[1]) if columns is None else columns
        dtype = self.X.dtype
        if dtype.kind == "O":
            return [kind_of_objects(self.X[:, column]) for column in columns]
        return [NUMBER if dtype.kind == "b" else kind_of_dtype(dtype)] * len(columns)

    def _column(self, column, rows=slice(None)):
        return self.X[rows, column]

    def _as_float64(self, cells, column):
        return to_numbers(cells[:, None], [column])[:, 0].astype(np.float64)

    def _hashable(self, cells):
        return cells.astype(object) if cells.dtype.kind == "U" else cells

    def objects(self):
        """Return the cells of each column of Python's objects, by its position."""
        return dict(enumerate(self.X.T)) if self.X.dtype.kind == "O" else {}

    def missing(self):
        """Return a mask of the missing cells, of the shape of the table."""
        return np.array(is_missing(self._dense()))

    def _write_cells(self, out):
        out[:] = self._dense()

    def _dense(self):
        return self.X.toarray() if sparse.issparse(self.X) else self.X

    def take(self, rows):
        """Return rows, given as positions or a mask."""
        return self.X[rows]

    def select(self, chosen):
        """Return a copy with the columns that a mask chooses."""
        return self.X.copy() if chosen.all() else self.X[:, chosen]

    def fill(self, missing, rows, values, levels, dtypes=None):
        """Return a copy with values in place of missing cells; see `Table.fill`."""
        objects = self.objects()
        filled = decode_array(values, levels, as_objects=bool(objects))
        for i, number_type in number_types(objects, levels).items():
            filled[:, i] = number_type.cast(values[:, i])
        X = self.X.astype(object if filled.dtype == object else self.X.dtype)
        X[missing] = filled[missing[rows]]
        return X

    def append(self, names, columns):
        """Return a copy with further columns; an array has no names."""
        return np.hstack([self.X, columns]) if len(names) else self.X

    def with_values(self, values):
        """Return the values: an array has no labels."""
        return values

    def _to_pandas(self):
        """Return an array of objects as a frame, whose columns have dtypes."""
        return pd.DataFrame(self.X).infer_objects() if self.objects() else self.X

    def _to_polars(self):
        """Return an array of objects as a frame, whose columns have dtypes."""
        if not self.objects():
            return self.X
        from sklearn_ae._tables.polars_table import from_objects

        return from_objects(self.objects())

    def form(self):
        """Return what makes arrays of this kind from numbers."""
        is_images = getattr(self.X, "ndim", 2) > 2
        return ArrayForm(tuple(self.X.shape[1:]) if is_images else None)

    def describe(self, chosen):
        """Return the positions of the columns that a mask chooses, for messages."""
        return name_columns(chosen, None)


@documented
class ArrayForm:
    """Makes arrays of numbers.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Shape of each row, if the rows were images.
    """

    dtypes = None

    def __init__(self, image_shape=None):
        self.image_shape = image_shape

    def _to_document(self, writer):
        return {"image_shape": self.image_shape or ()}

    @classmethod
    def _from_document(cls, fields):
        return cls(fields.integers("image_shape", 1, LARGEST_INT) or None)

    def stored(self):
        """Return the form in plain values, which it is."""
        return self

    def fits(self, n_columns):
        """Whether it is that of tables with so many columns."""
        return self.image_shape is None or prod(self.image_shape) == n_columns

    def wrap(self, values, like=None, levels=None):
        """Return numbers as an array, of objects if categories are no numbers.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        like : object, default=None
            Not used: an array lends no labels.
        levels : dict of int to object ndarray, default=None
            What the codes in each categorical column stand for.
        """
        if self.image_shape is not None:
            return values.reshape(-1, *self.image_shape)
        return decode_array(values, levels or {})
