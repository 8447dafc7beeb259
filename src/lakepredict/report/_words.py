"""Numbers, dates and counts as people read them; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime

MISSING = "missing"
"""What stands for a forecast that is NULL."""

NOTHING = "\N{EN DASH}"
"""What stands where there is no value."""

MINUS = "\N{MINUS SIGN}"
_UNITS = ((1e9, "billion", "B"), (1e6, "million", "M"))


def decimals_for(values: Iterable[float | None]) -> int:
    """How many decimals numbers of this size need: none from a hundred on, more for small ones."""
    largest = max((abs(each) for each in values if each is not None), default=0.0)
    if largest >= 100 or largest == 0:
        return 0
    return min(2 - math.floor(math.log10(largest)), 6)


def number(value: float | None, decimals: int = 0, nothing: str = NOTHING) -> str:
    """A number with separators: ``1,780,828``."""
    return nothing if value is None else f"{value:,.{decimals}f}".replace("-", MINUS)


def long(value: float, decimals: int = 0) -> str:
    """A number in a sentence: ``47.1 million``."""
    return _rounded(value, decimals, 1)


def short(value: float | None, decimals: int = 0) -> str:
    """A number where there is little room: ``47.1 M``."""
    return NOTHING if value is None else _rounded(value, decimals, 2)


def _rounded(value: float, decimals: int, column: int) -> str:
    for unit in _UNITS:
        # What would be written as 1,000.0 million is a billion.
        if abs(value) >= unit[0] * 0.99995:
            return f"{value / unit[0]:,.1f} {unit[column]}".replace("-", MINUS)
    return number(value, decimals)


def percent(value: float | None) -> str:
    """A share: ``3.1%``."""
    return NOTHING if value is None else f"{_tenths(value):,.1f}%".replace("-", MINUS)


def signed(value: float | None) -> str:
    """A change: ``+2.1%``."""
    if value is None:
        return NOTHING
    tenths = _tenths(value)
    return f"{'+' if tenths > 0 else ''}{tenths:,.1f}%".replace("-", MINUS)


def more(value: float) -> str:
    """A change in a sentence: ``2.1% more than``."""
    tenths = _tenths(value)
    if tenths == 0:
        return "about as much as"
    return f"{abs(tenths):,.1f}% {'more' if tenths > 0 else 'less'} than"


def _tenths(value: float) -> float:
    """A share in percent with one decimal, and no negative zero."""
    return round(100 * value, 1) + 0.0


def spelled(day: date) -> str:
    """A date in a sentence: ``31 October 2025``."""
    return f"{day.day} {day:%B %Y}"


def moment(time: datetime) -> str:
    """A time in a sentence: ``31 October 2025, 06:00 UTC``."""
    return f"{spelled(time.date())}, {time:%H:%M} UTC"


def count(number_of: int, one: str, several: str) -> str:
    """A number of things: ``1 store``, ``1,200 stores``."""
    return f"{number_of:,} {one if number_of == 1 else several}"


def plural(noun: str) -> str:
    """The plural of a plain English noun."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def spaced(name: str) -> str:
    """The name of a column as words."""
    return " ".join(name.replace("_", " ").split())


def capital(text: str) -> str:
    """A text as it begins a line."""
    return text[:1].upper() + text[1:]


def nouns(key: tuple[str, ...]) -> tuple[str, str]:
    """What a series is called: one, and several."""
    if len(key) > 1:
        return "series", "series"
    one = spaced(key[0]).lower()
    return one, plural(one)


def called(noun: str, name: str) -> str:
    """What one series is called in a sentence: ``store 4``, and ``Store 4`` where its name says store already."""
    return name if name.lower().startswith(noun) else f"{noun} {name}"


def cut(name: str, most: int) -> str:
    """A name that fits where there is little room: its beginning and its end, by which long names differ."""
    if len(name) <= most:
        return name
    tail = most // 3
    return f"{name[: most - 1 - tail].rstrip()}\N{HORIZONTAL ELLIPSIS}{name[-tail:].lstrip()}"
