"""PREDICT in statements that write, define or keep something, each with a model in Python and one of Spark ML."""

from __future__ import annotations

from collections.abc import Iterator

import mlflow
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.errors import AnalysisException
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

pytestmark = pytest.mark.usefixtures("models", "sales", "revenue_spark")

FACTS = [(1, 22.0), (2, 44.0), (3, 68.0), (4, 96.0), (5, 132.0)]
"""The ids of the table sales, and the price plus twice the visits, which both models predict."""


@pytest.fixture(scope="module")
def revenue_spark(spark: SparkSession) -> None:
    """The registered model ``revenue_spark``: what ``revenue`` predicts, as a pipeline of Spark ML."""
    rows = spark.range(40).selectExpr("double(id * id % 17) AS price", "double(id) AS visits")
    stages = [
        VectorAssembler(inputCols=["price", "visits"], outputCol="features"),
        LinearRegression(labelCol="revenue"),
    ]
    inputs = Schema([ColSpec(DataType.double, "price"), ColSpec(DataType.double, "visits")])
    with mlflow.start_run():
        mlflow.spark.log_model(
            Pipeline(stages=stages).fit(rows.selectExpr("*", "price + 2 * visits AS revenue")),
            artifact_path="model",
            signature=ModelSignature(inputs, Schema([ColSpec(DataType.double, "prediction")])),
            pip_requirements=["pyspark"],
            registered_model_name="revenue_spark",
        )


@pytest.fixture(params=["revenue", "revenue_spark"])
def model(request: pytest.FixtureRequest) -> str:
    """A model that a Python worker scores with, and one that becomes part of the query."""
    return str(request.param)


@pytest.fixture
def target(spark: SparkSession) -> Iterator[str]:
    """A Delta table of three rows, to be changed."""
    spark.sql("CREATE OR REPLACE TABLE target AS SELECT id, price, visits, -1D AS p FROM sales WHERE id < 4")
    yield "target"
    spark.sql("DROP TABLE target")


def rows(spark: SparkSession, table: str) -> list[tuple[int, float]]:
    """The ids and predictions of a table, in order."""
    return [tuple(row) for row in spark.sql(f"SELECT id, round(p, 6) AS p FROM {table} ORDER BY id").collect()]


# --- statements that write ---------------------------------------------------------------------------------


def test_create_table_as_select(spark: SparkSession, model: str) -> None:
    """CREATE TABLE AS SELECT keeps predictions, in a Delta table with the type of the signature."""
    spark.sql(f"CREATE OR REPLACE TABLE created AS SELECT id, PREDICT('{model}', 1, *) AS p FROM sales")

    assert rows(spark, "created") == FACTS
    assert spark.table("created").schema["p"].dataType.simpleString() == "double"


def test_insert(spark: SparkSession, target: str, model: str) -> None:
    """INSERT ... SELECT appends predictions, also of constants."""
    spark.sql(f"INSERT INTO target SELECT id, price, visits, PREDICT('{model}', 1, *) FROM sales WHERE id > 3")
    spark.sql(f"INSERT INTO target SELECT 6, 1, 2, PREDICT('{model}', 1, 1.0, 2)")

    assert rows(spark, target) == [(1, -1), (2, -1), (3, -1), *FACTS[3:], (6, 5)]


def test_insert_overwrite(spark: SparkSession, target: str, model: str) -> None:
    """INSERT OVERWRITE and REPLACE WHERE put predictions in the place of rows."""
    select = f"SELECT id, price, visits, PREDICT('{model}', 1, *) AS p FROM sales"
    spark.sql(f"INSERT OVERWRITE target {select}")
    spark.sql(f"INSERT INTO target REPLACE WHERE id = 2 SELECT id, price, visits, p + 1 FROM ({select}) WHERE id = 2")

    assert rows(spark, target) == [FACTS[0], (2, 45), *FACTS[2:]]


