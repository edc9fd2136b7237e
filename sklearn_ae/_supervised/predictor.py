"""The torch module of a classifier or regressor: an encoder and a head."""

from copy import deepcopy
from functools import partial, reduce
from itertools import pairwise

import torch
from skorch.callbacks import Callback
from torch import nn
from torch.nn.functional import cross_entropy, linear

from sklearn_ae._collective import in_shares
from sklearn_ae._compat import calls_only_forward
from sklearn_ae._defaults import default_n_bins
from sklearn_ae._document import documented
from sklearn_ae._isolation import generators
from sklearn_ae._modules.autoencoder import Autoencoder
from sklearn_ae._modules.dense import (
    ACTIVATIONS,
    Dense,
    largest_product,
    make_activation,
)
from sklearn_ae._modules.piecewise_linear import PiecewiseLinear
from sklearn_ae._modules.weights import read_weights, write_weights
from sklearn_ae._supervised.linear_model import LinearModel
from sklearn_ae._supervised.stacking import stack_logits, stack_targets
from sklearn_ae._supervised.temperature import fit_temperature

OWN_ACTIVATIONS = set(ACTIVATIONS.values())


class UnfreezeEncoder(Callback):
    """Freeze the encoder of a predictor for the first epochs, then unfreeze it.

    Parameters
    ----------
    n_epochs : int or None
        Epochs for which the encoder is frozen; `None` for all of them.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Freeze the encoder."""
        net.module_.freeze()

    def on_epoch_begin(self, net, **kwargs):
        """Unfreeze the encoder after the epochs for which it stays as it is."""
        if self.n_epochs is not None and len(net.history) == self.n_epochs + 1:
            net.module_.unfreeze()

    def on_train_end(self, net, **kwargs):
        """Unfreeze the encoder for a user who goes on to train the module."""
        net.module_.unfreeze()


