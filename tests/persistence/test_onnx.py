"""Graphs of ONNX say what the estimators say."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderPretrainedClassifier,
    to_onnx,
)
from sklearn_ae.architectures import TorchModule
from sklearn_ae.latents import Clustered
from sklearn_ae.noise import HidingNoise
from tests.persistence import onnx_tables
from tests.persistence.helpers import X, fitted, predictor, small
from tests.persistence.onnx_tables import METHODS, run
from tests.real_tables import find_file, read_mixed

WHY = "needs the extra onnx: onnx, onnxscript, onnxruntime and skl2onnx"
onnx = pytest.importorskip("onnx", reason=WHY)
pytest.importorskip("onnxscript", reason=WHY)
onnxruntime = pytest.importorskip("onnxruntime", reason=WHY)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("onnx")]

NUMBERS = np.random.default_rng(0).normal(size=(80, 5))
NUMBERS[::9, 1] = np.nan


def with_unseen(table):
    """Return a table with a category that was not in fit, and with more holes."""
    table = table.copy()
    table.loc[3:9, "colour"] = "ultraviolet"
    table.loc[7:14, "größe"] = np.nan
    return table


def assert_agree(estimator, table, **options):
    model = to_onnx(estimator, check=False, **options)
    for n_rows in (1, 2, 3, len(table)):
        some = table[:n_rows]
        got = run(model, some)
        for name, values in got.items():
            expected = getattr(estimator, METHODS[name])(some)
            if name == "label":
                assert (values == expected).all()
            elif name == "scores":
                np.testing.assert_allclose(values, expected, rtol=1e-4)
            else:
                np.testing.assert_allclose(values, expected, atol=1e-5, rtol=1e-5)
    return model


@pytest.mark.parametrize("name", ["transformer", "detector", "classifier", "regressor"])
def test__to_onnx__mixed_table_with_holes_and_unseen_categories__agrees(name):
    assert_agree(fitted(name), with_unseen(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", None])
def test__to_onnx__numbers__all_outputs_agree(scaling, dtype):
    table = NUMBERS.astype(dtype)
    estimator = small(2, scaling=scaling).fit(table)
    assert_agree(estimator, table, outputs=["latents", "reconstruction", "scores"])


def test__to_onnx__numbers_far_from_zero__lose_nothing():
    table = 1e8 + NUMBERS
    assert_agree(small(2).fit(table), table)


def test__to_onnx__columns_named_as_parts_of_the_graph__do_not_collide():
    names = {"größe": "sklearn_ae/rows", "count": "latents", "member": "label"}
    table = X.rename(columns=names)
    got = run(to_onnx(small(2).fit(table)), table)
    assert [*got] == ["latents_"]


def test__to_onnx__column_named_as_a_reconstruction__does_not_collide():
    numbers = np.random.default_rng(0).normal(size=(50, 2))
    table = pd.DataFrame(numbers, columns=["age", "reconstruction_age"])
    model = to_onnx(small(1).fit(table), outputs=["reconstruction"])
    names = [one.name for one in (*model.graph.input, *model.graph.output)]
    assert len({*names}) == 4


def test__to_onnx__column_without_cells__stays_missing_and_agrees():
    table = np.random.default_rng(0).normal(size=(50, 3))
    table[:, 1] = np.nan
    for rows in (table, pd.DataFrame(table, columns=["a", "b", "c"])):
        to_onnx(small(1).fit(rows), outputs=["reconstruction"], check=True)


def test__to_onnx__twice__gives_the_same_bytes_and_names_no_folder(tmp_path):
    estimator, path = fitted("classifier"), tmp_path / "model.onnx"
    model = to_onnx(estimator, path)
    again = to_onnx(estimator, check=False)
    assert path.read_bytes() == again.SerializeToString(deterministic=True)
    assert [*tmp_path.iterdir()] == [path]
    for folder in (str(tmp_path.parent), torch.__file__[:20], "site-packages", ".py"):
        assert folder.encode() not in path.read_bytes()
    assert onnx.load(path).opset_import[0].version == 20
    assert model.producer_name == "sklearn_ae"


def test__to_onnx__labels_of_text__come_out_as_text():
    labels = np.array(["low", "high"], dtype=object)[np.arange(len(X)) % 2]
    estimator = predictor(AutoencoderPretrainedClassifier).fit(X, labels)
    assert_agree(estimator, X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fitted("imputer"), "AutoencoderImputer cannot be exported"),
        (lambda: branching().fit(NUMBERS), "torch.s exporter has no operators"),
    ],
)
def test__to_onnx__what_has_no_operator__says_so(make, message, capfd):
    with pytest.raises(ValueError, match=message) as caught:
        to_onnx(make())
    assert len(str(caught.value)) < 400
    assert capfd.readouterr().err == ""


class Branching(torch.nn.Module):
    """A network that does one thing or another, as its rows are."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = torch.nn.Linear(n_features, n_components)
        self.decoder = torch.nn.Linear(n_components, n_features)

    def encode(self, X):
        latents = self.encoder(X)
        return 2 * latents if latents.sum() > 0 else latents

    def decode(self, latents):
        return self.decoder(latents)