def test_update(spark: SparkSession, target: str, model: str) -> None:
    """UPDATE takes PREDICT in its values and in its condition."""
    spark.sql(
        f"UPDATE target SET p = PREDICT('{model}', 1, price, visits) WHERE PREDICT('{model}', 1, price, visits) > 40"
    )

    assert rows(spark, target) == [(1, -1), *FACTS[1:3]]


def test_delete(spark: SparkSession, target: str, model: str) -> None:
    """DELETE takes PREDICT in its condition."""
    spark.sql(f"DELETE FROM target WHERE PREDICT('{model}', 1, price, visits) > 40")

    assert rows(spark, target) == [(1, -1)]


def test_merge(spark: SparkSession, target: str, model: str) -> None:
    """MERGE takes PREDICT in the conditions, in what is set and in what is inserted."""
    spark.sql(f"""
        MERGE INTO target AS t USING sales AS s
        ON t.id = s.id AND PREDICT('{model}', 1, s.price, s.visits) < 100
        WHEN MATCHED AND PREDICT('{model}', 1, t.price, t.visits) > 60 THEN DELETE
        WHEN MATCHED THEN UPDATE SET p = PREDICT('{model}', 1, price => s.price, visits => t.visits)
        WHEN NOT MATCHED AND PREDICT('{model}', 1, price, visits) > 100 THEN
            INSERT (id, price, visits, p) VALUES (id, price, visits, PREDICT('{model}', 1, price, visits))
    """)

    assert rows(spark, target) == [*FACTS[:2], FACTS[4]]


def test_merge_of_predictions(spark: SparkSession, target: str, model: str) -> None:
    """MERGE takes a source with predictions, with UPDATE * and INSERT *."""
    spark.sql(f"""
        MERGE INTO target AS t
        USING (SELECT id, price, visits, PREDICT('{model}', 1, *) AS p FROM sales) AS s
        ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET *
        WHEN NOT MATCHED THEN INSERT *
        WHEN NOT MATCHED BY SOURCE AND PREDICT('{model}', 1, t.price, t.visits) > 0 THEN DELETE
    """)

    assert rows(spark, target) == FACTS


# --- what keeps or names a query ---------------------------------------------------------------------------


def test_cached_table(spark: SparkSession, model: str) -> None:
    """CACHE TABLE keeps predictions, which later queries read instead of asking the model again."""
    spark.sql(f"CACHE TABLE kept AS SELECT id, PREDICT('{model}', 1, *) AS p FROM sales")
    found = rows(spark, "kept")
    plan = spark.sql("EXPLAIN SELECT p FROM kept").first().plan
    spark.sql("DROP VIEW kept")

    assert found == FACTS
    assert plan.startswith("== Physical Plan ==\nScan In-memory table kept")


def test_cached_query_is_found_again(spark: SparkSession, model: str) -> None:
    """The same query again is read from the cache, for a call is the same expression each time it is bound."""
    query = f"SELECT id, PREDICT('{model}', 1, *) AS p FROM sales"
    frame = spark.sql(query).cache()
    plan = spark.sql(f"EXPLAIN {query}").first().plan
    frame.unpersist()

    assert "InMemoryTableScan" in plan


def test_views(spark: SparkSession, model: str) -> None:
    """Permanent and temporary views use PREDICT, also one over the other."""
    spark.sql(f"CREATE OR REPLACE VIEW inner_view AS SELECT id, PREDICT('{model}', 1, *) AS p FROM sales")
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW outer_view AS SELECT id, p FROM inner_view")

    assert rows(spark, "outer_view") == FACTS
    assert rows(spark.newSession(), "inner_view") == FACTS


@pytest.mark.parametrize("temporary", ["", "TEMPORARY"], ids=["permanent", "temporary"])
def test_sql_function(spark: SparkSession, model: str, temporary: str) -> None:
    """A function of SQL returns a prediction, in a query, in a condition and in an aggregate."""
    spark.sql(f"""
        CREATE OR REPLACE {temporary} FUNCTION revenue_of(price DOUBLE, visits DOUBLE) RETURNS DOUBLE
        RETURN PREDICT('{model}', 1, price, visits)
    """)
    total = spark.sql("SELECT sum(revenue_of(price, visits)) AS p FROM sales WHERE revenue_of(price, visits) > 90")
    found = round(total.first().p, 6)
    spark.sql(f"CREATE OR REPLACE {temporary} VIEW by_function AS SELECT id, revenue_of(price, visits) AS p FROM sales")
    through_view = rows(spark, "by_function")
    spark.sql("DROP VIEW by_function")
    spark.sql(f"DROP {temporary} FUNCTION revenue_of")

    assert found == 228
    assert through_view == FACTS


