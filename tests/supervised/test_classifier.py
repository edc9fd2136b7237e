"""The classifier: labels, probabilities, weights of classes and rows."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae.architectures import Convolutional
from tests.supervised.helpers import (
    MODELS,
    X_CANCER,
    X_DIGITS,
    Y_CANCER,
    Y_DIGITS,
    X,
    Y,
    classifier,
    hide,
    small,
    weights,
)

TEXT = [["green", "red"][label] for label in Y]


# Labels and probabilities


LABELS = {
    "int": (np.array([7, -3, 12]), "i"),
    "float": (np.array([2.0, 0.0, 1.0]), "f"),
    "text": (np.array(["low", "high", "mid"]), "U"),
    "objects": (np.array(["low", "high", "mid"], dtype=object), "UO"),
    "bool": (np.array([True, False]), "b"),
    "two texts": (np.array(["yes", "no"]), "U"),
}


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test__predict__labels_of_any_kind__are_the_most_likely_of_sorted_classes(
    kind, semi_supervised
):
    names, dtype = LABELS[kind]
    y = names[Y_DIGITS[:150] % len(names)]
    model = classifier(semi_supervised=semi_supervised).fit(X_DIGITS[:150], y)
    assert_array_equal(model.classes_, np.sort(names))
    probabilities = model.predict_proba(X_DIGITS)
    assert probabilities.shape == (len(X_DIGITS), len(names))
    assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities >= 0).all()
    predicted = model.predict(X_DIGITS)
    assert predicted.dtype.kind in dtype
    assert_array_equal(predicted, model.classes_[probabilities.argmax(axis=1)])


@pytest.mark.parametrize("names", [["a", "b"], ["b", "a"]])
def test__predict_proba__rows_of_each_class__are_likely_in_its_column(names):
    y = np.array(names)[Y]
    model = classifier(max_epochs=10).fit(X, y)
    probabilities = model.predict_proba(X)
    for column, name in zip(probabilities.T, ["a", "b"], strict=True):
        assert column[y == name].mean() > 0.7


@pytest.mark.parametrize("name", ["classifier", "regressor", "semi-supervised", "head"])
def test__predict__one_row_alone__is_as_among_many(name):
    model, y = MODELS[name]
    model = clone(model).fit(X, y)
    method = "predict_proba" if hasattr(model, "classes_") else "predict"
    together = getattr(model, method)(X)
    alone = np.vstack([getattr(model, method)(X[i : i + 1]).T.T for i in range(30)])
    assert_allclose(alone.reshape(together[:30].shape), together[:30], atol=1e-7)


def test__predict__weights_that_the_user_changed__are_used():
    model = classifier().fit(X, Y)
    assert 0 < model.predict(X).sum() < len(X)
    with torch.no_grad():
        model.module_.head[-1].bias += torch.tensor([0.0, 1000.0])
    assert model.predict(X).all()
    model.module_.head[-1] = torch.nn.Linear(4, 2)
    torch.nn.init.zeros_(model.module_.head[-1].weight)
    assert_allclose(np.ptp(model.predict_proba(X), axis=0), 0.0)


GAPS = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)
MIXED = pd.DataFrame(X).assign(text=np.array(["a", "b"])[(X[:, 0] > 13).astype(int)])
TO_PREDICT = {
    "numbers": (small(), X),
    "missing cells": (small(), GAPS),
    "categories": (small(), MIXED.set_axis(map(str, MIXED), axis=1)),
    "activation with weights": (small(activation=torch.nn.PReLU), X),
    "convolutions": (small(architecture=Convolutional((1, 2, 5), (4,))), X),
}


@pytest.mark.parametrize("name", TO_PREDICT)
def test__predict_proba__any_layers__is_what_the_module_computes(name):
    autoencoder, table = TO_PREDICT[name]
    model = classifier(autoencoder).fit(table, Y)
    encoder = model.table_encoder_
    scaled = encoder.transform(encoder.check(table)[: len(X)])
    with torch.inference_mode():
        logits = model.module_(torch.from_numpy(scaled))
    expected = torch.softmax(logits, dim=1).numpy()
    assert_allclose(model.predict_proba(table), expected, atol=1e-5)


def test__predict__rows_in_another_form__is_the_same():
    table = np.round(X)
    model = classifier().fit(table, Y)
    expected = model.predict_proba(table)
    for form in (sparse.csr_array, np.asfortranarray, np.ndarray.tolist, np.float32):
        assert_allclose(model.predict_proba(form(table)), expected, atol=1e-6)


# Weights of classes and rows


def share_of_rare(**params):
    """Return the mean probability of a class of which there are 12 rows among 92."""
    rows = np.r_[np.flatnonzero(Y_CANCER == 1)[:80], np.flatnonzero(Y_CANCER == 0)[:12]]
    # Of two columns that hardly tell the classes apart.
    model = classifier(max_epochs=10, **params)
    model.fit(X_CANCER[rows][:, [9, 11]], Y_CANCER[rows])
    return model.predict_proba(X_CANCER[:, [9, 11]])[:, 0].mean()


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 10, 1: 1}])
def test__fit__class_weight__shifts_predictions_to_the_rare_class(
    class_weight, semi_supervised
):
    plain = share_of_rare(semi_supervised=semi_supervised)
    heavy = share_of_rare(semi_supervised=semi_supervised, class_weight=class_weight)
    assert heavy > plain + 0.1


def test__fit__class_weight__is_as_weights_of_the_labelled_rows():
    """But the autoencoder is told nothing of them, and nobody takes them for copies."""
    frozen = FrozenEstimator(small(random_state=0).fit(X))
    y = hide(Y, 80)
    model = classifier(frozen, class_weight={0: 1, 1: 2.7}).fit(X, y)
    weighted = classifier(frozen).fit(X, y, sample_weight=np.where(y == 1, 2.7, 1))
    assert_allclose(model.predict_proba(X), weighted.predict_proba(X), atol=1e-5)
    inside = [
        classifier(class_weight=weight).fit(X, y).autoencoder_
        for weight in (None, "balanced")
    ]
    assert_array_equal(weights(inside[0]), weights(inside[1]))


@pytest.mark.parametrize("names", [("0", "1"), ("01", "1"), ("1", "a")])
def test__fit__class_weight_of_text_that_reads_as_numbers__is_that_of_the_text(names):
    y = np.array(names)[Y]
    named = classifier(class_weight=dict(zip(names, (1, 3), strict=True))).fit(X, y)
    numbers = classifier(class_weight={0: 1, 1: 3}).fit(X, (y == names[1]).astype(int))
    assert_array_equal(named.predict_proba(X), numbers.predict_proba(X))


@pytest.mark.parametrize("factor", [-1, np.nan, np.inf, "3"])
def test__fit__class_weight_that_is_no_weight__is_named(factor):
    with pytest.raises(ValueError, match=f"class_weight must hold .* Got {factor!r}"):
        classifier(class_weight={0: 1, 1: factor}).fit(X, Y)


def test__fit__class_weight_of_a_class_that_is_absent__does_no_harm():
    """As in a fold of cross-validation without a rare class."""
    given = classifier(class_weight={0: 1, 1: 3, 7: 9}).fit(X, Y)
    plain = classifier(class_weight={0: 1, 1: 3}).fit(X, Y)
    assert_array_equal(given.predict_proba(X), plain.predict_proba(X))


def test__fit__balanced__is_as_the_weights_that_balance_the_labelled_rows():
    y = hide(Y, 80)
    counts = np.bincount(Y[:80])
    as_dict = {label: 80 / (2 * count) for label, count in enumerate(counts)}
    balanced = classifier(class_weight="balanced").fit(X, y)
    explicit = classifier(class_weight=as_dict).fit(X, y)
    assert_allclose(balanced.predict_proba(X), explicit.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["classifier", "regressor", "semi-supervised", "early stopping"]
)
def test__fit__whole_sample_weights__are_as_repeated_rows(name):
    """Of labelled and unlabelled rows; a weight of 0 leaves a row out."""
    model, y = MODELS[name]
    times = np.random.default_rng(0).integers(3, size=len(X))
    weighted = clone(model).fit(X, y, sample_weight=times)
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    got, expected = (getattr(m, method)(X) for m in (weighted, repeated))
    assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert_allclose(
        weighted.autoencoder_.transform(X),
        repeated.autoencoder_.transform(X),
        atol=1e-5,
    )
    unweighted = clone(model).fit(X, y)
    assert np.abs(getattr(unweighted, method)(X) - expected).max() > 1e-4


def test__fit__class_that_has_no_weight__is_known_and_never_predicted():
    y = Y_DIGITS[:200] % 3
    model = classifier().fit(X_DIGITS[:200], y, sample_weight=y != 1)
    assert model.classes_.tolist() == [0, 1, 2]
    assert 1 not in model.predict(X_DIGITS)


@pytest.mark.parametrize("name", ["classifier", "regressor", "semi-supervised"])
def test__fit__rows_in_another_order__gives_the_same_model(name):
    model, y = MODELS[name]
    order = np.random.default_rng(0).permutation(len(X))
    here, there = clone(model).fit(X, y), clone(model).fit(X[order], y[order])
    assert_allclose(there.predict(X), here.predict(X), rtol=1e-5)
    assert_allclose(there.transform(X), here.transform(X), atol=1e-4)


# Among scikit-learn's tools


def test__grid_search__over_both_phases__in_a_pipeline():
    model = make_pipeline(StandardScaler(), classifier())
    name = "autoencoderpretrainedclassifier__"
    grid = {
        f"{name}autoencoder__n_components": [2, 5],
        f"{name}freeze_encoder": [True, 1, False],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_[f"{name}autoencoder__n_components"]
    assert search.best_estimator_.transform(X).shape == (len(X), best)
    assert search.predict(X).shape == Y.shape


def test__cross_val_predict__of_real_rows__tells_classes_apart():
    model = make_pipeline(StandardScaler(), classifier(small(max_epochs=20)))
    probabilities = cross_val_predict(
        model, X_CANCER, Y_CANCER, cv=3, method="predict_proba"
    )
    assert_allclose(probabilities.sum(axis=1), 1.0)
    assert accuracy_score(Y_CANCER, probabilities.argmax(axis=1)) > 0.9


def test__calibrated_classifier__of_text_labels__predicts_them():
    model = CalibratedClassifierCV(classifier(), cv=2).fit(X, np.array(TEXT))
    assert model.classes_.tolist() == sorted({*TEXT})
    assert accuracy_score(TEXT, model.predict(X)) > 0.8


@pytest.mark.parametrize("semi_supervised", [False, True])
def test__fit__rare_class__is_not_lost(semi_supervised):
    """Among neighbours, a rare class is seldom the most likely one."""
    rng = np.random.default_rng(0)
    rare = rng.random(600) < 0.13
    table = rng.normal(size=(600, 4)) + 3.0 * rare[:, None]
    model = classifier(semi_supervised=semi_supervised, max_epochs=30)
    predicted = model.fit(table, hide(rare, 100)).predict(table)
    assert np.mean(predicted == rare) > 0.95
