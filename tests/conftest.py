"""Fixtures for all tests: golden texts, the real data file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REAL_SALES = HERE.parent.parent / "shared" / "data" / "walmart_weekly_sales.csv"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden texts instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with ``tests/golden/<name>``, or write it there with ``--update-golden``."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        expected = path.read_text(encoding="utf-8")

        assert expected == text + "\n"

    return compare


@pytest.fixture(scope="session")
def real_sales() -> Path:
    """The weekly sales of 45 real stores, kept beside the project's folder."""
    if not REAL_SALES.exists():
        pytest.skip(f"the real data file is not there: {REAL_SALES}")
    return REAL_SALES
