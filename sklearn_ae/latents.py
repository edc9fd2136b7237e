"""Latents: clustered, neighbour embedding, variational, sparse, contractive.

Each class here adds a penalty to the loss while training. `transform`, `reconstruct`
and every score stay deterministic: after training, the mean replaces a latent that was
drawn at random.
"""

from numbers import Integral, Real

from sklearn.base import BaseEstimator
from torch import nn

from sklearn_ae._compat import Interval, StrOptions
from sklearn_ae._document import documented
from sklearn_ae._modules.clustered import ClusteredLatent, ClusteredNetwork
from sklearn_ae._modules.latent_penalties import (
    ContractiveLatent,
    GaussianLatent,
    KLSparseLatent,
    L1SparseLatent,
    Latent,
)
from sklearn_ae._modules.neighbor_embedding import EmbeddedLatent

__all__ = ["Clustered", "Contractive", "NeighborEmbedding", "Sparse", "Variational"]

_STRENGTH = Interval(Real, 0, None, closed="left")


@documented
class Variational(BaseEstimator):
    """Variational autoencoder: a latent that is a normal distribution for each row.

    The loss is the negative evidence lower bound [1]_: the loss of the reconstruction
    from latents drawn at random, plus the Kullback-Leibler divergence from each row's
    distribution to the standard normal one. The autoencoder can then draw new rows with
    :meth:`~sklearn_ae.AutoencoderTransformer.sample`; `transform` returns the means.

    Parameters
    ----------
    beta : float, default=1.0
        Weight of the divergence [2]_. Larger values give latents closer to the standard
        normal distribution, and coarser reconstructions.

    Notes
    -----
    *Calibration.* The bound needs to know how far cells lie from their reconstruction.
    As in [3]_, the variance of the cells around it is taken to be its most likely
    value, the mean squared error of the batch. With n columns, the loss is ``error +
    beta * 2 * error * divergence / n``, where no gradient flows through the second
    ``error``: its gradient, not its value, is that of the bound. With a variance of 1
    instead, the usual choice, the divergence outweighs the columns of a standardised
    table. So `beta` means the same whatever the units and the number of columns. With
    ``loss="mae"``, the factor is ``error``; a callable loss is taken for a squared
    error. The cross-entropy of categories is a likelihood as it is, and so is "bce" for
    cells that are 0 or 1; for cells between, the noise is taken to be as much smaller
    than that of coins as it is seen to be.

    *Range.* Where ``beta * n_components`` exceeds the number of columns, there is
    little to lose by saying nothing, and the latent collapses; `fit` warns of it.

    *Annealing.* In `fit`, the weight of the divergence grows from 0 over the first
    three tenths of the training, at most 300 steps, so that the latent carries
    something before it is penalised [4]_; early stopping watches what follows. The
    validation loss has the full weight. A network that can start as PCA starts as
    probabilistic PCA, which is what a linear network would converge to [5]_.

    *Variance.* The logarithm of the variance is computed from the mean by a small
    network. The best variance depends on how much the decoder's output changes around
    the mean, and so on the mean alone, up to terms of second order. Thus any network,
    also a :class:`~sklearn_ae.architectures.TorchModule`, can have such a latent.

    *New rows* are decoded from a mixture of normal distributions that is fitted to the
    latents of the rows of `fit`: those are not quite standard normal [6]_. What the
    decoder leaves of the numbers of a row is drawn with its correlations, and each
    column of numbers then gets the distribution that it has in `fit`; with
    ``loss="bce"`` numbers stay as they are decoded.

    References
    ----------
    .. [1] Kingma, D. P. and Welling, M. "Auto-encoding variational Bayes." ICLR 2014.
    .. [2] Higgins, I. et al. "beta-VAE: learning basic visual concepts with a
       constrained variational framework." ICLR 2017.
    .. [3] Rybkin, O., Daniilidis, K. and Levine, S. "Simple and effective VAE training
       with calibrated decoders." ICML 2021.
    .. [4] Bowman, S. R. et al. "Generating sentences from a continuous space." CoNLL
       2016.
    .. [5] Lucas, J. et al. "Don't blame the ELBO! A linear VAE perspective on posterior
       collapse." NeurIPS 2019.
    .. [6] Ghosh, P. et al. "From variational to deterministic autoencoders." ICLR 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.latents import Variational
    >>> X, _ = load_wine(return_X_y=True, as_frame=True)
    >>> ae = AutoencoderTransformer(4, latent=Variational(), random_state=0).fit(X)
    >>> ae.sample(5, random_state=0)[["alcohol", "proline"]].shape
    (5, 2)
    """

    _parameter_constraints = {"beta": [_STRENGTH]}

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def build(self, n_components: int) -> Latent:
        """Return a new module that draws codes and computes their divergence.

        Parameters
        ----------
        n_components : int

        Returns
        -------
        latent : nn.Module
        """
        return GaussianLatent(n_components, self.beta)


