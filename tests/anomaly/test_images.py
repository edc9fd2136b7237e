"""Outliers among images, with convolutions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer, load, save
from sklearn_ae.architectures import Convolutional

pytestmark = pytest.mark.slow

X, DIGIT = load_digits(return_X_y=True)
SEVENS, OTHERS = X[DIGIT == 7] / 16, X[DIGIT != 7][:300] / 16


@pytest.fixture(scope="module")
def detector():
    architecture = Convolutional((8, 8), channels=(16, 32))
    autoencoder = AutoencoderTransformer(8, architecture=architecture)
    detector = AutoencoderAnomalyDetector(autoencoder, random_state=0)
    return detector.fit(SEVENS[:130])


def test__convolutional_detector__other_digits__score_lower(detector):
    new = np.concatenate([SEVENS[130:], OTHERS])
    is_seven = np.arange(len(new)) < len(SEVENS) - 130
    assert roc_auc_score(is_seven, detector.score_samples(new)) > 0.9


def test__convolutional_detector__explanation__has_a_value_for_each_pixel(detector):
    explained = detector.explain(OTHERS[:5])
    assert explained.shape == (5, 64)
    assert_allclose(explained.sum(axis=1), -detector.score_samples(OTHERS[:5]))


def test__convolutional_detector__saved__scores_the_same(detector, tmp_path):
    save(detector, tmp_path / "detector.safetensors")
    loaded = load(tmp_path / "detector.safetensors")
    assert_array_equal(loaded.score_samples(OTHERS), detector.score_samples(OTHERS))
