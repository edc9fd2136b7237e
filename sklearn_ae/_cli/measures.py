"""Measures that compare an autoencoder with PCA of the same size, on held-out rows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score as mutual_information
from sklearn.metrics.cluster import contingency_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._tables.categories import Categories
from sklearn_ae._tables.reading import as_table


@dataclass(frozen=True)
class Line:
    """One measure of both methods."""

    measure: str
    autoencoder: float
    pca: float
    lower_wins: bool = False

    @property
    def shown(self):
        """Both values as they are printed."""
        values = (self.autoencoder, self.pca)
        return tuple(f"{value:#.3g}".rstrip(".") for value in values)

    @property
    def better(self):
        """The method that wins by the printed digits, or "tie"."""
        autoencoder, pca = map(float, self.shown)
        if autoencoder == pca:
            return "tie"
        return "autoencoder" if (autoencoder < pca) == self.lower_wins else "PCA"


class StandardizedPCA:
    """PCA of standardised numbers and categories, with the autoencoder's methods.

    The input is the same as the autoencoder's: each category is an indicator, the
    indicators of one column have variance 1 together, as a number has, and a missing
    cell counts as the mean of its column. A category is restored as the one with the
    largest indicator.
    """

    def __init__(self, n_components, random_state):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X):
        is_categorical = (X.dtypes != "float64").to_numpy()
        limit = AutoencoderTransformer().max_categories
        self.categories = Categories(is_categorical, limit).fit(as_table(X))
        levels = self.categories.levels_
        self.widths = [
            len(levels[column]) if column in levels else 1
            for column in range(X.shape[1])
        ]
        encoded = self._encode(X)
        self.scaler = StandardScaler().fit(encoded)
        blocks = np.repeat(np.arange(X.shape[1]), self.widths)
        variances = np.bincount(blocks, self.scaler.scale_**2)
        self.scaler.scale_ = np.sqrt(variances)[blocks]
        # With fewer rows than components, the rows are restored as they are.
        n_components = min(self.n_components, *encoded.shape)
        self.pca = PCA(n_components, random_state=self.random_state)
        self.pca.fit(np.nan_to_num(self.scaler.transform(encoded)))
        return self

    def _encode(self, X):
        """Return the numbers and the indicators of X, NaN where a cell is missing."""
        blocks, coded = [], self.categories.code(as_table(X), slice(None))
        for column, cells in enumerate(coded.T):
            block = cells[:, None]
            if column in self.categories.levels_:
                indicators = block == np.arange(self.widths[column])
                block = np.where(np.isnan(block), np.nan, indicators)
            blocks.append(block)
        return np.hstack(blocks)

    def transform(self, X):
        return self.pca.transform(np.nan_to_num(self.scaler.transform(self._encode(X))))

    def reconstruct(self, X):
        encoded = self.scaler.inverse_transform(
            self.pca.inverse_transform(self.transform(X))
        )
        blocks = np.split(encoded, np.cumsum(self.widths)[:-1], axis=1)
        levels = self.categories.levels_
        restored = [
            levels[column][block.argmax(axis=1)] if column in levels else block[:, 0]
            for column, block in enumerate(blocks)
        ]
        return pd.DataFrame(dict(zip(X, restored, strict=True)), index=X.index)


def scales_of(numbers):
    """Return the standard deviation of each column, NaN where nothing varies."""
    return numbers.std(ddof=0).where(numbers.max() > numbers.min())


def squared_errors(numbers, restored, scales):
    """Return the mean squared error of each column over its observed cells.

    Parameters
    ----------
    numbers, restored : DataFrame of shape (n_rows, n_columns)
        Held-out rows, with NaN for a missing cell, and their reconstructions.
    scales : Series of shape (n_columns,)
        Unit of each column; NaN leaves a column out.

    Returns
    -------
    errors : Series of shape (n_columns,)
        NaN for a column that was left out or has no observed cell.
    """
    return (((numbers - restored) / scales) ** 2).mean()


def wrong_shares(categories, restored):
    """Return the share of each column's observed cells that are restored wrongly.

    Parameters
    ----------
    categories, restored : DataFrame of shape (n_rows, n_columns)
        As in `squared_errors`.

    Returns
    -------
    shares : Series of shape (n_columns,)
    """
    wrong = categories.astype(object).ne(restored.astype(object)).astype(float)
    return wrong.where(categories.notna()).mean()


def guessed_share(categories):
    """Return the mean share of wrong cells if each is the most frequent category."""
    right = [
        cells.value_counts(normalize=True).max() for _, cells in categories.items()
    ]
    return 1 - np.nanmean(right)


def compare_latents(latents, target, train, held_out, seed):
    """Return the measures of other estimators that predict the target from latents.

    Rows without a target take part in nothing but the training of KMeans.

    Parameters
    ----------
    latents : pair of ndarray of shape (n_samples, n_components)
        Latents of all rows, of the autoencoder and of PCA.
    target : Labels
        Classes or continuous values of all rows.
    train, held_out : ndarray of int
        Rows that the estimators learn from, and rows that they are measured on.
    seed : int
        Seed of KMeans.

    Returns
    -------
    lines : list of Line
    """
    known_train, known_held_out = (
        rows[~target.missing[rows]] for rows in (train, held_out)
    )

    def predict(estimator, Z):
        model = make_pipeline(StandardScaler(), estimator)
        model.fit(Z[known_train], target.values[known_train])
        return model.score(Z[known_held_out], target.values[known_held_out])

    if not target.classes:
        return [Line("Ridge R2", *(predict(Ridge(), Z) for Z in latents))]
    kmeans = KMeans(len(target.classes), n_init=10, random_state=seed)
    clusterings = [kmeans.fit(Z[train]).predict(Z[known_held_out]) for Z in latents]
    classes = target.values[known_held_out]
    classifier = LogisticRegression(max_iter=1000)
    return [
        Line("KMeans accuracy", *(matched_accuracy(classes, c) for c in clusterings)),
        Line("KMeans NMI", *(mutual_information(classes, c) for c in clusterings)),
        Line("LogisticRegression accuracy", *(predict(classifier, Z) for Z in latents)),
    ]


def matched_accuracy(classes, clusters):
    """Return the share of rows that agree when each cluster stands for one class.

    Clusters and classes are matched so that this share is as large as it can be.
    """
    counts = contingency_matrix(classes, clusters)
    return counts[linear_sum_assignment(counts, maximize=True)].sum() / len(classes)
