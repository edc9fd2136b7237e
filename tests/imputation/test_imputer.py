"""The imputer as an estimator: categories, names, seeds, errors."""

import pickle
import random

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae.noise import HidingNoise, SwapNoise
from tests.helpers import COLOURS, CONTAINERS, columns_of, mixed_cells, to_array
from tests.imputation.helpers import FRAME, NUMBERS, assert_only_filled, make, weights

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


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__output_library__set_globally__gets_the_dtypes_of_set_output(
    container, library
):
    X = container(mixed_cells())
    imputer = make().fit(X)
    with sklearn.config_context(transform_output=library):
        globally = [imputer.transform(X), *imputer.draw(X)]
    imputer.set_output(transform=library)
    for got, expected in zip(
        globally, [imputer.transform(X), *imputer.draw(X)], strict=True
    ):
        assert type(got) is type(expected)
        assert list(got.dtypes) == list(expected.dtypes)


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
    assert_array_equal(one.shrinkage_, same.shrinkage_)
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
    assert ((imputer.shrinkage_ >= 0) & (imputer.shrinkage_ <= 1)).all()
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


@pytest.mark.parametrize("table", [NUMBERS, FRAME], ids=["numbers", "mixed"])
@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("n_rows", [1, 90])
def test__any_method__infinite_cell__is_refused(table, as_array, n_rows):
    """Also in a row without missing cells, which no network sees."""
    X = table[1:].astype({"count": float})
    unusable = X.copy()
    unusable.iloc[0, 1] = np.inf
    assert not unusable.iloc[0].isna().any()
    if as_array:
        X, unusable = X.to_numpy(), unusable.to_numpy()
    frozen = FrozenEstimator(AutoencoderTransformer(2, max_epochs=1).fit(X))
    imputer = make().fit(X)
    other = make(autoencoder=frozen)
    for method in (imputer.transform, imputer.draw, imputer.fit, other.fit):
        with pytest.raises(ValueError, match="contains infinity"):
            method(unusable[:n_rows])


@pytest.mark.filterwarnings("error")
def test__fit__no_observed_cell__is_an_error():
    with pytest.raises(ValueError, match="AutoencoderImputer needs at least one"):
        make().fit(np.full((9, 2), np.nan))


@pytest.mark.parametrize("method", ["transform", "draw"])
def test__not_fitted__any_method__says_so(method):
    with pytest.raises(NotFittedError):
        getattr(make(), method)(FRAME)
    with pytest.raises(NotFittedError):
        make().get_feature_names_out()


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
    assert np.isfinite(imputer.shrinkage_).all()
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


@pytest.mark.slow
def test__fit__thousands_of_categories__are_no_error():
    """The covariance of as many indicators is hard to decompose in single precision."""
    codes = np.random.default_rng(0).integers(2000, size=8000)
    X = pd.DataFrame({"code": codes.astype(str), "size": np.arange(8000.0)})
    X.loc[::9, "code"] = None
    autoencoder = AutoencoderTransformer(2, max_categories=None, max_epochs=1)
    imputer = AutoencoderImputer(autoencoder, n_estimators=1).fit(X)
    assert imputer.transform(X[:20])["code"].notna().all()
