"""The default command: compare an autoencoder with PCA of the same size."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._cli.arguments import UserError
from sklearn_ae._cli.measures import (
    Line,
    StandardizedPCA,
    compare_latents,
    guessed_share,
    scales_of,
    squared_errors,
    wrong_shares,
)
from sklearn_ae._cli.pictures import draw_column_errors, draw_images, draw_latent_space
from sklearn_ae._cli.steps import fit, make_folder, pluralize, print_lines
from sklearn_ae._cli.tables import (
    describe,
    digits,
    leave_out_unusable,
    read_table,
    strata_of,
)
from sklearn_ae._compat import import_optional

# Dots of a picture: more add ink but no information.
MAX_DOTS = 4_000


def run(arguments):
    """Run the comparison that the arguments ask for."""
    _check_matplotlib()
    table, train, held_out = _split_table(arguments)
    folder = make_folder(arguments.output)
    seed = arguments.seed
    print_lines(_headline(table, train, held_out), *table.notes, "")

    n_components = arguments.n_components or table.n_components
    autoencoder = _fit_autoencoder(n_components, table.X.iloc[train], seed)
    pca = StandardizedPCA(autoencoder.n_components_, seed).fit(table.X.iloc[train])
    methods = autoencoder, pca
    latents = [method.transform(table.X) for method in methods]
    restored = [method.reconstruct(table.X.iloc[held_out]) for method in methods]
    errors = _column_errors(table, held_out, restored)
    lines = _compare_errors(errors)
    if table.target is not None:
        lines += compare_latents(latents, table.target, train, held_out, seed)

    files = {}
    files |= _draw_reconstructions(folder, table, held_out, restored, errors)
    files |= _draw_plane(folder, table, train, held_out, autoencoder, seed)
    if arguments.path is not None:
        files |= _write_latents(folder, autoencoder, latents[0])
    report = _report(table, autoencoder.n_components_, lines, held_out)
    print_lines("", *report, "", f"Written to {folder}:")
    print_lines(*(f"  {name:<22}{content}" for name, content in files.items()))


def _check_matplotlib():
    try:
        import_optional("matplotlib", "The command line, which draws pictures,", "plot")
    except ImportError as error:
        raise UserError(str(error)) from error


def _split_table(arguments):
    """Return the table that the arguments name, rows to train on and rows held out."""
    if arguments.path is None:
        table = digits()
    else:
        table = read_table(arguments.path, arguments.target)
    rows = np.arange(len(table.X))
    strata = None if table.target is None else strata_of(table.target)
    train, held_out = train_test_split(
        rows, test_size=0.25, stratify=strata, random_state=arguments.seed
    )
    if arguments.path is not None:
        table = leave_out_unusable(table, train)
    n_columns = table.X.shape[1]
    if arguments.n_components is not None and arguments.n_components > n_columns:
        raise UserError(
            f"--n-components {arguments.n_components} is more than the {n_columns} "
            "columns that can be learnt from."
        )
    return table, train, held_out


def _headline(table, train, held_out):
    sizes = (
        f"{describe(table)}, {len(train):,} rows to train on, "
        f"{len(held_out):,} rows held out."
    )
    if table.target is None:
        return sizes
    kind = f"{len(table.target.classes)} classes" if table.target.classes else "numbers"
    return f"{sizes} Target: {table.target.name} ({kind})."


def _fit_autoencoder(n_components, X, seed):
    return fit(AutoencoderTransformer(n_components, verbose=1, random_state=seed), X)


def _column_errors(table, held_out, restored):
    """Return the errors of both methods in each column, numbers and categories apart.

    Returns
    -------
    errors : dict of "numbers" or "categories" to pair of Series
        Without a kind of column of which no held-out cell can be measured.

    Raises
    ------
    UserError
        If there is no such cell at all.
    """
    X, numbers, categories = table.X.iloc[held_out], table.numbers, table.categories
    # All rows give the unit: a column may be all but constant on one side of the split.
    scales = scales_of(table.X[numbers])
    errors = {
        "numbers": [squared_errors(X[numbers], R[numbers], scales) for R in restored],
        "categories": [wrong_shares(X[categories], R[categories]) for R in restored],
    }
    measured = {kind: pair for kind, pair in errors.items() if pair[0].notna().any()}
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
        Line(measures[kind], *(error.mean() for error in pair), lower_wins=True)
        for kind, pair in errors.items()
    ]


def _draw_reconstructions(folder, table, held_out, restored, errors):
    """Draw a picture of what was restored; return its name and content."""
    path = folder / "reconstructions.png"
    if not table.image_shape:
        draw_column_errors(path, errors)
        return {path.name: "error of each column, autoencoder and PCA"}
    _, one_of_each = np.unique(table.target.values[held_out], return_index=True)
    originals, *reconstructions = (
        X.iloc[one_of_each].to_numpy() for X in (table.X.iloc[held_out], *restored)
    )
    draw_images(path, originals, reconstructions, table.image_shape)
    return {path.name: "held-out images above their reconstructions by both methods"}


def _draw_plane(folder, table, train, held_out, autoencoder, seed):
    """Draw held-out rows in two dimensions; return the picture's name and content."""
    path = folder / "latent_space.png"
    held_out = held_out[:MAX_DOTS]
    if autoencoder.n_components_ != 2:
        print_lines("", "Once more with two numbers a row, for the picture:")
        autoencoder = _fit_autoencoder(2, table.X.iloc[train], seed)
    methods = autoencoder, StandardizedPCA(2, seed).fit(table.X.iloc[train])
    planes = [method.transform(table.X.iloc[held_out]) for method in methods]
    draw_latent_space(path, planes, table.target, held_out)
    return {path.name: "held-out rows in two dimensions, autoencoder and PCA"}


def _write_latents(folder, autoencoder, latents):
    path = folder / "latents.csv"
    names = autoencoder.get_feature_names_out()
    pd.DataFrame(latents, columns=names).to_csv(path, index=False)
    return {path.name: "the autoencoder's latents of all rows, in the file's order"}


def _report(table, n_components, lines, held_out):
    """Return the printed table, and notes on how to read it."""
    title = f"held-out rows as {pluralize(n_components, 'number')} each"
    report = [f"{title:<44}{'autoencoder':>11}{'PCA':>9}   better"]
    for line in lines:
        label = f"{line.measure} ({'lower' if line.lower_wins else 'higher'} wins)"
        autoencoder, pca = line.shown
        report.append(f"{label:<44}{autoencoder:>11}{pca:>9}   {line.better}")
    lost = [
        f"{line.measure} ({line.better})"
        for line in lines
        if line.better != "autoencoder"
    ]
    report += [
        "",
        f"Where the autoencoder does not win: {', '.join(lost) or 'nowhere here'}.",
    ]
    if len(table.numbers):
        report.append(
            "Errors are squared, in standard deviations. "
            "Column means alone give about 1."
        )
    if len(table.categories):
        guessed = guessed_share(table.X[table.categories])
        report.append(
            "Wrong categories are a share of the cells. "
            f"Always the most frequent one gives about {guessed:.2g}."
        )
    if table.target is not None and table.target.classes:
        n_known = (~table.target.missing[held_out]).sum()
        report.append(
            f"An accuracy on {n_known:,} rows is uncertain by about "
            f"{0.5 / n_known**0.5:.1g}: smaller differences may be chance."
        )
    return report
