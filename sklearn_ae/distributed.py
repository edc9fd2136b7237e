"""Tables larger than memory, and fits on more than one process.

A table that does not fit into memory is passed as what scans its files, see
:doc:`/larger_than_memory`. Here is what scores such a table into files, lets several
processes fit together, and lets a long training go on where it was killed.
"""

from sklearn_ae._collective import collective
from sklearn_ae._net.checkpoint import Checkpoint

__all__ = ["Checkpoint", "collective"]
