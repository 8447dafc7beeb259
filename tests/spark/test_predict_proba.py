"""PREDICT_PROBA: class probabilities of every flavor that has them, and of none that has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema
from pyspark.errors import AnalysisException
from pyspark.ml import Pipeline
from pyspark.ml import classification as spark_classification
from pyspark.ml import regression as spark_regression
from pyspark.ml.feature import IndexToString, StringIndexer, VectorAssembler
from pyspark.sql import SparkSession
from pyspark.sql import types as T
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import lakepredict

X = pd.DataFrame(np.random.default_rng(5).normal(size=(60, 2)), columns=["a", "b"])
TWO = (X["a"] + X["b"] > 0).astype(int).to_numpy()
THREE = np.digitize(X["a"] - X["b"], [-0.7, 0.7])
NAMES = np.array(["low", "mid", "high"])


@dataclass(frozen=True)
class Case:
    """A classifier, how it is logged, and what it should give.

    Attributes:
        log: the flavor's ``log_model``.
        model: the fitted model.
        labels: the class labels.
        probabilities: their probabilities for ``X``, a column for each.
        key: the Spark type of the labels.
        options: for ``log``.
    """

    log: Callable[..., Any]
    model: Any
    labels: list[Any]
    probabilities: np.ndarray
    key: T.DataType
    options: dict[str, Any]


def case(
    log: Callable[..., Any],
    model: Any,
    key: T.DataType,
    labels: Any = None,
    probabilities: Any = None,
    **options: Any,
) -> Case:
    """A classifier with the interface of scikit-learn, unless labels and probabilities are given."""
    labels = model.classes_ if labels is None else labels
    found = model.predict_proba(X) if probabilities is None else probabilities
    return Case(log, model, np.asarray(labels).tolist(), np.asarray(found, "float64"), key, options)


def booster(objective: str) -> xgboost.Booster:
    """XGBoost's own booster."""
    classes = {"num_class": 3} if objective.startswith("multi") else {}
    data = xgboost.DMatrix(X, THREE if classes else TWO)
    return xgboost.train({"objective": objective, "max_depth": 2, **classes}, data, num_boost_round=3)


def lightgbm_booster(objective: str) -> lightgbm.Booster:
    """LightGBM's own booster."""
    classes = {"num_class": 3} if objective == "multiclass" else {}
    data = lightgbm.Dataset(X, THREE if classes else TWO)
    return lightgbm.train({"objective": objective, "verbose": -1, **classes}, data, num_boost_round=3)


def cases() -> dict[str, Case]:
    """All classifiers, by name."""
    text = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, NAMES[THREE])
    soft = booster("multi:softprob")
    positive = booster("binary:logistic").predict(xgboost.DMatrix(X))
    xgb = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(X, THREE)
    lgbm = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, NAMES[THREE])
    multi = lightgbm_booster("multiclass")
    binary = lightgbm_booster("binary").predict(X)
    cat = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(X, NAMES[THREE])
    plain = catboost.CatBoost({"loss_function": "Logloss", "iterations": 3, "allow_writing_files": False})
    plain.fit(X, TWO, verbose=False)
    both = [0, 1]
    return {
        "sklearn_text": case(mlflow.sklearn.log_model, text, T.StringType()),
        "sklearn_long": case(mlflow.sklearn.log_model, LogisticRegression().fit(X, TWO * 5), T.LongType()),
        "sklearn_int": case(
            mlflow.sklearn.log_model, LogisticRegression().fit(X, THREE.astype("int32")), T.IntegerType()
        ),
        "sklearn_boolean": case(mlflow.sklearn.log_model, LogisticRegression().fit(X, TWO == 1), T.BooleanType()),
        "sklearn_double": case(mlflow.sklearn.log_model, LogisticRegression().fit(X, TWO + 0.0), T.DoubleType()),
        "sklearn_logged_with_proba": case(
            mlflow.sklearn.log_model, text, T.StringType(), pyfunc_predict_fn="predict_proba"
        ),
        "xgboost": case(mlflow.xgboost.log_model, xgb, T.LongType()),
        "xgboost_softprob": case(
            mlflow.xgboost.log_model, soft, T.LongType(), [0, 1, 2], soft.predict(xgboost.DMatrix(X))
        ),
        "xgboost_softmax": case(
            mlflow.xgboost.log_model,
            booster("multi:softmax"),
            T.LongType(),
            [0, 1, 2],
            soft.predict(xgboost.DMatrix(X)),
        ),
        "xgboost_binary": case(
            mlflow.xgboost.log_model,
            booster("binary:logistic"),
            T.LongType(),
            both,
            np.column_stack([1 - positive, positive]),
        ),
        "lightgbm": case(mlflow.lightgbm.log_model, lgbm, T.StringType()),
        "lightgbm_multiclass": case(mlflow.lightgbm.log_model, multi, T.LongType(), [0, 1, 2], multi.predict(X)),
        "lightgbm_binary": case(
            mlflow.lightgbm.log_model,
            lightgbm_booster("binary"),
            T.LongType(),
            both,
            np.column_stack([1 - binary, binary]),
        ),
        "catboost": case(mlflow.catboost.log_model, cat, T.StringType()),
        "catboost_plain": case(
            mlflow.catboost.log_model, plain, T.LongType(), both, plain.predict(X, prediction_type="Probability")
        ),
    }


