"""The scripts of the documentation draw its pictures, from what the checkout holds."""

import importlib
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
pytestmark = pytest.mark.slow


@pytest.fixture
def script(monkeypatch):
    """Import a script of the documentation, which is no package."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module


def test__draw_overview__anywhere__writes_the_picture(script, tmp_path):
    script("draw_overview").draw(tmp_path)
    assert (tmp_path / "overview.png").exists()


def test__draw_comparison__stored_results__writes_each_picture_of_the_page(
    script, tmp_path
):
    module = script("draw_comparison")
    for draw in module.PICTURES:
        draw(tmp_path)
    page = (DOCS / "comparison.md").read_text("utf-8")
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DOCS / "images").glob("comparison_*")}
    assert all(f"images/{name}" in page for name in drawn)


def test__draw_guide__each_stored_picture__has_a_script(script):
    stored = {path.stem for path in (DOCS / "images").glob("guide_*")}
    assert stored == {f"guide_{name}" for name in script("draw_guide").PICTURES}


@pytest.mark.parametrize("name", ["reduce", "outliers", "save_and_deploy"])
def test__draw_guide__a_name__writes_that_picture(script, tmp_path, name):
    script("draw_guide").main(name, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"guide_{name}.png"]
