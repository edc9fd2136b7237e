"""Tables of numbers and categories: in any container, with any parameter."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import (
    COLOURS,
    KINDS,
    assert_same_form,
    columns_of,
    frame_of_kinds,
    mixed_cells,
    to_array,
    to_pandas,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.autoencoder import OneHot
from sklearn_ae._modules.losses import MixedHead, NumericHead
from sklearn_ae._tables.layout import Layout
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise


def make(**params):
    defaults = {"n_components": 3, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


FRAME = to_pandas(mixed_cells())


def assert_known_values(got, X, is_categorical):
    """Assert that each category was seen, and that no cell is missing without need."""
    columns = zip(columns_of(got), columns_of(X), is_categorical, strict=True)
    for restored, given_cells, categorical in columns:
        known = {*given_cells} - {None}
        assert (None in restored) == (not known)
        if categorical:
            assert {*restored} <= known or not known


@pytest.fixture(scope="module")
def reference():
    return make().fit(to_array(mixed_cells()))


@pytest.mark.filterwarnings("ignore:X (does not have|has) .*feature names")
def test__fit__same_table_in_any_container__gives_the_same_bits(container, reference):
    X, X_array = container(mixed_cells()), to_array(mixed_cells())
    ae = make().fit(X)
    assert_array_equal(ae.is_categorical_, [False, False, True, True, True])
    assert_array_equal(weights(ae), weights(reference))
    assert_array_equal(ae.transform(X), reference.transform(X_array))
    assert_array_equal(ae.score_samples(X), reference.score_samples(X_array))
    restored = columns_of(ae.reconstruct(X))
    assert restored[2:] == columns_of(reference.reconstruct(X_array))[2:]
    assert_array_equal(reference.transform(X), ae.transform(X))


def test__reconstruct__any_container__gives_its_form_and_known_values(container):
    X = container(mixed_cells())
    ae = make().fit(X)
    codes = ae.set_output(transform="pandas").transform(X)
    for got in (ae.reconstruct(X), ae.inverse_transform(codes)):
        assert_same_form(got, X)
        assert_known_values(got, X, ae.is_categorical_)


def test__fit__any_container__leaves_the_table_as_it_was(container):
    X, before = (container(mixed_cells()) for _ in range(2))
    ae = make().fit(X)
    ae.score_samples(X)
    ae.reconstruct(X)
    ae.partial_fit(X)
    assert columns_of(X) == columns_of(before)
    assert_same_form(X, before)


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


def test__loss__output_for_a_missing_category__changes_nothing():
    """The network may say anything there: it gets neither blame nor gradient."""
    layout = Layout((None, np.full(3, 1 / 3), np.array([0.5, 0.5])))
    head = MixedHead(NumericHead("mse", nn.Identity()), layout)
    head.missing = True
    X = torch.tensor([[1.0, torch.nan, 1.0], [torch.nan, 2.0, torch.nan]])
    gap = torch.isnan(X)[:, layout.blocks]
    losses, gradients = [], []
    for stand_in in (0.0, 7.0, -1e6):
        raw = torch.full(gap.shape, 0.5).masked_fill(gap, stand_in).requires_grad_()
        loss = head(raw, X)
        loss.backward()
        losses.append(loss.item())
        gradients.append(raw.grad)
    assert len(set(losses)) == 1
    assert (gradients[0][gap] == 0).all()
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients)


def test__network__missing_category__is_fed_as_zeros_and_an_indicator():
    """The inputs: size, four colours, two of paid, and what is missing of each."""
    X = FRAME[["colour", "size", "paid"]]
    ae = make().fit(X)
    inputs = []
    ae.module_.network.encoder.register_forward_pre_hook(
        lambda module, args: inputs.append(args[0].numpy())
    )
    ae.transform(X)
    cells = np.split(inputs[0][:, :7], [1, 5], axis=1)
    for name, cell in zip(["size", "colour", "paid"], cells, strict=True):
        missing = X[name].isna().to_numpy()
        assert_array_equal((cell == 0).all(axis=1), missing)
        assert_array_equal(inputs[0][:, 7 + list(X.columns).index(name)], missing)


def test__loss_of_cells__categories_before_numbers__stands_as_the_table_does():
    layout = Layout((np.array([0.5, 0.5]), None, np.array([0.5, 0.5])))
    head = MixedHead(NumericHead("mse", nn.Identity()), layout)
    X = torch.tensor([[torch.nan, 2.0, 1.0], [1.0, torch.nan, torch.nan]])
    cells = head.loss_of_cells(torch.zeros(2, layout.width), X)
    assert_allclose(cells, [[0, 4, 1], [1, 0, 0]], atol=1e-6)
    assert_allclose(head.loss_of_rows(torch.zeros(2, layout.width), X), [2.5, 1])


def test__score_samples__missing_cells__is_the_mean_over_the_others(container):
    """Recomputed in NumPy from the output of the network, cell by cell."""
    cells = mixed_cells()
    names = ["size", "colour", "member"]
    X = container({name: cells[name] for name in names})
    ae = make().fit(X)
    raw = ae.module_.decode(torch.from_numpy(ae.transform(X))).detach().numpy()
    size = np.array(cells["size"], dtype=float)
    losses = [((size - np.nanmean(size)) / np.nanstd(size) - raw[:, 0]) ** 2]
    start = 1
    for name in names[1:]:
        levels = sorted({*cells[name]} - {None})
        codes = pd.Categorical(cells[name], levels).codes
        logits = raw[:, start : start + len(levels)]
        likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        share = np.bincount(codes[codes >= 0]) / (codes >= 0).sum()
        loss = -np.log(likely[np.arange(90), codes]) / -(share @ np.log(share))
        losses.append(np.where(codes >= 0, loss, np.nan))
        start += len(levels)
    expected = -np.nanmean(losses, axis=0)
    assert_allclose(ae.score_samples(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["transform", "score_samples"])
def test__inference__unknown_category__counts_as_missing(container, method):
    """Enum and Categorical know which values there are: violet was never seen."""
    ae = make().fit(container(mixed_cells()))
    unknown, missing = (
        container(with_colours([colour] * 90)) for colour in ("violet", None)
    )
    if isinstance(missing, pl.DataFrame):
        missing = missing.cast({"colour": unknown.schema["colour"]})
    assert_array_equal(getattr(ae, method)(unknown), getattr(ae, method)(missing))


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
    head = MixedHead(NumericHead("mse", nn.Identity()), layout)
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


def test__sample_weight__zero__hides_a_category():
    weight = (FRAME.colour != "grey").to_numpy()
    ae = make().fit(FRAME, sample_weight=weight)
    assert_array_equal(weights(ae), weights(make().fit(FRAME[weight])))
    grey, missing = FRAME.assign(colour="grey"), FRAME.assign(colour=None)
    assert_array_equal(ae.transform(grey), ae.transform(missing))


@pytest.mark.parametrize("max_categories", [2, 100])
def test__fit__rows_in_another_order__gives_the_same_bits(max_categories):
    """Of two equally frequent categories, not the first one in the table is kept."""
    X = pd.DataFrame({"size": np.arange(60) % 5, "colour": list("abc") * 20})
    backwards = X.iloc[::-1]
    ae, other = (
        make(max_categories=max_categories).fit(rows) for rows in (X, backwards)
    )
    assert_array_equal(weights(ae), weights(other))
    assert columns_of(ae.reconstruct(X)) == columns_of(other.reconstruct(X))


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


def test__early_stopping__mixed_table__keeps_the_weights_of_the_lowest_loss():
    ae = make(early_stopping=True, max_epochs=20, lr=0.05).fit(FRAME)
    assert np.isfinite(ae.validation_loss_curve_).all()
    assert_same_form(ae.reconstruct(FRAME), FRAME)


# Parameters


class SwapsCells(SwapNoise):
    """Checks each batch: what was swapped are whole cells of other rows."""

    n_batches = 0

    def __call__(self, X, blocks=None):
        noisy = super().__call__(X, blocks)
        for cell in blocks.unique():
            here = blocks == cell
            distance = torch.cdist(
                torch.nan_to_num(noisy[:, here], nan=9.0),
                torch.nan_to_num(X[:, here], nan=9.0),
            )
            assert (distance.min(dim=1).values < 1e-6).all()
        SwapsCells.n_batches += 1
        return noisy


def test__noise__swap_in_fit__takes_whole_cells_of_other_rows():
    make(noise=SwapsCells(rate=0.5)).fit(FRAME)
    assert SwapsCells.n_batches > 0


@pytest.fixture
def encoded():
    """Many rows of a column of numbers and three of categories, and their blocks."""
    sizes = (2, 5, 40)
    layout = Layout((*(np.full(size, 1 / size) for size in sizes), None))
    torch.manual_seed(0)
    columns = [torch.randint(size, (4_000,)).float() for size in sizes]
    X = torch.stack([*columns, torch.randn(4_000)], dim=1)
    return OneHot(layout)(X), layout.blocks


def share_of_changed_cells(X, noisy, blocks):
    changed = [(noisy != X)[:, blocks == b].any(dim=1) for b in blocks.unique()]
    return torch.stack(changed).double().mean(dim=1).numpy()


def test__noise__masking__sets_whole_cells_to_zero_at_the_same_rate(encoded):
    X, blocks = encoded
    noisy = MaskingNoise(rate=0.3)(X, blocks)
    zero = torch.stack([(noisy == 0)[:, blocks == b].all(dim=1) for b in range(4)], 1)
    assert torch.equal(noisy, X.masked_fill(zero[:, blocks], 0.0))
    # Five standard deviations of a share of 4,000 rows.
    assert_allclose(zero.double().mean(dim=0), 0.3, atol=0.036)


def test__noise__swap__changes_cells_at_the_same_rate(encoded):
    X, blocks = encoded
    noisy = SwapNoise(rate=0.3)(X, blocks)
    # A row of the same category changes nothing.
    other = np.array([1, 1 - 1 / 2, 1 - 1 / 5, 1 - 1 / 40])
    share = share_of_changed_cells(X, noisy, blocks)
    assert_allclose(share, 0.3 * other, atol=0.036)


def cells_to_the_fourth(values, X):
    return (values - X) ** 4


def largest_of_a_row(values, X):
    return (values - X).abs().amax(dim=1) if X.shape[1] else values.sum(dim=1)


SETTINGS = {
    "minmax": {"scaling": "minmax"},
    "quantile": {"scaling": "quantile"},
    "no scaling": {"scaling": None},
    "mae": {"loss": "mae"},
    "huber": {"loss": "huber"},
    "bce": {"loss": "bce", "scaling": "minmax"},
    "loss of cells": {"loss": cells_to_the_fourth},
    "loss of rows": {"loss": largest_of_a_row},
    "GaussianNoise": {"noise": GaussianNoise(std=0.1)},
    "MaskingNoise": {"noise": MaskingNoise(rate=0.1)},
    "SwapNoise": {"noise": SwapNoise(rate=0.1)},
    "early stopping": {"early_stopping": True},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "tanh": {"activation": "tanh"},
    "bfloat16": {"precision": "bfloat16"},
    "other optimizer": {"optimizer": "rmsprop", "lr_schedule": "plateau"},
}


@pytest.mark.parametrize("case", SETTINGS)
def test__fit__any_setting__restores_numbers_and_categories(case):
    cells = mixed_cells()
    X = to_pandas({name: cells[name] for name in ("size", "colour", "member", "paid")})
    ae = make(n_components=8, max_epochs=300, **SETTINGS[case]).fit(X)
    got = ae.reconstruct(X)
    assert_same_form(got, X)
    assert_known_values(got, X, ae.is_categorical_)
    for name in ("colour", "member", "paid"):
        observed = X[name].notna()
        assert (got[name] == X[name])[observed].mean() > 0.9
    assert got["size"].corr(X["size"]) > 0.9


@pytest.mark.parametrize("case", ["mae", "bce", "loss of cells", "loss of rows"])
def test__fit__loss_of_numbers_without_a_number__is_that_of_categories(case):
    X = FRAME[["colour", "member"]]
    ae = make(**SETTINGS[case]).fit(X)
    if case != "bce":  # its network has another output activation, and another start
        assert_array_equal(weights(ae), weights(make().fit(X)))
    assert np.isfinite(ae.score_samples(X)).all()


def test__loss__callable__sees_numbers_only():
    shapes = set()

    def loss(values, X):
        shapes.add((values.shape[1], X.shape[1]))
        return (values - X) ** 2

    ae, plain = make(loss=loss).fit(FRAME), make(loss="mse").fit(FRAME)
    assert shapes == {(2, 2)}
    assert_array_equal(weights(ae), weights(plain))


def test__score_samples__loss_of_rows__counts_for_each_number():
    X = FRAME[["count", "member"]].assign(more=np.arange(90.0))
    ae = make(loss=largest_of_a_row).fit(X)
    cells = make(loss="mae").fit(X)
    cells.net_ = ae.net_
    numbers = X[["count", "more"]]
    off = (ae.reconstruct(X)[["count", "more"]] - numbers) / numbers.std(ddof=0)
    # An integer is restored rounded, so its own loss is known within half a unit.
    largest = off.abs().max(axis=1)
    mean = off.abs().mean(axis=1)
    expected = cells.score_samples(X) + 2 / 3 * (mean - largest)
    assert_allclose(ae.score_samples(X), expected, atol=2 / 3 * 0.5 / 3)


class Mine(nn.Module):
    """A user's own model."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.n_features = n_features
        self.encoder = nn.Sequential(nn.Linear(n_features, 8), nn.Tanh())
        self.encoder.append(nn.Linear(8, n_components))
        self.decoder = nn.Linear(n_components, n_features)


