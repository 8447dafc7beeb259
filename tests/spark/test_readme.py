"""The README is true: its code runs, and its output is what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakepredict.cli import main
from lakepredict.lakehouse import Folder

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(found.group(1), found.group(2)) for found in BLOCK.finditer(README.read_text("utf-8"))]
QUERIES = [index for index, (language, _) in enumerate(BLOCKS) if language == "sql"]


@pytest.mark.usefixtures("outcomes")
@pytest.mark.parametrize("index", QUERIES)
def test_sql_and_its_output(
    spark: SparkSession, index: int, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each SQL block gives the output in the block after it."""
    capsys.readouterr()
    spark.sql(BLOCKS[index][1]).show()
    shown = capsys.readouterr().out.strip() + "\n"
    if request.config.getoption("--update-golden"):
        query = BLOCKS[index][1]
        text = README.read_text("utf-8")
        after = text.index(query) + len(query) + len("```\n\n```text\n")
        README.write_text(text[:after] + shown + text[text.index("```\n", after) :], "utf-8")
        return

    assert BLOCKS[index + 1] == ("text", shown)


@pytest.mark.usefixtures("outcomes")
def test_python_blocks_run_one_after_the_other(
    spark: SparkSession, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python blocks make one program."""
    monkeypatch.chdir(Path(folder.root).parent)
    names: dict[str, object] = {}
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, "README.md", "exec"), names)

    assert names["spark"] is spark
    assert names["forecast"].where("forecast IS NULL").count() == 0  # type: ignore[attr-defined]


def test_commands_exist() -> None:
    """Each command in a bash block is a target of the Makefile or a command of lakepredict."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = [
        line.split("#")[0].split() for language, code in BLOCKS if language == "bash" for line in code.splitlines()
    ]

    assert commands
    for words in commands:
        if words[0] == "make":
            assert f"\n{words[1]}:" in makefile
        else:
            assert words[0] == ".venv/bin/lakepredict"
            assert words[1] in main.commands
