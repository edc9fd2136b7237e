"""Errors, interruptions and missing packages: one line, and an exit code."""

import gzip
import signal
import subprocess
import sys
import time
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest

from sklearn_ae._cli.main import main
from tests.cli.helpers import assert_refused


def _write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "There is no file"),
        ("table.xlsx", b"", "is empty"),
        ("table.xlsx", b"a,b\n1,2\n", "Cannot read table.xlsx"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        ("empty.csv", b"", "is empty"),
        ("empty.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("header.csv", b"a,b\n", "header.csv: 0. At least 10"),
        ("short.csv", b"a,b\n" + 9 * b"1,2\n", "short.csv: 9. At least 10"),
        ("constant.csv", b"a,b\n" + 20 * b"x,2\n", "has 0. Left out, as they hold"),
        ("single.csv", b"a,b\n" + 10 * b"1,y\n2,y\n", "has 1. Left out, as they hold"),
        ("infinite.csv", b"a,b\n" + 10 * b"1,inf\n2,1\n", "Infinite values in: b"),
        ("binary.csv", bytes(range(256)), "Cannot read"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "Line 3 of ragged.csv has 3 cells"),
        ("plain.csv.gz", b"a,b\n1,2\n", "Rows of data in plain.csv.gz: 1."),
        (
            "cut.csv.gz",
            gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9],
            "Cannot read cut.csv.gz",
        ),
        ("damaged.parquet", b"PAR1", "Cannot read"),
    ],
)
def test__bad_file__one_line_and_exit_code_2(run, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert_refused(run(path), message)
    assert not (tmp_path / "output").exists()


def test__target_without_path__one_line_and_exit_code_2(run):
    assert_refused(run("--target", "digit"), "give its PATH")


def test__folder_as_path__one_line_and_exit_code_2(run, tmp_path):
    assert_refused(run(tmp_path), "is a folder")


def test__output_is_a_file__one_line_and_exit_code_2(tmp_path, capsys):
    path = _write(tmp_path / "taken", b"")
    code = main(["--output", str(path)])
    assert_refused((code, *capsys.readouterr()), "Cannot make the folder")


@pytest.mark.slow
def test__output_not_writable__one_line_and_exit_code_2(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    (tmp_path / "output" / "latents.csv").mkdir(parents=True)
    code, _, err = run(tmp_path / "wine.csv")
    assert code == 2
    assert err.splitlines()[-1].startswith("sklearn_ae: error: ")
    assert "latents.csv" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("module", "arguments", "hint"),
    [
        ("openpyxl", ["table.xlsx"], "pip install openpyxl"),
        ("pyarrow", ["table.parquet"], "pip install pyarrow"),
    ],
)
def test__missing_optional_package__is_named_before_training(
    run, monkeypatch, tmp_path, module, arguments, hint
):
    _write(tmp_path / "table.parquet", b"PAR1")
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    monkeypatch.chdir(tmp_path)
    for name in [n for n in sys.modules if n.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert_refused(run(*arguments), hint)


def test__warning__is_a_note_in_one_line(run, monkeypatch):
    def warn(_):
        warnings.warn("Trained\ntoo short.", UserWarning, stacklevel=1)

    monkeypatch.setattr("sklearn_ae._cli.default_compare.run", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run() == (0, "", "note: Trained too short.\n")


def _interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "place",
    [
        "sklearn_ae._cli.default_compare.digits",
        "sklearn_ae._modules.autoencoder.Autoencoder.inputs",
    ],
    ids=["reading", "training"],
)
def test__interrupted__says_so_and_compares_nothing(run, monkeypatch, place):
    monkeypatch.setattr(place, _interrupt)
    code, out, err = run()
    assert code == 130
    assert "reconstruction error" not in out
    assert err.endswith("sklearn_ae: interrupted\n")
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 1])
def test__interrupted__by_a_key__leaves_the_files_that_were_there(tmp_path, seconds):
    rng = np.random.default_rng(0)
    # Large enough that it is not done before it is interrupted.
    table = pd.DataFrame(rng.normal(size=(100_000, 10))).add_prefix("x")
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "anomalies.csv").write_text("of last week")
    command = [sys.executable, "-m", "sklearn_ae", "anomalies", "table.csv", "--force"]
    with subprocess.Popen(
        [*command, "--save", "model"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The table of the columns comes before the training.
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.endswith("sklearn_ae: interrupted\n")
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "anomalies.csv"}
    assert (tmp_path / "anomalies.csv").read_text() == "of last week"
