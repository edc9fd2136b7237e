"""The README's examples run, and what it says of the table is what is printed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("source", _blocks("python"))
def test__readme__python_block__runs(source):
    exec(compile(source, "README.md", "exec"), {"__name__": "README"})


def test__readme__printed_table__has_the_measures_of_the_command_line():
    (table,) = _blocks("text")
    for measure in ("reconstruction error", "KMeans NMI", "LogisticRegression"):
        assert measure in table


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test__readme__link__leads_to_a_file(target):
    assert (ROOT / target).is_file()
