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
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ae"
html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

autosummary_generate = True
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
