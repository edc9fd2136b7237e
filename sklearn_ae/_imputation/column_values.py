"""ColumnValues: one number for each column, found by position or by name."""

import numpy as np


class ColumnValues(np.ndarray):
    """An array of one number for each column, which can be indexed by their names, too.

    Slices of it, and what is computed from it, are plain arrays and numbers.

    Parameters
    ----------
    values : ndarray of shape (n_columns,)
    names : ndarray of str of shape (n_columns,), default=None
        Names of the columns. `None`: they have none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ae._imputation.column_values import ColumnValues
    >>> shares = ColumnValues(np.array([0.25, 0.75]), np.array(["height", "weight"]))
    >>> float(shares["weight"]), float(shares[1]), float(shares.max())
    (0.75, 0.75, 0.75)
    """

    def __new__(cls, values, names=None):
        array = np.array(values).view(cls)
        array.names = names
        return array

    def __array_finalize__(self, source):
        # NumPy calls this for sorted copies, too, whose columns are in another order.
        self.names = None

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return np.asarray(array)[()]

    def __getitem__(self, key):
        values = np.asarray(self)
        if not isinstance(key, str):
            return values[key]
        if self.names is None:
            raise KeyError(
                f"The columns have no names, so {key!r} finds none. Use the position "
                "of a column."
            )
        if key not in self.names:
            raise KeyError(
                f"No column is named {key!r}. The names are those of feature_names_in_."
            )
        return values[list(self.names).index(key)]
