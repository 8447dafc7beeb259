"""What becomes of NULL, as spark.lakepredict.onNull says, and inference parameters."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.errors import AnalysisException, PySparkException
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

import lakepredict

MODELS = Path(__file__).with_name("models")
MODES = ("null", "error", "pass")


@pytest.fixture(scope="module")
def session(spark: SparkSession) -> SparkSession:
    """A session whose settings no other test sees."""
    return spark.newSession()


def log(spark: SparkSession, name: str) -> None:
    """Register the Python model of that name, whose output is a text."""
    inputs = pd.DataFrame({"x": [1.0], "n": [1], "s": ["a"]})
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(MODELS / f"{name}.py"),
            signature=infer_signature(inputs, ["x"], params={"alpha": 0.5, "mode": "fast", "steps": 3}),
            registered_model_name=name,
            pip_requirements=["mlflow"],
        )


@pytest.fixture(scope="module")
def nulls_echo(spark: SparkSession) -> str:
    """A model that tells what it sees of each row, and its parameters."""
    log(spark, "nulls_echo")
    return "nulls_echo"


@pytest.fixture(scope="module")
def linear(spark: SparkSession) -> str:
    """A pipeline of Spark ML, ``2 * x``, whose first stage refuses NULL."""
    training = spark.createDataFrame([(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)], "x DOUBLE, label DOUBLE")
    stages = [VectorAssembler(inputCols=["x"], outputCol="features"), LinearRegression()]
    signature = infer_signature(pd.DataFrame({"x": [1.0]}), pd.DataFrame({"prediction": [1.0]}))
    with mlflow.start_run():
        mlflow.spark.log_model(
            Pipeline(stages=stages).fit(training),
            artifact_path="model",
            signature=signature,
            pip_requirements=["pyspark"],
            registered_model_name="linear_nulls",
        )
    return "linear_nulls"


ROWS = """
    VALUES (1, 1.5D, 1L, 'a'), (2, NULL, 2L, 'b'), (3, double('NaN'), 3L, ''), (4, 4.5D, NULL, NULL) AS t(id, x, n, s)