@documented
class Sparse(BaseEstimator):
    """Sparse autoencoder: few latents of a row are far from 0.

    Parameters
    ----------
    penalty : {"l1", "kl"}, default="l1"
        The penalty: the mean absolute value of the latents; or the
        Kullback-Leibler divergence between a coin that shows heads with probability
        `target` and one with the mean of each latent over a batch, averaged over
        the latents [1]_. The latter is for latents in [0, 1], and needs
        ``latent_activation="sigmoid"``.
    alpha : float, default=0.05
        Weight of the penalty. With ``penalty="kl"``, it takes about 1 until the means
        are at the target.
    target : float, default=0.05
        Mean that each latent should have, with ``penalty="kl"``.

    Notes
    -----
    With ``latent_activation="relu"`` and "l1", latents become exactly 0. Weights that
    shrink in the encoder and grow in the decoder lower an "l1" penalty without making
    anything sparse; with ``tied_weights=True`` they cannot.

    References
    ----------
    .. [1] Ng, A. "Sparse autoencoder." CS294A lecture notes, Stanford University, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.latents import Sparse
    >>> X, _ = load_digits(return_X_y=True)
    >>> ae = AutoencoderTransformer(
    ...     64, latent=Sparse("kl"), latent_activation="sigmoid", max_epochs=2
    ... )
    >>> ae.fit_transform(X).shape
    (1797, 64)
    """

    _parameter_constraints = {
        "penalty": [StrOptions({"l1", "kl"})],
        "alpha": [_STRENGTH],
        "target": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self, penalty: str = "l1", *, alpha: float = 0.05, target: float = 0.05
    ) -> None:
        self.penalty = penalty
        self.alpha = alpha
        self.target = target

    def build(self, n_components: int) -> Latent:
        """Return a new module that computes the penalty.

        Parameters
        ----------
        n_components : int

        Returns
        -------
        latent : nn.Module
        """
        if self.penalty == "kl":
            return KLSparseLatent(self.alpha, self.target)
        return L1SparseLatent(self.alpha)


@documented
class Contractive(BaseEstimator):
    """Contractive autoencoder: latents change little when a row changes a little.

    The penalty is the squared Frobenius norm of the Jacobian of the encoder at each
    row, divided by the size of the latent: how much the mean square of a latent changes
    for a unit of noise in every column [1]_.

    Parameters
    ----------
    alpha : float, default=0.1
        Weight of the penalty.

    Notes
    -----
    The norm is estimated with one random direction for each row [2]_, in forward mode
    [3]_: ``E ||J u||^2 = ||J||^2`` for a standard normal u. That takes about as long as
    to go through the encoder twice, whatever the number of columns. With batch
    normalisation in a model of your own, it is the norm for the batch as a whole.

    An encoder that shrinks everything, and a decoder that undoes it, lower the penalty
    without becoming robust. With ``tied_weights=True`` they cannot, as in [1]_.

    References
    ----------
    .. [1] Rifai, S. et al. "Contractive auto-encoders: explicit invariance during
       feature extraction." ICML 2011.
    .. [2] Hoffman, J., Roberts, D. A. and Yaida, S. "Robust learning with Jacobian
       regularization." arXiv:1908.02729, 2019.
    .. [3] Baydin, A. G. et al. "Automatic differentiation in machine learning: a
       survey." JMLR 18 (2018), 1-43.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.latents import Contractive
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(
    ...     4, latent=Contractive(), tied_weights=True, max_epochs=5
    ... )
    >>> ae.fit_transform(X).shape
    (178, 4)
    """

    _parameter_constraints = {"alpha": [_STRENGTH]}

    def __init__(self, alpha: float = 0.1) -> None:
        self.alpha = alpha

    def build(self, n_components: int) -> Latent:
        """Return a new module that computes the penalty.

        Parameters
        ----------
        n_components : int

        Returns
        -------
        latent : nn.Module
        """
        return ContractiveLatent(n_components, self.alpha)


