"""Missing cells: which are filled, in which form, how well, and with what spread."""

import pickle
import random

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import (
    COLOURS,
    CONTAINERS,
    KINDS,
    assert_same_form,
    columns_of,
    frame_of_kinds,
    mixed_cells,
    read_mixed,
    to_array,
    to_pandas,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae._modules.linear_fill import LinearFill
from sklearn_ae._tables.reading import missing_cells
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, HidingNoise, MaskingNoise, SwapNoise


def make(max_epochs=2, **params):
    """Return an imputer for what does not depend on how well it fills."""
    autoencoder = AutoencoderTransformer(3, max_epochs=max_epochs)
    defaults = {"autoencoder": autoencoder, "n_estimators": 1, "random_state": 0}
    return AutoencoderImputer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


def assert_only_filled(got, X):
    """Assert that got is X, bit for bit, except that no cell of it is missing."""
    assert_same_form(got, X)
    for filled, cells in zip(columns_of(got), columns_of(X), strict=True):
        for new, old in zip(filled, cells, strict=True):
            assert new is not None
            if old is not None:
                assert type(new) is type(old)
                assert new == old


FRAME = to_pandas(mixed_cells())
NUMBERS = FRAME[["size", "count"]].assign(more=FRAME["count"] * 2.0)


# What is filled, in any container


def test__transform__any_container__fills_missing_cells_and_no_others(container):
    X = container(mixed_cells())
    got = make().fit_transform(X)
    assert_only_filled(got, X)
    for filled, cells in list(zip(columns_of(got), columns_of(X), strict=True))[2:]:
        assert {*filled} <= {*cells}


@pytest.mark.parametrize("add_indicator", [False, True])
def test__fit_and_transform__any_container__leaves_the_table_as_it_was(
    container, add_indicator
):
    X, before = (container(mixed_cells()) for _ in range(2))
    imputer = make(add_indicator=add_indicator).fit(X)
    imputer.transform(X)
    imputer.draw(X)
    assert columns_of(X) == columns_of(before)
    assert_same_form(X, before)


@pytest.mark.filterwarnings("ignore:X (does not have|has) .*feature names")
def test__transform__any_container__fills_the_same_values(container):
    X, X_array = container(mixed_cells()), to_array(mixed_cells())
    expected = make().fit(X_array).transform(X_array)
    got = make().fit(X).transform(X)
    assert columns_of(got) == columns_of(expected)


def test__transform__no_missing_cell__is_an_equal_copy(container):
    imputer = make().fit(container(mixed_cells()))
    whole = {
        name: [cells[1] if cell is None else cell for cell in cells]
        for name, cells in mixed_cells().items()
    }
    X = container(whole)
    got = imputer.transform(X)
    assert got is not X
    assert_only_filled(got, X)
    assert columns_of(got) == columns_of(X)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__transform__array_of_floats__keeps_dtype_and_bits(dtype, order):
    X = np.asarray(NUMBERS, dtype=dtype, order=order)
    X[:, 1] /= 3
    missing = np.isnan(X)
    for fitted_on in (np.float32, np.float64):
        got = make().fit(X.astype(fitted_on)).transform(X)
        assert got.dtype == dtype
        assert np.isfinite(got).all()
        assert_array_equal(got[~missing], X[~missing])


def test__transform__memory_mapped__fills_as_in_memory(tmp_path):
    X = NUMBERS.to_numpy()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    got = make().fit(mapped).transform(mapped)
    assert_array_equal(got, make().fit(X).transform(X))
    assert_array_equal(np.load(tmp_path / "X.npy"), X)


INTEGERS = ["Int64", "Int8", "UInt16", "int64[pyarrow]", "uint8[pyarrow]"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test__transform__integers_with_gaps__stay_integers(dtype):
    count = pd.Series(FRAME["count"], dtype=dtype).mask(np.arange(90) % 3 == 0)
    X = FRAME.assign(count=count)
    assert_only_filled(make().fit_transform(X), X)


POLARS_DTYPES = [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(9, 2), pl.Object]


@pytest.mark.parametrize("dtype", POLARS_DTYPES)
def test__transform__polars_column_of_any_dtype__keeps_it(dtype):
    cells = [1, None, 0, 3] * 20
    column = pl.Series("a", cells, dtype=pl.Object if dtype == pl.Object else None)
    column = column if dtype == pl.Object else column.cast(dtype)
    X = pl.DataFrame([column, pl.Series("b", np.arange(80.0))])
    assert_only_filled(make().fit_transform(X), X)


def test__transform__sorted_polars_column__is_not_taken_for_sorted_afterwards():
    X = pl.DataFrame({"a": [1.0, None, 3.0, 2.0] * 9, "b": range(36)}).sort("a")
    got = make().fit_transform(X)["a"]
    assert got.max() == got.to_numpy().max()
    assert_array_equal(got.sort(), np.sort(got.to_numpy()))


def arrow_with_nan(cells):
    pa = pytest.importorskip("pyarrow")
    return pd.arrays.ArrowExtensionArray(pa.array(cells))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([None, float("nan"), 2.0, 3.0] * 9),
        arrow_with_nan([None, float("nan"), 2.0, 3.0] * 9),
        pd.array([0.0, None, 2.0, 3.0] * 9, "Float64") / pd.array([0.0, 1, 1, 1] * 9),
    ],
    ids=["polars", "Arrow", "nullable"],
)
def test__transform__nan_beside_null__fills_both(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    X = frame({"a": column, "b": np.arange(36.0)})
    got = make().fit_transform(X)
    assert_same_form(got, X)
    assert not missing_cells(got).any()
    assert np.isfinite(np.asarray(got["a"], dtype=float)).all()


@pytest.mark.parametrize("mark", [np.nan, pd.NA, None])
def test__transform__any_mark_of_a_missing_cell__is_filled(mark):
    X = to_array(mixed_cells())
    expected = make().fit_transform(X)
    X[X == None] = mark  # noqa: E711
    assert_array_equal(make().fit_transform(X), expected)


def test__transform__frame_with_unusual_labels__keeps_them():
    index = pd.MultiIndex.from_product([["a", "b", "b"], range(30)])
    X = FRAME.set_axis(index).set_axis([3, 1, 2, 0, 7], axis=1)
    assert_only_filled(make().fit_transform(X), X)
    X = FRAME.set_axis([0] * 90)
    assert_only_filled(make().fit_transform(X), X)


@st.composite
def random_columns(draw):
    """Return the name of a kind and cells, not all missing, for a few columns."""
    n_rows = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    columns = []
    for kind in kinds:
        cells = st.lists(KINDS[kind][0] | st.none(), min_size=n_rows, max_size=n_rows)
        columns.append((kind, draw(cells.filter(lambda c: {*c} != {None}))))
    return columns


@pytest.mark.parametrize("library", ["pandas", "polars"])
@settings(max_examples=25, deadline=None)
@given(columns=random_columns())
def test__transform__random_frame__fills_missing_cells_and_no_others(library, columns):
    X = frame_of_kinds(library, columns)
    autoencoder = AutoencoderTransformer(hidden_layer_sizes=(4,), max_epochs=1)
    imputer = AutoencoderImputer(autoencoder, n_estimators=1).fit(X)
    for got in (imputer.transform(X), *imputer.draw(X)[:1]):
        assert_only_filled(got, X)
        for (kind, given_cells), filled in zip(columns, columns_of(got), strict=True):
            if kind not in ("int", "float"):
                assert {*filled} <= {*given_cells}
    assert (imputer.trust_ >= 0).all()
    assert (imputer.trust_ <= 1).all()


# Tables with little in them


def test__transform__row_without_observed_cells__is_near_the_means():
    X = NUMBERS.to_numpy()
    row = make(max_epochs=30).fit(X).transform(np.full((1, 3), np.nan))
    off = (row[0] - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)
    assert np.abs(off).max() < 0.5


def test__transform__single_column__gets_its_mean():
    rng = np.random.default_rng(0)
    X = rng.normal(5, 2, size=(400, 1))
    X[::4] = np.nan
    filled = make(max_epochs=20).fit_transform(X)[::4]
    assert_allclose(filled, np.nanmean(X), atol=0.5)


@pytest.mark.parametrize("names", [["colour"], ["colour", "paid"], ["colour", "same"]])
def test__transform__only_categories__fills_known_ones(container, names):
    cells = {**mixed_cells(), "same": ["same"] * 90}
    X = container({name: cells[name] for name in names})
    assert_only_filled(make().fit_transform(X), X)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test__fit__few_rows__just_works(n_rows):
    X = FRAME[["count", "member"]].head(n_rows)
    imputer = make().fit(X)
    gap = X.astype({"count": float, "member": object})
    gap.iloc[0] = [np.nan, None]
    assert_only_filled(imputer.transform(gap), gap)


def test__draw__few_rows__still_differs():
    X = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
    drawn = [table[0, 1] for table in make().fit(X).draw(X)]
    assert len({*drawn}) == 5


def without_values(container):
    cells = {"nothing": [None] * 90, **mixed_cells()}
    return container(cells)


def test__fit__column_without_values__is_left_out_with_a_warning(container):
    X = without_values(container)
    imputer = make(add_indicator=True)
    where = "'nothing'" if hasattr(X, "columns") else "0"
    with pytest.warns(UserWarning, match=rf"\[{where}\] have no observed cell"):
        imputer.fit(X)
    got = imputer.transform(X)
    names = imputer.get_feature_names_out().tolist()
    assert len(names) == got.shape[1] == 5 + 4
    columns = columns_of(got)
    assert all(None not in cells for cells in columns)
    assert all(columns[5])
    if hasattr(X, "columns"):
        assert list(got.columns) == names
        assert names[5:] == [
            f"missingindicator_{name}" for name in ("nothing", "size", "colour", "paid")
        ]


@pytest.mark.parametrize("later", [range(90), [True, False] * 45, [None, 2.5] * 45])
@pytest.mark.filterwarnings("ignore:Columns .* have no observed cell")
def test__transform__column_without_values_in_fit__may_hold_numbers_later(later):
    X = FRAME.assign(nothing=np.nan)
    got = make().fit(X).transform(FRAME.assign(nothing=later))
    assert_only_filled(got, FRAME)


# Categories that fit and transform do not share


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test__transform__unknown_category__comes_back(name):
    container = CONTAINERS[name]
    cells = mixed_cells()
    imputer = make().fit(container(cells))
    X = container({**cells, "colour": ["violet"] * 45 + [None] * 45})
    got = columns_of(imputer.transform(X))[2]
    assert got[:45] == ["violet"] * 45
    assert {*got[45:]} <= {*COLOURS}


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.astype({"level": "category"}),
        lambda X: pl.from_pandas(X).cast(
            {"level": pl.Enum([*X.level.dropna().unique()])}
        ),
        lambda X: pl.from_pandas(X).cast({"level": pl.Categorical}),
    ],
    ids=["pandas", "polars Enum", "polars Categorical"],
)
def test__transform__dtype_that_lacks_a_category__can_be_filled_with_it(form):
    X = pd.DataFrame({"size": [0.0, 1.0] * 60, "level": ["x", "y"] * 60})
    few = pd.DataFrame({"size": [0.0, 1.0], "level": ["x", None]})
    got = make(max_epochs=40).fit(form(X)).transform(form(few))
    assert list(got["level"]) == ["x", "y"]


