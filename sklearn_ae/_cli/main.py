"""The entry of the command line: choose the command, run it, report its errors."""

import sys

from sklearn_ae._cli import anomalies, default_compare
from sklearn_ae._cli.tables import UserError


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; `None` takes the arguments of the process.

    Returns
    -------
    exit_code : int
        0 after success, 2 after an error message of one line on stderr, 130 after an
        interruption.
    """
    argv = sys.argv[1:] if argv is None else argv
    # A console that cannot show a letter of the table shows a question mark.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    command = default_compare
    if argv[:1] == ["anomalies"]:
        command, argv = anomalies, argv[1:]
    try:
        command.run(command.make_parser().parse_args(argv))
    # An OSError is a full disk, or a folder that may not be written to.
    except (UserError, OSError) as error:
        print(f"sklearn_ae: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sklearn_ae: interrupted", file=sys.stderr)
        return 130
    return 0
