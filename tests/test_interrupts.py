"""Ctrl+C ends any training: what was trained so far is kept, and the interrupt raised.

A callback raises it in a chosen training, counted over all that an estimator does.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
WITH_GAPS = np.where(X > 1, np.nan, X)


class Interrupt(Callback):
    """Presses Ctrl+C in one of the trainings, before or after its first step."""

    def __init__(self, training=1, event="on_epoch_end"):
        self.training = training
        self.event = event

    n_trainings = 0

    def on_train_begin(self, net, **kwargs):
        Interrupt.n_trainings += 1

    def notify(self, event):
        if event == self.event and Interrupt.n_trainings == self.training:
            raise KeyboardInterrupt

    def on_epoch_begin(self, net, **kwargs):
        self.notify("on_epoch_begin")

    def on_epoch_end(self, net, **kwargs):
        self.notify("on_epoch_end")


@pytest.fixture(autouse=True)
def _no_training_yet():
    Interrupt.n_trainings = 0


def small(*callbacks, **params):
    return AutoencoderTransformer(
        2, max_epochs=4, callbacks=list(callbacks), random_state=0, **params
    )


def detector(*callbacks):
    return AutoencoderAnomalyDetector(small(*callbacks), n_estimators=3, random_state=0)


def imputer(*callbacks):
    return AutoencoderImputer(small(*callbacks), n_estimators=3, random_state=0)


def classifier(*callbacks, **params):
    return AutoencoderPretrainedClassifier(
        small(*callbacks), max_epochs=3, callbacks=list(callbacks), **params
    )


def supervised(*callbacks):
    return classifier(*callbacks, semi_supervised=False)


def regressor(*callbacks):
    return AutoencoderPretrainedRegressor(
        small(*callbacks), max_epochs=3, callbacks=list(callbacks)
    )


# Each with a training that is interrupted, its rows, and the method that infers.
CASES = {
    "transformer": (small, 1, (X,), "transform"),
    "first member of the detector": (detector, 1, (X,), "score_samples"),
    "second member of the detector": (detector, 2, (X,), "score_samples"),
    "first member of the imputer": (imputer, 1, (WITH_GAPS,), "transform"),
    "second member of the imputer": (imputer, 2, (WITH_GAPS,), "transform"),
    "pre-training of the classifier": (classifier, 1, (X, Y), "predict"),
    "fine-tuning of the classifier": (classifier, 2, (X, Y), "predict"),
    "pre-training of the regressor": (regressor, 1, (X, X[:, 0]), "predict"),
    "fine-tuning of the regressor": (regressor, 2, (X, X[:, 0]), "predict"),
}


@pytest.mark.parametrize("case", CASES)
def test__interrupt__after_a_step__keeps_a_usable_estimator(case):
    make, training, data, method = CASES[case]
    estimator = make(Interrupt(training))
    with pytest.raises(KeyboardInterrupt, match="kept"):
        estimator.fit(*data)
    assert Interrupt.n_trainings == training
    result = np.asarray(getattr(estimator, method)(data[0]), dtype=float)
    assert np.isfinite(result).all()
    members = getattr(estimator, "estimators_", None)
    if members is not None:
        assert len(members) == training


@pytest.mark.parametrize("case", ["transformer", *list(CASES)[1::2]])
def test__interrupt__before_the_first_step__leaves_the_estimator_as_it_was(case):
    make, _, data, method = CASES[case]
    estimator = make(Interrupt(1, "on_epoch_begin"))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(*data)
    assert not [name for name in vars(estimator) if name.endswith("_")]

    fitted = make().fit(*data)
    before = getattr(fitted, method)(data[0])
    Interrupt.n_trainings = 0
    callback = Interrupt(1, "on_epoch_begin")
    part = fitted if case == "transformer" else fitted.autoencoder
    part.callbacks = [callback]
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(*data)
    assert_array_equal(getattr(fitted, method)(data[0]), before)


def test__interrupt__before_a_step_of_the_second_member__keeps_the_first():
    model = detector(Interrupt(2, "on_epoch_begin"))
    with pytest.raises(KeyboardInterrupt, match="kept"):
        model.fit(X)
    assert len(model.estimators_) == 1
    assert np.isfinite(model.score_samples(X)).all()


def test__interrupt__while_reading_the_table__leaves_the_estimator_as_it_was(
    monkeypatch,
):
    model = small().fit(X)
    before = model.transform(X)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_ae._tables.scaling.Scaler.fit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :3])
    assert_array_equal(model.transform(X), before)


@pytest.mark.parametrize(
    ("make", "y", "least_score"), [(supervised, Y, 0.7), (regressor, X[:, 0], 0.2)]
)
def test__interrupt__in_a_trial_of_fine_tuning__leaves_the_linear_model_of_all_rows(
    make, y, least_score, monkeypatch
):
    def interrupt_before(tuning, labelled, out, plan):
        raise KeyboardInterrupt

    def interrupt_after(tuning, labelled, out, plan):
        tuning.train(labelled, None, plan)
        raise KeyboardInterrupt

    heads = []
    for interrupt in (interrupt_before, interrupt_after):
        trial = "sklearn_ae._supervised.plan._train_and_predict"
        monkeypatch.setattr(trial, interrupt)
        model = make().set_params(random_state=0)
        with pytest.raises(KeyboardInterrupt, match="kept"):
            model.fit(X, y)
        assert model.n_iter_ == 0
        assert not getattr(model, "semi_supervised_", False)
        assert model.score(X, y) > least_score
        heads.append(model.module_.head[-1].weight.detach().numpy())
    assert_array_equal(*heads)


def test__interrupt__in_pre_training_for_hidden_layers_of_a_head__fits_nothing():
    """Such a head is random before fine-tuning."""
    model = classifier(Interrupt(1), head_layer_sizes=(5,))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("n_before", [0, 1])
def test__interrupt__in_partial_fit__keeps_what_was_trained(n_before):
    model = small()
    for _ in range(n_before):
        model.partial_fit(X)
    untrained = None if n_before == 0 else model.transform(X)

    class AfterStep(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    callback = AfterStep()
    if n_before:
        model.net_.callbacks_.append(("stop", callback))
        model.net_._listeners = {}
        model.net_.callbacks = [callback]
    else:
        model.set_params(callbacks=[callback])
    with pytest.raises(KeyboardInterrupt, match="kept"):
        model.partial_fit(X)
    trained = model.transform(X)
    assert np.isfinite(trained).all()
    if n_before:
        assert (trained != untrained).any()


def test__interrupt__in_a_search__ends_it():
    """A half-trained model would have a score among the results."""
    search = GridSearchCV(small(Interrupt(2)), {"lr": [1e-3, 1e-2]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert Interrupt.n_trainings == 2
    assert not hasattr(search, "cv_results_")


def test__interrupt__fitted_again__is_forgotten():
    model = small(Interrupt(1))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.fit(X).n_iter_ == 4
    assert_array_equal(model.transform(X), clone(small()).fit(X).transform(X))
