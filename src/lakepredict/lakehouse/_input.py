"""What a scoring job reads: a table or a query held at its versions, and the rows that changed since one."""

from __future__ import annotations

from collections.abc import Sequence

from delta import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _jvm
from lakepredict._sql import quoted, sql_type
from lakepredict._tries import unlogged
from lakepredict.errors import InputUnsuitableError, JobInvalidError, KeyInvalidError
from lakepredict.lakehouse._column_names import repetitions
from lakepredict.lakehouse._conf import set_for_now
from lakepredict.lakehouse._plan import Job
from lakepredict.lakehouse._tables import read_table

_MOST_FILES = 10_000
"""Of a table, that a query names."""

_BLOCK_OLD_VERSIONS = "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration"

_CAME, _WENT = ("insert", "update_postimage"), ("delete", "update_preimage")
"""The kinds of changes in Delta's change data feed."""


def read(spark: SparkSession, job: Job) -> tuple[DataFrame, list[_jvm.TableVersion], list[str]]:
    """The rows of the input as its Delta tables are now, these tables, and what in it has no version.

    Raises:
        TableNotFoundError: there is no such table.
        pyspark.errors.AnalysisException: the query is wrong.
        InputUnsuitableError: a view or a query is to be scored incrementally.
    """
    rows = read_table(spark, job.input) if job.reads_table else spark.sql(job.input)
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
    """The rows of a version of a Delta table that an older version has not; None if that cannot be told any more.

    A row that changed is one that the older version has not. The table's change data feed tells them, where it was on
    since then; else what is in the files of the two versions. Only planned here: what VACUUM has removed is missed
    when the rows are read (see :func:`is_vacuumed`).

    Raises:
        InputUnsuitableError: rows have to be compared, and a column of them cannot be.
    """
    # Delta Lake refuses versions older than a table's delta.deletedFileRetentionDuration, a week by default, for VACUUM
    # may have removed their files. Where it has, reading them fails.
    with set_for_now(spark, {_BLOCK_OLD_VERSIONS: "false"}):
        return _changes(spark, table, since, until)


def _changes(spark: SparkSession, table: str, since: int, until: int) -> DataFrame | None:
    try:
        with unlogged():
            now, before = (spark.read.option("versionAsOf", each).table(table) for each in (until, since))
            old, new = set(before.inputFiles()), set(now.inputFiles())
    except AnalysisException as exc:
        if "VERSION" not in str(exc.getCondition()):
            raise
        return None
    if not old - new and not _restored(spark, table, since):
        return _outside(now, sorted(old)) if len(old) <= _MOST_FILES else _net(now, _fitted(before, now))
    feed = _feed(spark, table, since, until) if before.schema == now.schema else None
    if feed is not None:
        came, went = (feed.where(F.col("_change_type").isin(*kinds)) for kinds in (_CAME, _WENT))
        return _net(came.select(*_names(now)), went.select(*_names(now)))
    before, common = _fitted(before, now), sorted(old & new)
    if common and len(common) <= _MOST_FILES and not _restored(spark, table, since):
        now, before = (_outside(each, common) for each in (now, before))
    return _net(now, before)


def is_vacuumed(exc: BaseException) -> bool:
    """Whether a query failed because a file of an older version of a table is no more."""
    return "FAILED_READ_FILE.FILE_NOT_EXIST" in str(exc)


def _names(rows: DataFrame) -> list[Column]:
    return [F.col(quoted(each)) for each in rows.columns]


def _fitted(before: DataFrame, now: DataFrame) -> DataFrame:
    """The rows of an older version with the columns that a newer one has."""
    for column in now.schema:
        if column.name not in before.columns:
            before = before.withColumn(column.name, F.lit(None).cast(column.dataType))
    return before.select(*_names(now))


