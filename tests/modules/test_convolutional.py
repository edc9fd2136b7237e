"""Convolutions for images."""

import copy
import pickle
from math import ceil, prod

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderTransformer,
)
from sklearn_ae._modules.convolutional import ConvolutionalNetwork
from sklearn_ae.architectures import Convolutional
from sklearn_ae.latents import Variational

DIGITS = load_digits()


X_DIGITS = (DIGITS.data / 16).astype(np.float32)


IMAGES = X_DIGITS.reshape(-1, 1, 8, 8)


def make(n_components=6, architecture=None, **params):
    """Return an autoencoder for images whose training takes no time."""
    params = {"scaling": None, "max_epochs": 2, "random_state": 0, **params}
    architecture = architecture or Convolutional((1, 8, 8), channels=(6, 4))
    return AutoencoderTransformer(n_components, architecture=architecture, **params)


def sizes(least, most, n):
    return st.lists(st.integers(least, most), min_size=n, max_size=n)


@st.composite
def networks(draw):
    """Draw the arguments of a network for images from 5 x 5 to 65 x 33."""
    n_stages = draw(st.integers(1, 3))
    per_stage = [draw(sizes(1, most, n_stages)) for most in (5, 5, 3, 4, 4)]
    return {
        "image_shape": (
            draw(st.sampled_from([1, 3])),
            draw(st.integers(5, 65)),
            draw(st.integers(5, 33)),
        ),
        **dict(
            zip(
                ("channels", "kernel_size", "stride", "pooling", "pooling_stride"),
                per_stage,
                strict=True,
            )
        ),
        "upsampling": draw(st.booleans()),
        "n_components": draw(st.sampled_from([None, 7])),
        "hidden_layer_sizes": (),
        "activation": "relu",
    }


class TestShapes:
    @settings(deadline=None, max_examples=150)
    @given(networks())
    def test__network__any_sizes__comes_back_to_exactly_the_image(self, arguments):
        network = ConvolutionalNetwork(**arguments)
        X = torch.randn(2, prod(arguments["image_shape"]))
        Z = network.encoder(X)
        assert Z.shape == (2, network.n_components)
        assert network.decoder(Z).shape == X.shape
        assert prod(network.latent_shape) == network.n_components

    @settings(deadline=None, max_examples=150)
    @given(networks())
    def test__network__stages__divide_sides_and_round_up(self, arguments):
        """Pixels at the edge of an odd image would be dropped if they rounded down."""
        network = ConvolutionalNetwork(**arguments)
        _, height, width = arguments["image_shape"]
        for i, (n_maps, *sides) in enumerate(network.map_shapes[1:]):
            step = arguments["stride"][i]
            if arguments["pooling"][i] > 1:
                step *= arguments["pooling_stride"][i]
            height, width = ceil(height / step), ceil(width / step)
            assert (n_maps, *sides) == (arguments["channels"][i], height, width)

    @pytest.mark.parametrize("shape", [(1, 5, 5), (1, 28, 28), (3, 65, 33), (3, 6, 9)])
    @pytest.mark.parametrize("decoder", ["transposed", "upsampling"])
    @pytest.mark.parametrize("n_components", [None, 4])
    def test__fit__image_shape__is_kept(self, shape, decoder, n_components):
        X = np.random.default_rng(0).random((12, *shape), dtype=np.float32)
        architecture = Convolutional(shape, (4, 3), decoder=decoder)
        ae = make(n_components, architecture).fit(X)
        assert ae.reconstruct(X).shape == X.shape
        assert ae.image_shape_ == shape
        Z = ae.transform(X)
        assert Z.shape == (12, ae.n_components_)
        assert Z.reshape(-1, *ae.latent_shape_).shape[0] == 12
        if n_components is None:
            expected = (3, ceil(shape[1] / 4), ceil(shape[2] / 4))
            assert ae.latent_shape_ == expected

    def test__fit__28_by_28__passes_through_14_7_4(self):
        """The fourth lesson's code of 4 x 4 x 8 numbers, and its three enlargements."""
        architecture = Convolutional(
            channels=(16, 8, 8),
            stride=(1, 1, 2),
            pooling=(2, 2, 1),
            decoder="upsampling",
        )
        ae = make(None, architecture, max_epochs=1).fit(np.eye(8, 784))
        sides = [shape[1:] for shape in ae.module_.network.map_shapes]
        assert sides == [(28, 28), (14, 14), (7, 7), (4, 4)]
        assert (ae.latent_shape_, ae.n_components_) == ((8, 4, 4), 128)
        enlarged = [
            layer.size
            for layer in ae.module_.network.decoder
            if isinstance(layer, torch.nn.Upsample)
        ]
        assert enlarged == [(7, 7), (14, 14), (28, 28)]

    @pytest.mark.parametrize(
        ("n_columns", "shape"),
        [(784, (1, 28, 28)), (3072, (3, 32, 32)), (50, (1, 1, 50)), (64, (1, 8, 8))],
    )
    def test__image_shape__none__takes_a_square(self, n_columns, shape):
        X = np.random.default_rng(0).random((6, n_columns))
        architecture = Convolutional(channels=2)
        assert make(2, architecture, max_epochs=1).fit(X).image_shape_ == shape

    def test__image_shape__none__takes_that_of_images(self):
        X = np.random.default_rng(0).random((6, 1, 2, 32))
        architecture = Convolutional(channels=2)
        assert make(2, architecture, max_epochs=1).fit(X).image_shape_ == (1, 2, 32)

    def test__latent_shape__given__sets_the_size_of_a_dense_latent(self):
        architecture = Convolutional(channels=4, latent_shape=(5, 4))
        ae = make(None, architecture).fit(IMAGES[:50])
        assert (ae.n_components_, ae.latent_shape_) == (20, (5, 4))

    def test__latent_shape__dense_layers__is_their_number(self):
        ae = AutoencoderTransformer(3, max_epochs=1).fit(X_DIGITS[:50])
        assert ae.latent_shape_ == (3,)
        assert not hasattr(ae, "image_shape_")


