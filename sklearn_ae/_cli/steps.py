"""Steps that the commands share: printing, folders and training."""

from sklearn_ae._cli.arguments import UserError


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
