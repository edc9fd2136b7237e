"""The command ``describe``: what a saved model is."""

from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.score import kinds, load_model
from sklearn_ae._persistence.files import describe


def run(arguments):
    """Print what the model of the arguments is."""
    try:
        description = describe(arguments.model)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(*lines(description, arguments.model), sep="\n")


def lines(description, path):
    """Return what is printed of a description."""
    versions = ", ".join(f"{k} {v}" for k, v in description["written_by"].items())
    found = [
        f"{path}: {description['estimator']}, {description['n_bytes'] / 1e6:.2f} MB",
        f"written by {versions}",
    ]
    if description["classes"]:
        return [*found, f"needs classes of yours: {', '.join(description['classes'])}"]
    found += ["", "columns that it has learnt from:"]
    columns = kinds(load_model(path), path).items()
    found += [f"  {name}  ({kind})" for name, kind in columns]
    found += ["", "what it holds of the rows that it has learnt from:"]
    return found + [f"  {each}" for each in description["training_rows"]]
