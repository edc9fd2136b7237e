"""What estimators share that hold an autoencoder, trained in `fit` or before."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._autoencoder.base import DocumentMixin, NestedParamsMixin, OnnxMixin
from sklearn_ae._autoencoder.html_repr import HTMLReprMixin
from sklearn_ae._autoencoder.training import read_table
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer
from sklearn_ae._compat import validate_params
from sklearn_ae._document import documented
from sklearn_ae._tables.encoder import TableEncoder

documented(FrozenEstimator)
AUTOENCODER_CONSTRAINT = [AutoencoderTransformer, FrozenEstimator, None]


class AutoencoderMetaEstimator(
    DocumentMixin, OnnxMixin, NestedParamsMixin, HTMLReprMixin
):
    """Mixin for estimators with a parameter `autoencoder`."""

    autoencoder_: AutoencoderTransformer
    table_encoder_: TableEncoder
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def _members_from_document(self, fields, encoder):
        """Set encoder and autoencoders, and return the latter."""
        self.table_encoder_ = encoder
        members = fields.parts("estimators", AutoencoderTransformer, least=1)
        for member in members:
            is_fitted = hasattr(member, "net_")
            fields.require(
                is_fitted and member.module_.blueprint.fits(encoder), "estimators"
            )
        self.estimators_, self.autoencoder_ = members, members[0]
        encoder.describe_to(self)
        return members

    def _take_autoencoder(self, default, noise):
        """Return an autoencoder to train, or the fitted one to use as it is.

        Parameters
        ----------
        default : AutoencoderTransformer
            Not fitted; what ``autoencoder=None`` stands for.
        noise : Noise
            What ``noise="auto"`` stands for.

        Raises
        ------
        NotFittedError
            If a frozen autoencoder is not fitted.
        TypeError
            If a :class:`~sklearn.frozen.FrozenEstimator` holds something else.
        """
        if not isinstance(self.autoencoder, FrozenEstimator):
            template = default
            if self.autoencoder is not None:
                template = clone(self.autoencoder)
                validate_params(template)
            if isinstance(template.noise, str):
                template.set_params(noise=noise)
            return template
        fitted = self.autoencoder.estimator
        if not isinstance(fitted, AutoencoderTransformer):
            raise TypeError(
                "autoencoder=FrozenEstimator(...) must hold an AutoencoderTransformer. "
                f"Got {type(fitted).__name__}."
            )
        try:
            check_is_fitted(fitted)
        except NotFittedError as error:
            raise NotFittedError(
                "The AutoencoderTransformer in FrozenEstimator(...) is not fitted "
                "yet. Fit it first, or pass it without FrozenEstimator to train it."
            ) from error
        return fitted

    def _make_member(self, template, rng):
        """Return an autoencoder to train, with a seed unless it has one.

        Parameters
        ----------
        template : AutoencoderTransformer
            Not fitted.
        rng : numpy.random.Generator
        """
        member = clone(template)
        seed = int(rng.integers(2**32))
        if member.random_state is None and self.random_state is not None:
            member.set_params(random_state=seed)
        return member

    def _read_table(self, template, X, *, unknown=np.nan):
        """Return an encoder for the table, and X as checked rows.

        Parameters
        ----------
        template : AutoencoderTransformer
            What is to be trained on X, or is fitted and knows its columns.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        unknown : float, default=NaN
            As in :meth:`TableEncoder.check`.

        Returns
        -------
        encoder : TableEncoder
            Fitted if `template` is.
        rows : {ndarray, memmap, CSR matrix, CodedTable}
        """
        if not hasattr(template, "net_"):
            return read_table(template, X, self, unknown=unknown)
        encoder = template.table_encoder_.owned_by(type(self).__name__)
        return encoder, encoder.check(X, unknown=unknown)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
