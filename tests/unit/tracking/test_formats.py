"""Models that are logged with ``for_predict``: they come back, and PREDICT sees scalars."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from mlflow.models import ModelSignature
from mlflow.types import DataType
from pyspark.sql import types as T
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from tracking_store import Experiment
from xgboost import XGBClassifier, XGBRegressor

from lakepredict._signature import read_signature
from lakepredict.errors import ModelFormatError
from lakepredict.tracking import for_predict

RANDOM = np.random.default_rng(0)
X = pd.DataFrame({"store": RANDOM.integers(1, 5, 60), "price": RANDOM.normal(size=60)})
Y = X["store"] * 2 + X["price"]
CLASS = pd.Series(np.where(Y.median() < Y, "high", "low"))

MODELS: dict[str, tuple[Any, Any, str]] = {
    "linear": (LinearRegression(), Y, "sklearn"),
    "pipeline": (make_pipeline(StandardScaler(), Ridge()), Y, "sklearn"),
    "one_hot": (make_pipeline(make_column_transformer((OneHotEncoder(), ["store"])), Ridge()), Y, "sklearn"),
    "hist_boosting": (HistGradientBoostingRegressor(max_iter=3), Y, "sklearn"),
    "hist_classifier": (HistGradientBoostingClassifier(max_iter=3), CLASS, "sklearn"),
    "forest": (RandomForestRegressor(3), Y, "sklearn"),
    "boosting": (GradientBoostingRegressor(n_estimators=3), Y, "sklearn"),
    "stacking": (StackingRegressor([("h", HistGradientBoostingRegressor(max_iter=3))]), Y, "sklearn"),
    "search": (GridSearchCV(HistGradientBoostingClassifier(max_iter=3), {"max_depth": [2, 3]}, cv=2), CLASS, "sklearn"),
    "lambda": (make_pipeline(FunctionTransformer(lambda x: x * 2), Ridge()), Y, "sklearn"),
    "xgboost_inside": (make_pipeline(StandardScaler(), XGBRegressor(n_estimators=3)), Y, "sklearn"),
    "xgboost": (XGBRegressor(n_estimators=3), Y, "xgboost"),
    "xgboost_classifier": (XGBClassifier(n_estimators=3), (CLASS == "high").astype(int), "xgboost"),
    "lightgbm": (LGBMRegressor(n_estimators=3, verbose=-1), Y, "lightgbm"),
    "lightgbm_classifier": (LGBMClassifier(n_estimators=3, verbose=-1), CLASS, "lightgbm"),
    "catboost": (CatBoostRegressor(iterations=3, verbose=0, allow_writing_files=False), Y, "catboost"),
}
"""Name -> an estimator, what it learns, and MLflow's flavor."""


@pytest.fixture(scope="module")
def experiment(lakehouse: Path) -> Experiment:
    """The experiment of all runs here."""
    return Experiment("formats", lakehouse / "artifacts")


@pytest.mark.parametrize("name", MODELS)
def test_models_come_back(experiment: Experiment, name: str) -> None:
    """A model that MLflow logs with the helper's arguments loads, and predicts the same from doubles."""
    estimator, target, flavor = MODELS[name]
    model = estimator.fit(X, target)
    with mlflow.start_run(experiment_id=experiment.id):
        info = getattr(mlflow, flavor).log_model(model, **for_predict(model, X), pip_requirements=[])
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    predicted = np.asarray(loaded.predict(X.astype("float64"))).ravel()

    assert list(predicted) == list(np.asarray(model.predict(X)).ravel())
    assert info.signature.outputs.input_names() == ["prediction"]


@pytest.mark.parametrize("name", ["hist_boosting", "forest"])
def test_mlflow_alone_does_not_load_them(experiment: Experiment, name: str) -> None:
    """Without the helper's arguments these models cannot be logged or loaded, which is why it is there."""
    estimator, target, _ = MODELS[name]
    model = estimator.fit(X, target)
    with pytest.raises(Exception, match=r"(?i)untrusted|trusted"), mlflow.start_run(experiment_id=experiment.id):
        mlflow.sklearn.load_model(mlflow.sklearn.log_model(model, name="model", pip_requirements=[]).model_uri)


def test_format() -> None:
    """A model keeps MLflow's default where it can, and is kept as cloudpickle where it cannot."""
    plain = for_predict(LinearRegression().fit(X, Y), X)
    free = for_predict(make_pipeline(FunctionTransformer(lambda x: x), Ridge()).fit(X, Y), X)

    assert (plain["serialization_format"], plain["skops_trusted_types"]) == ("skops", [])
    assert free["serialization_format"] == "cloudpickle"
    assert "skops_trusted_types" not in free


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Y, T.DoubleType()),
        (CLASS, T.StringType()),
        ((CLASS == "high").astype(int), T.LongType()),
        (CLASS == "high", T.BooleanType()),
    ],
    ids=["regression", "text", "integer", "boolean"],
)
def test_predict_gives_a_scalar(target: Any, expected: T.DataType) -> None:
    """PREDICT's type is DOUBLE for a regression, and that of the labels for a classifier."""
    model = (LinearRegression() if target is Y else LogisticRegression()).fit(X, target)
    signature = read_signature(for_predict(model, X)["signature"])

    assert signature.result == expected


