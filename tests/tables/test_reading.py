"""Columns of any kind become numbers, a block of rows at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_ae._tables.reading import blocks_of_rows, numbers


@settings(max_examples=50, deadline=None)
@given(n_rows=st.integers(1, 60), cells=st.integers(1, 100))
def test__blocks_of_rows__any_size__hold_every_row_once(n_rows, cells):
    X = np.arange(3.0 * n_rows).reshape(n_rows, 3)
    blocks = [block for _, block in blocks_of_rows(X, cells)]
    assert_array_equal(np.vstack(blocks), X)
    assert max(block.size for block in blocks) <= max(cells, 3)


def test__numbers__objects__become_floats_with_nan():
    X = np.array([[1, None], [pd.NA, 2.5], [True, np.float32(3)]], dtype=object)
    expected = [[1, np.nan], [np.nan, 2.5], [1, 3]]
    assert_array_equal(numbers(X), np.array(expected))


def test__numbers__objects_that_are_text__are_named():
    X = np.array([[1, 2, "red"], [1, "x", 3]], dtype=object)
    with pytest.raises(ValueError, match=r"X must hold numbers: .* columns \[1, 2\]"):
        numbers(X)
    with pytest.raises(ValueError, match=r"in columns \['b', 'c'\]"):
        numbers(X, names=["a", "b", "c"])
