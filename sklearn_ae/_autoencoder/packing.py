"""Documents as one text and some arrays, for files and pickles."""

import json
import math
from hashlib import sha256
from typing import Any

import numpy as np


def pack(document: Any) -> tuple[str, list[np.ndarray]]:
    """Return the text of a document, with numbers for its arrays, and the arrays.

    Equal arrays are one.

    Parameters
    ----------
    document : JSON value
        With arrays among them.
    """
    arrays: list[np.ndarray] = []
    numbers: dict[Any, int] = {}

    def take(value: Any) -> Any:
        if isinstance(value, list):
            return [take(item) for item in value]
        if isinstance(value, dict):
            return {name: take(item) for name, item in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        content = sha256(value.tobytes()).digest()
        key = value.dtype.str, value.shape, content
        if key not in numbers:
            numbers[key] = len(arrays)
            arrays.append(value)
        return numbers[key]

    text = json.dumps(take(document), allow_nan=False, separators=(",", ":"))
    return text, arrays


def unpack(text: str, arrays: list[np.ndarray]) -> Any:
    """Return the document of a text and its arrays.

    Raises
    ------
    ValueError
        If it is not what `pack` returns.
    """

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"array"}:
            number = value["array"]
            _require(type(number) is int and 0 <= number < len(arrays))
            return {"array": arrays[number]}
        return {name: put(item) for name, item in value.items()}

    return put(parse(text))


def parse(text: str) -> Any:
    """Return the value of JSON without repeated names, infinite or huge numbers."""
    return json.loads(
        text,
        object_pairs_hook=_unique,
        parse_int=_small,
        parse_float=_finite,
        parse_constant=_refuse,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    _require(len(found) == len(pairs))
    return found


def _small(text: str) -> int:
    _require(len(text) <= 17)
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    _require(math.isfinite(value))
    return value


def _refuse(text: str) -> None:
    _require(False)


def _require(condition: Any) -> None:
    if not condition:
        raise ValueError("it is no file that save has written")
