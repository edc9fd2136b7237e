"""The code of the documentation runs, and Sphinx builds it without a warning."""

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.printed import differs, examples

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)


def _blocks(page, language):
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__examples__print_what_they_show(page):
    session = "\n".join(_blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    doctest.DocTestRunner(optionflags=options).run(test, out=report.append)
    assert "".join(report) == ""


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__python_blocks__print_what_they_show(page, monkeypatch):
    """The blocks of a page follow one another, as a reader would run them."""
    monkeypatch.chdir(DOCS.parent)
    names = {"__name__": page.stem}
    for source, shown in examples(page.read_text("utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, str(page), "exec"), names)
        assert not shown or differs(printed.getvalue(), shown) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__code__is_at_most_79_columns_wide(page):
    """A narrow screen cuts off what is wider; transcripts are as wide as printed."""
    lines = "\n".join(_blocks(page, "(?:python|pycon|py)")).splitlines()
    assert [line for line in lines if len(line) > 79] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__link_to_a_file__leads_there(page):
    """Relative links work in a repository browser, too."""
    targets = re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    # The gallery is written by the build.
    targets = [target for target in targets if "auto_examples" not in target]
    assert [name for name in targets if not (page.parent / name).exists()] == []


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A copy of the documentation, built, which runs the examples once.

    All tests of it are one group, so that one worker of pytest-xdist builds it.
    """
    folder = tmp_path_factory.mktemp("docs")
    made = shutil.ignore_patterns("_build", "auto_examples", "generated")
    shutil.copytree(DOCS, folder / "source", ignore=made)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    done = subprocess.run(
        [*command, folder / "source", folder / "html"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return folder, done


@pytest.mark.slow
@pytest.mark.xdist_group("docs")
def test__sphinx__build__gives_no_warning(built):
    """Warnings are errors, also those on names that lead nowhere."""
    folder, done = built
    assert done.returncode == 0, done.stderr
    assert (folder / "html" / "index.html").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize(
    ("number", "n_pictures"), enumerate([2, 2, 2, 2, 2, 1, 1, 1], start=1)
)
def test__lesson__each__shows_its_pictures(built, number, n_pictures):
    folder, _ = built
    pictures = folder.glob(
        f"source/auto_examples/lessons/images/sphx_glr_plot_{number}_*_0??.png"
    )
    assert len(list(pictures)) == n_pictures
