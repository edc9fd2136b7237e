"""Formats that are no lines of cells: each read by the library that knows it best."""

import io
import json

import numpy as np
import pandas as pd

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.delimited import name_columns
from sklearn_ae._cli.reading.options import RawTable

# Rows of a Parquet file that are looked through at a time for a sample.
BATCH = 65_536
# Most cells of a Parquet file that are read without being asked to: some 2 GB.
MOST_CELLS = 50_000_000


def read_parquet(data, name, options):
    """Return the columns of a Parquet file; the levels of its index come first."""
    return _of_frame(pd.read_parquet(io.BytesIO(data)), name)


def sample_parquet(path, options):
    """Return randomly drawn rows of a Parquet file, which is never in memory whole."""
    from pyarrow import Table, parquet

    file = parquet.ParquetFile(path)
    n_rows = file.metadata.num_rows
    rows = draw_rows(n_rows, options)
    parts, start = [], 0
    for batch in file.iter_batches(BATCH):
        end = start + len(batch)
        inside = slice(*np.searchsorted(rows, [start, end]))
        parts.append(Table.from_batches([batch]).take(rows[inside] - start))
        start = end
    from pyarrow import concat_tables

    raw = _of_frame(concat_tables(parts).to_pandas(), path.name)
    raw.rows, raw.n_rows = rows, n_rows
    return raw


