"""MLflow's experiments, runs and registered models as tables of SQL, read by the driver alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import mlflow
import pytest
from mlflow import MlflowClient
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from sklearn.linear_model import LinearRegression

from lakepredict import tracking

EXPERIMENT = "tables of SQL"


@pytest.fixture(scope="module")
def runs(spark: SparkSession) -> dict[str, str]:
    """The ids of two runs of an experiment, of which one failed, and the registered model ``tabled``, twice."""
    experiment = mlflow.create_experiment(EXPERIMENT, tags={"team": "sales"})
    found = {}
    rows = spark.range(4).selectExpr("double(id) AS price", "double(id * 2) AS amount").toPandas()
    with mlflow.start_run(experiment_id=experiment, run_name="good") as run:
        mlflow.log_params({"depth": 3, "kind": "ridge"})
        for step, value in enumerate((3.0, 1.5)):
            mlflow.log_metric("rmse", value, step=step)
        model = LinearRegression().fit(rows[["price"]], rows["amount"])
        mlflow.sklearn.log_model(
            model, name="model", **tracking.for_predict(model, rows[["price"]]), pip_requirements=["x"]
        )
        found["good"] = run.info.run_id
    for alias in (None, "champion"):
        tracking.register(found["good"], "tabled", alias=alias, tags={"stage": "test"})
    failing = mlflow.start_run(experiment_id=experiment, run_name="failed", nested=True)
    mlflow.log_metric("rmse", float("nan"))
    mlflow.end_run("FAILED")
    found["failed"] = failing.info.run_id
    return found


def test_experiments(spark: SparkSession, runs: dict[str, str]) -> None:
    """An experiment is a row, with its tags."""
    row = spark.sql(
        f"SELECT *, creation_time <= now() AS past FROM mlflow_experiments() WHERE name = '{EXPERIMENT}'"
    ).first()

    assert row is not None
    assert (row.tags["team"], row.past) == ("sales", True)
    assert row.experiment_id == MlflowClient().get_experiment_by_name(EXPERIMENT).experiment_id


def test_runs(spark: SparkSession, runs: dict[str, str]) -> None:
    """A run is a row; parameters are texts, metrics are doubles, and what is not there is NULL."""
    query = f"SELECT * FROM mlflow_runs('{EXPERIMENT}') ORDER BY start_time"
    good, failed = spark.sql(query).collect()

    assert [good.run_id, failed.run_id] == [runs["good"], runs["failed"]]
    assert [good.status, failed.status] == ["FINISHED", "FAILED"]
    assert (good.params, good.metrics, good.experiment) == ({"depth": "3", "kind": "ridge"}, {"rmse": 1.5}, EXPERIMENT)
    assert good.seconds == (good.end_time - good.start_time).total_seconds()
    assert (failed.params, good.parent_run_id) == ({}, None)
    best = spark.sql(f"SELECT run_name FROM mlflow_runs('{EXPERIMENT}') WHERE metrics['rmse'] < 2").collect()
    assert [row.run_name for row in best] == ["good"]


def test_metrics(spark: SparkSession, runs: dict[str, str]) -> None:
    """Each value of a metric is a row; the beginning of a run's id is enough."""
    found = spark.sql(f"SELECT metric, step, value FROM mlflow_metrics('{runs['good'][:12]}') ORDER BY step").collect()

    assert [tuple(row) for row in found] == [("rmse", 0, 3.0), ("rmse", 1, 1.5)]


def test_models_and_versions(spark: SparkSession, runs: dict[str, str]) -> None:
    """A version has its aliases, its tags and what PREDICT takes and gives; it joins with its run."""
    model = spark.sql("SELECT * FROM mlflow_models() WHERE name = 'tabled'").first()
    query = (
        "SELECT v.*, r.metrics['rmse'] AS rmse FROM mlflow_model_versions('tabled') v"
        f" JOIN mlflow_runs('{EXPERIMENT}') r USING (run_id) ORDER BY version"
    )
    first, second = spark.sql(query).collect()

    assert model is not None
    assert model.aliases == {"champion": 2}
    assert [(each.version, each.aliases, each.rmse) for each in (first, second)] == [
        (1, [], 1.5),
        (2, ["champion"], 1.5),
    ]
    assert [tuple(each) for each in first.inputs] == [("price", "DOUBLE", True)]
    assert (first.prediction, first.tags["stage"]) == ("DOUBLE", "test")


