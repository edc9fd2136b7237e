"""Estimators that train fast, and what a callback sees of their training."""

import numpy as np
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

from sklearn_ae import AutoencoderTransformer

X_DIGITS = load_digits().data[:600]


def make(**params):
    return AutoencoderTransformer(**{"max_epochs": 4, "random_state": 0, **params})


def weights(ae):
    return np.concatenate([w.numpy().ravel() for w in ae.module_.state_dict().values()])


class Recorder(Callback):
    """Keeps the rows and the learning rate of each training step, epoch by epoch."""

    def on_train_begin(self, net, **kwargs):
        self.batches, self.lrs, self.held_out = [], [], []

    def on_epoch_begin(self, net, **kwargs):
        self.batches.append([])
        self.lrs.append([])
        self.held_out.append([])

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        kept = self.batches if training else self.held_out
        kept[-1].append(batch[0].numpy().copy())

    def on_batch_end(self, net, training=None, **kwargs):
        if training:
            self.lrs[-1].append(net.optimizer_.param_groups[0]["lr"])


def record(X, **params):
    """Return a fitted estimator and what a callback of the user saw."""
    recorder = Recorder()
    ae = make(callbacks=[recorder], **params).fit(X)
    return ae, recorder


def numbered(n_rows):
    """Return distinct rows whose first column says which one it is."""
    noise = np.random.RandomState(0).standard_normal((n_rows, 3))
    return np.column_stack([np.arange(n_rows), noise]).astype(np.float32)
