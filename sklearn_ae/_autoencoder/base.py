"""What estimators share: parameters with parts, and a trained net."""

import warnings
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning


class HasParts:
    """Mixin for estimators with parameters that are objects or `None`."""

    def set_params(self, **params):
        """Set parameters, also those of the parts, as in ``noise__rate=0.2``.

        Parameters
        ----------
        **params : dict
            A search may set ``noise=None`` and ``noise__rate`` at once, as the product
            of two lists: without noise, the rate has nothing to say.

        Returns
        -------
        self : estimator instance

        Raises
        ------
        ValueError
            If a parameter of a part is set while there is no such part.
        """
        absent = tuple(f"{name}__" for name, value in params.items() if value is None)
        kept = {name: params[name] for name in params if not name.startswith(absent)}
        for name in kept:
            part, _, nested = name.partition("__")
            if nested and kept.get(part, getattr(self, part, self)) is None:
                raise ValueError(
                    f"Cannot set {name!r}, because {part} is None. Set {part} as well."
                )
        return super().set_params(**kept)


class HoldsNet:
    """Mixin for estimators that hold a net as `net_`."""

    @property
    def module_(self):
        """The torch module, on scaled rows."""
        return self.net_.module_

    def _keep_net(self, net):
        """Set the fitted attributes that a trained net has to tell."""
        net.module_.eval()
        while net.history_ and "train_loss" not in net.history_[-1]:
            del net.history_[-1]  # an epoch that was interrupted
        self.net_ = net
        self.history_ = net.history_
        self.loss_curve_ = _curve(net.history_, "train_loss")
        self.validation_loss_curve_ = _curve(net.history_, "valid_loss") or None
        self.n_iter_ = len(self.loss_curve_)
        if net.interrupted_after_ is not None:
            warnings.warn(
                f"Training was interrupted after {net.interrupted_after_} of "
                f"{net.max_epochs} epochs. The weights trained so far are kept and "
                "usable.",
                ConvergenceWarning,
                stacklevel=5,
            )


def _curve(history, key):
    """Return one loss for each epoch that was completed."""
    return [row[key] for row in history if key in row]


@contextmanager
def unchanged_on_error(estimator):
    """Leave what was fitted before as it was if the block fails."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
