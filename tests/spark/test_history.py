"""What docs/lakehouse.md says of a table's history is true: its SQL runs, and its output is what comes out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow.types import DataType
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from conftest import register_model
from lakepredict import lakehouse
from lakepredict.lakehouse import Folder

PAGE = Path(__file__).parents[2] / "docs" / "lakehouse.md"
HISTORY = PAGE.read_text("utf-8").partition("\n## History\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", HISTORY, re.MULTILINE | re.DOTALL)
JOBS = (
    (2, "2026-11-20", {1: 11.0, 2: 21.0}, "2026-11-16 06:00"),
    (3, "2026-11-27", {1: 12.0, 2: 22.0}, "2026-11-23 06:00"),
    (3, "2026-11-27", {1: 12.0, 2: 32.0}, "2026-11-24 06:00"),
)
"""Version of the model, week, visits of each store, and when it was scored."""


@pytest.fixture(scope="module")
def forecasts(spark: SparkSession, folder: Folder) -> Iterator[None]:
    """A forecast of two weeks, each made on a Monday by another version, and the last one again on the day after."""
    spark.sql("CREATE SCHEMA history")
    spark.sql("USE history")
    for factor in (1.0, 2.0, 3.0):
        register_model("sold_before", factor, {"visits": DataType.double})
    log = Path(folder.tables, "history.db", "forecasts", "_delta_log")
    dated: set[Path] = set()
    for version, week, visits, when in JOBS:
        rows = [(store, datetime.fromisoformat(week).date(), count) for store, count in visits.items()]
        frame = spark.createDataFrame(rows, "store INT, week DATE, visits DOUBLE")
        frame.coalesce(1).write.mode("overwrite").saveAsTable("next_week")
        lakehouse.score(spark, "sold_before", version, "next_week", "forecasts", key=["store", "week"], mode="merge")
        for each in set(log.glob("*.json")) - dated:
            seconds = spark.sql(f"SELECT unix_timestamp(TIMESTAMP '{when}')").first()[0]
            os.utime(each, (seconds, seconds))
            dated.add(each)
    yield
    spark.sql("USE default")
    spark.sql("DROP SCHEMA history CASCADE")


def output(spark: SparkSession, query: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What Spark shows for a query of the page."""
    capsys.readouterr()
    spark.sql(query.replace("'sales_forecast'", "'sold_before'")).show(truncate=False)
    return capsys.readouterr().out.strip() + "\n"


def update(query: str, shown: str) -> None:
    """Write the output of a query into the page."""
    text = PAGE.read_text("utf-8")
    after = text.index(query) + len(query) + len("```\n\n```text\n")
    PAGE.write_text(text[:after] + shown + text[text.index("```\n", after) :], "utf-8")


@pytest.mark.usefixtures("forecasts")
def test_sql_and_its_output(
    spark: SparkSession, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The SQL blocks run one after the other, and each gives the output in the block after it, if there is one."""
    shown = {query: output(spark, query, capsys) for language, query in BLOCKS if language == "sql"}
    said = {query: text for (_, query), (kind, text) in pairwise(BLOCKS) if kind == "text"}
    if request.config.getoption("--update-golden"):
        for query in said:
            update(query, shown[query])
        return

    assert len(said) == 5
    assert said == {query: shown[query] for query in said}


@pytest.mark.usefixtures("forecasts")
@pytest.mark.parametrize("time", ["2020-01-01", "2100-01-01"])
def test_times_without_a_version(spark: SparkSession, time: str) -> None:
    """Before the first version and after the last one there is nothing to read, and the error says what there is."""
    with pytest.raises(AnalysisException, match=r"2026-11-16 06:00|latest version"):
        spark.sql(f"SELECT * FROM forecasts TIMESTAMP AS OF '{time}'").collect()


@pytest.mark.usefixtures("forecasts")
def test_computed_time(spark: SparkSession) -> None:
    """The time may be an expression."""
    rows = spark.sql("SELECT * FROM forecasts TIMESTAMP AS OF TIMESTAMP '2026-11-18 06:00' - INTERVAL 1 DAY").collect()

    assert len(rows) == 2


def test_page_has_the_questions() -> None:
    """The page travels by version and by time, and asks the log and the record of runs."""
    queries = " ".join(text for language, text in BLOCKS if language == "sql")

    for each in ("VERSION AS OF", "TIMESTAMP AS OF", "DESCRIBE HISTORY", "scoring_runs", "model_version = 3"):
        assert each in queries
