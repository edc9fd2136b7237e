"""Tables with classes or a target, to see what latents are worth behind a model."""

from pathlib import Path

import numpy as np
import pandas as pd
from bench_labels import FRAMES as CLASS_FRAMES
from bench_labels import HORSE_NUMBERS
from real_data import DATA
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

BUILT_IN = ["iris", "wine", "breast_cancer", "digits", "diabetes"]
# The column to predict, and columns that are left out, as in data/README.md.
FRAMES = {
    **CLASS_FRAMES,
    "auto_imports": ("price", []),
    "more/dermatology": ("class", []),
    "more/ecoli": ("class", []),
    "more/glass": ("Class", []),
    "more/segment": ("class", []),
    "more/vehicle": ("Class", []),
    "more/vowel": ("Class", ["Train", "Speaker", "Sex"]),
    "more/letter": ("class", []),
    "more/penguins": ("species", []),
    "more/titanic": (
        "survived",
        ["alive", "class", "who", "adult_male", "deck", "embark_town", "alone"],
    ),
    "more/mpg": ("mpg", ["name"]),
    "more/diamonds": ("price", []),
}
TARGETS = ["diabetes", "auto_imports", "more/mpg", "more/diamonds"]
MOST_ROWS = 3_000
TEST_SHARE = 0.4


def names():
    """Return the names of all tables at hand: of classes first, then of targets."""
    files = [name for name in FRAMES if _path(name).exists()]
    arrays = [path.stem for path in sorted(DATA.glob("adbench/*.npz"))]
    # scikit-learn's wine has more rows, and three classes.
    arrays = [name for name in arrays if name not in BUILT_IN]
    found = [*BUILT_IN, *files, *arrays, *(["MNIST"] if _mnist().exists() else [])]
    return [n for n in found if n not in TARGETS] + [n for n in found if n in TARGETS]


def _path(name: str) -> Path:
    return DATA / f"{name}.csv.gz"


def _mnist() -> Path:
    return DATA / "mnist.npz"


def load(name):
    """Return the rows of a table, and codes of their classes or their targets."""
    if name in BUILT_IN:
        return getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "MNIST":
        with np.load(_mnist()) as arrays:
            X = arrays["X_train"].reshape(60_000, -1).astype(np.float32)
            return X, arrays["y_train"].astype(int)
    if name not in FRAMES:
        with np.load(DATA / "adbench" / f"{name}.npz") as arrays:
            return arrays["X"].astype(float), arrays["y"].astype(int)
    target, left_out = FRAMES[name]
    dtype = str if name == "horse_colic" else None
    X = pd.read_csv(_path(name), keep_default_na=False, na_values=[""], dtype=dtype)
    if dtype:
        X[HORSE_NUMBERS] = X[HORSE_NUMBERS].astype(float)
    y = X.pop(target)
    X = X.drop(columns=left_out)
    # Names of columns repeat in some files, as ".1" and so on.
    y = y.to_numpy(float) if name in TARGETS else pd.factorize(y, sort=True)[0]
    return X, np.log(y) if name in TARGETS else y


def divide(name, seed, most_rows=MOST_ROWS):
    """Return rows to fit on and rows to predict, and what is to be predicted."""
    X, y = load(name)
    is_class = name not in TARGETS
    stratify = y if is_class and np.unique(y, return_counts=True)[1].min() > 3 else None
    rows = np.arange(len(y))
    if len(y) > most_rows:
        rows, _ = train_test_split(
            rows, train_size=most_rows, stratify=stratify, random_state=seed
        )
    train, test = train_test_split(
        rows,
        test_size=TEST_SHARE,
        stratify=None if stratify is None else y[rows],
        random_state=seed,
    )
    return (*(take(X, part) for part in (train, test)), y[train], y[test])


def take(X, rows):
    """Return some rows of an array or a frame."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def raw_columns(X):
    """Return a transformer to standardised numbers and indicators of categories."""
    if not isinstance(X, pd.DataFrame):
        return StandardScaler()
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )
