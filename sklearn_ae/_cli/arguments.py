"""Arguments, output and folders: the parts that the commands share."""

import argparse

from sklearn_ae._cli.tables import UserError


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line, as all others do."""

    def __init__(self, prog, description, epilog):
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message):
        """Raise an error that says how to get help."""
        raise UserError(f"{message}. See {self.prog} --help")


def add_seed(parser, what):
    """Add the argument for the seed of random numbers."""
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help=f"seed of {what} (default: %(default)s)",
    )


def whole_number(smallest):
    """Return a function that reads a whole number of at least this."""

    def parse(text):
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {smallest}, got {text!r}"
            )
        return int(text)

    return parse


def print_lines(*lines):
    """Print lines at once, also into a file."""
    # Flushed, so that the lines and the progress bars keep their order in a log file.
    print(*lines, sep="\n", flush=True)


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


def fit(estimator, X):
    """Return an estimator fitted to the rows of a table.

    Raises
    ------
    UserError
        If X cannot be used.
    """
    try:
        return estimator.fit(X)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error
