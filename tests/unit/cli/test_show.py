"""How commands show facts."""

from __future__ import annotations

import pytest
from rich.console import Console

from lakepredict.cli import _show


@pytest.mark.parametrize(
    ("flavors", "expected"), [([], "python_function"), (["sklearn", "xgboost"], "sklearn, xgboost")]
)
def test_flavors_of_a_version(flavors: list[str], expected: str) -> None:
    """The forms of a version stand after its number; one that is a Python function alone says so."""
    shown = {
        "version": 1,
        "flavors": flavors,
        "result": "DOUBLE",
        "inputs": [{"name": "x", "type": "DOUBLE", "required": True}],
        "predict": "SELECT PREDICT('m', 1, *) FROM t",
        "notes": [],
    }
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        for part in _show._version(shown):
            console.print(part)

    assert f"version 1 ({expected}) gives DOUBLE" in captured.get()
