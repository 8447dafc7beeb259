"""Models of each MLflow flavor, made and logged as their users do it, and what they predict themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import catboost
import lightgbm
import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
import statsmodels.formula.api as smf
import xgboost
from mlflow.models import ModelSignature, infer_signature
from mlflow.models.model import ModelInfo
from prophet import Prophet
from pyspark.ml import Pipeline as SparkPipeline
from pyspark.ml.classification import LogisticRegression as SparkLogisticRegression
from pyspark.ml.feature import IndexToString, StringIndexer, StringIndexerModel, VectorAssembler
from pyspark.ml.feature import OneHotEncoder as SparkOneHotEncoder
from pyspark.ml.regression import LinearRegression as SparkLinearRegression
from pyspark.sql import SparkSession
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

NUMERIC = ["price", "visits"]
MIXED = ["store", "price", "visits"]

SKOPS_TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree"]
"""What scikit-learn's trees are made of, and skops does not take unasked."""


@dataclass(frozen=True)
class Case:
    """A fitted model, and what PREDICT has to give for each row of :func:`sales`.

    Attributes:
        log: logs it with MLflow; takes the keywords that all flavors share.
        signature: what the user logs it with.
        expected: the model's own predictions.
        result: the Spark type of PREDICT.
        rtol: by which share a floating-point prediction may differ.
        inputs: the arguments of PREDICT.
    """

    log: Callable[..., ModelInfo]
    signature: ModelSignature
    expected: Any
    result: str
    rtol: float = 1e-12
    inputs: str = "*"


def sales() -> pd.DataFrame:
    """Sales of two stores in 12 weeks, in no order, with targets for regressors and classifiers."""
    random = np.random.default_rng(11)
    weeks = np.repeat(pd.date_range("2024-01-05", periods=12, freq="7D"), 2)
    rows = pd.DataFrame({"ds": weeks, "store": np.tile(["north", "south"], 12)})
    rows["price"] = random.uniform(1, 5, len(rows)).round(2)
    rows["visits"] = random.integers(10, 100, len(rows))
    noise = random.normal(size=len(rows))
    rows["amount"] = 10 * rows["visits"] - 50 * rows["price"] + 200 * (rows["store"] == "north") + noise
    rows["many"] = (rows["amount"] > rows["amount"].median()).astype("int64")
    rows["size"] = pd.qcut(rows["amount"], 3, labels=["small", "medium", "large"]).astype(str)
    rows = rows.sample(frac=1, random_state=5, ignore_index=True)
    rows.insert(0, "id", range(len(rows)))
    return rows


def sklearn_regressor(rows: pd.DataFrame) -> Case:
    """A random forest."""
    model = RandomForestRegressor(n_estimators=5, random_state=0).fit(rows[NUMERIC], rows["amount"])
    return case(mlflow.sklearn, model, rows[NUMERIC], "double", skops_trusted_types=SKOPS_TRUSTED)


def sklearn_text_classifier(rows: pd.DataFrame) -> Case:
    """A logistic regression whose labels are text."""
    model = LogisticRegression(max_iter=1000).fit(rows[NUMERIC], rows["size"])
    return case(mlflow.sklearn, model, rows[NUMERIC], "string")


def sklearn_integer_classifier(rows: pd.DataFrame) -> Case:
    """A logistic regression whose labels are 0 and 1."""
    model = LogisticRegression(max_iter=1000).fit(rows[NUMERIC], rows["many"])
    return case(mlflow.sklearn, model, rows[NUMERIC], "bigint")


def sklearn_pipeline(rows: pd.DataFrame) -> Case:
    """A pipeline that encodes a column of text."""
    encode = make_column_transformer((OneHotEncoder(), ["store"]), remainder="passthrough")
    model = make_pipeline(encode, LinearRegression()).fit(rows[MIXED], rows["amount"])
    return case(mlflow.sklearn, model, rows[MIXED], "double")


def sklearn_probabilities(rows: pd.DataFrame) -> Case:
    """A classifier logged to give its probabilities."""
    model = LogisticRegression(max_iter=1000).fit(rows[NUMERIC], rows["size"])
    probabilities = model.predict_proba(rows[NUMERIC])
    log = partial(mlflow.sklearn.log_model, model, pyfunc_predict_fn="predict_proba")
    return Case(log, infer_signature(rows[NUMERIC], probabilities), probabilities, "array<double>")


