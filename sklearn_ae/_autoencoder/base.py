"""What all estimators share: nested parameters, a trained net, safe failure."""

from contextlib import contextmanager
from typing import Any

from skorch import NeuralNet
from skorch.history import History
from torch import nn

from sklearn_ae._collective import fitting_together
from sklearn_ae._compat import Self
from sklearn_ae._net.net import TrainingInterrupted


def _no_part(value):
    """Whether a parameter stands for no object, or for one that is chosen later."""
    return value is None or (isinstance(value, str) and value == "auto")


class NestedParamsMixin:
    """Mixin for estimators with parameters that are objects or `None`."""

    def set_params(self: Self, **params: Any) -> Self:
        """Set parameters, also those of the parts, as in ``noise__rate=0.2``.

        Parameters
        ----------
        **params : dict
            A search may set ``noise=None`` and ``noise__rate`` at once, as the product
            of two lists: without noise, the rate has nothing to say. So may it
            "auto".

        Returns
        -------
        self : estimator instance

        Raises
        ------
        ValueError
            If a parameter of a part is set while there is no such part.
        """
        absent = tuple(f"{name}__" for name, value in params.items() if _no_part(value))
        kept = {name: params[name] for name in params if not name.startswith(absent)}
        for name in kept:
            part, _, nested = name.partition("__")
            owner = kept.get(part, getattr(self, part, self))
            if nested and _no_part(owner):
                raise ValueError(
                    f"Cannot set {name!r}, because {part} is {owner!r}. Set {part} as "
                    "well."
                )
        # A mixin: the method is that of scikit-learn's BaseEstimator.
        return super().set_params(**kept)  # type: ignore[misc]


class NetMixin:
    """Mixin for estimators with a fitted skorch net, `net_`."""

    net_: NeuralNet
    history_: History
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    n_iter_: int

    @property
    def module_(self) -> nn.Module:
        """The torch module, on scaled rows."""
        return self.net_.module_


def set_net_attributes(estimator, net):
    """Set the fitted attributes of an estimator that its trained net tells."""
    net.module_.eval()
    while net.history_ and "train_loss" not in net.history_[-1]:
        del net.history_[-1]  # an epoch that was interrupted
    estimator.net_ = net
    estimator.history_ = net.history_
    estimator.loss_curve_ = _curve(net.history_, "train_loss")
    estimator.validation_loss_curve_ = _curve(net.history_, "valid_loss") or None
    estimator.n_iter_ = len(estimator.loss_curve_)


def _curve(history, key):
    """Return one loss for each epoch that was completed."""
    return [row[key] for row in history if key in row]


@contextmanager
def unchanged_on_error(estimator):
    """Leave what was fitted before as it was if the block fails.

    After an interrupted training, the estimator keeps what was trained so far.
    """
    before = vars(estimator).copy()
    try:
        with fitting_together(estimator):
            yield
    except TrainingInterrupted:
        raise
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
