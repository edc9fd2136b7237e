"""How an autoencoder and PCA of the same size compare on rows held out from both."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score as mutual_information
from sklearn.metrics.cluster import contingency_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


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
    """PCA of standardised columns, with the autoencoder's methods.

    A missing cell counts as its column's mean.
    """

    def __init__(self, n_components, random_state):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X):
        self.scaler = StandardScaler()
        # With fewer rows than components, the rows are restored as they are.
        n_components = min(self.n_components, *X.shape)
        self.pca = PCA(n_components, random_state=self.random_state)
        self.pca.fit(np.nan_to_num(self.scaler.fit_transform(X)))
        return self

    def transform(self, X):
        return self.pca.transform(np.nan_to_num(self.scaler.transform(X)))

    def reconstruct(self, X):
        return self.scaler.inverse_transform(
            self.pca.inverse_transform(self.transform(X))
        )


def column_scales(X):
    """Return the standard deviation of each column, NaN where nothing varies."""
    varies = np.nanmax(X, axis=0) > np.nanmin(X, axis=0)
    return np.where(varies, np.nanstd(X, axis=0), np.nan)


def column_errors(X, reconstructed, scales):
    """Return the mean squared error of each column over its observed cells.

    Parameters
    ----------
    X, reconstructed : ndarray of shape (n_samples, n_features)
        Held-out rows, with NaN for a missing cell, and what a method makes of them.
    scales : ndarray of shape (n_features,)
        Unit of each column; NaN leaves a column out.

    Returns
    -------
    errors : ndarray of shape (n_features,)
        NaN for a column that was left out or has no observed cell.
    """
    squares = ((X - reconstructed) / scales) ** 2
    n_observed = np.isfinite(squares).sum(axis=0)
    total = np.nansum(squares, axis=0)
    return np.divide(
        total, n_observed, out=np.full(len(total), np.nan), where=n_observed > 0
    )


def compare_latents(latents, target, train, held_out, seed):
    """Return the lines on what the latents are worth to other estimators.

    Rows without a target take part in nothing but the training of KMeans.

    Parameters
    ----------
    latents : pair of ndarray of shape (n_samples, n_components)
        Latents of all rows, of the autoencoder and of PCA.
    target : Target
        Classes or numbers of all rows.
    train, held_out : ndarray of int
        Rows that the estimators learn from, and rows that they are measured on.
    seed : int
        Seed of KMeans.

    Returns
    -------
    lines : list of Line
    """
    known_train, known_held_out = (
        rows[target.known[rows]] for rows in (train, held_out)
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
