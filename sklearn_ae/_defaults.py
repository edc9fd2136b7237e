"""The rules behind the defaults; docs/development/defaults.md has the evidence."""

from math import ceil


def default_n_components(n_features):
    """Return half the number of columns, at most 32."""
    return min(32, ceil(n_features / 2))


def default_hidden_layer_sizes(n_components):
    """Return two layers, each wide enough to carry the latent twice."""
    return max(128, 2 * n_components), max(64, 2 * n_components)


def default_batch_size(n_rows):
    """Return 256, or all rows if there are fewer."""
    return min(256, n_rows)


def default_max_epochs(n_rows, batch_size):
    """Return 20, more if that is under 1,000 steps, fewer if it is over 4,000."""
    steps = ceil(n_rows / batch_size)
    return max(1, min(ceil(4000 / steps), max(20, ceil(1000 / steps))))


def default_pull(n_rows, n_encoded):
    """Return the strength that draws the weights back to where training started."""
    # From 10,000 rows on it would change nothing but the time that a step takes.
    return 1e5 * n_encoded / n_rows**2 if n_rows < 10_000 else 0.0