@documented
class Clustered(BaseEstimator):
    """Latent that KMeans splits well: soft assignments beside free numbers.

    The last `n_clusters` latents of a row are the probabilities that it belongs to each
    cluster, times a factor with which clusters stand apart. The others are free for
    what the assignment does not say, so that rows are reconstructed as well as ever.
    ``KMeans(n_clusters)`` on the latents then finds the clusters.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters. `n_components` of the autoencoder counts the assignments,
        too: it is at least `n_clusters`, and ``None`` takes the usual number for the
        free latents alone.

    Notes
    -----
    *Loss.* A network of its own assigns rows by a partition that stays the same near
    each row, is sure, and has clusters of some size [1]_. Its loss is added to that of
    the reconstruction::

        KL(p(x) || p(x + r)) + 0.1 * H(p(x)) + 0.4 * KL(mean of p || q)

    where p are the probabilities, H is the entropy, q the shares of the clusters at the
    start, and r the perturbation of length a quarter of the distance to the tenth
    neighbour (the median over the rows) that changes p most [2]_. With equal shares,
    that is a weighted mutual information. The mean of p is that of each batch.

    *Start.* From random weights, that loss leads to another partition with each seed,
    and on small tables to none that is better than that of KMeans. Training starts
    where KMeans divides up to 10,000 rows, by their columns and by their places on the
    graph of their ten nearest neighbours: a diffusion map [3]_. Categories and missing
    cells count as the network sees them.

    *Scale.* The centres of two clusters are ten times as far apart as the free
    numbers deviate from their mean, all of them together. So KMeans does not divide
    rows by what is free, and one run of it is enough.

    *Stability.* After `fit`, ``cluster_stability_`` of the transformer says whether
    there are clusters: the adjusted Rand index between the assignments of a fifth of
    the rows by two networks, each trained on a half of the others, as far as the start;
    the median of three divisions of at most 10,000 rows. At 1, the rows have such
    clusters; below about 0.5, they were made up, or there are too few rows to find
    them. In two or three columns, any rows can be divided in much the same way again,
    and it is higher. `NaN` says that there are too few rows to tell.

    References
    ----------
    .. [1] Hu, W. et al. "Learning discrete representations via information maximizing
       self-augmented training." ICML 2017.
    .. [2] Miyato, T. et al. "Virtual adversarial training: a regularization method for
       supervised and semi-supervised learning." IEEE TPAMI 41 (2019), 1979-1993.
    .. [3] Coifman, R. R. and Lafon, S. "Diffusion maps." Applied and Computational
       Harmonic Analysis 21 (2006), 5-30.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.latents import Clustered
    >>> X, y = load_wine(return_X_y=True)
    >>> latent = Clustered(3)
    >>> ae = AutoencoderTransformer(latent=latent, max_epochs=50, random_state=0)
    >>> clusters = make_pipeline(ae, KMeans(3, random_state=0)).fit_predict(X)
    >>> ae.n_components_  # seven free ones, and three
    10
    """

    _parameter_constraints = {
        "n_clusters": [Interval(Integral, 2, None, closed="left")]
    }

    def __init__(self, n_clusters: int = 8) -> None:
        self.n_clusters = n_clusters

    def build(self, network: nn.Module, n_inputs: int) -> ClusteredLatent:
        """Return a new module that trains assignments, around a network.

        Parameters
        ----------
        network : nn.Module
            Encoder and decoder, of which the last latents are to be assignments.
        n_inputs : int
            Width of the input of the network.

        Returns
        -------
        latent : nn.Module
            Its `network` is the one with assignments.
        """
        return ClusteredLatent(ClusteredNetwork(network, n_inputs, self.n_clusters))


