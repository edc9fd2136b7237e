"""The folder of real tables, which the environment variable SKLEARN_AE_DATA names."""

import os
from pathlib import Path

# Without the variable no file is found, and the tables of scikit-learn remain.
DATA = Path(os.environ.get("SKLEARN_AE_DATA", "SKLEARN_AE_DATA is not set"))
