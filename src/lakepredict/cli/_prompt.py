"""The prompt of ``lakepredict sql``: statements over several lines, a history, and errors that do not end it."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import create_output
from pygments.lexers.sql import SqlLexer
from rich.console import Console

from lakepredict.cli import _ends
from lakepredict.cli._sessions import message, print_error
from lakepredict.cli._split import Statement, is_complete, split

PROMPT = "lakepredict> "
_CONTINUATION = "        ...> "
HELP = "A semicolon ends a statement, quit the prompt. Ctrl-C cancels what runs."
_LEAVE = {"quit", "exit"}

_SECRET = re.compile(r"secret|passw|token|credential|(access|api|account)[.\-_ ]?key", re.IGNORECASE)
"""What is in statements that the history does not keep; wider than Spark's own ``spark.redaction.regex``."""


def run(execute: Callable[[Statement], None], terminal: Console) -> None:
    """Ask for statements and run each, until ``quit``, ``exit`` or Ctrl-D.

    Ctrl-C clears what was typed; while a statement runs it ends that alone, and so does an error.
    """
    asked: PromptSession[str] = PromptSession(
        PROMPT,
        history=history(history_file()),
        multiline=True,
        key_bindings=_keys(),
        lexer=PygmentsLexer(SqlLexer),
        prompt_continuation=_CONTINUATION,
        output=create_output(stdout=cast(TextIO, terminal.file)),
    )
    while True:
        try:
            text = asked.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if is_farewell(text):
            return
        if is_question(text):
            terminal.print(f"{HELP} SHOW TABLES, SHOW FUNCTIONS and DESCRIBE say what there is.")
            continue
        _run_all(text, execute, terminal)


def _run_all(text: str, execute: Callable[[Statement], None], terminal: Console) -> None:
    try:
        for each in split(text):
            execute(each)
    except KeyboardInterrupt:
        terminal.print("Cancelled.", style="yellow")
    except Exception as exc:
        traceback.print_exc()  # goes to the log, as all that is written to standard error
        print_error(terminal, message(exc) or f"{type(exc).__name__}: {exc}")
        if _ends.is_jvm_gone(exc):
            sys.exit(1)


def is_farewell(text: str) -> bool:
    """Whether it is ``quit`` or ``exit``, with or without a semicolon."""
    return _word(text) in _LEAVE


def is_question(text: str) -> bool:
    """Whether it is ``help``, with or without a semicolon."""
    return _word(text) == "help"


def _word(text: str) -> str:
    return text.strip().rstrip("; ").lower()


def _keys() -> KeyBindings:
    """Enter runs what is complete, and begins another line otherwise."""
    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text) or is_farewell(buffer.text) or is_question(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def history_file() -> Path:
    """Where the history is kept: in the folder for the state of programs, in the user's home."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "lakepredict", "sql_history")


def history(path: Path) -> History:
    """The history in a file that only its owner reads, or in memory where there can be none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return _DiscreetHistory(str(path))


class _DiscreetHistory(FileHistory):
    """A history that does not keep statements with secrets, nor those that begin with a space."""

    def store_string(self, string: str) -> None:
        """Write a statement to the file, if it may be kept."""
        if is_kept(string):
            super().store_string(string)


def is_kept(text: str) -> bool:
    """Whether a statement goes into the history's file."""
    return not text.startswith(" ") and not _SECRET.search(text)
