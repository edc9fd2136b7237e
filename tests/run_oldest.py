"""Run the tests with the lowest versions that pyproject.toml admits.

``python tests/run_oldest.py`` installs them into a new environment and runs `pytest`
there; what follows goes to pytest, such as ``tests/tables -x``. Use Python 3.10 or
3.11: these versions have no builds for newer ones.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "tests" / "constraints-oldest.txt"


def parse_arguments():
    """Return the arguments of this script, and those for pytest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--environment",
        type=Path,
        metavar="FOLDER",
        help="keep the environment here, and use it again (default: a temporary one)",
    )
    parser.add_argument(
        "--torch",
        metavar="VERSION",
        help="another version of torch, where the lowest has no build that fits",
    )
    return parser.parse_known_args()


def install(python, folder, torch):
    """Install the package and the extra `test` in their lowest versions."""
    text = CONSTRAINTS.read_text("utf-8")
    if torch:
        text = re.sub(r"^torch==.*$", f"torch=={torch}", text, flags=re.MULTILINE)
    constraints = Path(folder, "constraints.txt")
    constraints.write_text(text, encoding="utf-8")
    pip = [python, "-m", "pip", "install", "-q", "-c", constraints]
    # First and alone, so that a CPU build at hand is taken.
    subprocess.run([*pip, *re.findall("^torch==.*$", text, re.MULTILINE)], check=True)
    subprocess.run([*pip, "-e", f"{ROOT}[test]"], check=True)


def run(folder, torch, options):
    """Make the environment if there is none, and return pytest's exit status."""
    python = Path(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    install(python, folder, torch)
    return subprocess.run(
        [python, "-m", "pytest", *options], cwd=ROOT, check=False
    ).returncode


def main():
    """Return pytest's exit status."""
    arguments, options = parse_arguments()
    if arguments.environment:
        return run(arguments.environment.absolute(), arguments.torch, options)
    with tempfile.TemporaryDirectory() as folder:
        return run(folder, arguments.torch, options)


if __name__ == "__main__":
    sys.exit(main())
