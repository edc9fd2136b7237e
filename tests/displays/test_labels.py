"""Labels: classes or continuous values, from any kind of y."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from sklearn_ae.displays._labels import as_labels


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
def test__labels__any_kind__are_classes_or_continuous(y, classes, values):
    labels = as_labels(y)
    assert labels.classes == classes
    assert_array_equal(labels.values, values)


def test__labels__already_read__are_taken_as_they_are():
    labels = as_labels(["a", "b"])
    assert as_labels(labels) is labels


def test__take__some_rows__keeps_the_classes_that_they_have():
    labels = as_labels(pd.Series(["a", "b", None, "c"], name="kind"))
    taken = labels.take(np.array([3, 2, 0]))
    assert taken.classes == ("a", "c")
    assert taken.name == "kind"
    assert_array_equal(taken.values, [1, -1, 0])
    assert_array_equal(taken.missing, [False, True, False])


def test__take__continuous_values__are_those_of_the_rows():
    taken = as_labels([0.5, np.nan, 2.5]).take([1, 2])
    assert taken.classes == ()
    assert_array_equal(taken.values, [np.nan, 2.5])
