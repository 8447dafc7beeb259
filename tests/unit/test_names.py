"""Names in error messages: which there are, and which was meant."""

from __future__ import annotations

from lakepredict._names import cut, likest_first, listed, suggestion

NAMES = ["churn", "sales_forecast", "Weekly_Sales"]


def test_listed() -> None:
    """None, one, some, and more than anybody reads."""
    assert listed([], "a name") == "a name"
    assert listed(["a"], "a name") == "a"
    assert listed(["a", "b"], "a name") == "one of a, b"
    assert listed(map(str, range(99)), "a name") == f"one of {', '.join(map(str, range(20)))}, ..."


def test_cut() -> None:
    """A list that nobody reads to its end says how many it leaves out."""
    assert cut([]) == ""
    assert cut(map(str, range(20))) == ", ".join(map(str, range(20)))
    assert cut(map(str, range(1500))) == f"{', '.join(map(str, range(20)))}, and 1,480 more"


def test_likest_first() -> None:
    """What is like the wrong name comes first, whatever its case; all others follow in their order."""
    assert likest_first("weekly_sale", NAMES) == ["`Weekly_Sales`", "`churn`", "`sales_forecast`"]
    assert likest_first("x", NAMES) == ["`churn`", "`sales_forecast`", "`Weekly_Sales`"]


def test_suggestion() -> None:
    """The name that was meant, or none."""
    assert suggestion("sale_forecast", NAMES) == "did you mean `sales_forecast`?"
    assert suggestion("x", NAMES) is None
