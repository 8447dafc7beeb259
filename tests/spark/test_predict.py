"""PREDICT in Spark SQL and in DataFrames: where it may stand, what it means, how it fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from chispa import assert_df_equality
from mlflow import MlflowClient
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.errors import AnalysisException, PySparkException
from pyspark.ml import Pipeline
from pyspark.ml.feature import Bucketizer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LinearRegression as LinearModel

import lakepredict
from conftest import register_model
from lakepredict import _registry

pytestmark = pytest.mark.usefixtures("models", "sales")


def same(spark: SparkSession, query: str, expected: str) -> None:
    """Compare two queries; predictions are equal to the last digit but one."""
    assert_df_equality(
        rounded(spark.sql(query)), rounded(spark.sql(expected)), ignore_row_order=True, ignore_nullable=True
    )


def rounded(frame: DataFrame) -> DataFrame:
    columns = [
        F.round(field.name, 6).alias(field.name) if field.dataType.simpleString() == "double" else field.name
        for field in frame.schema
    ]
    return frame.select(*columns)


@pytest.mark.parametrize(
    ("call", "factor"),
    [
        ("PREDICT('revenue', 1, price, visits)", 1),
        ("PREDICT('revenue', 2, price, visits)", 10),
        ("PREDICT('revenue', '2', price, visits)", 10),
        ("PREDICT('revenue', 'stable', price, visits)", 1),
        ("PREDICT('revenue', '@champion', price, visits)", 10),
        ("PREDICT('revenue', 'latest', price, visits)", 10),
        ("predict('revenue', 1, *)", 1),
        ("predict('revenue', 1, visits, price)", 1),
        ("predict('revenue', 1, s.*)", 1),
        ("predict('revenue', 1, struct(visits, price))", 1),
        ("predict('revenue', 1, named_struct('visits', visits, 'id', id, 'price', price))", 1),
        ("predict('revenue', 1, visits => visits, price => price)", 1),
        ("predict('revenue', 1, price, visits => visits)", 1),
        ("predict('revenue', 1, price + 0, visits + 0)", 1),
        ("predict('revenue', 1, CAST(price AS DOUBLE), visits)", 1),
    ],
)
def test_forms_of_a_call(spark: SparkSession, call: str, factor: int) -> None:
    """Every way to name the version and to pass the inputs gives the same predictions."""
    same(
        spark,
        f"SELECT id, {call} AS p FROM sales s",
        f"SELECT id, {factor} * (price + 2 * visits) AS p FROM sales",
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "SELECT id FROM sales WHERE PREDICT('revenue', 1, *) > 30",
            "SELECT id FROM sales WHERE price + 2 * visits > 30",
        ),
        (
            "SELECT id FROM sales ORDER BY PREDICT('revenue', 1, price, visits) DESC LIMIT 2",
            "SELECT id FROM sales WHERE id > 3",
        ),
        (
            "SELECT open, sum(PREDICT('revenue', 1, price, visits)) AS p FROM sales GROUP BY open",
            "SELECT open, sum(price + 2 * visits) AS p FROM sales GROUP BY open",
        ),
        (
            "SELECT open, max(id) AS m FROM sales GROUP BY open HAVING max(PREDICT('revenue', 1, price, visits)) > 100",
            "SELECT true AS open, 5 AS m",
        ),
        (
            "SELECT id, CASE WHEN open THEN PREDICT('revenue', 1, *) ELSE PREDICT('revenue', 2, *) END AS p FROM sales",
            "SELECT id, IF(open, 1, 10) * (price + 2 * visits) AS p FROM sales",
        ),
        (
            "WITH scored AS (SELECT id, PREDICT('revenue', 1, *) AS p FROM sales) SELECT id, p + 1 AS p FROM scored",
            "SELECT id, price + 2 * visits + 1 AS p FROM sales",
        ),
        (
            "SELECT id FROM sales WHERE price ="
            " (SELECT round(max(PREDICT('revenue', 1, price, visits)) - 100) FROM sales)",
            "SELECT id FROM sales WHERE id = 5",
        ),
        (
            "SELECT id, PREDICT('revenue', 1, *) AS a, PREDICT('revenue', 2, *) AS b,"
            " PREDICT('counted', 1, *) AS c FROM sales",
            "SELECT id, price + 2 * visits AS a, 10 * (price + 2 * visits) AS b, double(visits) AS c FROM sales",
        ),
        (
            "SELECT PREDICT('revenue', 1, 1.5, 2) AS p",
            "SELECT double(5.5) AS p",
        ),
    ],
)
def test_places_in_a_query(spark: SparkSession, query: str, expected: str) -> None:
    """PREDICT may stand wherever an expression may."""
    same(spark, query, expected)


def test_permanent_view_in_another_session(spark: SparkSession) -> None:
    """A permanent view may use PREDICT, and a new session of the application reads it."""
    spark.sql("CREATE OR REPLACE VIEW scored_sales AS SELECT id, PREDICT('revenue', 1, *) AS p FROM sales")

    same(spark.newSession(), "SELECT * FROM scored_sales", "SELECT id, price + 2 * visits AS p FROM sales")


def test_parameter_markers(spark: SparkSession) -> None:
    """Model and version may be parameter markers."""
    frame = spark.sql(
        "SELECT id, PREDICT(:model, :version, *) AS p FROM sales", args={"model": "revenue", "version": 1}
    )

    assert_df_equality(
        rounded(frame),
        rounded(spark.sql("SELECT id, price + 2 * visits AS p FROM sales")),
        ignore_nullable=True,
    )


@pytest.mark.parametrize(
    "column",
    [
        lambda: lakepredict.predict("revenue", 1, "*"),
        lambda: lakepredict.predict("revenue", "stable", "price", F.col("visits")),
        lambda: F.call_function("predict", F.lit("revenue"), F.lit(1), F.col("visits"), F.col("price")),
    ],
    ids=["star", "columns", "call_function"],
)
def test_data_frames(spark: SparkSession, column: Callable[[], Column]) -> None:
    """PREDICT is a column expression as well."""
    frame = spark.table("sales").select("id", column().alias("p"))

    assert_df_equality(
        rounded(frame),
        rounded(spark.sql("SELECT id, price + 2 * visits AS p FROM sales")),
        ignore_nullable=True,
    )


def test_result_type_is_known_before_any_row_is_read(spark: SparkSession) -> None:
    """The schema of a query has the type of the signature, without a job."""
    schema = spark.sql("SELECT PREDICT('revenue', 1, *) AS p FROM sales").schema

    assert schema.simpleString() == "struct<p:double>"


def test_null_in_an_integer_input_is_a_null_prediction(spark: SparkSession) -> None:
    """A NULL where the model cannot have a missing value gives NULL; its neighbours stay exact."""
    query = "SELECT id, PREDICT('counted', 1, IF(id = 2, NULL, visits)) AS p FROM sales"

    same(spark, query, "SELECT id, double(IF(id = 2, NULL, visits)) AS p FROM sales")


def test_null_where_the_model_refuses_missing_values(spark: SparkSession) -> None:
    """Rows that a model cannot take give NULL and do not keep the others from being scored."""
    query = "SELECT id, PREDICT('revenue', 1, price, IF(id = 2, NULL, visits)) AS p FROM sales"

    same(spark, query, "SELECT id, IF(id = 2, NULL, price + 2 * visits) AS p FROM sales")


def test_case_sensitive_names(spark: SparkSession) -> None:
    """Names compare as spark.sql.caseSensitive says."""
    upper = "SELECT id, visits AS VISITS, price AS PRICE FROM sales"
    query = f"SELECT id, PREDICT('revenue', 1, id, VISITS, PRICE) AS p FROM ({upper})"
    same(spark, query, "SELECT id, price + 2 * visits AS p FROM sales")
    session = spark.newSession()
    session.conf.set("spark.sql.caseSensitive", "true")

    with pytest.raises(AnalysisException) as raised:
        session.sql(query)

    assert raised.value.getCondition() == "PREDICT_COLUMN_MISSING"


def test_explain_names_model_and_version(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    """EXPLAIN shows which version a query is bound to."""
    spark.sql("SELECT PREDICT('revenue', 'champion', *) FROM sales").explain()

    assert "predict[revenue v2]" in capsys.readouterr().out


def test_two_equal_calls_are_evaluated_once(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    """The same call twice in a SELECT is one evaluation, so that a model is called once per row."""
    spark.sql("SELECT PREDICT('revenue', 1, *) AS a, PREDICT('revenue', 1, *) + 1 AS b FROM sales").explain()

    assert capsys.readouterr().out.count("pythonUDF1") == 0


ERRORS = {
    "model_unknown": ("PREDICT('revenues', 1, *)", "PREDICT_MODEL_NOT_FOUND"),
    "version_unknown": ("PREDICT('revenue', 7, *)", "PREDICT_VERSION_NOT_FOUND"),
    "alias_unknown": ("PREDICT('revenue', 'chamption', *)", "PREDICT_ALIAS_NOT_FOUND"),
    "column_missing": ("PREDICT('revenue', 1, id, visits, open)", "PREDICT_COLUMN_MISSING"),
    "type_unsafe": ("PREDICT('revenue', 1, 'cheap', visits)", "PREDICT_TYPE_UNSAFE"),
    "signature_missing": ("PREDICT('unsigned', 1, *)", "PREDICT_SIGNATURE_MISSING"),
    "model_not_constant": ("PREDICT(concat('revenue', id), 1, *)", "PREDICT_ARGUMENT_NOT_CONSTANT"),
    "version_not_constant": ("PREDICT('revenue', id, *)", "PREDICT_ARGUMENT_NOT_CONSTANT"),
    "version_invalid": ("PREDICT('revenue', 1.5, *)", "PREDICT_ARGUMENT_INVALID"),
    "version_not_given": ("PREDICT('revenue')", "PREDICT_ARGUMENT_INVALID"),
    "version_decimal": ("PREDICT('revenue', 1.0, *)", "PREDICT_ARGUMENT_INVALID"),
    "model_of_fabric": ("PREDICT('revenue/1', price, visits)", "PREDICT_ARGUMENT_INVALID"),
    "model_address": ("PREDICT('models:/revenue@champion', *)", "PREDICT_ARGUMENT_INVALID"),
    "model_null": ("PREDICT(NULL, 1, *)", "PREDICT_ARGUMENT_INVALID"),
    "count_wrong": ("PREDICT('revenue', 1, price + 1)", "PREDICT_ARGUMENT_COUNT"),
    "columns_swapped": ("PREDICT('revenue', 1, visits, price + 0)", "PREDICT_COLUMN_SWAPPED"),
    "argument_unknown": ("PREDICT('revenue', 1, price, visit => visits)", "PREDICT_ARGUMENT_UNKNOWN"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(spark: SparkSession, golden: Callable[[str, str], None], name: str) -> None:
    """A call that cannot be bound is an AnalysisException with a name, raised before any job starts."""
    call, condition = ERRORS[name]
    tracker = spark.sparkContext.statusTracker()
    spark.sparkContext.setJobGroup(name, name)

    with pytest.raises(AnalysisException) as raised:
        spark.sql(f"SELECT {call} FROM sales")

    assert raised.value.getCondition() == condition
    assert list(tracker.getJobIdsForGroup(name)) == []
    golden(f"sql/{name}.txt", stable(str(raised.value)))


def stable(text: str) -> str:
    """A message without what differs from run to run."""
    text = re.sub(r"sqlite://\S*mlflow\.db", "<registry>", text)
    text = re.sub(r"models:/m-\w+", "models:/<id>", text)
    # Other modules register models of their own in the same registry.
    return re.sub(r"one of `\w+`, .*(?=   \(registry)", "one of <models>", text)


def test_ambiguous_names(spark: SparkSession, golden: Callable[[str, str], None]) -> None:
    """Two columns of the name of one input are refused, and both are named."""
    with pytest.raises(AnalysisException) as raised:
        spark.sql("SELECT PREDICT('revenue', 1, *) FROM sales AS a JOIN sales AS b USING (id)")

    assert raised.value.getCondition() == "PREDICT_COLUMN_AMBIGUOUS"
    golden("sql/column_ambiguous.txt", str(raised.value))


def test_data_frame_errors(spark: SparkSession) -> None:
    """A DataFrame operation raises the same errors as SQL."""
    with pytest.raises(AnalysisException) as raised:
        spark.table("sales").select(lakepredict.predict("revenue", 7, "*"))

    assert raised.value.getCondition() == "PREDICT_VERSION_NOT_FOUND"
    assert raised.value.getSqlState() == "42704"
    assert raised.value.getMessageParameters()["version"] == "7"


def test_errors_of_spark_itself_stay_what_they_are(spark: SparkSession) -> None:
    """A constant that cannot be computed raises Spark's own error."""
    with pytest.raises(Exception, match="DIVIDE_BY_ZERO"):
        spark.sql("SELECT PREDICT('revenue', 1 / 0, *) FROM sales")


