"""The scenario: run whole, on the real data and on generated data, and looked at from outside."""

from __future__ import annotations

import io
import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
from delta import DeltaTable
from mlflow import MlflowClient
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from lakepredict.cli import _facts
from lakepredict.demo import scenario, training
from lakepredict.demo.features import FEATURES, HOLDOUT_WEEKS
from lakepredict.demo.generate import generate_weekly_sales
from lakepredict.demo.sales import read_weekly_sales
from lakepredict.errors import DataFileError
from lakepredict.lakehouse import Folder

Outcomes = list[tuple[scenario.Outcome, str]]


def test_best_run_is_no_worse_than_the_baseline(outcomes: Outcomes) -> None:
    """On the real data the champion beats the seasonal-naive baseline, and both are printed."""
    outcome, told = outcomes[0]
    wape = {run.info.run_name: run.data.metrics["wape"] for run in outcome.runs}

    assert set(wape) == set(training.TRAINERS)
    assert wape[outcome.runs[0].info.run_name] == min(wape.values()) < wape["seasonal_naive"]
    assert f"{wape['seasonal_naive']:.2%}" in told
    assert f"{min(wape.values()):.2%}" in told


def test_each_run_makes_a_new_version(outcomes: Outcomes) -> None:
    """A second run registers version 2 and moves the alias to it."""
    champion = MlflowClient().get_model_version_by_alias(scenario.MODEL, scenario.ALIAS)

    assert [outcome.version for outcome, _ in outcomes] == [1, 2]
    assert int(champion.version) == 2


def test_forecast_equals_the_loaded_model(spark: SparkSession, outcomes: Outcomes) -> None:
    """The table has, for every store, what each model predicts when it is loaded and called by hand."""
    for outcome, _ in outcomes:
        stored = outcome.forecast.orderBy("store").toPandas()
        version = int(stored["input_version"].iloc[0])
        rows = spark.read.option("versionAsOf", version).table("next_week").orderBy("store")
        expected = predicted_by_hand(rows, outcome.version)

        assert len(stored) == 45
        np.testing.assert_allclose(stored["forecast"], expected, rtol=1e-12)


def predicted_by_hand(rows, version: int):  # type: ignore[no-untyped-def]
    uri = f"models:/{scenario.MODEL}/{version}"
    if "spark" in mlflow.models.get_model_info(uri).flavors:
        model = mlflow.spark.load_model(uri)
        return model.transform(rows).orderBy("store").toPandas()["prediction"]
    return mlflow.pyfunc.load_model(uri).predict(rows.select(*FEATURES).toPandas())


def test_both_engines_were_champion(outcomes: Outcomes) -> None:
    """Spark ML is best on the real data and scikit-learn on the generated data, so both are scored here."""
    best = [outcome.runs[0].info.run_name for outcome, _ in outcomes]

    assert best == ["spark_ml_linear", "sklearn_boosting"]


def test_forecast_says_where_it_comes_from(spark: SparkSession, outcomes: Outcomes) -> None:
    """Columns and commit metadata name model, version, run and input version."""
    history = DeltaTable.forName(spark, scenario.FORECAST_TABLE).history().where("userMetadata LIKE '%next_week%'")
    commits = history.orderBy("version").collect()

    assert len(commits) == len(outcomes)
    for (outcome, _), commit in zip(outcomes, commits, strict=True):
        row = outcome.forecast.first()
        facts = json.loads(commit["userMetadata"])
        expected = {
            "model_name": scenario.MODEL,
            "model_version": outcome.version,
            "run_id": outcome.runs[0].info.run_id,
            "input": "next_week",
            "input_version": row["input_version"],
        }

        assert facts | expected == facts
        assert row.asDict() | expected == row.asDict() | {"input": "next_week"}


def test_forecast_keeps_other_weeks(spark: SparkSession, outcomes: Outcomes) -> None:
    """The second run's forecast of another week stands beside the first one's."""
    weeks = spark.table(scenario.FORECAST_TABLE).groupBy("week").count().orderBy("week").collect()

    assert [row["count"] for row in weeks] == [45] * 2 * (HOLDOUT_WEEKS + 1)


def test_held_out_weeks_are_judged(spark: SparkSession, outcomes: Outcomes) -> None:
    """The table of accuracy has the held-out weeks of both, with the error of the run, and the week to come."""
    every = spark.table(scenario.ACCURACY_TABLE).orderBy("week").toPandas()
    judged = every[every["missing_actuals"] == 0]

    assert every["missing_actuals"].tolist() == ([0] * HOLDOUT_WEEKS + [45]) * 2
    assert judged["model_version"].tolist() == [1] * HOLDOUT_WEEKS + [2] * HOLDOUT_WEEKS
    for outcome, told in outcomes:
        weeks = judged[judged["model_version"] == outcome.version]
        run = outcome.runs[0].data.metrics

        assert np.mean(weeks["mae"]) == pytest.approx(run["mae"], rel=1e-9)
        assert f"off by {run['wape']:.2%} of the sales" in told


