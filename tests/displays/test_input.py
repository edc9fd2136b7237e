"""Spreads of columns, as the displays read them."""

import numpy as np
from numpy.testing import assert_allclose
from scipy import sparse

from sklearn_ae.displays._input import spreads_of


def test__spreads__constant_column__counts_its_size():
    assert_allclose(spreads_of(np.array([[5.0, 0.0], [5.0, 0.0]])), [5, 1])
    sparse_spreads = spreads_of(sparse.csr_matrix([[1.0, 4.0], [3.0, 4.0]]))
    assert_allclose(sparse_spreads, [1, 4])
