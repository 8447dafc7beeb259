"""``lakepredict sql``: statements from an argument, a file, standard input or a prompt."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

import lakepredict
from lakepredict.cli._options import lakehouse_option
from lakepredict.cli._sessions import log_of, message, print_error, quiet_session, reported, terminal_kept
from lakepredict.cli._split import Statement, UnfinishedError, split
from lakepredict.errors import StatementUnfinishedError

if TYPE_CHECKING:
    from lakepredict.cli._results import Runner

_ENDS = {
    "a string": "the quote that ends it",
    "a quoted name": "the backtick that ends it",
    "a comment": "*/, also for each comment in it",
    "a BEGIN": "END, and a semicolon after each statement before it",
}
"""What has no end -> what would end it."""

_PLACE = re.compile(r"\bline (\d+)(?=,? pos)")


@dataclass(frozen=True)
class Script:
    """Statements to be run one after the other.

    Attributes:
        name: of the file that they are in, or None.
        statements: the statements.
    """

    name: str | None
    statements: list[Statement]

    def failed(self, position: int, text: str) -> str:
        """The message of an error, with the place of the statement that it is of; lines are those of the file."""
        statement = self.statements[position]
        if self.name is not None:
            own = _PLACE.sub(lambda found: f"line {int(found[1]) + statement.line - 1}", text)
            return f"{self.name}:{statement.line}: {own}"
        return f"statement {position + 1}: {text}" if len(self.statements) > 1 else text


@click.command()
@click.argument("query", required=False)
@click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Run the statements in a file; - is standard input.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="table: for people, at most a thousand rows. csv, json: all rows, nothing else; json has an object a line.",
)
@lakehouse_option
def sql(query: str | None, path: str | None, style: str, lakehouse: str) -> None:
    """Run SQL statements on the lakehouse, PREDICT included, and print their rows.

    QUERY has one statement, or several with semicolons between them. Without QUERY and -f, statements come from
    standard input; where that is a terminal, a prompt asks for them.

    Exit status 0: all were run; 1: one failed, and none after it was run; 2: a quote, a comment or a BEGIN has no end,
    or an option is wrong, and none was run; 130: Ctrl-C.
    """
    if query is not None and path is not None:
        raise click.UsageError("Give QUERY or --file, not both.")
    if query is not None and re.fullmatch(r"\S+\.sql", query):
        raise click.UsageError(f"{query} is no statement. For those in a file: lakepredict sql --file {query}")
    script = None
    if query is not None or path is not None or not sys.stdin.isatty():
        with reported(status=2):
            script = read_script(query, path or "-")
        if not script.statements:
            return
    with terminal_kept() as terminal, quiet_session(lakehouse, terminal, absent="tell") as (spark, folder):
        from lakepredict.cli._results import Runner

        runner = Runner(spark, style, terminal)
        if script is None:
            _ask(runner, terminal, f"Spark {spark.version}, lakehouse {folder.root}")
        else:
            _run(script, runner, terminal, log_of(folder))


def read_script(query: str | None, path: str) -> Script:
    """The statements of a text, or of a file where there is no text.

    Raises:
        StatementUnfinishedError: a string, a quoted name, a comment or a BEGIN has no end.
    """
    name = None if query is not None else "<stdin>" if path == "-" else path
    text = _read(path) if query is None else query
    try:
        return Script(name, split(text))
    except UnfinishedError as exc:
        place = f"Line {exc.line}" if name is None else f"{name}:{exc.line}"
        raise StatementUnfinishedError(
            f"{place}: {exc.what} has no end.",
            expected=_ENDS[exc.what],
            got="the end of the text",
            hint="nothing was run; end it, and run all again.",
        ) from exc


def _read(path: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise click.BadParameter(f"{path}: {exc}", param_hint="--file") from exc


def _ask(runner: Runner, terminal: Console, where: str) -> None:
    from lakepredict.cli import _prompt

    terminal.print(f"lakepredict {lakepredict.__version__}, {where}", soft_wrap=True)
    terminal.print(_prompt.HELP)
    _prompt.run(runner.run, terminal)


def _run(script: Script, runner: Runner, terminal: Console, log: Path) -> None:
    """Run statements until one fails, which ends the command."""
    for position, statement in enumerate(script.statements):
        try:
            runner.run(statement)
        except Exception as exc:
            text = message(exc, log)
            if text is None:
                raise
            print_error(terminal, script.failed(position, text))
            sys.exit(1)
