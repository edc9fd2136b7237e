"""The command ``impute``: fill the missing cells of a table."""

import pandas as pd

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import results
from sklearn_ae._cli.steps import Console, fit, load, pluralize, save_model, training
from sklearn_ae._imputation.imputer import AutoencoderImputer
from sklearn_ae.displays._text import printed_cell


def run(arguments):
    """Write the table of the arguments without missing cells."""
    console = Console(arguments)
    table = load(arguments, console)
    imputer = fit(make_imputer(arguments), table.X)
    write(imputer, table, arguments, console)
    save_model(imputer, arguments, console)


def write(imputer, table, arguments, console):
    """Write a table without missing cells, and print what was filled."""
    filled = imputer.transform(table.X)
    n_missing = table.X.isna().sum()
    results.write_table(completed(table, filled), arguments.output)
    console.table("", *report(table.X, n_missing, imputer.shrinkage_))
    still = [c.name for c in table.columns if c.name not in table.X]
    if still:
        console.lines(
            f"Left as they are, since nothing was learnt from them: {', '.join(still)}."
        )
    if str(arguments.output) != "-":
        console.lines(f"The filled table is in {arguments.output}.")


def make_imputer(arguments):
    """Return an imputer; without a device of one's own, its default autoencoder."""
    params = training(arguments)
    autoencoder = None
    if arguments.device is not None:
        autoencoder = AutoencoderTransformer(device=params["device"])
    return AutoencoderImputer(autoencoder, random_state=arguments.seed)


def completed(table, filled):
    """Return all columns of a table in their order, those filled in their units."""
    filled = results.in_units(table, filled)
    columns = {
        name: filled[name].array if name in filled else table.written[name].array
        for name in table.written
    }
    return pd.DataFrame(columns)


def report(X, n_missing, shrinkage):
    """Return a table of the columns with missing cells: how many, and how sure."""
    names = [name for name in X if n_missing[name]]
    if not names:
        return ["No cell is missing: nothing was filled."]
    width = max(len("column"), *(len(printed_cell(name, 24)) for name in names))
    lines = [f"{'column':<{width}}  {'filled':>8}  told by the other columns"]
    for name in names:
        told = shrinkage[name]
        lines.append(
            f"{printed_cell(name, 24):<{width}}  {n_missing[name]:>8,}  {told:.0%}"
        )
    total = pluralize(int(n_missing.sum()), "cell")
    return [
        *lines,
        "",
        f"{total} filled, of {X.size:,}. Where the other columns tell nothing (0 %), "
        "the mean or",
        "the most frequent category was filled in.",
    ]
