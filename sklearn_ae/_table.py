"""From an array, sparse matrix or frame to scaled float32 columns, and back.

Everything here works on blocks of rows, so that a table that does not fit in memory
never has to.
"""

import importlib
from math import isfinite

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

from sklearn_ae._compat import release_pages

# Cells of a block: 8 MB as float64, small enough to stay out of the memory bill.
BLOCK_CELLS = 2**20
# Rows from which the quantiles are estimated, scikit-learn's own default.
QUANTILE_ROWS = 10_000
# Beyond this a float32 network overflows: squared, summed over 10,000 columns.
LARGEST_SCALED = 1e15


def blocks_of_rows(X, cells=BLOCK_CELLS):
    """Yield the rows of X in blocks of about so many cells, each with its slice.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
    cells : int, default=2**20

    Yields
    ------
    rows : slice
    block : ndarray of shape (n_block, n_columns)
    """
    n_rows, n_columns = X.shape
    step = max(1, cells // max(1, n_columns))
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        yield rows, dense(X[rows])
        release_pages(X)


def has_missing(block, names=None):
    """Return whether a block has missing cells; infinite cells are an error.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_columns)
    names : sequence of str, default=None
        Names of the columns for the message.
    """
    if block.dtype.kind != "f":
        return False
    # One sum tells the common case; it may also overflow where every cell is finite.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum()):
            return False
    infinite = np.flatnonzero(np.isinf(block).any(axis=0))
    if len(infinite):
        columns = infinite.tolist() if names is None else [names[i] for i in infinite]
        raise ValueError(
            "Input X contains infinity or a value too large for "
            f"{block.dtype!r}. It stands in columns {columns}. Replace it by a number, "
            "or by NaN, which counts as missing."
        )
    return bool(np.isnan(block).any())


def _round_to_bits(values, bits):
    """Round floats to a mantissa of so many bits."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def dense(X):
    """Return a block of rows as an ndarray."""
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


class Scaler:
    """Scale columns to a range that a network learns well, and undo it.

    Missing cells stay `NaN`, and so does a column that holds nothing else.

    Parameters
    ----------
    scaling : {"standard", "minmax", "quantile", None}
        Zero mean and unit variance; the range [0, 1]; a normal distribution by rank;
        or as it is.

    Attributes
    ----------
    missing_ : bool ndarray of shape (n_columns,)
        Columns with missing cells.
    indicated_ : bool ndarray of shape (n_columns,)
        Those of them that had some in `fit`: the network has an input for each.
    dtype_ : {float32, float64}
        Type of the values that `decode` returns: float32 if all rows were.
    """

    def __init__(self, scaling):
        self.scaling = scaling

    def fit(self, X, sample_weight=None, names=None):
        """Learn the scale of each column from all rows of X.

        Parameters
        ----------
        X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        sample_weight : ndarray of shape (n_rows,), default=None
        names : sequence of str, default=None
            Names of the columns for messages.
        """
        self.names = names
        self.missing_ = np.zeros(X.shape[1], dtype=bool)
        self.dtype_ = np.dtype(np.float32)
        scalers = {"standard": StandardScaler, "minmax": MinMaxScaler}
        self._scaler = scalers.get(self.scaling, lambda: None)()
        self.partial_fit(X, sample_weight)
        self.indicated_ = self.missing_.copy()
        if self.scaling == "quantile":
            rows = _sample_rows(X, sample_weight, QUANTILE_ROWS)
            self._quantiles = QuantileTransformer(
                n_quantiles=min(1000, len(rows)),
                output_distribution="normal",
                subsample=None,
            ).fit(rows)
        return self

    def partial_fit(self, X, sample_weight=None):
        """Update the scale of each column with further rows; quantiles stay."""
        if X.dtype != np.float32:
            self.dtype_ = np.dtype(np.float64)
        for rows, block in blocks_of_rows(X):
            weight = None
            if sample_weight is not None:
                weight = sample_weight[rows]
                block, weight = block[weight > 0], weight[weight > 0]
            if not len(block):
                continue
            if has_missing(block, self.names):
                self.missing_ |= np.isnan(block).any(axis=0)
            with np.errstate(over="ignore", invalid="ignore"):
                if self.scaling == "standard":
                    self._scaler.partial_fit(block, sample_weight=weight)
                elif self.scaling == "minmax":
                    self._scaler.partial_fit(block)
        self._set_center_and_scale(X.shape[1])
        return self

    def note_missing(self, X):
        """Note the columns of further rows with missing cells; the scale stays."""
        for _, block in blocks_of_rows(X):
            if has_missing(block, self.names):
                self.missing_ |= np.isnan(block).any(axis=0)
        return self

    def _set_center_and_scale(self, n_columns):
        center, scale = np.zeros(n_columns), np.ones(n_columns)
        if self.scaling == "standard":
            center, scale = self._scaler.mean_, self._scaler.scale_
        elif self.scaling == "minmax":
            center, scale = self._scaler.data_min_, self._scaler.data_range_
        if np.isinf(center).any() or np.isinf(scale).any():
            columns = np.flatnonzero(np.isinf(center) | np.isinf(scale)).tolist()
            raise ValueError(
                f"The spread of columns {columns} of X is too large for float64. "
                "Divide them by a constant, or take their logarithm, before fitting."
            )
        # Rounded, the two do not depend on the order in which rows were added up: an
        # array, its blocks, its sparse form and repeated rows scale to the same bits.
        scale = _round_to_bits(np.where(scale > 0, scale, 1.0), 24)
        on_grid = np.round(center / scale * 2.0**20) / 2.0**20 * scale
        self._center = np.where(
            np.abs(center) > 2.0**20 * scale, _round_to_bits(center, 40), on_grid
        )
        if self.dtype_ == np.float32:
            self._center = self._center.astype(np.float32).astype(np.float64)
        self._scale = scale
        self._float32_factor = torch.from_numpy((1 / scale).astype(np.float32))

    def encode(self, X, out=None):
        """Return rows as a dense float32 ndarray of scaled columns.

        Parameters
        ----------
        X : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        out : float32 ndarray of shape (n_rows, n_columns), default=None
            Written to instead of a new array.
        """
        if out is None:
            out = np.empty(X.shape, dtype=np.float32)
        for rows, block in blocks_of_rows(X):
            self._encode_block(block, out[rows])
        return out

    def _encode_block(self, X, out):
        if self.scaling == "quantile":
            has_missing(X, self.names)
            out[:] = self._quantiles.transform(X.astype(np.float64))
            return
        if X.dtype == np.float32 and self.dtype_ == np.float32:
            # The center is a float32 number, so the difference loses nothing. torch
            # does the rest: NumPy is slow with rows of few columns.
            np.subtract(X, self._center.astype(np.float32), out=out)
            scaled = torch.from_numpy(out).mul_(self._float32_factor)
        else:
            scaled = torch.from_numpy(np.subtract(X, self._center, dtype=np.float64))
            scaled.div_(torch.from_numpy(self._scale))
        if not isfinite(scaled.sum()):
            has_missing(X, self.names)
        scaled.clamp_(-LARGEST_SCALED, LARGEST_SCALED)
        if scaled.dtype == torch.float64:
            out[:] = scaled

    def decode(self, values):
        """Return scaled rows in their original units, as an ndarray of `dtype_`."""
        if self.scaling == "quantile":
            values = self._quantiles.inverse_transform(values.astype(np.float64))
            return values.astype(self.dtype_, copy=False)
        out = np.empty(values.shape, dtype=self.dtype_)
        for rows, block in blocks_of_rows(values):
            out[rows] = block * self._scale + self._center
        return out


def _sample_rows(X, sample_weight, n_rows):
    """Return about `n_rows` float64 rows, evenly spaced, in proportion to weight."""
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    total = np.cumsum(weight)
    if total[-1] <= n_rows and (weight == np.rint(weight)).all():
        places = np.repeat(np.arange(X.shape[0]), weight.astype(int))
    else:
        n_rows = min(n_rows, X.shape[0])
        places = np.searchsorted(total, (np.arange(n_rows) + 0.5) / n_rows * total[-1])
    return dense(X[places]).astype(np.float64)


class Container:
    """Remembers what kind of table X was, and gives arrays the same form.

    Parameters
    ----------
    X : array-like, sparse matrix or dataframe
    """

    def __init__(self, X):
        self.library = frame_library(X)
        self.columns = None if self.library is None else list(X.columns)
        self.dtypes = None if self.library is None else list(X.dtypes)

    def wrap(self, values, like=None):
        """Return an ndarray as a frame with the columns and dtypes of X, if X was one.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        like : array-like or dataframe, default=None
            A pandas frame lends its index.
        """
        if self.library is None:
            return values
        columns = [
            _fit_to_dtype(values[:, i], dtype) for i, dtype in enumerate(self.dtypes)
        ]
        if self.library == "pandas":
            frame = pd.DataFrame(
                dict(enumerate(columns)), index=getattr(like, "index", None)
            ).astype(dict(enumerate(self.dtypes)))
            frame.columns = self.columns
            return frame
        polars = importlib.import_module("polars")
        return polars.DataFrame(
            [
                polars.Series(name, column).cast(dtype)
                for name, column, dtype in zip(
                    self.columns, columns, self.dtypes, strict=True
                )
            ]
        )


def _fit_to_dtype(column, dtype):
    """Round and clip a float column to what a whole-number or bool dtype can hold."""
    name = str(dtype).lower().partition("[")[0]
    if name.startswith("bool"):
        return np.clip(np.rint(column), 0, 1)
    if name.startswith(("int", "uint")):
        limits = np.iinfo(name)
        return np.clip(np.rint(column), limits.min, limits.max)
    return column


def frame_library(X):
    """Return "pandas" or "polars" if X is a frame of that library, else None."""
    library = type(X).__module__.partition(".")[0]
    is_frame = hasattr(X, "columns") and library in ("pandas", "polars")
    return library if is_frame else None


def non_numeric_columns(X):
    """Return {name: dtype} of the frame columns that hold no numbers."""
    library = frame_library(X)
    if library is None:
        return {}
    if library == "polars":
        return {
            name: dtype
            for name, dtype in zip(X.columns, X.dtypes, strict=True)
            if not (dtype.is_numeric() or str(dtype) in ("Boolean", "Null", "Object"))
        }
    types = pd.api.types
    return {
        name: dtype
        for name, dtype in zip(X.columns, X.dtypes, strict=True)
        if not (
            (types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype))
            or types.is_object_dtype(dtype)
        )
    }
