"""The page as text: complete, escaped, bounded, and with a policy that fits its scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_facts import NEXT, facts

from lakepredict.cli import main
from lakepredict.errors import ReportFileError
from lakepredict.report import _facts, _figures, _page, _tables, _words
from lakepredict.report._facts import Member, Point
from lakepredict.report._frames import name_of
from lakepredict.report._write import checked_path, put

HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "<!--", "a & b \u2028 'c' \"d\""]


class Parsed(HTMLParser):
    """What an HTML parser finds: scripts, the policy, tags, and the text of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.data = ""
        self.policy = ""
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "meta" and dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = str(dict(attrs)["content"])
        if tag in ("th", "td", "option"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            self.data += data
        elif tag == "script" and self.cdata_elem:
            self.scripts.append(data)
        elif tag in ("th", "td", "option"):
            self.cells[-1] += data


def test_policy_allows_the_scripts_of_the_page_alone() -> None:
    """Each script has its hash in the policy, and there are no more of either."""
    parsed = Parsed(_page.page(facts()))
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in parsed.scripts]

    assert re.findall(r"'sha256-([^']+)'", parsed.policy) == hashes
    assert len(hashes) == 3
    assert parsed.policy.startswith("default-src 'none'; script-src 'sha256-")


def test_page_names_no_other_place() -> None:
    """Nothing in the page has an address that a browser would load."""
    tags = Parsed(_page.page(facts())).tags

    assert [tag for tag, _ in tags if tag in ("link", "img", "iframe", "base", "object", "form")] == []
    assert all(attributes.get("href", "#").startswith("#") for _, attributes in tags)
    assert all("src" not in attributes for _, attributes in tags)


def test_what_comes_from_data_is_text() -> None:
    """Names, titles and columns that look like HTML are shown as they are, and close no element."""
    told = facts([*HOSTILE, "4"], title=HOSTILE[0], measure=HOSTILE[1], forecast_table=HOSTILE[2], key=(HOSTILE[1],))
    parsed = Parsed(_page.page(told))

    assert len(parsed.scripts) == 3
    assert all(tag != "img" for tag, _ in parsed.tags)
    assert set(HOSTILE) <= set(parsed.cells)
    assert [each["title"] for each in json.loads(parsed.data)["members"]][-1] == f"{HOSTILE[1]} 4"


def test_charts_take_no_html_from_names() -> None:
    """Plotly reads HTML in labels, so names are escaped there, cut, and still told apart."""
    names = ["<b>x</b>", "same name up to the last letters 1", "same name up to the last letters 2"]
    members = [Member(name, expected=2.0, last_year=1.0) for name in names]
    figure = _figures.changes(facts(changes=_facts.Ranks(members)))
    labels = figure["data"][0]["y"]

    assert labels[-1].startswith("&lt;b&gt;x&lt;/b&gt;")
    assert len(set(labels)) == 3


def test_size_is_bounded() -> None:
    """Five hundred stores with two years of history take 3 MB besides plotly.js."""
    told = facts([f"Store number {at}" for at in range(500)], weeks=300)
    size = len(_page.page(told).encode())

    assert size - len(_page._plotly().encode()) < 3e6


def test_history_is_bounded() -> None:
    """A report shows the last steps of a long history, and all forecasts ahead."""
    told = facts(weeks=300)
    days = json.loads(Parsed(_page.page(told)).data)["days"]

    assert len(days) == _facts.WEEK.shown + 1
    assert days[-1] == NEXT.isoformat()
    assert len(_tables.total(told).rows) == len(days)


def test_missing_forecasts_are_shown_as_missing() -> None:
    """A NULL is a word in tables, a gap in charts, and is named in the data for the chooser."""
    told = facts()
    first = replace(told.members[0], expected=None)
    series = {**told.series, "1": {**told.series["1"], NEXT: Point(missing=True)}}
    told = replace(told, members=[*told.members[1:], first], series=series)
    last = json.loads(Parsed(_page.page(told)).data)["members"][-1]

    assert _tables.members(told).rows[-1][1] == _words.MISSING
    assert _tables.one(told, first).rows[0] == [NEXT.isoformat(), _words.NOTHING, _words.MISSING]
    assert (last["forecast"][-1], last["missing"]) == (None, [len(last["forecast"]) - 1])


def test_others_are_summed_up() -> None:
    """Of thousands of stores the largest are shown, the rest is one line, and the sum is of all."""
    told = facts(member_count=5000)
    foot = _tables.members(told).foot

    assert [row[0] for row in foot] == ["4,996 others", "All 5,000"]
    assert "The 4 stores with the largest forecasts; 4,996 others" in _page.page(told)


def test_without_errors_there_is_no_chart_of_them() -> None:
    """Where nothing could be compared, a sentence takes the chart's place."""
    told = facts(judged=0, errors=_facts.Ranks())
    charts = [
        attributes["data-figure"] for _, attributes in Parsed(_page.page(told)).tags if "data-figure" in attributes
    ]

    assert charts == ["total", "store", "changes"]


def test_words_of_the_page(golden: Callable[[str, str], None]) -> None:
    """The page in words, without scripts and styles."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", _page.page(facts(weeks=3, judged=2)), flags=re.DOTALL)
    words = re.sub(r"<(?:th|td)\b[^>]*>", " | ", text)
    words = re.sub(r"<[^>]+>", "", words)

    golden("report/page.txt", "\n".join(line.strip() for line in words.splitlines() if line.strip()))


def test_names_of_keys_are_told_apart() -> None:
    """Keys of several columns have one name each, also where their values have the separator in them."""
    keys = [("1", "2"), ("1 / 2", None), ("1", None), ("(none)", "x"), (None, "x")]
    names = [name_of(key) for key in keys]  # type: ignore[arg-type]

    assert names == ["1 / 2", '"1 / 2" / (none)', "1 / (none)", '"(none)" / x', "(none) / x"]


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    """The file is written beside and put in its place; nothing else is left."""
    path = tmp_path / "report.html"
    path.write_text("old")
    put(path, "new")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_not_left(tmp_path: Path) -> None:
    """Where the file cannot be put in its place, the error says so and no other file is left."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(ReportFileError, match="IsADirectoryError"):
        put(tmp_path / "report.html", "new")

    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("name", ["", "nowhere/report.html"])
def test_bad_place(tmp_path: Path, golden: Callable[[str, str], None], name: str) -> None:
    """A folder, or a file in none, is refused before anything is read."""
    with pytest.raises(ReportFileError) as caught:
        checked_path(tmp_path / name)

    golden(
        f"report/file_{'folder' if not name else 'nowhere'}.txt", str(caught.value).replace(str(tmp_path), "<folder>")
    )


def test_command_refuses_a_bad_place_first(tmp_path: Path) -> None:
    """The command ends with status 1 before Spark starts, and makes no lakehouse."""
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--lakehouse", str(tmp_path / "lakehouse")])

    assert result.exit_code == 1
    assert "[REPORT_FILE_UNWRITABLE]" in result.output
    assert list(tmp_path.iterdir()) == []
