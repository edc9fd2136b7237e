"""What the default command measures on held-out rows."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# The methods, from the simplest one on: of those that are level, the first is advised.
COLUMNS, PCA_NAME, AUTOENCODER = METHODS = "all columns", "PCA", "autoencoder"
# A difference of fewer standard errors is a tie.
STANDARD_ERRORS = 2.0
# Bootstrap samples for the error of a mutual information.
N_RESAMPLED = 100


@dataclass(frozen=True)
class Line:
    """One measure of some methods, and how sure the differences between them are.

    Parameters
    ----------
    measure : str
    samples : dict of str to ndarray of shape (n_samples,)
        Of each method, simplest first: what each held-out row adds to the measure, or
        the measure of each bootstrap sample.
    values : dict of str to float
        Of each method.
    error_scale : float
        Standard error of a difference, in units of the standard deviation of the
        differences between samples.
    lower_wins : bool, default=False
    """

    measure: str
    samples: dict = field(repr=False)
    values: dict
    error_scale: float
    lower_wins: bool = False

    def first(self):
        """Return the method with the best value, whatever is level with it."""
        return (min if self.lower_wins else max)(self.values, key=self.values.get)

    def best(self):
        """Return the methods that are level with the best one, simplest first."""
        first = self.first()
        return [
            name
            for name, value in self.values.items()
            if abs(self.values[first] - value) <= self._margin(first, name)
        ]

    def _margin(self, a, b):
        """Return the largest difference that is a tie."""
        spread = np.std(self.samples[a] - self.samples[b])
        return STANDARD_ERRORS * self.error_scale * spread

    def verdict(self):
        """Return what is printed behind the values."""
        best = self.best()
        if len(best) == 1:
            return best[0]
        return "tie" if len(best) == len(self.values) else f"tie: {', '.join(best)}"


def line_of_rows(measure, rows, lower_wins=False):
    """Return a line for a measure that is a mean over held-out rows.

    Parameters
    ----------
    measure : str
    rows : dict of str to ndarray of shape (n_rows,)
        What each row adds; `NaN` where it says nothing.
    lower_wins : bool, default=False
    """
    rows = {name: row[~np.isnan(row)] for name, row in rows.items()}
    values = {name: float(row.mean()) for name, row in rows.items()}
    n_rows = len(next(iter(rows.values())))
    return Line(measure, rows, values, n_rows**-0.5, lower_wins)


def line_of_clusters(measure, clusters, classes, seed):
    """Return a line of mutual informations of clusters and classes.

    Parameters
    ----------
    measure : str
    clusters : dict of str to ndarray of shape (n_rows,)
    classes : ndarray of shape (n_rows,)
    seed : int
        Seed of the bootstrap samples.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(classes), size=(N_RESAMPLED, len(classes)))
    samples = {
        name: np.array(
            [normalized_mutual_info_score(classes[i], of_row[i]) for i in drawn]
        )
        for name, of_row in clusters.items()
    }
    values = {
        name: float(normalized_mutual_info_score(classes, of_row))
        for name, of_row in clusters.items()
    }
    return Line(measure, samples, values, 1.0)


def join_lines(lines):
    """Return one line of all methods of lines that measure alike.

    A method is then a pair of the measure and the method that it was.
    """
    samples, values = (
        {
            (line.measure, name): value
            for line in lines
            for name, value in getattr(line, attribute).items()
        }
        for attribute in ("samples", "values")
    )
    return Line("", samples, values, lines[0].error_scale, lines[0].lower_wins)


