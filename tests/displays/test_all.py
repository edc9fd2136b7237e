"""What every display does with any input, axes and estimator."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError

from sklearn_ae import _compat as compat_module
from sklearn_ae.displays import (
    AnomalyDisplay,
    ClusterGridDisplay,
    DrawReconstructions,
    LatentSpaceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
)
from tests.displays.helpers import X_DIGITS, Y_DIGITS, make, x_names, y_names


def test__any_display__arrays_as_parameters__are_taken():
    X, shape, names = (
        X_DIGITS[:9],
        np.array([8, 8]),
        np.array([f"p{i}" for i in range(64)]),
    )
    assert ReconstructionDisplay.from_predictions(X, X, image_shape=shape).ax_.images
    assert ClusterGridDisplay.from_predictions(X, X, Y_DIGITS[:9], image_shape=shape)
    fake_epochs(1, image_shape=shape)
    index = pd.Index([f"r{i}" for i in range(9)])
    given = {"feature_names": names, "row_names": index}
    table = ReconstructionDisplay(X, X, **given).plot().ax_
    assert x_names(table) == names[:12].tolist()
    assert y_names(table)[::2] == [*index]
    table = AnomalyDisplay(-np.arange(9.0), X, X, **given).plot().ax_[1]
    assert y_names(table)[0] == "r0 (\N{MINUS SIGN}8)"


def fake_epochs(n_epochs, **params):
    """Return a callback that went through epochs of a net that halves the images."""

    class Net:
        history = []

        @staticmethod
        def reconstruct(X):
            return X / 2

    class History(list):
        def __getitem__(self, key):
            return len(self) if isinstance(key, tuple) else super().__getitem__(key)

    net = Net()
    net.history = History()
    drawing = DrawReconstructions(X_DIGITS[:2], **{"image_shape": (8, 8), **params})
    drawing.on_train_begin(net)
    for _ in range(n_epochs):
        net.history.append({})
        drawing.on_epoch_end(net)
    return drawing


def every_display():
    X = X_DIGITS[:20]
    return {
        "reconstruction": ReconstructionDisplay(X, X),
        "images": ReconstructionDisplay(X, X, image_shape=(8, 8)),
        "latent": LatentSpaceDisplay(X[:, 2:4], Y_DIGITS[:20]),
        "continuous": LatentSpaceDisplay(X[:, 2:4], np.linspace(0, 1, 20)),
        "losses": LossCurveDisplay([2, 1]),
        "clusters": ClusterGridDisplay(
            X, X[:, :4], ["a"] * 20, cluster_sizes={"a": 20}, image_shape=(8, 8)
        ),
        "anomaly": AnomalyDisplay(-np.arange(20.0), X[:5], X[:5], offset=-17),
        "epochs": fake_epochs(2),
    }


@pytest.mark.parametrize("name", every_display())
def test__plot__axes_given__are_drawn_on(name):
    ax = Figure().subplots()
    display = every_display()[name]
    assert display.plot(ax=ax) is display
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", [name for name in every_display() if name != "losses"])
def test__plot__same_axes_again__the_picture_is_drawn_anew(name):
    def content():
        return [
            (
                type(each),
                each.get_position(original=True).bounds,
                len(each.get_children()),
            )
            for each in ax.figure.axes
        ]

    ax = Figure().subplots()
    ax.set_title("mine")
    every_display()[name].plot(ax=ax)
    once = content()
    every_display()[name].plot(ax=ax)
    assert content() == once
    assert ax.get_title() == "mine"


@pytest.mark.parametrize("name", every_display())
def test__plot__wrong_axes__are_refused(name):
    with pytest.raises(TypeError, match="takes a matplotlib Axes"):
        every_display()[name].plot(ax="here")
    space = plt.figure().add_subplot(projection="3d")
    with pytest.raises(ValueError, match="two dimensions"):
        every_display()[name].plot(ax=space)


@pytest.mark.parametrize("name", every_display())
def test__plot__without_matplotlib__says_how_to_install_it(name, monkeypatch):
    def no_module(module):
        raise ImportError(module)

    display = every_display()[name]
    monkeypatch.setattr(compat_module.importlib, "import_module", no_module)
    with pytest.raises(ImportError, match=r'pip install "sklearn_ae\[plot\]"'):
        display.plot()


@pytest.mark.parametrize("name", every_display())
def test__plot__drawn_and_saved__gives_no_warning(name, tmp_path, recwarn):
    every_display()[name].plot().figure_.savefig(tmp_path / "picture.png")
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize(
    "call",
    [
        lambda e: ReconstructionDisplay.from_estimator(e, X_DIGITS),
        lambda e: LatentSpaceDisplay.from_estimator(e, X_DIGITS),
        lambda e: LossCurveDisplay.from_estimator(e),
        lambda e: ClusterGridDisplay.from_estimator(
            e, X_DIGITS, Y_DIGITS, image_shape=(8, 8)
        ),
        lambda e: AnomalyDisplay.from_estimator(e, X_DIGITS),
    ],
)
def test__from_estimator__unfitted_or_unable__is_refused(call):
    with pytest.raises(NotFittedError):
        call(make())
    unable = IsolationForest(n_estimators=5, random_state=0).fit(X_DIGITS)
    with pytest.raises(TypeError, match="IsolationForest"):
        call(unable)


SPACE = np.ones((4, 3))


CALLS = {
    "needs one column per pixel, 72 in all. Got X with 64": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS, image_shape=(9, 8))
    ),
    "1 channel .grey., 3": lambda: ReconstructionDisplay.from_predictions(
        X_DIGITS, X_DIGITS, image_shape=(2, 4, 8)
    ),
    "image_shape must be .height, width.": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS, image_shape=64)
    ),
    "inconsistent numbers of samples: .200, 3.": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS[:3])
    ),
    "same shape. Got": lambda: ReconstructionDisplay.from_predictions(
        X_DIGITS, X_DIGITS[:, :5]
    ),
    "n_rows must be an integer of at least 1. Got 0": lambda: (
        ReconstructionDisplay.from_predictions(X_DIGITS, X_DIGITS, n_rows=0)
    ),
    "minimum of 1 is required": lambda: ReconstructionDisplay.from_predictions(
        X_DIGITS[:0], X_DIGITS[:0]
    ),
    "in two dimensions, or images": lambda: LatentSpaceDisplay.from_predictions([1, 2]),
    "inconsistent numbers of samples: .4, 2.": lambda: (
        LatentSpaceDisplay.from_predictions(SPACE, ["a", "b"])
    ),
    "in three dimensions, and ax has two": lambda: LatentSpaceDisplay(SPACE).plot(
        ax=Figure().subplots()
    ),
    "codes must be finite": lambda: LatentSpaceDisplay.from_predictions(SPACE * np.nan),
    "Labels must be one column": lambda: LatentSpaceDisplay.from_predictions(
        SPACE, SPACE
    ),
    "loss_curve must be finite numbers": lambda: LossCurveDisplay([]).plot(),
    "inconsistent numbers of samples: .200, 200, 5.": lambda: (
        ClusterGridDisplay.from_predictions(
            X_DIGITS, X_DIGITS[:, :4], [0] * 5, image_shape=(8, 8)
        )
    ),
    "latent_shape=.3, 3. needs 9 latents. Got codes with 4": lambda: (
        ClusterGridDisplay.from_predictions(
            X_DIGITS, X_DIGITS[:, :4], Y_DIGITS, image_shape=(8, 8), latent_shape=(3, 3)
        )
    ),
    "image_shape must be given": lambda: ClusterGridDisplay.from_predictions(
        X_DIGITS, X_DIGITS[:, :4], Y_DIGITS
    ),
    "clusters must be given": lambda: ClusterGridDisplay.from_estimator(
        PCA(2).fit(X_DIGITS), X_DIGITS, image_shape=(8, 8)
    ),
    "All are missing": lambda: ClusterGridDisplay.from_predictions(
        SPACE, SPACE, [None] * 4, image_shape=(1, 3)
    ),
    "scores must be finite numbers": lambda: AnomalyDisplay.from_predictions(
        SPACE, [np.nan] * 4, SPACE
    ),
    "contributions and cells must have the same shape": lambda: (
        AnomalyDisplay.from_predictions(SPACE, [1] * 4, SPACE[:, :2])
    ),
}


@pytest.mark.parametrize("message", CALLS)
def test__wrong_input__any_display__says_what_must_hold(message):
    with pytest.raises(ValueError, match=message):
        CALLS[message]()
