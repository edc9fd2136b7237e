"""Noise: what it changes of a batch while training, and that it stays there."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae._modules.autoencoder import OneHot
from sklearn_ae._tables.layout import Layout
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, HidingNoise, MaskingNoise, SwapNoise
from tests.helpers import mixed_cells, to_pandas
from tests.net.helpers import Recorder, make, weights


def make_mixed(**params):
    defaults = {"n_components": 3, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


FRAME = to_pandas(mixed_cells())


# Parameters


class SwapsCells(SwapNoise):
    """Checks each batch: what was swapped are whole cells of other rows."""

    n_batches = 0

    def __call__(self, X, blocks=None):
        noisy = super().__call__(X, blocks)
        for cell in blocks.unique():
            here = blocks == cell
            distance = torch.cdist(
                torch.nan_to_num(noisy[:, here], nan=9.0),
                torch.nan_to_num(X[:, here], nan=9.0),
            )
            assert (distance.min(dim=1).values < 1e-6).all()
        SwapsCells.n_batches += 1
        return noisy


def test__noise__swap_in_fit__takes_whole_cells_of_other_rows():
    make_mixed(noise=SwapsCells(rate=0.5)).fit(FRAME)
    assert SwapsCells.n_batches > 0


@pytest.fixture
def encoded():
    """Many rows of a column of numbers and three of categories, and their blocks."""
    sizes = (2, 5, 40)
    layout = Layout((*(np.full(size, 1 / size) for size in sizes), None))
    torch.manual_seed(0)
    columns = [torch.randint(size, (4_000,)).float() for size in sizes]
    X = torch.stack([*columns, torch.randn(4_000)], dim=1)
    return OneHot(layout)(X), layout.blocks


def share_of_changed_cells(X, noisy, blocks):
    changed = [(noisy != X)[:, blocks == b].any(dim=1) for b in blocks.unique()]
    return torch.stack(changed).double().mean(dim=1).numpy()


def test__noise__masking__sets_whole_cells_to_zero_at_the_same_rate(encoded):
    X, blocks = encoded
    noisy = MaskingNoise(rate=0.3)(X, blocks)
    zero = torch.stack([(noisy == 0)[:, blocks == b].all(dim=1) for b in range(4)], 1)
    assert torch.equal(noisy, X.masked_fill(zero[:, blocks], 0.0))
    # Five standard deviations of a share of 4,000 rows.
    assert_allclose(zero.double().mean(dim=0), 0.3, atol=0.036)


def test__noise__swap__changes_cells_at_the_same_rate(encoded):
    X, blocks = encoded
    noisy = SwapNoise(rate=0.3)(X, blocks)
    # A row of the same category changes nothing.
    other = np.array([1, 1 - 1 / 2, 1 - 1 / 5, 1 - 1 / 40])
    share = share_of_changed_cells(X, noisy, blocks)
    assert_allclose(share, 0.3 * other, atol=0.036)


X_WINE = load_wine().data


# Noise


NOISES = [GaussianNoise(std=0.5), MaskingNoise(rate=0.3), SwapNoise(rate=0.3)]


@pytest.mark.parametrize("noise", NOISES)
def test__transform__fitted_with_noise__is_repeatable(noise):
    """Noise that leaks out of training would differ between two calls."""
    ae = make(noise=noise).fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), ae.transform(X_WINE))
    assert_array_equal(ae.score_samples(X_WINE), ae.score_samples(X_WINE))
    assert_array_equal(ae.reconstruct(X_WINE), ae.reconstruct(X_WINE))


class Spy(nn.Module):
    """Keeps what the encoder is fed while training."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Linear(n_features, 2)
        self.decoder = nn.Linear(2, n_features)
        self.seen = []

    def encode(self, X):
        if self.training:
            self.seen.append(X.detach().clone())
        return self.encoder(X)


@pytest.mark.parametrize("noise", NOISES)
def test__noise__while_training__corrupts_the_input_and_not_the_target(noise):
    targets = []

    def loss(values, X):
        targets.append(X.detach().clone())
        return (values - X) ** 2

    ae = make(architecture=TorchModule(Spy), noise=noise, loss=loss, max_epochs=1)
    recorder = Recorder()
    ae.set_params(callbacks=[recorder]).fit(X_WINE)
    clean = torch.from_numpy(recorder.batches[0][0])
    assert torch.equal(targets[-1], clean)
    assert (ae.module_.network.seen[-1] != clean).float().mean() > 0.2


@pytest.mark.parametrize(
    "noise", [GaussianNoise(std=0), MaskingNoise(rate=0), SwapNoise(rate=0)]
)
def test__noise__of_strength_zero__equals_no_noise(noise):
    """Noise draws from the same generator as shuffling, so one batch an epoch here."""
    with_noise = make(noise=noise, max_epochs=3).fit(X_WINE)
    assert_array_equal(weights(with_noise), weights(make(max_epochs=3).fit(X_WINE)))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(2000, 5, generator=generator) * torch.arange(1, 6) + 7
    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield X


