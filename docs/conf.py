"""Settings of Sphinx. Build with: sphinx-build -W -n docs docs/_build"""

import sklearn_ae

project = "sklearn_ae"
author = "The sklearn_ae developers"
copyright = f"2026, {author}"
version = release = sklearn_ae.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ae"
html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

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
}

autosummary_generate = True
# Docstrings say the types in words; annotations are for type checkers.
autodoc_typehints = "none"
numpydoc_show_class_members = False
# Parameters missing or out of order, and results that are not described.
numpydoc_validation_checks = {"PR01", "PR03", "RT01", "YD01"}
# The hooks of a callback are skorch's, which describes what they take.
numpydoc_validation_exclude = {r"\.DrawReconstructions\.on_"}
# The build needs no network, so it cannot know where other projects describe theirs.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|pandas|scipy|sklearn|skorch|torch)\..*"),
    # A property, which numpydoc describes among the attributes.
    ("py:obj", "module_"),
]
