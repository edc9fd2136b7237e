"""to_onnx: an estimator as a graph that needs neither Python nor this library."""

import io
import logging
import os
import warnings
from collections.abc import Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import import_optional
from sklearn_ae._imputation.imputer import AutoencoderImputer
from sklearn_ae._isolation import isolated
from sklearn_ae._persistence.container import replacing
from sklearn_ae._persistence.onnx_check import MISSING_TEXT, Input, check_graph
from sklearn_ae._persistence.onnx_columns import (
    column_names,
    constant,
    decode,
    has_columns,
    is_matrix,
    output_names,
)
from sklearn_ae._persistence.onnx_modules import (
    MISSING,
    UNKNOWN,
    ClassifierGraph,
    DetectorGraph,
    Graph,
    RegressorGraph,
    TransformerGraph,
    categories_of,
)
from sklearn_ae._supervised.classifier import AutoencoderPretrainedClassifier
from sklearn_ae._supervised.regressor import AutoencoderPretrainedRegressor

# Of each estimator: its graph, the outputs there are, and those of default.
KINDS: dict[type, tuple[type[Graph], tuple[str, ...], int]] = {
    AutoencoderTransformer: (
        TransformerGraph,
        ("latents", "reconstruction", "scores"),
        1,
    ),
    AutoencoderPretrainedClassifier: (
        ClassifierGraph,
        ("label", "probabilities", "latents"),
        2,
    ),
    AutoencoderPretrainedRegressor: (RegressorGraph, ("prediction", "latents"), 1),
    AutoencoderAnomalyDetector: (DetectorGraph, ("label", "scores"), 2),
}
# Version of the operators by default; that of runtimes of 2024 and later.
OPSET = 20
# Longest reason of torch's exporter in a message.
MOST_REASON = 200
# The same of the operators that look text up.
ML_OPSET = 3


@isolated
def to_onnx(
    estimator: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    outputs: Sequence[str] | None = None,
    opset: int | None = None,
    check: bool = True,
) -> Any:
    """Export a fitted estimator to ONNX, from raw rows to results.

    The graph scales, codes categories and fills missing cells itself. A table without
    names of columns is one input, ``"X"``, of shape (n_rows, n_features); a frame has
    one input of shape (n_rows, 1) for each column, of its name. Numbers are float64
    unless the rows of `fit` were float32. Text is missing where it is ``""``,
    ``"nan"``, ``"None"`` or ``"<NA>"``, unless that is a category.

    Parameters
    ----------
    estimator : estimator instance
        A fitted transformer, classifier, regressor or detector.
    path : str or path-like, default=None
        File to write the graph to; it is one file, and replaces another one whole.
    outputs : sequence of str, default=None
        Of a transformer ``"latents"`` (the default), ``"reconstruction"`` (of a frame
        one for each column, such as ``"reconstruction_age"``), ``"scores"``; of a
        classifier ``"label"``, ``"probabilities"`` (the default) and ``"latents"``; of
        a regressor ``"prediction"`` (the default) and ``"latents"``; of a detector
        ``"label"`` and ``"scores"``. An output has an underscore behind its name where
        a column has that name.
    opset : int, default=None
        Version of ONNX's operators, at least 18. `None` is 20.
    check : bool, default=True
        Whether to compare the graph with the estimator, on 1, 2, 3 and 300 rows, which
        needs onnxruntime.

    Returns
    -------
    model : onnx.ModelProto
        The same bytes each time.

    Raises
    ------
    ImportError
        If onnx, onnxscript or onnxruntime is not installed.
    ValueError
        If the estimator cannot be exported, or the graph says something else.
    """
    onnx = import_onnx()
    check_is_fitted(estimator)
    names = check_outputs(estimator, outputs)
    inputs = inputs_of(estimator)
    model = build_model(estimator, inputs, names, opset or OPSET)
    onnx.checker.check_model(model)
    if check:
        check_graph(model, estimator, inputs, names)
    if path is not None:
        with replacing(path) as file:
            file.write(model.SerializeToString(deterministic=True))
    return model


def import_onnx() -> Any:
    """Return the module onnx; onnxscript has to be there, too."""
    import_optional("onnxscript", "to_onnx", "onnx")
    return import_optional("onnx", "to_onnx", "onnx")


