"""The torch module of an autoencoder: noise, encoder, decoder."""

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from sklearn_ae._collective import in_shares
from sklearn_ae._document import Fields, Writer, documented
from sklearn_ae._modules.columns import Columns
from sklearn_ae._modules.dense import Dense, largest_product
from sklearn_ae._modules.latent_penalties import Latent
from sklearn_ae._modules.linear_fill import LinearFill
from sklearn_ae._modules.piecewise_linear import PiecewiseLinear
from sklearn_ae._modules.weights import read_weights, write_weights
from sklearn_ae.noise import Noise


class OneHot(nn.Module):
    """Replace the code of each category by one indicator for each category.

    The indicators of a column have a mean of 0, and together the variance 1 of a
    standardised column.

    **Shape** input (n_rows, n_columns), output (n_rows, layout.width); all columns of a
    missing cell are NaN.

    Parameters
    ----------
    layout : Layout
        Where the columns stand.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn_ae._tables.layout import Layout
    >>> from sklearn_ae._modules.autoencoder import OneHot
    >>> one_hot = OneHot(Layout((None, np.array([0.5, 0.5]))))
    >>> one_hot(torch.tensor([[3.0, 0.0], [4.0, float("nan")]]))
    tensor([[ 3.0000,  0.7071, -0.7071],
            [ 4.0000,     nan,     nan]])
    """

    numeric: Tensor
    categorical: Tensor
    offsets: Tensor
    column_of_category: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, layout: Columns) -> None:
        super().__init__()
        for name in ("numeric", "categorical", "offsets", "column_of_category"):
            self.register_buffer(name, getattr(layout, name), persistent=False)
        shift = layout.share_of_category * layout.scale
        for name, values in (("scale", layout.scale), ("shift", shift)):
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, X: Tensor) -> Tensor:
        """Return the encoded columns."""
        codes = X.index_select(1, self.categorical)
        missing = torch.isnan(codes)
        indices = torch.where(missing, 0.0, codes).long() + self.offsets
        # By `shape`, which the export to ONNX follows, as it does not follow `len`.
        zeros = torch.zeros(X.shape[0], len(self.scale), dtype=X.dtype, device=X.device)
        scale = self.scale[indices].to(X.dtype)
        indicators = zeros.scatter_(1, indices, scale) - self.shift
        indicators = indicators.masked_fill_(
            missing.index_select(1, self.column_of_category), torch.nan
        )
        return torch.cat([X.index_select(1, self.numeric), indicators], dim=1)

    def from_shares(self, values: Tensor) -> Tensor:
        """Return encoded columns of numbers and of a share for each category."""
        values = values.clone()
        values[:, len(self.numeric) :].mul_(self.scale).sub_(self.shift)
        return values

    def to_shares(self, encoded: Tensor) -> Tensor:
        """Return numbers and a share for each category from encoded columns."""
        values = encoded.clone()
        values[:, len(self.numeric) :].add_(self.shift).div_(self.scale)
        return values


