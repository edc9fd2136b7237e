"""What breaks in other libraries of autoencoders, and must not break here.

Each test is a line of the list of faults that were measured in them.
"""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from skorch.callbacks import Callback

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.noise import GaussianNoise

X_DIGITS = load_digits().data


def make(**params):
    return AutoencoderTransformer(**{"max_epochs": 3, "random_state": 0, **params})


class Count(Callback):
    """Counts the rows and batches of each epoch."""

    def on_epoch_begin(self, net, **kwargs):
        self.rows = self.batches = 0

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        if training:
            self.rows += len(batch[0])
            self.batches += 1


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_batches"), [(20, 32, 1), (500, 1024, 1), (33, 32, 2)]
)
def test__fit__fewer_rows_than_a_batch__trains_on_all(n_rows, batch_size, n_batches):
    """PyOD crashes at 20 rows, TabNet's pre-trainer trains on no batch at all."""
    count = Count()
    X = X_DIGITS[:n_rows]
    ae = make(batch_size=batch_size, callbacks=[count], activation="tanh").fit(X)
    assert (count.rows, count.batches) == (n_rows, n_batches)
    assert ae.loss_curve_[-1] < ae.loss_curve_[0]


def test__constructor__any_seed__draws_nothing():
    """PyOD reseeds NumPy, torch and random for the whole process."""
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    ae = clone(AutoencoderTransformer(random_state=3))
    ae.set_params(random_state=4)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert_array_equal(np.random.get_state()[1], before[1])


def test__fit__again_and_with_another_seed__does_what_the_seed_says():
    ae = make()
    first = ae.fit_transform(X_DIGITS)
    assert_array_equal(ae.fit_transform(X_DIGITS), first)
    assert (ae.set_params(random_state=1).fit_transform(X_DIGITS) != first).any()


def test__score_samples__twice__is_the_same():
    """A model that still samples when it scores gives two answers to one question."""
    ae = make(noise=GaussianNoise(std=1.0)).fit(X_DIGITS)
    assert_array_equal(ae.score_samples(X_DIGITS), ae.score_samples(X_DIGITS))
    # Nor do the other rows of a batch matter, as they would for batch statistics.
    assert_allclose(
        ae.score_samples(X_DIGITS[:5]), ae.score_samples(X_DIGITS)[:5], rtol=1e-4
    )


