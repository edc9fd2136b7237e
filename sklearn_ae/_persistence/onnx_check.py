"""A graph of ONNX, compared with its estimator on rows like those of `fit`."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ae._compat import import_optional
from sklearn_ae._persistence.onnx_columns import is_matrix
from sklearn_ae._persistence.onnx_modules import categories_of

# Text that runtimes make of missing cells.
MISSING_TEXT = ("", "nan", "None", "<NA>")
# Rows that a graph is tried with.
CHECKED_ROWS = (1, 2, 3, 300)
# The method that says the same as an output.
METHODS = {
    "latents": "transform",
    "reconstruction": "reconstruct",
    "scores": "score_samples",
    "label": "predict",
    "prediction": "predict",
    "probabilities": "predict_proba",
}
# How far a graph may be from the estimator, as a share of the value, or of 1.
TOLERANCE = 1e-4


class Input(NamedTuple):
    """An input of a graph: one column, or all of them."""

    name: str
    kind: str
    """"float", "double", "int64", "bool" or "string"."""
    n_columns: int


def check_graph(
    model: Any, estimator: Any, inputs: list[Input], outputs: list[str]
) -> None:
    """Compare a graph with the estimator on rows like those of `fit`."""
    runtime = import_optional("onnxruntime", "to_onnx(..., check=True)", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options)
    rng = np.random.default_rng(0)
    for n_rows in CHECKED_ROWS:
        columns = _make_rows(estimator.table_encoder_, inputs, n_rows, rng)
        got = session.run(None, columns)
        expected = _expected(estimator, _as_table(estimator, columns), outputs)
        for (name, other), one in zip(expected, got, strict=True):
            if not _agrees(name, one, other):
                raise ValueError(
                    f"The graph gives other {name} than {type(estimator).__name__} "
                    f"does, for {n_rows} rows. An own torch module may do what ONNX "
                    "has no operator for."
                )


def _agrees(name: str, got: Any, expected: Any) -> bool:
    if got.shape != expected.shape:
        return False
    if name == "label" or got.dtype.kind in "OUb":
        # One row in a hundred may lie on a border.
        return bool((got == expected).mean() >= 0.99)
    known = ~np.isnan(expected)
    if (np.isnan(got) == known).any():
        return False
    error = np.abs(got - expected)[known] / np.maximum(1, np.abs(expected[known]))
    return not error.size or bool(np.quantile(error, 0.99) <= TOLERANCE)


def _expected(estimator: Any, table: Any, outputs: list[str]) -> list[Any]:
    """Return pairs of an output and what an estimator says, in the order of both."""
    encoder, found = estimator.table_encoder_, []
    for name in outputs:
        values = np.asarray(getattr(estimator, METHODS[name])(table))
        if name in ("prediction", "reconstruction"):
            values = values.reshape(len(values), -1)
        if name == "reconstruction" and not is_matrix(encoder):
            # A frame of several types is an array of objects, whose columns are none.
            parts = [np.array(column.tolist())[:, None] for column in values.T]
            found += [(name, part) for part in parts]
        else:
            found.append((name, values))
    return found


def _make_rows(encoder: Any, inputs: list[Input], n_rows: int, rng: Any) -> Any:
    """Return rows like those of `fit`, with missing cells, one array for each input."""
    scale = encoder.scale()
    size = (n_rows, encoder.n_features_in_)
    cells = rng.normal(size=size) * scale["scale"] + np.nan_to_num(scale["center"])
    cells[rng.random(size) < 0.1] = np.nan
    tables = {c: levels for c, levels, *_ in categories_of(encoder)}
    for column, levels in tables.items():
        if not isinstance(levels[0], str):
            cells[:, column] = rng.choice(np.array(levels, dtype=float), n_rows)
    dtypes = {"float": np.float32, "double": np.float64, "bool": bool}
    if len(inputs) == 1 and inputs[0].n_columns > 1:
        return {inputs[0].name: cells.astype(dtypes[inputs[0].kind])}
    rows = {}
    for i, one in enumerate(inputs):
        if one.kind == "string":
            known = [level for level in tables[i] if level not in MISSING_TEXT]
            drawn = rng.choice(np.array([*known, "no category"], object), (n_rows, 1))
            rows[one.name] = np.where(rng.random((n_rows, 1)) < 0.1, "", drawn)
        else:
            rows[one.name] = cells[:, [i]].astype(dtypes[one.kind])
    return rows


def _as_table(estimator: Any, columns: dict[str, Any]) -> Any:
    """Return inputs of a graph as a table for the estimator."""
    encoder = estimator.table_encoder_
    cells = list(columns.values())
    if len(cells) == 1 and cells[0].shape[1] == encoder.n_features_in_ > 1:
        return cells[0]
    known = {c: {*levels} for c, levels, *_ in categories_of(encoder)}
    for i, column in enumerate(cells):
        if column.dtype == object:
            gone = np.isin(column, [t for t in MISSING_TEXT if t not in known[i]])
            cells[i] = np.where(gone, None, column)
    return encoder.frame_of({n: c[:, 0] for n, c in zip(columns, cells, strict=True)})
