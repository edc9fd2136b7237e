"""Variational, sparse and contractive latents."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import mixed_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import distributions as D
from torch import nn
from torch.nn.utils import parameters_to_vector

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)
from sklearn_ae._modules.dense import Dense
from sklearn_ae._modules.latent_penalties import (
    ContractiveLatent,
    GaussianLatent,
    KLSparseLatent,
)
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import Contractive, Sparse, Variational
from sklearn_ae.noise import SwapNoise

WINE = load_wine(as_frame=True)
X_WINE = StandardScaler().fit_transform(WINE.data).astype(np.float32)
X_DIGITS = (load_digits().data / 16).astype(np.float32)
LATENTS = {
    "variational": {"latent": Variational()},
    "sparse l1": {"latent": Sparse()},
    "sparse kl": {"latent": Sparse("kl"), "latent_activation": "sigmoid"},
    "contractive": {"latent": Contractive()},
}


def make(n_components=4, **params):
    params = {"max_epochs": 5, "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **params)


def roundtrip(ae):
    return pickle.loads(pickle.dumps(ae))


@pytest.fixture(params=LATENTS)
def asked(request):
    """Parameters with a latent of each kind."""
    return LATENTS[request.param]


@pytest.mark.filterwarnings("ignore:The variational latent has collapsed")
class TestAllLatents:
    def test__results__two_calls__are_the_same(self, asked):
        """A latent that still draws codes after training would differ."""
        ae = make(**asked).fit(X_WINE)
        for method in (ae.transform, ae.reconstruct, ae.score_samples):
            assert_array_equal(method(X_WINE), method(X_WINE))
        assert_allclose(ae.transform(X_WINE[:1]), ae.transform(X_WINE)[:1], atol=1e-6)

    def test__module__after_training__is_the_plain_network(self, asked):
        """Nothing is drawn, so that the user's generator is left alone."""
        ae = make(**asked).fit(X_WINE)
        X = torch.from_numpy(X_WINE)
        state = torch.get_rng_state()
        restored = ae.module_(X)
        assert torch.equal(state, torch.get_rng_state())
        assert torch.equal(restored, ae.module_.decode(ae.module_.encode(X)))

    def test__fit__same_seed__is_the_same_and_another_is_not(self, asked):
        one, same = (make(**asked).fit(X_WINE).transform(X_WINE) for _ in range(2))
        other = make(**asked, random_state=1).fit(X_WINE).transform(X_WINE)
        assert_array_equal(one, same)
        assert not np.allclose(one, other)

    def test__loss__strong_penalty__is_higher(self, asked):
        """The training and the validation loss have the penalty in them."""
        name = "beta" if "Variational" in repr(asked["latent"]) else "alpha"
        losses = [
            make(
                **{**asked, "latent": clone(asked["latent"]).set_params(**{name: v})},
                early_stopping=True,
                lr=1e-9,
                max_epochs=4,
            ).fit(X_WINE)
            for v in (0.0, 10.0)
        ]
        assert losses[1].loss_curve_[-1] > losses[0].loss_curve_[-1] + 0.01
        first, last = (ae.validation_loss_curve_[0] for ae in losses)
        assert last > first + 0.01

    @pytest.mark.parametrize("copied", [copy.deepcopy, roundtrip])
    def test__copy__fitted__gives_the_same_codes(self, asked, copied):
        ae = make(**asked).fit(X_WINE)
        assert_array_equal(copied(ae).transform(X_WINE), ae.transform(X_WINE))

    def test__warm_start__goes_on_where_it_ended(self, asked):
        ae = make(**asked, warm_start=True).fit(X_WINE)
        before = ae.transform(X_WINE)
        ae.set_params(lr=1e-9).fit(X_WINE)
        assert ae.n_iter_ == 10
        assert_allclose(ae.transform(X_WINE), before, atol=1e-4)

    def test__partial_fit__stream__goes_on(self, asked):
        ae = make(**asked)
        for part in np.array_split(X_WINE, 3):
            ae.partial_fit(part)
        assert np.isfinite(ae.transform(X_WINE)).all()

    def test__fit__categories_missing_cells_and_weights__trains(self, asked):
        X = pd.DataFrame(mixed_cells())
        weight = np.random.default_rng(0).random(len(X))
        ae = make(**asked, noise=SwapNoise()).fit(X, sample_weight=weight)
        assert ae.reconstruct(X).dtypes.tolist() == X.dtypes.tolist()
        assert np.isfinite(ae.transform(X)).all()

    @pytest.mark.parametrize("loss", ["mse", "bce"])
    def test__fit__batches_that_weigh_nothing__trains(self, asked, loss):
        """Their mean weight is what a loss must not be divided by."""
        weight = np.r_[np.ones(20), np.zeros(len(X_WINE) - 20)]
        ae = make(**asked, loss=loss, scaling="minmax", batch_size=4)
        ae.fit(X_WINE, sample_weight=weight)
        assert np.isfinite(ae.loss_curve_).all()
        assert np.isfinite(ae.transform(X_WINE)).all()

    def test__fit__convolutional__trains(self, asked):
        X = X_DIGITS[:100]
        ae = make(**asked, architecture=Convolutional(channels=4), scaling=None).fit(X)
        assert ae.reconstruct(X).shape == X.shape

    def test__fit__torch_module__trains(self, asked):
        ae = make(
            latent=asked["latent"], architecture=TorchModule(WithDropout), max_epochs=3
        ).fit(X_WINE)
        assert_array_equal(ae.transform(X_WINE), ae.transform(X_WINE))

    def test__fit__bfloat16__trains(self, asked):
        ae = make(**asked, precision="bfloat16").fit(X_WINE)
        assert np.isfinite(ae.loss_curve_).all()

    def test__pipeline__before_kmeans__finds_clusters(self, asked):
        pipeline = make_pipeline(make(**asked), KMeans(3, n_init=1, random_state=0))
        assert set(pipeline.fit_predict(X_WINE)) == {0, 1, 2}

    def test__holders__all__take_it(self, asked):
        ae = make(**asked)
        y = WINE.target.where(np.arange(len(X_WINE)) % 3 == 0)
        classifier = AutoencoderPretrainedClassifier(
            ae, semi_supervised=False, random_state=0
        ).fit(X_WINE, y)
        assert classifier.score(X_WINE, WINE.target) > 0.8
        detector = AutoencoderAnomalyDetector(ae, random_state=0).fit(X_WINE)
        assert detector.explain(X_WINE[:2]).shape == (2, 13)
        holes = X_WINE.copy()
        holes[::4, 3] = np.nan
        filled = AutoencoderImputer(ae, random_state=0).fit_transform(holes)
        assert np.isfinite(filled).all()