def test_describe_function(spark: SparkSession) -> None:
    """DESCRIBE FUNCTION EXTENDED is a page about PREDICT."""
    text = "\n".join(row[0] for row in spark.sql("DESCRIBE FUNCTION EXTENDED predict").collect())

    assert "predict(model, version, cols...)" in text
    assert "predict('sales_forecast', 'champion', *)" in text


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("PREDICT('revenue', 1, price, visits)", "predict(revenue, 1, price, visits)"),
        (
            "TRY_PREDICT('revenue', 'latest', price, visits => 2)",
            "try_predict(revenue, latest, price, visits => 2)",
        ),
        ("PREDICT('revenue', 1, s.*)", "predict(revenue, 1, id, price, visits, open)"),
        ("2 * PREDICT('revenue', 1, s.*)", "(2 * predict(revenue, 1, id, price, visits, open))"),
        ("PREDICT('revenue', 1, *, price => 1)", "predict(revenue, 1, id, price, visits, ... 2 more fields)"),
    ],
)
def test_column_without_alias(spark: SparkSession, call: str, name: str) -> None:
    """A column without an alias is named as Spark names calls, and not by what replaces the call."""
    assert spark.sql(f"SELECT id, {call} FROM sales s").columns == ["id", name]


def test_version_is_a_constant(spark: SparkSession) -> None:
    """PREDICT_VERSION is the number that an alias names, as a BIGINT that needs no row."""
    frame = spark.sql("SELECT PREDICT_VERSION('revenue', 'champion') AS a, PREDICT_VERSION('revenue', 1) AS b")

    assert frame.schema.simpleString() == "struct<a:bigint,b:bigint>"
    assert frame.collect() == [(2, 1)]