CASES = cases()


def log(case: Case, name: str) -> None:
    """Register a classifier."""
    function = case.options.get("pyfunc_predict_fn", "predict")
    data = xgboost.DMatrix(X) if isinstance(case.model, xgboost.Booster) else X
    signature = infer_signature(X, np.asarray(getattr(case.model, function)(data)))
    with mlflow.start_run():
        case.log(
            case.model,
            name="model",
            signature=signature,
            registered_model_name=name,
            pip_requirements=["mlflow"],
            **case.options,
        )


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> str:
    """The rows of ``X``, numbered, in two partitions and with the columns in another order."""
    frame = X.assign(id=range(len(X)))[["id", "b", "a"]]
    spark.createDataFrame(frame).repartition(2).createOrReplaceTempView("proba_rows")
    return "proba_rows"


@pytest.mark.parametrize("name", CASES)
def test_probabilities(spark: SparkSession, rows: str, name: str) -> None:
    """Each class has the probability that the native model gives it, under its label in the label's own type."""
    expected = CASES[name]
    log(expected, f"proba_{name}")
    frame = spark.sql(f"SELECT id, PREDICT_PROBA('proba_{name}', 1, *) AS p FROM {rows}")

    assert frame.schema["p"].dataType == T.MapType(expected.key, T.DoubleType())
    found = {row.id: row.p for row in frame.collect()}
    assert all(set(each) == set(expected.labels) for each in found.values())
    values = np.array([[found[position][label] for label in expected.labels] for position in range(len(X))])
    np.testing.assert_allclose(values, expected.probabilities, rtol=1e-6 if "soft" in name else 1e-12)


def spark_signature() -> ModelSignature:
    """Two columns in, the prediction out."""
    columns = Schema([ColSpec("double", "a"), ColSpec("double", "b")])
    return ModelSignature(columns, Schema([ColSpec("double", "prediction")]))


def log_spark(name: str, stages: list[Any], training: Any) -> Any:
    """Fit and register a pipeline of Spark ML."""
    pipeline = Pipeline(stages=[VectorAssembler(inputCols=["a", "b"], outputCol="features"), *stages]).fit(training)
    with mlflow.start_run():
        mlflow.spark.log_model(
            pipeline,
            artifact_path="model",
            signature=spark_signature(),
            pip_requirements=["pyspark"],
            registered_model_name=name,
        )
    return pipeline


@pytest.mark.parametrize("texts", [False, True], ids=["indexes", "texts"])
def test_probabilities_of_spark_ml(spark: SparkSession, rows: str, texts: bool) -> None:
    """A Spark ML classifier has doubles as labels, or the texts that its pipeline turns them into."""
    training = spark.createDataFrame(X.assign(text=NAMES[THREE]))
    indexer = StringIndexer(inputCol="text", outputCol="label").fit(training)
    stages: list[Any] = [spark_classification.LogisticRegression(regParam=0.1)]
    labels: list[Any] = [0.0, 1.0, 2.0]
    if texts:
        labels = indexer.labels
        stages.append(IndexToString(inputCol="prediction", outputCol="answer", labels=labels))
    name = f"proba_spark_{'texts' if texts else 'indexes'}"
    pipeline = log_spark(name, stages, indexer.transform(training))
    frame = spark.sql(f"SELECT id, PREDICT_PROBA('{name}', 1, *) AS p FROM {rows}")
    expected = {row.id: row.probability for row in pipeline.transform(spark.table(rows)).collect()}

    assert frame.schema["p"].dataType.keyType == (T.StringType() if texts else T.DoubleType())
    assert {row.id: row.p for row in frame.collect()} == {
        key: dict(zip(labels, each.toArray().tolist(), strict=True)) for key, each in expected.items()
    }


