"""Classifier and regressor: what is trained on which rows, and what comes of it."""

import pickle
import random
import threading
from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import COLOURS, mixed_cells, to_array
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_blobs,
    make_moons,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from skorch.callbacks import Callback
from torch import nn

import sklearn_ae._supervised.semi_supervised
from sklearn_ae import (
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae._supervised.label_spreading import NeighborGraph, expected_shares
from sklearn_ae._tables.rows import Rows
from sklearn_ae._tables.scaling import Scaler
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import SwapNoise

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_CANCER, Y_CANCER = load_breast_cancer(return_X_y=True)
X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)
# A table of a few rows of each, for what does not depend on how well they are told.
# Both classes are among the first ten rows.
X, Y = X_CANCER[15:135, :10], Y_CANCER[15:135]
TARGET, TARGETS = X_CANCER[15:135, 10], X_CANCER[15:135, 10:12]


def small(n_components=4, max_epochs=2, **params):
    return AutoencoderTransformer(n_components, max_epochs=max_epochs, **params)


def classifier(autoencoder=None, **params):
    """Return a classifier for what does not depend on how well it predicts."""
    defaults = {"max_epochs": 3, "semi_supervised": False, "random_state": 0}
    return AutoencoderPretrainedClassifier(
        autoencoder or small(), **{**defaults, **params}
    )


def regressor(autoencoder=None, **params):
    defaults = {"max_epochs": 3, "random_state": 0}
    return AutoencoderPretrainedRegressor(
        autoencoder or small(), **{**defaults, **params}
    )


def hide(y, n_labelled):
    """Return y as floats, `NaN` behind the first rows."""
    y = np.array(y, dtype=np.float64)
    y[n_labelled:] = np.nan
    return y


def state(module):
    return {name: w.clone() for name, w in module.state_dict().items()}


def differing(state, other):
    """Return the names of the tensors of the first that are not the same bits."""
    return {name for name, w in state.items() if not torch.equal(w, other[name])}


def weights(model):
    """Return all weights of a fitted model, of an estimator with a net."""
    parts = [w.double().flatten() for w in model.module_.state_dict().values()]
    return torch.cat(parts).numpy()


def thawed(model):
    """Return which tensors of the encoder fine-tuning changed."""
    encoder = state(model.module_.encoder)
    return differing(encoder, state(model.autoencoder_.module_))


MODELS = {
    "classifier": (classifier(), Y),
    "regressor": (regressor(), TARGET),
    "head": (classifier(head_layer_sizes=(6, 5), dropout=0.2), Y),
    "early stopping": (classifier(early_stopping=True), Y),
    "semi-supervised": (classifier(semi_supervised=True), hide(Y, 40)),
    "noise": (classifier(small(noise=SwapNoise(0.3))), hide(Y, 40)),
    "few rows": (classifier(), hide(Y, 15)),
    "two targets": (regressor(early_stopping=True), TARGETS),
}


@pytest.fixture(params=MODELS)
def model_and_y(request):
    model, y = MODELS[request.param]
    return clone(model), y


# The encoder, frozen and thawed


def test__fit__frozen_encoder__stays_as_it_was_bit_for_bit(model_and_y):
    model, y = model_and_y
    model.set_params(freeze_encoder=True).fit(X, y)
    assert thawed(model) == set()
    assert_array_equal(model.transform(X), model.autoencoder_.transform(X))


def test__fit__encoder_not_frozen__learns_in_every_layer(model_and_y):
    model, y = model_and_y
    model.fit(X, y)
    before, after = (
        [w for w in module.network.encoder.parameters() if w.ndim > 1]
        for module in (model.autoencoder_.module_, model.module_.encoder)
    )
    assert before
    for old, new in zip(before, after, strict=True):
        assert not torch.equal(old, new)
    assert (model.transform(X) != model.autoencoder_.transform(X)).any()


def test__semi_supervised__hidden_layers__are_normalised_unless_frozen_or_narrow():
    y = hide(Y, 40)
    for sizes, frozen, n_norms in (
        ((16, 8), False, 2),
        ((16, 4), False, 1),
        (16, 1, 0),
    ):
        autoencoder = small(hidden_layer_sizes=sizes)
        model = classifier(autoencoder, semi_supervised=True, freeze_encoder=frozen)
        norms = [
            layer
            for layer in model.fit(X, y).module_.encoder.modules()
            if isinstance(layer, nn.LayerNorm)
        ]
        assert len(norms) == n_norms


@pytest.mark.parametrize("frozen", [True, False, 1])
def test__fit__frozen_or_not__leaves_the_head_and_all_weights_trainable(frozen):
    start = classifier(lr=1e-30).fit(X, Y)
    model = classifier(freeze_encoder=frozen, lr=0.1).fit(X, Y)
    heads = state(start.module_.head), state(model.module_.head)
    assert differing(*heads) == {"0.weight", "0.bias"}
    assert all(weight.requires_grad for weight in model.module_.parameters())


class Watch(Callback):
    """Note the encoder's weights after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.seen_ = [state(net.module_.encoder)]

    def on_epoch_end(self, net, **kwargs):
        self.seen_.append(state(net.module_.encoder))


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize("n_epochs", [1, 2])
def test__fit__encoder_frozen_for_some_epochs__changes_only_then(
    n_epochs, semi_supervised
):
    watch = Watch()
    model = classifier(
        callbacks=[watch],
        freeze_encoder=n_epochs,
        semi_supervised=semi_supervised,
        max_epochs=4,
    )
    model.fit(X, Y)
    start = watch.seen_[0]
    changed = [bool(differing(start, seen)) for seen in watch.seen_[1:]]
    assert changed == [False] * n_epochs + [True] * (4 - n_epochs)
    assert thawed(model)


@pytest.mark.parametrize("semi_supervised", [False, True])
@pytest.mark.parametrize(("number", "equal"), [(0, False), (3, True), (9, True)])
def test__fit__frozen_for_no_or_all_epochs__is_as_never_or_always(
    number, equal, semi_supervised
):
    one, other = (
        classifier(freeze_encoder=frozen, semi_supervised=semi_supervised).fit(X, Y)
        for frozen in (number, equal)
    )
    assert_array_equal(weights(one), weights(other))


class Normed(nn.Module):
    """A user's model whose encoder has layers that change in training by themselves."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.5),
            nn.Linear(8, n_components),
        )
        self.decoder = nn.Linear(n_components, n_features)


@pytest.mark.parametrize("semi_supervised", [False, True])
def test__fit__frozen_encoder_with_running_means__keeps_them(semi_supervised):
    model = classifier(
        small(architecture=TorchModule(Normed)), semi_supervised=semi_supervised
    )
    model.fit(X, Y)
    changed = thawed(model)
    assert any("running_mean" in name for name in changed)
    model.set_params(freeze_encoder=True).fit(X, Y)
    assert thawed(model) == set()
    assert_array_equal(model.transform(X), model.autoencoder_.transform(X))


