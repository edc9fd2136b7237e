"""A display of the losses after each epoch."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._compat import import_optional
from sklearn_ae._display_input import (
    check_same_rows,
    fitted_attribute,
)
from sklearn_ae._drawing import (
    CLASS_COLOURS,
    NOTE,
    take_axes,
)

DECADE = 10


class LossCurveDisplay:
    """The loss after each epoch, in training and in validation.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean loss of the training rows in each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Mean loss of the rows held out.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderTransformer
    >>> from sklearn_ae.displays import LossCurveDisplay
    >>> ae = AutoencoderTransformer(2, max_epochs=5, early_stopping=True)
    >>> display = LossCurveDisplay.from_estimator(ae.fit(load_wine().data))
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['training', 'validation', 'best epoch: ...']
    """

    def __init__(self, loss_curve, validation_loss_curve=None):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted one that has `loss_curve_`, or holds an autoencoder that has, or a
            pipeline with a step that has, as this library's estimators and
            :class:`~sklearn.neural_network.MLPClassifier` have.
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no loss curve.
        """
        check_is_fitted(estimator)
        loss_curve = fitted_attribute(estimator, "loss_curve_")
        if loss_curve is None:
            raise TypeError(
                "LossCurveDisplay takes an estimator that has loss_curve_ after fit. "
                f"Got {estimator!r}."
            )
        validation = fitted_attribute(estimator, "validation_loss_curve_")
        return cls(loss_curve, validation).plot(ax=ax, **kwargs)

    def plot(self, ax=None):
        """Draw the curves.

        The loss is on a logarithmic axis where it is positive and spans more than a
        factor of 10. The epoch with the lowest validation loss is marked.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.

        Returns
        -------
        display : LossCurveDisplay
            Itself.
        """
        curves = {"training": _curve(self.loss_curve, "loss_curve")}
        if self.validation_loss_curve is not None:
            name = "validation_loss_curve"
            curves["validation"] = _curve(self.validation_loss_curve, name)
            check_same_rows(**curves)
        ticker = import_optional("matplotlib.ticker", "LossCurveDisplay.plot", "plot")
        self.ax_ = ax = take_axes(ax, (5.2, 3.4), "LossCurveDisplay.plot")
        self.figure_ = ax.figure
        epochs = np.arange(1, len(curves["training"]) + 1)
        marker = {"marker": "o", "ms": 3.5} if len(epochs) <= 30 else {}
        for (name, losses), colour in zip(curves.items(), CLASS_COLOURS, strict=False):
            ax.plot(epochs, losses, label=name, color=colour, **marker)
        losses = np.concatenate([*curves.values()])
        if losses.min() > 0 and losses.max() > DECADE * losses.min():
            ax.set_yscale("log")
            few = losses.max() < 1e3 * losses.min()
            subs = (1, 2, 5) if few else (1,)
            ax.yaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=12))
            ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:g}"))
            ax.yaxis.set_minor_formatter(ticker.NullFormatter())
        if "validation" in curves:
            best = int(curves["validation"].argmin())
            label = f"best epoch: {best + 1}"
            ax.axvline(best + 1, color=NOTE, ls=":", lw=1.2, zorder=0, label=label)
            ax.legend(frameon=False)
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="epoch", ylabel="loss")
        ax.spines[["top", "right"]].set_visible(False)
        return self


def _curve(losses, name):
    """Return a checked curve."""
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 1 or len(losses) == 0 or not np.isfinite(losses).all():
        raise ValueError(
            f"{name} must hold a finite loss for each of at least one epoch. Got "
            f"{losses.tolist()!r}."
        )
    return losses