@pytest.mark.parametrize("std", [0.1, 2.0])
def test__gaussian_noise__many_cells__has_the_standard_deviation(batch, std):
    added = GaussianNoise(std=std)(batch) - batch
    assert_allclose(added.std(0), np.full(5, std), rtol=0.06)
    assert_allclose(added.mean(0), np.zeros(5), atol=0.1 * std)


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test__masking_noise__many_cells__masks_each_column_at_the_rate(batch, rate):
    noisy = MaskingNoise(rate=rate)(batch)
    assert_allclose((noisy == 0).float().mean(0), np.full(5, rate), atol=0.04)
    assert torch.equal(noisy[noisy != 0], batch[noisy != 0])


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test__swap_noise__many_cells__keeps_each_column_within_its_own_values(batch, rate):
    noisy = SwapNoise(rate=rate)(batch)
    assert_allclose((noisy != batch).float().mean(0), np.full(5, rate), atol=0.04)
    for column in range(5):
        assert torch.isin(noisy[:, column], batch[:, column]).all()
    assert_allclose(noisy.mean(0), batch.mean(0), atol=0.4)
    assert_allclose(noisy.std(0), batch.std(0), rtol=0.1)


def test__swap_noise__correlated_columns__loses_their_correlation(batch):
    """One donor row for all cells would keep it, and teach nothing."""
    twins = batch[:, :1].repeat(1, 2)
    noisy = SwapNoise(rate=0.999)(twins)
    assert abs(np.corrcoef(noisy.T)[0, 1]) < 0.1


@pytest.mark.parametrize("noise", [MaskingNoise(rate=0.5), SwapNoise(rate=0.5)])
def test__noise__columns_of_one_block__change_together(batch, noise):
    """A one-hot block with one of its columns masked is a row that cannot exist."""
    one_hot = nn.functional.one_hot(torch.randint(3, (2000,)), 3).float()
    X = torch.cat([batch[:, :2], one_hot], dim=1)
    blocks = torch.tensor([0, 1, 2, 2, 2])
    category = noise(X, blocks)[:, 2:]
    allowed = (0, 1) if isinstance(noise, MaskingNoise) else (1,)
    assert torch.isin(category.sum(1), torch.tensor(allowed, dtype=torch.float)).all()
    assert (category != one_hot).any()


@pytest.mark.parametrize("noise", NOISES)
def test__noise__called__leaves_the_clean_batch_as_it_was(batch, noise):
    before = batch.clone()
    noise(batch)
    assert torch.equal(batch, before)


def test__noise__missing_cells__train_to_a_finite_loss():
    holes = X_WINE.copy()
    holes[::4, 1] = np.nan
    for noise in NOISES:
        assert np.isfinite(make(noise=noise).fit(holes).loss_curve_).all()


def test__hiding_noise__blocks__hides_whole_cells_and_up_to_the_rate_of_a_row():
    blocks = torch.tensor([0, 1, 1, 2, 2, 2] + [3 + i for i in range(37)])
    X = torch.randn(4000, len(blocks))
    torch.manual_seed(0)
    noisy = HidingNoise(rate=0.6)(X, blocks)
    hidden = torch.isnan(noisy)
    first = torch.tensor([0, 1, 3, *range(6, 43)])
    assert torch.equal(hidden, hidden[:, first][:, blocks])
    assert torch.equal(noisy[~hidden], X[~hidden])
    share = hidden[:, first].double().mean(dim=1)
    # The mean of a uniform share of up to 0.6; some rows keep nearly all their cells.
    assert share.mean().item() == pytest.approx(0.3, abs=0.02)
    assert (share < 0.1).double().mean().item() == pytest.approx(1 / 6, abs=0.05)
    assert hidden[:, first].double().mean(dim=0).sub(0.3).abs().max() < 0.05


def test__hiding_noise__without_blocks__hides_cells():
    X = torch.ones(2000, 20)
    noisy = HidingNoise(rate=0.2)(X)
    assert torch.isnan(noisy).double().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(HidingNoise(rate=0.0)(X), X)
    assert (X == 1).all()


def test__noise_auto__transformer__trains_without():
    X = load_wine().data
    params = {"max_epochs": 2, "random_state": 0}
    auto = AutoencoderTransformer(2, **params)
    none = AutoencoderTransformer(2, noise=None, **params)
    assert auto.noise == "auto"
    assert_array_equal(auto.fit_transform(X), none.fit_transform(X))


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (AutoencoderAnomalyDetector, SwapNoise(0.3)),
        (AutoencoderPretrainedClassifier, SwapNoise(0.3)),
        (AutoencoderPretrainedRegressor, SwapNoise(0.3)),
        (AutoencoderImputer, HidingNoise()),
    ],
)
@pytest.mark.parametrize("noise", ["auto", None, MaskingNoise(0.1)], ids=repr)
def test__noise_auto__autoencoder_in_another_estimator__is_what_that_needs(
    cls, expected, noise
):
    X, y = load_wine(return_X_y=True)
    autoencoder = AutoencoderTransformer(2, noise=noise, max_epochs=1)
    used = cls(autoencoder, random_state=0).fit(X, y).autoencoder_.noise
    assert repr(used) == repr(expected if noise == "auto" else noise)
    assert autoencoder.noise is noise


def test__grid_search__noise_auto_and_a_rate__tries_each():
    search = GridSearchCV(
        AutoencoderTransformer(2, max_epochs=1, random_state=0),
        {"noise": ["auto", None, SwapNoise()], "noise__rate": [0.1, 0.2]},
        cv=2,
    )
    search.fit(load_wine().data)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores[:4])) == 1
    assert len(set(scores)) == 3
