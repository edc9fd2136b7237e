"""Scorers for searches without labels, for ``scoring=`` of scikit-learn's searches.

The scores that estimators have of their own depend on the setting: an autoencoder
reconstructs better with more components, and the inertia of `KMeans` grows with the
number of latents and falls with the number of clusters, so that a search takes the
largest or the smallest number. The functions of this module compare all settings on
common ground, the columns of the table, scaled as for an autoencoder with its default
``scaling="auto"``: numbers with one unit for each column or for all that share it,
categories as indicators, missing cells as the mean. The ground is learnt from the rows
that are scored, never from what was fitted, so that no scaling that a search tries
changes it.

- :func:`hidden_cells_r2` measures latents: of an autoencoder or any other transformer,
  alone or in a pipeline.
- :func:`neighbor_rank_silhouette` measures clusters: of a pipeline that ends in a
  clusterer.

Both take ``(estimator, X, y=None)`` with an estimator that is fitted, as a scorer does,
ignore `y`, and score better settings higher. Score rows that were not in `fit`, as
cross-validation does. Of more than 2,000 rows, or 16 million cells, they take a sample,
which is the same each time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from sklearn.base import clone, is_clusterer
from sklearn.metrics import silhouette_score
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_ae._autoencoder.encoded_columns import EncodedColumns
from sklearn_ae._isolation import isolated
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.reading import as_table
from sklearn_ae._tables.sampling import draw_in_steps
from sklearn_ae._tables.table import TableLike

__all__ = ["hidden_cells_r2", "neighbor_rank_silhouette"]

# Most rows and cells that are scored; distances between all of the rows are computed.
MOST_ROWS = 2_000
MOST_CELLS = 2**24
# Columns are hidden in so many parts, one after the other.
N_PARTS = 8
# Neighbours that predict hidden cells.
N_NEIGHBORS = 5
# Penalty of the ridge regression that hidden cells are replaced by, for each row, in
# units of the mean variance of the columns.
RIDGE_PENALTY = 0.1


def hidden_cells_r2(estimator: Any, X: TableLike, y: object = None) -> float:
    """Score latents by how well they predict cells that were hidden from them.

    An eighth of the columns is hidden: each of their cells becomes what a ridge
    regression on the other columns, fitted to the other rows, predicts there. The
    latents of such rows are computed, and the hidden cells are predicted as the mean of
    those of the 5 rows whose latents are nearest, of fewer where there are not 11 rows.
    After each column has been hidden once, the score is the share of the variance of
    all cells that is predicted, R2.

    Too few latents do not tell what the hidden cells are; latents that store single
    cells, or noise, do not help to predict others, and draw neighbours apart. So the
    best number of components is neither the smallest nor, as by the reconstruction
    error, the largest.

    Read more in :doc:`/guide/reduce`.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with `transform`. In a pipeline that ends in a clusterer, a classifier
        or a regressor, what this last step receives are the latents.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        Rows, two or more, of at least two columns.
    y : None
        Ignored.

    Returns
    -------
    score : float
        At most 1, where hidden cells are predicted without error; 0 for the mean of
        the other rows, which latents that are all alike give. Latents that are random
        are below 0.

    Raises
    ------
    AttributeError
        If the estimator has no `transform`.
    ValueError
        If X has a single row or column, or latents are not finite.

    See Also
    --------
    neighbor_rank_silhouette : Scores clusters.
    sklearn.manifold.trustworthiness : Grows with the number of components, mostly.

    Notes
    -----
    Cells are hidden as in bi-cross-validation of the number of factors [1]_, but
    neighbours predict them instead of a decoder, so that PCA, an autoencoder and any
    other transformer are compared. The distance between latents divides each of them by
    the square root of its standard deviation, halfway between latents as they are and
    standardised ones: what comes next may use either.

    References
    ----------
    .. [1] Owen, A. B. and Perry, P. O. "Bi-cross-validation of the SVD and the
       nonnegative matrix factorization." Annals of Applied Statistics 3 (2009),
       564-594.

    Examples
    --------
    Four factors in twenty columns, and noise:

    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.metrics import hidden_cells_r2
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 20))
    >>> X += rng.normal(size=X.shape)
    >>> ae = AutoencoderTransformer(max_epochs=20, random_state=0)
    >>> grid = {"n_components": [1, 2, 4, 8, 16]}
    >>> search = GridSearchCV(ae, grid, scoring=hidden_cells_r2, cv=2).fit(X)
    >>> search.best_params_
    {'n_components': 4}
    """
    estimator = _best_of(estimator)
    transform = _transform_of(estimator)
    ground = _Ground(estimator, X, "hidden_cells_r2")
    n_rows, n_columns = ground.shape
    if n_columns < 2:
        raise ValueError(
            f"Found array with {n_columns} feature(s) (shape={ground.shape}) while a "
            "minimum of 2 is required by hidden_cells_r2: hidden cells are predicted "
            "from those in other columns."
        )
    order = np.random.default_rng(0).permutation(n_columns)
    error = baseline = 0.0
    for columns in np.array_split(order, min(N_PARTS, n_columns)):
        hidden = ground.cells_of(columns)
        Z = _as_latents(transform(ground.hide(columns)))
        error += np.square(hidden - _mean_of_neighbors(Z, hidden)).sum()
        # A row is not predicted from itself, and neither is it by the mean.
        baseline += np.square(hidden - hidden.mean(axis=0)).sum()
    baseline *= (n_rows / (n_rows - 1)) ** 2
    return float(1 - error / baseline) if baseline > 0 else 0.0


def neighbor_rank_silhouette(estimator: Any, X: TableLike, y: object = None) -> float:
    """Score clusters by the silhouette of neighbour ranks in the scaled columns.

    The silhouette compares the mean distance of a row to the others of its cluster with
    that to the next cluster [1]_. Here it is measured in the columns of the table,
    whatever the latents are, so that numbers of components and of clusters are
    compared on common ground; and the distance between two rows is ``log(1 + r)``,
    where r is the rank of one among the neighbours of the other, 1 for the nearest,
    and the mean of both directions. In many columns nearly all distances are alike,
    but the ranks of near neighbours still tell which rows belong together [2]_.

    Read more in :doc:`/guide/clusters_and_maps`.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with `predict`, which gives the cluster of each row. A clusterer without
        `predict`, such as :class:`~sklearn.cluster.HDBSCAN`, may stand alone or at the
        end of a pipeline: a clone of it then divides X or its latents.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        Rows, two or more.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Between -1 and 1; about 0 for clusters drawn at random. It is -1 where all rows
        are in one cluster, or each row in its own. Rows that a clusterer calls noise,
        with the label -1, count 0.

    Raises
    ------
    AttributeError
        If the estimator has no `predict`, and does not end in a clusterer.
    ValueError
        If X has a single row, or the predictions are no labels.

    See Also
    --------
    hidden_cells_r2 : Scores latents, without clusters.
    sklearn.metrics.silhouette_score : Of distances instead of ranks.

    References
    ----------
    .. [1] Rousseeuw, P. J. "Silhouettes: a graphical aid to the interpretation and
       validation of cluster analysis." Journal of Computational and Applied
       Mathematics 20 (1987), 53-65.
    .. [2] Houle, M. E., Kriegel, H.-P., Kröger, P., Schubert, E. and Zimek, A. "Can
       shared-neighbor distances defeat the curse of dimensionality?" SSDBM 2010.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.metrics import neighbor_rank_silhouette
    >>> X, _ = make_blobs(300, 10, centers=5, cluster_std=2.0, random_state=0)
    >>> ae = AutoencoderTransformer(4, max_epochs=20, random_state=0)
    >>> pipeline = Pipeline([("ae", ae), ("clusters", KMeans(random_state=0))])
    >>> grid = {"clusters__n_clusters": [2, 3, 5, 8, 12]}
    >>> score = neighbor_rank_silhouette
    >>> search = GridSearchCV(pipeline, grid, scoring=score, cv=2)
    >>> search.fit(X).best_params_
    {'clusters__n_clusters': 5}
    """
    estimator = _best_of(estimator)
    predict = _predict_of(estimator)
    ground = _Ground(estimator, X, "neighbor_rank_silhouette")
    labels = np.asarray(predict(ground.rows()))
    check_classification_targets(labels)
    is_noise = np.zeros(len(labels), dtype=bool)
    if _is_clusterer(_last_step(estimator)):
        is_noise = labels == -1
    n_clusters, n_rows = len(np.unique(labels[~is_noise])), np.sum(~is_noise)
    if not 1 < n_clusters < n_rows:
        return -1.0
    distances = _rank_distances(ground.cells)[np.ix_(~is_noise, ~is_noise)]
    score = silhouette_score(distances, labels[~is_noise], metric="precomputed")
    return float(score * n_rows / len(labels))


class _Ground:
    """The common ground of all settings: a sample of rows, and their scaled columns.

    Parameters
    ----------
    estimator : estimator instance
        Fitted; its first step may know which columns are categorical.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
    scorer : str
        Its name, for messages.
    """

    def __init__(self, estimator, X, scorer):
        table = as_table(_sample(as_table(X).X))
        self._sparse_type = type(table.X) if sparse.issparse(table.X) else None
        if self._sparse_type is not None:
            table = as_table(table.X.toarray())
        self._image_shape = np.shape(table.X)[1:] if not table.is_frame else ()
        if len(self._image_shape) > 1:
            table = as_table(table.X.reshape(len(table), -1))
        known = getattr(_first_step(estimator), "table_encoder_", None)
        self._encoder = TableEncoder(
            categorical_features=getattr(known, "categorical_features", "from_dtype"),
            owner=scorer,
        )
        self._encoder.check(table, reset=True)
        if len(table) < 2:
            raise ValueError(
                f"Found array with {len(table)} sample(s) (shape={table.shape}) while "
                f"a minimum of 2 is required by {scorer}."
            )
        # Each row twice: in a small fold categories may hardly repeat that do so in the
        # whole table, which only `fit` of the estimator sees.
        twice = as_table(table.take(np.repeat(np.arange(len(table)), 2)))
        self._encoder.fit(self._encoder.check(twice, reset=True))
        self._table, self.shape = table, table.shape
        self._columns = EncodedColumns(self._encoder)
        self.cells = self._columns.transform(table).astype(np.float64)

    def cells_of(self, columns):
        """Return the scaled cells of some columns of the table."""
        return self.cells[:, np.isin(self._columns.origin, columns)]

    def rows(self):
        """Return the rows, as the user's kind of table."""
        return self._as_given(self._table.X)

    def hide(self, columns):
        """Return the rows with predictions in place of the cells of some columns.

        They are those of a ridge regression on the other columns. The rows come back as
        the user's kind of table.
        """
        is_visible = ~np.isin(self._columns.origin, columns)
        expected = _ridge_predictions(self.cells[:, is_visible], self.cells)
        values = self._columns.to_values(expected)
        hidden = np.zeros(self.shape, dtype=bool)
        hidden[:, columns] = True
        kept = np.ones(self.shape[1], dtype=bool)
        return self._as_given(self._encoder.fill(self._table, hidden, values, kept))

    def _as_given(self, X):
        if len(self._image_shape) > 1:
            return X.reshape(len(X), *self._image_shape)
        return X if self._sparse_type is None else self._sparse_type(X)


