"""Detector: which rows are odd, what is odd about them, and how sure that is."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import mixed_cells
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import false_discovery_control, spearmanr
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae import AutoencoderAnomalyDetector, AutoencoderTransformer
from sklearn_ae.architectures import TorchModule

X_CANCER, Y_CANCER = load_breast_cancer(return_X_y=True)
X = X_CANCER[:150, :8]


class Linear(nn.Module):
    """A user's model."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Linear(n_features, n_components)
        self.decoder = nn.Linear(n_components, n_features)


def small(**params):
    return AutoencoderTransformer(**{"max_epochs": 2, **params})


def detector(autoencoder=None, **params):
    """Return a detector for what does not depend on how well it detects."""
    return AutoencoderAnomalyDetector(
        autoencoder or small(), **{"random_state": 0, **params}
    )


def correlated(n_rows, seed, n_columns=6):
    """Return rows whose columns follow from two numbers each."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_rows, 2))
    mixing = np.random.default_rng(99).normal(size=(2, n_columns))
    return Z @ mixing + 0.3 * rng.normal(size=(n_rows, n_columns))


# Scores


def test__score_samples__malignant_tumours_among_benign_ones__are_odd():
    benign, malignant = X_CANCER[Y_CANCER == 1], X_CANCER[Y_CANCER == 0]
    train, test = train_test_split(benign, random_state=0)
    model = AutoencoderAnomalyDetector(random_state=0).fit(train)
    scores = np.concatenate([model.score_samples(P) for P in (test, malignant)])
    odd = np.repeat([0, 1], [len(test), len(malignant)])
    assert roc_auc_score(odd, -scores) > 0.95


def test__score_samples__odd_rows_in_fit__are_still_the_oddest():
    rows, odd = correlated(500, 0), 6 + 0.1 * correlated(15, 1)
    table = np.vstack([rows, odd])
    scores = AutoencoderAnomalyDetector(random_state=0).fit(table).score_samples(table)
    assert roc_auc_score(np.arange(515) >= 500, -scores) > 0.99


def test__score_samples__odd_rows_that_lie_together__do_not_vouch_for_one_another():
    table = correlated(1000, 0)
    table[:50] = 8 + 0.05 * correlated(50, 1)
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    assert roc_auc_score(np.arange(1000) < 50, -model.score_samples(table)) > 0.99


def test__score_samples__rows_of_fit__score_as_new_ones_do():
    """Each is among those that rows are compared with, but not with itself."""
    model = AutoencoderAnomalyDetector(contamination=0.1, random_state=0)
    model.fit(correlated(600, 0))
    new = model.predict(correlated(2000, 1)) == -1
    assert new.mean() == pytest.approx(0.1, abs=0.05)


def test__score_samples__row_that_breaks_a_relation_between_columns__is_odd():
    """Each cell for itself is ordinary."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1000))
    table = np.c_[a, a + 0.1 * rng.normal(size=1000), b, b**2]
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    broken = [[1.0, -1.0, 0.5, 0.25], [1.0, 1.0, 0.2, 3.0]]
    usual = [[1.0, 1.0, 0.5, 0.25], [-0.5, -0.5, 1.0, 1.0]]
    assert model.score_samples(broken).max() < model.score_samples(usual).min()
    assert_array_equal(model.predict(broken), -1)


def test__score_samples__unit_of_a_column__does_not_matter():
    unit = 4.0 ** np.arange(-4, 4)  # of two: others would round differently
    model, other = detector().fit(X), detector().fit(X * unit)
    assert_allclose(model.score_samples(X), other.score_samples(X * unit), rtol=1e-4)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 10, 100])
def test__fit__few_rows__gives_finite_scores(n_rows):
    model = AutoencoderAnomalyDetector(random_state=0).fit(X[:n_rows])
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.explain(X)).all()


def test__fit__more_columns_than_rows__finds_the_odd_row():
    table = load_digits().data[:30]
    odd = np.roll(table[:1], 37, axis=1)
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    assert model.score_samples(odd) < np.median(model.score_samples(table))


@pytest.mark.parametrize(
    "column",
    [np.zeros(150), np.arange(150) % 2, np.r_[1e6, np.zeros(149)], np.full(150, -3.5)],
    ids=["constant", "binary", "one value far off", "another constant"],
)
def test__fit__columns_that_hardly_vary__give_finite_scores(column):
    table = np.c_[X, column]
    model = detector().fit(table)
    assert np.isfinite(model.score_samples(table)).all()
    contributions = model.explain(table).sum(axis=1)
    assert_allclose(contributions, -model.score_samples(table), rtol=1e-4)


def test__score_samples__value_beside_a_constant__is_odd():
    table = np.c_[X, np.full(len(X), 7.0)]
    model = detector().fit(table)
    moved = table.copy()
    moved[:, -1] = 9.0
    assert (model.score_samples(moved) < model.score_samples(table)).all()


def test__score_samples__one_row_or_many__is_the_same():
    model = detector().fit(X)
    scores = model.score_samples(X)
    each = np.concatenate([model.score_samples(X[i : i + 1]) for i in range(20)])
    assert_allclose(each, scores[:20], rtol=1e-5)


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


# Explanations


@pytest.mark.parametrize("n_estimators", [1, 3])
def test__explain__contributions__sum_to_minus_the_score(n_estimators):
    model = detector(n_estimators=n_estimators).fit(X)
    contributions = model.explain(X_CANCER[:, :8])
    assert contributions.shape == (len(X_CANCER), 8)
    assert (contributions >= 0).all()
    assert_allclose(
        contributions.sum(axis=1), -model.score_samples(X_CANCER[:, :8]), rtol=1e-5
    )