class WithDropout(nn.Module):
    """A user's model whose layers do something else while training."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.BatchNorm1d(n_features),
            nn.Linear(n_features, 16),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(16, n_components),
        )
        self.decoder = nn.Linear(n_components, n_features)


def test__grid_search__latents_and_their_parameters__are_tried():
    pipeline = Pipeline([("ae", make()), ("classifier", LogisticRegression())])
    grid = [
        {"ae__latent": [None, Contractive(), Sparse(alpha=0.1)]},
        {"ae__latent": [Variational()], "ae__latent__beta": [0.1, 1.0]},
        {"ae__latent": [None], "ae__latent__beta": [1.0]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(X_WINE, WINE.target)
    assert len(search.cv_results_["params"]) == 6
    assert search.best_score_ > 0.8


codes = st.lists(st.floats(-3, 3, width=32), min_size=6, max_size=6)


class Constant(nn.Module):
    """Return the same, whatever the input."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, X):
        return self.value


class Recorder(Callback):
    """Note the weight of the divergence in each step."""

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        record = vars(self).setdefault("weights_", [])
        record.append((training, net.module_.latent.annealing))


class TestVariational:
    @settings(deadline=None)
    @given(codes, codes)
    def test__divergence__any_code__is_that_of_torch(self, mean, log_variance):
        latent = GaussianLatent(3, 1.0)
        mean, log_variance = (
            torch.tensor(values).reshape(2, 3) for values in (mean, log_variance)
        )
        latent.log_variance = Constant(log_variance)
        _, cost = latent(nn.Identity(), mean)
        posterior = D.Normal(mean, torch.exp(log_variance / 2))
        expected = D.kl_divergence(posterior, D.Normal(0.0, 1.0)).sum(1)
        assert_allclose(cost, expected, rtol=1e-4, atol=1e-4)

    def test__codes__in_training__are_of_that_distribution(self):
        latent = GaussianLatent(2, 1.0)
        with torch.no_grad():
            latent.log_variance[-1].bias.copy_(torch.log(torch.tensor([4.0, 0.25])))
        mean = torch.tensor([[1.0, -1.0]]).expand(20_000, 2)
        Z, _ = latent.train()(nn.Identity(), mean)
        assert_allclose(Z.mean(0).detach(), [1, -1], atol=0.05)
        assert_allclose(Z.std(0).detach(), [2, 0.5], rtol=0.03)
        Z, _ = latent.eval()(nn.Identity(), mean)
        assert_array_equal(Z, mean)

    @pytest.mark.parametrize("beta", [0.5, 1.0])
    def test__gradient__squared_error__is_that_of_the_bound(self, beta):
        """The bound of torch's distributions, with the most likely variance.

        Its gradient, times what turns nats of a row into the mean loss of its cells.
        """
        ae = make(2, latent=Variational(beta)).fit(X_WINE)
        X = torch.from_numpy(X_WINE[:64])
        loss, module = batch_loss(ae, X)
        ours = gradient(loss, module)
        posterior, Z = replay(module, X)
        restored = module.decode(Z)
        variance = (restored - X).square().mean().detach()
        likelihood = D.Normal(restored, variance.sqrt()).log_prob(X).sum(1)
        divergence = D.kl_divergence(posterior, D.Normal(0.0, 1.0)).sum(1)
        bound = (likelihood - beta * divergence).mean()
        expected = gradient(-bound * 2 * variance / X.shape[1], module)
        assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)

    def test__loss__binary_cross_entropy__is_that_of_the_bound(self):
        ae = make(2, latent=Variational(), loss="bce", scaling=None).fit(X_DIGITS)
        X = torch.from_numpy(X_DIGITS[:64]).round()
        loss, module = batch_loss(ae, X)
        posterior, Z = replay(module, X)
        likelihood = D.Bernoulli(logits=module.decode(Z)).log_prob(X).sum(1)
        divergence = D.kl_divergence(posterior, D.Normal(0.0, 1.0)).sum(1)
        expected = -(likelihood - divergence).mean() / X.shape[1]
        assert_allclose(loss.item(), expected.item(), rtol=1e-4)

    def test__loss__columns__share_the_divergence_if_they_are_observed(self):
        """A sum over columns and a mean over them differ by their number."""
        cost, X = torch.ones(5), torch.randn(5, 4)
        net = make(2, latent=Variational()).fit(X_WINE).net_
        net.module_.eval()
        net.criterion_.missing = True

        def added(X):
            raw = torch.zeros_like(X)
            loss = net.get_loss((raw, cost), None, X) - net.get_loss(raw, None, X)
            return loss.item()

        assert_allclose(added(X.repeat(1, 2)), added(X) / 2, rtol=1e-5)
        holed = torch.cat([X, torch.full((5, 3), torch.nan)], dim=1)
        assert_allclose(added(holed), added(X), rtol=1e-5)

    @pytest.mark.parametrize(
        "X",
        [X_WINE, StandardScaler().fit_transform(load_breast_cancer().data), X_DIGITS],
        ids=["wine", "breast cancer", "digits"],
    )
    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test__latent__table__does_not_collapse(self, X, activation):
        """From the start as PCA and from random weights, each latent says something."""
        ae = make(8, latent=Variational(), activation=activation, max_epochs=None)
        assert ae.fit_transform(X).var(axis=0).min() > 0.1

    def test__codes__trained__are_near_standard_normal(self):
        ae = make(latent=Variational(), max_epochs=None).fit(X_WINE)
        Z = ae.transform(X_WINE)
        assert_allclose(Z.mean(axis=0), 0, atol=0.3)
        assert_allclose(Z.std(axis=0), 1, atol=0.4)

    def test__latent__categories__does_not_collapse(self):
        """A nat of a category is worth as much loss, however well it is known."""
        rng = np.random.default_rng(0)
        X = pd.DataFrame({f"c{i}": rng.choice([*"abcd"], 500) for i in range(6)})
        X = X.assign(again=X["c0"], and_again=X["c1"])
        X["rare"] = np.where(rng.random(500) < 0.01, "x", "y")
        ae = make(3, latent=Variational(), max_epochs=None).fit(X)
        assert ae.transform(X).var(axis=0).min() > 0.5
        assert ae.score(X) > -0.7

    @pytest.mark.parametrize("scaling", ["minmax", None])
    def test__latent__shares_and_binary_cross_entropy__hardly_collapses(self, scaling):
        """Taken for coins, cells between 0 and 1 would look like noise."""
        X = (WINE.data - WINE.data.min()) / (WINE.data.max() - WINE.data.min())
        ae = make(4, latent=Variational(), loss="bce", scaling=scaling, max_epochs=None)
        assert (ae.fit_transform(X).var(axis=0) > 0.1).sum() >= 3

    def test__beta__far_too_large__is_warned_of(self):
        ae = make(latent=Variational(beta=50.0), max_epochs=None)
        with pytest.warns(ConvergenceWarning, match="collapsed.* Lower beta=50.0"):
            ae.fit(X_WINE)

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test__early_stopping__annealed__does_not_stop_before_the_full_weight(
        self, activation
    ):
        """While the weight grows, the loss that is watched is not what is minimised."""
        recorder = Recorder()
        ae = make(
            latent=Variational(),
            activation=activation,
            early_stopping=True,
            n_iter_no_change=3,
            max_epochs=200,
            callbacks=[recorder],
        ).fit(X_WINE)
        assert recorder.weights_[-1][1] == 1
        assert ae.n_iter_ > 60
        best = np.argmin(ae.validation_loss_curve_[60:])
        assert ae.n_iter_ - 60 - best <= 5

    def test__plateau__annealed__waits_for_the_full_weight(self):
        """A loss that gains a term is no sign of a learning rate that is too large."""
        rates = []

        class Rates(Callback):
            def on_epoch_end(self, net, **kwargs):
                rates.append(net.optimizer_.param_groups[0]["lr"])

        make(
            latent=Variational(),
            lr_schedule="plateau",
            max_epochs=100,
            callbacks=[Rates()],
        ).fit(X_WINE)
        assert set(rates[:30]) == {2e-3}

    def test__annealing__small_batches_or_large__takes_300_steps(self):
        for batch_size in (60, 4096):
            recorder = Recorder()
            make(
                latent=Variational(),
                batch_size=batch_size,
                max_epochs=1100,
                callbacks=[recorder],
            ).fit(X_WINE)
            assert sum(weight < 1 for _, weight in recorder.weights_) == 300

    def test__loss__weights__are_repeated_rows(self):
        ae = make(2, latent=Variational()).fit(X_WINE)
        ae.module_.latent.draw = lambda mean, log_variance: mean
        X, weight = torch.from_numpy(X_WINE[:3]), torch.tensor([1.0, 2.0, 3.0])
        repeated = X.repeat_interleave(weight.int(), dim=0)
        net = ae.net_
        one, twice, many = (
            net.get_loss(net.infer(rows), y, rows, training=True)
            for rows, y in ((X, weight), (X, 2 * weight), (repeated, None))
        )
        assert_allclose(one.item() / 2, many.item(), rtol=1e-5)
        assert_allclose(twice.item(), 2 * one.item(), rtol=1e-5)

    def test__callable_loss__below_zero__does_not_reward_the_divergence(self):
        ae = make(
            latent=Variational(), loss=lambda a, b: (a - b) ** 2 - 5, max_epochs=50
        ).fit(X_WINE)
        assert ae.loss_curve_[-1] > -5

    def test__warm_start__second_fit__keeps_the_full_weight(self):
        recorder = Recorder()
        ae = make(latent=Variational(), warm_start=True, callbacks=[recorder])
        ae.fit(X_WINE)
        n_steps = len(recorder.weights_)
        ae.fit(X_WINE)
        assert all(weight == 1 for _, weight in recorder.weights_[n_steps:])

    def test__beta__larger__says_less(self):
        small, large = (
            make(latent=Variational(beta), max_epochs=None).fit(X_WINE)
            for beta in (0.1, 1.5)
        )
        assert large.transform(X_WINE).var() < small.transform(X_WINE).var()
        assert large.score(X_WINE) < small.score(X_WINE)

    def test__annealing__weight__grows_in_the_first_epochs(self):
        recorder = Recorder()
        ae = make(
            latent=Variational(),
            callbacks=[recorder],
            max_epochs=10,
            batch_size=16,
            early_stopping=True,
        ).fit(X_WINE)
        weights = [weight for training, weight in recorder.weights_ if training]
        assert weights[0] == 0
        assert (np.diff(weights) >= 0).all()
        assert 2 <= sum(w < 1 for w in weights) / len(weights) * 10 <= 4
        assert ae.module_.latent.annealing == 1

    def test__validation_loss__before_and_after_annealing__has_the_full_weight(self):
        """Else the first epoch, in which nothing is asked, would look like the best."""
        ae = make(
            latent=Variational(beta=100.0), max_epochs=6, early_stopping=True, lr=1e-9
        ).fit(X_WINE)
        curve = ae.validation_loss_curve_
        assert_allclose(curve, curve[0], rtol=1e-3)
        assert ae.loss_curve_[0] < 0.5 * ae.loss_curve_[-1]

    def test__start__linear__is_probabilistic_pca(self):
        """Tipping and Bishop's solution is where a linear network ends."""
        ae = make(3, latent=Variational(), lr=1e-9, max_epochs=1).fit(X_WINE)
        X = ae._scaler.encode(X_WINE)
        values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
        values, vectors = values[::-1], vectors[:, ::-1]
        noise = values[3:].mean()
        scores = X @ vectors[:, :3] * np.sqrt(values[:3] - noise) / values[:3]
        Z = ae.transform(X_WINE)
        assert_allclose(np.abs(Z), np.abs(scores), atol=2e-3)
        with torch.no_grad():
            variance = ae.module_.latent.log_variance(torch.from_numpy(Z)).exp()
        assert_allclose(variance[0], noise / values[:3], rtol=1e-3)


