"""Labels and targets in any form, missing ones among them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

from sklearn_ae._supervised.targets import read_labels, read_targets
from tests.helpers import COLOURS
from tests.supervised.helpers import (
    TARGET,
    X,
    Y,
    classifier,
    hide,
    regressor,
    small,
    weights,
)

# Missing labels


def without(values, missing):
    """Return a list of values, a third of them replaced by a mark."""
    return [missing if i % 3 == 1 else value for i, value in enumerate(values)]


NUMBERS = [int(label) + 4 for label in Y]


TEXT = [["green", "red"][label] for label in Y]


FLAGS = [bool(label) for label in Y]


def objects(values):
    return np.array(values, dtype=object)


FORMS = {
    "list, None": (NUMBERS, None, list),
    "list, NaN": (NUMBERS, np.nan, list),
    "list, NA": (NUMBERS, pd.NA, list),
    "list of NumPy's, None": ([np.int64(n) for n in NUMBERS], None, list),
    "floats, NaN": (NUMBERS, np.nan, np.array),
    "objects, None": (NUMBERS, None, objects),
    "objects, NaN": (NUMBERS, np.nan, objects),
    "objects, NA": (NUMBERS, pd.NA, objects),
    "pandas Int64": (NUMBERS, pd.NA, lambda y: pd.Series(y, dtype="Int64")),
    "pandas Arrow": (NUMBERS, pd.NA, lambda y: pd.Series(y, dtype="int64[pyarrow]")),
    "pandas category of numbers": (
        NUMBERS,
        np.nan,
        lambda y: pd.Series(objects(y), dtype="category"),
    ),
    "pandas, unusual index": (
        NUMBERS,
        np.nan,
        lambda y: pd.Series(y, index=range(len(y), 0, -1)),
    ),
    "polars": (NUMBERS, None, pl.Series),
    "text list, None": (TEXT, None, list),
    "text list, NaN": (TEXT, np.nan, list),
    "text objects, None": (TEXT, None, objects),
    "text objects, NA": (TEXT, pd.NA, objects),
    "text pandas": (TEXT, None, pd.Series),
    "text pandas string": (TEXT, pd.NA, lambda y: pd.Series(y, dtype="string")),
    "text pandas category": (TEXT, None, lambda y: pd.Series(y, dtype="category")),
    "text polars": (TEXT, None, pl.Series),
    "text polars Categorical": (
        TEXT,
        None,
        lambda y: pl.Series(y, dtype=pl.Categorical),
    ),
    "text polars Enum": (TEXT, None, lambda y: pl.Series(y, dtype=pl.Enum(COLOURS))),
    "bool list, None": (FLAGS, None, list),
    "bool objects, NaN": (FLAGS, np.nan, objects),
    "bool pandas": (FLAGS, pd.NA, lambda y: pd.Series(y, dtype="boolean")),
    "bool polars": (FLAGS, None, pl.Series),
}


@pytest.fixture(scope="module")
def of_labelled_and_others():
    """A model of two classes in which a third of the rows have no label."""
    return classifier().fit(X, np.array(without(Y.tolist(), np.nan)))


@pytest.mark.parametrize("form", FORMS)
def test__fit__missing_labels_in_any_form__give_the_same_model(
    form, of_labelled_and_others
):
    """Of whole numbers and `NaN`, NumPy makes floats; all others keep their kind."""
    values, missing, convert = FORMS[form]
    model = classifier().fit(X, convert(without(values, missing)))
    assert_array_equal(weights(model), weights(of_labelled_and_others))
    predicted = model.predict(X)
    assert model.classes_.tolist() == sorted({*values}) == sorted({*predicted.tolist()})
    kinds = {id(TEXT): "UO", id(FLAGS): "b"}
    is_float = form in ("floats, NaN", "pandas, unusual index")
    assert predicted.dtype.kind in ("f" if is_float else kinds.get(id(values), "i"))


def test__fit__mark_of_unlabelled_rows__is_as_if_their_labels_were_missing():
    y = np.array(without(Y.tolist(), -1))
    model = classifier(unlabeled_label=-1).fit(X, y)
    assert model.classes_.tolist() == [0, 1]
    assert model.classes_.dtype == y.dtype
    expected = classifier().fit(X, np.array(without(Y.tolist(), np.nan)))
    assert_array_equal(weights(model), weights(expected))


def test__fit__minus_one_without_a_mark__is_a_class():
    model = classifier().fit(X, np.array(without(Y.tolist(), -1)))
    assert model.classes_.tolist() == [-1, 0, 1]
    assert model.predict_proba(X).shape == (len(X), 3)


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, pl.Series])
def test__fit__text_as_mark__is_no_class(convert):
    y = convert(without(TEXT, "unknown"))
    model = classifier(unlabeled_label="unknown").fit(X, y)
    assert model.classes_.tolist() == sorted({*TEXT})
    expected = classifier().fit(X, without(TEXT, None))
    assert_array_equal(weights(model), weights(expected))


def test__fit__mark_beside_missing_labels__both_are_unlabelled():
    y = objects(without(Y.tolist(), None))
    y[::5] = -1
    model = classifier(unlabeled_label=-1).fit(X, y)
    both = np.where(
        (np.arange(len(Y)) % 3 == 1) | (np.arange(len(Y)) % 5 == 0), np.nan, Y
    )
    assert_array_equal(weights(model), weights(classifier().fit(X, both)))


@pytest.mark.parametrize("y", [hide(Y, 40), hide(TARGET, 40)])
def test__fit__unlabelled_rows__are_pretrained_on_like_the_others(y):
    make = classifier if y[0] in (0, 1) else regressor
    autoencoder = small(random_state=5)
    model = make(autoencoder).fit(X, y)
    expected = clone(autoencoder).fit(X)
    assert_array_equal(weights(model.autoencoder_), weights(expected))
    assert model.pretraining_history_[:, "train_loss"] == expected.loss_curve_


def test__fit__column_that_varies_only_without_labels__reaches_the_latent():
    """Labelled rows alone would say that this column is constant."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 2))
    y = hide(table[:, 0] > 0, 100)
    table[:100, 1] = 0.0
    model = classifier(small(2, max_epochs=30)).fit(table, y)
    there, back = [[0.0, -2.0]], [[0.0, 2.0]]
    assert np.abs(model.transform(there) - model.transform(back)).max() > 0.5


