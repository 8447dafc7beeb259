"""Lines of commands that are interrupted, or that lose their disk, their memory or their Java process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lakepredict.cli import _ends
from lakepredict.cli._sessions import reported
from lakepredict.errors import ReportFileError


@click.group(cls=_ends.Commands)
def program() -> None:
    """Fail in several ways."""


@program.command()
@click.argument("way")
@click.option("--lakehouse", default=".")
def score(way: str, lakehouse: str) -> None:
    """Fail."""
    with reported():
        WAYS[way]()


def _interrupted() -> None:
    raise KeyboardInterrupt


def _interrupted_and_not_undone() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise ValueError("while it was undone")


def _prompt() -> None:
    click.prompt("Name", prompt_suffix="")


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _report() -> None:
    try:
        _full()
    except OSError as exc:
        raise ReportFileError("The report cannot be written.", expected="a", got="b", hint="c") from exc


def _database() -> None:
    raise RuntimeError("(sqlite3.OperationalError) database or disk is full")


def _query() -> None:
    raise RuntimeError("[USER_RAISED_EXCEPTION] No space left on device")


WAYS: dict[str, Callable[[], None]] = {
    "interrupted": _interrupted,
    "interrupted_and_not_undone": _interrupted_and_not_undone,
    "prompt": _prompt,
    "full": _full,
    "report": _report,
    "database": _database,
    "query": _query,
}


@pytest.mark.parametrize("way", ["interrupted", "interrupted_and_not_undone"])
def test_interrupted(way: str) -> None:
    """Ctrl-C is told in a line and ends with 130, also where something fails while it is undone."""
    result = CliRunner().invoke(program, ["score", way])

    assert (result.exit_code, result.stderr) == (130, "Interrupted. Run it again: each row is scored once.\n")


def test_end_of_input_is_no_interruption() -> None:
    """A prompt that gets no answer ends as click has it."""
    result = CliRunner().invoke(program, ["score", "prompt"], input="")

    assert (result.exit_code, result.stderr) == (1, "Aborted!\n")


@pytest.mark.parametrize("way", ["full", "report", "database"])
def test_full_disk(way: str, tmp_path: Path) -> None:
    """A full disk is told in a line, whoever found it."""
    result = CliRunner().invoke(program, ["score", way, "--lakehouse", str(tmp_path / "new" / "lakehouse")])

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: [DISK_FULL] No space is left on the disk of ")
    assert result.stderr.endswith(". Free some first. Run it again: each row is scored once.\n")
    assert str(tmp_path) in result.stderr


def test_words_of_a_query_are_no_fault() -> None:
    """An error that has the words of a full disk in it, and is none, stays what it is."""
    result = CliRunner().invoke(program, ["score", "query"])

    assert isinstance(result.exception, RuntimeError)


def test_texts(golden: Callable[[str, str], None]) -> None:
    """Each line says what happened and whether to run the command again."""
    lines = [
        _ends.disk_full([Path("/data/lakehouse")], "report"),
        _ends.disk_full([Path("/data/lakehouse"), Path("/tmp")], "demo"),
        _ends.out_of_memory("Java heap space", "sql"),
        _ends.out_of_memory("", "score"),
        _ends.jvm_ended(-signal.SIGKILL, "score"),
        _ends.jvm_ended(-signal.SIGTERM, "serve"),
        _ends.jvm_ended(134, "doctor"),
    ]

    golden("cli/ends.txt", "\n".join(lines))


def heed_ctrl_c() -> None:
    """Undo what a shell does for a process in the background, which ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


READS = """
import time
from lakepredict.cli._ends import ending_at_once
with ending_at_once("runs"):
    print("ready", flush=True)
    for _ in range(600):
        try:
            time.sleep(0.1)
        except BaseException:
            pass
"""


def test_end_at_once() -> None:
    """Ctrl-C is not lost in code that takes any error for an answer."""
    process = subprocess.Popen(
        [sys.executable, "-c", READS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (130, "Interrupted. Run it again: it only reads.\n")
    assert time.monotonic() - begun < 30
