"""What estimators share that hold an autoencoder, trained in `fit` or before."""

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._autoencoder.base import HasParts
from sklearn_ae._autoencoder.transformer import AutoencoderTransformer

AUTOENCODER_CONSTRAINT = [AutoencoderTransformer, FrozenEstimator, None]


class HoldsAutoencoder(HasParts):
    """Mixin for estimators with a parameter `autoencoder`."""

    def _take_autoencoder(self, default):
        """Return an autoencoder to train, or the fitted one to use as it is.

        Parameters
        ----------
        default : AutoencoderTransformer
            Not fitted; what ``autoencoder=None`` stands for.

        Raises
        ------
        NotFittedError
            If a frozen autoencoder is not fitted.
        TypeError
            If a :class:`~sklearn.frozen.FrozenEstimator` holds something else.
        """
        if self.autoencoder is None:
            return default
        if not isinstance(self.autoencoder, FrozenEstimator):
            template = clone(self.autoencoder)
            template._validate_params()
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

    def _note_features(self, autoencoder):
        """Set the number and the names of the columns."""
        self.n_features_in_ = autoencoder.n_features_in_
        vars(self).pop("feature_names_in_", None)
        if hasattr(autoencoder, "feature_names_in_"):
            self.feature_names_in_ = autoencoder.feature_names_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
