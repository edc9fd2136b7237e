"""What the examples of the gallery claim holds for the numbers that they compute."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples" / "lessons"

pytestmark = pytest.mark.slow


@pytest.fixture
def run(monkeypatch):
    """A function that runs an example and returns its variables as attributes."""

    def run(number):
        path = next(EXAMPLES.glob(f"plot_{number}_*.py"))
        monkeypatch.setattr(sys, "argv", [path.name])
        return SimpleNamespace(**runpy.run_path(str(path)))

    return run


def squared_error(restored, images):
    return np.square(restored - images).mean()


def test__first_autoencoder__restores_a_tenth_as_badly_as_the_mean(run):
    """The mean of all images is the best answer to those who do not look."""
    lesson = run(1)
    lazy_cost = squared_error(lesson.X_train.mean(axis=0), lesson.X_test)
    assert -lesson.autoencoder.score(lesson.X_test) < lazy_cost / 10


def test__three_dimensions__say_more_than_three_of_pca(run):
    lesson = run(2)
    pca = PCA(3).fit(lesson.X_train)
    restored = pca.inverse_transform(pca.transform(lesson.X_test))
    loss = -lesson.autoencoder.score(lesson.X_test)
    assert loss < squared_error(restored, lesson.X_test)


def test__clusters__of_latents__are_no_worse_than_those_of_pca(run):
    """KMeans depends on its start: two of a hundred images are left to chance."""
    lesson = run(3)
    of_pca = clustering_scores(
        PCA(25, random_state=0).fit_transform(lesson.X), lesson.y
    )
    for autoencoder in (lesson.dense, lesson.convolutional):
        assert autoencoder.n_components_ == 25
        scores = clustering_scores(autoencoder.transform(lesson.X), lesson.y)
        assert (scores > of_pca - 0.02).all()
    # A latent that is made for clusters finds clearly better ones.
    scores = clustering_scores(lesson.clustered.transform(lesson.pixels), lesson.y)
    assert (scores > of_pca + 0.1).all()


def clustering_scores(Z, y):
    """Return the accuracy of matched clusters and the NMI, the mean of five starts."""
    scores = []
    for seed in range(5):
        clusters = KMeans(10, n_init=10, random_state=seed).fit_predict(Z)
        counts = contingency_matrix(y, clusters)
        matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
        scores.append([matched / len(y), normalized_mutual_info_score(y, clusters)])
    return np.mean(scores, axis=0)


def test__convolutions__restore_images_never_seen_as_well_as_those_learnt(run):
    """Learning by heart would show in the loss of images that were not there."""
    lesson = run(4)
    autoencoder, X_test = lesson.autoencoder, lesson.X_test
    assert autoencoder.latent_shape_ == (8, 2, 2)
    restored = autoencoder.reconstruct(X_test)
    assert restored.shape == X_test.shape
    assert -autoencoder.score(X_test) < 1.05 * autoencoder.loss_curve_[-1]
    lazy = squared_error(lesson.X_train.mean(axis=0), X_test)
    assert squared_error(restored, X_test) < lazy / 3


def test__pretrained__beats_both_others_with_each_number_of_labels(run):
    softmax, scratch, pretrained = run(5).means.T
    assert len(pretrained) == 3
    assert (pretrained > np.maximum(softmax, scratch)).all()


def test__generated_rows__help_nearest_neighbours(run):
    lesson = run(6)
    few, more = dict(zip(lesson.classifiers, lesson.means, strict=True))[
        "nearest neighbours"
    ]
    assert more > few + 0.01


def test__image_search__by_latents__finds_more_than_by_pca(run):
    lesson = run(7)
    by_latents, by_pca = map(lesson.share_of_hits, (lesson.nearest, lesson.by_pca))
    assert by_latents > by_pca


def test__denoising__restores_better_than_all_others(run):
    lesson = run(8)
    errors = [squared_error(X, lesson.clean) for X in lesson.answers.values()]
    restored = squared_error(lesson.restored, lesson.clean)
    assert min(errors) == restored
    assert sorted(errors)[1] > 2 * restored
