"""Wrong input gets a clear error before training, and changes nothing."""

import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.latents import Contractive, Sparse, Variational
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise

X_WINE = load_wine().data
FRAME = load_wine(as_frame=True).data


class Counter(Callback):
    """Counts training runs, to see that an error came before them."""

    runs = 0

    def on_train_begin(self, net, **kwargs):
        Counter.runs += 1


def make(**params):
    defaults = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def with_cell(value, X=X_WINE):
    X = X.copy()
    X[3, 2] = value
    return X


def fails_before_training(ae, X, error, message, **fit_params):
    """Assert that `fit` fails with this message, without training or a warning."""
    Counter.runs = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message):
            ae.fit(X, **fit_params)
    assert Counter.runs == 0
    assert not [name for name in vars(ae) if name.endswith("_")]


X_ERRORS = {
    "no rows": (np.empty((0, 3)), "0 sample.*minimum of 1"),
    "no columns": (np.empty((3, 0)), "0 feature.*minimum of 1"),
    "one dimension": (X_WINE[0], "Expected 2D array, got 1D array"),
    "three dimensions": (X_WINE[None], "dim 3, while dim <= 2 is required"),
    "a number": (3.0, "Expected 2D array, got scalar"),
    "None": (None, "Expected 2D array, got scalar"),
    "infinity": (with_cell(np.inf), r"contains infinity.* in columns \[2\]\. Replace"),
    "float32 infinity": (with_cell(-np.inf, X_WINE.astype("f")), r"columns \[2\]"),
    "sparse infinity": (sparse.csr_array(with_cell(np.inf)), r"columns \[2\]"),
    "measurements as text": (X_WINE.astype(str), "Column 0 holds 126 different values"),
    "dates": (
        np.zeros((3, 2), "M8[D]"),
        r"Columns \[0, 1\] hold dates or times\. Make",
    ),
    "bytes": (np.full((3, 2), b"a"), r"Columns \[0, 1\] hold neither real numbers nor"),
    "complex": (X_WINE + 1j, "Complex data not supported"),
    "text objects": (with_cell("red", X_WINE.astype(object)), r"'red'.*columns \[2\]"),
    "text in a list": ([[1, "red"], [2, 3]], "must hold numbers"),
    "ragged list": ([[1, 2], [3]], "inhomogeneous"),
}


@pytest.mark.parametrize("case", X_ERRORS)
def test__fit__unusable_array__is_refused(case):
    X, message = X_ERRORS[case]
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


DATES = pd.date_range("2020", periods=178)
DATES_ADVICE = "Make numbers of them, for example the days since a date, or drop them"
OTHER_ADVICE = "Make numbers or text of them, or drop them"
TEXT_ADVICE = "Drop the column, or make numbers or fewer categories of it"
UNUSABLE_COLUMNS = {
    "dates": (DATES, DATES_ADVICE),
    "dates with time zone": (DATES.tz_localize("UTC"), DATES_ADVICE),
    "dates of Python": (list(DATES.date), DATES_ADVICE),
    "dates of Arrow": (pd.array(DATES, dtype="timestamp[ns][pyarrow]"), DATES_ADVICE),
    "durations": (DATES - DATES[0], DATES_ADVICE),
    "periods": (DATES.to_period("D"), DATES_ADVICE),
    "intervals": (pd.interval_range(0, 178), OTHER_ADVICE),
    "complex": (np.full(178, 1j), OTHER_ADVICE),
    "bytes": ([b"a"] * 178, OTHER_ADVICE),
    "lists": ([[1, 2]] * 178, "Let their cells all be numbers, or all be text"),
    "text and numbers": (["a", 1] * 89, "Let their cells all be numbers, or all be"),
    "identifiers": ([f"id {i}" for i in range(178)], TEXT_ADVICE),
}


@pytest.mark.parametrize("case", UNUSABLE_COLUMNS)
def test__fit__frame_column_that_cannot_be_used__is_named_with_a_way_out(case):
    cells, advice = UNUSABLE_COLUMNS[case]
    message = rf"'colour'.*{advice}"
    X = FRAME.assign(colour=cells)
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        (pl.Series([[1, 2]] * 178), OTHER_ADVICE),
        (pl.Series([{"a": 1}] * 178), OTHER_ADVICE),
        (pl.Series([b"a"] * 178), OTHER_ADVICE),
        (pl.Series(DATES.to_numpy()), DATES_ADVICE),
        (pl.Series(DATES.to_numpy()).dt.time(), DATES_ADVICE),
        (pl.Series([f"id {i}" for i in range(178)]), TEXT_ADVICE),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test__fit__polars_column_that_cannot_be_used__is_named_with_a_way_out(
    column, advice
):
    X = pl.DataFrame(FRAME.to_dict("list")).with_columns(column.alias("colour"))
    message = rf"'colour'.*{advice}"
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


