"""The code of the documentation runs, and Sphinx builds it without a warning."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sklearn_ae.datasets import load_images

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)


def _blocks(page, language):
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__examples__print_what_they_show(page):
    session = "\n".join(_blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    doctest.DocTestRunner(optionflags=options).run(test, out=report.append)
    assert "".join(report) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test__page__python_blocks__run(page):
    for source in _blocks(page, "python"):
        exec(compile(source, str(page), "exec"), {"__name__": page.stem})


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A copy of the documentation, built, which runs the examples once."""
    folder = tmp_path_factory.mktemp("docs")
    made = shutil.ignore_patterns("_build", "auto_examples", "generated")
    shutil.copytree(DOCS, folder / "source", ignore=made)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    done = subprocess.run(
        [*command, folder / "source", folder / "html"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return folder, done


@pytest.fixture(scope="session")
def printed(built):
    """A function that returns what an example printed, given its number."""

    def read(number):
        page = next(built[0].glob(f"source/auto_examples/plot_{number}_*.rst"))
        blocks = re.findall(
            r"code-block:: none\n\n((?:    .*\n|\n)+)", page.read_text("utf-8")
        )
        return textwrap.dedent("".join(blocks))

    return read


def _number(text, label):
    """Return the number, or the share, that is printed after a label."""
    value = re.search(rf"{re.escape(label)}\D*([\d.]*\d)(%?)", text)
    return float(value[1]) / (100 if value[2] else 1)


def test__sphinx__build__gives_no_warning(built):
    """Warnings are errors, also those on names that lead nowhere."""
    folder, done = built
    assert done.returncode == 0, done.stderr
    assert (folder / "html" / "index.html").exists()


@pytest.mark.parametrize(
    ("number", "n_pictures"), enumerate([2, 2, 2, 2, 2, 1, 1, 1], start=1)
)
def test__lesson__each__shows_its_pictures(built, number, n_pictures):
    folder, _ = built
    pictures = folder.glob(
        f"source/auto_examples/images/sphx_glr_plot_{number}_*_0??.png"
    )
    assert len(list(pictures)) == n_pictures


def test__first_autoencoder__restores_a_tenth_as_badly_as_the_mean(printed):
    """The mean of all images is the best answer to those who do not look."""
    text = printed(1)
    mean = _number(text, "cost of answering with the mean")
    assert _number(text, "cost on images never seen") < mean / 10


def test__three_dimensions__say_more_than_three_of_pca(printed):
    images = load_images()
    pca = PCA(3).fit(images.X_train)
    restored = pca.inverse_transform(pca.transform(images.X_test))
    loss = np.mean((restored - images.X_test) ** 2)
    assert _number(printed(2), "loss on images never seen") < loss


def test__clusters__of_latents__are_no_worse_than_those_of_pca(printed):
    """KMeans depends on its start: two of a hundred images are left to chance."""
    rows = re.findall(r"^(.*?)\s+accuracy (\S+)\s+NMI (\S+)$", printed(3), re.MULTILINE)
    scores = {name: (float(a), float(nmi)) for name, a, nmi in rows}
    assert len(scores) == 5
    for name in ("dense autoencoder", "convolutional autoencoder"):
        for got, of_pca in zip(scores[name], scores["PCA, 25 numbers"], strict=True):
            assert got > of_pca - 0.02


def test__convolutions__lead_back_to_exactly_the_size_of_the_image(printed):
    text = printed(4)
    assert "from (5, 64) to (8, 2, 2) to (5, 64)" in text
    layers = re.findall(r"^(\w+) +((?:\d+ x )*\d+) +[\d,]+$", text, re.MULTILINE)
    assert [shape for name, shape in layers if name == "Conv2d"] == [
        *("16 x 8 x 8", "8 x 4 x 4", "8 x 2 x 2"),
        *("8 x 2 x 2", "8 x 4 x 4", "16 x 4 x 4", "1 x 8 x 8"),
    ]


def test__convolutions__restore_images_never_seen_as_well_as_those_learnt(printed):
    """Learning by heart would show in the loss of images that were not there."""
    text = printed(4)
    learnt = _number(text, "loss after 40 epochs:")
    assert _number(text, "on images never seen") < 1.05 * learnt
    mean = _number(text, "of answering with the mean")
    assert _number(text, "squared error") < mean / 3


def test__pretrained__beats_both_others_with_each_number_of_labels(printed):
    table = re.findall(r"^ +([\d,]+)((?: +[\d.]+%){3})$", printed(5), re.MULTILINE)
    assert len(table) == 3
    for n_labels, cells in table:
        softmax, scratch, pretrained = (float(c[:-1]) for c in cells.split())
        assert pretrained > max(softmax, scratch), n_labels


def test__generated_rows__help_nearest_neighbours(printed):
    row = re.search(r"nearest neighbours +([\d.]+)% +([\d.]+)%", printed(6))
    assert float(row[2]) > float(row[1]) + 1


def test__image_search__by_latents__finds_more_than_by_pca(printed):
    text = printed(7)
    latents, pca = (
        _number(text, f"hits by   8 {name}:") for name in ("latents", "numbers of PCA")
    )
    assert latents > pca


def test__denoising__restores_better_than_all_others(printed):
    text = printed(8)
    restored = _number(text, "denoising autoencoder")
    for name in ("the mean image", "PCA", "autoencoder, trained without noise"):
        assert restored < _number(text, name) / 2, name
