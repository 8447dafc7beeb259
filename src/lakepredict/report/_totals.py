"""What the tables of a report add up to, and the check that the page adds up to the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakepredict.errors import ReportTotalsError
from lakepredict.report._facts import Period

_TOLERANCE = 1e-9
"""How far apart sums may be that were added up in another order, as a share of the sum of the absolute values."""


@dataclass(frozen=True)
class Totals:
    """Holds what two tables add up to, or a page about them.

    Attributes:
        forecasts: the forecasts that count: for each key and date the one that was scored last.
        forecast: their sum.
        history: the rows with actual values that have a date.
        actual: their sum.
        forecast_size, actual_size: the sums of the absolute values, which say how exact the sums can be.
    """

    forecasts: int
    forecast: float
    history: int
    actual: float
    forecast_size: float = 0.0
    actual_size: float = 0.0


def totals_of_tables(forecasts: DataFrame, happened: DataFrame) -> Totals:
    """Add up two tables row by row, without the joins that a page is made by.

    Args:
        forecasts: all rows with a date: ``key``, ``day``, ``row`` with ``forecast``, ``scored_at``, ``model_version``.
        happened: all rows with a date: ``actual``.
    """
    newest_first = Window.partitionBy("key", "day").orderBy(
        F.desc_nulls_last("row.scored_at"), F.desc_nulls_last("row.model_version")
    )
    newest = forecasts.withColumn("place", F.row_number().over(newest_first)).where("place = 1")
    count, forecast, forecast_size = _sums(newest, "row.forecast")
    rows, actual, actual_size = _sums(happened, "actual")
    return Totals(count, forecast, rows, actual, forecast_size, actual_size)


def _sums(rows: DataFrame, column: str) -> tuple[int, float, float]:
    sums = rows.agg(F.count(F.lit(1)), F.sum(column), F.sum(F.abs(F.col(column)))).collect()[0]
    return sums[0], sums[1] or 0.0, sums[2] or 0.0


def totals_of_page(periods: Sequence[Period]) -> Totals:
    """Add up what a page shows."""
    return Totals(
        forecasts=sum(period.forecasts for period in periods),
        forecast=sum(period.expected or 0.0 for period in periods),
        history=sum(period.history_rows for period in periods),
        actual=sum(period.actual or 0.0 for period in periods),
    )


def require_equal(tables: Totals, page: Totals) -> None:
    """Refuse a page whose totals are not those of its tables.

    Raises:
        ReportTotalsError: they differ, by more than the order of adding up explains.
    """
    same = (
        (tables.forecasts, tables.history) == (page.forecasts, page.history)
        and abs(tables.forecast - page.forecast) <= _TOLERANCE * tables.forecast_size
        and abs(tables.actual - page.actual) <= _TOLERANCE * tables.actual_size
    )
    if not same:
        raise ReportTotalsError(
            "The report does not add up to what its tables do, so it is not written.",
            expected=_told(tables),
            got=_told(page),
            hint="run it again if the tables were being written; otherwise this is a defect of lakepredict, please"
            " report it with the types of the key and the time.",
        )


def _told(totals: Totals) -> str:
    return (
        f"{totals.forecasts:,} forecasts with a sum of {totals.forecast:,.6g},"
        f" {totals.history:,} rows of history with a sum of {totals.actual:,.6g}"
    )
