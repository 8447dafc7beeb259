"""A Spark Connect client that tries what a client may do and what it may not, and prints as JSON how it went."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pyspark.sql.functions as F
from pyspark.sql import SparkSession

PATH = "java.lang.System", "getenv", "PATH"


def reading(spark: SparkSession) -> dict[str, Callable[[], Any]]:
    """What reads, with a result that the test knows."""
    table = spark.table("served")
    return {
        "sql": lambda: (
            spark.sql("SELECT id, round(PREDICT('served', 1, *)) p FROM served ORDER BY id").toPandas().p.sum()
        ),
        "frame": lambda: table.where("id > 1").groupBy().agg(F.sum("price")).first()[0],
        "call": lambda: table.select(F.call_function("predict", F.lit("served"), F.lit(1), F.col("price"))).count(),
        "local": lambda: spark.createDataFrame([(1,)], "x INT").join(table, F.lit(True)).count(),
        "schema": lambda: table.schema.simpleString(),
        "columns": lambda: [each.name for each in spark.catalog.listColumns("served")],
        "setting": lambda: spark.conf.get("spark.sql.session.timeZone") is not None,
    }


def more(spark: SparkSession, folder: str) -> dict[str, Callable[[], Any]]:
    """What does more than read."""
    table, one = spark.table("served"), spark.range(1)
    reflect = [F.lit(each) for each in PATH]
    return {
        "read csv": lambda: spark.read.csv("/etc/hosts").collect(),
        "read text": lambda: spark.read.text("/etc/hostname").collect(),
        "read delta": lambda: spark.read.format("delta").load(f"{folder}/served").collect(),
        "table of a path": lambda: spark.read.table("csv.`/etc/hosts`").collect(),
        "table with options": lambda: spark.read.option("path", "/etc").table("served").collect(),
        "save": lambda: table.write.save(f"{folder}/stolen"),
        "save as table": lambda: table.write.saveAsTable("stolen"),
        "write to": lambda: table.writeTo("stolen").create(),
        "merge": lambda: table.mergeInto("served", F.lit(True)).whenMatched().delete().merge(),
        "stream": lambda: spark.readStream.table("served").writeStream.toTable("stolen"),
        "temporary view": lambda: table.createOrReplaceTempView("stolen"),
        "cache": lambda: table.cache(),
        "catalog": lambda: spark.catalog.dropTempView("served"),
        "refresh path": lambda: spark.catalog.refreshByPath("/"),
        "checkpoint": lambda: table.localCheckpoint(),
        "input files": lambda: table.inputFiles(),
        "set": lambda: spark.conf.set("spark.sql.runSQLOnFiles", "true"),
        "get": lambda: spark.conf.get("spark.driver.host"),
        "get all": lambda: spark.conf.getAll,
        "udf": lambda: one.select(F.udf(lambda value: value)("id")).collect(),
        "pandas": lambda: one.mapInPandas(lambda batches: batches, "id LONG").collect(),
        "register": lambda: spark.udf.register("mine", lambda value: value),
        "artifact": lambda: spark.addArtifact(__file__, file=True),
        "clone": lambda: spark.cloneSession(),
        "expression": lambda: one.select(F.expr("reflect('java.lang.System', 'getenv', 'PATH')")).collect(),
        "filter": lambda: one.where("try_reflect('java.lang.System', 'getenv', 'PATH') = 1").collect(),
        "call": lambda: one.select(F.call_function("java_method", *reflect)).collect(),
        "call qualified": lambda: one.select(F.call_function("system.builtin.java_method", *reflect)).collect(),
        "function": lambda: one.select(F.reflect(*reflect)).collect(),
        "table function": lambda: spark.tvf.python_worker_logs().collect(),
        "sql": lambda: spark.sql("CREATE TABLE stolen AS SELECT 1"),
        "sql in sql": lambda: spark.sql("SELECT * FROM {t}", t=spark.read.text("/etc/hostname")).collect(),
    }


def outcome(ask: Callable[[], Any]) -> Any:
    """The answer, or the error's text."""
    try:
        return ask()
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"


if __name__ == "__main__":
    session = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    told = {
        part.__name__: {name: outcome(ask) for name, ask in asked.items()}
        for part, asked in ((reading, reading(session)), (more, more(session, sys.argv[2])))
    }
    print(json.dumps(told, default=str))
    session.stop()
