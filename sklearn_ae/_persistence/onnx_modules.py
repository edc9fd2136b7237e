"""Torch modules that say in one graph what an estimator says of raw rows.

They do what `TableEncoder`, the net and `OutlierDistances` do, in operators that the
exporter of torch knows, and always look for missing cells: a graph has no branches.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_ae._anomaly.columns import LINEAR_DEVIATIONS
from sklearn_ae._anomaly.distances import ROUNDING, OutlierDistances
from sklearn_ae._anomaly.linkage import ONE_ROW_IN
from sklearn_ae._anomaly.scoring import (
    SLOPE_BELOW_MEDIAN,
    WEIGHTS,
    encode_and_reconstruct,
)
from sklearn_ae._document import Reader, Writer
from sklearn_ae._persistence.onnx_columns import limits
from sklearn_ae._persistence.onnx_operators import EliminatingFill, Ranks
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.scaling import (
    LARGEST_CLIPPED,
    LARGEST_SCALED,
    SOFT_CLIP_LIMIT,
)

# Codes that text comes with where a cell is missing, and where nobody knows it.
MISSING, UNKNOWN = -2.0, -1.0


def parts_of(estimator: Any, *names: str) -> list[Any]:
    """Return what an estimator is made of, by the names in its document."""
    document = Writer().write(estimator)
    reader = Reader(document)
    return [reader.read(document["fields"][name]) for name in names]


class Coder(nn.Module):
    """Codes for the cells of categorical columns; text has some already.

    **Shape** (n_rows, n_columns), float64.

    Parameters
    ----------
    encoder : TableEncoder
    text : list of int
        Columns that hold codes already.
    keeps_unknown : bool
        Whether categories that were not in `fit` are no missing cells.
    """

    def __init__(
        self, encoder: TableEncoder, text: list[int], keeps_unknown: bool
    ) -> None:
        super().__init__()
        self.unknown = UNKNOWN if keeps_unknown else torch.nan
        self.text = text
        self.columns: list[int] = []
        for column, levels, codes, unknown in categories_of(encoder):
            if column not in text:
                self.columns.append(column)
                values = torch.tensor([float(level) for level in levels]).double()
                self.register_buffer(f"levels_{column}", values)
                self.register_buffer(f"codes_{column}", torch.tensor(codes).double())
                self.register_buffer(
                    f"unknown_{column}",
                    torch.tensor(self.unknown if unknown is None else unknown).double(),
                )

    def forward(self, X: Tensor) -> Tensor:
        """Return the rows with a code for each category."""
        if not (self.text or self.columns):
            return X
        columns = list(X.split(1, dim=1))
        for column in self.text:
            cells = columns[column]
            cells = torch.where(cells == UNKNOWN, self.unknown, cells)
            columns[column] = torch.where(cells == MISSING, torch.nan, cells)
        for column in self.columns:
            cells = columns[column]
            equal = (cells == self.get_buffer(f"levels_{column}")).double()
            codes = (equal * self.get_buffer(f"codes_{column}")).sum(1, keepdim=True)
            unknown = self.get_buffer(f"unknown_{column}")
            codes = torch.where(equal.sum(1, keepdim=True) > 0, codes, unknown)
            columns[column] = torch.where(torch.isnan(cells), torch.nan, codes)
        return torch.cat(columns, dim=1)


def categories_of(encoder: TableEncoder) -> list[tuple[int, Any, list[int], Any]]:
    """Return (column, levels, codes, code of unknown ones or None) of each column."""
    found = []
    for column, levels, codes, shown in encoder.categories():
        infrequent = len(shown) - 1 if len(shown) < len(levels) else None
        found.append((column, levels, codes, infrequent))
    return found


class Scaling(nn.Module):
    """Scale coded rows, and undo it.

    **Shape** (n_rows, n_columns); scaled rows are float32, others float64, or float32
    if they fit.

    Parameters
    ----------
    encoder : TableEncoder
    """

    center: Tensor
    scale: Tensor
    is_number: Tensor
    is_constant: Tensor
    least: Tensor
    largest: Tensor

    def __init__(self, encoder: TableEncoder) -> None:
        super().__init__()
        for name, values in encoder.scale().items():
            self.register_buffer(name, torch.from_numpy(np.array(values)))
        self.register_buffer("is_number", torch.from_numpy(~encoder.is_categorical_))
        self.soft_clips = encoder.scaling_ == "robust"
        self.ranks = Ranks(encoder) if encoder.scaling_ == "quantile" else None

    def forward(self, X: Tensor) -> Tensor:
        """Return scaled rows."""
        if self.ranks is not None:
            return torch.where(self.is_number, self.ranks(X), X).float()
        if X.dtype == torch.float32:
            scaled = (X - self.center.float()) * (1 / self.scale).float()
        else:
            scaled = (X - self.center) / self.scale
        scaled = scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED)
        if self.soft_clips:
            clipped = scaled / torch.sqrt(1 + (scaled / SOFT_CLIP_LIMIT) ** 2)
            scaled = torch.where(self.is_number, clipped, scaled)
        return scaled.float()

    def inverse(self, values: Tensor) -> Tensor:
        """Return rows in original units, and codes."""
        values = values.double()
        if self.ranks is not None:
            X = self.ranks.inverse(values)
        elif self.soft_clips:
            share = values / SOFT_CLIP_LIMIT
            share = share.clamp(-LARGEST_CLIPPED, LARGEST_CLIPPED)
            X = share * SOFT_CLIP_LIMIT / torch.sqrt(1 - share**2) * self.scale
            X = (X + self.center).clamp(self.least, self.largest)
        else:
            X = values * self.scale + self.center
        X = torch.where(self.is_number, X, values)
        return torch.where(self.is_constant & ~torch.isnan(values), self.center, X)


class Graph(nn.Module):
    """What an estimator says of raw rows, one output after another.

    Parameters
    ----------
    estimator : estimator instance
    text : list of int
        Columns whose text comes as codes.
    outputs : list of str
    """

    keeps_unknown = False

    def __init__(self, estimator: Any, text: list[int], outputs: list[str]) -> None:
        super().__init__()
        encoder = estimator.table_encoder_
        self.coder = Coder(encoder, text, self.keeps_unknown)
        self.scaling = Scaling(encoder)
        self.outputs = outputs

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for raw rows."""
        scaled = self.scaling(self.coder(X))
        found = self.compute(scaled)
        return tuple(found[name] for name in self.outputs)

    def compute(self, scaled: Tensor) -> dict[str, Tensor]:
        """Return all outputs for scaled rows, by their names."""
        raise NotImplementedError