def batch_loss(ae, X):
    """Return the loss of a batch in training, drawn with a seed, and the module."""
    net = ae.net_
    net.module_.train()
    torch.manual_seed(0)
    return net.get_loss(net.infer(X), None, X, training=True), net.module_


def replay(module, X):
    """Return the distribution of each code, and the codes drawn with that seed."""
    mean = module.encode(X)
    posterior = D.Normal(mean, torch.exp(module.latent.log_variance(mean) / 2))
    torch.manual_seed(0)
    return posterior, mean + posterior.stddev * torch.randn_like(mean)


def gradient(loss, module):
    module.zero_grad()
    loss.backward()
    weights = [weight.grad for weight in module.parameters() if weight.requires_grad]
    return parameters_to_vector(weights).clone()


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

    def test__categories__are_as_frequent_as_in_the_table(self, census):
        names = census.select_dtypes(exclude="number").columns
        X = census[[*census.select_dtypes("number").columns[:2], *names[-5:]]].dropna()
        ae = AutoencoderTransformer(latent=Variational(), random_state=0).fit(X)
        drawn = ae.sample(5000, random_state=0)
        for column in names[-5:]:
            shares = X[column].value_counts(normalize=True)
            got = drawn[column].value_counts(normalize=True)
            assert_allclose(got.reindex(shares.index, fill_value=0), shares, atol=0.06)
        if "sex" in drawn:
            # Husbands are men: what goes together in the table does in new rows.
            husbands = drawn[drawn["relationship"] == "Husband"]
            assert (husbands["sex"] == "Male").mean() > 0.9

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

    def test__partial_fit__draws_like_the_last_rows(self):
        ae = make(2, latent=Variational())
        for part in (X_WINE, X_WINE[:100] + 20):
            ae.partial_fit(part)
        assert ae.sample(50, random_state=0).min() > 10

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

    def test__wide_sparse_table__keeps_few_numbers(self):
        X = sparse.random(20, 50_000, density=1e-3, format="csr", random_state=0)
        ae = make(2, latent=Variational(), max_epochs=1, hidden_layer_sizes=()).fit(X)
        network = sum(w.nbytes for w in ae.module_.parameters())
        assert len(pickle.dumps(ae)) < 3 * network + 40e6

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


