"""Tables of pyarrow as tables; the one file that reads and writes them.

It is imported where a table of pyarrow has been seen: pyarrow need not be installed.
"""

from itertools import zip_longest

import numpy as np
import pandas as pd
import pyarrow as pa

from sklearn_ae._tables.forms import StoredForm, read_arrow_type
from sklearn_ae._tables.pandas_table import PandasForm, PandasTable, write_dtype

# Types of text that pandas cannot read.
VIEWS = [pa.string_view()]


class ArrowTable(PandasTable):
    """A :class:`pyarrow.Table`, read through pandas, which has the same types.

    Parameters
    ----------
    X : Table or RecordBatch
    """

    def __init__(self, X):
        super().__init__(to_pandas(X))
        self.given = X
        self.schema = X.schema

    def select(self, chosen):
        """Return a copy with the columns that a mask chooses."""
        columns = np.flatnonzero(chosen).tolist()
        schema = pa.schema([self.schema.field(i) for i in columns])
        return _from_pandas(super().select(chosen), schema)

    def fill(self, missing, rows, values, levels, dtypes=None):
        """Return a copy with values in place of missing cells; see `Table.fill`."""
        filled = super().fill(missing, rows, values, levels, dtypes)
        return _from_pandas(filled, self.schema)

    def _append(self, names, columns):
        return _from_pandas(super()._append(names, columns), self.schema)

    def with_values(self, values):
        """Return other numbers in a table with the columns of X."""
        return _from_pandas(super().with_values(values), self.schema)

    def _to_pandas(self):
        """Return a frame with the dtypes of NumPy, as pyarrow makes it."""
        return self.given.to_pandas(ignore_metadata=True)

    def _to_polars(self):
        import polars as pl

        return pl.from_arrow(self.given)

    def form(self):
        """Return what makes tables with these columns and types from numbers."""
        return ArrowForm(self.X.columns, self.dtypes, self.schema)


class ArrowForm(PandasForm):
    """Makes tables of pyarrow with the columns and types of another one.

    Parameters
    ----------
    columns : pandas.Index
    dtypes : list of ArrowDtype
    schema : pyarrow.Schema
    """

    def __init__(self, columns, dtypes, schema):
        super().__init__(columns, dtypes, number_types={})
        self.schema = schema

    def stored(self):
        """Return the form in plain values."""
        types = [(field.name, str(field.type)) for field in self.schema]
        metadata = (self.schema.metadata or {}).items()
        pairs = [tuple(text.decode("utf-8") for text in pair) for pair in metadata]
        dtypes = [write_dtype(dtype) for dtype in self.dtypes]
        return StoredForm("pyarrow", list(self.columns), dtypes, [], (types, pairs))

    def wrap(self, values, like=None, levels=None):
        """Return numbers as a table; see `PandasForm.wrap`."""
        return _from_pandas(super().wrap(values, levels=levels), self.schema)


def read_schema(types, metadata):
    """Return the schema that plain values stand for."""
    fields = [pa.field(name, read_arrow_type(text)) for name, text in types]
    return pa.schema(fields, dict(metadata) or None)


def to_pandas(X):
    """Return a table or an array of pyarrow as a frame or a series of the same types.

    Parameters
    ----------
    X : Table, RecordBatch, Array or ChunkedArray
    """
    if isinstance(X, (pa.Array, pa.ChunkedArray)):
        return pd.Series(pd.arrays.ArrowExtensionArray(_readable(X)))
    columns = [to_pandas(column) for column in X.columns]
    frame = pd.DataFrame(dict(enumerate(columns)), index=range(X.num_rows))
    frame.columns = X.schema.names
    return frame


def _readable(column):
    """Return a column in a type that pandas can read."""
    if column.type in VIEWS:
        return column.cast(pa.large_string())
    return column


def _from_pandas(frame, schema):
    """Return a frame as a table with the types of a schema that pandas cannot read."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [
        given
        if given and given.type in VIEWS and pa.types.is_large_string(own.type)
        else own
        for given, own in zip_longest(schema, table.schema)
    ]
    return table.cast(pa.schema(fields, schema.metadata))