def largest_sample(path):
    """Return how many rows of a Parquet file to draw, None if it is small or none."""
    try:
        from pyarrow import parquet

        metadata = parquet.ParquetFile(path).metadata
    # Whatever is wrong with the file is said when it is read.
    except Exception:
        return None
    n_rows, n_columns = metadata.num_rows, metadata.num_columns
    if n_rows * n_columns <= MOST_CELLS:
        return None
    return max(1, MOST_CELLS // n_columns)


def draw_rows(n_rows, options):
    """Return the positions of the rows of a sample, in their order."""
    rng = np.random.default_rng(options.seed)
    return np.sort(rng.choice(n_rows, min(options.sample, n_rows), replace=False))


def read_feather(data, name, options):
    """Return the columns of a Feather file."""
    return _of_frame(pd.read_feather(io.BytesIO(data)), name)


def _of_frame(frame, name):
    """Return the columns of a frame, and the levels of its index unless they count."""
    index = frame.index
    nameless = set()
    if not (isinstance(index, pd.RangeIndex) and index.name is None):
        names = [each or f"level_{i}" for i, each in enumerate(index.names)]
        levels = index.to_frame(index=False)
        levels.columns = names
        nameless = {n for n, each in zip(names, index.names, strict=True) if not each}
        frame = pd.concat([levels, frame.reset_index(drop=True)], axis=1)
    raw = RawTable(name, frame.reset_index(drop=True))
    name_columns(raw, [str(each) for each in frame.columns])
    raw.nameless |= nameless
    return raw


def read_json(data, name, options):
    """Return the columns of a JSON file: a list of records, or an object of columns."""
    try:
        content = json.loads(_decoded(data))
    except json.JSONDecodeError as error:
        # One object in each line is another format, whatever the ending says.
        if error.msg == "Extra data":
            return read_json_lines(data, name, options)
        raise UserError(
            f"Line {error.lineno} of {name} is no JSON: {error.msg}. Correct that line."
        ) from error
    if isinstance(content, dict) and set(content) == {"columns", "data", "index"}:
        frame = pd.DataFrame(content["data"], columns=content["columns"])
    elif isinstance(content, dict) and content:
        lists = [each for each in content.values() if isinstance(each, list)]
        # A lone list among other entries is that of the records.
        records = lists[0] if len(lists) == 1 and len(content) > 1 else content
        frame = _frame(records, name)
    else:
        frame = _frame(content, name)
    return _of_frame(frame.reset_index(drop=True), name)


def read_json_lines(data, name, options):
    """Return the columns of a file with a record in each line."""
    records = []
    for number, line in enumerate(_decoded(data).splitlines(), 1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(
                f"Line {number} of {name} is no JSON: {error.msg}. Correct that line."
            ) from error
        if not isinstance(records[-1], dict):
            raise UserError(
                f"Line {number} of {name} is no record: it takes names and values, "
                'such as {"age": 45}.'
            )
    return _of_frame(_of_records(records), name)


def _decoded(data):
    return data.decode(
        "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    )


def _frame(content, name):
    is_records = isinstance(content, list) and all(
        isinstance(each, dict) for each in content
    )
    if not (is_records and content) and not isinstance(content, dict):
        raise UserError(
            f"{name} is no table: it takes a list of records, such as "
            '[{"age": 45}, {"age": 46}].'
        )
    return _of_records(content) if is_records else pd.DataFrame(content)


def _of_records(records):
    """Return a column for each name; a point joins those of records in records."""
    nests = any(isinstance(cell, dict) for each in records for cell in each.values())
    return pd.json_normalize(records) if nests else pd.DataFrame(records)


def read_workbook(data, name, options):
    """Return the cells of one sheet."""
    book = pd.ExcelFile(io.BytesIO(data), engine="openpyxl")
    sheets = [str(each) for each in book.sheet_names]
    if options.sheet is not None and options.sheet not in sheets:
        raise UserError(
            f"There is no sheet {options.sheet!r} in {name}. It has: "
            f"{', '.join(sheets)}."
        )
    sheet = sheets[0] if options.sheet is None else options.sheet
    cells = pd.read_excel(
        book, sheet, header=None, dtype=object, keep_default_na=False, na_values=[]
    )
    cells = cells.iloc[options.skip_lines :]
    cells = cells.where(cells.notna(), "").map(_stripped)
    written = (cells != "").to_numpy(dtype=bool)
    if not written.any():
        raise UserError(f"{name} is empty: sheet {sheet!r} holds no cells.")
    first, last = np.flatnonzero(written.any(axis=1))[[0, -1]]
    width = np.flatnonzero(written.any(axis=0))[-1] + 1
    cells, written = cells.iloc[first : last + 1, :width], written[first : last + 1]
    line = first + options.skip_lines + 1
    if options.header and width > 2 and written[0].sum() == 1:
        raise UserError(
            f"Row {line} of {name} ({cells.iloc[0, np.argmax(written[0])]!r}) has one "
            f"cell, and others have {width}: if it is a title above the names, leave "
            f"it out with --skip-lines {line}."
        )
    raw = _of_cells(cells, line, name, options)
    if options.sheet is None and len(sheets) > 1:
        raw.notes.append(
            f"{name} has {len(sheets)} sheets, of which the first, {sheet!r}, was "
            "read: --sheet names another one."
        )
    return raw


def _stripped(cell):
    return cell.strip() if isinstance(cell, str) else cell


def _of_cells(cells, line, name, options):
    """Return a table from the cells of a sheet, with the types that the cells have."""
    names = [""] * cells.shape[1]
    if options.header:
        names = [str(each) for each in cells.iloc[0]]
        cells, line = cells.iloc[1:], line + 1
    columns = {
        i: pd.Series(
            [None if each == "" else each for each in cells[column]], dtype=object
        )
        for i, column in enumerate(cells)
    }
    frame = pd.DataFrame(columns).infer_objects()
    raw = RawTable(name, frame, lines=np.arange(line, line + len(frame)))
    name_columns(raw, names)
    return raw


def read_arrays(data, name, options):
    """Return the columns of NumPy arrays: one of rows, others with a value for each."""
    loaded = np.load(io.BytesIO(data), allow_pickle=False)
    arrays = {"X": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    tables = {key: each for key, each in arrays.items() if each.ndim >= 2}
    key = _chosen_array(tables, name, options)
    rows = tables[key].reshape(len(tables[key]), -1)
    width = len(str(rows.shape[1] - 1))
    frame = pd.DataFrame(rows, columns=[f"x{i:0{width}}" for i in range(rows.shape[1])])
    beside = {
        each: values
        for each, values in arrays.items()
        if values.ndim == 1 and len(values) == len(frame)
    }
    raw = _of_frame(frame.assign(**beside), name)
    raw.notes.append(
        f"{name}: array {key!r} has the rows"
        + (f"; {', '.join(map(repr, beside))} became columns." if beside else ".")
    )
    return raw


def _chosen_array(tables, name, options):
    if options.sheet is not None:
        if options.sheet not in tables:
            raise UserError(
                f"There is no array {options.sheet!r} of rows in {name}. It has: "
                f"{', '.join(tables) or 'none'}."
            )
        return options.sheet
    if not tables:
        raise UserError(
            f"{name} holds no array of rows: it takes one of two dimensions."
        )
    if len(tables) > 1:
        raise UserError(
            f"{name} holds several arrays of rows, {', '.join(tables)}: name one with "
            "--sheet."
        )
    return next(iter(tables))
