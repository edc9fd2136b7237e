"""RowSampler: new rows, drawn from a variational autoencoder."""

import warnings
from copy import copy

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sklearn_ae._compat import read_mixture, write_mixture
from sklearn_ae._document import describe_as, documented
from sklearn_ae._seeding import draw_seed_from_torch
from sklearn_ae._tables.reading import to_tensor

# Most rows that the sampler learns from.
MOST_ROWS = 5000
# Fewest latents that the mixture is fitted to: rows of small tables are drawn again.
FEWEST_LATENTS = 1000
# Most components of the mixture.
MOST_COMPONENTS = 10
# Rows for each component of the mixture, for each latent.
ROWS_PER_COMPONENT = 5
# Most quantiles that describe the distribution of a column.
MOST_QUANTILES = 1000
# Most quantiles of all columns together.
MOST_NUMBERS = 2**21
# Least variance of the mixture; the variance of the latents is about 1.
LEAST_VARIANCE = 1e-3
# Variance of the means below which a latent has collapsed: it is the same for all rows.
COLLAPSED = 0.01

describe_as(GaussianMixture, write_mixture, read_mixture)


@documented
class RowSampler:
    """Draws new rows from a mixture of normal distributions of the latents.

    Attributes
    ----------
    mixture_ : GaussianMixture
        Distribution of the latents.
    noise_std_ : Tensor of shape (n_numbers,)
        Standard deviation of the numbers around their reconstruction.
    observed_ : ndarray of shape (n_quantiles, n_numbers)
        Quantiles of the numbers in each column.
    drawn_ : ndarray of shape (n_quantiles, n_numbers), or None
        Quantiles of the draws for them, if draws are to be distributed like them.
    cells_ : float64 ndarray of shape (n_quantiles, n_numbers), or None
        The cells that `observed_` are, in original units, if these are drawn.
    collapsed_ : bool
        Whether the latent is the same for all rows, although these differ.
    """

    def _to_document(self, writer):
        names = ("mixture", "noise_std", "observed", "drawn", "cells", "collapsed")
        document = {name: getattr(self, f"{name}_") for name in names}
        return document | {"noise_std": self.noise_std_.numpy()}

    @classmethod
    def _from_document(cls, fields):
        sampler = cls()
        sampler.mixture_ = fields.part("mixture", GaussianMixture)
        noise_std = fields.array("noise_std", (None,), np.float32, least=0.0)
        sampler.noise_std_ = to_tensor(noise_std)
        shape = (None, len(noise_std))
        sampler.observed_ = fields.array("observed", shape, np.float32, missing=True)
        fields.require(len(sampler.observed_) > 0, "observed")
        shape = sampler.observed_.shape
        sampler.drawn_ = fields.optional_array("drawn", shape, np.float32, missing=True)
        sampler.cells_ = fields.optional_array("cells", shape, missing=True)
        fields.require((sampler.drawn_ is None) == (sampler.cells_ is None), "cells")
        sampler.collapsed_ = fields.flag("collapsed")
        return sampler

    def fits(self, n_components, n_numbers):
        """Whether it draws so many latents and numbers."""
        sizes = self.mixture_.means_.shape[1], self.observed_.shape[1]
        return sizes == (n_components, n_numbers)

    @torch.inference_mode()
    def fit(self, net, rows, cells_near):
        """Learn how latents and cells are distributed.

        Parameters
        ----------
        net : AutoencoderNet
            Trained, with a
            :class:`~sklearn_ae._modules.latent_penalties.GaussianLatent`.
        rows : Rows, SparseRows or MappedRows
            The rows that it was trained on.
        cells_near : callable
            Takes `observed_`, and returns `cells_`.

        Returns
        -------
        self : RowSampler
        """
        module = net.module_.eval()
        some = rows.draw(MOST_ROWS)
        X, weight = some.X.to(net.device), some.weight
        weight = torch.ones(len(X)) if weight is None else weight.cpu().double()
        n_rows = min(int(some.n_copies.sum()), MOST_ROWS)
        n_latents = max(n_rows, FEWEST_LATENTS)
        chosen = torch.multinomial(weight, n_latents, replacement=True).to(X.device)
        mean = module.encode(X, may_have_missing=True)
        differ = bool((torch.nan_to_num(X) != torch.nan_to_num(X[:1])).any())
        mean = mean[chosen]
        self.collapsed_ = differ and mean.var(0).max().item() < COLLAPSED
        latents = module.latent.draw(mean, module.latent.log_variance(mean))
        self.mixture_ = _fit_mixture(latents.cpu().double().numpy(), n_rows)
        numbers = _numbers(net, X)
        expected = net.criterion_.expected(module.decode(latents))
        errors = expected[:, : numbers.shape[1]] - numbers[chosen]
        # On the CPU, so that it can be loaded on machines without the device.
        self.noise_std_ = torch.sqrt(errors.square().nanmean(0).nan_to_num()).cpu()
        self._fit_quantiles(net, numbers.cpu().numpy(), weight.numpy())
        self.cells_ = None if self.drawn_ is None else cells_near(self.observed_)
        return self

    def _fit_quantiles(self, net, numbers, weight):
        """Learn how the numbers of each column are distributed, and draws for them."""
        n_numbers = numbers.shape[1]
        n_quantiles = min(MOST_QUANTILES, max(1, MOST_NUMBERS // max(1, n_numbers)))
        self.observed_ = _quantiles(numbers, weight, n_quantiles)
        self.drawn_ = None
        if not net.criterion_.is_likelihood:
            drawn = self._draw_cells(net, MOST_ROWS)[:, :n_numbers].cpu().numpy()
            self.drawn_ = _quantiles(drawn, np.ones(MOST_ROWS), n_quantiles)

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
        for i, observed in enumerate(self.observed_.T):
            column = cells[:, i].cpu().numpy()
            if self.drawn_ is None:
                values = _draw_coins(column, observed)
            else:
                values = _match_distribution(column, self.drawn_[:, i], observed)
            cells[:, i] = torch.from_numpy(values).to(cells)
        return net.criterion_.most_likely(cells).cpu().numpy()

    def _draw_cells(self, net, n_rows):
        """Return numbers, and 1 for one category of each column."""
        mixture = copy(self.mixture_).set_params(random_state=draw_seed_from_torch())
        latents, _ = mixture.sample(n_rows)
        # The mixture draws component by component.
        Z = torch.from_numpy(latents.astype(np.float32))[torch.randperm(n_rows)]
        criterion = net.criterion_
        expected = criterion.expected(net.module_.decode(Z.to(net.device)))
        noise_std = torch.zeros_like(expected)
        if not criterion.is_likelihood:
            noise_std[:, : len(self.noise_std_)] = self.noise_std_
        return criterion.sample(expected, noise_std)


def _quantiles(numbers, weight, n_quantiles):
    """Return numbers of each column at evenly spaced shares of the weight.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows, n_numbers)
        Missing cells are `NaN`.
    weight : ndarray of shape (n_rows,)
    n_quantiles : int

    Returns
    -------
    quantiles : ndarray of shape (n_quantiles, n_numbers)
        `NaN` where all cells of a column are missing.
    """
    shares = (np.arange(n_quantiles) + 0.5) / n_quantiles
    quantiles = np.full((n_quantiles, numbers.shape[1]), np.nan, dtype=numbers.dtype)
    for i, column in enumerate(numbers.T):
        order = np.argsort(column)[: np.count_nonzero(~np.isnan(column))]
        total = np.cumsum(weight[order])
        if len(order) and total[-1] > 0:
            indices = np.searchsorted(total, shares * total[-1])
            quantiles[:, i] = column[order[indices]]
    return quantiles


def _match_distribution(column, drawn, observed):
    """Return numbers that are distributed as those observed, in the same order."""
    ranks = np.interp(column, drawn, np.arange(len(drawn)))
    return observed[np.rint(np.nan_to_num(ranks)).astype(int)]


def _draw_coins(column, observed):
    """Return 0 and 1 with these probabilities, if nothing else was observed."""
    if not np.isin(observed, (0.0, 1.0)).all():
        return column
    chances = torch.from_numpy(column).clamp(observed.min(), observed.max())
    return torch.bernoulli(chances).numpy()


def _fit_mixture(latents, n_rows):
    """Return a mixture of normal distributions, of fewer for few rows."""
    n_components = n_rows // (ROWS_PER_COMPONENT * latents.shape[1])
    mixture = GaussianMixture(
        min(MOST_COMPONENTS, max(1, n_components)),
        reg_covar=LEAST_VARIANCE,
        random_state=draw_seed_from_torch(),
    )
    with warnings.catch_warnings():
        # More steps would change little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(latents)


def _numbers(net, X):
    """Return the numeric columns of scaled rows."""
    one_hot = net.module_.one_hot
    return X if one_hot is None else X.index_select(1, one_hot.numeric)
