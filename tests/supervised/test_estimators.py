"""Both predictors as estimators: copies, seeds, containers."""

import pickle
import random
from copy import deepcopy

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score

from sklearn_ae import AutoencoderPretrainedClassifier
from tests.helpers import mixed_cells, to_array
from tests.supervised.helpers import (
    MODELS,
    X_DIGITS,
    X,
    Y,
    classifier,
    hide,
    small,
    weights,
)


def without(values, missing):
    """Return a list of values, a third of them replaced by a mark."""
    return [missing if i % 3 == 1 else value for i, value in enumerate(values)]


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


@pytest.mark.slow
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


@pytest.mark.slow
def test__fit__mixed_table__beats_the_most_frequent_class_with_few_labels(
    large_mixed_table,
):
    X, y = large_mixed_table.iloc[:, :-1], large_mixed_table.iloc[:, -1]
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


def test__fit__most_rows_with_a_label__pretrains_for_half_as_long():
    """A weight of 3 is three rows, here as there."""
    weight = np.where(np.arange(len(X)) < 40, 3, 1)
    epochs = [
        len(
            AutoencoderPretrainedClassifier(semi_supervised=False, max_epochs=1)
            .fit(X, y, sample_weight=sample_weight)
            .pretraining_history_
        )
        for y, sample_weight in [(Y, None), (hide(Y, 40), weight), (hide(Y, 40), None)]
    ]
    assert epochs[0] == epochs[1] < epochs[2] == 2 * epochs[0]
