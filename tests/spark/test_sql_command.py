"""``lakepredict sql``: results in each format, scripts, and the prompt."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from threading import Timer

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from lakepredict.cli._results import Runner
from lakepredict.cli._split import UnfinishedError, split, tokens
from lakepredict.errors import RepeatedColumnsError
from lakepredict.lakehouse import Folder
from test_cluster import plain_environment

TYPES = """
SELECT 7Y AS byte, 9223372036854775807 AS long, 0.10BD AS dec, 1e300D AS big, float(0.1) AS single,
  double('NaN') AS nan, true AS yes, 'a "b", c' AS text, '' AS empty, NULL AS nothing, X'1F2A' AS bytes,
  DATE '2025-10-31' AS day, TIMESTAMP '2025-10-31 06:00:00.5' AS moment,
  TIMESTAMP_NTZ '2025-10-31 06:00:00' AS local, TIME '06:00:00' AS clock,
  INTERVAL '1-2' YEAR TO MONTH AS years, array(1.5D, NULL) AS list, map(DATE '2025-10-31', 1.50BD) AS lookup,
  named_struct('a', TIMESTAMP '9999-12-31 15:59:59.999999', 'b', array(X'00')) AS nested,
  parse_json('{"a": [1, null]}') AS loose, DATE '0001-01-01' - INTERVAL 2 YEAR AS early
"""
"""A value of each type."""


@pytest.fixture
def run(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs statements and returns what is printed."""

    def printed(text: str, style: str) -> str:
        runner = Runner(spark, style, Console(file=io.StringIO()))
        capsys.readouterr()
        for each in split(text):
            runner.run(each)
        return capsys.readouterr().out

    return printed


@pytest.mark.parametrize("style", ["table", "csv", "json"])
def test_types(run: Callable[..., str], golden: Callable[[str, str], None], style: str) -> None:
    """A value of each type is printed so that it is still the same."""
    golden(f"cli/sql_types_{style}.txt", run(TYPES, style).rstrip())


def test_json_is_read_as_it_was(run: Callable[..., str]) -> None:
    """DECIMAL keeps its digits, and a row is an object on a line of its own."""
    rows = [
        json.loads(line, parse_float=Decimal) for line in run("SELECT 0.10BD a UNION ALL SELECT 2", "json").splitlines()
    ]

    assert sorted(str(row["a"]) for row in rows) == ["0.10", "2.00"]


@pytest.mark.usefixtures("models", "sales")
def test_predictions(run: Callable[..., str]) -> None:
    """PREDICT and TRY_PREDICT are there, in a script with temporary views and a BEGIN block."""
    script = """
        CREATE TEMPORARY VIEW scored AS SELECT id, PREDICT('revenue', 'stable', *) AS p FROM sales; -- a view
        BEGIN
          DECLARE least DOUBLE DEFAULT 50;
          SELECT id, round(p) AS p, round(TRY_PREDICT('revenue', 2, price, visits)) AS q
          FROM scored JOIN sales USING (id) WHERE p > least ORDER BY id;
        END;
        DROP VIEW scored"""
    rows = list(csv.DictReader(io.StringIO(run(script, "csv"))))

    assert rows == [
        {"id": "3", "p": "68.0", "q": "680.0"},
        {"id": "4", "p": "96.0", "q": "960.0"},
        {"id": "5", "p": "132.0", "q": "1320.0"},
    ]


def test_all_rows(run: Callable[..., str]) -> None:
    """CSV and JSON have all rows, in their order; a table has a thousand, and says that there are more."""
    query = "SELECT id, id % 7 AS day FROM range(0, 2500, 1, 3) ORDER BY id"
    table = run(query, "table")

    assert [row["id"] for row in csv.DictReader(io.StringIO(run(query, "csv")))] == [str(each) for each in range(2500)]
    assert [json.loads(line)["id"] for line in run(query, "json").splitlines()] == list(range(2500))
    assert len(re.findall(r"^│ +\d+ │", table, re.MULTILINE)) == 1000
    assert "the first 1,000 rows" in table


def test_no_rows(run: Callable[..., str]) -> None:
    """A query without rows has a line of names in CSV, nothing in JSON, and a caption in a table."""
    query = "SELECT 1 AS a, 2 AS b WHERE false"

    assert run(query, "csv") == "a,b\n"
    assert run(query, "json") == ""
    assert "no rows" in run(query, "table")


def test_reports_are_no_rows(run: Callable[..., str]) -> None:
    """What SET and UPDATE report is printed in tables alone; results of CSV have an empty line between them."""
    script = """
        CREATE TABLE reported AS SELECT 1 AS a; SET spark.sql.shuffle.partitions = 2; UPDATE reported SET a = 2;
        SELECT a FROM reported; SELECT a + 1 AS b FROM reported; DROP TABLE reported"""

    assert run(script, "csv") == "a\n2\n\nb\n3\n"
    assert run("CREATE TABLE reported AS SELECT 1 AS a", "table") == ""
    assert "num_affected_rows" in run("UPDATE reported SET a = 2; DROP TABLE reported", "table")