"""
SEEN = {
    "null": ["1.5 1 a int64", "nan 2 b int64", "nan 3  int64", None],
    "pass": ["1.5 1 a Int64", "nan 2 b Int64", "nan 3  Int64", "4.5 <NA> None Int64"],
}


@pytest.mark.parametrize("mode", SEEN)
def test_what_a_model_sees(session: SparkSession, nulls_echo: str, mode: str) -> None:
    """A NULL integer gives NULL, or is passed on; a NULL double is NaN, a NULL string None, in both cases."""
    session.sql(f"SET spark.lakepredict.onNull = {mode}")
    rows = session.sql(f"SELECT id, PREDICT('{nulls_echo}', 1, *) AS p FROM {ROWS} ORDER BY id").collect()

    assert [row.p and row.p.partition(" |")[0] for row in rows] == SEEN[mode]


@pytest.mark.parametrize("row", [2, 4])
def test_null_as_an_error(session: SparkSession, nulls_echo: str, row: int) -> None:
    """A NULL is an error that names model and input, or NULL with TRY_PREDICT; NaN is none."""
    session.sql("SET spark.lakepredict.onNull = error")
    query = "SELECT {}('" + nulls_echo + "', 1, *) AS p FROM " + ROWS + " WHERE id IN ({}, 3)"
    with pytest.raises(PySparkException, match=r"\[PREDICT_INPUT_NULL\] the model 'nulls_echo' version 1: the input `"):
        session.sql(query.format("PREDICT", row)).collect()

    found = [each.p is None for each in session.sql(query.format("TRY_PREDICT", row) + " ORDER BY id = 3").collect()]
    assert found == [True, False]


@pytest.mark.parametrize("mode", MODES)
def test_null_in_spark_ml(session: SparkSession, linear: str, mode: str) -> None:
    """A pipeline of Spark ML gives NULL for a NULL that it refuses, unless that is to be an error or its own affair."""
    session.sql(f"SET spark.lakepredict.onNull = {mode}")
    query = f"SELECT round(PREDICT('{linear}', 1, x), 6) AS p FROM VALUES (1.0D), (NULL) AS t(x)"
    if mode == "null":
        assert {row.p for row in session.sql(query).collect()} == {2.0, None}
        return
    wanted = r"\[PREDICT_INPUT_NULL\]" if mode == "error" else "Encountered null while assembling a row"
    with pytest.raises(Exception, match=wanted):
        session.sql(query).collect()


def test_setting_that_means_nothing(session: SparkSession, nulls_echo: str) -> None:
    """A value of the setting that means nothing is an error when the query is analysed."""
    session.sql("SET spark.lakepredict.onNull = maybe")
    with pytest.raises(AnalysisException) as raised:
        session.sql(f"SELECT PREDICT('{nulls_echo}', 1, *) FROM {ROWS}")
    session.sql("RESET spark.lakepredict.onNull")

    assert raised.value.getCondition() == "PREDICT_SETTING_INVALID"


DEFAULTS = "alpha=0.5 mode=fast steps=3"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("", DEFAULTS),
        (", params => map('alpha', 2)", "alpha=2.0 mode=fast steps=3"),
        (", params => map('steps', 5)", "alpha=0.5 mode=fast steps=5"),
        (", params => map('alpha', 0.25, 'steps', 5)", "alpha=0.25 mode=fast steps=5"),
        (", params => map('mode', 'it''s \"slow\"')", 'alpha=0.5 mode=it\'s "slow" steps=3'),
        (", params => named_struct('alpha', 1 / 4, 'mode', 'slow')", "alpha=0.25 mode=slow steps=3"),
        (", params => map()", DEFAULTS),
    ],
)
def test_parameters(session: SparkSession, nulls_echo: str, params: str, expected: str) -> None:
    """Inference parameters reach the model, those that are not given with their defaults."""
    row = session.sql(f"SELECT PREDICT('{nulls_echo}', 1, *{params}) AS p FROM {ROWS} WHERE id = 1").first()

    assert row is not None
    assert row.p.partition("| ")[2] == expected


def test_parameters_of_a_data_frame(spark: SparkSession, nulls_echo: str) -> None:
    """The column function takes parameters as a dict."""
    frame = spark.sql(f"SELECT * FROM {ROWS} WHERE id = 1")
    row = frame.select(lakepredict.predict(nulls_echo, 1, "*", params={"steps": 7, "mode": "x"}).alias("p")).first()

    assert row is not None
    assert row.p.partition("| ")[2] == "alpha=0.5 mode=x steps=7"


def test_two_sets_of_parameters(session: SparkSession, nulls_echo: str) -> None:
    """Two calls that differ in their parameters are two calls."""
    row = session.sql(f"""
        SELECT PREDICT('{nulls_echo}', 1, *, params => map('steps', 1)) AS a,
               PREDICT('{nulls_echo}', 1, *, params => map('steps', 2)) AS b
        FROM {ROWS} WHERE id = 1
    """).first()

    assert row is not None
    assert (row.a[-1], row.b[-1]) == ("1", "2")


@pytest.mark.parametrize(
    ("params", "condition", "part"),
    [
        ("map('beta', 1)", "PREDICT_PARAMETER_INVALID", "alpha double (default 0.5)"),
        ("map('steps', 1.5)", "PREDICT_PARAMETER_INVALID", "steps = 1.5"),
        ("map('alpha', 'x')", "PREDICT_PARAMETER_INVALID", "alpha = 'x'"),
        ("map('alpha', x)", "PREDICT_ARGUMENT_NOT_CONSTANT", "map(alpha, "),
        ("0.5", "PREDICT_ARGUMENT_INVALID", "(DECIMAL(1,1))"),
        ("NULL", "PREDICT_ARGUMENT_INVALID", "NULL"),
        ("map(1, 2)", "PREDICT_ARGUMENT_INVALID", "MAP<INT, INT>"),
    ],
)
def test_parameters_that_do_not_fit(
    session: SparkSession, nulls_echo: str, params: str, condition: str, part: str
) -> None:
    """Parameters are checked against the signature when the query is analysed."""
    with pytest.raises(AnalysisException) as raised:
        session.sql(f"SELECT PREDICT('{nulls_echo}', 1, *, params => {params}) FROM {ROWS}")

    assert raised.value.getCondition() == condition
    assert part in str(raised.value)


def test_explain_names_a_spark_ml_model(session: SparkSession, linear: str) -> None:
    """EXPLAIN shows model and version of a pipeline that is part of the plan."""
    plan = session.sql(f"EXPLAIN SELECT sum(PREDICT('{linear}', 1, x)) FROM VALUES (1.0D) AS t(x)").first()

    assert plan is not None
    assert f"predict[{linear} v1]" in plan[0]
