"""Linear probes: linear models on latents, which a head starts from."""

import warnings

import numpy as np
from scipy.linalg import svd
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

# Values of C that logistic regression chooses from.
INVERSE_PENALTIES = np.logspace(-3, 1, 5)
# The value that is expected before any row is held out, and the nats that it costs to
# be off by a factor of e: a few rows choose a large C by luck, and certainty with it.
EXPECTED_INVERSE_PENALTY = 0.1
PRIOR = 0.1
# Values of alpha that ridge regression chooses from.
PENALTIES = np.logspace(-2, 6, 17)
# Folds of every cross-validation of the fine-tuning.
N_FOLDS = 5
# Fewer rows than this are divided into folds twice.
FEW_ROWS = 200
# A linear model learns hardly more from more rows.
PROBE_ROWS = 5_000
# Least share of a prediction that other rows than the predicted one contribute.
TINY = 1e-12
# A class that is not among the rows to learn from has this log-probability.
LEAST_LOG_PROBABILITY = np.log(1e-4)


def divide_into_folds(values, n_copies, n_folds, rng):
    """Return the share of each row in each fold; each class is spread over all folds.

    A row that stands for several equal ones is divided as these would be.

    By hand: :class:`~sklearn.model_selection.StratifiedKFold` refuses targets, and
    classes that all have fewer rows than there are folds.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Class indices; or targets, of which each fold gets large and small ones.
    n_copies : int ndarray of shape (n_rows,)
        How many equal rows each row stands for.
    n_folds : int
    rng : Generator

    Returns
    -------
    shares : float64 ndarray of shape (n_rows, n_folds)
    """
    order = np.lexsort((rng.random(len(values)), values))
    ends = np.cumsum(n_copies[order])
    # Copies are dealt out like cards, one fold after the other.
    folds = np.arange(n_folds)
    dealt = (ends[:, None] + n_folds - 1 - folds) // n_folds
    shares = np.empty((len(values), n_folds))
    shares[order] = np.diff(dealt, axis=0, prepend=0) / n_copies[order, None]
    return shares


class ClassProbe:
    """Logistic regression whose penalty is chosen by cross-validation and a prior.

    By hand: :class:`~sklearn.linear_model.LogisticRegressionCV` weighs folds instead of
    rows, and bounds no loss of a class that the other folds lack.

    Parameters
    ----------
    n_classes : int

    Attributes
    ----------
    coef_ : float64 ndarray of shape (n_classes, n_components)
    intercept_ : float64 ndarray of shape (n_classes,)
    C_ : float
        Inverse of the penalty.
    """

    def __init__(self, n_classes):
        self.n_classes = n_classes

    def fit(self, Z, y, weight, n_copies, rng):
        """Choose the penalty, and fit all rows.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_components)
        y : ndarray of shape (n_rows, 1)
            Class indices.
        weight : ndarray of shape (n_rows,)
            How much each row counts, with all its copies.
        n_copies : int ndarray of shape (n_rows,)
            How many equal rows each row stands for.
        rng : Generator
        """
        class_indices = y[:, 0].astype(int)
        off = np.log(INVERSE_PENALTIES / EXPECTED_INVERSE_PENALTY)
        losses, n_repeats = PRIOR * off**2, 2 if n_copies.sum() < FEW_ROWS else 1
        for _ in range(n_repeats):
            for out in divide_into_folds(class_indices, n_copies, N_FOLDS, rng).T:
                losses += self._losses(Z, class_indices, weight, out) / n_repeats
        self.C_ = INVERSE_PENALTIES[np.argmin(losses)]
        return self.refit(Z, y, weight, n_copies)

    def refit(self, Z, y, weight, n_copies):
        """Fit with the penalty that was chosen."""
        class_indices = y[:, 0].astype(int)
        self.coef_, self.intercept_ = next(
            self._path(Z, class_indices, weight, [self.C_])
        )
        return self

    def _losses(self, Z, class_indices, weight, out):
        """Return the loss of the shares of rows that are left out, by the penalty."""
        losses = np.zeros(len(INVERSE_PENALTIES))
        held_out, weight, left = out > 0, weight * out, weight * (1 - out)
        used = left > 0
        if not held_out.any() or not used.any():
            return losses
        path = self._path(Z[used], class_indices[used], left[used], INVERSE_PENALTIES)
        for i, (coef, intercept) in enumerate(path):
            log_proba = log_softmax(Z[held_out] @ coef.T + intercept, axis=1)
            chosen = log_proba[np.arange(len(log_proba)), class_indices[held_out]]
            losses[i] = -weight[held_out] @ np.maximum(chosen, LEAST_LOG_PROBABILITY)
        return losses

    def _path(self, Z, class_indices, weight, penalties):
        """Yield the coefficients for each penalty."""
        coef = np.zeros((self.n_classes, Z.shape[1]))
        intercept = np.full(self.n_classes, LEAST_LOG_PROBABILITY)
        present = np.unique(class_indices)
        if len(present) == 1:
            intercept[present] = 0.0
            yield from ((coef, intercept) for _ in penalties)
            return
        model = LogisticRegression(warm_start=True, max_iter=200)
        for C in penalties:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.set_params(C=C).fit(Z, class_indices, weight)
            W, b = model.coef_, model.intercept_
            if len(present) == 2:
                W, b = np.vstack([-W, W]) / 2, np.append(-b, b) / 2
            coef[present], intercept[present] = W, b
            yield coef.copy(), intercept.copy()


