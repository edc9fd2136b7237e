"""Parts of the docstrings that the classifier and the regressor share."""

from inspect import cleandoc
from typing import TypeVar

Class = TypeVar("Class", bound=type)

AUTOENCODER_AND_HEAD = """
autoencoder : AutoencoderTransformer or FrozenEstimator, default=None
    Autoencoder that is pre-trained on all rows. A fitted one in a
    :class:`~sklearn.frozen.FrozenEstimator` is used as it is: one pre-trained encoder
    serves many models. `None` takes ``AutoencoderTransformer(128,
    noise=SwapNoise(0.3))`` with two hidden layers as wide as the table, but of 256 to
    600 units, and, unless columns share a unit, with ``scaling="robust"``.
freeze_encoder : bool or int, default=False
    Whether the encoder stays as it is, bit for bit, or the number of epochs for which
    it does.
encoder_lr_scale : float, default=1.0
    Learning rate of the encoder, in units of that of the head.
head_layer_sizes : array-like of int, default=()
    Widths of hidden layers between the latents and the output.
dropout : float, default=0.0
    Share of the inputs of each layer of the head that are set to 0 while training.
"""

OPTIMIZER = """
optimizer : {"adamw", "adam", "rmsprop", "sgd"} or type, default="adamw"
    Optimizer of the fine-tuning, or a class derived from
    :class:`torch.optim.Optimizer`. On labelled rows alone, "adamw" and "adam" take
    betas of 0.9 and 0.95 and an eps of 1e-4, unless `net_params` say otherwise.
lr : float, default=2e-3
    Learning rate at the start.
weight_decay : float, default=None
    Weight decay of the optimizer. `None` pulls the weights towards those at the start
    of fine-tuning instead of zero, the fewer the labels the more, with "adamw" and
    "adam"; with other optimizers it is 0.
lr_schedule : {"cosine", "plateau", "constant"}, default="cosine"
    As in :class:`AutoencoderTransformer`.
"""

STOPPING_AND_NET = """
validation_fraction : float, default=0.1
    Share of the labelled rows to hold out, if `early_stopping`.
n_iter_no_change : int, default=10
    Epochs without improvement of the validation loss by `tol` before stopping.
tol : float, default=1e-4
    Smallest improvement that counts.
device : str or torch.device, default=None
    Where to fine-tune, as in :class:`AutoencoderTransformer`. `None` takes that of the
    autoencoder; a device given here is also that of the default autoencoder. The
    autoencoder's `precision` and `compile` hold for both phases.
callbacks : list, default=None
    skorch callbacks of the fine-tuning.
net_params : dict, default=None
    Further parameters of the skorch net, as in ``{"optimizer__momentum": 0.9}`` for
    ``optimizer="sgd"``.
verbose : int, default=0
    0 is silent, 1 shows a progress bar with the losses, 2 skorch's table. An
    `autoencoder` that is given has its own.
random_state : int, RandomState instance or None, default=None
    Seed of everything random, also of the autoencoder unless it has its own. The same
    seed gives the same model, bit for bit on the CPU.
"""

ATTRIBUTES = """
autoencoder_ : AutoencoderTransformer
    The pre-trained autoencoder, as it was before fine-tuning; `transform` gives the
    latents of the fine-tuned encoder.
net_ : skorch.NeuralNet
    The fitted net.
module_ : torch.nn.Module
    Its module, on scaled rows, with the parts `encoder`, `head` and, if a linear model
    predicts, too, `start`.
pretraining_history_, history_ : skorch.history.History
    Losses and durations of each epoch of the two phases.
n_iter_ : int
    Number of epochs of the fine-tuning.
loss_curve_ : list of float
    Mean training loss of each epoch of the fine-tuning.
validation_loss_curve_ : list of float or None
    Mean loss of the held-out rows after each epoch, if `early_stopping`.
n_components_ : int
    Number of features that `transform` returns.
n_features_in_ : int
    Number of columns seen in `fit`.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the columns, if X is a frame whose column names are all strings.
table_encoder_ : TableEncoder
    What is known of the table: it scales rows for the network, and back.
"""

START = """
*Start.* A head without hidden layers starts as a linear model (a linear probe), fitted
to the latents of the labelled rows, with a penalty chosen by cross-validation: a head
that starts at random would distort the encoder before it learns anything [1]_.
"""

NOISE = """
*Noise and numbers.* The autoencoder's noise corrupts the labelled rows, too, half as
strongly; from 500 on, a fifth of that if cross-validation says so. From 500 on, a dense
encoder that is not frozen gets the numbers of a table that has at most 42 of them
encoded, too, by how far they fill each of up to 16 bins (piecewise linear encoding
[3]_).
"""

FEW_LABELS = """
*Few labels.* Trained on few rows, a network may end up worse than the linear model, and
few rows cannot tell. So with ``max_epochs=None``, up to 500 labelled rows, the output
is the sum of both, each multiplied by a number that is best for rows that were held
out, as far as these say anything (stacking [2]_): ``module_.start`` is the linear
model, on the encoder as it was. Fewer than 10 rows take the linear model.
"""

COLUMNS = """
*Few targets.* Latents mix the few columns that a target may follow with all others. So
the output is the sum of the network's and of ridge regression on the columns, each
multiplied by a number: these add up to 1, and are best for rows that were held out, as
far as these say anything (stacking [2]_). ``module_.start`` is the linear model; its
numbers have no soft clipping, and those beyond the range seen in `fit` count as its
ends. Fewer than 10 rows take the mean of the two linear models, on latents and on
columns; more than 20,000 the network alone. With `early_stopping`, its validation rows
choose both numbers, however many rows there are.
"""

LENGTH = """
*Length of the training.* From 500 rows on, cross-validation chooses between all steps,
three tenths of them and none; without a step, `n_iter_` is 0, and the encoder stays as
it is. Up to 500 labelled rows, each is held out once; of more, 500 rows, or a fifth.
More than 20,000 rows take all steps. `callbacks` and `history_` do not see the trials.
With `early_stopping`, the rows that are held out say how long to train.
"""

PARTS = {
    "autoencoder_and_head": AUTOENCODER_AND_HEAD,
    "optimizer": OPTIMIZER,
    "stopping_and_net": STOPPING_AND_NET,
    "attributes": ATTRIBUTES,
    "start": START,
    "noise": NOISE,
    "few_labels": FEW_LABELS,
    "columns": COLUMNS,
    "length": LENGTH,
}


def fill_docstring(cls: Class) -> Class:
    """Replace each ``{part}`` in the docstring of a class by the shared text.

    It is the text that `help`, Sphinx and doctest see.
    """
    # Python does not keep docstrings if it is called with -OO.
    if cls.__doc__ is not None:
        # Python strips the indentation from release 3.13 on, here all of them do.
        doc = cleandoc(cls.__doc__)
        for name, text in PARTS.items():
            doc = doc.replace(f"{{{name}}}", text.strip())
        cls.__doc__ = doc
    return cls
