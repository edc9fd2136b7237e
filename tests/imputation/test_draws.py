"""Draws: cells filled at random have the spread of what is not known."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch import nn

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Variational
from tests.helpers import columns_of, delete, mixed_cells
from tests.imputation.helpers import NUMBERS, assert_only_filled, make
from tests.real_tables import find_file, read_mixed


def correlated(n_rows=3000, rho=0.8):
    """Return normal rows of three columns that depend on a common one."""
    rng = np.random.default_rng(0)
    covariance = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
    return rng.multivariate_normal(np.zeros(3), covariance, n_rows), covariance


def test__draw__any_container__fills_missing_cells_at_random(container):
    X = container(mixed_cells())
    tables = make(n_draws=4).fit(X).draw(X)
    assert len(tables) == 4
    for table in tables:
        assert_only_filled(table, X)
    sizes = {tuple(columns_of(table)[0]) for table in tables}
    assert len(sizes) == 4


def test__draw__normal_rows__has_the_spread_of_what_is_not_known():
    """Given the two other columns, the variance of one is known."""
    X, covariance = correlated()
    with_gaps = X.copy()
    gone = np.arange(0, 3000, 3)
    with_gaps[gone, 0] = np.nan
    imputer = make(max_epochs=5, n_draws=20).fit(with_gaps)
    drawn = np.stack([table[gone, 0] for table in imputer.draw(with_gaps)])
    weight = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    expected = covariance[0, 0] - weight @ covariance[1:, 0]
    assert 0.75 < drawn.var(axis=0).mean() / expected < 1.5
    mean = X[gone, 1:] @ weight
    assert np.mean((drawn.mean(axis=0) - mean) ** 2) < 0.3 * expected


def test__draw__normal_rows__keeps_variance_and_correlation_better_than_transform():
    X, _ = correlated()
    with_gaps, _ = delete(X, 0.2)
    imputer = make(max_epochs=5).fit(with_gaps)
    drawn = imputer.draw(with_gaps)
    for moments in (np.cov, np.corrcoef):
        truth, filled = moments(X.T), moments(imputer.transform(with_gaps).T)
        mean = np.mean([moments(table.T) for table in drawn], axis=0)
        assert np.abs(mean - truth).max() < np.abs(filled - truth).max()
    variances = np.mean([table.var(axis=0) for table in drawn], axis=0)
    assert_allclose(variances, X.var(axis=0), rtol=0.1)


def test__draw__skewed_numbers__are_as_skewed():
    """Normal draws around the mean would be negative as often as not small."""
    X = np.random.default_rng(0).exponential(size=(2000, 3))
    with_gaps, gone = delete(X, 0.3)
    drawn = make(n_draws=3).fit(with_gaps).draw(with_gaps)
    drawn = np.concatenate([table[gone] for table in drawn])
    levels = [0.02, 0.1, 0.5, 0.9, 0.98]
    expected = np.quantile(X[gone], levels)
    assert_allclose(np.quantile(drawn, levels), expected, rtol=0.2, atol=0.15)


def test__draw__noise_that_grows_with_the_number__grows_in_draws():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 1500)
    X = np.c_[x, x * rng.normal(1, 0.1, 1500), x]
    with_gaps = X.copy()
    with_gaps[::4, 1] = np.nan
    (drawn,) = make(max_epochs=5, n_draws=1).fit(with_gaps).draw(with_gaps)
    errors = np.abs(drawn - X)[::4, 1]
    assert errors[x[::4] > 7].mean() > 2 * errors[x[::4] < 3].mean()


def covered(X, autoencoder=None, rate=0.2):
    """Return which share of hidden numbers lies within the range of 19 draws."""
    with_gaps, gone = delete(X, rate)
    imputer = AutoencoderImputer(autoencoder, n_draws=19, random_state=0)
    numeric = X.columns.isin(X.select_dtypes("number").columns)
    tables = [
        table.loc[:, numeric].to_numpy(float)[gone[:, numeric]]
        for table in imputer.fit(with_gaps).draw(with_gaps)
    ]
    truth = X.loc[:, numeric].to_numpy(float)[gone[:, numeric]]
    known = ~np.isnan(truth)
    inside = (np.min(tables, axis=0) <= truth) & (truth <= np.max(tables, axis=0))
    assert known.sum() >= 500
    return inside[known].mean()


def read_columns(name):
    """Return a frame of at most 1,000 rows."""
    if name == "adult":
        return read_mixed(name)[:1000]
    if name == "annthyroid":
        with np.load(find_file("adbench/annthyroid.npz")) as arrays:
            return pd.DataFrame(arrays["X"][:1000])
    load = {"breast_cancer": load_breast_cancer, "diabetes": load_diabetes}[name]
    return load(as_frame=True).data


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "adult", "annthyroid"])
def test__draw__real_table__range_of_19_covers_nine_tenths(name, rate):
    """Of 20 numbers from one distribution, one is first or last in one of ten cases."""
    assert 0.86 < covered(read_columns(name), rate=rate) < 0.94


@pytest.mark.slow
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test__draw__variational_latent__range_of_19_covers_nine_tenths(name):
    """What the latents add to the spread is not added twice."""
    autoencoder = AutoencoderTransformer(latent=Variational())
    assert 0.86 < covered(read_columns(name), autoencoder) < 0.94


@pytest.mark.parametrize("latent", [None, Variational()])
def test__draw__variational_latent__is_drawn_in_draws_alone(latent):
    X, _ = correlated(200)
    X[::2, 0] = np.nan
    autoencoder = AutoencoderTransformer(2, latent=latent, max_epochs=3)
    imputer = make(autoencoder=autoencoder, n_draws=2).fit(X)
    assert_array_equal(imputer.transform(X), imputer.transform(X))
    imputer._residuals.residuals_.zero_()
    first, second = imputer.draw(X)
    assert np.array_equal(first, second) == (latent is None)


def test__draw__categories__come_with_their_frequencies():
    """Half of what `a` says about `b` is noise: 0.9 and 0.3 of yes."""
    rng = np.random.default_rng(0)
    a = rng.choice(["u", "v"], 4000)
    b = np.where(rng.random(4000) < np.where(a == "u", 0.9, 0.3), "yes", "no")
    X = pd.DataFrame({"a": a, "b": b})
    X.loc[::4, "b"] = None
    imputer = make(max_epochs=10).fit(X)
    gone = X.b.isna()
    shares = [
        (table.b[gone] == "yes").groupby(X.a[gone]).mean() for table in imputer.draw(X)
    ]
    assert_allclose(np.mean(shares, axis=0), [0.9, 0.3], atol=0.08)


class WithDropout(nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_features, n_components))
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(n_components)
        self.out = nn.Linear(n_components, n_features)
        self.active = []

    def decode(self, Z):
        self.active.append((self.dropout.training, self.norm.training))
        return self.out(self.dropout(self.norm(Z)))


def test__draw__dropout__is_active_in_draws_alone():
    architecture = TorchModule(WithDropout)
    autoencoder = AutoencoderTransformer(4, architecture=architecture, max_epochs=3)
    imputer = make(autoencoder=autoencoder).fit(NUMBERS)
    network = imputer.autoencoder_.module_.network
    network.active.clear()
    imputer.draw(NUMBERS)
    assert {*network.active} == {(True, False)}
    assert not any(module.training for module in network.modules())
    network.active.clear()
    got = imputer.transform(NUMBERS)
    assert {*network.active} == {(False, False)}
    assert columns_of(got) == columns_of(imputer.transform(NUMBERS))


def test__draw__failing_network__leaves_dropout_off():
    architecture = TorchModule(WithDropout)
    autoencoder = AutoencoderTransformer(4, architecture=architecture, max_epochs=1)
    imputer = make(autoencoder=autoencoder).fit(NUMBERS)
    network = imputer.autoencoder_.module_.network
    network.active = None
    with pytest.raises(AttributeError):
        imputer.draw(NUMBERS)
    assert not any(module.training for module in network.modules())
