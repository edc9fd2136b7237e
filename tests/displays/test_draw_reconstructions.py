"""The callback that draws reconstructions while training."""

import pickle
from copy import deepcopy

import matplotlib.pyplot as plt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from torch import nn

from sklearn_ae.architectures import Convolutional, TorchModule
from sklearn_ae.displays import ClusterGridDisplay, DrawReconstructions
from tests.displays.helpers import X_DIGITS, Y_DIGITS, make, y_names


def test__draw_reconstructions__each_epoch__adds_a_row(tmp_path):
    path = tmp_path / "epochs.png"
    drawing = DrawReconstructions(X_DIGITS[:3], image_shape=(8, 8), path=path)
    n_figures = len(plt.get_fignums())
    ae = make(max_epochs=4, callbacks=[drawing]).fit(X_DIGITS)
    assert len(plt.get_fignums()) == n_figures
    assert path.read_bytes().startswith(b"\x89PNG")
    assert drawing.epochs_ == [1, 2, 3, 4]
    display = drawing.plot()
    assert display is drawing
    assert len(drawing.ax_.images) == 15
    assert y_names(drawing.ax_) == ["original", *(f"epoch {i}" for i in range(1, 5))]
    last = ae.reconstruct(X_DIGITS[:3])
    assert_allclose(drawing.reconstructions_[-1], last, rtol=1e-3, atol=1e-3)


class Dropping(nn.Module):
    """A network with dropout, which draws random numbers wherever it is not off."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_features, 4), nn.Dropout(0.5))
        self.decoder = nn.Linear(4, n_features)


def test__draw_reconstructions__training__is_not_changed_by_it():
    drawing = DrawReconstructions(X_DIGITS[:3].reshape(-1, 1, 8, 8))
    params = {"architecture": TorchModule(Dropping), "max_epochs": 4, "batch_size": 32}
    drawn = make(None, callbacks=[drawing], **params).fit(X_DIGITS)
    plain = make(None, **params).fit(X_DIGITS)
    assert drawn.loss_curve_ == plain.loss_curve_
    assert_array_equal(drawn.transform(X_DIGITS), plain.transform(X_DIGITS))


def test__draw_reconstructions__architecture_with_image_shape__needs_no_other():
    drawing = DrawReconstructions(X_DIGITS[:2])
    architecture = Convolutional((1, 8, 8), channels=(2,), latent_shape=(2, 3))
    ae = make(None, architecture=architecture, callbacks=[drawing]).fit(X_DIGITS)
    assert drawing.image_shape_ == (1, 8, 8)
    display = ClusterGridDisplay.from_estimator(ae, X_DIGITS, Y_DIGITS > 4)
    assert display.latent_shape == (2, 3)


def test__draw_reconstructions__fitted_again__starts_anew():
    drawing = DrawReconstructions(X_DIGITS[:2], image_shape=(8, 8))
    ae = make(callbacks=[drawing]).fit(X_DIGITS).fit(X_DIGITS)
    assert drawing.epochs_ == [1, 2]
    copied = clone(ae).fit(X_DIGITS).callbacks[0]
    assert copied is not drawing
    assert copied.epochs_ == [1, 2]


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


def test__draw_reconstructions__many_epochs__twelve_are_spread_evenly():
    drawing = fake_epochs(100).plot()
    names = y_names(drawing.ax_)
    assert len(names) == 13
    assert names[1] == "epoch 1"
    assert names[-1] == "epoch 100"
    assert_allclose(drawing.ax_.images[-1].get_array().ravel(), X_DIGITS[1] / 2)


@pytest.mark.parametrize(
    "copied", [deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
)
def test__draw_reconstructions__drawn__can_be_copied(copied):
    drawing = copied(fake_epochs(2).plot())
    assert not hasattr(drawing, "figure_")
    assert len(drawing.plot().ax_.images) == 6


def test__draw_reconstructions__what_it_cannot_do__is_refused_before_training():
    with pytest.raises(ValueError, match="needs image_shape"):
        fake_epochs(0, image_shape=None)
    with pytest.raises(ValueError, match="folder that exists"):
        fake_epochs(0, path="nowhere/at/all.png")
    with pytest.raises(ValueError, match=r"one of .*'png'.* Got 'x.foo'"):
        fake_epochs(0, path="x.foo")
    with pytest.raises(ValueError, match="trains none"):
        DrawReconstructions(X_DIGITS).on_train_begin(object())
    with pytest.raises(ValueError, match="nothing to draw"):
        fake_epochs(0).plot()
