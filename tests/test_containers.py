"""The same rows in any container give the same model."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits

from sklearn_ae import AutoencoderTransformer
from tests.helpers import peak_memory

# Whole numbers with many zeros: exact in every dtype, and worth a sparse matrix.
X_DIGITS = load_digits().data[:200]


NAMES = [f"pixel_{i}" for i in range(64)]


def make(**params):
    defaults = {"n_components": 4, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


@pytest.fixture(scope="module")
def reference():
    return make().fit(X_DIGITS)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def shuffled_indices(X):
    """Return a CSR matrix whose column indices are not in order."""
    X = sparse.csr_matrix(X)
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X


def explicit_zeros(X):
    X = sparse.csr_array(X + 1.0)
    X.data -= 1.0
    return X


CONTAINERS = {
    "float64": np.asarray,
    "int64": lambda X: X.astype(np.int64),
    "uint8": lambda X: X.astype(np.uint8),
    "object": lambda X: X.astype(object),
    "list": lambda X: X.tolist(),
    "Fortran order": np.asfortranarray,
    "read-only": read_only,
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csr_array of int": lambda X: sparse.csr_array(X.astype(int)),
    "unsorted indices": shuffled_indices,
    "explicit zeros": explicit_zeros,
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas of int": lambda X: pd.DataFrame(X.astype(int), columns=NAMES),
    "pandas nullable": lambda X: pd.DataFrame(X, columns=NAMES).astype("Int64"),
    "pandas Arrow": lambda X: pd.DataFrame(X, columns=NAMES).astype("double[pyarrow]"),
    "pandas object": lambda X: pd.DataFrame(X, columns=NAMES, dtype=object),
    "pandas, positions as names": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "polars of int": lambda X: pl.DataFrame(X.astype(int), schema=NAMES),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test__fit__same_rows_in_another_container__gives_the_same_bits(
    container, reference
):
    X = CONTAINERS[container](X_DIGITS)
    ae = make().fit(X)
    assert_array_equal(weights(ae), weights(reference))
    Z = ae.transform(X)
    assert Z.dtype == np.float32
    assert_array_equal(Z, reference.transform(X_DIGITS))
    assert_array_equal(ae.score_samples(X), reference.score_samples(X_DIGITS))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test__fit__floats_of_fewer_bits__differ_by_rounding_only(dtype, reference):
    ae = make().fit(X_DIGITS.astype(dtype))
    scores = ae.score_samples(X_DIGITS.astype(dtype))
    assert_allclose(scores, reference.score_samples(X_DIGITS), rtol=0.05)
    assert_allclose(ae.score(X_DIGITS), reference.score(X_DIGITS), rtol=1e-3)


def test__fit__booleans__count_as_numbers():
    X = X_DIGITS > 8
    assert_array_equal(weights(make().fit(X)), weights(make().fit(X.astype(float))))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("view", [np.s_[:], np.s_[::2], np.s_[10:, 3:]])
def test__fit__memory_mapped__gives_the_same_bits(tmp_path, mode, view):
    np.save(tmp_path / "X.npy", X_DIGITS)
    X = np.load(tmp_path / "X.npy", mmap_mode=mode)[view]
    ae = make().fit(X)
    assert_array_equal(weights(ae), weights(make().fit(X_DIGITS[view])))
    assert_array_equal(ae.transform(X), ae.transform(X_DIGITS[view]))
    assert_array_equal(np.load(tmp_path / "X.npy"), X_DIGITS)


def test__fit__changed_cells_of_a_copy_on_write_map__are_seen(tmp_path):
    """Letting go of the pages of such a map would lose what was written to it."""
    np.save(tmp_path / "X.npy", X_DIGITS)
    X = np.load(tmp_path / "X.npy", mmap_mode="c")
    X[:, 0] = np.arange(200)
    make().fit(X).transform(X)
    assert_array_equal(X[:, 0], np.arange(200))


def test__fit__copy_of_a_mapped_array__is_an_ordinary_array(tmp_path, reference):
    """Its type is numpy.memmap still, but there is no file behind it."""
    np.save(tmp_path / "X.npy", X_DIGITS)
    X = np.load(tmp_path / "X.npy", mmap_mode="r").copy()
    assert_array_equal(make().fit(X).transform(X), reference.transform(X_DIGITS))


@pytest.mark.parametrize("method", ["fit", "transform", "score_samples"])
def test__memory_mapped__large_file__is_never_read_whole(tmp_path, method):
    X = np.memmap(tmp_path / "X.dat", np.float32, "w+", shape=(800_000, 100))
    X[::100] = np.random.default_rng(0).random((8_000, 100))
    ae = make(hidden_layer_sizes=(), max_epochs=1, batch_size=8192).fit(X[:200])
    assert peak_memory(lambda: getattr(ae, method)(X)) < X.nbytes / 3


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test__sparse__large_matrix__is_never_made_dense_whole(form):
    X = form(sparse.random_array((3_000, 10_000), density=2e-4, rng=0))
    ae = make(hidden_layer_sizes=(), n_components=2, max_epochs=1, batch_size=64)
    size_in_float32 = 4 * X.shape[0] * X.shape[1]
    assert peak_memory(lambda: ae.fit(X).score_samples(X)) < size_in_float32 / 2


def test__sparse__missing_cells__are_as_in_a_dense_array():
    X = sparse.csr_array(X_DIGITS)
    X.data[::7] = np.nan
    ae, dense = make().fit(X), make().fit(X.toarray())
    assert_array_equal(weights(ae), weights(dense))
    assert_array_equal(ae.score_samples(X), dense.score_samples(X.toarray()))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("container", ["float64", "pandas", "polars"])
def test__set_output__any_input__gives_float32_frames(library, container, reference):
    X = CONTAINERS[container](X_DIGITS)
    ae = make().set_output(transform=library).fit(X)
    Z = ae.transform(X)
    assert type(Z).__module__.startswith(library)
    assert list(Z.columns) == [f"autoencodertransformer{i}" for i in range(4)]
    assert_array_equal(Z.to_numpy(), reference.transform(X_DIGITS))
    assert Z.to_numpy().dtype == np.float32
    assert type(ae.reconstruct(X)) is type(make().fit(X).reconstruct(X))
