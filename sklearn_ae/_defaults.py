"""The rules behind the defaults; the evidence is in docs/development/defaults.md."""

from math import ceil


def default_n_components(n_features):
    """Return half the number of columns, at most 32."""
    return min(32, ceil(n_features / 2))


def default_hidden_layer_sizes(n_components):
    """Return two layers wide enough to carry the latent twice."""
    return max(128, 4 * n_components), max(64, 2 * n_components)


def default_batch_size(n_rows):
    """Return all rows up to 256, then slowly more."""
    return n_rows if n_rows <= 256 else min(1024, max(256, n_rows // 200))


def default_max_epochs(n_rows, batch_size):
    """Return enough epochs for about 1,000 steps, and at least 5."""
    return max(5, ceil(1000 / ceil(n_rows / batch_size)))
