"""The list of rooms, its drawing, and the pages that name files of the package."""

import ast
import re
from pathlib import Path

import pytest

import sklearn_ae
from tests.house import DRAWING, RANKS, allowed_imports, draw

ROOT = Path(__file__).parents[1]
PACKAGE = Path(sklearn_ae.__file__).parent
ARCHITECTURE = ROOT / "docs" / "development" / "architecture.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
DECISIONS = ROOT / "docs" / "development" / "decisions.md"


def test__ranks__name_what_stands_at_the_top_of_the_package():
    rooms = [name for rank in RANKS for room in rank for name in room.names]
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    modules = [path.stem for path in PACKAGE.glob("*.py")]
    assert sorted(rooms) == sorted(folders + modules)


def test__drawing__committed__is_what_the_list_gives():
    """Write it anew with: python tests/house.py"""
    assert DRAWING.read_text("utf-8") == draw()


def test__allowed_imports__displays__stand_on_tables_and_ground_alone():
    allowed = allowed_imports("displays")
    assert "_tables" in allowed
    assert allowed.isdisjoint({"_net", "_modules", "_autoencoder", "_cli"})


def test__allowed_imports__of_tables__do_not_lead_to_those_that_stand_on_them():
    assert "displays" not in allowed_imports("_tables")


def _quoted(page):
    """Return what stands between backticks in a page; no code blocks, no roles."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    return re.findall(r"(?<![}`])`([^`\n]+)`", text)


@pytest.mark.parametrize("page", [ARCHITECTURE, CONTRIBUTING, DECISIONS])
def test__page__files_that_it_names__exist(page):
    quoted = {name for name in _quoted(page) if re.fullmatch(r"[\w./-]+", name)}
    files = {name for name in quoted if "/" in name or name.endswith(".py")}
    assert [f for f in sorted(files) if not any((r / f).exists() for r in _ROOTS)] == []


_ROOTS = (PACKAGE, ROOT)


def _names_in_package():
    """Return all names that the source of the package defines or uses."""
    trees = [ast.parse(p.read_text("utf-8")) for p in PACKAGE.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {
        getattr(node, field)
        for node in nodes
        for field in ("name", "id", "attr", "arg")
        if isinstance(getattr(node, field, None), str)
    }
    files = {part for path in PACKAGE.rglob("*") for part in (path.name, path.stem)}
    return names | files | {"sklearn_ae"}


def test__architecture__names_of_the_code__exist():
    """A page that names what has gone leads a newcomer astray."""
    names = {n for n in _quoted(ARCHITECTURE) if re.fullmatch(r"\w+(\(\))?", n)}
    assert {name.removesuffix("()") for name in names} <= _names_in_package()
