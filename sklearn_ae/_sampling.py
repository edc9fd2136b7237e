"""New rows from a variational autoencoder."""

import warnings
from math import ceil

import numpy as np
import torch
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

# Rows that everything here is computed from, and the least number of their codes.
MOST_ROWS = 5000
LEAST_CODES = 1000
MOST_COMPONENTS = 10
# Rows for each of its components, per column of the latent.
ROWS_PER_COMPONENT = 5
# Least variance of the mixture; that of the codes is about 1.
LEAST_VARIANCE = 1e-3
# A latent whose mean varies less says nothing.
COLLAPSED = 0.01


class RowSampler:
    """What it takes to draw new rows.

    Parameters
    ----------
    net : AutoencoderNet
        Trained, with a :class:`~sklearn_ae._latents.GaussianLatent`.
    rows : Rows, SparseRows or MappedRows
        Those it was trained on.

    Attributes
    ----------
    mixture_ : GaussianMixture
        Of the codes.
    noise_std_ : Tensor of shape (n_numbers,)
        Standard deviation of the numbers around their reconstruction.
    observed_ : list of ndarray of shape (n_observed,)
        The numbers of each column, ascending.
    drawn_ : list of ndarray of shape (n_drawn,)
        What comes out for them, ascending, before they get the same distribution.
    collapsed_ : bool
        Whether the latent is the same for all rows, although these differ.
    """

    @torch.inference_mode()
    def __init__(self, net, rows):
        module = net.module_.eval()
        X, weight = rows.sample(MOST_ROWS)
        if weight is not None:
            chosen = torch.multinomial(weight.cpu().double(), len(X), replacement=True)
            X = X[chosen.to(X.device)]
        n_rows = len(X)
        X = X.repeat(ceil(LEAST_CODES / n_rows), 1).to(net.device)
        mean = module.encode(X, missing=True)
        differ = len(X) > 1 and bool((X[:1] != X).any())
        self.collapsed_ = differ and mean.var(0).max().item() < COLLAPSED
        codes = module.latent.draw(mean, module.latent.log_variance(mean))
        self.mixture_ = _fit_mixture(codes.cpu().double().numpy(), n_rows)
        numbers = _numbers(net, X)
        expected = net.criterion_.expected(module.decode(codes))
        errors = (expected[:, : numbers.shape[1]] - numbers).square()
        # On the CPU, so that it can be loaded on machines without the device.
        self.noise_std_ = torch.sqrt(errors.nanmean(0).nan_to_num()).cpu()
        columns = numbers[:n_rows].cpu().numpy().T
        self.observed_ = [np.sort(column[~np.isnan(column)]) for column in columns]
        drawn = self._draw_cells(net, MOST_ROWS)[:, : len(columns)]
        self.drawn_ = np.sort(drawn.cpu().numpy().T)

    @torch.inference_mode()
    def draw(self, net, n_rows):
        """Return new scaled rows.

        Parameters
        ----------
        net : AutoencoderNet
        n_rows : int

        Returns
        -------
        values : ndarray of shape (n_rows, n_columns), dtype=float32
        """
        cells = self._draw_cells(net, n_rows)
        if net.criterion_.is_likelihood:
            adjust = _draw_coins
        else:
            adjust = _match_distribution
        columns = cells[:, : len(self.observed_)].cpu().numpy().T
        for i, column in enumerate(columns):
            if len(self.observed_[i]):
                values = adjust(column, self.drawn_[i], self.observed_[i])
                cells[:, i] = torch.from_numpy(values).to(cells)
        return net.criterion_.most_likely(cells).cpu().numpy()

    def _draw_cells(self, net, n_rows):
        """Return numbers, and 1 for one category of each column."""
        codes, _ = self.mixture_.sample(n_rows)
        # They come component by component.
        Z = torch.from_numpy(codes.astype(np.float32))[torch.randperm(n_rows)]
        head = net.criterion_
        expected = head.expected(net.module_.decode(Z.to(net.device)))
        noise_std = torch.zeros_like(expected)
        if not head.is_likelihood:
            noise_std[:, : len(self.noise_std_)] = self.noise_std_
        return head.sample(expected, noise_std)


def _match_distribution(column, drawn, observed):
    """Return numbers that are distributed as those observed, in the same order."""
    places = np.interp(column, drawn, np.linspace(0, len(observed) - 1, len(drawn)))
    if len(np.unique(observed)) <= len(observed) / 2:
        # What is between two of few values would be none of them.
        return observed[np.rint(places).astype(int)]
    return np.interp(places, np.arange(len(observed)), observed).astype(np.float32)


def _draw_coins(column, drawn, observed):
    """Return 0 and 1 with these probabilities, if nothing else was observed."""
    if set(np.unique(observed)) != {0.0, 1.0}:
        return column
    return torch.bernoulli(torch.from_numpy(column).clamp(0, 1)).numpy()


def _fit_mixture(codes, n_rows):
    """Return a mixture of normal distributions, of fewer for few rows."""
    n_components = n_rows // (ROWS_PER_COMPONENT * codes.shape[1])
    mixture = GaussianMixture(
        min(MOST_COMPONENTS, max(1, n_components)), reg_covar=LEAST_VARIANCE
    )
    # scikit-learn dispatches it to other array libraries only with another start.
    with config_context(array_api_dispatch=False), warnings.catch_warnings():
        # More steps would change little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(codes)


def _numbers(net, X):
    """Return the numeric columns of scaled rows."""
    one_hot = net.module_.one_hot
    return X if one_hot is None else X.index_select(1, one_hot.numeric)
