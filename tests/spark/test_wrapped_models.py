"""Models in wrappers as people write them: the right value is what the model itself gives, in plain Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

MODELS = Path(__file__).with_name("models")

SOLD = ColSpec("double", "sold")
LABEL = ColSpec("string", "label")


def log(name: str, source: str, inputs: list[ColSpec], outputs: list[ColSpec], **options: Any) -> Any:
    """Register a model that is logged as code, and return it as MLflow loads it."""
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(MODELS / f"{source}.py"),
            signature=ModelSignature(Schema(inputs), Schema(outputs)),
            registered_model_name=name,
            pip_requirements=["mlflow"],
            **options,
        )
    return mlflow.pyfunc.load_model(info.model_uri)


# --- times -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "days"),
    [
        ("at", "at"),
        ("CAST(at AS TIMESTAMP_NTZ)", "at"),
        ("CAST(at AS DATE)", "trunc"),
    ],
    ids=["timestamp", "timestamp without a zone", "date"],
)
def test_times_have_the_unit_of_the_training(spark: SparkSession, argument: str, days: str) -> None:
    """A model that counts with times as integers gives by PREDICT what it gives by itself."""
    model = log("time_trend", "time_trend", [ColSpec("datetime", "at")], [ColSpec("double")])
    times = pd.Series(pd.to_datetime(["2024-02-19 00:00:00", "2024-02-19 18:00:00", "2031-05-01 07:30:00"]))
    shown = times if days == "at" else times.dt.floor("D")
    expected = model.predict(pd.DataFrame({"at": shown})).tolist()
    frame = spark.createDataFrame([(row, str(at)) for row, at in enumerate(times)], "row INT, text STRING")
    scored = frame.selectExpr("row", "CAST(text AS TIMESTAMP) AS at").selectExpr(
        "row", f"PREDICT('time_trend', 'latest', {argument}) AS days"
    )

    assert [row.days for row in scored.orderBy("row").collect()] == expected
    assert abs(expected[0] - 49.0) < 1e-6


# --- the order of predictions ------------------------------------------------------------------------------

ROWS = [(1, 3, 5.0), (2, 1, 7.0), (3, 2, 1.0), (4, 1, 9.0), (5, 3, 2.0), (6, 1, 8.0)]
FACTORS = {1: 10.0, 2: 100.0, 3: 1000.0}


@pytest.fixture(scope="module")
def orders(spark: SparkSession) -> None:
    """Six rows of three stores in one batch."""
    spark.createDataFrame(ROWS, "id INT, store INT, price DOUBLE").coalesce(1).createOrReplaceTempView("orders")


def store_models(answer: str, outputs: list[ColSpec]) -> str:
    """Register the models of three stores, and return their name."""
    name = f"store_models_{answer}"
    log(
        name,
        "store_models",
        [ColSpec("integer", "store"), ColSpec("double", "price")],
        outputs,
        model_config={"answer": answer},
    )
    return name


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("function", ["PREDICT", "TRY_PREDICT"])
def test_predictions_group_by_group(spark: SparkSession, function: str) -> None:
    """A wrapper with a model for each group gives each row its own prediction."""
    name = store_models("series", [SOLD])
    rows = spark.sql(f"SELECT id, {function}('{name}', 1, *) AS sold FROM orders ORDER BY id").collect()

    assert [row.sold for row in rows] == [price * FACTORS[store] for _, store, price in ROWS]


@pytest.mark.usefixtures("orders")
def test_several_outputs_group_by_group(spark: SparkSession) -> None:
    """Each of several outputs goes to the row that it is for."""
    name = store_models("frame", [SOLD, LABEL])
    rows = spark.sql(f"SELECT id, PREDICT('{name}', 1, *) AS p FROM orders ORDER BY id").collect()

    assert [tuple(row.p) for row in rows] == [(price * FACTORS[store], f"{store} {price}") for _, store, price in ROWS]


@pytest.mark.usefixtures("orders")
def test_predictions_with_an_index_of_their_own(spark: SparkSession) -> None:
    """Predictions labelled with something else than the rows are an error, and NULL with TRY_PREDICT."""
    name = store_models("keyed", [SOLD])
    with pytest.raises(PySparkException, match=r"PREDICT_RESULT_INVALID(?s:.*)the index \['1 9\.0', "):
        spark.sql(f"SELECT PREDICT('{name}', 1, *) FROM orders").collect()
    rows = spark.sql(f"SELECT TRY_PREDICT('{name}', 1, *) AS sold FROM orders").collect()

    assert [row.sold for row in rows] == [None] * len(ROWS)
