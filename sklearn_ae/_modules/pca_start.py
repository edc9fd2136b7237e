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

import numpy as np
import torch
from scipy.linalg import eigh, svd
from sklearn.utils.extmath import randomized_svd, svd_flip
from torch import nn
from torch.nn.functional import cross_entropy

from sklearn_ae._modules.latent_penalties import GaussianLatent

# Cells of the sample that the components are computed from: 16 MB as float64.
SAMPLE_CELLS = 2**21
# Up to so many columns the covariance matrix is the faster way.
COVARIANCE_COLUMNS = 200
# Rows and gains that the logits of categories are tried on.
LOGIT_ROWS = 2000
LOGIT_GAINS = 0.0, 1.0, 2.0, 4.0, 8.0, 16.0
# Units that carry one component: a pair, where one half of it is cut off.
UNITS = {"relu": 2, "gelu": 2, "silu": 2, "identity": 1}
# A latent that has collapsed cannot be turned back.
LARGEST_CONDITION = 1e4


class PCAStart:
    """The principal components of some rows, and what a network does with them.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_columns), dtype=float32
        Scaled rows; missing cells are NaN.
    encoded : Tensor of shape (n_rows, n_encoded), dtype=float32
        What the network gets of them; missing cells may be NaN and then count as 0.
    weight : Tensor of shape (n_rows,) or None
    n_components : int
    layout : Layout, default=None
        Where the columns stand, if some are categorical.

    Attributes
    ----------
    components : ndarray of shape (n_found, n_columns), dtype=float64
        Orthonormal; fewer than `n_components` if the rank is lower.
    mean : ndarray of shape (n_columns,), dtype=float64
    variances : ndarray of shape (n_found,), dtype=float64
        Of the components.
    residual : float
        Mean variance of the directions beside them.
    scale : float
        Root of the mean variance of the components.
    """

    def __init__(self, X, encoded, weight, n_components, layout=None):
        self.X = X
        self.encoded = encoded
        self.layout = layout
        rows = self._rows()
        weight = np.ones(len(X)) if weight is None else weight.cpu().numpy()
        self.weight = weight / weight.sum(dtype=np.float64)
        self.mean = self.weight @ rows
        # In place: the rows of a small frame would be felt three times over.
        rows -= self.mean
        rows *= np.sqrt(self.weight)[:, None]
        variances, components = _leading(rows, n_components)
        found = variances > 1e-9 * max(variances[0], 1e-30)
        _, self.components = svd_flip(None, components[found], u_based_decision=False)
        self.variances = variances[found]
        others = max(1, rows.shape[1] - len(self.variances))
        self.residual = max(0.0, np.square(rows).sum() - variances.sum()) / others
        self.scale = float(np.sqrt(self.variances.mean())) if found.any() else 1.0

    def _rows(self):
        """Return the encoded rows in double precision, missing cells as 0."""
        return torch.nan_to_num(self.encoded).cpu().double().numpy()

    @torch.no_grad()
    def set_weights(self, network, activation, latent=None):
        """Let a dense network compute the PCA reconstruction.

        The latent is the component scores divided by `scale`, or where weights are tied
        by 1; a variational one is that of probabilistic PCA. Hidden units
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
        n_carried = min([len(self.components), *hidden])
        inward = torch.from_numpy(self.components[:n_carried].copy())
        mean = torch.from_numpy(self.mean)
        identity = torch.eye(len(inward), dtype=torch.float64)
        nothing = torch.zeros(len(inward), dtype=torch.float64)
        split = torch.cat([identity, -identity][:units])
        shrink, stretch = self._start_latent(n_carried, network.tied_weights, latent)
        outward, bias = inward.T * stretch, mean
        if self.layout is not None:
            outward, bias = self._to_logits(inward, outward, mean)
        inward = inward * shrink[:, None]
        _carry(encoder, split, (inward, -inward @ mean), (identity, nothing))
        if network.tied_weights:
            # The mirrored weights carry the components back as they are.
            network.decoder[-1].bias.copy_(bias)
        else:
            _carry(decoder, split, (identity, nothing), (outward, bias))

    def _start_latent(self, n_carried, tied_weights, latent):
        """Return what scores are multiplied by on the way in, and out.

        A variational latent gets the variance that goes with these.
        """
        ones = torch.ones(n_carried, dtype=torch.float64)
        if not isinstance(latent, GaussianLatent):
            scale = 1.0 if tied_weights else self.scale
            return ones / scale, ones * scale
        variances = torch.from_numpy(self.variances[:n_carried].copy())
        noise = torch.clamp(ones * self.residual, max=0.99 * variances)
        noise = torch.maximum(noise, 1e-4 * variances)
        # Where the decoder is the encoder, transposed, its columns have length 1.
        share = noise / (1 + noise) if tied_weights else noise / variances
        bias = latent.log_variance[-1].bias
        bias[:n_carried] = torch.log(share).to(bias)
        if tied_weights:
            return ones, ones
        signal = torch.sqrt(variances - noise)
        return signal / variances, signal

    def _to_logits(self, inward, outward, mean):
        """Return the decoder's weights and bias with logits in place of indicators.

        PCA restores the indicator of each category. Its deviation from the share of the
        category, times a gain, is added to the logarithm of the share; each column gets
        the gain that has the lowest cross-entropy, 0 where PCA knows nothing of it.
        """
        layout, n_numeric = self.layout, len(self.layout.numeric)
        rows = torch.from_numpy(self._rows())[:LOGIT_ROWS]
        restored = (rows - mean) @ inward.T @ inward + mean
        deviations = restored[:, n_numeric:] / layout.scale
        prior = torch.log(layout.share_of_category)
        codes = self.X.cpu()[:LOGIT_ROWS, layout.categorical]
        sizes = layout.sizes.tolist()
        gains = [
            _best_gain(*column)
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
    def align_latent(self, module):
        """Turn the latent of a trained network as close to the components as it goes.

        Any invertible linear map of the latent, undone by the decoder, reconstructs the
        same. Training ends at one of them by chance; least squares finds the one whose
        codes are nearest to the component scores, so that distances between codes,
        which KMeans goes by, mean about what they mean in PCA, and the components come
        in PCA's order.

        Parameters
        ----------
        module : Autoencoder
            Its network is a `Dense` one.
        """
        if module.latent is not None or module.network.tied_weights:
            # What a penalty asked for would be undone; and a mirrored decoder cannot
            # undo any map but a rotation.
            return
        n_components = module.network.encoder[-1].out_features
        if len(self.components) < n_components:
            return
        root = np.sqrt(self.weight)[:, None]
        device = module.network.encoder[-1].weight.device
        codes = module.encode(self.X.to(device)).cpu().numpy().astype(np.float64)
        scores = (self._rows() - self.mean) @ self.components.T / self.scale
        design = np.hstack([codes, np.ones_like(root)])
        solution = np.linalg.lstsq(design * root, scores * root, rcond=None)[0]
        turn, shift = torch.from_numpy(solution[:-1].T), torch.from_numpy(solution[-1])
        if not np.linalg.cond(solution[:-1]) < LARGEST_CONDITION:
            return
        last, first = module.network.encoder[-1], module.network.decoder[0]
        turn, shift = turn.to(device), shift.to(device)
        back = first.weight.double() @ torch.linalg.inv(turn)
        first.weight.copy_(back)
        first.bias.copy_(first.bias.double() - back @ shift)
        last.weight.copy_(turn @ last.weight.double())
        last.bias.copy_(turn @ last.bias.double() + shift)


def _best_gain(prior, deviations, codes):
    """Return the gain with which deviations from the shares are the best logits."""
    observed = ~torch.isnan(codes)
    codes, deviations = codes[observed].long(), deviations[observed]
    if not len(codes):
        return 0.0
    losses = [
        cross_entropy(prior + gain * deviations, codes).item() for gain in LOGIT_GAINS
    ]
    return LOGIT_GAINS[int(np.argmin(losses))]


def _leading(X, n_components):
    """Return the leading eigenvalues of X'X, largest first, and the eigenvectors."""
    n_columns = X.shape[1]
    n_components = min(n_components, *X.shape)
    if len(X) < n_columns and n_components > len(X) // 2:
        _, deviations, components = svd(X, full_matrices=False)
        return deviations[:n_components] ** 2, components[:n_components]
    if n_columns <= COVARIANCE_COLUMNS or n_components > min(X.shape) // 2:
        wanted = [n_columns - n_components, n_columns - 1]
        variances, vectors = eigh(X.T @ X, subset_by_index=wanted)
        return variances[::-1], vectors.T[::-1]
    X = X.astype(np.float32)
    _, deviations, components = randomized_svd(
        X, n_components, n_iter=3, random_state=0
    )
    return deviations.astype(np.float64) ** 2, components.astype(np.float64)


def _linear(layers):
    return [layer for layer in layers if isinstance(layer, nn.Linear)]


def _carry(layers, split, first, last):
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