def test__fit__rows_without_label__are_not_fine_tuned_on():
    """What a frozen encoder's head learns depends on the labelled rows alone."""
    frozen = FrozenEstimator(small(random_state=0).fit(X))
    y = hide(Y, 60)
    table = X.copy()
    table[60:] = X[np.random.default_rng(0).permutation(np.arange(60, 120))]
    one, other = (classifier(frozen).fit(t, y) for t in (X, table))
    assert_array_equal(weights(one), weights(other))
    y[60] = 1 - Y[60]
    assert (weights(classifier(frozen).fit(X, y)) != weights(one)).any()


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: without(y, None),
        lambda y: objects(without(y, pd.NA)),
        lambda y: pd.Series(without(y, None), dtype="Float64"),
        lambda y: pl.Series(without(y, None)),
        lambda y: pd.DataFrame({"a": without(y, np.nan)}),
        lambda y: pl.DataFrame({"a": without(y, None)}),
    ],
)
def test__fit__missing_targets_in_any_form__give_the_same_model(convert):
    expected = regressor().fit(X, np.array(without(TARGET.tolist(), np.nan)))
    got = regressor().fit(X, convert(TARGET.tolist()))
    assert_array_equal(weights(got), weights(expected))


# What is refused, and what is left then


LABEL_ERRORS = {
    "no label": (np.full(120, np.nan), ValueError, "no labelled row"),
    "no label among text": ([None] * 120, ValueError, "no labelled row"),
    "None": (None, ValueError, "the target y is None"),
    "too short": (Y[:100], ValueError, r"X has 120 rows, y has 100 labels"),
    "too long": (np.tile(Y, 2), ValueError, r"X has 120 rows, y has 240 labels"),
    "one value": (1, ValueError, "y has a single value"),
    "two columns": (np.c_[Y, Y], ValueError, r"1d array, got an array of shape"),
    "continuous": (TARGET, ValueError, "Unknown label type: .?continuous"),
    "mixed": ([1, "a"] * 60, TypeError, "cannot be sorted"),
    "infinite": (np.where(Y == 1, np.inf, 0.0), ValueError, "infinity"),
}