class TestSparse:
    @settings(deadline=None)
    @given(st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4))
    def test__kl__any_activations__is_that_of_torch(self, cells):
        Z = torch.tensor(cells).reshape(2, 2)
        latent = KLSparseLatent(2.0, 0.1)
        coin, mean = D.Bernoulli(torch.tensor(0.1)), D.Bernoulli(Z.mean(0))
        expected = 2 * D.kl_divergence(coin, mean).mean()
        assert_allclose(latent.penalty(Z, None, 1.0), expected, rtol=1e-4, atol=1e-6)

    def test__kl__weights__are_repeated_rows(self):
        latent = KLSparseLatent(1.0, 0.1)
        Z = torch.rand(3, 4)
        weight = torch.tensor([1.0, 2.0, 3.0])
        repeated = Z.repeat_interleave(weight.int(), dim=0)
        assert_allclose(
            latent.penalty(Z, weight / weight.mean(), 1.0),
            latent.penalty(repeated, None, 1.0),
            rtol=1e-5,
        )

    def test__kl__trained__brings_means_near_the_target(self):
        dense, sparse = (
            make(
                16,
                latent=Sparse("kl", alpha=alpha, target=0.1),
                latent_activation="sigmoid",
                scaling=None,
                max_epochs=60,
            ).fit_transform(X_DIGITS)
            for alpha in (0.0, 1.0)
        )
        assert_allclose(sparse.mean(axis=0), 0.1, atol=0.05)
        assert dense.mean() > 0.3

    def test__l1__rectified__makes_latents_zero(self):
        shares = [
            (
                make(
                    16, latent=Sparse(alpha=alpha), latent_activation="relu"
                ).fit_transform(X_DIGITS)
                == 0
            ).mean()
            for alpha in (0.0, 0.05, 0.3)
        ]
        assert shares == sorted(shares)
        assert shares[-1] > shares[0] + 0.1

    def test__l1__linear__pulls_most_latents_towards_zero(self):
        """Alike in sum of squares, sparse codes have a smaller sum of sizes."""
        plain, sparse = (
            make(16, latent=latent, max_epochs=None).fit_transform(X_DIGITS)
            for latent in (None, Sparse(alpha=0.3))
        )

        def spread(Z):
            return np.mean(np.abs(Z).mean(axis=0) / np.sqrt(np.square(Z).mean(axis=0)))

        assert spread(sparse) < spread(plain) - 0.03


