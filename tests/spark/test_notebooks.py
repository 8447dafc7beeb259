"""The notebooks run from top to bottom, one after the other, in a lakehouse of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from test_cluster import plain_environment

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each notebook after it ran, in a kernel of its own, on the lakehouse that the one before left."""
    folder = tmp_path_factory.mktemp("notebooks")
    environment = {**plain_environment(), "PYSPARK_PYTHON": sys.executable}
    done = {}
    for path in NOTEBOOKS:
        client = NotebookClient(nbformat.read(path, as_version=4), timeout=300, kernel_name="python3")
        done[path.name] = client.execute(cwd=str(folder), env=environment)
    return done


def texts(notebook: Any) -> list[str]:
    """What each cell shows, as plain text."""
    return [
        str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    """The repository has the cells alone."""
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]

    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * len(cells)


def test_they_run(executed: dict[str, Any]) -> None:
    """All cells run, and the last notebook leaves a forecast, its accuracy and a page."""
    first, second, third = (" ".join(texts(each)) for each in executed.values())

    assert "('sklearn_boosting', 1)" in first
    assert "PREDICT_COLUMN_SWAPPED" in second
    assert "[('scored', 360), ('scored', 45)]" in third
    assert "nothing new" in third


def test_what_is_shown_is_html_as_well(executed: dict[str, Any]) -> None:
    """A statement under %%sql is shown as a table."""
    pages = [
        output["data"]["text/html"]
        for cell in executed["02_predict_in_sql.ipynb"].cells
        if str(cell.source).startswith("%%sql")
        for output in cell.get("outputs", [])
        if "data" in output
    ]

    assert len(pages) >= 4
    assert pages[0].startswith("<table><thead><tr><th>store</th><th>week</th><th>forecast</th>")
