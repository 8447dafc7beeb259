"""The aggregates that a report is made of: by date, by series, and the series themselves; on Spark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timezone
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from lakepredict.report._facts import RANKED, Member, Origin, Period, Point, Ranks, Step, ratio
from lakepredict.report._frames import name_of

_ORIGINS = 5
"""How many model versions are told of at most."""


def _sum_where(condition: Column, value: Column) -> Column:
    return F.sum(F.when(condition, value))


def periods(joined: DataFrame) -> list[Period]:
    """All series together, by day."""
    is_forecast, forecast, actual, before = (F.col(name) for name in ("is_forecast", "forecast", "actual", "before"))
    paired = forecast.isNotNull() & before.isNotNull()
    compared = forecast.isNotNull() & actual.isNotNull()
    seasonal = actual.isNotNull() & before.isNotNull()
    rows = joined.groupBy("day").agg(
        F.count_if(is_forecast).alias("forecasts"),
        F.count_if(is_forecast & forecast.isNull()).alias("missing"),
        F.sum(forecast).alias("expected"),
        F.sum(actual).alias("actual"),
        F.sum(before).alias("last_year"),
        F.count_if(paired).alias("paired"),
        _sum_where(paired, forecast).alias("paired_expected"),
        _sum_where(paired, before).alias("paired_last_year"),
        F.count_if(compared).alias("compared"),
        _sum_where(compared, F.abs(forecast - actual)).alias("off"),
        _sum_where(compared, forecast - actual).alias("over"),
        _sum_where(compared, F.abs(actual)).alias("sold"),
        _sum_where(seasonal & compared, F.abs(before - actual)).alias("baseline_off"),
        _sum_where(seasonal & compared, F.abs(actual)).alias("baseline_sold"),
        _sum_where(seasonal, F.abs(before - actual)).alias("any_baseline_off"),
        _sum_where(seasonal, F.abs(actual)).alias("any_baseline_sold"),
        F.max(F.when(compared, F.col("model_version"))).alias("version"),
        F.sum("history_rows").alias("history_rows"),
    )
    return [_period(row) for row in rows.orderBy("day").collect()]


def _period(row: Row) -> Period:
    baseline = ratio(row["baseline_off"], row["baseline_sold"])
    return Period(
        day=row["day"],
        forecasts=row["forecasts"],
        missing=row["missing"],
        expected=row["expected"],
        actual=row["actual"],
        last_year=row["last_year"],
        paired=row["paired"],
        paired_expected=row["paired_expected"],
        paired_last_year=row["paired_last_year"],
        compared=row["compared"],
        error=ratio(row["off"], row["sold"]),
        bias=ratio(row["over"], row["sold"]),
        baseline_error=baseline if row["compared"] else ratio(row["any_baseline_off"], row["any_baseline_sold"]),
        version=row["version"],
        history_rows=row["history_rows"] or 0,
    )


def members_of(joined: DataFrame, day: date, latest: date | None, recent: Sequence[date]) -> DataFrame:
    """A row for each key that has a forecast for the day, also one that is missing."""
    now, last = F.col("day") == F.lit(day), F.col("day") == F.lit(latest)
    forecast, actual, before = F.col("forecast"), F.col("actual"), F.col("before")
    compared = F.col("day").isin(*recent) & forecast.isNotNull() & actual.isNotNull()
    sold, seasonal = F.abs(actual), compared & before.isNotNull()
    rows = joined.groupBy("key").agg(
        F.bool_or(now & F.col("is_forecast")).alias("is_forecast"),
        _sum_where(now, forecast).alias("expected"),
        _sum_where(now, before).alias("last_year"),
        _sum_where(last, actual).alias("latest"),
        _sum_where(compared, F.abs(forecast - actual)).alias("off"),
        _sum_where(compared, sold).alias("sold"),
        _sum_where(seasonal, F.abs(before - actual)).alias("baseline_off"),
        _sum_where(seasonal, sold).alias("baseline_sold"),
    )
    positive = F.when(F.col("last_year") > 0, F.col("last_year"))
    return (
        rows.where("is_forecast")
        .withColumn("change", F.col("expected") / positive - 1)
        .withColumn("error", F.col("off") / F.when(F.col("sold") > 0, F.col("sold")))
    )


def ranked_of(members: DataFrame, count: int) -> list[Row]:
    """The members with the largest forecasts, and those at either end of changes and errors, in one query.

    ``place`` is a member's place by its forecast; ``high_change``, ``low_change``, ``high_error`` and ``low_error``
    are its places in the other orders, or NULL where it has no value.
    """
    ranked = members.withColumn("members", F.count(F.lit(1)).over(Window.partitionBy()))
    ranked = _with_place(ranked, "place", F.desc_nulls_last("expected"))
    for value in ("change", "error"):
        ranked = _with_place(ranked, f"high_{value}", F.desc_nulls_last(value))
        ranked = _with_place(ranked, f"low_{value}", F.asc_nulls_last(value))
    ends = [
        F.col(value).isNotNull() & (F.col(f"{end}_{value}") <= RANKED)
        for value in ("change", "error")
        for end in ("high", "low")
    ]
    return ranked.where(reduce(or_, ends, F.col("place") <= count)).collect()


def _with_place(members: DataFrame, name: str, order: Column) -> DataFrame:
    return members.withColumn(name, F.row_number().over(Window.orderBy(order, "key")))


def member(row: Row) -> Member:
    """A row of :func:`ranked_of`."""
    return Member(
        name=name_of(row["key"]),
        expected=row["expected"],
        last_year=row["last_year"],
        latest=row["latest"],
        error=row["error"],
        baseline_error=ratio(row["baseline_off"], row["baseline_sold"]),
    )


def ranks_of(ranked: Sequence[Row], value: str) -> Ranks:
    """The members with the highest and the lowest values of a column; no member is among both."""
    known = sorted((row for row in ranked if row[value] is not None), key=lambda row: row[f"high_{value}"])
    high = [row for row in known if row[f"high_{value}"] <= RANKED]
    low = [row for row in known if row[f"low_{value}"] <= RANKED and row[f"high_{value}"] > RANKED]
    return Ranks([member(row) for row in high], [member(row) for row in low])


def series_of(
    spark: SparkSession, joined: DataFrame, ranked: Sequence[Row], count: int, periods: Sequence[Period], step: Step
) -> dict[str, dict[date, Point]]:
    """What was and what was forecast, by name and day, of the members with the largest forecasts."""
    keys = [(row["key"],) for row in ranked if row["place"] <= count]
    shown = spark.createDataFrame(keys, joined.select("key").schema)
    known = [each.day for each in periods if each.actual is not None]
    rows = joined.join(F.broadcast(shown), "key", "left_semi")
    if known:
        rows = rows.where(F.col("day") >= F.lit(known[-step.shown :][0]))
    series: dict[str, dict[date, Point]] = {}
    for row in rows.select("key", "day", "actual", "forecast", "is_forecast").collect():
        series.setdefault(name_of(row["key"]), {})[row["day"]] = Point(
            row["actual"], row["forecast"], row["is_forecast"] and row["forecast"] is None
        )
    return series


def origins_of(joined: DataFrame, day: date) -> list[Origin]:
    """The model versions of a day's forecasts, the one with the most first."""
    rows = (
        joined.where((F.col("day") == F.lit(day)) & F.col("is_forecast"))
        .groupBy("model_name", "model_version", "run_id", "input_version")
        .agg(F.count(F.lit(1)).alias("forecasts"), F.max("scored_at").alias("scored_at"))
        .orderBy(F.desc("forecasts"), "model_name", "model_version")
        .limit(_ORIGINS)
    )
    return [_origin(row) for row in rows.collect()]


def _origin(row: Row) -> Origin:
    scored = row["scored_at"]
    return Origin(
        name=row["model_name"],
        version=row["model_version"],
        forecasts=row["forecasts"],
        scored_at=None if scored is None else datetime.fromtimestamp(scored, timezone.utc),
        run_id=row["run_id"],
        input_version=row["input_version"],
    )
