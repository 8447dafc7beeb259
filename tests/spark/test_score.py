"""Scoring tables into tables: each row once, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from delta import DeltaTable
from mlflow import MlflowClient
from mlflow.types import DataType
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from conftest import register_model
from lakepredict import lakehouse
from lakepredict.errors import (
    AliasNotFoundError,
    InputUnsuitableError,
    JobInvalidError,
    KeyInvalidError,
    OutputSchemaError,
    TableNotFoundError,
)
from lakepredict.lakehouse import Folder, Scoring
from test_cluster import plain_environment

PROGRAM = Path(__file__).with_name("programs") / "score_and_die.py"


@pytest.fixture(scope="module")
def model(spark: SparkSession) -> str:
    """A model in two versions: the price, and ten times the price."""
    register_model("priced", 1.0, {"price": DataType.double})
    register_model("priced", 10.0, {"price": DataType.double})
    return "priced"


@pytest.fixture
def table(spark: SparkSession) -> Iterator[str]:
    """A table of two rows."""
    add(spark, "to_score", (1, 1.0), (2, 2.0))
    yield "to_score"
    for each in ("to_score", "scored"):
        spark.sql(f"DROP TABLE IF EXISTS {each}")


def add(spark: SparkSession, table: str, *rows: tuple[int | None, float | None]) -> None:
    """Append rows to a table."""
    spark.createDataFrame(list(rows), "id INT, price DOUBLE").write.mode("append").saveAsTable(table)


def predictions(spark: SparkSession) -> list[tuple[int, float | None, int, int]]:
    """The rows of the output: id, prediction, version of the model and of the input."""
    rows = spark.table("scored").orderBy("id", "model_version").collect()
    return [
        (
            each.id,
            None if each.prediction is None else round(each.prediction, 6),
            each.model_version,
            each.input_version,
        )
        for each in rows
    ]


def told(scoring: Scoring) -> tuple[str, int, int, int]:
    """Status and counts of a run."""
    return scoring.status, scoring.rows_in, scoring.rows_scored, scoring.null_predictions


def test_append_is_done_once(spark: SparkSession, model: str, table: str) -> None:
    """The same job run twice adds nothing; another model version adds its own forecast."""
    first, second, other = (lakehouse.score(spark, model, each, table, "scored", columns="id") for each in (1, 1, 2))

    assert [told(each) for each in (first, second, other)] == [
        ("scored", 2, 2, 0),
        ("nothing new", 0, 0, 0),
        ("scored", 2, 2, 0),
    ]
    assert predictions(spark) == [(1, 1.0, 1, 0), (1, 10.0, 2, 0), (2, 2.0, 1, 0), (2, 20.0, 2, 0)]


def test_facts_of_a_run(spark: SparkSession, model: str, table: str) -> None:
    """Rows, commit, properties, MLflow and the table of runs say the same."""
    done = lakehouse.score(spark, model, 1, table, "scored")
    row = spark.table("scored").first()
    history = DeltaTable.forName(spark, "scored").history().orderBy("version").collect()
    commit = json.loads(history[done.output_version].userMetadata)
    properties = {each.key: each.value for each in spark.sql("SHOW TBLPROPERTIES scored").collect()}
    run = mlflow.get_run(done.scoring_run_id)
    kept = spark.table("scoring_runs").where(f"scoring_run_id = '{done.scoring_run_id}'").collect()

    made_by = MlflowClient().get_model_version(model, "1").run_id
    assert (row.model_name, row.model_version, row.run_id, row.input_version) == (model, 1, made_by, 0)
    assert list(row.asDict()) == [
        "id", "price", "prediction", "model_name", "model_version", "run_id", "scored_at", "input_version",
    ]  # fmt: skip
    assert (commit["model_version"], commit["run_id"], commit["input"], commit["input_version"]) == (
        1,
        made_by,
        table,
        0,
    )
    assert properties["lakepredict.model_version"] == "1"
    assert properties["lakepredict.scoring_run_id"] == done.scoring_run_id
    assert (run.info.status, run.data.metrics["rows_scored"]) == ("FINISHED", 2.0)
    assert sorted(each.dataset.name.rpartition(".")[2] for each in run.inputs.dataset_inputs) == ["scored", "to_score"]
    assert [(each.status, each.rows_in, each.output_version) for each in kept] == [("scored", 2, done.output_version)]


def test_overwrite(spark: SparkSession, model: str, table: str) -> None:
    """All rows are replaced, or those that fulfil a condition."""
    lakehouse.score(spark, model, 1, table, "scored", mode="overwrite", partition_by=["id"], columns=["id"])
    part = f"SELECT * FROM {table} WHERE id = 2"
    lakehouse.score(spark, model, 2, part, "scored", mode="overwrite", replace_where="id = 2", columns=["id"])

    assert predictions(spark) == [(1, 1.0, 1, 0), (2, 20.0, 2, 0)]

    lakehouse.score(spark, model, 1, table, "scored", mode="overwrite", columns=["id"])

    assert predictions(spark) == [(1, 1.0, 1, 0), (2, 2.0, 1, 0)]


def test_merge(spark: SparkSession, model: str, table: str) -> None:
    """Rows of the same key are replaced, others stay and are added."""
    lakehouse.score(spark, model, 1, table, "scored", mode="merge", key="id")
    spark.sql(f"DELETE FROM {table} WHERE id = 1")
    add(spark, table, (3, None))
    done = lakehouse.score(spark, model, 2, table, "scored", mode="merge", key=["id"])

    assert told(done) == ("scored", 2, 1, 1)
    assert predictions(spark) == [(1, 1.0, 1, 0), (2, 20.0, 2, 2), (3, None, 2, 2)]


@pytest.mark.parametrize("feed", [False, True])
def test_incremental(spark: SparkSession, model: str, table: str, feed: bool) -> None:
    """Only rows that are new or changed are scored, with a change data feed or without; rewritten files are not."""
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = '{str(feed).lower()}')")

    def again() -> tuple[str, int, int, int]:
        return told(lakehouse.score(spark, model, 1, table, "scored", mode="incremental", key=["id"]))

    assert again() == ("scored", 2, 2, 0)
    add(spark, table, (3, 3.0))
    assert again() == ("scored", 1, 1, 0)
    spark.sql(f"UPDATE {table} SET price = if(id = 2, 20, price)")
    assert again() == ("scored", 1, 1, 0)
    spark.sql(f"OPTIMIZE {table}")
    assert again() == ("nothing new", 0, 0, 0)
    spark.sql(f"DELETE FROM {table} WHERE id = 1")
    assert again() == ("nothing new", 0, 0, 0)
    spark.sql(f"RESTORE TABLE {table} TO VERSION AS OF 0")
    assert again() == ("scored", 1, 1, 0)
    assert predictions(spark) == [(1, 1.0, 1, 1), (2, 2.0, 1, 6), (3, 3.0, 1, 2)]


@pytest.mark.parametrize("feed", [False, True])
def test_changes_that_vacuum_removed(spark: SparkSession, model: str, table: str, feed: bool) -> None:
    """Where VACUUM has removed what tells the changes, all rows are scored; without a key that is refused."""
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = '{str(feed).lower()}')")
    keyed, plain = {"key": ["id"], "name": "keyed"}, {"columns": ["id"], "name": "plain"}
    for output, options in (("scored", keyed), ("scored_plain", plain)):
        lakehouse.score(spark, model, 1, table, output, mode="incremental", **options)
    spark.sql(f"UPDATE {table} SET price = 20 WHERE id = 2")
    spark.sql(f"DELETE FROM {table} WHERE id = 1")
    other = spark.newSession()
    other.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    # VACUUM lists files with 10,000 tasks otherwise.
    other.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")
    other.sql(f"VACUUM {table} RETAIN 0 HOURS")
    done = lakehouse.score(spark, model, 1, table, "scored", mode="incremental", **keyed)
    with pytest.raises(InputUnsuitableError, match="give a key"):
        lakehouse.score(spark, model, 1, table, "scored_plain", mode="incremental", **plain)
    spark.sql("DROP TABLE scored_plain")

    assert told(done) == ("scored", 1, 1, 0)
    assert [row[:2] for row in predictions(spark)] == [(1, 1.0), (2, 20.0)]


@pytest.mark.parametrize("feed", [False, True])
def test_a_job_of_every_month(spark: SparkSession, model: str, folder: Folder, table: str, feed: bool) -> None:
    """What is new is told as well when the last job is longer ago than Delta reads versions for everybody."""
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = '{str(feed).lower()}')")
    log = Path(folder.tables, table, "_delta_log")

    def a_month_later() -> tuple[str, int, int, int]:
        done = lakehouse.score(spark, model, 1, table, "scored", columns=["id"], mode="incremental")
        for each in log.glob("*.json"):
            os.utime(each, (each.stat().st_mtime - 30 * 86400,) * 2)
        return told(done)

    assert a_month_later() == ("scored", 2, 2, 0)
    add(spark, table, (3, 3.0))
    assert a_month_later() == ("scored", 1, 1, 0)
    spark.sql(f"UPDATE {table} SET price = 20 WHERE id = 2")
    with pytest.raises(AnalysisException, match="DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND"):
        spark.sql(f"SELECT * FROM {table} VERSION AS OF 2").collect()
    assert a_month_later() == ("scored", 1, 1, 0)
    assert a_month_later() == ("nothing new", 0, 0, 0)
    assert sorted(row[:2] for row in predictions(spark)) == [(1, 1.0), (2, 2.0), (2, 20.0), (3, 3.0)]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_settings_of_the_session_stay(spark: SparkSession, model: str, table: str, mode: str) -> None:
    """What a job has Delta Lake note in its commit is in no setting afterwards; the session's own note is."""
    setting = "spark.databricks.delta.commitInfo.userMetadata"
    spark.conf.set(setting, "mine")
    try:
        for version in (1, 2):
            lakehouse.score(spark, model, version, table, "scored", key=["id"], mode=mode)
        assert spark.conf.get(setting) == "mine"
    finally:
        spark.conf.unset(setting)
    assert spark.conf.get("spark.databricks.delta.write.txnAppId", None) is None


