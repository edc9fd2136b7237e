"""Tables that cannot be used get a clear error, and others just work."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.datasets import load_wine

from sklearn_ae import AutoencoderTransformer
from tests.helpers import X_WINE, Counter, fails_before_training, with_cell

FRAME = load_wine(as_frame=True).data


def make(**params):
    defaults = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return AutoencoderTransformer(**{**defaults, **params})


X_ERRORS = {
    "no rows": (np.empty((0, 3)), "0 sample.*minimum of 1"),
    "no columns": (np.empty((3, 0)), "0 feature.*minimum of 1"),
    "one dimension": (X_WINE[0], "Expected 2D array, got 1D array"),
    "three dimensions": (X_WINE[None], "array with dim 3"),
    "a number": (3.0, "Expected 2D array, got scalar"),
    "None": (None, "Expected 2D array, got scalar"),
    "infinity": (with_cell(np.inf), r"contains infinity.* in columns \[2\]\. Replace"),
    "float32 infinity": (with_cell(-np.inf, X_WINE.astype("f")), r"columns \[2\]"),
    "sparse infinity": (sparse.csr_array(with_cell(np.inf)), r"columns \[2\]"),
    "measurements as text": (X_WINE.astype(str), "Column 0 holds 126 different values"),
    "dates": (
        np.zeros((3, 2), "M8[D]"),
        r"Columns \[0, 1\] hold dates or times\. Make",
    ),
    "bytes": (np.full((3, 2), b"a"), r"Columns \[0, 1\] hold neither real numbers nor"),
    "complex": (X_WINE + 1j, "Complex data not supported"),
    "text objects": (with_cell("red", X_WINE.astype(object)), r"Columns \[2\].*'red'"),
    "text in a list": ([[1, "red"], [2, 3]], "must hold numbers"),
    "ragged list": ([[1, 2], [3]], "same length"),
}


@pytest.mark.parametrize("case", X_ERRORS)
def test__fit__unusable_array__is_refused(case):
    X, message = X_ERRORS[case]
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


DATES = pd.date_range("2020", periods=178)


DATES_ADVICE = (
    "Make numbers of them, for example the days since a date, with a ColumnTransformer "
    "or skrub.TableVectorizer in front, or drop them"
)


OTHER_ADVICE = "Make numbers or text of them, or drop them"


TEXT_ADVICE = "Drop the column, or make numbers or fewer categories of it"


UNUSABLE_COLUMNS = {
    "dates": (DATES, DATES_ADVICE),
    "dates with time zone": (DATES.tz_localize("UTC"), DATES_ADVICE),
    "dates of Python": (list(DATES.date), DATES_ADVICE),
    "dates of Arrow": (pd.array(DATES, dtype="timestamp[ns][pyarrow]"), DATES_ADVICE),
    "durations": (DATES - DATES[0], DATES_ADVICE),
    "periods": (DATES.to_period("D"), DATES_ADVICE),
    "intervals": (pd.interval_range(0, 178), OTHER_ADVICE),
    "complex": (np.full(178, 1j), OTHER_ADVICE),
    "bytes": ([b"a"] * 178, OTHER_ADVICE),
    "lists": ([[1, 2]] * 178, "Make columns of the values"),
    "text and numbers": (["a", 1] * 89, "Let their cells all be numbers, or all be"),
    "identifiers": ([f"id {i}" for i in range(178)], TEXT_ADVICE),
}


@pytest.mark.parametrize("case", UNUSABLE_COLUMNS)
def test__fit__frame_column_that_cannot_be_used__is_named_with_a_way_out(case):
    cells, advice = UNUSABLE_COLUMNS[case]
    message = rf"'colour'.*{advice}"
    X = FRAME.assign(colour=cells)
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        (pl.Series([[1, 2]] * 178), OTHER_ADVICE),
        (pl.Series([{"a": 1}] * 178), OTHER_ADVICE),
        (pl.Series([b"a"] * 178), OTHER_ADVICE),
        (pl.Series(DATES.to_numpy()), DATES_ADVICE),
        (pl.Series(DATES.to_numpy()).dt.time(), DATES_ADVICE),
        (pl.Series([f"id {i}" for i in range(178)]), TEXT_ADVICE),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test__fit__polars_column_that_cannot_be_used__is_named_with_a_way_out(
    column, advice
):
    X = pl.DataFrame(FRAME.to_dict("list")).with_columns(column.alias("colour"))
    message = rf"'colour'.*{advice}"
    fails_before_training(make(callbacks=[Counter()]), X, ValueError, message)


def test__fit__infinite_or_text_cell_of_a_frame__names_the_column():
    with pytest.raises(ValueError, match=r"in columns \['ash'\]"):
        make().fit(FRAME.replace({"ash": FRAME.ash[0]}, np.inf))
    with pytest.raises(ValueError, match=r"Columns \['ash'\].*'red'"):
        make().fit(FRAME.astype(object).replace({"ash": FRAME.ash[0]}, "red"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[X.columns[::-1]], "must be in the same order"),
        (lambda X: X.rename(columns={"ash": "dust"}), "unseen at fit time:\n- dust"),
        (lambda X: X.drop(columns="ash"), "now missing:\n- ash"),
        (lambda X: X.assign(ash="red"), "'ash' held numbers in fit.* dtype (str|obj)"),
        (lambda X: X.assign(ash="3"), "'ash' held numbers in fit"),
        (lambda X: X.astype({"ash": "category"}), "'ash' held numbers .* category"),
        (lambda X: X.assign(ash=DATES), "'ash' held numbers in fit.* dtype datetime64"),
        (lambda X: X.assign(ash=1j), "'ash' held numbers in fit.* dtype complex128"),
        (lambda X: X.assign(ash=np.inf), r"infinity.*columns \['ash'\]"),
    ],
)
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test__inference__frame_unlike_that_of_fit__is_refused(change, message, method):
    ae = make().fit(FRAME)
    with pytest.raises(ValueError, match=message):
        getattr(ae, method)(change(FRAME))


def test__inference__text_in_a_column_without_a_cell__says_that_there_was_none():
    ae = make().fit(FRAME.assign(ash=None))
    with pytest.raises(ValueError, match="'ash' held no cell in fit"):
        ae.transform(FRAME.assign(ash="red"))


@pytest.mark.parametrize("X", [FRAME[[]], pl.DataFrame(FRAME.to_dict("list")).select()])
def test__fit__frame_without_columns__says_so(X):
    with pytest.raises(ValueError, match=r"0 feature\(s\).* by AutoencoderTransformer"):
        make().fit(X)


@pytest.mark.parametrize("X", [X_WINE[:, :5], sparse.csr_array(X_WINE[:, :5])])
def test__transform__another_number_of_columns__is_refused(X):
    ae = make().fit(X_WINE)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* expecting 13"):
        ae.transform(X)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* expecting 13"):
        ae.partial_fit(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test__transform__infinite_cell__is_refused(dtype, scaling):
    ae = make(scaling=scaling).fit(X_WINE.astype(dtype) / 1000)
    with pytest.raises(ValueError, match=r"contains infinity.*columns \[2\]"):
        ae.transform(with_cell(np.inf).astype(dtype))


def test__fit__unusual_but_usable_tables__just_works():
    """Each of these has broken an autoencoder somewhere."""
    tables = {
        "one row": X_WINE[:1],
        "one column": X_WINE[:, :1],
        "one cell": X_WINE[:1, :1],
        "constant": np.full((20, 3), 0.1),
        "constant columns": np.c_[X_WINE, np.full(178, 0.1), np.zeros(178)],
        "components beyond the table": X_WINE[:3, :2],
        "20 rows in batches of 32": X_WINE[:20],
        "empty sparse rows": sparse.csr_array((50, 4)),
    }
    for name, X in tables.items():
        ae = make(n_components=5, batch_size=32).fit(X)
        assert np.isfinite(ae.transform(X)).all(), name
        assert np.isfinite(ae.score_samples(X)).all(), name
        assert ae.transform(X).shape == (X.shape[0], 5), name


def test__fit__no_observed_cell__is_refused():
    with pytest.raises(ValueError, match="no observed cell"):
        make().fit(np.full((20, 3), np.nan))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(178), "Negative values"),
        (np.ones(4), r"\(4,\), expected \(178,\)"),
        (np.zeros(178), "at least one non-zero"),
        (np.r_[np.nan, np.ones(177)], "sample_weight must .* Got none for row"),
        (np.r_[np.inf, np.ones(177)], "sample_weight contains infinity"),
        (np.ones((178, 1)), "1D array"),
        (["a"] * 178, "sample_weight must have a number"),
    ],
)
def test__fit__wrong_sample_weight__is_refused(weight, message):
    ae = make(callbacks=[Counter()])
    fails_before_training(ae, X_WINE, ValueError, message, sample_weight=weight)


@pytest.mark.parametrize("factor", [1e-310, 1e-3, 1e3, 1e308])
def test__fit__all_weights_in_other_units__trains_the_same(factor):
    weight = np.full(178, factor)
    plain = make().fit(X_WINE).score(X_WINE)
    score = make().fit(X_WINE, sample_weight=weight).score(X_WINE)
    assert score == pytest.approx(plain, rel=1e-4)
