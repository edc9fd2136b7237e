"""Tables of numbers and categories: in any container, with any parameter."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.architectures import TorchModule
from sklearn_ae.noise import GaussianNoise, MaskingNoise, SwapNoise
from tests.helpers import (
    KINDS,
    assert_known_values,
    assert_same_form,
    columns_of,
    frame_of_kinds,
    mixed_cells,
    to_array,
    to_pandas,
)


def make(**params):
    defaults = {"n_components": 3, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


def weights(ae):
    return torch.cat([w.flatten() for w in ae.module_.state_dict().values()]).numpy()


FRAME = to_pandas(mixed_cells())


@pytest.fixture(scope="module")
def reference():
    return make().fit(to_array(mixed_cells()))


@pytest.mark.filterwarnings("ignore:X (does not have|has) .*feature names")
def test__fit__same_table_in_any_container__gives_the_same_bits(container, reference):
    X, X_array = container(mixed_cells()), to_array(mixed_cells())
    ae = make().fit(X)
    assert_array_equal(ae.is_categorical_, [False, False, True, True, True])
    assert_array_equal(weights(ae), weights(reference))
    assert_array_equal(ae.transform(X), reference.transform(X_array))
    assert_array_equal(ae.score_samples(X), reference.score_samples(X_array))
    restored = columns_of(ae.reconstruct(X))
    assert restored[2:] == columns_of(reference.reconstruct(X_array))[2:]
    assert_array_equal(reference.transform(X), ae.transform(X))


def test__reconstruct__any_container__gives_its_form_and_known_values(container):
    X = container(mixed_cells())
    ae = make().fit(X)
    codes = ae.set_output(transform="pandas").transform(X)
    for got in (ae.reconstruct(X), ae.inverse_transform(codes)):
        assert_same_form(got, X)
        assert_known_values(got, X, ae.is_categorical_)


def test__fit__any_container__leaves_the_table_as_it_was(container):
    X, before = (container(mixed_cells()) for _ in range(2))
    ae = make().fit(X)
    ae.score_samples(X)
    ae.reconstruct(X)
    ae.partial_fit(X)
    assert columns_of(X) == columns_of(before)
    assert_same_form(X, before)


def test__sample_weight__zero__hides_a_category():
    weight = (FRAME.colour != "grey").to_numpy()
    ae = make().fit(FRAME, sample_weight=weight)
    assert_array_equal(weights(ae), weights(make().fit(FRAME[weight])))
    grey, missing = FRAME.assign(colour="grey"), FRAME.assign(colour=None)
    assert_array_equal(ae.transform(grey), ae.transform(missing))


@pytest.mark.parametrize("max_categories", [2, 100])
def test__fit__rows_in_another_order__gives_the_same_bits(max_categories):
    """Of two equally frequent categories, not the first one in the table is kept."""
    X = pd.DataFrame({"size": np.arange(60) % 5, "colour": list("abc") * 20})
    backwards = X.iloc[::-1]
    ae, other = (
        make(max_categories=max_categories).fit(rows) for rows in (X, backwards)
    )
    assert_array_equal(weights(ae), weights(other))
    assert columns_of(ae.reconstruct(X)) == columns_of(other.reconstruct(X))


def test__early_stopping__mixed_table__keeps_the_weights_of_the_lowest_loss():
    ae = make(early_stopping=True, max_epochs=20, lr=0.05).fit(FRAME)
    assert np.isfinite(ae.validation_loss_curve_).all()
    assert_same_form(ae.reconstruct(FRAME), FRAME)


def cells_to_the_fourth(values, X):
    return (values - X) ** 4


def largest_of_a_row(values, X):
    return (values - X).abs().amax(dim=1) if X.shape[1] else values.sum(dim=1)


SETTINGS = {
    "minmax": {"scaling": "minmax"},
    "quantile": {"scaling": "quantile"},
    "no scaling": {"scaling": None},
    "mae": {"loss": "mae"},
    "huber": {"loss": "huber"},
    "bce": {"loss": "bce", "scaling": "minmax"},
    "loss of cells": {"loss": cells_to_the_fourth},
    "loss of rows": {"loss": largest_of_a_row},
    "GaussianNoise": {"noise": GaussianNoise(std=0.1)},
    "MaskingNoise": {"noise": MaskingNoise(rate=0.1)},
    "SwapNoise": {"noise": SwapNoise(rate=0.1)},
    "early stopping": {"early_stopping": True},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "tanh": {"activation": "tanh"},
    "bfloat16": {"precision": "bfloat16"},
    "other optimizer": {"optimizer": "rmsprop", "lr_schedule": "plateau"},
}


@pytest.mark.parametrize("case", SETTINGS)
def test__fit__any_setting__restores_numbers_and_categories(case):
    cells = mixed_cells()
    X = to_pandas({name: cells[name] for name in ("size", "colour", "member", "paid")})
    ae = make(n_components=8, max_epochs=300, **SETTINGS[case]).fit(X)
    got = ae.reconstruct(X)
    assert_same_form(got, X)
    assert_known_values(got, X, ae.is_categorical_)
    for name in ("colour", "member", "paid"):
        observed = X[name].notna()
        assert (got[name] == X[name])[observed].mean() > 0.9
    assert got["size"].corr(X["size"]) > 0.9


@pytest.mark.parametrize("case", ["mae", "bce", "loss of cells", "loss of rows"])
def test__fit__loss_of_numbers_without_a_number__is_that_of_categories(case):
    X = FRAME[["colour", "member"]]
    ae = make(**SETTINGS[case]).fit(X)
    if case != "bce":  # its network has another output activation, and another start
        assert_array_equal(weights(ae), weights(make().fit(X)))
    assert np.isfinite(ae.score_samples(X)).all()


class Mine(nn.Module):
    """A user's own model."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.n_features = n_features
        self.encoder = nn.Sequential(nn.Linear(n_features, 8), nn.Tanh())
        self.encoder.append(nn.Linear(8, n_components))
        self.decoder = nn.Linear(n_components, n_features)


