"""Rows to batches: each row once, equal rows merged, some held out."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_wine

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._tables.reading import dense
from sklearn_ae._tables.rows import (
    BatchIterator,
    Rows,
    make_rows,
    merge_equal_rows,
)
from sklearn_ae._tables.sampling import count_copies

X_WINE = load_wine().data


CPU = torch.device("cpu")


@settings(max_examples=50, deadline=None)
@given(n_rows=st.integers(1, 80), batch_size=st.integers(1, 100))
def test__batches__any_size__hold_every_row_once_and_are_even(n_rows, batch_size):
    """Dropping the last batch would train 20 rows of batch 32 on nothing."""
    rows = Rows(torch.arange(float(n_rows))[:, None])
    batches = [X for X, _ in BatchIterator(rows, batch_size, shuffle=True)]
    assert_array_equal(np.sort(torch.cat(batches)[:, 0]), np.arange(n_rows))
    sizes = [len(X) for X in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=50, deadline=None)
@given(
    X=arrays(np.float32, st.tuples(st.integers(1, 30), st.just(2)), elements=st.just(0))
    | arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.just(2)),
        elements=st.sampled_from([0.0, -0.0, 1.0, np.nan]),
    ),
)
def test__merge_equal_rows__any_table__keeps_weight_and_removes_repetition(X):
    merged = merge_equal_rows(Rows(torch.from_numpy(X)))
    if not np.isnan(X).any():
        assert len(merged) == len(np.unique(X, axis=0))
    weight = np.ones(len(merged)) if merged.y is None else merged.y.numpy()
    assert_allclose(weight.mean(), 1.0, rtol=1e-5)
    means = (merged.X.nan_to_num().numpy() * weight[:, None]).mean(axis=0)
    assert_allclose(means, np.nan_to_num(X).mean(axis=0), atol=1e-5)


def test__make_rows__weights_of_zero__leave_the_rows_out():
    weight = np.r_[np.zeros(100), np.ones(78)]
    rows = make_rows(X_WINE, np.float32, weight, CPU)
    assert len(rows) == len(np.unique(X_WINE[100:], axis=0))


def make(**params):
    defaults = {"n_components": 4, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


def test__fit__sparse_beyond_merging__trains_as_dense():
    """Rows are shared out to batches by one rule, or the last bits differ."""
    X = np.random.default_rng(0).poisson(0.3, (10_500, 5)).astype(float)
    dense, from_sparse = (
        make(max_epochs=1, batch_size=1000).fit(form(X))
        for form in (np.asarray, sparse.csr_array)
    )
    assert_array_equal(weights(dense), weights(from_sparse))


def test__fit__wide_table__merging_stays_within_memory():
    X = np.random.default_rng(0).standard_normal((10_000, 400), dtype=np.float32)
    ae = make(hidden_layer_sizes=(), max_epochs=1, batch_size=5000)
    tracemalloc.start()
    try:
        ae.fit(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * X.nbytes + 150 * 2**20


@settings(max_examples=30, deadline=None)
@given(n_rows=st.integers(20, 90), fraction=st.floats(0.1, 0.5))
def test__split_stratified__numbers__holds_out_small_and_large_ones(n_rows, fraction):
    y = torch.arange(float(n_rows))[torch.randperm(n_rows)]
    rows = Rows(y[:, None], torch.stack([torch.ones(n_rows), y], dim=1))
    _, valid = rows.split_stratified(fraction, are_classes=False)
    held = valid[:][1][:, 1].sort().values
    assert len(held) == round(fraction * n_rows)
    gaps = torch.diff(held, prepend=torch.tensor([-1.0]), append=torch.tensor([n_rows]))
    assert gaps.max() <= 2 * n_rows / len(held) + 1


# Rows that stand for several


def one_row_in_most(n_others=40, share=0.95):
    """Return a table of which one row makes up this share, and its targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_others, 3))
    n_equal = round(share / (1 - share) * n_others)
    X = np.concatenate([np.zeros((n_equal, 3)), X]).astype(np.float32)
    y = np.concatenate([np.zeros(n_equal), np.arange(n_others) % 2.0])
    return X, y


