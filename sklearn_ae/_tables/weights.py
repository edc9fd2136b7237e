"""Sample weights, as users pass them."""

from decimal import Decimal
from numbers import Real
from reprlib import repr as short_repr

import numpy as np

from sklearn_ae._compat import _check_sample_weight
from sklearn_ae._tables.reading import as_values
from sklearn_ae._tables.table import is_missing, naming


def check_weight(sample_weight, n_rows, owner):
    """Return sample weights as an ndarray, `None` as it is.

    Parameters
    ----------
    sample_weight : array-like or None
    n_rows : int
    owner : str
        Name of the estimator in use, for messages.

    Raises
    ------
    TypeError, ValueError
        If there is not one for each row, one is no number, missing, negative or too
        large for float64, or all are 0.
    """
    if sample_weight is None:
        return None
    with naming(owner):
        sample_weight = _check_sample_weight(
            _as_weights(sample_weight),
            np.broadcast_to(0.0, (n_rows, 1)),
            dtype=np.float64,
            ensure_non_negative=True,
        )
        if not sample_weight.any():
            raise ValueError(
                "Sample weights must contain at least one non-zero number."
            )
    if sample_weight.max() > 1e300 / len(sample_weight):
        # Their sum would overflow.
        sample_weight = sample_weight / sample_weight.max()
    return sample_weight


def _as_weights(sample_weight):
    """Return weights as floats, one of them or an ndarray, if they are numbers."""
    weights = as_values(sample_weight, "sample_weight")
    rule = "sample_weight must have a number for each row"
    missing = is_missing(weights)
    if missing.any():
        row = np.argwhere(missing)[0][0] if missing.ndim else 0
        raise ValueError(
            f"{rule}. Got none for row {row}. A weight of 0 leaves a row out."
        )
    if weights.dtype.kind not in "fiub":
        for weight in weights.flat:
            if weights.dtype.kind != "O" or not isinstance(weight, (Real, Decimal)):
                type_name = type(weight).__name__.rstrip("_")
                raise ValueError(
                    f"{rule}. Got {short_repr(str(weight))} of type {type_name}."
                )
    try:
        return weights.astype(np.float64) if weights.ndim else float(weights)
    except OverflowError as error:
        raise ValueError(
            "Input sample_weight contains a value too large for dtype('float64'). Only "
            "ratios of weights matter: divide all of them by the largest one."
        ) from error
