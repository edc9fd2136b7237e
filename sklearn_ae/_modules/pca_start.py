"""Start a dense autoencoder as principal component analysis.

The identity ``f(x) - f(-x) = x`` holds for the ReLU, GELU and SiLU functions, so pairs
of hidden units carry a linear map through any number of layers unchanged, as in
looks-linear initialisation (Balduzzi et al., 2017) [1]_. A network that starts there
reconstructs as well as PCA before its first step, and training can add to it. With a
variational latent it starts as probabilistic PCA (Tipping and Bishop, 1999) [2]_.

References
----------
.. [1] Balduzzi, D. et al. "The shattered gradients problem: if resnets are the answer,
   then what is the question?" ICML 2017.
.. [2] Tipping, M. E. and Bishop, C. M. "Probabilistic principal component analysis."
   Journal of the Royal Statistical Society B 61 (1999), 611-622.
"""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh, svd
from sklearn.utils.extmath import randomized_svd, svd_flip
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._modules.columns import Columns
from sklearn_ae._modules.dense import Dense
from sklearn_ae._modules.latent_penalties import GaussianLatent, Latent

# Cells of the sample that the components are computed from: 16 MB as float64.
SAMPLE_CELLS = 2**21
# Largest number of columns whose covariance matrix is faster than other ways.
COVARIANCE_COLUMNS = 200
# Rows that the gains of logits are tried on.
LOGIT_ROWS = 2000
# Gains of logits that are tried.
LOGIT_GAINS = 0.0, 1.0, 2.0, 4.0, 8.0, 16.0
# Units that carry one component: two, if the activation cuts off one sign.
UNITS = {"relu": 2, "gelu": 2, "silu": 2, "identity": 1}
# Largest condition number of a linear map that is inverted: the latent may have
# collapsed.
LARGEST_CONDITION = 1e4

Affine = tuple[Tensor, Tensor]


