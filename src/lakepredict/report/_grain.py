"""Refuse tables whose rows stand for other spans of time than a report can compare; decided from plain values, pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from pyspark.sql import types as T

from lakepredict._sql import quoted, sql_type
from lakepredict.errors import ReportGrainError
from lakepredict.report._facts import step_of, usual_gap

_APART = 1.5
"""Steps of two tables are the same where the longer is less than so many times the shorter: months vary by a tenth."""


@dataclass(frozen=True)
class Times:
    """The times of a table's rows.

    Attributes:
        table: the table's name.
        column: the column that has the times.
        spark_type: its type.
        value: the column with the forecasts, or the actual values.
        kept: the other columns that a view of the table has to have: the key, and where a forecast comes from.
        days: the dates of the rows, each once, in order.
        most: how many different times the rows of one series have on one date, at most.
        example: a series that has so many, and the date.
        midnight: at least one of the times is the first moment of a day in the session's time zone.
        missing: how many rows have no time.
    """

    table: str
    column: str
    spark_type: T.DataType
    value: str
    kept: Sequence[str]
    days: Sequence[date]
    most: int = 1
    example: str = ""
    midnight: bool = True
    missing: int = 0

    @property
    def dated(self) -> bool:
        """Tell whether the column has dates and no times of day."""
        return isinstance(self.spark_type, T.DateType)


def require_comparable(forecast: Times, history: Times) -> None:
    """Refuse tables of which a report by date would compare sums of one span of time with forecasts of another.

    Raises:
        ReportGrainError: forecasts are for several times of one day; or actual values are, and it is not certain that
            forecasts are for whole days; or the dates that times stand for depend on a time zone; or the dates of one
            table are further apart than those of the other; or no date of the one is in the other.
    """
    _require_whole_days(forecast, history)
    _require_clear_dates(forecast, history)
    _require_one_step(forecast, history)
    _require_meeting(forecast, history)


def _require_whole_days(forecast: Times, history: Times) -> None:
    if forecast.most > 1:
        raise ReportGrainError(
            f"The table `{forecast.table}` has several times of one day; a report is by day at the finest.",
            expected=f"one `{forecast.column}` for each key and date",
            got=f"{forecast.most} different times for {forecast.example}",
            hint="report on a view that adds them up by day: CREATE VIEW ... AS "
            + _view(forecast, f"sum({quoted(forecast.value)}) AS {quoted(forecast.value)}")
            + " GROUP BY ALL",
        )
    if history.most > 1 and not forecast.dated:
        raise ReportGrainError(
            f"It is not clear whether a forecast in `{forecast.table}` is for a time or for a whole day.",
            expected=f"`{forecast.column}` DATE, since those of one day in `{history.table}` are added up",
            got=f"`{forecast.column}` {sql_type(forecast.spark_type)}, and {history.most} different times for"
            f" {history.example}",
            hint="for forecasts of whole days, report on a view of them, CREATE VIEW ... AS "
            + _view(forecast, quoted(forecast.value))
            + "; for forecasts of times, add them up by day.",
        )


def _view(times: Times, value: str) -> str:
    """Return a query of a table with dates in place of its times."""
    time = quoted(times.column)
    columns = [*map(quoted, times.kept), f"CAST({time} AS DATE) AS {time}", value]
    return f"SELECT {', '.join(columns)} FROM {times.table}"


def _require_clear_dates(forecast: Times, history: Times) -> None:
    """Refuse instants that are no midnight here where the other table has dates: another zone may mean the next day."""
    for times, other in ((forecast, history), (history, forecast)):
        instants = isinstance(times.spark_type, T.TimestampType)
        shifted = instants and times.most == 1 and not times.midnight
        if shifted and (other.midnight or not isinstance(other.spark_type, T.TimestampType)):
            raise ReportGrainError(
                f"It is not clear which dates the times in `{times.table}` stand for.",
                expected=f"midnights of the session's time zone, since `{other.table}` has dates",
                got=f"`{times.column}` TIMESTAMP, one for each key and date and never at midnight",
                hint="set the time zone in which they are midnights (TZ=Europe/Berlin before the command, or"
                " spark.sql.session.timeZone), or report on a view with the DATE that is meant.",
            )


def _require_one_step(forecast: Times, history: Times) -> None:
    """Refuse, for example, forecasts of weeks beside actual values of days."""
    for coarse, fine in ((forecast, history), (history, forecast)):
        least, usual = _least_gap(coarse.days), usual_gap(fine.days)
        if least is None or usual is None or least < usual * _APART:
            continue
        # Two dates may be far apart by chance, unless they are apart as weeks or months are.
        if len(coarse.days) > 2 or step_of(coarse.days).seasonal:
            raise ReportGrainError(
                "Forecasts and actual values are not for the same span of time.",
                expected=f"dates of `{coarse.table}` and `{fine.table}` that are equally far apart",
                got=f"at least {_days(least)} apart in `{coarse.table}`, and {_days(usual)} in `{fine.table}`",
                hint=f"add `{fine.table}` up in a view with the dates of `{coarse.table}`, and report on that view.",
            )


def _least_gap(days: Sequence[date]) -> int | None:
    return min(((after - before).days for before, after in pairwise(days)), default=None)


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _require_meeting(forecast: Times, history: Times) -> None:
    """Refuse forecasts of dates between those of the history, as the first of a month beside its last."""
    if not history.days:
        return
    past = [day for day in forecast.days if history.days[0] <= day <= history.days[-1]]
    if len(past) > 1 and not set(past) & set(history.days):
        raise ReportGrainError(
            f"No date of `{forecast.table}` is a date of `{history.table}`.",
            expected="the same dates for forecasts and actual values",
            got=f"{past[-1]} in `{forecast.table}`, and {max(day for day in history.days if day < past[-1])} and"
            f" {min(day for day in history.days if day > past[-1])} in `{history.table}`",
            hint="give a view in which a span of time has the same date in both, as date_trunc('MONTH', ...) does.",
        )