class TransformerGraph(Graph):
    """Latents, reconstruction and scores."""

    is_whole: Tensor
    least: Tensor
    most: Tensor

    def __init__(self, estimator: Any, text: list[int], outputs: list[str]) -> None:
        super().__init__(estimator, text, outputs)
        self.module = exportable(estimator.module_)
        self.criterion = deepcopy(estimator.net_.criterion_).cpu()
        encoder = estimator.table_encoder_
        names = ("is_whole", "least", "most")
        for name, values in zip(names, limits(encoder), strict=True):
            self.register_buffer(name, torch.from_numpy(values))
        self.rounds = bool(self.is_whole.any())

    def compute(self, scaled: Tensor) -> dict[str, Tensor]:
        """Return all outputs for scaled rows, by their names."""
        latents = self.module.encode(scaled, may_have_missing=True)
        found = {"latents": latents}
        if len(self.outputs) > 1 or "latents" not in self.outputs:
            raw = self.module.decode(latents)
            values = self.criterion.values(raw)
            found["reconstruction"] = self._rounded(self.scaling.inverse(values))
            found["scores"] = -self.criterion.loss_of_rows(raw, scaled, True)
        return found

    def _rounded(self, X: Tensor) -> Tensor:
        """Return rows in which whole numbers are whole."""
        if not self.rounds:
            return X
        X = torch.where(self.is_whole, X.round(), X)
        return torch.minimum(torch.maximum(X, self.least), self.most)


