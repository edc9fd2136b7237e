"""Parameters of the training: their values, and errors about them."""

import inspect
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.optim import Optimizer

from sklearn_ae._collective import local_index
from sklearn_ae._compat import cpu_has_bfloat16, did_you_mean
from sklearn_ae._document import Fields, Writer, describe_as, documented

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
# Names that `net_params` may set in addition to those of the optimizer, torch.compile
# and the callbacks. All other parameters of a skorch net are the estimator's own.
NET_PARAMS = (
    "iterator_valid__batch_size",
    "optimizer__param_groups",
    "torch_load_kwargs",
    "use_caching",
)
# Names of the optimizer and of torch.compile that the estimator sets itself.
NOT_NET_PARAMS = {
    "compile__model",
    "optimizer__lr",
    "optimizer__params",
    "optimizer__weight_decay",
}
# What parameters of text may be.
CHOICES = {
    "lr_schedule": ("constant", "cosine", "plateau"),
    "precision": ("float32", "bfloat16", "auto"),
}
# Multiplications in the largest product of a step, such as of 256 rows, columns and
# units, from which on bfloat16 is faster on a processor that has it.
WIDE_MULTIPLICATIONS = 2**24


@documented
@dataclass(frozen=True)
class TrainingParams:
    """How a net is trained: parameters of an estimator that are about nothing else.

    All but the last three are what the estimator's parameters of these names are.

    Parameters
    ----------
    optimizer : str or type
    lr : float
    weight_decay : float or None
    lr_schedule : {"cosine", "plateau", "constant"}
    max_epochs, batch_size : int or None
    early_stopping : bool
    n_iter_no_change : int
    tol : float
    callbacks : list or None
    net_params : dict or None
    verbose : int
    device : torch.device
        Where to train.
    precision : {"float32", "bfloat16", "auto"}
        Type that the network computes in while training.
    compile : bool
        Whether to train through :func:`torch.compile`.
    """

    optimizer: str | type[Optimizer]
    lr: float
    weight_decay: float | None
    lr_schedule: str
    max_epochs: int | None
    batch_size: int | None
    early_stopping: bool
    n_iter_no_change: int
    tol: float
    callbacks: list[Any] | None
    net_params: dict[str, Any] | None
    verbose: int
    device: torch.device
    precision: str
    compile: bool

    def _to_document(self, writer: Writer) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def _from_document(cls, fields: Fields) -> "TrainingParams":
        values = {name: fields.value(name) for name in cls.__dataclass_fields__}
        for name in ("lr", "tol", "max_epochs", "batch_size", "n_iter_no_change"):
            number = values[name]
            fits = isinstance(number, Real) and 0 <= float(number) < math.inf
            fields.require(fits and (number > 0 or name == "tol"), name)
        weight_decay = values["weight_decay"]
        fits = isinstance(weight_decay, (Real, type(None)))
        fields.require(fits and 0 <= (weight_decay or 0) < math.inf, "weight_decay")
        for name in ("lr_schedule", "precision"):
            fields.choice(name, *CHOICES[name])
        for name in ("early_stopping", "compile"):
            fields.require(isinstance(values[name], (bool, np.bool_)), name)
        fields.require(isinstance(values["verbose"], (int, bool)), "verbose")
        device = usable_device(values["device"], fields.reader.device)
        check_training(values)
        return replace(cls(**values), device=device)

    @classmethod
    def from_params(
        cls, params: Mapping[str, Any], *, device: torch.device, **others: Any
    ) -> "TrainingParams":
        """Return the parameters of an estimator that are about its training.

        Parameters
        ----------
        params : mapping
            ``get_params(deep=False)`` of an estimator.
        device : torch.device
            The one that its parameter `device` stands for.
        **others
            Values that take precedence over those in `params`.
        """
        values = {**params, "device": device, **others}
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    @property
    def optimizer_class(self) -> type[Optimizer]:
        """Class of the optimizer."""
        return optimizer_class(self.optimizer)

    def with_defaults(self, *, batch_size: int, max_epochs: int) -> "TrainingParams":
        """Return the same with values for what is `None`."""
        return replace(
            self,
            batch_size=self.batch_size or batch_size,
            max_epochs=self.max_epochs or max_epochs,
        )

    def without_callbacks(self) -> "TrainingParams":
        """Return the same without callbacks of the user, and silent."""
        net_params = {
            name: value
            for name, value in (self.net_params or {}).items()
            if not str(name).startswith("callbacks__")
        }
        return replace(self, callbacks=None, net_params=net_params, verbose=0)


def optimizer_class(optimizer: str | type[Optimizer]) -> type[Optimizer]:
    """Return the class of an optimizer from its name or class."""
    return OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer


def optimizer_params(training: TrainingParams) -> dict[str, Any]:
    """Return the keyword arguments of the optimizer, as skorch names them."""
    optimizer = training.optimizer_class
    net_params = training.net_params or {}
    accepted = inspect.signature(optimizer).parameters
    params: dict[str, Any] = {}
    if "weight_decay" in accepted:
        params["optimizer__weight_decay"] = training.weight_decay or 0.0
    elif training.weight_decay:
        raise ValueError(
            f"{optimizer.__name__} takes no weight_decay. Got weight_decay="
            f"{training.weight_decay}; set it to 0."
        )
    # torch refuses these two together with "fused".
    others = any(
        net_params.get(f"optimizer__{n}") for n in ("foreach", "differentiable")
    )
    if "fused" in accepted and training.device.type in ("cpu", "cuda") and not others:
        # One kernel for all weights; a fifth of the training time of small nets.
        params["optimizer__fused"] = True
    return params