def test__transform__array_of_numbers_where_text_is_missing__gets_text():
    X = np.array([[1.0, "a"], [2.0, "b"]] * 30, dtype=object)
    got = make(max_epochs=40).fit(X).transform(np.array([[1.0, np.nan], [2, np.nan]]))
    assert got.tolist() == [[1.0, "a"], [2.0, "b"]]


# Columns that say what was missing, names, containers of the output


@pytest.mark.parametrize("library", ["default", "pandas", "polars"])
def test__add_indicator__any_output__says_where_cells_were_missing(container, library):
    X = container(mixed_cells())
    imputer = make(add_indicator=True).set_output(transform=library)
    got = imputer.fit_transform(X)
    names = imputer.get_feature_names_out()
    columns = columns_of(got)
    missing = [[c is None for c in cells] for cells in columns_of(X)]
    assert columns[5:] == [missing[i] for i in (0, 2, 4)]
    before = ["x0", "x2", "x4"] if container is to_array else ["size", "colour", "paid"]
    assert names[5:].tolist() == [f"missingindicator_{name}" for name in before]
    if library != "default":
        assert type(got).__module__.startswith(library)
        assert list(got.columns) == names.tolist()
    elif hasattr(X, "columns"):
        assert type(got) is type(X)
        assert list(got.columns) == names.tolist()


