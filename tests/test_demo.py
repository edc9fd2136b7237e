"""The command line: what it prints, what it writes, and how it refuses."""

import gzip
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from sklearn_ae._cli.main import main
from sklearn_ae._cli.measures import (
    Line,
    StandardizedPCA,
    matched_accuracy,
    scales_of,
    squared_errors,
    wrong_shares,
)
from sklearn_ae._cli.tables import Table, leave_out_unusable

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def wine():
    """178 rows with every kind of column that a user's table may hold."""
    frame, cultivar = load_wine(return_X_y=True, as_frame=True)
    frame = frame.iloc[:, [0, 1, 2, 3, 4, 10]].copy()
    frame.loc[::7, "ash"] = np.nan
    frame["organic"] = (frame["alcohol"] > 13).astype(object)
    frame.loc[::5, "organic"] = None
    frame["constant"] = 1.5
    frame["empty"] = np.nan
    frame["grower"] = [f"grower {i % 100}" for i in range(len(frame))]
    frame["cork"] = np.where(frame["hue"] > 1, "natural", "synthetic")
    frame.loc[::9, "cork"] = None
    frame["cultivar"] = cultivar.map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
    return frame


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that runs the command line in an output folder of its own."""

    def run(*arguments):
        code = main([*map(str, arguments), "--output", str(tmp_path / "output")])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


def test__digits__no_arguments__prints_table_and_draws(tmp_path):
    """The one command of the README, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "sklearn_ae"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "handwritten digits" in done.stdout
    for measure in ("reconstruction error", "KMeans accuracy", "KMeans NMI"):
        assert measure in done.stdout
    assert "LogisticRegression accuracy" in done.stdout
    assert "epoch" in done.stderr  # of the progress bar
    pictures = sorted((tmp_path / "sklearn_ae_output").iterdir())
    assert [p.name for p in pictures] == ["latent_space.png", "reconstructions.png"]
    assert all(p.read_bytes().startswith(PNG_SIGNATURE) for p in pictures)


def test__digits__reconstruction__beats_pca(run):
    _, out, _ = run()
    line = next(line for line in out.splitlines() if line.startswith("reconstruction"))
    assert line.endswith("   autoencoder")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test__own_table__each_format__writes_one_latent_row_per_row(
    run, wine, tmp_path, suffix
):
    path = tmp_path / f"wine{suffix}"
    if suffix == ".parquet":
        wine.to_parquet(path)
    else:
        wine.to_csv(path, index=False)
    code, out, _ = run(path, "--target", "cultivar", "--n-components", 3)
    assert code == 0
    assert "3 classes" in out
    assert "LogisticRegression accuracy" in out
    latents = pd.read_csv(tmp_path / "output" / "latents.csv")
    assert latents.shape == (178, 3)
    assert list(latents) == [f"autoencodertransformer{i}" for i in range(3)]
    assert latents.notna().all(axis=None)


def test__own_table__without_target__compares_reconstructions_only(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    code, out, _ = run(tmp_path / "wine.csv")
    assert code == 0
    assert "reconstruction error" in out
    assert "KMeans" not in out
    assert (tmp_path / "output" / "latent_space.png").exists()


def test__own_table__numbers_and_categories__have_a_line_each(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    code, out, _ = run(tmp_path / "wine.csv")
    assert code == 0
    # The truth values, the corks and the cultivars.
    assert "6 columns of numbers and 3 columns of categories" in out
    assert "reconstruction error of numbers (lower wins)" in out
    assert "wrong categories (lower wins)" in out


def test__own_table__unusable_columns__are_named_with_the_reason(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    _, out, _ = run(tmp_path / "wine.csv")
    assert "as their values hardly ever repeat, like identifiers or free" in out
    assert "free text: grower." in out
    assert "one value or none in the rows to train on: constant, empty." in out


def test__own_table__dates_and_lists__are_left_out(run, wine, tmp_path):
    wine["bottled"] = pd.Timestamp("2020-01-01")
    wine["grapes"] = [["white", "red"]] * len(wine)
    wine.to_parquet(tmp_path / "wine.parquet")
    code, out, err = run(tmp_path / "wine.parquet")
    assert code == 0, err
    assert "as they hold dates or times: bottled." in out
    assert "as they hold neither numbers nor categories: grapes." in out


@pytest.mark.parametrize(
    "columns", [["alcohol", "cork"], ["cork", "cultivar"], ["organic", "cork"]]
)
def test__own_table__one_number_or_none__is_compared(run, wine, tmp_path, columns):
    wine[columns].to_csv(tmp_path / "wine.csv", index=False)
    code, out, err = run(tmp_path / "wine.csv")
    assert code == 0, err
    assert "wrong categories" in out
    assert ("reconstruction error" in out) == ("alcohol" in columns)


def test__own_table__no_observed_cell_held_out__one_line_and_exit_code_2(run, tmp_path):
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]}).reindex(range(90))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    code, _, err = run(tmp_path / "rows.csv", "--seed", 3)
    assert code == 2
    assert "All cells of the held-out rows are missing" in err.splitlines()[-1]


