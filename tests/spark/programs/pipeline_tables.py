"""Makes what the example of a pipeline needs, in the lakehouse that it is given: two tables and a champion."""

import sys

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

import lakepredict

spark = lakepredict.spark_session(lakehouse=sys.argv[1], conf={"spark.driver.memory": "1g"})
weeks = spark.range(12).selectExpr(
    "int(id % 3) AS store", "date'2026-01-05' + int(id) AS week", "double(id) AS sales_last_week"
)
weeks.where("sales_last_week < 9").write.saveAsTable("weekly_features")
weeks.where("sales_last_week >= 9").write.saveAsTable("next_week")
past = pd.DataFrame({"sales_last_week": [1.0, 2.0, 4.0]})
with mlflow.start_run():
    mlflow.sklearn.log_model(
        LinearRegression().fit(past, past["sales_last_week"] * 10),
        name="model",
        signature=infer_signature(past, past["sales_last_week"]),
        registered_model_name="sales_forecast",
        pip_requirements=[],
    )
MlflowClient().set_registered_model_alias("sales_forecast", "champion", "1")
spark.stop()
