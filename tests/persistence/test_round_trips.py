"""A file gives back the estimator that was saved, bit for bit."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
    describe,
    load,
    save,
)
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Clustered, NeighborEmbedding, Variational
from tests.helpers import mixed_cells
from tests.persistence import user_code
from tests.persistence.helpers import (
    ESTIMATORS,
    LATENTS,
    NOISES,
    SCALINGS,
    X,
    Y,
    assert_same,
    fitted,
    results,
    rows_for,
    small,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def saved_twice(estimator, path, **options):
    """Return what is loaded from a file, after saving it again to the same bytes."""
    save(estimator, path, **options)
    loaded = load(path)
    again = path.with_name("again")
    save(loaded, again, **options)
    assert path.read_bytes() == again.read_bytes()
    assert repr(loaded) == repr(estimator)
    return loaded


@pytest.mark.parametrize("name", ESTIMATORS)
def test__load__of_each_estimator__says_the_same_of_rows(name, path):
    estimator = fitted(name)
    loaded, rows = saved_twice(estimator, path), rows_for(estimator)
    assert_same(results(loaded, rows), results(estimator, rows))
    for attribute in (n for n in vars(estimator) if n.endswith("_")):
        assert hasattr(loaded, attribute)


@pytest.mark.parametrize("name", ESTIMATORS)
def test__load__of_each_estimator__can_be_cloned_and_fitted_again(name, path):
    estimator = fitted(name)
    save(estimator, path)
    loaded, rows = load(path), rows_for(estimator)
    y = (Y,) if "Pretrained" in repr(estimator) else ()
    once, again = clone(estimator).fit(rows, *y), clone(loaded).fit(rows, *y)
    assert_same(results(again, rows), results(once, rows))


@pytest.mark.parametrize("noise", NOISES, ids=repr)
@pytest.mark.parametrize("latent", LATENTS, ids=repr)
@pytest.mark.slow
def test__load__of_each_latent_and_noise__says_the_same(latent, noise, path):
    estimator = small(6, latent=latent, noise=noise)
    for rows in (X, X[["größe", "count"]].to_numpy()):
        loaded = saved_twice(estimator.fit(rows), path)
        assert_same(results(loaded, rows), results(estimator, rows))


@pytest.mark.slow
@pytest.mark.parametrize("latent", [Clustered(3), NeighborEmbedding(5)], ids=repr)
def test__load__of_a_latent_with_a_net_of_its_own__says_the_same(latent, path):
    estimator = small(6, latent=latent).fit(X)
    assert_same(results(saved_twice(estimator, path), X), results(estimator, X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("scaling", SCALINGS)
def test__load__of_each_scaling__says_the_same(scaling, dtype, path):
    rows = np.random.default_rng(0).normal(scale=50, size=(60, 4)).astype(dtype)
    estimator = small(2, scaling=scaling).fit(rows)
    assert_same(results(saved_twice(estimator, path), rows), results(estimator, rows))


def test__load__of_each_container__restores_its_dtypes(container, path):
    rows = container(mixed_cells())
    estimator = small().fit(rows)
    assert_same(results(saved_twice(estimator, path), rows), results(estimator, rows))


@pytest.mark.parametrize(
    "cells",
    [
        pd.cut(np.arange(60) % 7, 3),
        pd.Categorical(pd.to_datetime(["2026-01-01", "2026-02-01"] * 30)),
        pd.Categorical([1.5, 2.5, None] * 20, ordered=True),
        pd.array([True, False, None] * 20, dtype="boolean"),
    ],
    ids=["intervals", "times", "floats", "booleans"],
)
def test__load__categories_that_are_no_text__come_back(cells, path):
    rows = pd.DataFrame({"a": np.arange(60.0), "b": cells})
    estimator = small(2).fit(rows)
    assert_same(results(saved_twice(estimator, path), rows), results(estimator, rows))


def test__load__columns_of_several_levels__come_back(path):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)))
    for columns in ([("a", 1), ("a", 2), ("b", 1)], [5, 7, 6]):
        rows.columns = (
            pd.MultiIndex.from_tuples(columns)
            if isinstance(columns[0], tuple)
            else columns
        )
        estimator = small(2).fit(rows)
        got = saved_twice(estimator, path).reconstruct(rows)
        assert got.columns.equals(rows.columns)


@pytest.mark.parametrize("training_state", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test__load__with_training_state__goes_on_as_if_never_saved(
    optimizer, training_state, path
):
    estimator = small(optimizer=optimizer, warm_start=True).fit(X)
    for _ in range(2):
        estimator.partial_fit(X)
        loaded = saved_twice(estimator, path, training_state=training_state)
        expected = estimator.partial_fit(X).transform(X)
        same = (loaded.partial_fit(X).transform(X) == expected).all()
        # The running means of AdamW start anew without it.
        assert same == (training_state or optimizer == "sgd")
    loaded = saved_twice(estimator, path)
    assert_same(loaded.fit(X).transform(X), estimator.fit(X).transform(X))


def test__load__frozen_autoencoder__is_one_object(path):
    frozen = FrozenEstimator(fitted("transformer"))
    detector = AutoencoderAnomalyDetector(frozen, random_state=0).fit(X)
    loaded = saved_twice(detector, path)
    assert loaded.autoencoder.estimator is loaded.autoencoder_
    assert_same(results(loaded, X), results(detector, X))
    one, other = path.stat().st_size, path.with_name("one")
    save(fitted("transformer"), other)
    assert one < 2 * other.stat().st_size + 50_000


def test__load__set_output_and_labels_of_text__come_back(path):
    labels = np.array(["low", "high", None], dtype=object)[np.arange(len(X)) % 3]
    classifier = AutoencoderPretrainedClassifier(small(), max_epochs=2, random_state=0)
    classifier.fit(X, labels).set_output(transform="pandas")
    loaded = saved_twice(classifier, path)
    assert_same(loaded.transform(X), classifier.transform(X))
    assert_same(loaded.predict(X), classifier.predict(X))


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": np.array([8, 4]), "lr": np.float32(0.01)},
        {"random_state": np.random.RandomState(3), "scaling": np.str_("robust")},
        {"activation": nn.ELU, "optimizer": "rmsprop", "tol": 10**30},
        {"categorical_features": ["colour", "member"], "max_categories": np.int64(2)},
        {"net_params": {"optimizer__betas": (0.8, 0.9)}, "device": "cpu"},
    ],
    ids=lambda params: next(iter(params)),
)
def test__load__parameters_of_unusual_types__come_back(params, path):
    estimator = small(**params)
    save(estimator, path)
    draws = load(path).get_params(), estimator.get_params()
    for name, value in draws[1].items():
        got = draws[0][name]
        assert type(got) is type(value)
        if isinstance(value, np.random.RandomState):
            assert got.randint(2**31) == value.randint(2**31)
        else:
            np.testing.assert_equal(got, value)
    estimator.set_params(random_state=0).fit(X)
    assert_same(results(saved_twice(estimator, path), X), results(estimator, X))


USER_CODE = {
    "module": {"architecture": TorchModule(user_code.Network, width=5)},
    "architecture": {"architecture": user_code.Bottleneck(6)},
    "activation": {"activation": user_code.Squared},
    "optimizer": {"optimizer": user_code.Slow},
    "loss": {"loss": user_code.distance},
    "callback": {"callbacks": [user_code.Watch(3)]},
}


@pytest.mark.parametrize("name", USER_CODE)
def test__load__code_of_the_user__is_asked_for_by_name(name, path):
    estimator = small(**{"hidden_layer_sizes": None} | USER_CODE[name]).fit(X)
    save(estimator, path)
    needed = describe(path)["classes"]
    assert [text.partition(":")[0] for text in needed] == [
        "tests.persistence.user_code"
    ]
    with pytest.raises(ValueError, match=f"classes.*{needed[0]}"):
        load(path)
    classes = {text: getattr(user_code, text.partition(":")[2]) for text in needed}
    assert_same(results(load(path, classes=classes), X), results(estimator, X))


def test__load__subclass_of_an_estimator__is_asked_for_by_name(path):
    estimator = user_code.Mine(2, max_epochs=2, random_state=0).fit(X)
    save(estimator, path)
    name = "tests.persistence.user_code:Mine"
    loaded = load(path, classes={name: user_code.Mine})
    assert type(loaded) is user_code.Mine
    assert_same(loaded.transform(X), estimator.transform(X))


def test__save__what_nobody_could_find_by_name__is_one_sentence(path):
    class Local(nn.ReLU):
        pass

    for params in (
        {"loss": lambda values, X: (values - X) ** 2},
        {"activation": Local},
    ):
        with pytest.raises(ValueError, match="cannot be saved, because nobody could"):
            save(small(**params), path)
    assert not path.exists()
    with pytest.raises(TypeError, match="takes an estimator of sklearn_ae"):
        save(nn.ReLU(), path)


@pytest.mark.slow
def test__save__lambda_of_main__is_one_sentence(path):
    program = f"""
