"""The parsers of all commands: what each takes, and examples."""

from pathlib import Path

from sklearn_ae._cli.arguments import (
    COMMANDS,
    Parser,
    add_common,
    add_force,
    add_model,
    add_output,
    add_path,
    add_save,
    share,
    table_path,
    whole_number,
)
from sklearn_ae._cli.errors import UserError

COMPARE_DESCRIPTION = """\
Say whether an autoencoder, PCA or the columns as they are serve a table best.

PCA and an autoencoder squeeze each row into a few numbers, its latents, and restore the
row from them. A quarter of the rows is held out from training; one table says line by
line what does best on these rows, and the last sentence what to do. Pictures show
what was restored and a map of the rows in two dimensions. Of more than 20,000 rows, a
random sample is compared. This is what runs without the name of a command.
"""

COMPARE_EXAMPLES = """\
examples:
  {program}
      1,797 handwritten digits that ship with scikit-learn

  {program} wine.csv
      your own table of numbers and categories; cells may be missing

  {program} wine.csv --target quality
      also predict the column "quality", with linear models, neighbours and the
      autoencoder's own predictor; look for clusters, if it holds classes

  {program} wine.parquet --n-components 3 --output pictures
      three numbers a row; pictures and latents go to the folder "pictures"

commands, each with a --help of its own, such as {program} anomalies --help:
"""

ANOMALIES_DESCRIPTION = """\
Find the outliers of a table, the rows that are unlike all others, and say why.

An autoencoder learns what the rows of the table are like. The most anomalous rows are
printed, each with up to three columns that contribute most to its score, the values in
these columns, and the values that the rest of the row would let one expect. A file has
the score, rank, p-value and verdict of all rows, and the three columns of those that
are outliers or printed; a picture beside it shows the scores.
"""

ANOMALIES_EXAMPLES = """\
examples:
  {program} anomalies wine.csv
      the 10 most anomalous rows; all scores go to anomalies.csv

  {program} anomalies wine.csv --top 20 --output scores.csv
      20 rows, and another file

  {program} anomalies new.csv --train usual.csv --fdr 0.1
      rows of new.csv that are unlike those of usual.csv; of the rows that are called
      outliers, about a tenth are false alarms
"""

IMPUTE_DESCRIPTION = """\
Fill the missing cells of a table (imputation) with what the others of their row let one
expect. All other cells stay as they are; a printed table says how many cells of each
column were filled, and how well the other columns predict it.
"""

IMPUTE_EXAMPLES = """\
examples:
  {program} impute survey.csv
      the table without a missing cell goes to imputed.csv

  {program} impute survey.csv --missing -999 --output survey_filled.parquet
      cells of -999 are missing, too; the format is that of the file's name
"""

EMBED_DESCRIPTION = """\
Squeeze each row into a few numbers, its latents, from which an autoencoder can restore
it: an embedding, as features for other programs.
"""

EMBED_EXAMPLES = """\
examples:
  {program} embed wine.csv
      a row of numbers for each row, in embedding.csv

  {program} embed wine.csv --n-components 3 --append --output wine3.csv
      three numbers behind the columns of the table
"""

CLUSTER_DESCRIPTION = """\
Divide the rows of a table into groups that are alike (clusters).

An autoencoder learns latents that KMeans splits well. The size of each cluster is
printed, with the columns in which it differs most from the other rows, and how stable
the clusters are: whether they would be found again in other rows of the kind.
"""

CLUSTER_EXAMPLES = """\
example:
  {program} cluster survey.csv -k 4
      the number of the cluster of each row goes to clusters.csv
"""

MAP_DESCRIPTION = """\
Draw the rows of a table as dots in two dimensions, similar rows close together.
"""

MAP_EXAMPLES = """\
examples:
  {program} map wine.csv
      coordinates go to map.csv, the picture to map.png

  {program} map wine.csv --target quality
      the dots have the colour of the column "quality", which is not learnt from
"""

PREDICT_DESCRIPTION = """\
Predict a column where it is missing, from the other columns.

An autoencoder learns from all rows, a predictor from those that have a target: few are
enough. Classes come with probabilities. How good predictions are is estimated by
cross-validation on the rows that have a target.
"""

PREDICT_EXAMPLES = """\
example:
  {program} predict customers.csv --target segment
      rows of which the segment is empty get one, in predictions.csv
"""

SAMPLE_DESCRIPTION = """\
Draw new rows that are like those of a table, from a variational autoencoder. They have
its columns and units. This makes test data; it does not promise privacy.
"""

SAMPLE_EXAMPLES = """\
example:
  {program} sample customers.csv -n 1000
      1,000 new rows go to sample.csv
"""


SCORE_DESCRIPTION = """\
Ask a saved model about the rows of a table, which has the columns that the model has
learnt from: the scores of a detector, the filled cells of an imputer, predictions,
clusters or latents.
"""

SCORE_EXAMPLES = """\
example:
  {program} anomalies march.csv --save invoices.safetensors
  {program} score invoices.safetensors april.csv
      how anomalous the rows of April are among those of March, in scores.csv
"""

DESCRIBE_DESCRIPTION = """\
Say what a saved model is: its kind, its columns, and what it holds of the rows that it
has learnt from.
"""

DESCRIBE_EXAMPLES = """\
example:
  {program} describe invoices.safetensors
"""