def test__fit__tiny_encoder_lr_scale__moves_the_head_much_more():
    model = classifier(encoder_lr_scale=1e-6, lr=0.1).fit(X, Y)
    free = classifier(lr=0.1).fit(X, Y)
    distances = [
        np.abs(m.transform(X) - m.autoencoder_.transform(X)).max()
        for m in (model, free)
    ]
    assert 0 < distances[0] < 1e-2 * distances[1]
    start = classifier(lr=1e-30).fit(X, Y)
    assert differing(state(start.module_.head), state(model.module_.head))


# A fitted autoencoder is used as it is


def test__fit__fitted_autoencoder__serves_two_models_and_stays_as_it_was():
    fitted = small(random_state=3).fit(X)
    before, n_epochs = state(fitted.module_), len(fitted.history_)
    codes = fitted.transform(X)
    first = classifier(FrozenEstimator(fitted), max_epochs=5).fit(X, Y)
    second = regressor(FrozenEstimator(fitted), freeze_encoder=True).fit(X, TARGET)
    assert differing(state(fitted.module_), before) == set()
    assert len(fitted.history_) == n_epochs
    assert_array_equal(fitted.transform(X), codes)
    assert first.autoencoder_ is second.autoencoder_ is fitted
    assert thawed(first)
    assert_array_equal(second.transform(X), codes)


@pytest.mark.parametrize(
    ("make", "y"), [(classifier, hide(Y, 50)), (regressor, TARGET)]
)
def test__fit__autoencoder_fitted_before__gives_the_model_of_one_fitted_inside(make, y):
    autoencoder = small(random_state=3)
    inside = make(autoencoder).fit(X, y)
    before = make(FrozenEstimator(clone(autoencoder).fit(X))).fit(X, y)
    assert_array_equal(weights(inside), weights(before))
    assert_array_equal(inside.predict(X), before.predict(X))


def test__fit__autoencoder_of_another_table__brings_its_scaling_and_its_features():
    """Pre-trained on all digits but 1 and 7, it has features to tell these two by."""
    pair = np.isin(Y_DIGITS, [1, 7])
    fitted = small(16, max_epochs=30, random_state=0).fit(X_DIGITS[~pair])
    X_train, X_test = np.split(X_DIGITS[pair], [40])
    y_train, y_test = np.split(Y_DIGITS[pair], [40])
    model = classifier(FrozenEstimator(fitted), freeze_encoder=True, max_epochs=20)
    model.fit(X_train, y_train)
    assert_array_equal(model.transform(X_test), fitted.transform(X_test))
    assert model.score(X_test, y_test) > 0.8


@pytest.mark.parametrize("make", [classifier, regressor])
def test__fit__frozen_autoencoder_that_is_not_fitted__is_refused(make):
    with pytest.raises(
        NotFittedError, match=r"Transformer in FrozenEstimator\(\.\.\.\) is not"
    ):
        make(FrozenEstimator(small())).fit(X, Y)


def test__predict__frozen_autoencoder_fitted_again_later__stays_as_it_was():
    fitted = small(random_state=3).fit(X)
    model = classifier(FrozenEstimator(fitted)).fit(X, Y)
    before = model.predict_proba(X)
    fitted.fit(X[:, :3] * 100)
    assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("fitted_on", [X[:, :7], np.hstack([X, X])])
def test__fit__autoencoder_fitted_on_other_columns__is_refused(fitted_on):
    model = classifier(FrozenEstimator(small().fit(fitted_on)))
    message = f"10 features.* expecting {fitted_on.shape[1]} features"
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)


def test__fit__autoencoder_fitted_on_other_names__is_refused():
    frame = pd.DataFrame(X).add_prefix("a")
    model = classifier(FrozenEstimator(small().fit(frame)))
    with pytest.raises(ValueError, match="feature names"):
        model.fit(frame.rename(columns={"a0": "b"}), Y)


@pytest.mark.parametrize("make", [classifier, regressor])
def test__fit__frozen_estimator_of_another_kind__is_refused(make):
    with pytest.raises(TypeError, match=r"must hold an AutoencoderTransformer.*PCA"):
        make(FrozenEstimator(PCA().fit(X))).fit(X, Y)


@pytest.mark.parametrize("make", [classifier, regressor])
def test__fit__autoencoder_of_another_kind__is_refused(make):
    with pytest.raises(ValueError, match="'autoencoder' parameter of Autoencoder"):
        make(PCA()).fit(X, Y)


# Missing labels


def without(values, missing):
    """Return a list of values, a third of them replaced by a mark."""
    return [missing if i % 3 == 1 else value for i, value in enumerate(values)]


NUMBERS = [int(label) + 4 for label in Y]
TEXT = [["green", "red"][label] for label in Y]
FLAGS = [bool(label) for label in Y]


def objects(values):
    return np.array(values, dtype=object)


FORMS = {
    "list, None": (NUMBERS, None, list),
    "list, NaN": (NUMBERS, np.nan, list),
    "list, NA": (NUMBERS, pd.NA, list),
    "list of NumPy's, None": ([np.int64(n) for n in NUMBERS], None, list),
    "floats, NaN": (NUMBERS, np.nan, np.array),
    "objects, None": (NUMBERS, None, objects),
    "objects, NaN": (NUMBERS, np.nan, objects),
    "objects, NA": (NUMBERS, pd.NA, objects),
    "pandas Int64": (NUMBERS, pd.NA, lambda y: pd.Series(y, dtype="Int64")),
    "pandas Arrow": (NUMBERS, pd.NA, lambda y: pd.Series(y, dtype="int64[pyarrow]")),
    "pandas category of numbers": (
        NUMBERS,
        np.nan,
        lambda y: pd.Series(objects(y), dtype="category"),
    ),
    "pandas, unusual index": (
        NUMBERS,
        np.nan,
        lambda y: pd.Series(y, index=range(len(y), 0, -1)),
    ),
    "polars": (NUMBERS, None, pl.Series),
    "text list, None": (TEXT, None, list),
    "text list, NaN": (TEXT, np.nan, list),
    "text objects, None": (TEXT, None, objects),
    "text objects, NA": (TEXT, pd.NA, objects),
    "text pandas": (TEXT, None, pd.Series),
    "text pandas string": (TEXT, pd.NA, lambda y: pd.Series(y, dtype="string")),
    "text pandas category": (TEXT, None, lambda y: pd.Series(y, dtype="category")),
    "text polars": (TEXT, None, pl.Series),
    "text polars Categorical": (
        TEXT,
        None,
        lambda y: pl.Series(y, dtype=pl.Categorical),
    ),
    "text polars Enum": (TEXT, None, lambda y: pl.Series(y, dtype=pl.Enum(COLOURS))),
    "bool list, None": (FLAGS, None, list),
    "bool objects, NaN": (FLAGS, np.nan, objects),
    "bool pandas": (FLAGS, pd.NA, lambda y: pd.Series(y, dtype="boolean")),
    "bool polars": (FLAGS, None, pl.Series),
}


