"""The sentence with which the default command ends: what to do on a table."""

from sklearn_ae._cli.measures import AUTOENCODER, COLUMNS, PCA_NAME, join_lines
from sklearn_ae._cli.steps import pluralize


def shown(value):
    """Return a value as it is printed."""
    return "-" if value is None else f"{value:#.3g}".rstrip(".")


def advice(comparison, n_components, restoring, clustering, predicting):
    """Return one sentence that says what to do on this table."""
    parts = []
    if predicting:
        name = comparison.table.target.name or "the target"
        parts.append(f"predict {name} with {_best_model(predicting)}")
    for line in clustering:
        best = line.best()[0]
        n_clusters = len(comparison.table.target.classes)
        where = {
            COLUMNS: "on all columns",
            PCA_NAME: "behind PCA",
            AUTOENCODER: f"behind an autoencoder with latent=Clustered({n_clusters})",
        }[best]
        parts.append(f"look for clusters with KMeans {where}")
    parts.append(_which_numbers(n_components, restoring))
    return f"On this table: {'; '.join(parts)}."


def _which_numbers(n_components, lines):
    """Return what to do for few numbers a row: PCA, if it is level everywhere."""
    kept = pluralize(n_components, "number")
    names = {PCA_NAME: "PCA", AUTOENCODER: "the autoencoder"}
    best = [line.best() for line in lines]
    for method, name in names.items():
        if all(method in of_line for of_line in best):
            return f"to keep {kept} a row, take those of {name}"
    numbers, categories = (names[of_line[0]] for of_line in best)
    return (
        f"of {kept} a row, those of {numbers} restore numbers better, those of "
        f"{categories} categories"
    )


def _best_model(lines):
    """Return the simplest model and input that is level with the best one."""
    joined = join_lines(lines)
    pairs = dict.fromkeys([joined.best()[0], joined.first()])
    texts = [f"{_name(pair)} ({shown(joined.values[pair])})" for pair in pairs]
    return ", level with ".join(texts)


def _name(pair):
    """Return what a model and its input are called."""
    measure, method = pair
    model, _ = measure.split()
    if model.startswith("Autoencoder"):
        return model
    where = {
        COLUMNS: "on all columns",
        PCA_NAME: "behind PCA",
        AUTOENCODER: "behind the autoencoder",
    }
    return f"{model} {where[method]}"
