"""What every table can be asked, and cells of any kind as numbers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sklearn_ae._tables.table import to_numbers


def test__to_numbers__objects__become_floats_with_nan():
    X = np.array([[1, None], [pd.NA, 2.5], [True, np.float32(3)]], dtype=object)
    expected = [[1, np.nan], [np.nan, 2.5], [1, 3]]
    assert_array_equal(to_numbers(X), np.array(expected))


def test__to_numbers__objects_that_are_text__are_named():
    X = np.array([[1, 2, "red"], [1, "x", 3]], dtype=object)
    with pytest.raises(ValueError, match=r"X must hold numbers. Columns \[1, 2\]"):
        to_numbers(X)
    with pytest.raises(ValueError, match=r"Columns \['b', 'c'\]"):
        to_numbers(X, names=["a", "b", "c"])
