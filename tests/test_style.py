"""Two faults that neither the interpreter nor the linter sees."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

import sklearn_ae

PACKAGE = Path(sklearn_ae.__file__).parent

# From the bottom up. A module imports only from layers below its own.
LAYERS = (
    ("_compat", "_defaults", "_fitted", "_frames", "_layout", "datasets"),
    (
        "_batches",
        "_columns",
        "_drawing",
        "_fill",
        "_heads",
        "_latents",
        "_modules",
        "_probe",
        "_rarity",
        "_sampling",
        "_spreading",
        "_table",
        "noise",
    ),
    ("_convolutional", "_start"),
    (
        "_callbacks",
        "_categories",
        "_display_input",
        "_options",
        "_predictor",
        "_targets",
        "architectures",
        "latents",
    ),
    ("_net",),
    ("_build", "_inference", "_semi_supervised", "_validation", "scale"),
    ("_finetune",),
    ("_transformer", "_trust"),
    ("_holding",),
    ("_pretrained",),
    (
        "_anomaly",
        "_display_anomaly",
        "_display_clusters",
        "_display_epochs",
        "_display_latent",
        "_display_losses",
        "_display_reconstruction",
        "_imputation",
        "_supervised",
    ),
    ("displays", "persistence", "_cli_tables", "_demo_comparison", "_demo_pictures"),
    ("_cli_parser",),
    ("_cli_anomalies", "_demo"),
    ("_cli",),
    ("__init__", "__main__"),
)

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
        found |= {part[1] for part in parts if part[0] == package and part[1:]}
        found |= {"" for part in parts if part == [package]}
    return found


def upward_imports(sources, layers):
    """Return (module, imported) for each import that does not go down a layer.

    What is no module is a public name, which the package itself has to import first.
    """
    level = {name: i for i, layer in enumerate(layers) for name in layer}
    return [
        (module, imported)
        for module, source in sources.items()
        for imported in sorted(internal_imports(source))
        if level.get(imported, level["__init__"]) >= level[module]
    ]


def _sources():
    return {path.stem: path.read_text("utf-8") for path in PACKAGE.glob("*.py")}


@pytest.mark.parametrize("module", sorted(_sources()))
def test__messages__joined_lines__have_a_space_between_them(module):
    assert glued_messages(_sources()[module]) == []


def test__modules__all__have_a_layer():
    assert _sources().keys() <= {name for layer in LAYERS for name in layer}


def test__modules__all__import_from_lower_layers_only():
    assert upward_imports(_sources(), LAYERS) == []


def test__glued_messages__missing_space__is_found():
    joined = "raise ValueError(\n    'the rate must'\n    'be positive'\n)"
    assert [line for line, _ in glued_messages(joined)] == [2]
    assert glued_messages(joined.replace("must'", "must '")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from sklearn_ae._net import make_net",
        "from sklearn_ae import _net",
        "from sklearn_ae import AutoencoderTransformer",
        "import sklearn_ae._net",
        "import sklearn_ae",
        "from ._net import make_net",
        "from . import _net",
        "from sklearn_ae.noise import SwapNoise",
    ],
)
def test__upward_imports__each_way_to_import__is_found(statement):
    assert len(upward_imports({"noise": statement}, LAYERS)) == 1