def test_plan_as_it_is(run: Callable[..., str]) -> None:
    """A plan has no box around it, and its lines are not broken."""
    plan = run("EXPLAIN SELECT id FROM range(3)", "table")

    assert plan.startswith("== Physical Plan ==\n")
    assert "│" not in plan


def test_columns_of_one_name(run: Callable[..., str]) -> None:
    """They can be read in a table and in CSV; as keys of JSON one would hide the other."""
    assert run("SELECT 1 AS a, 2 AS a", "csv") == "a,a\n1,2\n"
    with pytest.raises(RepeatedColumnsError, match="several columns `a`"):
        run("SELECT 1 AS a, 2 AS a", "json")


def test_text_is_not_obeyed(run: Callable[..., str]) -> None:
    """What rich or a terminal would take for a command is shown."""
    assert "[bold]x\\x1b[31m\\n" in run("SELECT '[bold]x\\u001b[31m\\n' AS a", "table")


def test_too_wide(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, run: Callable[..., str]) -> None:
    """On a terminal that a table does not fit, rows are printed one below the other, and no number is broken."""
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    wide = ", ".join(f"1234567890{at}L AS number_{at}" for at in range(9))
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", run(f"SELECT {wide}", "table"))
    folded = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", run("SELECT repeat('word ', 30) AS a, 12345678 AS b", "table"))

    assert shown.splitlines()[0] == "row 1"
    assert re.search(r"number_8 +12345678908", shown)
    assert "12345678 │" in folded
    assert max(map(len, folded.splitlines())) <= 60


