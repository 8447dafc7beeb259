"""How a command ends that is interrupted, or that loses its Java process, its memory or its disk: in one line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, NoReturn

import click

INTERRUPTED = 130
"""The exit status of what Ctrl-C ended, as shells have it."""

_FULL = re.compile(
    r"(?:IOException|FileSystemException|FSError)\b[^\n]*No space left on device"
    r"|\[Errno 28\]|database or disk is full"
)
_NO_MEMORY = re.compile(r"java\.lang\.OutOfMemoryError(?:: ([^\n]*))?")
_SPARK_OUT_OF_MEMORY = 52
"""The status with which Spark ends a JVM that has no memory left for a task."""

_CLEAR_LINE = "\r\x1b[K\x1b[?25h"
"""Takes away a line that moves, and shows the cursor that it hid."""

_NEARLY_NOTHING = 0.01
"""A disk with less than this share of it free is taken for the one that is full."""

_AGAIN = {
    "demo": "Run it again: it begins anew.",
    "score": "Run it again: each row is scored once.",
    "report": "Run it again: a page is written as a whole, or not at all.",
    "sql": "A query can be run again; a statement that writes has written all of its rows or none, as DESCRIBE HISTORY"
    " shows.",
    "serve": "Run it again; its clients have to connect anew.",
    "password": "Run it again: a user is added as a whole, or not at all.",
}
"""Command -> whether it can simply be run again, and what has become of what it did."""

_ONLY_READS = "Run it again: it only reads."


def again(command: str) -> str:
    """Return whether a command can simply be run again."""
    return _AGAIN.get(command, _ONLY_READS)


class Command(click.Command):
    """A command that Ctrl-C ends with status 130 and a line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _interruptible(ctx):
            return super().invoke(ctx)


class Commands(click.Group):
    """Commands that Ctrl-C ends with status 130 and a line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is asked for."""
        with _interruptible(ctx):
            return super().invoke(ctx)


@contextmanager
def _interruptible(context: click.Context) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as exc:
        # A prompt of click's makes an Abort of Ctrl-C, and of the end of the input.
        if not is_interruption(exc):
            raise
        end_interrupted(context.invoked_subcommand or context.command.name or "")


def is_interruption(exc: BaseException) -> bool:
    """Tell whether an error is Ctrl-C, or came of it."""
    return any(isinstance(error, KeyboardInterrupt) for error in causes(exc))


def end_interrupted(command: str) -> NoReturn:
    """End the process as Ctrl-C does: with a line on standard error, and status 130."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not disturb the end
    click.echo(f"Interrupted. {again(command)}", err=True)
    sys.exit(INTERRUPTED)


class _EndAtOnce:
    """Ends the process at once on Ctrl-C, where nothing has to be put back."""

    def __init__(self, terminal: int, command: str) -> None:
        self._terminal = terminal
        self._command = command

    def __call__(self, number: int, frame: object) -> None:
        shown_again = _CLEAR_LINE if os.isatty(self._terminal) else ""
        os.write(self._terminal, f"{shown_again}Interrupted. {again(self._command)}\n".encode())
        os._exit(INTERRUPTED)


@contextmanager
def ending_at_once(command: str) -> Iterator[None]:
    """Have Ctrl-C end the process then and there, where nothing has to be put back.

    As an exception it may be lost: imports of large libraries have places that take any error for an answer. Where
    Ctrl-C does something else, as for a server, or nothing, as in the background of a shell, that stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    terminal = os.dup(2)  # also while what goes to standard error is sent to a log
    try:
        with _handling(_EndAtOnce(terminal, command)):
            yield
    finally:
        os.close(terminal)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt where it would end the process at once: now something has to be put back."""
    if not isinstance(signal.getsignal(signal.SIGINT), _EndAtOnce):
        yield
        return
    with _handling(signal.default_int_handler):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    if current_thread() is not main_thread():  # which alone may say what signals do
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def command_name() -> str:
    """Return the name of the command that runs, or nothing outside of commands."""
    context = click.get_current_context(silent=True)
    return (context.command.name if context else None) or ""


def causes(exc: BaseException) -> list[BaseException]:
    """Return an error and those that it came of, each once."""
    errors: list[BaseException] = []
    error: BaseException | None = exc
    while error is not None and error not in errors:
        errors.append(error)
        error = error.__cause__ or error.__context__
    return errors


def fault(exc: BaseException) -> str | None:
    """Return in a line that the Java process, the memory or the disk failed; None for any other error."""
    errors, command = causes(exc), command_name()
    context = click.get_current_context(silent=True)
    text, status = _known(errors)
    if _FULL.search(text):
        return disk_full(_full_places(context.params if context else {}), command)
    no_memory = _NO_MEMORY.search(text)
    if no_memory or status == _SPARK_OUT_OF_MEMORY:
        return out_of_memory((no_memory and no_memory[1]) or "", command)
    return None if status is None else jvm_ended(status, command)


def is_jvm_gone(exc: BaseException) -> bool:
    """Tell whether the JVM has ended, so that nothing more can be run in this process."""
    return _known(causes(exc))[1] is not None


def _known(errors: Sequence[BaseException]) -> tuple[str, int | None]:
    """Return all that errors say, and the exit status of the JVM if it has ended."""
    if "pyspark" not in sys.modules:  # then there is no JVM, and the import takes seconds
        return "\n".join(str(error) for error in errors), None
    from lakepredict import _jvm

    return "\n".join(map(_jvm.full_text, errors)), _jvm.exit_status(errors)


def _full_places(options: dict[str, Any]) -> list[Path]:
    """Return the folders on whose disk nothing is free, of those that a command writes to; all if it is none."""
    written = [options[name] for name in ("lakehouse", "output") if isinstance(options.get(name), str)]
    temporary = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0]
    places = [*dict.fromkeys(_existing(Path(place).absolute()) for place in (*written, temporary))]
    return [place for place in places if _is_full(place)] or places


def _existing(place: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(folder for folder in (place, *place.parents) if folder.is_dir())


def _is_full(place: Path) -> bool:
    usage = shutil.disk_usage(place)
    return usage.free < usage.total * _NEARLY_NOTHING


def disk_full(places: Sequence[Path], command: str) -> str:
    """Return what is said of a disk without space."""
    where = " or ".join(map(str, places))
    return f"[DISK_FULL] No space is left on the disk of {where}. Free some first. {again(command)}"


def out_of_memory(reason: str, command: str) -> str:
    """Return what is said of a JVM without memory."""
    said = f" ({reason.strip()})" if reason.strip() else ""
    return (
        f"[JVM_OUT_OF_MEMORY] Spark's Java process had too little memory{said}. Give it more first, for example with"
        f" SPARK_DRIVER_MEMORY=4g before the command. {again(command)}"
    )


def jvm_ended(status: int, command: str) -> str:
    """Return what is said of a JVM that ended by itself."""
    if status == -signal.SIGKILL:
        how = "was killed (SIGKILL), as Linux does to a large process when memory runs out"
    elif status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
    else:
        how = f"ended with status {status}"
    return f"[JVM_ENDED] Spark's Java process {how}. {again(command)}"