def test_sql_table_function(spark: SparkSession, model: str) -> None:
    """A table function of SQL returns rows with predictions."""
    spark.sql(f"""
        CREATE OR REPLACE FUNCTION scored_above(least DOUBLE) RETURNS TABLE (id INT, p DOUBLE)
        RETURN SELECT id, p FROM (SELECT id, PREDICT('{model}', 1, *) AS p FROM sales) WHERE p > least
    """)
    found = rows(spark, "scored_above(90)")
    spark.sql("DROP FUNCTION scored_above")

    assert found == FACTS[3:]


# --- what Spark does not take, and what to write instead ---------------------------------------------------

NOT_TAKEN = {
    "star in ORDER BY": (
        "SELECT id FROM sales ORDER BY PREDICT('{model}', 1, *) DESC LIMIT 1",
        "INVALID_USAGE_OF_STAR_OR_REGEX",
        "SELECT id FROM sales ORDER BY PREDICT('{model}', 1, price, visits) DESC LIMIT 1",
    ),
    "star in GROUP BY": (
        "SELECT max(id) FROM sales GROUP BY PREDICT('{model}', 1, *) > 100 HAVING max(id) > 4",
        "INVALID_USAGE_OF_STAR_OR_REGEX",
        "SELECT max(id), PREDICT('{model}', 1, *) > 100 AS high FROM sales GROUP BY high HAVING max(id) > 4",
    ),
    "star in UPDATE": (
        "UPDATE target SET p = PREDICT('{model}', 1, *)",
        "INVALID_USAGE_OF_STAR_OR_REGEX",
        "UPDATE target SET p = PREDICT('{model}', 1, price, visits)",
    ),
    "star in DELETE": (
        "DELETE FROM target WHERE PREDICT('{model}', 1, *) < 0",
        "INVALID_USAGE_OF_STAR_OR_REGEX",
        "DELETE FROM target WHERE PREDICT('{model}', 1, price, visits) < 0",
    ),
    "star in MERGE": (
        "MERGE INTO target t USING sales s ON t.id = s.id WHEN MATCHED THEN UPDATE SET p = PREDICT('{model}', 1, s.*)",
        "INVALID_USAGE_OF_STAR_OR_REGEX",
        "MERGE INTO target t USING (SELECT id, PREDICT('{model}', 1, *) AS p FROM sales) s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET p = s.p",
    ),
    "VALUES": (
        "SELECT * FROM VALUES (1, PREDICT('{model}', 1, 1.0, 2))",
        "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE",
        "SELECT 1, PREDICT('{model}', 1, 1.0, 2)",
    ),
    "generated column": (
        "CREATE TABLE made (price DOUBLE, visits DOUBLE,"
        " p DOUBLE GENERATED ALWAYS AS (PREDICT('{model}', 1, price, visits)))",
        "DELTA_UNSUPPORTED_EXPRESSION_GENERATED_COLUMN|UNSUPPORTED_FEATURE.TABLE_OPERATION",  # Delta 4.4, and older
        "CREATE OR REPLACE TEMPORARY VIEW made AS SELECT *, PREDICT('{model}', 1, *) AS p FROM sales",
    ),
    "subquery in the condition of UPDATE": (
        "UPDATE target SET p = 0 WHERE id IN (SELECT id FROM sales WHERE PREDICT('{model}', 1, *) > 50)",
        "DELTA_UNSUPPORTED_SUBQUERY",
        "MERGE INTO target t USING (SELECT id FROM sales WHERE PREDICT('{model}', 1, *) > 50) s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET p = 0",
    ),
    "query without a name": (
        "CREATE OR REPLACE VIEW unnamed AS SELECT PREDICT('{model}', 1, *) FROM sales",
        "CREATE_PERMANENT_VIEW_WITHOUT_ALIAS",
        "CREATE OR REPLACE VIEW unnamed AS SELECT PREDICT('{model}', 1, *) AS p FROM sales",
    ),
    "parameter of a function": (
        "CREATE OR REPLACE TEMPORARY FUNCTION by_name(m STRING, x DOUBLE) RETURNS DOUBLE RETURN PREDICT(m, 1, x, 2)",
        "PREDICT_ARGUMENT_NOT_CONSTANT",
        "EXECUTE IMMEDIATE 'SELECT PREDICT(?, 1, 1.0, 2)' USING '{model}'",
    ),
}


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("case", NOT_TAKEN)
def test_what_spark_does_not_take(spark: SparkSession, case: str) -> None:
    """Where PREDICT may not stand, the statement fails when it is analysed, and there is another way to say it."""
    refused, condition, instead = NOT_TAKEN[case]
    with pytest.raises(AnalysisException) as raised:
        spark.sql(refused.format(model="revenue"))

    assert raised.value.getCondition() in condition.split("|")
    spark.sql(instead.format(model="revenue")).collect()