class PCAStart:
    """Principal components of some rows, as initial weights of a dense network.

    Parameters
    ----------
    n_components : int
        Most components.
    layout : Layout, default=None
        Where the columns stand, if some are categorical.

    Attributes
    ----------
    components_ : ndarray of shape (n_found, n_columns), dtype=float64
        Orthonormal; fewer than `n_components` if the rank is lower.
    mean_ : ndarray of shape (n_columns,), dtype=float64
        Mean of the columns.
    variances_ : ndarray of shape (n_found,), dtype=float64
        Variance of each component.
    residual_variance_ : float
        Mean variance of the directions orthogonal to the components.
    scale_ : float
        Root of the mean variance of the components.
    """

    def __init__(self, n_components: int, layout: Columns | None = None) -> None:
        self.n_components = n_components
        self.layout = layout

    def fit(
        self, X: Tensor, encoded: Tensor, weight: Tensor | None = None
    ) -> "PCAStart":
        """Find the principal components.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns), dtype=float32
            Scaled rows; missing cells are NaN.
        encoded : Tensor of shape (n_rows, n_encoded), dtype=float32
            Input of the network for these rows; missing cells may be NaN and then count
            as 0.
        weight : Tensor of shape (n_rows,), default=None
            How much each row counts.

        Returns
        -------
        self : PCAStart
        """
        self._X = X
        self._encoded = encoded
        rows = self._rows()
        weights = np.ones(len(X)) if weight is None else weight.cpu().numpy()
        self._weight = weights / weights.sum(dtype=np.float64)
        self.mean_ = self._weight @ rows
        # In place: the rows of a small frame would be felt three times over.
        rows -= self.mean_
        rows *= np.sqrt(self._weight)[:, None]
        variances, components = _leading(rows, self.n_components)
        found = variances > 1e-9 * max(variances[0], 1e-30)
        _, self.components_ = svd_flip(None, components[found], u_based_decision=False)
        self.variances_ = variances[found]
        n_others = max(1, rows.shape[1] - len(self.variances_))
        residual = max(0.0, np.square(rows).sum() - variances.sum())
        self.residual_variance_ = residual / n_others
        self.scale_ = float(np.sqrt(self.variances_.mean())) if found.any() else 1.0
        return self

    def _rows(self) -> NDArray[np.float64]:
        """Return the encoded rows in double precision, missing cells as 0."""
        return torch.nan_to_num(self._encoded).cpu().double().numpy()

    @torch.no_grad()
    def set_weights(
        self, network: Dense, activation: str, latent: Latent | None = None
    ) -> None:
        """Let a dense network compute the PCA reconstruction.

        The latents are the component scores divided by `scale_`, or by 1 where weights
        are tied; a variational one is that of probabilistic PCA. Hidden units
        that are not needed keep their random incoming weights; their outgoing weights
        are zero at first. Where a layer is too narrow for all components, it carries
        the leading ones.

        Parameters
        ----------
        network : Dense
        activation : {"relu", "gelu", "silu", "identity"}
        latent : Latent, default=None
        """
        encoder, decoder = _linear(network.encoder), _linear(network.decoder)
        units = UNITS[activation]
        hidden = [layer.out_features // units for layer in encoder[:-1]]
        n_carried = min([len(self.components_), *hidden])
        inward = torch.from_numpy(self.components_[:n_carried].copy())
        mean = torch.from_numpy(self.mean_)
        identity = torch.eye(len(inward), dtype=torch.float64)
        nothing = torch.zeros(len(inward), dtype=torch.float64)
        split = torch.cat([identity, -identity][:units])
        shrink, stretch = self._scale_latent(n_carried, network.tied_weights, latent)
        outward, bias = inward.T * stretch, mean
        if self.layout is not None:
            outward, bias = self._to_logits(self.layout, inward, outward, mean)
        inward = inward * shrink[:, None]
        _carry(encoder, split, (inward, -inward @ mean), (identity, nothing))
        if network.tied_weights:
            # The mirrored weights carry the components back as they are.
            network.decoder[-1].get_parameter("bias").copy_(bias)
        else:
            _carry(decoder, split, (identity, nothing), (outward, bias))

    def _scale_latent(
        self, n_carried: int, tied_weights: bool, latent: Latent | None
    ) -> tuple[Tensor, Tensor]:
        """Return the factors of the scores in the encoder, and in the decoder.

        A variational latent gets the variance that goes with these.
        """
        ones = torch.ones(n_carried, dtype=torch.float64)
        if not isinstance(latent, GaussianLatent):
            scale = 1.0 if tied_weights else self.scale_
            return ones / scale, ones * scale
        variances = torch.from_numpy(self.variances_[:n_carried].copy())
        noise = torch.clamp(ones * self.residual_variance_, max=0.99 * variances)
        noise = torch.maximum(noise, 1e-4 * variances)
        # Where the decoder is the encoder, transposed, its columns have length 1.
        share = noise / (1 + noise) if tied_weights else noise / variances
        bias = latent.log_variance[-1].get_parameter("bias")
        bias[:n_carried] = torch.log(share).to(bias)
        if tied_weights:
            return ones, ones
        signal = torch.sqrt(variances - noise)
        return signal / variances, signal

    def _to_logits(
        self, layout: Columns, inward: Tensor, outward: Tensor, mean: Tensor
    ) -> Affine:
        """Return the decoder's weights and bias with logits in place of indicators.

        PCA restores the indicator of each category. Its deviation from the share of the
        category, times a gain, is added to the logarithm of the share; each column gets
        the gain that has the lowest cross-entropy, 0 where PCA does not predict it.
        """
        n_numeric = len(layout.numeric)
        # By their weight: the rows may be sorted, and one may stand for many.
        weight = torch.from_numpy(self._weight)
        drawn = torch.arange(len(weight))
        if len(weight) > LOGIT_ROWS:
            drawn = torch.multinomial(weight, LOGIT_ROWS, replacement=True)
            weight = torch.ones(LOGIT_ROWS, dtype=torch.float64)
        rows = torch.from_numpy(self._rows())[drawn]
        restored = (rows - mean) @ inward.T @ inward + mean
        deviations = restored[:, n_numeric:] / layout.scale
        prior = torch.log(layout.share_of_category)
        codes = self._X.cpu()[drawn][:, layout.categorical]
        sizes = layout.sizes.tolist()
        gains = [
            _best_gain(*column, weight)
            for column in zip(
                prior.split(sizes), deviations.split(sizes, dim=1), codes.T, strict=True
            )
        ]
        factor = torch.tensor(gains, dtype=torch.float64)[layout.column_of_category]
        factor = factor / layout.scale
        outward, bias = outward.clone(), mean.clone()
        outward[n_numeric:] *= factor[:, None]
        bias[n_numeric:] = prior + factor * mean[n_numeric:]
        return outward, bias

    @torch.no_grad()
    def align_latent(self, module: Autoencoder) -> None:
        """Map the latents of a trained network linearly to the principal components.

        Any invertible linear map of the latent, undone by the decoder, reconstructs the
        same. Training ends at one of them by chance; least squares finds the one whose
        latents are nearest to the component scores, so that distances between latents,
        which KMeans goes by, mean about what they mean in PCA, and the components come
        in PCA's order.

        Parameters
        ----------
        module : Autoencoder
            Its network is a `Dense` one.
        """
        network = cast(Dense, module.network)
        if module.latent is not None or network.tied_weights:
            # The map would undo the effect of the penalty; and a mirrored decoder can
            # undo no map but a rotation.
            return
        last, first = _linear(network.encoder)[-1], _linear(network.decoder)[0]
        if len(self.components_) < last.out_features:
            return
        root = np.sqrt(self._weight)[:, None]
        device = last.weight.device
        latents = module.encode(self._X.to(device)).cpu().numpy().astype(np.float64)
        scores = (self._rows() - self.mean_) @ self.components_.T / self.scale_
        design = np.hstack([latents, np.ones_like(root)])
        solution = np.linalg.lstsq(design * root, scores * root, rcond=None)[0]
        if not np.linalg.cond(solution[:-1]) < LARGEST_CONDITION:
            return
        matrix = torch.from_numpy(solution[:-1].T).to(device)
        shift = torch.from_numpy(solution[-1]).to(device)
        inverse = first.weight.double() @ torch.linalg.inv(matrix)
        first.weight.copy_(inverse)
        first.bias.copy_(first.bias.double() - inverse @ shift)
        last.weight.copy_(matrix @ last.weight.double())
        last.bias.copy_(matrix @ last.bias.double() + shift)


def _best_gain(
    prior: Tensor, deviations: Tensor, codes: Tensor, weight: Tensor
) -> float:
    """Return the gain with which deviations from the shares are the best logits."""
    observed = ~torch.isnan(codes)
    codes, deviations = codes[observed].long(), deviations[observed]
    if not len(codes):
        return 0.0
    losses = [
        weight[observed] @ cross_entropy(logits, codes, reduction="none")
        for logits in (prior + gain * deviations for gain in LOGIT_GAINS)
    ]
    return LOGIT_GAINS[int(np.argmin(losses))]


def _leading(
    X: NDArray[np.float64], n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the leading eigenvalues of X'X, largest first, and the eigenvectors."""
    n_columns = X.shape[1]
    n_components = min(n_components, *X.shape)
    if len(X) < n_columns and n_components > len(X) // 2:
        _, deviations, components = svd(X, full_matrices=False)
        return deviations[:n_components] ** 2, components[:n_components]
    if n_columns <= COVARIANCE_COLUMNS or n_components > min(X.shape) // 2:
        largest = [n_columns - n_components, n_columns - 1]
        variances, vectors = eigh(X.T @ X, subset_by_index=largest)
        return variances[::-1], vectors.T[::-1]
    X = X.astype(np.float32)
    _, deviations, components = randomized_svd(
        X, n_components, n_iter=3, random_state=0
    )
    return deviations.astype(np.float64) ** 2, components.astype(np.float64)


def _linear(layers: Iterable[nn.Module]) -> list[nn.Linear]:
    return [layer for layer in layers if isinstance(layer, nn.Linear)]


def _carry(
    layers: Sequence[nn.Linear], split: Tensor, first: Affine, last: Affine
) -> None:
    """Let layers compute one affine map after another, split into pairs in between."""
    for i, layer in enumerate(layers):
        weight, bias = first if i == 0 else (split.T, 0 * first[1])
        if i == len(layers) - 1:
            weight, bias = last[0] @ weight, last[0] @ bias + last[1]
        else:
            weight, bias = split @ weight, split @ bias
        n_out, n_in = weight.shape
        layer.weight[:n_out] = 0.0
        layer.weight[:n_out, :n_in] = weight.to(layer.weight)
        layer.bias[:n_out] = bias.to(layer.bias)
