"""A fit that fails leaves the estimator as it was."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import load_wine
from skorch.callbacks import Callback

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.latents import Clustered
from tests.helpers import X_WINE, fails_before_training, with_cell

FRAME = load_wine(as_frame=True).data


def make(**params):
    defaults = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


class Breaks(Callback):
    """Fails where it is armed."""

    armed = False

    def on_epoch_end(self, net, **kwargs):
        if Breaks.armed:
            raise RuntimeError("broken on purpose")


BAD_X = {
    "infinity": with_cell(np.inf),
    "spread": with_cell(1e300),
    "one dimension": X_WINE[0],
    "text": X_WINE.astype(str),
}


BAD_PARAMS = {
    "diverging": {"optimizer": "sgd", "lr": 1e30, "max_epochs": 5},
    "net_params": {"net_params": {"optimizer__x": 1}},
    "parameter": {"n_components": -1},
    "device": {"device": "nowhere"},
    "shape of the network": {"hidden_layer_sizes": (3,)},
}


def snapshot(ae):
    """Return everything that a user can see of a fitted estimator."""
    fitted = {k: v for k, v in vars(ae).items() if k.endswith("_")}
    fitted = {k: deepcopy(v) for k, v in fitted.items() if k not in ("net_", "module_")}
    fitted["table_encoder_"] = pickle.dumps(ae.table_encoder_)
    weights = deepcopy(ae.module_.state_dict())
    X = FRAME if hasattr(ae, "feature_names_in_") else X_WINE
    outputs = [ae.transform(X), ae.score_samples(X), ae.reconstruct(X)]
    return fitted, weights, outputs


def assert_unchanged(before, after):
    assert before[0].keys() == after[0].keys()
    for name, value in before[0].items():
        assert_array_equal(value, after[0][name], err_msg=name)
    assert all(torch.equal(w, after[1][name]) for name, w in before[1].items())
    for left, right in zip(before[2], after[2], strict=True):
        assert_array_equal(left, right)


def assert_failing_changes_nothing(ae, act, error=(ValueError, TypeError)):
    before, net, module = snapshot(ae), ae.net_, ae.module_
    with pytest.raises(error):
        act()
    assert ae.net_ is net
    assert ae.module_ is module
    assert_unchanged(before, snapshot(ae))


@pytest.mark.parametrize("case", BAD_X)
def test__failed_fit__bad_table__leaves_what_was_fitted(case):
    ae = make().fit(X_WINE)
    assert_failing_changes_nothing(ae, lambda: ae.fit(BAD_X[case]))


@pytest.mark.parametrize("case", BAD_X)
def test__failed_partial_fit__bad_table__leaves_what_was_fitted(case):
    ae = make().fit(X_WINE)
    assert_failing_changes_nothing(ae, lambda: ae.partial_fit(BAD_X[case]))
    ae = make().fit(FRAME)
    renamed = FRAME.rename(columns={"ash": "dust"})
    assert_failing_changes_nothing(ae, lambda: ae.partial_fit(renamed))


@pytest.mark.parametrize("case", BAD_PARAMS)
def test__failed_fit__bad_parameter__leaves_what_was_fitted(case):
    warm_start = case == "shape of the network"
    ae = make(warm_start=warm_start).fit(X_WINE).set_params(**BAD_PARAMS[case])
    assert_failing_changes_nothing(ae, lambda: ae.fit(X_WINE))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test__failed_fit__callback_that_raises__leaves_what_was_fitted(method, monkeypatch):
    ae = make(callbacks=[Breaks()]).fit(X_WINE)
    monkeypatch.setattr(Breaks, "armed", True)
    act = getattr(ae, method)
    assert_failing_changes_nothing(ae, lambda: act(X_WINE), RuntimeError)


@pytest.mark.parametrize("latent", [None, Clustered(3)])
def test__failed_fit__weights_overflow_in_the_last_step__says_what_to_try(latent):
    """The loss of an epoch knows nothing of its last step."""
    ae = make(n_components=4, latent=latent, scaling=None, batch_size=200)
    ae.set_params(optimizer="sgd", lr=1e30, max_epochs=1)
    with pytest.raises(ValueError, match="loss stopped being a finite number in epoch"):
        ae.fit(X_WINE * 1e6)


def test__failed_partial_fit__diverging__leaves_weights_and_optimizer():
    params = {"optimizer": "sgd", "scaling": None, "lr": 1e-9, "batch_size": 8}
    ae = make(**params, net_params={"optimizer__momentum": 0.9}).fit(X_WINE)
    ae.partial_fit(X_WINE)
    optimizer = deepcopy(ae.net_.optimizer_.state_dict()["state"])
    assert_failing_changes_nothing(ae, lambda: ae.partial_fit(X_WINE * 1e11))
    after = ae.net_.optimizer_.state_dict()["state"]
    for key, state in optimizer.items():
        assert torch.equal(state["momentum_buffer"], after[key]["momentum_buffer"])


def test__failed_partial_fit__later__goes_on_as_if_nothing_had_happened():
    """Not only what can be read, but also what comes next is the same."""
    ae, twin = make().partial_fit(X_WINE), make().partial_fit(X_WINE)
    with pytest.raises(ValueError, match="infinity"):
        ae.partial_fit(BAD_X["infinity"])
    ae.partial_fit(X_WINE)
    twin.partial_fit(X_WINE)
    assert_array_equal(ae.transform(X_WINE), twin.transform(X_WINE))


def test__failed_fit__first__leaves_an_estimator_that_can_be_fitted():
    ae = make()
    fails_before_training(ae, BAD_X["infinity"], ValueError, "infinity")
    assert_array_equal(
        ae.fit(X_WINE).transform(X_WINE), make().fit(X_WINE).transform(X_WINE)
    )
