"""Digits, an estimator, and what is read from a picture.

Pictures are compared by what they contain, not by their pixels.
"""

from sklearn.datasets import load_digits

from sklearn_ae import AutoencoderTransformer

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)


X_DIGITS, Y_DIGITS = X_DIGITS[:200], Y_DIGITS[:200]


def make(n_components=4, **params):
    defaults = {"max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(n_components, **{**defaults, **params})


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def y_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def x_names(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def bars_in(patches):
    return sum(bar.get_height() for bar in patches)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_inside(figure, *artists):
    figure.draw_without_rendering()
    for artist in artists:
        left, bottom, right, top = artist.get_window_extent().extents
        width, height = figure.bbox.size
        assert min(left, bottom, width - right, height - top) >= 0
