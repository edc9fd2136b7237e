"""What the package takes from private or optional places.

Every private import from scikit-learn stands here, so that a release that moves one is
mended in one line.
"""

import importlib

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight

__all__ = [
    "Interval",
    "StrOptions",
    "_check_feature_names_in",
    "_check_sample_weight",
    "_fit_context",
    "_wrap_data_with_container",
    "import_optional",
]


def import_optional(name, purpose, extra):
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    name : str
        Module to import.
    purpose : str
        What it is needed for; it starts the error message.
    extra : str
        Extra of sklearn_ae that installs it.

    Returns
    -------
    module : module

    Raises
    ------
    ImportError
        With the command that installs the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {name.partition('.')[0]}, which is not installed. "
            f'Install it with: pip install "sklearn_ae[{extra}]"'
        ) from error