PYTHON_NOT_TAKEN = {
    "both sides of an outer join": (
        "SELECT a.id FROM sales a LEFT JOIN sales b ON a.id = b.id AND PREDICT('{model}', 1, a.price, b.visits) > 100",
        "UNSUPPORTED_FEATURE.PYTHON_UDF_IN_ON_CLAUSE",
        "SELECT a.id FROM sales a LEFT JOIN (SELECT a.id, PREDICT('{model}', 1, a.price, b.visits) AS p"
        " FROM sales a JOIN sales b USING (id)) b ON a.id = b.id AND b.p > 100",
    ),
    "lambda": (
        "SELECT id, transform(array(price), x -> PREDICT('{model}', 1, x, visits)) AS p FROM sales",
        "UNSUPPORTED_FEATURE.LAMBDA_FUNCTION_WITH_PYTHON_UDF",
        "SELECT id, collect_list(PREDICT('{model}', 1, x, visits)) AS p"
        " FROM sales LATERAL VIEW explode(array(price)) AS x GROUP BY id",
    ),
}


@pytest.mark.parametrize("case", PYTHON_NOT_TAKEN)
def test_what_spark_does_not_take_from_python(spark: SparkSession, case: str) -> None:
    """Where Spark takes no function in Python, a model of Spark ML may stand, and others have another way."""
    statement, condition, instead = PYTHON_NOT_TAKEN[case]
    with pytest.raises(AnalysisException) as raised:
        spark.sql(statement.format(model="revenue")).collect()
    native = spark.sql(statement.format(model="revenue_spark")).count()

    assert raised.value.getCondition() == condition
    assert spark.sql(instead.format(model="revenue")).count() == native == 5


def test_check_constraint(spark: SparkSession, target: str) -> None:
    """A model of Spark ML may guard a Delta table: rows that it predicts wrong for are not written."""
    spark.sql("ALTER TABLE target ADD CONSTRAINT positive CHECK (PREDICT('revenue_spark', 1, price, visits) > 0)")
    spark.sql("INSERT INTO target VALUES (4, 1D, 1, 0D)")
    with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"):
        spark.sql("INSERT INTO target VALUES (5, -9D, 1, 0D)")

    assert rows(spark, target) == [(1, -1), (2, -1), (3, -1), (4, 0)]


def test_session_variable_as_model(spark: SparkSession, model: str) -> None:
    """A session variable is a constant, so it may name the model and the version."""
    spark.sql(f"DECLARE OR REPLACE VARIABLE chosen = named_struct('model', '{model}', 'version', 1)")
    total = spark.sql("SELECT sum(PREDICT(chosen.model, chosen.version, price, visits)) AS p FROM sales").first().p
    spark.sql("DROP TEMPORARY VARIABLE chosen")

    assert round(total, 6) == 362
