"""The command ``map``: the rows as dots in two dimensions, similar ones together."""

import pandas as pd

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import results
from sklearn_ae._cli.steps import Console, fit, load, save_model, training
from sklearn_ae.displays._labels import as_labels
from sklearn_ae.displays._latent_space import LatentSpaceDisplay
from sklearn_ae.latents import NeighborEmbedding


def run(arguments):
    """Draw the table that the arguments name."""
    console = Console(arguments)
    table = load(arguments, console, arguments.target)
    picture = results.picture_path(arguments)
    autoencoder = fit(
        AutoencoderTransformer(2, latent=NeighborEmbedding(), **training(arguments)),
        table.X,
    )
    plane = autoencoder.transform(table.X)
    frame = pd.DataFrame(plane, columns=["x", "y"])
    if table.target_cells is not None and not arguments.append:
        frame[table.target_cells.name] = table.target_cells.array
    frame = results.with_rows(table, frame, arguments.append)
    results.write_table(frame, arguments.output)
    if picture is not None:
        y = None
        if table.target_cells is not None:
            y = as_labels(table.target_cells)
        results.save_display(LatentSpaceDisplay(plane, y), picture)
    console.lines(
        "",
        "Rows that are alike lie close together; distances between groups, and the",
        "axes, mean little.",
    )
    if str(arguments.output) != "-":
        console.lines(f"The coordinates are in {arguments.output}.")
        what = f"The picture is {picture}." if picture else results.NO_PICTURES
        console.lines(what)
    save_model(autoencoder, arguments, console)
