"""Forms of frames from plain values, once a frame is to be written.

Their library need not be imported before, nor be there.
"""

import pandas as pd

from sklearn_ae._tables.forms import NUMBER_TYPES, StoredForm
from sklearn_ae._tables.pandas_table import PandasForm, read_dtype
from sklearn_ae._tables.writing import NumberType


def make_form(form):
    """Return what makes tables; one that does so already is returned as it is.

    Parameters
    ----------
    form : StoredForm, ArrayForm, PandasForm, PolarsForm or ArrowForm

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    if not isinstance(form, StoredForm):
        return form
    number_types = {
        column: NumberType.of(NUMBER_TYPES[name], places)
        for column, name, places in form.number_types
    }
    if form.library == "polars":
        from sklearn_ae._tables import polars_table

        dtypes = [*map(polars_table.read_dtype, form.dtypes)]
        return polars_table.PolarsForm(form.columns, dtypes, number_types)
    dtypes = [*map(read_dtype, form.dtypes)]
    if form.library == "pandas":
        return PandasForm(_index(form.columns, *form.others), dtypes, number_types)
    from sklearn_ae._tables.arrow_table import ArrowForm, read_schema

    return ArrowForm(pd.Index(form.columns), dtypes, read_schema(*form.others))


def _index(columns, kind, names):
    """Return the names of columns as pandas holds them."""
    if kind == "range":
        return pd.RangeIndex(len(columns), name=names[0])
    if kind == "multi":
        return pd.MultiIndex.from_tuples(columns, names=names)
    dtype = object if kind == "object" else None
    return pd.Index(columns, dtype=dtype, name=names[0], tupleize_cols=False)
