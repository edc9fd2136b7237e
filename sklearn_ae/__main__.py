"""Run the command line: ``python -m sklearn_ae``."""

import sys

from sklearn_ae._cli.main import main

sys.exit(main())
