"""Models that are logged with ``for_predict``: they come back, and PREDICT sees scalars."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
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
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from tracking_store import Experiment
from xgboost import XGBClassifier, XGBRegressor

from lakepredict._signature import read_signature
from lakepredict._worker.batch import Feature
from lakepredict._worker.native import NativeModel
from lakepredict._worker.scorer import Scorer
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
        info = getattr(mlflow, flavor).log_model(model, name="m", **for_predict(model, X), pip_requirements=[])
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


CATEGORIES = X.assign(place=pd.Categorical(RANDOM.choice(["north", "south"], 60)), store=X["store"].astype("category"))
"""Columns of categories: of texts, and of integers."""

BESIDE = make_column_transformer((StandardScaler(), ["price"]), remainder="passthrough").set_output(transform="pandas")


def lgbm(kind: Any = LGBMRegressor) -> Any:
    """LightGBM's model of a few rows."""
    return kind(n_estimators=3, min_child_samples=3, verbose=-1)


def xgb(kind: Any = XGBRegressor) -> Any:
    """XGBoost's model of categories."""
    return kind(n_estimators=3, enable_categorical=True)


OF_CATEGORIES: dict[str, tuple[Any, str]] = {
    "lightgbm": (lambda: lgbm().fit(CATEGORIES, Y), "lightgbm"),
    "lightgbm_classifier": (lambda: lgbm(LGBMClassifier).fit(CATEGORIES, CLASS), "lightgbm"),
    "lightgbm_booster": (lambda: lgbm().fit(CATEGORIES, Y).booster_, "lightgbm"),
    "lightgbm_inside": (lambda: make_pipeline(BESIDE, lgbm()).fit(CATEGORIES, Y), "sklearn"),
    "xgboost": (lambda: xgb().fit(CATEGORIES, Y), "xgboost"),
    "xgboost_booster": (lambda: xgb().fit(CATEGORIES, Y).get_booster(), "xgboost"),
    "xgboost_inside": (lambda: make_pipeline(BESIDE, xgb()).fit(CATEGORIES, Y), "sklearn"),
}
"""Models that were trained on categories, and MLflow's flavor."""


@pytest.mark.parametrize("name", OF_CATEGORIES)
def test_models_of_categories(experiment: Experiment, tmp_path: Path, name: str) -> None:
    """A model that learnt from categories is logged, and scores what a table has in their place."""
    fit, flavor = OF_CATEGORIES[name]
    model = fit()
    arguments = for_predict(model, CATEGORIES)
    found = scored(model, arguments, flavor, tmp_path, [CATEGORIES[name] for name in CATEGORIES])
    data = xgboost.DMatrix(CATEGORIES, enable_categorical=True) if name == "xgboost_booster" else CATEGORIES

    assert found == np.asarray(model.predict(data)).tolist()
    assert [spec.type for spec in arguments["signature"].inputs] == [DataType.double, DataType.double, DataType.string]


def scored(model: Any, arguments: dict[str, Any], flavor: str, folder: Path, columns: list[Any]) -> list[Any]:
    """What a Python worker makes of columns, of a model that is saved with the helper's arguments."""
    getattr(mlflow, flavor).save_model(model, folder / "model", pip_requirements=[], **arguments)
    signature = read_signature(arguments["signature"])
    native = NativeModel(str(folder / "model"), [each.name for each in signature.inputs])
    features = tuple(Feature(each.name) for each in signature.inputs)
    result = {T.DoubleType(): pa.float64(), T.StringType(): pa.string()}[signature.result]
    score = Scorer(Shipped(native), features, result, "UTC", native=True)
    plain = [column.astype(object) if column.dtype == "category" else column for column in map(pd.Series, columns)]
    kinds = [pa.string() if each.type == T.StringType() else pa.float64() for each in signature.inputs]
    arrays = [pa.array(column, kind, from_pandas=True) for column, kind in zip(plain, kinds, strict=True)]
    rows: list[Any] = score(*arrays).to_pylist()
    return rows