@pytest.fixture(scope="module")
def of_labelled_and_others():
    """A model of two classes in which a third of the rows have no label."""
    return classifier().fit(X, np.array(without(Y.tolist(), np.nan)))


@pytest.mark.parametrize("form", FORMS)
def test__fit__missing_labels_in_any_form__give_the_same_model(
    form, of_labelled_and_others
):
    """Of whole numbers and `NaN`, NumPy makes floats; all others keep their kind."""
    values, missing, convert = FORMS[form]
    model = classifier().fit(X, convert(without(values, missing)))
    assert_array_equal(weights(model), weights(of_labelled_and_others))
    predicted = model.predict(X)
    assert model.classes_.tolist() == sorted({*values}) == sorted({*predicted.tolist()})
    kinds = {id(TEXT): "UO", id(FLAGS): "b"}
    is_float = form in ("floats, NaN", "pandas, unusual index")
    assert predicted.dtype.kind in ("f" if is_float else kinds.get(id(values), "i"))


def test__fit__mark_of_unlabelled_rows__is_as_if_their_labels_were_missing():
    y = np.array(without(Y.tolist(), -1))
    model = classifier(unlabeled_label=-1).fit(X, y)
    assert model.classes_.tolist() == [0, 1]
    assert model.classes_.dtype == y.dtype
    expected = classifier().fit(X, np.array(without(Y.tolist(), np.nan)))
    assert_array_equal(weights(model), weights(expected))


def test__fit__minus_one_without_a_mark__is_a_class():
    model = classifier().fit(X, np.array(without(Y.tolist(), -1)))
    assert model.classes_.tolist() == [-1, 0, 1]
    assert model.predict_proba(X).shape == (len(X), 3)


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, pl.Series])
def test__fit__text_as_mark__is_no_class(convert):
    y = convert(without(TEXT, "unknown"))
    model = classifier(unlabeled_label="unknown").fit(X, y)
    assert model.classes_.tolist() == sorted({*TEXT})
    expected = classifier().fit(X, without(TEXT, None))
    assert_array_equal(weights(model), weights(expected))


def test__fit__mark_beside_missing_labels__both_are_unlabelled():
    y = objects(without(Y.tolist(), None))
    y[::5] = -1
    model = classifier(unlabeled_label=-1).fit(X, y)
    both = np.where(
        (np.arange(len(Y)) % 3 == 1) | (np.arange(len(Y)) % 5 == 0), np.nan, Y
    )
    assert_array_equal(weights(model), weights(classifier().fit(X, both)))


@pytest.mark.parametrize("y", [hide(Y, 40), hide(TARGET, 40)])
def test__fit__unlabelled_rows__are_pretrained_on_like_the_others(y):
    make = classifier if y[0] in (0, 1) else regressor
    autoencoder = small(random_state=5)
    model = make(autoencoder).fit(X, y)
    expected = clone(autoencoder).fit(X)
    assert_array_equal(weights(model.autoencoder_), weights(expected))
    assert model.pretraining_history_[:, "train_loss"] == expected.loss_curve_


def test__fit__column_that_varies_only_without_labels__reaches_the_latent():
    """Labelled rows alone would say that this column is constant."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 2))
    y = hide(table[:, 0] > 0, 100)
    table[:100, 1] = 0.0
    model = classifier(small(2, max_epochs=30)).fit(table, y)
    there, back = [[0.0, -2.0]], [[0.0, 2.0]]
    assert np.abs(model.transform(there) - model.transform(back)).max() > 0.5


def test__fit__rows_without_label__are_not_fine_tuned_on():
    """What a frozen encoder's head learns depends on the labelled rows alone."""
    frozen = FrozenEstimator(small(random_state=0).fit(X))
    y = hide(Y, 60)
    table = X.copy()
    table[60:] = X[np.random.default_rng(0).permutation(np.arange(60, 120))]
    one, other = (classifier(frozen).fit(t, y) for t in (X, table))
    assert_array_equal(weights(one), weights(other))
    y[60] = 1 - Y[60]
    assert (weights(classifier(frozen).fit(X, y)) != weights(one)).any()


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
    """But the autoencoder is told nothing of them."""
    frozen = FrozenEstimator(small(random_state=0).fit(X))
    y = hide(Y, 80)
    model = classifier(frozen, class_weight={0: 1, 1: 3}).fit(X, y)
    weighted = classifier(frozen).fit(X, y, sample_weight=np.where(y == 1, 3, 1))
    assert_allclose(model.predict_proba(X), weighted.predict_proba(X), atol=1e-5)
    inside = [
        classifier(class_weight=weight).fit(X, y).autoencoder_
        for weight in (None, "balanced")
    ]
    assert_array_equal(weights(inside[0]), weights(inside[1]))


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


def test__clone__fitted_model__has_its_parameters_and_nothing_fitted(model_and_y):
    model, y = model_and_y
    fitted = model.fit(X, y)
    copy = clone(fitted)
    assert [a for a in vars(copy) if a.endswith("_")] == []
    assert_array_equal(weights(copy.fit(X, y)), weights(fitted))


def test__pickle__fitted_model__predicts_the_same_and_can_be_fitted_again(model_and_y):
    model, y = model_and_y
    fitted = model.fit(X, y)
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.predict(X), fitted.predict(X))
    assert_array_equal(copy.transform(X), fitted.transform(X))
    assert_array_equal(weights(copy.fit(X, y)), weights(fitted))


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test__set_output__frames__have_the_names_of_the_features(output):
    model = classifier().set_output(transform=output).fit(X, Y)
    frame = model.transform(X)
    assert list(frame.columns) == list(model.get_feature_names_out())
    assert len({*frame.columns}) == model.n_components_ == 4
    assert all(
        name.startswith("autoencoderpretrainedclassifier") for name in frame.columns
    )


def test__transform__with_logits__are_what_the_head_makes_of_it():
    """The features are those that the head predicts from, not the first ones."""
    model = classifier().fit(X, Y)
    layer = model.module_.head[0]
    Z = torch.from_numpy(model.transform(X))
    probabilities = torch.softmax(layer(Z), dim=1).detach().numpy()
    assert_allclose(model.predict_proba(X), probabilities, atol=1e-5)


def fit_weights(model, X, y):
    return weights(clone(model).fit(X, y))


def test__fit__in_two_processes__gives_the_same_weights():
    names = ["classifier", "semi-supervised"]
    here = [fit_weights(MODELS[n][0], X, MODELS[n][1]) for n in names]
    there = Parallel(n_jobs=2)(
        delayed(fit_weights)(MODELS[n][0], X, MODELS[n][1]) for n in names
    )
    for one, other in zip(here, there, strict=True):
        assert_array_equal(one, other)


def test__fit__again_after_other_rows__is_as_a_fresh_fit(model_and_y):
    model, y = model_and_y
    fresh = clone(model).fit(X, y)
    again = clone(model).fit(X[::-1, :4] ** 2, np.roll(y, 5, axis=0)).fit(X, y)
    assert_array_equal(weights(again), weights(fresh))
    assert_array_equal(again.predict(X), fresh.predict(X))
    assert len(again.history_) == len(fresh.history_)
    assert {*vars(again)} == {*vars(fresh)}


