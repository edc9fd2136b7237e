"""RowSampler: new rows, drawn from a variational autoencoder."""

import warnings
from copy import copy

import numpy as np
import torch
from scipy.stats import trim_mean
from scipy.stats.mstats import trimmed_std
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sklearn_ae._compat import read_mixture, write_mixture
from sklearn_ae._document import describe_as, documented
from sklearn_ae._seeding import draw_seed_from_torch
from sklearn_ae._tables.reading import to_tensor
from sklearn_ae._tables.sampling import draw_by_share

# Most rows that the sampler learns from.
MOST_ROWS = 5000
# Fewest rows that the mixture is fitted to: those of small tables come several times.
FEWEST_LATENTS = 1000
# Numbers of components of the mixture that are tried, and rows for each of them and
# each of its columns that it takes.
MOST_COMPONENTS = 64
ROWS_PER_COMPONENT = 2
# Most steps that fit the mixture.
MOST_STEPS = 40
# Share of the rows that say how many components there are.
SHARE_TO_CHOOSE = 0.2
# Share of these rows that are ignored at either end.
SHARE_TO_IGNORE = 0.05
# Most numbers whose errors depend on one another.
MOST_CORRELATED = 256
# Fewest rows that are drawn, to compare them with one another.
FEWEST_DRAWN = 100
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

    What the network leaves of the numbers of a row, its errors, has a mean and a
    standard deviation for each component of the mixture, and correlations in common.

    Attributes
    ----------
    mixture_ : GaussianMixture of k components
        Distribution of the latents.
    error_mean_, error_std_ : float32 ndarray of shape (k, n_errors)
        Mean and standard deviation of the errors; there are none if the loss is the
        likelihood of the cells.
    error_factor_ : float32 ndarray of shape (n_errors, n_errors), or None
        Turns independent numbers into correlated ones. Errors of very wide tables are
        independent.
    observed_ : ndarray of shape (n_quantiles, n_numbers)
        Quantiles of the numbers in each column.
    cells_ : float64 ndarray of shape (n_quantiles, n_numbers), or None
        The cells that `observed_` are, in original units, if these are drawn.
    collapsed_ : bool
        Whether the latent is the same for all rows, although these differ.
    """

    def _to_document(self, writer):
        names = ("mixture", "error_mean", "error_std", "error_factor")
        names += ("observed", "cells", "collapsed")
        return {name: getattr(self, f"{name}_") for name in names}

    @classmethod
    def _from_document(cls, fields):
        sampler = cls()
        sampler.mixture_ = fields.part("mixture", GaussianMixture)
        shape = (len(sampler.mixture_.weights_), None)
        sampler.error_mean_ = fields.array("error_mean", shape, np.float32)
        shape = sampler.error_mean_.shape
        sampler.error_std_ = fields.array("error_std", shape, np.float32, least=0.0)
        shape = (shape[1], shape[1])
        sampler.error_factor_ = fields.optional_array("error_factor", shape, np.float32)
        sampler.observed_ = fields.array(
            "observed", (None, None), np.float32, missing=True
        )
        shape = sampler.observed_.shape
        fields.require(shape[0] > 0, "observed")
        sampler.cells_ = fields.optional_array("cells", shape, missing=True)
        n_errors = 0 if sampler.cells_ is None else shape[1]
        fields.require(sampler.error_mean_.shape[1] == n_errors, "error_mean")
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
        middles = np.full(max(n_rows, FEWEST_LATENTS), 0.5)
        chosen = torch.from_numpy(draw_by_share(weight.numpy(), middles)).to(X.device)
        latents = module.encode(X, may_have_missing=True)
        numbers = _numbers(net, X)
        expected = net.criterion_.expected(module.decode(latents))
        is_likelihood = net.criterion_.is_likelihood
        n_errors = 0 if is_likelihood else numbers.shape[1]
        errors = numbers[:, :n_errors] - expected[:, :n_errors]
        latents = latents[chosen].cpu().double().numpy()
        differ = bool((torch.nan_to_num(X) != torch.nan_to_num(X[:1])).any())
        self.collapsed_ = differ and bool(latents.var(0).max() < COLLAPSED)
        with warnings.catch_warnings():
            # More steps would change little.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.mixture_ = _fit_mixture(latents, chosen.cpu().numpy(), n_rows)
        self._fit_errors(latents, errors[chosen].cpu().double().numpy())
        n_quantiles = MOST_NUMBERS // max(1, numbers.shape[1])
        n_quantiles = min(MOST_QUANTILES, max(1, n_quantiles))
        self.observed_ = _quantiles(numbers.cpu().numpy(), weight.numpy(), n_quantiles)
        self.cells_ = None if is_likelihood else cells_near(self.observed_)
        return self

    def _fit_errors(self, latents, errors):
        """Learn how the errors are distributed, as far as cells are observed."""
        is_known, errors = np.isfinite(errors), np.nan_to_num(errors)
        share = self.mixture_.predict_proba(latents)
        n_known = share.T @ is_known + np.finfo(float).eps
        mean = share.T @ errors / n_known
        std = np.sqrt(np.maximum(share.T @ errors**2 / n_known - mean**2, 0.0))
        rest = (errors - share @ mean) * is_known
        self.error_mean_, self.error_std_ = np.float32(mean), np.float32(std)
        self.error_factor_ = _factorize(rest) if rest.shape[1] else None

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
        # Whether a number is large or small, is known among others.
        cells = self._draw_cells(net, max(n_rows, FEWEST_DRAWN))
        match = _draw_coins if self.cells_ is None else _match_distribution
        for i, observed in enumerate(self.observed_.T):
            values = match(cells[:, i].cpu().numpy(), observed)
            cells[:, i] = torch.from_numpy(values).to(cells)
        return net.criterion_.most_likely(cells[:n_rows]).cpu().numpy()

    def _draw_cells(self, net, n_rows):
        """Return numbers, and 1 for one category of each column."""
        mixture = copy(self.mixture_).set_params(random_state=draw_seed_from_torch())
        latents, component = mixture.sample(n_rows)
        # The mixture draws component by component.
        order = torch.randperm(n_rows).numpy()
        latents, component = latents[order], component[order]
        criterion = net.criterion_
        Z = torch.from_numpy(latents.astype(np.float32)).to(net.device)
        expected = criterion.expected(net.module_.decode(Z))
        n_errors = self.error_mean_.shape[1]
        errors = torch.randn(n_rows, n_errors)
        if self.error_factor_ is not None:
            errors = errors @ to_tensor(self.error_factor_).T
        errors *= torch.from_numpy(self.error_std_[component])
        errors += torch.from_numpy(self.error_mean_[component])
        expected[:, :n_errors] += errors.to(expected)
        return criterion.sample(expected, torch.zeros_like(expected))


def _factorize(errors):
    """Return the root of the correlations of errors, or `None` if there are many."""
    n_errors = errors.shape[1]
    if n_errors > MOST_CORRELATED:
        return None
    scale = np.sqrt(np.square(errors).mean(axis=0))
    errors = errors / np.where(scale > 0, scale, 1.0)
    correlations = (1 - LEAST_VARIANCE) * errors.T @ errors / len(errors)
    np.fill_diagonal(correlations, 1.0)
    return np.float32(np.linalg.cholesky(correlations))


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


def _match_distribution(column, observed):
    """Return numbers that are distributed as those observed, in the same order."""
    ranks = np.empty(len(column), dtype=int)
    ranks[np.argsort(column)] = np.arange(len(column))
    return observed[(2 * ranks + 1) * len(observed) // (2 * len(column))]


def _draw_coins(column, observed):
    """Return 0 and 1 with these probabilities, if nothing else was observed."""
    if not np.isin(observed, (0.0, 1.0)).all():
        return column
    chances = torch.from_numpy(column).clamp(observed.min(), observed.max())
    return torch.bernoulli(chances).numpy()


def _fit_mixture(X, groups, n_rows):
    """Return a mixture of as many components as suit rows that it has not seen.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
    groups : ndarray of shape (n_samples,)
        The row that each comes from: copies stay together.
    n_rows : int
        Number of rows that `X` stands for.
    """
    seed = draw_seed_from_torch()
    most = min(MOST_COMPONENTS, n_rows // (ROWS_PER_COMPONENT * X.shape[1]))
    is_new = np.random.default_rng(seed).random(groups.max() + 1) < SHARE_TO_CHOOSE
    is_new = is_new[groups]
    # Of a handful of rows, all are often on the same side.
    if most <= 1 or is_new.all() or not is_new.any():
        return _make_mixture(1, seed).fit(X)
    tried = 2 ** np.arange(int(np.log2(most)) + 1)
    scores = [
        _make_mixture(n, seed).fit(X[~is_new]).score_samples(X[is_new]) for n in tried
    ]
    # A few rows far from all others would decide alone.
    means = np.array([trim_mean(score, SHARE_TO_IGNORE) for score in scores])
    best = means.argmax()
    error = trimmed_std(scores[best], [SHARE_TO_IGNORE] * 2) / np.sqrt(is_new.sum())
    as_good = means >= means[best] - error
    return _make_mixture(tried[as_good].max(), seed).fit(X)


def _make_mixture(n_components, seed):
    return GaussianMixture(
        n_components,
        reg_covar=LEAST_VARIANCE,
        max_iter=MOST_STEPS,
        init_params="k-means++",
        random_state=seed,
    )


def _numbers(net, X):
    """Return the numeric columns of scaled rows."""
    one_hot = net.module_.one_hot
    return X if one_hot is None else X.index_select(1, one_hot.numeric)