def _sample(X):
    """Return rows that stand for a table: all, or a sample that is the same each time.

    One row is drawn in each of many equal steps, so that the order does not matter.
    """
    if sparse.issparse(X):
        X = X.tocsr()
    shape = getattr(X, "shape", ())
    if len(shape) < 2 or 0 in shape:
        return X
    n_rows = min(MOST_ROWS, max(100, MOST_CELLS // int(np.prod(shape[1:]))))
    if shape[0] <= n_rows:
        return X
    shifts = np.random.default_rng(0).random(n_rows)
    return as_table(X).take(draw_in_steps(shape[0], shifts))


def _best_of(estimator):
    """Return the best estimator of a search, any other estimator as it is."""
    return getattr(estimator, "best_estimator_", estimator)


def _first_step(estimator):
    """Return what reads the table: the estimator, or the first step of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[0][1]
    return estimator


def _last_step(estimator):
    """Return the estimator, or the last step of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _is_clusterer(step):
    """Whether a step of a pipeline clusters; "passthrough" does not."""
    return hasattr(step, "fit") and is_clusterer(step)


def _before_last_step(estimator):
    """Return a pipeline without its last step, `None` if there is nothing before it."""
    if not isinstance(estimator, Pipeline):
        return None
    *steps, (name, last) = estimator.steps
    before = _before_last_step(last)
    if before is not None:
        return Pipeline([*steps, (name, before)])
    return estimator[:-1] if steps else None


def _transform_of(estimator):
    """Return the method that gives the latents of an estimator."""
    check_is_fitted(estimator)
    before, last = _before_last_step(estimator), _last_step(estimator)
    is_model = hasattr(last, "fit") and (
        is_clusterer(last) or not hasattr(last, "transform")
    )
    latents_of = before if is_model and before is not None else estimator
    return _method(latents_of, "transform", "hidden_cells_r2 scores latents")


def _predict_of(estimator):
    """Return the method that gives the cluster of each row."""
    check_is_fitted(estimator)
    before, last = _before_last_step(estimator), _last_step(estimator)
    if hasattr(estimator, "predict") or not _is_clusterer(last):
        reason = "neighbor_rank_silhouette scores what a clusterer predicts"
        return _method(estimator, "predict", reason)
    if before is None:
        return clone(last).fit_predict
    return lambda X: clone(last).fit_predict(before.transform(X))


def _method(estimator, name, reason):
    method = getattr(estimator, name, None)
    if method is None:
        raise AttributeError(
            f"{type(estimator).__name__} has none of the following attributes: {name}. "
            f"{reason}."
        )
    return method


def _as_latents(Z):
    """Return latents as a float64 ndarray of two dimensions."""
    Z = Z.toarray() if sparse.issparse(Z) else Z
    return check_array(Z, dtype=np.float64, input_name="latents")


@isolated
def _ridge_predictions(
    visible: NDArray[np.float64], cells: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what a ridge regression on the other rows predicts for each row."""
    n_rows, n_visible = visible.shape
    penalty = RIDGE_PENALTY * n_rows * np.eye(min(n_rows, n_visible))
    if n_visible < n_rows:
        gram = visible.T @ visible
        hat = visible @ np.linalg.solve(gram + penalty, visible.T)
    else:
        gram = visible @ visible.T
        hat = np.linalg.solve(gram + penalty, gram)
    own = hat.diagonal()[:, None]
    return (hat @ cells - own * cells) / (1 - own)


@isolated
def _mean_of_neighbors(
    Z: NDArray[np.float64], cells: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of the cells of the nearest other rows by their latents.

    Each latent is divided by the root of its deviation: halfway between latents as they
    are, of which a distance hardly sees the small ones, and standardised ones. Rows
    that are equally far share a weight, so that no order of rows matters.
    """
    # All other rows would predict what the mean does, whatever the latents are.
    n_neighbors = max(1, min(N_NEIGHBORS, (len(Z) - 1) // 2))
    deviation = Z.std(axis=0)
    distances = _distances(Z / np.sqrt(np.where(deviation > 0, deviation, 1.0)))
    np.fill_diagonal(distances, np.inf)
    radius = np.partition(distances, n_neighbors - 1, axis=1)[:, [n_neighbors - 1]]
    weights = (distances < radius).astype(np.float64)
    ties = distances == radius
    left = n_neighbors - weights.sum(axis=1, keepdims=True)
    weights += ties * (left / ties.sum(axis=1, keepdims=True))
    return weights @ cells / n_neighbors


@isolated
def _rank_distances(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms of the ranks that rows have among neighbours of one another."""
    distances = _distances(cells)
    np.fill_diagonal(distances, -1)  # a row comes first, before its copies
    ranks = rankdata(distances, axis=1) - 1
    return np.log1p((ranks + ranks.T) / 2)


def _distances(Z):
    """Return distances, rounded so that those that ought to be equal are."""
    return cdist(Z, Z).astype(np.float32)
