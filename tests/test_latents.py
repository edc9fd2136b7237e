"""What latents of every kind have in common."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import (
    Clustered,
    Contractive,
    NeighborEmbedding,
    Sparse,
    Variational,
)
from sklearn_ae.noise import SwapNoise
from tests.helpers import mixed_cells

WINE = load_wine(as_frame=True)


X_WINE = StandardScaler().fit_transform(WINE.data).astype(np.float32)


X_DIGITS = (load_digits().data / 16).astype(np.float32)


LATENTS = {
    "variational": {"latent": Variational()},
    "sparse l1": {"latent": Sparse()},
    "sparse kl": {"latent": Sparse("kl"), "latent_activation": "sigmoid"},
    "contractive": {"latent": Contractive()},
    "clustered": {"latent": Clustered(3)},
    "neighbor embedding": {"latent": NeighborEmbedding()},
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

    @pytest.mark.parametrize(
        "asked",
        sorted(set(LATENTS) - {"clustered", "neighbor embedding"}),
        indirect=True,
    )
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
        if isinstance(ae.latent, NeighborEmbedding):
            with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
                ae.partial_fit(X_WINE)
            return
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
        {"ae__latent": [NeighborEmbedding()], "ae__latent__n_neighbors": [5, 20]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(X_WINE, WINE.target)
    assert len(search.cv_results_["params"]) == 8
    assert search.best_score_ > 0.8
