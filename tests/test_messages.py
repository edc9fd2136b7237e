"""What mistakes of input say: the estimator in use, the column, what was received.

They come from this library or from scikit-learn, not from what lies beneath.
"""

import re
import warnings
from decimal import Decimal
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone

import sklearn_ae
from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)

SOURCES = [Path(package.__file__).parent for package in (sklearn, sklearn_ae)]
SMALL = AutoencoderTransformer(1, hidden_layer_sizes=(), max_epochs=1, random_state=0)
ESTIMATORS = {
    type(estimator).__name__: estimator
    for estimator in (
        SMALL,
        AutoencoderAnomalyDetector(SMALL, n_estimators=1, random_state=0),
        AutoencoderImputer(SMALL, n_estimators=1, max_iter=1, random_state=0),
        AutoencoderPretrainedClassifier(SMALL, max_epochs=1, random_state=0),
        AutoencoderPretrainedRegressor(SMALL, max_epochs=1, random_state=0),
    )
}
PREDICTORS = [name for name in ESTIMATORS if "Pretrained" in name]
CONTAINERS = {
    "array": pd.DataFrame.to_numpy,
    "pandas": lambda X: X,
    "polars": pl.from_pandas,
    "pyarrow": lambda X: pa.Table.from_pandas(X, preserve_index=False),
}
FRAMES = sorted(CONTAINERS.keys() - {"array"})
rng = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": rng.normal(size=30), "b": rng.normal(size=30)})
Y = np.arange(30) % 2
DATE, TEXT = pd.Timestamp("2020-01-01"), [f"name {i}" for i in range(30)]

each_estimator = pytest.mark.parametrize("name", ESTIMATORS)
each_predictor = pytest.mark.parametrize("name", PREDICTORS)
each_container = pytest.mark.parametrize("container", CONTAINERS)


def message_of(function, *args, **params):
    """Return the message of an error that tells a user of a mistake."""
    with pytest.raises((ValueError, TypeError)) as error:
        function(*args, **params)
    assert error.type.__module__.partition(".")[0] in ("builtins", "sklearn")
    origin = Path(error.traceback[-1].path)
    assert any(origin.is_relative_to(source) for source in SOURCES), origin
    return str(error.value)


@cache
def fitted(name, container):
    return clone(ESTIMATORS[name]).fit(CONTAINERS[container](FRAME), Y)


def infer(estimator, X):
    method = "predict" if hasattr(estimator, "predict") else "transform"
    return getattr(estimator, method)(X)


def assert_names_column(message, container):
    """Assert that a message names the second column of the table."""
    column = "1" if container == "array" else "'b'"
    assert re.search(rf"[Cc]olumns? \[?{column}", message), message


def assert_names_estimator(message, name):
    assert name in message
    assert not any(other in message for other in ESTIMATORS.keys() - {name})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (np.inf, "infinity"),
        (DATE, "dates or times"),
        (TEXT, "30 different values|27 different values"),
        (1e308 * np.array([1, -1] * 15), "too far apart"),
    ],
    ids=["infinite", "dates", "identifiers", "huge"],
)
@each_container
@each_estimator
def test__fit__unusable_column__is_named(name, container, cells, expected):
    X = CONTAINERS[container](FRAME.assign(b=cells))
    message = message_of(clone(ESTIMATORS[name]).fit, X, Y)
    assert re.search(expected, message)
    assert_names_column(message, container)


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (lambda X: X[:0], "0 sample"),
        (lambda X: X[[]], "0 (sample|feature)"),
        (lambda X: X * np.nan, "no observed cell"),
    ],
    ids=["no rows", "no columns", "no observed cell"],
)
@pytest.mark.filterwarnings("error")
@each_container
@each_estimator
def test__fit__nothing_to_learn_from__names_the_estimator_in_use(
    name, container, select, expected
):
    X = select(FRAME)
    message = message_of(
        clone(ESTIMATORS[name]).fit, CONTAINERS[container](X), Y[: len(X)]
    )
    assert re.search(expected, message)
    assert_names_estimator(message, name)