def check_training(params: Mapping[str, Any]) -> None:
    """Check what the declared constraints of the training parameters cannot say.

    Parameters
    ----------
    params : mapping
        ``get_params(deep=False)`` of an estimator.

    Raises
    ------
    TypeError
        If a class is of the wrong kind.
    ValueError
        If parameters do not go together, or one of `net_params` is unknown.
    """
    check_class("optimizer", params["optimizer"], Optimizer)
    check_callbacks(params["callbacks"], params["early_stopping"])
    check_net_params(
        params["net_params"] or {},
        optimizer_class(params["optimizer"]),
        params["callbacks"],
        params,
    )
    _check_optimizer_params(params)


def _check_optimizer_params(params: Mapping[str, Any]) -> None:
    """Refuse what the optimizer would fail on in torch's own words."""
    options = {
        name.removeprefix("optimizer__"): value
        for name, value in (params["net_params"] or {}).items()
        if name.startswith("optimizer__")
    }
    if not options or options.keys() & {"params", "param_groups"}:
        return
    optimizer: Any = optimizer_class(params["optimizer"])
    try:
        optimizer([torch.zeros(1, requires_grad=True)], lr=params["lr"], **options)
    except Exception as error:
        raise ValueError(
            f"net_params has parameters that {optimizer.__name__} refuses: {error}. "
            f"Got {options!r}."
        ) from error


def check_class(name: str, value: object, base: type) -> None:
    """Refuse a class that does not derive from the right one."""
    if isinstance(value, type) and not issubclass(value, base):
        raise TypeError(
            f"A class given as {name} must derive from the {base.__name__} of torch. "
            f"Got {value!r}."
        )


def check_net_params(
    net_params: Mapping[str, Any],
    optimizer: type[Optimizer],
    callbacks: list[Any] | None,
    own: Collection[str],
) -> None:
    """Refuse names in `net_params` that would change nothing.

    Parameters
    ----------
    net_params : mapping
    optimizer : type
    callbacks : list or None
        Their parameters may be set, too.
    own : collection of str
        Names of the estimator's own parameters.

    Raises
    ------
    ValueError
        Naming the unknown parameter and those like it, or what it takes.
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
        hint = did_you_mean(name, known, n=3) or (
            " It takes optimizer__NAME for parameters of the optimizer, compile__NAME "
            f"for those of torch.compile, callbacks__NAME, and {', '.join(NET_PARAMS)}."
        )
        raise ValueError(f"net_params has the unknown name {name!r}.{hint}")


def check_callbacks(callbacks: list[Any] | None, has_validation: bool) -> None:
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


def check_callback_names(net_params: Iterable[str], names: Collection[str]) -> None:
    """Refuse parameters of callbacks that are not there; skorch ignores them."""
    for param in net_params:
        kind, _, rest = param.partition("__")
        name = rest.partition("__")[0]
        if kind == "callbacks" and name not in names:
            raise ValueError(
                f"net_params has the unknown name {param!r}. The callbacks are named "
                f"{names}."
            )


def resolve_device(device: str | torch.device) -> torch.device:
    """Return a usable torch device; "auto" takes the best there is.

    Raises
    ------
    ValueError
        If torch does not know the device or cannot compute on it.
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        if accelerator is None:
            return torch.device("cpu")
        index = local_index(torch.accelerator.device_count())
        return accelerator if index is None else torch.device(accelerator.type, index)
    try:
        usable = torch.device(device)
        torch.ones(1, device=usable).add_(1).item()
    except Exception as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise ValueError(
            f"device={str(device)!r} cannot be used here: {reason}. Use 'cpu', or "
            "'auto' for the best device there is."
        ) from error
    return usable


def usable_device(
    device: torch.device, wanted: torch.device | None = None
) -> torch.device:
    """Return the device that is wanted, else the one there was, else the CPU."""
    if wanted is not None or device.type == "cpu":
        return wanted or device
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


def resolve_precision(
    precision: str, device: torch.device, n_multiplications: float
) -> str:
    """Return "float32" or "bfloat16"; "auto" takes bfloat16 where that is faster.

    Parameters
    ----------
    precision : {"float32", "bfloat16", "auto"}
    device : torch.device
    n_multiplications : float
        Those in the largest product of a step, inf if unknown.
    """
    if precision != "auto":
        return precision
    if device.type == "cpu":
        is_wide = WIDE_MULTIPLICATIONS <= n_multiplications < math.inf
        is_faster = is_wide and cpu_has_bfloat16()
    else:
        is_faster = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if is_faster else "float32"


def _read_device(text: str) -> torch.device:
    # torch would load a plug-in for the name of another one.
    if not re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d{1,3})?", text):
        raise ValueError(f"{text!r} is no device")
    return torch.device(text)


describe_as(
    torch.device,
    lambda value, writer: {"text": str(value)},
    lambda fields: _read_device(fields.text("text")),
)