def test__fit__infinite_or_text_cell_of_a_frame__names_the_column():
    with pytest.raises(ValueError, match=r"in columns \['ash'\]"):
        make().fit(FRAME.replace({"ash": FRAME.ash[0]}, np.inf))
    with pytest.raises(ValueError, match=r"'red'.* columns \['ash'\]"):
        make().fit(FRAME.astype(object).replace({"ash": FRAME.ash[0]}, "red"))


def test__fit__lazy_frame__says_to_collect_it():
    X = pl.DataFrame({"a": [1.0, 2.0]}).lazy()
    fails_before_training(make(), X, TypeError, r"LazyFrame.*pass X\.collect\(\)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[X.columns[::-1]], "must be in the same order"),
        (lambda X: X.rename(columns={"ash": "dust"}), "unseen at fit time:\n- dust"),
        (lambda X: X.drop(columns="ash"), "now missing:\n- ash"),
        (lambda X: X.assign(ash="red"), "'ash' held numbers in fit.* dtype (str|obj)"),
        (lambda X: X.assign(ash="3"), "'ash' held numbers in fit"),
        (lambda X: X.astype({"ash": "category"}), "'ash' held numbers .* category"),
        (lambda X: X.assign(ash=DATES), "'ash' held numbers in fit.* dtype datetime64"),
        (lambda X: X.assign(ash=1j), "'ash' held numbers in fit.* dtype complex128"),
        (lambda X: X.assign(ash=np.inf), r"infinity.*columns \['ash'\]"),
    ],
)
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test__inference__frame_unlike_that_of_fit__is_refused(change, message, method):
    ae = make().fit(FRAME)
    with pytest.raises(ValueError, match=message):
        getattr(ae, method)(change(FRAME))


@pytest.mark.parametrize("X", [X_WINE[:, :5], sparse.csr_array(X_WINE[:, :5])])
def test__transform__another_number_of_columns__is_refused(X):
    ae = make().fit(X_WINE)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* expecting 13"):
        ae.transform(X)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* expecting 13"):
        ae.partial_fit(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test__transform__infinite_cell__is_refused(dtype, scaling):
    ae = make(scaling=scaling).fit(X_WINE.astype(dtype) / 1000)
    with pytest.raises(ValueError, match=r"contains infinity.*columns \[2\]"):
        ae.transform(with_cell(np.inf).astype(dtype))


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        (np.zeros((3, 5)), "X has 5 columns.* n_components_=2 columns"),
        (np.zeros(2), "Expected 2D array, got 1D"),
        (np.zeros((0, 2)), "0 sample"),
        ([[np.nan, 0]], "contains NaN"),
        ([[np.inf, 0]], "contains infinity"),
        ([["a", "b"]], "could not convert string to float: 'a'"),
    ],
)
def test__inverse_transform__unusable_codes__are_refused(Z, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X_WINE).inverse_transform(Z)


@pytest.mark.parametrize(
    "method",
    ["transform", "inverse_transform", "reconstruct", "score_samples", "score"],
)
def test__inference__before_fit__says_to_fit(method):
    with pytest.raises(NotFittedError, match="Call 'fit'"):
        getattr(make(), method)(X_WINE)


def test__fit__unusual_but_usable_tables__just_works():
    """Each of these has broken an autoencoder somewhere."""
    tables = {
        "one row": X_WINE[:1],
        "one column": X_WINE[:, :1],
        "one cell": X_WINE[:1, :1],
        "constant": np.full((20, 3), 0.1),
        "constant columns": np.c_[X_WINE, np.full(178, 0.1), np.zeros(178)],
        "components beyond the table": X_WINE[:3, :2],
        "20 rows in batches of 32": X_WINE[:20],
        "empty sparse rows": sparse.csr_array((50, 4)),
    }
    for name, X in tables.items():
        ae = make(n_components=5, batch_size=32).fit(X)
        assert np.isfinite(ae.transform(X)).all(), name
        assert np.isfinite(ae.score_samples(X)).all(), name
        assert ae.transform(X).shape == (X.shape[0], 5), name