def test__leave_out_unusable__column_constant_in_rows_to_learn_from__is_left_out():
    """A network that never saw it vary would make anything of another value."""
    X = pd.DataFrame({"a": range(20), "b": range(20), "c": [0] * 19 + [2209]})
    assert list(leave_out_unusable(Table("t", X), np.arange(20)).X) == ["a", "b", "c"]
    assert list(leave_out_unusable(Table("t", X), np.arange(19)).X) == ["a", "b"]


def test__leave_out_unusable__pairs_split_in_two__follows_the_rows_to_learn_from():
    """The autoencoder would refuse values that repeat only beyond these rows."""
    X = pd.DataFrame({"a": range(100), "b": range(100), "c": [*range(50)] * 2})
    X["c"] = X["c"].map("pair {}".format)
    assert "c" in leave_out_unusable(Table("t", X), np.arange(100)).X
    assert "c" not in leave_out_unusable(Table("t", X), np.arange(75)).X


def test__own_table__number_as_target__is_predicted_by_ridge(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    code, out, _ = run(tmp_path / "wine.csv", "--target", "alcohol")
    assert code == 0
    assert "Ridge R2" in out
    assert "KMeans" not in out


def test__own_table__missing_and_rare_classes__are_left_out_or_split(
    run, wine, tmp_path
):
    wine.loc[::3, "cultivar"] = None
    wine.loc[1, "cultivar"] = r"$\the_only^one$"
    wine.to_csv(tmp_path / "wine.csv", index=False)
    code, out, _ = run(tmp_path / "wine.csv", "--target", "cultivar")
    assert code == 0
    assert "4 classes" in out


def test__own_table__fewer_rows_than_components__works(run, tmp_path):
    X = np.random.default_rng(0).normal(size=(12, 40))
    pd.DataFrame(X).to_csv(tmp_path / "wide.csv", index=False)
    code, _, err = run(tmp_path / "wide.csv", "--n-components", 20)
    assert code == 0, err


def test__same_seed__prints_the_same(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    outputs = {run(tmp_path / "wine.csv", "--seed", 3)[1] for _ in range(2)}
    assert len(outputs) == 1


def _write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "There is no file"),
        ("table.xlsx", b"", "has to end in .csv, .csv.gz or .parquet"),
        ("empty.csv", b"", "is empty"),
        ("empty.csv.gz", gzip.compress(b""), "is empty"),
        ("header.csv", b"a,b\n", "header.csv: 0. At least 10"),
        ("short.csv", b"a,b\n" + 9 * b"1,2\n", "short.csv: 9. At least 10"),
        ("constant.csv", b"a,b\n" + 20 * b"x,2\n", "has 0. Left out, as they hold"),
        ("single.csv", b"a,b\n" + 10 * b"1,y\n2,y\n", "has 1. Left out, as they hold"),
        ("infinite.csv", b"a,b\n" + 10 * b"1,inf\n2,1\n", "Infinite values in: b"),
        ("semicolons.csv", b"a;b\n" + 20 * b"1;2\n", "separated by commas"),
        ("binary.csv", bytes(range(256)), "Cannot read"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "Cannot read"),
        ("plain.csv.gz", b"a,b\n1,2\n", "Cannot read"),
        ("damaged.parquet", b"PAR1", "Cannot read"),
    ],
)
def test__bad_file__one_line_and_exit_code_2(run, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    _assert_refused(run(path), message)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "cultivars"], "Did you mean 'cultivar'?"),
        (["--target", "zzz"], "It has: alcohol, malic_acid"),
        (["--target", "empty"], "0 distinct values"),
        (["--target", "constant"], "1 distinct values"),
        (["--target", "grower"], "100 distinct values in 178 rows"),
        (["--n-components", "100"], "more than the"),
        (["--n-components", "0"], "a whole number of at least 1"),
        (["--seed", "x"], "a whole number of at least 0"),
        (["--epochs", "3"], "unrecognized arguments"),
    ],
)
def test__bad_arguments__one_line_and_exit_code_2(
    run, wine, tmp_path, arguments, message
):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    _assert_refused(run(tmp_path / "wine.csv", *arguments), message)


def test__target_without_path__one_line_and_exit_code_2(run):
    _assert_refused(run("--target", "digit"), "give its PATH")