class TargetProbe:
    """Ridge regression whose penalty is chosen by leaving each row out.

    By hand: :class:`~sklearn.linear_model.RidgeCV` leaves out all equal rows for which
    one with a weight stands.

    Attributes
    ----------
    coef_ : float64 ndarray of shape (n_outputs, n_components)
    intercept_ : float64 ndarray of shape (n_outputs,)
    """

    def fit(self, Z, y, weight, n_copies, rng):
        """Choose the penalty of each output, and fit all rows that have it.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_components)
        y : ndarray of shape (n_rows, n_outputs)
            Targets, `NaN` where one is missing.
        weight : ndarray of shape (n_rows,)
            How much each row counts, with all its copies.
        n_copies : int ndarray of shape (n_rows,)
            How many equal rows each row stands for.
        rng : Generator
            Not used.
        """
        self.coef_ = np.zeros((y.shape[1], Z.shape[1]))
        self.intercept_ = np.zeros(y.shape[1])
        targets = {}
        for i, seen in enumerate(~np.isnan(y.T)):
            targets.setdefault(seen.tobytes(), []).append(i)
        # Those that the same rows have share a decomposition, which takes most time.
        for same in targets.values():
            seen = ~np.isnan(y[:, same[0]])
            values = np.ascontiguousarray(y[seen][:, same].T)
            if np.count_nonzero(seen) < 2:
                self.intercept_[same] = values.sum(axis=1)
                continue
            fitted = _fit_ridge(Z[seen], values, weight[seen], n_copies[seen])
            for i, (coef, intercept) in zip(same, fitted, strict=True):
                self.coef_[i], self.intercept_[i] = coef, intercept
        return self

    def refit(self, Z, y, weight, n_copies):
        """Fit other rows, with penalties of their own."""
        return self.fit(Z, y, weight, n_copies, None)


def _fit_ridge(Z, targets, weight, n_copies):
    """Yield coefficients and intercept of each target, with its best penalty."""
    share = weight / weight.sum()
    center, root = share @ Z, np.sqrt(weight)
    U, s, Vt = svd((Z - center) * root[:, None], full_matrices=False)
    shrinkages = [s**2 / (s**2 + alpha) for alpha in PENALTIES]
    # How much a row contributes to its own prediction; each copy as much.
    leverages = [(share + U**2 @ shrunk) / n_copies for shrunk in shrinkages]
    for target in targets:
        mean = share @ target
        projected = U.T @ ((target - mean) * root)
        losses = []
        for shrunk, leverage in zip(shrinkages, leverages, strict=True):
            residual = target - mean - U @ (shrunk * projected) / root
            losses.append(weight @ (residual / np.maximum(1 - leverage, TINY)) ** 2)
        coef = Vt.T @ (s / (s**2 + PENALTIES[np.argmin(losses)]) * projected)
        yield coef, mean - center @ coef
