"""Labels and targets as numbers, and which rows have one."""

from copy import copy
from numbers import Real
from reprlib import repr as short_repr

import numpy as np
import torch
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite

from sklearn_ae._compat import warn
from sklearn_ae._tables.reading import as_values, infer_dtype
from sklearn_ae._tables.rows import make_rows
from sklearn_ae._tables.table import is_missing, is_scalar, to_numbers


def read_labels(y, n_rows, unlabeled_label=None):
    """Return the classes among labels, and the class index of each row.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels; `NaN`, `None` and `pandas.NA` say that a row has none.
    n_rows : int
        Number of rows of X.
    unlabeled_label : object, default=None
        A further label that says so.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.
    class_indices : int64 ndarray of shape (n_rows,)
        Index among the classes, -1 where a row has no label.

    Raises
    ------
    TypeError
        If the labels cannot be sorted, as text and numbers, or `unlabeled_label` is not
        a single label.
    ValueError
        If `y` has the wrong length or shape, if its values are no labels, as numbers
        with a fraction, or if no row has a label.
    """
    if not is_scalar(unlabeled_label):
        raise TypeError(
            "unlabeled_label must be a single label, such as -1 or 'unknown', or None. "
            f"Got {short_repr(unlabeled_label)} of type "
            f"{type(unlabeled_label).__name__}."
        )
    y = _one_column(_as_array(y, n_rows))
    missing = is_missing(y)
    if not is_missing(unlabeled_label):
        missing[~missing] = _equal(y[~missing], unlabeled_label)
    if missing.all():
        raise ValueError(
            "y has no labelled row: all labels are missing"
            + ("." if unlabeled_label is None else f" or {unlabeled_label!r}.")
            + " Pass at least one row of each class with its label."
        )
    labels = y[~missing]
    if labels.dtype.kind == "O":
        labels = infer_dtype(labels)
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name="y")
    class_indices = np.full(n_rows, -1)
    try:
        classes, class_indices[~missing] = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise TypeError(
            f"The labels in y cannot be sorted: {error}. Make them one type, for "
            "example text, and missing ones None."
        ) from error
    if labels.dtype.kind == "O" and not isinstance(labels[0], (str, bytes)):
        # The metrics refuse them, too, so nothing could be scored.
        raise ValueError(
            "y must hold labels that are text, booleans or integers of 64 bits, as the "
            f"metrics of scikit-learn need them. Got labels from {classes[0]!r} to "
            f"{classes[-1]!r}, of type {type(classes[0]).__name__}. Make text of them, "
            "for example with [str(label) for label in y]."
        )
    check_classification_targets(labels)
    return classes, class_indices


def read_targets(y, n_rows):
    """Return the targets of a regression as a table of numbers.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        Targets; `NaN`, `None` and `pandas.NA` are missing.
    n_rows : int
        Number of rows of X.

    Returns
    -------
    targets : float64 ndarray of the shape of `y`
        `NaN` where one is missing.

    Raises
    ------
    ValueError
        If `y` has the wrong length or shape, holds no numbers, infinite ones, or only
        missing ones in a column.
    """
    y = _as_array(y, n_rows)
    if y.ndim > 2 or y.size == 0:
        raise ValueError(
            "y should be a 1d or 2d array, the latter of at least one column. Got "
            f"shape {y.shape}."
        )
    try:
        targets = to_numbers(y.reshape(n_rows, -1)).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must hold numbers. Got dtype {str(y.dtype)!r} with the values "
            f"{y.ravel()[:3].tolist()}. AutoencoderPretrainedClassifier takes labels."
        ) from error
    if np.isinf(targets).any():
        raise ValueError(
            "Input y contains infinity or a value too large for dtype('float64'). "
            "Leave those rows out."
        )
    empty = np.isnan(targets).all(axis=0)
    if empty.any():
        which = f" in column {empty.argmax()}" if targets.shape[1] > 1 else ""
        raise ValueError(
            f"y has no labelled row{which}: all targets are missing. Pass at least one "
            "row with its target."
        )
    return targets.reshape(y.shape)