def sklearn_serialized(rows: pd.DataFrame, serialization_format: str) -> Case:
    """A pipeline with gradient boosting in one of MLflow's file formats."""
    encode = make_column_transformer((OneHotEncoder(), ["store"]), remainder="passthrough")
    boosting = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3)
    model = make_pipeline(encode, boosting).fit(rows[MIXED], rows["amount"])
    options = {"skops_trusted_types": SKOPS_TRUSTED, "serialization_format": serialization_format}
    return case(mlflow.sklearn, model, rows[MIXED], "double", **options)


def xgboost_regressor(rows: pd.DataFrame) -> Case:
    """XGBoost's regressor, whose predictions are 32 bits wide."""
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(rows[NUMERIC], rows["amount"])
    return case(mlflow.xgboost, model, rows[NUMERIC], "float")


def xgboost_classifier(rows: pd.DataFrame) -> Case:
    """XGBoost's classifier, whose labels are integers."""
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1).fit(rows[NUMERIC], rows["many"])
    return case(mlflow.xgboost, model, rows[NUMERIC], "bigint")


def xgboost_booster(rows: pd.DataFrame) -> Case:
    """XGBoost's own booster."""
    matrix = xgboost.DMatrix(rows[NUMERIC], rows["amount"])
    model = xgboost.train({"max_depth": 3, "nthread": 1}, matrix, num_boost_round=5)
    predictions = model.predict(matrix)
    signature = infer_signature(rows[NUMERIC], predictions)
    return Case(partial(mlflow.xgboost.log_model, model), signature, predictions, "float")


def lightgbm_regressor(rows: pd.DataFrame) -> Case:
    """LightGBM's regressor."""
    model = lightgbm.LGBMRegressor(**LIGHTGBM).fit(rows[NUMERIC], rows["amount"])
    return case(mlflow.lightgbm, model, rows[NUMERIC], "double")


def lightgbm_text_classifier(rows: pd.DataFrame) -> Case:
    """LightGBM's classifier with labels that are text."""
    model = lightgbm.LGBMClassifier(**LIGHTGBM).fit(rows[NUMERIC], rows["size"])
    return case(mlflow.lightgbm, model, rows[NUMERIC], "string")


def lightgbm_integer_classifier(rows: pd.DataFrame) -> Case:
    """LightGBM's classifier with labels that are integers."""
    model = lightgbm.LGBMClassifier(**LIGHTGBM).fit(rows[NUMERIC], rows["many"])
    return case(mlflow.lightgbm, model, rows[NUMERIC], "bigint")


def lightgbm_booster(rows: pd.DataFrame) -> Case:
    """LightGBM's own booster."""
    parameters = {"objective": "regression", "min_data_in_leaf": 3, "num_threads": 1, "verbosity": -1}
    model = lightgbm.train(parameters, lightgbm.Dataset(rows[NUMERIC], rows["amount"]), num_boost_round=5)
    return case(mlflow.lightgbm, model, rows[NUMERIC], "double")


LIGHTGBM: dict[str, Any] = {"n_estimators": 5, "min_child_samples": 3, "n_jobs": 1, "verbosity": -1}


def catboost_regressor(rows: pd.DataFrame) -> Case:
    """CatBoost's regressor on numbers."""
    model = catboost.CatBoostRegressor(**CATBOOST).fit(rows[NUMERIC], rows["amount"])
    return case(mlflow.catboost, model, rows[NUMERIC], "double")


def catboost_categories(rows: pd.DataFrame) -> Case:
    """CatBoost's regressor on numbers and a category that is text."""
    model = catboost.CatBoostRegressor(cat_features=["store"], **CATBOOST).fit(rows[MIXED], rows["amount"])
    return case(mlflow.catboost, model, rows[MIXED], "double")


def catboost_text_classifier(rows: pd.DataFrame) -> Case:
    """CatBoost's classifier of three classes, which gives a matrix of one column of text."""
    model = catboost.CatBoostClassifier(**CATBOOST).fit(rows[NUMERIC], rows["size"])
    return case(mlflow.catboost, model, rows[NUMERIC], "string")


def catboost_integer_classifier(rows: pd.DataFrame) -> Case:
    """CatBoost's classifier of two classes, whose labels are integers."""
    model = catboost.CatBoostClassifier(**CATBOOST).fit(rows[NUMERIC], rows["many"])
    return case(mlflow.catboost, model, rows[NUMERIC], "bigint")


