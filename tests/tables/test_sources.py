"""Tables in files, read part by part: data sets and lazy frames."""

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from skorch.callbacks import Callback

import sklearn_ae._tables.rows
from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)

pa = pytest.importorskip("pyarrow", reason="sources are read by pyarrow or polars")
pl = pytest.importorskip("polars", reason="sources are read by pyarrow or polars")
dataset = pytest.importorskip("pyarrow.dataset", reason="pyarrow without data sets")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow without Parquet")

READERS = {
    "pyarrow": dataset.dataset,
    "polars": lambda folder: pl.scan_parquet(f"{folder}/*.parquet"),
}
each_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)
N_COLUMNS = 6


def make(**params):
    params = {"max_epochs": 1, "random_state": 0, **params}
    return AutoencoderTransformer(2, **params)


def numbers(n_rows=3_000, dtype=np.float64):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(N_COLUMNS, N_COLUMNS))
    X = (rng.normal(size=(n_rows, N_COLUMNS)) @ mixing * 100 + 7).astype(dtype)
    X[rng.random(X.shape) < 0.02] = np.nan
    return X


def write(folder, columns, n_files=2, row_group_size=1_000):
    """Write a table as several files, whose rows do not come in equal numbers."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    Path(folder).mkdir(exist_ok=True)
    bounds = np.linspace(0, len(table) ** 0.5, n_files + 1).astype(int) ** 2
    bounds[-1] = len(table)
    for i in range(n_files):
        part = table.slice(bounds[i], bounds[i + 1] - bounds[i])
        path = Path(folder, f"{i}.parquet")
        parquet.write_table(part, path, row_group_size=row_group_size)
    return folder


def as_columns(X):
    return {f"c{i}": column for i, column in enumerate(X.T)}


@pytest.fixture
def in_blocks(monkeypatch):
    """Let mapped files be read in blocks as those of 256 MB are."""
    monkeypatch.setattr(sklearn_ae._tables.rows, "MAPPED_CELLS", 1_000)
    monkeypatch.setattr(sklearn_ae._tables.rows, "BLOCK_BYTES", 2**12)


def mapped(folder, X):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


ESTIMATORS = {
    "transformer": (make(), "transform"),
    "robust": (make(scaling="robust"), "transform"),
    "quantile": (make(scaling="quantile"), "score_samples"),
    "stopped": (make(early_stopping=True, max_epochs=2), "transform"),
    "detector": (
        AutoencoderAnomalyDetector(make(), n_estimators=2, random_state=0),
        "score_samples",
    ),
    "frozen": (AutoencoderAnomalyDetector(random_state=0), "score_samples"),
}


@each_reader
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    "dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)]
)
def test__fit__source__gives_the_bits_of_the_same_rows_in_a_mapped_file(
    name, dtype, read, tmp_path, in_blocks
):
    X = numbers(dtype=dtype)
    rows, source = mapped(tmp_path, X), read(write(tmp_path / "files", as_columns(X)))
    estimator, method = ESTIMATORS[name]
    if name == "frozen":
        fitted = make().fit(pd.DataFrame(as_columns(X)))
        estimator.set_params(autoencoder=FrozenEstimator(fitted))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        expected = getattr(estimator.fit(rows), method)(rows)
    estimator.fit(source)
    assert_array_equal(getattr(estimator, method)(source), expected)
    assert list(estimator.feature_names_in_) == [f"c{i}" for i in range(N_COLUMNS)]


@pytest.mark.slow
@each_reader
@pytest.mark.parametrize("are_classes", [True, False])
def test__fit__target_named__gives_the_bits_of_the_same_labels(
    are_classes, read, tmp_path, in_blocks
):
    X = numbers()
    y = np.nansum(X, axis=1)
    y = np.where(y > 0, "much", "little") if are_classes else y
    source = read(write(tmp_path / "files", {**as_columns(X), "income": y}))
    rows = mapped(tmp_path, X)
    kind = AutoencoderPretrainedRegressor
    if are_classes:
        kind = AutoencoderPretrainedClassifier
    model = kind(make(), max_epochs=1, random_state=0)
    methods = ["predict", "predict_proba"][: 1 + are_classes]
    model.fit(rows, y)
    expected = [getattr(model, method)(rows) for method in methods]
    model.fit(source, y="income")
    for method, values in zip(methods, expected, strict=True):
        assert_array_equal(getattr(model, method)(source), values)


@pytest.mark.slow
@each_reader
def test__fit__imputer__gives_the_bits_of_a_mapped_file(read, tmp_path, in_blocks):
    X = numbers()
    imputer = AutoencoderImputer(make(), n_estimators=1, random_state=0)
    expected = imputer.fit(mapped(tmp_path, X)).transform(X)
    imputer.fit(read(write(tmp_path / "files", as_columns(X))))
    frame = pd.DataFrame(as_columns(X))
    assert_array_equal(imputer.transform(frame).to_numpy(), expected)


@pytest.mark.slow
@each_reader
def test__fit__mixed_source__has_about_the_loss_of_the_frame(read, tmp_path, in_blocks):
    rng = np.random.default_rng(0)
    X = numbers(4_000)
    frame = pd.DataFrame(as_columns(X)).assign(
        sign=np.where(X[:, 0] > 0, "plus", "minus"),
        rare=rng.choice(["a", "b", None], 4_000, p=[0.9, 0.05, 0.05]),
        flag=X[:, 1] > 0,
    )
    held_out, frame = frame[:1_000], frame[1_000:]
    ae = make(max_epochs=20, batch_size=64)
    expected = ae.fit(frame).score(held_out)
    source = read(write(tmp_path, pa.Table.from_pandas(frame, preserve_index=False)))
    assert ae.fit(source).score(held_out) == pytest.approx(expected, rel=0.01)
    assert_array_equal(ae.is_categorical_[-3:], True)


@each_reader
def test__fit__level_in_the_last_row_group_only__is_a_category(read, tmp_path):
    columns = {"a": np.arange(300.0), "b": ["x", "y"] * 149 + ["z"] * 2}
    ae = make().fit(read(write(tmp_path, columns, row_group_size=50)))
    reconstructed = ae.table_encoder_.inverse_transform(
        np.array([[0, code] for code in range(3)], dtype=np.float32)
    )
    found = reconstructed["b"]
    found = found.to_pylist() if hasattr(found, "to_pylist") else found.to_list()
    assert sorted(found) == ["x", "y", "z"]


@each_reader
def test__transform__source_with_further_columns__reads_those_of_fit(read, tmp_path):
    X = numbers(500)
    ae = make().fit(read(write(tmp_path / "a", as_columns(X))))
    columns = {"key": np.arange(500), **dict(reversed(as_columns(X).items()))}
    source = read(write(tmp_path / "b", columns))
    assert_array_equal(ae.transform(source), ae.transform(pd.DataFrame(as_columns(X))))


@pytest.mark.slow
@each_reader
def test__explain__source_with_further_columns__explains_those_of_fit(read, tmp_path):
    frame = pd.DataFrame(as_columns(numbers(300)))
    detector = AutoencoderAnomalyDetector(make(), n_estimators=1).fit(frame)
    source = read(write(tmp_path, {"key": np.arange(300), **as_columns(numbers(300))}))
    found = detector.explain(source, return_expected=True)
    expected = detector.explain(frame, return_expected=True)
    for table, values in zip(found, expected, strict=True):
        table = table if isinstance(table, pd.DataFrame) else table.to_pandas()
        assert list(table) == list(frame)
        assert_array_equal(table, values)


FIRST = {"a": np.arange(60.0), "b": np.arange(60) % 7}


@each_reader
@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"a": [1.0], "b": ["x"]}, ["'b'", "1.parquet", "string|String"]),
        ({"a": [1.0]}, ["'b'", "0.parquet", "not in .*1.parquet"]),
        ({"a": [1.0], "b": [1], "c": [1]}, ["'c'", "1.parquet", "not in .*0.parquet"]),
        (b"no Parquet" * 20, ["1.parquet", "cannot be read"]),
        ({"a": [np.inf], "b": [1]}, ["infinity", "'a'"]),
    ],
    ids=["type", "missing", "further", "broken", "infinite"],
)
def test__fit__files_that_differ__name_file_and_column(second, words, read, tmp_path):
    folder = write(tmp_path, FIRST, n_files=1)
    if isinstance(second, bytes):
        (tmp_path / "1.parquet").write_bytes(second)
    else:
        parquet.write_table(pa.table(second), tmp_path / "1.parquet")
    for word in words:
        with pytest.raises(ValueError, match=word):
            make().fit(read(folder))


def test__fit__empty_or_vanished_file__is_named(tmp_path):
    folder = write(tmp_path, FIRST)
    source, lazy = dataset.dataset(folder), pl.scan_parquet(sorted(folder.iterdir()))
    (tmp_path / "1.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1\.parquet'.*cannot be read"):
        make().fit(source)
    (tmp_path / "1.parquet").unlink()
    for rows in (source, lazy):
        with pytest.raises(FileNotFoundError, match=r"1\.parquet'"):
            make().fit(rows)


@each_reader
def test__fit__rows_change_between_passes__is_an_error(read, tmp_path):
    """Rows would be written past those that were learnt from, or less than they."""
    source = read(write(tmp_path, FIRST, n_files=1))
    first_pass = sklearn_ae._tables.source_rows.SourceRows.first_pass

    def then_write_others(*args):
        rows = first_pass(*args)
        write(tmp_path, {name: cells[:40] for name, cells in FIRST.items()}, 1)
        return rows

    with (
        mock.patch.object(
            sklearn_ae._tables.source_rows.SourceRows, "first_pass", then_write_others
        ),
        pytest.raises(ValueError),
    ):
        make().fit(source)


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise ArithmeticError


@each_reader
@pytest.mark.parametrize("fails", [False, True])
def test__fit__whatever_its_end__leaves_no_file(fails, read, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    os.mkdir(tempfile.tempdir)
    ae = make(callbacks=[("fails", Fails())]) if fails else make()
    source = read(write(tmp_path / "files", FIRST))
    if fails:
        with pytest.raises(ArithmeticError):
            ae.fit(source)
    else:
        ae.fit(source)
    assert os.listdir(tempfile.tempdir) == []


def test__fit__no_room_for_the_file__says_so_before_any_pass(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "small"))
    monkeypatch.setattr(tempfile, "tempdir", None)  # what it found before
    (tmp_path / "small").mkdir()
    source = dataset.dataset(write(tmp_path / "files", FIRST))
    full = shutil.disk_usage(tmp_path)._replace(free=479)
    reads = mock.patch.object(
        sklearn_ae._tables.sources.SourceTable, "parts", side_effect=AssertionError
    )
    room = mock.patch("shutil.disk_usage", return_value=full)
    with room, reads, pytest.raises(OSError, match=r"small' has room.*TMPDIR"):
        make().fit(source)


@pytest.mark.parametrize("wrap", [str, Path, lambda p: [p], lambda p: [Path(p)]])
def test__fit__path__shows_what_to_write(wrap):
    with pytest.raises(TypeError, match=r"pyarrow\.dataset\.dataset\(.*rows.*'\]?\)"):
        make().fit(wrap("rows"))


CHECKS = {
    "cross_val_score": cross_val_score,
    "cross_validate": cross_validate,
    "learning_curve": lambda ae, X: learning_curve(ae, X, None),
    "search": lambda ae, X: GridSearchCV(ae, {"lr": [1e-3]}).fit(X),
}


@each_reader
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test__search__source__is_refused_before_any_fit(check, read, tmp_path):
    """scikit-learn does so, before any estimator sees X."""
    source = read(write(tmp_path, FIRST))
    words = "(an|or) array-like|at least 1 dimension|valid collection"
    with (
        mock.patch.object(AutoencoderTransformer, "fit", side_effect=AssertionError),
        pytest.raises((TypeError, ValueError), match=words),
    ):
        check(make(), source)


def test__fit__target_misspelt__names_the_column_like_it(tmp_path):
    source = dataset.dataset(write(tmp_path, {**FIRST, "income": FIRST["a"]}))
    with pytest.raises(ValueError, match=r"'incom'.*'income'"):
        AutoencoderPretrainedRegressor().fit(source, "incom")


@each_reader
def test__fit__verbose__shows_a_bar_for_each_pass(read, tmp_path, capsys):
    make(verbose=1).fit(read(write(tmp_path, FIRST)))
    shown = capsys.readouterr().err
    assert "reading rows" in shown
    assert "writing rows" in shown
    assert shown.count("60/60") == 2


@pytest.mark.slow
def test__fit__million_levels__finds_all_of_them(tmp_path):
    n_levels = 1_000_000
    levels = np.char.add("level ", np.arange(n_levels).astype(str))
    column = np.random.default_rng(0).permutation(np.tile(levels, 3))
    source = dataset.dataset(
        write(tmp_path, {"a": np.arange(3.0 * n_levels), "b": column}, 1, 100_000)
    )
    ae = make(max_categories=50).fit(source)
    assert len(ae.table_encoder_._categories.encoders_[1].categories_[0]) == n_levels
