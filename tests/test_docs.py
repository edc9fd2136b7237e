"""The code of the documentation runs, and Sphinx builds it without a warning."""

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.printed import differs, examples
from tests.test_public_api import MODULES

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
    lines = "\n".join(_blocks(page, "(?:python|pycon|py|bibtex)")).splitlines()
    assert [line for line in lines if len(line) > 79] == []


def test__examples_of_gallery__code__is_at_most_79_columns_wide():
    """Comments and the docstring of a file become text, which is set anew."""
    wide = []
    for path in (DOCS / "examples").rglob("plot_*.py"):
        code = path.read_text("utf-8").split('"""', 2)[2]
        lines = [line for line in code.splitlines() if not line.startswith("#")]
        wide += [(path.name, line) for line in lines if len(line) > 79]
    assert wide == []


@pytest.mark.parametrize("suffix", MODULES)
def test__docstrings__examples__are_at_most_79_columns_wide(suffix):
    module = import_module("sklearn_ae" + suffix)
    documented = [module, *(getattr(module, name) for name in module.__all__)]
    examples = "\n".join(getattr(one, "__doc__", None) or "" for one in documented)
    code = re.findall(r"^ *((?:>>>|\.\.\.) .*)$", examples, re.MULTILINE)
    assert [line for line in code if len(line) > 79] == []


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
        f"source/auto_examples/lessons/images/sphx_glr_plot_{number}_*_0[0-9][0-9].png"
    )
    assert len(list(pictures)) == n_pictures


EXAMPLES = sorted(path.stem for path in (DOCS / "examples").glob("plot_*.py"))


@pytest.mark.slow
@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("name", EXAMPLES)
def test__example__each__shows_a_picture(built, name):
    folder, _ = built
    images = folder / "source" / "auto_examples" / "images"
    assert (images / f"sphx_glr_{name}_001.png").exists()


class _Links(HTMLParser):
    """What a page links to, and the names that links to it may end in."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name")}
        self.targets |= {attributes.get("href" if tag == "a" else "src")} - {None}


def _broken_links(folder):
    """Return (page, target) for each link within the pages that leads nowhere."""
    # What stands in _static are templates of the theme.
    paths = [p.resolve() for p in folder.rglob("*.html") if "_static" not in p.parts]
    pages = {path: _Links(path.read_text("utf-8")) for path in paths}
    broken = []
    for page, links in sorted(pages.items()):
        for target in sorted(links.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or target == "#":
                continue
            aim = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            known = (
                pages[aim].anchors if aim in pages else {"", unquote(parts.fragment)}
            )
            if not aim.exists() or unquote(parts.fragment) not in known:
                broken.append((page.name, target))
    return broken


def test__broken_links__of_pages_with_one__are_found(tmp_path):
    """A checker that finds nothing would pass any page."""
    tmp_path.joinpath("a.html").write_text('<a href="b.html#x"></a><a href="c.html">')
    tmp_path.joinpath("b.html").write_text('<p id="x"><a href="a.html#y"></a>')
    assert _broken_links(tmp_path) == [("a.html", "c.html"), ("b.html", "a.html#y")]


@pytest.mark.slow
@pytest.mark.xdist_group("docs")
def test__pages__links_between_them__lead_somewhere(built):
    folder, _ = built
    assert _broken_links(folder / "html") == []