CATBOOST: dict[str, Any] = {"iterations": 5, "thread_count": 1, "verbose": False, "allow_writing_files": False}


def statsmodels_regression(rows: pd.DataFrame) -> Case:
    """Least squares by a formula with a column of text."""
    model = smf.ols("amount ~ price + visits + C(store)", rows).fit()
    return case(mlflow.statsmodels, model, rows[MIXED], "double")


def statsmodels_logit(rows: pd.DataFrame) -> Case:
    """A logistic regression, which gives probabilities."""
    model = smf.logit("many ~ price", rows).fit(disp=False)
    return case(mlflow.statsmodels, model, rows[NUMERIC], "double")


def case(flavor: Any, model: Any, inputs: pd.DataFrame, result: str, **options: Any) -> Case:
    """A model of any flavor whose ``predict`` takes a data frame."""
    predictions = model.predict(inputs)
    log = partial(flavor.log_model, model, **options)
    return Case(log, infer_signature(inputs, predictions), predictions, result)


def onnx_regressor(rows: pd.DataFrame) -> Case:
    """A linear regression in ONNX, which computes with 32 bits, on columns of 64."""
    model = to_onnx(LinearRegression().fit(rows[NUMERIC], rows["amount"]))
    predictions = run_onnx(model, {"input": matrix(rows)})[0].reshape(-1)
    log = partial(mlflow.onnx.log_model, model)
    return Case(log, infer_signature(rows[NUMERIC], predictions), predictions, "float", 1e-6)


def onnx_tensor(rows: pd.DataFrame) -> Case:
    """A linear regression in ONNX with the signature of its one tensor."""
    model = to_onnx(LinearRegression().fit(rows[NUMERIC], rows["amount"]))
    predictions = run_onnx(model, {"input": matrix(rows)})[0]
    log = partial(mlflow.onnx.log_model, model)
    signature = infer_signature(matrix(rows), predictions)
    return Case(log, signature, predictions, "float", 1e-6, "float(price), float(visits)")


def onnx_pipeline(rows: pd.DataFrame) -> Case:
    """A pipeline in ONNX with a tensor for each column, one of them of text."""
    encode = make_column_transformer((OneHotEncoder(), ["store"]), remainder="passthrough")
    pipeline = make_pipeline(encode, LinearRegression()).fit(rows[MIXED], rows["amount"])
    types = {"store": StringTensorType([None, 1]), **dict.fromkeys(NUMERIC, FloatTensorType([None, 1]))}
    model = skl2onnx.convert_sklearn(pipeline, initial_types=list(types.items()))
    tensors = {name: rows[[name]].to_numpy(object if name == "store" else "float32") for name in MIXED}
    predictions = run_onnx(model, tensors)[0]
    log = partial(mlflow.onnx.log_model, model)
    signature = infer_signature(tensors, predictions)
    inputs = "visits => float(visits), price => float(price), store => store"
    return Case(log, signature, predictions, "float", 1e-6, inputs)


def onnx_text_classifier(rows: pd.DataFrame) -> Case:
    """A classifier in ONNX with labels that are text."""
    return onnx_classifier(rows, "size", "string")


def onnx_integer_classifier(rows: pd.DataFrame) -> Case:
    """A classifier in ONNX with labels that are integers."""
    return onnx_classifier(rows, "many", "bigint")


def onnx_classifier(rows: pd.DataFrame, target: str, result: str) -> Case:
    """A classifier in ONNX, which gives labels and probabilities, with the labels alone in its signature."""
    model = to_onnx(LogisticRegression(max_iter=1000).fit(rows[NUMERIC], rows[target]))
    labels = run_onnx(model, {"input": matrix(rows)})[0]
    signature = infer_signature(rows[NUMERIC], pd.DataFrame({"output_label": labels}))
    return Case(partial(mlflow.onnx.log_model, model), signature, labels, result)


def to_onnx(model: Any) -> Any:
    """The model in ONNX, with one tensor of 32-bit floats as its input."""
    return skl2onnx.convert_sklearn(model, initial_types=[("input", FloatTensorType([None, len(NUMERIC)]))])