class TestPixels:
    @settings(deadline=None, max_examples=100)
    @given(networks())
    def test__decoder__each_latent__has_a_say(self, arguments):
        """What is cut off an image that was enlarged too much would be lost."""
        network = ConvolutionalNetwork(**{**arguments, "activation": "identity"})
        with torch.no_grad():
            for weight in network.parameters():
                weight.fill_(1.0)
        Z = torch.ones(1, network.n_components, requires_grad=True)
        restored = network.decoder(Z)
        assert torch.isfinite(restored).all()
        restored.sum().backward()
        assert (Z.grad > 0).all()

    def test__map__image_moved_by_a_pixel__moves_by_a_pixel(self):
        """Pixels read in another order would not be neighbours in the image."""
        network = ConvolutionalNetwork(
            (1, 9, 12), [3], [3], [1], [1], [1], False, None, (), "relu"
        )
        image = torch.zeros(1, 9, 12)
        image[0, 3:5, 4:7] = torch.rand(2, 3)
        moved = image.roll((1, 2), dims=(1, 2))
        maps, maps_moved = (
            network.encoder(X.reshape(1, -1)).reshape(network.map_shapes[-1])
            for X in (image, moved)
        )
        assert_allclose(
            maps.detach()[:, 1:7, 2:9],
            maps_moved.detach()[:, 2:8, 4:11],
            atol=1e-6,
        )
        assert not torch.allclose(maps, maps_moved)

    def test__pooling__dark_image__is_not_brightened_by_the_edge(self):
        """Zeros beyond the edge would win against values below zero."""
        network = ConvolutionalNetwork(
            (1, 5, 5), [1], [1], [1], [2], [2], False, None, (), "identity"
        )
        with torch.no_grad():
            network.encoder[1].weight.fill_(1.0)
            network.encoder[1].bias.zero_()
        assert_array_equal(network.encoder(torch.full((1, 25), -3.0)).detach(), -3.0)

    def test__colour__columns__are_one_channel_after_the_other(self):
        """The same numbers, given as images and as rows, train the same network."""
        X = np.random.default_rng(0).random((40, 3, 6, 5), dtype=np.float32)
        architecture = Convolutional((3, 6, 5), channels=4)
        images = make(3, architecture).fit(X)
        rows = make(3, architecture).fit(X.reshape(40, -1))
        assert_array_equal(images.transform(X), rows.transform(X.reshape(40, -1)))
        assert_array_equal(
            images.reconstruct(X), rows.reconstruct(X.reshape(40, -1)).reshape(X.shape)
        )

    @pytest.mark.parametrize("n_components", [None, 16])
    def test__fit__digits__restores_them_better_than_few_components_could(
        self, n_components
    ):
        """Five principal components are a bound that a broken decoder misses."""
        ae = make(
            n_components,
            Convolutional(channels=(32, 16)),
            loss="bce",
            max_epochs=20,
            lr=5e-3,
            batch_size=64,
        ).fit(X_DIGITS)
        pca = PCA(5).fit(X_DIGITS)
        error = np.square(ae.reconstruct(X_DIGITS) - X_DIGITS).mean()
        restored = pca.inverse_transform(pca.transform(X_DIGITS))
        assert error < np.square(restored - X_DIGITS).mean()


