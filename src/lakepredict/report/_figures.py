"""The charts of a report as plotly figures; pure.

A trace says in ``meta`` what it stands for, and the page gives it the colours of its theme. Lines differ in dashes and
markers too, for those who do not tell the colours apart.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from lakepredict.report import _words
from lakepredict.report._facts import Facts, Member, Period, frame
from lakepredict.report._summary import decimals_of

PALETTES = {
    "light": {
        "page": "#ffffff",
        "panel": "#f5f6f8",
        "text": "#1b1f24",
        "muted": "#57606a",
        "line": "#d5dae1",
        "actual": "#1f5fa8",
        "forecast": "#b3500a",
        "baseline": "#6b7480",
        "up": "#1a7548",
        "down": "#b3261e",
    },
    "dark": {
        "page": "#14171b",
        "panel": "#1d2127",
        "text": "#e8eaed",
        "muted": "#a9b1bb",
        "line": "#39414b",
        "actual": "#7ab3f0",
        "forecast": "#f5a94a",
        "baseline": "#9aa3ae",
        "up": "#63cb94",
        "down": "#f28b82",
    },
}
"""What the page and its charts are coloured with; each text has a contrast of 4.5 at least to page and panel."""

_SHARES = ".2~%"
"""How ticks are written: 10%, or 0.5% where they stand close; none is rounded to its neighbour."""

_NAME = 22
"""How many characters of a name a chart shows."""

_ERRORS = 52
"""How many of the last errors are shown."""

_DAY = 24 * 60 * 60 * 1000
"""A day as plotly counts time."""

Figure = dict[str, Any]
Points = Sequence[tuple[Any, float | None]]


def total(facts: Facts) -> Figure:
    """What was and what was forecast, all series together."""
    first, last = frame(facts)
    shown = [each for each in facts.periods if first <= each.day <= last]
    return lines(
        [(each.day.isoformat(), each.actual) for each in shown],
        [(each.day.isoformat(), each.expected) for each in shown],
        decimals_of(facts),
    )


def lines(actual: Points, forecast: Points, decimals: int) -> Figure:
    """One series: what was as a line, forecasts as a dashed line with markers."""
    figure = go.Figure(
        [
            _line("actual", "Actual", actual, decimals),
            _line("forecast", "Forecast", forecast, decimals, dash="dot", markers=True),
        ]
    )
    figure.update_xaxes(type="date", hoverformat="%-d %B %Y")
    figure.update_yaxes(exponentformat="B", hoverformat=f",.{decimals}f")
    return _plain(figure)


def errors(facts: Facts) -> Figure:
    """The error of past forecasts by step, beside that of the season before."""
    shown = facts.judged[-_ERRORS:]
    days = [each.day.isoformat() for each in shown]
    bars = go.Bar(
        x=days,
        y=[each.error for each in shown],
        name="Forecast",
        meta="forecast",
        hovertemplate="%{y:.1%}",
        customdata=[each.version for each in shown],
    )
    baseline = _line(
        "baseline",
        facts.step.season_title,
        [(each.day.isoformat(), each.baseline_error) for each in shown],
        1,
        dash="dash",
        markers=True,
    )
    baseline.update(hovertemplate="%{y:.1%}")
    figure = go.Figure([bars, baseline] if facts.step.seasonal else [bars])
    figure.update_xaxes(type="date", hoverformat="%-d %B %Y", tickformat="%-d %b<br>%Y", **_ticks(facts, shown))
    figure.update_yaxes(tickformat=_SHARES, rangemode="tozero")
    return _plain(figure)


def _ticks(facts: Facts, shown: Sequence[Period]) -> dict[str, Any]:
    """Ticks under bars: at each step, or at each so many that six fit."""
    apart = {"week": 7, "day": 1}.get(facts.step.noun)
    if apart is None or not shown:
        return {}
    days = (shown[-1].day - shown[0].day).days
    return {"tick0": shown[0].day.isoformat(), "dtick": _DAY * apart * max(1, -(-days // (apart * 6)))}


def changes(facts: Facts) -> Figure:
    """Who grows and who shrinks most against the season before."""
    shown = facts.changes.both()[::-1]
    bars = _bars(_labels(shown, [_words.signed(each.change) for each in shown]), [each.change for each in shown])
    bars.update(meta=["up" if (each.change or 0) >= 0 else "down" for each in shown])
    return _ranked(go.Figure([bars]), len(shown))


def member_errors(facts: Facts) -> Figure:
    """Who is forecast best and worst."""
    shown = facts.errors.both()
    labels = _labels(shown, [_words.percent(each.error) for each in shown])
    bars = _bars(labels, [each.error for each in shown])
    bars.update(meta="forecast", name="Forecast")
    traces: list[Any] = [bars]
    if any(each.baseline_error is not None for each in shown):
        traces.append(
            go.Scatter(
                y=labels,
                x=[each.baseline_error for each in shown],
                mode="markers",
                name=facts.step.season_title,
                meta="baseline",
                marker={"symbol": "diamond", "size": 9},
                hovertemplate="%{x:.1%}",
            )
        )
    return _ranked(go.Figure(traces), len(shown), legend=len(traces) > 1)


def _line(
    role: str, name: str, points: Points, decimals: int, dash: str = "solid", markers: bool = False
) -> go.Scatter:
    return go.Scatter(
        x=[day for day, _ in points],
        y=[None if value is None else round(value, decimals + 4) for _, value in points],
        name=name,
        meta=role,
        mode="lines+markers" if markers else "lines",
        line={"dash": dash, "width": 2},
        marker={"size": 6, "symbol": "diamond"} if markers else None,
        connectgaps=False,
    )


def _bars(labels: Sequence[str], values: Sequence[float | None]) -> go.Bar:
    return go.Bar(y=labels, x=list(values), orientation="h", hovertemplate="%{x:.1%}<extra></extra>")


def _labels(members: Sequence[Member], values: Sequence[str]) -> list[str]:
    """A name that fits and its value, each once; plotly reads HTML in them, so names are escaped."""
    labels: dict[str, str] = {}
    for each, value in zip(members, values, strict=True):
        label = f"{html.escape(_words.cut(each.name, _NAME), quote=False)}  <b>{value}</b>"
        while label in labels.values():
            label += "\N{ZERO WIDTH SPACE}"
        labels[each.name] = label
    return list(labels.values())


def _ranked(figure: go.Figure, bars: int, legend: bool = False) -> Figure:
    figure.update_xaxes(tickformat=_SHARES, zeroline=True)
    figure.update_yaxes(type="category", automargin=True, ticksuffix=" ")
    plain = _plain(figure, legend=legend)
    plain["layout"]["height"] = 120 + 28 * bars
    plain["layout"]["hovermode"] = "closest"
    return plain


def _plain(figure: go.Figure, legend: bool = True) -> Figure:
    """A figure as JSON has it, without what readers could move by accident."""
    figure.update_layout(
        template=None,
        height=340,
        margin={"l": 8, "r": 12, "t": 36 if legend else 8, "b": 8},
        hovermode="x unified",
        dragmode=False,
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"},
        bargap=0.35,
    )
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
    plain: Figure = figure.to_plotly_json()
    return {"data": plain["data"], "layout": plain["layout"]}
