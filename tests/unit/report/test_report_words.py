"""Numbers, dates and names as people read them."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from lakepredict.report import _words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (47_123_456.0, "47.1 million"),
        (999_960_000.0, "1.0 billion"),
        (999_940_000.0, "999.9 million"),
        (2_345_678_901.0, "2.3 billion"),
        (608_845.4, "608,845"),
        (-1_500_000.0, "\N{MINUS SIGN}1.5 million"),
        (0.0, "0"),
    ],
)
def test_numbers_in_sentences(value: float, expected: str) -> None:
    """Millions and billions are words, also what rounds up to them; smaller numbers are written out."""
    assert expected == _words.long(value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([47e6, 3.0], 0), ([100.0], 0), ([42.0], 1), ([3.5], 2), ([0.25], 3), ([None, 0.0], 0), ([], 0)],
)
def test_decimals_follow_the_largest_number(values: list[float | None], expected: int) -> None:
    """Numbers below a hundred get the decimals that three digits need."""
    assert expected == _words.decimals_for(values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.021, "2.1% more than"),
        (-0.08, "8.0% less than"),
        (0.0004, "about as much as"),
        (-0.0004, "about as much as"),
        (12.0, "1,200.0% more than"),
    ],
)
def test_changes_in_sentences(value: float, expected: str) -> None:
    """A change is more or less, and what rounds to nothing is neither."""
    assert expected == _words.more(value)


def test_signs() -> None:
    """A change has its sign, a true minus, and none where it rounds to zero; what is not known is a dash."""
    told = [_words.signed(each) for each in (0.021, -0.08, -0.0001, None)]

    assert told == ["+2.1%", "\N{MINUS SIGN}8.0%", "0.0%", _words.NOTHING]


def test_dates() -> None:
    """Dates are spelled out, times say that they are UTC."""
    assert _words.spelled(date(2025, 1, 3)) == "3 January 2025"
    assert _words.moment(datetime(2025, 1, 3, 6, 5, tzinfo=timezone.utc)) == "3 January 2025, 06:05 UTC"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("store",), ("store", "stores")),
        (("City",), ("city", "cities")),
        (("sales_branch",), ("sales branch", "sales branches")),
        (("day",), ("day", "days")),
        (("store", "dept"), ("series", "series")),
    ],
)
def test_nouns(key: tuple[str, ...], expected: tuple[str, str]) -> None:
    """Series are called as the column that tells them apart."""
    assert expected == _words.nouns(key)


def test_long_names_are_cut() -> None:
    """A name that is too long keeps its beginning and its end."""
    assert _words.cut("Springfield 12", 9) == "Sprin\N{HORIZONTAL ELLIPSIS}12"
    assert _words.cut("Springfield", 11) == "Springfield"
