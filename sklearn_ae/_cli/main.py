"""The entry of the command line: choose the command, run it, report its errors."""

import os
import sys
import warnings
from importlib import import_module

from sklearn_ae._cli.arguments import parse_arguments
from sklearn_ae._cli.errors import UserError

# Modules of commands that are not called like them.
MODULES = {"compare": "default_compare", "map": "rows_map"}


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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        name, arguments = parse_arguments(argv)
        # Whoever runs a command has no use for the line of code that warns.
        with warnings.catch_warnings():
            warnings.showwarning = _note
            # This imports torch.
            import_module(f"sklearn_ae._cli.{MODULES.get(name, name)}").run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads the output has seen enough, as `head` does. What is left in the
        # buffer must not be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    # An OSError is a full disk, or a folder that may not be written to.
    except (UserError, OSError) as error:
        print(f"sklearn_ae: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sklearn_ae: interrupted", file=sys.stderr)
        return 130
    return 0


def _note(message, *_):
    """Print a warning as the other notes, in one line."""
    print(f"note: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