def test__torch_module__mixed_table__gets_the_encoded_width():
    ae = make(architecture=TorchModule(Mine), noise=SwapNoise()).fit(FRAME)
    assert ae.module_.network.n_features == 2 + 4 + 2 + 2
    assert ae.transform(FRAME).shape == (90, 3)
    assert_same_form(ae.reconstruct(FRAME), FRAME)


# In the machinery of scikit-learn


@pytest.mark.parametrize(
    "duplicate", [lambda ae: pickle.loads(pickle.dumps(ae)), copy.deepcopy]
)
def test__duplicate__fitted_on_a_mixed_table__says_the_same(container, duplicate):
    X = container(mixed_cells())
    ae = make().fit(X)
    twin = duplicate(ae)
    assert_array_equal(twin.transform(X), ae.transform(X))
    assert columns_of(twin.reconstruct(X)) == columns_of(ae.reconstruct(X))
    assert_array_equal(weights(clone(ae).fit(X)), weights(ae))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__set_output__mixed_table__gives_frames_of_latents(container, library):
    X = container(mixed_cells())
    Z = make().set_output(transform=library).fit_transform(X)
    assert type(Z).__module__.startswith(library)
    assert list(Z.columns) == [f"autoencodertransformer{i}" for i in range(3)]


def test__pipeline__mixed_frame__can_be_searched():
    search = GridSearchCV(
        make_pipeline(make(), LogisticRegression()),
        {
            "autoencodertransformer__max_categories": [2, None],
            "autoencodertransformer__categorical_features": ["from_dtype", [1, 2]],
        },
        cv=2,
        error_score="raise",
    )
    search.fit(FRAME.drop(columns="member")[["size", "colour", "paid"]], FRAME.member)
    assert search.best_score_ > 0.8


