"""Scores of runs, kept in a file so that no run is repeated."""

import pandas as pd


class KnownRuns:
    """The runs of a benchmark, in memory and, if there is a path, in a file.

    Parameters
    ----------
    path : Path or None
    keys : list of str
        The columns that tell one run from another.
    """

    def __init__(self, path, keys):
        self.path, self.keys = path, keys
        is_there = path is not None and path.exists()
        self._runs = pd.read_csv(path).to_dict("records") if is_there else []
        self._known = {self._key(run) for run in self._runs}

    def _key(self, run):
        return tuple(run[key] for key in self.keys)

    def measure(self, function, **run):
        """Add what a function returns, a dict, unless the run is known."""
        if self._key(run) in self._known:
            return
        self._known.add(self._key(run))
        self._runs.append(run | function())
        if self.path is not None:
            self.frame().to_csv(self.path, index=False)

    def frame(self):
        """Return a row for each run."""
        return pd.DataFrame(self._runs)