TARGET_ERRORS = {
    "no target": (np.full(120, np.nan), ValueError, "no labelled row"),
    "one column without": (
        np.c_[TARGET, np.full(120, np.nan)],
        ValueError,
        "no labelled row in column 1",
    ),
    "None": (None, ValueError, "the target y is None"),
    "too short": (TARGET[:100], ValueError, r"X has 120 rows, y has 100 labels"),
    "text": (
        TEXT,
        ValueError,
        "y must hold numbers.*PretrainedClassifier takes labels",
    ),
    "infinite": (np.where(Y == 1, np.inf, 0.0), ValueError, "infinity"),
    "complex": (TARGET + 1j, ValueError, "Complex data not supported"),
    "three dimensions": (np.ones((120, 2, 2)), ValueError, "1d or 2d array"),
}


@pytest.mark.parametrize("case", LABEL_ERRORS)
def test__fit__unusable_labels__are_refused_before_training(case):
    y, error, message = LABEL_ERRORS[case]
    autoencoder = small(callbacks=[Refuse()])
    with pytest.raises(error, match=message):
        classifier(autoencoder).fit(X, y)


@pytest.mark.parametrize("case", TARGET_ERRORS)
def test__fit__unusable_targets__are_refused_before_training(case):
    y, error, message = TARGET_ERRORS[case]
    autoencoder = small(callbacks=[Refuse()])
    with pytest.raises(error, match=message):
        regressor(autoencoder).fit(X, y)


class Refuse(Callback):
    """Fail as soon as training begins."""

    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training began")


def test__fit__all_labels_marked__says_which_mark():
    with pytest.raises(ValueError, match="all labels are missing or -1"):
        classifier(unlabeled_label=-1).fit(X, np.full(len(X), -1))


@pytest.mark.parametrize("make", [classifier, regressor])
def test__fit__all_labelled_rows_weigh_nothing__is_refused(make):
    y = hide(Y, 50)
    with pytest.raises(ValueError, match="all of them weigh 0"):
        make().fit(X, y, sample_weight=1.0 * np.isnan(y))


# Types of labels

LARGE = [None, 2**62 + 1, 2**62 + 2, None, 2**62 + 1]


def masked(values):
    return np.ma.masked_array([v or 0 for v in values], [v is None for v in values])


INTEGERS = {
    "list": list,
    "list, masked": lambda y: [np.ma.masked if v is None else v for v in y],
    "objects": objects,
    "masked": masked,
    "masked column": lambda y: masked(y)[:, None],
    "pandas": lambda y: pd.Series(y, dtype="Int64"),
    "pandas array": lambda y: pd.array(y, dtype="Int64"),
    "pandas index": lambda y: pd.Index(y, dtype="Int64"),
    "pandas frame": lambda y: pd.DataFrame({"y": pd.array(y, dtype="Int64")}),
    "pandas category": lambda y: pd.Series(pd.Categorical(y)),
    "category array": pd.Categorical,
    "Arrow": lambda y: pd.Series(y, dtype="int64[pyarrow]"),
    "Arrow array": lambda y: pd.array(y, dtype="int64[pyarrow]"),
    "pyarrow": pa.array,
    "pyarrow chunks": lambda y: pa.chunked_array([y[:2], y[2:]]),
    "pyarrow table": lambda y: pa.table({"y": y}),
    "polars": pl.Series,
    "polars frame": lambda y: pl.DataFrame({"y": y}),
}


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("container", INTEGERS)
def test__read_labels__integers_that_no_float_holds__stay_apart(container):
    classes, class_indices = read_labels(INTEGERS[container](LARGE), 5)
    assert classes.dtype == np.int64
    assert classes.tolist() == LARGE[1:3]
    assert class_indices.tolist() == [-1, 0, 1, -1, 0]


SMALL = [None, 1, 0]
TYPED = {
    "uint8": lambda: masked(SMALL).astype("u1"),
    "int16": lambda: pd.array(SMALL, dtype="Int16"),
    "int8": lambda: pl.Series(SMALL, dtype=pl.Int8),
    "uint64": lambda: pl.Series([None, 2**63 + 1, 1], dtype=pl.UInt64),
    "uint32": lambda: pa.array(SMALL, pa.uint32()),
    "bool": lambda: pa.array([None, True, False]),
    "float32": lambda: masked(SMALL).astype("f4"),
    "<U1": lambda: np.ma.masked_array(["a", "b", "c"], [True, False, False]),
}
if hasattr(np.dtypes, "StringDType"):
    STRING = np.dtypes.StringDType(na_object=None)
    TYPED["StringDType"] = lambda: np.array([None, "b", "c"], dtype=STRING)