class TestContainers:
    @pytest.mark.parametrize(
        "convert",
        [
            lambda X: X.reshape(-1, 1, 8, 8),
            lambda X: X.reshape(-1, 8, 8),
            lambda X: X.reshape(-1, 1, 8, 8).tolist(),
            lambda X: X.astype(np.float64),
            sparse.csr_array,
            pd.DataFrame,
            lambda X: pl.DataFrame(X, schema=[f"pixel {i}" for i in range(64)]),
            lambda X: X.tolist(),
            lambda X: np.asfortranarray(X),
        ],
        ids=[
            "images",
            "grey",
            "nested",
            "float64",
            "sparse",
            "pandas",
            "polars",
            "list",
            "fortran",
        ],
    )
    def test__fit__container__gives_the_same_codes(self, convert):
        X = convert(X_DIGITS[:200])
        expected = make().fit(X_DIGITS[:200]).transform(X_DIGITS[:200])
        assert_allclose(make().fit(X).transform(X), expected, atol=1e-4)

    @pytest.mark.parametrize("shape", [(200, 64), (200, 1, 8, 8)])
    def test__fit__memory_mapped__gives_the_same_codes(self, shape, tmp_path):
        np.save(tmp_path / "X.npy", X_DIGITS[:200].reshape(shape))
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
        expected = make().fit(X_DIGITS[:200]).transform(X_DIGITS[:200])
        assert_allclose(make().fit(X).transform(X), expected, atol=1e-5)

    def test__reconstruct__after_rows_and_images__has_the_form_of_fit(self):
        assert make().fit(IMAGES).reconstruct(X_DIGITS[:3]).shape == (3, 1, 8, 8)
        assert make().fit(X_DIGITS).reconstruct(IMAGES[:3]).shape == (3, 64)

    def test__reconstruct__grey_images_of_three_dimensions__has_these(self):
        assert make().fit(IMAGES[:, 0]).reconstruct(IMAGES[:3, 0]).shape == (3, 8, 8)

    def test__inverse_transform__maps__are_taken(self):
        ae = make(None).fit(X_DIGITS)
        Z = ae.transform(X_DIGITS[:3])
        maps = Z.reshape(-1, *ae.latent_shape_)
        assert_array_equal(ae.inverse_transform(maps), ae.inverse_transform(Z))

    def test__inverse_transform__fitted_on_images__gives_images(self):
        ae = make().fit(IMAGES)
        restored = ae.inverse_transform(ae.transform(IMAGES[:3]))
        assert_allclose(restored, ae.reconstruct(IMAGES[:3]), atol=1e-6)

    def test__fit__missing_pixels__are_restored(self):
        X = X_DIGITS.copy()
        X[::3, 20] = np.nan
        ae = make(max_epochs=10).fit(X)
        assert np.isfinite(ae.reconstruct(X)).all()
        assert np.isfinite(ae.loss_curve_[-1])