def test__column_transformer__mixed_frame__passes_categories_through():
    scaled = ColumnTransformer(
        [("scale", StandardScaler(), ["size", "count"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    for output in ("default", "pandas"):
        ae = make_pipeline(scaled.set_output(transform=output), make()).fit(FRAME)
        assert_array_equal(ae[-1].is_categorical_, [False, False, True, True, True])
    mixed = ColumnTransformer([("codes", make(), ["colour", "count"])]).fit(FRAME)
    assert mixed.transform(FRAME).shape == (90, 3)


# Random tables, and real ones


@st.composite
def random_columns(draw):
    """Return the name of a kind and some cells for each of a few columns."""
    n_rows = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    return [
        (
            kind,
            draw(
                st.lists(KINDS[kind][0] | st.none(), min_size=n_rows, max_size=n_rows)
            ),
        )
        for kind in kinds
    ]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@settings(max_examples=60, deadline=None)
@given(columns=random_columns())
def test__reconstruct__random_frame__has_its_form_and_known_values(library, columns):
    X = frame_of_kinds(library, columns)
    ae = make(max_epochs=1, hidden_layer_sizes=(4,))
    if all(cell is None for _, column in columns for cell in column):
        with pytest.raises(ValueError, match="no observed cell"):
            ae.fit(X)
        return
    got = ae.fit(X).reconstruct(X)
    assert_array_equal(
        ae.is_categorical_, [kind not in ("int", "float") for kind, _ in columns]
    )
    assert_same_form(got, X)
    assert_known_values(got, X, ae.is_categorical_)
    assert np.isfinite(ae.score_samples(X)).all()


@pytest.mark.parametrize(
    "form",
    [lambda X: X, lambda X: X.convert_dtypes(), pl.from_pandas],
    ids=["pandas", "pandas nullable", "polars"],
)
def test__reconstruct__real_table__has_its_form_and_known_values(real_table, form):
    X = form(real_table)
    is_text = [pd.api.types.is_string_dtype(dtype) for dtype in real_table.dtypes]
    ae = make(max_epochs=1).fit(X)
    assert_array_equal(ae.is_categorical_, is_text)
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, is_text)


def test__reconstruct__32_components__restores_19_of_20_categories(census):
    ae = AutoencoderTransformer(32, random_state=0).fit(census)
    got = ae.reconstruct(census)
    names = census.columns[ae.is_categorical_]
    observed = census[names].notna()
    assert len(names) > 5
    same = (got[names] == census[names]).to_numpy()
    assert same[observed.to_numpy()].mean() >= 0.95
