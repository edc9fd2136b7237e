"""New rows that a variational latent draws."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.latents import Sparse, Variational
from tests.helpers import mixed_cells

WINE = load_wine(as_frame=True)


X_WINE = StandardScaler().fit_transform(WINE.data).astype(np.float32)


X_DIGITS = (load_digits().data / 16).astype(np.float32)


def make(n_components=4, **params):
    params = {"max_epochs": 5, "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **params)


@pytest.fixture(scope="module")
def wine():
    """An autoencoder that can draw wines."""
    ae = make(6, latent=Variational(), max_epochs=200)
    return ae.fit(WINE.data)


class TestSample:
    def test__frame__columns_and_dtypes__are_those_of_fit(self):
        for X in (pd.DataFrame(mixed_cells()), pl.DataFrame(mixed_cells())):
            drawn = make(latent=Variational()).fit(X).sample(7, random_state=0)
            assert type(drawn) is type(X)
            assert list(drawn.columns) == list(X.columns)
            assert list(drawn.dtypes) == list(X.dtypes)
            assert len(drawn) == 7
            assert set(drawn["colour"]) <= set(X["colour"])

    def test__seed__same__gives_the_same_rows_and_none_others(self, wine):
        assert_array_equal(wine.sample(5, random_state=3), wine.sample(5, 3))
        assert not np.allclose(wine.sample(5), wine.sample(5))
        rng = np.random.RandomState(0)
        assert not np.allclose(wine.sample(5, rng), wine.sample(5, rng))

    def test__global_generators__are_left_as_they_were(self, wine):
        states = torch.get_rng_state(), np.random.get_state()[1]
        wine.sample(5)
        assert torch.equal(states[0], torch.get_rng_state())
        assert_array_equal(states[1], np.random.get_state()[1])

    def test__rows__many__have_the_moments_of_the_table(self, wine):
        drawn = wine.sample(5000, random_state=0)
        X = WINE.data
        assert_allclose((drawn.mean() - X.mean()) / X.std(), 0, atol=0.2)
        assert_allclose(drawn.std() / X.std(), 1, atol=0.25)
        assert np.abs(drawn.corr() - X.corr()).to_numpy().mean() < 0.1

    def test__rows__numbers__stay_in_the_range_of_fit(self, wine):
        drawn = wine.sample(2000, random_state=0)
        slack = 1e-4 * (WINE.data.max() - WINE.data.min())
        assert (drawn.min() >= WINE.data.min() - slack).all()
        assert (drawn.max() <= WINE.data.max() + slack).all()

    def test__rows__are_new(self, wine):
        """Copies of the rows of `fit` would be no samples."""
        drawn = wine.sample(500, random_state=0).to_numpy()
        scale = WINE.data.std().to_numpy()
        gaps = (drawn[:, None] - WINE.data.to_numpy()) / scale
        assert np.sqrt(np.square(gaps).mean(axis=2)).min() > 0.01

    @pytest.mark.slow
    def test__categories__are_as_frequent_as_in_the_table(self, large_mixed_table):
        table = large_mixed_table
        names = table.select_dtypes(exclude="number").columns
        X = table[[*table.select_dtypes("number").columns[:2], *names[-5:]]].dropna()
        ae = AutoencoderTransformer(latent=Variational(), random_state=0).fit(X)
        drawn = ae.sample(5000, random_state=0)
        for column in names[-5:]:
            shares = X[column].value_counts(normalize=True)
            got = drawn[column].value_counts(normalize=True)
            assert_allclose(got.reindex(shares.index, fill_value=0), shares, atol=0.06)

    @pytest.mark.slow
    def test__categories__that_go_together_in_the_table__do_in_new_rows(self, people):
        X = people[["age", "hours_per_week", "relationship", "sex"]]
        ae = AutoencoderTransformer(latent=Variational(), random_state=0).fit(X)
        drawn = ae.sample(5000, random_state=0)
        husbands = drawn[drawn["relationship"] == "Husband"]
        assert (husbands["sex"] == "Male").mean() > 0.9

    @pytest.mark.slow
    def test__order__is_not_cluster_by_cluster(self):
        """A mixture gives its rows sorted by the cluster that they come from."""
        X = np.repeat([[0.0, 0.0], [9.0, 9.0]], 200, axis=0)
        X += np.random.default_rng(0).normal(size=X.shape)
        ae = make(1, latent=Variational(), max_epochs=None).fit(X)
        high = ae.sample(400, random_state=0)[:, 0] > 4.5
        assert (high[1:] != high[:-1]).sum() > 100

    def test__binary_cross_entropy__gives_what_the_decoder_says(self):
        """Noise on the pixels of an image would be no likely image."""
        ae = make(8, latent=Variational(), loss="bce", scaling=None, max_epochs=50)
        drawn = ae.fit(X_DIGITS).sample(100, random_state=0)
        assert (drawn >= 0).all()
        assert (drawn <= 1).all()
        dark = X_DIGITS.max(axis=0) == 0
        assert drawn[:, dark].max() < 0.05

    def test__weights__of_nothing__are_not_drawn(self):
        X = np.repeat([[0.0, 1.0], [50.0, 2.0]], 100, axis=0)
        X += np.random.default_rng(0).normal(size=X.shape)
        weight = np.repeat([1.0, 0.0], 100)
        ae = make(1, latent=Variational()).fit(X, sample_weight=weight)
        assert ae.sample(200, random_state=0)[:, 0].max() < 25

    def test__one_row_or_missing_cells__draws(self):
        holes = X_WINE.copy()
        holes[::3, 2] = np.nan
        holes[:, 5] = np.nan
        for X in (X_WINE[:1], X_WINE[:2], holes):
            drawn = make(latent=Variational()).fit(X).sample(4, random_state=0)
            assert drawn.shape == (4, 13)
            seen = ~np.isnan(X).all(axis=0)
            assert np.isfinite(drawn[:, seen]).all()

    @pytest.mark.parametrize("seed", range(4))
    def test__few_rows__all_on_one_side__draws(self, seed):
        """No row may be left to choose the number of components by, or to fit them."""
        weight = np.where(np.arange(100) < 1, 1.0, 1e-6)
        for X, given in ((X_WINE[:5], None), (X_WINE[:100], weight)):
            ae = make(1, latent=Variational(), max_epochs=1, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ae.fit(X, sample_weight=given)
            assert np.isfinite(ae.sample(3)).all()

    def test__partial_fit__draws_like_the_last_rows(self):
        ae = make(2, latent=Variational())
        for part in (X_WINE, X_WINE[:100] + 20):
            ae.partial_fit(part)
        assert ae.sample(50, random_state=0).min() > 10

    @pytest.mark.slow
    def test__marginals__skewed_and_mostly_zero__are_those_of_the_table(self):
        """Noise alone would fill the gap above zero, and cut off what falls below."""
        rng = np.random.default_rng(0)
        z = rng.normal(size=1000)
        X = pd.DataFrame(
            {
                "skewed": np.exp(z + rng.normal(size=1000) / 3),
                "gain": np.where(z > 1.3, 100 * z, 0.0),
                "hours": np.where(z > 0.5, 50, 40),
            }
        )
        ae = make(2, latent=Variational(), max_epochs=None).fit(X)
        drawn = ae.sample(1000, random_state=0)
        for share in (0.05, 0.5, 0.95):
            got, wanted = (np.log(t["skewed"]).quantile(share) for t in (drawn, X))
            assert abs(got - wanted) < 0.3
        assert_allclose((drawn["gain"] == 0).mean(), (X["gain"] == 0).mean(), atol=0.05)
        assert set(drawn["hours"]) == {40, 50}
        assert np.corrcoef(drawn["hours"], np.log(drawn["skewed"]))[0, 1] > 0.5

    def test__equal_rows__are_drawn_as_often_as_they_are(self):
        """They are merged into one that weighs more."""
        X = np.repeat([[0.0, 1.0], [1.0, 5.0]], [90, 10], axis=0)
        drawn = make(1, latent=Variational(), max_epochs=None).fit(X).sample(1000, 0)
        assert_allclose((drawn[:, 0] > 0.99).mean(), 0.1, atol=0.04)
        X = np.r_[X_WINE, X_WINE[:1]]
        drawn = make(latent=Variational(), max_epochs=100).fit(X).sample(5000, 0)
        assert_allclose(drawn.max(axis=0), X.max(axis=0), rtol=1e-4)

    @pytest.mark.slow
    def test__wide_sparse_table__keeps_few_numbers(self):
        X = sparse.random(20, 50_000, density=1e-3, format="csr", random_state=0)
        ae = make(2, latent=Variational(), max_epochs=1, hidden_layer_sizes=()).fit(X)
        network = sum(w.nbytes for w in ae.module_.parameters())
        assert len(pickle.dumps(ae)) < 3 * network + 40e6

    @pytest.mark.slow
    def test__coins__binary_cross_entropy__are_drawn(self):
        rng = np.random.default_rng(0)
        X = (rng.random((500, 1)) < 0.5) ^ (rng.random((500, 8)) < 0.1)
        X = np.hstack([X, np.zeros((500, 1), dtype=bool)])
        ae = make(2, latent=Variational(), loss="bce", scaling=None, max_epochs=None)
        drawn = ae.fit(X.astype(int)).sample(500, random_state=0)
        assert set(np.unique(drawn)) == {0.0, 1.0}
        assert np.corrcoef(drawn.T[:8])[0, 1:].min() > 0.3
        assert not drawn[:, 8].any()

    def test__latent__set_after_fit__is_told(self):
        ae = make().fit(X_WINE).set_params(latent=Variational())
        with pytest.raises(ValueError, match=r"after the last fit.* Call fit again"):
            ae.sample(2)
        ae.partial_fit(X_WINE)
        assert ae.n_iter_ == len(ae.net_.history) == 6

    def test__fails__says_why(self, wine):
        with pytest.raises(AttributeError, match="has no attribute 'sample'") as info:
            make(latent=Sparse()).fit(X_WINE).sample(2)
        assert "Only an autoencoder with latent=Variational()" in str(
            info.value.__cause__
        )
        assert not hasattr(make(), "sample")
        with pytest.raises(NotFittedError):
            make(latent=Variational()).sample(2)
        with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
            wine.sample(0)
        with pytest.raises(TypeError, match="n_samples must be an instance of int"):
            wine.sample(2.5)
        with pytest.raises(ValueError, match="'a' cannot be used to seed"):
            wine.sample(2, random_state="a")


@pytest.mark.parametrize("scaling", ["standard", "robust", "minmax", "quantile"])
@pytest.mark.parametrize("form", ["pandas", "polars", "array", "float32"])
def test__sample__numbers__are_those_of_the_table(scaling, form):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": rng.lognormal(size=300).round(2),
            "constant": np.where(rng.random(300) < 0.2, np.nan, 0.27),
            "time": 1e9 + rng.normal(size=300),
            "kind": rng.choice([*"abc"], size=300),
        }
    )
    numbers = frame.drop(columns="kind")
    table = {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "array": numbers.to_numpy(),
        "float32": numbers.to_numpy(np.float32),
    }[form]
    ae = make(2, latent=Variational(), scaling=scaling, max_epochs=1).fit(table)
    drawn = pd.DataFrame(np.asarray(ae.sample(100, random_state=0)))
    known = pd.DataFrame(np.asarray(table))
    for column in known:
        assert drawn[column].isin(known[column]).all()
    assert drawn[0].nunique() > 30