class TestErrors:
    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (IMAGES.reshape(-1, 8, 8, 1), r"Got images of shape \(8, 8, 1\)"),
            (IMAGES[..., None], r"dim 5, of shape \(1797, 1, 8, 8, 1\), while Conv"),
            (IMAGES[:0], r"0 sample\(s\) .*minimum of 1 is required"),
            (X_DIGITS[:, :60], "one column for each pixel, 64 in all. Got X with 60"),
        ],
    )
    def test__fit__other_shape__says_what_is_taken(self, X, message):
        with pytest.raises(ValueError, match=message):
            make().fit(X)

    def test__transform__images_of_another_shape__names_both(self):
        with pytest.raises(ValueError, match=r"\(1, 4, 16\).* had \(1, 8, 8\)"):
            make().fit(IMAGES).transform(IMAGES.reshape(-1, 1, 4, 16))

    def test__fit__categories__are_refused(self):
        X = pd.DataFrame({"a": [0.0, 1.0] * 9, "b": ["x", "y"] * 9})
        with pytest.raises(ValueError, match=r"first of them column 1\. With categ"):
            make(2, Convolutional()).fit(X)

    def test__fit__channels_last__is_seen(self):
        """Taken for eight channels, such images would train without a word."""
        X = np.zeros((5, 8, 8, 3))
        with pytest.raises(ValueError, match=r"channels came last; pass numpy.movea"):
            make(2, Convolutional()).fit(X)
        fitted = make(2, Convolutional((8, 8, 3), channels=2)).fit(X)
        assert fitted.image_shape_ == (8, 8, 3)

    def test__transform__architecture_set_after_fit__belongs_to_the_next_fit(self):
        ae = AutoencoderTransformer(2, max_epochs=1).fit(X_DIGITS)
        before = ae.transform(X_DIGITS)
        ae.set_params(architecture=Convolutional())
        with pytest.raises(ValueError, match="dim 4"):
            ae.transform(IMAGES)
        assert_array_equal(ae.transform(X_DIGITS), before)

    def test__fit__images_without_convolutions__are_refused(self):
        with pytest.raises(ValueError, match="dim 4"):
            AutoencoderTransformer(2).fit(IMAGES)

    def test__fit__hidden_layers_and_no_size__are_refused(self):
        with pytest.raises(ValueError, match=r"Got hidden_layer_sizes=\(9,\); set n_c"):
            make(None, hidden_layer_sizes=(9,)).fit(X_DIGITS)

    def test__fit__tied_weights__are_refused(self):
        with pytest.raises(ValueError, match=r"Convolutional\(...\) brings its own"):
            make(tied_weights=True).fit(X_DIGITS)

    def test__fit__fails__leaves_the_shape_as_it_was(self):
        ae = make().fit(IMAGES)
        with pytest.raises(ValueError, match="Got X with 60"):
            ae.fit(X_DIGITS[:, :60])
        assert ae.image_shape_ == (1, 8, 8)
        assert ae.transform(IMAGES[:2]).shape == (2, 6)

    def test__fit__another_architecture__forgets_the_shape(self):
        ae = make().fit(IMAGES).set_params(architecture=None).fit(X_DIGITS)
        assert not hasattr(ae, "image_shape_")


