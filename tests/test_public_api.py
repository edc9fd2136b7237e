"""The public API is the one that public_api.txt lists, so that a review sees a change.

After a change that is meant, write the list anew::

    python tests/test_public_api.py > tests/public_api.txt
"""

import inspect
import re
import subprocess
import sys
from difflib import unified_diff
from importlib import import_module
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from torch import nn

import sklearn_ae
from sklearn_ae import displays
from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.distributed import Checkpoint
from sklearn_ae.latents import Variational

LIST = Path(__file__).with_name("public_api.txt")
MODULES = [
    *("", ".architectures", ".latents", ".noise", ".metrics", ".displays"),
    *(".datasets", ".distributed"),
]
REQUIRED = {
    TorchModule: {"cls": nn.Identity, "width": 3},
    Checkpoint: {"folder": "run"},
}


def describe():
    """Return one line for each public name, parameter, method and attribute."""
    attributes = fitted_attributes()
    lines = []
    for suffix in MODULES:
        module = import_module("sklearn_ae" + suffix)
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            lines.append(f"{module.__name__}.{name}")
            if callable(thing):
                lines += [f"    {line}" for line in parameters_of(thing)]
            if inspect.isclass(thing):
                lines += [f"    {line}" for line in get_params_of(thing)]
                lines += [f"    {line}" for line in methods_of(thing)]
                lines += [f"    .{a}" for a in sorted(attributes.get(thing, ()))]
    return "".join(f"{line}\n" for line in lines)


def signature(function):
    """Return a signature without annotations, which may be written in other ways."""
    found = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]
    return found.replace(
        parameters=parameters, return_annotation=inspect.Signature.empty
    )


def parameters_of(function):
    """Return one line for each parameter: its kind, its name and its default."""
    parameters = signature(function).parameters.values()
    return [f"{p.kind.description}: {p}" for p in parameters]


def get_params_of(cls):
    """Return one line for each of `get_params` that is no constructor parameter."""
    if not hasattr(cls, "get_params") or issubclass(cls, displays.DrawReconstructions):
        return []
    taken = signature(cls).parameters
    params = cls(**REQUIRED.get(cls, {})).get_params()
    missing = [name for name in taken if name not in params and name != "kwargs"]
    return [
        *(f"get_params lacks: {name}" for name in missing),
        *(f"get_params: {k}={v!r}" for k, v in params.items() if k not in taken),
    ]


def methods_of(cls):
    """Return one line for each public method and property of a class.

    Those that the class has from scikit-learn are named without their parameters, and
    those from skorch are left out: both may change with the library.
    """
    lines = []
    for name in sorted(n for n in dir(cls) if not n.startswith("_")):
        member = inspect.getattr_static(cls, name)
        owner = next(c for c in cls.__mro__ if name in vars(c)).__module__
        if isinstance(member, property):
            lines.append(f".{name}  # a property")
        elif owner.startswith("sklearn.") or name.endswith("_request"):
            lines.append(f".{name}(...)")
        elif owner.startswith("sklearn_ae"):
            lines.append(f".{name}{signature(getattr(cls, name))}")
    return lines


def fitted_attributes():
    """Return the public attributes that each class has after `fit` or `plot`."""
    matplotlib.use("Agg")
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=[*"abcd"])
    X["e"] = np.where(X["a"] > 0, "yes", "no")
    labels = (X["b"] > 0).astype(int)
    targets = X["c"]
    ae = sklearn_ae.AutoencoderTransformer(2, max_epochs=2, random_state=0)
    stopping = sklearn_ae.AutoencoderTransformer(
        2, max_epochs=2, early_stopping=True, latent=Variational()
    )
    detector = sklearn_ae.AutoencoderAnomalyDetector(ae, random_state=0).fit(X)
    images = np.random.default_rng(0).random((40, 16))
    drawn = displays.DrawReconstructions(images[:4], image_shape=(4, 4))
    convolutional = sklearn_ae.AutoencoderTransformer(
        2,
        architecture=Convolutional((1, 4, 4), channels=(2,)),
        max_epochs=2,
        callbacks=[drawn],
    ).fit(images.reshape(-1, 1, 4, 4))
    phases = {"max_epochs": 2, "random_state": 0}
    fitted = [
        ae.fit(X),
        stopping.fit(X),
        convolutional,
        detector,
        sklearn_ae.AutoencoderImputer(ae, random_state=0).fit(X),
        sklearn_ae.AutoencoderPretrainedClassifier(ae, **phases).fit(X, labels),
        sklearn_ae.AutoencoderPretrainedRegressor(ae, **phases).fit(X, targets),
        drawn,
        displays.ReconstructionDisplay.from_estimator(
            convolutional, images[:4], image_shape=(4, 4)
        ),
        displays.LatentSpaceDisplay.from_estimator(ae, X),
        displays.LossCurveDisplay.from_estimator(ae),
        displays.ClusterGridDisplay.from_predictions(
            images[:20],
            codes=convolutional.transform(images[:20]),
            clusters=np.arange(20) % 3,
            image_shape=(4, 4),
        ),
        displays.AnomalyDisplay.from_estimator(detector, X),
    ]
    attributes = {}
    for one in fitted:
        own = signature(type(one)).parameters
        names = {n for n in vars(one) if not n.startswith("_") and n not in own}
        attributes.setdefault(type(one), set()).update(names)
    return attributes


IMPORT = """
import sys
import sklearn_ae
assert "torch" not in sys.modules
assert {*sklearn_ae.__all__, "noise", "latents"} <= {*dir(sklearn_ae)}
sklearn_ae.noise.SwapNoise, sklearn_ae.displays.ReconstructionDisplay
from sklearn_ae import *
assert AutoencoderTransformer is sklearn_ae.AutoencoderTransformer
"""


def test__package__imported_alone__finds_each_name_when_asked():
    subprocess.run([sys.executable, "-c", IMPORT], check=True)


def test__package__unknown_name__is_an_attribute_error():
    assert not hasattr(sklearn_ae, "AutoencoderClassifier")


def test__public_api__is_as_listed():
    listed, found = LIST.read_text("utf-8"), describe()
    changes = unified_diff(
        listed.splitlines(), found.splitlines(), "public_api.txt", "the code", n=0
    )
    assert listed == found, (
        "The public API is not the one that tests/public_api.txt lists. Each line "
        "that is gone may break code of users. If this is meant, write the list anew: "
        "python tests/test_public_api.py > tests/public_api.txt\n" + "\n".join(changes)
    )


ESTIMATORS = [
    value
    for name in sklearn_ae.__all__
    if inspect.isclass(value := getattr(sklearn_ae, name))
    and issubclass(value, BaseEstimator)
]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test__docstring__groups__name_each_parameter_once(cls):
    """A parameter that no group names is not found among the others."""
    groups = cls.__doc__.split("in groups:")[1].split("Read more")[0]
    assert sorted(re.findall(r"`(\w+)`", groups)) == sorted(signature(cls).parameters)


if __name__ == "__main__":
    sys.stdout.write(describe())
