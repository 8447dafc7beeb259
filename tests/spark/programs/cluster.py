"""A driver of a standalone cluster, in the processes that a user would have; prints what it saw as one line of JSON.

It works on models of an MLflow server and waits, at a line ``BOUND``, until its queries are to run without that server.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from pyspark.errors import AnalysisException
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import DataFrame, SparkSession

import lakepredict
from lakepredict import functions

MASTER, LAKEHOUSE, WORKERS, EVENTS, MEGABYTES = sys.argv[1:]
MODELS = Path(__file__).parent.parent / "models"
TASKS = "range(0, 400, 1, 8)"


def main() -> None:
    """Do one thing after another, and tell all of it."""
    functions._MODELS_KEPT = 1
    spark = session()
    wait_for_executors(spark)
    told: dict[str, Any] = {}
    told["spark ml"] = spark_ml(spark)
    told["large"] = large(spark)
    told["released"] = released(spark)
    told["offline"] = offline(spark)
    spark.stop()
    print("TOLD " + json.dumps(told), flush=True)


def session() -> SparkSession:
    """An application with one core and little memory on each worker."""
    conf = {
        "spark.driver.memory": "2g",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file:{EVENTS}",
        "spark.eventLog.compress": "false",
        # Each task goes to whichever executor is free, so that all have some.
        "spark.locality.wait": "0",
    }
    return lakepredict.spark_session("cluster", lakehouse=LAKEHOUSE, master=MASTER, conf=conf)


def wait_for_executors(spark: SparkSession) -> None:
    """Return as soon as both executors are there."""
    tracker = spark.sparkContext._jsc.sc().statusTracker()
    until(lambda: len(tracker.getExecutorInfos()) == 3)


def until(holds: Callable[[], bool]) -> bool:
    """Wait until something holds, and say whether it came to hold."""
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def log(name: str, script: str, output: str = "double", **more: Any) -> None:
    """Register a model whose one input is ``x``."""
    signature = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec(output)]))
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(MODELS / script),
            signature=signature,
            registered_model_name=name,
            pip_requirements=["mlflow"],
            **more,
        )


def spark_ml(spark: SparkSession) -> dict[str, Any]:
    """Score with a Spark ML pipeline."""
    rows = spark.createDataFrame([(float(each), 3.0 * each) for each in range(10)], "x DOUBLE, label DOUBLE")
    pipeline = Pipeline(stages=[VectorAssembler(inputCols=["x"], outputCol="features"), LinearRegression()])
    signature = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "prediction")]))
    with mlflow.start_run():
        mlflow.spark.log_model(
            pipeline.fit(rows),
            artifact_path="model",
            signature=signature,
            registered_model_name="pipeline",
            pip_requirements=["pyspark"],
            dfs_tmpdir=f"{LAKEHOUSE}/scratch",
        )
    log_damaged_pipeline()
    query = f"SELECT sum(PREDICT('pipeline', {{}}, double(id))) AS p FROM {TASKS}"
    found = round(spark.sql(query.format(1)).first().p)
    refused = ""
    try:
        spark.sql(query.format(2))
    except AnalysisException as exc:
        refused = str(exc)
    return {"sum": found, "refused": refused, "left": [each.name for each in Path(LAKEHOUSE, "Tables").iterdir()]}


def log_damaged_pipeline() -> None:
    """Register the pipeline again, as version 2, without its stages."""
    copy = Path(mlflow.artifacts.download_artifacts("models:/pipeline/1", dst_path=f"{LAKEHOUSE}/scratch"))
    shutil.rmtree(copy / "sparkml" / "stages")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(copy), "damaged")
    source = f"{run.info.artifact_uri}/damaged"
    MlflowClient().create_model_version("pipeline", source, run.info.run_id)


def large(spark: SparkSession) -> dict[str, Any]:
    """Ship a large model, and bind it several times."""
    weights = Path(LAKEHOUSE, "weights")
    with weights.open("wb") as file:
        for _ in range(int(MEGABYTES)):
            file.write(os.urandom(2**20))
    log("large", "cluster_large.py", artifacts={"weights": str(weights)})
    weights.unlink()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    frames = [spark.sql(f"SELECT sum(PREDICT('large', 1, double(id))) AS p FROM {TASKS}") for _ in range(3)]
    more = resident("VmHWM") - before
    found = [frame.first().p for frame in frames]
    return {"sums": found, "memory": more, "copies": copies(spark), "largest": largest(spark)}


def resident(what: str) -> int:
    """How many megabytes of memory the process has, or had at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) // 1024


def copies(spark: SparkSession) -> dict[str, Any]:
    """How many copies of models are on disk: the driver's, each executor's broadcasts, and what those unpacked."""
    workers = sorted(Path(WORKERS).iterdir())
    return {
        "driver": len([each for each in Path(spark.sparkContext._temp_dir).glob("tmp*") if each.is_file()]),
        "broadcasts": [len(list(each.glob("**/broadcast_*_python"))) for each in workers],
        "directories": [len(list(each.glob("**/lakepredict-model-*"))) for each in workers],
    }


def largest(spark: SparkSession) -> int:
    """How many megabytes the largest file of the driver and the executors has."""
    folders = (Path(spark.sparkContext._temp_dir), Path(WORKERS))
    return max(size(each) for folder in folders for each in folder.rglob("*")) // 2**20


def size(file: Path) -> int:
    """How large a file is; Spark may have deleted it by now."""
    return file.stat().st_size if file.exists() else 0


def released(spark: SparkSession) -> dict[str, Any]:
    """Bind another model, and wait until the large one is gone."""
    log("witness", "cluster_witness.py", "string")

    def only_the_other_is_left() -> bool:
        """Score with it on both executors, and let Python and the JVM look for what nobody uses."""
        spark.sql(f"SELECT count(PREDICT('witness', 1, double(id))) FROM {TASKS}").collect()
        gc.collect()
        spark.sparkContext._jvm.System.gc()
        return copies(spark) == {"driver": 1, "broadcasts": [1, 1], "directories": [1, 1]}

    until(only_the_other_is_left)
    return {"copies": copies(spark), "largest": largest(spark)}


def offline(spark: SparkSession) -> dict[str, Any]:
    """Run queries that were bound while the registry was there."""
    for version in (1, 2):
        code = Path(LAKEHOUSE, str(version), "cluster_rate.py")
        code.parent.mkdir()
        code.write_text(f"RATE = {version * 10}\n")
        sys.path.insert(0, str(code.parent))
        log("factor", "cluster_factor.py", code_paths=[str(code)])
        sys.path.remove(str(code.parent))
        sys.modules.pop("cluster_rate", None)
    witness = spark.sql(f"SELECT DISTINCT PREDICT('witness', 1, double(id)) AS told FROM {TASKS}")
    factors = spark.sql(
        "SELECT sum(PREDICT('factor', 1, double(id))) AS a, sum(PREDICT('factor', 2, double(id))) AS b"
        " FROM range(0, 10, 1, 4)"
    )
    print("BOUND", flush=True)
    sys.stdin.readline()
    return {
        "environments": [json.loads(row.told) for row in witness.collect()],
        "factors": list(factors.first()),
        "plan": witness._jdf.queryExecution().toString(),
        "command": command(witness).decode("latin-1"),
        "address": mlflow.get_registry_uri(),
    }


def command(frame: DataFrame) -> bytes:
    """What Spark sends to Python workers to call."""
    plan = frame._jdf.queryExecution().optimizedPlan()
    while plan.getClass().getSimpleName() != "ArrowEvalPython":
        plan = plan.children().head()
    return bytes(plan.udfs().head().func().command().unsafeArray())


main()
