"""Losses of tables with categories, and what the network is fed of them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.losses import (
    MixedReconstructionLoss,
    NumericReconstructionLoss,
)
from sklearn_ae._tables.layout import Layout
from tests.helpers import mixed_cells, to_pandas


def make(**params):
    defaults = {"n_components": 3, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


FRAME = to_pandas(mixed_cells())


# Missing cells and unknown categories


def with_colours(colours, n_rows=90):
    return {**mixed_cells(n_rows), "colour": list(colours)}


def test__loss__output_for_a_missing_category__changes_nothing():
    """The network may say anything there: it gets neither blame nor gradient."""
    layout = Layout((None, np.full(3, 1 / 3), np.array([0.5, 0.5])))
    head = MixedReconstructionLoss(
        NumericReconstructionLoss("mse", nn.Identity()), layout
    )
    head.allow_missing()
    X = torch.tensor([[1.0, torch.nan, 1.0], [torch.nan, 2.0, torch.nan]])
    gap = torch.isnan(X)[:, layout.blocks]
    losses, gradients = [], []
    for stand_in in (0.0, 7.0, -1e6):
        raw = torch.full(gap.shape, 0.5).masked_fill(gap, stand_in).requires_grad_()
        loss = head(raw, X)
        loss.backward()
        losses.append(loss.item())
        gradients.append(raw.grad)
    assert len(set(losses)) == 1
    assert (gradients[0][gap] == 0).all()
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients)


def test__network__missing_category__is_fed_as_zeros_and_an_indicator():
    """The inputs: size, four colours, two of paid, and what is missing of each."""
    X = FRAME[["colour", "size", "paid"]]
    ae = make().fit(X)
    inputs = []
    ae.module_.network.encoder.register_forward_pre_hook(
        lambda module, args: inputs.append(args[0].numpy())
    )
    ae.transform(X)
    cells = np.split(inputs[0][:, :7], [1, 5], axis=1)
    for name, cell in zip(["size", "colour", "paid"], cells, strict=True):
        missing = X[name].isna().to_numpy()
        assert_array_equal((cell == 0).all(axis=1), missing)
        assert_array_equal(inputs[0][:, 7 + list(X.columns).index(name)], missing)


def test__loss_of_cells__categories_before_numbers__stands_as_the_table_does():
    layout = Layout((np.array([0.5, 0.5]), None, np.array([0.5, 0.5])))
    head = MixedReconstructionLoss(
        NumericReconstructionLoss("mse", nn.Identity()), layout
    )
    X = torch.tensor([[torch.nan, 2.0, 1.0], [1.0, torch.nan, torch.nan]])
    cells = head.loss_of_cells(torch.zeros(2, layout.width), X)
    assert_allclose(cells, [[0, 4, 1], [1, 0, 0]], atol=1e-6)
    assert_allclose(head.loss_of_rows(torch.zeros(2, layout.width), X), [2.5, 1])


def test__score_samples__missing_cells__is_the_mean_over_the_others(container):
    """Recomputed in NumPy from the output of the network, cell by cell."""
    cells = mixed_cells()
    names = ["size", "colour", "member"]
    X = container({name: cells[name] for name in names})
    ae = make().fit(X)
    raw = ae.module_.decode(torch.from_numpy(ae.transform(X))).detach().numpy()
    size = np.array(cells["size"], dtype=float)
    losses = [((size - np.nanmean(size)) / np.nanstd(size) - raw[:, 0]) ** 2]
    start = 1
    for name in names[1:]:
        levels = sorted({*cells[name]} - {None})
        codes = pd.Categorical(cells[name], levels).codes
        logits = raw[:, start : start + len(levels)]
        likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        share = np.bincount(codes[codes >= 0]) / (codes >= 0).sum()
        loss = -np.log(likely[np.arange(90), codes]) / -(share @ np.log(share))
        losses.append(np.where(codes >= 0, loss, np.nan))
        start += len(levels)
    expected = -np.nanmean(losses, axis=0)
    assert_allclose(ae.score_samples(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["transform", "score_samples"])
def test__inference__unknown_category__counts_as_missing(container, method):
    """Enum and Categorical know which values there are: violet was never seen."""
    ae = make().fit(container(mixed_cells()))
    unknown, missing = (
        container(with_colours([colour] * 90)) for colour in ("violet", None)
    )
    if isinstance(missing, pl.DataFrame):
        missing = missing.cast({"colour": unknown.schema["colour"]})
    assert_array_equal(getattr(ae, method)(unknown), getattr(ae, method)(missing))


def largest_of_a_row(values, X):
    return (values - X).abs().amax(dim=1) if X.shape[1] else values.sum(dim=1)


def test__loss__callable__sees_numbers_only():
    shapes = set()

    def loss(values, X):
        shapes.add((values.shape[1], X.shape[1]))
        return (values - X) ** 2

    ae, plain = make(loss=loss).fit(FRAME), make(loss="mse").fit(FRAME)
    assert shapes == {(2, 2)}
    assert_array_equal(weights(ae), weights(plain))


def test__score_samples__loss_of_rows__counts_for_each_number():
    X = FRAME[["count", "member"]].assign(more=np.arange(90.0))
    ae = make(loss=largest_of_a_row).fit(X)
    cells = make(loss="mae").fit(X)
    cells.net_ = ae.net_
    numbers = X[["count", "more"]]
    off = (ae.reconstruct(X)[["count", "more"]] - numbers) / numbers.std(ddof=0)
    # An integer is restored rounded, so its own loss is known within half a unit.
    largest = off.abs().max(axis=1)
    mean = off.abs().mean(axis=1)
    expected = cells.score_samples(X) + 2 / 3 * (mean - largest)
    assert_allclose(ae.score_samples(X), expected, atol=2 / 3 * 0.5 / 3)
