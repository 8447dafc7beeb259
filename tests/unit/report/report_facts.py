"""The facts of a report on made-up stores, for tests that need no tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from lakepredict.report import _facts
from lakepredict.report._facts import Facts, Member, Origin, Period, Point, Ranks

NEXT = date(2025, 10, 31)
ORIGIN = Origin(
    "sales_forecast",
    3,
    forecasts=4,
    scored_at=datetime(2025, 10, 27, 6, 0, tzinfo=timezone.utc),
    run_id="0c1f6b3e9a474c7f8d0e5b7a2c94d118",
    input_version=7,
    run_name="boosting",
    trained_at=datetime(2025, 10, 26, 4, 30, tzinfo=timezone.utc),
    holdout="8",
    metrics={"wape": 0.034, "rmse": 48789.0, "mae": 31155.0},
)


def facts(names: Sequence[str] = ("1", "2", "3", "4"), *, weeks: int = 60, judged: int = 8, **others: Any) -> Facts:
    """Facts of some stores: a history of so many weeks, forecasts of the last of them and of the next one."""
    days = [NEXT - timedelta(days=7 * (weeks - at)) for at in range(weeks)]
    members = [
        Member(
            name,
            expected=1e6 / (at + 1) + 1000,
            last_year=1e6 / (at + 1) - at,
            latest=1e6 / (at + 1) + 500,
            error=0.02 + at * 1e-4 if judged else None,
            baseline_error=0.05,
        )
        for at, name in enumerate(names)
    ]
    series = {
        each.name: {
            **{
                day: Point((each.latest or 0) + at, (each.latest or 0) + 2 * at if at >= weeks - judged else None)
                for at, day in enumerate(days)
            },
            NEXT: Point(forecast=each.expected),
        }
        for each in members
    }
    periods = [_period(day, [each[day] for each in series.values()]) for day in [*days, NEXT]]
    told = {
        "title": "Sales forecast",
        "forecast_table": "sales_forecast",
        "history_table": "weekly_sales",
        "accuracy_table": None,
        "key": ("store",),
        "measure": "weekly_sales",
        "step": _facts.WEEK,
        "day": NEXT,
        "latest": days[-1],
        "periods": periods,
        "members": members,
        "member_count": len(members),
        "changes": ranks(members, lambda each: each.change or 0),
        "errors": ranks(members, lambda each: each.error or 0),
        "series": series,
        "origins": [ORIGIN],
        "made_at": datetime(2025, 10, 27, 7, 5, tzinfo=timezone.utc),
    }
    return Facts(**{**told, **others})


def ranks(members: Sequence[Member], value: Any) -> Ranks:
    """Both ends of an order."""
    order = sorted(members, key=value, reverse=True)
    return Ranks(order[: _facts.RANKED], order[max(_facts.RANKED, len(order) - _facts.RANKED) :])


def _period(day: date, points: Sequence[Point]) -> Period:
    actual = [each.actual for each in points if each.actual is not None]
    forecast = [each.forecast for each in points if each.forecast is not None]
    total = sum(actual)
    return Period(
        day,
        forecasts=len(forecast),
        expected=sum(forecast) if forecast else None,
        actual=total if actual else None,
        last_year=1e6,
        paired=len(forecast),
        paired_expected=sum(forecast) if forecast else None,
        paired_last_year=sum(forecast) / 1.021 if forecast else None,
        compared=len(forecast) if actual else 0,
        error=0.031 if forecast and actual else None,
        bias=-0.004 if forecast and actual else None,
        baseline_error=0.05 if actual else None,
        version=3 if forecast else None,
    )