@pytest.mark.parametrize("name", ["it's tabled", 'the "tabled"'])
def test_versions_of_a_name_with_quotes(spark: SparkSession, runs: dict[str, str], name: str) -> None:
    """A model with a quote in its name has versions as any other."""
    tracking.register(runs["good"], name, alias="champion")
    found = spark.sql("SELECT name, version, aliases FROM mlflow_model_versions(:name)", args={"name": name}).collect()

    assert [tuple(row) for row in found] == [(name, 1, ["champion"])]


def test_version_that_predict_cannot_use(spark: SparkSession, models: None) -> None:
    """A version without a signature is a row as well, with NULL for what PREDICT would take."""
    row = spark.sql("SELECT inputs, prediction, version FROM mlflow_model_versions('unsigned')").first()

    assert row is not None
    assert tuple(row) == (None, None, 1)


def test_views_ask_anew(spark: SparkSession, runs: dict[str, str]) -> None:
    """A permanent view over a table function shows what MLflow has when it is asked."""
    spark.sql(f"CREATE VIEW runs_now AS SELECT run_name FROM mlflow_runs('{EXPERIMENT}') WHERE run_name = 'later'")
    try:
        before = spark.table("runs_now").count()
        experiment = MlflowClient().get_experiment_by_name(EXPERIMENT).experiment_id
        with mlflow.start_run(experiment_id=experiment, run_name="later", nested=True) as run:
            pass
        assert (before, spark.newSession().table("runs_now").count()) == (0, 1)
        MlflowClient().delete_run(run.info.run_id)
    finally:
        spark.sql("DROP VIEW runs_now")


def test_no_executor_is_asked(spark: SparkSession, runs: dict[str, str]) -> None:
    """The rows are in the plan when it is run."""
    row = spark.sql("EXPLAIN SELECT name FROM mlflow_experiments()").first()

    assert row is not None
    assert "LocalTableScan" in row[0]


WRONG = {
    "unknown_experiment": "mlflow_runs('tables of SQ')",
    "unknown_run": "mlflow_metrics('nothing')",
    "unknown_model": "mlflow_model_versions('tabel')",
    "no_argument": "mlflow_runs()",
    "too_many": "mlflow_models('x')",
    "number": "mlflow_runs(3)",
    "null": "mlflow_metrics(NULL)",
}


@pytest.mark.parametrize("name", ["no_argument", "too_many", "number", "null"])
def test_wrong_arguments(spark: SparkSession, golden: Callable[[str, str], None], name: str) -> None:
    """A call that cannot be is an error that says what to write."""
    with pytest.raises(AnalysisException) as raised:
        spark.sql(f"SELECT * FROM {WRONG[name]}")

    assert raised.value.getCondition() == "PREDICT_ARGUMENT_INVALID"
    golden(f"sql/table_{name}.txt", str(raised.value).split(" SQLSTATE")[0].strip())


@pytest.mark.parametrize("name", ["unknown_experiment", "unknown_run", "unknown_model"])
def test_what_is_not_there(
    spark: SparkSession, runs: dict[str, str], golden: Callable[[str, str], None], name: str
) -> None:
    """What MLflow does not have is an error that says what it has."""
    with pytest.raises(AnalysisException, match=r"There is no (experiment|run|registered model)") as raised:
        spark.sql(f"SELECT * FROM {WRONG[name]}")

    assert raised.value.getCondition() == "PREDICT_TRACKED_NOT_FOUND"
    assert raised.value.getSqlState() == "42704"
    if name != "unknown_run":
        text = str(raised.value).split(" SQLSTATE")[0].strip()
        golden(f"sql/table_{name}.txt", re.sub("expected: .*", "expected: one of ...", text))