def branching():
    return small(2, architecture=TorchModule(Branching), hidden_layer_sizes=None)


@pytest.mark.parametrize("noise", ["auto", HidingNoise()])
@pytest.mark.parametrize("scaling", ["auto", "quantile"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__to_onnx__ranks_and_linear_fills__agree(noise, scaling, dtype):
    rng = np.random.default_rng(0)
    table = np.vstack([NUMBERS, 3 * NUMBERS]).astype(dtype)
    # Cells that repeat, are constant, or are missing in many ways.
    table[:, 2] = table[:, 2].round()
    table[:, 3] = 7.25
    table[rng.random(table.shape) < 0.3] = np.nan
    estimator = small(2, noise=noise, scaling=scaling).fit(table[:120])
    assert_agree(estimator, table, outputs=["latents", "reconstruction", "scores"])


def test__to_onnx__reconstruction_of_a_frame__has_its_columns_and_types():
    estimator, table = fitted("transformer"), with_unseen(X)
    model = to_onnx(estimator, outputs=["latents", "reconstruction"])
    got, expected = run(model, table), estimator.reconstruct(table)
    assert [*got] == ["latents", *(f"reconstruction_{name}" for name in table)]
    for name in table:
        values = got[f"reconstruction_{name}"][:, 0]
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(values, expected[name], atol=1e-5, rtol=1e-5)
        else:
            assert (values == expected[name]).all()


def test__to_onnx__reconstruction_of_categories_in_an_array__stays_a_matrix():
    table = np.column_stack([NUMBERS[:, 0], 10 * (np.arange(80) % 3)])
    estimator = small(2, categorical_features=[1]).fit(table)
    assert_agree(estimator, table, outputs=["reconstruction"])


@pytest.mark.parametrize("name", ["breast_cancer", "horse_colic", "auto_imports"])
def test__to_onnx__mixed_tables__agree(name):
    table = read_mixed(name)
    labels = table.pop(table.columns[-1])
    if labels.nunique() > 10:
        # Prices are no classes.
        labels = labels > labels.median()
    labels = labels.astype(str).to_numpy()
    onnx_tables.check(onnx_tables.compare(table, labels))


@pytest.mark.parametrize("name", ["vertebral", "SpamBase"])
def test__to_onnx__tables_of_outliers__agree(name):
    tables = onnx_tables.read_tables(find_file(f"adbench/{name}.npz"))
    for _, table, labels in tables:
        onnx_tables.check(onnx_tables.compare(table, labels))


def test__to_onnx__wrong_arguments__are_refused():
    with pytest.raises(ValueError, match="outputs must be some of"):
        to_onnx(fitted("transformer"), outputs=["label"])
    with pytest.raises(TypeError, match="use skl2onnx for pipelines"):
        to_onnx(make_pipeline(StandardScaler()).fit(NUMBERS))


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test__to_onnx__library_not_installed__says_how_to_install_it(missing):
    program = f"""
import sys
sys.modules[{missing!r}] = None
import numpy as np
from sklearn_ae import AutoencoderTransformer, to_onnx
ae = AutoencoderTransformer(2, max_epochs=1).fit(np.random.rand(20, 3))
try:
    to_onnx(ae)
except ImportError as error:
    assert 'pip install "sklearn_ae[onnx]"' in str(error), error
    assert {missing!r} in str(error), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test__to_onnx__clusters_and_images__agree():
    assert_agree(small(6, latent=Clustered(3)).fit(NUMBERS), NUMBERS)
    estimator = fitted("convolutional")
    images = np.random.default_rng(1).random((30, 36))
    assert_agree(estimator, images, outputs=["latents", "reconstruction"])


# Pipelines


@pytest.fixture
def skl2onnx():
    return pytest.importorskip("skl2onnx", reason=WHY)


def pipelines():
    scale_some = ColumnTransformer(
        [("scale", StandardScaler(), [0, 1, 2])], remainder="passthrough"
    )
    y = (np.arange(80) % 3 == 0).astype(int)
    return {
        "regression": make_pipeline(small(3), LogisticRegression()).fit(NUMBERS, y),
        "clusters": make_pipeline(small(3), KMeans(3, random_state=0)).fit(NUMBERS),
        "columns": make_pipeline(scale_some, small(3), LogisticRegression()).fit(
            NUMBERS, y
        ),
        "classifier": make_pipeline(
            StandardScaler(), predictor(AutoencoderPretrainedClassifier)
        ).fit(NUMBERS, y),
        "detector": make_pipeline(
            StandardScaler(), AutoencoderAnomalyDetector(small(), random_state=0)
        ).fit(NUMBERS),
    }


@pytest.mark.parametrize(
    "name", ["regression", "clusters", "columns", "classifier", "detector"]
)
def test__skl2onnx__pipeline__agrees(name, skl2onnx):
    pipeline = pipelines()[name]
    options = {"zipmap": False} if name in ("regression", "columns") else None
    model = skl2onnx.to_onnx(pipeline, NUMBERS[:1], options=options)
    for table in (NUMBERS, NUMBERS[:1]):
        labels, *others = run(model, table).values()
        assert (labels == pipeline.predict(table)).all()
        if hasattr(pipeline, "predict_proba"):
            expected = pipeline.predict_proba(table)
            np.testing.assert_allclose(others[0], expected, atol=1e-5)


def test__skl2onnx__columns_named_as_constants__do_not_collide(skl2onnx):
    y = (np.arange(len(X)) % 2).astype(int)
    # An object column without missing cells is what skl2onnx reads as text.
    table = X.assign(colour=X["colour"].fillna("blue"))
    table = table.rename(columns={"größe": "c", "count": "sklearn_ae_1", "member": "m"})
    pipeline = make_pipeline(small(3), LogisticRegression()).fit(table, y)
    model = skl2onnx.to_onnx(pipeline, table[:1], options={"zipmap": False})
    labels, probabilities = run(model, table).values()
    assert (labels == pipeline.predict(table)).all()
    expected = pipeline.predict_proba(table)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test__inputs__of_each_kind_of_table__are_as_documented():
    def inputs(estimator):
        graph = to_onnx(estimator, check=False).graph
        return {i.name: i.type.tensor_type.elem_type for i in graph.input}

    types = onnx.TensorProto
    assert inputs(small(2).fit(NUMBERS.astype(np.float32))) == {"X": types.FLOAT}
    assert inputs(fitted("transformer")) == {
        "größe": types.DOUBLE,
        "colour": types.STRING,
        "count": types.DOUBLE,
        "member": types.BOOL,
    }
