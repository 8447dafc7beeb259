"""What ``mlflow.pyfunc.spark_udf`` gets wrong or cannot do, beside PREDICT on the same model and the same data.

Each test asserts what MLflow does today as well: where one fails because MLflow got better, say so in the
documentation and take the test out.
"""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.udf import UserDefinedFunction

pytestmark = pytest.mark.usefixtures("registered")

MODELS = {
    "udf_doubles": ("results_balance", [ColSpec("double", "x"), ColSpec("double", "y")], [ColSpec("double")]),
    "udf_longs": ("results_balance", [ColSpec("long", "x"), ColSpec("long", "y")], [ColSpec("double")]),
    "udf_vector": (
        "results_balance",
        [ColSpec("double", "x"), ColSpec("double", "y")],
        [TensorSpec(np.dtype("float64"), (-1,))],
    ),
    "udf_misfits": (
        "results_misfits",
        [ColSpec("string", "bad")],
        [ColSpec("integer", "count"), ColSpec("boolean", "flag"), ColSpec("string", "label")],
    ),
}
"""Registered model -> its code, inputs and outputs."""


@pytest.fixture(scope="module")
def registered(spark: SparkSession) -> None:
    """The registered models."""
    for name, (code, inputs, outputs) in MODELS.items():
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("models") / f"{code}.py"),
                signature=ModelSignature(Schema(inputs), Schema(outputs)),
                pip_requirements=["mlflow"],
                registered_model_name=name,
            )


def spark_udf(spark: SparkSession, name: str) -> UserDefinedFunction:
    """The model as MLflow's UDF."""
    return mlflow.pyfunc.spark_udf(spark, f"models:/{name}/1", env_manager="local")


def values(frame: DataFrame, column: Column | str) -> list[object]:
    """The values of a column, all rows in one batch."""
    selected = F.expr(column) if isinstance(column, str) else column
    return [row[0] for row in frame.coalesce(1).select(selected).collect()]


@pytest.fixture
def points(spark: SparkSession) -> DataFrame:
    """Two rows for which the model predicts 37 and -19."""
    return spark.createDataFrame([(13.0, 8.0, 1.0), (9.0, 10.0, 2.0)], "x DOUBLE, y DOUBLE, z DOUBLE")


def test_swapped_columns(spark: SparkSession, points: DataFrame) -> None:
    """Of two swapped columns, spark_udf makes another number; PREDICT binds by name, or refuses."""
    udf = spark_udf(spark, "udf_doubles")

    assert values(points, udf("y", "x")) == [-58.0, 0.0]
    assert values(points, "PREDICT('udf_doubles', 1, y, x)") == [37.0, -19.0]
    with pytest.raises(AnalysisException, match="PREDICT_COLUMN_SWAPPED"):
        points.select(F.expr("PREDICT('udf_doubles', 1, y, x + 0)"))


def test_surplus_arguments(spark: SparkSession, points: DataFrame) -> None:
    """Of surplus arguments, spark_udf drops the last, whichever they are; PREDICT binds by name, or refuses."""
    udf = spark_udf(spark, "udf_doubles")

    assert values(points, udf("z", "x", "y")) == [9.0 - 130.0, 18.0 - 90.0]
    assert values(points, "PREDICT('udf_doubles', 1, z, x, y)") == [37.0, -19.0]
    with pytest.raises(AnalysisException, match="PREDICT_ARGUMENT_COUNT"):
        points.select(F.expr("PREDICT('udf_doubles', 1, z + 0, x + 0, y + 0)"))


def test_bigint_for_a_double(spark: SparkSession, points: DataFrame) -> None:
    """A BIGINT for a double input fails in spark_udf, unless the batch has 0 and 1 alone; PREDICT casts it."""
    udf = spark_udf(spark, "udf_doubles")
    integers = points.selectExpr("CAST(x AS BIGINT) AS x", "CAST(y AS BIGINT) AS y")
    flags = points.selectExpr("CAST(x > 10 AS BIGINT) AS x", "CAST(y > 10 AS BIGINT) AS y")

    assert values(flags, udf("x", "y")) == [9.0, 0.0]
    assert values(flags, "PREDICT('udf_doubles', 1, x, y)") == [9.0, 0.0]
    with pytest.raises(PySparkException, match="Can not safely convert int64 to float64"):
        values(integers, udf("x", "y"))
    assert values(integers, "PREDICT('udf_doubles', 1, x, y)") == [37.0, -19.0]


def test_one_null(spark: SparkSession, points: DataFrame) -> None:
    """One NULL in an integer input fails the query in spark_udf; PREDICT gives NULL for its row alone."""
    udf = spark_udf(spark, "udf_longs")
    gaps = points.selectExpr("CAST(x AS BIGINT) AS x", "IF(y > 9, NULL, CAST(y AS BIGINT)) AS y")

    with pytest.raises(PySparkException, match="Can not safely convert float64 to int64"):
        values(gaps, udf("x", "y"))
    assert values(gaps, "PREDICT('udf_longs', 1, x, y)") == [37.0, None]


def test_number_that_does_not_fit(spark: SparkSession) -> None:
    """2**40 in an INT result is 0 in spark_udf; in PREDICT it is an error that shows it."""
    udf = spark_udf(spark, "udf_misfits")
    rows = spark.sql("SELECT 'count' AS bad")

    assert values(rows, udf("bad")["count"]) == [0]
    with pytest.raises(PySparkException, match=r"\[PREDICT_RESULT_INVALID\](.|\n)*1099511627776"):
        values(rows, "PREDICT('udf_misfits', 1, bad)")


def test_nan_in_a_boolean(spark: SparkSession) -> None:
    """NaN in a BOOLEAN result is true in spark_udf; in PREDICT it is an error that shows it."""
    udf = spark_udf(spark, "udf_misfits")
    rows = spark.sql("SELECT 'flag' AS bad UNION ALL SELECT 'none'")

    assert values(rows, udf("bad")["flag"]) == [True, False]
    with pytest.raises(PySparkException, match=r"\[PREDICT_RESULT_INVALID\](.|\n)*nan"):
        values(rows, "PREDICT('udf_misfits', 1, bad)")


def test_no_string(spark: SparkSession) -> None:
    """None in a STRING result is the text 'None' in spark_udf; in PREDICT it is NULL."""
    udf = spark_udf(spark, "udf_misfits")
    rows = spark.sql("SELECT 'label' AS bad UNION ALL SELECT 'none'")

    assert values(rows, udf("bad")["label"]) == ["None", "a"]
    assert values(rows, "PREDICT('udf_misfits', 1, bad).label") == [None, "a"]


def test_one_dimensional_output(spark: SparkSession, points: DataFrame) -> None:
    """A one-dimensional NumPy output is an ARRAY of one value in spark_udf; in PREDICT it is a scalar."""
    udf = spark_udf(spark, "udf_vector")
    frame = points.select(udf("x", "y").alias("udf"), F.expr("PREDICT('udf_vector', 1, x, y)").alias("predict"))

    assert frame.schema.simpleString() == "struct<udf:array<double>,predict:double>"
    assert [tuple(row) for row in frame.collect()] == [([37.0], 37.0), ([-19.0], -19.0)]
