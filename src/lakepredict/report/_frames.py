"""A row for each series and date: its forecast, what was, and what was a season before; on Spark."""

from __future__ import annotations

import json
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakepredict._sql import quoted
from lakepredict.errors import ReportColumnError
from lakepredict.report._columns import Columns, Table
from lakepredict.report._facts import Step

_SEPARATOR = " / "
_NONE = "(none)"


def _day(column: str) -> Column:
    return F.to_date(F.col(quoted(column)))


def _key(columns: Columns) -> Column:
    """The key as text, so that it is the same in both tables whatever its types are there."""
    return F.struct(*(F.col(quoted(each)).cast("string").alias(f"k{at}") for at, each in enumerate(columns.key)))


def _number(column: str) -> Column:
    """A number as DOUBLE; one that is not finite is missing."""
    value = F.col(quoted(column)).cast("double")
    return F.when(F.isnan(value) | (F.abs(value) == float("inf")), None).otherwise(value)


def newest(rows: DataFrame, table: Table, columns: Columns) -> DataFrame:
    """The forecast of each key and day that was scored last, with where it comes from.

    Raises:
        ReportColumnError: there are several, and nothing says which is the newest.
    """
    facts = {
        "model_name": "string",
        "model_version": "bigint",
        "run_id": "string",
        "scored_at": "timestamp",
        "input_version": "bigint",
    }
    values = [_number(columns.prediction).alias("forecast")]
    for name, kind in facts.items():
        column = F.col(quoted(name)) if table.field(name) else F.lit(None)
        values.append((F.unix_timestamp(column) if name == "scored_at" else column.cast(kind)).alias(name))
    plain = rows.select(_key(columns).alias("key"), _day(columns.time).alias("day"), F.struct(*values).alias("row"))
    grouped = plain.where("day IS NOT NULL").groupBy("key", "day")
    if table.field("scored_at") or table.field("model_version"):
        order = F.struct(F.coalesce(F.col("row.scored_at"), F.lit(0)), F.coalesce(F.col("row.model_version"), F.lit(0)))
        return grouped.agg(F.max_by("row", order).alias("row")).select("key", "day", "row.*")
    _require_unique(grouped, table, columns)
    return grouped.agg(F.first("row").alias("row")).select("key", "day", "row.*")


def _require_unique(grouped: Any, table: Table, columns: Columns) -> None:
    twice = grouped.count().where("count > 1").orderBy("day", "key").limit(1).collect()
    if twice:
        raise ReportColumnError(
            f"The table `{table.name}` has several forecasts for one {columns.time}, and nothing says which is newest.",
            expected="one row for each key and date, or a column scored_at TIMESTAMP",
            got=f"{twice[0]['count']} rows for {name_of(twice[0]['key'])} on {twice[0]['day']}",
            hint="name all columns of the key with --key, or give a view that keeps the newest rows.",
        )


def history_of(rows: DataFrame, columns: Columns) -> DataFrame:
    """What was, by key and day; several rows of one are added up."""
    plain = rows.select(
        _key(columns).alias("key"), _day(columns.time).alias("day"), _number(columns.actual).alias("actual")
    )
    return plain.where("day IS NOT NULL").groupBy("key", "day").agg(F.sum("actual").alias("actual"))


def days_of(columns: Columns, *tables: DataFrame) -> list[date]:
    """All dates of some tables, in order."""
    days = reduce(DataFrame.union, (each.select(_day(columns.time).alias("day")) for each in tables))
    return sorted(row["day"] for row in days.where("day IS NOT NULL").distinct().collect())


def joined(newest: DataFrame, actual: DataFrame, step: Step) -> DataFrame:
    """A row for each key and day: its forecast if there is one, what was, and what was a season before."""
    later = F.add_months("day", step.season_months) if step.season_months else F.date_add("day", step.season_days)
    before = actual.where(F.lit(step.seasonal)).select("key", later.alias("day"), F.col("actual").alias("before"))
    return (
        newest.withColumn("is_forecast", F.lit(True))
        .join(actual, ["key", "day"], "full")
        .join(before, ["key", "day"], "left")
        .withColumn("is_forecast", F.coalesce("is_forecast", F.lit(False)))
    )


def name_of(key: Row) -> str:
    """The name of a series: the values of its key. No two keys have the same."""
    return _SEPARATOR.join(_NONE if part is None else _part(str(part)) for part in key)


def _part(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text == _NONE or _SEPARATOR in text else text
