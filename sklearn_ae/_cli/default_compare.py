"""The default command: all columns, PCA and the autoencoder, each at what it is for."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklearn_ae._autoencoder.encoded_columns import EncodedColumns
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli import results
from sklearn_ae._cli.advice import advice, shown
from sklearn_ae._cli.errors import UserError
from sklearn_ae._cli.measures import (
    AUTOENCODER,
    COLUMNS,
    METHODS,
    PCA_NAME,
    EncodedPCA,
    cluster,
    compare_predictions,
    guessed_share,
    line_of_clusters,
    line_of_predictions,
    line_of_rows,
    squared_errors,
    wrong_cells,
)
from sklearn_ae._cli.pictures import draw_column_errors, draw_images, draw_latent_space
from sklearn_ae._cli.steps import (
    Console,
    fit,
    make_folder,
    pluralize,
    save_model,
    training,
)
from sklearn_ae._cli.tables import (
    describe,
    digits,
    leave_out_unusable,
    read_table,
    strata_of,
    with_target,
)
from sklearn_ae._supervised.classifier import AutoencoderPretrainedClassifier
from sklearn_ae._supervised.regressor import AutoencoderPretrainedRegressor
from sklearn_ae.latents import Clustered, NeighborEmbedding

# Most rows to compare on: more would take minutes, and change little.
MAX_ROWS = 20_000
# Dots of a picture: more add ink but no information.
MAX_DOTS = 4_000
# Rows of latents that are written at a time.
BLOCK = 50_000
# Files that the command writes.
FILES = ("reconstructions.png", "latent_space.png", "latents.csv")


@dataclass(frozen=True)
class Comparison:
    """What is compared: a table, rows to learn from, rows held out, and how to train.

    Of a large table, `table` is a sample, and `X` has all rows.
    """

    table: object
    X: pd.DataFrame
    train: np.ndarray
    held_out: np.ndarray
    training: dict
    console: Console

    @property
    def seed(self):
        """The seed of everything random."""
        return self.training["random_state"]

    def known(self, rows):
        """Return those of some rows that have a target."""
        return rows[~self.table.target.missing[rows]]


def run(arguments):
    """Run the comparison that the arguments ask for."""
    console = Console(arguments)
    comparison = _split_table(arguments, console)
    table, train, held_out = comparison.table, comparison.train, comparison.held_out
    folder = make_folder(arguments.output)
    console.lines(_headline(comparison), "")

    n_components = arguments.n_components or table.n_components
    autoencoder = _fit(comparison, AutoencoderTransformer(n_components))
    columns = EncodedColumns(autoencoder.table_encoder_)
    pca = EncodedPCA(columns, autoencoder.n_components_, arguments.seed)
    methods = {PCA_NAME: pca.fit(table.X.iloc[train]), AUTOENCODER: autoencoder}
    restored = {
        name: method.reconstruct(table.X.iloc[held_out])
        for name, method in methods.items()
    }
    errors = _cell_errors(comparison, columns, restored)
    restoring = _compare_errors(errors)
    features = {COLUMNS: columns.transform(table.X)}
    features |= {name: method.transform(table.X) for name, method in methods.items()}
    clustering = _compare_clusters(comparison, features)
    predicting = _compare_predictions(comparison, features)

    files = {}
    files |= _draw_reconstructions(folder, comparison, restored, errors)
    files |= _draw_plane(folder, comparison, columns)
    if arguments.path is not None:
        files |= _write_latents(folder, autoencoder, comparison.X)
    lines = [*restoring, *clustering, *predicting]
    n_components = autoencoder.n_components_
    console.lines("", *_report(comparison, n_components, lines), "")
    if files:
        console.lines(f"Written to {folder}:")
        console.lines(*(f"  {name:<22}{content}" for name, content in files.items()))
    if not results.can_draw():
        console.lines(results.NO_PICTURES)
    save_model(autoencoder, arguments, console)
    console.lines(
        "", advice(comparison, n_components, restoring, clustering, predicting)
    )


def _check_folder(arguments):
    """Refuse a folder that cannot be one, or with files that would be overwritten."""
    folder = arguments.output
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"Cannot make the folder {folder}: there is a file of this name."
        )
    taken = [folder / name for name in FILES if (folder / name).exists()]
    if taken and not arguments.force:
        raise UserError(
            f"{taken[0]} exists already: --force overwrites it, --output names another "
            "folder."
        )


def _split_table(arguments, console):
    """Return the table that the arguments name, divided."""
    seed = arguments.seed
    if arguments.path is None:
        table = digits()
    else:
        table = read_table(arguments.path, arguments.reading, arguments.target)
        # Only what is learnt from stays in memory.
        table = replace(table, written=None)
        if arguments.target is not None:
            table = with_target(table)
    X, target = table.X, table.target
    rows = np.arange(len(X))
    strata = None if target is None else strata_of(target)
    if len(rows) > MAX_ROWS:
        rows, _ = train_test_split(
            rows, train_size=MAX_ROWS, stratify=strata, random_state=seed
        )
        table = replace(table, X=X.iloc[rows], target=target and target.take(rows))
    train, held_out = train_test_split(
        np.arange(len(rows)),
        test_size=0.25,
        stratify=None if strata is None else strata[rows],
        random_state=seed,
    )
    if arguments.path is not None:
        table = leave_out_unusable(table, train)
    n_columns = table.X.shape[1]
    if arguments.n_components is not None and arguments.n_components > n_columns:
        raise UserError(
            f"--n-components {arguments.n_components} is more than the {n_columns} "
            "columns that can be learnt from."
        )
    _check_folder(arguments)
    if arguments.save is not None:
        results.check_file(arguments.save, arguments)
    if arguments.path is not None:
        console.columns(table, arguments.target)
    X = X[list(table.X)]
    return Comparison(table, X, train, held_out, training(arguments), console)


def _headline(comparison):
    table, train, held_out = comparison.table, comparison.train, comparison.held_out
    n_used = len(train) + len(held_out)
    sample = ""
    if n_used < len(comparison.X):
        sample = f"A random sample of {n_used:,} of {len(comparison.X):,} rows: "
    sizes = (
        f"{describe(table)}. {sample}{len(train):,} rows to train on, "
        f"{len(held_out):,} rows held out."
    )
    if table.target is None:
        return sizes
    kind = f"{len(table.target.classes)} classes" if table.target.classes else "numbers"
    return f"{sizes} Target: {table.target.name} ({kind})."


def _fit(comparison, estimator, y=None):
    """Return an estimator fitted to the rows to train on."""
    estimator.set_params(**comparison.training)
    return fit(estimator, comparison.table.X.iloc[comparison.train], y)


def _cell_errors(comparison, columns, restored):
    """Return the errors of each method in each cell, numbers and categories apart.

    Returns
    -------
    errors : dict of "numbers" or "categories" to dict of str to DataFrame
        Without a kind of column of which no held-out cell can be measured.

    Raises
    ------
    UserError
        If there is no such cell at all.
    """
    table = comparison.table
    X, categories = table.X.iloc[comparison.held_out], table.categories
    errors = {
        "numbers": {
            name: squared_errors(columns, X, rows, table.numbers)
            for name, rows in restored.items()
        },
        "categories": {
            name: wrong_cells(X[categories], rows[categories])
            for name, rows in restored.items()
        },
    }
    measured = {
        kind: of_methods
        for kind, of_methods in errors.items()
        if of_methods[PCA_NAME].notna().any(axis=None)
    }
    if not measured:
        raise UserError(
            "All cells of the held-out rows are missing: there is nothing to compare "
            "on. Fill in more cells, or hold out other rows with another --seed."
        )
    return measured


def _compare_errors(errors):
    """Return a line for the numbers and one for the categories, where there are any."""
    of_numbers = " of numbers" if "categories" in errors else ""
    measures = {
        "numbers": f"reconstruction error{of_numbers}",
        "categories": "wrong categories",
    }
    return [
        line_of_rows(
            measures[kind],
            {name: cells.mean(axis=1).to_numpy() for name, cells in methods.items()},
            lower_wins=True,
        )
        for kind, methods in errors.items()
    ]


def _compare_clusters(comparison, features):
    """Return a line for KMeans, if there are classes to compare its clusters with."""
    target = comparison.table.target
    if target is None or not target.classes:
        return []
    held_out = comparison.known(comparison.held_out)
    n_clusters = len(target.classes)
    _announce(comparison, f"Once more with {n_clusters} clusters:")
    clustered = _fit(comparison, AutoencoderTransformer(latent=Clustered(n_clusters)))
    features = features | {AUTOENCODER: clustered.transform(comparison.table.X)}
    clusters = cluster(
        features, n_clusters, comparison.train, held_out, comparison.seed
    )
    classes = target.values[held_out]
    return [line_of_clusters("KMeans NMI", clusters, classes, comparison.seed)]


def _compare_predictions(comparison, features):
    """Return a line for each model that predicts the target, if there is one."""
    table, target = comparison.table, comparison.table.target
    if target is None:
        return []
    train, held_out = map(comparison.known, (comparison.train, comparison.held_out))
    lines = compare_predictions(features, target, train, held_out)
    predictor = (
        AutoencoderPretrainedClassifier(unlabeled_label=-1)
        if target.classes
        else AutoencoderPretrainedRegressor()
    )
    name = type(predictor).__name__
    _announce(comparison, f"{name}, which learns {target.name} itself:")
    _fit(comparison, predictor, target.values[comparison.train])
    predicted = {AUTOENCODER: predictor.predict(table.X.iloc[held_out])}
    return [*lines, line_of_predictions(name, predicted, target, held_out)]


def _announce(comparison, line):
    """Print what is trained next."""
    if not comparison.console.quiet:
        comparison.console.lines("", line)


def _draw_reconstructions(folder, comparison, restored, errors):
    """Draw a picture of what was restored; return its name and content."""
    if not results.can_draw():
        return {}
    table, held_out = comparison.table, comparison.held_out
    path = folder / "reconstructions.png"
    if not table.image_shape:
        means = {
            kind: {name: cells.mean() for name, cells in methods.items()}
            for kind, methods in errors.items()
        }
        draw_column_errors(path, means)
        return {path.name: "error of each column, autoencoder and PCA"}
    _, one_of_each = np.unique(table.target.values[held_out], return_index=True)
    images = {"original": table.X.iloc[held_out], **restored}
    images = {name: X.iloc[one_of_each].to_numpy() for name, X in images.items()}
    draw_images(path, images, table.image_shape)
    return {path.name: "held-out images above their reconstructions by both methods"}


def _draw_plane(folder, comparison, columns):
    """Draw held-out rows in two dimensions; return the picture's name and content."""
    if not results.can_draw():
        return {}
    table, held_out = comparison.table, comparison.held_out[:MAX_DOTS]
    path = folder / "latent_space.png"
    _announce(comparison, "Once more with two numbers a row, for the picture:")
    autoencoder = _fit(
        comparison, AutoencoderTransformer(2, latent=NeighborEmbedding())
    )
    pca = EncodedPCA(columns, 2, comparison.seed).fit(table.X.iloc[comparison.train])
    planes = {
        "autoencoder, a map of neighbours": autoencoder.transform(
            table.X.iloc[held_out]
        ),
        PCA_NAME: pca.transform(table.X.iloc[held_out]),
    }
    draw_latent_space(path, planes, table.target, held_out)
    return {path.name: "held-out rows in two dimensions, autoencoder and PCA"}


