"""Pictures of losses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_ae.displays import LossCurveDisplay
from tests.displays.helpers import X_DIGITS, Y_DIGITS, legend_of, make


def test__loss_curve__best_epoch__is_marked():
    ax = LossCurveDisplay([100, 5, 1], [90, 2, 4], best_epoch=2).plot().ax_
    training, validation, best = ax.lines
    assert_array_equal(training.get_xdata(), [1, 2, 3])
    assert_array_equal(validation.get_ydata(), [90, 2, 4])
    assert set(best.get_xdata()) == {2}
    assert legend_of(ax) == ["training", "validation", "best epoch: 2"]
    assert ax.get_yscale() == "log"


def test__loss_curve__fits_one_after_another__each_loss_stands_at_its_epoch():
    """The weights are those of the last fit, whatever an earlier one reached."""
    ae = make(max_epochs=3, early_stopping=True, warm_start=True).fit(X_DIGITS)
    assert "best epoch" in legend_of(LossCurveDisplay.from_estimator(ae).ax_)[2]
    first = ae.validation_loss_curve_
    display = LossCurveDisplay.from_estimator(ae.partial_fit(X_DIGITS))
    assert_array_equal(display.validation_loss_curve, [*first, np.nan])
    assert legend_of(display.ax_) == ["training", "validation"]
    display = LossCurveDisplay.from_estimator(ae.fit(X_DIGITS[::-1]))
    losses = np.array(display.validation_loss_curve)
    assert len(losses) == len(display.loss_curve) == 7
    assert display.best_epoch == 5 + losses[4:].argmin()
    # An earlier fit with a lower loss does not count.
    ae.net_.history_[1]["valid_loss"] = 0.0
    assert LossCurveDisplay.from_estimator(ae).best_epoch == display.best_epoch


@pytest.mark.parametrize("losses", [[3, 2, 1], [100, 1, -1], [100, 1, 0], [5]])
def test__loss_curve__narrow_or_not_positive__is_linear(losses):
    assert LossCurveDisplay(losses).plot().ax_.get_yscale() == "linear"


def test__loss_curve__other_estimators__are_drawn(ae, detector):
    mlp = MLPClassifier(max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X_DIGITS, Y_DIGITS)
    search = GridSearchCV(make(), {"n_components": [2]}, cv=2).fit(X_DIGITS)
    for estimator in (ae, make_pipeline("passthrough", ae), detector, search, mlp):
        display = LossCurveDisplay.from_estimator(estimator)
        assert len(display.ax_.lines) == 1
    assert_allclose(display.loss_curve, mlp.loss_curve_)