def test__folder_as_path__one_line_and_exit_code_2(run, tmp_path):
    _assert_refused(run(tmp_path), "is a folder")


def test__output_is_a_file__one_line_and_exit_code_2(tmp_path, capsys):
    path = _write(tmp_path / "taken", b"")
    code = main(["--output", str(path)])
    _assert_refused((code, *capsys.readouterr()), "Cannot make the folder")


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
        ("matplotlib", [], 'pip install "sklearn_ae[plot]"'),
        ("pyarrow", ["table.parquet"], "pip install pyarrow"),
    ],
)
def test__missing_optional_package__is_named_before_training(
    run, monkeypatch, tmp_path, module, arguments, hint
):
    _write(tmp_path / "table.parquet", b"PAR1")
    monkeypatch.chdir(tmp_path)
    for name in [n for n in sys.modules if n.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    _assert_refused(run(*arguments), hint)


def _assert_refused(result, message):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("sklearn_ae: error: ")
    assert err.count("\n") == 1


def _interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "place",
    [
        "sklearn_ae._cli.compare.digits",
        "sklearn_ae._modules.autoencoder.Autoencoder.forward",
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


def test__help__shows_an_example_of_each_use(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert "python -m sklearn_ae wine.csv --target quality" in text
    assert all(len(line) <= 88 for line in text.splitlines())


@pytest.mark.parametrize(
    ("autoencoder", "pca", "lower_wins", "better"),
    [
        (0.2, 0.3, True, "autoencoder"),
        (0.2, 0.3, False, "PCA"),
        (0.9501, 0.9502, False, "tie"),
    ],
)
def test__line__better__follows_the_printed_digits(
    autoencoder, pca, lower_wins, better
):
    assert Line("measure", autoencoder, pca, lower_wins).better == better


def test__matched_accuracy__renamed_clusters__is_one():
    assert matched_accuracy([0, 0, 1, 2], [2, 2, 0, 1]) == 1
    assert matched_accuracy([0, 0, 1, 1], [0, 0, 0, 0]) == 0.5


def test__squared_errors__missing_cells_and_constant_columns__do_not_count():
    rows = pd.DataFrame({"a": [-1.0, 1.0, np.nan], "b": 7.0})
    X = pd.DataFrame({"a": [np.nan, 3.0], "b": 7.0})
    errors = squared_errors(X, 0 * X.fillna(0), scales_of(rows))
    np.testing.assert_array_equal(errors, [9.0, np.nan])


def test__squared_errors__column_means__have_error_one():
    X = pd.DataFrame(np.random.default_rng(0).normal(3, 5, size=(50, 4)))
    means = pd.DataFrame(np.broadcast_to(X.mean(), X.shape))
    np.testing.assert_allclose(squared_errors(X, means, scales_of(X)), 1)


def test__wrong_shares__missing_cells__do_not_count():
    X = pd.DataFrame({"a": ["x", "y", None, None], "b": [True, False, True, True]})
    restored = pd.DataFrame({"a": list("xxxx"), "b": [True] * 4})
    assert wrong_shares(X, restored).to_dict() == {"a": 0.5, "b": 0.25}


@pytest.fixture
def mixed():
    """Numbers and categories, of which some cells are missing."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(3, 5, size=(60, 3)), columns=list("abc"))
    X["colour"] = rng.choice(["red", "green", "blue"], len(X), p=[0.6, 0.3, 0.1])
    X["open"] = pd.array(rng.random(len(X)) < 0.3, dtype="boolean")
    X.loc[::5, ["b", "colour"]] = None
    X.loc[1::5, "open"] = None
    return X


def test__pca__all_components__restores_observed_cells(mixed):
    restored = StandardizedPCA(8, random_state=0).fit(mixed).reconstruct(mixed)
    numbers = list("abc")
    observed = mixed[numbers].notna().to_numpy()
    np.testing.assert_allclose(
        restored[numbers].to_numpy()[observed], mixed[numbers].to_numpy()[observed]
    )
    categories = ["colour", "open"]
    assert (wrong_shares(mixed[categories], restored[categories]) == 0).all()


def test__pca__columns_without_missing_cells__count_equally(mixed):
    """However many categories a column has: each has variance 1 as a whole."""
    mixed = mixed.dropna()
    latents = StandardizedPCA(8, random_state=0).fit(mixed).transform(mixed)
    np.testing.assert_allclose(latents.var(axis=0).sum(), mixed.shape[1])


def test__pca__category_that_fit_did_not_see__counts_as_missing(mixed):
    pca = StandardizedPCA(2, random_state=0).fit(mixed)
    unknown, missing = mixed.assign(colour="mauve"), mixed.assign(colour=None)
    np.testing.assert_array_equal(pca.transform(unknown), pca.transform(missing))
