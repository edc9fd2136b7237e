"""Results for tables in files, written to files; and for frames of Dask."""

import os
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_backend
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
    distributed,
)
from sklearn_ae.distributed import map_partitions, write_parquet

pa = pytest.importorskip("pyarrow", reason="results are written by pyarrow")
dataset = pytest.importorskip("pyarrow.dataset", reason="pyarrow without data sets")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow without Parquet")

N_ROWS = 2_000
X = np.random.default_rng(0).normal(size=(N_ROWS, 4))
COLUMNS = {f"c{i}": column for i, column in enumerate(X.T)}
FRAME = pd.DataFrame(COLUMNS)
AE = AutoencoderTransformer(2, max_epochs=1, random_state=0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two files; a part has 300 rows."""
    monkeypatch.setattr(distributed, "PART_ROWS", 300)
    table = pa.table({**COLUMNS, "id": np.arange(N_ROWS), "y": X[:, 0] > 0})
    files = tmp_path / "files"
    files.mkdir()
    parquet.write_table(table[:900], files / "0.parquet", row_group_size=100)
    parquet.write_table(table[900:], files / "1.parquet", row_group_size=400)
    return files


def scan(folder, library):
    if library == "pyarrow":
        return dataset.dataset(folder)
    polars = pytest.importorskip("polars", reason="a lazy frame is one of polars")
    return polars.scan_parquet(f"{folder}/*.parquet")


def read(folder):
    return dataset.dataset(folder).to_table().to_pandas()


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
@pytest.mark.parametrize(
    ("estimator", "method", "names"),
    [
        (AE, "transform", ["autoencodertransformer0", "autoencodertransformer1"]),
        (AE, "score_samples", ["score_samples"]),
        (AutoencoderAnomalyDetector(AE), "predict", ["predict"]),
    ],
)
def test__write_parquet__parts__are_what_the_method_returns(
    estimator, method, names, library, folder, tmp_path
):
    source = scan(folder, library)
    estimator.fit(FRAME)
    write_parquet(estimator, source, tmp_path / "to", method=method, keys=["id"])
    written = read(tmp_path / "to")
    assert list(written) == ["id", *names]
    assert_array_equal(written["id"], np.arange(N_ROWS))
    result = getattr(estimator, method)(FRAME)
    np.testing.assert_allclose(written[names].to_numpy().squeeze(), result, rtol=1e-4)


@pytest.mark.slow
def test__write_parquet__classes_and_filled_cells__have_names(folder, tmp_path):
    y = np.where(X[:, 0] > 0, "plus", "minus")
    model = AutoencoderPretrainedClassifier(AE, max_epochs=1).fit(FRAME, y)
    write_parquet(
        model, scan(folder, "pyarrow"), tmp_path / "a", method="predict_proba"
    )
    assert list(read(tmp_path / "a")) == ["predict_proba_minus", "predict_proba_plus"]
    write_parquet(model, scan(folder, "pyarrow"), tmp_path / "b", method="predict")
    assert_array_equal(read(tmp_path / "b")["predict"], model.predict(FRAME))
    imputer = AutoencoderImputer(AE).fit(FRAME)
    write_parquet(imputer, scan(folder, "pyarrow"), tmp_path / "c", keys=["id"])
    pd.testing.assert_frame_equal(read(tmp_path / "c")[list(FRAME)], FRAME)


def test__write_parquet__interrupted__goes_on_with_the_parts_that_lack(
    folder, tmp_path
):
    source, to = scan(folder, "pyarrow"), tmp_path / "to"
    AE.fit(FRAME)
    rename, calls = os.replace, []

    def fails_at_the_fourth(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        rename(*args)

    with (
        mock.patch("os.replace", fails_at_the_fourth),
        pytest.raises(KeyboardInterrupt),
    ):
        write_parquet(AE, source, to, keys=["id"])
    done = {path: path.stat().st_mtime_ns for path in to.glob("part-*")}
    assert len(done) == 2  # and the description of the parts
    assert len(read(to)) == 600, "an unfinished part was read"
    write_parquet(AE, source, to, keys=["id"])
    assert_array_equal(read(to)["id"], np.arange(N_ROWS))
    assert done.items() <= {p: p.stat().st_mtime_ns for p in to.iterdir()}.items()


def test__write_parquet__parts_of_another_call__are_refused(folder, tmp_path):
    source = scan(folder, "pyarrow")
    AE.fit(FRAME)
    write_parquet(AE, source, tmp_path / "to")
    with pytest.raises(ValueError, match=r"other \['method'\].*another folder"):
        write_parquet(AE, source, tmp_path / "to", method="score_samples")
    other = AutoencoderTransformer(2, max_epochs=1, random_state=1).fit(FRAME)
    with pytest.raises(ValueError, match="'weights'"):
        write_parquet(other, source, tmp_path / "to")


def test__write_parquet__wrong_input__says_what_it_takes(folder, tmp_path):
    AE.fit(FRAME)
    with pytest.raises(TypeError, match=r"polars\.LazyFrame\. Got DataFrame"):
        write_parquet(AE, FRAME, tmp_path)
    source = scan(folder, "pyarrow")
    with pytest.raises(ValueError, match=r"\['idd'\], which .* Did you mean 'id'"):
        write_parquet(AE, source, tmp_path, keys=["idd"])
    write_parquet(AE, source, tmp_path / "one", keys="id")
    assert next(iter(read(tmp_path / "one"))) == "id"


@pytest.fixture
def dask_frame():
    frames = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    return frames.from_pandas(FRAME, npartitions=3)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["transform", "score_samples"])
def test__map_partitions__meta__is_what_partitions_become(method, dask_frame):
    AE.fit(FRAME)
    lazy = map_partitions(AE, dask_frame, method)
    result = lazy.compute()
    assert_array_equal(result, getattr(AE, method)(FRAME))
    pd.testing.assert_index_equal(result.index, FRAME.index)
    assert type(lazy._meta) is type(result)
    for part in (result, map_partitions(AE, dask_frame[dask_frame.c0 > 99]).compute()):
        if isinstance(part, pd.DataFrame):
            assert list(part) == list(AE.get_feature_names_out())
            assert set(part.dtypes) == {np.dtype(np.float32)}


@pytest.fixture
def cluster():
    dask = pytest.importorskip("dask", reason="Dask is not installed")
    distributed = pytest.importorskip("distributed", reason="no cluster of Dask")
    # A worker hears nothing while it imports torch, which a busy machine makes long.
    timeouts = {f"distributed.comm.timeouts.{of}": "300s" for of in ("connect", "tcp")}
    with (
        dask.config.set(timeouts),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        # joblib takes the last client, which else may be that of another cluster.
        distributed.Client(cluster) as client,
    ):
        yield client


def _dies_once(frame, marker):
    if not os.path.exists(marker):
        open(marker, "w").close()
        os._exit(1)
    return frame


@pytest.mark.slow
def test__map_partitions__worker_is_killed__result_is_complete(
    dask_frame, cluster, tmp_path
):
    AE.fit(FRAME)
    frame = dask_frame.map_partitions(
        _dies_once, str(tmp_path / "died"), meta=dask_frame._meta
    )
    result = map_partitions(AE, frame).compute()
    assert (tmp_path / "died").exists()
    assert_array_equal(result, AE.transform(FRAME))


@pytest.mark.slow
def test__search__on_a_cluster__finds_what_it_finds_here(cluster):
    search = GridSearchCV(AE, {"lr": [1e-3, 1e-1]}, cv=2)
    expected = search.fit(X).best_params_
    with parallel_backend("dask"):
        assert search.fit(X).best_params_ == expected
