"""Names in error messages: which there are, and which was meant; pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 20
"""How many names an error message lists at most."""


def listed(names: Iterable[str], none: str) -> str:
    """Names as an error message lists them, or what it says where there are none."""
    shown = list(names)
    if not shown:
        return none
    text = ", ".join(shown[:_LISTED])
    return f"one of {text}, ..." if len(shown) > _LISTED else text if len(shown) == 1 else f"one of {text}"


def cut(texts: Iterable[str]) -> str:
    """Return texts as a list of a message, of which one that is long says how many it leaves out."""
    shown = list(texts)
    if len(shown) <= _LISTED:
        return ", ".join(shown)
    return f"{', '.join(shown[:_LISTED])}, and {len(shown) - _LISTED:,} more"


def likest_first(wrong: str, names: Iterable[str]) -> list[str]:
    """The names in backticks, those like the wrong one first."""
    known = list(names)
    close = _close(wrong, known)
    return [f"`{name}`" for name in (*close, *(name for name in known if name not in close))]


def suggestion(wrong: str, names: Iterable[str]) -> str | None:
    """A hint at the name that is most like a wrong one, or None if none is."""
    close = _close(wrong, list(names))
    return f"did you mean `{close[0]}`?" if close else None


def _close(wrong: str, names: list[str]) -> list[str]:
    by_lower = {name.lower(): name for name in names}
    return [by_lower[each] for each in get_close_matches(wrong.lower(), by_lower, n=3)]
