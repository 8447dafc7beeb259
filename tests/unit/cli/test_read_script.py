"""Where statements come from, and what is refused before Spark starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lakepredict.cli import main
from lakepredict.cli._prompt import history, history_file, is_farewell, is_kept, is_question
from lakepredict.cli._results import is_report
from lakepredict.cli._split import split
from lakepredict.cli._sql import read_script


def sql(*arguments: str, stdin: str | bytes = "") -> Result:
    """Run ``lakepredict sql``, which must not come as far as to start Spark."""
    return CliRunner().invoke(main, ["sql", "--lakehouse", "/nowhere/lakehouse", *arguments], input=stdin)


def test_file(tmp_path: Path) -> None:
    """A file's statements are read with its name, and a byte order mark is no part of them."""
    path = tmp_path / "job.sql"
    path.write_bytes("\ufeffSELECT 'ü';\r\nSELECT 2".encode())
    script = read_script(None, str(path))

    assert [each.text for each in script.statements] == ["SELECT 'ü'", "SELECT 2"]
    assert script.failed(1, "[X] no; line 1 pos 7") == f"{path}:2: [X] no; line 2 pos 7"


def test_query() -> None:
    """An argument has no name; where it has several statements, the error says which."""
    assert read_script("SELECT 1", "-").failed(0, "no; line 1 pos 7") == "no; line 1 pos 7"
    assert read_script("SELECT 1; SELECT 2", "-").failed(1, "no") == "statement 2: no"


@pytest.mark.parametrize(
    ("name", "text"),
    [("string", "SELECT 1;\nSELECT 'a;\n"), ("comment", "/* SELECT 1;"), ("begin", "BEGIN\n  SELECT 1;\n")],
)
def test_unfinished(golden: Callable[[str, str], None], tmp_path: Path, name: str, text: str) -> None:
    """A text that ends within a statement is refused with status 2 and the line, and nothing is run."""
    (tmp_path / "job.sql").write_text(text)
    result = sql("-f", str(tmp_path / "job.sql"))

    assert (result.exit_code, result.stdout) == (2, "")
    golden(f"cli/error_sql_{name}.txt", result.stderr.rstrip().replace(str(tmp_path), "<folder>"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELECT 1", "-f", "-"], "Give QUERY or --file, not both."),
        (["--format", "xml", "SELECT 1"], "'xml' is not one of 'table', 'csv', 'json'."),
        (["weekly/job.sql"], "For those in a file: lakepredict sql --file weekly/job.sql"),
        (["-f", "/nowhere/job.sql"], "File '/nowhere/job.sql' does not exist."),
    ],
)
def test_wrong_options(arguments: list[str], message: str) -> None:
    """An option that is wrong ends the command with status 2."""
    result = sql(*arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_file_that_is_no_text() -> None:
    """What is not UTF-8 is refused."""
    result = sql("-f", "-", stdin=b"SELECT '\xff'")

    assert result.exit_code == 2
    assert "invalid start byte" in result.stderr


def test_nothing_to_run() -> None:
    """A text without statements is run at once, without Spark."""
    assert (sql("/* nothing; at all */").exit_code, sql(stdin="\n;\n").exit_code) == (0, 0)


@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("SET a = 1", True),
        ("SET TIME ZONE 'UTC'", True),
        ("SET a", False),
        ("SET -v", False),
        ("merge INTO t USING s ON true WHEN MATCHED THEN DELETE", True),
        ("SELECT 1", False),
        ("WITH t AS (SELECT 1) SELECT * FROM t", False),
        ("SHOW TABLES", False),
    ],
)
def test_reports(statement: str, report: bool) -> None:
    """A statement that changes something reports it; its report is no row for a program."""
    assert is_report(split(statement)[0]) == report


@pytest.mark.parametrize(("text", "leaves"), [("quit", True), (" EXIT ; ", True), ("SELECT quit", False), ("", False)])
def test_farewell(text: str, leaves: bool) -> None:
    """quit and exit end the prompt, with or without a semicolon."""
    assert is_farewell(text) == leaves


@pytest.mark.parametrize(("text", "asks"), [("help", True), ("HELP;", True), ("SELECT help", False), ("", False)])
def test_question(text: str, asks: bool) -> None:
    """A help at the prompt is answered, with or without a semicolon."""
    assert is_question(text) == asks


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("SELECT 1;", True),
        (" SELECT 1;", False),
        ("SET spark.hadoop.fs.s3a.secret.key = 'x';", False),
        ("SET fs.azure.account.key.me = 'x';", False),
        ("SELECT 'PASSWORD';", False),
        ("SELECT access_key FROM t;", False),
        ("SELECT keyboard FROM products;", True),
    ],
)
def test_what_the_history_keeps(text: str, kept: bool) -> None:
    """Statements that look as if they had a secret, or begin with a space, are not written to the file."""
    assert is_kept(text) == kept


def test_history_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is its owner's alone, also where it was not; without one the history is in memory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    history_file().parent.mkdir()
    history_file().touch(mode=0o644)
    kept = history(history_file())
    kept.append_string("SELECT 1;")
    kept.append_string("SELECT 'my token';")
    (tmp_path / "file").touch()
    in_memory = history(tmp_path / "file" / "history")
    in_memory.append_string("SELECT 2;")

    assert history_file().stat().st_mode & 0o777 == 0o600
    assert history_file().read_text().count("+SELECT") == 1
    assert list(in_memory.get_strings()) == ["SELECT 2;"]
