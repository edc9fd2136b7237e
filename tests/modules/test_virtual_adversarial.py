"""Perturbations in the worst direction."""

import torch

from sklearn_ae._modules.virtual_adversarial import virtual_adversarial_divergence


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
