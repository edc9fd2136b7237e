"""The commands: what each prints and writes, and that files are read alike by all."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
)
from sklearn_ae._cli.main import main
from tests.cli.case_files import ERRORS, NOTES, customers, write_cases

COMMANDS = {
    "compare": [],
    "anomalies": [],
    "impute": [],
    "embed": [],
    "cluster": ["-k", "3"],
    "map": [],
    "predict": ["--target", "vip"],
    "sample": ["-n", "20"],
}


@pytest.fixture
def run(run_here):
    return run_here


def write(frame, name="table.csv"):
    frame.to_csv(name, index=False)
    return name


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder


def files(cases):
    return sorted(path.name for path in cases.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test__each_command__files_as_people_have_them__are_read_or_refused(
    run, briefly, cases, command
):
    for name in files(cases):
        code, out, err = run(command, cases / name, *COMMANDS[command], "--force")
        said = [
            line for line in re.split("[\r\n]+", err) if line.startswith("sklearn_ae")
        ]
        if command == "predict" and name == "no_header.csv":
            assert code == 2
            assert "There is no column 'vip'" in said[0]
            continue
        if name in ERRORS:
            assert (code, out, len(said)) == (2, "", 1), name
            assert ERRORS[name] in said[0]
        else:
            assert (code, said) == (0, []), (name, err)
            assert f"{name}: " in out
        if name in NOTES:
            assert NOTES[name] in err


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(c, marks=pytest.mark.slow if c == "cluster" else ())
        for c in COMMANDS
    ],
)
def test__each_command__two_files_of_one_table__writes_the_same(
    run, briefly, cases, command
):
    for name in ("plain.csv", "cp1252_european.csv"):
        code, _, err = run(
            *(command, cases / name, *COMMANDS[command], "--force"),
            *([] if command == "compare" else ["--output", f"{name}.out.csv"]),
        )
        assert code == 0, err
    if command != "compare":
        first, second = (
            pd.read_csv(f"{name}.out.csv")
            for name in ("plain.csv", "cp1252_european.csv")
        )
        pd.testing.assert_frame_equal(first, second)


def test__anomalies__same_seed__same_numbers_as_the_class(run, cases):
    run("anomalies", cases / "plain.csv", "--seed", 3, "--quiet")
    written = pd.read_csv("anomalies.csv")
    X = pd.read_csv(cases / "plain.csv")
    detector = AutoencoderAnomalyDetector(random_state=3).fit(X)
    np.testing.assert_allclose(written["score"], detector.score_samples(X), rtol=1e-9)
    np.testing.assert_allclose(written["p_value"], detector.p_values(X), rtol=1e-9)
    assert (written["is_outlier"] == (detector.predict(X) == -1)).all()


def test__anomalies__identifier__is_printed_and_written(run, briefly, cases):
    _, out, _ = run("anomalies", cases / "text_id.csv", "--top", 3)
    written = pd.read_csv("anomalies.csv")
    first = written.set_index("rank").loc[1]
    assert first["customer_id"] in out
    assert list(written["customer_id"]) == [f"C{i:05d}" for i in range(400)]


def test__anomalies__contamination__is_the_share_of_outliers(run, briefly, cases):
    run("anomalies", cases / "plain.csv", "--contamination", 0.1)
    assert pd.read_csv("anomalies.csv")["is_outlier"].mean() == pytest.approx(0.1)


def test__anomalies__train__rows_are_compared_with_those_of_another_file(run, briefly):
    usual, new = customers(), customers()[:30]
    new["income"] = new["income"].astype(object)
    new.loc[7, "income"] = 10.0**7
    new.loc[8, "income"] = "?"
    write(usual, "usual.csv")
    # The same columns in another order, and with other decimals.
    new[["vip", "rate", "income", "age", "city"]].to_csv(
        "new.csv", sep=";", index=False
    )
    code, out, err = run(
        "anomalies", "new.csv", "--train", "usual.csv", "--fdr", 0.2, "--top", 1
    )
    assert code == 0, err
    written = pd.read_csv("anomalies.csv")
    assert len(written) == 30
    assert written["rank"].idxmin() == 7
    assert re.search(r"^ +8 +-[\d.]+ +income ", out, re.MULTILINE)
    write(usual.drop(columns="vip"), "lacking.csv")
    code, _, err = run("anomalies", "lacking.csv", "--train", "usual.csv", "--force")
    assert code == 2
    assert "lacks columns that the model has learnt from: vip" in err


def test__impute__only_missing_cells_change(run, briefly, cases):
    frame = pd.read_csv(cases / "two_unknown.csv", dtype=str)
    code, out, err = run("impute", cases / "two_unknown.csv")
    assert code == 0, err
    filled = pd.read_csv("imputed.csv", dtype=str)
    changed = (filled != frame).to_numpy()
    assert changed.sum() == 2
    assert changed[[5, 9], 0].all()
    assert filled["age"].str.isdecimal().all()
    assert "2 cells filled, of 2,000." in out


@pytest.mark.slow
def test__impute__same_seed__same_cells_as_the_class(run):
    frame = customers()
    frame.loc[::7, "city"] = None
    write(frame)
    run("impute", "table.csv", "--seed", 1)
    imputer = AutoencoderImputer(random_state=1)
    expected = imputer.fit_transform(frame)
    assert pd.read_csv("imputed.csv")["city"].tolist() == expected["city"].tolist()


def test__impute__dates_and_left_out_columns__stay_as_they_are(run, briefly, cases):
    frame = pd.read_csv(cases / "dates.csv").assign(
        comment=lambda x: x.index.map(str) + " a b c d"
    )
    frame.loc[3, "when"] = None
    write(frame)
    run("impute", "table.csv")
    filled = pd.read_csv("imputed.csv")
    assert list(filled) == list(frame)
    assert filled["when"].str.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?").all()
    assert filled["when"].drop(3).equals(frame["when"].drop(3))
    assert filled["comment"].equals(frame["comment"])


def test__append__original_columns_and_order_are_kept(run, briefly, cases):
    original = pd.read_csv(cases / "number_id.csv", dtype=str)
    for command in ("anomalies", "embed", "map"):
        options = [*COMMANDS[command], "--append", "--force", "--output", "out.csv"]
        code, _, err = run(command, cases / "number_id.csv", *options)
        assert code == 0, err
        written = pd.read_csv("out.csv", dtype=str)
        assert written[list(original)].equals(original)
        assert written.shape[1] > original.shape[1]


@pytest.mark.parametrize(
    "name", ["out.csv", "out.tsv", "out.csv.gz", "out.parquet", "-"]
)
def test__output__format_follows_the_name(run, briefly, cases, name):
    code, out, err = run("embed", cases / "plain.csv", "--output", name)
    assert code == 0, err
    if name == "-":
        frame = pd.read_csv(io.StringIO(out))
        assert "plain.csv: 400 rows" in err
    elif name == "out.parquet":
        frame = pd.read_parquet(name)
    else:
        frame = pd.read_csv(name, sep="\t" if name == "out.tsv" else ",")
    assert list(frame)[:2] == ["row", "latent_1"]
    assert len(frame) == 400
    assert "\x1b" not in out


def test__output__exists__is_overwritten_by_force_alone(run, briefly, cases):
    write(customers()[:1], "embedding.csv")
    code, out, err = run("embed", cases / "plain.csv")
    assert (code, out) == (2, "")
    assert "embedding.csv exists already: --force overwrites it" in err
    assert len(pd.read_csv("embedding.csv")) == 1
    assert run("embed", cases / "plain.csv", "--force")[0] == 0
    assert len(pd.read_csv("embedding.csv")) == 400


def test__interrupted__writing__leaves_the_old_file(
    run, briefly, cases, monkeypatch, tmp_path
):
    write(customers()[:1], "embedding.csv")
    before = (tmp_path / "embedding.csv").read_bytes()

    def interrupt(*_, **__):
        (tmp_path / ".part-embedding.csv").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", interrupt)
    assert run("embed", cases / "plain.csv", "--force")[0] == 130
    assert (tmp_path / "embedding.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["embedding.csv"]


@pytest.mark.slow
def test__cluster__groups__are_found_and_described(run):
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=300)
    frame = pd.DataFrame(
        rng.normal(size=(300, 4)) + 6 * kind[:, None], columns=list("abcd")
    )
    write(frame)
    code, out, err = run("cluster", "table.csv", "-k", 3)
    assert code == 0, err
    clusters = pd.read_csv("clusters.csv")["cluster"]
    assert set(clusters) == {1, 2, 3}
    assert pd.crosstab(clusters, kind).to_numpy().max(axis=1).sum() == 300
    assert "the rows have such clusters" in out


@pytest.mark.slow
def test__predict__rows_without_a_target__get_one(run, cases):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    truth = np.where(X["a"] > 0, "high", "low")
    frame = X.assign(level=truth)
    frame.loc[100:, "level"] = None
    write(frame)
    code, out, err = run("predict", "table.csv", "--target", "level")
    assert code == 0, err
    written = pd.read_csv("predictions.csv")
    assert (written["level_or_predicted"][:100] == truth[:100]).all()
    assert (written["level_predicted"][100:] == truth[100:]).mean() > 0.85
    assert written["is_predicted"].sum() == 100
    sums = written[["probability_high", "probability_low"]].sum(axis=1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    assert "Learnt from 100 rows with level, and 100 without." in out
    accuracy = float(re.search(r"cross-validation: ([\d.]+)%", out)[1])
    assert accuracy > 85


def test__sample__rows_have_the_columns_and_values_of_the_table(run, briefly, cases):
    run("sample", cases / "plain.csv", "-n", 25)
    drawn, plain = pd.read_csv("sample.csv"), customers()
    assert list(drawn) == list(plain)
    assert len(drawn) == 25
    assert set(drawn["city"]) <= set(plain["city"])
    assert (drawn["age"] % 1 == 0).all()


@pytest.mark.parametrize("command", ["anomalies", "map", "compare"])
def test__without_matplotlib__tables_come_and_a_line_says_how_to_get_pictures(
    run, briefly, cases, monkeypatch, tmp_path, command
):
    monkeypatch.setattr("sklearn_ae._cli.results.can_draw", lambda: False)
    code, out, err = run(command, cases / "plain.csv")
    assert code == 0, err
    assert 'pip install "sklearn_ae[plot]"' in out
    assert list(tmp_path.rglob("*.csv"))
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["anomalys", "x"], "Did you mean 'anomalies'? The commands are: compare,"),
        (["frobnicate"], "There is no command and no file 'frobnicate'. The commands"),
        (["cluster", "plain.csv"], "the following arguments are required: -k"),
        (["cluster", "plain.csv", "-k", "300"], "too many for 400 rows"),
        (["predict", "plain.csv"], "the following arguments are required: --target"),
        (["predict", "plain.csv", "--target", "vpi"], "Did you mean 'vip'?"),
        (["predict", "text_id.csv", "--target", "customer_id"], "distinct values"),
        (["embed", "plain.csv", "--n-components", "9"], "more than the 5 columns"),
        (["embed", "plain.csv", "--ignore", "agee"], "Did you mean 'age'?"),
        (["embed", "text_id.csv", "--keep", "customer_id"], "Leave --keep out"),
        (["embed", "plain.csv", "--device", "gpu"], "device"),
        (["embed", "plain.csv", "--encoding", "utf-9"], "no encoding that is known"),
        (["embed", "plain.csv", "--separator", "ab"], "is no separator"),
        (["embed", "plain.csv", "--output", "out.xyz"], "Cannot tell the format"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test__wrong_request__one_line_and_exit_code_2(run, cases, arguments, message):
    for name in ("plain.csv", "text_id.csv"):
        write(pd.read_csv(cases / name), name)
    code, _, err = run(*arguments)
    assert code == 2
    assert err.splitlines()[-1].startswith("sklearn_ae: error: ")
    assert message in err.splitlines()[-1]


def test__version__is_printed(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert re.fullmatch(r"sklearn_ae \d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("command", COMMANDS)
def test__help__of_each_command__shows_an_example_and_exit_codes(capsys, command):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "example" in text
    assert "exit codes: 0 after success" in text
    assert all(len(line) <= 88 for line in text.splitlines())
