"""The settings of a new session; known without Spark and MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files

from lakepredict import _jars
from lakepredict._place import Folder

_DELTA = {
    "spark.sql.extensions": _jars.DELTA_CLASS,
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # CREATE TABLE and saveAsTable without a format make Delta tables, as everything in a lakehouse is one.
    "spark.sql.sources.default": "delta",
}
_DEFAULTS = {
    # Rows travel between Spark and pandas as Arrow batches instead of pickled one by one.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Delta's SQL parser does not bind parameter markers on Spark 4.2 unless they are substituted early.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Python keeps the Java stack trace out of error messages; they speak for themselves.
    "spark.sql.pyspark.jvmStacktrace.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_LOCAL = {
    # Delta reads a table's log with this many tasks; 50, its default, costs seconds on a small machine.
    "spark.databricks.delta.snapshotPartitions": "2",
    # 200 partitions, the default for a cluster, make a small query wait for 200 tasks.
    "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
    # Nobody else needs to reach a driver that is its own executor.
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


def session_conf(
    folder: Folder, master: str | None, conf: Mapping[str, str], jars: Sequence[str] = ()
) -> dict[str, str]:
    """All settings of a new session: lakepredict's own, those of the caller over them, lists joined."""
    log4j = files("lakepredict").joinpath("log4j2.properties")
    ours = {
        **_DEFAULTS,
        **(_LOCAL if is_local(master) else {}),
        **_DELTA,
        "spark.sql.warehouse.dir": folder.tables,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j}",
        "spark.jars": ",".join(jars),
    }
    merged = {**ours, **conf}
    for key in ("spark.sql.extensions", "spark.jars"):
        merged[key] = _joined(ours[key], conf.get(key, ""))
    return {key: value for key, value in merged.items() if value}


def is_local(master: str | None) -> bool:
    return master is None or master.startswith("local")


def _joined(*lists: str) -> str:
    return ",".join(dict.fromkeys(item for each in lists for item in each.split(",") if item))
