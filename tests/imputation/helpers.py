"""Tables with missing cells, and an imputer that is fitted fast."""

import numpy as np
import torch

from sklearn_ae import AutoencoderImputer, AutoencoderTransformer
from tests.helpers import assert_same_form, columns_of, mixed_cells, to_pandas


def make(max_epochs=2, **params):
    """Return an imputer for what does not depend on how well it fills."""
    autoencoder = AutoencoderTransformer(3, max_epochs=max_epochs)
    defaults = {"autoencoder": autoencoder, "n_estimators": 1, "random_state": 0}
    return AutoencoderImputer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


def assert_only_filled(got, X):
    """Assert that got is X, bit for bit, except that no cell of it is missing."""
    assert_same_form(got, X)
    for filled, cells in zip(columns_of(got), columns_of(X), strict=True):
        for new, old in zip(filled, cells, strict=True):
            assert new is not None
            if old is not None:
                assert type(new) is type(old)
                assert new == old


FRAME = to_pandas(mixed_cells())


NUMBERS = FRAME[["size", "count"]].assign(more=FRAME["count"] * 2.0)


def rmse(filled, X, gone):
    scale = X.std(axis=0)
    return np.sqrt(np.mean((((filled - X) / scale)[gone]) ** 2))
