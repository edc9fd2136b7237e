"""All columns of a table as numbers, as the network of an autoencoder takes them."""

import numpy as np
import torch

from sklearn_ae._isolation import isolated
from sklearn_ae._modules.autoencoder import OneHot


class EncodedColumns:
    """Scaled numbers and an indicator for each category, without missing cells.

    The indicators of one column have variance 1 together, as a number has, and a
    missing cell counts as the mean of its column.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.

    Attributes
    ----------
    origin : int ndarray of shape (n_encoded,)
        The column of the table that each encoded column comes from.
    """

    @isolated
    def __init__(self, encoder):
        self.encoder = encoder
        layout = encoder.layout_
        if layout is None:
            self._one_hot, self.origin = None, np.arange(encoder.n_features_in_)
        else:
            self._one_hot = OneHot(layout)
            indicators = layout.categorical[layout.column_of_category]
            self.origin = torch.cat([layout.numeric, indicators]).numpy()

    @isolated
    def transform(self, X):
        """Return a table as a float32 ndarray of shape (n_rows, n_encoded)."""
        rows = torch.from_numpy(self.encoder.transform(self.encoder.check(X)))
        encoded = rows if self._one_hot is None else self._one_hot(rows)
        return torch.nan_to_num(encoded).numpy()

    @isolated
    def to_values(self, encoded):
        """Return scaled numbers and codes, those of the largest indicators.

        Parameters
        ----------
        encoded : ndarray of shape (n_rows, n_encoded)

        Returns
        -------
        values : float32 ndarray of shape (n_rows, n_columns)
            As `inverse_transform` of the encoder takes them.
        """
        if self._one_hot is None:
            return encoded.astype(np.float32)
        layout = self.encoder.layout_
        shares = self._one_hot.to_shares(torch.from_numpy(encoded))
        n_numbers = len(layout.numeric)
        values = torch.empty(len(encoded), self.encoder.n_features_in_)
        values[:, layout.numeric] = shares[:, :n_numbers].float()
        blocks = shares[:, n_numbers:].split(layout.sizes.tolist(), dim=1)
        codes = [block.argmax(dim=1).float() for block in blocks]
        values[:, layout.categorical] = torch.stack(codes, dim=1)
        return values.numpy()