def test_runs_say_what_they_learnt_from(outcomes: Outcomes) -> None:
    """Each run has parameters, metrics, the feature list, a plot, and the Delta table as dataset input."""
    client = MlflowClient()
    for run in outcomes[0][0].runs:
        artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
        dataset = run.inputs.dataset_inputs[0].dataset
        source = json.loads(dataset.source)

        assert {"features.json", "forecast_vs_actual.png"} <= artifacts
        assert {"rmse", "mae", "wape"} <= set(run.data.metrics)
        assert {"model", "holdout_weeks", "holdout_from"} <= set(run.data.params)
        assert (source["delta_table_name"], source["delta_table_version"]) == ("weekly_features", "0")


def test_statement_to_paste_runs(spark: SparkSession, outcomes: Outcomes) -> None:
    """What ``lakepredict model`` offers to paste scores the table that the champion learnt from."""
    shown = _facts.model(scenario.MODEL, None, 1)["shown"]
    scored = spark.sql(shown["predict"])

    assert (shown["reference"], shown["version"]) == (scenario.ALIAS, outcomes[-1][0].version)
    assert shown["training"]["table"] == "weekly_features"
    assert scored.columns == [*spark.table("weekly_features").columns, "prediction"]
    assert scored.where("prediction IS NOT NULL").count() == spark.table("weekly_features").count() > 0


def test_runs_are_compared_with_those_of_their_own_data(outcomes: Outcomes) -> None:
    """Each time the three runs on the same data are compared, not those of other data in the same experiment."""
    first, second = (sorted(run.info.run_id for run in outcome.runs) for outcome, _ in outcomes)

    assert len(first) == len(second) == len(training.TRAINERS)
    assert not set(first) & set(second)


def test_features_know_nothing_of_their_own_week(spark: SparkSession, real_sales: Path) -> None:
    """Changing a week's sales, weather and prices changes none of its features."""
    from lakepredict.demo import features

    sales = spark.createDataFrame(read_weekly_sales(real_sales)).where("store <= 2")
    last = sales.agg(F.max("week")).first()[0]
    changed = sales.select(
        "store",
        "week",
        *(
            F.when((F.col("week") == last) & (F.col("store") == 1), F.lit(-1.0)).otherwise(F.col(name)).alias(name)
            for name in ("weekly_sales",)
        ),
        "holiday",
        *(
            F.when(F.col("week") == last, F.lit(-1.0)).otherwise(F.col(name)).alias(name)
            for name in ("temperature", "fuel_price", "cpi", "unemployment")
        ),
    )
    rows = []
    for frame in (sales, changed):
        frame.createOrReplaceTempView("weekly_sales")
        rows.append(spark.sql(features.FEATURE_QUERY).where(F.col("week") == last).drop("weekly_sales").collect())
        spark.catalog.dropTempView("weekly_sales")

    assert sorted(rows[0]) == sorted(rows[1])


def test_a_missing_week_is_not_replaced_by_the_one_before(spark: SparkSession, real_sales: Path) -> None:
    """Features look back by date: without last week's row, its sales are NULL."""
    from lakepredict.demo import features

    sales = spark.createDataFrame(read_weekly_sales(real_sales)).where("store = 1")
    sales.where("week != DATE '2012-10-19'").createOrReplaceTempView("weekly_sales")
    row = spark.sql(features.FEATURE_QUERY).where("week = DATE '2012-10-26'").first()
    spark.catalog.dropTempView("weekly_sales")

    assert row["sales_last_week"] is None
    assert row["sales_last_year"] == 1445249.09


def test_too_short_a_history_writes_nothing(spark: SparkSession, folder: Folder, tmp_path: Path) -> None:
    """Data that reaches back too little is refused before a table is touched."""
    tables = {table.name for table in spark.catalog.listTables()}
    runs = len(mlflow.search_experiments())
    short = generate_weekly_sales(stores=2, weeks=HOLDOUT_WEEKS)
    path = tmp_path / "short.csv"
    header = "Store,Date,Weekly_Sales,Holiday_Flag,Temperature,Fuel_Price,CPI,Unemployment"
    lines = [
        ",".join(str(int(value) if isinstance(value, bool) else value) for value in row.values())
        for row in short.to_pylist()
    ]
    path.write_text("\n".join([header, *lines]))

    with pytest.raises(DataFileError, match="got:      8 weeks"):
        scenario.run(spark, folder, path, Console(file=io.StringIO()))

    assert {table.name for table in spark.catalog.listTables()} == tables
    assert len(mlflow.search_experiments()) == runs
