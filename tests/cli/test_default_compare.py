"""The default command: what it prints and writes."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

ACCURACIES = [
    "LogisticRegression accuracy",
    "KNeighborsClassifier accuracy",
    "AutoencoderPretrainedClassifier accuracy",
]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
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
    for measure in ("reconstruction error", "KMeans NMI", *ACCURACIES):
        assert measure in done.stdout
    assert done.stdout.splitlines()[-1].startswith("On this table: predict digit with")
    assert "epoch" in done.stderr  # of the progress bar
    pictures = sorted((tmp_path / "sklearn_ae_output").iterdir())
    assert [p.name for p in pictures] == ["latent_space.png", "reconstructions.png"]
    assert all(p.read_bytes().startswith(PNG_SIGNATURE) for p in pictures)


@pytest.mark.slow
def test__digits__autoencoder__wins_at_what_it_is_for(run):
    _, out, _ = run()
    for start in ("reconstruction", "KMeans NMI"):
        line = next(line for line in out.splitlines() if line.startswith(start))
        assert line.endswith("   autoencoder")
    advice = out.splitlines()[-1]
    assert "AutoencoderPretrainedClassifier" in advice
    assert "latent=Clustered(10)" in advice
    assert "of the autoencoder" in advice


@pytest.mark.slow
def test__classes_in_lines__all_columns__are_advised(run, tmp_path):
    """Nothing is ahead of a linear model on the columns."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(800, 4)), columns=list("abcd"))
    kind = np.where(X @ [3, -2, 1, 1] + 0.1 * rng.normal(size=800) > 0, "up", "down")
    X.assign(kind=kind).to_csv(tmp_path / "lines.csv", index=False)
    _, out, _ = run(tmp_path / "lines.csv", "--target", "kind")
    assert "predict kind with LogisticRegression on all columns" in out.splitlines()[-1]


@pytest.mark.slow
def test__many_rows__a_sample_is_compared__and_all_have_latents(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr("sklearn_ae._cli.default_compare.MAX_ROWS", 200)
    X = np.random.default_rng(0).normal(size=(1_000, 3))
    pd.DataFrame(X).to_csv(tmp_path / "many.csv", index=False)
    _, out, _ = run(tmp_path / "many.csv")
    assert "A random sample of 200 of 1,000 rows: 150 rows to train on" in out
    assert len(pd.read_csv(tmp_path / "output" / "latents.csv")) == 1_000


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.slow
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


@pytest.mark.parametrize(
    "columns", [["alcohol", "cork"], ["cork", "cultivar"], ["organic", "cork"]]
)
@pytest.mark.slow
def test__own_table__one_number_or_none__is_compared(run, wine, tmp_path, columns):
    wine[columns].to_csv(tmp_path / "wine.csv", index=False)
    code, out, err = run(tmp_path / "wine.csv")
    assert code == 0, err
    assert "wrong categories" in out
    assert ("reconstruction error" in out) == ("alcohol" in columns)


def test__own_table__no_observed_cell_held_out__one_line_and_exit_code_2(run, tmp_path):
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]}).reindex(range(90))
    # Rows without any cell are no rows of the table; a column of one value is left out.
    rows["c"] = "k"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    code, _, err = run(tmp_path / "rows.csv", "--seed", 3)
    assert code == 2
    assert "All cells of the held-out rows are missing" in err.splitlines()[-1]


@pytest.mark.slow
def test__own_table__number_as_target__is_predicted_by_ridge(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    code, out, _ = run(tmp_path / "wine.csv", "--target", "alcohol")
    assert code == 0
    for model in ("Ridge", "KNeighborsRegressor", "AutoencoderPretrainedRegressor"):
        assert f"{model} R2" in out
    assert "KMeans" not in out


@pytest.mark.slow
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


@pytest.mark.slow
def test__same_seed__prints_the_same(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    command = tmp_path / "wine.csv", "--seed", 3, "--force"
    outputs = {run(*command)[1] for _ in range(2)}
    assert len(outputs) == 1