@pytest.mark.parametrize("name", ["classifier", "semi-supervised", "regressor"])
def test__fit__other_seed__gives_another_model(name):
    model, y = MODELS[name]
    other = clone(model).set_params(random_state=1)
    assert (fit_weights(model, X, y) != fit_weights(other, X, y)).any()


def test__fit_and_predict__any_setting__leave_the_global_generators_alone(model_and_y):
    def states():
        return (
            torch.get_rng_state().numpy().tobytes(),
            np.random.get_state()[1].tobytes(),
            np.random.get_state()[2:],
            random.getstate(),
            torch.get_num_threads(),
        )

    model, y = model_and_y
    for seed in (0, None):
        before = states()
        model.set_params(random_state=seed).fit(X, y).predict(X)
        model.transform(X)
        assert states() == before


def test__fit__parameters_and_data__are_left_as_they_were(model_and_y):
    model, y = model_and_y
    before = deepcopy({**model.get_params(), "X": X, "y": y})
    model.fit(X, y)
    after = {**model.get_params(), "X": X, "y": y}
    assert {*before} == {*after}
    for name, value in before.items():
        assert_array_equal(str(after[name]), str(value), err_msg=name)
    assert not hasattr(model.autoencoder, "net_")


# Mixed frames, sparse tables


def test__fit__any_container_with_text_labels__predicts_the_same(container):
    cells = mixed_cells()
    y = without(["big" if c > 5 else "small" for c in cells["count"]], None)
    expected = classifier(max_epochs=10).fit(to_array(cells), y)
    model = classifier(max_epochs=10).fit(container(cells), y)
    assert_array_equal(
        model.predict_proba(container(cells)), expected.predict_proba(to_array(cells))
    )
    assert {*model.predict(container(cells))} == {"big", "small"}


def test__fit__census__beats_the_most_frequent_class_with_few_labels(census):
    X, y = census.drop(columns=census.columns[-1]), census[census.columns[-1]]
    train, test = np.split(
        np.random.default_rng(0).permutation(len(X)), [2 * len(X) // 3]
    )
    labels = y.iloc[train].astype(object).to_numpy(copy=True)
    labels[200:] = None
    model = classifier(small(8, max_epochs=5), max_epochs=10)
    model.fit(X.iloc[train], labels)
    most_frequent = y.iloc[test].value_counts(normalize=True).max()
    assert model.score(X.iloc[test], y.iloc[test]) > most_frequent


@pytest.mark.parametrize("name", ["classifier", "semi-supervised", "regressor"])
def test__fit__sparse_table__gives_the_model_of_the_dense_one(name):
    model, y = MODELS[name]
    table = np.where(X_DIGITS[:120] > 8, X_DIGITS[:120], 0.0)
    dense = clone(model).fit(table, y)
    thin = clone(model).fit(sparse.csr_matrix(table), y)
    assert_allclose(thin.predict(table), dense.predict(table), rtol=1e-4)
    assert_allclose(
        thin.transform(sparse.csc_array(table)), dense.transform(table), atol=1e-4
    )


def test__predict__missing_cells_where_fit_saw_none__is_finite():
    holes = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    whole = classifier().fit(X, Y)
    assert np.isfinite(whole.predict_proba(holes)).all()
    frozen = FrozenEstimator(small(random_state=0).fit(X))
    tuned = classifier(frozen).fit(holes, Y)
    assert np.isfinite(tuned.predict_proba(holes)).all()
    assert accuracy_score(Y, tuned.predict(holes)) > 0.8


# Regression


def test__predict__several_targets__are_each_told():
    y = X_CANCER[:, 20:23]
    train, test = np.split(np.arange(len(y)), [400])
    model = regressor(small(8, max_epochs=20), max_epochs=20)
    model.fit(X_CANCER[train, :20], y[train])
    predicted = model.predict(X_CANCER[test, :20])
    assert predicted.shape == (len(test), 3)
    errors = ((predicted - y[test]) ** 2).mean(axis=0)
    assert (errors < 0.5 * y[test].var(axis=0)).all()


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (-1, 2)])
def test__predict__target_of_any_shape__has_that_of_fit(shape):
    y = np.column_stack([TARGET, TARGET])[:, : shape[-1] if len(shape) > 1 else 1]
    y = y.reshape(shape)
    assert regressor().fit(X, y).predict(X[:7]).shape == (7, *y.shape[1:])


@pytest.mark.parametrize(("factor", "shift"), [(1000, 5), (1e-6, 0), (-3, 1e4)])
def test__predict__target_in_other_units__is_in_those_units(factor, shift):
    plain = regressor().fit(X, TARGET).predict(X)
    scaled = regressor().fit(X, TARGET * factor + shift).predict(X)
    assert_allclose(
        scaled, plain * factor + shift, atol=1e-4 * abs(factor) * TARGET.std()
    )


def test__predict__constant_target__is_that_constant():
    predicted = regressor(max_epochs=10).fit(X, np.full(len(X), 7.5)).predict(X)
    assert_allclose(predicted, 7.5, atol=1e-6)


def test__fit__targets_that_are_missing_in_turn__each_is_learnt():
    """A row counts for the targets that it has."""
    y = X_CANCER[:, 20:22].copy()
    expected = y.copy()
    y[::2, 0] = np.nan
    y[1::2, 1] = np.nan
    model = regressor(small(8, max_epochs=20), max_epochs=20).fit(X_CANCER[:, :20], y)
    errors = np.where(np.isnan(y), model.predict(X_CANCER[:, :20]) - expected, np.nan)
    assert (np.nanmean(errors**2, axis=0) < 0.5 * expected.var(axis=0)).all()


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: without(y, None),
        lambda y: objects(without(y, pd.NA)),
        lambda y: pd.Series(without(y, None), dtype="Float64"),
        lambda y: pl.Series(without(y, None)),
        lambda y: pd.DataFrame({"a": without(y, np.nan)}),
        lambda y: pl.DataFrame({"a": without(y, None)}),
    ],
)
def test__fit__missing_targets_in_any_form__give_the_same_model(convert):
    expected = regressor().fit(X, np.array(without(TARGET.tolist(), np.nan)))
    got = regressor().fit(X, convert(TARGET.tolist()))
    assert_array_equal(weights(got), weights(expected))


def test__score__diabetes__is_about_that_of_linear_regression():
    X_train, X_test, y_train, y_test = train_test_split(
        X_DIABETES, Y_DIABETES, random_state=0
    )
    linear = LinearRegression().fit(X_train, y_train).score(X_test, y_test)
    model = regressor(small(8, max_epochs=20), max_epochs=10).fit(X_train, y_train)
    assert model.score(X_test, y_test) > linear - 0.1


# Histories and early stopping


