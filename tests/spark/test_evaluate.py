"""Predictions judged by what happened later, beside scikit-learn's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.types import DataType
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, root_mean_squared_error
from sklearn.tree import DecisionTreeClassifier

from conftest import log_model, register_model
from lakepredict import lakehouse
from lakepredict.errors import EvaluationError, KeyInvalidError, OutputNamesError

RANDOM = np.random.default_rng(5)
FORECAST = pd.DataFrame(
    {
        "store": np.tile([1, 2, 3, 4], 3),
        "week": np.repeat([date(2026, 1, 2), date(2026, 1, 9), date(2026, 2, 6)], 4),
        "prediction": RANDOM.normal(100.0, 20.0, 12),
        "model_name": "m",
        "model_version": np.repeat([1, 2, 2], 4),
    }
)
ACTUALS = FORECAST[["store", "week"]].assign(sales=RANDOM.normal(100.0, 20.0, 12))
QUERY = "SELECT week, model_version, rows, missing_actuals, null_predictions, wape, mae, rmse, bias"
CALL = "evaluate_forecast('judged', 'happened', 'store, week', 'sales', time => 'week'"


@pytest.fixture
def tables(spark: SparkSession) -> Iterator[None]:
    """A forecast of three weeks, in the last of which one outcome and one prediction are missing."""
    forecast, actuals = FORECAST.astype({"prediction": object}), ACTUALS.drop(index=11)
    forecast.loc[10, "prediction"] = None
    spark.createDataFrame(forecast).write.saveAsTable("judged")
    # An outcome that is NaN is none; a key that is NULL belongs to no prediction.
    odd = pd.DataFrame({"store": [4, None], "week": [date(2026, 2, 6)] * 2, "sales": [float("nan"), 1.0]})
    spark.createDataFrame(pd.concat([actuals, odd])).selectExpr("int(store) store", "week", "sales").write.saveAsTable(
        "happened"
    )
    yield
    for table in ("judged", "happened", "accuracy"):
        spark.sql(f"DROP TABLE IF EXISTS {table}")


def expected(rows: slice) -> list[float]:
    """WAPE, MAE, RMSE and bias of some rows, by scikit-learn and NumPy."""
    actual, prediction = ACTUALS["sales"][rows], FORECAST["prediction"][rows]
    wape = np.abs(prediction - actual).sum() / np.abs(actual).sum()
    errors = [mean_absolute_error(actual, prediction), root_mean_squared_error(actual, prediction)]
    return [wape, *errors, (prediction - actual).mean()]


def test_weeks(spark: SparkSession, tables: None) -> None:
    """Each week of each version has its counts, and the metrics of the rows that have both values."""
    rows = spark.sql(f"{QUERY} FROM {CALL}) ORDER BY week").collect()

    assert [tuple(row[:5]) for row in rows] == [
        (date(2026, 1, 2), 1, 4, 0, 0),
        (date(2026, 1, 9), 2, 4, 0, 0),
        (date(2026, 2, 6), 2, 4, 1, 1),
    ]
    for row, part in zip(rows, (slice(0, 4), slice(4, 8), slice(8, 10)), strict=True):
        np.testing.assert_allclose(row[5:], expected(part), rtol=1e-12)


def test_periods_and_views(spark: SparkSession, tables: None) -> None:
    """The time may be truncated, and a permanent view evaluates anew."""
    spark.sql(f"CREATE VIEW monthly AS {QUERY} FROM {CALL}, period => 'month')")
    before = spark.sql("SELECT * FROM monthly ORDER BY week, model_version").collect()
    spark.sql("DELETE FROM judged WHERE week < '2026-02-01'")
    after = spark.sql("SELECT * FROM monthly").collect()
    spark.sql("DROP VIEW monthly")

    assert [row[:3] for row in before] == [(date(2026, 1, 1), 1, 4), (date(2026, 1, 1), 2, 4), (date(2026, 2, 1), 2, 4)]
    assert [row.week for row in after] == [date(2026, 2, 1)]


def test_kept(spark: SparkSession, tables: None) -> None:
    """A second evaluation replaces the rows of the same week and version, and leaves others."""

    def judge() -> pd.DataFrame:
        options = {"key": ["store", "week"], "actual": "sales", "time": "week", "output": "accuracy"}
        return lakehouse.evaluate(spark, "judged", "happened", **options).orderBy("week").toPandas()

    first = judge()
    spark.sql("DELETE FROM judged WHERE week = '2026-01-02'")
    spark.sql("UPDATE happened SET sales = 90 WHERE store = 4 AND week = '2026-02-06'")
    second = judge()
    kept = spark.table("accuracy").orderBy("week").toPandas()

    assert (first["missing_actuals"].tolist(), second["missing_actuals"].tolist()) == ([0, 0, 1], [0, 0])
    pd.testing.assert_frame_equal(kept, pd.concat([first[:1], second], ignore_index=True))


def test_classes(spark: SparkSession) -> None:
    """Classes are judged by accuracy and weighted F1, numbers too if that is said; 1 and 1.0 are one class."""
    truth, guess = RANDOM.integers(0, 3, 60), RANDOM.integers(0, 4, 60)
    rows = pd.DataFrame({"id": range(60), "guess": guess.astype(float), "model_name": "m", "model_version": 1})
    spark.createDataFrame(rows).createOrReplaceTempView("guessed")
    spark.createDataFrame(pd.DataFrame({"id": range(60), "truth": truth})).createOrReplaceTempView("known")
    texts = {
        "guessed": "SELECT *, concat('c', int(guess)) AS named FROM guessed",
        "known": "SELECT *, concat('c', truth) AS named FROM known",
    }
    named = lakehouse.evaluate(spark, texts["guessed"], texts["known"], key="id", prediction="named", actual="named")
    numbers = spark.sql(
        "SELECT * FROM evaluate_forecast('guessed', 'known', 'id', 'truth', prediction => 'guess',"
        " problem => 'classification')"
    )
    known = accuracy_score(truth, guess), f1_score(truth, guess, average="weighted", zero_division=0.0)

    for found in (named.first(), numbers.first()):
        assert (found.rows, found.missing_actuals, found.null_predictions) == (60, 0, 0)
        np.testing.assert_allclose((found.accuracy, found.f1), known, rtol=1e-12)


WRONG = {
    "column": "evaluate_forecast('judged', 'happened', 'store, week', 'sale')",
    "count": "evaluate_forecast('judged', 'happened', 'store')",
    "name": "evaluate_forecast('judged', 'happened', 'store, week', 'sales', predicted => 'prediction')",
    "types": "evaluate_forecast('judged', 'happened', 'store, week', 'sales', prediction => 'model_name')",
    "key": "evaluate_forecast('judged', 'happened', 'store', 'sales')",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(spark: SparkSession, tables: None, golden: Callable[[str, str], None], name: str) -> None:
    """What cannot be compared is refused when the query is analysed, with what to write."""
    with pytest.raises(AnalysisException) as raised:
        spark.sql(f"SELECT * FROM {WRONG[name]}")

    golden(f"sql/evaluate_{name}.txt", str(raised.value).split(" SQLSTATE")[0].strip())


def test_actuals_given_twice(spark: SparkSession, tables: None) -> None:
    """Two outcomes for one key would count a prediction twice, and are refused before anything is written."""
    spark.sql("INSERT INTO happened VALUES (1, DATE '2026-01-02', 5.0)")
    with pytest.raises(KeyInvalidError, match="2 rows with store = 1"):
        lakehouse.evaluate(
            spark, "judged", "happened", key=["store", "week"], actual="sales", time="week", output="accuracy"
        )

    assert not spark.catalog.tableExists("accuracy")


def test_names_that_delta_does_not_take(spark: SparkSession, tables: None) -> None:
    """Such names of a result are found before it is computed, and kept where column mapping is asked for."""
    query = "SELECT *, week AS `the week`, 1 AS MAE FROM judged"

    def judge(by: str, **options: bool) -> None:
        lakehouse.evaluate(
            spark, query, "happened", key=["store", "week"], actual="sales", by=by, output="accuracy", **options
        )

    for by, names in (("the week", "`the week`"), ("MAE", "`MAE` and `mae`")):
        with pytest.raises(OutputNamesError, match=names):
            judge(by)
    assert not spark.catalog.tableExists("accuracy")

    for _ in range(2):
        judge("the week", column_mapping=True)

    assert spark.table("accuracy").count() == 3


def test_challenge(spark: SparkSession) -> None:
    """A version that is closer to what happened is better, and rows without an outcome are left out."""
    for factor in (1.0, 2.0):
        register_model("challenged", factor, {"price": DataType.double})
    mlflow.MlflowClient().set_registered_model_alias("challenged", "champion", "1")
    rows = "SELECT double(id) AS price, if(id = 9, NULL, 1.9 * id) AS paid FROM range(1, 10)"
    found = lakehouse.challenge(spark, "challenged", "latest", rows, actual="paid", metric="mae")

    assert (found.champion, found.challenger, found.rows, found.rows_left_out) == (1, 2, 8, 1)
    assert (found.better, found.closer, found.metric) == (True, 1.0, "mae")
    assert found.challenger_metrics["mae"] == pytest.approx(0.1 * 4.5, rel=1e-6)
    assert not lakehouse.challenge(spark, "challenged", 1, rows, actual="paid").better


def test_challenge_of_classifiers(spark: SparkSession) -> None:
    """Classifiers are compared by accuracy."""
    inputs = pd.DataFrame({"x": RANDOM.normal(size=40)})
    classes = np.where(inputs["x"] > 0, "high", "low")
    for depth in (None, 1):
        model = DecisionTreeClassifier(max_depth=depth).fit(inputs, classes if depth else classes[::-1])
        options = {"serialization_format": "cloudpickle"}
        log_model(mlflow.sklearn.log_model, model, "challenged_classes", inputs, classes, **options)
    spark.createDataFrame(inputs.assign(truth=classes)).createOrReplaceTempView("classes_known")
    found = lakehouse.challenge(spark, "challenged_classes", 2, "classes_known", actual="truth", champion=1)

    assert (found.better, found.metric, found.challenger_metrics["accuracy"]) == (True, "accuracy", 1.0)
    assert found.closer == pytest.approx(1 - found.champion_metrics["accuracy"])


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        ("SELECT 1D AS price, 2D AS paid", {"metric": "accuracy"}, EvaluationError),
        ("SELECT 1D AS price, 2D AS paid", {"actual": "pad"}, EvaluationError),
        ("SELECT 1D AS price, 'a' AS paid", {}, EvaluationError),
        ("SELECT 1D AS price, CAST(NULL AS DOUBLE) AS paid", {}, EvaluationError),
        ("SELECT 1D AS cost, 2D AS paid", {}, AnalysisException),
    ],
)
def test_wrong_challenges(spark: SparkSession, data: str, options: dict, error: type[Exception]) -> None:
    """What cannot be compared is an error, not a result."""
    register_model("not_challenged", 1.0, {"price": DataType.double})
    with pytest.raises(error):
        lakehouse.challenge(spark, "not_challenged", 1, data, **{"actual": "paid", "champion": 1, **options})
