"""Dense layers with tied weights."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_ae import AutoencoderTransformer

DIGITS = load_digits()


X_DIGITS = (DIGITS.data / 16).astype(np.float32)


def roundtrip(ae):
    return pickle.loads(pickle.dumps(ae))


def tied(**params):
    params = {"max_epochs": 3, "scaling": None, "random_state": 0, **params}
    return AutoencoderTransformer(8, tied_weights=True, **params)


class TestTiedWeights:
    @pytest.mark.parametrize("copied", [lambda ae: ae, copy.deepcopy, roundtrip])
    def test__decoder__after_training__has_the_weights_transposed(self, copied):
        ae = copied(tied(activation="tanh", hidden_layer_sizes=(20,)).fit(X_DIGITS))
        network = ae.module_.network
        first, last = (m for m in network.encoder if isinstance(m, torch.nn.Linear))
        Z = torch.from_numpy(ae.transform(X_DIGITS))
        inner, outer = (network.decoder[i].bias for i in (0, 2))
        hidden = torch.tanh(Z @ last.weight + inner)
        expected = hidden @ first.weight + outer
        assert_allclose(
            ae.reconstruct(X_DIGITS), expected.detach(), rtol=1e-4, atol=1e-5
        )

    def test__state__weights__stand_there_once(self):
        """Saved twice, they could come back as two that differ."""
        names = tied().fit(X_DIGITS).module_.network.state_dict()
        weights = [name for name in names if name.endswith("weight")]
        assert weights
        assert all(name.startswith("encoder") for name in weights)

    def test__training__hardly_any__is_pca(self):
        ae = tied(lr=1e-8, max_epochs=1).fit(X_DIGITS)
        pca = PCA(8).fit(X_DIGITS)
        restored = pca.inverse_transform(pca.transform(X_DIGITS))
        assert_allclose(ae.reconstruct(X_DIGITS), restored, atol=1e-3)

    def test__training__goes_on__beats_pca(self):
        pca = PCA(8).fit(X_DIGITS)
        restored = pca.inverse_transform(pca.transform(X_DIGITS))
        error = np.square(restored - X_DIGITS).mean()
        ae = tied(max_epochs=None).fit(X_DIGITS)
        assert np.square(ae.reconstruct(X_DIGITS) - X_DIGITS).mean() < error

    def test__missing_cells_and_categories__train(self):
        X = pd.DataFrame(X_DIGITS[:200, :20]).rename(columns=str)
        X = X.assign(dark=np.where(X["10"] > 0.5, "yes", "no"))
        X.iloc[::3, 4] = np.nan
        ae = tied(max_epochs=5).fit(X)
        assert ae.reconstruct(X).shape == X.shape
        assert ae.score(X) > -1
