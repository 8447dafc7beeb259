"""PREDICT in Structured Streaming, and when a stream looks up again which version an alias names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

import lakepredict

pytestmark = pytest.mark.usefixtures("models", "sales")

CALL = "PREDICT('revenue', 'streamed', *)"


@pytest.fixture
def alias() -> Iterator[None]:
    """The alias ``streamed``, on version 1, whose predictions are a tenth of those of version 2."""
    client = MlflowClient()
    client.set_registered_model_alias("revenue", "streamed", "1")
    yield
    client.delete_registered_model_alias("revenue", "streamed")


def move_alias() -> None:
    """Put the alias on version 2."""
    MlflowClient().set_registered_model_alias("revenue", "streamed", "2")


@pytest.fixture
def source(spark: SparkSession, alias: None) -> Iterator[str]:
    """A Delta table to read as a stream, with the first two sales."""
    spark.sql("CREATE TABLE arriving AS SELECT * FROM sales WHERE id < 3")
    yield "arriving"
    spark.sql("DROP TABLE arriving")
    spark.sql("DROP TABLE IF EXISTS scored")


def add(spark: SparkSession, number: int) -> None:
    """Let one more sale arrive."""
    spark.sql(f"INSERT INTO arriving SELECT * FROM sales WHERE id = {number}")


def arriving(spark: SparkSession) -> DataFrame:
    """The stream with its predictions."""
    return spark.readStream.table("arriving").selectExpr("id", f"{CALL} AS p")


def run(frame: DataFrame, checkpoint: Path) -> None:
    """Score what has arrived since the last time, and append it to a Delta table."""
    writer = frame.writeStream.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True)
    writer.toTable("scored").awaitTermination()


def scored(spark: SparkSession) -> list[tuple[int, float]]:
    """What the stream has written so far."""
    return [tuple(row) for row in spark.sql("SELECT id, round(p) AS p FROM scored ORDER BY id").collect()]


def test_stream(spark: SparkSession, source: str, tmp_path: Path) -> None:
    """A stream from one Delta table to another scores each row once, run after run."""
    run(arriving(spark), tmp_path)
    first = scored(spark)
    add(spark, 3)
    run(spark.readStream.table(source).select("id", lakepredict.predict("revenue", 1, "*").alias("p")), tmp_path)

    assert first == [(1, 22), (2, 44)]
    assert scored(spark) == [(1, 22), (2, 44), (3, 68)]


@pytest.mark.usefixtures("source")
def test_aggregation_over_predictions(spark: SparkSession) -> None:
    """A stream may filter and add up predictions."""
    totals = arriving(spark).where("p > 30").groupBy().sum("p")
    writer = totals.writeStream.format("memory").queryName("totals").outputMode("complete")
    writer.trigger(availableNow=True).start().awaitTermination()

    assert round(spark.table("totals").first()[0], 6) == 44


@pytest.mark.usefixtures("source")
def test_a_stream_keeps_its_version(spark: SparkSession, tmp_path: Path) -> None:
    """The alias is looked up when the streaming data frame is made: batches of it after a move keep the version."""
    frame = arriving(spark)
    move_alias()
    query = frame.writeStream.option("checkpointLocation", str(tmp_path)).toTable("scored")
    try:
        query.processAllAvailable()
        add(spark, 3)
        query.processAllAvailable()
    finally:
        query.stop()

    assert scored(spark) == [(1, 22), (2, 44), (3, 68)]


@pytest.mark.usefixtures("source")
def test_a_program_that_starts_again_sees_the_move(spark: SparkSession, tmp_path: Path) -> None:
    """A program that makes the data frame again goes on from its checkpoint with the version of that moment."""
    run(arriving(spark), tmp_path)
    move_alias()
    add(spark, 3)
    run(arriving(spark), tmp_path)

    assert scored(spark) == [(1, 22), (2, 44), (3, 680)]


def start_batches(spark: SparkSession, checkpoint: Path) -> StreamingQuery:
    """A stream whose function makes a query of its own for each batch, in SQL."""

    def score(batch: DataFrame, number: int) -> None:
        """Score a batch, and merge it into the table."""
        batch.createOrReplaceTempView("batch")
        batch.sparkSession.sql(f"""
            MERGE INTO scored USING (SELECT id, {CALL} AS p FROM batch) AS new ON scored.id = new.id
            WHEN NOT MATCHED THEN INSERT *
        """)

    spark.sql("CREATE TABLE scored (id INT, p DOUBLE)")
    stream = spark.readStream.table("arriving").writeStream.option("checkpointLocation", str(checkpoint))
    return stream.foreachBatch(score).start()


@pytest.mark.usefixtures("source")
def test_each_batch_of_foreach_batch_sees_the_move(spark: SparkSession, tmp_path: Path) -> None:
    """The function of foreachBatch looks the alias up for each batch, while the stream runs."""
    query = start_batches(spark, tmp_path)
    try:
        query.processAllAvailable()
        move_alias()
        add(spark, 3)
        query.processAllAvailable()
    finally:
        query.stop()

    assert scored(spark) == [(1, 22), (2, 44), (3, 680)]
