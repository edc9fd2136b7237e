"""The linear model of columns, which a regressor's network is stacked with."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV

from sklearn_ae import AutoencoderPretrainedRegressor, load, save
from sklearn_ae._supervised.linear_model import ColumnProbe, LinearModel
from sklearn_ae._tables.scaling import Scaler
from tests.supervised.helpers import TARGET, X, regressor, small


def a_probe(rows, n_numbers=None, soft_clipped=False):
    """Return a probe that knows some rows, all of them numbers by default."""
    n_numbers = rows.shape[1] if n_numbers is None else n_numbers
    probe = ColumnProbe(n_numbers, soft_clipped)
    blocks = [(torch.from_numpy(rows), np.ones(len(rows)))]
    return probe.fit_scale(rows.shape[1], blocks)


def fares(n_rows, rng):
    """Return rides: a distance with a long tail, three columns of places, the fare."""
    distance = rng.exponential(3, n_rows) ** 1.5
    places = rng.integers(0, 60, (n_rows, 3))
    frame = pd.DataFrame(places.astype(str), columns=["from", "to", "street"])
    frame = frame.astype("category").assign(distance=distance)
    return frame, 3 + 2 * distance + rng.normal(size=n_rows)


@pytest.mark.slow
def test__regressor__number_with_a_long_tail_among_categories__is_followed():
    frame, fare = fares(1_500, np.random.default_rng(0))
    target = np.where(np.arange(len(fare)) < 40, fare, np.nan)
    model = AutoencoderPretrainedRegressor(random_state=0).fit(frame, target)
    assert model.score(frame[40:], fare[40:]) > 0.9


@pytest.mark.parametrize("n_targets", [5, 60, 442])
def test__regressor__output__is_that_of_the_network_and_of_the_linear_model(n_targets):
    rows, target = load_diabetes(return_X_y=True)
    target = np.where(np.arange(len(rows)) < n_targets, target, np.nan)
    model = regressor(max_epochs=None).fit(rows, target)
    module = model.module_
    scaled = torch.from_numpy(model.table_encoder_.transform(rows))
    inputs = module.encoder.inputs(scaled)
    both = module.head(module.encode(scaled)) + module.start(inputs)
    torch.testing.assert_close(module(scaled), both)
    scaler = model._target_scaler
    expected = both[:, 0].detach().numpy() * scaler.scale_ + scaler.mean_
    assert_allclose(model.predict(rows), expected, rtol=1e-4)


def test__regressor__many_targets__needs_no_linear_model(monkeypatch):
    monkeypatch.setattr("sklearn_ae._supervised.plan.MANY_ROWS", len(X) - 1)
    assert regressor(max_epochs=None).fit(X, TARGET).module_.start is None


@pytest.mark.parametrize("early_stopping", [False, True])
def test__regressor__saved_with_its_linear_model__predicts_the_same(
    early_stopping, tmp_path
):
    model = regressor(max_epochs=None, early_stopping=early_stopping).fit(X, TARGET)
    assert isinstance(model.module_.start, LinearModel)
    save(model, tmp_path / "model")
    assert_allclose(load(tmp_path / "model").predict(X), model.predict(X), rtol=1e-12)


def test__linear_model__soft_clipped_numbers__are_as_they_were():
    rows = np.random.default_rng(1).standard_t(2, (500, 3))
    clipped = Scaler("robust").fit(rows).transform(rows)
    plain = Scaler("robust").fit(rows)
    plain.scaling = "standard"
    columns = LinearModel(3, 3, 1, True).columns(torch.from_numpy(clipped).double())
    assert np.abs(clipped).max() < 3 < np.abs(columns.numpy()).max()
    assert_allclose(columns, plain.transform(rows), rtol=1e-3, atol=1e-5)


def test__linear_model__numbers_beyond_those_seen__count_as_the_ends():
    rng = np.random.default_rng(2)
    rows, weight = rng.normal(size=(50, 2)), np.ones(50)
    y = rows[:, :1] - rows[:, 1:]
    model = a_probe(rows).fit(torch.from_numpy(rows), y, weight, np.ones(50, int))
    ends = np.array([[rows[:, 0].max(), rows[:, 1].min()]], np.float32)
    beyond = torch.tensor([[1e30, -1e30]])
    torch.testing.assert_close(model(beyond), model(torch.from_numpy(ends)))


def test__column_probe__units_of_numbers__do_not_matter():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 4))
    y, weight = rows @ rng.normal(size=(4, 1)) + rng.normal(size=(60, 1)), np.ones(60)
    rest = y, weight, np.ones(60, int)
    units = np.array([1e-3, 1.0, 1e3, 10.0])
    plain = a_probe(rows).fit(torch.from_numpy(rows), *rest)
    scaled = a_probe(rows * units).fit(torch.from_numpy(rows * units), *rest)
    predicted = plain(torch.from_numpy(rows).float())
    others = scaled(torch.from_numpy(rows * units).float())
    torch.testing.assert_close(others, predicted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_known", [100, 300])
def test__column_probe__more_columns_than_are_kept__is_as_good_as_ridge(n_known):
    """A few factors are behind many columns."""
    rng = np.random.default_rng(4)
    factors = rng.normal(size=(600, 5))
    rows = factors @ rng.normal(size=(5, 400)) + 0.1 * rng.normal(size=(600, 400))
    y = factors @ rng.normal(size=(5, 1))
    known, new = np.arange(n_known), np.arange(n_known, 600)
    probe, ones = a_probe(rows), np.ones(n_known)
    rest = y[known], ones, ones.astype(int)
    model = probe.fit(torch.from_numpy(rows[known]), *rest)
    with torch.no_grad():
        errors = model(torch.from_numpy(rows[new]).float()).numpy() - y[new]
    units = rows / rows.std(axis=0)
    ridge = RidgeCV(np.logspace(-2, 6, 17)).fit(units[known], y[known, 0])
    expected = ((ridge.predict(units[new])[:, None] - y[new]) ** 2).mean()
    assert (errors**2).mean() < 1.2 * expected < 0.1


@pytest.mark.parametrize(("n_rows", "n_columns"), [(40, 3), (40, 300), (260, 260)])
def test__column_probe__weights__are_as_repeated_rows(n_rows, n_columns):
    rng = np.random.default_rng(5)
    rows, y = rng.normal(size=(n_rows, n_columns)), rng.normal(size=(n_rows, 1))
    times = rng.integers(1, 4, n_rows)
    probe, X_rows = a_probe(rows), torch.from_numpy(rows)
    weighted = probe.fit(X_rows, y, times.astype(float), times)
    again = np.repeat(np.arange(n_rows), times)
    ones = np.ones(len(again))
    repeated = probe.fit(X_rows[again], y[again], ones, ones.astype(int))
    new = torch.from_numpy(rng.normal(size=(9, n_columns))).float()
    torch.testing.assert_close(weighted(new), repeated(new), rtol=1e-3, atol=1e-4)


def test__column_probe__blocks_of_rows__are_as_all_rows():
    rng = np.random.default_rng(6)
    rows, weight = rng.normal(5.0, size=(50, 4)), rng.uniform(0.1, 9, 50)
    X_rows = torch.from_numpy(rows)
    whole = ColumnProbe(3, False).fit_scale(4, [(X_rows, weight)])
    parts = slice(0, 7), slice(7, 8), slice(8, 50)
    blocks = [(X_rows[part], weight[part]) for part in parts]
    in_blocks = ColumnProbe(3, False).fit_scale(4, blocks)
    assert_allclose(in_blocks.center_, whole.center_)
    assert_allclose(in_blocks.scale_, whole.scale_)
    y, ones = rows[:, :1], np.ones(50, int)
    ends = [probe.fit(X_rows, y, weight, ones) for probe in (whole, in_blocks)]
    assert torch.equal(ends[0].least, ends[1].least)
    assert torch.equal(ends[0].largest, ends[1].largest)


def test__regressor__wide_table__is_never_whole_in_float64(monkeypatch):
    """20,000 rows of 8,000 columns would take gigabytes."""
    most, columns, seen = 100, LinearModel.columns, []
    for name in ("BLOCK_CELLS", "MOST_CELLS"):
        monkeypatch.setattr(f"sklearn_ae._supervised.fine_tuning.{name}", most)

    def spy(self, inputs):
        if inputs.dtype == torch.float64:
            seen.append(inputs.numel())
        return columns(self, inputs)

    monkeypatch.setattr(LinearModel, "columns", spy)
    regressor(early_stopping=True).fit(X, TARGET)
    assert 0 < max(seen) <= most


@pytest.mark.parametrize("factor", [1e-40, 1e-30])
def test__regressor__tiny_numbers_without_scaling__predicts_numbers(factor):
    """Coefficients for tiny numbers would be too large for float32."""
    rows = X * factor
    model = regressor(small(scaling=None), early_stopping=True).fit(rows, TARGET)
    assert np.isfinite(model.predict(np.concatenate([rows, X]))).all()


def test__regressor__own_scaling__is_read_as_it_is():
    rows, target = load_diabetes(return_X_y=True)
    autoencoder = small(4, scaling="minmax")
    model = regressor(autoencoder, max_epochs=None).fit(rows, target)
    assert not model.module_.start.soft_clipped
    assert model.score(rows, target) > 0.4
