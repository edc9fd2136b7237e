"""Training goes on: `warm_start`, `partial_fit`, and weights of rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae.architectures import TorchModule
from tests.net.helpers import X_DIGITS, make, weights

X_WINE = load_wine().data


def test__warm_start__second_fit__goes_on_where_the_first_ended():
    ae = make(max_epochs=20, warm_start=True, activation="tanh").fit(X_DIGITS)
    first = list(ae.loss_curve_)
    ae.fit(X_DIGITS)
    assert ae.n_iter_ == len(ae.history_) == 40
    assert ae.loss_curve_[:20] == first
    assert ae.loss_curve_[20] < 1.05 * first[-1]
    assert ae.loss_curve_[20] < 0.7 * first[0]


def test__warm_start_false__second_fit__starts_anew():
    ae = make().fit(X_DIGITS)
    first = list(ae.loss_curve_)
    assert ae.fit(X_DIGITS).loss_curve_ == first


@pytest.mark.parametrize(
    "change",
    [{"n_components": 3}, {"hidden_layer_sizes": (9,)}, {"activation": "tanh"}],
)
def test__warm_start__network_of_another_shape__is_an_error(change):
    ae = make(n_components=2, warm_start=True).fit(X_WINE)
    before = ae.transform(X_WINE)
    if change == {"activation": "tanh"}:  # the same shape: the user may do so
        assert ae.set_params(**change).fit(X_WINE).n_iter_ == 8
        return
    with pytest.raises(ValueError, match="warm_start=True goes on"):
        ae.set_params(**change).fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)


@pytest.mark.parametrize("partial", [False, True])
def test__warm_start__missing_cells_appear_later__trains_on(partial):
    """They get no input of their own any more; the loss must not become NaN."""
    ae = make(warm_start=True).fit(X_WINE)
    holes = X_WINE.copy()
    holes[::5, 2] = np.nan
    if partial:
        ae.partial_fit(holes)
    ae.fit(holes)
    assert np.isfinite(ae.loss_curve_).all()
    assert np.isfinite(ae.transform(holes)).all()


def test__partial_fit__over_chunks__comes_near_the_loss_of_fit():
    rows = np.random.RandomState(0).permutation(X_DIGITS)
    stream = make(n_components=8, batch_size=50, weight_decay=0.0)
    for _ in range(15):
        for chunk in np.array_split(rows, 3):
            stream.partial_fit(chunk)
    whole = make(n_components=8, batch_size=50, weight_decay=0.0, max_epochs=15)
    assert stream.n_iter_ == 45
    assert stream.score(rows) > 1.15 * whole.fit(rows).score(rows)  # both are negative


def test__partial_fit__first_call__is_like_fit_for_one_epoch():
    ae = make().partial_fit(X_WINE)
    assert ae.n_iter_ == 1
    assert ae.transform(X_WINE).shape == (178, 7)
    assert np.isfinite(ae.score(X_WINE))


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test__partial_fit__later_rows__update_the_scale(scaling):
    """Else a stream that begins in one corner is scaled by that corner for ever."""
    order = np.argsort(X_WINE[:, 12])
    ae = make(scaling=scaling)
    for chunk in np.array_split(X_WINE[order], 4):
        ae.partial_fit(chunk)
    whole = make(scaling=scaling).fit(X_WINE)
    assert_allclose(
        ae.inverse_transform(ae.transform(X_WINE)).mean(0),
        whole.reconstruct(X_WINE).mean(0),
        rtol=0.2,
    )
    assert_allclose(
        ae.table_encoder_.transform(X_WINE),
        whole.table_encoder_.transform(X_WINE),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("verbose", [0, 1])
def test__partial_fit__after_fit__does_not_spoil_it(early_stopping, verbose):
    """Stale running means of the optimizer, or a spent schedule, would show."""
    ae = make(max_epochs=30, early_stopping=early_stopping, verbose=verbose)
    ae.fit(X_DIGITS)
    before = ae.score(X_DIGITS)
    for _ in range(5):
        ae.partial_fit(X_DIGITS)
    assert ae.n_iter_ == len(ae.loss_curve_)
    assert ae.score(X_DIGITS) > 1.1 * before


def test__partial_fit__after_fit__still_learns():
    """The cosine schedule leaves the learning rate at zero."""
    ae = make(max_epochs=3, activation="tanh").fit(X_DIGITS)
    before = ae.score(X_DIGITS)
    for _ in range(10):
        ae.partial_fit(X_DIGITS)
    assert ae.score(X_DIGITS) > 0.9 * before


def test__partial_fit__rates_of_parameter_groups__stay_apart():
    groups = [("network.encoder*", {"lr": 1e-30})]
    ae = make(net_params={"optimizer__param_groups": groups}, weight_decay=0.0)
    codes = ae.partial_fit(X_WINE).transform(X_WINE)
    before = ae.reconstruct(X_WINE)
    ae.partial_fit(X_WINE)
    assert_allclose(ae.transform(X_WINE), codes, rtol=1e-5, atol=1e-6)
    assert (ae.reconstruct(X_WINE) != before).any()


def test__partial_fit__missing_cells_appear_later__are_left_out_of_the_loss():
    holes = X_WINE.copy()
    holes[::7, 3] = np.nan
    ae = make().partial_fit(X_WINE).partial_fit(holes).partial_fit(X_WINE)
    assert np.isfinite(ae.loss_curve_).all()
    assert np.isfinite(ae.score_samples(holes)).all()


def test__partial_fit__sample_weight__counts():
    heavy = np.where(X_WINE[:, 0] > 13, 100.0, 1.0)
    plain, weighted = make(lr=0.01), make(lr=0.01)
    for _ in range(10):
        plain.partial_fit(X_WINE)
        weighted.partial_fit(X_WINE, sample_weight=heavy)
    assert (weights(plain) != weights(weighted)).any()


def test__partial_fit__fails__leaves_the_model_as_it_was():
    ae = make().fit(X_WINE)
    before, n_iter = weights(ae), ae.n_iter_
    bad = X_WINE.copy()
    bad[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        ae.partial_fit(bad)
    assert_array_equal(weights(ae), before)
    assert ae.n_iter_ == len(ae.history_) == n_iter


class FailInEpoch(Callback):
    """Fails at the end of the given epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("as planned")


