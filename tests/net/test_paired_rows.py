"""Batches in pairs."""

import pytest
import torch

from sklearn_ae._net.paired_rows import PairedIterator, PairedRows
from sklearn_ae._tables.rows import Rows


@pytest.mark.parametrize(("n_rows", "n_repeated"), [(10, 3), (10, 25), (3, 1)])
def test__paired_iterator__one_pass__each_row_once_behind_repeated_ones(
    n_rows, n_repeated
):
    rows, repeated = torch.arange(float(n_rows)), -1 - torch.arange(float(n_repeated))
    pair = [Rows(x[:, None], torch.stack([x * 0 + 1, x], 1)) for x in (rows, repeated)]
    paired = PairedRows(*pair)
    seen = []
    for X, y in PairedIterator(paired, batch_size=4, shuffle=True):
        assert 0 < len(y.repeated) <= 4
        assert 0 < len(y.rows) <= 4
        torch.testing.assert_close(X[:, 0], torch.cat([y.repeated, y.rows])[:, 1])
        assert (y.repeated[:, 1] < 0).all()
        seen += y.rows[:, 1].tolist()
    assert sorted(seen) == rows.tolist()
    assert len(paired) == n_rows
