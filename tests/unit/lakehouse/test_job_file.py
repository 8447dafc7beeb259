"""Scoring jobs as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lakepredict import _job_file
from lakepredict.errors import JobInvalidError
from lakepredict.lakehouse._plan import Job

EXAMPLE = Path(__file__).parents[3] / "conf" / "score_weekly_sales.yaml"
TEXT = """\
model: sales_forecast
version: champion
input: {query: "SELECT * FROM weekly"}
output:
  table: forecast
  key: [store, week]
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Write a file and return its name."""

    def written(text: str) -> str:
        path = tmp_path / "job.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def test_the_example() -> None:
    """The example in conf/ is a job."""
    assert _job_file.load(EXAMPLE) == Job(
        model="sales_forecast",
        version="champion",
        input="next_week",
        output="sales_forecast",
        key=("store", "week"),
        mode="merge",
        prediction="forecast",
    )


def test_changes_on_the_command_line(write: Callable[[str], str]) -> None:
    """--set replaces a value, and adds one, with the types of YAML."""
    changes = ["version=3", "output.mode=merge", "output.key=store", "batch=2026-11-24", "output.column_mapping=true"]
    job = _job_file.load(write(TEXT), changes)

    assert (job.version, job.mode, job.key, job.batch) == (3, "merge", ("store",), "2026-11-24")
    assert job.column_mapping is True


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "model: sales_forecast",
            "modle: sales_forecast",
            "line 1: modle: there is no such key; did you mean `model`?",
        ),
        ("model: sales_forecast\n", "", "line 1: model: Field required"),
        ("  table: forecast", "  table: forecast\n  mode: upsert", "line 6: output.mode: Input should be 'append'"),
        ("key: [store, week]", "key: {a: 1}", "line 6: output.key: Input should be a valid list"),
        ("key: [store, week]", "key: [store, Store]", "names that differ in more than upper and lower case"),
        ("key: [store, week]", "keys: [store]", "in output: table, mode, key"),
        ('{query: "SELECT * FROM weekly"}', "{}", "line 3: input: say either table or query"),
        ("version: champion", "version: champion\nversion: 2", "line 3: the key version is there twice"),
        ("version: champion", "version: 'champion", ": found unexpected end of stream"),
        ("version: champion", "version champion", "line 3: could not find expected ':'"),
        ("version: champion", "version: [champion", "line 3"),
        (TEXT, "- a", "keys and values"),
        (TEXT, "", "keys and values"),
        ("  key: [store, week]", "  mode: merge", "give key"),
    ],
)
def test_wrong_files(write: Callable[[str], str], old: str, new: str, told: str) -> None:
    """What is wrong is named with its line, and what would be right."""
    with pytest.raises(JobInvalidError) as caught:
        _job_file.load(write(TEXT.replace(old, new)))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("output.mdoe=append", "--set output.mdoe=append: output.mdoe: there is no such key"),
        ("output.mode=upsert", "--set output.mode=upsert: output.mode: Input should be"),
        ("version", "--set key=value"),
        ("version=[", "put it in quotes"),
    ],
)
def test_wrong_changes(write: Callable[[str], str], change: str, told: str) -> None:
    """A wrong change is named as it was given."""
    with pytest.raises(JobInvalidError) as caught:
        _job_file.load(write(TEXT), [change])

    assert told in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(JobInvalidError, match=r"nope\.yaml"):
        _job_file.load(tmp_path / "nope.yaml")
