"""Faults that neither the interpreter nor the linter sees."""

import ast
import re
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

import sklearn_ae
from tests.house import allowed_imports

PACKAGE = Path(sklearn_ae.__file__).parent

_STRING_END = re.compile(r""".* .*[A-Za-z.,;:!?}](?<!\\n)(?<!\\t)(["'])$""")
_STRING_START = re.compile(r"""[rbfuRBFU]{0,2}(["'])[A-Za-z{]""")


def glued_messages(source):
    """Return (line, seam) where two joined string lines lack a space between them.

    Only the user who gets the message would see "mustbe".
    """
    lines = [line.strip() for line in source.splitlines()]
    return [
        (number, f"{left[-16:-1]}|{right[:16]}")
        for number, (left, right) in enumerate(pairwise(lines), start=1)
        if _STRING_END.match(left) and _STRING_START.match(right)
    ]


def internal_imports(source, package="sklearn_ae"):
    """Return the modules of the package that a source imports; "" is the package."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            prefix = f"{package}.{node.module}" if node.module else package
            names = [f"{prefix}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        found |= {".".join(part[1:]) for part in parts if part[0] == package}
    return found


def forbidden_imports(sources):
    """Return (room, imported) for each import that the rule of the house forbids.

    What is no module is a public name, which the package itself has to import first.
    """
    return [
        (room, imported)
        for room, source in sources
        for imported in sorted(internal_imports(source))
        if imported.partition(".")[0] not in allowed_imports(room)
    ]


def _sources():
    """Return the room and the source of each file, by its path in the package."""
    files = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.py")}
    return {
        str(name): (name.parts[0].removesuffix(".py"), path.read_text("utf-8"))
        for name, path in files.items()
    }


@pytest.mark.parametrize("module", sorted(_sources()))
def test__messages__joined_lines__have_a_space_between_them(module):
    assert glued_messages(_sources()[module][1]) == []


def test__folders__all_files__import_from_lower_ranks_only():
    assert forbidden_imports(_sources().values()) == []


def test__folders__files_within_one__import_one_another_without_circles():
    imports = {
        name.removesuffix(".py").replace("/", "."): internal_imports(source)
        for name, (_, source) in _sources().items()
    }
    graph = {
        module: {other for other in imports if any(_is_of(i, other) for i in found)}
        for module, found in imports.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


def _is_of(imported, module):
    return imported == module or imported.rpartition(".")[0] == module


def test__glued_messages__missing_space__is_found():
    joined = "raise ValueError(\n    'the rate must'\n    'be positive'\n)"
    assert [line for line, _ in glued_messages(joined)] == [2]
    assert glued_messages(joined.replace("must'", "must '")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from sklearn_ae._net.net import make_net",
        "from sklearn_ae._net import net",
        "from sklearn_ae import _net",
        "from sklearn_ae import AutoencoderTransformer",
        "import sklearn_ae._net",
        "import sklearn_ae",
        "from ._net import net",
        "from . import _net",
        "from sklearn_ae.displays import AnomalyDisplay",
    ],
)
def test__forbidden_imports__each_way_to_import__is_found(statement):
    assert len(forbidden_imports([("noise", statement)])) == 1