def test__fit__both_phases__leave_their_histories():
    model = classifier(small(max_epochs=4), max_epochs=6).fit(X, Y)
    assert model.pretraining_history_ is model.autoencoder_.history_
    assert len(model.pretraining_history_) == model.autoencoder_.n_iter_ == 4
    assert len(model.history_) == model.n_iter_ == 6
    assert model.loss_curve_ == model.history_[:, "train_loss"]
    assert model.validation_loss_curve_ is None
    assert model.net_.history_ is model.history_


def test__fit__callbacks_of_each_phase__see_that_phase_only():
    """Nor the trials that say how far to go."""
    seen = []

    class Note(Callback):
        def __init__(self, phase):
            self.phase = phase

        def on_epoch_end(self, net, **kwargs):
            seen.append(self.phase)

    autoencoder = small(callbacks=[Note(1)], max_epochs=2)
    classifier(autoencoder, callbacks=[Note(2)]).fit(X, Y)
    assert seen == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("semi_supervised", [False, True])
def test__fit__early_stopping__restores_the_weights_of_the_lowest_loss(semi_supervised):
    watch = Watch()
    model = classifier(
        callbacks=[watch],
        early_stopping=True,
        lr=0.3,
        max_epochs=40,
        n_iter_no_change=3,
        semi_supervised=semi_supervised,
    )
    model.fit(X, Y)
    losses = model.validation_loss_curve_
    assert model.n_iter_ == len(losses) < 40
    best = watch.seen_[1 + int(np.argmin(losses))]
    assert differing(state(model.module_.encoder), best) == set()
    assert np.argmin(losses) < len(losses) - 1


@settings(max_examples=60, deadline=None)
@given(
    codes=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test__split_stratified__classes__each_keeps_a_row_and_gives_its_share(
    codes, fraction, seed
):
    torch.manual_seed(seed)
    y = torch.tensor([[1.0, code] for code in codes])
    rows = Rows(torch.arange(len(y))[:, None].float(), y)
    train, valid = rows.split_stratified(fraction, are_classes=True)
    places = torch.cat([train.index, valid.index])
    assert_array_equal(places.sort().values, np.arange(len(y)))
    assert {*train[:][1][:, 1].tolist()} == {*codes}
    spare = len(codes) - len({*codes})
    assert len(valid) == min(spare, max(1, round(fraction * len(codes))))
    if len(valid):
        held = np.bincount(valid[:][1][:, 1].int(), minlength=6)
        could = np.maximum(np.bincount(codes, minlength=6) - 1, 0)
        assert (np.abs(held - len(valid) * could / spare) < 2).all()


@settings(max_examples=30, deadline=None)
@given(n_rows=st.integers(20, 90), fraction=st.floats(0.1, 0.5))
def test__split_stratified__numbers__holds_out_small_and_large_ones(n_rows, fraction):
    y = torch.arange(float(n_rows))[torch.randperm(n_rows)]
    rows = Rows(y[:, None], torch.stack([torch.ones(n_rows), y], dim=1))
    _, valid = rows.split_stratified(fraction, are_classes=False)
    held = valid[:][1][:, 1].sort().values
    assert len(held) == round(fraction * n_rows)
    gaps = torch.diff(held, prepend=torch.tensor([-1.0]), append=torch.tensor([n_rows]))
    assert gaps.max() <= 2 * n_rows / len(held) + 1


def test__fit__early_stopping_and_a_class_of_one_row__trains_on_that_row():
    y = np.where(np.arange(len(Y)) == 17, 2, Y)
    model = classifier(early_stopping=True, validation_fraction=0.4).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.validation_loss_curve_
    assert np.isfinite(model.predict_proba(X)).all()


# What unlabelled rows add in the second phase


@pytest.fixture(scope="module")
def digit_draws():
    """Labels of 50 digits, three times: rows, labels, rows and labels to test."""
    draws = []
    for seed in range(3):
        rows = train_test_split(X_DIGITS, Y_DIGITS, random_state=seed, test_size=0.25)
        draws.append((rows[0], hide(rows[2], 50), rows[1], rows[3]))
    return draws


@pytest.fixture(scope="module")
def frozen_for_digits(digit_draws):
    autoencoder = small(16, max_epochs=20, noise=SwapNoise(0.2), random_state=0)
    return [
        FrozenEstimator(clone(autoencoder).fit(X_train)) for X_train, *_ in digit_draws
    ]


@pytest.fixture(scope="module")
def digit_scores(digit_draws, frozen_for_digits):
    """Accuracies by what `semi_supervised` is, and the models of "auto"."""
    scores, models = {False: [], "auto": []}, []
    for (X_train, y_train, *test), frozen in zip(
        digit_draws, frozen_for_digits, strict=True
    ):
        for how, max_epochs in {False: 25, "auto": 60}.items():
            model = classifier(frozen, semi_supervised=how, max_epochs=max_epochs)
            scores[how].append(model.fit(X_train, y_train).score(*test))
        models.append(model)
    return scores, models


def test__fit__few_digits_with_labels__auto_uses_the_others_and_wins(digit_scores):
    scores, models = digit_scores
    assert sum(model.semi_supervised_ for model in models) >= 2
    assert np.mean(scores["auto"]) > np.mean(scores[False]) + 0.03


def test__fit__few_digits_with_labels__beats_a_network_without_pretraining(
    digit_draws, digit_scores
):
    """The fast version of the claim: labels for 50 of 1,347 rows."""
    plain = []
    for X_train, y_train, *test in digit_draws:
        labelled = ~np.isnan(y_train)
        peer = make_pipeline(
            StandardScaler(),
            MLPClassifier((128, 64, 16), max_iter=300, random_state=0),
        )
        peer.fit(X_train[labelled], y_train[labelled])
        plain.append(peer.score(*test))
    scores, _ = digit_scores
    assert np.mean(scores[False]) > np.mean(plain) + 0.02
    assert np.mean(scores["auto"]) > np.mean(plain) + 0.05


def test__fit__semi_supervised_with_a_slow_encoder__is_about_as_with_a_frozen_one(
    digit_draws, frozen_for_digits
):
    """What an encoder does not learn, it must have from the pre-training."""
    X_train, y_train, *test = digit_draws[0]
    frozen, slow = (
        classifier(frozen_for_digits[0], semi_supervised=True, max_epochs=20, **params)
        .fit(X_train, y_train)
        .score(*test)
        for params in ({"freeze_encoder": True}, {"encoder_lr_scale": 1e-3})
    )
    assert slow > frozen - 0.1


def test__fit__classes_that_rows_do_not_cluster_by__auto_learns_from_labels_alone():
    table = np.random.default_rng(0).normal(size=(300, 6))
    y = hide(table @ np.arange(6) > 0, 60)
    model = classifier(semi_supervised="auto").fit(table, y)
    assert model.semi_supervised_ is False
    expected = classifier().fit(table, y)
    assert np.mean(model.predict(table) == expected.predict(table)) > 0.8


@pytest.mark.parametrize("semi_supervised", ["auto", True])
def test__fit__more_rows_than_take_part__uses_some_of_them(
    semi_supervised, monkeypatch
):
    monkeypatch.setattr(sklearn_ae._supervised.semi_supervised, "MOST_ROWS", 100)
    model = classifier(semi_supervised=semi_supervised, max_epochs=30)
    n_rows = []

    class Count(Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            n_rows.append(len(X[0]) if isinstance(X, tuple) else len(X))

    model.set_params(callbacks=[Count()])
    model.fit(X_DIGITS[:400], hide(Y_DIGITS[:400], 40))
    assert model.semi_supervised_ is True
    assert n_rows == [100]
    assert model.score(X_DIGITS[:40], Y_DIGITS[:40]) > 0.5


def test__fit__semi_supervised__does_not_see_the_labels_held_out(monkeypatch):
    seen = []
    spread = NeighborGraph.spread

    def spy(self, codes, n_classes):
        seen.append(np.count_nonzero(codes >= 0))
        return spread(self, codes, n_classes)

    monkeypatch.setattr(NeighborGraph, "spread", spy)
    y = hide(Y_DIGITS[:300], 50)
    params = {"early_stopping": True, "validation_fraction": 0.4, "max_epochs": 1}
    classifier(semi_supervised=True, **params).fit(X_DIGITS[:300], y)
    # Trials on parts of the labelled rows come first.
    assert max(seen) == seen[-1] == 30


def spread_accuracy(table, classes, n_labelled):
    """Return how many rows get the class of their cluster, from a few of each."""
    codes = np.full(len(table), -1)
    for code in np.unique(classes):
        codes[np.flatnonzero(classes == code)[:n_labelled]] = code
    table = StandardScaler().fit_transform(table).astype(np.float32)
    probabilities = NeighborGraph(table).spread(codes, len(np.unique(classes)))
    assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities >= 0).all()
    return np.mean(probabilities.argmax(axis=1) == classes)


def test__spread__clusters_of_any_shape__reaches_all_their_rows():
    assert spread_accuracy(*make_moons(400, noise=0.05, random_state=0), 1) > 0.98
    blobs = make_blobs(400, centers=4, cluster_std=0.5, random_state=0)
    assert spread_accuracy(*blobs, 1) > 0.9


def test__spread__cluster_without_label__has_the_expected_shares():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(60, 2)).astype(np.float32)
    table[40:] += 1000
    codes = np.full(60, -1)
    codes[:30] = np.arange(30) % 3 > 0
    probabilities = NeighborGraph(table).spread(codes, 2)
    shares = expected_shares(np.array([10, 20]))
    assert_allclose(probabilities[40:], np.tile(shares, (20, 1)), atol=1e-6)


