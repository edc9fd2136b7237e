"""Weights and buffers of a module, to documents and back."""

from typing import Any

import torch
from torch import Tensor, nn

from sklearn_ae._document import CannotBeDescribedError

# Ends of the names of what is divided by.
POSITIVE = ("fill.noise", "fill.scale", "network.scale", "latent.shares")


def write_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights and buffers of a module by their names.

    Raises
    ------
    CannotBeDescribedError
        If the module of a user keeps anything else.
    """
    weights = module.state_dict()
    for name, value in weights.items():
        is_tensor = isinstance(value, Tensor)
        if not is_tensor or value.is_complex() or value.dtype == torch.bfloat16:
            raise CannotBeDescribedError(
                f"The module cannot be saved, because its state {name!r} is no tensor "
                "of numbers that NumPy has."
            )
    return dict(weights)


def read_weights(module: nn.Module, weights: dict[str, Any], *, own: bool) -> None:
    """Set the weights and buffers of a module.

    Parameters
    ----------
    module : nn.Module
    weights : dict of str to Tensor
    own : bool
        Whether the module is one of the library: its weights are finite, and are not
        copied.

    Raises
    ------
    ValueError
        If one is missing, is one too many, or has another shape or type.
    """
    expected = module.state_dict()
    if expected.keys() != weights.keys():
        name = min(expected.keys() ^ weights.keys())
        raise ValueError(f"the weights {name!r} are missing, or are too many")
    for name, tensor in weights.items():
        like = expected[name]
        is_tensor = isinstance(tensor, Tensor)
        if not is_tensor or (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
            raise ValueError(f"the weights {name!r} have another shape or type")
        if own and not _is_in_range(name, tensor, like):
            raise ValueError(f"the weights {name!r} are out of range")
    if not own:
        module.load_state_dict(weights)
        return
    module.load_state_dict(weights, assign=True)
    # Convolutions are faster with all channels of a pixel side by side.
    part: Any
    for part in module.modules():
        if hasattr(part, "memory_format"):
            part.to(memory_format=part.memory_format)


def _is_in_range(name: str, tensor: Tensor, like: Tensor) -> bool:
    """Whether weights of the library's own modules may have these values."""
    if like.device.type != "meta":
        # What the module knows already, such as indices of columns.
        return torch.equal(tensor, like)
    if name.endswith(POSITIVE) and not (tensor > 0).all():
        return False
    # The stability of clusters is unknown where rows were few.
    return name.endswith("latent.stability") or bool(tensor.isfinite().all())
