"""What a report says in sentences; pure."""

from __future__ import annotations

from collections.abc import Iterator

from lakepredict.report import _words
from lakepredict.report._facts import Facts, Origin, Period, mean, next_day


def sentences(facts: Facts) -> list[str]:
    """The summary, the most important first."""
    return [*_expected(facts), *_missing(facts), *_accuracy(facts), *_ends(facts)]


def step_title(facts: Facts) -> str:
    """The step that the report is about: ``Next week, 31 October 2025``."""
    if facts.latest is not None and facts.day == next_day(facts.latest, facts.step):
        return f"Next {facts.step.noun}, {_words.spelled(facts.day)}"
    return f"{facts.step.noun.capitalize()} of {_words.spelled(facts.day)}"


def _expected(facts: Facts) -> Iterator[str]:
    period, decimals = facts.period, decimals_of(facts)
    if period.expected is None:
        yield f"{step_title(facts)}: there is no forecast; the model gave no value."
        return
    told = f"{step_title(facts)}: {_words.long(period.expected, decimals)} expected"
    if period.change is None:
        yield f"{told}. {_no_season(facts)}"
    else:
        yield f"{told}, {_words.more(period.change)} {facts.step.season}{_paired(facts)}."
    if not facts.ahead and period.actual is not None:
        actual = _words.long(period.actual, decimals)
        yield f"Known by now for that {facts.step.noun}: {actual}. There is no forecast of a later {facts.step.noun}."


def _no_season(facts: Facts) -> str:
    if not facts.step.seasonal:
        return "The dates are not a week, a day or a month apart, so there is no same time last year."
    return f"There is nothing to compare it with: the history does not have {facts.step.season}."


def _paired(facts: Facts) -> str:
    """Which series a comparison is of, where it is not all of those in the total."""
    period = facts.period
    if period.paired == period.forecasts - period.missing:
        return ""
    one, several = _words.nouns(facts.key)
    return f" ({_words.count(period.paired, one, several)} compared, which have both)"


def _missing(facts: Facts) -> Iterator[str]:
    period = facts.period
    if period.missing and period.expected is not None:
        one, several = _words.nouns(facts.key)
        has = "has" if period.missing == 1 else "have"
        yield (
            f"{period.missing:,} of {_words.count(period.forecasts, one, several)} {has} no forecast, because the model"
            " gave no value; the total is without them."
        )


def _accuracy(facts: Facts) -> Iterator[str]:
    recent = facts.recent
    error = mean([each.error for each in recent if each.error is not None])
    if error is None:
        yield not_judged(facts)
        return
    last = "The last forecast was" if len(recent) == 1 else f"The last {len(recent)} forecasts were"
    usual = "" if len(recent) == 1 else " on average"
    told = f"{last} off by {_words.percent(error)}{usual}"
    baseline = baseline_error(recent)
    if baseline is None:
        yield f"{told}."
    else:
        season = f"{facts.step.season} would have been off by {_words.percent(baseline)}"
        yield f"{told}; {season}{_verdict(error, baseline)}."


def baseline_error(recent: list[Period]) -> float | None:
    """The mean error of the baseline, if it has one in each of the steps."""
    known = [each.baseline_error for each in recent if each.baseline_error is not None]
    return mean(known) if len(known) == len(recent) else None


def _verdict(error: float, baseline: float) -> str:
    if baseline == 0:
        return ""
    less = 1 - error / baseline
    if round(100 * less) == 0:
        return ", which is the same"
    if less < 0:
        return ", which is better than the model"
    return f", so the model's error is {100 * less:.0f}% smaller"


def not_judged(facts: Facts) -> str:
    """What is said where no past forecast has come true or not."""
    told = f"No past forecast can be compared with actual {_words.spaced(facts.measure)} yet."
    held_out = next((each for each in facts.origins if "wape" in each.metrics), None)
    if held_out is None:
        return told
    return f"{told} {holdout_sentence(held_out, facts)}"


def holdout_sentence(origin: Origin, facts: Facts) -> str:
    """How good the model was where it was compared with others."""
    span = f" the {origin.holdout} {facts.step.nouns} of" if origin.holdout else ""
    return (
        f"On{span} the history that were held back when it was trained, the model was off by"
        f" {_words.percent(origin.metrics['wape'])}."
    )


def _ends(facts: Facts) -> Iterator[str]:
    """Who grows and who shrinks most."""
    both = facts.changes.both()
    if len(both) < 2:
        return
    one, _ = _words.nouns(facts.key)
    most, least = both[0], both[-1]
    up = "grow most" if (most.change or 0) > 0 else "shrink least"
    down = "shrink most" if (least.change or 0) < 0 else "grow least"
    yield (
        f"Against {facts.step.season}, {_words.called(one, most.name)} is expected to {up}"
        f" ({_words.signed(most.change)}), {_words.called(one, least.name)} to {down} ({_words.signed(least.change)})."
    )


def decimals_of(facts: Facts) -> int:
    """The decimals that the report writes its numbers with."""
    values = [*(each.expected for each in facts.members), *(each.latest for each in facts.members)]
    return _words.decimals_for(values or [facts.period.expected])
