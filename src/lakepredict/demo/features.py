"""What is known about a store's week before the week begins, in Spark SQL.

The history that models learn from and the rows to score come from one query, so that both mean the same. Every
feature looks back by dates, not by rows: where a week is missing in the data, the week before it does not take
its place.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

LABEL = "weekly_sales"
KEYS = ("store", "week")
HOLDOUT_WEEKS = 8
"""The last weeks of the history, on which models are compared and which none of them has seen."""

_OLDEST_LAG = 56
MINIMUM_WEEKS = _OLDEST_LAG + HOLDOUT_WEEKS + 1
"""The weeks of history that leave at least one week to learn from."""


def _weeks_before(column: str, first: int, last: int | None = None) -> str:
    """The mean of a column over the weeks ``first`` to ``last`` before a row's own, by date."""
    last = first if last is None else last
    return (
        f"avg({column}) OVER (PARTITION BY store ORDER BY week"
        f" RANGE BETWEEN {7 * last} PRECEDING AND {7 * first} PRECEDING)"
    )


FEATURES = {
    "week_of_year": "double(weekofyear(week))",
    "holiday_last_year": _weeks_before("double(holiday)", 52),
    "sales_last_week": _weeks_before("weekly_sales", 1),
    "sales_4_week_mean": _weeks_before("weekly_sales", 1, 4),
    "sales_last_year": _weeks_before("weekly_sales", 52),
    "sales_last_year_4_week_mean": _weeks_before("weekly_sales", 53, _OLDEST_LAG),
    "temperature_last_week": _weeks_before("temperature", 1),
    "fuel_price_last_week": _weeks_before("fuel_price", 1),
    "cpi_last_week": _weeks_before("cpi", 1),
    "unemployment_last_week": _weeks_before("unemployment", 1),
}
"""Feature -> how it is computed. None uses the week's own sales, weather or prices, which nobody knows ahead."""

FEATURE_QUERY = f"""
WITH last AS (SELECT max(week) AS week FROM weekly_sales),
     weeks AS (
       SELECT * FROM weekly_sales
       UNION ALL
       SELECT DISTINCT store, date_add(last.week, 7), NULL, NULL, NULL, NULL, NULL, NULL
       FROM weekly_sales CROSS JOIN last
     )
SELECT store, week, {", ".join(f"{sql} AS {name}" for name, sql in FEATURES.items())}, {LABEL}
FROM weeks
"""


def build_feature_tables(spark: SparkSession) -> None:
    """Write ``weekly_features`` (weeks with all features and their sales) and ``next_week`` (one row a store)."""
    rows = spark.sql(FEATURE_QUERY).cache()
    try:
        history = rows.dropna()
        history.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("weekly_features")
        ahead = rows.where(f"{LABEL} IS NULL").drop(LABEL)
        ahead.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("next_week")
    finally:
        rows.unpersist()