@pytest.mark.parametrize("n_rows", [2, 5, 11, 40])
def test__spread__equal_rows_or_few__is_finite(n_rows):
    codes = np.full(n_rows, -1)
    codes[:2] = 0, 1
    probabilities = NeighborGraph(np.zeros((n_rows, 3), np.float32)).spread(codes, 3)
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1.0)


counts = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)


@settings(max_examples=100, deadline=None)
@given(counts=counts)
def test__expected_shares__any_counts__lie_between_equal_and_observed_ones(counts):
    counts = np.array(counts)
    shares, observed, equal = (
        expected_shares(counts),
        counts / counts.sum(),
        1 / len(counts),
    )
    assert_allclose(shares.sum(), 1.0)
    assert (shares >= np.minimum(observed, equal) - 1e-12).all()
    assert (shares <= np.maximum(observed, equal) + 1e-12).all()


def test__expected_shares__more_rows__come_nearer_to_what_was_observed():
    few, many = (expected_shares(np.array([3, 7]) * n) for n in (1, 100))
    assert abs(many[0] - 0.3) < abs(few[0] - 0.3)
    assert abs(many[0] - 0.3) < 0.01


# What is refused, and what is left then


LABEL_ERRORS = {
    "no label": (np.full(120, np.nan), ValueError, "no labelled row"),
    "no label among text": ([None] * 120, ValueError, "no labelled row"),
    "None": (None, ValueError, "the target y is None"),
    "too short": (Y[:100], ValueError, r"X has 120 rows, y has 100 labels"),
    "too long": (np.tile(Y, 2), ValueError, r"X has 120 rows, y has 240 labels"),
    "one value": (1, ValueError, "y has a single value"),
    "two columns": (np.c_[Y, Y], ValueError, r"1d array, got an array of shape"),
    "continuous": (TARGET, ValueError, "Unknown label type: .?continuous"),
    "mixed": ([1, "a"] * 60, TypeError, "cannot be sorted"),
    "infinite": (np.where(Y == 1, np.inf, 0.0), ValueError, "infinity"),
}
TARGET_ERRORS = {
    "no target": (np.full(120, np.nan), ValueError, "no labelled row"),
    "one column without": (
        np.c_[TARGET, np.full(120, np.nan)],
        ValueError,
        "no labelled row in column 1",
    ),
    "None": (None, ValueError, "the target y is None"),
    "too short": (TARGET[:100], ValueError, r"X has 120 rows, y has 100 labels"),
    "text": (
        TEXT,
        ValueError,
        "y must hold numbers.*PretrainedClassifier takes labels",
    ),
    "infinite": (np.where(Y == 1, np.inf, 0.0), ValueError, "infinity"),
    "complex": (TARGET + 1j, ValueError, "Complex data not supported"),
    "three dimensions": (np.ones((120, 2, 2)), ValueError, "1d or 2d array"),
}


@pytest.mark.parametrize("case", LABEL_ERRORS)
def test__fit__unusable_labels__are_refused_before_training(case):
    y, error, message = LABEL_ERRORS[case]
    autoencoder = small(callbacks=[Refuse()])
    with pytest.raises(error, match=message):
        classifier(autoencoder).fit(X, y)


@pytest.mark.parametrize("case", TARGET_ERRORS)
def test__fit__unusable_targets__are_refused_before_training(case):
    y, error, message = TARGET_ERRORS[case]
    autoencoder = small(callbacks=[Refuse()])
    with pytest.raises(error, match=message):
        regressor(autoencoder).fit(X, y)


class Refuse(Callback):
    """Fail as soon as training begins."""

    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training began")


def test__fit__all_labels_marked__says_which_mark():
    with pytest.raises(ValueError, match="all labels are missing or -1"):
        classifier(unlabeled_label=-1).fit(X, np.full(len(X), -1))


WRONG_PARAMETERS = {
    "autoencoder": "AE",
    "freeze_encoder": -1,
    "encoder_lr_scale": 0,
    "head_layer_sizes": -3,
    "dropout": 1,
    "label_smoothing": 1,
    "semi_supervised": "always",
    "class_weight": "even",
    "optimizer": "lbfgs",
    "lr": 0,
    "weight_decay": -1,
    "lr_schedule": "steps",
    "max_epochs": 0,
    "batch_size": 0,
    "early_stopping": "yes",
    "validation_fraction": 1,
    "n_iter_no_change": 0,
    "tol": -1,
    "device": 3,
    "callbacks": "watch",
    "net_params": ["optimizer__momentum"],
    "verbose": -1,
    "random_state": "seed",
}


