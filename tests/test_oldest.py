"""What is written of versions in several places agrees."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
YAML_FILES = [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml"]


def _pins(name):
    """Return the version of each package in a file of constraints."""
    lines = (ROOT / "tests" / name).read_text("utf-8").splitlines()
    pins = map(Requirement, (x for x in lines if x and not x.startswith("#")))
    return {canonicalize_name(p.name): Version(str(p.specifier)[2:]) for p in pins}


def _floors():
    """Return the lowest version of each package that pyproject.toml admits."""
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    wanted = [r for r in map(Requirement, lines) if r.name != "sklearn_ae"]
    floors = {canonicalize_name(r.name): str(r.specifier) for r in wanted}
    # A requirement without a lower bound promises versions that nobody tried.
    assert all(bound.startswith(">=") for bound in floors.values()), floors
    return {name: Version(bound[2:].split(",")[0]) for name, bound in floors.items()}


def test__constraints_oldest__are_the_lowest_versions_of_pyproject():
    assert _floors().items() <= _pins("constraints-oldest.txt").items()


def test__versions_page__names_the_lowest_versions():
    page = (ROOT / "docs" / "versions.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\S+) \| ([\d.]+) \|$", page, re.MULTILINE))
    floors = {canonicalize_name(name): Version(low) for name, low in rows.items()}
    assert floors.pop("python") == Version(PROJECT["requires-python"][2:])
    assert {canonicalize_name(Requirement(line).name) for line in _runtime()} == {
        *floors
    }
    assert floors.items() <= _floors().items()


def _runtime():
    """Return what users need: the package, its pictures, and frames of polars."""
    extras = PROJECT["optional-dependencies"]
    polars = [line for line in extras["test"] if line.startswith("polars")]
    return [*PROJECT["dependencies"], *extras["plot"], *polars]


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test__yaml__file__can_be_read(path):
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


def test__workflow__oldest_versions__run_on_the_oldest_python():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    matrix = yaml.safe_load(text)["jobs"]["pytest"]["strategy"]["matrix"]["include"]
    oldest = [job["python"] for job in matrix if job["versions"] == "oldest"]
    assert [f">={python}" for python in oldest] == [PROJECT["requires-python"]]


def test__pre_commit__ruff__is_the_pinned_one():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    revisions = [r["rev"] for r in config["repos"] if "ruff" in r["repo"]]
    assert revisions == [f"v{_pins('constraints.txt')['ruff']}"]


def test__run_oldest__help__says_what_it_does():
    command = [sys.executable, ROOT / "tests" / "run_oldest.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "lowest versions" in done.stdout
