"""The container: one safetensors file of a document and its arrays.

A file starts with the length of its header, 8 bytes. The header is JSON: under
"__metadata__" the name of the format, a checksum and the document; then for each array
its dtype, its shape and where it lies in the rest of the file, without gaps. Any reader
of safetensors reads it. The checksum is at a fixed place, and is that of the file with
zeros in its place, so that it covers every other byte.
"""

import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sklearn_ae._autoencoder.packing import pack, parse, unpack
from sklearn_ae._document import CannotBeDescribedError, walk

# Longest header: while it is read, it takes some forty times as much memory.
MOST_HEADER = 2**23
# Most arrays of a file.
MOST_ARRAYS = 50_000
# Most bytes of arrays that several objects share, counted each time but once.
MOST_SHARED = 2**26
# Bytes that are read for the checksum at once.
CHUNK = 2**20
# The header up to the checksum, and what stands for it.
START = b'{"__metadata__":{"format":"sklearn_ae","sha256":"'
ZEROS = b"0" * 64
# Names of safetensors for the dtypes of NumPy.
DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "U32": np.uint32,
    "I32": np.int32,
    "U64": np.uint64,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def write_file(path: str | os.PathLike[str], document: dict[str, Any]) -> None:
    """Write a document to a file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    document : dict
        JSON values, with arrays among them.

    Raises
    ------
    OSError
        If the file cannot be written. The one that was there is left as it was.
    ValueError
        If the document is too long.
    """
    text, arrays = pack(document)
    entries, end = {}, 0
    for i, array in enumerate(arrays):
        begin, end = end, end + array.nbytes
        entries[str(i)] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    metadata = json.dumps({"document": text}, separators=(",", ":"))
    rest = json.dumps(entries, separators=(",", ":"))[1:]
    comma = b"," if entries else b""
    header = START + ZEROS + b'",' + metadata[1:].encode() + comma + rest.encode()
    header += b" " * (-len(header) % 8)
    if len(header) > MOST_HEADER or len(entries) > MOST_ARRAYS:
        raise CannotBeDescribedError(
            f"The model cannot be saved: its description takes {len(header):,} bytes "
            f"and {len(entries):,} arrays, and a file may have {MOST_HEADER:,} and "
            f"{MOST_ARRAYS:,}. Fewer categories or shorter names help."
        )
    start = len(header).to_bytes(8, "little") + header
    digest = sha256(start)
    for array in arrays:
        digest.update(_bytes_of(array))
    start = start.replace(ZEROS, digest.hexdigest().encode(), 1)
    with replacing(path) as file:
        file.write(start)
        for array in arrays:
            file.write(_bytes_of(array))


def _bytes_of(array: np.ndarray) -> Any:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data if array.size else b""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file beside a path, which takes its place once it is whole."""
    # A link stays one.
    path = Path(os.path.realpath(path))
    other = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(other, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(other, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(other)
        raise
    # The name of a file is only safe once its folder is; not all systems can tell.
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the document of a file, which is whole and unchanged.

    It takes no more memory than the file has bytes, and a constant.

    Raises
    ------
    OSError
        If the file cannot be read.
    Exception
        Of any kind, if it is no such file, or was changed or cut off.
    """
    with open(path, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size)


def _read(file: BinaryIO, n_bytes: int) -> dict[str, Any]:
    fixed = file.read(8 + len(START) + len(ZEROS))
    n_header = int.from_bytes(fixed[:8], "little")
    is_ours = fixed[8:].startswith(START) and len(fixed) == 8 + len(START + ZEROS)
    _require(is_ours and len(fixed) - 8 <= n_header <= min(MOST_HEADER, n_bytes - 8))
    header = fixed[8:] + file.read(8 + n_header - len(fixed))
    _require(len(header) == n_header)
    entries = parse(header.decode())
    metadata = entries.pop("__metadata__")
    arrays = _allocate(entries, n_bytes - 8 - n_header)
    digest = sha256(fixed[: 8 + len(START)] + ZEROS + header[len(START + ZEROS) :])
    for array in arrays:
        data = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK]
            _require(file.readinto(part) == len(part), "it was cut off")  # type: ignore[attr-defined]
            digest.update(part)
    matches = digest.hexdigest().encode() == fixed[8 + len(START) :]
    _require(
        matches and not file.read(1),
        "its checksum does not match, so it was changed or cut off",
    )
    document = unpack(metadata["document"], arrays)
    # What an object makes of an array takes memory each time.
    n_used = sum(node["array"].nbytes for node in walk(document) if "array" in node)
    _require(n_used <= n_bytes + MOST_SHARED)
    for array in arrays:
        if array.dtype == bool:
            # Other bytes than 0 and 1 are no booleans.
            _require(array.size == 0 or array.view(np.uint8).max() <= 1)
    return document


def _allocate(entries: dict[str, Any], n_bytes: int) -> list[np.ndarray]:
    """Return empty arrays that fill the rest of a file exactly."""
    _require(len(entries) <= MOST_ARRAYS)
    arrays, end = [], 0
    for i in range(len(entries)):
        entry = entries[str(i)]
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
        are_sizes = all(type(n) is int and 0 <= n <= n_bytes for n in shape)
        _require(are_sizes and len(shape) <= 8)
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        _require(entry["data_offsets"] == [begin, end] and end <= n_bytes)
    _require(end == n_bytes, "it was cut off, or has bytes too many")
    for i in range(len(entries)):
        entry = entries[str(i)]
        arrays.append(np.empty(entry["shape"], DTYPES[entry["dtype"]]))
    return arrays


def _require(
    condition: Any, reason: str = "it is no file that save has written"
) -> None:
    if not condition:
        raise ValueError(reason)