@documented
class NeighborEmbedding(BaseEstimator):
    """Neighbour embedding: latents of similar rows are close together, as in UMAP.

    Rows are first put on a map that keeps the nearest neighbours of each one together
    and all others apart, by the equations of UMAP [1]_. Then the encoder learns where
    each row is on the map, while the decoder learns to reconstruct the rows. So there
    is a map, in two or three dimensions, on which new rows have their place, and each
    place a row; and latents in which clusters stand apart, for
    :class:`~sklearn.cluster.HDBSCAN` if their number is unknown.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of neighbours that each row is kept close to. Few keep small groups
        together, many the map as a whole.
    min_dist : float, default=0.1
        How close rows are put at least, in [0, 1], where 1 is about the distance at
        which neighbours are let go. Small values give dense clusters, large ones an
        even map. The map is scaled afterwards.

    Notes
    -----
    *Distances* are Euclidean, between the inputs of the network: scaled numbers,
    encoded categories, missing cells filled, all in at most 50 principal components.
    Equal rows are one row here; weights of rows count in training alone.

    *The map.* Rows start at their principal components, and move by stochastic
    gradients as in UMAP: a row is pulled along the edges of the graph of neighbours, in
    as many of 500 epochs as the edge is strong (above 10,000 rows of 400, or of 200 if
    there are more than ten components), and each time pushed away from five random
    rows. The map is then centred and scaled to variance 1. Above 100,000 rows, those of
    a random sample get a place, and the encoder puts the others.

    *Training.* Ten times the mean squared distance between latents and places is added
    to the reconstruction loss. Meanwhile rows are perturbed by normal noise that is on
    average as long as the way to the nearest neighbour: their places stay, so that the
    encoder learns where new rows are. Parametric UMAP [2]_ trains the encoder on the
    edges themselves, with the same result in several times the time. Hidden layers and
    epochs have defaults of their own: three layers, and 4,000 to 8,000 steps, or 2,000
    for less than 1,000 rows.

    *Reconstruction* is coarser than that of an autoencoder without penalty, the more so
    the fewer components there are. With ``warm_start=True`` rows start where they were.

    References
    ----------
    .. [1] McInnes, L., Healy, J. and Melville, J. "UMAP: uniform manifold approximation
       and projection for dimension reduction." arXiv:1802.03426, 2018.
    .. [2] Sainburg, T., McInnes, L. and Gentner, T. Q. "Parametric UMAP embeddings for
       representation and semisupervised learning." Neural Computation 33 (2021),
       2881-2907.

    Examples
    --------
    >>> from sklearn.cluster import HDBSCAN
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.latents import NeighborEmbedding
    >>> X, _ = load_wine(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, latent=NeighborEmbedding(), random_state=0)
    >>> Z = ae.fit_transform(X)
    >>> Z.shape, ae.inverse_transform(Z).shape
    ((178, 2), (178, 13))
    >>> make_pipeline(ae, HDBSCAN(copy=True)).fit_predict(X).shape
    (178,)
    """

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 2, None, closed="left")],
        "min_dist": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, n_neighbors: int = 15, min_dist: float = 0.1) -> None:
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist

    def build(self, n_components: int) -> Latent:
        """Return a new module that compares latents with coordinates.

        Parameters
        ----------
        n_components : int

        Returns
        -------
        latent : nn.Module
        """
        return EmbeddedLatent(n_components, self.n_neighbors, self.min_dist)
