"""The command ``predict``: a column where it is missing, from the others."""

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, StratifiedKFold

from sklearn_ae._cli import results
from sklearn_ae._cli.steps import Console, fit, load, pluralize, save_model, training
from sklearn_ae._supervised.classifier import AutoencoderPretrainedClassifier
from sklearn_ae._supervised.regressor import AutoencoderPretrainedRegressor

# Parts of the labelled rows that are predicted from the others, to estimate errors.
N_FOLDS = 5


def run(arguments):
    """Predict the target that the arguments name."""
    console = Console(arguments)
    table = load(arguments, console, arguments.target, is_predicted=True)
    target = table.target
    known = ~target.missing
    params = training(arguments)
    accuracy = _cross_validate(table, params, console)
    console.progress(f"Training on all {len(table.X):,} rows:")
    model = fit(make_predictor(target, params), table.X, labels(target))
    frame = predictions(model, table)
    frame = results.with_rows(table, frame, arguments.append)
    results.write_table(frame, arguments.output)
    n_missing = int((~known).sum())
    console.lines(
        "",
        f"Learnt from {pluralize(int(known.sum()), 'row')} with {target.name}, and "
        f"{n_missing:,} without.",
        accuracy,
    )
    if n_missing == 0:
        console.lines(
            f"No row lacks {target.name}: the predictions are for rows that it was "
            "learnt from."
        )
    if str(arguments.output) != "-":
        console.lines(f"The predictions are in {arguments.output}.")
    save_model(model, arguments, console)


def make_predictor(target, params):
    """Return a classifier or a regressor, as the target is."""
    if target.classes:
        return AutoencoderPretrainedClassifier(**params)
    return AutoencoderPretrainedRegressor(**params)


def labels(target):
    """Return what to learn from: classes or numbers, None or NaN where missing."""
    if not target.classes:
        return target.values
    names = np.array([*target.classes, None], dtype=object)
    return names[target.values]


def predictions(model, table):
    """Return the target of each row, given or predicted, and probabilities."""
    target = table.target
    predicted = model.predict(table.X)
    known = ~target.missing
    given = labels(target)
    name = target.name
    columns = {
        f"{name}_or_predicted": np.where(known, given, predicted),
        f"{name}_predicted": predicted,
        "is_predicted": ~known,
    }
    return pd.DataFrame(columns | probabilities(model, table.X))


def probabilities(model, X):
    """Return the probabilities of each class by the names of their columns."""
    if not hasattr(model, "predict_proba"):
        return {}
    found = model.predict_proba(X)
    return {f"probability_{c}": found[:, i] for i, c in enumerate(model.classes_)}


def _cross_validate(table, params, console):
    """Return a sentence on how good predictions of further rows are."""
    target = table.target
    known = np.flatnonzero(~target.missing)
    y = labels(target)
    smallest = np.bincount(target.values[known]).min() if target.classes else len(known)
    if len(known) < 2 * N_FOLDS or smallest < 2:
        return (
            "There are too few rows with a target to estimate how good predictions are."
        )
    n_folds = int(min(N_FOLDS, smallest)) if target.classes else N_FOLDS
    kind = StratifiedKFold if target.classes else KFold
    folds = kind(n_folds, shuffle=True, random_state=params["random_state"])
    found = np.empty(len(known), dtype=object)
    for number, (_, held_out) in enumerate(folds.split(known, y[known].astype(str)), 1):
        console.progress(f"Cross-validation, part {number} of {n_folds}:")
        hidden = y.copy()
        hidden[known[held_out]] = None if target.classes else np.nan
        model = fit(make_predictor(target, params), table.X, hidden)
        found[held_out] = model.predict(table.X.iloc[known[held_out]])
    if target.classes:
        return _accuracy(found == y[known], y[known])
    found = found.astype(float)
    error = np.median(np.abs(found - y[known]))
    return (
        f"Expected R2 by cross-validation: {r2_score(y[known], found):.2f}; "
        f"predictions are off by {float(f'{error:.3g}'):,g} at the median."
    )


def _accuracy(is_right, y):
    """Return a sentence on the accuracy, with its standard error and a guess."""
    accuracy = is_right.mean()
    deviation = np.sqrt(accuracy * (1 - accuracy) / len(y))
    guessed = pd.Series(y).value_counts(normalize=True).max()
    return (
        f"Expected accuracy by cross-validation: {accuracy:.1%} (give or take "
        f"{2 * deviation:.1%}); always the most frequent class gives {guessed:.1%}."
    )
