"""A fitted autoencoder is used as it is; parameters and tables that are refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

from sklearn_ae import AutoencoderPretrainedClassifier
from tests.supervised.helpers import (
    TARGET,
    X_DIGITS,
    Y_DIGITS,
    X,
    Y,
    classifier,
    differing,
    hide,
    regressor,
    small,
    state,
    unfrozen,
    weights,
)


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
    assert unfrozen(first)
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


TEXT = [["green", "red"][label] for label in Y]


class Refuse(Callback):
    """Fail as soon as training begins."""

    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training began")


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
