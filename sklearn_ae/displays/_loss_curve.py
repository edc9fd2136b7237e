"""LossCurveDisplay: training and validation loss after each epoch."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._compat import Self, import_optional
from sklearn_ae.displays._drawing import CLASS_COLOURS, note_colour, take_axes
from sklearn_ae.displays._estimators import parts_of
from sklearn_ae.displays._input import as_finite, check_same_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Losses that span more than this factor get a logarithmic axis.
LOG_SPAN = 10


class LossCurveDisplay:
    """The loss after each epoch, in training and in validation.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean loss of the training rows in each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Mean loss of the rows held out, `NaN` in epochs without any.
    best_epoch : int, default=None
        The epoch to mark, from 1.

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

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        loss_curve: ArrayLike,
        validation_loss_curve: ArrayLike | None = None,
        best_epoch: int | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(
        cls: type[Self], estimator: Any, *, ax: "Axes | None" = None, **kwargs: Any
    ) -> Self:
        """Draw the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted one that has `loss_curve_`, or has an autoencoder that has, or a
            pipeline or search of such, as this library's estimators and
            :class:`~sklearn.neural_network.MLPClassifier` have. The epoch is marked
            whose weights early stopping took, unless `partial_fit` went on from there.
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
        parts = [part for part in parts_of(estimator) if hasattr(part, "loss_curve_")]
        if not parts:
            raise TypeError(
                "LossCurveDisplay takes an estimator that has loss_curve_ after fit. "
                f"Got {estimator!r}."
            )
        part, best_epoch = parts[0], None
        validation = getattr(part, "validation_loss_curve_", None)
        if validation is not None and hasattr(part, "history_"):
            # In epochs of partial_fit, no rows are held out.
            validation = [row.get("valid_loss", np.nan) for row in part.history_]
            callbacks = dict(getattr(getattr(part, "net_", part), "callbacks_", ()))
            stopping = callbacks.get("early_stopping")
            # skorch's 0 stands for none yet.
            best_epoch = getattr(stopping, "best_epoch_", 0) or None
        return cls(part.loss_curve_, validation, best_epoch).plot(ax=ax, **kwargs)

    def plot(self: Self, ax: "Axes | None" = None) -> Self:
        """Draw the curves.

        The loss is on a logarithmic axis where it is positive and spans more than a
        factor of 10.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; `None` makes a new figure.

        Returns
        -------
        display : LossCurveDisplay
            Itself.
        """
        curves = {"training": as_finite(self.loss_curve, "loss_curve")}
        if self.validation_loss_curve is not None:
            validation = np.asarray(self.validation_loss_curve, dtype=np.float64)
            as_finite(validation[~np.isnan(validation)], "validation_loss_curve")
            curves["validation"] = validation
            check_same_rows(**curves)
        ticker = import_optional("matplotlib.ticker", "LossCurveDisplay.plot", "plot")
        self.ax_ = ax = take_axes(ax, (5.2, 3.4), "LossCurveDisplay.plot", wiped=False)
        self.figure_ = ax.figure
        epochs = np.arange(1, len(curves["training"]) + 1)
        marker: dict[str, Any] = {"marker": "o", "ms": 3.5} if len(epochs) <= 30 else {}
        for (name, losses), colour in zip(curves.items(), CLASS_COLOURS, strict=False):
            ax.plot(epochs, losses, label=name, color=colour, **marker)
        losses = np.concatenate([*curves.values()])
        lowest, highest = np.nanmin(losses), np.nanmax(losses)
        if lowest > 0 and highest > LOG_SPAN * lowest:
            ax.set_yscale("log")
            few = highest < 1e3 * lowest
            subs = (1, 2, 5) if few else (1,)
            ax.yaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=12))
            ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:g}"))
            ax.yaxis.set_minor_formatter(ticker.NullFormatter())
        if self.best_epoch is not None:
            style: dict[str, Any] = {
                "color": note_colour(),
                "ls": ":",
                "lw": 1.2,
                "zorder": 0,
            }
            ax.axvline(self.best_epoch, label=f"best epoch: {self.best_epoch}", **style)
        if len(ax.lines) > 1:
            ax.legend(frameon=False)
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="epoch", ylabel="loss")
        ax.spines[["top", "right"]].set_visible(False)
        return self
