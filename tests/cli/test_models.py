"""Saved models: the same results from a file as from the command that trained."""

import numpy as np
import pandas as pd
import pytest

from tests.cli.case_files import customers
from tests.cli.test_commands import COMMANDS


@pytest.fixture
def run(run_here):
    return run_here


@pytest.mark.parametrize("command", ["anomalies", "impute", "embed", "predict"])
def test__score__table_that_was_learnt_from__same_results(run, briefly, command):
    frame = customers()
    frame.loc[::9, "income"] = np.nan
    frame.to_csv("table.csv", index=False)
    options = ["--output", "first.csv", "--save", "m.safetensors"]
    code, out, err = run(command, "table.csv", *COMMANDS[command], *options)
    assert code == 0, err
    assert "The model is in m.safetensors." in out
    # The same table, written by another program.
    frame.to_csv("other.csv", index=False, sep=";", decimal=",")
    code, _, err = run("score", "m.safetensors", "other.csv")
    assert code == 0, err
    first, second = pd.read_csv("first.csv"), pd.read_csv("scores.csv")
    if command == "predict":
        first = first.rename(columns={"vip_predicted": "predicted"})[list(second)]
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["cluster", "map", "sample", "compare"])
def test__score__other_models__have_their_results(run, briefly, command):
    customers().to_csv("table.csv", index=False)
    code, _, err = run(command, "table.csv", *COMMANDS[command], "--save", "m.model")
    assert code == 0, err
    code, _, err = run("score", "m.model", "table.csv")
    assert code == 0, err
    scores = pd.read_csv("scores.csv")
    assert len(scores) == 400
    if command in ("cluster", "map"):
        first = pd.read_csv({"cluster": "clusters.csv", "map": "map.csv"}[command])
        pd.testing.assert_frame_equal(scores, first)


def test__score__new_rows__are_read_as_the_model_needs(run, briefly):
    frame = customers().assign(
        code=[f"0{i % 7}" for i in range(400)],
        when=pd.date_range("2020-01-01", periods=400).astype(str),
    )
    frame.to_csv("table.csv", index=False)
    run("embed", "table.csv", "--save", "m.safetensors")
    new = frame[:3].assign(age=["?", 30, 40], code=["3", "07", "02"])
    new[sorted(new)].to_csv("new.csv", index=False)
    code, _, err = run("score", "m.safetensors", "new.csv")
    assert code == 0, err
    assert "2 of 3 cells of age are numbers" in err
    assert len(pd.read_csv("scores.csv")) == 3
    new.drop(columns="city").to_csv("lacking.csv", index=False)
    code, _, err = run("score", "m.safetensors", "lacking.csv", "--force")
    assert code == 2
    assert "lacks columns that the model has learnt from: city" in err


def test__describe__names_estimator_and_columns(run, briefly):
    customers().to_csv("table.csv", index=False)
    run("embed", "table.csv", "--save", "m.safetensors")
    code, out, err = run("describe", "m.safetensors")
    assert code == 0, err
    assert "AutoencoderTransformer" in out
    assert "  city  (category)" in out
    assert "  age  (number)" in out


def test__save__file_exists__is_refused_before_training(run, briefly):
    customers().to_csv("table.csv", index=False)
    code, out, err = run("embed", "table.csv", "--save", "table.csv")
    assert (code, out) == (2, "")
    assert "table.csv is the table itself" in err


@pytest.mark.parametrize("command", ["score", "describe"])
def test__no_model__one_line_and_exit_code_2(run, command):
    customers().to_csv("table.csv", index=False)
    options = ["table.csv"] if command == "score" else []
    code, _, err = run(command, "table.csv", *options)
    assert code == 2
    assert err.startswith("sklearn_ae: error: table.csv cannot be loaded")
    assert err.count("\n") == 1
