"""The weekly job on real sales: eight weeks, one at a time, with a better model half-way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LinearRegression

from lakepredict import _job_file, lakehouse, tracking
from lakepredict.demo import features
from lakepredict.demo.sales import read_weekly_sales
from lakepredict.lakehouse._score import run_job

WEEKS = 8
JOB = """\
model: eight_weeks
version: champion
input: {table: arrived}
output: {table: forecasts, mode: incremental, key: [store, week]}
prediction: sales_next_week
name: weekly
"""


@pytest.fixture
def rows(spark: SparkSession, real_sales: Path) -> Iterator[DataFrame]:
    """The features of all weeks, with the sales that came, in a schema of its own."""
    spark.sql("CREATE SCHEMA eight")
    spark.sql("USE eight")
    spark.createDataFrame(read_weekly_sales(real_sales)).write.saveAsTable("weekly_sales")
    yield spark.sql(features.FEATURE_QUERY).dropna().cache()
    spark.sql("USE default")
    spark.sql("DROP SCHEMA eight CASCADE")


def train(data: DataFrame, columns: list[str]) -> int:
    """Register a linear model of some features as the next version."""
    known = data.select(*columns, features.LABEL).toPandas()
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            LinearRegression().fit(known[columns], known[features.LABEL]),
            name="model",
            signature=tracking.signature_of(data.select(*columns)),
            registered_model_name="eight_weeks",
            pip_requirements=["scikit-learn"],
        )
        return tracking._lookup.find_registered_model("eight_weeks").latest_versions[0].version


def test_eight_weeks(spark: SparkSession, rows: DataFrame, tmp_path: Path) -> None:
    """Each week is scored once, by the champion of that week, and evaluated when its sales are known."""
    weeks = [row.week for row in rows.select("week").distinct().orderBy("week").collect()][-WEEKS:]
    history = rows.where(F.col("week") < weeks[0])
    train(history, ["sales_last_year"])
    train(history, ["sales_last_year", "sales_last_week", "sales_4_week_mean", "sales_last_year_4_week_mean"])
    tracking.promote("eight_weeks", 1, "champion")
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    job = _job_file.load(path)
    statuses = []

    for number, week in enumerate(weeks):
        if number == WEEKS // 2:
            tracking.promote("eight_weeks", 2, "champion")
        rows.where(F.col("week") == week).drop(features.LABEL).write.mode("append").saveAsTable("arrived")
        statuses += [(done.status, done.rows_scored) for done in (run_job(spark, job), run_job(spark, job))]
        known = spark.table("weekly_sales").where(F.col("week") < week)
        lakehouse.evaluate(
            spark,
            "forecasts",
            known,
            key=features.KEYS,
            prediction="sales_next_week",
            actual="weekly_sales",
            time="week",
            output="accuracy",
        )

    assert statuses == [("scored", 45), ("nothing new", 0)] * WEEKS
    scored = (
        spark.table("forecasts")
        .groupBy("week")
        .agg(
            F.count("*").alias("rows"),
            F.countDistinct("store").alias("stores"),
            F.collect_set("model_version").alias("by"),
        )
    )
    assert [(each.week, each.rows, each.stores, each.by) for each in scored.orderBy("week").collect()] == [
        (week, 45, 45, [1 if number < WEEKS // 2 else 2]) for number, week in enumerate(weeks)
    ]
    judged = spark.table("accuracy").orderBy("week").collect()
    assert [(each.week, each.model_version, each.missing_actuals) for each in judged] == [
        (week, 1 if number < WEEKS // 2 else 2, 0 if number < WEEKS - 1 else 45) for number, week in enumerate(weeks)
    ]
    assert all(0 < each.wape < 0.15 for each in judged[:-1])
    assert judged[-1].wape is None
    assert spark.table("scoring_runs").where("job = 'weekly' AND status = 'scored'").count() == WEEKS

    by_version_1 = spark.sql("SELECT store, week FROM forecasts WHERE model_name = 'eight_weeks' AND model_version = 1")
    first = spark.sql("DESCRIBE HISTORY forecasts").where("userMetadata IS NOT NULL").agg(F.min("version")).first()[0]
    assert by_version_1.count() == 45 * WEEKS // 2
    assert spark.sql(f"SELECT * FROM forecasts VERSION AS OF {first}").count() == 45

    compared = lakehouse.challenge(
        spark, "eight_weeks", 1, data=rows.where(F.col("week") >= weeks[0]), actual=features.LABEL
    )
    assert (compared.champion, compared.challenger, compared.rows, compared.better) == (2, 1, 45 * WEEKS, False)
