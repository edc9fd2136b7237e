"""Masked cells are missing cells, in every dtype and wherever a table goes in."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sklearn_ae import (
    AutoencoderAnomalyDetector,
    AutoencoderImputer,
    AutoencoderPretrainedClassifier,
    AutoencoderPretrainedRegressor,
    AutoencoderTransformer,
)
from sklearn_ae._tables.reading import as_table

N_ROWS = 40
WHOLE = np.random.default_rng(0).integers(0, 3, size=(N_ROWS, 2))
TEXT = np.array(["u", "v", "w"])[WHOLE]
GONE = np.zeros((N_ROWS, 2), dtype=bool)
GONE[3, 0] = GONE[7, 1] = True


def autoencoder():
    return AutoencoderTransformer(2, max_epochs=1, random_state=0)


DTYPES = {
    **{
        dtype: WHOLE.astype(dtype)
        for dtype in ("f2", "f4", "f8", ">f8", "g", "i1", "i8", "u8", ">i4", "O")
    },
    "booleans": WHOLE > 1,
    "text": TEXT,
    "text as objects": TEXT.astype(object),
    "large integers": WHOLE + 2**60,
}
if hasattr(np.dtypes, "StringDType"):
    DTYPES["StringDType"] = TEXT.astype(np.dtypes.StringDType())


def hard(cells):
    return np.ma.masked_array(cells, GONE, hard_mask=True)


def rows_of_a_list(cells):
    return list(np.ma.masked_array(cells, GONE))


FORMS = {
    "soft": lambda cells: np.ma.masked_array(cells, GONE),
    "hard": hard,
    "rows of a list": rows_of_a_list,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test__as_table__masked_cells__are_missing_and_others_are_kept(dtype, form):
    table = as_table(FORMS[form](DTYPES[dtype]))
    assert_array_equal(table.missing(), GONE)
    assert (table.cells()[~GONE] == DTYPES[dtype].astype(object)[~GONE]).all()


@pytest.mark.parametrize("mask", [np.ma.nomask, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test__as_table__nothing_masked__is_the_array_itself(dtype, mask):
    cells = DTYPES[dtype]
    got = as_table(np.ma.masked_array(cells, mask)).X
    assert_array_equal(got, as_table(cells).X)
    assert got.dtype == as_table(cells).X.dtype


def test__as_table__all_masked__has_no_observed_cell():
    X = np.ma.masked_array(WHOLE, True)
    with pytest.raises(ValueError, match="no observed cell"):
        autoencoder().fit(X)


def test__as_table__structured_array__says_what_to_pass():
    X = np.zeros(4, dtype=[("a", float), ("b", int)])
    for given in (X, np.ma.masked_array(X), X.view(np.recarray)):
        with pytest.raises(ValueError, match=r"\['a', 'b'\].*pandas.DataFrame"):
            autoencoder().fit(given)


METHODS = [
    (autoencoder(), ["transform", "reconstruct", "score_samples", "score"]),
    (
        AutoencoderAnomalyDetector(autoencoder(), n_estimators=1),
        ["predict", "decision_function", "score_samples", "explain", "p_values"],
    ),
    (
        AutoencoderPretrainedClassifier(autoencoder(), max_epochs=1),
        ["predict", "predict_proba", "transform"],
    ),
    (
        AutoencoderPretrainedRegressor(autoencoder(), max_epochs=1),
        ["predict", "transform"],
    ),
    (AutoencoderImputer(autoencoder(), n_estimators=1), ["transform", "draw"]),
]


@pytest.mark.parametrize("cells", [TEXT, WHOLE * 1.0], ids=["text", "numbers"])
@pytest.mark.parametrize(("estimator", "methods"), METHODS, ids=lambda case: "")
def test__methods__masked_cells__count_as_missing_ones(estimator, methods, cells):
    missing = np.where(GONE, None, cells.astype(object))
    masked = np.ma.masked_array(cells, GONE)
    y = WHOLE[:, 0]
    estimator.set_params(random_state=0)
    estimator.fit(missing, y)
    expected = [getattr(estimator, method)(missing) for method in methods]
    estimator.fit(masked, y)
    for method, values in zip(methods, expected, strict=True):
        assert_array_equal(getattr(estimator, method)(masked), values)


def test__partial_fit__masked_cells__count_as_missing_ones():
    X = np.ma.masked_array(WHOLE * 1.0, GONE)
    expected = autoencoder().partial_fit(X.filled(np.nan)).partial_fit(X.filled(np.nan))
    got = autoencoder().partial_fit(X).partial_fit(X)
    assert_array_equal(got.transform(X), expected.transform(X))


def test__inverse_transform__masked_latents__are_refused():
    ae = autoencoder().fit(WHOLE)
    with pytest.raises(ValueError, match="contains NaN"):
        ae.inverse_transform(np.ma.masked_array(ae.transform(WHOLE), GONE))


@pytest.mark.parametrize("estimator", [METHODS[i][0] for i in (0, 2, 3)])
def test__fit__masked_weights__are_refused(estimator):
    weights = np.ma.masked_array(np.ones(N_ROWS), GONE[:, 0])
    with pytest.raises(ValueError, match=r"sample_weight must .* Got none for row"):
        estimator.fit(WHOLE, WHOLE[:, 0], sample_weight=weights)


def test__impute__masked_booleans_beside_numbers__are_filled_with_booleans():
    rows = np.array([[True, 1.0], [None, 2], [False, 3]] * 14, dtype=object)
    for X in (rows, np.ma.masked_array(rows, pd.isna(rows))):
        imputer = AutoencoderImputer(autoencoder(), n_estimators=1, random_state=0)
        got = imputer.fit_transform(X)
        assert {type(cell) for cell in got[:, 0]} == {bool}
