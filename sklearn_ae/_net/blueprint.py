"""Blueprint: what the module of an autoencoder is built from, besides rows."""

from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import clone
from torch import nn

from sklearn_ae._defaults import (
    default_embedding_hidden_layer_sizes,
    default_hidden_layer_sizes,
    default_n_components,
)
from sklearn_ae._document import Fields, Writer, documented
from sklearn_ae._isolation import generators
from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._modules.clustered import ClusteredLatent
from sklearn_ae._modules.dense import Activation, Dense, make_activation
from sklearn_ae._modules.latent_penalties import Latent
from sklearn_ae._modules.linear_fill import LinearFill
from sklearn_ae._modules.losses import (
    LOSSES,
    Loss,
    MixedReconstructionLoss,
    NumericReconstructionLoss,
    ReconstructionLoss,
)
from sklearn_ae._modules.pca_start import UNITS
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.layout import Layout
from sklearn_ae.architectures import Convolutional, TorchModule, build_network
from sklearn_ae.latents import Clustered, NeighborEmbedding
from sklearn_ae.noise import HidingNoise, Noise


@dataclass(frozen=True)
class NetworkParams:
    """The layers of an autoencoder and its loss: parameters of the transformer.

    Parameters
    ----------
    n_components : int or None
    hidden_layer_sizes : array-like of int or None
    activation, latent_activation, output_activation : str or type
    tied_weights : bool
    architecture : object with a method `build`, or None
    latent : Clustered, Contractive, NeighborEmbedding, Sparse, Variational or None
    noise : Noise or None
    loss : str or callable
    """

    n_components: int | None
    hidden_layer_sizes: ArrayLike | None
    activation: Activation
    latent_activation: Activation
    output_activation: Activation
    tied_weights: bool
    architecture: Any
    latent: Any
    noise: Noise | None
    loss: Loss

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "NetworkParams":
        """Return the parameters of an estimator that are about its network.

        Parameters
        ----------
        params : dict
            ``get_params(deep=False)`` of an estimator.
        """
        own = {field.name: params[field.name] for field in fields(cls)}
        if isinstance(own["noise"], str):
            # Nobody asked for more than latents.
            own["noise"] = None
        return cls(**own)

    @property
    def hides(self) -> bool:
        """Whether cells are hidden while training, as if they were missing."""
        return isinstance(self.noise, HidingNoise)

    @property
    def n_clusters(self) -> int:
        """Number of latents that are assignments to clusters."""
        return self.latent.n_clusters if isinstance(self.latent, Clustered) else 0

    @property
    def is_neighbor_embedding(self) -> bool:
        """Whether the latents learn coordinates that keep neighbours together."""
        return isinstance(self.latent, NeighborEmbedding)

    @property
    def resolved_output_activation(self) -> Activation:
        """Activation of numeric outputs; "auto" is resolved."""
        if self.output_activation != "auto":
            return self.output_activation
        own_output = isinstance(self.architecture, TorchModule)
        return "sigmoid" if self.loss == "bce" and not own_output else "identity"

    def default_n_components(self, n_features: int) -> int | None:
        """Return the number of latents by rule, `None` if an architecture decides."""
        # Maps have no place for assignments; another latent has the size it says.
        is_flat = getattr(self.architecture, "latent_shape", ()) is None
        if self.architecture is None or (self.n_clusters and is_flat):
            return self.n_clusters + default_n_components(n_features)
        return None

    def can_start_as_pca(self, layout: Layout | None) -> bool:
        """Whether the network can compute a linear map, and has a linear output."""
        return (
            self.architecture is None
            # Principal components are not where neighbours are put.
            and not self.is_neighbor_embedding
            # Logits of categories are no mirrored indicators.
            and (layout is None or not self.tied_weights)
            and self.activation in UNITS
            and self.latent_activation == "identity"
            and self.resolved_output_activation in ("identity", nn.Identity)
        )


