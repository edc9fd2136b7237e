"""Tables of the command line: the digits, or a file of the user's."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.columns import (
    CATEGORY,
    DATE,
    IDENTIFIER,
    IGNORED,
    LEFT_OUT,
    NUMBER,
    fault,
    read_columns,
)
from sklearn_ae._cli.reading.files import read_cells
from sklearn_ae._cli.reading.formats import draw_rows, largest_sample, sample_parquet
from sklearn_ae._compat import did_you_mean
from sklearn_ae.displays._labels import Labels, as_labels
from sklearn_ae.displays._text import printed_cell

# Fewest rows that two methods can be compared on.
MIN_ROWS = 10
# Fewest rows of a class, on average; with fewer, a target is no class but free text.
MIN_ROWS_PER_CLASS = 5
# Widest name of a column in the printed table of columns.
NAME_WIDTH = 24


@dataclass(frozen=True)
class InputTable:
    """A table with its name, target and notes.

    Columns of float64 in `X` are numbers or dates, all others categories; `NaN` and
    `None` are missing cells. `written` holds the cells of all columns as they are in
    the file, `columns` what each column is.
    """

    name: str
    X: pd.DataFrame
    target: Labels | None = None
    notes: tuple = ()
    image_shape: tuple = ()
    n_components: int | None = None
    columns: tuple = ()
    written: pd.DataFrame | None = None
    target_cells: pd.Series | None = None
    rows: np.ndarray = field(default_factory=lambda: np.arange(0))
    n_rows: int = 0

    @property
    def numbers(self):
        """Names of the columns of numbers."""
        return self.X.columns[self.X.dtypes == "float64"]

    @property
    def categories(self):
        """Names of the columns of categories."""
        return self.X.columns[self.X.dtypes != "float64"]

    @property
    def dates(self):
        """Names of the columns of dates, which `X` has as days since 1970."""
        return [each.name for each in self.columns if each.kind == DATE]

    @property
    def identifiers(self):
        """The columns that name the rows, as they are in the file."""
        names = [each.name for each in self.columns if each.kind == IDENTIFIER]
        return self.written[names]


def digits():
    """Return the 1,797 handwritten digits that scikit-learn ships."""
    data = load_digits(as_frame=True)
    return InputTable(
        name="The handwritten digits of scikit-learn",
        X=data.data,
        target=Labels(data.target.to_numpy(), tuple("0123456789"), "digit"),
        image_shape=(8, 8),
        n_components=10,
    )


def read_table(path, options, target=None, *, min_rows=MIN_ROWS, kinds=None):
    """Return a file, and its target column apart from the others.

    Parameters
    ----------
    path : Path
        File, or "-" for standard input.
    options : ReadingOptions
    target : str, default=None
        Column to predict from the others.
    min_rows : int, default=10
        Fewest rows.
    kinds : dict of str to str, default=None
        Kinds of the columns of a model, which has to find them all.

    Returns
    -------
    table : InputTable

    Raises
    ------
    UserError
        If the file cannot be read, or may be read in several ways, has too few rows, or
        no such target.
    """
    raw = _sampled(_read(path, options), options)
    n_rows = len(raw.frame) if raw.n_rows is None else raw.n_rows
    if n_rows < min_rows:
        raise UserError(
            f"Rows of data in {raw.name}: {n_rows}. At least {min_rows} are needed."
        )
    options = options.resolved(list(raw.frame))
    _check_names(raw, options, target, kinds)
    columns = read_columns(raw, options, target, kinds)
    used = [each for each in columns if each.kind in (NUMBER, CATEGORY, DATE)]
    X = pd.DataFrame(
        {each.name: each.cells for each in used if each.name != target},
        index=raw.frame.index,
    )
    found = (each.cells.rename(target) for each in used if each.name == target)
    cells = next(found, None)
    if target is not None and cells is None:
        raise UserError(f"The target {target!r} holds neither numbers nor categories.")
    rows = np.arange(n_rows) if raw.rows is None else raw.rows
    return InputTable(
        raw.name,
        X,
        notes=(*raw.notes, *_taken(raw), *_reasons(columns)),
        columns=tuple(columns),
        written=raw.frame,
        target_cells=cells,
        rows=rows,
        n_rows=n_rows,
    )


def with_target(table):
    """Return a table whose target is checked: classes, or continuous values."""
    return replace(table, target=_target(table.target_cells))


def _read(path, options):
    if str(path) == "-" or Path(path).suffix.lower() not in (".parquet", ".pq"):
        return read_cells(path, options)
    n_drawn = options.sample or largest_sample(path)
    if n_drawn is None:
        return read_cells(path, options)
    try:
        raw = sample_parquet(Path(path), replace(options, sample=n_drawn))
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}") from error
    if options.sample is None:
        raw.notes.append(
            f"{raw.name} has {raw.n_rows:,} rows, more than are read into memory: "
            f"{n_drawn:,} of them were drawn at random; --sample N draws N."
        )
    return raw


def _sampled(raw, options):
    """Return a table with fewer rows, if the user asks for them."""
    n_rows = len(raw.frame)
    if options.sample is None or n_rows <= options.sample or raw.rows is not None:
        return raw
    rows = draw_rows(n_rows, options)
    lines = None if raw.lines is None else raw.lines[rows]
    frame = raw.frame.iloc[rows].reset_index(drop=True)
    return replace(raw, frame=frame, lines=lines, rows=rows, n_rows=n_rows)


def _check_names(raw, options, target, kinds):
    """Refuse names of columns that are not there."""
    asked = [*options.ids, *options.ignore, *options.keep, *options.categories]
    asked += [*options.dates_by_name, *([target] if target is not None else [])]
    names = list(raw.frame)
    for name in asked:
        if name not in raw.frame:
            hint = did_you_mean(name, names, cutoff=0.5)
            hint = hint or f" It has: {_listed(names)}."
            raise UserError(f"There is no column {name!r} in {raw.name}.{hint}")
    lacking = [name for name in kinds or {} if name not in raw.frame]
    if lacking:
        raise UserError(
            f"{raw.name} lacks columns that the model has learnt from: "
            f"{_listed(lacking)}. It has: {_listed(names)}."
        )


def _taken(raw):
    """Return a note on separator, decimal mark and encoding that are not the usual."""
    if not raw.taken:
        return []
    keys = [key for key in ("separator", "decimal", "encoding") if key in raw.taken]
    found = ", ".join(f"{key} {raw.taken[key]}" for key in keys)
    options = ", ".join(f"--{key}" for key in keys)
    verb = "overrules" if len(raw.taken) == 1 else "overrule"
    return [f"{raw.name} is read with {found}: {options} {verb}."]


def _reasons(columns):
    """Return a note for each reason to leave out columns."""
    names = {}
    for column in columns:
        if column.kind == LEFT_OUT and column.reason != IGNORED:
            names.setdefault(column.reason, []).append(column.name)
    return [f"Left out, as {why}: {_listed(which)}." for why, which in names.items()]


def _listed(names, limit=10):
    """Return the names in one line, the first ones if there are many."""
    shown = ", ".join(map(str, names[:limit]))
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def columns_table(table, target=None):
    """Return the lines of a table of the columns, with the kind of each."""
    width = max(len("column"), *(min(len(c.name), NAME_WIDTH) for c in table.columns))
    n_rows = f"{table.n_rows:,} rows"
    if len(table.rows) < table.n_rows:
        n_rows = f"{len(table.rows):,} of {n_rows}, drawn at random"
    n_columns = len(table.columns)
    lines = [
        f"{table.name}: {n_rows}, {n_columns} column{'s' * (n_columns > 1)}",
        f"  {'column':<{width}}  kind        cells",
    ]
    for column in table.columns:
        kind = "target" if column.name == target else column.kind
        detail = column.detail
        if column.reason:
            detail = column.reason.replace("they hold", "").replace("they are ", "")
            detail = detail.strip() or detail
        name = printed_cell(column.name, NAME_WIDTH)
        lines.append(f"  {name:<{width}}  {kind:<10}  {detail}".rstrip())
    return lines


def describe(table):
    """Return the name of a table, and how many columns of which kind it has."""
    kinds = {"numbers": len(table.numbers), "categories": len(table.categories)}
    columns = " and ".join(
        f"{n} column{'s' * (n > 1)} of {kind}" for kind, n in kinds.items() if n
    )
    return f"{table.name}: {columns}"


def leave_out_unusable(table, rows):
    """Return a table without the columns that nothing can be learnt from.

    Parameters
    ----------
    table : InputTable
    rows : ndarray of int
        Rows to learn from.

    Returns
    -------
    table : InputTable
        The notes say what was left out and why.

    Raises
    ------
    UserError
        If fewer than two columns are left, or some have infinite values.
    """
    seen = table.X.iloc[rows]
    is_number = {name: _is_numeric(seen[name]) for name in seen}
    faults = {
        name: fault(seen[name], NUMBER if is_number[name] else CATEGORY)
        for name in seen
    }
    reasons = {}
    for name, reason in faults.items():
        if reason is not None:
            reasons.setdefault(reason, []).append(name)
    more = [
        f"Left out, as {reason} in the rows to train on: {_listed(names)}."
        for reason, names in reasons.items()
    ]
    used = [name for name, reason in faults.items() if reason is None]
    if len(used) < 2:
        left_out = " ".join([*(_reasons(table.columns)), *more])
        raise UserError(
            f"At least 2 columns of numbers or categories are needed. {table.name} "
            f"has {len(used)}. {left_out}".rstrip()
        )
    return replace(table, X=table.X[used], notes=(*table.notes, *more))


def _is_numeric(cells):
    dtype = cells.dtype
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(
        dtype
    )


def _target(column):
    """Return the target as classes or continuous values, if there are enough."""
    # Text, as in a CSV file, whatever type the file gives to categories.
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype("string")
    n_distinct = column.nunique()
    if n_distinct < 2:
        raise UserError(
            f"The target {column.name!r} has {n_distinct} distinct values; at least 2 "
            "are needed."
        )
    target = as_labels(column)
    if target.classes:
        _check_classes(column.name, n_distinct, (~target.missing).sum())
    else:
        _check_continuous(column.name, column.to_numpy(dtype=float, na_value=np.nan))
    return target


def _check_classes(name, n_classes, n_known):
    """Refuse classes of which most have few rows."""
    if n_known < MIN_ROWS_PER_CLASS * n_classes:
        raise UserError(
            f"The target {name!r} has {n_classes} distinct values in {n_known} rows. "
            f"Classes need {MIN_ROWS_PER_CLASS} rows each on average: name a column "
            "whose values repeat."
        )


def _check_continuous(name, values):
    """Refuse infinite values, and too few known ones."""
    if np.isinf(values).any():
        raise UserError(f"The target {name!r} has infinite values.")
    n_known = np.isfinite(values).sum()
    if n_known < MIN_ROWS:
        raise UserError(
            f"The target {name!r} is known in {n_known} rows; at least {MIN_ROWS} are "
            "needed."
        )


def strata_of(target):
    """Return groups of at least two rows, each to be found on both sides of a split."""
    groups = target.values if target.classes else ~target.missing
    groups = pd.Series(groups.astype(int))
    size = groups.map(groups.value_counts())
    return groups.mask(size < 2, groups.mode()[0]).to_numpy()