def test__early_stopping__sorted_rows__holds_out_rows_of_all_kinds():
    """By default skorch holds out the first fifth of the rows."""

    class Held(Callback):
        def on_batch_begin(self, net, batch=None, training=None, **kwargs):
            if not training:
                self.rows = batch[0].numpy().copy()

    held = Held()
    X = np.sort(np.random.RandomState(0).uniform(size=(1000, 1)), axis=0)
    make(early_stopping=True, scaling=None, callbacks=[held]).fit(X)
    assert_allclose(np.quantile(held.rows, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.13)


def test__fit__defaults__learns_where_sgd_with_a_fixed_rate_would_not():
    """Default of skorch is SGD with rate 0.01, which gets nowhere in a few epochs."""
    ae = make(activation="tanh", max_epochs=20).fit(X_DIGITS)
    slow = make(
        activation="tanh",
        max_epochs=20,
        optimizer="sgd",
        lr=0.01,
        lr_schedule="constant",
    ).fit(X_DIGITS)
    assert ae.loss_curve_[-1] < 0.6 * slow.loss_curve_[-1]


def test__fit__missing_cells__trains_to_a_finite_loss():
    """In skorch one NaN makes all weights NaN, without a word."""
    X = X_DIGITS.copy()
    X[::9, 10] = np.nan
    ae = make().fit(X)
    assert np.isfinite(ae.loss_curve_).all()
    assert np.isfinite(ae.transform(X)).all()


def test__fit__loss_not_finite__is_an_error():
    with pytest.raises(ValueError, match="stopped being a finite number in epoch"):
        make(lr=1e30, optimizer="sgd", max_epochs=30).fit(X_DIGITS)


def test__fit__without_early_stopping__trains_on_every_row():
    """Unused, the 20 % that encdr holds out are lost."""
    count = Count()
    make(callbacks=[count]).fit(X_DIGITS)
    assert count.rows == len(X_DIGITS)


def test__early_stopping__patience_runs_out__stops():
    """In ClustPy it prints that it stops 53 times, and goes on."""
    ae = make(
        early_stopping=True, n_iter_no_change=2, tol=10.0, max_epochs=60, lr=0.05
    ).fit(X_DIGITS)
    assert ae.n_iter_ == 3
    assert not ae.net_.was_interrupted_


def test__transform__many_rows__never_holds_all_of_them_and_no_graph():
    """ClustPy sends all rows through at once, and keeps the graph of gradients."""
    sizes, graphs = [], []

    def spy(module, inputs, output):
        sizes.append(len(inputs[0]))
        graphs.append(output.requires_grad)

    ae = make(max_epochs=1).fit(X_DIGITS)
    ae.module_.network.encoder.register_forward_hook(spy)
    X = np.tile(X_DIGITS, (10, 1))
    assert ae.transform(X).shape == (17_970, 32)
    assert max(sizes) < 5000
    assert sum(sizes) == len(X)
    assert not any(graphs)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no GPU that torch can use"
)
def test__transform__fitted_on_a_gpu__computes_there():
    devices = []
    ae = make(device="cuda").fit(X_DIGITS)
    ae.module_.network.encoder.register_forward_hook(
        lambda module, inputs, output: devices.append(output.device.type)
    )
    ae.transform(X_DIGITS)
    assert set(devices) == {"cuda"}


@pytest.mark.parametrize("dtype", ["float32", "int32", "Int64", "bool"])
def test__fit__frame_of_any_numbers__drops_no_column(dtype):
    """Dfencoder drops float32 and int32 columns in silence."""
    X = load_digits(as_frame=True).data.iloc[:100, 2:6].clip(0, 1).astype(dtype)
    ae = make(n_components=2).fit(X)
    assert ae.n_features_in_ == 4
    assert (ae.reconstruct(X).dtypes == X.dtypes).all()


@pytest.mark.parametrize("n_features", [2, 3, 4, 10, 32, 64])
def test__defaults__any_width__give_a_bottleneck_of_sensible_size(n_features):
    """PyOD has none for up to 32 columns, ClustPy 2.5 million weights for 4."""
    X = np.random.RandomState(0).standard_normal((60, n_features))
    ae = make(max_epochs=1).fit(X)
    assert ae.n_components_ < n_features
    assert sum(weight.numel() for weight in ae.module_.parameters()) < 50_000


def test__noise__validation_loss__is_of_clean_rows_and_training_loss_of_noisy_ones():
    """A denoiser whose "noisy validation loss" is the clean one misleads."""
    ae = make(noise=GaussianNoise(std=3.0), early_stopping=True).fit(X_DIGITS)
    assert ae.loss_curve_[0] > 1.5 * ae.validation_loss_curve_[0]


def test__loss__more_columns__keeps_its_unit():
    """Summed over the columns, a loss and all that is weighed with it would grow."""
    X = load_diabetes().data
    X_wide = np.tile(X, (1, 8))
    losses = [
        make(n_components=4, max_epochs=1, lr=1e-12).fit(rows).loss_curve_[0]
        for rows in (X, X_wide)
    ]
    assert_allclose(losses[0], losses[1], rtol=0.02)


def test__get_params__of_the_parts__are_never_overwritten_by_fit():
    """In TabNet a pre-trained model replaces the parameters of the classifier."""
    ae = make(noise=GaussianNoise(std=0.3), net_params={"optimizer__eps": 1e-6})
    before = repr(ae.get_params())
    ae.fit(X_DIGITS).partial_fit(X_DIGITS).transform(X_DIGITS)
    assert repr(ae.get_params()) == before