def _write_latents(folder, autoencoder, X):
    path = folder / "latents.csv"
    names = autoencoder.get_feature_names_out()
    with results.written_whole(path) as part:
        for start in range(0, len(X), BLOCK):
            latents = autoencoder.transform(X.iloc[start : start + BLOCK])
            frame = pd.DataFrame(latents, columns=names)
            frame.to_csv(part, index=False, mode="a", header=start == 0)
    return {path.name: "the autoencoder's latents of all rows, in the file's order"}


def _report(comparison, n_components, lines):
    """Return the printed table, and notes on how to read it."""
    table = comparison.table
    title = (
        f"held-out rows, {pluralize(n_components, 'number')} each but in all columns"
    )
    head = "".join(f"{name:>13}" for name in METHODS)
    report = [f"{title:<54}"[:54] + f"{head}   better"]
    for line in lines:
        label = f"{line.measure} ({'lower' if line.lower_wins else 'higher'} wins)"
        values = "".join(f"{shown(line.values.get(name)):>13}" for name in METHODS)
        verdict = line.verdict() if len(line.values) > 1 else ""
        report.append(f"{label:<54}{values}   {verdict}".rstrip())
    report += ["", "A tie: the difference is within two standard errors."]
    if len(table.numbers):
        report.append(
            "Errors are squared, in units of the columns' spread. "
            "Column means alone give about 1."
        )
    if len(table.categories):
        guessed = guessed_share(table.X[table.categories])
        report.append(
            "Wrong categories are a share of the cells. "
            f"Always the most frequent one gives about {guessed:.2g}."
        )
    if any(line.measure.startswith("KMeans") for line in lines):
        report.append(
            "KMeans behind the autoencoder: with latent=Clustered("
            f"{len(table.target.classes)})."
        )
    return report
