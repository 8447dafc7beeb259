"""How a model gets to the workers: shipped once, loaded once per process, called once per row."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

EVENTS = Path(tempfile.gettempdir(), "counting")


@pytest.fixture(scope="module")
def counting(spark: SparkSession) -> None:
    """The registered model ``counting``."""
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("models") / "counting.py"),
            signature=ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double")])),
            pip_requirements=["mlflow"],
            registered_model_name="counting",
        )


@pytest.fixture
def events(counting: None) -> Iterator[Path]:
    """Where the model leaves a file for each event; empty at first."""
    EVENTS.mkdir(exist_ok=True)
    for each in EVENTS.iterdir():
        each.unlink()
    yield EVENTS
    for each in EVENTS.iterdir():
        each.unlink()


def told(events: Path, what: str) -> list[tuple[int, int]]:
    """The process and the number of rows of each event."""
    names = [name.split("-") for name in os.listdir(events)]
    return [(int(process), int(count)) for kind, process, count, _ in names if kind == what]


def test_model_is_loaded_once_in_each_worker_process(spark: SparkSession, events: Path) -> None:
    """Many tasks of several queries load the model no more than once in each worker process, never in the driver."""
    for _ in range(3):
        spark.sql("SELECT sum(PREDICT('counting', 1, double(id))) FROM range(0, 1000, 1, 8)").collect()
    loads = Counter(process for process, _ in told(events, "load"))
    callers = {process for process, _ in told(events, "call")}

    assert set(loads.values()) <= {1}
    assert os.getpid() not in callers
    assert len(told(events, "call")) >= 24


def test_model_sees_each_row_once(spark: SparkSession, events: Path) -> None:
    """A call written twice in one SELECT is computed once."""
    query = (
        "SELECT PREDICT('counting', 1, double(id)) AS a, PREDICT('counting', 1, double(id)) + 1 AS b FROM range(100)"
    )
    spark.sql(query).collect()

    assert sum(count for _, count in told(events, "call")) == 100


CALL = "PREDICT('counting', 1, double(id))"
SCORED = f"SELECT id, {CALL} AS p FROM range(100)"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * FROM ({SCORED}) WHERE p > 10",
        f"SELECT * FROM ({SCORED}) WHERE p > 10 AND p < 90",
        f"SELECT id, p, p * 2 AS twice FROM ({SCORED}) WHERE p IS NOT NULL AND p > 10",
        f"WITH scored AS ({SCORED}) SELECT max(p) FROM scored WHERE p > 10 GROUP BY id % 3 HAVING max(p) > 20",
        f"SELECT a.p FROM ({SCORED}) a JOIN range(100) b ON a.id = b.id WHERE a.p > b.id - 1",
        f"SELECT id, p FROM ({SCORED}) ORDER BY p LIMIT 5",
        f"SELECT id, p FROM ({SCORED}) ORDER BY p",
        f"SELECT *, rank() OVER (ORDER BY p) FROM ({SCORED}) WHERE p > 10 ORDER BY p DESC, id",
        f"{SCORED} WHERE {CALL} > 10",
        f"{SCORED} WHERE {CALL} > 10 ORDER BY p",
        f"{SCORED} WHERE {CALL} > 10 ORDER BY {CALL} DESC",
        f"SELECT id % 7, {CALL}, {CALL} + 1 FROM range(100) WHERE {CALL} > 10 AND id IS NOT NULL AND {CALL} < 90",
        f"SELECT {CALL} AS p, count(*) FROM range(100) WHERE {CALL} > 10 GROUP BY {CALL} HAVING {CALL} < 90",
        f"SELECT a.p FROM ({SCORED} WHERE {CALL} > 10) a JOIN range(100) b ON a.id = b.id + 1 WHERE a.p > 20",
        f"SELECT sum(p) FILTER (WHERE p > 10) FROM ({SCORED}) WHERE p < 90",
    ],
)
def test_a_row_is_scored_once(spark: SparkSession, events: Path, query: str) -> None:
    """A model sees each row once, however often the query uses its prediction."""
    found = spark.sql(query)
    assert explained(found).count("ArrowEvalPython") == 1
    rows = sorted(found.collect())

    assert sum(count for _, count in told(events, "call")) == 100
    computed = spark.sql(query.replace(CALL, "(double(id) * 2)")).collect()
    assert [list(row) for row in rows] == sorted([list(row) for row in computed])


def explained(found: DataFrame) -> str:
    """The physical plan that is run."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        found.explain()
    return text.getvalue()


def test_two_models_in_one_query(spark: SparkSession, events: Path) -> None:
    """Of two calls, each is computed once, also where a filter needs one of them alone."""
    other = "PREDICT('counting', 1, double(id + 1))"
    rows = spark.sql(f"SELECT {CALL} AS p, {other} AS q FROM range(100) WHERE {CALL} > 99 ORDER BY q").collect()

    assert [(row.p, row.q) for row in rows] == [(2.0 * each, 2.0 * each + 2) for each in range(50, 100)]
    assert sum(count for _, count in told(events, "call")) == 100 + 50


def test_a_session_of_its_own(spark: SparkSession, events: Path) -> None:
    """A session that is made later scores each row once as well, and other Python functions are left alone."""
    session = spark.newSession()
    session.sql(f"SELECT {CALL} AS p FROM range(100) WHERE {CALL} > 10").collect()
    assert sum(count for _, count in told(events, "call")) == 100

    @F.udf("double")
    def doubled(x: float) -> float:
        return x * 2

    session.udf.register("doubled", doubled)
    plain = session.sql("SELECT doubled(double(id)) AS p FROM range(100) WHERE doubled(double(id)) > 10 ORDER BY p")
    assert [row.p for row in plain.collect()] == [2.0 * each for each in range(6, 100)]
    assert "RebalancePartitions" not in explained(plain)


def test_model_never_sees_an_empty_partition(spark: SparkSession, events: Path) -> None:
    """Partitions without rows do not call the model."""
    spark.sql(
        "SELECT PREDICT('counting', 1, x) FROM (SELECT double(id) AS x FROM range(0, 8, 1, 8) WHERE id = 3)"
    ).collect()

    assert [count for _, count in told(events, "call")] == [1]
