"""The piecewise linear encoding of numbers: where its bins lie, and what they say."""

import pytest
import torch
from torch.testing import assert_close

from sklearn_ae._modules.piecewise_linear import PiecewiseLinear


def edges_of(column, weight=None, n_bins=8):
    """Return the ends of the bins of one column, in order."""
    column = torch.as_tensor(column, dtype=torch.float64)
    weight = torch.ones(len(column)) if weight is None else torch.as_tensor(weight)
    embedding = PiecewiseLinear.from_rows(column[:, None], weight, n_bins)
    half = 1 / embedding.factor
    ends = embedding.center - half, embedding.center + half
    return torch.cat(ends).unique() if len(half) else torch.empty(0)


def test__from_rows__distinct_numbers__are_shared_out_evenly():
    column = torch.rand(801, generator=torch.Generator().manual_seed(0))
    edges = edges_of(column)
    assert len(edges) == 9
    counts = torch.histc(torch.bucketize(column, edges.float()).float(), 10)
    assert counts.max() <= 120


def test__from_rows__number_that_most_rows_have__leaves_bins_for_the_others():
    """Quantiles of all rows would put 15 of 16 ends on it, as on gains of capital."""
    others = torch.arange(1.0, 81.0)
    edges = edges_of(torch.cat([torch.zeros(920), others]), n_bins=16)
    assert len(edges) == 17
    assert edges[0] == 0
    assert edges[-1] == 80


def test__from_rows__few_numbers__are_ends_themselves():
    column = torch.tensor([0.0, 1.0, 2.0, 5.0]).repeat_interleave(
        torch.tensor([500, 3, 200, 300])
    )
    assert edges_of(column).tolist() == [0.0, 1.0, 2.0, 5.0]


@pytest.mark.parametrize("column", [[0.0] * 9, [0.0] * 5 + [1.0] * 4])
def test__from_rows__one_or_two_numbers__make_no_bins(column):
    assert len(edges_of(column)) == 0


def test__from_rows__weights__are_as_repeated_rows():
    generator = torch.Generator().manual_seed(1)
    column = torch.randint(0, 40, (200,), generator=generator).double()
    weight = torch.randint(1, 9, (200,), generator=generator)
    assert_close(edges_of(column, weight), edges_of(column.repeat_interleave(weight)))


def test__forward__number__fills_the_bins_below_it():
    embedding = PiecewiseLinear([torch.tensor([0.0, 1.0, 5.0, 6.0])])
    encoded = embedding(torch.tensor([[-9.0], [1.0], [3.0], [9.0]]))
    assert_close(
        encoded * 3**0.5,
        torch.tensor([[-1.0, -1, -1], [1, -1, -1], [1, 0, -1], [1, 1, 1]]),
    )


def test__forward__many_bins_or_few__are_together_as_large_as_a_number():
    few, many = torch.arange(3.0), torch.linspace(0, 1, 17)
    encoded = PiecewiseLinear([few, many])(torch.tensor([[9.0, 9.0]]))
    assert_close(encoded[:, :2].norm(), torch.tensor(1.0))
    assert_close(encoded[:, 2:].norm(), torch.tensor(1.0))
