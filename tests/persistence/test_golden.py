"""Files of every release are read, and say what they said then."""

from pathlib import Path

import numpy as np
import pytest

from sklearn_ae import describe, load
from tests.data.make_golden import arrays_of
from tests.persistence.helpers import ESTIMATORS

FILES = sorted(Path(__file__).parents[1].glob("data/*/*.safetensors"))
# As a share of the spread: other releases of torch add up in another order.
TOLERANCE = 1e-6


def test__golden__each_release__has_a_small_file_of_each_estimator():
    releases = {path.parent.name for path in FILES}
    assert releases
    assert len(FILES) == len(releases) * len(ESTIMATORS)
    assert all(path.stat().st_size < 50_000 for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name} {p.stem}")
def test__load__golden_file__says_what_it_said(path):
    assert describe(path)["format_version"] == 1
    got = arrays_of(load(path))
    expected = np.load(path.with_suffix(".npz"))
    assert {*got} == {*expected}
    for name in expected:
        spread = np.nanstd(expected[name]) or 1.0
        np.testing.assert_allclose(
            got[name], expected[name], rtol=0, atol=TOLERANCE * spread
        )
