"""Global settings of other libraries change no result, and stay as they were."""

import inspect
import pickle
import threading
import warnings
from contextlib import ExitStack, contextmanager

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from numpy.testing import assert_array_equal
from torch import nn

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Variational
from sklearn_ae.noise import SwapNoise
from tests.helpers import mixed_cells

X = pd.DataFrame(mixed_cells(50)).drop(columns="paid")
NUMBERS = X[["size", "count"]].to_numpy(np.float32)
# So few labels that there is no cross-validation.
LABELS = np.where(X["count"] > 4, "many", "few").astype(object)
LABELS[12:] = None


def small(**params):
    return AutoencoderTransformer(2, max_epochs=1, random_state=0, **params)


class WithFactories(nn.Module):
    """A user's model that makes tensors of the default dtype and device."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.shift = nn.Parameter(torch.rand(n_features))
        self.first = nn.Linear(n_features, n_components)
        self.decoder = nn.Linear(n_components, n_features)

    def encode(self, X):
        return self.first(X + self.shift) + torch.zeros(len(X), 1)

    def decode(self, Z):
        return self.decoder(Z)


MODELS = {
    "transformer": (
        small(noise=SwapNoise()),
        (X,),
        ["transform", "reconstruct", "score_samples", "score"],
    ),
    "quantile": (small(scaling="quantile"), (X,), ["transform", "reconstruct"]),
    "variational": (small(latent=Variational()), (X,), ["sample", "transform"]),
    "own module": (
        small(architecture=TorchModule(WithFactories)),
        (NUMBERS[:, [1, 1]],),
        ["transform"],
    ),
    "detector": (
        AutoencoderAnomalyDetector(small(), random_state=0),
        (X,),
        ["score_samples", "decision_function", "predict", "explain", "p_values"],
    ),
    "imputer": (
        AutoencoderImputer(small(), n_draws=2, random_state=0),
        (X,),
        ["transform", "draw"],
    ),
    "classifier": (
        AutoencoderPretrainedClassifier(
            small(), semi_supervised=False, max_epochs=1, random_state=0
        ),
        (X, LABELS),
        ["predict", "predict_proba", "transform"],
    ),
    "regressor": (
        AutoencoderPretrainedRegressor(small(), max_epochs=1, random_state=0),
        (X, NUMBERS[:, 1]),
        ["predict", "transform"],
    ),
}


def fit(name):
    model, data, _ = MODELS[name]
    return sklearn.clone(model).fit(*data)


def results(model, name):
    """Return what each method returns, in containers that the settings do not reach."""
    _, data, methods = MODELS[name]
    found = {}
    for method in methods:
        if method == "sample":
            found[method] = model.sample(20, random_state=0)
        else:
            found[method] = getattr(model, method)(data[0])
    return found


def assert_same(found, expected):
    for method, values in expected.items():
        given, values = found[method], values
        for one, other in zip(
            given if method == "draw" else [given],
            values if method == "draw" else [values],
            strict=True,
        ):
            cells = [np.asarray(table).tolist() for table in (one, other)]
            assert_array_equal(*cells, err_msg=method)


@contextmanager
def changed(get, change, value):
    """Set a global setting; it has to be the same afterwards."""
    before = get()
    change(value)
    try:
        yield
        assert get() == value
    finally:
        change(before)


def sklearn_config(**config):
    return lambda: sklearn.config_context(**config)


@contextmanager
def warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def options_of_pandas(**options):
    with ExitStack() as stack:
        for name, value in options.items():
            stack.enter_context(pd.option_context(name.replace("__", "."), value))
        yield


GLOBAL_SETTINGS = {
    "pandas output": sklearn_config(transform_output="pandas"),
    "polars output": sklearn_config(transform_output="polars"),
    "array API": sklearn_config(array_api_dispatch=True),
    "routing": sklearn_config(enable_metadata_routing=True),
    "assume finite": sklearn_config(assume_finite=True),
    "float64": lambda: changed(
        torch.get_default_dtype, torch.set_default_dtype, torch.float64
    ),
    "bfloat16": lambda: changed(
        torch.get_default_dtype, torch.set_default_dtype, torch.bfloat16
    ),
    # Stands for a GPU, too.
    "default device": lambda: changed(
        torch.get_default_device, torch.set_default_device, torch.device("meta")
    ),
    "device block": lambda: torch.device("meta"),
    "no gradients": lambda: changed(
        torch.is_grad_enabled, torch.set_grad_enabled, False
    ),
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": lambda: changed(
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
        True,
    ),
    "one thread": lambda: changed(torch.get_num_threads, torch.set_num_threads, 1),
    "more threads": lambda: changed(torch.get_num_threads, torch.set_num_threads, 3),
    "NumPy raises": lambda: np.errstate(all="raise"),
    "pandas": lambda: options_of_pandas(
        future__infer_string=False, mode__string_storage="python"
    ),
    "string cache of polars": pl.StringCache,
    "warnings": warnings_as_errors,
}


@pytest.fixture(scope="module")
def fitted():
    models = {name: fit(name) for name in MODELS}
    return {name: (model, results(model, name)) for name, model in models.items()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("setting", GLOBAL_SETTINGS)
def test__global_setting__fit_and_predict__give_the_same_bits(setting, fitted):
    for name, (model, expected) in fitted.items():
        with GLOBAL_SETTINGS[setting]():
            again = fit(name)
            found = results(model, name)
            loaded = pickle.loads(pickle.dumps(model))
        assert_same(results(again, name), expected)
        assert_same(results(loaded, name), expected)
        assert_same(found, expected)


@pytest.mark.parametrize("setting", ["float64", "default device", "no gradients"])
def test__global_setting__fit_that_fails__leaves_it_as_it_was(setting):
    def fails(reconstruction, target):
        raise ZeroDivisionError

    with GLOBAL_SETTINGS[setting](), pytest.raises(ZeroDivisionError):
        small(loss=fails).fit(NUMBERS[:, [1, 1]])


def test__inference_mode__unpickled_in_it__can_be_trained_further(fitted):
    with torch.inference_mode():
        model = pickle.loads(pickle.dumps(fitted["transformer"][0]))
    assert model.partial_fit(X).n_iter_ == 2


def test__assume_finite__infinite_cells__are_still_an_error():
    with sklearn.config_context(assume_finite=True), pytest.raises(ValueError):
        small().fit(np.full((5, 2), np.inf))


def test__transform_output__set_globally__changes_what_transform_returns(fitted):
    with sklearn.config_context(transform_output="polars"):
        assert isinstance(fitted["transformer"][0].transform(X), pl.DataFrame)
        assert isinstance(fitted["imputer"][0].draw(X)[0], pl.DataFrame)
        assert isinstance(fitted["transformer"][0].reconstruct(X), pd.DataFrame)


def test__default_dtype__threads_that_overlap__is_set_back_by_the_last():
    """Set back by the first one, it would change in the middle of the other."""
    seen = []
    first_is_done, second_has_begun = threading.Event(), threading.Event()

    class Late(WithFactories):
        def encode(self, X):
            second_has_begun.set()
            assert first_is_done.wait(20)
            seen.append(torch.get_default_dtype())
            return super().encode(X)

    fast = small(architecture=TorchModule(WithFactories)).fit(NUMBERS[:, [1, 1]])
    slow = pickle.loads(pickle.dumps(fast))
    slow.module_.network.__class__ = Late
    with GLOBAL_SETTINGS["float64"]():
        thread = threading.Thread(target=slow.transform, args=(NUMBERS[:, [1, 1]],))
        thread.start()
        assert second_has_begun.wait(20)
        fast.transform(NUMBERS[:, [1, 1]])
        first_is_done.set()
        thread.join(20)
        assert torch.get_default_dtype() == torch.float64
    assert seen == [torch.float32]


@pytest.mark.parametrize("name", MODELS)
def test__loaded_from_a_mapped_file__every_method__warns_of_nothing(
    name, tmp_path, fitted
):
    model, expected = fitted[name]
    joblib.dump(model, tmp_path / "model")
    # torch gives this warning once for a process, else.
    torch.set_warn_always(True)
    try:
        with warnings_as_errors():
            loaded = joblib.load(tmp_path / "model", mmap_mode="r")
            assert_same(results(loaded, name), expected)
            if hasattr(loaded, "partial_fit"):
                loaded.partial_fit(MODELS[name][1][0])
    finally:
        torch.set_warn_always(False)


def public_methods(cls):
    """Return the methods of an estimator that take or return rows."""
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        inherited = not method.__module__.startswith("sklearn_ae")
        parameters = inspect.signature(method).parameters
        rows = {"X", "n_samples"} & {*parameters}
        if rows and not name.startswith("_") and not inherited:
            yield name, method


@pytest.mark.parametrize("name", ["transformer", *list(MODELS)[4:]])
def test__every_public_method__is_isolated(name):
    """A method that is added has to be, too."""
    inside = {
        method_name
        for method_name, method in public_methods(type(MODELS[name][0]))
        for function in [inspect.unwrap(method, stop=is_isolated)]
        if is_isolated(function)
    }
    if name == "imputer":
        # Both are, but for the container of what they return.
        inside |= {"transform", "draw"}
    assert inside >= {n for n, _ in public_methods(type(MODELS[name][0]))}


def is_isolated(function):
    return function.__code__.co_name == "isolated_function"
