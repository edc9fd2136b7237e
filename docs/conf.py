"""Settings of Sphinx. Build with: sphinx-build -W -n docs docs/_build"""

import sys
from pathlib import Path

import sklearn_ae

DOCS = Path(__file__).parent
# The style of all pictures is in docs/drawing.py, equations are drawn by mathml.py.
sys.path.insert(0, str(DOCS))

project = "sklearn_ae"
author = "The sklearn_ae developers"
copyright = f"2026, {author}"
version = release = sklearn_ae.__version__

extensions = [
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "generated/backreferences"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Names of scikit-learn lead to its site; the inventory lies here, since builds have no
# network. docs/inventories/make.py writes it.
intersphinx_mapping = {
    "sklearn": (
        "https://scikit-learn.org/stable/",
        str(DOCS / "inventories" / "scikit-learn.inv"),
    )
}
# What a reader copies runs: no prompts, no output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ae"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["sklearn_ae.css"]
# A page without pages below it has no use for a list of them at its left. Of those in
# this folder, only the reference (api) has some.
html_sidebars = {"[!a]*": [], "development/*": []}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}


# `sphinx-build -b linkcheck` asks other sites, so it needs a network, which a build
# does not. Tests follow the links between the pages.
linkcheck_timeout = 20
linkcheck_retries = 2

# Each example runs once, as a user would run it without arguments.
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    # Sharp on screens of two dots a pixel, too.
    "image_srcset": ["2x"],
    "reset_modules": ("drawing.start_with_style", "seaborn"),
    # Each page of the reference shows the examples that use what it describes.
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_ae",),
    "exclude_implicit_doc": {r"sklearn_ae\._"},
    "reference_url": {"sklearn_ae": None},
}

autosummary_generate = True
# Methods stand in the list at the right by their own names, which fit there.
toc_object_entries_show_parents = "hide"
# Docstrings say the types in words; annotations are for type checkers.
autodoc_typehints = "none"
numpydoc_show_class_members = False
# Parameters missing or out of order, and results that are not described.
numpydoc_validation_checks = {"PR01", "PR03", "RT01", "YD01"}
# The hooks of a callback are skorch's, which describes what they take.
numpydoc_validation_exclude = {r"\.DrawReconstructions\.on_"}
# The build needs no network, so it cannot know where other projects describe theirs,
# nor what of scikit-learn has no page of its own.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|pandas|scipy|sklearn|skorch|torch)\..*"),
    # A property, which numpydoc describes among the attributes.
    ("py:obj", "module_"),
]
