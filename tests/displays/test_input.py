"""Labels and spreads, as the displays read them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_ae.displays._drawing import short_number
from sklearn_ae.displays._input import as_labels, spreads_of


def test__spreads__constant_column__counts_its_size():
    assert_allclose(spreads_of(np.array([[5.0, 0.0], [5.0, 0.0]])), [5, 1])
    sparse_spreads = spreads_of(sparse.csr_matrix([[1.0, 4.0], [3.0, 4.0]]))
    assert_allclose(sparse_spreads, [1, 4])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.14159, "3.14"),
        (1987, "1987"),
        (77516, "77.5k"),
        (1234567, "1.23M"),
        (999_900, "1M"),
        (-2.5, "\N{MINUS SIGN}2.5"),
        (0.00001234, "1.2e\N{MINUS SIGN}5"),
        (float("inf"), "inf"),
    ],
)
def test__short_number__any_size__has_three_digits(value, text):
    assert short_number(value) == text


@pytest.mark.parametrize(
    ("y", "classes", "values"),
    [
        ([1, 0, 1], ("0", "1"), [1, 0, 1]),
        ([1.0, np.nan, 3.0], ("1", "3"), [0, -1, 1]),
        ([True, False, None], ("False", "True"), [1, 0, -1]),
        (pd.Series(["x", pd.NA, "y"], dtype="string"), ("x", "y"), [0, -1, 1]),
        (
            pd.Categorical(["hi", "lo", None], ["lo", "mid", "hi"]),
            ("hi", "lo"),
            [0, 1, -1],
        ),
        (
            pd.Series(["hi", "lo"], dtype=pd.CategoricalDtype(["lo", "hi"])),
            ("lo", "hi"),
            [1, 0],
        ),
        (pl.Series("n", ["u", None, "t"]), ("t", "u"), [1, -1, 0]),
        (np.array([["a"], ["b"]]), ("a", "b"), [0, 1]),
        ([1, "a"], ("1", "a"), [0, 1]),
        ([0.5, 1.5], (), [0.5, 1.5]),
        ([0.5, np.inf], (), [0.5, np.nan]),
        (np.arange(30), (), np.arange(30)),
    ],
)
def test__labels__any_kind__are_classes_or_amounts(y, classes, values):
    labels = as_labels(y)
    assert labels.classes == classes
    assert_array_equal(labels.values, values)
