"""New rows from a variational autoencoder."""

import warnings
from math import ceil

import numpy as np
import torch
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

# Rows whose codes the mixture is fitted to, and the least number of their draws.
MOST_ROWS = 5000
LEAST_CODES = 1000
MOST_CLUSTERS = 10
# Rows for each cluster, in sizes of the latent.
ROWS_PER_CLUSTER = 5
# Least variance of the mixture; that of the codes is about 1.
LEAST_VARIANCE = 1e-3


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
    spread_ : Tensor of shape (n_numbers,)
        Standard deviation of the numbers around their reconstruction.
    low_, high_ : Tensor of shape (n_numbers,)
        Their range.
    """

    @torch.inference_mode()
    def __init__(self, net, rows):
        module = net.module_.eval()
        X, weight = rows.sample(MOST_ROWS)
        if weight is not None:
            X = X[torch.multinomial(weight.double(), len(X), replacement=True)]
        n_rows = len(X)
        X = X.repeat(ceil(LEAST_CODES / n_rows), 1).to(net.device)
        mean = module.encode(X, missing=True)
        codes = module.latent.draw(mean, module.latent.log_variance(mean))
        self.mixture_ = _fit_mixture(codes.cpu().double().numpy(), n_rows)
        numbers = _numbers(net, X)
        observed = ~torch.isnan(numbers)
        expected = net.criterion_.expected(module.decode(codes))
        errors = expected[:, : numbers.shape[1]] - numbers
        total = torch.where(observed, errors.square(), 0.0).sum(0)
        self.spread_ = torch.sqrt(total / observed.sum(0).clamp(min=1))
        self.low_ = torch.where(observed, numbers, torch.inf).amin(0)
        self.high_ = torch.where(observed, numbers, -torch.inf).amax(0)

    @torch.inference_mode()
    def draw(self, net, n_rows):
        """Return new scaled rows.

        Numbers are drawn around what the decoder says, except with binary
        cross-entropy, and stay in the range of the rows of `fit`; categories are drawn
        by their probabilities.

        Parameters
        ----------
        net : AutoencoderNet
        n_rows : int

        Returns
        -------
        values : ndarray of shape (n_rows, n_columns), dtype=float32
        """
        codes, _ = self.mixture_.sample(n_rows)
        # They come cluster by cluster.
        Z = torch.from_numpy(codes.astype(np.float32))[torch.randperm(n_rows)]
        head = net.criterion_
        expected = head.expected(net.module_.decode(Z.to(net.device)))
        n_numbers = len(self.spread_)
        spread = torch.zeros_like(expected)
        if not head.is_likelihood:
            spread[:, :n_numbers] = self.spread_
        drawn = head.sample(expected, spread)
        drawn[:, :n_numbers].clamp_(self.low_, self.high_)
        return head.most_likely(drawn).cpu().numpy()


def _fit_mixture(codes, n_rows):
    """Return a mixture of normal distributions, of fewer clusters for few rows."""
    n_clusters = n_rows // (ROWS_PER_CLUSTER * codes.shape[1])
    mixture = GaussianMixture(
        min(MOST_CLUSTERS, max(1, n_clusters)), reg_covar=LEAST_VARIANCE
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
