"""What the page's template fills in: titles, notes, figures and tables of each part. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any

from lakepredict.report import _figures, _summary, _tables, _words
from lakepredict.report._facts import Facts, Member, Origin, Point, frame, mean

View = dict[str, Any]


def view(facts: Facts) -> View:
    """All that the template shows, but for the scripts and the styles."""
    return {
        "title": facts.title,
        "subtitle": _subtitle(facts),
        "sentences": _summary.sentences(facts),
        "cards": _cards(facts),
        "parts": _parts(facts),
        "total": _total(facts),
        "store": _store(facts),
        "all": _all(facts),
        "ranks": _ranks(facts),
        "ranks_title": f"Best and worst {_words.nouns(facts.key)[1]}",
        "errors": _errors(facts),
        "origins": [_origin(facts, each) for each in facts.origins],
        "missing": _words.MISSING,
        "footer": f"Made on {_words.moment(facts.made_at)} from the tables {_tables_read(facts)}.{_left_out(facts)}",
    }


def _left_out(facts: Facts) -> str:
    """Return what of the tables is not in the page, as a sentence that follows another; or nothing."""
    undated_forecasts, undated_history = facts.undated
    parts = []
    if facts.replaced:
        parts.append(f"{_words.count(facts.replaced, 'forecast', 'forecasts')} that a later one replaces")
    if undated_forecasts:
        parts.append(f"{_words.count(undated_forecasts, 'forecast', 'forecasts')} without a date")
    if undated_history:
        parts.append(f"{_words.count(undated_history, 'actual value', 'actual values')} without a date")
    return f" Left out: {', '.join(parts)}." if parts else ""


def _tables_read(facts: Facts) -> str:
    names = [facts.forecast_table, facts.history_table, *([facts.accuracy_table] if facts.accuracy_table else [])]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _subtitle(facts: Facts) -> str:
    measure, (one, several) = _words.capital(_words.spaced(facts.measure)), _words.nouns(facts.key)
    known = f"; known up to {_words.spelled(facts.latest)}" if facts.latest else ""
    return f"{measure} of {_words.count(facts.member_count, one, several)} by {facts.step.noun}{known}."


def _parts(facts: Facts) -> list[tuple[str, str]]:
    one, several = _words.nouns(facts.key)
    ranks = [("ranks", "Best and worst")] if _has_ranks(facts) else []
    return [
        ("total", f"All {several}"),
        ("one", f"Each {one}"),
        ("all", f"Forecast by {one}"),
        *ranks,
        ("errors", "Past errors"),
        ("origin", "Model"),
    ]


def _cards(facts: Facts) -> list[tuple[str, str, str]]:
    """Name, value, and a note under it."""
    period, decimals = facts.period, _summary.decimals_of(facts)
    noted = f"{period.missing:,} of {period.forecasts:,} missing" if period.missing else ""
    cards = [(f"Forecast, {_words.spelled(facts.day)}", _words.short(period.expected, decimals), noted)]
    if facts.step.seasonal:
        before = _words.short(period.paired_last_year, decimals)
        cards.append((f"Against {facts.step.season}", _words.signed(period.change), f"then {before}"))
    recent = facts.recent
    error = mean([each.error for each in recent if each.error is not None])
    last = f"last {len(recent)} forecasts" if len(recent) > 1 else "last forecast" if recent else "no past forecast yet"
    cards.append(("Error of the model", _words.percent(error), last))
    if facts.step.seasonal:
        cards.append((f"Error of {facts.step.season}", _words.percent(_summary.baseline_error(recent)), "the baseline"))
    return cards


def _total(facts: Facts) -> View:
    first, last = frame(facts)
    several = _words.nouns(facts.key)[1]
    return {
        "title": f"All {several}",
        "note": f"The sum of {_words.spaced(facts.measure)} by {facts.step.noun}, and of the forecasts where there are"
        f" any. {_words.spelled(first)} to {_words.spelled(last)}.",
        "figure": "total",
        "described": f"Line chart of the sum over all {several}, {_words.spelled(first)} to {_words.spelled(last)}:"
        f" actual values as a line, forecasts as a dotted line with markers. {_summary.sentences(facts)[0]}",
        "table": _tables.total(facts),
    }


def _store(facts: Facts) -> View:
    one = _words.nouns(facts.key)[0]
    first = facts.members[0]
    return {
        "title": title(facts, first),
        "label": f"Choose a {one}" if one[0] not in "aeiou" else f"Choose an {one}",
        "names": [each.name for each in facts.members],
        "told": told(facts, first),
        "figure": "store",
        "described": described(facts, first),
        "table": _tables.one(facts, first),
    }


def title(facts: Facts, member: Member) -> str:
    """One series as a heading."""
    return _words.capital(_words.called(_words.nouns(facts.key)[0], member.name))


def told(facts: Facts, member: Member) -> str:
    """One series in a sentence."""
    decimals = _summary.decimals_of(facts)
    name = f"{title(facts, member)}, {_words.spelled(facts.day)}"
    if member.expected is None:
        text = f"{name}: the forecast is missing, because the model gave no value."
    elif member.change is None:
        text = f"{name}: {_words.long(member.expected, decimals)} expected."
    else:
        expected = _words.long(member.expected, decimals)
        text = f"{name}: {expected} expected, {_words.more(member.change)} {facts.step.season}."
    if member.error is None:
        return text
    step, judged = facts.step, len(facts.recent)
    last = f"last {step.noun}" if judged == 1 else f"last {judged} {step.nouns}"
    return f"{text} Forecasts of the {last} were off by {_words.percent(member.error)}."


def described(facts: Facts, member: Member) -> str:
    """The chart of one series for those who do not see it."""
    return f"Line chart of actual values and forecasts by {facts.step.noun}. {told(facts, member)}"


def _all(facts: Facts) -> View:
    one, several = _words.nouns(facts.key)
    note = ""
    if facts.rest:
        note = (
            f"The {len(facts.members):,} {several} with the largest forecasts; {facts.rest:,} others are in the sums,"
            " and among the best and worst below."
        )
    return {"title": f"Forecast by {one}", "note": note, "table": _tables.members(facts)}


def _has_ranks(facts: Facts) -> bool:
    return len(facts.changes.both()) > 1 or len(facts.errors.both()) > 1


def _ranks(facts: Facts) -> list[View]:
    several = _words.nouns(facts.key)[1]
    ranks = []
    if len(facts.changes.both()) > 1:
        ranks.append(
            {
                "title": "Growing and shrinking most",
                "note": f"Forecast for {_words.spelled(facts.day)} against {facts.step.season}.",
                "figure": "changes",
                "described": f"Bar chart of the {several} that change most: {_listed_changes(facts)}.",
                "table": _tables.changes(facts),
            }
        )
    if len(facts.errors.both()) > 1:
        ranks.append(
            {
                "title": "Forecast best and worst",
                "note": f"Errors of the last forecasts, as shares of {_words.spaced(facts.measure)}, least first.",
                "figure": "member_errors",
                "described": f"Bar chart of the {several} with the least and the largest errors: "
                + ", ".join(f"{each.name} {_words.percent(each.error)}" for each in reversed(facts.errors.both()))
                + ".",
                "table": _tables.member_errors(facts),
            }
        )
    return ranks


def _listed_changes(facts: Facts) -> str:
    return ", ".join(f"{each.name} {_words.signed(each.change)}" for each in facts.changes.both())


def _errors(facts: Facts) -> View:
    if not facts.judged:
        return {"notes": [_summary.not_judged(facts)], "figure": None}
    several, measure = _words.nouns(facts.key)[1], _words.spaced(facts.measure)
    notes = [
        f"The error of a {facts.step.noun} is what the forecasts of all {several} were off by, up or down, as a share"
        f" of actual {measure} (WAPE): 5% is 5 off for each 100. Errors of single {several} do not cancel each other"
        " out."
    ]
    if facts.step.seasonal:
        notes.append(f"The baseline takes {facts.step.season} for the forecast.")
    shown = facts.recent
    return {
        "notes": notes,
        "figure": "errors",
        "described": f"Bar chart of the error by {facts.step.noun}: "
        + ", ".join(f"{_words.spelled(each.day)} {_words.percent(each.error)}" for each in shown)
        + ".",
        "table": _tables.errors(facts),
    }


def _origin(facts: Facts, origin: Origin) -> list[tuple[str, str]]:
    """Name and value of what is known about a model version."""
    several = _words.nouns(facts.key)
    known: list[tuple[str, str | None]] = [
        ("Model", origin.name and f"{origin.name}, version {origin.version}"),
        ("Forecasts", f"{_words.count(origin.forecasts, *several)} for {_words.spelled(facts.day)}"),
        ("Scored", _words.moment(origin.scored_at) if origin.scored_at else None),
        ("Trained", _words.moment(origin.trained_at) if origin.trained_at else None),
        (
            "Run of MLflow",
            origin.run_id and (f"{origin.run_name} ({origin.run_id})" if origin.run_name else origin.run_id),
        ),
        ("Scored table, version", None if origin.input_version is None else str(origin.input_version)),
        ("When trained", _summary.holdout_sentence(origin, facts) if "wape" in origin.metrics else None),
        ("RMSE, MAE then", _metrics(facts, origin)),
        ("Errors from", facts.accuracy_table or f"{facts.forecast_table}, compared with {facts.history_table}"),
    ]
    return [(name, value) for name, value in known if value]


def _metrics(facts: Facts, origin: Origin) -> str | None:
    both = [origin.metrics[name] for name in ("rmse", "mae") if name in origin.metrics]
    return ", ".join(_words.number(each, _words.decimals_for(both)) for each in both) or None


def data(facts: Facts) -> View:
    """What the page's script draws, as JSON has it."""
    first, last = frame(facts)
    days = sorted({day for each in facts.series.values() for day in each if first <= day <= last})
    decimals = _summary.decimals_of(facts)
    figures: dict[str, Any] = {
        "total": _figures.total(facts),
        "store": _figures.lines([], [], decimals),
        "errors": _figures.errors(facts),
        "changes": _figures.changes(facts),
        "member_errors": _figures.member_errors(facts),
    }
    return {
        "palettes": _figures.PALETTES,
        "figures": figures,
        "decimals": decimals,
        "missing": _words.MISSING,
        "nothing": _words.NOTHING,
        "days": [each.isoformat() for each in days],
        "members": [_drawn(facts, each, days, decimals) for each in facts.members],
    }


def _drawn(facts: Facts, member: Member, days: list[date], decimals: int) -> View:
    values = facts.series.get(member.name, {})
    points = [values.get(day, Point()) for day in days]
    return {
        "title": title(facts, member),
        "told": told(facts, member),
        "described": described(facts, member),
        "actual": [_rounded(each.actual, decimals) for each in points],
        "forecast": [_rounded(each.forecast, decimals) for each in points],
        "missing": [at for at, each in enumerate(points) if each.missing],
    }


def _rounded(value: float | None, decimals: int) -> float | int | None:
    if value is None:
        return None
    return round(value, decimals) if decimals else round(value)
