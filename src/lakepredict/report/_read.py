"""Read the facts of a report from tables: a few aggregates on Spark, of which little is collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakepredict.errors import ReportEmptyError, ReportGrainError, ReportTableError
from lakepredict.report import _aggregates, _frames
from lakepredict.report._accuracy import WeekError, newest_errors
from lakepredict.report._columns import Columns, Table, choose
from lakepredict.report._facts import RECENT, Facts, Period, Step, step_of
from lakepredict.report._grain import require_comparable
from lakepredict.report._origin import with_run
from lakepredict.report._totals import require_equal, totals_of_page, totals_of_tables

ACCURACY = "forecast_accuracy"
"""The table of errors that is read where none is asked for and there is one."""


@dataclass(frozen=True)
class Request:
    """What a report is to be about; see :func:`lakepredict.report.write`."""

    forecast: str = "sales_forecast"
    history: str = "weekly_sales"
    accuracy: str | None = None
    key: tuple[str, ...] = ()
    time: str | None = None
    prediction: str | None = None
    actual: str | None = None
    title: str | None = None
    limit: int = 100


def read(spark: SparkSession, request: Request) -> Facts:
    """The facts of a report.

    Raises:
        ReportTableError: a table does not exist.
        ReportColumnError: a column is missing, of another type, or not to be told from others.
        ReportEmptyError: there is no forecast.
        ReportGrainError: forecasts and actual values are not for the same spans of time, or for less than a day.
        ReportTotalsError: the report does not add up to what the tables do.
    """
    forecast, history = _table(spark, request.forecast), _table(spark, request.history)
    columns = choose(
        forecast, history, key=request.key, time=request.time, prediction=request.prediction, actual=request.actual
    )
    made, happened = spark.table(forecast.name), spark.table(history.name)
    forecast_times = _frames.times_of(made, forecast, columns, columns.prediction)
    history_times = _frames.times_of(happened, history, columns, columns.actual)
    require_comparable(forecast_times, history_times)
    step = step_of(sorted({*forecast_times.days, *history_times.days}))
    forecasts, actuals = _frames.forecasts_of(made, forecast, columns), _frames.actuals_of(happened, columns)
    newest, actual = _frames.newest(forecasts, forecast, columns), _frames.history_of(actuals)
    joined = _frames.joined(newest, actual, step).persist()
    try:
        facts = _facts(spark, request, columns, joined, step)
    finally:
        joined.unpersist()
    totals = totals_of_tables(forecasts, actuals)
    require_equal(totals, totals_of_page(facts.periods))
    return replace(
        facts,
        replaced=forecasts.count() - totals.forecasts,
        undated=(forecast_times.missing, history_times.missing),
    )


def _table(spark: SparkSession, name: str) -> Table:
    if spark.catalog.tableExists(name):
        return Table(name, spark.table(name).schema)
    tables = sorted(each.name for each in spark.catalog.listTables())
    raise ReportTableError(
        f"There is no table `{name}`.",
        expected="a table or view of the lakehouse",
        got=f"`{name}`, where there {'are ' + ', '.join(tables) if tables else 'is no table'}",
        hint="check the name and --lakehouse; lakepredict demo makes sales_forecast and weekly_sales.",
    )


def _facts(spark: SparkSession, request: Request, columns: Columns, joined: DataFrame, step: Step) -> Facts:
    periods = _aggregates.periods(joined)
    judged_by, errors = _errors(spark, request, columns, joined)
    if judged_by is not None:
        periods = _with_errors(periods, errors)
    known = [each.day for each in periods if each.actual is not None]
    latest = known[-1] if known else None
    day = _shown_day(periods, latest, request)
    recent = [each.day for each in periods if each.error is not None][-RECENT:]
    ranked = _aggregates.ranked_of(_aggregates.members_of(joined, day, latest, recent), request.limit)
    return Facts(
        title=request.title or _title(request.forecast),
        forecast_table=request.forecast,
        history_table=request.history,
        accuracy_table=judged_by,
        key=columns.key,
        measure=columns.actual,
        step=step,
        day=day,
        latest=latest,
        periods=periods,
        members=[_aggregates.member(row) for row in sorted(ranked, key=lambda row: row["place"])[: request.limit]],
        member_count=ranked[0]["members"],
        changes=_aggregates.ranks_of(ranked, "change"),
        errors=_aggregates.ranks_of(ranked, "error"),
        series=_aggregates.series_of(spark, joined, ranked, request.limit, periods, step),
        origins=[with_run(each) for each in _aggregates.origins_of(joined, day)],
        made_at=datetime.now(timezone.utc),
    )


def _title(table: str) -> str:
    words = table.replace("`", "").rpartition(".")[2].replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _shown_day(periods: Sequence[Period], latest: date | None, request: Request) -> date:
    """The first day with forecasts after what is known, or else the last one with forecasts."""
    days = [each.day for each in periods if each.forecasts]
    if not days:
        raise ReportEmptyError(
            f"The table `{request.forecast}` has no forecast.",
            expected="at least one row with a date",
            got="none",
            hint="score a table into it, as with lakepredict score.",
        )
    return next((day for day in days if latest is None or day > latest), days[-1])


def _errors(
    spark: SparkSession, request: Request, columns: Columns, joined: DataFrame
) -> tuple[str | None, Mapping[date, WeekError]]:
    """The table of errors and its newest errors by day; nothing where there is none, or no error in it.

    A table that nobody named, of the usual name and with other columns, is that of another forecast.
    """
    name = request.accuracy or ACCURACY
    if request.accuracy is None and not spark.catalog.tableExists(name):
        return None, {}
    table = _table(spark, name)
    if request.accuracy is None and not (table.field(columns.time) and table.field("wape")):
        return None, {}
    current = joined.where("model_name IS NOT NULL").agg(F.max_by("model_name", "scored_at")).collect()[0][0]
    try:
        errors = newest_errors(spark.table(name), table, columns.time, current)
    except ReportGrainError:
        if request.accuracy is None:
            return None, {}
        raise
    if request.accuracy is None and all(each.error is None for each in errors.values()):
        return None, {}
    return name, errors


def _with_errors(periods: Sequence[Period], errors: Mapping[date, WeekError]) -> list[Period]:
    """The periods with the errors of the table in place of those that were computed from the forecasts of today."""
    told = {each.day: each for each in periods}
    days = sorted({*told, *errors})
    nothing = WeekError()
    return [
        replace(
            told.get(day) or Period(day),
            error=(found := errors.get(day, nothing)).error,
            bias=found.bias,
            compared=found.compared,
            version=found.version,
        )
        for day in days
    ]
