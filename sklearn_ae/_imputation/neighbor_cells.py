"""Missing cells from the rows nearest to theirs, beside what the networks predict."""

from functools import partial

import numpy as np
import torch

from sklearn_ae._document import documented
from sklearn_ae._imputation.hidden_cells import column_of_output, draw, hidden_rows
from sklearn_ae._net.inference import infer
from sklearn_ae._tables.reading import to_tensor

# Cells of the rows among which the nearest are looked for, and how many rows these are.
REFERENCE_CELLS = 2**16
LEAST_REFERENCES, MOST_REFERENCES = 256, 2048
# Rows that a cell is taken from: the nearest ones of those that have it.
N_NEIGHBORS = 5
# Weights fall with the squared distance, from this share of its mean on.
SMOOTHED = 0.1
# Imaginary hidden cells of each column that are as predicted without neighbours.
PRIOR_CELLS = 5.0


@documented
class NeighborCells:
    """Predict missing cells, partly, from the nearest rows that have them.

    Rows are compared when their missing cells have been filled by the networks, without
    the column that is to be predicted. Where a table consists of clusters, or a column
    jumps, neighbours know what a network of this size smooths over; where many columns
    say the same, the network knows more. Hidden cells decide, for each column.

    Attributes
    ----------
    share_ : float64 Tensor of shape (n_outputs,)
        Share of the neighbours in the prediction of each column, in [0, 1].
    """

    def _to_document(self, writer):
        names = ("column_of_output", "scale", "share", "observed", "values")
        return {name: getattr(self, f"{name}_").numpy() for name in names}

    @classmethod
    def _from_document(cls, fields):
        cells = cls()
        columns = fields.array("column_of_output", (None,), np.int64, least=0)
        shape = columns.shape
        values = {
            "column_of_output": columns,
            "scale": fields.array("scale", shape, least=0.0),
            "share": fields.array("share", shape, least=0.0, most=1.0),
            "values": fields.array("values", (None, *shape)),
        }
        n_columns = columns.max(initial=-1) + 1
        expected = (len(values["values"]), n_columns)
        values["observed"] = fields.array("observed", expected, bool)
        for name, array in values.items():
            setattr(cells, f"{name}_", to_tensor(array))
        cells.units_ = cells.values_ * cells.scale_
        return cells

    def fits(self, encoder):
        """Whether it predicts what a net says about the rows of an encoder."""
        return np.array_equal(self.column_of_output_, column_of_output(encoder))

    def fit(self, encoder, nets, rows, hidden, predict, rng):
        """Learn the share of neighbours, and keep rows to look for them.

        Until `show_hidden_cells` is called, these do not tell hidden cells.

        Parameters
        ----------
        encoder, nets, rows, hidden, predict, rng
            As for :meth:`Shrinkage.fit`.

        Returns
        -------
        self : NeighborCells
        """
        self.column_of_output_ = to_tensor(column_of_output(encoder))
        one_hot = nets[0].module_.one_hot
        self.scale_ = torch.ones(len(self.column_of_output_), dtype=torch.float64)
        if one_hot is not None:
            self.scale_[len(one_hot.numeric) :] = one_hot.scale.double().cpu()
        n_references = REFERENCE_CELLS // len(self.column_of_output_)
        n_references = min(max(n_references, LEAST_REFERENCES), MOST_REFERENCES)
        chosen = np.sort(draw(np.arange(rows.shape[0]), n_references, rng))
        self._references = encoder.transform(rows[chosen])
        told = self._references.copy()
        told[np.any([cells.of_rows(chosen) for cells in hidden], axis=0)] = np.nan
        self._keep(nets, told, predict)
        sums = torch.zeros(2, rows.shape[1], dtype=torch.float64)
        for net, scaled, truth, is_hidden in hidden_rows(
            encoder, nets, rows, hidden, rng
        ):
            sums += self._compare(net, scaled, truth, is_hidden, predict)
        products, squares = sums
        # The variance of a scaled column is about 1.
        share = (products / (squares + PRIOR_CELLS)).clamp(0, 1)
        self.share_ = share[self.column_of_output_]
        return self

    def show_hidden_cells(self, nets, predict):
        """Let rows tell all of their cells, once nothing more is learnt from these."""
        self._keep(nets, self._references, predict)
        del self._references

    def _keep(self, nets, scaled, predict):
        """Keep scaled rows with their missing cells filled by all networks."""
        self.observed_ = to_tensor(~np.isnan(scaled))
        n_outputs = len(self.column_of_output_)
        fill = partial(self._fill, predict)
        filled = [infer(net, fill, scaled, n_outputs) for net in nets]
        self.values_ = to_tensor(np.mean(filled, axis=0, dtype=np.float64))
        self.units_ = self.values_ * self.scale_

    def _fill(self, predict, net, X):
        """Return numbers and shares of scaled rows, missing ones as predicted."""
        return self._complete(net, predict(net, X), X)

    def _complete(self, net, predicted, X):
        missing = torch.isnan(X)[:, self.column_of_output_.to(X.device)]
        return torch.where(missing, predicted, net.module_.expect_linearly(X))

    def _compare(self, net, scaled, truth, is_hidden, predict):
        """Return what least squares needs, summed over the hidden cells of columns."""
        n_outputs = len(self.column_of_output_)
        fill = partial(self._fill, predict)
        predicted = to_tensor(infer(net, fill, scaled, n_outputs)).double()
        near = self._from_neighbors(predicted, to_tensor(np.isnan(scaled)))
        difference = near - predicted
        missed = to_tensor(np.where(is_hidden, truth, 0.0)) - predicted
        terms = torch.stack([missed * difference, difference**2])
        terms = (terms * to_tensor(is_hidden)).sum(1)
        sums = torch.zeros(2, scaled.shape[1], dtype=torch.float64)
        return sums.index_add_(1, self.column_of_output_, terms)

    def apply(self, net, predicted, X):
        """Return predictions of networks, moved towards the cells of neighbours.

        Parameters
        ----------
        net : AutoencoderNet
        predicted : Tensor of shape (n_rows, n_outputs)
            Numbers and a share for each category.
        X : Tensor of shape (n_rows, n_columns)
            Scaled rows, missing cells as `NaN`.
        """
        if not self.share_.any():
            return predicted
        outputs = self._complete(net, predicted, X).cpu().double()
        near = self._from_neighbors(outputs, torch.isnan(X).cpu())
        return torch.lerp(outputs, near, self.share_).to(predicted)

    def _from_neighbors(self, predicted, missing):
        """Return predictions in which missing cells are taken from neighbours."""
        units, near = predicted * self.scale_, predicted.clone()
        squares = torch.cdist(units, self.units_).square_()
        for column in missing.any(0).nonzero()[:, 0]:
            rows = missing[:, column].nonzero()[:, 0]
            outputs = (self.column_of_output_ == column).nonzero()[:, 0]
            own = torch.cdist(units[rows[:, None], outputs], self.units_[:, outputs])
            others = (squares[rows] - own.square_()).clamp_(min=0)
            has_it = self.observed_[:, column]
            n_neighbors = min(N_NEIGHBORS, int(has_it.sum()))
            if n_neighbors:
                donors = has_it.nonzero()[:, 0]
                nearest = others[:, donors].topk(n_neighbors, largest=False)
                cells = self.values_[:, outputs][donors[nearest.indices]]
                weight = _weigh(nearest.values)[..., None]
                near[rows[:, None], outputs] = (weight * cells).sum(1)
        return near


def _weigh(squares):
    """Return weights of neighbours by their squared distances, which sum to 1."""
    tiny = torch.finfo(squares.dtype).tiny
    weight = 1 / (squares + SMOOTHED * squares.mean(1, keepdim=True) + tiny)
    # Rows that are equal, all of them, have weights that are too large to be added.
    weight = weight.clamp(max=1 / torch.finfo(squares.dtype).eps ** 2)
    return weight / weight.sum(1, keepdim=True)
