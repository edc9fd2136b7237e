"""The command ``score``: what a saved model says of the rows of a table."""

import pandas as pd

from sklearn_ae._anomaly.detector import AutoencoderAnomalyDetector
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import anomalies, cluster, embed, impute, predict, results
from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.reading.columns import CATEGORY, NUMBER
from sklearn_ae._cli.steps import Console, load_new
from sklearn_ae._imputation.imputer import AutoencoderImputer
from sklearn_ae._persistence.files import load
from sklearn_ae.latents import Clustered


def run(arguments):
    """Ask the model of the arguments about their table."""
    model = load_model(arguments.model, arguments.device)
    console = Console(arguments)
    table = load_new(arguments.path, arguments, console, kinds(model, arguments.model))
    if isinstance(model, AutoencoderAnomalyDetector):
        anomalies.write(model, table, arguments, console)
    elif isinstance(model, AutoencoderImputer):
        impute.write(model, table, arguments, console)
    elif not isinstance(model, AutoencoderTransformer):
        _write_predictions(model, table, arguments, console)
    elif isinstance(model.latent, Clustered):
        cluster.write(model, table, arguments, console)
    else:
        embed.write(model, table, arguments)
        console.lines("", f"The latents are in {arguments.output}.")


def load_model(path, device=None):
    """Return the estimator of a file.

    Raises
    ------
    UserError
        If it cannot be loaded.
    """
    try:
        return load(path, device=device)
    except ValueError as error:
        raise UserError(str(error)) from error


def kinds(model, path):
    """Return the kind of each column that a model has learnt from, by its name."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise UserError(
            f"The model in {path} was not fitted on a table with names of columns: use "
            "it in Python, with sklearn_ae.load."
        )
    is_categorical = model.table_encoder_.is_categorical_
    return {
        str(name): CATEGORY if flag else NUMBER
        for name, flag in zip(names, is_categorical, strict=True)
    }


def _write_predictions(model, table, arguments, console):
    frame = pd.DataFrame(
        {"predicted": model.predict(table.X), **predict.probabilities(model, table.X)}
    )
    frame = results.with_rows(table, frame, arguments.append)
    results.write_table(frame, arguments.output)
    console.lines("", f"The predictions are in {arguments.output}.")
