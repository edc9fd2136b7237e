"""Rows to batches: each row once, equal rows merged, some held out."""

import tracemalloc

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_wine

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._tables.rows import BatchIterator, Rows, make_rows, merge_equal_rows

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