@pytest.mark.parametrize("make", [classifier, regressor])
def test__fit__wrong_parameter__is_named(make):
    known = {*make().get_params(deep=False)}
    assert known - {"unlabeled_label"} <= {*WRONG_PARAMETERS}
    for name in known & {*WRONG_PARAMETERS}:
        model = make(small(callbacks=[Refuse()])).set_params(
            **{name: WRONG_PARAMETERS[name]}
        )
        with pytest.raises(
            ValueError, match=f"'{name}' parameter of {type(model).__name__}"
        ):
            model.fit(X, Y)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"head_layer_sizes": (8, 0)},
            ValueError,
            "head_layer_sizes must hold integers",
        ),
        (
            {"head_layer_sizes": (2.5,)},
            ValueError,
            "head_layer_sizes must hold integers",
        ),
        ({"optimizer": PCA}, TypeError, "optimizer must derive from the Optimizer"),
        ({"net_params": {"momentum": 1}}, ValueError, "unknown name 'momentum'"),
        ({"net_params": {"max_epochs": 1}}, ValueError, "has the name 'max_epochs'"),
        ({"autoencoder__lr": -1.0}, ValueError, "'lr' parameter of AutoencoderTrans"),
        ({"class_weight": {0: 1, 5: 1}}, ValueError, "not in class_weight"),
    ],
)
def test__fit__parameters_that_cannot_be_used__say_so(params, error, message):
    with pytest.raises(error, match=message):
        classifier().set_params(**params).fit(X, Y)


def test__set_params__part_of_an_absent_autoencoder__says_so():
    model = AutoencoderPretrainedClassifier()
    with pytest.raises(ValueError, match="because autoencoder is None"):
        model.set_params(autoencoder__n_components=3)
    model.set_params(autoencoder=small(), autoencoder__n_components=3)
    assert model.autoencoder.n_components == 3


@pytest.mark.parametrize("n_rows", [1, 2, 10])
def test__fit__semi_supervised_with_few_rows__works(n_rows):
    few, y = X[:n_rows], Y[:n_rows]
    assert classifier(semi_supervised="auto").fit(few, y).semi_supervised_ is False
    model = classifier(semi_supervised=True).fit(few, y)
    assert model.semi_supervised_ is (n_rows > 1)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("semi_supervised", ["auto", True, False])
def test__fit__early_stopping_and_no_row_to_spare__works(semi_supervised):
    y = np.full(len(X), np.nan)
    y[[0, 100]] = 0, 1
    model = classifier(early_stopping=True, semi_supervised=semi_supervised)
    model.fit(X, y)
    assert len(model.validation_loss_curve_) == model.n_iter_
    assert np.isfinite(model.predict_proba(X)).all()


def test__fit__column_of_dates__is_refused():
    table = pd.DataFrame(X).add_prefix("c")
    table["day"] = pd.date_range("2026-01-01", periods=len(table))
    with pytest.raises(ValueError, match=r"Columns 'day' .* hold dates"):
        classifier().fit(table, Y)


@pytest.mark.parametrize("semi_supervised", ["auto", True, False])
def test__fit__single_class__is_always_predicted(semi_supervised):
    model = classifier(semi_supervised=semi_supervised).fit(X, ["only"] * len(X))
    assert {*model.predict(X)} == {"only"}
    assert_allclose(model.predict_proba(X), 1.0)


@pytest.mark.parametrize("semi_supervised", ["auto", True, False])
@pytest.mark.parametrize("n_labelled", [1, 2, 3, 25])
def test__fit__few_labels_or_a_class_of_one_row__works(n_labelled, semi_supervised):
    y = hide(np.arange(len(X)) == 0, n_labelled)
    model = classifier(semi_supervised=semi_supervised).fit(X, y)
    assert model.classes_.tolist() == [0, 1][-min(n_labelled, 2) :]
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("n_labelled", [1, 2, 3])
def test__fit__few_targets__works(n_labelled):
    model = regressor().fit(X, hide(TARGET, n_labelled))
    least, largest = TARGET[:n_labelled].min(), TARGET[:n_labelled].max()
    margin = 10 * (largest - least) + 1e-6
    predicted = model.predict(X)
    assert (predicted > least - margin).all()
    assert (predicted < largest + margin).all()


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize(
    "method", ["predict", "transform", "get_feature_names_out", "score"]
)
def test__inference__before_fit__says_to_fit(make, method):
    arguments = {"get_feature_names_out": (), "score": (X, Y)}.get(method, (X,))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(make(), method)(*arguments)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform"])
def test__inference__other_columns__is_refused(method):
    model = classifier().fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features"):
        getattr(model, method)(X[:, :3])


@pytest.mark.parametrize(
    "fails",
    [
        lambda model: model.fit(X, TEXT[:5]),
        lambda model: model.fit(X, np.full(len(X), np.nan)),
        lambda model: model.fit(np.full_like(X, np.inf), Y),
        lambda model: model.set_params(dropout=2).fit(X, Y),
        lambda model: model.set_params(callbacks=[Refuse()]).fit(X[:, :3], Y),
        lambda model: model.set_params(lr=1e30, optimizer="sgd").fit(X[:, :3], Y),
    ],
)
@pytest.mark.parametrize("make", [classifier, regressor])
def test__failed_fit__later_one__leaves_the_earlier_usable(make, fails):
    model = make().fit(X, Y)
    before, predicted = {**vars(model)}, model.predict(X)
    with pytest.raises((ValueError, TypeError, AssertionError)):
        fails(model)
    fitted = {name for name in before if name.endswith("_") or name[0] == "_"}
    assert {n for n in vars(model) if n.endswith("_") or n[0] == "_"} == fitted
    assert all(vars(model)[name] is before[name] for name in fitted)
    assert_array_equal(model.predict(X), predicted)


def test__fit__diverging__says_what_to_try():
    with pytest.raises(ValueError, match="lr"):
        classifier(lr=1e30, optimizer="sgd").fit(X, Y)


# Scaling by quartiles


def test__robust_scaling__rows_of_fit__come_back():
    table = X_CANCER.copy()
    table[::7, 2] = np.nan
    scaler = Scaler("robust").fit(table)
    there = scaler.encode(table)
    assert_array_equal(np.isnan(there), np.isnan(table))
    spread = np.nanmax(table, axis=0) - np.nanmin(table, axis=0)
    assert_allclose((scaler.decode(there) - table) / spread, table * 0, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1, max_size=40),
    far=st.floats(-1e30, 1e30),
)
def test__robust_scaling__any_value__lies_within_three_deviations(values, far):
    column = np.array(values)[:, None]
    scaler = Scaler("robust").fit(column)
    there = scaler.encode(np.append(column, [[far]], axis=0))
    assert (np.abs(there[~np.isnan(there)]) <= 3).all()
    if not np.isnan(column).all():
        back = scaler.decode(np.float32([[-1e9], [-3], [0], [3], [1e9]]))
        assert (back >= np.nanmin(column)).all()
        assert (back <= np.nanmax(column)).all()


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(-1000, 1000), min_size=2, max_size=30, unique=True))
def test__robust_scaling__larger_values__stay_larger(values):
    """Drawn in, but in their order."""
    column = np.sort(np.array(values, dtype=np.float64))[:, None]
    there = Scaler("robust").fit(column).encode(column)
    assert (np.diff(there[:, 0]) >= 0).all()