COLUMNS = {
    "small": (pd.Series([1, 2], dtype="int8"), DataType.double),
    "whole": (pd.Series([1, 2]), DataType.double),
    "nullable": (pd.Series([1, None], dtype="Int64"), DataType.double),
    "single": (pd.Series([1.5, 2], dtype="float32"), DataType.double),
    "open": (pd.Series([True, False]), DataType.boolean),
    "text": (pd.Series(["a", None]), DataType.string),
    "pandas_text": (pd.Series(["a", "b"], dtype="string"), DataType.string),
    "category": (pd.Series(["a", "b"], dtype="category"), DataType.string),
    "numbered": (pd.Series([1, 2], dtype="category"), DataType.double),
    "time": (pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])), DataType.datetime),
    "day": (pd.Series([datetime.date(2024, 1, 1)] * 2), DataType.datetime),
    "raw": (pd.Series([b"a", b"b"]), DataType.binary),
}
"""Column -> its values, and the MLflow type that it gets."""


class Constant:
    """A model that takes anything."""

    def predict(self, rows: Any) -> Any:
        """One for each row."""
        return np.ones(len(rows))


def test_types_of_columns() -> None:
    """Integers become double; other columns keep their type, as MLflow calls it."""
    frame = pd.DataFrame({name: values for name, (values, _) in COLUMNS.items()})
    inputs = for_predict(Constant(), frame)["signature"].inputs
    expected = {name: kind for name, (_, kind) in COLUMNS.items()}

    assert {spec.name: spec.type for spec in inputs} == expected


def test_columns_that_are_never_null() -> None:
    """An integer column that is never NULL keeps its type where that is said."""
    frame = pd.DataFrame({"store": [1, 2], "week": pd.Series([1, 2], dtype="int32"), "visits": [3, 4]})
    inputs = for_predict(Constant(), frame, never_null=["store", "week"])["signature"].inputs

    assert [spec.type for spec in inputs] == [DataType.long, DataType.integer, DataType.double]


def test_a_matrix_is_taken_by_position() -> None:
    """A model of a NumPy matrix has a DOUBLE for each column and gives a DOUBLE."""
    matrix = X.to_numpy().astype("int64")
    signature = read_signature(for_predict(LinearRegression().fit(matrix, Y), matrix)["signature"])

    assert [(each.name, each.type) for each in signature.inputs] == [(None, T.DoubleType())] * 2
    assert signature.result == T.DoubleType()


def test_a_signature_stays_as_it_is() -> None:
    """A signature made elsewhere, of a Spark schema for example, is taken."""
    given = for_predict(Constant(), X)["signature"]
    arguments = for_predict(LinearRegression().fit(X, Y), given, name="forecast")

    assert isinstance(given, ModelSignature)
    assert arguments["signature"] is given
    assert arguments["name"] == "forecast"


def test_rows_are_not_changed() -> None:
    """The frame that is given stays as it is."""
    frame = pd.DataFrame({"store": [1, 2], "kind": pd.Series(["a", "b"], dtype="category")})
    before = frame.copy(deep=True)
    for_predict(Constant(), frame)

    pd.testing.assert_frame_equal(before, frame)


# --- errors ------------------------------------------------------------------------------------------------


class Picky:
    """A model that takes whole numbers alone, as CatBoost does for its categories."""

    def predict(self, rows: Any) -> Any:
        """One for each row, if its stores are integers."""
        if rows["store"].dtype.kind != "i":
            raise TypeError("store must be integer")
        return np.ones(len(rows))


def test_a_model_that_refuses_doubles(golden: Callable[[str, str], None]) -> None:
    """A model that fails on what PREDICT would give it is not logged, until its integers are kept."""
    with pytest.raises(ModelFormatError) as refused:
        for_predict(Picky(), X)

    assert for_predict(Picky(), X, never_null=["store"])
    golden("tracking/model_fails.txt", str(refused.value))


def test_several_values_a_row() -> None:
    """A model of several outputs is not scalar."""
    model = LinearRegression().fit(X, pd.DataFrame({"a": Y, "b": Y}))
    with pytest.raises(ModelFormatError, match=r"got:      \(5, 2\)"):
        for_predict(model, X)


def test_column_without_a_type() -> None:
    """A column of lists has no scalar type."""
    with pytest.raises(ModelFormatError, match="The column `baskets` has no type"):
        for_predict(Constant(), pd.DataFrame({"baskets": [[1], [2]]}))


def test_unknown_never_null() -> None:
    """A column that is said to be never NULL must exist."""
    with pytest.raises(ModelFormatError, match="got:      shop"):
        for_predict(Constant(), X, never_null=["shop"])


def test_other_inputs() -> None:
    """What is no pandas data frame is refused with what to give instead."""
    with pytest.raises(ModelFormatError, match="got:      list"):
        for_predict(Constant(), [[1, 2]])  # type: ignore[arg-type]
