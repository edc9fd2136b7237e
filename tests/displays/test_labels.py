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


DAYS = pd.date_range("2024-03-01", periods=40, name="day")


@pytest.mark.parametrize(
    "y",
    [
        DAYS,
        DAYS.to_numpy(),
        DAYS.to_series(),
        pl.Series("day", DAYS.to_list()),
        [day.date() for day in DAYS],
        DAYS.tz_localize("UTC"),
    ],
    ids=["index", "numpy", "pandas", "polars", "list", "time zone"],
)
def test__labels__dates__are_days_on_a_continuous_scale(y):
    labels = as_labels(y)
    assert labels.are_dates
    assert labels.classes == ()
    assert_array_equal(np.diff(labels.values), 1)
    assert labels.values[0] == (DAYS[0] - pd.Timestamp(0)).days
    assert labels.take(np.arange(3)).are_dates


def test__labels__missing_dates__have_no_label():
    labels = as_labels(pd.Series([None, *DAYS[1:]]))
    assert labels.missing.tolist() == [True] + 39 * [False]


def test__labels__durations__are_classes():
    labels = as_labels(pd.Series(DAYS - DAYS[0])[:3])
    assert len(labels.classes) == 3


@pytest.mark.parametrize(
    ("y", "are_ordered"),
    [
        (pd.Series(["lo", "hi"], dtype=pd.CategoricalDtype(["lo", "hi"], True)), True),
        (pd.Series(["lo", "hi"], dtype=pd.CategoricalDtype(["lo", "hi"])), False),
        (pl.Series(["lo", "hi"], dtype=pl.Enum(["lo", "hi"])), True),
        (["lo", "hi"], False),
        (np.arange(10), False),
        (np.arange(15), True),
    ],
)
def test__labels__order__is_that_of_the_dtype_or_of_many_numbers(y, are_ordered):
    """Ten whole numbers may be names, as those of digits; more have no colours each."""
    labels = as_labels(y)
    assert labels.are_ordered == are_ordered
    assert labels.take([0, 1]).are_ordered == are_ordered