def test__fit__no_observed_cell__is_refused():
    with pytest.raises(ValueError, match="no observed cell"):
        make().fit(np.full((20, 3), np.nan))


def test__set_params__of_an_absent_part__says_so():
    with pytest.raises(ValueError, match="'noise__rate', because noise is None"):
        make().set_params(noise__rate=0.2)


def test__callbacks__monitor_of_a_loss_that_is_not_measured__is_refused():
    with pytest.raises(ValueError, match="Set early_stopping=True, or"):
        make(callbacks=[EarlyStopping()]).fit(X_WINE)


def test__warm_start__other_scaling__is_refused():
    ae = make(warm_start=True).fit(X_WINE)
    with pytest.raises(ValueError, match="goes on with the scaling"):
        ae.set_params(scaling="minmax").fit(X_WINE)


def test__reconstruct__constant_column__is_as_it_was():
    X = np.c_[X_WINE, np.full(178, 0.1), np.full(178, 1e9 + 0.125)]
    got = make(max_epochs=20).fit(X).reconstruct(X)
    assert_allclose(got[:, 13:], X[:, 13:], rtol=1e-12)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("value", [1e30, -1e30, 1e300, 1e-40, 1e-310])
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test__transform__cell_far_from_all_of_fit__is_finite(scaling, value, loss):
    ae = make(scaling=scaling, loss=loss).fit(X_WINE)
    X = with_cell(value)
    for got in (ae.transform(X), ae.reconstruct(X), ae.score_samples(X)):
        assert np.isfinite(got).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
@pytest.mark.parametrize("value", [1e30, -1e30, 1e-40, 1e-310])
def test__fit__one_huge_or_tiny_cell__is_finite(scaling, value):
    X = with_cell(value)
    ae = make(scaling=scaling).fit(X)
    for got in (ae.transform(X), ae.reconstruct(X), ae.score_samples(X)):
        assert np.isfinite(got).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test__fit__table_in_other_units__trains_the_same(scaling, factor):
    plain = make(scaling=scaling).fit(X_WINE).score(X_WINE)
    X = X_WINE * factor
    assert make(scaling=scaling).fit(X).score(X) == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test__transform__largest_cell_after_a_tiny_scale__is_finite(scaling):
    ae = make(scaling=scaling).fit(X_WINE * 1e-30)
    assert np.isfinite(ae.score_samples(with_cell(1e308))).all()


def test__fit__spread_beyond_float64__names_the_column():
    X = FRAME.copy()
    X.loc[3, "ash"] = 1e300
    message = r"columns \['ash'\] of X are too far apart for float64\. Divide them"
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


def test__fit__huge_values_without_scaling__says_what_to_try():
    with pytest.raises(ValueError, match=r"in epoch .* scaling='standard' if it was"):
        make(scaling=None, callbacks=[Counter()]).fit(with_cell(1e30))


def test__reconstruct__timestamps__keeps_the_seconds():
    X = 1.7e9 + np.random.default_rng(0).normal(size=(300, 2)) * [1.0, 5.0]
    ae = make(max_epochs=100).fit(X)
    assert np.abs(ae.reconstruct(X) - X).max() < 0.2


