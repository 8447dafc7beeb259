"""The documentation hangs together: blocks, command lines, links and the site's navigation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from mlflow.cli import cli as mlflow

from lakepredict import _job_file, _settings, job
from lakepredict.cli import main
from pages import BLOCKS, DOCS, PAGES, ROOT, Block, of_language

RUN = ("sql", "python", "bash", "yaml")
"""The languages whose blocks this module and ``tests/spark/test_docs.py`` run."""

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@each_page
def test_every_fence_is_a_block(page: Path) -> None:
    """No fence of a page escapes the tests of blocks: each begins its line and names its language."""
    fences = page.read_text("utf-8").count("```")
    found = [block for block in BLOCKS if block.page == page]

    assert fences == 2 * len(found) + 2 * sum(block.output is not None for block in found)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    """A block is run by these tests, shows a text, or has a mark: a reason, or a test that runs it and exists."""
    if block.mark == "run by":
        path, _, page = (block.reason or "").partition(" ")

        assert page == ""
        assert block.page.name in (ROOT / path).read_text("utf-8")
    else:
        assert block.mark == "not run" or block.language in (*RUN, "text")


def command_lines() -> Iterator[Any]:
    """The commands of the bash blocks, continued lines joined, without variables that are set for them."""
    for block in of_language("bash"):
        for line in block.code.replace("\\\n", " ").splitlines():
            given = shlex.split(line.partition(" | ")[0], comments=True)
            words = list(dropwhile(re.compile(r"\w+=").match, given))
            if words:
                yield pytest.param(words, id=f"{block}: {words[0]}")


@pytest.mark.parametrize("words", list(command_lines()))
def test_command_lines_are_understood(words: list[str]) -> None:
    """Each command exists, and takes the options and arguments that it is given."""
    program, *arguments = words
    if program == "make":
        assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text("utf-8")
    elif program == "spark-submit":
        assert_is_a_job(arguments)
    elif program == "pip":
        assert_is_the_package(arguments)
    else:
        group = {"lakepredict": main, "mlflow": mlflow}[Path(program).name]
        understood(group.commands[arguments[0]], arguments[1:])


def understood(command: click.Command, arguments: list[str]) -> None:
    """Have click read a command line, and do nothing; it raises what it does not understand."""
    # A command keeps the option for help that it is first asked for, and those of the group have a short one.
    command.make_context(command.name, arguments, **main.context_settings)


def assert_is_a_job(arguments: list[str]) -> None:
    """Files that spark-submit is given are there, and the job takes what comes after its own name."""
    place = arguments.index("src/lakepredict/job.py")
    files = [each for each in arguments if each.startswith(("conf/", "src/"))]

    assert [each for each in files if not (ROOT / each).exists()] == []
    understood(job.main, arguments[place + 1 :])


def assert_is_the_package(arguments: list[str]) -> None:
    """Of what pip is to install, lakepredict has the extras that are named."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    name, _, extra = arguments[-1].partition("[")

    assert (arguments[0], name) == ("install", "lakepredict")
    assert not extra or f"\n{extra.removesuffix(']')} = [" in project


@pytest.mark.parametrize("block", of_language("yaml"), ids=str)
def test_jobs_are_jobs(block: Block, tmp_path: Path) -> None:
    """Each block of YAML is a scoring job."""
    path = tmp_path / "job.yaml"
    path.write_text(block.code)

    assert _job_file.load(path).model == "sales_forecast"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in _HEADING.findall(text)}


def links(page: Path) -> list[str]:
    """The links of a page to others of the project, and within it."""
    text = _CODE.sub("`...`", _FENCED.sub("", page.read_text("utf-8")))
    return [each for each in _LINK.findall(text) if "://" not in each]


def test_links_are_found() -> None:
    """There are many links, or the next test shows nothing."""
    assert sum(len(links(page)) for page in PAGES) > 50


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and each anchor to a heading of it."""
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    """The site's navigation has each page of docs/ once, and nothing else."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))

    assert sorted(pages_of(site["nav"])) == sorted(page.name for page in DOCS.glob("*.md"))


def pages_of(entries: Any) -> Iterator[str]:
    """The files that a navigation, or a part of it, names."""
    if isinstance(entries, str):
        yield entries
    else:
        for each in entries.values() if isinstance(entries, dict) else entries:
            yield from pages_of(each)


def test_every_setting_is_in_the_reference() -> None:
    """docs/sql.md has a row for each setting that PREDICT obeys, and for no other."""
    known = re.findall(r'get\("(spark\.lakepredict\.\w+)"', Path(_settings.__file__).read_text("utf-8"))
    rows = re.findall(r"^\| `(spark\.lakepredict\.\w+)`", (DOCS / "sql.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(rows) == sorted(known)
