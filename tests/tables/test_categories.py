"""Categories: which columns hold them, which are known, and how they come back."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.autoencoder import OneHot
from sklearn_ae._modules.losses import (
    MixedReconstructionLoss,
    NumericReconstructionLoss,
)
from sklearn_ae._tables.layout import Layout
from tests.helpers import (
    COLOURS,
    assert_known_values,
    assert_same_form,
    columns_of,
    mixed_cells,
    to_array,
    to_pandas,
)


def make(n_components=3, **params):
    defaults = {"n_components": n_components, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


FRAME = to_pandas(mixed_cells())


@pytest.fixture(scope="module")
def reference():
    return make().fit(to_array(mixed_cells()))


CATEGORICAL_COLUMNS = {
    "unseen and ordered": pd.Categorical(
        ["low", None, "high"] * 20, ["none", "low", "mid", "high"], ordered=True
    ),
    "integers": pd.Categorical([3, 1, None] * 20),
    "floats": pd.Categorical([0.5, np.nan, 1.5] * 20),
    "booleans": pd.Categorical([True, False, None] * 20),
    "dates": pd.Categorical(pd.to_datetime(["2020-01-01", "2021-01-01"] * 30)),
    "intervals": pd.cut(np.arange(60) % 7, 3),
    "labels of intervals": pd.cut(np.arange(60) % 7, 2, labels=["low", "high"]),
}


@pytest.mark.parametrize("case", CATEGORICAL_COLUMNS)
def test__reconstruct__categorical_dtype__comes_back_with_all_categories(case):
    column = CATEGORICAL_COLUMNS[case]
    X = pd.DataFrame({"size": np.arange(60.0), "level": column})
    ae = make().fit(X)
    assert_array_equal(ae.is_categorical_, [False, True])
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, [False, True])


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "int16[pyarrow]"])
def test__reconstruct__numbers_named_as_categories__keep_their_dtype(dtype):
    X = pd.DataFrame({"size": np.arange(60.0), "code": [4, 7, 9] * 20})
    X = X.astype({"code": dtype})
    ae = make(categorical_features=["code"]).fit(X)
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, [False, True])


@pytest.mark.parametrize("dtype", [pl.UInt8, pl.Int64, pl.Float32, pl.Decimal(9, 2)])
def test__reconstruct__polars_numbers_with_gaps_as_categories__keep_their_dtype(dtype):
    X = pl.DataFrame({"code": [4, None, 9] * 20, "size": np.arange(60.0)})
    X = X.cast({"code": dtype})
    ae = make(categorical_features=["code"]).fit(X)
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, [True, False])


@pytest.mark.parametrize("levels", [["1", "2"], ["1e3", "nan"], ["", " "]])
def test__reconstruct__text_that_reads_as_numbers__stays_text(levels):
    X = np.array([[levels[0], 1.5], [levels[1], 2.5]] * 20, dtype=object)
    got = make(max_epochs=20).fit(X).reconstruct(X)
    assert_array_equal(got[:, 0], X[:, 0])


@pytest.mark.skipif(
    not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no such strings"
)
def test__fit__strings_of_numpy_of_any_length__are_text():
    X = to_array({"a": ["x", "y"] * 30, "b": ["u", "v", "w"] * 20})
    ae = make().fit(X.astype(np.dtypes.StringDType()))
    assert_array_equal(weights(ae), weights(make().fit(X)))


# Missing cells and unknown categories


def with_colours(colours, n_rows=90):
    return {**mixed_cells(n_rows), "colour": list(colours)}


@pytest.mark.parametrize("mark", [np.nan, pd.NA, None, float("nan")])
def test__fit__any_mark_of_a_missing_category__means_the_same(mark, reference):
    X = to_array(mixed_cells())
    X[X == None] = mark  # noqa: E711
    ae = make().fit(X)
    assert_array_equal(weights(ae), weights(reference))
    assert_array_equal(ae.score_samples(X), reference.score_samples(X))


@pytest.mark.parametrize("method", ["transform", "score_samples"])
def test__inference__unknown_category_beside_infrequent_ones__is_one_of_them(
    container, method
):
    colours = ["red"] * 40 + ["green"] * 30 + ["blue"] * 12 + ["grey"] * 8
    ae = make(max_categories=3).fit(container(with_colours(colours)))
    got = [
        getattr(ae, method)(container(with_colours([colour] * 90)))
        for colour in ("violet", "blue", "grey", "green")
    ]
    assert_array_equal(got[0], got[1])
    assert_array_equal(got[0], got[2])
    assert (got[0] != got[3]).any()


OTHER_TYPE = {
    "text, then numbers": (list("123"), [1, 2, 3], "categories of text .* numbers"),
    "numbers, then text": ([1, 2, 3], list("123"), "categories of numbers .* text"),
    "booleans, then text": ([True, False], ["True", "False"], "numbers .* 'True'"),
    "text, then floats": (list("123"), [1.0, 2.0, np.nan], "text .* 1.0"),
}


@pytest.mark.parametrize("case", OTHER_TYPE)
@pytest.mark.parametrize(
    "to_column",
    [
        pd.Categorical,
        lambda cells: pl.Series(cells),
        lambda cells: np.array(cells, dtype=object),
    ],
    ids=["category", "polars", "object"],
)
@pytest.mark.parametrize("method", ["transform", "partial_fit"])
def test__inference__categories_that_only_look_alike__are_refused(
    case, to_column, method
):
    """All of them would be unknown, without a word."""
    fitted, given, message = OTHER_TYPE[case]
    n_rows = 30

    def with_column(cells):
        column = to_column((cells * n_rows)[:n_rows])
        to_frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
        return to_frame({"size": np.arange(n_rows), "grade": column})

    ae = make(categorical_features=["grade"], max_epochs=1).fit(with_column(fitted))
    with pytest.raises(ValueError, match=f"Column 'grade' held .*{message}"):
        getattr(ae, method)(with_column(given))


OF_EACH_KIND = {
    "text": list("123"),
    "numbers": [1, 2, 3],
    "dates with times": pd.date_range("2020", periods=3),
    "type Period": pd.period_range("2020", periods=3, freq="D"),
    "type Timedelta": pd.to_timedelta([1, 2, 3], "D"),
    "type Interval": pd.interval_range(0, 3),
    "type bytes": [b"1", b"2", b"3"],
    "type tuple": [(1, 2), (2, 3), (3, 4)],
}


# scikit-learn's encoder takes no tuples.
@pytest.mark.parametrize("fitted", sorted(OF_EACH_KIND.keys() - {"type tuple"}))
def test__inference__values_of_another_kind_than_the_categories__are_refused(fitted):
    """They could never be known: all of them would be unknown, without a word."""
    frames = {
        kind: FRAME[["size"]].assign(
            grade=pd.Index(cells, tupleize_cols=False).repeat(30)
        )
        for kind, cells in OF_EACH_KIND.items()
    }
    X = frames.pop(fitted)
    ae = make(max_epochs=1).fit(X.astype({"grade": "category"}))
    assert_array_equal(ae.transform(X), ae.transform(X.astype({"grade": "category"})))
    for given, chunk in frames.items():
        with pytest.raises(ValueError, match=f"'grade' held .* {fitted} .* {given}, "):
            ae.transform(chunk)


@pytest.mark.parametrize("unit", ["D", "us", "ns"])
@pytest.mark.parametrize(
    "table",
    [
        lambda cells: cells[:, None],
        lambda cells: pl.DataFrame(cells.astype("M8[ns]")[:, None], ["grade"]),
        lambda cells: pa.table({"grade": cells}),
    ],
    ids=["array", "polars", "pyarrow"],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test__inference__dates_of_any_unit_where_text_was__are_named_as_such(table, unit):
    ae = make(1, max_epochs=1).fit(pd.DataFrame({"grade": list("123") * 20}))
    with pytest.raises(ValueError, match=r"Got (dates with times|type date), .*1970"):
        ae.transform(table(np.arange(3).astype(f"M8[{unit}]")))


def test__fit__column_without_values__comes_back_missing(container):
    cells = {**mixed_cells(), "nothing": [None] * 90}
    X = container(cells)
    ae = make().fit(X)
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, ae.is_categorical_.tolist())
    assert np.isfinite(ae.score_samples(X)).all()


@pytest.mark.parametrize(
    "empty",
    [
        pd.Series([None] * 60, dtype="string"),
        pd.Series([None] * 60, dtype="boolean"),
        pd.Series([None] * 60, dtype=pd.CategoricalDtype(["a", "b"])),
        pl.Series([None] * 60, dtype=pl.String),
        pl.Series([None] * 60, dtype=pl.Boolean),
        pl.Series([None] * 60, dtype=pl.Enum(["a", "b"])),
    ],
    ids=lambda series: f"{type(series).__module__.split('.')[0]} {series.dtype}",
)
def test__fit__categorical_column_without_values__comes_back_missing(empty):
    frame = pd.DataFrame if isinstance(empty, pd.Series) else pl.DataFrame
    X = frame({"size": np.arange(60.0), "level": empty})
    ae = make().fit(X)
    assert_array_equal(ae.is_categorical_, [False, True])
    assert_same_form(ae.reconstruct(X), X)
    assert columns_of(ae.reconstruct(X))[1] == [None] * 60
    with pytest.raises(ValueError, match="no observed cell"):
        make().fit(X[["level"]])


@pytest.mark.parametrize(
    "names",
    [["colour"], ["member"], ["colour", "paid"], ["constant"], ["constant", "size"]],
)
def test__fit__few_or_only_categorical_columns__just_works(container, names):
    cells = {**mixed_cells(), "constant": ["same"] * 90}
    if container is not to_array and "colour" not in names:
        names = [*names, "colour"]  # the polars containers cast it
    X = container({name: cells[name] for name in names})
    ae = make(max_epochs=20).fit(X)
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.score_samples(X)).all()
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, ae.is_categorical_)


# Numbers of categories


def test__max_categories__infrequent_ones__are_restored_as_the_most_frequent_of_them():
    colours = ["a"] * 40 + ["b"] * 25 + ["c"] * 10 + ["d"] * 12 + ["e"] * 3
    X = pd.DataFrame({"colour": np.random.default_rng(0).permutation(colours)})
    ae = make(max_categories=3, max_epochs=50).fit(X)
    assert ae.module_.network.decoder[-1].out_features == 3
    expected = X.colour.replace({"c": "d", "e": "d"})
    assert ae.reconstruct(X).colour.tolist() == expected.tolist()


@pytest.mark.parametrize(("max_categories", "width"), [(4, 4), (5, 5), (None, 5)])
def test__max_categories__as_many_as_there_are__none_is_infrequent(
    max_categories, width
):
    X = pd.DataFrame({"colour": list("abcde") * 12 + ["a"] * 3})
    ae = make(max_categories=max_categories).fit(X)
    assert ae.module_.network.decoder[-1].out_features == width


MANY_LEVELS = """
import resource
import numpy as np, pandas as pd
from sklearn_ae import AutoencoderTransformer

