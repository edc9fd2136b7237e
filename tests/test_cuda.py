"""Each estimator on a GPU gives what it gives on the CPU, up to rounding."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.noise import SwapNoise

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
]

X, Y = load_wine(return_X_y=True)
GAPS = np.where(np.random.RandomState(0).rand(*X.shape) < 0.1, np.nan, X)
MIXED = (
    pd.DataFrame(X).add_prefix("x").assign(kind=pd.cut(X[:, 9], 4, labels=[*"abcd"]))
)


def small(device, **params):
    return AutoencoderTransformer(
        4, max_epochs=20, device=device, random_state=0, **params
    )


CASES = {
    "transformer": (small, X, "reconstruct"),
    "missing cells": (small, GAPS, "reconstruct"),
    "mixed table": (small, MIXED, "score_samples"),
    "detector": (
        lambda device: AutoencoderAnomalyDetector(small(device), random_state=0),
        X,
        "score_samples",
    ),
    "imputer": (
        lambda device: AutoencoderImputer(small(device), random_state=0),
        GAPS,
        "transform",
    ),
    "classifier": (
        lambda device: AutoencoderPretrainedClassifier(small(device), random_state=0),
        X,
        "predict_proba",
    ),
    "regressor": (
        lambda device: AutoencoderPretrainedRegressor(small(device), random_state=0),
        X,
        "predict",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test__fit__on_a_gpu__agrees_with_the_cpu(name):
    make, table, method = CASES[name]
    cpu, gpu = (
        np.asarray(getattr(make(device).fit(table, Y), method)(table), dtype=float)
        for device in ("cpu", "cuda")
    )
    assert np.corrcoef(cpu.ravel(), gpu.ravel())[0, 1] > 0.99


def test__fit__noise_on_a_gpu__is_repeatable():
    one, other = (small("cuda", noise=SwapNoise()).fit(X) for _ in range(2))
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-3)
