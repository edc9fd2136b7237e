"""Private and optional parts of other libraries, and hints in messages.

Every private name of scikit-learn, skorch and torch that is imported stands here, so
that a release that moves one is mended in one line. Private methods of skorch that are
overridden are listed in ``_net/net.py``.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable
from contextvars import Context
from difflib import get_close_matches
from mmap import mmap
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config, _wrap_data_with_container
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    _num_samples,
)
from torch import Tensor, nn
from torch.optim.optimizer import (
    Optimizer,
    _global_optimizer_post_hooks,
    _global_optimizer_pre_hooks,
)

try:
    from sklearn.utils._dataframe import is_pandas_df, is_polars_df
except ImportError:  # scikit-learn < 1.7
    from sklearn.utils.validation import _is_pandas_df as is_pandas_df
    from sklearn.utils.validation import _is_polars_df as is_polars_df

# Of methods that return `self`: typing has a Self of its own from Python 3.11 on.
Self = TypeVar("Self", bound=Any)
Function = TypeVar("Function", bound=Callable[..., Any])

if TYPE_CHECKING:
    # scikit-learn has no types: what it decorates would have none either.
    def _fit_context(
        *, prefer_skip_nested_validation: bool
    ) -> Callable[[Function], Function]: ...
    def available_if(
        check: Callable[[Any], bool],
    ) -> Callable[[Function], Function]: ...
else:
    from sklearn.base import _fit_context
    from sklearn.utils.metaestimators import available_if

__all__ = [
    "HasMethods",
    "Interval",
    "Self",
    "StrOptions",
    "_check_feature_names_in",
    "_check_sample_weight",
    "_fit_context",
    "_foreach_lerp_",
    "_get_output_config",
    "_has_usual_errors",
    "_is_any_autocast_enabled",
    "_len_torch_function_stack",
    "_num_samples",
    "_wrap_data_with_container",
    "activation_gradients",
    "available_if",
    "calls_only_forward",
    "cpu_has_bfloat16",
    "did_you_mean",
    "fused_adam_kernel",
    "has_hooks",
    "has_mse_loss_with_gradient",
    "import_optional",
    "is_pandas_df",
    "is_polars_df",
    "default_store",
    "mapped_file",
    "mse_loss_with_gradient",
    "read_mixture",
    "read_quantile_transformer",
    "read_standard_scaler",
    "set_grid_style",
    "validate_params",
    "warn",
    "write_mixture",
    "write_quantile_transformer",
    "write_standard_scaler",
]

# In a tenth of a microsecond, for each call of a method.
_is_any_autocast_enabled = torch._C._is_any_autocast_enabled
_len_torch_function_stack = torch._C._len_torch_function_stack
try:
    from numpy._core._multiarray_umath import _extobj_contextvar

    # A new context has what NumPy starts with.
    _USUAL_ERRORS = Context().run(_extobj_contextvar.get)

    def _has_usual_errors() -> bool:
        """Whether nothing was set by `numpy.seterr`, ten times faster than `geterr`."""
        return _extobj_contextvar.get() is _USUAL_ERRORS

except ImportError:  # NumPy < 2

    def _has_usual_errors() -> bool:
        return False


# Move many tensors towards others in one call.
_foreach_lerp_ = torch._foreach_lerp_


# What is kept of a fitted object of scikit-learn are numbers, not its attributes: these
# may change with a release, and then change here.


def write_standard_scaler(scaler: Any, writer: Any) -> dict[str, Any]:
    """Return the numbers of a fitted StandardScaler."""
    names = ("mean", "var", "scale", "n_samples_seen")
    return {name: getattr(scaler, f"{name}_") for name in names}


def read_standard_scaler(fields: Any) -> Any:
    """Return the StandardScaler of these numbers, which can learn further rows."""
    scaler = StandardScaler()
    scaler.mean_ = fields.array("mean", (None,), missing=True)
    shape = scaler.mean_.shape
    scaler.var_ = fields.array("var", shape, missing=True, least=0.0)
    scaler.scale_ = fields.array("scale", shape, missing=True, least=0.0)
    seen = fields.part("n_samples_seen", np.ndarray, np.generic)
    fields.require(seen.shape in (shape, ()) and (seen >= 0).all(), "n_samples_seen")
    fields.require(seen.dtype.kind in "if", "n_samples_seen")
    scaler.n_samples_seen_ = seen
    scaler.n_features_in_ = len(scaler.mean_)
    return scaler


def write_quantile_transformer(transformer: Any, writer: Any) -> dict[str, Any]:
    """Return the numbers of a fitted QuantileTransformer."""
    return {"quantiles": transformer.quantiles_}


def read_quantile_transformer(fields: Any) -> Any:
    """Return the QuantileTransformer of these numbers, for a normal distribution."""
    quantiles = fields.array("quantiles", (None, None), missing=True)
    fields.require(len(quantiles) > 0, "quantiles")
    with np.errstate(invalid="ignore"):
        fields.require(not (np.diff(quantiles, axis=0) < 0).any(), "quantiles")
    transformer = QuantileTransformer(
        n_quantiles=len(quantiles), output_distribution="normal", subsample=None
    )
    transformer.n_quantiles_, transformer.n_features_in_ = quantiles.shape
    transformer.quantiles_ = quantiles
    transformer.references_ = np.linspace(0, 1, len(quantiles))
    return transformer


def write_mixture(mixture: Any, writer: Any) -> dict[str, Any]:
    """Return the numbers of a fitted GaussianMixture of full covariances."""
    names = ("weights", "means", "covariances")
    return {name: getattr(mixture, f"{name}_") for name in names}


def read_mixture(fields: Any) -> Any:
    """Return the GaussianMixture of these numbers, to draw from."""
    means = fields.array("means", (None, None))
    n_components, n_columns = means.shape
    fields.require(n_components and n_columns, "means")
    mixture = GaussianMixture(n_components)
    mixture.means_ = means
    mixture.weights_ = fields.array("weights", (n_components,), least=0.0, most=1.0)
    fields.require(abs(mixture.weights_.sum() - 1) < 1e-6, "weights")
    shape = (n_components, n_columns, n_columns)
    mixture.covariances_ = fields.array("covariances", shape)
    mixture.precisions_cholesky_ = np.linalg.inv(
        np.linalg.cholesky(mixture.covariances_)
    ).transpose(0, 2, 1)
    return mixture


def import_optional(name: str, purpose: str, extra: str) -> ModuleType:
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


def default_store() -> Any:
    """Return the store through which the processes of torch.distributed found another.

    It is public only while they do so.
    """
    from torch.distributed import distributed_c10d

    return distributed_c10d._get_default_store()


def mapped_file(X: Any) -> mmap | None:
    """Return the file that a memory-mapped array lies in, None for other objects.

    A copy in memory of such an array has the same type, but no file.
    """
    return X._mmap if isinstance(X, np.memmap) else None


def validate_params(estimator):
    """Check the parameters of an estimator against its declared constraints.

    `fit` does so by itself; a part of another estimator is not fitted by a call of its
    own.

    Raises
    ------
    InvalidParameterError
        In scikit-learn's wording.
    """
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()


def warn(message, category):
    """Warn about the user's line, however deep inside the libraries the cause lies.

    Parameters
    ----------
    message : str
    category : type
    """
    own, level = ("contextlib", "sklearn", "sklearn_ae"), 1
    frame = sys._getframe()
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in own:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def did_you_mean(
    name: object, known: Iterable[object], n: int = 1, cutoff: float = 0.6
) -> str:
    """Return a hint at the names that are most like an unknown one, "" without any.

    Parameters
    ----------
    name : object
        The unknown name.
    known : iterable of object
        Names that are known.
    n : int, default=1
        Most names in the hint.
    cutoff : float, default=0.6
        Least similarity, in [0, 1].

    Examples
    --------
    >>> from sklearn_ae._compat import did_you_mean
    >>> did_you_mean("color", ["colour", "size"])
    " Did you mean 'colour'?"
    >>> did_you_mean("color", ["colour", "colours", "size"], n=2)
    " Did you mean 'colour' or 'colours'?"
    """
    close = get_close_matches(str(name), [str(k) for k in known], n=n, cutoff=cutoff)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def set_grid_style(axis, **style):
    """Set the colour and width of the grid lines of an axis in three dimensions.

    `Axes3D.grid` takes such arguments, and ignores them.
    """
    axis._axinfo["grid"].update(style)


def _gradient_operator(name: str) -> Callable[..., Tensor] | None:
    """Return an operator of torch that writes a gradient into a tensor, or None."""
    return getattr(getattr(torch.ops.aten, name, None), "grad_input", None)


def _activation_gradient(
    operator: Callable[..., Tensor], *args: float
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda dZ, Z: operator(dZ, Z, *args, grad_input=dZ)


# Functions that multiply a gradient by the derivative of an activation, in place. They
# take the output of ReLU, tanh and the sigmoid, and the input of the other activations.
activation_gradients: dict[type[nn.Module], Callable[[Tensor, Tensor], Tensor]] = {
    activation: _activation_gradient(operator, *args)
    for activation, name, *args in (
        (nn.ReLU, "threshold_backward", 0),
        (nn.Tanh, "tanh_backward"),
        (nn.Sigmoid, "sigmoid_backward"),
        (nn.GELU, "gelu_backward"),
        (nn.SiLU, "silu_backward"),
    )
    if (operator := _gradient_operator(name)) is not None
}
_mse_loss_backward = _gradient_operator("mse_loss_backward")
_ONE = torch.ones((), dtype=torch.float32)
# torch's numbers for what becomes of the losses of the cells.
_NONE, _MEAN = 0, 1


def mse_loss_with_gradient(
    values: Tensor, target: Tensor, weight: Tensor | None, out: Tensor
) -> Tensor:
    """Return the mean squared error, after writing its gradient into `out`.

    Parameters
    ----------
    values, target, out : Tensor of shape (n_rows, n_columns)
    weight : Tensor of shape (n_rows,) or None
        How much each row counts.
    """
    # torch.nn.functional looks at the shapes first, which takes as long again.
    mse_loss = torch.ops.aten.mse_loss.default
    if weight is None:
        _mse_loss_backward(_ONE, values, target, _MEAN, grad_input=out)
        return mse_loss(values, target)
    # The order in which autograd multiplies and divides decides about the last bit.
    share = (_ONE / len(weight) * weight / target.shape[1])[:, None].expand_as(out)
    _mse_loss_backward(share, values, target, _NONE, grad_input=out)
    return (mse_loss(values, target, _NONE).mean(1) * weight).mean()


# Whether this release of torch has the operators of `mse_loss_with_gradient`.
has_mse_loss_with_gradient = _mse_loss_backward is not None


def calls_only_forward(module: nn.Module) -> bool:
    """Whether a call of a module is one of its class's `forward`, without hooks."""
    own = vars(module)
    return not (
        torch.nn.modules.module._has_any_global_hook()
        or own.get("_compiled_call_impl")
        or any(own[name] for name in _MODULE_HOOKS)
        or "forward" in own
    )


