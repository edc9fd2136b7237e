"""What notebooks show: the link to the documentation, and the network."""

import re
from importlib import metadata

import numpy as np
import pytest

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae._autoencoder.html_repr import documentation_address

X = np.random.default_rng(0).normal(size=(40, 4))
ESTIMATORS = [
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
]


@pytest.fixture
def published(monkeypatch):
    """Let the package name the address of its documentation."""
    named = {"Project-URL": "Documentation, https://example.org/en/"}

    class Metadata:
        def get_all(self, name):
            return [named[name]]

    module = "sklearn_ae._autoencoder.html_repr.metadata"
    monkeypatch.setattr(module, lambda package: Metadata())


@pytest.mark.parametrize("cls", ESTIMATORS)
def test__html_repr__with_an_address__links_to_the_page_of_the_class(cls, published):
    page = f"https://example.org/en/generated/sklearn_ae.{cls.__name__}.html"
    assert f'href="{page}"' in cls()._repr_html_()


def test__html_repr__of_a_subclass_elsewhere__links_to_no_page_of_ours(published):
    class Mine(AutoencoderTransformer):
        __module__ = "elsewhere"

    assert "example.org" not in Mine()._repr_html_()


def test__html_repr__without_an_address__has_no_link(monkeypatch):
    """A link that leads nowhere is worse than none."""

    def unknown(package):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr("sklearn_ae._autoencoder.html_repr.metadata", unknown)
    assert documentation_address() == ""
    assert "href" not in AutoencoderTransformer()._repr_html_()


def test__html_repr__fitted__tells_the_size_of_the_network():
    ae = AutoencoderTransformer(2, hidden_layer_sizes=3, max_epochs=1, random_state=0)
    assert "Network:" not in ae._repr_html_()
    ae.fit(X)
    n_weights = sum(each.numel() for each in ae.module_.parameters())
    for html in (ae._repr_html_(), ae._repr_mimebundle_()["text/html"]):
        summary = re.search("<summary>Network: (.*?)</summary>", html)[1]
        assert summary.startswith(
            f"4 columns, 2 latents, {n_weights} weights, 1 epochs"
        )


def test__html_repr__of_a_detector__shows_the_network_of_its_autoencoder():
    ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_epochs=1)
    detector = AutoencoderAnomalyDetector(ae, random_state=0).fit(X)
    assert "4 columns, 2 latents" in detector._repr_html_()


def test__docstring__groups_of_parameters__name_each_once():
    """Thirty parameters are found by what they are about."""
    text = AutoencoderTransformer.__doc__
    groups = text[text.index("The parameters\n") : text.index("Parameters\n    ---")]
    named = re.findall(r"`(\w+)`", groups.partition("\n\n")[2])
    assert sorted(named) == sorted(AutoencoderTransformer().get_params(deep=False))