def test__explain__moved_cell__comes_first():
    train, test = train_test_split(X_CANCER[Y_CANCER == 1], random_state=0)
    model = AutoencoderAnomalyDetector(random_state=0).fit(train)
    rng = np.random.default_rng(0)
    columns = rng.integers(train.shape[1], size=len(test))
    moved = test.copy()
    moved[np.arange(len(test)), columns] = X_CANCER.max(axis=0)[columns]
    odd = model.predict(moved) == -1
    assert odd.mean() > 0.1
    assert (model.explain(moved[odd]).argmax(axis=1) == columns[odd]).mean() > 0.8


def test__explain__expected__follows_from_the_other_cells():
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    table = np.c_[a, 2 * a + 5, -a, rng.normal(size=2000)]
    model = AutoencoderAnomalyDetector(random_state=0).fit(table)
    moved = table[:100].copy()
    moved[:, 1] = 12.0
    contributions, expected = model.explain(moved, return_expected=True)
    assert (contributions.argmax(axis=1) == 1).mean() > 0.8
    error = np.abs(expected[:, 1] - table[:100, 1])
    assert np.median(error) < 0.5
    assert expected.shape == moved.shape


def test__explain__frame__gives_frames_with_its_names():
    frame = pd.DataFrame(mixed_cells())
    model = detector().fit(frame)
    contributions, expected = model.explain(frame[3:9], return_expected=True)
    for table in (contributions, expected):
        assert list(table.columns) == list(frame.columns)
        assert list(table.index) == list(frame.index[3:9])
    assert set(expected["colour"]) <= set(frame["colour"])
    assert contributions.dtypes.unique() == [np.float64]


def test__explain__polars__gives_polars():
    frame = pl.DataFrame(mixed_cells())
    contributions, expected = detector().fit(frame).explain(frame, return_expected=True)
    assert isinstance(contributions, pl.DataFrame)
    assert isinstance(expected, pl.DataFrame)
    assert contributions.columns == expected.columns == frame.columns


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


def test__missing_cells__go_in(horses):
    model = AutoencoderAnomalyDetector(random_state=0).fit(horses)
    scores = model.score_samples(horses)
    assert np.isfinite(scores).all()
    assert_allclose(model.explain(horses).sum(axis=1), -scores, rtol=1e-5)
    assert not model.explain(horses)[horses.isna()].gt(0).all(axis=None)


def families():
    """Return people of a table that resembles adult."""
    rng = np.random.default_rng(0)
    roles = np.array(["Husband", "Wife", "Own-child", "Unmarried"])
    role = roles[rng.choice(4, size=3000, p=[0.4, 0.1, 0.2, 0.3])]
    sex = np.where(rng.random(3000) < 0.5, "Male", "Female")
    sex = np.where(role == "Husband", "Male", np.where(role == "Wife", "Female", sex))
    age = rng.normal(45, 12, size=3000) - 22 * (role == "Own-child")
    hours = rng.normal(40, 10, size=3000)
    return pd.DataFrame(
        {"age": age, "relationship": role, "sex": sex, "hours_per_week": hours}
    )


def test__categories__contradiction__is_odd_and_explained(census):
    if "relationship" not in census:
        census = families()
    model = AutoencoderAnomalyDetector(random_state=0).fit(census)
    rows = census[(census["relationship"] == "Husband") & (census["sex"] == "Male")]
    swapped = rows.assign(sex="Female")
    falls = model.score_samples(swapped) < model.score_samples(rows)
    assert falls.mean() > 0.95
    first = model.explain(swapped).idxmax(axis=1)
    assert first.isin(["sex", "relationship"]).mean() > 0.8


def test__categories__unseen__are_odd():
    frame = pd.DataFrame(mixed_cells()).fillna({"colour": "grey"})
    model = detector().fit(frame)
    unseen = frame.assign(colour="violet")
    falls = model.score_samples(unseen) < model.score_samples(frame)
    assert falls.mean() > 0.95
    assert (model.explain(unseen)["colour"] > model.explain(frame)["colour"]).all()


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


class Stop(Callback):
    """Interrupt training in the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test__interrupted__trains_no_further_member():
    autoencoder = small(max_epochs=5, callbacks=[("stop", Stop())])
    with pytest.warns(ConvergenceWarning, match="interrupted after"):
        model = detector(autoencoder, n_estimators=3).fit(X)
    assert len(model.estimators_) == 1
    assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize(
    "params",
    [
        {"scaling": "quantile"},
        {"scaling": "minmax"},
        {"scaling": None},
        {"loss": nn.SmoothL1Loss(reduction="none")},
        {"architecture": TorchModule(Linear), "n_components": 3},
    ],
    ids=["quantile", "minmax", "unscaled", "loss", "module"],
)
def test__autoencoder__of_other_kinds__finds_the_moved_row(params):
    moved = X.copy()
    moved[5, 2] = 10 * X[:, 2].max()
    model = detector(small(**params)).fit(moved)
    assert model.score_samples(moved).argsort().argsort()[5] < 15
    assert model.explain(moved[5:6]).argmax() == 2


def test__categories__rare_one__does_not_outweigh_all_columns():
    """A thousand rows of the other one do not make it a thousand times as odd."""
    frame = pd.DataFrame(correlated(3000, 0)).rename(columns=str)
    frame["kind"] = "usual"
    frame.loc[17, "kind"] = "rare"
    model = detector().fit(frame)
    assert -1000 < model.score_samples(frame)[17] < -1
    unseen = frame[:50].assign(kind="unseen")
    assert (model.score_samples(unseen) > -1000).all()


def test__missing__row_without_any_cell__scores_0():
    model = detector().fit(np.where(np.arange(8) == 2, np.nan, X))
    row = np.full((1, 8), np.nan)
    assert model.score_samples(row) == 0
    assert_array_equal(model.explain(row), 0)


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
