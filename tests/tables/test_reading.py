"""Columns of any kind become numbers, a block of rows at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_ae._tables.reading import blocks_of_rows


@settings(max_examples=50, deadline=None)
@given(n_rows=st.integers(1, 60), cells=st.integers(1, 100))
def test__blocks_of_rows__any_size__hold_every_row_once(n_rows, cells):
    X = np.arange(3.0 * n_rows).reshape(n_rows, 3)
    blocks = [block for _, block in blocks_of_rows(X, cells)]
    assert_array_equal(np.vstack(blocks), X)
    assert max(block.size for block in blocks) <= max(cells, 3)
