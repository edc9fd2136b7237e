"""Types: what users call says what it takes and returns, and mypy finds no fault."""

import importlib.util
import inspect
import subprocess
import sys
import typing
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import matplotlib.axes
import matplotlib.figure
import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    *("", ".architectures", ".latents", ".noise", ".metrics", ".displays"),
    *(".datasets", ".distributed"),
]
# What the displays import for type checkers only.
FOR_CHECKERS = {"Axes": matplotlib.axes.Axes, "Figure": matplotlib.figure.Figure}

# One after the other: mypy keeps what it has read for the next time.
RUNS_MYPY = pytest.mark.xdist_group("mypy")

# A program of a user: mypy compares each type with the one that it sees.
PROGRAM = """
from typing import Any, assert_type

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.displays import LatentSpaceDisplay
from sklearn_ae.noise import SwapNoise


class Mine(AutoencoderTransformer):
    pass


X = np.zeros((20, 3))
frame = pl.DataFrame({"a": [1.0, None], "b": ["cat", "dog"]})
mine = Mine(2, noise=SwapNoise(), hidden_layer_sizes=[8]).set_params(lr=0.1).fit(frame)
assert_type(mine, Mine)
assert_type(mine.partial_fit(sparse.csr_array(X)), Mine)
assert_type(mine.transform([[1, 2.0, None]]), NDArray[np.float32])
assert_type(mine.score_samples(X), NDArray[np.float32])
assert_type(mine.score(X), float)
assert_type(mine.fit(frame.lazy()), Mine)
assert_type(mine.sample(3, random_state=0), Any)
assert_type(mine.loss_curve_, list[float])
detector = AutoencoderAnomalyDetector(mine, random_state=0).fit(X)
assert_type(detector, AutoencoderAnomalyDetector)
assert_type(detector.p_values(X, level=0.1), NDArray[np.float64])
imputer = AutoencoderImputer(n_draws=3).fit([[1.0, "cat"], [None, "dog"]])
assert_type(imputer, AutoencoderImputer)
assert_type(imputer.draw(frame), list[Any])
classifier = AutoencoderPretrainedClassifier(mine).fit(X, ["a", None] * 10)
assert_type(classifier, AutoencoderPretrainedClassifier)
assert_type(classifier.predict_proba(X), NDArray[np.float64])
regressor = AutoencoderPretrainedRegressor().fit(X, [0.5, None] * 10)
assert_type(regressor.predict(X), NDArray[np.float64])
display = LatentSpaceDisplay.from_estimator(mine, X)
assert_type(display, LatentSpaceDisplay)
assert_type(display.plot(), LatentSpaceDisplay)
"""

# What users must not pass, and mypy must tell them.
MISTAKES = """
from sklearn_ae import AutoencoderTransformer

AutoencoderTransformer("two")
AutoencoderTransformer(2, max_epochs=0.5)
AutoencoderTransformer(2, noise=0.1)
AutoencoderTransformer(2).fit([[0.0]], sample_weights=[1])
AutoencoderTransformer(2).sample("three")
"""


def public_functions():
    """Return the functions, methods and properties of the package by public name."""
    functions = {}
    for suffix in MODULES:
        module = import_module("sklearn_ae" + suffix)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                functions |= {f"{name}.{m}": f for m, f in own_methods(thing).items()}
            elif callable(thing):
                functions[name] = thing
    return functions


def own_methods(cls):
    """Return the public methods and properties of a class that this package defines.

    Those from scikit-learn and skorch have what types their library gives them.
    """
    methods = {}
    for name in dir(cls):
        owner = next(c for c in cls.__mro__ if name in vars(c))
        is_public = name[0] != "_" or name in ("__init__", "__call__")
        # Methods such as `set_fit_request` are made by scikit-learn.
        is_own = owner.__module__.startswith("sklearn_ae") and "_request" not in name
        if is_public and is_own:
            member = inspect.getattr_static(cls, name)
            is_property = isinstance(member, property)
            methods[name] = member.fget if is_property else getattr(cls, name)
    return {name: method for name, method in methods.items() if callable(method)}


def unannotated(function):
    """Return the parameters of a function without a type, and "return"."""
    signature = inspect.signature(function)
    missing = [
        p.name
        for p in signature.parameters.values()
        if p.annotation is p.empty and p.name != "self"
    ]
    if signature.return_annotation is signature.empty:
        missing.append("return")
    return missing


def test__public_api__all_functions_and_methods__have_types():
    """`py.typed` promises them; a checker takes what has none for anything."""
    functions = public_functions()
    assert {"AutoencoderTransformer.sample", "GaussianNoise.__call__"} <= {*functions}
    missing = {name: unannotated(function) for name, function in functions.items()}
    assert {name: parts for name, parts in missing.items() if parts} == {}


@pytest.mark.parametrize("name", sorted(public_functions()))
def test__public_api__types__can_be_read_at_run_time(name):
    function = inspect.unwrap(public_functions()[name])
    function = getattr(function, "__func__", function)
    hints = typing.get_type_hints(function, {**function.__globals__, **FOR_CHECKERS})
    assert "return" in hints


def test__unannotated__each_kind_of_parameter__is_found():
    def function(self, a, b: int, *args, c=1, **kwargs):
        pass

    assert unannotated(function) == ["a", "args", "c", "kwargs", "return"]
    assert unannotated(partial(public_functions()["load_images"], "digits")) == []


def run_mypy(*arguments):
    """Return the exit status of mypy, and what it prints; skip unless it is pinned."""
    pins = (ROOT / "tests" / "constraints.txt").read_text("utf-8")
    for library in ("mypy", "numpy", "matplotlib"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
        if f"{library}=={version(library)}" not in pins:
            pytest.skip("The pinned versions are not installed, but others.")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@RUNS_MYPY
def test__mypy__files_of_pyproject__have_no_errors():
    status, printed = run_mypy()
    assert status == 0, printed


@pytest.mark.slow
@RUNS_MYPY
def test__mypy__program_of_a_user__sees_the_types_of_the_package(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")
    status, printed = run_mypy("--python-version=3.11", program)
    assert status == 0, printed


@pytest.mark.slow
@RUNS_MYPY
def test__mypy__mistakes_of_a_user__are_all_found(tmp_path):
    program = tmp_path / "mistakes.py"
    program.write_text(MISTAKES, "utf-8")
    _, printed = run_mypy(program)
    lines = [n for n, line in enumerate(MISTAKES.splitlines(), 1) if "er(" in line]
    assert [n for n in lines if f"mistakes.py:{n}: error" not in printed] == [], printed
