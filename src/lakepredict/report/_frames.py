"""A row for each series and date: its forecast, what was, and what was a season before; on Spark."""

from __future__ import annotations

import json

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from lakepredict._sql import quoted
from lakepredict.errors import ReportColumnError
from lakepredict.lakehouse._plan import FACTS
from lakepredict.report._columns import Columns, Table
from lakepredict.report._facts import Step
from lakepredict.report._grain import Times

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


def forecasts_of(rows: DataFrame, table: Table, columns: Columns) -> DataFrame:
    """Return all forecasts that have a date: ``key``, ``day``, and ``row`` with the value and where it comes from."""
    facts = {
        "model_name": "string",
        "model_version": "bigint",
        "run_id": "string",
        "scored_at": "timestamp",
        "input_version": "bigint",
    }
    values = [_number(columns.prediction).alias("forecast")]
    for name, spark_type in facts.items():
        column = F.col(quoted(name)) if table.field(name) else F.lit(None)
        values.append(column.cast(spark_type).alias(name))
    plain = rows.select(_key(columns).alias("key"), _day(columns.time).alias("day"), F.struct(*values).alias("row"))
    return plain.where("day IS NOT NULL")


def newest(forecasts: DataFrame, table: Table, columns: Columns) -> DataFrame:
    """Return the forecast of each key and day that was scored last, with where it comes from.

    Of those scored at the same time by one model, the one of its highest version.

    Raises:
        ReportColumnError: there are several, and nothing says which is the newest.
    """
    series = Window.partitionBy("key", "day")
    scored, version = F.col("row.scored_at"), F.coalesce("row.model_version", F.lit(-1))
    last = forecasts.withColumn("last_scored", F.max(scored).over(series)).where(
        scored.eqNullSafe(F.col("last_scored"))
    )
    grouped = last.withColumn("highest", F.max(version).over(series)).groupBy("key", "day")
    judged = grouped.agg(
        F.max_by("row", version).alias("row"),
        F.count_if(version == F.col("highest")).alias("tied"),
        F.sort_array(F.collect_set("row.model_name")).alias("models"),
    )
    _require_one(judged, table, columns)
    return judged.select("key", "day", "row.*").withColumn("scored_at", F.unix_timestamp("scored_at"))


def _require_one(judged: DataFrame, table: Table, columns: Columns) -> None:
    doubtful = judged.where((F.col("tied") > 1) | (F.size("models") > 1)).orderBy("day", "key").limit(1).collect()
    if doubtful:
        row = doubtful[0]
        of_models = f"forecasts by the models {', '.join(row['models'])}"
        rows = of_models if len(row["models"]) > 1 else f"{row['tied']} rows"
        raise ReportColumnError(
            f"The table `{table.name}` has several forecasts for one {columns.time}, and nothing says which is newest.",
            expected="one row for each key and date, or a column scored_at TIMESTAMP that tells them apart",
            got=f"{rows} for {name_of(row['key'])} on {row['day']}",
            hint="name all columns of the key with --key, or give a view with one row for each key and date.",
        )


def actuals_of(rows: DataFrame, columns: Columns) -> DataFrame:
    """Return all rows with actual values that have a date."""
    plain = rows.select(
        _key(columns).alias("key"), _day(columns.time).alias("day"), _number(columns.actual).alias("actual")
    )
    return plain.where("day IS NOT NULL")


def history_of(actuals: DataFrame) -> DataFrame:
    """Return what was, by key and day; several rows of one are added up, and counted."""
    return actuals.groupBy("key", "day").agg(F.sum("actual").alias("actual"), F.count(F.lit(1)).alias("history_rows"))


def times_of(rows: DataFrame, table: Table, columns: Columns, value: str) -> Times:
    """Read the times of a table's rows, of which little more than the dates is collected.

    Args:
        value: the column of the table that has the forecasts, or the actual values.
    """
    field = table.field(columns.time)
    assert field is not None, "the columns were chosen from this table"
    moment, day = F.col(quoted(field.name)), _day(field.name)
    series = rows.select(_key(columns).alias("key"), day.alias("day"), moment.alias("moment")).groupBy("key", "day")
    of_series = series.agg(
        F.count_distinct("moment").alias("times"),
        F.bool_or(F.col("moment") == F.col("day").cast(field.dataType)).alias("midnight"),
        F.count(F.lit(1)).alias("rows"),
    )
    of_days = of_series.groupBy("day").agg(
        F.max("times").alias("times"),
        F.max_by("key", F.struct("times", "key")).alias("key"),
        F.bool_or("midnight").alias("midnight"),
        F.sum("rows").alias("rows"),
    )
    collected = of_days.orderBy("day").collect()
    dated = [row for row in collected if row["day"] is not None]
    busiest = max(dated, key=lambda row: row["times"], default=None)
    return Times(
        table=table.name,
        column=field.name,
        spark_type=field.dataType,
        value=value,
        kept=[*columns.key, *(name for name in FACTS if name in table.schema.names)],
        days=[row["day"] for row in dated],
        most=busiest["times"] if busiest else 1,
        example=f"{name_of(busiest['key'])} on {busiest['day']}" if busiest else "",
        midnight=any(row["midnight"] for row in dated),
        missing=sum(row["rows"] for row in collected if row["day"] is None),
    )


def joined(newest: DataFrame, actual: DataFrame, step: Step) -> DataFrame:
    """Return a row for each key and day: its forecast if there is one, what was, and what was a season before."""
    season = F.trunc("day", "MONTH") if step.season_months else F.col("day")
    return (
        newest.withColumn("is_forecast", F.lit(True))
        .join(actual, ["key", "day"], "full")
        .withColumn("season", season)
        .join(_a_season_later(actual, step), ["key", "season"], "left")
        .withColumn("is_forecast", F.coalesce("is_forecast", F.lit(False)))
    )


def _a_season_later(actual: DataFrame, step: Step) -> DataFrame:
    """Return what was, at the time that it is compared with: one row at most for each key and ``season``."""
    if step.season_months:
        # By months, since the last day of February has another date in a leap year.
        month = F.add_months(F.trunc("day", "MONTH"), step.season_months)
        months = actual.groupBy("key", month.alias("season")).agg(
            F.first("actual").alias("before"), F.count(F.lit(1)).alias("dates")
        )
        return months.where("dates = 1").drop("dates")
    seasonal = actual.where(F.lit(step.seasonal))
    return seasonal.select("key", F.date_add("day", step.season_days).alias("season"), F.col("actual").alias("before"))


def name_of(key: Row) -> str:
    """The name of a series: the values of its key. No two keys have the same."""
    return _SEPARATOR.join(_NONE if part is None else _part(str(part)) for part in key)


def _part(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text == _NONE or _SEPARATOR in text else text