@pytest.mark.parametrize("container", ["pandas", "pyarrow"])
@each_estimator
def test__fit__column_names_that_repeat__are_named(name, container):
    X = FRAME.set_axis(["b", "b"], axis=1)
    if container == "pyarrow":
        X = pa.table([pa.array(FRAME.a)] * 2, names=["b", "b"])
    message = message_of(clone(ESTIMATORS[name]).fit, X, Y)
    assert "Got ['b'] more than once" in message
    assert_names_estimator(message, name)


@pytest.mark.parametrize(
    "X",
    [None, 3, {"a": [1, 2]}, FRAME.a, pl.Series(TEXT), pa.array([1, 2])],
    ids=["None", "number", "dict", "pandas", "polars", "pyarrow"],
)
@each_estimator
def test__fit__no_table__says_what_was_received(name, X):
    message = message_of(clone(ESTIMATORS[name]).fit, X, Y)
    assert re.search("Expected (2D array|a 2-dimensional container)", message)


@each_estimator
def test__fit__rows_of_different_lengths__says_so(name):
    message = message_of(clone(ESTIMATORS[name]).fit, [[1.0, 2.0], [3.0]], Y[:2])
    assert "rows of the same length" in message


@each_estimator
def test__not_fitted__names_the_estimator_in_use(name):
    message = message_of(infer, clone(ESTIMATORS[name]), FRAME)
    assert "is not fitted yet" in message
    assert_names_estimator(message, name)


@pytest.mark.parametrize(
    ("cell", "others", "expected"),
    [
        (Decimal("Infinity"), Decimal("1.5"), "contains infinity"),
        (Decimal("sNaN"), Decimal("1.5"), "(numbers nor|number nor a) categor"),
        (Decimal("sNaN"), 1.5, "(numbers nor|number nor a) categor"),
        (10**400, 1, "too large for dtype"),
        (-(10**400), 1.5, "too large for dtype"),
    ],
)
@pytest.mark.parametrize("container", ["array", "pandas"])
@each_estimator
def test__any_method__object_that_no_float_can_be__is_named(
    name, container, cell, others, expected
):
    cells = np.array([others] * 29 + [cell], dtype=object)
    X = CONTAINERS[container](FRAME.assign(b=cells))
    for message in (
        message_of(clone(ESTIMATORS[name]).fit, X, Y),
        message_of(infer, fitted(name, container), X),
    ):
        assert re.search(expected, message), message
        assert_names_column(message, container)


@pytest.mark.parametrize("cells", [TEXT, DATE], ids=["text", "dates"])
@each_container
@each_estimator
def test__inference__other_kind_of_column__is_named(name, container, cells):
    X = CONTAINERS[container](FRAME.assign(b=cells))
    message = message_of(infer, fitted(name, container), X)
    assert "held numbers in fit" in message
    assert_names_column(message, container)


@pytest.mark.parametrize("cells", [1, DATE, b"x"], ids=["numbers", "dates", "bytes"])
@each_container
@each_estimator
def test__inference__other_kind_of_categories__is_named(name, container, cells):
    X = CONTAINERS[container](FRAME.assign(b=["x", "y"] * 15))
    estimator = clone(ESTIMATORS[name]).fit(X, Y)
    X = CONTAINERS[container](FRAME.assign(b=[cells] * 30, a=[None, *FRAME.a[1:]]))
    message = message_of(infer, estimator, X)
    assert "held categories of text in fit" in message
    assert_names_column(message, container)


@pytest.mark.parametrize("cell", [[1], {"u": 1}], ids=["lists", "structs"])
@each_container
def test__inference__nested_cells_where_categories_were__are_named(container, cell):
    X = CONTAINERS[container](FRAME.assign(b=["x", "y"] * 15))
    ae = clone(SMALL).fit(X)
    message = message_of(
        ae.transform, CONTAINERS[container](FRAME.assign(b=[cell] * 30))
    )
    assert "holds values that cannot be categories" in message
    assert_names_column(message, container)


