"""The same rows in any container give the same model, and the container comes back."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_index_equal
from scipy import sparse
from sklearn.datasets import load_digits, load_wine

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._tables.reading import BLOCK_CELLS

X_WINE = load_wine().data
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
    tracemalloc.start()
    try:
        getattr(ae, method)(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes / 3


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test__fit__sparse__is_made_dense_a_block_at_a_time(form, monkeypatch):
    """Counts the cells of each block that is made dense; the matrix has 30 million."""
    X = form(sparse.random_array((3_000, 10_000), density=2e-4, rng=0))
    largest = [0]
    toarray = sparse.csr_array.toarray

    def counting(self, *args, **kwargs):
        largest[0] = max(largest[0], self.shape[0] * self.shape[1])
        return toarray(self, *args, **kwargs)

    for cls in (sparse.csr_array, sparse.csr_matrix):
        monkeypatch.setattr(cls, "toarray", counting)
    ae = make(hidden_layer_sizes=(), n_components=2, max_epochs=1, batch_size=64)
    ae.fit(X).score_samples(X)
    assert 0 < largest[0] <= 2 * BLOCK_CELLS


def test__sparse__missing_cells__are_as_in_a_dense_array():
    X = sparse.csr_array(X_DIGITS)
    X.data[::7] = np.nan
    ae, dense = make().fit(X), make().fit(X.toarray())
    assert_array_equal(weights(ae), weights(dense))
    assert_array_equal(ae.score_samples(X), dense.score_samples(X.toarray()))


MIXED = pd.DataFrame(
    {
        "int": [1, 2, 3, 900],
        "float32": np.array([1.5, 2, np.nan, 4], dtype=np.float32),
        "bool": [True, False, True, True],
        "UInt8": pd.array([1, None, 3, 250], dtype="UInt8"),
        "Float64": pd.array([1.0, None, 2.5, 3], dtype="Float64"),
        "boolean": pd.array([True, None, False, True], dtype="boolean"),
        "arrow int": pd.array([1, 2, None, 4], dtype="int64[pyarrow]"),
        "arrow float": pd.array([1.5, None, 2, 3], dtype="double[pyarrow]"),
        "arrow bool": pd.array([True, None, False, True], dtype="bool[pyarrow]"),
    },
    index=["w", "x", "y", "z"],
)


def polars_mixed():
    return pl.DataFrame(
        {
            "int": [1, 2, 3, 900],
            "uint8": pl.Series([1, None, 3, 250], dtype=pl.UInt8),
            "float": [1.5, None, float("nan"), 3],
            "bool": [True, None, False, True],
            "decimal": pl.Series(["1.25", None, "2", "3"]).cast(pl.Decimal(9, 2)),
            "nothing": [None] * 4,
        }
    )


@pytest.mark.parametrize("column", [None, *MIXED])
def test__reconstruct__pandas__has_columns_dtypes_and_index_of_the_input(column):
    X = MIXED if column is None else MIXED[[column]]
    ae = make().fit(X)
    got = ae.reconstruct(X)
    assert got.dtypes.equals(X.dtypes)
    assert_index_equal(got.index, X.index)
    assert not got.isna().any().any()
    assert ae.inverse_transform(ae.transform(X)).dtypes.equals(X.dtypes)


def test__reconstruct__polars__has_the_schema_of_the_input():
    X = polars_mixed()
    ae = make().fit(X)
    assert ae.reconstruct(X).schema == X.schema
    assert ae.inverse_transform(ae.transform(X)).schema == X.schema
    nulls = ae.reconstruct(X).null_count().row(0)
    assert nulls == (0, 0, 0, 0, 0, 4)


@pytest.mark.parametrize(
    "columns",
    [
        pd.Index([f"c{i}" for i in range(13)], name="measure"),
        pd.RangeIndex(13),
        pd.MultiIndex.from_product([["wine"], range(13)], names=["a", "b"]),
    ],
    ids=["named", "numbers", "two levels"],
)
def test__reconstruct__unusual_column_names__come_back(columns):
    X = pd.DataFrame(X_WINE, columns=columns)
    assert_index_equal(make().fit(X).reconstruct(X).columns, columns)


def test__inverse_transform__codes_in_a_frame__lend_their_index():
    X = pd.DataFrame(X_WINE, columns=list("abcdefghijklm")).iloc[::-1]
    ae = make().set_output(transform="pandas").fit(X)
    assert_index_equal(ae.inverse_transform(ae.transform(X)).index, X.index)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)],
)
def test__reconstruct__array__is_an_array_of_floats(dtype, expected):
    X = X_DIGITS.astype(dtype)
    ae = make().fit(X)
    for got in (ae.reconstruct(X), ae.inverse_transform(ae.transform(X))):
        assert type(got) is np.ndarray
        assert got.dtype == expected


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


LOSSES = {
    "mse": "mse",
    "mae": "mae",
    "huber": "huber",
    "cell": lambda values, X: (values - X) ** 4,
    "torch": torch.nn.SmoothL1Loss(reduction="none"),
}
NUMPY_LOSSES = {
    "mse": np.square,
    "mae": np.abs,
    "huber": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
    "cell": lambda d: d**4,
    "torch": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
}


@pytest.mark.parametrize("loss", LOSSES)
def test__score_samples__missing_cells__is_the_mean_over_the_others(loss, horses):
    """Recomputed in NumPy from `reconstruct`, in scaled units, cell by cell."""
    X = horses.to_numpy()
    ae = make(loss=LOSSES[loss]).fit(X)
    scale = np.nanstd(X, axis=0)
    cells = NUMPY_LOSSES[loss]((ae.reconstruct(X) - X) / scale)
    assert_allclose(ae.score_samples(X), -np.nanmean(cells, axis=1), rtol=1e-3)


def test__score_samples__bce__is_the_cross_entropy_of_the_reconstruction():
    X = X_DIGITS / 16
    ae = make(loss="bce", scaling=None, max_epochs=5).fit(X)
    p = np.clip(ae.reconstruct(X), 1e-30, 1 - 1e-12)
    cells = -X * np.log(p) - (1 - X) * np.log(1 - p)
    assert_allclose(ae.score_samples(X), -cells.mean(axis=1), rtol=1e-3)


def test__score_samples__loss_per_row__is_taken_as_it_is():
    def worst(values, X):
        return (values - X).abs().max(dim=1).values

    ae = make(loss=worst).fit(X_WINE)
    scaled = (ae.reconstruct(X_WINE) - X_WINE) / X_WINE.std(axis=0)
    assert_allclose(ae.score_samples(X_WINE), -np.abs(scaled).max(axis=1), rtol=1e-3)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "cell"])
def test__fit__missing_cells__every_scaling_and_loss_is_finite(scaling, loss, horses):
    X = horses / 100
    ae = make(scaling=scaling, loss=LOSSES[loss]).fit(X)
    for got in (ae.transform(X), ae.score_samples(X), ae.reconstruct(X)):
        assert np.isfinite(got).all(axis=None)


@pytest.mark.parametrize(
    "missing",
    [
        lambda X: np.where(np.isnan(X), None, X),
        lambda X: np.where(np.isnan(X), pd.NA, X.astype(object)),
        lambda X: np.where(np.isnan(X), None, X).tolist(),
        lambda X: np.ma.array(np.nan_to_num(X, nan=-99.0), mask=np.isnan(X)),
        lambda X: pl.DataFrame(X).fill_nan(None),
        lambda X: pd.DataFrame(X).convert_dtypes(),
        lambda X: pd.DataFrame(X).astype("double[pyarrow]"),
    ],
    ids=["None", "pd.NA", "list", "masked", "polars", "nullable", "Arrow"],
)
def test__fit__another_mark_of_missing_cells__means_nan(missing, horses):
    """numpy.asarray shows what is under a mask: -99 would be taken for a value."""
    X = horses.to_numpy()
    assert_array_equal(weights(make().fit(missing(X))), weights(make().fit(X)))


def test__loss__what_stands_in_for_a_missing_cell__changes_nothing(horses):
    """The network may put anything there: it gets neither blame nor gradient."""
    X = torch.tensor(horses.to_numpy(np.float32))
    head = make().fit(horses).net_.criterion_
    gap = torch.isnan(X)
    losses, gradients = [], []
    for stand_in in (0.0, 7.0, -1e6):
        raw = torch.full_like(X, 0.5).masked_fill(gap, stand_in).requires_grad_()
        loss = head(raw, X)
        loss.backward()
        losses.append(loss.item())
        gradients.append(raw.grad)
    assert len(set(losses)) == 1
    assert (gradients[0][gap] == 0).all()
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients)


def test__fit__column_with_missing_cells__is_told_to_the_network():
    """Zero can be a value or a gap; without an indicator their codes were equal."""
    X = X_WINE.copy()
    X[::3, 0] = np.nan
    ae = make().fit(X)
    at_mean = X[:1].copy()
    at_mean[0, 0] = np.nanmean(X[:, 0])
    assert ae.module_.network.encoder[0].in_features == 14
    assert np.abs(ae.transform(at_mean) - ae.transform(X[:1])).max() > 1e-3


def test__transform__missing_cells_though_none_in_fit__count_as_the_mean():
    ae = make().fit(X_WINE)
    gap, mean = X_WINE[:5].copy(), X_WINE[:5].copy()
    gap[:, 3] = np.nan
    mean[:, 3] = X_WINE[:, 3].mean()
    assert_allclose(ae.transform(gap), ae.transform(mean), atol=1e-4)
    assert np.isfinite(ae.score_samples(gap)).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test__fit__column_without_values__comes_back_missing(scaling):
    X = X_WINE / 1000
    X[:, 3] = np.nan
    ae = make(scaling=scaling).fit(X)
    for values in (ae.reconstruct(X), ae.reconstruct(X_WINE / 1000)):
        assert_array_equal(np.isnan(values).any(axis=0), np.arange(13) == 3)
    assert np.isfinite(ae.score_samples(X)).all()


def test__fit__row_without_values__scores_zero_and_changes_no_other():
    X = np.vstack([X_WINE, np.full((1, 13), np.nan)])
    ae = make().fit(X)
    assert ae.score_samples(X)[-1] == 0
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.reconstruct(X)).all()


def test__reconstruct__list_after_a_frame__gives_a_frame():
    """A list has a method of the name that pandas gives its row labels."""
    frame = pd.DataFrame(X_WINE, columns=[f"c{i}" for i in range(13)])
    ae = make().fit(frame)
    codes = ae.transform(frame)
    assert ae.inverse_transform(codes.tolist()).shape == frame.shape


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