class TestContractive:
    def exact(self, encode, X):
        """Return the squared norm of the Jacobian at each row, by autograd."""
        return torch.stack(
            [
                torch.autograd.functional.jacobian(
                    lambda row: encode(row[None])[0], row, create_graph=True
                )
                .square()
                .sum()
                for row in X
            ]
        )

    @pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu", "tanh"])
    @pytest.mark.parametrize("kind", ["dense", "convolutional"])
    def test__penalty__all_directions__has_the_gradient_of_autograd(
        self, activation, kind
    ):
        torch.manual_seed(0)
        X = torch.randn(4, 16, dtype=torch.float64)
        if kind == "dense":
            network = Dense(16, 16, 3, (6, 5), activation).double()
        else:
            ae = make(3, architecture=Convolutional(channels=(3, 2)), max_epochs=1)
            ae.set_params(activation=activation).fit(X.numpy())
            network = ae.module_.network.double()
        latent = ContractiveLatent(3, 1.0)
        every = [row.expand_as(X) for row in torch.eye(16, dtype=torch.float64)]
        ours = 3 * sum(latent.along(network.encoder, X, u)[1] for u in every)
        expected = self.exact(network.encoder, X)
        assert_allclose(ours.detach(), expected.detach(), rtol=1e-8)
        weights = list(network.encoder.parameters())
        gradients = [
            torch.autograd.grad(cost.sum(), weights, allow_unused=True)
            for cost in (ours, expected)
        ]
        for weight, *pair in zip(weights, *gradients, strict=True):
            got, wanted = (torch.zeros_like(weight) if g is None else g for g in pair)
            assert_allclose(got, wanted, rtol=1e-6, atol=1e-10)

    def test__penalty__random_directions__has_the_right_mean(self):
        torch.manual_seed(0)
        network = Dense(6, 6, 2, (5,), "tanh")
        X = torch.randn(1, 6)
        latent = ContractiveLatent(2, 1.0)
        _, cost = latent(network.encoder, X.repeat(20_000, 1))
        expected = self.exact(network.encoder, X)[0] / 2
        assert_allclose(cost.mean().item(), expected.item(), rtol=0.05)

    def test__codes__are_those_of_the_encoder(self):
        network = Dense(6, 6, 2, (5,), "relu")
        X = torch.randn(7, 6)
        Z, _ = ContractiveLatent(2, 1.0)(network.encoder, X)
        assert_array_equal(Z.detach(), network.encoder(X).detach())

    def test__trained__noise_moves_codes_less(self):
        """Relative to their spread, and with tied weights, which keep the scale."""
        X = X_DIGITS[:, X_DIGITS.std(axis=0) > 0]
        X = StandardScaler().fit_transform(X)
        noise = np.random.default_rng(0).normal(scale=0.3, size=X.shape)

        def moves(latent):
            ae = make(16, latent=latent, tied_weights=True, max_epochs=60).fit(X)
            Z, Z_noisy = ae.transform(X), ae.transform(X + noise)
            return np.square(Z - Z_noisy).mean() / Z.var(axis=0).mean()

        assert moves(Contractive()) < 0.85 * moves(None)

    def test__compile__is_refused(self):
        with pytest.raises(ValueError, match="Got compile=True; set it to False"):
            make(latent=Contractive(), compile=True).fit(X_WINE)