@pytest.mark.parametrize("dtype", TYPED)
def test__read_labels__missing_among_others__do_not_change_their_type(dtype):
    classes, class_indices = read_labels(TYPED[dtype](), 3)
    assert classes.dtype == ("<U1" if dtype == "StringDType" else dtype)
    assert (class_indices == -1).tolist() == [True, False, False]


@pytest.mark.parametrize("dtype", [object, float, int, bool])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (-1, 2)])
def test__read_targets__masked__are_missing(shape, dtype):
    y = np.ma.masked_array(np.arange(8) % 3, np.arange(8) < 2).astype(dtype)
    targets = read_targets(y.reshape(shape), len(y.reshape(shape)))
    assert_array_equal(np.isnan(targets).ravel(), np.arange(8) < 2)


@pytest.mark.parametrize("mark", [pd.NA, np.nan, None, pd.NaT])
def test__read_labels__missing_value_as_mark__is_as_none(mark):
    y = pd.array(["a", None, "b"], dtype="string")
    classes, class_indices = read_labels(y, 3, mark)
    assert classes.tolist() == ["a", "b"]
    assert class_indices.tolist() == [0, -1, 1]


@pytest.mark.parametrize("read", [read_labels, read_targets])
def test__read__sparse_column__is_named_as_the_cause(read):
    with pytest.raises(TypeError, match=r"Sparse data was passed for y.*toarray"):
        read(sparse.csr_array(np.arange(4)[:, None]), 4)


UNUSABLE_LABELS = {
    "decimals": ([Decimal(1), Decimal(2)], r"from Decimal\('1'\) to .* type Decimal"),
    "periods": (list(pd.period_range("2020", periods=2, freq="M")), "type Period"),
    "dates": (list(pd.date_range("2020", periods=2)), "type Timestamp"),
    "large integers": ([10**30, 10**30 + 1], "from 10{30} to 10{29}1, of type int"),
    "signed and unsigned": ([-1, 2**64 - 1], "from -1 to 18446744073709551615"),
}


@pytest.mark.parametrize(
    "convert", [list, objects, lambda y: pd.Series(y, dtype=object)]
)
@pytest.mark.parametrize("labels", UNUSABLE_LABELS)
def test__fit__labels_that_no_metric_takes__says_to_make_text_of_them(labels, convert):
    labels, expected = UNUSABLE_LABELS[labels]
    y = [labels[i % 2] for i in range(len(X))]
    y[0] = None
    with pytest.raises(ValueError, match=expected) as error:
        classifier().fit(X, convert(y))
    assert str(error.value).endswith("with [str(label) for label in y].")
    assert "AutoencoderPretrainedClassifier" in str(error.value)
    text = [None, *map(str, y[1:])]
    assert 0 <= classifier().fit(X, text).score(X[1:], text[1:]) <= 1


@pytest.mark.parametrize(
    "label", [np.array([1, 2]), [1], (1,), {}, set(), pd.Series([1]), [np.nan], print]
)
def test__fit__unlabeled_label_that_is_no_single_one__is_refused(label):
    with pytest.raises(
        TypeError, match=r"(?s)unlabeled_label must .* of type"
    ) as error:
        classifier(unlabeled_label=label).fit(X, Y)
    assert type(label).__name__ in str(error.value)


@pytest.mark.parametrize("label", [np.int64(-1), "unknown", pd.NA, pd.Timestamp(0)])
def test__fit__unlabeled_label_of_any_scalar_type__is_taken(label):
    assert classifier(unlabeled_label=label).fit(X, Y).classes_.tolist() == [0, 1]


def test__fit__targets_without_columns__are_refused_before_scaling():
    with pytest.raises(ValueError, match=r"at least one column. Got .* 0\)") as error:
        regressor().fit(X, np.zeros((len(X), 0)))
    assert "StandardScaler" not in str(error.value)
    assert "AutoencoderPretrainedRegressor" in str(error.value)
