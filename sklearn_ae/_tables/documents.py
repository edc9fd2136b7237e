"""Documents of what is known of a table, for files and pickles."""

from functools import partial
from math import prod

import numpy as np
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from sklearn_ae._compat import (
    read_quantile_transformer,
    read_standard_scaler,
    write_quantile_transformer,
    write_standard_scaler,
)
from sklearn_ae._document import LARGEST_INT, describe_as
from sklearn_ae._tables.array_table import ArrayForm
from sklearn_ae._tables.categories import Categories
from sklearn_ae._tables.encoder import TableEncoder
from sklearn_ae._tables.forms import StoredForm
from sklearn_ae._tables.scaling import Scaler

SCALINGS = ("auto", "standard", "minmax", "quantile", "robust", None)
# What is learnt about each column: flags, and numbers with their range.
FLAGS = (
    *("_shares_unit", "has_missing_", "has_observed_", "has_indicator_"),
    "_is_constant",
)
NUMBERS = {
    "_least": {"least": -np.inf, "most": np.inf},
    "_largest": {"least": -np.inf, "most": np.inf},
    "_center": {"missing": True},
    "_scale": {"least": np.finfo(np.float64).smallest_subnormal},
}
# The same of scaling by rank.
RANKED = {"_half_span": np.float64, "_half_least": np.float64, "_is_float32": np.bool_}


def write_encoder(encoder, writer):
    """Return the fields of a fitted TableEncoder."""
    most = encoder.max_categories
    return {
        "scaling": _plain(encoder.scaling),
        "categorical_features": encoder.categorical_features,
        "max_categories": None if most is None else int(most),
        "owner": encoder.owner,
        "n_features": encoder.n_features_in_,
        "feature_names": None if encoder.names is None else encoder.names.tolist(),
        "is_categorical": encoder.is_categorical_,
        "image_shape": getattr(encoder, "image_shape_", ()),
        "form": encoder._form.stored(),
        "categories": encoder._categories,
        "scaler": encoder._scaler,
    }


def read_encoder(fields):
    """Return the TableEncoder of these fields."""
    encoder = TableEncoder(
        scaling=fields.choice("scaling", *SCALINGS),
        categorical_features=fields.value("categorical_features"),
        max_categories=fields.part("max_categories", int, type(None)),
        owner=fields.text("owner", 100),
    )
    n_features = encoder.n_features_in_ = fields.integer("n_features", 1)
    names = fields.part("feature_names", list, type(None))
    if names is not None:
        are_names = all(isinstance(name, str) for name in names)
        fields.require(are_names and len(names) == n_features, "feature_names")
        encoder.feature_names_in_ = np.array(names, dtype=object)
    image_shape = fields.integers("image_shape", 1, LARGEST_INT)
    if image_shape:
        fits = len(image_shape) == 3 and prod(image_shape) == n_features
        fields.require(fits, "image_shape")
        encoder.image_shape_ = image_shape
        encoder.find_image_shape = partial(_same_shape, image_shape)
    encoder._form = fields.part("form", ArrayForm, StoredForm)
    fields.require(encoder._form.fits(n_features), "form")
    encoder.is_categorical_ = fields.array("is_categorical", (n_features,), bool)
    encoder._categories = fields.part("categories", Categories, type(None))
    encoder._scaler = fields.part("scaler", Scaler)
    fields.require(len(encoder._scaler.has_missing_) == n_features, "scaler")
    has_categories = encoder.is_categorical_.any()
    for part in (encoder._scaler, encoder._categories):
        known = None if part is None else part.is_categorical
        alike = np.array_equal(known, encoder.is_categorical_)
        fields.require(alike if has_categories else known is None, "is_categorical")
    encoder._scaler.names = encoder.names
    if encoder._categories is not None and names is not None:
        encoder._categories.names = names
    return encoder


def _plain(scaling):
    """Return text of Python, as a search over an array has text of NumPy."""
    return None if scaling is None else str(scaling)


def _same_shape(image_shape, n_features, given=None):
    """Return the shape that images had in `fit`."""
    return image_shape


def write_scaler(scaler, writer):
    """Return the fields of a fitted Scaler."""
    document = {
        "scaling": _plain(scaler.scaling),
        "found_scaling": _plain(scaler.scaling_),
        "is_categorical": scaler.is_categorical,
        "dtype": scaler.dtype_.name,
        "quartiles": scaler._center_and_scale,
        "moments": None if scaler._shift is None else scaler._moments,
        "quantiles": scaler._quantiles if scaler.scaling == "quantile" else None,
    }
    names = [*FLAGS, *NUMBERS]
    if scaler.scaling == "quantile":
        names += [*RANKED, "_float32_quantiles"]
    document |= {name.strip("_"): getattr(scaler, name) for name in names}
    if scaler._shift is not None:
        shift = scaler._shift.astype(np.float64)
        document |= {"shift": shift, "unit": scaler._unit}
    return document


def read_scaler(fields):
    """Return the Scaler of these fields, which can learn further rows."""
    scaler = Scaler(fields.choice("scaling", *SCALINGS))
    scaler.scaling_ = fields.choice("found_scaling", "common", *SCALINGS[1:])
    shape = fields.array("has_missing", (None,), bool).shape
    for name in FLAGS:
        setattr(scaler, name, fields.array(name.strip("_"), shape, bool))
    for name, bounds in NUMBERS.items():
        setattr(scaler, name, fields.array(name.strip("_"), shape, **bounds))
    known = ~np.isnan(scaler._center)
    fields.require(np.array_equal(known, scaler.has_observed_), "center")
    scaler.is_categorical = fields.optional_array("is_categorical", shape, bool)
    scaler.dtype_ = np.dtype(fields.choice("dtype", "float32", "float64"))
    scaler._center_and_scale = fields.part("quartiles", tuple, type(None))
    for values in scaler._center_and_scale or ():
        fits = isinstance(values, np.ndarray) and values.dtype == np.float64
        fields.require(fits and values.shape == shape, "quartiles")
    scaler._shift, scaler._moments = None, StandardScaler()
    moments = fields.part("moments", StandardScaler, type(None))
    if moments is not None:
        fields.require(moments.mean_.shape == shape, "moments")
        scaler._moments = moments
        scaler._shift = fields.array("shift", shape, missing=True)
        scaler._unit = fields.array("unit", shape, least=0.0, most=1.0)
    quantiles = fields.part("quantiles", QuantileTransformer, type(None))
    fields.require((quantiles is None) == (scaler.scaling != "quantile"), "quantiles")
    if quantiles is not None:
        scaler._quantiles, n_quantiles = quantiles, quantiles.quantiles_.shape
        fields.require(n_quantiles[1:] == shape, "quantiles")
        for name, dtype in RANKED.items():
            setattr(scaler, name, fields.array(name.strip("_"), shape, dtype))
        scaler._float32_quantiles = fields.array(
            "float32_quantiles", n_quantiles, missing=True
        )
    scaler._set_float32()
    return scaler


describe_as(StandardScaler, write_standard_scaler, read_standard_scaler)
describe_as(QuantileTransformer, write_quantile_transformer, read_quantile_transformer)
describe_as(Scaler, write_scaler, read_scaler)
describe_as(TableEncoder, write_encoder, read_encoder)