def _net(came: DataFrame, went: DataFrame) -> DataFrame:
    """What came and did not go.

    Raises:
        InputUnsuitableError: Spark compares no MAP and no VARIANT.
    """
    wrong = [f"{each.name} {sql_type(each.dataType)}" for each in came.schema if not _comparable(each.dataType)]
    if wrong:
        raise InputUnsuitableError(
            "Rows were changed or removed, and rows with such columns cannot be compared.",
            expected="a table without columns of type MAP or VARIANT, or one that rows are only added to",
            got=", ".join(wrong),
            hint="score a table without these columns; or use the mode merge.",
        )
    return came.exceptAll(went)


def _comparable(kind: T.DataType) -> bool:
    if isinstance(kind, T.ArrayType):
        return _comparable(kind.elementType)
    if isinstance(kind, T.StructType):
        return all(_comparable(each.dataType) for each in kind)
    return not isinstance(kind, (T.MapType, T.VariantType))


def _restored(spark: SparkSession, table: str, since: int) -> bool:
    """Whether a table was restored: it may have rows again then that were deleted from a file that stayed."""
    history = DeltaTable.forName(spark, table).history().where(F.col("version") > since)
    return not history.where("operation = 'RESTORE'").isEmpty()


def _feed(spark: SparkSession, table: str, since: int, until: int) -> DataFrame | None:
    """What the change data feed has after a version, or None where it was not on all the time."""
    feed = spark.read.option("readChangeFeed", True).option("startingVersion", since + 1)
    try:
        with unlogged():
            rows = feed.option("endingVersion", until).table(table)
            _jvm.require_plan(rows)
    except AnalysisException as exc:
        if "CHANGE" not in str(exc.getCondition()):
            raise
        return None
    return rows


def _outside(rows: DataFrame, files: Sequence[str]) -> DataFrame:
    """The rows that are in none of these files."""
    return rows.where(~F.col("_metadata.file_path").isin(list(files)))


def require_columns(rows: DataFrame, job: Job) -> None:
    """Refuse a job whose key, or whose columns to keep, the input has not, or has twice.

    Raises:
        KeyInvalidError: a column of the key is missing, or another one has its name.
        JobInvalidError: a column to keep is missing, or another one has its name.
    """
    ambiguous = {same[0].lower() for same in repetitions(rows.columns)}
    for names, error, what in ((job.key, KeyInvalidError, "the key"), (job.columns, JobInvalidError, "those to keep")):
        twice = [name for name in names if name.lower() in ambiguous]
        if twice:
            raise error(
                f"The input has several columns of one name, and it is among those of {what}.",
                expected="names that differ in more than upper and lower case",
                got=", ".join(column for column in rows.columns if column.lower() == twice[0].lower()),
                hint="rename one of them by a query in place of the table.",
            )
        missing = [each for each in names if each.lower() not in map(str.lower, rows.columns)]
        if missing:
            raise error(
                f"The input has not all columns of {what}.",
                expected=f"columns of the input: {', '.join(rows.columns)}",
                got=", ".join(missing),
                hint="check their names.",
            )


def require_key(rows: DataFrame, key: Sequence[str], what: str = "input") -> None:
    """Refuse rows that a key does not tell apart.

    Raises:
        KeyInvalidError: a column of it is NULL in a row, or two rows have the same key.
    """
    columns = [F.col(quoted(each)) for each in key]
    null = F.lit(False)
    for each in columns:
        null = null | each.isNull()
    counted = rows.groupBy(*columns).agg(F.count(F.lit(1)).alias("_rows"))
    wrong = counted.where((F.col("_rows") > 1) | null).orderBy(*columns).first()
    if wrong is not None:
        shown = ", ".join(f"{each} = {'NULL' if wrong[each] is None else wrong[each]}" for each in key)
        raise KeyInvalidError(
            f"The key does not tell the rows of the {what} apart.",
            expected="one row for each key, and no NULL in it",
            got=f"{wrong['_rows']} rows with {shown}",
            hint=f"name further columns as key, or leave such rows out with a query as {what}.",
        )
