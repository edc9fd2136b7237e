"""The README's examples print what it shows, and its links and figures are true."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.printed import differs, examples

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = examples(README)


def test__readme__each_python_block__shows_its_output():
    assert len(EXAMPLES) == 3
    assert all(shown for _, shown in EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "shown"), EXAMPLES)
def test__readme__python_block__prints_what_is_shown(source, shown, monkeypatch):
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "README.md", "exec"), {"__name__": "README"})
    assert differs(printed.getvalue(), shown) == ""


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test__readme__link__leads_to_a_file(target):
    assert (ROOT / target).is_file()


@pytest.mark.slow
def test__readme__figures__are_those_of_the_stored_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from draw_comparison import write_figures

    assert write_figures() in README


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a 0.93", "a 0.95", True),
        ("a 0.93", "a 0.97", False),
        ("a 0.93", "b 0.93", False),
        ("3 rows", "4 rows", False),
        ("a  1,000.2", "a 1,003.0", True),
        ("a", "a 1", False),
    ],
)
def test__differs__numbers_and_words__tells_noise_from_change(printed, shown, same):
    assert (differs(printed, shown) == "") == same
