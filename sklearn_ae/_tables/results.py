"""What an estimator returns for rows, as files and frames of its own."""

import os

import numpy as np
import pandas as pd


def as_frame(values, rows, names, method):
    """Return results with the index of the rows.

    Parameters
    ----------
    values : {ndarray, DataFrame, Series}
        One row for each of `rows`.
    rows : DataFrame
    names : list of str or None
        Names of the columns, if they are known.
    method : str
        Method that returned the values, which names them otherwise.

    Returns
    -------
    results : DataFrame, or Series if there is one number for each row
    """
    if isinstance(values, (pd.DataFrame, pd.Series)):
        return values
    values = np.asarray(values)
    if values.ndim == 1:
        return pd.Series(values, index=rows.index, name=method)
    names = names or _numbered(method, values.shape[1])
    return pd.DataFrame(values, index=rows.index, columns=names)


def write_results(path, values, names, method, rows, keys):
    """Write results, behind the keys of their rows, to a Parquet file.

    It is there as a whole or not at all.

    Parameters
    ----------
    path : Path
    values : {ndarray, DataFrame of pandas or polars, Table of pyarrow}
    names : list of str or None
    method : str
        As for `as_frame`.
    rows : SourceTable
    keys : sequence of str
        Columns of `rows`.

    Raises
    ------
    ValueError
        If a column of the results has the name of a key.
    """
    import pyarrow.parquet as pq

    results = _as_arrow(values, names, method)
    if keys:
        results = _with_keys(_as_arrow(rows.project(keys).collected.given), results)
    unfinished = path.with_name(f"_{path.name}.tmp")
    pq.write_table(results, unfinished)
    finish(unfinished, path)


def finish(unfinished, path):
    """Let a file that has been written take its place at once."""
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _as_arrow(values, names=None, method=None):
    """Return results as a table of pyarrow."""
    import pyarrow as pa

    if isinstance(values, pd.DataFrame):
        return pa.Table.from_pandas(values, preserve_index=False)
    if isinstance(values, pa.Table):
        return values
    if hasattr(values, "to_arrow"):
        return values.to_arrow()
    if values.ndim == 1:
        return pa.table({method: values})
    names = names or _numbered(method, values.shape[1])
    return pa.table(dict(zip(names, values.T, strict=True)))


def _with_keys(keys, results):
    """Return a table of the columns of both."""
    for i, name in enumerate(keys.column_names):
        if name in results.column_names[i:]:
            raise ValueError(
                f"A column of the results has the name of the key {name!r}."
            )
        results = results.add_column(i, name, keys.column(name))
    return results


def _numbered(method, n_columns):
    return [f"{method}_{i}" for i in range(n_columns)]
