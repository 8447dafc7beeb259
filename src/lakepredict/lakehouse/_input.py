"""What a scoring job reads: a table or a query held at its versions, and the rows that changed since one."""

from __future__ import annotations

from collections.abc import Sequence

from delta import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakepredict import _jvm
from lakepredict._sql import quoted
from lakepredict.errors import InputUnsuitableError, JobInvalidError, KeyInvalidError
from lakepredict.lakehouse._plan import Job

_MOST_FILES = 10_000
"""Of a table, that a query names."""


def read(spark: SparkSession, job: Job) -> tuple[DataFrame, list[_jvm.TableVersion], list[str]]:
    """The rows of the input as its Delta tables are now, these tables, and what in it has no version.

    Raises:
        pyspark.errors.AnalysisException: there is no such table, or the query is wrong.
        InputUnsuitableError: a view or a query is to be scored incrementally.
    """
    rows = spark.table(job.input) if job.reads_table else spark.sql(job.input)
    found, tables, others = _jvm.pinned(rows)
    direct = job.reads_table and spark.catalog.getTable(job.input).tableType in ("MANAGED", "EXTERNAL")
    if job.mode == "incremental" and not (direct and len(tables) == 1 and not others):
        raise InputUnsuitableError(
            "Rows that changed can be told of a Delta table alone.",
            expected="the name of a Delta table as input of the mode incremental",
            got=job.input,
            hint="score the table that it reads, or merge on a key.",
        )
    return found, tables, others


def changes(spark: SparkSession, table: str, since: int, until: int) -> DataFrame | None:
    """The rows of a version of a Delta table that an older version has not; None if that cannot be read any more.

    A row that changed is one that the older version has not. Files that both versions have are not read; where no
    file has gone, as after appends, nothing is compared.
    """
    try:
        now, before = (spark.read.option("versionAsOf", each).table(table) for each in (until, since))
        old, new = set(before.inputFiles()), set(now.inputFiles())
    except AnalysisException as exc:
        if "VERSION" not in str(exc.getCondition()):
            raise
        return None
    for column in now.schema:
        if column.name not in before.columns:
            before = before.withColumn(column.name, F.lit(None).cast(column.dataType))
    before = before.select([F.col(quoted(each)) for each in now.columns])
    operations = DeltaTable.forName(spark, table).history().where(F.col("version") > since).select("operation")
    common = sorted(old & new)
    if len(common) > _MOST_FILES or any(row["operation"] == "RESTORE" for row in operations.collect()):
        # A table that is restored may have rows again that were deleted from a file that stayed.
        return now.exceptAll(before)
    if common:
        now, before = (_outside(each, common) for each in (now, before))
    return now.exceptAll(before) if old - new else now


def _outside(rows: DataFrame, files: Sequence[str]) -> DataFrame:
    """The rows that are in none of these files."""
    return rows.where(~F.col("_metadata.file_path").isin(list(files)))


def require_columns(rows: DataFrame, job: Job) -> None:
    """Refuse a job whose key, or whose columns to keep, the input has not.

    Raises:
        KeyInvalidError: a column of the key is missing.
        JobInvalidError: a column to keep is missing.
    """
    for names, error, what in ((job.key, KeyInvalidError, "the key"), (job.columns, JobInvalidError, "those to keep")):
        missing = [each for each in names if each.lower() not in map(str.lower, rows.columns)]
        if missing:
            raise error(
                f"The input has not all columns of {what}.",
                expected=f"columns of the input: {', '.join(rows.columns)}",
                got=", ".join(missing),
                hint="check their names.",
            )


def require_key(rows: DataFrame, key: Sequence[str]) -> None:
    """Refuse rows that a key does not tell apart.

    Raises:
        KeyInvalidError: a column of it is NULL in a row, or two rows have the same key.
    """
    columns = [F.col(quoted(each)) for each in key]
    null = F.lit(False)
    for each in columns:
        null = null | each.isNull()
    wrong = rows.groupBy(*columns).agg(F.count(F.lit(1)).alias("_rows")).where((F.col("_rows") > 1) | null).first()
    if wrong is not None:
        shown = ", ".join(f"{each} = {'NULL' if wrong[each] is None else wrong[each]}" for each in key)
        raise KeyInvalidError(
            "The key does not tell the rows of the input apart.",
            expected="one row for each key, and no NULL in it",
            got=f"{wrong['_rows']} rows with {shown}",
            hint="name further columns as key, or leave such rows out with a query as input.",
        )
