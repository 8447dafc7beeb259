"""What a report tells, as plain values; read from tables by ``_read``, shown by the other modules. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

RECENT = 8
"""How many of the last past forecasts the error is averaged over."""

RANKED = 5
"""How many of the best, and of the worst, are shown."""


@dataclass(frozen=True)
class Step:
    """The time from one row of a series to the next.

    Attributes:
        noun, nouns: what a step is called: one, and several.
        shown: how many steps of history a report shows at most.
        season: what the baseline takes as the forecast, in words.
        season_days, season_months: how long before; both 0 where there is no baseline.
    """

    noun: str
    nouns: str
    shown: int
    season: str = ""
    season_days: int = 0
    season_months: int = 0

    @property
    def season_title(self) -> str:
        """The same, as a column or a legend is called."""
        title = self.season.removeprefix("the ")
        return title[:1].upper() + title[1:]

    @property
    def seasonal(self) -> bool:
        """Whether there is a baseline."""
        return bool(self.season)


WEEK = Step("week", "weeks", 106, "the same week last year", season_days=364)
DAY = Step("day", "days", 400, "the same weekday last year", season_days=364)
MONTH = Step("month", "months", 60, "the same month last year", season_months=12)
OTHER = Step("period", "periods", 106)


def usual_gap(days: Sequence[date]) -> int | None:
    """Return the most common number of days between dates that come in order, or None of fewer than two."""
    gaps = Counter((after - before).days for before, after in pairwise(days))
    return gaps.most_common(1)[0][0] if gaps else None


def step_of(days: Sequence[date]) -> Step:
    """Return the step of a series by the most common distance between its dates, which come in order."""
    gap = usual_gap(days)
    if gap is None:
        return WEEK
    return {7: WEEK, 1: DAY, **dict.fromkeys(range(28, 32), MONTH)}.get(gap, OTHER)


@dataclass(frozen=True)
class Period:
    """All series in one step of time.

    Attributes:
        day: the date that the step is named by.
        forecasts: how many series have a forecast, also one that is missing.
        missing: how many of them are NULL.
        expected: the sum of the forecasts, or None.
        actual: the sum of what was, or None where it is not known yet.
        last_year: the sum of what was a season before, or None.
        paired, paired_expected, paired_last_year: the series that have a forecast and a value a season before, and
            both sums over those alone.
        compared: how many forecasts have an actual value.
        error: what they were off by, as a share of what was (WAPE), or None.
        bias: by how much their sum was too high, as a share of what was, or None.
        baseline_error: the WAPE of the value a season before, for the series with a forecast if there are any.
        version: the model version that the error is of, or None where it is not known.
        history_rows: how many rows of the history the sum of what was is of.
    """

    day: date
    forecasts: int = 0
    missing: int = 0
    expected: float | None = None
    actual: float | None = None
    last_year: float | None = None
    paired: int = 0
    paired_expected: float | None = None
    paired_last_year: float | None = None
    compared: int = 0
    error: float | None = None
    bias: float | None = None
    baseline_error: float | None = None
    version: int | None = None
    history_rows: int = 0

    @property
    def change(self) -> float | None:
        """The forecast against the season before, over the series that have both."""
        return change(self.paired_expected, self.paired_last_year)


class Point(NamedTuple):
    """One series at one date: what was, the forecast, and whether there is one that is NULL."""

    actual: float | None = None
    forecast: float | None = None
    missing: bool = False


@dataclass(frozen=True)
class Member:
    """One series, as a store.

    Attributes:
        name: what it is called.
        expected: its forecast for the step that the report is about, or None where it is missing.
        last_year: what was a season before that, or None.
        latest: what was in the last step that is known.
        error: the WAPE of its last forecasts, or None.
        baseline_error: the WAPE of the season before, in the same steps.
    """

    name: str
    expected: float | None = None
    last_year: float | None = None
    latest: float | None = None
    error: float | None = None
    baseline_error: float | None = None

    @property
    def change(self) -> float | None:
        """Its forecast against the season before."""
        return change(self.expected, self.last_year)


@dataclass(frozen=True)
class Origin:
    """A model version that forecast the step that the report is about.

    Attributes:
        name, version: the registered model.
        forecasts: how many of the forecasts are its.
        scored_at: when, in UTC.
        run_id: the run of MLflow that made it.
        input_version: the version of the table that was scored.
        run_name: the run's name, or None where MLflow does not have it.
        trained_at: when the run began, in UTC.
        holdout: how many steps were held out, as the run says it.
        metrics: ``wape``, ``rmse`` and ``mae`` of the run.
    """

    name: str | None
    version: int | None
    forecasts: int
    scored_at: datetime | None = None
    run_id: str | None = None
    input_version: int | None = None
    run_name: str | None = None
    trained_at: datetime | None = None
    holdout: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranks:
    """The ends of an order of all series: the highest first; and as many of the lowest, the lowest last."""

    high: Sequence[Member] = ()
    low: Sequence[Member] = ()

    def both(self) -> list[Member]:
        """Each once, the highest first."""
        return list({each.name: each for each in (*self.high, *self.low)}.values())


@dataclass(frozen=True)
class Facts:
    """Everything that a report tells.

    Attributes:
        title: what stands above.
        forecast_table, history_table: where it was read.
        accuracy_table: the table that the errors are from; None where they were computed from the other two.
        key: the columns that tell series apart.
        measure: the column with the actual values.
        step: the time between two rows of a series.
        day: the step that the report is about: the first without actual values, else the last with a forecast.
        latest: the last step with actual values, or None.
        periods: all series by step, in order.
        members: the series with the largest forecasts, largest first.
        member_count: how many series have a forecast for the step, also a missing one.
        changes: the series that grow most, and those that shrink most.
        errors: the series with the largest errors, and those with the least.
        series: by name of a member, its points by day.
        origins: the model versions of the step's forecasts.
        made_at: when the report was made, in UTC.
        replaced: how many forecasts are left out, because the same key and date was scored again.
        undated: how many forecasts, and how many rows of the history, are left out, because they have no date.
    """

    title: str
    forecast_table: str
    history_table: str
    accuracy_table: str | None
    key: tuple[str, ...]
    measure: str
    step: Step
    day: date
    latest: date | None
    periods: Sequence[Period]
    members: Sequence[Member]
    member_count: int
    changes: Ranks
    errors: Ranks
    series: Mapping[str, Mapping[date, Point]]
    origins: Sequence[Origin]
    made_at: datetime
    replaced: int = 0
    undated: tuple[int, int] = (0, 0)

    @property
    def period(self) -> Period:
        """The step that the report is about."""
        return next(each for each in self.periods if each.day == self.day)

    @property
    def ahead(self) -> bool:
        """Whether what was is not known yet in the step that the report is about."""
        return self.latest is None or self.day > self.latest

    @property
    def judged(self) -> list[Period]:
        """The steps whose forecasts have an error, in order."""
        return [each for each in self.periods if each.error is not None]

    @property
    def recent(self) -> list[Period]:
        """The last of those."""
        return self.judged[-RECENT:]

    @property
    def rest(self) -> int:
        """How many series are not shown one by one."""
        return self.member_count - len(self.members)


def change(now: float | None, before: float | None) -> float | None:
    """By what share a value is above another, or None where that means nothing."""
    if now is None or before is None or before <= 0:
        return None
    return now / before - 1


def mean(values: Sequence[float]) -> float | None:
    """The mean of some values, or None of none."""
    return sum(values) / len(values) if values else None


def ratio(part: float | None, whole: float | None) -> float | None:
    """A share, or None where that means nothing."""
    return part / whole if part is not None and whole else None


def next_day(day: date, step: Step) -> date:
    """The date one step on; for months, that of the same day."""
    if step == MONTH:
        first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        return first.replace(day=min(day.day, 28))
    return day + timedelta(days=7 if step == WEEK else 1)


def frame(facts: Facts) -> tuple[date, date]:
    """The first and the last date that charts show: the last steps of history, and all forecasts ahead."""
    known = [each.day for each in facts.periods if each.actual is not None] or [facts.day]
    return known[-facts.step.shown :][0], facts.periods[-1].day
