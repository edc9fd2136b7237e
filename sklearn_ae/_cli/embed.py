"""The command ``embed``: the latents of all rows."""

import pandas as pd

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import results
from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.steps import Console, fit, load, pluralize, save_model, training
from sklearn_ae.latents import NeighborEmbedding


def run(arguments):
    """Write the latents of the table that the arguments name."""
    console = Console(arguments)
    table = load(arguments, console)
    n_components = arguments.n_components
    if n_components is not None and n_components > table.X.shape[1]:
        raise UserError(
            f"--n-components {n_components} is more than the {table.X.shape[1]} "
            "columns that can be learnt from."
        )
    autoencoder = fit(
        AutoencoderTransformer(n_components, **training(arguments)), table.X
    )
    write(autoencoder, table, arguments)
    kept = pluralize(autoencoder.n_components_, "number")
    console.lines(
        "",
        f"{len(table.X):,} rows of {table.X.shape[1]} columns became {kept} each.",
    )
    if str(arguments.output) != "-":
        console.lines(f"They are in {arguments.output}.")
    save_model(autoencoder, arguments, console)


def write(autoencoder, table, arguments):
    """Write the latents of a table."""
    latents = autoencoder.transform(table.X)
    names = [f"latent_{i + 1}" for i in range(latents.shape[1])]
    if isinstance(autoencoder.latent, NeighborEmbedding):
        names = ["x", "y"]
    frame = pd.DataFrame(latents, columns=names)
    results.write_table(
        results.with_rows(table, frame, arguments.append), arguments.output
    )