def test__add_indicator__columns_without_gaps_in_fit__have_none():
    imputer = make(add_indicator=True).fit(NUMBERS)
    gap = NUMBERS.assign(more=np.nan)
    names = ["size", "count", "more", "missingindicator_size"]
    assert list(imputer.transform(gap).columns) == names
    assert imputer.get_feature_names_out().tolist() == names


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__draw__set_output__is_as_transform_is(library):
    X = NUMBERS.to_numpy()
    imputer = make(add_indicator=True).set_output(transform=library).fit(X)
    expected = imputer.transform(X)
    for table in imputer.draw(X):
        assert type(table) is type(expected)
        assert list(table.columns) == list(expected.columns)


def test__get_feature_names_out__array_after_a_frame__forgets_its_names():
    imputer = make().fit(FRAME).fit(NUMBERS.to_numpy())
    assert not hasattr(imputer, "feature_names_in_")
    assert imputer.get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    given = imputer.get_feature_names_out(["a", "b", "c"])
    assert given.tolist() == ["a", "b", "c"]


# In the machinery of scikit-learn


def test__pipeline__before_a_classifier__can_be_searched():
    X = FRAME[["size", "count"]].assign(paid=FRAME.paid.astype(float))
    search = GridSearchCV(
        make_pipeline(make(), StandardScaler(), LogisticRegression()),
        {"autoencoderimputer__autoencoder__n_components": [1, 2]},
        cv=2,
        error_score="raise",
    ).fit(X, FRAME.member)
    assert search.best_score_ > 0.7
    best = search.best_estimator_[0].autoencoder_.n_components_
    assert best == search.best_params_["autoencoderimputer__autoencoder__n_components"]


