"""Steps that the commands share: printing, folders and training."""

import shutil
import sys
from dataclasses import replace

import numpy as np

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.results import check_file, check_table
from sklearn_ae._cli.tables import (
    columns_table,
    leave_out_unusable,
    read_table,
    with_target,
)
from sklearn_ae._persistence.files import save

# Width of what is printed into a file.
WIDTH = 100


class Console:
    """Where a command prints to.

    Parameters
    ----------
    arguments : Namespace
        Results that go to standard output leave the other stream for what is printed.
    """

    def __init__(self, arguments):
        self.quiet = arguments.quiet
        is_piped = str(arguments.output) == "-"
        self.stream = sys.stderr if is_piped else sys.stdout

    def lines(self, *lines):
        """Print lines."""
        # Flushed, so that the lines and the progress bars keep their order in a log.
        print(*lines, sep="\n", file=self.stream, flush=True)

    def table(self, *lines):
        """Print lines that are cut where the terminal ends."""
        width = WIDTH
        if self.stream.isatty():
            width = shutil.get_terminal_size((WIDTH, 24)).columns
        self.lines(*(x if len(x) <= width else f"{x[: width - 3]}..." for x in lines))

    def progress(self, line):
        """Print a line about what goes on."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def columns(self, table, target=None):
        """Print the columns of a table with their kinds, and its notes."""
        if not self.quiet:
            self.table(*columns_table(table, target), "")
        self.notes(table)

    def notes(self, table):
        """Print what was taken for granted in reading a table."""
        for note in table.notes:
            print(f"note: {note}", file=sys.stderr, flush=True)


def load(arguments, console, target=None, *, is_predicted=False):
    """Return the table of the arguments, whose columns can all be learnt from.

    Parameters
    ----------
    arguments : Namespace
    console : Console
        Prints the columns.
    target : str, default=None
        A column that is not learnt from.
    is_predicted : bool, default=False
        Whether it has to be one that can be predicted.
    """
    table = read_table(arguments.path, arguments.reading, target)
    if is_predicted:
        table = with_target(table)
    table = leave_out_unusable(table, np.arange(len(table.X)))
    check_table(arguments)
    if arguments.save is not None:
        check_file(arguments.save, arguments)
    console.columns(table, target)
    return table


def load_new(path, arguments, console, kinds):
    """Return a table with the columns that a model has learnt from, in their order.

    Parameters
    ----------
    path : Path
    arguments : Namespace
    console : Console
    kinds : dict of str to str
        The kind of each of these columns.
    """
    table = read_table(path, arguments.reading, min_rows=1, kinds=kinds)
    check_table(arguments)
    console.columns(table)
    return replace(table, X=table.X[list(kinds)])


def save_model(estimator, arguments, console):
    """Save what was trained, if the user asks for it."""
    if arguments.save is not None:
        save(estimator, arguments.save)
        console.lines(f"The model is in {arguments.save}.")


def pluralize(n, noun):
    """Return a number and its noun, with an "s" unless there is one."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def make_folder(path):
    """Return a path to a folder, which is made if there is none."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {path}: {error.strerror}.") from error
    return path


def fit(estimator, X, y=None):
    """Return an estimator fitted to the rows of a table, and its target if it has one.

    Raises
    ------
    UserError
        If X or y cannot be used.
    """
    try:
        return estimator.fit(X, y)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error


def training(arguments):
    """Return the parameters of an estimator that the arguments decide."""
    return {
        "random_state": arguments.seed,
        "verbose": 0 if arguments.quiet else 1,
        "device": arguments.device or "cpu",
    }
