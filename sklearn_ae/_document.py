"""Documents: what a fitted object is made of, as plain values and arrays.

A document is a tree of JSON values and arrays. Each class that learns something has two
methods: `_to_document` returns its fields, and `_from_document` checks every one of
them and makes an equal object. Objects that only hold parameters need neither. Files
and pickles are made of the same documents.
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from sklearn_ae._compat import validate_params

# JSON keeps integers up to this one exact, whoever reads it.
LARGEST_INT = 2**53
# Most letters of a number that is written as text.
MOST_LETTERS = 100
# Most letters of an array of text, which gives all cells the room of the longest.
MOST_TEXT = 2**24
# Deepest nesting of values.
DEEPEST = 60
# Kinds of NumPy's dtypes that a file holds as they are.
ARRAY_KINDS = "biuf"
# Range of finite numbers.
LARGEST = float(np.finfo(np.float64).max)


class Described(NamedTuple):
    """How a class is described.

    Parameters
    ----------
    cls : type
    write : callable
        Takes an object and a `Writer`, and returns its fields.
    read : callable
        Takes its `Fields`, and returns an equal object.
    """

    cls: type
    write: Callable[[Any, "Writer"], dict[str, Any]]
    read: Callable[["Fields"], Any]


# All classes of objects that documents may hold, besides those that the user hands
# over. Nothing else is ever called by what a file says.
REGISTRY: dict[str, Described] = {}


def documented(cls: type) -> type:
    """Let documents hold objects of a class; a decorator."""
    return describe_as(cls, *_methods_of(cls))


def describe_as(cls: type, write: Callable, read: Callable) -> type:
    """Let documents hold objects of a class that has no methods for it."""
    REGISTRY[cls.__name__] = Described(cls, write, read)
    return cls


def _methods_of(cls: Any) -> tuple[Callable, Callable]:
    """Return how objects are described that have methods for it, or get_params."""
    if hasattr(cls, "_from_document"):
        return cls._to_document, cls._from_document
    return lambda value, writer: value.get_params(deep=False), _read_params


def _read_params(fields: "Fields") -> Any:
    made = fields.cls(**{name: fields.value(name) for name in fields.names})
    validate_params(made)
    return made


def _names_of_torch() -> dict[str, Any]:
    """Return the classes and functions of torch that a parameter may be."""
    names = {f"torch.nn:{n}" for n in (*nn.modules.activation.__all__, "Identity")}
    names |= {f"torch.nn.functional:{n}_loss" for n in ("mse", "l1", "huber")}
    found = {}
    for name in names:
        module, _, own = name.partition(":")
        found[name] = getattr(sys.modules[module], own)
    for name, value in vars(torch.optim).items():
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer):
            found[f"torch.optim:{name}"] = value
    return found


TORCH = _names_of_torch()


class CannotBeDescribedError(ValueError):
    """A value that a file cannot hold."""


def name_of(thing: Any) -> str:
    """Return the text that stands for a class or a function in a file.

    Raises
    ------
    CannotBeDescribedError
        If nobody could find it by that text, as a lambda.
    """
    for name, value in TORCH.items():
        if value is thing:
            return name
    module, name = thing.__module__, thing.__qualname__
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if module == "__main__" or found is not thing:
        raise CannotBeDescribedError(
            f"{name} of {module} cannot be saved, because nobody could find it by its "
            "name when the file is loaded: define it in a module, and import it."
        )
    return f"{module}:{name}"


class Writer:
    """Turns values into a document.

    Parameters
    ----------
    own_only : bool, default=False
        Whether classes and functions of the user are refused.
    training_state : bool, default=False
        Whether to write what only further training needs.
    """

    def __init__(self, *, own_only: bool = False, training_state: bool = False) -> None:
        self.own_only = own_only
        self.training_state = training_state
        self._numbers: dict[int, int] = {}

    def write(self, value: Any) -> Any:
        """Return the document of a value.

        Raises
        ------
        CannotBeDescribedError
            If it is neither plain nor an object that documents know.
        """
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind in (int, float):
            is_plain = (
                abs(value) <= LARGEST_INT if kind is int else math.isfinite(value)
            )
            return value if is_plain else {kind.__name__: str(value)}
        if kind in (list, tuple, dict):
            return self._write_items(value)
        if isinstance(value, np.ndarray):
            return self._write_array(np.asarray(value))
        if isinstance(value, np.generic) and value.dtype.kind in ARRAY_KINDS + "U":
            return {"numpy": value.dtype.str, "value": self.write(value.item())}
        if isinstance(value, Tensor):
            return {"tensor": self._write_array(value.detach().cpu().numpy())}
        if isinstance(value, type) or hasattr(value, "__qualname__"):
            return {"name": self._name(value)}
        return self._write_object(value)

    def _write_items(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return [self.write(item) for item in value]
        if kind is tuple:
            return {"tuple": [self.write(item) for item in value]}
        pairs = value.items()
        return {"dict": [[self.write(k), self.write(v)] for k, v in pairs]}

    def _write_array(self, value: np.ndarray) -> Any:
        if value.dtype.kind in ARRAY_KINDS and value.dtype.itemsize <= 8:
            native = value.astype(value.dtype.newbyteorder("="), copy=False)
            return {"array": np.ascontiguousarray(native).reshape(value.shape)}
        if value.dtype.kind not in "OU":
            raise CannotBeDescribedError(
                f"An array of dtype {value.dtype} cannot be saved: it must hold "
                "numbers, booleans, text or objects."
            )
        cells = [self.write(cell) for cell in value.ravel().tolist()]
        return {
            "cells": cells,
            "shape": list(value.shape),
            "text": value.dtype != object,
        }

    def _write_object(self, value: Any) -> Any:
        cls = type(value)
        known = REGISTRY.get(cls.__name__)
        if known is not None and known.cls is cls:
            return self._write_fields(value, cls.__name__, known.write)
        if hasattr(value, "_to_document") or hasattr(value, "get_params"):
            return self._write_fields(value, self._name(cls), _methods_of(cls)[0])
        if hasattr(value, "__array__"):
            return self.write(np.asarray(value))
        raise CannotBeDescribedError(
            f"An object of {type(value).__name__} cannot be saved: a file holds "
            "numbers, text, arrays, objects of this library, and those with the method "
            "get_params whose class can be imported."
        )

    def _name(self, thing: Any) -> str:
        name = name_of(thing)
        if self.own_only and name not in TORCH:
            raise CannotBeDescribedError(f"{name} is no part of this library.")
        return name

    def _write_fields(self, value: Any, name: Any, write: Callable) -> Any:
        """Return the document of an object; of an estimator once only."""
        if id(value) in self._numbers:
            return {"same": self._numbers[id(value)]}
        number: dict[str, int] = {}
        if isinstance(value, BaseEstimator):
            number["number"] = self._numbers[id(value)] = len(self._numbers)
        fields = {k: self.write(v) for k, v in write(value, self).items()}
        return {"object": name, "fields": fields, **number}


class Reader:
    """Makes what a document describes, and checks it on the way.

    Parameters
    ----------
    document : JSON value
        With arrays where the writer put them.
    classes : mapping of str to type, default=None
        The user's own classes and functions, by the texts that stand for them.
    device : torch.device, default=None
        Where networks are put. `None`: where they were, if that is here.
    """

    TAGS = (
        *("int", "float", "tuple", "dict", "array", "cells", "numpy", "tensor"),
        *("name", "same", "object"),
    )

    def __init__(
        self,
        document: Any,
        classes: Mapping[str, Any] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.names = TORCH | dict(classes or {})
        self.device = device
        self._depth = 0
        self._made: dict[int, Any] = {}
        arrays = (node["array"] for node in walk(document) if "array" in node)
        self._n_uses = Counter(map(id, arrays))
        self._numbered = {
            node["number"]: node
            for node in walk(document)
            if node.keys() == {"object", "fields", "number"}
        }

    def read(self, document: Any) -> Any:
        """Return the value that a document describes.

        Raises
        ------
        Exception
            Of any kind, if it describes none.
        """
        if document is None or isinstance(document, (bool, int, float, str)):
            return document
        self._depth += 1
        _require(self._depth <= DEEPEST, "values are nested too deeply")
        if isinstance(document, list):
            value: Any = [self.read(item) for item in document]
        else:
            tag = next(iter(document))
            _require(tag in self.TAGS, f"{tag!r} is no kind of value")
            value = getattr(self, f"_read_{tag}")(*document.values())
        self._depth -= 1
        return value

    def _read_int(self, text: str) -> int:
        _require(len(text) <= MOST_LETTERS, "an integer is too long")
        return int(text)

    def _read_float(self, text: str) -> float:
        _require(text in ("nan", "inf", "-inf"), f"{text!r} is no float")
        return float(text)

    def _read_tuple(self, items: list[Any]) -> Any:
        return tuple(self.read(items))

    def _read_dict(self, pairs: list[Any]) -> Any:
        return dict(self.read(pairs))

    def _read_array(self, array: Any) -> np.ndarray:
        _require(isinstance(array, np.ndarray), "an array is none")
        return array

    def _read_cells(self, cells: list[Any], shape: list[int], text: bool) -> np.ndarray:
        values = self.read(cells)
        array = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            array[i] = value
        if text:
            longest = max(1, max(map(len, values), default=1))
            _require(longest * len(values) <= MOST_TEXT, "an array has too much text")
            array = array.astype(f"U{longest}")
        return array.reshape(shape)

    def _read_numpy(self, dtype: str, value: Any) -> Any:
        _require(re.fullmatch(r"[|<>=][biufU]\d{1,4}", dtype), f"{dtype!r} is no dtype")
        return np.dtype(dtype).type(self.read(value))

    def _read_tensor(self, array: Any) -> Tensor:
        values = self.read(array)
        # Equal arrays are one, and no two weights may be. torch warns about arrays that
        # nobody may write to, as of a mapped file.
        is_own = self._n_uses[id(values)] == 1 and values.flags.writeable
        return torch.from_numpy(values if is_own else values.copy())

    def _read_name(self, name: str) -> Any:
        return self.names[name]

    def _read_same(self, number: int) -> Any:
        if number not in self._made:
            self.read(self._numbered[number])
        return self._made[number]

    def _read_object(self, name: Any, fields: Any, number: int | None = None) -> Any:
        if number is not None and number in self._made:
            return self._made[number]
        if name in REGISTRY:
            cls, _, read = REGISTRY[name]
        else:
            cls = self._read_name(name)
            read = _methods_of(cls)[1]
        own = Fields(self, fields, cls)
        made = read(own)
        own.check_all_read()
        if number is not None:
            self._made[number] = made
        return made


class Fields:
    """The fields in the document of an object; each is checked when it is read.

    Parameters
    ----------
    reader : Reader
    fields : dict
    cls : type
        That of the object.
    """

    def __init__(self, reader: Reader, fields: dict[str, Any], cls: type) -> None:
        self.reader = reader
        self.cls = cls
        self._fields = fields
        self._unread = {*fields}

    @property
    def names(self) -> list[str]:
        """Names of all fields."""
        return list(self._fields)

    def value(self, name: str) -> Any:
        """Return a value of any kind."""
        self._unread.discard(name)
        return self.reader.read(self._fields[name])

    def check_all_read(self) -> None:
        """Refuse fields that such an object does not have."""
        _require(
            not self._unread,
            f"{self.cls.__name__} has no {min(self._unread, default='')!r}",
        )

    def require(self, condition: Any, name: str) -> None:
        """Refuse a field that does not fit."""
        _require(condition, f"{name!r} of {self.cls.__name__} does not fit")

    def part(self, name: str, *classes: type) -> Any:
        """Return an object of one of some classes; ``type(None)`` may be one."""
        value = self.value(name)
        self.require(isinstance(value, classes), name)
        return value

    def parts(self, name: str, cls: type, least: int = 0) -> list[Any]:
        """Return a list of objects of a class."""
        values = self.part(name, list)
        self.require(len(values) >= least, name)
        self.require(all(isinstance(value, cls) for value in values), name)
        return values

    def choice(self, name: str, *choices: Any) -> Any:
        """Return one of some values."""
        value = self.value(name)
        if isinstance(value, str):
            value = str(value)  # that of NumPy, as in a search over an array
        self.require(any(type(c) is type(value) and c == value for c in choices), name)
        return value

    def flag(self, name: str) -> bool:
        """Return true or false."""
        return self.choice(name, True, False)

    def text(self, name: str, most: int = LARGEST_INT) -> str:
        """Return text of at most so many letters."""
        value = self.part(name, str)
        self.require(len(value) <= most, name)
        return value

    def integer(self, name: str, least: int = 0, most: int = LARGEST_INT) -> int:
        """Return an integer in a range."""
        value = self.value(name)
        self.require(type(value) is int and least <= value <= most, name)
        return value

    def integers(self, name: str, least: int, most: int) -> tuple[int, ...]:
        """Return a tuple of integers in a range."""
        values = self.part(name, tuple)
        fits = [type(n) is int and least <= n <= most for n in values]
        self.require(all(fits), name)
        return values

    def number(
        self, name: str, least: float = -LARGEST, most: float = LARGEST
    ) -> float:
        """Return a finite float in a range."""
        value = self.value(name)
        self.require(type(value) is float and least <= value <= most, name)
        return value

    def array(
        self,
        name: str,
        shape: tuple[int | None, ...],
        dtype: Any = np.float64,
        *,
        missing: bool = False,
        least: float = -LARGEST,
        most: float = LARGEST,
    ) -> np.ndarray:
        """Return an array of numbers in a range.

        Parameters
        ----------
        name : str
        shape : tuple of int or None
            `None` is any length.
        dtype : type, default=numpy.float64
        missing : bool, default=False
            Whether some may be `NaN`.
        least, most : float
            The range; that of all finite numbers by default.
        """
        value = self.part(name, np.ndarray)
        self.require(value.dtype == dtype and value.ndim == len(shape), name)
        pairs = zip(value.shape, shape, strict=True)
        self.require(all(n in (None, got) for got, n in pairs), name)
        if value.size and value.dtype.kind != "b":
            reduce = (np.fmin, np.fmax) if missing else (np.minimum, np.maximum)
            low, high = (
                float(function.reduce(value, axis=None)) for function in reduce
            )
            is_empty = missing and math.isnan(low)
            self.require(is_empty or (least <= low and high <= most), name)
        return value

    def optional_array(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return an array as `array` does, or `None`."""
        if self._fields.get(name, 0) is None:
            return self.value(name)
        return self.array(name, *args, **kwargs)


def walk(document: Any) -> Iterator[dict[str, Any]]:
    """Yield all values in a document that have a tag."""
    left = [document]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left.extend(node)
        elif isinstance(node, dict):
            yield node
            # The fields of an object have names of its own.
            inner = {k: v for k, v in node.items() if k != "fields"}
            left.extend([*inner.values(), *node.get("fields", {}).values()])


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise ValueError(message)
