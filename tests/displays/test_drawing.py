"""Numbers and colours, as the displays write them."""

import numpy as np

from sklearn_ae.displays._drawing import CLASS_COLOURS, GREY, class_colours


def test__class_colours__many_classes__the_most_frequent_have_colours():
    colours = class_colours(np.arange(15))
    assert colours[:5] == [GREY] * 5
    assert colours[5:] == list(CLASS_COLOURS)
