"""Forks, threads and interrupts, a hundred times in each way, without a hang.

Each way runs in a process of its own with a time limit: a hang is a failed test.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows starts processes without a fork"
)

ROOT = Path(__file__).parents[1]

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np, torch
from sklearn.base import clone
from sklearn_ae import *
from sklearn_ae.noise import SwapNoise

X = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
ae = AutoencoderTransformer(2, max_epochs=1, random_state=0)
# Else a forked child would not need threads that are gone.
torch.set_num_threads(2)

def fork(work, limit=20):
    "Return the exit code of a child, or stop with an error if it hangs."
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    sys.exit("A child hangs.")

class Busy:
    "Another thread that fits and infers, again and again."
    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
    def work(self):
        while not self.stop.is_set():
            model = AutoencoderTransformer(2, max_epochs=20, noise=SwapNoise())
            model.fit(X).transform(X)
    def __exit__(self, *error):
        self.stop.set()
        self.thread.join()
"""


def run(script, limit):
    """Run a script after the prelude; it may fail or hang."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


FORKS = {
    "while another thread fits": """
with Busy():
    for i in range(100):
        assert fork(lambda: clone(ae).fit(X).transform(X)) == 0
""",
    "after inference": """
big = np.zeros((4000, 40), np.float32)
model = clone(ae).set_params(random_state=None).fit(big + np.arange(40))
for i in range(100):
    model.transform(big)
    assert fork(lambda: model.transform(big)) == 0
""",
    "of a server that predicts": """
model = AutoencoderPretrainedClassifier(ae, max_epochs=1, random_state=0).fit(X, Y)
expected = model.predict_proba(X)
def serve():
    assert (model.predict_proba(X) == expected).all()
    clone(ae).fit(X)
for i in range(100):
    assert fork(serve) == 0
""",
    "by joblib's multiprocessing": """
from joblib import parallel_config
from sklearn.model_selection import cross_val_score
model = clone(ae).fit(X)
model.transform(np.zeros((4000, 4), np.float32))
alone = cross_val_score(ae, X, cv=2)
with parallel_config(backend="multiprocessing"):
    for i in range(50):
        assert (cross_val_score(ae, X, cv=2, n_jobs=2) == alone).all()
""",
    "with a progress bar in another thread": """
sys.stderr = open(os.devnull, "w")
def show():
    while not stop.is_set():
        clone(ae).set_params(verbose=1, max_epochs=20).fit(X)
stop = threading.Event()
thread = threading.Thread(target=show)
thread.start()
try:
    for i in range(100):
        assert fork(lambda: clone(ae).set_params(verbose=1).fit(X)) == 0
finally:
    stop.set()
    thread.join()
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("way", FORKS)
def test__fork__a_hundred_times__never_hangs(way):
    run(FORKS[way], 300)


@pytest.mark.slow
def test__threads_that_fit_at_once__a_hundred_times__give_each_its_own_result():
    run(
        """
from concurrent.futures import ThreadPoolExecutor
models = [
    ae,
    clone(ae).set_params(random_state=1, noise=SwapNoise()),
    clone(ae).set_params(loss=lambda raw, X: (raw - X) ** 2, activation=torch.nn.ELU),
]
fit = lambda model: clone(model).fit(X).transform(X)
alone = [fit(model) for model in models]
with ThreadPoolExecutor(3) as pool:
    for i in range(35):
        for one, other in zip(alone, pool.map(fit, models)):
            assert (one == other).all()
assert torch.get_num_threads() == 2
""",
        300,
    )