@documented
class Predictor(nn.Module):
    """A head on the latents of an encoder.

    **Shape** input (n_rows, n_columns) with NaN for missing cells; output
    (n_rows, n_outputs): a logit for each class, or scaled targets.

    Parameters
    ----------
    encoder : Autoencoder
        Its network needs no decoder.
    head : nn.Module
        From latents to outputs.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.autoencoder import Autoencoder
    >>> from sklearn_ae._modules.dense import Dense
    >>> from sklearn_ae._supervised.predictor import Predictor, make_head
    >>> encoder = Autoencoder(Dense(3, 3, 2, (8,), "relu"), 2)
    >>> Predictor(encoder, make_head(2, 4))(torch.zeros(5, 3)).shape
    torch.Size([5, 4])
    """

    latent = None
    """A predictor has no penalty on its latent."""

    def __init__(self, encoder, head):
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.start = None
        """Linear model whose output is added, on latents or on columns, or `None`."""
        self.frozen = []
        """Weights that do not change until `unfreeze` is called."""

    def _to_document(self, writer):
        layers = list(self.head)
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        rates = {layer.p for layer in layers if isinstance(layer, nn.Dropout)}
        kinds = {type(m) for m in layers if not isinstance(m, (nn.Linear, nn.Dropout))}
        names = [name for name, cls in ACTIVATIONS.items() if cls in kinds]
        return {
            "encoder": self.encoder,
            "widths": (linear[0].in_features, *(m.out_features for m in linear)),
            "activation": names[0] if names else "relu",
            "dropout": float(max(rates, default=0.0)),
            "head": write_weights(self.head),
            "start": self.start,
        }

    @classmethod
    def _from_document(cls, fields):
        encoder, weights = (
            fields.part("encoder", Autoencoder),
            fields.part("head", dict),
        )
        widths = fields.integers("widths", 1, 2**31)
        fields.require(2 <= len(widths) <= 1 + len(weights), "widths")
        fields.require(widths[0] == encoder.n_components, "widths")
        activation = fields.choice("activation", *ACTIVATIONS)
        dropout = fields.number("dropout", 0.0, 1.0)
        first, *hidden, last = widths
        with generators.held(), torch.device("meta"):
            head = make_head(first, last, hidden, activation, dropout)
        read_weights(head, weights, own=True)
        predictor = cls(encoder, head)
        predictor.start = fields.part("start", cls, LinearModel, type(None))
        return predictor.eval()

    def fits(self, encoder):
        """Return whether the predictor takes the rows that an encoder transforms.

        Parameters
        ----------
        encoder : TableEncoder
        """
        start, blueprint = self.start, self.encoder.blueprint
        if not blueprint.fits(encoder):
            return False
        if start is None:
            return True
        if start.n_outputs != self.n_outputs:
            return False
        if isinstance(start, Predictor):
            return start.encoder.blueprint.fits(encoder) and start.start is None
        indicators = self.encoder.indicators
        n_indicators = 0 if indicators is None else len(indicators)
        layout = blueprint.layout
        width = blueprint.n_features if layout is None else layout.width
        return start.n_inputs == width + n_indicators

    @property
    def n_outputs(self):
        """Number of outputs."""
        return self.head[-1].out_features

    @property
    def one_hot(self):
        """The module that makes indicators of categories, or `None`."""
        return self.encoder.one_hot

    @property
    def may_have_missing(self):
        """Whether rows may have missing cells."""
        return self.encoder.may_have_missing

    def forward(self, X):
        """Return the raw output for scaled rows, corrupted first while training."""
        inputs = self.inputs(X, noisy=self.training)

        def function(inputs):
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                Z = self.encoder.encode_inputs(inputs)
            return self.head(Z)

        outputs = in_shares(function, inputs) if self.training else function(inputs)
        return self._add_start(outputs, inputs)

    def predict(self, X, may_have_missing=False):
        """Return the raw output for scaled rows."""
        inputs = self.encoder.inputs(X, may_have_missing)
        return self._add_start(self.predict_inputs(inputs), inputs)

    def _add_start(self, outputs, inputs):
        if self.start is None:
            return outputs
        return outputs + self.start.predict_inputs(inputs)

    def encode(self, X, may_have_missing=False):
        """Return the latents of scaled rows."""
        return self.encoder.encode(X, may_have_missing)

    def inputs(self, X, *, noisy=False):
        """Return the inputs of the network for scaled rows."""
        return self.encoder.inputs(X, noisy=noisy)

    def dense_layers(self):
        """Return the layers that turn `inputs` into `forward`, None if not dense."""
        network = self.encoder.network
        if type(network) is not Dense or self.start is not None:
            return None
        return [*network.encoder, *self.head]

    def largest_product(self, n_rows):
        """Return the multiplications in the largest product of a pass, inf if unknown.

        Parameters
        ----------
        n_rows : int
        """
        in_head = largest_product(self.head, n_rows)
        return max(self.encoder.largest_product(n_rows), in_head)

    def predict_inputs(self, X):
        """Return the raw output for inputs of the network."""
        return self.head(self.encoder.encode_inputs(X))

    def freeze(self):
        """Keep the encoder as it is, dropout and running means included."""
        weights = self.encoder.parameters()
        self.frozen = [weight for weight in weights if weight.requires_grad]
        for weight in self.frozen:
            weight.requires_grad_(False)
        self.encoder.eval()

    def unfreeze(self):
        """Let the encoder learn."""
        for weight in self.frozen:
            weight.requires_grad_(True)
        self.frozen = []
        self.train(self.training)

    def train(self, mode=True):
        """Set the mode of all layers but the frozen ones."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self


def predict_in_float64(predictor):
    """Return a function that does in float64 what the method `predict` does.

    It has copies of the layers' weights, which takes microseconds, where a copy of the
    module takes a millisecond.

    Parameters
    ----------
    predictor : Predictor
        Of the library's own layers, not in training mode.

    Returns
    -------
    predict : callable
        Takes scaled float64 rows, and whether to look for missing cells.
    """
    models = [predictor] if predictor.start is None else [predictor, predictor.start]
    models = [_model_in_float64(model) for model in models]

    def predict(X, may_have_missing):
        inputs = predictor.encoder.inputs(X, may_have_missing)
        return sum(model(inputs) for model in models)

    return predict


def _model_in_float64(model):
    """Return a function that does in float64 what `predict_inputs` of a model does."""
    if isinstance(model, LinearModel):
        layer = _layer_in_float64(model.linear)
        return lambda inputs: layer(model.columns(inputs))
    layers = [*model.encoder.network.encoder, *model.head]
    layers = [_layer_in_float64(layer) for layer in layers]
    return lambda inputs: reduce(lambda out, layer: layer(out), layers, inputs)


def _layer_in_float64(layer):
    if type(layer) is nn.Linear and calls_only_forward(layer):
        weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
        return partial(linear, weight=weight, bias=bias)
    # Those that the library names have nothing to convert.
    return layer if type(layer) in OWN_ACTIVATIONS else deepcopy(layer).double()


def make_head(n_inputs, n_outputs, hidden_layer_sizes=(), activation="relu", dropout=0):
    """Return dense layers, with dropout before each of them.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden_layer_sizes : sequence of int, default=()
    activation : str or nn.Module class, default="relu"
        After each hidden layer.
    dropout : float, default=0
        Share of the inputs of each layer that are set to 0 while training.
    """
    layers = []
    for n_in, n_out in pairwise([n_inputs, *hidden_layer_sizes, n_outputs]):
        if dropout:
            layers.append(nn.Dropout(dropout))
        layers += [nn.Linear(n_in, n_out), make_activation(activation)]
    return nn.Sequential(*layers[:-1])


def take_encoder(module):
    """Return a copy of a trained autoencoder, with half its noise and no decoder.

    Parameters
    ----------
    module : Autoencoder

    Returns
    -------
    encoder : Autoencoder
    """
    encoder = deepcopy(module)
    scale_noise(encoder, 0.5)
    # Rows to fine-tune on may have missing cells where those before had none.
    encoder.allow_missing()
    network = encoder.network
    if not hasattr(type(network), "encode") and not hasattr(type(network), "decode"):
        # A method may use any part of the network, a submodule only itself.
        del network.decoder
    return encoder


@torch.no_grad()
def make_embedding(encoder, X, weight, n_labelled):
    """Return an encoding of numbers for an encoder that learns labels, or `None`.

    Parameters
    ----------
    encoder : Autoencoder
    X : Tensor of shape (n_rows, n_columns)
        Scaled rows.
    weight : Tensor of shape (n_rows,)
    n_labelled : int
        Number of labelled rows to learn from.
    """
    one_hot = encoder.one_hot
    n_numbers = X.shape[1] if one_hot is None else len(one_hot.numeric)
    n_bins = default_n_bins(n_labelled, n_numbers)
    if not n_bins or type(encoder.network) is not Dense:
        return None
    inputs = encoder.eval().inputs(X.to(next(encoder.parameters()).device))
    numbers = inputs[:, :n_numbers]
    embedding = PiecewiseLinear.from_rows(numbers, weight.to(numbers), n_bins)
    return embedding if embedding.n_outputs else None


def scale_noise(encoder, factor):
    """Make the noise of an encoder stronger or weaker, in place, if it has some."""
    if encoder.noise is not None:
        strengths = encoder.noise.get_params().items()
        encoder.noise.set_params(**{name: factor * value for name, value in strengths})


@documented
class ClassLoss(nn.Module):
    """Weighted cross-entropy of the classes.

    **Shape** logits (n_rows, n_classes); y (n_rows, 2), the weight and the class
    index of each row.

    Parameters
    ----------
    label_smoothing : float, default=0
        Share of the probability that goes to all classes alike.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._supervised.predictor import ClassLoss
    >>> y = torch.tensor([[1.0, 0.0], [3.0, 1.0]])
    >>> ClassLoss()(torch.tensor([[50.0, 0.0], [0.0, 0.0]]), None, y)
    tensor(1.0397)
    """

    def __init__(self, label_smoothing=0):
        super().__init__()
        self.label_smoothing = label_smoothing

    def _to_document(self, writer):
        return {"label_smoothing": float(self.label_smoothing)}

    @classmethod
    def _from_document(cls, fields):
        return cls(fields.number("label_smoothing", 0.0, 1.0))

    def forward(self, logits, X, y):
        """Return the mean over the rows of weight times loss."""
        weight, class_index = y.unbind(1)
        losses = cross_entropy(
            logits,
            class_index.long(),
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return (weight * losses).mean()

    def calibrate(self, logits, y):
        """Return the temperature for logits of held-out rows, and the loss with it.

        Parameters
        ----------
        logits : Tensor of shape (n_rows, n_classes), dtype=float64
        y : Tensor of shape (n_rows, 2)
            Weight and class index of each row.

        Returns
        -------
        temperature, loss : float
        """
        weight, class_index = y.double().numpy().T
        return fit_temperature(
            logits.numpy(), class_index.astype(int), weight, self.label_smoothing
        )

    def stack(self, trained, start, y):
        """Return the factors for the logits of a trained network and of its start.

        Parameters
        ----------
        trained, start : Tensor of shape (n_rows, n_classes), dtype=float64
            For held-out rows.
        y : Tensor of shape (n_rows, 2)
            Weight and class index of each row.
        """
        weight, class_index = y.double().numpy().T
        logits = trained.numpy(), start.numpy()
        return stack_logits(
            *logits, class_index.astype(int), weight, self.label_smoothing
        )


@documented
class TargetLoss(nn.Module):
    """Weighted squared error of scaled targets; missing ones are left out.

    **Shape** outputs (n_rows, n_outputs); y (n_rows, 1 + n_outputs), the weight and the
    targets of each row.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._supervised.predictor import TargetLoss
    >>> y = torch.tensor([[1.0, 3.0, float("nan")], [1.0, 1.0, 2.0]])
    >>> TargetLoss()(torch.ones(2, 2), None, y)
    tensor(1.2500)
    """

    def _to_document(self, writer):
        return {}

    @classmethod
    def _from_document(cls, fields):
        return cls()

    def forward(self, outputs, X, y):
        """Return the mean over rows and outputs of weight times loss."""
        weight, targets = y[:, :1], y[:, 1:]
        observed = ~torch.isnan(targets)
        # Not the other way round: the gradient of NaN times 0 is NaN.
        errors = torch.where(observed, outputs - targets.nan_to_num(), 0.0)
        return (weight * errors**2).mean()

    def calibrate(self, outputs, y):
        """Return 1, as predicted targets have no temperature, and the loss.

        Parameters
        ----------
        outputs : Tensor of shape (n_rows, n_outputs)
            Of rows that were held out.
        y : Tensor of shape (n_rows, 1 + n_outputs)
            Weight and targets of each row.

        Returns
        -------
        temperature, loss : float
        """
        return 1.0, float(self(outputs, None, y))

    def stack(self, trained, start, y):
        """Return the factors for the outputs of a trained network and of its start.

        Parameters
        ----------
        trained, start : Tensor of shape (n_rows, n_outputs)
            For held-out rows.
        y : Tensor of shape (n_rows, 1 + n_outputs)
            Weight and targets of each row.
        """
        weight, targets = y[:, 0].double().numpy(), y[:, 1:].double().numpy()
        return stack_targets(trained.numpy(), start.numpy(), targets, weight)
