"""Linear model of the columns, which a trained network is stacked with.

Latents mix the few columns that say much about a target with all others, and numbers
reach the network with their tails clipped. Where a target follows a number, a linear
model of the columns themselves finds it with a few labelled rows.
"""

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import randomized_svd
from torch import Tensor, nn

from sklearn_ae._document import documented
from sklearn_ae._modules.weights import read_weights, write_weights
from sklearn_ae._supervised.linear_probe import TINY, TargetProbe
from sklearn_ae._tables.scaling import LARGEST_CLIPPED, SOFT_CLIP_LIMIT

# Ridge regression on more inputs than this is one on as many principal components, or
# on all that the rows have.
MOST_INPUTS = 256
# Numbers that differ by less, as without scaling, would have coefficients that are no
# float32 numbers.
LEAST_RANGE = 1e-30


@documented
class LinearModel(nn.Module):
    """Linear model of numbers, without soft clipping, and of indicators.

    Numbers beyond the range of the rows of `fit` count as its ends.

    **Shape** input (n_rows, n_columns), of which the first `n_inputs` count, without
    missing cells; output (n_rows, n_outputs).

    Parameters
    ----------
    n_numbers : int
        How many of the first inputs are numbers; the others are indicators.
    n_inputs, n_outputs : int
    soft_clipped : bool
        Whether numbers come softly clipped, as "robust" scaling leaves them.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._supervised.linear_model import LinearModel
    >>> LinearModel(2, 3, 1, False)(torch.zeros(5, 3)).shape
    torch.Size([5, 1])
    """

    least: Tensor
    largest: Tensor

    def __init__(self, n_numbers, n_inputs, n_outputs, soft_clipped):
        super().__init__()
        self.n_numbers, self.soft_clipped = n_numbers, soft_clipped
        limits = torch.finfo(torch.float32)
        self.register_buffer("least", torch.full((n_numbers,), limits.min))
        self.register_buffer("largest", torch.full((n_numbers,), limits.max))
        self.linear = nn.Linear(n_inputs, n_outputs)

    def _to_document(self, writer):
        return {
            "n_numbers": self.n_numbers,
            "widths": (self.n_inputs, self.n_outputs),
            "soft_clipped": self.soft_clipped,
            "weights": write_weights(self),
        }

    @classmethod
    def _from_document(cls, fields):
        widths = fields.integers("widths", 1, 2**31)
        fields.require(len(widths) == 2, "widths")
        n_numbers = fields.integer("n_numbers", 0, widths[0])
        with torch.device("meta"):
            model = cls(n_numbers, *widths, fields.flag("soft_clipped"))
        read_weights(model, fields.part("weights", dict), own=True)
        return model.eval()

    @property
    def n_inputs(self):
        """Number of inputs."""
        return self.linear.in_features

    @property
    def n_outputs(self):
        """Number of outputs."""
        return self.linear.out_features

    def forward(self, X):
        """Return the outputs for inputs of a network."""
        return self.predict_inputs(X)

    def predict_inputs(self, X):
        """Return what `forward` does, as a predictor has it."""
        return self.linear(self.columns(X))

    def columns(self, X):
        """Return the inputs, with numbers as they were before they were clipped."""
        numbers = X[:, : self.n_numbers]
        if self.soft_clipped:
            share = numbers / SOFT_CLIP_LIMIT
            share = share.clamp(-LARGEST_CLIPPED, LARGEST_CLIPPED)
            numbers = SOFT_CLIP_LIMIT * share / torch.sqrt(1 - share**2)
        numbers = numbers.clamp(self.least.to(X), self.largest.to(X))
        return torch.cat([numbers, X[:, self.n_numbers : self.n_inputs]], dim=1)


class ColumnProbe:
    """Ridge regression on columns: numbers count alike, and rare categories less.

    Parameters
    ----------
    n_numbers : int
        As for `LinearModel`.
    soft_clipped : bool

    Attributes
    ----------
    center_, scale_ : float64 ndarray of shape (n_inputs,)
    """

    def __init__(self, n_numbers, soft_clipped):
        self.n_numbers, self.soft_clipped = n_numbers, soft_clipped

    @classmethod
    def of(cls, encoder):
        """Return one for the tables that an encoder transforms.

        Parameters
        ----------
        encoder : TableEncoder
        """
        n_numbers = int((~encoder.is_categorical_).sum())
        return cls(n_numbers, encoder.scaling_ == "robust")

    @property
    def n_inputs(self):
        """Number of inputs, known from `fit_scale` on."""
        return self._blank.n_inputs

    def fit_scale(self, n_inputs, blocks):
        """Learn the range and the deviation of numbers.

        Parameters
        ----------
        n_inputs : int
        blocks : iterable of (Tensor, ndarray)
            Inputs of a network, for labelled and other rows, and the rows' weights: a
            block of rows at a time, as all of them in float64 need much memory.
        """
        self._blank = LinearModel(self.n_numbers, n_inputs, 1, self.soft_clipped)
        moments, least, largest = StandardScaler(), np.inf, -np.inf
        for X, weight in blocks:
            columns = self._columns(X)
            moments.partial_fit(columns, sample_weight=weight)
            numbers = columns[:, : self.n_numbers]
            least = np.minimum(least, numbers.min(0))
            largest = np.maximum(largest, numbers.max(0))
        self._blank.least = torch.from_numpy(least).float()
        self._blank.largest = torch.from_numpy(largest).float()
        self.center_, self.scale_ = moments.mean_, np.ones(n_inputs)
        varies = np.flatnonzero(largest - least > LEAST_RANGE)
        self.scale_[varies] = np.sqrt(moments.var_[varies])
        return self

    def fit(self, X, y, weight, n_copies):
        """Return the linear model of labelled rows.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_inputs)
        y, weight, n_copies : ndarray
            As for `TargetProbe`.

        Returns
        -------
        model : LinearModel
        """
        columns = self._columns(X)
        # In place, as there may be many.
        columns -= self.center_
        columns /= self.scale_
        if columns.shape[1] > MOST_INPUTS:
            axes = _principal_axes(columns, weight)
            probe = TargetProbe().fit(columns @ axes.T, y, weight, n_copies, None)
            coef = probe.coef_ @ axes / self.scale_
        else:
            probe = TargetProbe().fit(columns, y, weight, n_copies, None)
            coef = probe.coef_ / self.scale_
        model = LinearModel(self.n_numbers, *coef.T.shape, self.soft_clipped)
        model.least, model.largest = self._blank.least, self._blank.largest
        with torch.no_grad():
            model.linear.weight.copy_(torch.from_numpy(coef))
            model.linear.bias.copy_(
                torch.from_numpy(probe.intercept_ - coef @ self.center_)
            )
        return model.eval()

    def _columns(self, X):
        return self._blank.columns(X.cpu().double()).numpy()


def _principal_axes(X, weight):
    """Return the axes of the first principal components of centered rows, as rows."""
    if len(X) <= MOST_INPUTS:
        # All of them, from the products of rows, which takes a tenth of the time.
        squares, U = np.linalg.eigh(X @ X.T)
        squares = np.maximum(squares, TINY * max(squares[-1], 1.0))
        return (U / np.sqrt(squares)).T @ X
    return randomized_svd(
        (X * np.sqrt(weight)[:, None]).astype(np.float32),
        MOST_INPUTS,
        n_iter=2,
        power_iteration_normalizer="LU",
        # Transposed, it would not give the same for weights and repeated rows.
        transpose=False,
        random_state=0,
    )[2]