@documented
@dataclass(frozen=True, eq=False)
class Blueprint:
    """What the module of an autoencoder is built from, besides rows.

    Parameters
    ----------
    params : NetworkParams
    n_features : int
        Number of columns of the table.
    layout : Layout or None
        Where the columns stand, if some are categorical.
    image_shape : (int, int, int) or None
        Channels, height and width, if the rows are images.
    indicated : tuple of int
        Columns that get an input that says where a cell is missing, if the layers are
        those of the library.
    """

    params: NetworkParams
    n_features: int
    layout: Layout | None
    image_shape: tuple[int, ...] | None
    indicated: tuple[int, ...]

    def _to_document(self, writer: Writer) -> dict[str, Any]:
        params = {f.name: getattr(self.params, f.name) for f in fields(self.params)}
        return {
            "params": params,
            "n_features": self.n_features,
            "layout": self.layout,
            "image_shape": self.image_shape or (),
            "indicated": self.indicated,
        }

    @classmethod
    def _from_document(cls, fields: Fields) -> "Blueprint":
        params = NetworkParams(**fields.part("params", dict))
        loss = params.loss
        known = callable(loss) or (isinstance(loss, str) and loss in ("auto", *LOSSES))
        fields.require(known, "loss")
        n_features = fields.integer("n_features", 1)
        layout = fields.part("layout", Layout, type(None))
        fits = layout is None or len(layout.shares) == n_features
        fields.require(fits, "layout")
        image_shape = fields.integers("image_shape", 1, n_features)
        indicated = fields.integers("indicated", 0, n_features - 1)
        fields.require(list(indicated) == sorted({*indicated}), "indicated")
        return cls(params, n_features, layout, image_shape or None, indicated)

    def fits(self, encoder: TableEncoder) -> bool:
        """Whether it is that of rows that an encoder gives."""
        own = (None,) * self.n_features if self.layout is None else self.layout.shares
        given = (None,) * encoder.n_features_in_
        if encoder.layout_ is not None:
            given = encoder.layout_.shares
        image_shape = getattr(encoder, "image_shape_", None)
        return (
            len(own) == len(given)
            and all(map(np.array_equal, own, given))
            and image_shape == self.image_shape
        )

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return self.n_features if self.layout is None else self.layout.width

    @property
    def has_own_layers(self) -> bool:
        """Whether all layers are those of the library."""
        architecture = self.params.architecture
        return architecture is None or type(architecture) is Convolutional

    @property
    def n_layers(self) -> int:
        """About how many layers the parameters ask for, if they are the library's."""
        sizes = self.params.hidden_layer_sizes
        channels = getattr(self.params.architecture, "channels", ())
        return sum(np.size(() if n is None else n) for n in (sizes, channels))

    def build_layers(self) -> tuple[nn.Module, int, Latent | None]:
        """Return the network, the size of its latent, and the penalty on that."""
        params = self.params
        n_indicators = len(self.indicated) if params.architecture is None else 0
        network, n_components = _build_network(
            params, self.n_features, self.width, n_indicators, self.image_shape
        )
        if not isinstance(params.latent, Clustered):
            latent = (
                None if params.latent is None else params.latent.build(n_components)
            )
            return network, n_components, latent
        if n_components < params.n_clusters:
            raise ValueError(
                f"The architecture has n_components={n_components} latents, which "
                f"should be >= n_clusters={params.n_clusters} of "
                f"latent={params.latent!r}."
            )
        latent = params.latent.build(network, self.width + n_indicators)
        return network, n_components, latent

    def build_loss(self) -> ReconstructionLoss:
        """Return the loss of all columns."""
        params = self.params
        loss = "mse" if params.loss == "auto" else params.loss
        activation = make_activation(params.resolved_output_activation)
        # A loss that is a module may have weights of its own, which are trained.
        numeric = NumericReconstructionLoss(deepcopy(loss), activation)
        if self.layout is None:
            return numeric
        return MixedReconstructionLoss(numeric, self.layout)

    def assemble(
        self,
        network: nn.Module,
        n_components: int,
        latent: Latent | None,
        fill: LinearFill | None,
    ) -> Autoencoder:
        """Return the module that has these parts."""
        noise, own_layers = self.params.noise, self.params.architecture is None
        return Autoencoder(
            latent.network if isinstance(latent, ClusteredLatent) else network,
            n_components,
            None if noise is None else clone(noise),
            self.indicated if own_layers and self.indicated else None,
            self.layout,
            fill,
            latent,
            self._resolved(network, n_components),
        )

    def build_empty(self, fill_rank: int) -> Autoencoder:
        """Return the module without weights: those of the library take no memory.

        Parameters
        ----------
        fill_rank : int
            Rank of the model that fills missing cells, if there is one.
        """
        device = torch.device("meta" if self.has_own_layers else "cpu")
        fill, width = None, self.width  # which looks at the layout, on the CPU
        with generators.held(), device:
            parts = self.build_layers()
            if self.params.hides:
                fill = LinearFill().allocate(width, fill_rank)
        return self.assemble(*parts, fill)

    def _resolved(self, network: Any, n_components: int) -> "Blueprint":
        """Return a copy that does not depend on the rules for sizes.

        What the user's objects become later makes no difference to it either.
        """
        params = deepcopy(self.params)
        offered = default_n_components(self.width)
        if params.architecture is None:
            linear = [m for m in network.encoder if isinstance(m, nn.Linear)]
            sizes = tuple(layer.out_features for layer in linear[:-1])
            params = replace(
                params, n_components=n_components, hidden_layer_sizes=sizes
            )
        elif isinstance(params.architecture, TorchModule) and n_components == offered:
            params = replace(params, n_components=n_components)
        return replace(self, params=params)


def _build_network(
    params: NetworkParams,
    n_features: int,
    width: int,
    n_indicators: int,
    image_shape: tuple[int, ...] | None,
) -> tuple[nn.Module, int]:
    """Return the encoder and decoder in one module, and the size of the latent."""
    n_components = params.n_components
    if n_components is None:
        n_components = params.default_n_components(n_features)
    if params.architecture is not None:
        return build_network(
            params.architecture,
            width,
            n_components=n_components,
            hidden_layer_sizes=params.hidden_layer_sizes,
            activation=params.activation,
            latent_activation=params.latent_activation,
            image_shape=image_shape,
        )
    assert n_components is not None
    sizes = params.hidden_layer_sizes
    if sizes is None and params.is_neighbor_embedding:
        sizes = default_embedding_hidden_layer_sizes(n_components)
    elif sizes is None:
        sizes = default_hidden_layer_sizes(n_components)
    network = Dense(
        width + n_indicators,
        width,
        n_components,
        [int(size) for size in np.atleast_1d(sizes)],
        params.activation,
        params.latent_activation,
        params.tied_weights,
    )
    return network, n_components