PARAMETER_ERRORS = {
    "n_components": [
        (0, "'n_components' .* int in the range"),
        (2.0, "Got 2.0"),
        (True, "n_components must .* integers of at least 1. Got True"),
    ],
    "hidden_layer_sizes": [
        ((0,), r"hidden_layer_sizes must .* integers of at least 1. Got \(0,\)"),
        ((2.5,), "integers of at least 1"),
        ([[2]], r"Got \[\[2\]\]"),
        ([None], r"Got \[None\]"),
        ("ab", "array-like"),
    ],
    "activation": [
        ("rel", "'activation' parameter .* Got 'rel'"),
        (int, "activation must derive from the Module of torch. Got <class 'int'>"),
        (nn.ReLU(), r"Got ReLU\(\)"),
        (nn.Linear, "activation must be built without arguments.*Linear fails"),
        (nn.GLU, r"of the shape that it takes. GLU made \(2, 2\) of \(2, 4\)"),
    ],
    "latent_activation": [("auto", "Got 'auto'"), (nn.Linear, "Linear fails")],
    "output_activation": [("x", "Got 'x'"), (nn.GLU, "GLU made")],
    "tied_weights": [("yes", "'tied_weights' .* Got 'yes'")],
    "architecture": [
        ("dense", "Got 'dense'"),
        (TorchModule, "an instance of"),
        (Convolutional((1, 28, 28)), "one column for each pixel, 784 in all. Got X"),
        (Convolutional((13,)), r"\(height, width\), such .* Got \(13,\)"),
        (Convolutional((1, 0, 13)), r"of at least 1\. Got \(1, 0, 13\)"),
        (Convolutional(channels=()), r"channels of Conv.* of at least 1\. Got \(\)"),
        (Convolutional(channels=[[4]]), r"Got \[\[4\]\]"),
        (Convolutional(kernel_size=2.5), "'kernel_size' .* Got 2.5"),
        (Convolutional(pooling=(2, 2, 2)), r"each of the 2 stages.*Got \(2, 2, 2\)"),
        (Convolutional(stride=0), "'stride' .* Got 0"),
        (Convolutional(decoder="dense"), "'decoder' .* Got 'dense'"),
        (Convolutional(latent_shape=(2, 2)), "latent of 4 numbers. Got n_components=2"),
    ],
    "latent": [
        ("sparse", "Got 'sparse'"),
        (Variational, "an instance of"),
        (Variational(beta=-1), "'beta' parameter of Variational .* Got -1"),
        (Sparse("l2"), "'penalty' parameter of Sparse .* Got 'l2'"),
        (Sparse(alpha=-1), "'alpha' parameter of Sparse .* Got -1"),
        (Sparse(target=1), "'target' parameter of Sparse .* Got 1"),
        (Sparse("kl"), "'identity'; use latent_activation='sigmoid', or Sparse"),
        (Contractive(alpha=np.nan), "Got nan"),
    ],
    "noise": [
        (0.2, "'noise' .* Got 0.2"),
        (SwapNoise, "an instance of"),
        (SwapNoise(rate=-0.1), r"'rate' parameter of SwapNoise .*\[0.0, 1.0\)"),
        (MaskingNoise(rate=1), "'rate' parameter of MaskingNoise .* Got 1"),
        (GaussianNoise(std=-1), r"'std' parameter of GaussianNoise .*\[0.0, inf\)"),
        (GaussianNoise(std=np.nan), "Got nan"),
    ],
    "loss": [
        ("mes", "'loss' parameter .* Got 'mes'"),
        (nn.MSELoss, "Got the class MSELoss; pass an instance"),
        (nn.MSELoss(), r"\(2, 13\) or \(2,\) .* Got shape \(\).*reduction='none'"),
        (lambda values, X: (values - X)[:, :2], r"Got shape \(2, 2\)"),
        (lambda values, X: 1.0, "must return a tensor .* Got: float"),
        (lambda values, X: values.detach().numpy(), "Got: ndarray"),
        (lambda values, X: (values - X).detach(), "Got: detached tensor"),
        (lambda values: values, "takes 1 positional argument"),
    ],
    "scaling": [("std", "'scaling' .* Got 'std'")],
    "categorical_features": [
        ("colour", "'categorical_features' .*'from_dtype'.* Got 'colour'"),
        ([0, 13], r"in \[0, n_features - 1\]\. Got \[0, 13\] with 13 columns"),
        ([-1], r"in \[0, n_features - 1\]\. Got \[-1\]"),
        ([True, False], "one entry for each of the 13 columns of X. Got 2"),
        ([0.5], r"array-like of bool, int or str\. Got \[0\.5\]"),
        ([[0]], r"array-like of bool, int or str\. Got \[\[0\]\]"),
        (["ash"], r"only be names where X is a frame. Give indices or a mask"),
    ],
    "max_categories": [(1, "'max_categories' .* Got 1"), (2.5, "Got 2.5")],
    "optimizer": [
        ("adma", "'optimizer' parameter .*'adam.* Got 'adma'"),
        (int, "optimizer must derive from the Optimizer of torch"),
    ],
    "lr": [(0, "'lr' .* Got 0"), (-1, "Got -1"), (np.nan, "Got nan"), ("a", "'a'")],
    "weight_decay": [(-1, "'weight_decay' .* Got -1"), ("a", "Got 'a'")],
    "lr_schedule": [("step", "'lr_schedule' .* Got 'step'")],
    "max_epochs": [(0, "'max_epochs' .* Got 0"), (1.5, "Got 1.5")],
    "batch_size": [(0, "'batch_size' .* Got 0"), ("a", "Got 'a'")],
    "early_stopping": [("yes", "'early_stopping' .* Got 'yes'")],
    "validation_fraction": [(0, "Got 0"), (1.0, "Got 1.0"), (-0.1, "Got -0.1")],
    "n_iter_no_change": [(0, "'n_iter_no_change' .* Got 0")],
    "tol": [(-1e-3, "'tol' .* Got -0.001")],
    "device": [
        (3, "'device' .* Got 3"),
        ("gpu", r"device='gpu' cannot be used here: .*\. Use 'cpu', or 'auto'"),
        ("cuda:99", r"device='cuda:99' cannot be used here: .*\. Use 'cpu'"),
        ("meta", "device='meta' cannot be used here"),
    ],
    "precision": [("float16", "'precision' .* Got 'float16'")],
    "compile": [("yes", "'compile' .* Got 'yes'")],
    "net_params": [
        ([], "'net_params' .* instance of 'dict'"),
        ({"optimizer__beta": 1}, "unknown name 'optimizer__beta'.*optimizer__betas"),
        ({"lr": 1}, "'lr', which is a parameter of the estimator itself"),
        ({"optimizer__lr": 1}, "'optimizer__lr', which is a parameter of the estim"),
        ({3: 1}, "unknown name 3"),
    ],
    "warm_start": [("a", "'warm_start' .* Got 'a'")],
    "verbose": [(-1, "'verbose' .* Got -1")],
    "random_state": [(-1, "'random_state' .* Got -1"), ("a", "Got 'a'")],
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, *case) for name, cases in PARAMETER_ERRORS.items() for case in cases],
)
def test__fit__wrong_parameter__is_refused_before_training(name, value, message):
    ae = make(**{"callbacks": [Counter()], name: value})
    fails_before_training(ae, X_WINE, (ValueError, TypeError), message)


