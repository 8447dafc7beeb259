"""The tables of a report, as text; the page makes HTML of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakepredict.report import _words
from lakepredict.report._facts import Facts, Member, Period, frame
from lakepredict.report._summary import decimals_of

_ERRORS = 52


@dataclass(frozen=True)
class Grid:
    """A table: its first column names the row.

    Attributes:
        caption: what stands above.
        head: the names of the columns.
        rows: a text for each column.
        foot: rows that sum the others up.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    foot: Sequence[Sequence[str]] = ()


def total(facts: Facts) -> Grid:
    """All series by step, the newest first."""
    decimals, (first, _) = decimals_of(facts), frame(facts)
    rows = []
    for each in reversed([each for each in facts.periods if each.day >= first]):
        row = [each.day.isoformat(), _words.number(each.actual, decimals), _forecast(each, decimals)]
        rows.append([*row, _words.number(each.last_year, decimals)] if facts.step.seasonal else row)
    season = [facts.step.season_title] if facts.step.seasonal else []
    return Grid(
        f"All {_words.nouns(facts.key)[1]} by {facts.step.noun}, newest first",
        [_words.capital(facts.step.noun), "Actual", "Forecast", *season],
        rows,
    )


def _forecast(period: Period, decimals: int) -> str:
    if period.forecasts and period.expected is None:
        return _words.MISSING
    told = _words.number(period.expected, decimals)
    return f"{told} ({period.missing:,} {_words.MISSING})" if period.missing else told


def one(facts: Facts, member: Member) -> Grid:
    """One series by step, the newest first."""
    decimals = decimals_of(facts)
    rows = [
        [
            day.isoformat(),
            _words.number(point.actual, decimals),
            _words.number(point.forecast, decimals, _words.MISSING if point.missing else _words.NOTHING),
        ]
        for day, point in sorted(facts.series.get(member.name, {}).items(), reverse=True)
    ]
    return Grid(f"By {facts.step.noun}, newest first", [_words.capital(facts.step.noun), "Actual", "Forecast"], rows)


def members(facts: Facts) -> Grid:
    """The series with the largest forecasts, then the others together, then all."""
    decimals = decimals_of(facts)
    one, several = _words.nouns(facts.key)
    last = f"; last known: {_words.spelled(facts.latest)}" if facts.latest else ""
    head = [_words.capital(one), "Forecast", "Last known"]
    if facts.step.seasonal:
        head += [facts.step.season_title, "Change"]
    judged = any(each.error is not None for each in facts.members)
    if judged:
        head.append(f"Error, last {len(facts.recent)} forecasts" if len(facts.recent) > 1 else "Error, last forecast")
    rows = [_member(facts, each, decimals, judged) for each in facts.members]
    caption = f"Forecast for {_words.spelled(facts.day)}{last}. {_words.capital(several)} with large forecasts first."
    return Grid(caption, head, rows, _foot(facts, decimals, len(head)))


def _member(facts: Facts, member: Member, decimals: int, judged: bool) -> list[str]:
    row = [
        member.name,
        _words.number(member.expected, decimals, _words.MISSING),
        _words.number(member.latest, decimals),
    ]
    if facts.step.seasonal:
        row += [_words.number(member.last_year, decimals), _words.signed(member.change)]
    return [*row, _words.percent(member.error)] if judged else row


def _foot(facts: Facts, decimals: int, width: int) -> list[list[str]]:
    shown = [each.expected for each in facts.members if each.expected is not None]
    rows = []
    if facts.rest and facts.period.expected is not None:
        rest = facts.period.expected - sum(shown)
        rows.append([f"{facts.rest:,} others", _words.number(rest, decimals)])
    rows.append([f"All {facts.member_count:,}", _words.number(facts.period.expected, decimals, _words.MISSING)])
    return [[*row, *[""] * (width - len(row))] for row in rows]


def errors(facts: Facts) -> Grid:
    """The error of past forecasts by step, the newest first."""
    head = [_words.capital(facts.step.noun), "Error of the forecast", "Too high (+) or too low on the whole"]
    season = facts.step.seasonal
    if season:
        head.append(f"Error of {facts.step.season}")
    rows = []
    for each in reversed(facts.judged[-_ERRORS:]):
        row = [each.day.isoformat(), _words.percent(each.error), _words.signed(each.bias)]
        if season:
            row.append(_words.percent(each.baseline_error))
        rows.append([*row, f"{each.compared:,}", _words.NOTHING if each.version is None else str(each.version)])
    return Grid(f"Errors by {facts.step.noun}, newest first", [*head, "Forecasts compared", "Model version"], rows)


def changes(facts: Facts) -> Grid:
    """Who grows and who shrinks most."""
    decimals = decimals_of(facts)
    return Grid(
        f"Largest changes against {facts.step.season}",
        [_words.capital(_words.nouns(facts.key)[0]), "Forecast", facts.step.season_title, "Change"],
        [
            [each.name, _words.number(each.expected, decimals), _words.number(each.last_year, decimals),
             _words.signed(each.change)]
            for each in facts.changes.both()
        ],
    )  # fmt: skip


def member_errors(facts: Facts) -> Grid:
    """Who is forecast best and worst."""
    season = [f"Error of {facts.step.season}"] if facts.step.seasonal else []
    return Grid(
        "Least errors first",
        [_words.capital(_words.nouns(facts.key)[0]), "Error of the forecast", *season],
        [
            [each.name, _words.percent(each.error), *[_words.percent(each.baseline_error)] * len(season)]
            for each in reversed(facts.errors.both())
        ],
    )