@each_container
@each_estimator
def test__inference__other_number_of_columns__names_the_estimator_in_use(
    name, container
):
    with warnings.catch_warnings():
        # That an array has no names.
        warnings.simplefilter("ignore")
        message = message_of(infer, fitted(name, container), FRAME.to_numpy()[:, :1])
    assert "is expecting 2 features" in message
    assert_names_estimator(message, name)


@pytest.mark.parametrize("container", FRAMES)
@each_estimator
def test__inference__array_instead_of_frame__warning_names_the_estimator_in_use(
    name, container
):
    with pytest.warns(UserWarning, match="does not have valid feature names") as warned:
        infer(fitted(name, container), FRAME.to_numpy())
    assert len(warned) == 1
    assert_names_estimator(str(warned[0].message), name)


@pytest.mark.parametrize("container", FRAMES)
@each_estimator
def test__inference__other_names__are_named(name, container):
    X = CONTAINERS[container](FRAME.rename(columns={"b": "other"}))
    message = message_of(infer, fitted(name, container), X)
    assert "unseen at fit time:\n- other" in message
    assert "now missing:\n- b" in message


@each_estimator
def test__fit__sparse_matrix_with_categories__names_the_estimator_in_use(name):
    estimator = clone(ESTIMATORS[name])
    autoencoder = getattr(estimator, "autoencoder", estimator)
    autoencoder.set_params(categorical_features=[1])
    message = message_of(estimator.fit, sparse.csr_array(FRAME.to_numpy().round()), Y)
    assert "Use '.toarray()'" in message
    assert_names_estimator(message, name)


@each_container
def test__partial_fit__text_in_a_column_without_cells_before__says_so(container):
    convert = CONTAINERS[container]
    X = convert(FRAME.assign(b=None))
    if container == "polars":
        # From pandas, it would be a column of text.
        X = X.with_columns(b=None)
    ae = clone(SMALL).partial_fit(X)
    for cells in (TEXT, DATE):
        message = message_of(ae.partial_fit, convert(FRAME.assign(b=cells)))
        assert "held no cell in fit" in message
        assert_names_column(message, container)
    ae.partial_fit(convert(FRAME))
    message = message_of(ae.partial_fit, convert(FRAME.assign(b=TEXT)))
    assert "held numbers in fit" in message


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (Y[:5], "X has 30 rows, y has 5 labels"),
        (np.where(Y, np.inf, 0.0), "y contains infinity"),
        (np.full(30, np.nan), "no labelled row"),
        (sparse.csr_array(Y[:, None]), r"y\.toarray\(\)\.ravel\(\)"),
        (pl.LazyFrame({"y": Y}), r"pass y\.collect\(\)"),
        (Y * 1j, "Complex data"),
        (Y.reshape(30, 1, 1), r"\(30, 1, 1\)"),
    ],
    ids=["short", "infinite", "missing", "sparse", "lazy", "complex", "3d"],
)
@each_predictor
def test__fit__unusable_y__says_what_was_received(name, y, expected):
    message = message_of(clone(ESTIMATORS[name]).fit, FRAME, y)
    assert re.search(expected, message), message


@pytest.mark.parametrize("shape", [(30,), (15, 2)])
def test__fit__target_larger_than_any_float__says_so(shape):
    regressor = clone(ESTIMATORS["AutoencoderPretrainedRegressor"])
    y = np.array([-(10**400)] + [1] * 29, dtype=object).reshape(shape)
    for targets in (y, y.tolist(), pd.DataFrame(y)):
        message = message_of(regressor.fit, FRAME[: len(y)], targets)
        assert "Input y contains infinity or a value too large" in message


@pytest.mark.parametrize("name", ["AutoencoderTransformer", *PREDICTORS])
def test__fit__weight_larger_than_any_float__says_so(name):
    fit = partial(clone(ESTIMATORS[name]).fit, FRAME, Y)
    message = message_of(fit, sample_weight=[10**400] + [1] * 29)
    assert "Input sample_weight contains a value too large" in message


