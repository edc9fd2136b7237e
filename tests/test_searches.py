"""Searches and caches of scikit-learn train no more than they have to."""

import os

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._net.net import AutoencoderNet

X, Y = load_wine(return_X_y=True)
LRS = [1e-5, 1e-4, 1e-3, 1e-2]


@pytest.fixture
def trainings(monkeypatch):
    """Note how many epochs each training takes."""
    n_epochs = []
    original = AutoencoderNet.fit_loop

    def fit_loop(self, *args, **kwargs):
        try:
            return original(self, *args, **kwargs)
        finally:
            n_epochs.append(len(self.history))

    monkeypatch.setattr(AutoencoderNet, "fit_loop", fit_loop)
    return n_epochs


def make(**params):
    return AutoencoderTransformer(2, random_state=0, **params)


def make_pipeline(**params):
    steps = [("ae", make(max_epochs=3)), ("classifier", LogisticRegression())]
    return Pipeline(steps, **params)


@pytest.mark.parametrize(
    ("estimator", "prefix"), [(make(), ""), (make_pipeline(), "ae__")]
)
def test__halving_search__epochs_as_resource__trains_few_candidates_to_the_end(
    estimator, prefix, trainings
):
    search = HalvingGridSearchCV(
        estimator,
        {f"{prefix}lr": LRS},
        resource=f"{prefix}max_epochs",
        min_resources=3,
        max_resources=12,
        factor=2,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(X, Y)
    # Four candidates for 3 epochs, two for 6, one for 12, on two folds; then the best.
    assert trainings == [3] * 8 + [6] * 4 + [12] * 2 + [12]
    assert sum(trainings[:-1]) < 12 * len(LRS) * 2
    assert search.best_params_[f"{prefix}max_epochs"] == 12


def test__pipeline__memory__trains_once_for_each_fold(trainings, tmp_path):
    grid = {"classifier__C": [0.1, 1.0, 10.0]}
    pipelines = make_pipeline(), make_pipeline(memory=str(tmp_path))
    searches, counts = [], []
    for pipeline in pipelines:
        searches.append(GridSearchCV(pipeline, grid, cv=2).fit(X, Y))
        counts.append(len(trainings))
    # The cache spares all but two folds; the best is trained on all rows once more.
    assert np.diff([0, *counts]).tolist() == [3 * 2 + 1, 2 + 1]
    plain, cached = (search.cv_results_["mean_test_score"] for search in searches)
    assert plain.tolist() == cached.tolist()
    GridSearchCV(pipelines[1], {"classifier__C": [2.0]}, cv=2).fit(X, Y)
    assert len(trainings) == counts[-1]


def count_threads(estimator, X, y=None):
    """Return how many threads the process of a candidate has, as a score."""
    return torch.get_num_threads()


@pytest.mark.slow
def test__grid_search__several_jobs__have_no_more_threads_than_cores():
    ae = AutoencoderTransformer(2, max_epochs=1)
    grid = {"lr": LRS}
    search = GridSearchCV(ae, grid, scoring=count_threads, cv=2, n_jobs=2, refit=False)
    n_threads = search.fit(X).cv_results_["mean_test_score"]
    assert (2 * n_threads <= max(2, os.cpu_count())).all()