def test_arguments(spark: SparkSession, model: str, table: str) -> None:
    """PREDICT takes the arguments that a job names, as SQL."""
    lakehouse.score(spark, model, 1, table, "scored", columns="id", arguments=["*", "price => price + 100"])

    assert [row[:2] for row in predictions(spark)] == [(1, 101.0), (2, 102.0)]


def test_incremental_with_a_new_version(spark: SparkSession, model: str, table: str) -> None:
    """A new model version scores what is new, and everything where that is asked for."""
    lakehouse.score(spark, model, 1, table, "scored", mode="incremental", key=["id"])
    add(spark, table, (3, 3.0))
    lakehouse.score(spark, model, 2, table, "scored", mode="incremental", key=["id"])

    assert predictions(spark) == [(1, 1.0, 1, 0), (2, 2.0, 1, 0), (3, 30.0, 2, 1)]

    for version in (1, 2):
        lakehouse.score(spark, model, version, table, "scored", mode="incremental", key=["id"], rescore=True)

    assert predictions(spark) == [(1, 10.0, 2, 1), (2, 20.0, 2, 1), (3, 30.0, 2, 1)]


def test_a_table_with_a_new_column(spark: SparkSession, model: str, table: str) -> None:
    """A column that comes to the input does not make its old rows new."""
    lakehouse.score(spark, model, 1, table, "scored", mode="incremental", key=["id"])
    spark.sql(f"ALTER TABLE {table} ADD COLUMN note STRING")
    spark.sql(f"INSERT INTO {table} VALUES (3, 3.0, 'new')")

    done = lakehouse.score(spark, model, 1, table, "scored", mode="incremental", key=["id"])

    assert told(done) == ("scored", 1, 1, 0)


