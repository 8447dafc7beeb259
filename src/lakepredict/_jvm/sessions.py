"""What a session is, whether PREDICT can be registered in it, and what is its own alone."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from lakepredict._jvm.gateway import Gateway
from lakepredict.errors import (
    PredictError,
    ReadOnlyError,
    SessionError,
    SparkConnectError,
    SparkVersionError,
    predict_errors,
)

OLDEST_SPARK = (4, 1)


def require_usable(spark: object) -> None:
    """Refuse, in words, a session that PREDICT cannot be registered in.

    Raises:
        SparkConnectError: the session is a Spark Connect client.
        SparkVersionError: Spark is older than 4.1.
        SessionError: it is no SparkSession, or it is stopped.
    """
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        raise SparkConnectError(
            "PREDICT cannot be registered from a Spark Connect client, which has no JVM.",
            expected="the SparkSession of the driver, with a master such as local[*] or spark://host:7077",
            got="a Spark Connect session",
            hint="call lakepredict.register(spark) in the Spark Connect server; its clients then use PREDICT"
            " in spark.sql(...) and call_function(...) as it is.",
        )
    if not isinstance(spark, SparkSession):
        raise SessionError(
            "PREDICT needs a SparkSession.",
            expected="a pyspark.sql.SparkSession",
            got=repr(spark),
            hint="make one with lakepredict.spark_session().",
        )
    if is_stopped(spark):
        raise SessionError(
            "PREDICT cannot be registered in a session that is stopped.",
            expected="a running SparkSession",
            got="a session whose SparkContext was stopped",
            hint="start a new one with lakepredict.spark_session().",
        )
    require_version(spark.version)


def require_version(version: str) -> None:
    """Refuse a Spark older than 4.1.

    Raises:
        SparkVersionError: it is.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < OLDEST_SPARK:
        raise SparkVersionError(
            "This Spark is too old for PREDICT.",
            expected="Spark {}.{} or newer".format(*OLDEST_SPARK),
            got=f"Spark {version}",
            hint="pip install --upgrade pyspark delta-spark.",
        )


def is_running() -> bool:
    """Whether this process has its JVM already, so that its class path is fixed."""
    return SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ


def is_stopped(spark: SparkSession) -> bool:
    """Whether the session's SparkContext was stopped."""
    java: Any = spark.sparkContext._jsc
    return java is None or bool(java.sc().isStopped())


def place_of(spark: SparkSession, name: str) -> str | None:
    """Return the URL of the Java class ``name``, in the JAR that the driver loads it from; None if it cannot."""
    resource = name.replace(".", "/") + ".class"
    url = Gateway.of(spark).class_loader().getResource(resource)
    return None if url is None else str(url.toString())


def register_conditions(spark: SparkSession) -> None:
    """Add PREDICT's error conditions to Spark's table of them, which has no public way in."""
    gateway = Gateway.of(spark)
    errors: tuple[type[PredictError | ReadOnlyError], ...] = (*predict_errors(), ReadOnlyError)
    conditions = {
        error.condition: {"message": [*error.template.split("\n"), ""], "sqlState": error.sqlstate} for error in errors
    }
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch:
        path = Path(scratch, "error-conditions.json")
        path.write_text(json.dumps(conditions), encoding="utf-8")
        url = gateway("java.io.File")(str(path)).toURI().toURL()
        ours = gateway("org.apache.spark.ErrorClassesJsonReader")(gateway.seq([url]))
    reader = gateway("org.apache.spark.SparkThrowableHelper").errorReader()
    field = reader.getClass().getDeclaredField("errorInfoMap")
    field.setAccessible(True)
    field.set(reader, reader.errorInfoMap().concat(ours.errorInfoMap()))


def require_plan(frame: DataFrame) -> None:
    """Have a data frame planned, for what only the planning finds wrong.

    Raises:
        pyspark.errors.PySparkException: it cannot be planned.
    """
    frame._jdf.queryExecution().executedPlan()


def active_session(spark: SparkSession) -> SparkSession:
    """The session of the query that is analysed now, of the same application as ``spark``."""
    return SparkSession(spark.sparkContext, Gateway.of(spark)("org.apache.spark.sql.classic.SparkSession").active())
