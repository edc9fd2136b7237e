"""Parameters of skorch and torch: their names, and what is refused."""

import difflib
import inspect

import torch
from skorch.callbacks import Callback

OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
# Names that `net_params` may set beside those of the optimizer, torch.compile and the
# callbacks. All other parameters of a skorch net are the estimator's own.
NET_PARAMS = (
    "iterator_valid__batch_size",
    "optimizer__param_groups",
    "torch_load_kwargs",
    "use_caching",
)
NOT_NET_PARAMS = {
    "compile__model",
    "optimizer__lr",
    "optimizer__params",
    "optimizer__weight_decay",
}


def optimizer_params(optimizer, weight_decay, device, net_params):
    """Return the keyword arguments of the optimizer, as skorch names them."""
    taken = inspect.signature(optimizer).parameters
    params = {}
    if "weight_decay" in taken:
        params["optimizer__weight_decay"] = weight_decay
    elif weight_decay:
        raise ValueError(
            f"{optimizer.__name__} takes no weight_decay. Got weight_decay="
            f"{weight_decay}; set it to 0."
        )
    # torch refuses these two together with "fused".
    others = any(
        net_params.get(f"optimizer__{n}") for n in ("foreach", "differentiable")
    )
    if "fused" in taken and device.type in ("cpu", "cuda") and not others:
        # One kernel for all weights; a fifth of the training time of small nets.
        params["optimizer__fused"] = True
    return params


def check_net_params(net_params, optimizer, callbacks, own):
    """Refuse names in `net_params` that would change nothing.

    Parameters
    ----------
    net_params : dict
    optimizer : type
    callbacks : list or None
        Their parameters may be set, too.
    own : collection of str
        Names of the estimator's own parameters.

    Raises
    ------
    ValueError
        Naming the unknown parameter and the nearest known ones.
    """
    known = [f"optimizer__{name}" for name in inspect.signature(optimizer).parameters]
    known += [
        f"compile__{name}" for name in inspect.signature(torch.compile).parameters
    ]
    known = sorted({*known, *NET_PARAMS} - NOT_NET_PARAMS)
    for name in net_params:
        if name in known or (callbacks and str(name).startswith("callbacks__")):
            continue
        if str(name).removeprefix("optimizer__") in own:
            raise ValueError(
                f"net_params has the name {name!r}, which is a parameter of the "
                "estimator itself. Set it there."
            )
        nearest = difflib.get_close_matches(str(name), known, n=3, cutoff=0.0)
        raise ValueError(
            f"net_params has the unknown name {name!r}. The nearest known names are "
            f"{nearest}."
        )


def check_callbacks(callbacks, has_validation):
    """Refuse what skorch would fail on with a message about something else."""
    for item in callbacks or []:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_class or isinstance(callback, Callback)):
            raise TypeError(
                "callbacks must hold skorch callbacks, or pairs of a name and a "
                f"callback. Got {item!r}."
            )
        monitor = getattr(callback, "monitor", None)
        if monitor == "valid_loss" and not has_validation:
            raise ValueError(
                f"{callback!r} monitors the validation loss, and no rows are held out. "
                "Set early_stopping=True, or let it monitor='train_loss'."
            )


def check_callback_names(net_params, names):
    """Refuse parameters of callbacks that are not there; skorch ignores them."""
    for param in net_params:
        kind, _, rest = param.partition("__")
        name = rest.partition("__")[0]
        if kind == "callbacks" and name not in names:
            raise ValueError(
                f"net_params has the unknown name {param!r}. The callbacks are named "
                f"{names}."
            )


def resolve_device(device):
    """Return a usable torch device; "auto" takes the best there is.

    Raises
    ------
    ValueError
        If torch does not know the device or cannot compute on it.
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return torch.device("cpu") if accelerator is None else accelerator
    try:
        device = torch.device(device)
        torch.ones(1, device=device).add_(1).item()
    except Exception as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise ValueError(
            f"device={str(device)!r} cannot be used here: {reason}. Use 'cpu', or "
            "'auto' for the best device there is."
        ) from error
    return device


def resolve_precision(precision, device):
    """Return "float32" or "bfloat16"; "auto" takes bfloat16 on a GPU that has it."""
    if precision != "auto":
        return precision
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if has_bfloat16 else "float32"
