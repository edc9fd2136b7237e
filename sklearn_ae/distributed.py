"""Tables larger than memory, and fits on more than one process."""

from sklearn_ae._collective import collective

__all__ = ["collective"]