def _make_compare():
    listed = "".join(f"  {name:<11}{does}\n" for name, does in COMMANDS.items())
    parser = Parser(
        "compare", COMPARE_DESCRIPTION, COMPARE_EXAMPLES + listed, _check_compare
    )
    add_path(parser, " (default: the handwritten digits)", nargs="?")
    target = "column of your table to predict from the others"
    parser.add_argument("--target", metavar="COLUMN", help=target)
    _add_n_components(parser, "10 for the digits, else chosen by the number of columns")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("sklearn_ae_output"),
        metavar="FOLDER",
        help="folder for the pictures and latents (default: %(default)s)",
    )
    add_force(parser)
    add_save(parser)
    add_common(parser, "the split and of the training")
    return parser


def _check_compare(arguments):
    if arguments.path is None and arguments.target is not None:
        raise UserError(
            "--target names a column of your own table: give its PATH as well."
        )


def _make_anomalies():
    parser = Parser(
        "anomalies", ANOMALIES_DESCRIPTION, ANOMALIES_EXAMPLES, _check_anomalies
    )
    add_path(parser)
    parser.add_argument(
        "--train",
        type=table_path,
        metavar="FILE",
        help="learn what is ordinary from this table, whose columns are the same",
    )
    parser.add_argument(
        "--contamination",
        type=share(0.5, True),
        metavar="SHARE",
        help="share of the rows that are outliers (default: the scores decide)",
    )
    parser.add_argument(
        "--fdr",
        type=share(1, False),
        metavar="SHARE",
        help="call rows outliers such that this share of them is expected to be false "
        "alarms (Benjamini-Hochberg on the p-values), best with --train",
    )
    _add_top(parser)
    add_output(parser, "anomalies.csv", "the scores of all rows")
    parser.set_defaults(draws=True)
    add_save(parser)
    add_common(parser, "the training")
    return parser


def _check_anomalies(arguments):
    if arguments.fdr is not None and arguments.contamination is not None:
        raise UserError(
            "--fdr and --contamination both say which rows are outliers: give one."
        )


def _make_impute():
    parser = Parser("impute", IMPUTE_DESCRIPTION, IMPUTE_EXAMPLES)
    add_path(parser)
    add_output(parser, "imputed.csv", "the table without missing cells", append=False)
    add_save(parser)
    add_common(parser, "the training")
    return parser


def _make_embed():
    parser = Parser("embed", EMBED_DESCRIPTION, EMBED_EXAMPLES)
    add_path(parser)
    _add_n_components(parser, "chosen by the number of columns")
    add_output(parser, "embedding.csv", "the latents of all rows")
    add_save(parser)
    add_common(parser, "the training")
    return parser


def _make_cluster():
    parser = Parser("cluster", CLUSTER_DESCRIPTION, CLUSTER_EXAMPLES, needs="-k K ")
    add_path(parser)
    parser.add_argument(
        "-k",
        type=whole_number(2),
        required=True,
        metavar="K",
        help="number of clusters",
    )
    add_output(parser, "clusters.csv", "the clusters of all rows")
    add_save(parser)
    add_common(parser, "the training")
    return parser


def _make_map():
    parser = Parser("map", MAP_DESCRIPTION, MAP_EXAMPLES)
    add_path(parser)
    target = "column that colours the dots, which is not learnt from"
    parser.add_argument("--target", metavar="COLUMN", help=target)
    add_output(parser, "map.csv", "the coordinates of all rows")
    parser.set_defaults(draws=True)
    add_save(parser)
    add_common(parser, "the training")
    return parser


def _make_predict():
    parser = Parser(
        "predict", PREDICT_DESCRIPTION, PREDICT_EXAMPLES, needs="--target COLUMN "
    )
    add_path(parser)
    parser.add_argument(
        "--target",
        required=True,
        metavar="COLUMN",
        help="column to predict where it is missing",
    )
    add_output(parser, "predictions.csv", "the predictions")
    add_save(parser)
    add_common(parser, "the training and of the cross-validation")
    return parser


def _make_sample():
    parser = Parser("sample", SAMPLE_DESCRIPTION, SAMPLE_EXAMPLES, needs="-n N ")
    add_path(parser)
    parser.add_argument(
        "-n",
        type=whole_number(1),
        required=True,
        metavar="N",
        help="number of rows to draw",
    )
    add_output(parser, "sample.csv", "the new rows", append=False)
    add_save(parser)
    add_common(parser, "the training and of what is drawn")
    return parser


def _make_score():
    parser = Parser("score", SCORE_DESCRIPTION, SCORE_EXAMPLES)
    add_model(parser)
    add_path(parser)
    _add_top(parser)
    add_output(parser, "scores.csv", "what the model says of all rows")
    parser.set_defaults(fdr=None, train=None)
    add_common(parser, "what is drawn")
    return parser


def _make_describe():
    parser = Parser("describe", DESCRIBE_DESCRIPTION, DESCRIBE_EXAMPLES)
    add_model(parser)
    return parser


def _add_top(parser):
    parser.add_argument(
        "--top",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="how many anomalous rows to print (default: %(default)s)",
    )


def _add_n_components(parser, default):
    parser.add_argument(
        "--n-components",
        type=whole_number(1),
        metavar="N",
        help=f"numbers that each row is squeezed into (default: {default})",
    )


PARSERS = {
    "compare": _make_compare,
    "anomalies": _make_anomalies,
    "impute": _make_impute,
    "embed": _make_embed,
    "cluster": _make_cluster,
    "map": _make_map,
    "predict": _make_predict,
    "sample": _make_sample,
    "score": _make_score,
    "describe": _make_describe,
}
