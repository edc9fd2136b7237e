"""What ONNX has no operator for, in operators that it has: ranks, and linear fills."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_ae._modules.linear_fill import LinearFill
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.quantiles import BOUNDS, LARGEST_SCORE, knots_of

# Coefficients of the quotients of polynomials that approximate the normal quantile to
# 16 digits: in the middle, and towards the ends (Wichura, Applied Statistics 37, 1988,
# algorithm AS 241), highest powers first.
MIDDLE = (
    (
        *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853),
        *(45921.953931549871457, 13731.693765509461125, 1971.5909503065514427),
        *(133.14166789178437745, 3.3871328727963666080),
    ),
    (
        *(5226.4952788528545610, 28729.085735721942674, 39307.895800092710610),
        *(21213.794301586595867, 5394.1960214247511077, 687.18700749205790830),
        *(42.313330701600911252, 1.0),
    ),
)
ENDS = (
    (
        *(7.74545014278341407640e-4, 2.27238449892691845833e-2),
        *(2.41780725177450611770e-1, 1.27045825245236838258),
        *(3.64784832476320460504, 5.76949722146069140550),
        *(4.63033784615654529590, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.47593808499534494600e-4),
        *(1.51986665636164571966e-2, 1.48103976427480074590e-1),
        *(6.89767334985100004550e-1, 1.67638483018380384940),
        *(2.05319162663775882187, 1.0),
    ),
)
# Largest distance of a share from a half that counts as the middle.
MOST_IN_MIDDLE = 0.425
# More than any share of a span.
BEYOND = 3.0


class Ranks(nn.Module):
    """Normal scores of columns, as `Scaler` with quantiles gives them, and back.

    **Shape** (n_rows, n_columns), float64.

    Parameters
    ----------
    encoder : TableEncoder
    """

    half_least: Tensor
    half_span: Tensor
    is_float32: Tensor
    is_ranked: Tensor
    quantiles: Tensor
    knots: Tensor
    slopes: Tensor
    left: Tensor
    middle: Tensor
    first: Tensor
    last: Tensor
    columns: Tensor

    def __init__(self, encoder: TableEncoder) -> None:
        super().__init__()
        learnt: dict[str, Any] = encoder.quantiles()
        ranked = learnt.pop("float32_quantiles")
        n_columns = ranked.shape[1]
        # A power of two, in which a knot is found by halving.
        self.n_knots = 2 ** math.ceil(math.log2(len(ranked) + 1))
        size = n_columns, self.n_knots
        tables = {
            name: np.zeros(size) for name in ("knots", "slopes", "left", "middle")
        }
        tables["knots"] += BEYOND
        first, last = np.full((2, n_columns), np.nan)
        for i in np.flatnonzero(~np.isnan(ranked[0])):
            columns = knots_of(ranked[:, i])
            first[i], last[i] = columns[0][[0, -1]]
            for table, values in zip(tables.values(), columns, strict=True):
                table[i, : len(values)] = values
        # What lies above the last quantile, at the end, is never asked for.
        quantiles = learnt["quantiles"]
        learnt["quantiles"] = np.vstack([quantiles, quantiles[-1:]]).T
        learnt |= tables | {"first": first, "last": last}
        for name, values in learnt.items():
            self.register_buffer(name, torch.from_numpy(np.array(values)))
        self.register_buffer("columns", torch.arange(n_columns))

    def forward(self, X: Tensor) -> Tensor:
        """Return scaled rows."""
        X = X.double()
        X = torch.where(self.is_float32, X.float().double(), X)
        shares = ((X / 2 - self.half_least) / self.half_span).clamp(-1, 2)
        index = torch.zeros_like(shares, dtype=torch.int64)
        index = index + self.columns * self.n_knots
        step = self.n_knots // 2
        while step:
            is_above = shares >= self.knots.flatten()[index + step]
            index = torch.where(is_above, index + step, index)
            step //= 2
        tables = (self.knots, self.slopes, self.left, self.middle)
        knots, slopes, left, middle = (table.flatten()[index] for table in tables)
        rank = (shares - knots) * slopes + left
        rank = torch.where(shares == knots, middle, rank)
        rank = torch.where(shares + BOUNDS > self.last, 1.0, rank)
        rank = torch.where(shares - BOUNDS < self.first, 0.0, rank)
        is_missing = torch.isnan(shares) | torch.isnan(self.first)
        scores = torch.where(is_missing, torch.nan, _normal_quantile(rank))
        return torch.where(self.is_ranked, scores, shares)

    def inverse(self, values: Tensor) -> Tensor:
        """Return rows in original units."""
        # Runtimes know this function for float32 alone.
        shares = (1 + torch.erf((values * 0.5**0.5).float()).double()) / 2
        last = self.quantiles.shape[1] - 2
        position = shares * last
        position = torch.where(shares - BOUNDS < 0, 0.0, position)
        position = torch.where(shares + BOUNDS > 1, float(last), position)
        floor = torch.nan_to_num(position.floor())
        index = floor.to(torch.int64) + self.columns * (last + 2)
        quantiles = self.quantiles.flatten()
        below, above = quantiles[index], quantiles[index + 1]
        shares = below + (position - floor) * (above - below)
        return (shares * self.half_span + self.half_least) * 2


def _normal_quantile(share: Tensor) -> Tensor:
    """Return normal scores, clipped to those of shares just above 0 and below 1."""
    distance = share - 0.5
    middle = distance * _quotient(MOST_IN_MIDDLE**2 - distance**2, *MIDDLE)
    # Limits become float32 on the way to a graph.
    least = torch.minimum(share, 1 - share).clamp(min=BOUNDS / 2)
    rest = torch.sqrt(-torch.log(least))
    end = torch.where(distance < 0, -1.0, 1.0) * _quotient(rest - 1.6, *ENDS)
    scores = torch.where(distance.abs() <= MOST_IN_MIDDLE, middle, end)
    return scores.clamp(-float(LARGEST_SCORE), float(LARGEST_SCORE))


def _quotient(x: Tensor, above: tuple[float, ...], below: tuple[float, ...]) -> Tensor:
    """Return the quotient of two polynomials."""
    values = []
    for coefficients in (above, below):
        value = torch.full_like(x, coefficients[0])
        for coefficient in coefficients[1:]:
            value = value * x + coefficient
        values.append(value)
    return values[0] / values[1]


class EliminatingFill(LinearFill):
    """A linear fill that solves its equations by elimination, one unknown a step.

    Parameters
    ----------
    fill : LinearFill
        Fitted.
    """

    def __init__(self, fill: LinearFill) -> None:
        super().__init__()
        for name, values in fill.named_buffers():
            setattr(self, name, values)

    def _scores(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expected scores of each row, and the equations when solved."""
        missing = torch.isnan(X)
        weights = (~missing).double() / self.noise
        X = torch.where(missing, 0.0, (X - self.center) / self.scale).double()
        rank = self.loadings.shape[1]
        units = torch.eye(rank, dtype=torch.float64)
        precision = (weights @ self.moments.double().flatten(1)).view(-1, rank, rank)
        projected = (X / self.noise) @ self.loadings.double()
        # Positive definite, so that no step divides by zero.
        rows = torch.cat([precision + units, projected[:, :, None]], dim=2)
        for i in range(rank):
            solved = rows[:, i : i + 1] / rows[:, i : i + 1, i : i + 1]
            rows = rows - (rows[:, :, i : i + 1] - units[:, i : i + 1]) * solved
        return rows[:, :, -1].float(), rows