def run_onnx(model: Any, tensors: dict[str, Any]) -> list[Any]:
    """What ONNX Runtime itself gives."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, tensors)
    return outputs


def matrix(rows: pd.DataFrame) -> Any:
    """The numbers as one tensor of 32-bit floats."""
    return rows[NUMERIC].to_numpy("float32")


def prophet_forecast(rows: pd.DataFrame) -> Case:
    """A forecast of Prophet with a regressor, with ``yhat`` alone in its signature."""
    return prophet_case(rows, ["yhat"], "double")


def prophet_components(rows: pd.DataFrame) -> Case:
    """A forecast of Prophet with two of its components."""
    return prophet_case(rows, ["trend", "yhat"], "struct<trend:double,yhat:double>")


def prophet_case(rows: pd.DataFrame, outputs: list[str], result: str) -> Case:
    """Prophet's own forecast of each row; of several it would sort the weeks."""
    model = Prophet(weekly_seasonality=False, yearly_seasonality=False, uncertainty_samples=0)
    model.add_regressor("price").fit(rows.rename(columns={"amount": "y"}))
    inputs = rows[["ds", "price"]]
    forecast = pd.concat([model.predict(inputs[place : place + 1]) for place in range(len(rows))])[outputs]
    expected = forecast if len(outputs) > 1 else forecast[outputs[0]]
    return Case(partial(mlflow.prophet.log_model, model), infer_signature(inputs, forecast), expected, result)


def spark_regressor(rows: pd.DataFrame) -> Case:
    """A Spark ML pipeline that encodes a column of text."""
    return spark_case(rows, [SparkLinearRegression(labelCol="amount", regParam=0.1)], "double")


def spark_classifier(rows: pd.DataFrame) -> Case:
    """A Spark ML pipeline whose prediction is the number of a class."""
    return spark_case(rows, [SparkLogisticRegression(labelCol="many", maxIter=5)], "double")


def spark_text_classifier(rows: pd.DataFrame) -> Case:
    """A Spark ML pipeline that gives the text of a class."""
    labels = sorted(rows["size"].unique())
    stages = [
        StringIndexerModel.from_labels(labels, inputCol="size", outputCol="size_index"),
        SparkLogisticRegression(labelCol="size_index", predictionCol="index", maxIter=5),
        IndexToString(inputCol="index", outputCol="prediction", labels=labels),
    ]
    return spark_case(rows, stages, "string")


def spark_case(rows: pd.DataFrame, last: list[Any], result: str) -> Case:
    """A pipeline of Spark ML that ends with the stages ``last``."""
    frame = SparkSession.active().createDataFrame(rows).coalesce(1)
    stages = [
        StringIndexer(inputCol="store", outputCol="store_index"),
        SparkOneHotEncoder(inputCol="store_index", outputCol="store_vector"),
        VectorAssembler(inputCols=["store_vector", *NUMERIC], outputCol="features"),
        *last,
    ]
    model = SparkPipeline(stages=stages).fit(frame)
    predictions = model.transform(frame).orderBy("id").select("prediction").toPandas()
    log = partial(log_spark, model)
    return Case(log, infer_signature(rows[MIXED], predictions), predictions["prediction"], result)


def log_spark(model: Any, *, name: str, **options: Any) -> ModelInfo:
    """Log with ``mlflow.spark``, which calls ``name`` otherwise."""
    return mlflow.spark.log_model(model, artifact_path=name, **options)


CASES: dict[str, Callable[[pd.DataFrame], Case]] = {
    builder.__name__: builder
    for builder in (
        sklearn_regressor,
        sklearn_text_classifier,
        sklearn_integer_classifier,
        sklearn_pipeline,
        sklearn_probabilities,
        xgboost_regressor,
        xgboost_classifier,
        xgboost_booster,
        lightgbm_regressor,
        lightgbm_text_classifier,
        lightgbm_integer_classifier,
        lightgbm_booster,
        catboost_regressor,
        catboost_categories,
        catboost_text_classifier,
        catboost_integer_classifier,
        statsmodels_regression,
        statsmodels_logit,
        onnx_regressor,
        onnx_tensor,
        onnx_pipeline,
        onnx_text_classifier,
        onnx_integer_classifier,
        prophet_forecast,
        prophet_components,
        spark_regressor,
        spark_classifier,
        spark_text_classifier,
    )
}
"""The flavors that are quick to install, each in the forms that its users have."""