def weight_of_zero_row(rows):
    """Return the summed weight of the row of zeros, and that of all rows."""
    X, y = rows[:]
    weight = torch.ones(len(X)) if y is None else y if y.ndim == 1 else y[:, 0]
    return weight[(X == 0).all(dim=1)].sum().item(), weight.sum().item()


SPLITS = {
    "any": lambda rows: rows.split(0.2),
    "classes": lambda rows: rows.split_stratified(0.2, are_classes=True),
    "numbers": lambda rows: rows.split_stratified(0.2, are_classes=False),
}


@pytest.mark.parametrize("kind", SPLITS)
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("form", ["equal rows", "weight", "unmerged weight"])
def test__split__row_in_most_of_the_table__is_divided_as_equal_rows(kind, share, form):
    X, y = one_row_in_most(share=share)
    weight = np.ones(len(X))
    if form != "equal rows":
        n_equal = len(X) - 40
        X, y, weight = X[n_equal - 1 :], y[n_equal - 1 :], weight[n_equal - 1 :]
        weight[0] = n_equal
    if form == "unmerged weight":
        X = sparse.csr_array(X)
    targets = None if kind == "any" else y[:, None]
    copies = count_copies(weight)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = make_rows(X, dense, weight, CPU, targets, copies)
        train, valid = SPLITS[kind](rows)
    for part, part_share in ((train, 0.8), (valid, 0.2)):
        heavy, total = weight_of_zero_row(part)
        assert_allclose(total / weight_of_zero_row(rows)[1], part_share, atol=0.01)
        assert_allclose(heavy / total, share, atol=0.2)
    both = weight_of_zero_row(train)[0] + weight_of_zero_row(valid)[0]
    assert_allclose(both, weight_of_zero_row(rows)[0], rtol=1e-5)


def test__split__table_twice__is_that_of_the_table_once():
    """Else all rows would be validated on that are trained on."""
    once, twice = (
        make_rows(X, np.float32, None, CPU) for X in (X_WINE, np.tile(X_WINE, (2, 1)))
    )
    assert once.copies is None
    assert twice.copies is None


@pytest.mark.parametrize("period", range(2, 13))
@pytest.mark.parametrize("weighted", [False, True])
def test__draw__periodic_table__has_each_kind_of_row_in_its_share(period, weighted):
    X = torch.arange(12 * 2000.0)[:, None] % period
    weight = torch.ones(len(X)) if weighted else None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn, _ = Rows(X, weight).sample(2000)
    assert len(drawn) >= 1000
    counts = torch.bincount(drawn[:, 0].long(), minlength=period)
    assert_allclose(counts / len(drawn), 1 / period, atol=0.05)


def test__draw__row_with_most_of_the_weight__is_drawn_with_it():
    X = torch.arange(5000.0)[:, None]
    weight = torch.ones(5000)
    weight[777] = 45_000.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn, weight = Rows(X, weight).sample(1000)
    assert len(drawn) <= 1000
    assert_allclose(weight[drawn[:, 0] == 777].sum() / weight.sum(), 0.9, atol=0.01)


def test__batches__heavy_row__comes_in_every_batch_with_its_weight():
    """As so many equal rows would, and not all at once in one of the batches."""
    X = torch.arange(1000.0)[:, None]
    weight = torch.ones(1000)
    weight[3] = 9000.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        batches = list(BatchIterator(Rows(X, weight), 100, shuffle=True))
    values, weights = (torch.cat(part) for part in zip(*batches, strict=True))
    heavy = values[:, 0] == 3
    assert_allclose(weights[heavy].sum(), 9000.0, rtol=1e-5)
    assert_array_equal(np.sort(values[~heavy, 0]), np.delete(np.arange(1000), 3))
    shares = [w[X[:, 0] == 3].sum() / 9000.0 for X, w in batches]
    assert np.count_nonzero(shares) > 0.9 * len(shares)
    assert max(shares) < 0.4


def test__batches__weights_that_hardly_differ__hold_every_row_once():
    weight = torch.linspace(0.9, 1.1, 50)
    rows = Rows(torch.arange(50.0)[:, None], weight)
    batches = BatchIterator(rows, 1, shuffle=True)
    assert len(list(batches)) == 50
