"""Runs statements one by one and prints what they give, as a table, as CSV or as JSON."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from itertools import islice
from typing import Any, TypeVar

from pyspark import InheritableThread
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from rich.console import Console

from lakepredict.cli._sessions import waiting
from lakepredict.cli._split import Statement, tokens
from lakepredict.cli._table import MOST_ROWS, print_rows
from lakepredict.cli._values import EPOCH_SECONDS, TEXT, cast_for_python, csv_line, csv_row, json_row
from lakepredict.errors import RepeatedColumnsError

_R = TypeVar("_R")
Row = Sequence[Any]

_CHUNK = 1000
"""Rows that are printed at once."""

_AGAIN = 0.5
"""Seconds after which jobs are cancelled again: those that began in the meantime."""

_REPORTS = {"UPDATE", "DELETE", "MERGE", "INSERT"}
"""Statements whose result says what they did. Rows that a program reads are not among it."""


class Runner:
    """Runs statements in a session, and prints their results on standard output.

    Args:
        spark: the session.
        style: ``table``, ``csv`` or ``json``.
        terminal: standard error, for what is not the result; where it is no terminal, nothing is told.
    """

    def __init__(self, spark: SparkSession, style: str, terminal: Console) -> None:
        self._spark = spark
        self._style = style
        self._terminal = terminal
        self._printed = False

    def run(self, statement: Statement) -> None:
        """Run a statement to its end and print its rows. Ctrl-C ends it, and its jobs, with a KeyboardInterrupt.

        Raises:
            RepeatedColumnsError: JSON is asked for, and two columns have one name.
        """
        begun = time.monotonic()
        with waiting(self._terminal, "Running ..."):
            frame = self._call(lambda: self._spark.sql(statement.text))
            if self._style == "json":
                _require_names(frame.schema)
            report = not frame.columns or (self._style != "table" and is_report(statement))
            rows, others = self._first_rows(frame, report)
        if report:
            told = _told(frame.schema, rows)
        elif self._style == "table":
            told = _count(len(rows)) if len(rows) <= MOST_ROWS else ""
            print_rows(frame.schema, rows, Console(highlight=False))
        else:
            told = _count(self._write(frame.schema, rows, others))
        if self._terminal.is_terminal:
            self._terminal.print(f"{told + ', ' if told else ''}{time.monotonic() - begun:.1f} s", style="dim")

    def _first_rows(self, frame: DataFrame, report: bool) -> tuple[list[Row], Iterator[Row]]:
        """The rows to print first, and the others, which are not computed yet."""
        if self._style == "table" or report:
            shown = cast_for_python(frame, TEXT).limit(MOST_ROWS + 1)
            return self._call(lambda: list[Row](shown.collect())), iter(())
        exact = cast_for_python(frame, EPOCH_SECONDS)
        rows = self._call(lambda: exact.toLocalIterator(prefetchPartitions=True))
        return self._call(lambda: list(islice(rows, _CHUNK))), rows

    def _write(self, schema: T.StructType, first: list[Row], others: Iterator[Row]) -> int:
        """Write rows as CSV or JSON, and return how many there were."""
        kinds = [each.dataType for each in schema.fields]
        write = json_row(schema.names, kinds) if self._style == "json" else csv_row(kinds)
        if self._style == "csv":
            # An empty line between two results, each of which has columns of its own.
            _write_lines([*([""] if self._printed else []), csv_line(schema.names)])
        self._printed = True
        rows, count = first, 0
        while rows:
            _write_lines(map(write, rows))
            count += len(rows)
            rows = self._call(lambda: list(islice(others, _CHUNK)))
        return count

    def _call(self, work: Callable[[], _R]) -> _R:
        """What ``work`` returns or raises, in a thread of its own.

        Ctrl-C would break the connection to the JVM off in the middle of an answer; so the main thread waits for
        another, and has the jobs cancelled that the other waits for.
        """
        answer: futures.Future[_R] = futures.Future()

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as exc:
                answer.set_exception(exc)

        InheritableThread(target=run, name="lakepredict-sql", daemon=True).start()
        try:
            return answer.result()
        except KeyboardInterrupt:
            while not futures.wait([answer], _AGAIN).done:
                self._spark.sparkContext.cancelAllJobs()
            raise


def is_report(statement: Statement) -> bool:
    """Whether a statement's result only says what it did: the rows that it changed, the value that it set."""
    words = [each.text for each in islice(tokens(statement.text), 1000)]
    return words[0] in _REPORTS or (words[0] == "SET" and ("=" in words or words[1:2] == ["TIME"]))


def _require_names(schema: T.StructType) -> None:
    repeated = [name for name, count in Counter(schema.names).items() if count > 1]
    if repeated:
        raise RepeatedColumnsError(
            "A result whose columns have one name cannot be JSON.",
            expected="columns of different names, which are the keys of an object",
            got=f"several columns {', '.join(f'`{name}`' for name in repeated)}",
            hint="name them with AS, or take --format csv.",
        )


def _write_lines(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _told(schema: T.StructType, rows: list[Row]) -> str:
    """What a statement without rows of its own did: ``OK, num_affected_rows = 3``."""
    facts = zip(schema.names, rows[0], strict=True) if len(rows) == 1 else ()
    return ", ".join(["OK", *(f"{name} = {value}" for name, value in facts)])


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
