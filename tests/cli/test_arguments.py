"""Arguments of the command line: what the help says, and what is refused."""

import subprocess
import sys

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


RUN = """
import sys
from sklearn_ae._cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*{"numpy", "pandas", "sklearn", "torch"} & {*sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["anomalies", "--help"],
        ["anomalies"],
        ["--epochs", "3"],
        ["--n-components", "0"],
        ["--target", "quality"],
        ["missing.csv"],
    ],
    ids=" ".join,
)
def test__help_and_usage_errors__answer_without_importing_torch(arguments):
    """Importing it takes seconds."""
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "usage" in done.stdout or "sklearn_ae: error: " in done.stderr
    assert done.stderr.splitlines()[-1] == ""