def test_ctrl_c_cancels_the_query(spark: SparkSession, run: Callable[..., str]) -> None:
    """An interrupt ends a query that runs, and its jobs; the next one runs as ever."""
    Timer(3.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run("SELECT sum(sqrt(id)) FROM range(1000000000000)", "csv")
    took = time.monotonic() - begun

    assert 2 < took < 30
    assert spark.sparkContext.statusTracker().getActiveJobsIds() == []
    assert run("SELECT 1 AS a", "csv") == "a\n1\n"


# --- the splitter beside Spark's own lexer and parser ---------------------------------------------------------

TEXTS = [
    r"SELECT 'it\';s', '\\', r'\', R"
    r'"\d", "a\"b;", `a``;b`, x.`end` -- c; d' + "\n",
    "SELECT 1 /* a /* b */ ; */ , /*+ hint */ 2 -- \\\n more\n, 3; SELECT 'a''b'",
    "SELECT for'a', 1.5e3BD, a:b.c, m['k'], x -> x + 1, 'ü', `ü`, {d '2025-01-01'}",
    "SELECT /**/ 1, /***/ 2 /* /*+ */ */ , 3",
    "BEGIN a: BEGIN SELECT CASE WHEN end = 1 THEN begin END; END a; IF x > 1 THEN SET y = 2; END IF; END",
    "SELECT '-- no', \"/* no */\" -- yes '\n , `--` /* yes ' \" ` */",
]


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_sparks(spark: SparkSession, text: str) -> None:
    """Spaces and comments are where Spark's lexer has them, and so are quoted texts."""
    java = spark._jvm  # type: ignore[attr-defined]
    parser = "org.apache.spark.sql.catalyst.parser"
    upper = getattr(java, f"{parser}.UpperCaseCharStream")
    lexer = getattr(java, f"{parser}.SqlBaseLexer")(upper(java.org.antlr.v4.runtime.CharStreams.fromString(text)))
    theirs = [
        (each.getStartIndex(), each.getStopIndex() + 1) for each in lexer.getAllTokens() if each.getChannel() == 0
    ]
    ours = [(each.start, each.stop) for each in tokens(text)]
    gaps = [text[a:b] for (_, a), (b, _) in zip([(0, 0), *theirs], [*theirs, (len(text), 0)], strict=True)]
    our_gaps = [text[a:b] for (_, a), (b, _) in zip([(0, 0), *ours], [*ours, (len(text), 0)], strict=True)]

    assert [gap for gap in gaps if gap] == [gap for gap in our_gaps if gap]
    assert {each for each in theirs if text[each[0]] in "'\"`"} == {each for each in ours if text[each[0]] in "'\"`"}


SCRIPTS = [
    "BEGIN END",
    "BEGIN NOT ATOMIC SELECT 1; END",
    "BEGIN SELECT CASE WHEN true THEN 1 ELSE 2 END AS end; END",
    "BEGIN a: BEGIN SELECT 1; END a; END",
    "BEGIN IF true THEN SELECT 1; ELSEIF false THEN BEGIN SELECT 2; END; ELSE SELECT 3; END IF; END",
    "BEGIN DECLARE x INT DEFAULT 0; REPEAT SET x = x + 1; UNTIL CASE WHEN x > 2 THEN true END END REPEAT; END",
    "BEGIN CASE 1 WHEN 1 THEN SELECT CASE 1 WHEN 1 THEN 2 END; ELSE BEGIN SELECT 2; END; END CASE; END",
    "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SELECT 1; END; SELECT 2; END",
    "BEGIN FOR row AS SELECT 1 AS a DO SELECT row.a; END FOR; lbl: LOOP LEAVE lbl; END LOOP lbl; END",
    "BEGIN WHILE false DO BEGIN END; END WHILE; END",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_sparks(spark: SparkSession, script: str) -> None:
    """What Spark's parser takes as one script is one statement, and no less than all of it is."""
    parser = spark._jsparkSession.sessionState().sqlParser()  # type: ignore[attr-defined]
    parser.parsePlan(script)

    assert [each.text for each in split(f"{script}; SELECT 1")] == [script, "SELECT 1"]
    with pytest.raises(UnfinishedError):
        split(script.rpartition("END")[0])


# --- processes ------------------------------------------------------------------------------------------------


def cache() -> str:
    """Where Delta's JARs are, whatever the home is."""
    return os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


@pytest.mark.usefixtures("models", "sales")
def test_piped_script_that_fails(folder: Folder, tmp_path: Path) -> None:
    """Rows before a failure are printed, nothing after it is run; warnings and the error are on standard error."""
    script = (
        f"CREATE TABLE passing (x INT) USING csv LOCATION '{tmp_path}';"
        "-- scores\nSET a.b = 1; SELECT id, round(PREDICT('revenue', 1, *)) p FROM sales\nWHERE id < 3 ORDER BY id;\n"
        "SELECT\n  nosuch\nFROM sales;\n\nCREATE TABLE never AS SELECT 1 AS a;\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "lakepredict.cli", "sql", "--lakehouse", folder.root, "--format", "csv"],
        env=plain_environment(),
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stdout) == (1, "id,p\n1,22.0\n2,44.0\n")
    warning, error = done.stderr.split("\n", 1)
    assert warning.startswith("Warning: the table default.passing is no Delta table: it ends with this process")
    assert error.startswith("Error: <stdin>:4: [UNRESOLVED_COLUMN.WITH_SUGGESTION] ")
    assert done.stderr.rstrip().endswith("; line 5 pos 2")
    assert not Path(folder.tables, "never").exists()


class Terminal:
    """A prompt in a terminal, which a test reads and types at."""

    def __init__(self, process: int, terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self.seen = ""

    def type(self, text: str) -> None:
        """Press the keys of a text; a line ends with Enter."""
        os.write(self._terminal, text.replace("\n", "\r").encode())

    def wait(self, pattern: str, seconds: float = 60) -> str:
        """Read until a pattern is seen, and return what came before its end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.seen)
            if found:
                before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
                return before
            if select.select([self._terminal], [], [], 0.2)[0]:
                text = os.read(self._terminal, 65536).decode("utf-8", "replace")
                self.seen += re.sub(r"\x1b\[[\d;?]*[a-zA-Z]|\r", "", text)
        raise TimeoutError(f"no {pattern} in {self.seen!r}")


@pytest.fixture
def terminal(folder: Folder, tmp_path: Path) -> Iterator[Terminal]:
    """``lakepredict sql`` at a terminal."""
    environment = {
        **plain_environment(),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": cache(),
        "TERM": "xterm",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    environment.pop("XDG_STATE_HOME", None)
    arguments = [sys.executable, "-m", "lakepredict.cli", "sql", "--lakehouse", folder.root]
    process, file = pty.fork()
    if process == 0:
        os.execve(sys.executable, arguments, environment)
    yield Terminal(process, file)
    try:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    except ProcessLookupError:
        pass  # it has ended and was waited for
    os.close(file)


@pytest.mark.usefixtures("models", "sales")
def test_prompt(terminal: Terminal, tmp_path: Path) -> None:
    """A statement may have several lines; neither an error nor Ctrl-C ends the prompt; secrets are not kept."""
    terminal.wait("Ctrl-C cancels what runs")
    terminal.wait("lakepredict>")
    terminal.type("SELECT round(PREDICT('revenue', 1,\n")
    terminal.wait(r"\.\.\.>")
    terminal.type("price, visits)) AS p FROM sales WHERE id = 1;\n")
    assert "22.0" in terminal.wait("1 row, ")
    terminal.type("SELECT nosuch;\n")
    terminal.wait(r"Error: \[UNRESOLVED_COLUMN")
    terminal.type("SELECT sum(sqrt(id)) FROM range(1000000000000);\n")
    time.sleep(3)
    terminal.type("\x03")
    terminal.wait("Cancelled", 20)
    terminal.type("SET my.password = 'hush'; SELECT 41 + 1 AS a;\n")
    assert "42" in terminal.wait(r"42(.|\n)*1 row, ")
    terminal.type("not this\x03")
    terminal.type("quit\n")
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.process, 0)[1]) == 0
    history = tmp_path / ".local" / "state" / "lakepredict" / "sql_history"

    assert "SELECT nosuch;" in history.read_text()
    assert "hush" not in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600