@pytest.mark.parametrize(
    ("row", "shown"),
    [((2, 5.0), "2 rows with id = 2"), ((None, 5.0), "1 rows with id = NULL")],
)
def test_keys_that_tell_nothing_apart(
    spark: SparkSession, model: str, table: str, row: tuple[int | None, float], shown: str
) -> None:
    """Two rows of one key, and a key that is NULL, are refused before anything is written."""
    add(spark, table, row)

    with pytest.raises(KeyInvalidError, match=shown):
        lakehouse.score(spark, model, 1, table, "scored", mode="merge", key=["id"])

    assert not spark.catalog.tableExists("scored")


def test_schema_that_does_not_fit(spark: SparkSession, model: str, table: str) -> None:
    """The difference is shown and nothing is written, unless evolution is asked for."""
    lakehouse.score(spark, model, 1, table, "scored", columns=["id"])

    with pytest.raises(OutputSchemaError, match="price DOUBLE is new"):
        lakehouse.score(spark, model, 2, table, "scored")
    assert len(predictions(spark)) == 2

    lakehouse.score(spark, model, 2, table, "scored", evolve=True)
    assert len(predictions(spark)) == 4


def test_input_is_held(spark: SparkSession, model: str, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that come while a job runs are left to the next one."""
    from lakepredict.lakehouse import _output

    write = _output.write

    def late(*arguments: object) -> None:
        add(spark, table, (3, 3.0))
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(_output, "write", late)
    lakehouse.score(spark, model, 1, f"SELECT id, price FROM {table}", "scored", columns=["id"])

    assert predictions(spark) == [(1, 1.0, 1, 0), (2, 2.0, 1, 0)]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("priced", "nope", "to_score"), {}, AliasNotFoundError),
        (("priced", 1, "to_scor"), {}, TableNotFoundError),
        (("priced", 1, "no_schema.to_score"), {}, TableNotFoundError),
        (("priced", 1, "SELECT * FROM to_scor"), {}, AnalysisException),
        (("priced", 1, "SELECT id FROM to_score"), {}, AnalysisException),
        (("priced", 1, "to_score"), {"arguments": ["cost"]}, AnalysisException),
        (("priced", 1, "SELECT *, rand() FROM to_score"), {}, InputUnsuitableError),
        (("priced", 1, "SELECT * FROM to_score"), {"mode": "incremental"}, InputUnsuitableError),
        (("priced", 1, "to_score"), {"columns": ["idd"]}, JobInvalidError),
        (("priced", 1, "SELECT *, 1 AS run_id FROM to_score"), {}, JobInvalidError),
    ],
)
def test_wrong_input_leaves_nothing(
    spark: SparkSession, model: str, table: str, arguments: tuple, options: dict, error: type[Exception]
) -> None:
    """No table is made, no run is left running."""
    with pytest.raises(error):
        lakehouse.score(spark, *arguments, "scored", **options)

    experiment = mlflow.get_experiment_by_name("scoring")
    assert not spark.catalog.tableExists("scored")
    if experiment is not None:
        assert MlflowClient().search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'") == []


@pytest.fixture
def to_be_killed(spark: SparkSession, folder: Folder) -> Iterator[Path]:
    """A job whose table has been scored once, and has a thousand new rows."""
    register_model("killed", 1.0, {"price": DataType.double})
    spark.range(1000).selectExpr("id", "double(id) price").write.saveAsTable("killed_input")
    lakehouse.score(spark, "killed", 1, "killed_input", "killed", mode="incremental", key=["id"])
    spark.range(1000, 2000).selectExpr("id", "double(id) price").write.mode("append").saveAsTable("killed_input")
    yield Path(folder.root)
    for each in ("killed_input", "killed"):
        spark.sql(f"DROP TABLE {each}")
    MlflowClient().delete_registered_model("killed")


def start(point: str, folder: Path) -> subprocess.Popen[str]:
    """A process of its own that runs the job."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), point, str(folder)],
        env={**plain_environment(), "PYSPARK_PYTHON": sys.executable},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def scored_once(spark: SparkSession) -> bool:
    """Whether each row of the input has one prediction, and the right one."""
    rows = spark.sql("SELECT count(*) n, count(DISTINCT id) ids, max(abs(prediction - id)) error FROM killed").first()
    return (rows.n, rows.ids) == (2000, 2000) and rows.error < 1e-6


@pytest.mark.parametrize("point", ["scoring", "files", "commit"])
def test_killed_and_run_again(spark: SparkSession, to_be_killed: Path, point: str) -> None:
    """A job killed while scoring, before the commit, or after it, ends with each row scored once when it runs again."""
    process = start(point, to_be_killed)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == -9
    assert output.splitlines()[1:] != []

    done = lakehouse.score(spark, "killed", 1, "killed_input", "killed", mode="incremental", key=["id"])

    assert scored_once(spark)
    if point == "commit":
        assert done.status == "nothing new"
    experiment = mlflow.get_experiment_by_name("scoring")
    runs = MlflowClient().search_runs([experiment.experiment_id], "tags.`lakepredict.job` = 'killed_input'")
    assert "RUNNING" not in [each.info.status for each in runs]
    assert runs[1].info.status == "KILLED"


def test_two_at_once(spark: SparkSession, to_be_killed: Path) -> None:
    """Two processes with the same job both end well, and each row is scored once."""
    processes = [start("together", to_be_killed) for _ in range(2)]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.stdin.write("\n")
        each.stdin.flush()
    told = sorted(each.communicate(timeout=240)[0].strip() for each in processes)

    assert told == ["nothing new", "scored"]
    assert scored_once(spark)
