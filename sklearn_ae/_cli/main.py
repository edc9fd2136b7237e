"""The entry of the command line: choose the command, run it, report its errors."""

import sys

from sklearn_ae._cli.arguments import UserError, parse_arguments


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
    try:
        name, arguments = parse_arguments(argv)
        _command(name).run(arguments)
    # An OSError is a full disk, or a folder that may not be written to.
    except (UserError, OSError) as error:
        print(f"sklearn_ae: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sklearn_ae: interrupted", file=sys.stderr)
        return 130
    return 0


def _command(name):
    """Return the module of a command, which imports torch."""
    if name == "anomalies":
        from sklearn_ae._cli import anomalies as command
    else:
        from sklearn_ae._cli import default_compare as command
    return command
