"""Files: opened, unpacked, and handed to the reader of their format."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.delimited import read_delimited
from sklearn_ae._cli.reading.formats import (
    read_arrays,
    read_feather,
    read_json,
    read_json_lines,
    read_parquet,
    read_workbook,
)

# Packers of one file: their endings, the first bytes they write, and what unpacks.
PACKERS = (
    ((".gz",), b"\x1f\x8b", gzip.decompress),
    ((".bz2",), b"BZh", bz2.decompress),
    ((".xz",), b"\xfd7zXZ\x00", lzma.decompress),
)
# First bytes of a packed folder.
ZIP = b"PK\x03\x04"
# Formats that tell themselves by their first bytes.
MAGIC = (
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".feather"),
    (b"FEA1", ".feather"),
    (b"\x93NUMPY", ".npy"),
)
# Formats of which a user can make one that is read.
FOREIGN = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "xlsx or CSV"),
    (b"%PDF", "a PDF document", "CSV"),
    (b"\x89HDF", "an HDF5 file", "Parquet"),
    (b"SQLite format 3\x00", "a SQLite database", "CSV"),
    (b"\x80\x04\x95", "a pickle, which is never opened", "Parquet"),
)
# First letters of pages, in small letters: what a browser saves instead of a file.
PAGES = (b"<!doctype", b"<html", b"<?xml")
WORKBOOKS = (".xlsx", ".xlsm")
READERS = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".feather": read_feather,
    ".arrow": read_feather,
    **dict.fromkeys(WORKBOOKS, read_workbook),
    ".npz": read_arrays,
    ".npy": read_arrays,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}


def read_cells(path, options):
    """Return the cells of a file.

    Parameters
    ----------
    path : Path
        File, or "-" for standard input.
    options : ReadingOptions

    Returns
    -------
    raw : RawTable

    Raises
    ------
    UserError
        If it is no table, or may be one of several.
    """
    notes = []
    if str(path) == "-":
        name, data = "standard input", sys.stdin.buffer.read()
    else:
        name, data = path.name, path.read_bytes()
    data, inner = _unpack(data, name, options, notes)
    if not data.strip():
        raise UserError(f"{name} is empty: it has neither names of columns nor rows.")
    for start, what, instead in FOREIGN:
        if data.startswith(start):
            raise UserError(f"Cannot read {name}: it is {what}. Save it as {instead}.")
    if data.lstrip()[:9].lower().startswith(PAGES):
        raise UserError(
            f"Cannot read {name}: it is a web page or XML, and no table. Save the "
            "table as CSV."
        )
    suffix = _suffix(data, inner)
    reader = READERS.get(suffix, read_delimited)
    try:
        raw = reader(data, name, options)
    except ImportError:
        package = "openpyxl" if suffix in WORKBOOKS else "pyarrow"
        raise UserError(
            f"Reading {name} needs {package}, which is not installed. Install it with: "
            f"pip install {package}"
        ) from None
    except (UserError, MemoryError):
        raise
    # Damaged files raise ValueError, OSError, KeyError and errors of their libraries.
    except Exception as error:
        raise _cannot_read(name, error) from error
    raw.notes[:0] = notes
    return raw


def _cannot_read(name, error):
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"Cannot read {name}, which seems to be damaged: {reason}")


def _unpack(data, name, options, notes):
    """Return the bytes of a table, and the name that they had in a packed file."""
    inner = name.lower()
    for suffixes, magic, unpack in PACKERS:
        is_named = inner.endswith(suffixes)
        if data.startswith(magic):
            try:
                data = unpack(data)
            except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
                raise _cannot_read(name, error) from error
            if not is_named:
                notes.append(f"{name} is packed ({suffixes[0]}), and was unpacked.")
        elif is_named and data:
            notes.append(f"{name} is not packed: it was read as it is.")
        if is_named:
            inner = inner.rpartition(".")[0]
    if data.startswith(ZIP):
        return _take_from_zip(data, name, inner, options, notes)
    return data, inner


def _take_from_zip(data, name, inner, options, notes):
    """Return the one file in a zip, unless the zip is a workbook or holds arrays."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [
            each.filename
            for each in archive.infolist()
            if not each.is_dir() and not each.filename.startswith("__MACOSX")
        ]
        if "[Content_Types].xml" in members:
            return data, "workbook.xlsx"
        if members and all(each.endswith(".npy") for each in members):
            return data, "arrays.npz"
        if not members:
            raise UserError(f"{name} is empty: it holds no file.")
        chosen = options.sheet if options.sheet in members else None
        if chosen is None and len(members) > 1:
            raise UserError(
                f"{name} holds {len(members)} files: {', '.join(members[:10])}. "
                "Name one of them with --sheet."
            )
        chosen = chosen or members[0]
        return _unpack(archive.read(chosen), chosen, options, notes)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError) as error:
        raise _cannot_read(name, error) from error


def _suffix(data, name):
    """Return the ending that names the format, by the first bytes where they tell."""
    for start, suffix in MAGIC:
        if data.startswith(start):
            return suffix
    suffix = "." + name.rpartition(".")[2]
    if suffix in READERS or name != "standard input":
        return suffix
    start = data.lstrip()[:1]
    if start == b"[":
        return ".json"
    return ".jsonl" if start == b"{" else ".csv"