def test_version_of_a_model_without_signature(spark: SparkSession) -> None:
    """PREDICT_VERSION asks for a version, not for a model that can be bound."""
    assert spark.sql("SELECT PREDICT_VERSION('unsigned', 'latest') AS v").first().v == 1


@pytest.mark.parametrize(
    ("call", "condition"),
    [
        ("PREDICT_VERSION('revenue', 'challenger')", "PREDICT_ALIAS_NOT_FOUND"),
        ("PREDICT_VERSION('revenue', 1, price)", "PREDICT_ARGUMENT_INVALID"),
        ("PREDICT_VERSION('revenue')", "PREDICT_ARGUMENT_INVALID"),
        ("PREDICT_VERSION('revenue', id)", "PREDICT_ARGUMENT_NOT_CONSTANT"),
    ],
)
def test_version_errors(spark: SparkSession, call: str, condition: str) -> None:
    """PREDICT_VERSION names itself in its errors."""
    with pytest.raises(AnalysisException, match="PREDICT_VERSION") as raised:
        spark.sql(f"SELECT {call} FROM sales")

    assert raised.value.getCondition() == condition


def test_one_query_sees_one_version(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alias that moves while a query is analysed, also inside a view, is one version for the query."""
    client = MlflowClient()
    found = []

    def find(client: MlflowClient, reference: _registry.ModelReference) -> object:
        """Move the alias after each look at it."""
        client.set_registered_model_alias("revenue", "moving", str(1 + len(found) % 2))
        found.append(reference.version)
        return original(client, reference)

    client.set_registered_model_alias("revenue", "moving", "1")
    spark.sql("CREATE OR REPLACE VIEW moving AS SELECT id, PREDICT_VERSION('revenue', 'moving') AS v FROM sales")
    original = _registry._find
    query = """
        SELECT DISTINCT v, PREDICT_VERSION('revenue', 'moving') AS w, round(PREDICT('revenue', 'moving', *)) AS p
        FROM sales JOIN moving USING (id) WHERE id = 1
    """
    with monkeypatch.context() as patch:
        patch.setattr(_registry, "_find", find)
        seen = [tuple(spark.sql(query).first()) for _ in range(2)]
    client.delete_registered_model_alias("revenue", "moving")

    assert seen == [(1, 1, 22.0), (2, 2, 220.0)]
    assert found.count("moving") == 2


@pytest.fixture(scope="module")
def picky(spark: SparkSession) -> None:
    """The registered models ``picky``, which refuses negative numbers, and ``picky_spark``, its Spark ML kin."""
    signature = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "prediction")]))
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("models") / "picky.py"),
            signature=signature,
            pip_requirements=["mlflow"],
            registered_model_name="picky",
        )
    rows = spark.createDataFrame([(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)], "x DOUBLE, y DOUBLE")
    # Bucketizer refuses a value outside its splits.
    stages = [
        Bucketizer(splits=[0.0, 1.0, 1000.0], inputCol="x", outputCol="bucket"),
        VectorAssembler(inputCols=["x", "bucket"], outputCol="features"),
        LinearRegression(labelCol="y", regParam=1.0),
    ]
    with mlflow.start_run():
        mlflow.spark.log_model(
            Pipeline(stages=stages).fit(rows),
            artifact_path="model",
            signature=signature,
            pip_requirements=["pyspark"],
            registered_model_name="picky_spark",
        )


@pytest.mark.usefixtures("picky")
@pytest.mark.parametrize("model", ["picky", "picky_spark"])
def test_try_predict_scores_the_other_rows(spark: SparkSession, model: str) -> None:
    """TRY_PREDICT gives NULL for the rows that a model fails on, and scores the rest of the batch."""
    numbers = "SELECT id, double(IF(id % 7 = 3, -id, id)) AS x FROM range(0, 50, 1, 2)"
    rows = spark.sql(f"SELECT x, TRY_PREDICT('{model}', 1, *) AS p FROM ({numbers})").collect()
    good = spark.sql(f"SELECT x, PREDICT('{model}', 1, *) AS p FROM ({numbers}) WHERE x >= 0").collect()

    assert {row.x: row.p for row in rows if row.x >= 0} == {row.x: row.p for row in good}
    assert [row.p for row in rows if row.x < 0] == [None] * 7


@pytest.mark.usefixtures("picky")
@pytest.mark.parametrize(
    ("model", "reason"), [("picky", "-3.0 is negative"), ("picky_spark", "-3.0 out of Bucketizer bounds")]
)
def test_the_model_own_error_reaches_the_user(spark: SparkSession, model: str, reason: str) -> None:
    """PREDICT fails with what the model says."""
    with pytest.raises(Exception, match=reason):
        spark.sql(f"SELECT PREDICT('{model}', 1, x) FROM (SELECT -3.0D AS x)").collect()


@pytest.mark.usefixtures("picky")
def test_failing_model_is_named(spark: SparkSession) -> None:
    """The error of a model that fails names the model and its version."""
    with pytest.raises(PySparkException, match=r"\[PREDICT_MODEL_FAILED\] the model 'picky' version 1 failed"):
        spark.sql("SELECT PREDICT('picky', 1, x) FROM (SELECT -3.0D AS x)").collect()


def test_optional_inputs(spark: SparkSession) -> None:
    """An optional input may be absent; where it is there, it is taken."""
    columns = Schema([ColSpec("double", "price"), ColSpec("double", "visits", required=False)])
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("models") / "optional.py"),
            signature=ModelSignature(columns, Schema([ColSpec("double")])),
            pip_requirements=["mlflow"],
            registered_model_name="optional",
        )
    same(
        spark,
        "SELECT id, PREDICT('optional', 1, price) AS a, PREDICT('optional', 1, *) AS b,"
        " PREDICT('optional', 1, visits => visits, price => price) AS c FROM sales",
        "SELECT id, price AS a, price + visits AS b, price + visits AS c FROM sales",
    )


def test_columns_without_names(spark: SparkSession) -> None:
    """A model whose columns have no names takes them by position, and only in their number."""
    columns = Schema([ColSpec("double"), ColSpec("double")])
    inputs = np.random.default_rng(3).normal(size=(20, 2))
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            LinearModel().fit(inputs, inputs @ [1.0, 2.0]),
            name="model",
            signature=ModelSignature(columns, Schema([ColSpec("double")])),
            pip_requirements=["scikit-learn"],
            registered_model_name="nameless",
        )
    same(
        spark,
        "SELECT id, PREDICT('nameless', 1, visits, price) AS p FROM sales",
        "SELECT id, visits + 2 * price AS p FROM sales",
    )
    with pytest.raises(AnalysisException) as raised:
        spark.sql("SELECT PREDICT('nameless', 1, *) FROM sales")

    assert raised.value.getCondition() == "PREDICT_ARGUMENT_COUNT"


def test_matrix_as_columns_and_as_one_array(spark: SparkSession) -> None:
    """A model of a NumPy matrix takes its columns by position or as one array, and gives a scalar."""
    inputs = np.random.default_rng(3).normal(size=(20, 3))
    model = LinearModel().fit(inputs, inputs @ [1.0, 2.0, 3.0])
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(inputs, model.predict(inputs)),
            pip_requirements=["scikit-learn"],
            registered_model_name="matrix",
        )
    same(
        spark,
        "SELECT id, PREDICT('matrix', 1, price, visits, id) AS a, PREDICT('matrix', 1, array(price, visits, id)) AS b"
        " FROM sales",
        "SELECT id, price + 2 * visits + 3 * id AS a, price + 2 * visits + 3 * id AS b FROM sales",
    )
    with pytest.raises(PySparkException, match="an array has 2 values where the model takes 3"):
        spark.sql("SELECT PREDICT('matrix', 1, array(price, visits)) FROM sales").collect()


# --- a whole row binds by name -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weather(spark: SparkSession) -> None:
    """A model of three inputs, and a table that lacks one of them and has another column in its place."""
    names = ("price", "visits", "temperature")
    register_model("weather", 1.0, dict.fromkeys(names, DataType.double))
    rows = [(1.0, 2.0, 9.0), (2.0, 4.0, 8.0)]
    spark.createDataFrame(rows, "price DOUBLE, visits DOUBLE, customer_id DOUBLE").createOrReplaceTempView("orders_3")
    spark.createDataFrame(rows, "x DOUBLE, y DOUBLE, z DOUBLE").createOrReplaceTempView("orders_xyz")


WHOLE_ROWS = {
    "star": "SELECT PREDICT('weather', 1, *) FROM {t}",
    "star of a table": "SELECT PREDICT('weather', 1, t.*) FROM {t} t",
    "star after a join": "SELECT predict('weather', 1, t.*) FROM {t} t JOIN range(2) r ON true",
    "struct": "SELECT PREDICT('weather', 1, struct(*)) FROM {t}",
    "star with a comment": "SELECT PREDICT('weather', /* all, of them */ 1, -- *\n *) FROM {t}",
    "star and a name": "SELECT PREDICT('weather', 1, *, price => 3D) FROM {t}",
    "try_predict": "SELECT TRY_PREDICT('weather', 1, *) FROM {t}",
    "nested": "SELECT abs(PREDICT('weather', 1, *) + 1) FROM {t}",
    "filter": "SELECT 1 FROM {t} WHERE PREDICT('weather', 1, *) > 1",
    "immediate": "EXECUTE IMMEDIATE 'SELECT PREDICT(''weather'', 1, *) FROM {t}'",
    "pipe": "FROM {t} |> SELECT PREDICT('weather', 1, *)",
    "common table": "WITH c AS (SELECT * FROM {t}) SELECT PREDICT('weather', 1, *) FROM c",
}


@pytest.mark.usefixtures("weather")
@pytest.mark.parametrize("table", ["orders_3", "orders_xyz"])
@pytest.mark.parametrize("query", WHOLE_ROWS.values(), ids=WHOLE_ROWS)
def test_whole_row_without_an_input(spark: SparkSession, query: str, table: str) -> None:
    """A whole row is bound by name, or refused with what is missing, though it has as many columns as inputs."""
    with pytest.raises(AnalysisException) as raised:
        spark.sql(query.format(t=table))

    assert raised.value.getCondition() == "PREDICT_COLUMN_MISSING"
    assert "`temperature` (DOUBLE)" in str(raised.value)


@pytest.mark.usefixtures("weather")
@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("SELECT PREDICT(:m, :version_of_it, *) FROM orders_3", {"m": "weather", "version_of_it": 1}),
        ("SELECT PREDICT(:a_long_name_of_a_model, 1, *) FROM orders_3", {"a_long_name_of_a_model": "weather"}),
        ("SELECT PREDICT(?, ?, *) FROM orders_3", ["weather", 1]),
        ("SELECT PREDICT('weather', :v, /* all */ *) FROM orders_3", {"v": 1}),
        ("SELECT PREDICT('weather', :v, -- all\n *) FROM orders_3", {"v": 1}),
        ("SELECT PREDICT('weather', :v, t. *) FROM orders_3 t", {"v": 1}),
        ("SELECT 1 FROM orders_3 WHERE predict ('weather', ?, *) > 0", [1]),
    ],
)
def test_whole_row_beside_parameter_markers(spark: SparkSession, query: str, values: Any) -> None:
    """Markers, which move the places in a query's text, do not hide a star."""
    with pytest.raises(AnalysisException, match="PREDICT_COLUMN_MISSING"):
        spark.sql(query, args=values)


@pytest.mark.usefixtures("weather")
@pytest.mark.parametrize(
    "query",
    [
        "SELECT t.*, PREDICT('weather', :v, x, y, z) AS p FROM orders_xyz t",
        "SELECT count(*), sum(PREDICT('weather', :v, x * 1, y, z)) AS p FROM orders_xyz",
        "SELECT '(*', PREDICT('weather', :v, x, y, /* , * */ z) AS p FROM orders_xyz -- PREDICT(*)",
    ],
)
def test_stars_elsewhere_beside_parameter_markers(spark: SparkSession, query: str) -> None:
    """A star that is no argument of PREDICT does not keep its columns from being bound by position."""
    assert spark.sql(query, args={"v": 1}).count() > 0


@pytest.mark.usefixtures("weather")
def test_whole_row_in_a_view(spark: SparkSession) -> None:
    """A star in a view is one, also where the view is asked by another query."""
    spark.sql(
        "CREATE OR REPLACE TEMP VIEW renamed_orders AS SELECT x AS price, y AS visits, z AS temperature FROM orders_xyz"
    )
    spark.sql("CREATE OR REPLACE TEMP VIEW scored_orders AS SELECT PREDICT('weather', 1, *) AS p FROM renamed_orders")
    assert spark.sql("SELECT p FROM scored_orders").count() == 2
    spark.sql(
        "CREATE OR REPLACE TEMP VIEW renamed_orders AS SELECT x AS price, y AS visits, z AS humidity FROM orders_xyz"
    )

    with pytest.raises(AnalysisException, match=r"PREDICT_COLUMN_MISSING|INCOMPATIBLE_VIEW_SCHEMA_CHANGE"):
        spark.sql("SELECT p FROM scored_orders").collect()


@pytest.mark.usefixtures("weather")
def test_whole_row_in_data_frames(spark: SparkSession) -> None:
    """A star in a DataFrame is bound by name, whichever function has it."""
    table = spark.table("orders_xyz")
    arguments = F.lit("weather"), F.lit(1)
    for column in (
        lakepredict.predict("weather", 1, "*"),
        lakepredict.predict("weather", 1, F.col("*")),
        lakepredict.predict("weather", 1, F.struct("*")),
        lakepredict.predict("weather", 1, table["*"]),
        lakepredict.predict("weather", 1, F.expr("*")),
        lakepredict.predict("weather", 1, F.expr("orders_xyz.*")),
        lakepredict.predict("weather", 1, table.colRegex("`.*`")),
        F.call_function("predict", *arguments, F.col("*")),
        F.expr("PREDICT('weather', 1, *)"),
    ):
        with pytest.raises(AnalysisException, match="PREDICT_COLUMN_MISSING"):
            table.select(column)


WRITTEN = {
    "columns": "PREDICT('weather', 1, x, y, z)",
    "expressions": "PREDICT('weather', 1, x * 1, (y), z)",
    "a star elsewhere": "PREDICT('weather', 1, x, y, z) + 0 * (SELECT count(*) FROM range(1))",
}


@pytest.mark.usefixtures("weather")
@pytest.mark.parametrize("call", WRITTEN.values(), ids=WRITTEN)
def test_columns_written_one_by_one(spark: SparkSession, call: str) -> None:
    """Columns that are written one by one bind by position, whatever their names."""
    expected = spark.sql("SELECT PREDICT('weather', 1, price => x, visits => y, temperature => z) AS p FROM orders_xyz")
    scored = spark.sql(f"SELECT {call} AS p FROM orders_xyz")

    assert scored.collect() == expected.collect()


@pytest.mark.usefixtures("weather")
def test_columns_written_one_by_one_in_data_frames(spark: SparkSession) -> None:
    """Columns of a DataFrame bind by position with ``lakepredict.predict``; its mark does not show."""
    table = spark.table("orders_xyz")
    scored = table.select(lakepredict.predict("weather", 1, "x", F.col("y"), table.z))
    expected = table.selectExpr("PREDICT('weather', 1, x, y, z)")

    assert scored.columns == expected.columns
    assert scored.collect() == expected.collect()


@pytest.mark.usefixtures("weather")
def test_columns_of_a_data_frame_that_may_be_a_whole_row(spark: SparkSession) -> None:
    """``call_function`` does not tell whether columns came of a star, so those of other names are refused."""
    arguments = F.lit("weather"), F.lit(1)
    table = spark.table("orders_xyz")
    with pytest.raises(AnalysisException, match="PREDICT_COLUMN_MISSING"):
        table.select(F.call_function("predict", *arguments, "x", "y", "z"))
    named = table.toDF("price", "visits", "temperature")

    assert named.select(F.call_function("predict", *arguments, "visits", "price", "temperature")).count() == 2
    assert table.select(F.call_function("predict", *arguments, F.col("x") * 1, F.col("y") * 1, F.col("z") * 1)).count()
