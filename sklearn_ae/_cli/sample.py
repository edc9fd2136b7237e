"""The command ``sample``: new rows that are like those of a table."""

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import results
from sklearn_ae._cli.steps import Console, fit, load, pluralize, save_model, training
from sklearn_ae.latents import Variational


def run(arguments):
    """Write rows that are like those of the table that the arguments name."""
    console = Console(arguments)
    table = load(arguments, console)
    autoencoder = fit(
        AutoencoderTransformer(latent=Variational(), **training(arguments)), table.X
    )
    rows = autoencoder.sample(arguments.n, random_state=arguments.seed)
    results.write_table(results.in_units(table, rows), arguments.output)
    console.lines("", f"{pluralize(arguments.n, 'row')} drawn.")
    if str(arguments.output) != "-":
        console.lines(f"The new rows are in {arguments.output}.")
    save_model(autoencoder, arguments, console)