@pytest.mark.slow
def test__interrupt_at_any_moment__a_hundred_times__leaves_all_usable():
    run(
        """
models = [
    (clone(ae).set_params(max_epochs=40), (X,), "transform"),
    (AutoencoderAnomalyDetector(ae, n_estimators=4, random_state=0), (X,), "predict"),
    (AutoencoderImputer(ae, n_estimators=4, random_state=0), (X,), "transform"),
    (AutoencoderPretrainedClassifier(ae, random_state=0), (X, Y), "predict"),
    (AutoencoderPretrainedRegressor(ae, random_state=0), (X, X[:, 0]), "predict"),
]
rng = np.random.default_rng(0)
found = torch.get_rng_state()
n_interrupted = 0
for model, data, method in models:
    start = time.monotonic()
    expected = getattr(clone(model).fit(*data), method)(X)
    duration = time.monotonic() - start
    for i in range(20):
        again = clone(model)
        timer = threading.Timer(
            rng.uniform(0, duration), os.kill, (os.getpid(), signal.SIGINT)
        )
        try:
            timer.start()
            again.fit(*data)
            timer.join()
            time.sleep(0.01)
        except KeyboardInterrupt:
            n_interrupted += 1
        timer.join()
        if hasattr(again, "n_features_in_"):
            assert np.isfinite(getattr(again, method)(X)).all()
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), found)
    assert (getattr(clone(model).fit(*data), method)(X) == expected).all()
assert n_interrupted > 50, n_interrupted
assert fork(lambda: clone(ae).fit(X)) == 0
""",
        300,
    )


@pytest.mark.slow
def test__fork__during_a_fit__gives_the_child_what_the_parent_had():
    """The generator is that of the user, not of the fit; without a seed fits differ."""
    out = run(
        """
from skorch.callbacks import Callback
torch.manual_seed(5)
drawn = torch.rand(3).tolist()
torch.manual_seed(5)
class Wait(Callback):
    def on_epoch_end(self, net, **kwargs):
        inside.set()
        time.sleep(0.01)
inside = threading.Event()
model = clone(ae).set_params(max_epochs=50, callbacks=[Wait()])
thread = threading.Thread(target=model.fit, args=(X,))
thread.start()
inside.wait()
weights = lambda model: sum(w.sum().item() for w in model.module_.parameters())
unseeded = clone(ae).set_params(random_state=None)
def work():
    assert torch.rand(3).tolist() == drawn
    assert torch.get_num_threads() == 1
    print(weights(unseeded.fit(X)), flush=True)
assert fork(work) == fork(work) == 0
thread.join()
print(weights(unseeded.fit(X)))
fitted = model.transform(X)
assert (fitted == model.set_params(callbacks=None).fit(X).transform(X)).all()
""",
        100,
    )
    assert len({*out.splitlines()}) == 3


@pytest.mark.slow
def test__fork__that_cannot_wait__fails_at_once():
    """A callback that waits for the fork itself never lets it happen safely."""
    out = run(
        """
from skorch.callbacks import Callback
import sklearn_ae._isolation as isolation
isolation.FORK_WAITS = 0.5
class Wait(Callback):
    def on_epoch_end(self, net, **kwargs):
        inside.set()
        done.wait(20)
inside, done = threading.Event(), threading.Event()
model = clone(ae).set_params(callbacks=[Wait()])
thread = threading.Thread(target=model.fit, args=(X,))
thread.start()
inside.wait()
assert fork(lambda: clone(ae).fit(X)) == 1
done.set()
thread.join()
assert fork(lambda: clone(ae).fit(X)) == 0
""",
        100,
    )
    assert "RuntimeError This process was forked while another thread" in out


@pytest.mark.slow
def test__fork__from_a_callback__can_fit_and_the_parent_goes_on():
    run(
        """
from skorch.callbacks import Callback
class Fork(Callback):
    def on_epoch_end(self, net, **kwargs):
        assert fork(lambda: clone(ae).fit(X)) == 0
model = clone(ae).set_params(max_epochs=2, callbacks=[Fork()])
expected = clone(ae).set_params(max_epochs=2).fit(X).transform(X)
assert (model.fit(X).transform(X) == expected).all()
""",
        100,
    )


@pytest.mark.slow
def test__draws_of_numpy_in_another_thread__during_a_fit__are_not_repeated():
    run(
        """
from skorch.callbacks import Callback
import random
np.random.seed(0), random.seed(0)
expected = np.random.rand(2).tolist(), random.random(), random.random()
np.random.seed(0), random.seed(0)
class Draw(Callback):
    def on_epoch_end(self, net, **kwargs):
        first.append((np.random.rand(), random.random()))
first = []
clone(ae).set_params(callbacks=[Draw()]).fit(X)
assert [first[0][0], np.random.rand()] == expected[0]
assert (first[0][1], random.random()) == expected[1:]
""",
        100,
    )