def most_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

rng = np.random.default_rng(0)
levels = np.array([f"level {i}" for i in range(10_000)])
X = pd.DataFrame(
    {"size": rng.random(100_000), "level": rng.permutation(levels.repeat(10))}
)
ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_epochs=1, random_state=0)
ae.fit(X[:2000].assign(level="one"))
before = most_memory()
score = ae.fit(X).score(X)
print(ae.module_.network.encoder[0].in_features, most_memory() - before, score)
"""


@pytest.mark.slow
def test__fit__column_of_many_levels__has_a_narrow_network_and_little_memory():
    """One indicator for each level would fill 4 GB."""
    pytest.importorskip("resource", reason="the system does not tell its memory")
    command = [sys.executable, "-c", MANY_LEVELS]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    width, megabytes, score = map(float, result.stdout.split())
    assert width == 101
    assert megabytes < 400
    # A network that knows nothing scores -1: the levels do not outweigh the sizes.
    assert score > -1.05


@pytest.mark.parametrize("n_levels", [2, 3, 10, 100, 3_000])
def test__loss__network_that_knows_only_the_frequencies__is_one(n_levels):
    rng = np.random.default_rng(n_levels)
    codes = np.r_[np.arange(n_levels), rng.poisson(n_levels / 4, 9_000) % n_levels]
    share = np.bincount(codes) / len(codes)
    layout = Layout((share,))
    head = MixedReconstructionLoss(
        NumericReconstructionLoss("mse", nn.Identity()), layout
    )
    raw = torch.from_numpy(np.log(share)).float().expand(len(codes), -1)
    cells = head.loss_of_cells(raw, torch.from_numpy(codes).float()[:, None])
    assert cells.mean().item() == pytest.approx(1, rel=1e-3)
    indicators = OneHot(layout)(torch.from_numpy(codes).float()[:, None])
    assert indicators.mean(dim=0).abs().max() < 1e-3
    assert indicators.var(dim=0).sum().item() == pytest.approx(1, rel=1e-2)


def test__fit__few_rows_of_up_to_20_levels__are_categories():
    """Among so few, that none repeats may be chance; 21 different names are names."""
    X = pd.DataFrame({"size": range(20), "name": [f"name {i}" for i in range(20)]})
    assert make().fit(X).is_categorical_[1]
    X.loc[20] = [20, "name 20"]
    with pytest.raises(ValueError, match="'name' holds 21 different values in 21"):
        make().fit(X)


# Which columns


WAYS_TO_SAY_IT = {
    "names": ["member", "paid", "colour"],
    "index of names": pd.Index(["colour", "member", "paid"]),
    "indices": [2, 3, 4],
    "array of indices": np.array([4, 3, 2]),
    "mask": [False, False, True, True, True],
}


@pytest.mark.parametrize("way", WAYS_TO_SAY_IT)
def test__categorical_features__every_way_to_say_it__is_the_same(way, reference):
    ae = make(categorical_features=WAYS_TO_SAY_IT[way]).fit(FRAME)
    assert_array_equal(ae.is_categorical_, reference.is_categorical_)
    assert_array_equal(weights(ae), weights(reference))


def test__categorical_features__indices_into_an_array__are_as_a_category_dtype():
    X = np.c_[np.arange(90.0), np.arange(90) % 3, np.arange(90) % 2]
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).astype({"b": "category"})
    ae = make(categorical_features=[1]).fit(X)
    assert_array_equal(weights(ae), weights(make().fit(frame)))
    ae = make(n_components=8, categorical_features=[1], max_epochs=50)
    got = ae.fit(X).reconstruct(X)
    assert got.dtype == np.float64
    assert_array_equal(got[:, 1], X[:, 1])


def test__categorical_features__none__takes_booleans_for_numbers():
    X = FRAME[["size", "count", "member"]]
    ae = make(categorical_features=None).fit(X)
    assert not ae.is_categorical_.any()
    assert_array_equal(
        weights(ae), weights(make().fit(X.astype({"member": float}).to_numpy()))
    )
    assert_same_form(ae.reconstruct(X), X)


def test__categorical_features__some_columns__leaves_booleans_as_numbers():
    ae = make(categorical_features=["colour", "count"]).fit(FRAME)
    assert_array_equal(ae.is_categorical_, [False, True, True, False, False])
    assert_same_form(ae.reconstruct(FRAME), FRAME)


@pytest.mark.parametrize("left_out", [None, [], ["member"], [0]])
@pytest.mark.parametrize("dtype", [object, "category"])
def test__categorical_features__text_left_out__is_refused(left_out, dtype):
    message = r"'colour' \((object|str|category)\) hold text or categories that .* Name"
    X = FRAME.astype({"colour": dtype})
    with pytest.raises(ValueError, match=message):
        make(categorical_features=left_out).fit(X)


def test__categorical_features__unknown_name__suggests_the_nearest():
    with pytest.raises(ValueError, match=r"'color', which .*Did you mean 'colour'\?"):
        make(categorical_features=["color"]).fit(FRAME)


@pytest.mark.parametrize("cells", [["a", 1], [[1], [2]]], ids=["mixed", "lists"])
def test__fit__categories_that_cannot_be_compared__names_the_column(cells):
    X = FRAME.assign(colour=pd.Series(cells * 45, FRAME.index, dtype=object))
    with pytest.raises(TypeError, match=r"'colour' holds values that cannot be categ"):
        make(categorical_features=["colour", "member", "paid"]).fit(X)


def test__fit__sparse_with_categories__says_to_make_it_dense():
    X = sparse.csr_array(np.eye(6))
    with pytest.raises(TypeError, match=r"Sparse data .* Use '\.toarray\(\)'"):
        make(categorical_features=[0]).fit(X)


@pytest.mark.parametrize("mode", ["r", "c"])
def test__fit__memory_mapped_with_categories__gives_the_same_bits(tmp_path, mode):
    X = np.c_[np.random.default_rng(0).random((90, 2)), np.arange(90) % 4]
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    ae = make(categorical_features=[2]).fit(X)
    assert_array_equal(weights(make(categorical_features=[2]).fit(mapped)), weights(ae))
    assert_array_equal(ae.reconstruct(mapped), ae.reconstruct(X))


# Rows that repeat, and their order


@pytest.mark.parametrize("max_categories", [2, 3, 100])
@pytest.mark.parametrize("early_stopping", [False, True])
def test__sample_weight__integers__are_repeated_and_left_out_rows(
    max_categories, early_stopping
):
    """Weights also say which categories are infrequent, and what restores them."""
    weight = np.arange(90) % 4
    repeated = FRAME.iloc[np.repeat(np.arange(90), weight)]
    params = {"max_categories": max_categories, "early_stopping": early_stopping}
    weighted = make(**params).fit(FRAME, sample_weight=weight)
    plain = make(**params).fit(repeated)
    assert_array_equal(weights(weighted), weights(plain))
    assert columns_of(weighted.reconstruct(FRAME)) == columns_of(
        plain.reconstruct(FRAME)
    )


# Streams and later training


def test__partial_fit__chunk_with_new_categories__takes_them_for_missing():
    chunk = FRAME.assign(colour="violet", paid=None)
    ae, twin = make().partial_fit(FRAME), make().partial_fit(FRAME)
    ae.partial_fit(chunk)
    twin.partial_fit(chunk.assign(colour=None))
    assert_array_equal(weights(ae), weights(twin))
    assert ae.n_iter_ == 2
    assert_known_values(ae.reconstruct(chunk), FRAME, ae.is_categorical_)


def test__warm_start__table_with_new_categories__goes_on_with_the_old_ones():
    ae = make(warm_start=True).fit(FRAME)
    before = weights(ae)
    ae.fit(FRAME.assign(colour="violet"))
    assert len(weights(ae)) == len(before)
    assert (weights(ae) != before).any()
    assert {*ae.reconstruct(FRAME).colour} <= {*COLOURS}