def _as_array(y, n_rows):
    """Return y as an ndarray, of objects where numbers and missing ones are mixed."""
    y = as_values(y)
    if y.ndim == 0 or len(y) != n_rows:
        n_labels = "a single value" if y.ndim == 0 else f"{len(y)} labels"
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: X has "
            f"{n_rows} rows, y has {n_labels}. y needs one label for each row, missing "
            "ones included."
        )
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must hold no complex numbers.")
    return y


def _one_column(y):
    if y.ndim == 2 and y.shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change "
            "the shape of y to (n_samples,), for example using ravel().",
            DataConversionWarning,
        )
        return y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {y.shape} instead."
        )
    return y


def _equal(y, label):
    """Return where labels equal a given one; NumPy does not compare some kinds."""
    return np.array([value == label for value in y.tolist()], dtype=bool)


def weights_of_classes(class_weight, classes, class_indices, sample_weight):
    """Return the weight of each row, the sample's times that of its class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    class_indices : int64 ndarray of shape (n_rows,)
        -1 where a row has no label.
    sample_weight : ndarray of shape (n_rows,) or None

    Returns
    -------
    weight : float64 ndarray of shape (n_rows,) or None
    """
    if class_weight is None:
        return sample_weight
    labelled = class_indices >= 0
    indices = class_indices[labelled]
    n_rows = len(class_indices)
    weight = np.ones(n_rows) if sample_weight is None else sample_weight.copy()
    if isinstance(class_weight, str):
        # scikit-learn's function knows sample weights from release 1.7 on.
        totals = np.bincount(indices, weight[labelled], len(classes))
        factors = totals.sum() / (np.count_nonzero(totals) * np.maximum(totals, 1e-300))
    else:
        factors = _factors_of_classes(class_weight, classes.tolist())
    weight[labelled] *= factors[indices]
    return weight


def _factors_of_classes(class_weight, classes):
    """Return the factor of each class; 1 for those that are not named.

    scikit-learn's function takes the class "1" for the number 1.
    """
    absent = [label for label in classes if label not in class_weight]
    if absent and any(label not in classes for label in class_weight):
        raise ValueError(
            f"The classes {absent[:10]} are not in class_weight, and its keys "
            f"{[key for key in class_weight if key not in classes][:10]} are no "
            "classes. Name the classes as in y, of the same type."
        )
    for label, factor in class_weight.items():
        if not (isinstance(factor, Real) and 0 <= factor < np.inf):
            raise ValueError(
                "class_weight must hold a finite number of at least 0 for each class. "
                f"Got {factor!r} for {label!r}."
            )
    return np.array([class_weight.get(label, 1) for label in classes], dtype=float)


def check_observed(targets, weight):
    """Refuse targets of which none has any weight."""
    if weight is not None and np.isnan(targets[weight > 0]).all(axis=0).any():
        raise ValueError(
            "Sample and class weights leave no labelled row: all of them weigh 0. Pass "
            "at least one labelled row with a weight above 0."
        )


def make_labelled_rows(encoder, X, weight, targets, device, copies=None):
    """Return the rows of a table, and those of them that have a target.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    X : {ndarray, memmap, CSR matrix, CodedTable} of shape (n_rows, n_columns)
        Checked by `encoder`.
    weight : ndarray of shape (n_rows,) or None
    targets : ndarray of shape (n_rows, n_targets)
        `NaN` where one is missing.
    device : torch.device
    copies : int64 ndarray of shape (n_rows,), default=None
        How many equal rows each row stands for, whatever its class weighs; `None`: one.

    Returns
    -------
    rows, labelled : Rows, SparseRows or MappedRows
        The mean weight of the labelled rows is 1.
    """
    rows = make_rows(X, encoder.transform, weight, device, targets, copies)
    has_target = ~torch.isnan(rows.targets).all(dim=1)
    labelled = has_target.nonzero()[:, 0].int()
    mean = rows.y[rows.subset(labelled).index, 0].mean()
    y = torch.cat([rows.y[:, :1] / mean, rows.y[:, 1:]], dim=1)
    rows = replace_targets(rows, y)
    return rows, rows.subset(labelled)


def replace_targets(rows, y):
    """Return the same rows with other weights and targets."""
    rows = copy(rows)
    rows.y = y
    return rows