class TestEstimators:
    def test__grid_search__channels_and_sizes__are_tried(self):
        pipeline = make_pipeline(make(), LogisticRegression(max_iter=500))
        search = GridSearchCV(
            pipeline,
            {
                "autoencodertransformer__architecture__channels": [(4,), (6, 4)],
                "autoencodertransformer__architecture": [Convolutional((1, 8, 8))],
                "autoencodertransformer__n_components": [None, 8],
            },
            cv=2,
            error_score="raise",
        ).fit(X_DIGITS[:300], DIGITS.target[:300])
        assert search.best_score_ > 0.4

    def test__pipeline__images_then_kmeans__finds_clusters(self):
        pipeline = make_pipeline(make(), KMeans(10, n_init=1, random_state=0))
        assert len(set(pipeline.fit_predict(IMAGES[:300]))) == 10

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda ae: roundtrip(ae)])
    def test__copy__fitted__gives_the_same_codes(self, copied):
        ae = make().fit(IMAGES[:100])
        assert_array_equal(copied(ae).transform(IMAGES), ae.transform(IMAGES))

    def test__clone__nested_parameters__are_kept(self):
        ae = make(architecture=Convolutional(kernel_size=5, pooling=(3, 1)))
        assert clone(ae).get_params()["architecture__pooling"] == (3, 1)
        assert "pooling=(3, 1)" in repr(ae)

    def test__holders__images__are_taken(self):
        ae = make(None, Convolutional(channels=16))
        X, X_test, y, y_test = train_test_split(IMAGES, DIGITS.target, random_state=0)
        classifier = AutoencoderPretrainedClassifier(
            ae, semi_supervised=False, max_epochs=10, random_state=0
        ).fit(X, y)
        assert classifier.score(X_test, y_test) > 0.8
        detector = AutoencoderAnomalyDetector(ae, random_state=0).fit(X)
        noise = np.random.default_rng(0).random((50, 1, 8, 8), dtype=np.float32)
        assert (
            detector.score_samples(X_test).mean() > detector.score_samples(noise).mean()
        )

    def test__imputer__convolutional__fills_pixels(self):
        X = X_DIGITS[:200].copy()
        X[::2, 20] = np.nan
        filled = AutoencoderImputer(make(), random_state=0).fit_transform(X)
        assert np.isfinite(filled).all()

    def test__partial_fit__images__goes_on(self):
        ae = make()
        for part in np.array_split(IMAGES, 4):
            ae.partial_fit(part)
        assert (ae.n_iter_, ae.image_shape_) == (4, (1, 8, 8))

    def test__sample__images__have_their_shape(self):
        ae = make(latent=Variational(), max_epochs=20).fit(IMAGES)
        assert ae.sample(3, random_state=0).shape == (3, 1, 8, 8)


def roundtrip(ae):
    return pickle.loads(pickle.dumps(ae))


@pytest.mark.parametrize(
    "params",
    [{"loss": "bce"}, {"loss": "mse", "scaling": None}, {"loss": "mse"}],
    ids=str,
)
def test__fit__few_steps__is_better_than_the_mean_image(params):
    """It used to be no better after as many."""
    X = load_digits().data / 16
    ae = AutoencoderTransformer(
        16, architecture=Convolutional(), max_epochs=10, random_state=0, **params
    ).fit(X)
    assert np.square(ae.reconstruct(X) - X).mean() < 0.75 * X.var(axis=0).mean()


@pytest.mark.parametrize("params", [{"loss": "bce"}, {"loss": "mse", "scaling": None}])
def test__fit__before_the_first_step__starts_near_the_mean_of_a_channel(params):
    rng = np.random.default_rng(0)
    X = np.concatenate(
        [rng.beta(1, 9, size=(200, 1, 12, 12)), rng.beta(9, 1, size=(200, 1, 12, 12))],
        axis=1,
    ).astype(np.float32)
    ae = AutoencoderTransformer(
        4,
        architecture=Convolutional(),
        max_epochs=1,
        lr=1e-12,
        random_state=0,
        **params,
    )
    restored = ae.fit(X).reconstruct(X).reshape(X.shape)
    assert_allclose(restored.mean(axis=(0, 2, 3)), X.mean(axis=(0, 2, 3)), atol=0.1)