def test__robust_scaling__one_outlier__hardly_moves_the_others():
    table = X_CANCER[:100, :1]
    outlier = np.vstack([table, [[1e9]]])
    plain = Scaler("robust").fit(table).encode(table)
    spoilt = Scaler("robust").fit(outlier).encode(table)
    assert_allclose(spoilt, plain, atol=0.1)


def test__robust_scaling__normal_column__is_in_deviations():
    column = np.random.default_rng(0).normal(50, 4, size=(20_000, 1))
    scaler = Scaler("robust").fit(column)
    # 0.2 deviations are so few that they are hardly drawn in.
    assert_allclose(scaler.encode(np.array([[50.0], [50.8]])), [[0], [0.2]], atol=0.02)


def test__robust_scaling__constant_column__comes_back():
    table = np.column_stack([X_CANCER[:, 0], np.full(len(X_CANCER), 7.0)])
    scaler = Scaler("robust").fit(table)
    assert_array_equal(scaler.encode(table)[:, 1], np.zeros(len(table)))
    assert_array_equal(scaler.decode(scaler.encode(table))[:, 1], table[:, 1])


def test__robust_scaling__mostly_equal_cells__tells_the_others_apart():
    """Their quartiles are equal, and say nothing of the scale."""
    column = np.zeros((100, 1))
    column[::10] = np.arange(1.0, 11.0)[:, None]
    scaler = Scaler("robust").fit(column)
    there = scaler.encode(column)
    assert len(np.unique(there)) == 11
    assert_allclose(scaler.decode(there), column, atol=1e-3)


@pytest.mark.parametrize("form", [sparse.csr_array, np.asfortranarray, np.float32])
def test__robust_scaling__same_rows_in_another_form__scale_alike(form):
    table = np.where(X_DIGITS > 6, X_DIGITS, 0.0)
    expected = Scaler("robust").fit(table).encode(table)
    assert_allclose(
        Scaler("robust").fit(form(table)).encode(form(table)), expected, atol=1e-5
    )


def test__robust_scaling__float32__comes_back_as_float32():
    table = X_CANCER.astype(np.float32)
    scaler = Scaler("robust").fit(table)
    assert scaler.decode(scaler.encode(table)).dtype == np.float32
    assert_allclose(
        scaler.encode(table), Scaler("robust").fit(X_CANCER).encode(X_CANCER), atol=1e-4
    )


def test__robust_scaling__whole_weights__are_as_repeated_rows():
    times = np.random.default_rng(0).integers(4, size=len(X_CANCER))
    weighted = Scaler("robust").fit(X_CANCER, times.astype(float))
    repeated = Scaler("robust").fit(np.repeat(X_CANCER, times, axis=0))
    assert_array_equal(weighted.encode(X_CANCER), repeated.encode(X_CANCER))
    unweighted = Scaler("robust").fit(X_CANCER)
    assert (weighted.encode(X_CANCER) != unweighted.encode(X_CANCER)).any()


def test__reconstruct__robust_scaling__is_in_the_units_of_the_table():
    ae = small(10, max_epochs=60, scaling="robust", random_state=0).fit(X_CANCER)
    rebuilt = ae.reconstruct(X_CANCER)
    errors = np.median(np.abs(rebuilt - X_CANCER), axis=0)
    assert (errors < 0.5 * X_CANCER.std(axis=0)).all()
    scaled = MinMaxScaler().fit(X_CANCER).transform(rebuilt)
    assert scaled.min() > -1e-6
    assert scaled.max() < 1 + 1e-6


def test__fit__robust_scaling_of_a_mixed_frame__leaves_categories_alone():
    cells = mixed_cells()
    ae = small(scaling="robust", random_state=0).fit(to_array(cells))
    rebuilt = ae.reconstruct(to_array(cells))
    assert {*rebuilt[:, 2]} <= {*COLOURS}
    sizes = [size for size in cells["size"] if size is not None]
    assert min(sizes) - 1e-6 <= rebuilt[:, 0].astype(float).min()
    assert rebuilt[:, 0].astype(float).max() <= max(sizes) + 1e-6


@pytest.mark.parametrize("semi_supervised", [False, True])
def test__fit__rare_class__is_not_lost(semi_supervised):
    """Among neighbours, a rare class is seldom the most likely one."""
    rng = np.random.default_rng(0)
    rare = rng.random(600) < 0.13
    table = rng.normal(size=(600, 4)) + 3.0 * rare[:, None]
    model = classifier(semi_supervised=semi_supervised, max_epochs=30)
    predicted = model.fit(table, hide(rare, 100)).predict(table)
    assert np.mean(predicted == rare) > 0.95


def test__fit__mark_beside_missing_labels__both_mean_unlabelled():
    y = pd.Series(Y, dtype="Int64")
    y[::3], y[1::3] = pd.NA, -1
    model = classifier(unlabeled_label=-1).fit(X, y)
    y[1::3] = pd.NA
    assert_array_equal(model.predict_proba(X), classifier().fit(X, y).predict_proba(X))


def test__fit__freeze_encoder_from_an_array__is_what_it_says():
    models = [classifier(freeze_encoder=f).fit(X, Y) for f in np.array([False, True])]
    assert [bool(thawed(model)) for model in models] == [True, False]


class Following(Callback):
    """Holds what cannot be copied."""

    def __init__(self):
        self.lock, self.n_epochs = threading.Lock(), 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1


def test__fit__callback_of_the_user__follows_training_and_no_trial():
    follower = Following()
    model = classifier(callbacks=[follower], max_epochs=4).fit(X, Y)
    assert follower.n_epochs == model.n_iter_ == 4


@pytest.mark.parametrize("make", [classifier, regressor])
def test__fit__all_labelled_rows_weigh_nothing__is_refused(make):
    y = hide(Y, 50)
    with pytest.raises(ValueError, match="all of them weigh 0"):
        make().fit(X, y, sample_weight=1.0 * np.isnan(y))


class Started(Callback):
    """Counts over all copies."""

    times = 0

    def on_train_begin(self, net, **kwargs):
        Started.times += 1


@pytest.mark.parametrize(
    "params", [{"device": "nowhere"}, {"net_params": {"optimizer__bets": 1}}]
)
def test__fit__unusable_parameter_of_the_second_phase__is_found_before_the_first(
    params,
):
    before = Started.times
    with pytest.raises(ValueError, match=r"nowhere|bets"):
        classifier(small(callbacks=[Started()]), **params).fit(X, Y)
    assert Started.times == before