@pytest.mark.parametrize("callbacks", ["x", [3], [("name",)], [("name", 3)]])
def test__fit__wrong_callbacks__are_refused(callbacks):
    with pytest.raises((ValueError, TypeError), match="callback"):
        make(callbacks=callbacks).fit(X_WINE)


def test__parameter_errors__cover_every_parameter():
    """A new parameter needs a line above."""
    missing = set(make().get_params(deep=False)) - set(PARAMETER_ERRORS)
    assert missing == {"callbacks"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"scaling": "standard"},
            "'standard' does not give them. Use scaling='minmax'",
        ),
        ({"scaling": None}, "Got values from 0.13 to 1680; use scaling='minmax'"),
        (
            {"scaling": "minmax", "output_activation": "tanh"},
            r"reconstruction in \[0, 1\].*output_activation='sigmoid'",
        ),
    ],
)
def test__fit__bce_outside_the_unit_interval__says_how_to_get_there(params, message):
    ae = make(loss="bce", callbacks=[Counter()], **params)
    fails_before_training(ae, X_WINE, ValueError, message)


def test__score_samples__bce_and_a_row_outside_the_interval__is_finite():
    """The loss of torch itself raises for targets outside [0, 1]."""
    ae = make(loss="bce", scaling="minmax", output_activation=nn.Hardsigmoid)
    assert np.isfinite(ae.fit(X_WINE).score_samples(with_cell(1e4))).all()


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(178), "Negative values"),
        (np.ones(4), r"\(4,\), expected \(178,\)"),
        (np.zeros(178), "at least one non-zero"),
        (np.r_[np.nan, np.ones(177)], "sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(177)], "sample_weight contains infinity"),
        (np.ones((178, 1)), "1D array"),
        (["a"] * 178, "could not convert string to float"),
    ],
)
def test__fit__wrong_sample_weight__is_refused(weight, message):
    ae = make(callbacks=[Counter()])
    fails_before_training(ae, X_WINE, ValueError, message, sample_weight=weight)


@pytest.mark.parametrize("factor", [1e-310, 1e-3, 1e3, 1e308])
def test__fit__all_weights_in_other_units__trains_the_same(factor):
    weight = np.full(178, factor)
    plain = make().fit(X_WINE).score(X_WINE)
    score = make().fit(X_WINE, sample_weight=weight).score(X_WINE)
    assert score == pytest.approx(plain, rel=1e-4)


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
