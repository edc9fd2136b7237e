"""Settings that have to be made before SciPy is imported, and data for the tests."""

import os

# Without it scikit-learn skips its check of array API input.
os.environ["SCIPY_ARRAY_API"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers share the cores: each computes, and lets what it starts compute,
    # on one thread.
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import numpy as np
import pytest
import torch

from tests.helpers import CONTAINERS
from tests.real_tables import made_up_people, read_mixed, read_numbers

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)

LEFT_OUT = pytest.StashKey[int]()
# Classes whose docstring trains for seconds.
SLOW_EXAMPLES = (
    "AnomalyDisplay",
    "AutoencoderAnomalyDetector",
    "AutoencoderImputer",
    "AutoencoderPretrainedClassifier",
    "AutoencoderPretrainedRegressor",
    "AutoencoderTransformer",
    "Variational",
)


def pytest_configure(config):
    config.stash[LEFT_OUT] = 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the long ones of the examples in docstrings, which can bear no mark."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.name.endswith(SLOW_EXAMPLES):
            item.add_marker(pytest.mark.slow)


def pytest_deselected(items):
    """Count the slow tests that the default of pyproject.toml leaves out."""
    if items and all(item.get_closest_marker("slow") for item in items):
        items[0].config.stash[LEFT_OUT] += len(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Start no worker for one file: it takes longer to start than most files to run."""
    one_file = len(config.args) == 1 and ".py" in config.args[0]
    return 0 if one_file else None


def pytest_sessionfinish(session):
    """Let a worker of pytest-xdist tell the process that prints the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Each worker collects all tests, so that the number of one is that of all."""
    counted = getattr(node, "workeroutput", {}).get("left_out", 0)
    node.config.stash[LEFT_OUT] = max(node.config.stash[LEFT_OUT], counted)


def pytest_terminal_summary(terminalreporter, config):
    if n_left_out := config.stash[LEFT_OUT]:
        terminalreporter.write_line(
            f"{n_left_out} slow tests were left out; run them with: pytest -m slow"
        )


@pytest.fixture(autouse=True)
def _fixed_global_seed():
    """Let no test depend on which came before it, on this worker or at all.

    scikit-learn's checks draw from NumPy's global state. One of them permutes rows, and
    compares float32 results more closely than their last bit, which may differ with the
    place of a row in a batch: torch computes the last rows of a batch in another way.
    """
    np.random.seed(0)


@pytest.fixture(params=["breast_cancer", "horse_colic"])
def numbers_with_gaps(request):
    """A frame of numbers of which a fifth is missing."""
    return read_numbers(request.param)


@pytest.fixture(
    params=["breast_cancer", "adult", "german_credit", "horse_colic", "auto_imports"]
)
def mixed_table(request):
    """A frame of numbers and text, of at most 2,000 rows."""
    return read_mixed(request.param)[:2000]


@pytest.fixture(params=["breast_cancer", "adult"])
def large_mixed_table(request):
    """A frame of numbers and text, at most 5,000 rows; the last column is a class."""
    return read_mixed(request.param)[:5000]


@pytest.fixture(params=["made_up", "adult"])
def people(request):
    """A frame of people: their role in a family, their sex, their age and more."""
    if request.param == "made_up":
        return made_up_people()
    return read_mixed(request.param)[:5000]


@pytest.fixture(params=CONTAINERS)
def container(request):
    """A function that makes a table of columns of cells."""
    return CONTAINERS[request.param]