@each_predictor
def test__fit__without_y__names_the_estimator_in_use(name):
    message = message_of(clone(ESTIMATORS[name]).fit, FRAME, None)
    assert "requires y to be passed" in message
    assert_names_estimator(message, name)


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "heavy"])
def test__fit__unusable_class_weight__is_named(weight):
    classifier = clone(ESTIMATORS["AutoencoderPretrainedClassifier"])
    classifier.set_params(class_weight={0: 1.0, 1: weight})
    message = message_of(classifier.fit, FRAME, Y)
    assert "class_weight must hold a finite number of at least 0" in message
    assert f"Got {weight!r} for 1" in message


@pytest.mark.parametrize("name", ["AutoencoderTransformer", *PREDICTORS])
def test__fit__value_that_the_optimizer_refuses__is_named(name):
    estimator = clone(ESTIMATORS[name]).set_params(net_params={"optimizer__betas": 3})
    message = message_of(estimator.fit, FRAME, Y)
    assert re.search(r"net_params .* AdamW refuses.*'betas': 3", message)


@pytest.mark.parametrize(
    "convert",
    [
        lambda T: T.clone().requires_grad_(),
        lambda T: T.bfloat16(),
        # A part of a conjugate is not computed before it is looked at.
        lambda T: torch.complex(T, -T).conj().imag,
        lambda T: [row.requires_grad_() for row in T.clone()],
    ],
    ids=["gradient", "bfloat16", "negative view", "rows with gradients"],
)
@each_estimator
def test__fit__tensor_that_numpy_does_not_take__is_read_as_its_values(name, convert):
    # Numbers that bfloat16 holds.
    X = torch.tensor(FRAME.to_numpy()).bfloat16().float()
    estimator = clone(ESTIMATORS[name]).fit(convert(X), Y)
    expected = clone(ESTIMATORS[name]).fit(X.numpy(), Y)
    assert_array_equal(infer(estimator, convert(X)), infer(expected, X.numpy()))


@pytest.mark.parametrize(
    "convert", [torch.Tensor.to_sparse, torch.Tensor.to_sparse_csr]
)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@each_estimator
def test__fit__sparse_tensor__says_what_to_pass(name, convert):
    X = convert(torch.tensor(FRAME.to_numpy()))
    message = message_of(clone(ESTIMATORS[name]).fit, X, Y)
    assert "X.to_dense() or a sparse matrix of SciPy" in message


def test__fit__tensor_without_values__says_so():
    X = torch.tensor(FRAME.to_numpy()).to("meta")
    assert "device='meta'" in message_of(clone(SMALL).fit, X)


@each_predictor
def test__fit__y_is_a_tensor_that_numpy_does_not_take__is_read_as_its_values(name):
    expected = clone(ESTIMATORS[name]).fit(FRAME, Y)
    for dtype in (torch.float32, torch.bfloat16):
        y = torch.tensor(Y, dtype=dtype).requires_grad_()
        estimator = clone(ESTIMATORS[name]).fit(FRAME, y)
        assert_array_equal(infer(estimator, FRAME), infer(expected, FRAME))
    message = message_of(estimator.fit, FRAME, torch.tensor(Y).to_sparse())
    assert "y.to_dense()" in message


UNUSABLE_CELLS = {
    "infinite": (np.inf, "infinity"),
    "lists": ([[1, 2]] * 30, r"such as \[1, 2\] of type list. Make columns"),
    "arrays": ([np.ones(2)] * 30, "of type ndarray. Make columns"),
    "objects": (
        [1.0] * 29 + [object()],
        "such as <object .* of type object. Let their cells all be numbers",
    ),
}