def check_outputs(estimator: Any, outputs: Sequence[str] | None) -> list[str]:
    """Return the names of the outputs; refuse what a graph cannot have."""
    if isinstance(estimator, AutoencoderImputer):
        raise ValueError(
            "AutoencoderImputer cannot be exported to ONNX: it fills cells in several "
            "passes, some from rows that it keeps. Use sklearn_ae.save."
        )
    kind = next((cls for cls in KINDS if isinstance(estimator, cls)), None)
    if kind is None:
        raise TypeError(
            "to_onnx takes a transformer, classifier, regressor or detector of "
            f"sklearn_ae; use skl2onnx for pipelines. Got {type(estimator).__name__}."
        )
    _, known, n_default = KINDS[kind]
    names = list(known[:n_default] if outputs is None else outputs)
    if not names or len({*names}) < len(names) or not {*names} <= {*known}:
        raise ValueError(f"outputs must be some of {list(known)}. Got {outputs!r}.")
    return names


def inputs_of(estimator: Any) -> list[Input]:
    """Return the inputs of the graph of an estimator."""
    encoder = estimator.table_encoder_
    n_features, dtypes = encoder.n_features_in_, encoder.form_.dtypes
    kinds = {c: _kind_of(levels, c) for c, levels, *_ in categories_of(encoder)}
    if is_matrix(encoder):
        is_float32 = encoder.scale()["fits_float32"] and not kinds
        return [Input("X", "float" if is_float32 else "double", n_features)]
    inputs = []
    for i in range(n_features):
        is_float32 = dtypes is not None and str(dtypes[i]).lower() == "float32"
        kind = kinds.get(i, "float" if is_float32 else "double")
        inputs.append(Input(column_names(encoder)[i], kind, 1))
    return inputs


def _kind_of(levels: list[Any], column: int) -> str:
    """Return the type of the input for categories."""
    types = {type(level) for level in levels}
    if all(issubclass(t, str) for t in types):
        return "string"
    if all(issubclass(t, (bool, np.bool_)) for t in types):
        return "bool"
    if all(issubclass(t, (int, float, np.number)) for t in types):
        return "double"
    raise ValueError(
        f"The categories of column {column} cannot be exported to ONNX: they must be "
        f"text, numbers or booleans. Got {levels[0]!r}. Make text of them, and fit "
        "again."
    )


def build_model(
    estimator: Any, inputs: list[Input], outputs: list[str], opset: int
) -> Any:
    """Return the graph of an estimator as a model.

    Parameters
    ----------
    estimator : estimator instance
    inputs : list of Input
    outputs : list of str
    opset : int
    """
    import onnx
    from onnx import TensorProto, helper

    types = {
        "float": TensorProto.FLOAT,
        "double": TensorProto.DOUBLE,
        "int64": TensorProto.INT64,
        "bool": TensorProto.BOOL,
        "string": TensorProto.STRING,
    }
    encoder = estimator.table_encoder_
    is_float32 = {i.kind for i in inputs} == {"float"} and encoder.scale()[
        "fits_float32"
    ]
    core_kind = "float" if is_float32 else "double"
    text = [i for i, one in enumerate(inputs) if one.kind == "string"]
    taken = {one.name for one in inputs}
    own = _free("sklearn_ae/", lambda name: any(t.startswith(name) for t in taken))
    names = [
        _free(output, lambda name: not taken.isdisjoint(output_names(encoder, name)))
        if output == "reconstruction"
        else _free(output, taken.__contains__)
        for output in outputs
    ]
    nodes, parts = [], []
    tables = {c: (levels, codes, u) for c, levels, codes, u in categories_of(encoder)}
    for i, one in enumerate(inputs):
        cells = one.name
        if one.kind == "string":
            nodes.append(_look_up(helper, cells, f"{own}code_{i}", *tables[i]))
            cells = f"{own}code_{i}"
        if one.kind != core_kind:
            cast = f"{own}cells_{i}"
            nodes.append(helper.make_node("Cast", [cells], [cast], to=types[core_kind]))
            cells = cast
        parts.append(cells)
    matrix = parts[0]
    if len(parts) > 1:
        matrix = f"{own}rows"
        nodes.append(helper.make_node("Concat", parts, [matrix], axis=1))
    graph_class = next(v[0] for k, v in KINDS.items() if isinstance(estimator, k))
    module = graph_class(estimator, text, outputs).eval()
    core = onnx.compose.add_prefix(
        _export(module, encoder.n_features_in_, is_float32, opset), f"{own}core/"
    )
    renamed = {core.graph.input[0].name: matrix}
    last: list[Any] = []
    results: list[Any] = []
    constants = list(core.graph.initializer)
    for output, name, value in zip(outputs, names, core.graph.output, strict=True):
        renamed[value.name], *added = _decoded(estimator, output, name, value, own)
        for some, more in zip((last, constants, results), added, strict=True):
            some.extend(more)
    for node in core.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    graph = helper.make_graph(
        [*nodes, *core.graph.node, *last],
        "sklearn_ae",
        [
            helper.make_tensor_value_info(i.name, types[i.kind], [None, i.n_columns])
            for i in inputs
        ],
        results,
        constants,
    )
    _name_rows(graph)
    operators = [helper.make_opsetid("", opset)]
    if text:
        operators.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    return helper.make_model(
        graph,
        opset_imports=operators,
        ir_version=core.ir_version,
        producer_name="sklearn_ae",
    )