@dataclass
class Shipped:
    """Stands in for a broadcast and what loads the model in it."""

    model: Any
    label: str = "the model"
    notes: dict[Any, Any] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        """Itself."""
        return self

    def load(self, names: Any) -> Any:
        """The model."""
        return self.model


TEXTS = pd.Series(["good day", "bad day", "good text", "bad text"] * 15, name="remark")


def texts_in(form: str) -> Any:
    """Texts as people have them."""
    forms = {"column": TEXTS, "frame": TEXTS.to_frame(), "list": list(TEXTS), "array": TEXTS.to_numpy()}
    return forms.get(form, TEXTS.rename(None))


@pytest.mark.parametrize("form", ["column", "frame", "list", "array", "unnamed column"])
def test_models_of_texts(tmp_path: Path, form: str) -> None:
    """A model that reads texts is logged with whatever its texts come in."""
    labels = np.where(TEXTS.str.contains("good"), "yes", "no")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, labels)
    arguments = for_predict(model, texts_in(form))
    signature = read_signature(arguments["signature"])

    assert [each.type for each in signature.inputs] == [T.StringType()]
    assert signature.inputs[0].name == ("remark" if form in ("column", "frame") else None)
    if form != "array":
        assert scored(model, arguments, "sklearn", tmp_path, [TEXTS]) == labels.tolist()


def test_texts_in_several_columns(golden: Callable[[str, str], None]) -> None:
    """A model that reads one text a row is not logged with two columns."""
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, TEXTS == "good day")
    with pytest.raises(ModelFormatError) as refused:
        for_predict(model, pd.DataFrame({"subject": TEXTS, "body": TEXTS}))

    golden("tracking/model_of_texts.txt", str(refused.value))


def test_models_of_dicts(tmp_path: Path) -> None:
    """A model that learnt from dicts is logged with them, and has an input for each key."""
    rows = X.to_dict("records")
    model = make_pipeline(DictVectorizer(), Ridge()).fit(rows, Y)
    arguments = for_predict(model, rows)

    assert arguments["signature"].inputs.input_names() == ["store", "price"]
    assert scored(model, arguments, "sklearn", tmp_path, [X["store"], X["price"]]) == model.predict(rows).tolist()


@pytest.mark.parametrize("matrix", [X.to_numpy(), X[["price"]].to_numpy(), X["price"].to_numpy().reshape(-1, 1, 1)])
def test_matrices_of_any_shape(matrix: Any) -> None:
    """A model of a matrix is tried on it, whatever its shape."""
    assert for_predict(Constant(), matrix)["signature"].inputs.inputs[0].shape == (-1, *matrix.shape[1:])


def test_matrix_without_a_type() -> None:
    """A matrix of a type that SQL lacks is refused before it is logged."""
    with pytest.raises(ModelFormatError, match="a tensor of type complex128"):
        for_predict(Constant(), X.to_numpy().astype(complex))


def test_no_predict() -> None:
    """What has no predict is refused with a way out."""
    with pytest.raises(ModelFormatError, match=r"(?s)got: *StandardScaler.*give a signature"):
        for_predict(StandardScaler().fit(X), X)


@pytest.mark.parametrize("model", [XGBRegressor(), LGBMRegressor(), LinearRegression()], ids=["xgb", "lgbm", "linear"])
def test_model_that_is_not_fitted(model: Any) -> None:
    """A model that was not fitted is refused."""
    with pytest.raises(ModelFormatError, match=r"(?i)fit"):
        for_predict(model, X)


def test_threads_stay(experiment: Experiment) -> None:
    """A model that is tried keeps its threads; a Python worker has others."""
    model = RandomForestRegressor(3, n_jobs=2).fit(X, Y)
    for_predict(model, X)

    assert model.n_jobs == 2


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
