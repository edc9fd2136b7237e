"""Scaling by rank agrees with scikit-learn's, which finds each cell by bisection."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.preprocessing import QuantileTransformer

from sklearn_ae._tables.quantiles import N_INTERVALS, to_normal_scores

N_ROWS = N_INTERVALS + 5000
RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal(N_ROWS)
COLUMNS = {
    "normal": NORMAL,
    # Nearly all quantiles are next to one another.
    "heavy tails": np.exp(4 * NORMAL),
    "half of them equal": np.maximum(NORMAL, 0),
    "five values": RNG.integers(0, 5, N_ROWS).astype(float),
    "two values": (NORMAL > 1).astype(float),
}


@pytest.mark.parametrize("n_rows", [1, 300, N_ROWS])
@pytest.mark.parametrize("name", COLUMNS)
def test__to_normal_scores__any_column__is_what_scikit_learn_computes(name, n_rows):
    column = COLUMNS[name]
    shares = (column - column.min()) / np.ptp(column)
    peer = QuantileTransformer(output_distribution="normal", subsample=None)
    quantiles = peer.fit(shares[:5000, None]).quantiles_[:, 0]
    # Missing cells, cells beyond all others, and the quantiles themselves.
    shares[::100], shares[1::100], shares[2::100] = np.nan, 1.5, -0.5
    shares[3000:4000] = quantiles
    shares = shares[-n_rows:]
    expected = peer.transform(shares[:, None])[:, 0]
    scores = to_normal_scores(shares, quantiles)
    assert_array_equal(scores.astype(np.float32), expected.astype(np.float32))


def test__to_normal_scores__column_without_observed_cells__stays_missing():
    assert np.isnan(to_normal_scores(np.array([0.5, np.nan]), np.full(9, np.nan))).all()
