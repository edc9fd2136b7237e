"""The code of the documentation runs, and Sphinx builds it without a warning."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)


def _blocks(page, language):
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__examples__print_what_they_show(page):
    session = "\n".join(_blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    doctest.DocTestRunner(optionflags=options).run(test, out=report.append)
    assert "".join(report) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__python_blocks__run(page):
    for source in _blocks(page, "python"):
        exec(compile(source, str(page), "exec"), {"__name__": page.stem})


def test__example__pretrain_then_classify__beats_both_others(tmp_path):
    """As it says of the classic recipe, at each number of labels."""
    script = DOCS / "examples" / "pretrain_then_classify.py"
    picture = tmp_path / "accuracy.png"
    done = subprocess.run(
        [sys.executable, script, "--plot", picture],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    table = re.findall(r"^ +([\d,]+)((?: +[\d.]+%){3})$", done.stdout, re.MULTILINE)
    assert len(table) == 3
    for n_labels, cells in table:
        softmax, scratch, pretrained = (float(c[:-1]) for c in cells.split())
        assert pretrained > max(softmax, scratch), n_labels
    assert picture.stat().st_size > 0


def test__sphinx__build__gives_no_warning(tmp_path):
    """Warnings are errors, also those on names that lead nowhere."""
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", DOCS, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").exists()
