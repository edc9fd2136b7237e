"""ColumnValues: an array that names of columns index, too."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ae._imputation.column_values import ColumnValues

SHARES = np.array([0.25, 1.0, 0.5])
NAMES = np.array(["doors", "weight", "fuel"], dtype=object)


def test__getitem__name__is_the_value_of_its_column():
    values = ColumnValues(SHARES, NAMES)
    assert [values[name] for name in NAMES] == SHARES.tolist()


@pytest.mark.parametrize("key", [1, -1, slice(1, None), [2, 0], SHARES > 0.3])
def test__getitem__other_index__is_that_of_an_ndarray(key):
    assert_array_equal(ColumnValues(SHARES, NAMES)[key], SHARES[key])


@pytest.mark.parametrize("names", [None, NAMES])
def test__getitem__unknown_name__is_a_key_error(names):
    with pytest.raises(KeyError, match="colour"):
        ColumnValues(SHARES, names)["colour"]


def test__sort__names_of_the_old_order__are_gone():
    """Else a name would give the value of another column, without an error."""
    with pytest.raises(KeyError):
        np.sort(ColumnValues(SHARES, NAMES))["doors"]


@pytest.mark.parametrize(
    "function", [np.min, np.mean, np.isfinite, lambda x: x * 2, lambda x: x >= 0.3]
)
def test__computing__any_function__gives_what_an_ndarray_gives(function):
    computed, expected = function(ColumnValues(SHARES, NAMES)), function(SHARES)
    assert type(computed) is type(expected)
    assert_array_equal(computed, expected)
