"""Pickles, copies and files of skops hold the same documents."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Variational
from tests.persistence import user_code
from tests.persistence.helpers import (
    ESTIMATORS,
    X,
    assert_same,
    fitted,
    results,
    rows_for,
    small,
)


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def through_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


COPIES = [through_pickle, through_joblib, copy.deepcopy]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test__copy__of_each_estimator__says_the_same(name, copied):
    estimator = fitted(name)
    got, rows = copied(estimator), rows_for(estimator)
    assert_same(results(got, rows), results(estimator, rows))
    assert {*vars(got)} == {*vars(estimator)}
    assert repr(got) == repr(estimator)


@pytest.mark.parametrize("copied", COPIES)
def test__copy__partial_fit__goes_on_bit_for_bit(copied):
    estimator = small(latent=Variational()).fit(X)
    for _ in range(2):
        got = copied(estimator)
        expected = estimator.partial_fit(X).transform(X)
        assert_same(got.partial_fit(X).transform(X), expected)


def test__copy__trained_further__leaves_the_original_alone():
    estimator = small().fit(X)
    expected = estimator.transform(X)
    copy.deepcopy(estimator).partial_fit(X)
    assert_same(estimator.transform(X), expected)


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test__joblib__mapped_file__is_read_without_a_warning(mmap_mode, tmp_path):
    joblib.dump(fitted("detector"), tmp_path / "model")
    got = joblib.load(tmp_path / "model", mmap_mode=mmap_mode)
    assert_same(results(got, X), results(fitted("detector"), X))


@pytest.mark.parametrize(
    "params",
    [
        {"architecture": TorchModule(user_code.Network), "hidden_layer_sizes": None},
        {"loss": user_code.distance},
        {"activation": user_code.Squared},
        {"callbacks": [user_code.Watch()]},
    ],
    ids=lambda params: next(iter(params)),
)
def test__pickle__code_of_the_user__is_pickled_as_before(params):
    estimator = small(**params).fit(X)
    assert_same(through_pickle(estimator).transform(X), estimator.transform(X))


def test__pickle__what_the_user_has_attached__is_kept():
    estimator = small().fit(X).set_output(transform="pandas")
    estimator.note = {"owner": "me"}
    got = through_pickle(estimator)
    assert got.note == {"owner": "me"}
    assert_same(got.transform(X), estimator.transform(X))
    unfitted = AutoencoderTransformer(loss=lambda values, X: values - X)
    assert copy.copy(unfitted).loss is unfitted.loss


def test__pickle__global_state__is_left_alone():
    content = pickle.dumps(fitted("classifier"))
    import torch

    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    pickle.loads(content)
    assert (torch.random.get_rng_state() == before[0]).all()
    assert (np.random.get_state()[1] == before[1]).all()


@pytest.mark.parametrize("name", ["transformer", "detector", "imputer", "classifier"])
def test__skops__each_estimator__needs_the_trusted_types_alone(name):
    sio = pytest.importorskip("skops.io", reason="needs the extra persistence: skops")
    from sklearn_ae import TRUSTED_TYPES

    estimator = fitted(name)
    content = sio.dumps(estimator)
    assert {*sio.get_untrusted_types(data=content)} <= {*TRUSTED_TYPES}
    got = sio.loads(content, trusted=TRUSTED_TYPES)
    assert_same(results(got, X), results(estimator, X))
