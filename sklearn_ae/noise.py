"""Noise that corrupts the input while an autoencoder trains.

An autoencoder that has to restore what was corrupted cannot copy its input; it learns
how the columns depend on one another (Vincent et al., 2008) [1]_. The validation loss,
`transform` and every score see clean rows.

References
----------
.. [1] Vincent, P., Larochelle, H., Bengio, Y. and Manzagol, P.-A. "Extracting and
   composing robust features with denoising autoencoders." ICML 2008.
"""

from numbers import Real

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from sklearn_ae._compat import Interval
from sklearn_ae._document import documented

__all__ = ["GaussianNoise", "HidingNoise", "MaskingNoise", "SwapNoise"]


class Noise(BaseEstimator):
    """Base class of noise: its instances corrupt a batch when called."""

    def __call__(self, X: Tensor, blocks: Tensor | None = None) -> Tensor:
        """Return a corrupted copy of a batch.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_encoded)
            Scaled rows, float32.
        blocks : Tensor of shape (n_encoded,), dtype=int64, or None
            The cell that each encoded column belongs to, ascending: the indicators of a
            categorical column are one cell and change together. `None`: every column
            is a cell.

        Returns
        -------
        X_noisy : Tensor of shape (n_rows, n_encoded)
        """
        raise NotImplementedError

    def _cells(self, X: Tensor, blocks: Tensor | None, rate: float | Tensor) -> Tensor:
        """Return which cells to corrupt, bool tensor shaped as X."""
        chosen = torch.rand(_shape(X, blocks), device=X.device) < rate
        return chosen if blocks is None else chosen[:, blocks]


def _shape(X: Tensor, blocks: Tensor | None) -> tuple[int, int]:
    """Return the number of rows of a batch, and of cells of the table in each."""
    return len(X), X.shape[1] if blocks is None else int(blocks[-1]) + 1


@documented
class GaussianNoise(Noise):
    """Add normally distributed noise to every cell.

    Parameters
    ----------
    std : float, default=0.1
        Standard deviation of the noise in units of the scaled columns: with
        ``scaling="standard"``, a share of each column's own standard deviation.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.noise import GaussianNoise
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, noise=GaussianNoise(std=0.3), max_epochs=5)
    >>> ae.fit_transform(X).shape
    (178, 2)
    """

    _parameter_constraints = {"std": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, std: float = 0.1) -> None:
        self.std = std

    def __call__(self, X: Tensor, blocks: Tensor | None = None) -> Tensor:
        """Return the batch with noise added."""
        std: float | Tensor = self.std
        if blocks is not None:
            # The indicators of a column share its noise, as they share its variance.
            std = self.std * torch.bincount(blocks).rsqrt()[blocks]
        return X + std * torch.randn_like(X)


@documented
class MaskingNoise(Noise):
    """Set cells drawn at random to zero, the mean of a standardised column.

    Parameters
    ----------
    rate : float, default=0.15
        Probability with which each cell is masked, in [0, 1).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.noise import MaskingNoise
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, noise=MaskingNoise(rate=0.3), max_epochs=5)
    >>> ae.fit_transform(X).shape
    (178, 2)
    """

    _parameter_constraints = {"rate": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, rate: float = 0.15) -> None:
        self.rate = rate

    def __call__(self, X: Tensor, blocks: Tensor | None = None) -> Tensor:
        """Return the batch with some cells set to zero."""
        return X.masked_fill(self._cells(X, blocks, self.rate), 0.0)


@documented
class SwapNoise(Noise):
    """Replace cells drawn at random by the same column's value in another row.

    The replacement comes from a row of the same batch, so each column keeps its own
    distribution, whatever its shape.

    Parameters
    ----------
    rate : float, default=0.15
        Probability with which each cell is replaced, in [0, 1).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.noise import SwapNoise
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, noise=SwapNoise(rate=0.3), max_epochs=5)
    >>> ae.fit_transform(X).shape
    (178, 2)
    """

    _parameter_constraints = {"rate": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, rate: float = 0.15) -> None:
        self.rate = rate

    def __call__(self, X: Tensor, blocks: Tensor | None = None) -> Tensor:
        """Return the batch with some cells taken from other rows."""
        donors = torch.randint(len(X), _shape(X, blocks), device=X.device)
        if blocks is not None:
            donors = donors[:, blocks]
        return torch.where(self._cells(X, blocks, self.rate), X.gather(0, donors), X)


@documented
class HidingNoise(Noise):
    """Hide cells drawn at random, as if they were missing.

    Each row draws its own share of hidden cells, from none to `rate`, so that the
    network learns to fill rows with few missing cells and with many. Missing and hidden
    cells are filled by a linear model before the network sees them, and each column has
    an input that says where. :class:`~sklearn_ae.AutoencoderImputer` trains with it.

    Parameters
    ----------
    rate : float, default=0.6
        Largest share of the cells of a row that is hidden, in [0, 1).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.noise import HidingNoise
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, noise=HidingNoise(rate=0.3), max_epochs=5)
    >>> ae.fit_transform(X).shape
    (178, 2)
    """

    _parameter_constraints = {"rate": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, rate: float = 0.6) -> None:
        self.rate = rate

    def __call__(self, X: Tensor, blocks: Tensor | None = None) -> Tensor:
        """Return the batch with some cells missing."""
        rates = self.rate * torch.rand(len(X), 1, device=X.device)
        return X.masked_fill(self._cells(X, blocks, rates), torch.nan)