REGRESSORS: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "sklearn": (mlflow.sklearn.log_model, LinearRegression().fit(X, TWO), "a LinearRegression (flavor sklearn)"),
    "sklearn_pipeline": (
        mlflow.sklearn.log_model,
        make_pipeline(StandardScaler(), LinearRegression()).fit(X, TWO),
        "a Pipeline (flavor sklearn), a regressor",
    ),
    "sklearn_svc": (mlflow.sklearn.log_model, LinearSVC().fit(X, TWO), "a LinearSVC (flavor sklearn), which has no"),
    "sklearn_multioutput": (
        mlflow.sklearn.log_model,
        MultiOutputClassifier(LogisticRegression()).fit(X, np.column_stack([TWO, THREE])),
        "a classifier of several outputs",
    ),
    "xgboost": (
        mlflow.xgboost.log_model,
        xgboost.XGBRegressor(n_estimators=2).fit(X, TWO),
        "a XGBRegressor (flavor xgboost)",
    ),
    "xgboost_booster": (
        mlflow.xgboost.log_model,
        booster("reg:squarederror"),
        "an XGBoost booster of the objective reg:squarederror",
    ),
    "lightgbm": (
        mlflow.lightgbm.log_model,
        lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(X, TWO),
        "a LGBMRegressor (flavor lightgbm)",
    ),
    "lightgbm_booster": (
        mlflow.lightgbm.log_model,
        lightgbm_booster("regression"),
        "a LightGBM booster of the objective regression",
    ),
    "catboost": (
        mlflow.catboost.log_model,
        catboost.CatBoostRegressor(iterations=2, verbose=False, allow_writing_files=False).fit(X, TWO),
        "a CatBoostRegressor (flavor catboost)",
    ),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_models_without_probabilities(
    spark: SparkSession, rows: str, name: str, golden: Callable[[str, str], None]
) -> None:
    """A model without probabilities is refused when the query is analysed, and the error says what it is."""
    log_model, model, what = REGRESSORS[name]
    with mlflow.start_run():
        log_model(
            model,
            name="model",
            signature=infer_signature(X, np.zeros(len(X))),
            registered_model_name=f"no_proba_{name}",
            pip_requirements=["mlflow"],
        )
    with pytest.raises(AnalysisException) as raised:
        spark.sql(f"SELECT PREDICT_PROBA('no_proba_{name}', 1, *) FROM {rows}")

    if name == "sklearn":
        golden("sql/probabilities_missing.txt", str(raised.value))
    assert raised.value.getCondition() == "PREDICT_PROBABILITIES_MISSING"
    assert raised.value.getMessageParameters()["got"].startswith(what)


def test_spark_ml_regressor(spark: SparkSession, rows: str) -> None:
    """A Spark ML regressor is refused, and the error has its stages."""
    training = spark.createDataFrame(X.assign(label=TWO + 0.0))
    log_spark("no_proba_spark", [spark_regression.LinearRegression(regParam=0.1)], training)
    with pytest.raises(AnalysisException, match="VectorAssembler, LinearRegressionModel") as raised:
        spark.sql(f"SELECT PREDICT_PROBA('no_proba_spark', 1, *) FROM {rows}")

    assert raised.value.getCondition() == "PREDICT_PROBABILITIES_MISSING"


def test_custom_model(spark: SparkSession, rows: str) -> None:
    """A custom model has no native flavor, and the error says so."""
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("models") / "picky.py"),
            signature=infer_signature(X, np.zeros(len(X))),
            registered_model_name="no_proba_custom",
            pip_requirements=["mlflow"],
        )
    with pytest.raises(AnalysisException, match="a custom model, which has no classifier of its own"):
        spark.sql(f"SELECT PREDICT_PROBA('no_proba_custom', 1, *) FROM {rows}")


def test_null_and_data_frames(spark: SparkSession, rows: str) -> None:
    """Where the model refuses a NULL there is no map; predict_proba is the same as a column."""
    query = (
        f"SELECT PREDICT_PROBA('proba_sklearn_text', 1, a => IF(id = 3, NULL, a), b => b) AS p FROM {rows} WHERE id < 5"
    )
    found = [row.p for row in spark.sql(query).collect()]
    column = lakepredict.predict_proba("proba_sklearn_text", 1, "*")["high"].alias("p")
    total = spark.table(rows).select(column).agg({"p": "sum"}).first()

    assert found.count(None) == 1
    assert total is not None
    assert total[0] == pytest.approx(CASES["sklearn_text"].probabilities[:, 0].sum())


def test_most_probable_class(spark: SparkSession, rows: str) -> None:
    """The most probable class of PREDICT_PROBA is what PREDICT says."""
    query = f"""
        SELECT count_if(array_max(map_values(p)) = p[label]) AS agreed, count(*) AS rows
        FROM (SELECT PREDICT_PROBA('proba_sklearn_text', 1, *) AS p, PREDICT('proba_sklearn_text', 1, *) AS label
              FROM {rows})
    """

    assert spark.sql(query).first() == (60, 60)
