"""The output table of a scoring job: written once, by one job at a time, with the facts of its scoring."""

from __future__ import annotations

import fcntl
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from delta import DeltaTable
from delta.exceptions import (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
    MetadataChangedException,
    ProtocolChangedException,
)
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from lakepredict._sql import literal, quoted
from lakepredict.errors import WriteConflictError
from lakepredict.lakehouse._column_names import FEED, MAPPING, OutputTable
from lakepredict.lakehouse._conf import set_for_now
from lakepredict.lakehouse._plan import Decision, Job

_ATTEMPTS = 5
"""How often a write is tried that others get in the way of."""

_PAUSE = 1.0
"""Seconds, about, between the first two attempts; the later pauses are longer."""

_CONFLICTS = (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
    MetadataChangedException,
    ProtocolChangedException,
)
"""Delta Lake's exceptions for conflicts of writers; in Python, unlike in Java, they have no base of their own."""

_DEFAULTS = "spark.databricks.delta.properties.defaults."
"""The settings of a session that are properties of new tables begin so."""

_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
"""As an option of a write, a table that the write makes would go without it."""

_TRANSACTION = {
    "txnAppId": "spark.databricks.delta.write.txnAppId",
    "txnVersion": "spark.databricks.delta.write.txnVersion",
}
"""What MERGE reads from the session's settings, and other writes from their options."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def is_conflict(exc: BaseException, *, existed: bool) -> bool:
    """Return whether a write failed because of another one, so that it may be tried again.

    Args:
        exc: the failure.
        existed: the table was there when the write began; if not, another one may have made it in the meantime.
    """
    if isinstance(exc, _CONFLICTS):
        return True
    made_meanwhile = isinstance(exc, AnalysisException) and exc.getCondition() == "TABLE_OR_VIEW_ALREADY_EXISTS"
    return made_meanwhile and not existed


def within_attempts(spark: SparkSession, table: str, act: Callable[[], _T]) -> _T:
    """Do what writes to a table, again where another write was faster. Any other failure is raised as it is.

    Raises:
        WriteConflictError: it was, each time.
    """
    for attempt in range(_ATTEMPTS):
        existed = spark.catalog.tableExists(table)
        try:
            return act()
        except Exception as exc:
            if not is_conflict(exc, existed=existed):
                raise
            _log.warning("%s: another write was faster, attempt %d of %d", table, attempt + 1, _ATTEMPTS)
            last = exc
            time.sleep(random.uniform(0.5, 1.5) * (attempt + 1) * _PAUSE)
    raise WriteConflictError(
        f"Others wrote to the table `{table}` each time.",
        expected=f"a moment without other writes in {_ATTEMPTS} attempts",
        got=str(last).splitlines()[0],
        hint="run the job again when the other writer is done; nothing was written.",
    ) from last


@contextmanager
def only_writer(spark: SparkSession, table: str) -> Iterator[None]:
    """Let no other scoring job of this machine write to a table for as long as the context lasts.

    On a file system that cannot create a file only if there is none, as a local one, two processes that commit to a
    Delta table at once may lose a commit. On others Delta itself notices, and nothing is waited for. The system takes
    the lock from a process that dies.
    """
    warehouse = str(spark.conf.get("spark.sql.warehouse.dir", "")).removeprefix("file:")
    if "://" in warehouse or not Path(warehouse).is_dir():
        yield
        return
    folder = Path(warehouse, "_locks")
    folder.mkdir(exist_ok=True)
    with (folder / table.replace("`", "").lower().replace("/", "_")).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(forecast: DataFrame, job: Job, decision: Decision, facts: Mapping[str, object]) -> None:
    """Write the forecast in one commit, which has the facts as its metadata."""
    spark = forecast.sparkSession
    transaction = {}
    if decision.transaction is not None:
        transaction = {"txnAppId": decision.transaction[0], "txnVersion": str(decision.transaction[1])}
    merges = job.merges and spark.catalog.tableExists(job.output)
    settings = {_METADATA: json.dumps(facts)}
    if merges:
        settings.update((_TRANSACTION[option], value) for option, value in transaction.items())
    with set_for_now(spark, settings):
        if merges:
            _merge(forecast, job)
        else:
            _save(forecast, job, transaction)


def described(spark: SparkSession, name: str, *, column_mapping: bool) -> OutputTable:
    """Return what matters for names of columns about a table that is there, or that is to be made.

    Args:
        spark: the session.
        name: the table.
        column_mapping: a table that is made is to have names mapped.
    """
    if spark.catalog.tableExists(name):
        rows = spark.sql(f"SHOW TBLPROPERTIES {name}").collect()
        return OutputTable(name, exists=True, properties={row["key"]: row["value"] for row in rows})
    properties = {}
    for key in (MAPPING, FEED):
        default = spark.conf.get(_DEFAULTS + key.removeprefix("delta."), None)
        if default is not None:
            properties[key] = default
    if column_mapping:
        properties[MAPPING] = "name"
    return OutputTable(name, properties=properties)


def _save(forecast: DataFrame, job: Job, transaction: Mapping[str, str]) -> None:
    exists = forecast.sparkSession.catalog.tableExists(job.output)
    writer = forecast.write.format("delta").options(**transaction).mode("append")
    if job.partition_by and not exists:
        writer = writer.partitionBy(*job.partition_by)
    if job.column_mapping and not exists:
        writer = writer.option(MAPPING, "name")
    if job.mode == "overwrite" and exists:
        writer = writer.mode("overwrite")
        if job.evolve and job.replace_where is None:
            writer = writer.option("overwriteSchema", "true")
        else:
            writer = writer.option("replaceWhere", job.replace_where or "true")
    elif job.evolve and exists:
        writer = writer.option("mergeSchema", "true")
    writer.saveAsTable(job.output)


def _merge(forecast: DataFrame, job: Job) -> None:
    same = " AND ".join(f"there.{quoted(each)} = new.{quoted(each)}" for each in job.key)
    there = DeltaTable.forName(forecast.sparkSession, job.output).alias("there")
    merge = there.merge(forecast.alias("new"), same)
    if job.evolve:
        merge = merge.withSchemaEvolution()
    merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()


def version_written(spark: SparkSession, table: str, scoring_run_id: str) -> int | None:
    """The version of a table that a scoring run made, or None if it made none."""
    history = DeltaTable.forName(spark, table).history(100).select("version", "userMetadata")
    for row in history.collect():
        if row["userMetadata"] is not None and f'"{scoring_run_id}"' in row["userMetadata"]:
            return int(row["version"])
    return None


def describe(spark: SparkSession, table: str, facts: Mapping[str, object]) -> None:
    """Keep the facts of the last scoring as properties of the table."""
    properties = ", ".join(f"{literal(f'lakepredict.{name}')} = {literal(str(value))}" for name, value in facts.items())
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({properties})")