def _decoded(estimator: Any, output: str, name: str, value: Any, own: str) -> Any:
    """Return what an output of the core is called, and what makes results of it.

    Returns
    -------
    called : str
    nodes, constants, infos : list
    """
    from onnx import helper

    coded = f"{own}{output}"
    if output == "label" and hasattr(estimator, "classes_"):
        labels = constant(estimator.classes_, f"{own}classes")
        look = helper.make_node("Gather", [labels.name, coded], [name], axis=0)
        kind = helper.make_tensor_type_proto(labels.data_type, [None])
        return coded, [look], [labels], [helper.make_value_info(name, kind)]
    if output == "reconstruction" and has_columns(estimator.table_encoder_):
        return coded, *decode(estimator.table_encoder_, coded, name, own)
    return name, [], [], [helper.make_value_info(name, value.type)]


def _free(name: str, is_taken: Any) -> str:
    """Return a name, with underscores if it is taken."""
    while is_taken(name):
        name = f"_{name}" if name.endswith("/") else f"{name}_"
    return name


def _name_rows(graph: Any) -> None:
    """Let the number of rows be free in all inputs and outputs."""
    for one in (*graph.input, *graph.output):
        dimension = one.type.tensor_type.shape.dim[0]
        dimension.Clear()
        dimension.dim_param = "n_rows"


def _look_up(
    helper: Any,
    name: str,
    output: str,
    levels: list[str],
    codes: list[int],
    infrequent: int | None,
) -> Any:
    """Return the node that replaces text by codes."""
    missing = [text for text in MISSING_TEXT if text not in levels]
    return helper.make_node(
        "LabelEncoder",
        [name],
        [output],
        domain="ai.onnx.ml",
        keys_strings=[*levels, *missing],
        values_floats=[*map(float, codes), *[MISSING] * len(missing)],
        default_float=UNKNOWN if infrequent is None else float(infrequent),
    )


def _export(module: Graph, n_features: int, is_float32: bool, opset: int) -> Any:
    """Return the graph of a module for coded rows, without a trace of this machine."""
    dtype = torch.float32 if is_float32 else torch.float64
    example = torch.zeros(3, n_features, dtype=dtype)
    try:
        with _silent(), torch.no_grad():
            program: Any = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:MOST_REASON]
        raise ValueError(
            "The network cannot be exported to ONNX, since it does what torch's "
            f"exporter has no operators for: {type(cause).__name__}: {reason}"
        ) from error
    model = program.model_proto
    if {o.domain: o.version for o in model.opset_import}.get("") != opset:
        raise ValueError(f"opset={opset} cannot be exported to; 18 and later can.")
    model = import_optional("onnx.inliner", "to_onnx", "onnx").inline_local_functions(
        model
    )
    del model.metadata_props[:], model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for one in (*model.graph.input, *model.graph.output):
        del one.metadata_props[:]
    for weights in model.graph.initializer:
        del weights.metadata_props[:]
        weights.doc_string = ""
    return model


@contextmanager
def _silent() -> Any:
    """Keep quiet about what torch's exporter says to its developers."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        # Where it fails, it prints whole graphs.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
