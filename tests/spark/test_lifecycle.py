"""How many copies of a model there are, and how models live side by side."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import mlflow
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark import Broadcast, SparkContext
from pyspark.sql import SparkSession

import lakepredict
from conftest import register_model

MODELS = Path(__file__).with_name("models")
X = Schema([ColSpec("double", "x")])
RESULT = Schema([ColSpec("double")])


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is shipped to the executors during the test, each with the name of its type."""
    found = []
    original = SparkContext.broadcast

    def broadcast(context: SparkContext, value: object) -> Broadcast[object]:
        """Note the value and ship it."""
        found.append(type(value).__name__)
        return original(context, value)

    monkeypatch.setattr(SparkContext, "broadcast", broadcast)
    return found


# --- copies of one model -----------------------------------------------------------------------------------


@pytest.fixture
def events(spark: SparkSession, tmp_path: Path) -> Path:
    """Where the model ``kept`` leaves a file each time that it is loaded; a new version for each test."""
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(MODELS / "lifecycle_counting.py"),
            model_config={"events": str(tmp_path)},
            signature=ModelSignature(Schema([*X.inputs, ColSpec("double", "y", required=False)]), RESULT),
            pip_requirements=["mlflow"],
            registered_model_name="kept",
        )
    for each in tmp_path.iterdir():
        each.unlink()
    return tmp_path


def loads(events: Path) -> Counter[str]:
    """How many times each process has loaded the model."""
    return Counter(name.split("-")[0] for name in os.listdir(events))


def test_a_hundred_queries_keep_one_copy(spark: SparkSession, events: Path, shipped: list[str]) -> None:
    """A hundred queries ship a model once, and load it once in each worker process."""
    queries = [
        spark.sql(f"SELECT sum(PREDICT('kept', 'latest', x => id + {number})) AS p FROM range(0, 100, 1, 4)")
        for number in range(100)
    ]
    sums = [query.first().p for query in queries[::20]]

    assert sums == [2 * (4950 + 100 * number) for number in range(0, 100, 20)]
    assert shipped.count("PackedModel") == 1
    assert set(loads(events).values()) == {1}


def test_ways_to_call_one_version_share_one_copy(spark: SparkSession, events: Path, shipped: list[str]) -> None:
    """Other columns, another time zone, TRY_PREDICT and a number in place of an alias need no further copy."""
    elsewhere = spark.newSession()
    elsewhere.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    version = spark.sql("SELECT PREDICT_VERSION('kept', 'latest') AS v").first().v
    calls = [
        "PREDICT('kept', 'latest', *)",
        f"PREDICT('kept', {version}, x => x)",
        f"PREDICT('kept', {version}, x, y => y)",
        f"TRY_PREDICT('kept', {version}, x)",
    ]
    query = f"SELECT {', '.join(calls)} FROM (SELECT double(id) AS x, 0D AS y FROM range(0, 10, 1, 2))"
    found = [row for session in (spark, elsewhere) for row in session.sql(query).collect()]

    assert [set(row) for row in found] == [{2.0 * number} for number in range(10)] * 2
    assert shipped.count("PackedModel") == 1
    assert set(loads(events).values()) == {1}


def test_registering_again_ships_nothing_again(spark: SparkSession, events: Path, shipped: list[str]) -> None:
    """A session of the same application that registers PREDICT has the copies that are there."""
    query = "SELECT PREDICT('kept', 'latest', x => id) AS p FROM range(0, 4, 1, 2)"
    spark.sql(query).collect()
    lakepredict.register(spark.newSession())
    rows = spark.newSession().sql(query).collect()

    assert sorted(row.p for row in rows) == [0.0, 2.0, 4.0, 6.0]
    assert shipped.count("PackedModel") == 1


# --- models side by side -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["script", "instance"])
def sharing(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model in two versions, each with modules of its own under the same names; logged as code, and pickled."""
    name = f"sharing_{request.param}"
    for factor in (1, 10):
        folder = tmp_path_factory.mktemp("code")
        (folder / "lifecycle_factor.py").write_text(f"FACTOR = {factor}\n")
        (folder / "lifecycle_offset.py").write_text(f"OFFSET = {factor / 2}\n")
        shutil.copy(MODELS / "lifecycle_shared.py", folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)
            script = str(folder / "lifecycle_shared.py")
            pickled = importlib.import_module("lifecycle_shared").Shared() if request.param == "instance" else None
            with mlflow.start_run():
                mlflow.pyfunc.log_model(
                    name="model",
                    python_model=pickled or script,
                    code_paths=[str(each) for each in sorted(folder.glob("*.py"))],
                    signature=ModelSignature(X, RESULT),
                    pip_requirements=["mlflow"],
                    registered_model_name=name,
                )
        for module in [each for each in sys.modules if each.startswith("lifecycle_")]:
            del sys.modules[module]
    return name


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["1 then 2", "2 then 1"])
def test_modules_of_the_same_name(spark: SparkSession, sharing: str, order: tuple[int, int]) -> None:
    """Two versions in one query and one worker process each run the modules that they were logged with."""
    first, second = order
    query = f"""
        SELECT PREDICT('{sharing}', {first}, x) AS a, PREDICT('{sharing}', {second}, x) AS b
        FROM (SELECT double(id) AS x FROM range(0, 4, 1, 1))
    """
    expected = {1: [x + 0.5 for x in range(4)], 2: [10 * x + 5.0 for x in range(4)]}
    rows = spark.sql(query).collect()

    assert {first: [row.a for row in rows], second: [row.b for row in rows]} == expected


def test_modules_of_a_model_stay_its_own(spark: SparkSession, sharing: str) -> None:
    """A worker process that scored with a model's modules does not offer them to others."""
    spark.sql(f"SELECT PREDICT('{sharing}', 1, x) FROM (SELECT double(id) AS x FROM range(0, 4, 1, 1))").collect()

    def names(_: object) -> Iterator[str]:
        """The modules of models that code in this process can see."""
        for name in ("lifecycle_factor", "lifecycle_offset", "lifecycle_shared"):
            if name in sys.modules or importlib.util.find_spec(name):
                yield name

    assert spark.sparkContext.parallelize(range(2), 2).mapPartitions(names).collect() == []


@pytest.fixture(scope="module")
def threaded(spark: SparkSession) -> list[str]:
    """Eight models; the factor of each is its number."""
    names = [f"threaded_{number}" for number in range(8)]
    for number, name in enumerate(names):
        register_model(name, float(number), {"x": DataType.double})
    return names


def test_threads(spark: SparkSession, threaded: list[str], shipped: list[str]) -> None:
    """Thirty-two threads that bind and run eight models at once get the right results, and ship each model once."""
    together = Barrier(32)

    def total(thread: int) -> float:
        """The sum of a model's predictions, asked for by all threads at the same time."""
        together.wait(60)
        query = f"SELECT sum(PREDICT('{threaded[thread % 8]}', 1, x)) AS p"
        return float(spark.sql(f"{query} FROM (SELECT double(id + {thread}) AS x FROM range(0, 10, 1, 2))").first().p)

    with ThreadPoolExecutor(32) as pool:
        totals = list(pool.map(total, range(32)))

    assert [round(each, 6) for each in totals] == [thread % 8 * (45 + 10 * thread) for thread in range(32)]
    assert shipped.count("PackedModel") == 8