def test__column_transformer__some_columns__fills_those():
    columns = ["colour", "size"]
    both = ColumnTransformer(
        [("fill", make(), columns)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    got = both.fit_transform(FRAME)
    assert_only_filled(got[columns], FRAME[columns])
    rest = ["count", "member", "paid"]
    assert columns_of(got[rest]) == columns_of(FRAME[rest])


def test__pickle_and_clone__fitted__fill_and_fit_the_same(container):
    X = container(mixed_cells())
    imputer = make().fit(X)
    expected = columns_of(imputer.transform(X))
    assert columns_of(pickle.loads(pickle.dumps(imputer)).transform(X)) == expected
    assert columns_of(clone(imputer).fit(X).transform(X)) == expected


# Seeds, and what is left alone


def test__random_state__same_seed__gives_the_same_bits():
    one, same, other = (
        make(n_estimators=2, random_state=seed).fit(FRAME) for seed in (0, 0, 1)
    )
    assert columns_of(one.transform(FRAME)) == columns_of(same.transform(FRAME))
    assert_array_equal(one.trust_, same.trust_)
    for a, b in zip(one.draw(FRAME), same.draw(FRAME), strict=True):
        assert columns_of(a) == columns_of(b)
    assert columns_of(one.transform(FRAME)) != columns_of(other.transform(FRAME))
    first, second = (weights(ae) for ae in one.estimators_)
    assert (first != second).any()


def test__random_state__of_the_autoencoder__is_kept():
    autoencoder = AutoencoderTransformer(max_epochs=1, random_state=5)
    imputer = AutoencoderImputer(autoencoder, random_state=0).fit(FRAME)
    assert [ae.random_state for ae in imputer.estimators_] == [5, 5]


@pytest.mark.parametrize("seed", [None, 0])
def test__random_state__any__leaves_the_global_generators_alone(seed):
    def states():
        return random.getstate(), np.random.get_state()[1:3], torch.get_rng_state()

    def as_text():
        python, (keys, position), own = states()
        return str(python), keys.tolist(), position, own.tolist()

    before = as_text()
    imputer = make(random_state=seed).fit(FRAME)
    imputer.transform(FRAME)
    first, second = (columns_of(imputer.draw(FRAME)[0]) for _ in range(2))
    assert as_text() == before
    assert (first == second) == (seed is not None)


def test__fit__users_autoencoder__is_left_as_it_was():
    autoencoder = AutoencoderTransformer(2, max_epochs=1)
    before = dict(vars(autoencoder))
    imputer = AutoencoderImputer(autoencoder, random_state=0).fit(FRAME)
    assert vars(autoencoder) == before
    assert imputer.autoencoder is autoencoder
    assert len(imputer.estimators_) == 2
    assert imputer.autoencoder_ is imputer.estimators_[0]


def test__fit__autoencoder_with_noise__keeps_it():
    noise = SwapNoise(rate=0.2)
    autoencoder = AutoencoderTransformer(2, max_epochs=1, noise=noise)
    imputer = AutoencoderImputer(autoencoder, n_estimators=1).fit(FRAME)
    assert type(imputer.autoencoder_.noise) is SwapNoise
    assert imputer.autoencoder_.noise.rate == 0.2
    assert_only_filled(imputer.transform(FRAME), FRAME)
    hiding = make().fit(FRAME).autoencoder_
    assert isinstance(hiding.noise, HidingNoise)


@pytest.mark.parametrize("frame", [FRAME, NUMBERS], ids=["mixed", "numbers"])
def test__fit__frozen_autoencoder__is_used_as_it_is(frame):
    ae = AutoencoderTransformer(2, max_epochs=5, random_state=0).fit(frame)
    before, codes = weights(ae), ae.transform(frame)
    imputer = AutoencoderImputer(FrozenEstimator(ae), n_estimators=3).fit(frame)
    assert_only_filled(imputer.transform(frame), frame)
    assert all(len({*columns}) > 0 for columns in columns_of(imputer.draw(frame)[0]))
    assert imputer.estimators_ == [ae]
    assert_array_equal(weights(ae), before)
    assert_array_equal(ae.transform(frame), codes)
    assert not ae.module_.training


@pytest.mark.filterwarnings("ignore:Columns .* have no observed cell")
def test__fit__frozen_autoencoder_that_knows_other_columns__fills_those_it_knows():
    empty = FRAME.assign(size=np.nan)
    ae = AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(empty)
    imputer = AutoencoderImputer(FrozenEstimator(ae)).fit(FRAME)
    assert_only_filled(imputer.transform(FRAME), FRAME.drop(columns="size"))
    assert ((imputer.trust_ >= 0) & (imputer.trust_ <= 1)).all()
    ae.fit(FRAME)
    imputer = AutoencoderImputer(FrozenEstimator(ae)).fit(empty)
    assert_only_filled(imputer.transform(empty), empty)


def test__fit__frozen_autoencoder_that_cannot_be_used__says_why():
    unfitted = AutoencoderImputer(FrozenEstimator(AutoencoderTransformer()))
    with pytest.raises(NotFittedError, match="AutoencoderTransformer"):
        unfitted.fit(FRAME)
    wrong = AutoencoderImputer(FrozenEstimator(StandardScaler().fit(NUMBERS)))
    with pytest.raises(TypeError, match=r"must hold an Auto.* Got StandardScaler"):
        wrong.fit(FRAME)
    ae = AutoencoderTransformer(2, max_epochs=1).fit(FRAME)
    with pytest.raises(ValueError, match="feature names should match"):
        AutoencoderImputer(FrozenEstimator(ae)).fit(NUMBERS)


def test__max_iter__trained_to_fill_or_frozen__decides_the_passes():
    assert make().fit(NUMBERS).n_iter_ == 1
    assert make(max_iter=4).fit(NUMBERS).n_iter_ == 4
    frozen = FrozenEstimator(AutoencoderTransformer(2, max_epochs=1).fit(NUMBERS))
    assert AutoencoderImputer(frozen).fit(NUMBERS).n_iter_ == 10
    assert AutoencoderImputer(frozen, max_iter=2).fit(NUMBERS).n_iter_ == 2
    hiding = FrozenEstimator(make().fit(NUMBERS).autoencoder_)
    assert AutoencoderImputer(hiding).fit(NUMBERS).n_iter_ == 1


# Errors


@pytest.mark.parametrize("make_sparse", [sparse.csr_array, sparse.csc_matrix])
def test__fit__sparse__says_to_make_it_dense(make_sparse):
    X = make_sparse(np.eye(6))
    with pytest.raises(TypeError, match=r"Sparse data .* Use '\.toarray\(\)'"):
        make().fit(X)
    with pytest.raises(TypeError, match=r"Sparse data .* Use '\.toarray\(\)'"):
        make().fit(np.eye(6)).transform(X)


UNUSABLE = {
    "dates": (pd.date_range("2020", periods=90), "'bad' .* hold dates or times"),
    "names": ([f"name {i}" for i in range(90)], "'bad' holds 90 different values"),
    "infinite": ([np.inf] * 90, "contains infinity"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test__fit__column_that_cannot_be_used__leaves_the_earlier_fit(case):
    cells, message = UNUSABLE[case]
    imputer = make().fit(FRAME)
    before, expected = dict(vars(imputer)), columns_of(imputer.transform(FRAME))
    X = NUMBERS.assign(member=FRAME.member, bad=np.asarray(cells))
    with pytest.raises(ValueError, match=message):
        imputer.fit(X)
    assert vars(imputer).keys() == before.keys()
    assert all(vars(imputer)[name] is value for name, value in before.items())
    assert columns_of(imputer.transform(FRAME)) == expected


def test__fit__no_observed_cell__is_an_error():
    with (
        pytest.raises(ValueError, match="no observed cell"),
        pytest.warns(UserWarning, match="no observed cell"),
    ):
        make().fit(np.full((9, 2), np.nan))


@pytest.mark.parametrize("method", ["transform", "draw"])
def test__not_fitted__any_method__says_so(method):
    with pytest.raises(NotFittedError):
        getattr(make(), method)(FRAME)
    with pytest.raises(NotFittedError):
        make().get_feature_names_out()


# How well


def delete(X, rate, seed=0):
    """Return X with this share of its observed cells missing, and where they were."""
    gone = np.random.default_rng(seed).random(X.shape) < rate
    gone &= ~missing_cells(X)
    return (X.mask(gone) if hasattr(X, "mask") else np.where(gone, np.nan, X)), gone


def rmse(filled, X, gone):
    scale = X.std(axis=0)
    return np.sqrt(np.mean((((filled - X) / scale)[gone]) ** 2))


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test__transform__numbers_of_scikit_learn__is_closer_than_the_mean(load):
    X = load().data
    with_gaps, gone = delete(X, 0.3)
    imputer = make(max_epochs=20).fit(with_gaps)
    simple = SimpleImputer().fit_transform(with_gaps)
    assert rmse(imputer.transform(with_gaps), X, gone) < 0.85 * rmse(simple, X, gone)


@pytest.mark.parametrize("name", ["german_credit", "auto_imports", "adult"])
def test__transform__numbers_and_categories__is_closer_than_the_simplest(name):
    X = read_mixed(name)[:1000]
    X = X.drop(columns="split", errors="ignore")
    with_gaps, gone = delete(X, 0.3)
    got = make(max_epochs=20).fit(with_gaps).transform(with_gaps)
    numeric = X.select_dtypes("number").columns
    here = X.columns.isin(numeric)
    mean = with_gaps[numeric].fillna(with_gaps[numeric].mean())
    errors = [rmse(table[numeric], X[numeric], gone[:, here]) for table in (got, mean)]
    assert errors[0] < errors[1]
    text = X.columns[~here]
    mode = with_gaps[text].fillna(with_gaps[text].mode().iloc[0])
    right = [
        (table[text] == X[text]).to_numpy()[gone[:, ~here]] for table in (got, mode)
    ]
    assert right[0].mean() > right[1].mean()


def test__transform__curved_dependence__is_better_than_a_linear_model():
    """Points on a parabola: no linear model knows anything about the other column."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 1000)
    X = np.c_[x, x**2, x**2 + rng.normal(scale=0.1, size=1000)]
    with_gaps = X.copy()
    with_gaps[:300, 1:] = np.nan
    got = make(max_epochs=60).fit(with_gaps).transform(with_gaps)
    left = np.mean((got - X)[:300, 1] ** 2) / X[:, 1].var()
    assert left < 0.5


def test__trust__function_of_another_column__is_near_1():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    sign = np.where(x > 0, "up", "down")
    X = pd.DataFrame({"x": x, "double": 2 * x + 1, "sign": sign})
    assert make(max_epochs=5).fit(X).trust_.min() > 0.8


def test__trust__wrong_predictions_of_noise__is_near_0():
    """The autoencoder was trained on columns that depend on one another."""
    x = np.random.default_rng(0).normal(size=(2000, 1))
    ae = AutoencoderTransformer(1, max_epochs=3, random_state=0).fit(x @ [[1, 1, 1]])
    noise = np.random.default_rng(1).normal(size=(2000, 3))
    imputer = AutoencoderImputer(FrozenEstimator(ae), random_state=0).fit(noise)
    assert imputer.trust_.max() < 0.2


def test__trust__cells_taken_out_with_the_same_seed__is_learnt_from_others():
    """The same random numbers would hide no cell but those that are missing already."""
    X, _ = correlated()
    spreads = [
        np.std([table - X for table in make(max_epochs=2).fit(gaps).draw(gaps)])
        for gaps in (delete(X, 0.2, seed=0)[0], delete(X, 0.2, seed=1)[0])
    ]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)


def test__transform__columns_of_noise__get_mean_and_most_frequent_category():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=2000),
            "b": rng.normal(size=2000),
            "coin": rng.choice(["x", "y"], 2000, p=[0.7, 0.3]),
        }
    )
    with_gaps, gone = delete(X, 0.2)
    got = make(max_epochs=10).fit(with_gaps).transform(with_gaps)
    assert got.a[gone[:, 0]].std() < 0.15
    assert (got.coin[gone[:, 2]] == "x").mean() > 0.97


# Draws


def correlated(n_rows=3000, rho=0.8):
    """Return normal rows of three columns that depend on a common one."""
    rng = np.random.default_rng(0)
    covariance = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
    return rng.multivariate_normal(np.zeros(3), covariance, n_rows), covariance


def test__draw__any_container__fills_missing_cells_at_random(container):
    X = container(mixed_cells())
    tables = make(n_draws=4).fit(X).draw(X)
    assert len(tables) == 4
    for table in tables:
        assert_only_filled(table, X)
    sizes = {tuple(columns_of(table)[0]) for table in tables}
    assert len(sizes) == 4


def test__draw__normal_rows__has_the_spread_of_what_is_not_known():
    """Given the two other columns, the variance of one is known."""
    X, covariance = correlated()
    with_gaps = X.copy()
    gone = np.arange(0, 3000, 3)
    with_gaps[gone, 0] = np.nan
    imputer = make(max_epochs=5, n_draws=20).fit(with_gaps)
    drawn = np.stack([table[gone, 0] for table in imputer.draw(with_gaps)])
    weight = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    expected = covariance[0, 0] - weight @ covariance[1:, 0]
    assert 0.75 < drawn.var(axis=0).mean() / expected < 1.5
    mean = X[gone, 1:] @ weight
    assert np.mean((drawn.mean(axis=0) - mean) ** 2) < 0.3 * expected


def test__draw__normal_rows__keeps_variance_and_correlation_better_than_transform():
    X, _ = correlated()
    with_gaps, _ = delete(X, 0.2)
    imputer = make(max_epochs=5).fit(with_gaps)
    drawn = imputer.draw(with_gaps)
    for moments in (np.cov, np.corrcoef):
        truth, filled = moments(X.T), moments(imputer.transform(with_gaps).T)
        mean = np.mean([moments(table.T) for table in drawn], axis=0)
        assert np.abs(mean - truth).max() < np.abs(filled - truth).max()
    variances = np.mean([table.var(axis=0) for table in drawn], axis=0)
    assert_allclose(variances, X.var(axis=0), rtol=0.1)


def test__draw__categories__come_with_their_frequencies():
    """Half of what `a` says about `b` is noise: 0.9 and 0.3 of yes."""
    rng = np.random.default_rng(0)
    a = rng.choice(["u", "v"], 4000)
    b = np.where(rng.random(4000) < np.where(a == "u", 0.9, 0.3), "yes", "no")
    X = pd.DataFrame({"a": a, "b": b})
    X.loc[::4, "b"] = None
    imputer = make(max_epochs=10).fit(X)
    gone = X.b.isna()
    shares = [
        (table.b[gone] == "yes").groupby(X.a[gone]).mean() for table in imputer.draw(X)
    ]
    assert_allclose(np.mean(shares, axis=0), [0.9, 0.3], atol=0.08)


class WithDropout(nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_features, n_components))
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(n_components)
        self.out = nn.Linear(n_components, n_features)
        self.active = []

    def decode(self, Z):
        self.active.append((self.dropout.training, self.norm.training))
        return self.out(self.dropout(self.norm(Z)))


def test__draw__dropout__is_active_in_draws_alone():
    architecture = TorchModule(WithDropout)
    autoencoder = AutoencoderTransformer(4, architecture=architecture, max_epochs=3)
    imputer = make(autoencoder=autoencoder).fit(NUMBERS)
    network = imputer.autoencoder_.module_.network
    network.active.clear()
    imputer.draw(NUMBERS)
    assert {*network.active} == {(True, False)}
    assert not any(module.training for module in network.modules())
    network.active.clear()
    got = imputer.transform(NUMBERS)
    assert {*network.active} == {(False, False)}
    assert columns_of(got) == columns_of(imputer.transform(NUMBERS))


def test__draw__failing_network__leaves_dropout_off():
    architecture = TorchModule(WithDropout)
    autoencoder = AutoencoderTransformer(4, architecture=architecture, max_epochs=1)
    imputer = make(autoencoder=autoencoder).fit(NUMBERS)
    network = imputer.autoencoder_.module_.network
    network.active = None
    with pytest.raises(AttributeError):
        imputer.draw(NUMBERS)
    assert not any(module.training for module in network.modules())


# The parts


def linear_data(n_rows=8000):
    """Return centred rows that two scores explain, but for noise, and a covariance."""
    rng = np.random.default_rng(0)
    loadings, noise = rng.normal(size=(6, 2)), 0.3
    scores = rng.normal(size=(n_rows, 2))
    X = scores @ loadings.T + noise * rng.normal(size=(n_rows, 6))
    covariance = loadings @ loadings.T + noise**2 * np.eye(6)
    scale = np.sqrt(np.diag(covariance))
    return X / scale, covariance / np.outer(scale, scale)


def conditional_means(X, covariance):
    """Return X, each missing cell the expectation given the others of its row."""
    X = X.copy()
    for row in X:
        gone = np.isnan(row)
        known = covariance[np.ix_(~gone, ~gone)]
        row[gone] = covariance[np.ix_(gone, ~gone)] @ np.linalg.solve(known, row[~gone])
    return X


def test__linear_fill__normal_rows__fills_the_conditional_expectation():
    X, covariance = linear_data()
    with_gaps, gone = delete(X, 0.3)
    fill = LinearFill(torch.from_numpy(with_gaps).float())
    got = fill(torch.from_numpy(with_gaps).float()).numpy()
    expected = conditional_means(with_gaps, covariance)
    assert_array_equal(got[~gone], with_gaps.astype(np.float32)[~gone])
    off = np.sqrt(np.mean((got - expected)[gone] ** 2))
    best = np.sqrt(np.mean((expected - X)[gone] ** 2))
    assert off < 0.2 * best


def test__linear_fill__rows_of_weight_0__say_nothing():
    X, _ = linear_data(2000)
    X, _ = (torch.from_numpy(cells) for cells in delete(X, 0.2))
    X = X.float()
    nonsense = 5 * torch.randn(1000, 6, generator=torch.Generator().manual_seed(0))
    weight = torch.cat([torch.ones(2000), torch.zeros(1000)])
    expected = LinearFill(X)(X)
    got = LinearFill(torch.cat([X, nonsense]), weight)(X)
    spoilt = LinearFill(torch.cat([X, nonsense]))(X)
    off = (got - expected).abs().max()
    assert off < 0.05
    assert off < 0.1 * (spoilt - expected).abs().max()


def test__linear_fill__row_without_observed_cells__gets_the_means():
    X, _ = linear_data(500)
    fill = LinearFill(torch.from_numpy(X).float())
    means = torch.from_numpy(X).float().mean(dim=0)
    got = fill(torch.full((2, 6), torch.nan))
    assert_allclose(got, means.expand(2, -1), atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (3, 8), (50, 1)])
def test__linear_fill__few_rows_or_columns__stays_finite(shape):
    X = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    X[0, -1] = torch.nan
    assert torch.isfinite(LinearFill(X)(X)).all()


def test__hiding_noise__blocks__hides_whole_cells_and_up_to_the_rate_of_a_row():
    blocks = torch.tensor([0, 1, 1, 2, 2, 2] + [3 + i for i in range(37)])
    X = torch.randn(4000, len(blocks))
    torch.manual_seed(0)
    noisy = HidingNoise(rate=0.6)(X, blocks)
    hidden = torch.isnan(noisy)
    first = torch.tensor([0, 1, 3, *range(6, 43)])
    assert torch.equal(hidden, hidden[:, first][:, blocks])
    assert torch.equal(noisy[~hidden], X[~hidden])
    share = hidden[:, first].double().mean(dim=1)
    # The mean of a uniform share of up to 0.6; some rows keep nearly all their cells.
    assert share.mean().item() == pytest.approx(0.3, abs=0.02)
    assert (share < 0.1).double().mean().item() == pytest.approx(1 / 6, abs=0.05)
    assert hidden[:, first].double().mean(dim=0).sub(0.3).abs().max() < 0.05


def test__hiding_noise__without_blocks__hides_cells():
    X = torch.ones(2000, 20)
    noisy = HidingNoise(rate=0.2)(X)
    assert torch.isnan(noisy).double().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(HidingNoise(rate=0.0)(X), X)
    assert (X == 1).all()


# Cells that are missing for a reason


def _noisy_copies(n_rows=4000):
    """Return a column and two noisy copies of it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n_rows)
    return x[:, None] + rng.normal(size=(n_rows, 3)) * [0.0, 0.5, 0.5]


def test__linear_fill__cells_missing_where_another_column_is_large__has_no_bias():
    """The mean of the observed cells is far from that of all then."""
    X = _noisy_copies()
    gone = X[:, 0] > 0
    holed = X.copy()
    holed[gone, 1] = np.nan
    rows = torch.from_numpy(holed).float()
    filled = LinearFill(rows)(rows).numpy()[gone, 1]
    assert abs(filled.mean() - X[gone, 1].mean()) < 0.1


def test__transform__cells_missing_depending_on_another_column__hardly_biased():
    X = _noisy_copies()
    rng = np.random.default_rng(1)
    gone = rng.random(len(X)) < 1 / (1 + np.exp(-2 * X[:, 0]))
    holed = X.copy()
    holed[gone, 1] = np.nan
    filled = AutoencoderImputer(random_state=0).fit_transform(holed)[gone, 1]
    truth = X[gone, 1].mean()
    assert abs(filled.mean() - truth) < 0.1 < truth - np.nanmean(holed[:, 1])


def test__draw__cells_missing_together__depend_on_one_another():
    X = _noisy_copies(2000)
    X[:, 1] = X[:, 0] + 0.2 * (X[:, 1] - X[:, 0])
    rng = np.random.default_rng(1)
    X[rng.random(len(X)) < 0.2, 1] = np.nan
    together = rng.random(len(X)) < 0.3
    X[together, :2] = np.nan
    imputer = AutoencoderImputer(random_state=0, n_estimators=1, n_draws=1).fit(X)
    (drawn,) = imputer.draw(X)
    # That of all rows is 0.995.
    assert np.corrcoef(drawn[together, :2].T)[0, 1] > 0.95


@pytest.mark.parametrize(
    "noise", [None, GaussianNoise(), HidingNoise(), MaskingNoise(), SwapNoise()]
)
def test__fit__complete_table__trains_with_any_noise(noise):
    """The cells that the imputer hides are then the first that are missing."""
    X = _noisy_copies(100)
    autoencoder = AutoencoderTransformer(2, noise=noise, max_epochs=3)
    holed = X.copy()
    holed[0, 0] = np.nan
    assert np.isfinite(AutoencoderImputer(autoencoder).fit(X).transform(holed)).all()


@pytest.mark.parametrize(
    "params",
    [
        {"categorical_features": "size"},
        {"max_categories": 1},
        {"lr": -1.0},
        {"noise": "swap"},
        {"scaling": "standrad"},
    ],
)
def test__fit__wrong_parameter_of_the_autoencoder__is_named(params):
    (name,) = params
    with pytest.raises(ValueError, match=f"The '{name}' parameter of Auto"):
        AutoencoderImputer(AutoencoderTransformer(**params)).fit(FRAME)


def test__fit__frozen_autoencoder_and_a_category_it_does_not_know__fills_the_rest():
    X = pd.DataFrame({"c": ["x", "y", "z"] * 20, "a": np.arange(60.0)})
    frozen = FrozenEstimator(AutoencoderTransformer(2, max_epochs=2).fit(X))
    X.loc[::2, "c"] = "new"
    X.loc[3, "c"] = None
    imputer = AutoencoderImputer(frozen, random_state=0).fit(X)
    assert np.isfinite(imputer.trust_).all()
    assert imputer.transform(X).loc[3, "c"] in ("x", "y", "z")
    assert_array_equal(imputer.transform(X)["c"][::2], "new")


@pytest.mark.parametrize("cells", ["text", "1 and 2"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__transform__column_of_text_without_any_cell__gets_text(library, cells):
    """A file of a few rows reads it as a column of numbers."""
    levels = ["a", "b"] if cells == "text" else ["1", "2"]
    frame = pd.DataFrame if library == "pandas" else pl.DataFrame
    imputer = make().fit(frame({"make": levels * 30, "size": np.arange(60.0)}))
    empty = [np.nan] * 2 if library == "pandas" else [None] * 2
    got = imputer.transform(frame({"make": empty, "size": [1.0, 2.0]}))
    assert set(got["make"].to_list()) <= set(levels)


def test__transform__ordered_categories_of_fewer_levels__keep_their_order():
    levels = ["S", "M", "L"]
    sizes = pd.Categorical(levels * 20, levels, ordered=True)
    imputer = make().fit(pd.DataFrame({"size": sizes, "width": [1.0, 2.0, 3.0] * 20}))
    fewer = pd.Categorical(["S", None, "L"], ["S", "L"], ordered=True)
    X = pd.DataFrame({"size": fewer, "width": [1.0, 2.0, 3.0]})
    assert imputer.transform(X)["size"].max() == "L"


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test__add_indicator__name_that_is_taken__is_refused(frame):
    X = frame({"a": [1.0, None] * 20, "missingindicator_a": [1.0, 2.0] * 20})
    with pytest.raises(ValueError, match=r"\['missingindicator_a'\].* Rename"):
        make(add_indicator=True).fit_transform(X)


def test__fit__thousands_of_categories__are_no_error():
    """The covariance of as many indicators is hard to decompose in single precision."""
    codes = np.random.default_rng(0).integers(2000, size=8000)
    X = pd.DataFrame({"code": codes.astype(str), "size": np.arange(8000.0)})
    X.loc[::9, "code"] = None
    autoencoder = AutoencoderTransformer(2, max_categories=None, max_epochs=1)
    imputer = AutoencoderImputer(autoencoder, n_estimators=1).fit(X)
    assert imputer.transform(X[:20])["code"].notna().all()
