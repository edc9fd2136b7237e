"""Linear probes: linear models on latents, which a head starts from."""

import warnings

import numpy as np
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV

# Values of C that logistic regression chooses from.
INVERSE_PENALTIES = np.logspace(-3, 1, 5)
# Values of alpha that ridge regression chooses from.
PENALTIES = np.logspace(-2, 6, 17)
# Folds of every cross-validation of the fine-tuning.
N_FOLDS = 5
# Fewer rows than this are divided into folds twice.
FEW_ROWS = 200
# A linear model learns hardly more from more rows.
PROBE_ROWS = 5_000
# A class that is not among the rows to learn from has this log-probability.
LEAST_LOG_PROBABILITY = np.log(1e-4)


def draw_folds(values, n_folds, rng):
    """Return the number of a fold for each row; each class is spread over all folds.

    By hand: :class:`~sklearn.model_selection.StratifiedKFold` refuses targets, and
    classes that all have fewer rows than there are folds.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Class indices; or targets, of which each fold gets large and small ones.
    n_folds : int
    rng : Generator
    """
    order = np.lexsort((rng.random(len(values)), values))
    folds = np.empty(len(values), dtype=int)
    folds[order] = np.arange(len(values)) % n_folds
    return folds


class ClassProbe:
    """Logistic regression whose penalty is chosen by cross-validation.

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

    def fit(self, Z, y, weight, rng):
        """Choose the penalty, and fit all rows.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_components)
        y : ndarray of shape (n_rows, 1)
            Class indices.
        weight : ndarray of shape (n_rows,)
        rng : Generator
        """
        class_indices = y[:, 0].astype(int)
        losses = np.zeros(len(INVERSE_PENALTIES))
        for _ in range(2 if len(class_indices) < FEW_ROWS else 1):
            folds = draw_folds(class_indices, N_FOLDS, rng)
            for fold in range(N_FOLDS):
                losses += self._losses(Z, class_indices, weight, folds == fold)
        self.C_ = INVERSE_PENALTIES[np.argmin(losses)]
        return self.refit(Z, y, weight)

    def refit(self, Z, y, weight):
        """Fit with the penalty that was chosen."""
        class_indices = y[:, 0].astype(int)
        self.coef_, self.intercept_ = next(
            self._path(Z, class_indices, weight, [self.C_])
        )
        return self

    def _losses(self, Z, class_indices, weight, out):
        """Return the loss of rows that are left out, with each penalty."""
        losses = np.zeros(len(INVERSE_PENALTIES))
        if not out.any() or out.all():
            return losses
        path = self._path(Z[~out], class_indices[~out], weight[~out], INVERSE_PENALTIES)
        for i, (coef, intercept) in enumerate(path):
            log_proba = log_softmax(Z[out] @ coef.T + intercept, axis=1)
            chosen = log_proba[np.arange(len(log_proba)), class_indices[out]]
            losses[i] = -weight[out] @ np.maximum(chosen, LEAST_LOG_PROBABILITY)
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

    Attributes
    ----------
    coef_ : float64 ndarray of shape (n_outputs, n_components)
    intercept_ : float64 ndarray of shape (n_outputs,)
    """

    def fit(self, Z, y, weight, rng):
        """Choose the penalty of each output, and fit all rows that have it.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_components)
        y : ndarray of shape (n_rows, n_outputs)
            Targets, `NaN` where one is missing.
        weight : ndarray of shape (n_rows,)
        rng : Generator
            Not used.
        """
        self.coef_ = np.zeros((y.shape[1], Z.shape[1]))
        self.intercept_ = np.zeros(y.shape[1])
        for i, target in enumerate(y.T):
            observed = ~np.isnan(target)
            if np.count_nonzero(observed) < 2:
                self.intercept_[i] = np.nansum(target)
                continue
            model = RidgeCV(PENALTIES).fit(
                Z[observed], target[observed], weight[observed]
            )
            self.coef_[i], self.intercept_[i] = model.coef_, model.intercept_
        return self

    def refit(self, Z, y, weight):
        """Fit other rows, with penalties of their own."""
        return self.fit(Z, y, weight, None)
