"""Columns of a user's file that are left out, and the reason that is printed."""

import numpy as np
import pandas as pd
import pytest

from sklearn_ae._cli.tables import InputTable, leave_out_unusable


def test__own_table__unusable_columns__are_named_with_the_reason(run, wine, tmp_path):
    wine.to_csv(tmp_path / "wine.csv", index=False)
    _, _, err = run(tmp_path / "wine.csv")
    assert "as their values hardly ever repeat, like identifiers or free" in err
    assert "free text: grower." in err
    assert "Left out, as they hold one value or none: constant, empty." in err


@pytest.mark.slow
def test__own_table__lists__are_left_out(run, wine, tmp_path):
    wine["grapes"] = [["white", "red"]] * len(wine)
    wine.to_parquet(tmp_path / "wine.parquet")
    code, _, err = run(tmp_path / "wine.parquet")
    assert code == 0, err
    assert "as they hold neither numbers nor categories: grapes." in err


def test__leave_out_unusable__column_constant_in_rows_to_learn_from__is_left_out():
    """A network that never saw it vary would make anything of another value."""
    X = pd.DataFrame({"a": range(20), "b": range(20), "c": [0] * 19 + [2209]})
    table = InputTable("t", X)
    assert list(leave_out_unusable(table, np.arange(20)).X) == ["a", "b", "c"]
    assert list(leave_out_unusable(table, np.arange(19)).X) == ["a", "b"]


def test__leave_out_unusable__pairs_split_in_two__follows_the_rows_to_learn_from():
    """The autoencoder would refuse values that repeat only beyond these rows."""
    X = pd.DataFrame({"a": range(100), "b": range(100), "c": [*range(50)] * 2})
    X["c"] = X["c"].map("pair {}".format)
    assert "c" in leave_out_unusable(InputTable("t", X), np.arange(100)).X
    assert "c" not in leave_out_unusable(InputTable("t", X), np.arange(75)).X
