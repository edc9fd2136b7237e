"""Converters for skl2onnx, which asks estimators for them by methods of theirs."""

from typing import Any

from sklearn_ae._persistence.onnx import (
    KINDS,
    Input,
    build_model,
    check_outputs,
    import_onnx,
)


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of an estimator to that of a pipeline.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Gives names that nothing else in the pipeline has.
    operator : skl2onnx.common._topology.Operator
    container : skl2onnx.common._container.ModelComponentContainer
    """
    import_onnx()
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType

    estimator = operator.raw_operator
    outputs = check_outputs(estimator, None)
    inputs = [
        Input(f"input {i}", _kind_of(variable.type), variable.type.shape[1] or 1)
        for i, variable in enumerate(operator.inputs)
    ]
    if len(inputs) == 1:
        n_features = estimator.table_encoder_.n_features_in_
        inputs = [inputs[0]._replace(n_columns=n_features)]
    model = build_model(estimator, inputs, outputs, container.target_opset)
    pairs = [*zip(inputs, operator.inputs, strict=True)]
    names = {one.name: variable.full_name for one, variable in pairs}
    for name, variable in zip(outputs, operator.outputs, strict=True):
        names[name] = variable.full_name
        if name == "latents" and isinstance(variable.type, DoubleTensorType):
            names[name] = scope.get_unique_variable_name("sklearn_ae_latents")
            container.add_node(
                "Cast",
                [names[name]],
                [variable.full_name],
                to=TensorProto.DOUBLE,
                name=scope.get_unique_operator_name("sklearn_ae_Cast"),
            )

    def renamed(name: str) -> str:
        if name and name not in names:
            names[name] = scope.get_unique_variable_name(f"sklearn_ae_{len(names)}")
        return names.get(name, name)

    for constant in model.graph.initializer:
        constant.name = renamed(constant.name)
        container.initializers.append(constant)
    for node in model.graph.node:
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        node.name = scope.get_unique_operator_name(f"sklearn_ae_{node.op_type}")
        container.nodes.append(node)
    for version in model.opset_import:
        container.node_domain_version_pair_sets.add((version.domain, version.version))


def _kind_of(kind: Any) -> str:
    """Return the kind of an input from skl2onnx's type."""
    name = type(kind).__name__.removesuffix("TensorType").lower()
    if name in ("float", "double", "int64", "boolean", "string"):
        return name.removesuffix("ean")
    return "double"


def set_shapes(operator: Any) -> None:
    """Tell skl2onnx the types and shapes of what an estimator gives.

    Parameters
    ----------
    operator : skl2onnx.common._topology.Operator
    """
    from skl2onnx.common import data_types as types

    estimator = operator.raw_operator
    n_rows = operator.inputs[0].get_first_dimension()
    labels: Any = getattr(estimator, "classes_", ())
    # What follows in the pipeline expects the type that skl2onnx has guessed.
    is_double = isinstance(operator.outputs[0].type, types.DoubleTensorType)
    number = types.DoubleTensorType if is_double else types.FloatTensorType
    kinds = {
        "latents": (number, getattr(estimator, "n_components_", None)),
        "probabilities": (types.FloatTensorType, len(labels)),
        "prediction": (types.DoubleTensorType, None),
        "scores": (types.DoubleTensorType, 0),
        "label": (types.Int64TensorType, 0),
    }
    if len(labels) and labels.dtype.kind in "OU":
        kinds["label"] = types.StringTensorType, 0
    names = next(v[1][: v[2]] for k, v in KINDS.items() if isinstance(estimator, k))
    for name, variable in zip(names, operator.outputs, strict=True):
        kind, n_columns = kinds[name]
        variable.type = kind([n_rows] if n_columns == 0 else [n_rows, n_columns])
