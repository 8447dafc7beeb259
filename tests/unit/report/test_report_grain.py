"""Tables that a report by date may compare, and those it refuses; the check of its totals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import types as T

from lakepredict.errors import ReportGrainError, ReportTotalsError
from lakepredict.report._facts import Period
from lakepredict.report._grain import Times, require_comparable
from lakepredict.report._totals import Totals, require_equal, totals_of_page

FIRST = date(2024, 6, 28)
DATE, INSTANT, CLOCK = T.DateType(), T.TimestampType(), T.TimestampNTZType()


def days(*, every: int, number: int, first: date = FIRST) -> list[date]:
    return [first + timedelta(days=every * at) for at in range(number)]


WEEKS = days(every=7, number=20)
DAYS = days(every=1, number=100)
MONTHS = [date(2023 + at // 12, at % 12 + 1, 1) for at in range(30)]
MONTH_ENDS = [day - timedelta(days=1) for day in MONTHS]
HOURS = {"most": 24, "example": "7 on 2024-06-28"}


def forecast(on: Sequence[date], spark_type: T.DataType = DATE, **others: Any) -> Times:
    return Times("made", "at", spark_type, "guess", ["shop", "scored_at"], on, **others)


def history(on: Sequence[date], spark_type: T.DataType = DATE, **others: Any) -> Times:
    return Times("happened", "at", spark_type, "sold", ["shop"], on, **others)


@pytest.mark.parametrize(
    ("made", "happened"),
    [
        (forecast(WEEKS), history(WEEKS)),
        (forecast(WEEKS[-1:]), history(WEEKS)),
        (forecast([WEEKS[0], WEEKS[2]]), history(WEEKS)),
        (forecast(MONTHS), history(MONTHS)),
        (forecast(MONTH_ENDS), history(MONTH_ENDS)),
        (forecast(DAYS), history([day for day in DAYS if day.weekday() < 5])),
        (forecast(DAYS), history(DAYS, INSTANT, **HOURS)),
        (forecast(DAYS, INSTANT), history(DAYS)),
        (forecast(DAYS, INSTANT, midnight=False), history(DAYS, INSTANT, midnight=False)),
        (forecast(DAYS, CLOCK, midnight=False), history(DAYS)),
        (forecast([]), history(DAYS)),
        (forecast(DAYS), history([])),
    ],
    ids=[
        "weeks", "next_week", "a_week_left_out", "months", "month_ends", "workdays", "times_of_dates", "midnights",
        "evenings", "clock", "nothing_made", "nothing_happened",
    ],
)  # fmt: skip
def test_tables_of_one_grain(made: Times, happened: Times) -> None:
    """Dates that are equally far apart, and times that stand for dates without a doubt, are compared."""
    require_comparable(made, happened)


@pytest.mark.parametrize(
    ("made", "happened"),
    [
        (forecast(DAYS, INSTANT, **HOURS), history(DAYS, INSTANT, **HOURS)),
        (forecast(DAYS, INSTANT, **HOURS), history(DAYS)),
        (forecast(DAYS[:1], INSTANT), history(DAYS, INSTANT, **HOURS)),
        (forecast(DAYS, INSTANT, midnight=False), history(DAYS)),
        (forecast(DAYS, CLOCK), history(DAYS, INSTANT, midnight=False)),
        (forecast(DAYS, INSTANT), history(DAYS, INSTANT, midnight=False)),
        (forecast(WEEKS), history(DAYS)),
        (forecast(WEEKS[:2]), history(DAYS)),
        (forecast(DAYS), history(WEEKS)),
        (forecast(MONTHS), history(days(every=7, number=120, first=MONTHS[0]))),
        (forecast(MONTHS), history(MONTH_ENDS)),
    ],
    ids=[
        "hours", "hours_of_dates", "one_hour", "other_zone", "other_zone_of_history", "two_zones", "weeks_of_days",
        "two_weeks_of_days", "days_of_weeks", "months_of_weeks", "first_and_last_of_month",
    ],
)  # fmt: skip
def test_tables_of_two_grains(
    made: Times, happened: Times, golden: Callable[[str, str], None], request: pytest.FixtureRequest
) -> None:
    """Tables whose rows are not for the same span of time are refused, with what to do."""
    with pytest.raises(ReportGrainError) as caught:
        require_comparable(made, happened)

    golden(f"report/grain_{request.node.callspec.id}.txt", str(caught.value))


PERIODS = [
    Period(FIRST, forecasts=2, expected=10.5, actual=9.5, history_rows=3),
    Period(FIRST + timedelta(days=7), forecasts=1, expected=None, actual=None, history_rows=1),
    Period(FIRST + timedelta(days=14), forecasts=1, expected=-4.0, actual=None),
]
TOTALS = Totals(forecasts=4, forecast=6.5, history=4, actual=9.5, forecast_size=14.5, actual_size=9.5)


def test_page_that_adds_up() -> None:
    """Sums that differ by the order of adding up alone are equal."""
    require_equal(TOTALS, totals_of_page(PERIODS))
    require_equal(replace(TOTALS, forecast=6.5 + 1e-12), totals_of_page(PERIODS))


@pytest.mark.parametrize(
    "other", [{"forecasts": 5}, {"history": 5}, {"forecast": 6.6}, {"actual": 9.4}, {"actual": float("inf")}]
)
def test_page_that_does_not_add_up(other: dict[str, Any]) -> None:
    """A page with one row or one sum more or less than its tables is refused."""
    with pytest.raises(ReportTotalsError):
        require_equal(replace(TOTALS, **other), totals_of_page(PERIODS))


def test_text_of_totals(golden: Callable[[str, str], None]) -> None:
    """The error has both totals."""
    with pytest.raises(ReportTotalsError) as caught:
        require_equal(replace(TOTALS, history=1234, actual=5678.25), totals_of_page(PERIODS))

    golden("report/totals.txt", str(caught.value))
