"""The reconstruction of a table in its columns, each with the type that it has."""

from typing import Any

import numpy as np

from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.writing import clip_to_dtype

# How the output of a column is called.
COLUMN_NAME = "{name}_{column}"


def is_matrix(encoder: TableEncoder) -> bool:
    """Whether a table is one matrix of numbers, rather than columns of their types."""
    levels = [level for _, levels, *_ in encoder.categories() for level in levels]
    numbers = (int, float, np.number)
    are_numbers = all(isinstance(each, numbers) for each in levels)
    return (
        encoder.names is None
        and are_numbers
        and not any(isinstance(each, bool) for each in levels)
    )


def has_columns(encoder: TableEncoder) -> bool:
    """Whether a reconstruction is more than the numbers of a matrix."""
    return not is_matrix(encoder) or bool(encoder.is_categorical_.any())


def column_names(encoder: TableEncoder) -> list[str]:
    """Return the names of the columns; those without one are called by position."""
    if encoder.names is not None:
        return list(encoder.names)
    return [f"x{i}" for i in range(encoder.n_features_in_)]


def output_names(encoder: TableEncoder, name: str) -> list[str]:
    """Return the names of what a reconstruction of this name comes out as."""
    if is_matrix(encoder):
        return [name]
    return [COLUMN_NAME.format(name=name, column=c) for c in column_names(encoder)]


def limits(encoder: TableEncoder) -> tuple[Any, Any, Any]:
    """Return which columns hold whole numbers, and the least and largest they hold."""
    n_features, dtypes = encoder.n_features_in_, encoder.form_.dtypes
    bounds = np.tile([0.5, -np.inf, np.inf], (n_features, 1))
    if dtypes is not None and not is_matrix(encoder):
        for i in np.flatnonzero(~encoder.is_categorical_):
            bounds[i] = clip_to_dtype(bounds[i], dtypes[i])
    return bounds[:, 0] != 0.5, bounds[:, 1], bounds[:, 2]


def decode(
    encoder: TableEncoder, coded: str, name: str, own: str
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return what makes of numbers and codes an output for each column.

    Parameters
    ----------
    encoder : TableEncoder
    coded, name : str
        The matrix of numbers and codes, and the output of the reconstruction.
    own : str
        What names begin with that no column has.

    Returns
    -------
    nodes, constants, outputs : list
        A matrix of numbers stays one.
    """
    from onnx import TensorProto, helper

    names = column_names(encoder)
    parts = [f"{own}column_{i}" for i in range(len(names))]
    ends = output_names(encoder, name)
    if is_matrix(encoder):
        ends = [f"{own}decoded_{i}" for i in range(len(names))]
    split: dict[str, Any] = {"axis": 1, "num_outputs": len(names)}
    nodes = [helper.make_node("Split", [coded], parts, **split)]
    constants, types = [], [TensorProto.DOUBLE] * len(names)
    of_column = {column: each for column, *each in encoder.categories()}
    for i, (part, end) in enumerate(zip(parts, ends, strict=True)):
        if i not in of_column:
            nodes.append(helper.make_node("Identity", [part], [end]))
            continue
        levels, _, shown = of_column[i]
        code, texts = f"{own}index_{i}", f"{own}levels_{i}"
        values = np.array([levels[k] for k in shown])
        if values.dtype.kind not in "OUb":
            values = values.astype(np.float64)
        constants.append(constant(values, texts))
        types[i] = constants[-1].data_type
        nodes.append(helper.make_node("Cast", [part], [code], to=TensorProto.INT64))
        nodes.append(helper.make_node("Gather", [texts, code], [end], axis=0))
    shapes = [None, 1]
    if is_matrix(encoder):
        nodes.append(helper.make_node("Concat", ends, [name], axis=1))
        ends, types, shapes = [name], [TensorProto.DOUBLE], [None, len(names)]
    infos = [
        helper.make_tensor_value_info(end, kind, shapes)
        for end, kind in zip(ends, types, strict=True)
    ]
    return nodes, constants, infos


def constant(values: np.ndarray, name: str) -> Any:
    """Return text, booleans or numbers as a constant."""
    from onnx import numpy_helper

    if values.dtype.kind in "OU":
        texts = np.array([str(value) for value in values], dtype=object)
        return numpy_helper.from_array(texts, name)
    kinds = {"b": bool, "f": np.float64}
    return numpy_helper.from_array(
        values.astype(kinds.get(values.dtype.kind, np.int64)), name
    )
