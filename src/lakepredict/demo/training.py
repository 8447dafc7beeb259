"""Three models of weekly sales as runs of one experiment: a baseline, Spark ML and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from lakepredict.demo.features import FEATURES, HOLDOUT_WEEKS, LABEL
from lakepredict.tracking import TrackedRun, for_predict, forecast_errors, signature_of, track

EXPERIMENT = "weekly_sales"


@dataclass(frozen=True)
class TrainingData:
    """The feature table at one version, split by time.

    Attributes:
        table: the Delta table's name.
        version: its version.
        train: the weeks before ``split``.
        test: the weeks from ``split`` on, which no model learns from.
        split: the first held-out week.
        signature: the features in, the sales of the week out.
    """

    table: str
    version: int
    train: DataFrame
    test: DataFrame
    split: date
    signature: ModelSignature


Trainer = Callable[[TrainingData, TrackedRun], "pd.Series[float]"]


def split_by_week(features: DataFrame, *, table: str, version: int) -> TrainingData:
    """Hold the last weeks out."""
    weeks = features.select("week").distinct().orderBy(F.desc("week")).limit(HOLDOUT_WEEKS)
    split: date = weeks.agg(F.min("week")).collect()[0][0]
    train, test = features.where(F.col("week") < split), features.where(F.col("week") >= split)
    return TrainingData(
        table, version, train, test.orderBy("week", "store"), split, signature_of(features.select(*FEATURES))
    )


def train_run(name: str, train: Trainer, data: TrainingData) -> str:
    """Train one model in a run of the experiment and log what it is, how good it is, and from what it learnt.

    Returns:
        The run's id.
    """
    with track(EXPERIMENT, name, data=data.train, table=data.table, version=data.version, progress=False) as run:
        MlflowClient().set_experiment_tag(run.info.experiment_id, MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, "wape")
        mlflow.log_params({"model": name, "holdout_weeks": HOLDOUT_WEEKS, "holdout_from": str(data.split)})
        mlflow.log_dict({"features": list(FEATURES), "label": LABEL}, "features.json")
        held_out = data.test.toPandas()
        forecast = train(data, run)
        mlflow.log_metrics(forecast_errors(held_out[LABEL], forecast))
        mlflow.log_figure(plot_weeks(name, held_out, forecast), "forecast_vs_actual.png")
        return str(run.info.run_id)


def seasonal_naive(data: TrainingData, run: TrackedRun) -> pd.Series[float]:
    """The baseline: a store sells what it sold in the same week last year."""
    mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).with_name("seasonal_naive.py")),
        signature=data.signature,
        pip_requirements=pinned("mlflow", "pandas"),
    )
    return data.test.select("sales_last_year").toPandas()["sales_last_year"]


def spark_linear(data: TrainingData, run: TrackedRun) -> pd.Series[float]:
    """A Spark ML pipeline: all features in one vector, ridge regression."""
    assembler = VectorAssembler(inputCols=list(FEATURES), outputCol="features")
    regression = LinearRegression(featuresCol="features", labelCol=LABEL, regParam=1000.0, elasticNetParam=0.0)
    model = run.fit(Pipeline(stages=[assembler, regression]), data.train, data.test).model
    forecast: pd.DataFrame = model.transform(data.test).select("prediction").toPandas()
    return forecast["prediction"]


def sklearn_boosting(data: TrainingData, run: TrackedRun) -> pd.Series[float]:
    """scikit-learn's histogram gradient boosting."""
    parameters: dict[str, Any] = {
        "max_iter": 150,
        "learning_rate": 0.08,
        "min_samples_leaf": 15,
        "random_state": 0,
    }
    mlflow.log_params(parameters)
    train = data.train.toPandas()
    with threadpool_limits(limits=1):  # a second OpenMP thread would spin against Spark's for these few rows
        model = HistGradientBoostingRegressor(**parameters).fit(train[list(FEATURES)], train[LABEL])
    mlflow.sklearn.log_model(
        model,
        name="model",
        **for_predict(model, data.signature),
        pip_requirements=pinned("mlflow", "scikit-learn", "skops"),
    )
    return pd.Series(model.predict(data.test.select(*FEATURES).toPandas()))


TRAINERS: dict[str, Trainer] = {
    "seasonal_naive": seasonal_naive,
    "spark_ml_linear": spark_linear,
    "sklearn_boosting": sklearn_boosting,
}
"""Run name -> what trains and logs its model and returns its forecast of the held-out weeks."""


def pinned(*packages: str) -> list[str]:
    """The installed versions of packages as requirements.

    MLflow would find out what a model needs by loading it in another process, with a second Spark for Spark ML.
    """
    return [f"{package}=={version(package)}" for package in packages]


def plot_weeks(name: str, held_out: pd.DataFrame, forecast: pd.Series[float]) -> Figure:
    """Sales of all stores by held-out week, in millions: what was sold and what was forecast."""
    weeks = held_out.assign(forecast=forecast.to_numpy()).groupby("week")[[LABEL, "forecast"]].sum() / 1e6
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(weeks.index, weeks[LABEL], marker="o", label="sold")
    axes.plot(weeks.index, weeks["forecast"], marker="x", linestyle="--", label=f"forecast by {name}")
    axes.set(title="Held-out weeks, all stores", ylabel="sales in millions", ylim=(0, None))
    axes.tick_params(axis="x", rotation=30)
    axes.legend()
    return figure