def test__torch_module__mixed_table__gets_the_encoded_width():
    ae = make(architecture=TorchModule(Mine), noise=SwapNoise()).fit(FRAME)
    assert ae.module_.network.n_features == 2 + 4 + 2 + 2
    assert ae.transform(FRAME).shape == (90, 3)
    assert_same_form(ae.reconstruct(FRAME), FRAME)


# In the machinery of scikit-learn


@pytest.mark.parametrize(
    "duplicate", [lambda ae: pickle.loads(pickle.dumps(ae)), copy.deepcopy]
)
def test__duplicate__fitted_on_a_mixed_table__says_the_same(container, duplicate):
    X = container(mixed_cells())
    ae = make().fit(X)
    twin = duplicate(ae)
    assert_array_equal(twin.transform(X), ae.transform(X))
    assert columns_of(twin.reconstruct(X)) == columns_of(ae.reconstruct(X))
    assert_array_equal(weights(clone(ae).fit(X)), weights(ae))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test__set_output__mixed_table__gives_frames_of_latents(container, library):
    X = container(mixed_cells())
    Z = make().set_output(transform=library).fit_transform(X)
    assert type(Z).__module__.startswith(library)
    assert list(Z.columns) == [f"autoencodertransformer{i}" for i in range(3)]


def test__pipeline__mixed_frame__can_be_searched():
    search = GridSearchCV(
        make_pipeline(make(), LogisticRegression()),
        {
            "autoencodertransformer__max_categories": [2, None],
            "autoencodertransformer__categorical_features": ["from_dtype", [1, 2]],
        },
        cv=2,
        error_score="raise",
    )
    search.fit(FRAME.drop(columns="member")[["size", "colour", "paid"]], FRAME.member)
    assert search.best_score_ > 0.8


def test__column_transformer__mixed_frame__passes_categories_through():
    scaled = ColumnTransformer(
        [("scale", StandardScaler(), ["size", "count"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    for output in ("default", "pandas"):
        ae = make_pipeline(scaled.set_output(transform=output), make()).fit(FRAME)
        assert_array_equal(ae[-1].is_categorical_, [False, False, True, True, True])
    mixed = ColumnTransformer([("codes", make(), ["colour", "count"])]).fit(FRAME)
    assert mixed.transform(FRAME).shape == (90, 3)


# Random tables, and real ones


@st.composite
def random_columns(draw):
    """Return the name of a kind and some cells for each of a few columns."""
    n_rows = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    return [
        (
            kind,
            draw(
                st.lists(KINDS[kind][0] | st.none(), min_size=n_rows, max_size=n_rows)
            ),
        )
        for kind in kinds
    ]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@settings(max_examples=60, deadline=None)
@given(columns=random_columns())
def test__reconstruct__random_frame__has_its_form_and_known_values(library, columns):
    X = frame_of_kinds(library, columns)
    ae = make(max_epochs=1, hidden_layer_sizes=(4,))
    if all(cell is None for _, column in columns for cell in column):
        with pytest.raises(ValueError, match="no observed cell"):
            ae.fit(X)
        return
    got = ae.fit(X).reconstruct(X)
    assert_array_equal(
        ae.is_categorical_, [kind not in ("int", "float") for kind, _ in columns]
    )
    assert_same_form(got, X)
    assert_known_values(got, X, ae.is_categorical_)
    assert np.isfinite(ae.score_samples(X)).all()


@pytest.mark.parametrize(
    "form",
    [lambda X: X, lambda X: X.convert_dtypes(), pl.from_pandas],
    ids=["pandas", "pandas nullable", "polars"],
)
def test__reconstruct__mixed_table__has_its_form_and_known_values(mixed_table, form):
    X = form(mixed_table)
    is_text = [pd.api.types.is_string_dtype(dtype) for dtype in mixed_table.dtypes]
    ae = make(max_epochs=1).fit(X)
    assert_array_equal(ae.is_categorical_, is_text)
    assert_same_form(ae.reconstruct(X), X)
    assert_known_values(ae.reconstruct(X), X, is_text)


@pytest.mark.slow
def test__reconstruct__32_components__restores_19_of_20_categories(
    large_mixed_table,
):
    X = large_mixed_table
    ae = AutoencoderTransformer(32, random_state=0).fit(X)
    got = ae.reconstruct(X)
    names = X.columns[ae.is_categorical_]
    observed = X[names].notna()
    assert len(names) > 5
    same = (got[names] == X[names]).to_numpy()
    assert same[observed.to_numpy()].mean() >= 0.95
