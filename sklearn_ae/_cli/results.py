"""Results of the commands: tables in files that are written whole or not at all."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.patterns import date_text
from sklearn_ae._compat import import_optional

# Endings of tables that can be written, with what stands between cells.
SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
NO_PICTURES = (
    'Pictures need matplotlib, which is not installed: pip install "sklearn_ae[plot]"'
)


def check_table(arguments):
    """Refuse a file that cannot be written, or not without loss, before any work."""
    path = arguments.output
    if str(path) == "-":
        return
    known = path.is_dir() or _separator(path) is not None
    if not known and path.suffix.lower() not in PARQUET:
        raise UserError(
            f"Cannot tell the format of {path}: --output takes a name that ends in "
            f"{', '.join([*SEPARATORS, PARQUET[0]])}, or - for standard output."
        )
    check_file(path, arguments)
    picture_path(arguments)


def check_file(path, arguments):
    """Refuse a file that cannot be written, or that exists already."""
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file with --output.")
    sources = [arguments.path, getattr(arguments, "train", None)]
    if path.exists():
        for source in sources:
            if source is not None and source.exists() and path.samefile(source):
                raise UserError(
                    f"{path} is the table itself. Name another file with --output."
                )
        if not arguments.force:
            raise UserError(
                f"{path} exists already: --force overwrites it, --output names another "
                "file."
            )
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"Cannot write to {path}: there is no folder {folder}.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UserError(f"Cannot write to {path}: permission denied.")


def picture_path(arguments):
    """Return where a picture goes beside a table, None without one or matplotlib.

    Raises
    ------
    UserError
        If there is one already.
    """
    is_drawn = getattr(arguments, "draws", False) and str(arguments.output) != "-"
    if not is_drawn or not can_draw():
        return None
    name = arguments.output.name
    for suffix in (*SEPARATORS, *PARQUET):
        name = name.removesuffix(suffix)
    path = arguments.output.with_name(f"{name}.png")
    check_file(path, arguments)
    return path


def can_draw():
    """Whether matplotlib is installed."""
    try:
        import_optional("matplotlib", "Drawing", "plot")
    except ImportError:
        return False
    return True


def save_display(display, path):
    """Draw a display into a file, and close its figure."""
    from matplotlib import pyplot

    figure = display.plot().figure_
    with written_whole(path) as part:
        figure.savefig(part, bbox_inches="tight", dpi=150)
    pyplot.close(figure)


@contextmanager
def written_whole(path):
    """Give a path to write to, which takes its name at the end, or is removed."""
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_table(frame, path):
    """Write a table as CSV or Parquet, by the ending of its file."""
    path = Path(path)
    if str(path) == "-":
        # Python's own stream would turn line ends to those of the system a second time.
        sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))
        sys.stdout.flush()
        return
    with written_whole(path) as part:
        if path.suffix.lower() in PARQUET:
            _write_parquet(frame, part, path)
        else:
            frame.to_csv(part, index=False, sep=_separator(path))


def _write_parquet(frame, part, path):
    try:
        frame.to_parquet(part, index=False)
    except ImportError as error:
        raise UserError(
            f"Writing {path} needs pyarrow, which is not installed. Install it with: "
            "pip install pyarrow"
        ) from error


def _separator(path):
    name = path.name.lower()
    return next((s for end, s in SEPARATORS.items() if name.endswith(end)), None)


def with_rows(table, results, append=False):
    """Return results behind what tells the rows apart.

    Parameters
    ----------
    table : InputTable
    results : DataFrame of shape (n_rows, n_results)
    append : bool, default=False
        Whether all columns of the table come first, instead of numbers of rows and
        identifiers alone.

    Returns
    -------
    frame : DataFrame
        Rows are counted from 1, below the line of names.
    """
    if append:
        before = table.written
    else:
        before = table.identifiers.copy()
        before.insert(0, _free_name("row", before), table.rows + 1)
    results = results.set_axis(before.index)
    names = {name: _free_name(name, before) for name in results}
    return pd.concat([before, results.rename(columns=names)], axis=1)


def _free_name(name, frame):
    """Return a name that no column of a frame has."""
    while name in frame:
        name += "_"
    return name


def in_units(table, values):
    """Return rows of numbers and categories as a user writes them: dates as dates.

    Whole numbers stay whole where all cells of the column are.
    """
    values = values.copy()
    for name in table.dates:
        if name in values:
            values[name] = [
                None if np.isnan(days) else date_text(days) for days in values[name]
            ]
    for name in table.numbers:
        if name in values and name not in table.dates and are_whole(table.X[name]):
            values[name] = values[name].round().astype("Int64")
    return values


def are_whole(numbers):
    """Whether all cells are whole numbers, apart from missing ones."""
    return bool((numbers.dropna() % 1 == 0).all())