class ClassifierGraph(Graph):
    """Probabilities, the index of the most likely class, and latents."""

    def __init__(self, estimator: Any, text: list[int], outputs: list[str]) -> None:
        super().__init__(estimator, text, outputs)
        self.module = exportable(estimator.module_)

    def compute(self, scaled: Tensor) -> dict[str, Tensor]:
        """Return all outputs for scaled rows, by their names."""
        logits = self.module.predict(scaled, True)
        return {
            "probabilities": logits.double().softmax(1).float(),
            "label": logits.argmax(1),
            "latents": self.module.encode(scaled, True),
        }


class RegressorGraph(Graph):
    """Targets and latents."""

    factor: Tensor
    shift: Tensor

    def __init__(self, estimator: Any, text: list[int], outputs: list[str]) -> None:
        super().__init__(estimator, text, outputs)
        self.module = exportable(estimator.module_)
        scaler, unit = parts_of(estimator, "target_scaler", "target_unit")
        self.register_buffer("factor", torch.from_numpy(scaler.scale_ * unit))
        self.register_buffer("shift", torch.from_numpy(scaler.mean_ * unit))

    def compute(self, scaled: Tensor) -> dict[str, Tensor]:
        """Return all outputs for scaled rows, by their names."""
        targets = self.module.predict(scaled, True).double()
        return {
            "prediction": targets * self.factor + self.shift,
            "latents": self.module.encode(scaled, True),
        }


class DetectorGraph(Graph):
    """Scores, and labels of 1 and -1."""

    keeps_unknown = True

    def __init__(self, estimator: Any, text: list[int], outputs: list[str]) -> None:
        super().__init__(estimator, text, outputs)
        (distances,) = parts_of(estimator, "distances")
        nets = [member.net_ for member in estimator.estimators_]
        self.members = nn.ModuleList(map(Member, nets))
        self.distances = nn.ModuleList(map(Distances, distances))
        self.offset = estimator.offset_

    def compute(self, scaled: Tensor) -> dict[str, Tensor]:
        """Return all outputs for scaled rows, by their names."""
        total: Any = 0
        for member, distances in zip(self.members, self.distances, strict=True):
            total = total + distances(*encode_and_reconstruct(member, scaled))
        scores = -total / len(self.members)
        return {"scores": scores, "label": torch.where(scores < self.offset, -1, 1)}