_MODULE_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def cpu_has_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16 numbers."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def has_hooks(weight: Tensor) -> bool:
    """Whether autograd calls a function with the gradient of a weight."""
    return bool(weight._backward_hooks or weight._post_accumulate_grad_hooks)


def fused_adam_kernel(optimizer: Optimizer) -> Callable[..., None] | None:
    """Return the kernel of a fused Adam or AdamW, None if it does more than that.

    Returns
    -------
    kernel : callable or None
        Takes a step with a group of parameters, its weights, their gradients, the means
        of these and of their squares, and the numbers of steps with this one.
    """
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        _global_optimizer_pre_hooks,
        _global_optimizer_post_hooks,
    )
    is_plain = (
        type(optimizer) in (torch.optim.Adam, torch.optim.AdamW)
        and all(map(_is_plain_fused_adam, optimizer.param_groups))
        and not any(hooks)
        # torch's schedules put a method of their own before `step`.
        and "step" not in vars(optimizer)
    )
    return _fused_adam if is_plain and hasattr(torch, "_fused_adamw_") else None


def _is_plain_fused_adam(group: dict[str, Any]) -> bool:
    others = ("amsgrad", "maximize", "capturable", "differentiable")
    return (
        bool(group["fused"])
        and not any(group[name] for name in others)
        and not any(isinstance(n, Tensor) for n in (group["lr"], *group["betas"]))
        and "decoupled_weight_decay" in group
    )


def _fused_adam(group, weights, gradients, means, squares, steps):
    is_adamw = group["decoupled_weight_decay"]
    kernel = torch._fused_adamw_ if is_adamw else torch._fused_adam_
    kernel(
        weights,
        gradients,
        means,
        squares,
        [],
        steps,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
    )
