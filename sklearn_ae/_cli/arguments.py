"""Arguments of the command line: what there is, and what is wrong with them.

Nothing is imported but Python's own library: torch alone takes seconds, for which
nobody waits to read that an argument is misspelt.
"""

import argparse
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.options import ReadingOptions

# How the program was started, for examples.
PROGRAM = (
    "sklearn-ae" if Path(sys.argv[0]).stem == "sklearn-ae" else "python -m sklearn_ae"
)
# The commands, in the order in which they are listed, with what each does.
COMMANDS = {
    "compare": "say whether an autoencoder, PCA or all columns serve the table best",
    "anomalies": "find the rows that are unlike all others, and say why",
    "impute": "fill the missing cells",
    "embed": "squeeze each row into a few numbers",
    "cluster": "divide the rows into groups that are alike",
    "map": "draw the rows in two dimensions, similar ones together",
    "predict": "predict a column where it is missing",
    "sample": "draw new rows that are like those of the table",
    "score": "ask a saved model about the rows of another table",
    "describe": "say what a saved model is",
}
# Files that can be read, for the help.
FORMATS = (
    "CSV and other text with separators, .xlsx, .json, .jsonl, .parquet, .feather, "
    ".npz, also packed (.gz, .bz2, .xz, .zip); - reads standard input"
)
EXIT_CODES = """\
exit codes: 0 after success, 2 after an error, which is one line on standard error,
130 after Ctrl+C
"""


def parse_arguments(argv):
    """Return the name of the command, and its arguments.

    Parameters
    ----------
    argv : list of str

    Returns
    -------
    command : str
        A name in `COMMANDS`.
    arguments : Namespace

    Raises
    ------
    UserError
        If something is wrong with the arguments.
    """
    command = "compare"
    if argv and argv[0] in COMMANDS:
        command, argv = argv[0], argv[1:]
    elif argv and not argv[0].startswith("-"):
        _check_is_path(argv[0])
    parser = import_module("sklearn_ae._cli.parsers").PARSERS[command]()
    arguments = parser.parse_args(argv)
    if hasattr(arguments, "separator"):
        arguments.reading = _reading_options(arguments)
    parser.check(arguments)
    return command, arguments


def _check_is_path(text):
    """Refuse a word that is neither a command nor a file."""
    if Path(text).exists() or Path(text).suffix or "/" in text or "\\" in text:
        return
    near = get_close_matches(text, COMMANDS, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(
        f"There is no command and no file {text!r}.{guess} The commands are: "
        f"{', '.join(COMMANDS)}."
    )


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line, as all others do.

    Parameters
    ----------
    command : str
        Its name.
    description, examples : str
        Paragraphs before and after the list of arguments; "{program}" stands for the
        way in which the program was started.
    check : callable, default=None
        Raises an error if arguments contradict one another.
    needs : str, default=""
        Options that cannot be left out, for the line of usage.
    """

    def __init__(self, command, description, examples, check=None, needs=""):
        path = {"compare": "[PATH]", "score": "MODEL PATH", "describe": "MODEL"}
        super().__init__(
            prog=f"{PROGRAM} {command}",
            usage=f"%(prog)s {path.get(command, 'PATH')} {needs}[options]",
            description=description,
            epilog=f"{examples.replace('{program}', PROGRAM)}\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._check = check

    def check(self, arguments):
        """Raise an error if arguments contradict one another."""
        if self._check is not None:
            self._check(arguments)

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


def share(highest, may_be_highest):
    """Return a function that reads a number above 0 and up to this."""

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 < value <= highest or (value == highest and not may_be_highest):
            bound = "at most" if may_be_highest else "below"
            raise argparse.ArgumentTypeError(
                f"expected a number above 0 and {bound} {highest:g}, got {text!r}"
            )
        return value

    return parse


def add_path(parser, default="", **params):
    """Add the argument for the table; the help ends with its default."""
    parser.add_argument(
        "path",
        type=table_path,
        metavar="PATH",
        help=f"your table: {FORMATS}{default}",
        **params,
    )


def table_path(text):
    """Return the path of a file that may be read."""
    path = Path(text)
    if text == "-":
        return path
    if not path.exists():
        raise UserError(f"There is no file {path}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file in it.")
    return path


def add_output(parser, default, content, append=True):
    """Add the arguments for the file with the results."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default),
        metavar="FILE",
        help=f"file for {content}: .csv, .tsv, .csv.gz or .parquet; - writes CSV to "
        "standard output (default: %(default)s)",
    )
    if append:
        parser.add_argument(
            "--append",
            action="store_true",
            help="write all columns of the table before the results",
        )
    add_force(parser)


