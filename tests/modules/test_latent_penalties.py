"""Variational, sparse and contractive latents: their penalties on the latent."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import distributions as D
from torch import nn
from torch.nn.utils import parameters_to_vector

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._modules.dense import Dense
from sklearn_ae._modules.latent_penalties import (
    ContractiveLatent,
    GaussianLatent,
    KLSparseLatent,
)
from sklearn_ae.architectures import Convolutional
from sklearn_ae.latents import Contractive, Sparse, Variational

WINE = load_wine(as_frame=True)


X_WINE = StandardScaler().fit_transform(WINE.data).astype(np.float32)


X_DIGITS = (load_digits().data / 16).astype(np.float32)


def make(n_components=4, **params):
    params = {"max_epochs": 5, "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **params)


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
        net.criterion_.allow_missing()

        def added(X):
            raw = torch.zeros_like(X)
            loss = net.get_loss((raw, cost), None, X) - net.get_loss(raw, None, X)
            return loss.item()

        assert_allclose(added(X.repeat(1, 2)), added(X) / 2, rtol=1e-5)
        holed = torch.cat([X, torch.full((5, 3), torch.nan)], dim=1)
        assert_allclose(added(holed), added(X), rtol=1e-5)

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test__latent__categories__does_not_collapse(self):
        """A nat of a category is worth as much loss, however well it is known."""
        rng = np.random.default_rng(0)
        X = pd.DataFrame({f"c{i}": rng.choice([*"abcd"], 500) for i in range(6)})
        X = X.assign(again=X["c0"], and_again=X["c1"])
        X["rare"] = np.where(rng.random(500) < 0.01, "x", "y")
        ae = make(3, latent=Variational(), max_epochs=None).fit(X)
        assert ae.transform(X).var(axis=0).min() > 0.5
        assert ae.score(X) > -0.7

    @pytest.mark.slow
    @pytest.mark.parametrize("scaling", ["minmax", None])
    def test__latent__shares_and_binary_cross_entropy__hardly_collapses(self, scaling):
        """Taken for coins, cells between 0 and 1 would look like noise.

        How many latents are used depends on the seed.
        """
        X = (WINE.data - WINE.data.min()) / (WINE.data.max() - WINE.data.min())
        ae = make(4, latent=Variational(), loss="bce", scaling=scaling, max_epochs=None)
        assert (ae.fit_transform(X).var(axis=0) > 0.1).sum() >= 2

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

    @pytest.mark.slow
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

    @pytest.mark.slow
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
        X = ae.table_encoder_.transform(X_WINE)
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

    @pytest.mark.slow
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
