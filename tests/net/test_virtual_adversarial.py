"""Virtual adversarial training: the worst direction, and batches in pairs."""

import pytest
import torch

from sklearn_ae._net.virtual_adversarial import (
    PairedIterator,
    PairedRows,
    virtual_adversarial_divergence,
)
from sklearn_ae._tables.rows import Rows


def test__virtual_adversarial_divergence__one_column_matters__is_as_along_that_one():
    """A linear map of one column changes most along it; few random steps do."""
    torch.manual_seed(0)
    inputs, radius = torch.zeros(5, 20), torch.full((5, 1), 0.3)
    slope = torch.zeros(20, 2)
    slope[3, 0] = 4.0
    log_p = torch.log_softmax(inputs @ slope, 1)
    worst = virtual_adversarial_divergence(lambda X: X @ slope, inputs, log_p, radius)
    # A step of 0.3 along the column makes the logits differ by 1.2, up or down.
    log_q = torch.log_softmax(torch.tensor([1.2, 0.0]), 0)
    torch.testing.assert_close(worst, (0.5 * (log_p - log_q)).sum(1))


def test__virtual_adversarial_divergence__constant_predictions__is_zero():
    inputs = torch.randn(4, 3)

    def constant(X):
        return 0.0 * X[:, :2]

    log_p = torch.log_softmax(constant(inputs), 1)
    radius = torch.ones(4, 1)
    divergence = virtual_adversarial_divergence(constant, inputs, log_p, radius)
    assert (divergence == 0).all()


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