def add_force(parser):
    """Add the argument that lets files be overwritten."""
    parser.add_argument(
        "--force", action="store_true", help="overwrite files that exist"
    )


def add_save(parser):
    """Add the argument for the file with what was trained."""
    parser.add_argument(
        "--save",
        type=Path,
        metavar="MODEL",
        help="file for what was trained, such as model.safetensors, for the command "
        "score",
    )


def add_model(parser):
    """Add the argument for a file that --save wrote."""
    parser.add_argument(
        "model", type=table_path, metavar="MODEL", help="file that --save wrote"
    )


def add_common(parser, what):
    """Add the arguments that all commands have; `what` depends on the seed."""
    common = parser.add_argument_group("training and printing")
    common.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help=f"seed of {what} (default: %(default)s)",
    )
    common.add_argument(
        "--device",
        metavar="NAME",
        help="where to train: cpu, cuda, mps or auto (default: cpu)",
    )
    common.add_argument(
        "--quiet",
        action="store_true",
        help="print neither the table of columns nor progress",
    )
    # Not imported from the package, which stands above its parts.
    version = f"sklearn_ae {sys.modules['sklearn_ae'].__version__}"
    common.add_argument("--version", action="version", version=version)
    _add_reading(parser.add_argument_group("reading"))


def _add_reading(group):
    """Add the arguments that say how a file is to be read."""
    group.add_argument(
        "--sample",
        type=whole_number(10),
        metavar="N",
        help="take N rows of the table, drawn at random",
    )
    group.add_argument(
        "--separator", metavar="CHAR", help="what stands between cells, such as ';'"
    )
    group.add_argument(
        "--decimal", choices=[".", ","], help="decimal mark, else found in the cells"
    )
    group.add_argument("--encoding", metavar="NAME", help="such as cp1252 or utf-16")
    group.add_argument(
        "--skip-lines",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="lines above that of the names",
    )
    group.add_argument(
        "--no-header", action="store_true", help="there is no line of names"
    )
    group.add_argument(
        "--sheet",
        metavar="NAME",
        help="sheet of a workbook, array of an .npz, file of a .zip",
    )
    _add_columns(group)


def _add_columns(group):
    columns = {
        "--missing": (
            "TEXT",
            "cell that counts as missing, besides empty ones, NA, null, ? and the like",
        ),
        "--id": ("COLUMN", "names the rows: not learnt from, printed with results"),
        "--ignore": ("COLUMN", "leave a column out"),
        "--keep": ("COLUMN", "learn from a column that would be an identifier"),
        "--categories": ("COLUMN", "take the cells as categories, as they are written"),
        "--dates": (
            "COLUMN",
            "read the cells as dates; COLUMN=dmy, COLUMN=mdy or COLUMN=%%d/%%m/%%Y "
            "says in which order",
        ),
    }
    for option, (metavar, text) in columns.items():
        group.add_argument(
            option,
            action="append",
            default=[],
            metavar=metavar,
            help=f"{text}; may be given several times",
        )


def _reading_options(arguments):
    """Return what the user says of the file."""
    return ReadingOptions(
        separator=arguments.separator,
        decimal=arguments.decimal,
        encoding=arguments.encoding,
        missing=tuple(arguments.missing),
        ids=tuple(arguments.id),
        ignore=tuple(arguments.ignore),
        keep=tuple(arguments.keep),
        categories=tuple(arguments.categories),
        dates=tuple(arguments.dates),
        skip_lines=arguments.skip_lines,
        header=not arguments.no_header,
        sheet=arguments.sheet,
        sample=arguments.sample,
        seed=arguments.seed,
    )
