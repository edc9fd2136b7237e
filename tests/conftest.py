"""Settings that have to be made before SciPy is imported, and data for the tests."""

import os

# Without it scikit-learn skips its check of array API input.
os.environ["SCIPY_ARRAY_API"] = "1"