class Member(nn.Module):
    """The parts of a net that the distances ask for."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.module_, self.criterion_ = exportable(net.module_), net.criterion_


def exportable(module: Any) -> Any:
    """Return a copy of a module, on the CPU, that always looks for missing cells."""
    copy = deepcopy(module).cpu().eval()
    autoencoder = getattr(copy, "encoder", copy)
    autoencoder.allow_missing()
    if autoencoder.fill is not None:
        autoencoder.fill = EliminatingFill(autoencoder.fill)
    return copy


class Distances(nn.Module):
    """Minus the score of a row by one autoencoder: `OutlierDistances` in torch.

    **Shape** two inputs (n_rows, n_encoded), output (n_rows,), float64.

    Parameters
    ----------
    distances : OutlierDistances
    """

    factor: Tensor
    center: Tensor
    unit: Tensor
    deviation: Tensor
    references: Tensor
    norms: Tensor
    height_parts: Tensor
    far_limit: Tensor
    far_references: Tensor
    residual_unit: Tensor
    medians: Tensor
    membership: Tensor | None

    def __init__(self, distances: OutlierDistances) -> None:
        super().__init__()
        units = distances.units
        self.n_numbers, self.soft_clipped = units.n_numbers, units.soft_clipped
        self.n_cells = int(units.cells.max()) + 1
        self._register(units, "factor", "center", "unit", "deviation")
        self._register(distances, "references", "norms", "far_references")
        self._register(distances, "height_parts", "residual_unit", "medians")
        far_limit = torch.from_numpy(distances.far_cells_.limit_)
        self.register_buffer("far_limit", far_limit)
        membership = distances.membership_
        if membership is not None:
            membership = torch.from_numpy(membership)
        self.register_buffer("membership", membership)

    def _register(self, owner: object, *names: str) -> None:
        for name in names:
            values = np.array(getattr(owner, f"{name}_"))
            self.register_buffer(name, torch.from_numpy(values))

    def forward(self, encoded: Tensor, expected: Tensor) -> Tensor:
        """Return minus the scores of rows."""
        rows = self._arcsinh(encoded)
        observed = (~torch.isnan(rows)).float()
        rows = torch.nan_to_num(rows)
        n_counted = (self._sum_of_cells(observed) > 0).sum(1).float()
        weight = torch.where(n_counted > 0, self.n_cells / n_counted.clamp(min=1), 0)
        residuals = (self._arcsinh(expected) - rows) * observed
        residuals = self._sum_of_cells(residuals**2) / self.residual_unit
        n_numbers = self.n_numbers
        residual = torch.log1p(residuals[:, :n_numbers]).double().sum(1)
        residual = residual + residuals[:, n_numbers:].double().sum(1)
        nearest = self._nearest(rows, observed)
        distances = torch.stack([*nearest, residual], dim=1)
        distances = distances * weight.double()[:, None] / self.medians
        above = (distances - 1).clamp(min=0)
        counted = SLOPE_BELOW_MEDIAN * distances + (1 - SLOPE_BELOW_MEDIAN) * above
        return (counted * torch.from_numpy(WEIGHTS)).sum(1)

    def _arcsinh(self, encoded: Tensor) -> Tensor:
        encoded = encoded * self.factor
        numbers = encoded[:, : self.n_numbers] - self.center
        numbers = numbers / (LINEAR_DEVIATIONS * self.unit)
        if self.soft_clipped:
            most = 1 - torch.finfo(torch.float32).eps
            numbers = torch.atanh(numbers.clamp(-most, most))
        else:
            numbers = torch.asinh(numbers)
        numbers = numbers * (LINEAR_DEVIATIONS / self.deviation)
        return torch.cat([numbers, encoded[:, self.n_numbers :]], dim=1)

    def _sum_of_cells(self, values: Tensor) -> Tensor:
        return values if self.membership is None else values @ self.membership

    def _nearest(self, rows: Tensor, observed: Tensor) -> list[Tensor]:
        """Return the squared distances to neighbour and cluster."""
        references = self.references.T
        squares = observed @ references**2 - 2 * (rows @ references)
        if rows.shape[1] == 1:
            squares = ((rows - references) * observed) ** 2
        is_far = (rows[:, : self.n_numbers].abs() > self.far_limit).float()
        alike = is_far @ self.far_references[: self.n_numbers] > 0
        n_clustered = self.height_parts.shape[1]
        n_left = (~alike[:, :n_clustered]).sum(1, keepdim=True)
        enough = n_left * ONE_ROW_IN >= n_clustered
        squares = torch.where(alike & enough, torch.inf, squares)
        n_references = len(self.references)
        positions = torch.arange(n_references)
        index = squares.argmin(1, keepdim=True)
        if n_references > 1:
            nearest = self._distance(rows, observed, index)
            same = (nearest <= ROUNDING**2 * rows.shape[1])[:, None]
            squares = torch.where(same & (positions == index), torch.inf, squares)
        index = squares.argmin(1, keepdim=True)
        neighbour = self._distance(rows, observed, index)
        norms = (rows**2).sum(1, keepdim=True) * float(rows.shape[1] > 1)
        joins = squares[:, :n_clustered] + norms
        heights = observed @ self.height_parts
        index = torch.maximum(joins, heights).argmin(1, keepdim=True)
        height = heights.gather(1, index)[:, 0].double()
        cluster = torch.maximum(self._distance(rows, observed, index), height)
        return [neighbour, cluster]

    def _distance(self, rows: Tensor, observed: Tensor, index: Tensor) -> Tensor:
        differences = (rows - self.references[index[:, 0]]) * observed
        return (differences**2).sum(1).double()
