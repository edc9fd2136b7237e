"""Programs that several processes run together; a test starts them.

``python programs.py NAME FOLDER`` writes what the process has found to the folder.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from skorch.callbacks import Callback

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae.architectures import TorchModule
from sklearn_ae.distributed import Checkpoint, collective, write_parquet
from sklearn_ae.latents import (
    Clustered,
    Contractive,
    NeighborEmbedding,
    Sparse,
    Variational,
)
from sklearn_ae.noise import GaussianNoise, HidingNoise, SwapNoise

RANK = int(os.environ.get("RANK", "0"))
rng = np.random.default_rng(0)
X = (rng.normal(size=(503, 6)) @ rng.normal(size=(6, 6))).astype(np.float32)
# No missing cell in the rows of some processes.
X[:40][rng.random((40, 6)) < 0.2] = np.nan
HELD_OUT, X = X[403:], X[:403]


def mix(X):
    """Return a frame with a category that few batches have."""
    kind = np.where(np.arange(len(X)) % 90 == 7, "rare", "often")
    kind[X[:, 0] > 0] = "some"
    return pd.DataFrame(X).assign(kind=kind).rename(columns=str)


SETTINGS = {
    "plain": {},
    "swap": {"noise": SwapNoise(0.3)},
    "gauss": {"noise": GaussianNoise(0.1), "scaling": "robust"},
    "hide": {"noise": HidingNoise()},
    "stop": {"early_stopping": True, "lr_schedule": "plateau"},
    "variational": {"latent": Variational()},
    "sparse": {"latent": Sparse()},
    "contractive": {"latent": Contractive()},
    "clustered": {"latent": Clustered(2), "n_components": 4},
    "neighbours": {"latent": NeighborEmbedding(5)},
    "gelu": {"activation": "gelu", "loss": "huber"},
    "mixed": {},
}


def make(**params):
    defaults = {"max_epochs": 4, "batch_size": 64, "random_state": 0}
    return AutoencoderTransformer(**{"n_components": 3, **defaults, **params})


def weights(module):
    return torch.cat([w.detach().double().ravel() for w in module.parameters()])


class First(Callback):
    """Keep the gradients of ten steps, and the weights after them."""

    def __init__(self):
        self.gradients = []

    def on_grad_computed(self, net, named_parameters=(), **kwargs):
        if len(self.gradients) < 10:
            found = [w.grad.ravel() for _, w in named_parameters if w.grad is not None]
            self.gradients.append(torch.cat(found).tolist())

    def on_batch_begin(self, net, training=None, **kwargs):
        if training and len(self.gradients) == 10 and not hasattr(self, "weights"):
            self.weights = weights(net.module_).tolist()


def steps():
    """Return gradients, weights and losses of transformers of all kinds."""
    found = {}
    for name, params in SETTINGS.items():
        rows, held_out = map(mix, (X, HELD_OUT)) if name == "mixed" else (X, HELD_OUT)
        first = First()
        with collective():
            ae = make(callbacks=[first], **params).fit(rows)
            if "latent" not in params:
                # Without callbacks, steps are taken without autograd.
                ae = make(**params).fit(rows)
        found[name] = {
            "gradients": first.gradients,
            "after ten": first.weights,
            "weights": weights(ae.module_).tolist(),
            "loss": -ae.score(held_out),
        }
    return found


def estimators():
    """Return what the other estimators predict."""
    ae, found = make(random_state=None), {}
    y = X[:, 0] + X[:, 1] > np.nanmedian(X[:, 0] + X[:, 1])
    some = np.where(np.arange(len(X)) % 4, np.nan, y)
    detector = AutoencoderAnomalyDetector(ae, n_estimators=2, random_state=0)
    params = {"autoencoder": ae, "max_epochs": 3, "random_state": 0}
    semi = AutoencoderPretrainedClassifier(**params, semi_supervised=True)
    with collective():
        found["detector"] = detector.fit(X).score_samples(X)
        classifier = AutoencoderPretrainedClassifier(**params).fit(X, y)
        found["classifier"] = classifier.predict_proba(X)
        found["semi"] = semi.fit(X, some).predict_proba(X)
        regressor = AutoencoderPretrainedRegressor(**params)
        found["regressor"] = regressor.fit(X, np.nan_to_num(X[:, 0])).predict(X)
        found["imputer"] = AutoencoderImputer(ae, random_state=0).fit(X).transform(X)
        found["unseeded"] = make(random_state=None).fit(X).transform(X)
        dropout = AutoencoderPretrainedClassifier(
            **params, head_layer_sizes=(8,), dropout=0.2
        )
        found["dropout"] = dropout.fit(X, y).predict_proba(X)
    return {name: values.tolist() for name, values in found.items()}


class Counting(torch.nn.Module):
    """A model of the user's that notes which rows it was trained on."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = torch.nn.Linear(n_features, 2)
        self.decoder = torch.nn.Linear(2, n_features)
        self.seen = []

    def encode(self, X):
        if self.training:
            self.seen += X[:, 0].tolist()
        return self.encoder(X)

    def decode(self, Z):
        return self.decoder(Z)


def counts():
    """Return which rows each process had in an epoch."""
    found = {}
    for n_rows in (2, 5, 401):
        rows = np.arange(2.0 * n_rows, dtype=np.float32).reshape(-1, 2)
        ae = make(
            architecture=TorchModule(Counting),
            scaling=None,
            max_epochs=1,
            n_components=2,
        )
        with collective():
            ae.fit(rows)
        found[n_rows] = ae.module_.network.seen
    return found


def sources(folder):
    """Return the latents from files, written part by part."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    from sklearn_ae import distributed

    distributed.PART_ROWS = 100
    table = pa.table({f"c{i}": column for i, column in enumerate(X.T)})
    ae = make()
    with collective():
        Z = ae.fit(ds.dataset(table)).transform(X)
        files = ds.dataset(Path(folder, "files"))
        write_parquet(ae, files, Path(folder, "to"), keys=["id"])
    return Z.tolist()


class Fails(Callback):
    def __init__(self, how):
        self.how = how

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3 and RANK == 1:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ZeroDivisionError("deliberate")


def fails(how):
    """Fail in one process."""
    rows = X.astype(object) if how == "text" else X.copy()
    if RANK == 1 and how in ("text", "other"):
        rows[5, 3] = "x" if how == "text" else 9.0
    ae = make(n_components=2 + (how == "params" and RANK))
    if how in ("killed", "error"):
        ae.set_params(callbacks=[Fails(how)], max_epochs=500)
    with collective():
        if how != "alone" or RANK == 0:
            ae.fit(rows)


def resumes(folder):
    """Return weights of a training in which a process is killed once."""

    class KilledOnce(Callback):
        def on_epoch_end(self, net, **kwargs):
            is_new = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
            if RANK == 1 and is_new and len(net.history) == 3:
                os.kill(os.getpid(), signal.SIGKILL)

    ae = make(callbacks=[KilledOnce(), Checkpoint(Path(folder, "run"))], max_epochs=6)
    with collective():
        ae.fit(X)
    return weights(ae.module_).tolist()


def main(name, folder):
    torch.set_num_threads(1)
    program, _, argument = name.partition(":")
    arguments = [argument] if argument else []
    if program in ("sources", "resumes"):
        arguments = [folder]
    found = globals()[program](*arguments)
    Path(folder, f"{RANK}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
