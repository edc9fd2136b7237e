"""What a user gets from an index: the wheel and the sdist install and run alone."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sklearn_ae

ROOT = Path(__file__).parents[1]
BACKEND = ("hatchling",)
PIP_OPTIONS = ("--no-deps", "--no-index", "--no-build-isolation", "-q")

# Run by the Python of an environment that holds the package and what it requires.
TRIED = """
import numpy as np
from pathlib import Path
from sklearn_ae import AutoencoderTransformer, __file__, __version__, load, save
X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
ae = AutoencoderTransformer(2, max_epochs=2, random_state=0).fit(X)
save(ae, "ae.safetensors")
assert (load("ae.safetensors").transform(X) == ae.transform(X)).all()
assert Path(__file__).with_name("py.typed").exists()
print(__version__, __file__, sep="\\n")
"""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("release")]


def _requirements(names):
    """Return the installed packages that these need, and those need, and so on."""
    pending, found = list(names), {}
    while pending:
        name = canonicalize_name(pending.pop())
        if name not in found:
            found[name] = distribution(name)
            wanted = map(Requirement, found[name].requires or ())
            pending += [
                each.name
                for each in wanted
                if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return found.values()


def _link(folder, packages):
    """Let a folder show the files of installed packages, and of no others."""
    folder.mkdir()
    for package in packages:
        site = Path(package.locate_file(""))
        for top in {path.parts[0] for path in package.files or ()} - {"..", ""}:
            if not top.startswith("__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(site / top)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, by the ends of their names."""
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", dist]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {".whl": next(dist.glob("*.whl")), ".tar.gz": next(dist.glob("*.tar.gz"))}


def _environment(folder, package):
    """Return the Python of a new environment with the package and its requirements."""
    venv.create(folder / "venv", with_pip=False, symlinks=os.name != "nt")
    python = next((folder / "venv").glob("*/python"))
    site = next((folder / "venv").rglob("site-packages"))
    required = _requirements(
        each.name
        for each in map(Requirement, distribution("sklearn_ae").requires)
        if each.marker is None
    )
    needed = [("required", required), ("backend", _requirements(BACKEND))]
    folders = {name: _link(folder / name, packages) for name, packages in needed}
    site.joinpath("required.pth").write_text(str(folders["required"]), "utf-8")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS]
    building = os.environ | {"PYTHONPATH": str(folders["backend"])}
    done = subprocess.run(
        [*pip, package], env=building, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.parametrize("kind", [".whl", ".tar.gz"])
def test__package__in_an_empty_environment__installs_and_runs(built, kind, tmp_path):
    """A module left out, or a requirement that only an extra names, would show."""
    python = _environment(tmp_path, built[kind])
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = {"cwd": tmp_path, "env": clean, "capture_output": True, "text": True}
    done = subprocess.run([python, "-c", TRIED], check=False, **run)
    assert done.returncode == 0, done.stderr
    version, path = done.stdout.split()
    assert version == sklearn_ae.__version__
    assert Path(path).is_relative_to(tmp_path / "venv")
    command = [python.with_name("sklearn-ae"), "--help"]
    assert "compare" in subprocess.run(command, check=True, **run).stdout


def test__wheel__holds_the_package_and_its_licence_only(built):
    names = zipfile.ZipFile(built[".whl"]).namelist()
    info = f"sklearn_ae-{sklearn_ae.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"sklearn_ae", info}
    assert f"{info}/licenses/LICENSE" in names


def test__sdist__holds_what_tests_and_documentation_are_made_of(built):
    with tarfile.open(built[".tar.gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(
        ["git", "ls-files", "docs", "tests", "sklearn_ae"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no checkout: what git holds cannot be listed")
    assert {*listed.stdout.splitlines(), "LICENSE", "README.md"} <= names


def test__changes__newest_section__is_the_version_and_dated():
    page = (ROOT / "docs" / "changes.md").read_text("utf-8")
    newest = next(line for line in page.splitlines() if line.startswith("## "))
    version, _, date = newest.removeprefix("## ").partition(" (")
    number, _, development = sklearn_ae.__version__.partition(".dev")
    assert version == number
    assert development or re.fullmatch(r"\d+ [A-Z][a-z]+ 20\d\d\)", date)
