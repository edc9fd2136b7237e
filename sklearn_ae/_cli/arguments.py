"""Arguments of the command line: what there is, and what is wrong with them.

Nothing is imported but Python's own library: torch alone takes seconds, for which
nobody waits to read that an argument is misspelt.
"""

import argparse
from pathlib import Path

# First part of the help text of the default command.
COMPARE_DESCRIPTION = """\
Say whether an autoencoder, PCA or the columns as they are serve a table best.

PCA and an autoencoder squeeze each row into a few numbers, its latents, and restore the
row from them. A quarter of the rows is held out from training; one table says line by
line what does best on these rows, and the last sentence what to do. Pictures show
what was restored and a map of the rows in two dimensions. Of more than 20,000 rows, a
random sample is compared.
"""

# Last part of the help text of the default command.
COMPARE_EPILOG = """\
examples:
  python -m sklearn_ae
      1,797 handwritten digits that ship with scikit-learn

  python -m sklearn_ae wine.csv
      your own table of numbers and categories; cells may be missing

  python -m sklearn_ae wine.csv --target quality
      also predict the column "quality", with linear models, neighbours and the
      autoencoder's own predictor; look for clusters, if it holds classes

  python -m sklearn_ae wine.parquet --n-components 3 --output pictures
      three numbers a row; pictures and latents go to the folder "pictures"

another command:
  python -m sklearn_ae anomalies wine.csv
      the outliers of your table; see python -m sklearn_ae anomalies --help
"""

# First part of the help text of `anomalies`.
ANOMALIES_DESCRIPTION = """\
Find the outliers of a table, the rows that are unlike all others, and say why.

An autoencoder learns what the rows of the table are like. The most anomalous rows are
printed, each with the three columns that contribute most to its score, the values in
these columns, and the values that the rest of the row would let one expect. The scores
of all rows are written to a file.
"""

# Last part of the help text of `anomalies`.
ANOMALIES_EPILOG = """\
examples:
  python -m sklearn_ae anomalies wine.csv
      the 10 most anomalous rows; all scores go to anomalies.csv

  python -m sklearn_ae anomalies wine.csv --top 20 --output scores.csv
      20 rows, and another file
"""

# Endings of the files that can be read.
SUFFIXES = (".csv", ".csv.gz", ".parquet")


class UserError(Exception):
    """An error in the request, which the user of the command line can correct."""


def parse_arguments(argv):
    """Return the name of the command, and its arguments.

    Parameters
    ----------
    argv : list of str

    Returns
    -------
    command : {"compare", "anomalies"}
    arguments : Namespace

    Raises
    ------
    UserError
        If something is wrong with the arguments.
    """
    if argv[:1] == ["anomalies"]:
        return "anomalies", _anomalies_parser().parse_args(argv[1:])
    arguments = _compare_parser().parse_args(argv)
    if arguments.path is None and arguments.target is not None:
        raise UserError(
            "--target names a column of your own table: give its PATH as well."
        )
    return "compare", arguments


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


def whole_number(smallest):
    """Return a function that reads a whole number of at least this."""

    def parse(text):
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {smallest}, got {text!r}"
            )
        return int(text)

    return parse


def _compare_parser():
    """Return the parser of the default command."""
    parser = Parser("python -m sklearn_ae", COMPARE_DESCRIPTION, COMPARE_EPILOG)
    add_path(parser, " (default: the handwritten digits)", nargs="?")
    target = "column of your table to predict from the others"
    parser.add_argument("--target", metavar="COLUMN", help=target)
    parser.add_argument(
        "--n-components",
        type=whole_number(1),
        metavar="N",
        help="numbers that each row is squeezed into (default: 10 for the "
        "digits, else chosen by the number of columns)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("sklearn_ae_output"),
        metavar="FOLDER",
        help="folder for the pictures and latents (default: %(default)s)",
    )
    add_seed(parser, "the split and of the training")
    return parser


def _anomalies_parser():
    """Return the parser of `anomalies`."""
    parser = Parser(
        "python -m sklearn_ae anomalies", ANOMALIES_DESCRIPTION, ANOMALIES_EPILOG
    )
    add_path(parser)
    parser.add_argument(
        "--top",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="how many rows to print (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("anomalies.csv"),
        metavar="FILE",
        help="file for the scores of all rows (default: %(default)s)",
    )
    add_seed(parser, "the training")
    return parser


def add_path(parser, default="", **params):
    """Add the argument for the table; the help ends with its default."""
    parser.add_argument(
        "path",
        type=table_path,
        metavar="PATH",
        help="your table: .csv, .csv.gz or .parquet, with column names in its first "
        f"line{default}",
        **params,
    )


def add_seed(parser, what):
    """Add the argument for the seed of random numbers."""
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help=f"seed of {what} (default: %(default)s)",
    )


def table_path(text):
    """Return the path of a table that may be read."""
    path = Path(text)
    if not path.exists():
        raise UserError(f"There is no file {path}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file in it.")
    if not path.name.lower().endswith(SUFFIXES):
        raise UserError(
            f"Cannot tell the format of {path}: its name has to end in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    return path