class WithDropout(nn.Module):
    """Gives random codes while it trains."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Sequential(nn.Dropout(0.5), nn.Linear(n_features, 2))
        self.decoder = nn.Linear(2, n_features)


def test__partial_fit__fails_after_a_step__leaves_the_model_as_it_was():
    """Weights, history and the mode of the module, in which dropout is off."""
    ae = make(architecture=TorchModule(WithDropout), callbacks=[FailInEpoch(5)])
    before = ae.fit(X_WINE).transform(X_WINE)
    with pytest.raises(RuntimeError, match="as planned"):
        ae.partial_fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)
    assert ae.n_iter_ == len(ae.history_) == 4


def test__fit__fails_halfway__leaves_the_last_fit_as_it_was():
    ae = make(warm_start=True, callbacks=[FailInEpoch(6)]).fit(X_WINE)
    before = ae.transform(X_WINE)
    with pytest.raises(RuntimeError, match="as planned"):
        ae.fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), before)
    assert ae.n_iter_ == len(ae.history_) == 4


def test__sample_weight__heavy_rows__are_reconstructed_better():
    rng = np.random.RandomState(0)
    X = np.concatenate([rng.standard_normal((100, 10)) for _ in range(2)])
    X[:100, 5:] = X[:100, :5]
    X[100:, 5:] = -X[100:, :5]
    group = np.repeat([True, False], 100)
    scores = []
    for heavy in (group, ~group):
        ae = make(n_components=5, hidden_layer_sizes=(), activation="identity")
        ae.set_params(max_epochs=50)
        ae.fit(X, sample_weight=np.where(heavy, 50.0, 1.0))
        scores.append(ae.score_samples(X)[group].mean())
    assert scores[0] > scores[1] + 0.1
