"""skorch callbacks behind the parameters of the estimators."""

import math
from copy import deepcopy
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from tqdm.auto import tqdm

from sklearn_ae._compat import _foreach_lerp_

# Share of the training in which the weight of a divergence grows.
ANNEALED = 0.3
# Most steps in which it grows.
ANNEALING_STEPS = 300


class L2SP(Callback):
    """Decay the weights to where training started, instead of to zero.

    Known as L2-SP (Li et al., 2018) [1]_. The fewer the rows, the stronger: a network
    that starts as PCA stays near it where too few rows contradict.

    Parameters
    ----------
    strength : float
        Weight decay as in AdamW.

    References
    ----------
    .. [1] Li, X., Grandvalet, Y. and Davoine, F. "Explicit inductive bias for transfer
       learning with convolutional networks." ICML 2018.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Copy the weights at the start; biases do not decay."""
        groups = net.optimizer_.param_groups
        self._weights = [
            [weight.data for weight in group["params"] if weight.ndim > 1]
            for group in groups
        ]
        self.starts_ = [[w.clone() for w in weights] for weights in self._weights]

    def on_batch_end(
        self, net: NeuralNet, training: bool | None = None, **kwargs: Any
    ) -> None:
        """Take a step towards the start; implicit, so that none is too long."""
        if training:
            groups = net.optimizer_.param_groups
            pairs = zip(groups, self._weights, self.starts_, strict=True)
            for group, weights, starts in pairs:
                step = group["lr"] * self.strength
                if weights:
                    _foreach_lerp_(weights, starts, step / (1 + step))

    def on_train_end(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Forget the weights at the start."""
        del self._weights, self.starts_


class CosineDecay(Callback):
    """Let the learning rate fall to zero along a cosine (Loshchilov and Hutter, 2017).

    References
    ----------
    Loshchilov, I. and Hutter, F. "SGDR: stochastic gradient descent with warm
    restarts." ICLR 2017.
    """

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Note the learning rates and the number of rows that all epochs visit."""
        self.lrs_ = [group["lr"] for group in net.optimizer_.param_groups]
        self.n_rows_ = 0
        self.n_rows_total_ = net.max_epochs * len(X[0])

    def on_batch_begin(
        self,
        net: NeuralNet,
        batch: Any = None,
        training: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the learning rate of the next step."""
        if training:
            share = self.n_rows_ / self.n_rows_total_
            for group, lr in zip(net.optimizer_.param_groups, self.lrs_, strict=True):
                group["lr"] = lr * (1 + math.cos(math.pi * share)) / 2
            self.n_rows_ += net.count_rows(batch)


class Annealing(Callback):
    """Let the weight of a divergence grow from 0 in the first part of the training."""

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Note the number of rows that the first part visits."""
        self.n_rows_ = 0
        n_rows = len(X[0])
        steps = math.ceil(n_rows / net.batch_size)
        n_epochs = min(ANNEALED * net.max_epochs, ANNEALING_STEPS / steps)
        # A latent that has been trained before goes on with the full weight.
        self.n_rows_annealed_ = 0 if len(net.history) else n_epochs * n_rows
        self._set_weight(net)

    def on_batch_end(
        self,
        net: NeuralNet,
        batch: Any = None,
        training: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the weight for the next step."""
        if training:
            self.n_rows_ += net.count_rows(batch)
            self._set_weight(net)

    def _set_weight(self, net: NeuralNet) -> None:
        grows = self.n_rows_ < self.n_rows_annealed_
        share = self.n_rows_ / self.n_rows_annealed_ if grows else 1.0
        net.module_.latent.annealing = share

    def on_train_end(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Set the full weight, for further training of the module."""
        net.module_.latent.annealing = 1.0


class Plateau(LRScheduler):
    """skorch's schedule, once a divergence has its full weight."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Lower the learning rate if the loss makes no progress any more."""
        if not net.is_annealing:
            super().on_epoch_end(net, **kwargs)


class BestWeights(EarlyStopping):
    """skorch's early stopping, restoring the weights of the lowest validation loss.

    skorch remembers the weights of the last improvement by more than the threshold.
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget earlier fits: with warm start, other rows may have been held out."""
        super().on_train_begin(net, **kwargs)
        self.lowest_ = math.inf

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Remember the weights of the best epoch; stop when patience runs out."""
        if net.is_annealing:
            return
        loss = net.history[-1, "valid_loss"]
        if loss < self.lowest_:
            self.lowest_ = loss
            self.best_epoch_ = net.history[-1, "epoch"]
            self.best_model_weights_ = deepcopy(net.module_.state_dict())
        super().on_epoch_end(net, **kwargs)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Restore the best weights; keeping the copy would double a pickle."""
        super().on_train_end(net, **kwargs)
        self.best_model_weights_ = None


class ProgressBar(Callback):
    """One progress bar over all epochs, with the losses."""

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch", leave=True)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Move the bar on by one epoch."""
        names = {"train_loss": "loss", "valid_loss": "validation"}
        last = net.history[-1]
        losses = {names[key]: f"{last[key]:.4f}" for key in names if key in last}
        self.bar_.set_postfix(losses, refresh=False)
        self.bar_.update()

    def on_train_end(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Close the bar."""
        self.bar_.close()
        del self.bar_
