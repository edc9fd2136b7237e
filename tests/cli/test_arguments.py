"""Arguments of the command line: what the help says, and what is refused."""

import pytest

from sklearn_ae._cli.main import main
from tests.cli.helpers import assert_refused


def test__help__names_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m sklearn_ae anomalies" in capsys.readouterr().out


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
    assert_refused(run(tmp_path / "wine.csv", *arguments), message)


def test__help__shows_an_example_of_each_use(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert "python -m sklearn_ae wine.csv --target quality" in text
    assert all(len(line) <= 88 for line in text.splitlines())
