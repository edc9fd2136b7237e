"""The detector as an estimator: thresholds, p-values, tables, seeds."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import false_discovery_control, spearmanr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderAnomalyDetector
from tests.anomaly.helpers import Y_CANCER, X, correlated, detector, small

# Thresholds


@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.5])
def test__contamination__is_the_share_of_outliers_among_the_rows_of_fit(contamination):
    model = detector(contamination=contamination)
    assert (model.fit_predict(X) == -1).mean() == pytest.approx(contamination, abs=0.01)


def test__contamination__auto__hardly_flags_rows_like_those_of_fit():
    model = AutoencoderAnomalyDetector(random_state=0).fit(correlated(1000, 0))
    share = (model.predict(correlated(1000, 1)) == -1).mean()
    assert share < 0.05
    assert (model.predict(correlated(50, 2) + 8) == -1).all()


def test__decision_function__is_the_score_above_the_offset():
    model = detector(contamination=0.1).fit(X)
    decision = model.decision_function(X)
    assert_allclose(decision, model.score_samples(X) - model.offset_)
    assert_array_equal(model.predict(X), np.where(decision < 0, -1, 1))


@pytest.mark.parametrize("contamination", [0.0, -0.1, 0.6, 1, "none", None, np.nan])
def test__contamination__out_of_range__is_refused(contamination):
    with pytest.raises(ValueError, match="contamination"):
        detector(contamination=contamination).fit(X)


# p-values


def test__p_values__of_rows_like_those_of_fit__are_uniform():
    model = detector(calibration_fraction=0.5).fit(correlated(4000, 0))
    p = model.p_values(correlated(4000, 1))
    for level in (0.05, 0.2, 0.5, 0.8):
        assert (p <= level).mean() == pytest.approx(level, abs=0.04)


def test__p_values__benjamini_hochberg__keeps_the_false_discovery_rate():
    """Over many repetitions; the mean of the shares is uncertain by about 0.02."""
    level, shares, found = 0.2, [], []
    for seed in range(40):
        model = detector(calibration_fraction=0.5, random_state=seed)
        model.fit(correlated(600, 3 * seed))
        test = np.vstack([correlated(180, 3 * seed + 1), correlated(20, 3 * seed + 2)])
        test[180:] += 5 * np.where(np.arange(6) % 2, 1, -1)
        odd = false_discovery_control(model.p_values(test)) <= level
        shares.append(odd[:180].sum() / max(1, odd.sum()))
        found.append(odd[180:].mean())
    assert np.mean(shares) < level + 0.05
    assert np.mean(found) > 0.8


def test__p_values__ties__count_as_low_as_the_row():
    model = detector(calibration_fraction=0.2).fit(X)
    held_out = X[model.calibration_indices_]
    n = len(held_out)
    assert n == 30
    p = model.p_values(held_out)
    assert_allclose(np.sort(p), np.arange(2, n + 2) / (n + 1))
    assert model.p_values(X[:1] + 1e6) == 1 / (n + 1)


def test__p_values__level_that_the_calibration_cannot_reach__is_refused():
    model = detector(calibration_fraction=0.2).fit(X)
    assert model.p_values(X, level=0.05).shape == (len(X),)
    with pytest.raises(ValueError, match="at least 99 calibration rows"):
        model.p_values(X, level=0.01)


@pytest.mark.parametrize("level", [0, 1, -0.1, "low", np.nan])
def test__p_values__level_out_of_range__is_refused(level):
    with pytest.raises(ValueError, match="level must be a number between 0 and 1"):
        detector(calibration_fraction=0.2).fit(X).p_values(X, level=level)


def test__p_values__without_calibration__says_how_to_get_some():
    model = detector(calibration_fraction=0).fit(X)
    with pytest.raises(ValueError, match="calibration_fraction"):
        model.p_values(X)


def test__calibration_rows__do_not_take_part_in_the_fit():
    """What is in them changes their own scores alone."""
    model = detector(calibration_fraction=0.3).fit(X)
    other = X.copy()
    other[model.calibration_indices_] += 100
    again = detector(calibration_fraction=0.3).fit(other)
    assert_array_equal(model.score_samples(X), again.score_samples(X))
    assert (again.calibration_scores_ < model.calibration_scores_.min()).all()


# Tables


def containers():
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(8)])
    yield "list", X.tolist()
    yield "fortran", np.asfortranarray(X)
    yield "pandas", frame
    yield "polars", pl.from_pandas(frame)
    yield "csr", sparse.csr_array(X)
    yield "csc", sparse.csc_matrix(X)


@pytest.mark.parametrize(
    "table",
    [table for _, table in containers()],
    ids=[name for name, _ in containers()],
)
def test__containers__give_the_scores_of_an_array(table):
    expected = detector().fit(X).score_samples(X)
    model = detector().fit(table)
    assert_allclose(model.score_samples(table), expected, rtol=1e-3, atol=1e-4)


def test__float32__gives_nearly_the_scores_of_float64():
    """Rounding takes training another way."""
    scores = [detector().fit(T).score_samples(T) for T in (X, X.astype(np.float32))]
    assert spearmanr(*scores).statistic > 0.95


def test__memmap__gives_the_scores_of_an_array(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_array_equal(
        detector().fit(mapped).score_samples(mapped), detector().fit(X).score_samples(X)
    )


# As an estimator


def test__random_state__same_seed__same_scores_bit_for_bit():
    first, second = (detector().fit(X) for _ in range(2))
    assert_array_equal(first.score_samples(X), second.score_samples(X))
    other = detector(random_state=1).fit(X)
    assert (other.score_samples(X) != first.score_samples(X)).any()


def test__fit__global_generators__are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(0)
    np.random.seed(0)
    detector().fit(X).score_samples(X)
    assert_array_equal(torch.rand(3), expected[0])
    assert_array_equal(np.random.rand(3), expected[1])


def test__pickle_and_clone__keep_what_they_should():
    model = detector(n_estimators=2).fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.score_samples(X), model.score_samples(X))
    assert_array_equal(again.p_values(X), model.p_values(X))
    assert not hasattr(clone(model), "offset_")


def test__pipeline__and_search__work():
    pipeline = make_pipeline(StandardScaler(), detector())
    assert set(pipeline.fit(X).predict(X)) <= {-1, 1}
    search = GridSearchCV(
        detector(),
        {"autoencoder__n_components": [2, 4], "n_estimators": [1, 2]},
        scoring=lambda model, X, y: roc_auc_score(y, model.score_samples(X)),
        error_score="raise",
    )
    search.fit(X, Y_CANCER[:150])
    assert search.best_estimator_.predict(X).shape == (150,)


def test__frozen_autoencoder__is_used_as_it_is():
    autoencoder = small(random_state=0).fit(X)
    before = [w.clone() for w in autoencoder.module_.parameters()]
    model = detector(FrozenEstimator(autoencoder), n_estimators=3).fit(X)
    assert model.estimators_ == [autoencoder]
    for w, b in zip(autoencoder.module_.parameters(), before, strict=True):
        assert torch.equal(w, b)


@pytest.mark.parametrize("seed", [None, 0])
def test__n_estimators__members_differ(seed):
    model = detector(small(random_state=seed), n_estimators=3).fit(X)
    codes = [member.transform(X) for member in model.estimators_]
    assert len(codes) == 3
    assert (codes[0] != codes[1]).any()


def test__not_fitted__is_an_error():
    for method in ("predict", "score_samples", "decision_function", "explain"):
        with pytest.raises(NotFittedError):
            getattr(detector(), method)(X)
    with pytest.raises(NotFittedError):
        detector().p_values(X)


def test__failed_fit__leaves_the_fitted_detector_as_it_was():
    model = detector().fit(X)
    before = model.score_samples(X)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.where(X.max() - 1 < X, np.inf, X))
    assert_array_equal(model.score_samples(X), before)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"n_estimators": 0}, ValueError),
        ({"calibration_fraction": 1.0}, ValueError),
        ({"calibration_fraction": -0.1}, ValueError),
        ({"autoencoder": "big"}, ValueError),
        ({"device": 3}, ValueError),
    ],
)
def test__parameters__out_of_range__are_refused(params, error):
    with pytest.raises(error, match=next(iter(params))):
        AutoencoderAnomalyDetector(**params).fit(X)


def test__rows__with_other_columns__are_refused():
    model = detector().fit(X)
    with pytest.raises(ValueError, match="features"):
        model.score_samples(X[:, :5])
