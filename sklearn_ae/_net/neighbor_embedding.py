"""The net of an encoder that learns coordinates which keep neighbours together."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_ae._modules.neighbor_embedding import NeighborCoordinates
from sklearn_ae._modules.pca_start import SAMPLE_CELLS, PCAStart
from sklearn_ae._net.net import AutoencoderNet
from sklearn_ae._tables.rows import PART_ROWS, Rows

# Most rows that get coordinates: finding neighbours takes the square of their number.
GRAPH_ROWS = 100_000
# Principal components in which distances are measured.
GRAPH_COMPONENTS = 50


class NeighborEmbeddingNet(AutoencoderNet):
    """A net whose latents learn coordinates of the rows.

    The rows come with their coordinates as targets, from `prepare`. Its module has an
    :class:`~sklearn_ae._modules.neighbor_embedding.EmbeddedLatent`.
    """

    def prepare(self, rows: Rows, valid: Rows | None) -> tuple[Rows, Rows | None]:
        """Return the rows with their coordinates.

        Distances are those between the inputs of the network, missing cells filled, in
        their principal components. Equal rows have one place. Coordinates start at the
        leading components, or where an encoder that was trained before puts the rows.
        Of many rows, some get coordinates. Rows to validate on get those of their
        neighbours.
        """
        latent = self.module_.latent
        some, indices = rows, torch.arange(len(rows))
        if len(rows) > GRAPH_ROWS:
            indices = torch.randperm(len(rows))[:GRAPH_ROWS].sort().values
            some = rows.subset(indices.int())
        pca = self._fit_pca(some)
        projected, first, inverse = self._project(some, pca)
        start = projected
        if len(self.history):
            start = self._encode(some.subset(torch.from_numpy(first).int()))
        neighbors = NeighborCoordinates(
            latent.n_components, latent.n_neighbors, latent.min_dist
        ).fit(projected, start)
        latent.noise_std = neighbors.nearest_distance_ / len(pca.mean_) ** 0.5
        coordinates = np.full((len(rows), latent.n_components), np.nan, np.float32)
        coordinates[indices] = neighbors.coordinates_[inverse]
        rows = rows.with_targets(torch.from_numpy(coordinates))
        if valid is not None:
            projected, _, inverse = self._project(valid, pca)
            placed = neighbors.place(projected)[inverse]
            valid = valid.with_targets(torch.from_numpy(placed))
        return rows, valid

    def _fit_pca(self, rows: Rows) -> PCAStart:
        """Return the principal components of the inputs."""
        n_components = max(GRAPH_COMPONENTS, self.module_.latent.n_components)
        width = self._encoded(rows[:1][0]).shape[1]
        drawn = rows.draw(max(1, SAMPLE_CELLS // width))
        return PCAStart(n_components).fit(drawn.X, self._encoded(drawn.X), drawn.weight)

    def _project(
        self, rows: Rows, pca: PCAStart
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the components of the rows that differ.

        Returns
        -------
        projected : ndarray of shape (n_distinct, n_found), dtype=float32
        first : int64 ndarray of shape (n_distinct,)
            The first row of each kind.
        inverse : int64 ndarray of shape (n_rows,)
            Position of each row among those that differ.
        """
        parts: list[np.ndarray] = []
        first: list[int] = []
        inverse: list[int] = []
        found: dict[bytes, int] = {}
        for encoded in map(self._encoded, _parts(rows)):
            # Adding 0 turns -0 into 0, which differ in their bytes.
            values = encoded.numpy() + np.float32(0)
            new = []
            for i, row in enumerate(values):
                key = blake2b(row.tobytes(), digest_size=16).digest()
                if key not in found:
                    found[key] = len(found)
                    first.append(len(inverse))
                    new.append(i)
                inverse.append(found[key])
            projected = (values[new] - pca.mean_) @ pca.components_.T
            parts.append(projected.astype(np.float32))
        return np.concatenate(parts), np.array(first), np.array(inverse)

    def _encode(self, rows: Rows) -> np.ndarray:
        """Return the latents of rows."""
        self.module_.eval()  # the first step of the training sets it back
        with torch.inference_mode():
            parts = [self._latents(X).cpu() for X in _parts(rows)]
        return torch.cat(parts).numpy()

    def _latents(self, X: Tensor) -> Tensor:
        return self.module_.encode(X.to(self.device), may_have_missing=True)

    def _encoded(self, X: Tensor) -> Tensor:
        """Return the inputs of the network without indicators of missing cells."""
        module = self.module_
        inputs = module.inputs(X.to(self.device), may_have_missing=True).cpu()
        n_indicators = 0 if module.indicators is None else len(module.indicators)
        return inputs[:, : inputs.shape[1] - n_indicators]

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return the loss against the clean batch, and the distance to coordinates."""
        raw, latents = y_pred
        y = y_true.to(latents.device)
        y_pred = raw, latents - y[:, 1:]
        return super().get_loss(y_pred, y[:, 0], X=X, training=training)


def _parts(rows: Rows) -> Iterator[Tensor]:
    for indices in torch.arange(len(rows)).split(PART_ROWS):
        yield rows.subset(indices.int()).draw(PART_ROWS).X