@pytest.mark.parametrize("cells", UNUSABLE_CELLS)
@pytest.mark.parametrize("container", ["array", "pandas"])
@each_estimator
def test__fit_and_inference__unusable_cells__name_estimator_and_column(
    name, container, cells
):
    cells, expected = UNUSABLE_CELLS[cells]
    X = FRAME.copy()
    X["b"] = cells
    # Beside a column of categories, cells are read a block at a time.
    for columns in ({}, {"c": ["red", "green"] * 15}):
        seen = CONTAINERS[container](FRAME.assign(**columns))
        wrong = CONTAINERS[container](X.assign(**columns))
        estimator = clone(ESTIMATORS[name])
        messages = [message_of(estimator.fit, wrong, Y)]
        messages.append(message_of(infer, estimator.fit(seen, Y), wrong))
        for message in messages:
            assert re.search(expected, message), message
            assert "setting an array element" not in message
            assert_names_column(message, container)
            assert_names_estimator(message, name)


@each_estimator
def test__inference__columns_of_another_kind__names_the_estimator_in_use(name):
    seen = FRAME.assign(b=["red", "green"] * 15)
    estimator = clone(ESTIMATORS[name]).fit(seen, Y)
    for cells in ({"a": TEXT}, {"b": 1.0}):
        message = message_of(infer, estimator, seen.assign(**cells))
        assert f"Column {next(iter(cells))!r} held" in message
        assert_names_estimator(message, name)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1.0, 2.0], [1.0]], "Got 2 cells in row 0, 1 in row 1"),
        ([[1.0, 2.0], [1.0, [3.0]]], r"Got \[3.0\] in row 1 of column 1"),
        ([[1.0, 2.0], 3.0], "Got 3.0 as row 1"),
    ],
)
@each_estimator
def test__fit__rows_of_which_no_table_can_be_made__are_named(name, rows, expected):
    message = message_of(clone(ESTIMATORS[name]).fit, rows, Y[:2])
    assert re.search(expected, message), message
    assert "inhomogeneous" not in message
    assert_names_estimator(message, name)


@pytest.mark.parametrize("shape", [(800,), (400, 2)])
@each_estimator
def test__fit__complex_or_one_dimensional_array__is_not_printed_as_a_whole(name, shape):
    X = np.arange(800).reshape(shape) * (1 if len(shape) == 1 else 1j)
    assert len(message_of(clone(ESTIMATORS[name]).fit, X, np.arange(len(X)) % 2)) < 400


HOLED = [None, *[1] * 29]
WEIGHTS = {
    "text": (["a", "b"] * 15, "Got 'a' of type str"),
    "one text": ("balanced", "Got 'balanced' of type str"),
    "numbers as text": (pd.Series(["1", "2"] * 15), "Got '1' of type str"),
    "dictionary": ({0: 1, 1: 2}, "Got '{0: 1, 1: 2}' of type dict"),
    "dates": (pd.Series([DATE] * 30), "Got '2020-.* of type datetime64"),
    "dates of polars": (pl.Series([DATE] * 30), "Got '2020-.* of type datetime"),
    "durations": (np.arange(30).astype("m8[s]"), "of type timedelta64"),
    "complex": (np.full(30, 1j), "Got '1j' of type complex128"),
    "pandas array": (pd.array(HOLED, dtype="Int64"), "Got none for row 0"),
    "pandas": (pd.Series(HOLED, dtype="Int64"), "Got none for row 0"),
    "polars": (pl.Series(HOLED), "Got none for row 0"),
    "pyarrow": (pa.array(HOLED), "Got none for row 0"),
    "list": (HOLED, "Got none for row 0"),
    "masked": (np.ma.masked_equal(np.arange(30), 3), "Got none for row 3"),
    "NaN": ([1.0, np.nan] * 15, "Got none for row 1"),
    "sparse": (sparse.csr_array(np.ones((30, 1))), "Use sample_weight.toarray"),
}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("name", ["AutoencoderTransformer", *PREDICTORS])
def test__fit__sample_weight_without_numbers__is_named(name, weight):
    weight, expected = WEIGHTS[weight]
    estimator = clone(ESTIMATORS[name])
    message = message_of(estimator.fit, FRAME, Y, sample_weight=weight)
    assert re.search(expected, message), message
    assert "sample_weight" in message
    assert_names_estimator(message, name)
    if name == "AutoencoderTransformer":
        assert message == message_of(estimator.partial_fit, FRAME, None, weight)
