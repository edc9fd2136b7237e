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
TESTS = Path(__file__).parent

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


# Each of these libraries is asked in one folder, and where a user names a file.
FRAME_LIBRARIES = {"pandas", "polars"}
MAY_IMPORT_FRAMES = {"_tables", "datasets", "_cli"}
# Methods of a named tuple have the underscore so that no field can have their name.
PUBLIC_UNDERSCORES = {"_replace", "_asdict", "_fields", "_make"}
MOST_ENTRIES = 25
# Lines of a file of the package, besides docstrings; and all lines of one of tests.
MOST_LINES = 400
MOST_TEST_LINES = 500


def lines_besides_docstrings(source):
    """Return how many lines of a file are not documentation of an object."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, documented)]
    docstrings = [n.body[0] for n in nodes if ast.get_docstring(n) is not None]
    n_documented = sum(d.end_lineno - d.lineno + 1 for d in docstrings)
    return len(source.splitlines()) - n_documented


def frame_imports(source):
    """Return the lines that import a library of frames."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
        if name.partition(".")[0] in FRAME_LIBRARIES
    ]


def library_comparisons(source):
    """Return the lines that compare something with the name of a library of frames."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Compare, ast.MatchValue))
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in FRAME_LIBRARIES
    ]


def defined_names(source):
    """Return the names that a file gives to functions, classes and attributes."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            # What is set on another object is no attribute of one's own.
            names |= {node.attr} if _is_own(node.value) else set()
    return names


def private_reaches(source, own=frozenset()):
    """Return (line, attribute) for each private attribute of somebody else's object.

    Private are names with one underscore in front; `own` are those that the folder
    defines itself.
    """
    allowed = defined_names(source) | PUBLIC_UNDERSCORES | own
    return [
        (node.lineno, node.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and re.match("_(?!_)", node.attr)
        and not _is_own(node.value)
        and node.attr not in allowed
    ]


def _is_own(node):
    """Whether an expression is `self`, `cls` or `super()`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


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


def test__package__folder__has_few_enough_entries_to_be_seen_at_once():
    names = {path.name for path in PACKAGE.iterdir() if path.name[:2] != "__"}
    names |= {path.name for path in PACKAGE.glob("__*__.py")}
    assert len(names) <= MOST_ENTRIES


def test__package__each_file__is_short_enough_to_be_read():
    sources = {name: source for name, (_, source) in _sources().items()}
    lengths = {name: lines_besides_docstrings(sources[name]) for name in sources}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test__tests__each_file__is_short_enough_to_be_read():
    paths = [p for p in TESTS.rglob("*.py") if "benchmarks" not in p.parts]
    lengths = {str(p): len(p.read_text("utf-8").splitlines()) for p in paths}
    assert {name: n for name, n in lengths.items() if n > MOST_TEST_LINES} == {}


def test__frames__other_folders__neither_import_their_libraries_nor_ask_for_them():
    """Whoever asks which library a frame is from has to know them all."""
    found = {
        name: [
            *(frame_imports(source) if room not in MAY_IMPORT_FRAMES else ()),
            *(library_comparisons(source) if room != "_tables" else ()),
        ]
        for name, (room, source) in _sources().items()
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test__folders__other_objects__are_used_by_their_public_names():
    """`_compat` alone reaches into other libraries."""
    own = {}
    for room, source in _sources().values():
        own[room] = own.get(room, frozenset()) | defined_names(source)
    # Files at the top are no folder: each is on its own, and `room` is the file.
    found = {
        name: private_reaches(source, own[room])
        for name, (room, source) in _sources().items()
        if room != "_compat"
    }
    assert {name: reaches for name, reaches in found.items() if reaches} == {}


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


@pytest.mark.parametrize(
    "statement",
    [
        "import pandas as pd",
        "import numpy, polars",
        "from pandas.api import types",
        "def f():\n    import polars.selectors",
    ],
)
def test__frame_imports__each_way_to_import__is_found(statement):
    assert len(frame_imports(statement)) == 1
    assert frame_imports("from sklearn_ae._tables import pandas_table") == []


@pytest.mark.parametrize(
    "statement",
    [
        'library == "pandas"',
        '"polars" != library_of(X)',
        'library in ("pandas", None)',
        'match library:\n    case "polars":\n        pass',
    ],
)
def test__library_comparisons__each_way_to_ask__is_found(statement):
    assert len(library_comparisons(statement)) == 1
    assert library_comparisons('set_output(transform="pandas")') == []


@pytest.mark.parametrize(
    "statement", ["ae._scaler", "self.ae._fit(X)", "f()._rows", "net._flag = True"]
)
def test__private_reaches__each_way_to_reach__is_found(statement):
    assert len(private_reaches(statement)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "self._scaler",
        "super()._fit(X)",
        "cls._known",
        "row._replace(y=1)",
        "X.__class__",
        "def _sum(self, other):\n    return other._sum(self)",
    ],
)
def test__private_reaches__what_is_ones_own__is_not_found(statement):
    assert private_reaches(statement) == []