from sklearn_ae import AutoencoderTransformer, save
from torch import nn
class Mine(nn.ReLU):
    pass
try:
    save(AutoencoderTransformer(activation=Mine), {str(path)!r})
except ValueError as error:
    assert "Mine of __main__ cannot be saved" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test__load__in_another_process__says_the_same(path, tmp_path):
    names = [n for n in ESTIMATORS if n != "convolutional"]
    for name in names:
        save(fitted(name), tmp_path / name)
    program = f"""
import pickle
from pathlib import Path
from sklearn_ae import load
from tests.persistence.helpers import X, results
found = {{n: results(load(Path({str(tmp_path)!r}) / n), X) for n in {names!r}}}
Path({str(path)!r}).write_bytes(pickle.dumps(found))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    for name, got in pd.read_pickle(path).items():
        assert_same(got, results(fitted(name), X))


def test__load__parameters_set_after_fit__do_not_change_what_was_fitted(path):
    estimator = small(noise=None).fit(X)
    expected = estimator.transform(X)
    estimator.set_params(n_components=2, hidden_layer_sizes=None, latent=Variational())
    estimator.set_params(scaling="quantile", max_epochs=50)
    loaded = saved_twice(estimator, path)
    assert_same(loaded.transform(X), expected)
    assert loaded.n_components == 2


def test__load__unfitted_estimator__is_unfitted(path):
    estimator = AutoencoderAnomalyDetector(small(), contamination=0.1)
    loaded = saved_twice(estimator, path)
    assert not hasattr(loaded, "table_encoder_")


def test__load__onto_a_device__puts_networks_there(path):
    save(fitted("detector"), path)
    loaded = load(path, device="cpu")
    assert {member.net_.device for member in loaded.estimators_} == {"cpu"}
    with pytest.raises(ValueError, match="device='nowhere' cannot be used"):
        load(path, device="nowhere")


def test__describe__says_what_a_file_holds(path):
    save(fitted("detector"), path)
    found = describe(path)
    assert found["estimator"] == "AutoencoderAnomalyDetector"
    assert found["classes"] == []
    assert any("4,096 whole rows" in text for text in found["training_rows"])
    assert {"sklearn_ae", "torch"} <= found["written_by"].keys()
    save(fitted("imputer"), path)
    assert any("2,048 whole rows" in text for text in describe(path)["training_rows"])
    save(AutoencoderTransformer(), path)
    assert describe(path)["training_rows"] == []


def test__container__other_readers_of_safetensors__read_it(path):
    safe_open = pytest.importorskip(
        "safetensors", reason="safetensors is the reference, and no dependency"
    ).safe_open
    save(fitted("transformer"), path)
    with safe_open(path, "np") as file:
        assert file.metadata()["format"] == "sklearn_ae"
        assert len(file.keys()) > 10


def test__load__numbers_encoded_by_bins__says_the_same(path):
    """From 500 labels on, the encoder of a predictor gets inputs of its own."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(600, 3)), columns=[*"abc"])
    rows["d"] = np.where(rows["a"] > 0, "x", "y")
    classifier = AutoencoderPretrainedClassifier(small(), max_epochs=1, random_state=0)
    classifier.fit(rows, (rows["b"] > 0).astype(int))
    assert classifier.module_.encoder.embedding is not None
    assert_same(results(saved_twice(classifier, path), rows), results(classifier, rows))