@documented
class Autoencoder(nn.Module):
    """An encoder and a decoder, with noise in training and missing cells filled.

    **Shape** input (n_rows, n_columns) with NaN for missing cells; latent
    (n_rows, n_components); raw output (n_rows, n_encoded).

    Parameters
    ----------
    network : nn.Module
        Has the methods ``encode(X)`` and ``decode(Z)``, or the submodules ``encoder``
        and ``decoder``.
    n_components : int
        Width of the latent.
    noise : callable, default=None
        Corrupts each training batch: ``noise(X, blocks)``.
    indicators : array-like of int, default=None
        Columns that had missing cells in `fit`: the encoder gets one more input for
        each, 1 where the cell is missing.
    layout : Layout, default=None
        Where the columns stand, if some are categorical.
    fill : LinearFill, default=None
        What fills missing cells. `None` fills them with 0.
    latent : Latent, default=None
        Penalty on the latent.
    blueprint : Blueprint, default=None
        What builds such a module again, as when it is read from a file.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.autoencoder import Autoencoder
    >>> from sklearn_ae._modules.dense import Dense, largest_product
    >>> network = Dense(3, 3, 2, (8,), "relu")
    >>> Autoencoder(network, 2)(torch.zeros(5, 3)).shape
    torch.Size([5, 3])
    """

    indicators: Tensor | None
    blocks: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        n_components: int,
        noise: Callable[[Tensor, Tensor | None], Tensor] | None = None,
        indicators: ArrayLike | None = None,
        layout: Columns | None = None,
        fill: LinearFill | None = None,
        latent: Latent | None = None,
        blueprint: Any = None,
    ) -> None:
        super().__init__()
        self.blueprint = blueprint
        self.network = network
        self.n_components = n_components
        self.noise = noise
        self.latent = latent
        self.one_hot = None if layout is None else OneHot(layout)
        self.may_have_missing = indicators is not None
        """Whether rows may have missing cells: looking for them takes time."""
        columns = None if indicators is None else torch.as_tensor(indicators)
        if columns is not None and layout is not None:
            columns = layout.first_indices[columns]
        self.register_buffer("indicators", columns)
        self.fill = fill
        self.embedding: PiecewiseLinear | None = None
        """What the encoder gets beside the numbers, from `embed_numbers`."""
        blocks = None if layout is None else layout.blocks
        self.register_buffer("blocks", blocks, persistent=False)

    def _to_document(self, writer: Writer) -> dict[str, Any]:
        layers = getattr(self.network, "encoder", ())
        is_dense = type(self.network) is Dense
        norms = [i for i, m in enumerate(layers) if isinstance(m, nn.LayerNorm)]
        return {
            "blueprint": self.blueprint,
            "noise": self.noise,
            "may_have_missing": self.may_have_missing,
            "has_decoder": hasattr(type(self.network), "decode")
            or hasattr(self.network, "decoder"),
            "norms": tuple(norms) if is_dense else (),
            "embedded": None if self.embedding is None else self.embedding.column,
            "noise_std": float(getattr(self.latent, "noise_std", 0.0)),
            "weights": write_weights(self),
        }

    @classmethod
    def _from_document(cls, fields: Fields) -> "Autoencoder":
        blueprint, weights = fields.value("blueprint"), fields.part("weights", dict)
        is_small = not blueprint.has_own_layers or blueprint.n_layers <= len(weights)
        fields.require(is_small, "blueprint")
        rank = getattr(weights.get("fill.loadings"), "shape", (0, 0))[-1]
        module = blueprint.build_empty(rank)
        network: Any = module.network
        if "embedded" in fields.names and fields.value("embedded") is not None:
            columns = fields.part("embedded", Tensor)
            n_numbers = blueprint.n_features
            if blueprint.layout is not None:
                n_numbers = len(blueprint.layout.numeric)
            is_index = columns.dtype == torch.int64 and columns.ndim == 1
            fits = is_index and bool(((columns >= 0) & (columns < n_numbers)).all())
            fields.require(fits and len(columns), "embedded")
            module.embed_numbers(PiecewiseLinear.allocate(columns))
        for i in fields.integers("norms", 1, len(weights)):
            n_units = network.encoder[i - 1].out_features
            network.encoder.insert(i, nn.LayerNorm(n_units, device="meta"))
        if not fields.flag("has_decoder"):
            del network.decoder
        noise = fields.part("noise", type(None), Noise)
        module.noise = noise
        if fields.flag("may_have_missing"):
            module.allow_missing()
        noise_std = fields.number("noise_std", 0.0)
        if module.latent is not None and hasattr(module.latent, "noise_std"):
            module.latent.noise_std = noise_std
        read_weights(module, weights, own=blueprint.has_own_layers)
        return module.eval()

    def forward(
        self, X: Tensor, with_penalty_terms: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the raw reconstruction; X is corrupted first while training.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns)
        with_penalty_terms : bool, default=False
            Whether to return also what the penalty on the latent is computed from.
        """
        X = self.inputs(X, noisy=self.training)

        def function(X: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            if self.latent is None or not (self.training or with_penalty_terms):
                return self.decode(self.encode_inputs(X))
            Z, penalty_terms = self.latent(self.encode_inputs, X)
            raw = self.decode(Z)
            return (raw, penalty_terms) if with_penalty_terms else raw

        return in_shares(function, X) if self.training else function(X)

    def encode(
        self,
        X: Tensor,
        may_have_missing: bool = False,
        expected: Tensor | None = None,
    ) -> Tensor:
        """Return the latents of scaled rows.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_columns)
        may_have_missing : bool, default=False
            Whether to look for missing cells even if no rows in `fit` had any.
        expected : Tensor of shape (n_rows, layout.width), default=None
            Numbers, and a share for each category, to take for missing cells.
        """
        return self.encode_inputs(self.inputs(X, may_have_missing, expected))

    def inputs(
        self,
        X: Tensor,
        may_have_missing: bool = False,
        expected: Tensor | None = None,
        *,
        noisy: bool = False,
    ) -> Tensor:
        """Return the input of the network for scaled rows; parameters as in `encode`.

        With `noisy`, it is corrupted as in training.
        """
        X = self._one_hot(X)
        if noisy and self.noise is not None:
            X = self.noise(X, self.blocks)
        if may_have_missing or self.may_have_missing:
            if expected is not None and self.one_hot is not None:
                expected = self.one_hot.from_shares(expected)
            X = self._fill_missing(X, expected)
        if self.embedding is None:
            return X
        return torch.cat([X, self.embedding(X)], dim=1)

    def embed_numbers(self, embedding: PiecewiseLinear) -> None:
        """Let the encoder get numbers encoded, too; it computes the same at first.

        Parameters
        ----------
        embedding : PiecewiseLinear
            Of the first columns of `inputs`.
        """
        assert isinstance(self.network, Dense)
        first = self.network.encoder[0]
        assert isinstance(first, nn.Linear)
        n_inputs = first.in_features + embedding.n_outputs
        wider = nn.utils.skip_init(
            nn.Linear, n_inputs, first.out_features, device=first.weight.device
        )
        added = first.weight.new_zeros(first.out_features, embedding.n_outputs)
        with torch.no_grad():
            wider.weight.copy_(torch.cat([first.weight, added], dim=1))
            wider.bias.copy_(first.bias)
        self.network.encoder[0] = wider
        self.embedding = embedding

    def encode_inputs(self, X: Tensor) -> Tensor:
        """Return the latents for what `inputs` returns."""
        return encoder_of(self.network)(X)

    def decode(self, Z: Tensor) -> Tensor:
        """Return the raw reconstruction from latents."""
        return decoder_of(self.network)(Z)

    def dense_layers(self) -> list[nn.Module] | None:
        """Return the layers that turn `inputs` into `forward`, None if they are others.

        Those of a penalty on the latent, or of another architecture, are others.
        """
        network = self.network
        if self.latent is not None or type(network) is not Dense:
            return None
        return [*network.encoder, *network.decoder]

    def largest_product(self, n_rows: int) -> float:
        """Return the multiplications in the largest product of a pass, inf if unknown.

        The decoder has no larger layer than the encoder.
        """
        network = self.network
        if type(network) is not Dense:
            return math.inf
        return largest_product(network.encoder, n_rows)

    def allow_missing(self) -> None:
        """Look for missing cells in rows from now on."""
        self.may_have_missing = True

    def expect_linearly(self, X: Tensor) -> Tensor:
        """Return numbers and shares of categories, missing ones by the linear model."""
        X = self._one_hot(X)
        X = torch.nan_to_num(X) if self.fill is None else self.fill(X)
        return X if self.one_hot is None else self.one_hot.to_shares(X)

    def linear_variance(self, X: Tensor) -> Tensor:
        """Return the variance of each encoded cell by the linear model, 1 without."""
        X = self._one_hot(X)
        return torch.ones_like(X) if self.fill is None else self.fill.variance(X)

    def _one_hot(self, X: Tensor) -> Tensor:
        return X if self.one_hot is None else self.one_hot(X)

    def _fill_missing(self, X: Tensor, expected: Tensor | None = None) -> Tensor:
        missing = torch.isnan(X)
        if expected is None:
            expected = X.new_zeros(()) if self.fill is None else self.fill(X)
        X = torch.where(missing, expected, X)
        if self.indicators is None:
            return X
        return torch.cat([X, missing[:, self.indicators].to(X.dtype)], dim=1)


def encoder_of(network: Any) -> Callable[[Tensor], Tensor]:
    """Return the method `encode` of a network, else its submodule `encoder`.

    Raises
    ------
    AttributeError
        If it has neither.
    """
    # A method is an attribute of the class; a module looks for others at length.
    return network.encode if hasattr(type(network), "encode") else network.encoder


def decoder_of(network: Any) -> Callable[[Tensor], Tensor]:
    """Return the method `decode` of a network, else its submodule `decoder`.

    Raises
    ------
    AttributeError
        If it has neither.
    """
    return network.decode if hasattr(type(network), "decode") else network.decoder
