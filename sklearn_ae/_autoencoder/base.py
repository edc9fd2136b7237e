"""What all estimators share: nested parameters, a trained net, safe failure."""

from collections.abc import Callable
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from skorch import NeuralNet
from skorch.history import History
from torch import nn

from sklearn_ae._autoencoder.packing import pack, unpack
from sklearn_ae._collective import fitting_together
from sklearn_ae._compat import Self, validate_params
from sklearn_ae._document import CannotBeDescribedError, Fields, Reader, Writer
from sklearn_ae._isolation import isolated
from sklearn_ae._net import documents as _documents_of_nets  # noqa: F401
from sklearn_ae._net.failures import TrainingInterrupted
from sklearn_ae._tables import documents as _documents_of_tables  # noqa: F401

# Where the functions are that skl2onnx asks for.
CONVERTERS = "sklearn_ae._persistence.converters"


def _no_part(value):
    """Whether a parameter stands for no object, or for one that is chosen later."""
    return value is None or (isinstance(value, str) and value == "auto")


class NestedParamsMixin:
    """Mixin for estimators with parameters that are objects or `None`."""

    def set_params(self: Self, **params: Any) -> Self:
        """Set parameters, also those of the parts, as in ``noise__rate=0.2``.

        Parameters
        ----------
        **params : dict
            A search may set ``noise=None`` and ``noise__rate`` at once, as the product
            of two lists: without noise, the rate has nothing to say. So may it
            "auto".

        Returns
        -------
        self : estimator instance

        Raises
        ------
        ValueError
            If a parameter of a part is set while there is no such part.
        """
        absent = tuple(f"{name}__" for name, value in params.items() if _no_part(value))
        kept = {name: params[name] for name in params if not name.startswith(absent)}
        for name in kept:
            part, _, nested = name.partition("__")
            owner = kept.get(part, getattr(self, part, self))
            if nested and _no_part(owner):
                raise ValueError(
                    f"Cannot set {name!r}, because {part} is {owner!r}. Set {part} as "
                    "well."
                )
        # A mixin: the method is that of scikit-learn's BaseEstimator.
        return super().set_params(**kept)  # type: ignore[misc]


class DocumentMixin:
    """Mixin for estimators that files and pickles hold as documents.

    A class lists its fitted attributes in `_documented`. `_fitted_to_document` returns
    what they are made of, and `_fitted_from_document` sets them.
    """

    _documented: tuple[str, ...]

    def _to_document(self, writer: Writer) -> dict[str, Any]:
        estimator: Any = self
        document = {
            "params": estimator.get_params(deep=False),
            "output": getattr(self, "_sklearn_output_config", {}).get("transform"),
        }
        if hasattr(self, "table_encoder_"):
            document |= estimator._fitted_to_document()
        return document

    @classmethod
    def _from_document(cls, fields: Fields) -> Any:
        estimator: Any = cls(**fields.part("params", dict))
        device = fields.reader.device
        if device is not None and getattr(estimator, "device", None) is not None:
            estimator.device = str(device)
        validate_params(estimator)
        output = fields.choice("output", None, "default", "pandas", "polars")
        if output is not None:
            estimator.set_output(transform=output)
        if "table_encoder" in fields.names:
            estimator._fitted_from_document(fields)
        return estimator

    @isolated
    def __getstate__(self) -> dict[str, Any]:
        # An estimator with classes of the user is what it was: these may be anything.
        estimator: Any = self
        state: Any = super().__getstate__()
        if not hasattr(self, "table_encoder_"):
            return state
        writer = Writer(own_only=True, training_state=True)
        try:
            text, arrays = pack(writer.write(self)["fields"])
        except CannotBeDescribedError:
            return state
        documented = {*estimator.get_params(deep=False), *self._documented}
        others = {name: v for name, v in state.items() if name not in documented}
        return {"document": text, "arrays": arrays, "others": others}

    @isolated
    def __setstate__(self, state: dict[str, Any]) -> None:
        if "document" not in state:
            super().__setstate__(state)  # type: ignore[misc]
            return
        document = unpack(state["document"], state["arrays"])
        fields = Fields(Reader(document), document, type(self))
        vars(self).update(vars(self._from_document(fields)))
        vars(self).update(state["others"])


class OnnxMixin:
    """Mixin for estimators that pipelines can be exported to ONNX with.

    skl2onnx asks each step of a pipeline for these two functions. They stand in a
    folder above, which is imported when it is needed.
    """

    def onnx_converter(self) -> Callable[..., None]:
        """Return what adds the estimator to the graph of a pipeline, for skl2onnx.

        Returns
        -------
        converter : callable
        """
        return import_module(CONVERTERS).convert

    def onnx_shape_calculator(self) -> Callable[..., None]:
        """Return what sets the types of the outputs in a graph, for skl2onnx.

        Returns
        -------
        shape_calculator : callable
        """
        return import_module(CONVERTERS).set_shapes


class NetMixin:
    """Mixin for estimators with a fitted skorch net, `net_`."""

    net_: NeuralNet
    history_: History
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    n_iter_: int

    @property
    def module_(self) -> nn.Module:
        """The torch module, on scaled rows."""
        return self.net_.module_


def set_net_attributes(estimator, net):
    """Set the fitted attributes of an estimator that its trained net tells."""
    net.module_.eval()
    while net.history_ and "train_loss" not in net.history_[-1]:
        del net.history_[-1]  # an epoch that was interrupted
    estimator.net_ = net
    estimator.history_ = net.history_
    estimator.loss_curve_ = _curve(net.history_, "train_loss")
    estimator.validation_loss_curve_ = _curve(net.history_, "valid_loss") or None
    estimator.n_iter_ = len(estimator.loss_curve_)


def _curve(history, key):
    """Return one loss for each epoch that was completed."""
    return [row[key] for row in history if key in row]


@contextmanager
def unchanged_on_error(estimator):
    """Leave what was fitted before as it was if the block fails.

    After an interrupted training, the estimator keeps what was trained so far.
    """
    before = vars(estimator).copy()
    try:
        with fitting_together(estimator):
            yield
    except TrainingInterrupted:
        raise
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
