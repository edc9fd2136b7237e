"""What a clean checkout holds, and that its two set-up commands are what is tested."""

import re
import subprocess
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sklearn_ae

ROOT = Path(__file__).parents[1]
TEST_COMMAND = 'pip install -c tests/constraints.txt -e ".[test]" && pytest'
DEMO_COMMAND = (
    'pip install -c tests/constraints.txt -e ".[plot]" && python -m sklearn_ae'
)


def _pins():
    lines = (ROOT / "tests" / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.partition("==")[0] for line in lines if "==" in line]
    return set(map(canonicalize_name, pins))


def test__top_level__in_the_repository__shows_code_tests_and_documentation_only():
    """What serves tools and hosts stands in folders that begin with a dot."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is no checkout: what git holds cannot be listed")
    names = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} == {
        "LICENSE",
        "README.md",
        "docs",
        "pyproject.toml",
        "sklearn_ae",
        "tests",
    }


def test__readme__set_up__takes_exactly_two_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = [line for line in readme.splitlines() if "pip install" in line]
    assert commands == [DEMO_COMMAND, TEST_COMMAND]


def test__ci__runs_the_command_of_the_readme_and_what_it_leaves_out():
    """The script reads the command from the README; its pattern has to find it."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    pattern = re.search(r"grep -E '(.*)' README\.md", script)[1]
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert [line for line in lines if re.search(pattern, line)] == [TEST_COMMAND]
    assert "pytest -m slow" in script.splitlines()


def test__version__is_that_of_the_installed_package():
    assert version("sklearn_ae") == sklearn_ae.__version__


def _required(name, extras=("",)):
    """Return the requirements of an installed package that apply here."""
    found = map(Requirement, requires(name) or ())
    return [
        requirement
        for requirement in found
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def test__constraints__packages_that_tests_need__are_all_pinned():
    """A version left open would let a release from outside break these tests."""
    constraints = (ROOT / "tests" / "constraints.txt").read_text("utf-8")
    if f"scikit-learn=={version('scikit-learn')}" not in constraints:
        pytest.skip("The pinned versions are not installed, but others.")
    pending = _required("sklearn_ae", ("plot", "docs", "test"))
    needed = set()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        # What torch needs beside Python packages depends on its build.
        if name not in needed | {"sklearn-ae", "torch"}:
            needed.add(name)
            pending += _required(name, ("", *requirement.extras))
    assert needed <= _pins()


def test__typed__marker__is_shipped():
    assert (Path(sklearn_ae.__file__).parent / "py.typed").exists()
