"""What a report says in sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from report_facts import NEXT, ORIGIN, facts

from lakepredict.report import _facts, _summary
from lakepredict.report._facts import Facts, Ranks, step_of


def with_period(told: Facts, **changes: object) -> Facts:
    """Facts with another week that the report is about."""
    periods = [replace(each, **changes) if each.day == told.day else each for each in told.periods]  # type: ignore[arg-type]
    return replace(told, periods=periods)


def test_summary() -> None:
    """The summary says what is expected, how good that was so far, and who grows and shrinks."""
    told = facts()
    expected = [
        "Next week, 31 October 2025: 2.1 million expected, 2.1% more than the same week last year.",
        "The last 8 forecasts were off by 3.1% on average; the same week last year would have been off by 5.0%, so the"
        " model's error is 38% smaller.",
        "Against the same week last year, store 4 is expected to grow most (+0.4%), store 1 to grow least (+0.1%).",
    ]

    assert expected == _summary.sentences(told)


def test_missing_forecasts_are_counted() -> None:
    """Forecasts that are NULL are said to be missing, and the comparison says what it is of."""
    told = _summary.sentences(with_period(facts(), missing=1, forecasts=5, paired=3))

    assert told[0].endswith("2.1% more than the same week last year (3 stores compared, which have both).")
    assert told[1] == "1 of 5 stores has no forecast, because the model gave no value; the total is without them."


def test_all_forecasts_missing() -> None:
    """Without a single value there is no total."""
    told = _summary.sentences(with_period(facts(), expected=None, missing=4))

    assert told[0] == "Next week, 31 October 2025: there is no forecast; the model gave no value."


def test_nothing_to_compare_with() -> None:
    """Without a year of history there is no comparison, and it is said."""
    told = _summary.sentences(with_period(facts(), paired_expected=None, paired_last_year=None, paired=0))

    assert told[0] == (
        "Next week, 31 October 2025: 2.1 million expected. There is nothing to compare it with: the history does not"
        " have the same week last year."
    )


def test_a_past_forecast_is_told_as_such() -> None:
    """Where every forecast is of a week that is known, the last one is told of with what came of it."""
    told = facts()
    past = replace(told, day=NEXT - timedelta(days=7), periods=told.periods[:-1])
    sentences = _summary.sentences(past)

    assert sentences[0].startswith("Week of 24 October 2025: ")
    assert sentences[1].startswith("Known by now for that week: 2.1 million. There is no forecast of a later week.")


def test_a_later_week_is_not_the_next() -> None:
    """Next week is the one after the last that is known; others are named by their date."""
    assert _summary.step_title(replace(facts(), latest=NEXT - timedelta(days=14))) == "Week of 31 October 2025"


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        (0.062, ", so the model's error is 50% smaller."),
        (0.031, ", which is the same."),
        (0.02, ", which is better than the model."),
    ],
)
def test_verdict(baseline: float, expected: str) -> None:
    """The baseline may be worse, as good or better, and the page says so."""
    told = facts()
    periods = [replace(each, baseline_error=baseline) for each in told.periods]

    assert _summary.sentences(replace(told, periods=periods))[1].endswith(expected)


def test_without_past_forecasts_the_held_out_weeks_are_told() -> None:
    """Where no forecast has come true yet, the run's own metric is told, if MLflow has it."""
    told = facts(judged=0)
    expected = (
        "No past forecast can be compared with actual weekly sales yet. On the 8 weeks of the history that were held"
        " back when it was trained, the model was off by 3.4%."
    )

    assert expected in _summary.sentences(told)
    assert expected.partition(" On ")[0] in _summary.sentences(replace(told, origins=[replace(ORIGIN, metrics={})]))


def test_one_store_has_no_ends() -> None:
    """Of a single store nobody says that it grows most."""
    told = replace(facts(["1"]), changes=Ranks())

    assert all("grow" not in each for each in _summary.sentences(told))


@pytest.mark.parametrize(
    ("apart", "expected"), [(7, _facts.WEEK), (1, _facts.DAY), (30, _facts.MONTH), (10, _facts.OTHER)]
)
def test_step(apart: int, expected: _facts.Step) -> None:
    """The most common distance between dates says what a step is, whatever is missing in between."""
    days = [date(2024, 1, 5) + timedelta(days=apart * at) for at in range(12) if at != 5]

    assert expected == step_of(days)


def test_other_steps_have_no_season() -> None:
    """Where no year can be counted back, it is said instead of compared."""
    told = with_period(replace(facts(), step=_facts.OTHER), paired_expected=None, paired_last_year=None)

    assert "no same time last year" in _summary.sentences(told)[0]