class EncodedPCA:
    """PCA of all columns, with the methods of an autoencoder.

    Parameters
    ----------
    columns : EncodedColumns
    n_components : int
    random_state : int
    """

    def __init__(self, columns, n_components, random_state):
        self.columns = columns
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X):
        """Find the components."""
        encoded = self.columns.transform(X)
        # With fewer rows than components, the rows are restored as they are.
        n_components = min(self.n_components, *encoded.shape)
        self.pca = PCA(n_components, random_state=self.random_state).fit(encoded)
        return self

    def transform(self, X):
        """Return the components of rows."""
        return self.pca.transform(self.columns.transform(X))

    def reconstruct(self, X):
        """Return rows in original units."""
        restored = self.pca.inverse_transform(self.transform(X))
        values = self.columns.to_values(restored)
        return self.columns.encoder.inverse_transform(values, like=X)


def squared_errors(columns, X, restored, numbers):
    """Return the squared error of each number in the units of the autoencoder.

    Parameters
    ----------
    columns : EncodedColumns
    X, restored : DataFrame of shape (n_rows, n_columns)
        Held-out rows, with NaN for a missing cell, and their reconstructions.
    numbers : Index of str
        Columns of numbers.

    Returns
    -------
    errors : DataFrame of shape (n_rows, n_numbers)
        NaN where a cell is missing, and in columns that do not vary.
    """
    encoder = columns.encoder
    scaled = [encoder.transform(encoder.check(rows)) for rows in (X, restored)]
    errors = pd.DataFrame((scaled[0] - scaled[1]) ** 2, X.index, X.columns)[numbers]
    varies = X[numbers].max() > X[numbers].min()
    return errors.where(varies, axis=1)


def wrong_cells(categories, restored):
    """Return 1 for each cell that is restored wrongly, else 0, NaN where it is missing.

    Parameters
    ----------
    categories, restored : DataFrame of shape (n_rows, n_columns)
        Held-out rows, with NaN for a missing cell, and their reconstructions.
    """
    wrong = categories.astype(object).ne(restored.astype(object)).astype(float)
    return wrong.where(categories.notna())


def guessed_share(categories):
    """Return the mean share of wrong cells if each is the most frequent category."""
    right = [
        cells.value_counts(normalize=True).max() for _, cells in categories.items()
    ]
    return 1 - np.nanmean(right)


def compare_predictions(features, target, train, held_out):
    """Return a line for a linear model, and one for neighbours.

    Parameters
    ----------
    features : dict of str to ndarray of shape (n_samples, n_features)
        Of all rows, by method.
    target : Labels
        Classes or continuous values of all rows.
    train, held_out : ndarray of int
        Rows to learn from and rows to predict, all of which have a target.

    Returns
    -------
    lines : list of Line
    """
    if target.classes:
        models = LogisticRegression(max_iter=1000), KNeighborsClassifier()
    else:
        models = Ridge(), KNeighborsRegressor()
    lines = []
    for model in models:
        predicted = {}
        for name, Z in features.items():
            pipeline = make_pipeline(StandardScaler(), model)
            pipeline.fit(Z[train], target.values[train])
            predicted[name] = pipeline.predict(Z[held_out])
        lines.append(
            line_of_predictions(type(model).__name__, predicted, target, held_out)
        )
    return lines


def line_of_predictions(name, predicted, target, held_out):
    """Return a line for the accuracy, or R2, of predictions.

    Parameters
    ----------
    name : str
        Of the model.
    predicted : dict of str to ndarray of shape (n_held_out,)
    target : Labels
    held_out : ndarray of int
        Rows that are predicted.
    """
    y = target.values[held_out]
    if target.classes:
        right = {key: (values == y).astype(float) for key, values in predicted.items()}
        return line_of_rows(f"{name} accuracy", right)
    variance = max(y.var(), np.finfo(float).tiny)
    explained = {
        key: 1 - (values - y) ** 2 / variance for key, values in predicted.items()
    }
    return line_of_rows(f"{name} R2", explained)


def cluster(features, n_clusters, train, held_out, seed):
    """Return the clusters of held-out rows in each kind of features."""
    kmeans = KMeans(n_clusters, n_init=10, random_state=seed)
    return {
        name: kmeans.fit(Z[train]).predict(Z[held_out]) for name, Z in features.items()
    }
