"""A job whose output others write to meanwhile tries again; any other failure is told as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import mlflow
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakepredict import lakehouse
from lakepredict.errors import WriteConflictError
from lakepredict.lakehouse import Folder, _output

ROW = """
    SELECT 9 AS id, 1D AS prediction, 'm' AS model_name, 1L AS model_version, 'r' AS run_id, now() AS scored_at,
           0L AS input_version
"""
"""A row of the output that another writer makes."""


@pytest.fixture(scope="module")
def marks(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the model ``waiting`` puts a file for each batch, and waits until it is gone."""
    folder = tmp_path_factory.mktemp("marks")

    class Waiting(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.Series:
            mark = Path(folder, str(time.monotonic_ns()))
            mark.touch()
            for _ in range(2400):
                if not mark.exists():
                    return model_input["price"]
                time.sleep(0.05)
            raise TimeoutError("nobody took the mark away")

    signature = ModelSignature(Schema([ColSpec(DataType.double, "price")]), Schema([ColSpec(DataType.double)]))
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=Waiting(),
            registered_model_name="waiting",
            signature=signature,
            pip_requirements=[],
        )
    spark.createDataFrame([(1, 1.0)], "id INT, price DOUBLE").coalesce(1).write.saveAsTable("to_write")
    return folder


@pytest.fixture(autouse=True)
def output(spark: SparkSession, marks: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The output is made anew by each test, and attempts follow each other at once."""
    monkeypatch.setattr(_output, "_PAUSE", 0.0)
    yield
    spark.sql("DROP TABLE IF EXISTS written")


def score_while(spark: SparkSession, marks: Path, act: Callable[[SparkSession], object], times: int) -> str:
    """Score, and have another session act in the middle of the first attempts."""
    other, done = spark.newSession(), Event()

    def meddle() -> int:
        acted = 0
        while not done.is_set():
            for mark in marks.iterdir():
                if acted < times:
                    acted += 1
                    act(other)
                mark.unlink()
            time.sleep(0.05)
        return acted

    with ThreadPoolExecutor() as pool:
        meddling = pool.submit(meddle)
        try:
            return lakehouse.score(spark, "waiting", 1, "to_write", "written", columns=["id"]).status
        finally:
            done.set()
            assert meddling.result() == times


def change_a_property(other: SparkSession) -> None:
    """Give the output another property, which nobody who writes to it may overlook."""
    other.sql(f"ALTER TABLE written SET TBLPROPERTIES ('moment' = '{time.monotonic_ns()}')")


def test_another_writer_was_faster(spark: SparkSession, marks: Path) -> None:
    """What others change in the output while the job scores is a conflict, after which the job tries again."""
    spark.sql(f"CREATE TABLE written AS {ROW}")
    status = score_while(spark, marks, change_a_property, 1)

    assert status == "scored"
    assert sorted(row.id for row in spark.table("written").collect()) == [1, 9]


def test_another_writer_makes_the_output(spark: SparkSession, folder: Folder, marks: Path) -> None:
    """A table that another process makes while the job scores is written to at the next attempt."""
    path = f"{folder.root}/Tables/written"
    status = score_while(spark, marks, lambda other: other.sql(ROW).write.format("delta").save(path), 1)

    assert status == "scored"
    assert sorted(row.id for row in spark.table("written").collect()) == [1, 9]


def test_others_write_each_time(spark: SparkSession, marks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last attempt the error says so, and nothing is written."""
    monkeypatch.setattr(_output, "_ATTEMPTS", 2)
    spark.sql(f"CREATE TABLE written AS {ROW}")
    with pytest.raises(WriteConflictError, match="DELTA_METADATA_CHANGED"):
        score_while(spark, marks, change_a_property, 2)

    assert [row.id for row in spark.table("written").collect()] == [9]


def test_what_is_no_conflict(spark: SparkSession, folder: Folder, marks: Path) -> None:
    """A place that is taken by something else than a table fails at once, as what it is."""
    place = Path(folder.root, "Tables", "written")
    place.mkdir()
    (place / "notes.txt").touch()
    try:
        with pytest.raises(AnalysisException, match="DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"):
            score_while(spark, marks, lambda _: None, 0)
    finally:
        (place / "notes.txt").unlink()
        place.rmdir()
