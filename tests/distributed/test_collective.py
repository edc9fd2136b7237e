"""Fits of several processes together, which gloo connects on one machine."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._collective import _weight
from sklearn_ae.distributed import _meet, collective
from tests.distributed import programs

torch_distributed = pytest.importorskip(
    "torch.distributed", reason="a build of torch for one process"
)
PROGRAM = Path(__file__).with_name("programs.py")
# Longest time in which all processes are to end after one has failed.
PATIENCE = 30
each_size = pytest.mark.parametrize("size", [2, 3])


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(name, folder, size):
    """Start processes as a launcher does."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    shared = {"WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = []
    for rank in range(size):
        own = {**shared, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": 1}
        environment = {**os.environ, **{key: str(value) for key, value in own.items()}}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(PROGRAM.parents[2]), *sys.path]
        )
        processes.append(
            subprocess.Popen(
                [sys.executable, PROGRAM, name, folder],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return processes


def run(name, folder, size):
    """Return what each process has found."""
    processes = start(name, folder, size)
    errors = [process.communicate(timeout=600)[1] for process in processes]
    assert [p.returncode for p in processes] == [0] * size, "\n".join(errors)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def relative(values, expected):
    difference = np.linalg.norm(np.subtract(values, expected))
    return difference / np.linalg.norm(expected)


@pytest.mark.parametrize("size", range(1, 10))
def test__weights_of_processes__round_no_gradient_and_sum_up_to_one(size):
    weights = [_weight(rank, size) for rank in range(size)]
    assert sum(weights) == 1
    assert {np.frexp(weight)[0] for weight in weights} == {0.5}, "no powers of 2"


def test__processes_that_are_started_again_meet_where_none_has_been():
    store, met = torch_distributed.HashStore(), []
    for _ in range(3):
        with ThreadPoolExecutor() as threads:
            late = [threads.submit(_meet, store, rank, 3) for rank in (1, 2)]
            time.sleep(0.05)  # in which they read what those before have written
            names = {_meet(store, 0, 3), *(one.result() for one in late)}
        assert len(names) == 1
        met += names
    assert len({*met}) == 3


@pytest.fixture(scope="module")
def alone():
    """What one process finds."""
    return programs.steps()


@pytest.mark.slow
@each_size
def test__fit__together__has_the_gradients_of_one_process(size, alone, tmp_path):
    found = run("steps", tmp_path, size)
    for name, expected in alone.items():
        ranks = [part[name] for part in found]
        assert all(rank == ranks[0] for rank in ranks), name
        for own, gradient in zip(
            ranks[0]["gradients"], expected["gradients"], strict=True
        ):
            assert relative(own, gradient) < 1e-5, name
        assert relative(ranks[0]["after ten"], expected["after ten"]) < 1e-5, name
        assert ranks[0]["loss"] == pytest.approx(expected["loss"], rel=0.01), name


@pytest.mark.slow
def test__fit__other_estimators_together__predict_as_one_process(tmp_path):
    expected = programs.estimators()
    first, second = run("estimators", tmp_path, 2)
    assert first == second
    for name in ("detector", "classifier", "semi", "regressor", "imputer"):
        np.testing.assert_allclose(first[name], expected[name], atol=1e-3, err_msg=name)


@pytest.mark.slow
@each_size
def test__fit__together__has_each_row_once_an_epoch(size, tmp_path):
    found = run("counts", tmp_path, size)
    for n_rows in found[0]:
        # A process without a row sends one through that does not count.
        seen = [row for part in found for row in part[n_rows]]
        expected = np.arange(0.0, 2 * int(n_rows), 2)
        if int(n_rows) >= size:
            np.testing.assert_array_equal(np.sort(seen), expected)
        assert set(seen) == set(expected.tolist())


@pytest.mark.slow
def test__sources__together__are_written_by_all(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="results are written by pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow without Parquet")
    X = programs.X
    table = pa.table({f"c{i}": column for i, column in enumerate(X.T)})
    table = table.append_column("id", pa.array(range(len(X))))
    (tmp_path / "files").mkdir()
    parquet.write_table(table, tmp_path / "files" / "0.parquet", row_group_size=50)
    first, second = run("sources", tmp_path, 2)
    assert first == second
    written = parquet.read_table(tmp_path / "to").to_pandas()
    assert written.pop("id").tolist() == list(range(len(X)))
    np.testing.assert_allclose(written, first, atol=1e-4)


FAILURES = {
    "text": "ValueError: .*'x' of type str",
    "other": "ValueError: .*The rows of process 1 differ",
    "params": "ValueError: .*Parameters of process 1 differ.*n_components",
    "error": "ZeroDivisionError: deliberate",
    "killed": "OtherProcessFailed",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", FAILURES)
def test__fit__one_process_fails__all_end_with_an_error(how, tmp_path):
    processes = start(f"fails:{how}", tmp_path, 3)
    # Starting takes as long as the machine likes: the first end is what counts.
    while all(process.poll() is None for process in processes):
        time.sleep(0.1)
    errors = [p.communicate(timeout=PATIENCE)[1] for p in processes]
    assert all(process.returncode for process in processes)
    for rank, error in enumerate(errors):
        if how != "killed" or rank != 1:
            assert np.any([FAILURES[how].split(":")[0] in error]), error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test__fit__in_one_process_of_several__ends_when_the_others_leave(tmp_path):
    processes = start("fails:alone", tmp_path, 2)
    error = processes[0].communicate(timeout=300)[1]
    assert "has left collective()" in error
    assert processes[1].wait(timeout=PATIENCE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["static", "c10d"])
def test__torchrun__process_is_killed__restart_resumes(backend, tmp_path):
    """Its store, which it keeps, holds the addresses of processes that are gone."""
    port = free_port()
    where = {
        "static": [f"--master-port={port}"],
        "c10d": ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}"],
    }
    command = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, *command, *where[backend], PROGRAM, "resumes", tmp_path],
        check=True,
        env=environment,
        timeout=600,
    )
    first, second = (json.loads((tmp_path / f"{r}.json").read_text()) for r in (0, 1))
    assert first == second
    expected = programs.make(max_epochs=6).fit(programs.X)
    assert relative(first, programs.weights(expected.module_).numpy()) < 1e-3


@pytest.mark.slow
def test__fit__outside_of_collective__does_not_look_at_the_launcher(monkeypatch):
    """Else each of these would wait for a process that is not there."""
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "nobody",
    }.items():
        monkeypatch.setenv(name, value)
    ae = programs.make()
    expected = ae.fit(programs.X).transform(programs.X)
    GridSearchCV(ae, {"lr": [1e-3, 1e-2]}, n_jobs=2, cv=2).fit(programs.X)
    assert expected.shape == (len(programs.X), 3)


def test__collective__one_process__changes_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ae = AutoencoderTransformer(2, max_epochs=1, random_state=0)
    expected = ae.fit(programs.X).transform(programs.X)
    with collective():
        found = ae.fit(programs.X).transform(programs.X)
    np.testing.assert_array_equal(found, expected)
    assert not torch_distributed.is_initialized()


def test__collective__a_group_of_one__is_left_as_it_was(tmp_path):
    torch_distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        with collective():
            AutoencoderTransformer(2, max_epochs=1).fit(programs.X)
        assert torch_distributed.is_initialized()
    finally:
        torch_distributed.destroy_process_group()
