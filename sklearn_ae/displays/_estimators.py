"""Fitted estimators, as displays ask them: by public methods and attributes alone."""

from math import prod

from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted


def parts_of(estimator):
    """Return the fitted estimators inside of one, the last step first.

    A search has its best estimator, a pipeline its steps, a predictor its autoencoder.
    """
    pairs = [(s, getattr(s, "autoencoder_", None)) for s in reversed(_steps(estimator))]
    return [part for pair in pairs for part in pair if part is not None]


def _steps(estimator):
    """Return the steps of a pipeline or of the best one of a search, in their order."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return [step for _, step in getattr(estimator, "steps", [(None, estimator)])]


def fitted_shape(estimator, name, n_columns):
    """Return the first shape of images or maps in an estimator that fits, or None."""
    shapes = (getattr(part, name, None) or () for part in parts_of(estimator))
    fit = (each for each in shapes if len(each) > 1 and prod(each) == n_columns)
    return next(fit, None)


def transformer_of(estimator, method):
    """Return the transformer that comes before the predictions of an estimator.

    An autoencoder may be inside of the predictor, or be one of the steps before it.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If nothing in it has the method.
    """
    check_is_fitted(estimator)
    *before, last = _steps(estimator)
    inner = getattr(last, "autoencoder_", None)
    if inner is not None and not hasattr(last, method):
        last = inner
    is_predictor = inner is None and hasattr(last, "predict")
    steps = before if before and is_predictor else [*before, last]
    found = make_pipeline(*steps) if len(steps) > 1 else steps[0]
    if not hasattr(found, method):
        raise TypeError(f"An estimator with {method} is needed. Got {estimator!r}.")
    return found


def reconstruction_of(estimator, X):
    """Return the reconstruction of rows by an autoencoder, or by any transformer."""
    if hasattr(estimator, "reconstruct"):
        return estimator.reconstruct(X)
    return estimator.inverse_transform(estimator.transform(X))
