"""What became of the JVM when something failed, and what Java says of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from subprocess import Popen, TimeoutExpired
from traceback import walk_tb
from typing import Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkContext
from pyspark.errors import PySparkException

_LAST_BREATH = 15.0
"""Seconds in which a JVM that is about to end has ended."""


def exit_status(errors: Iterable[BaseException]) -> int | None:
    """Return the exit status of the JVM that this process started, below 0 for a signal; None while it runs.

    After an error of the connection, or where Spark has stopped by itself, it is given some seconds to end. None also
    where another process started the JVM, as spark-submit does.
    """
    process: Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return None
    if process.poll() is None and (any(map(_is_of_connection, errors)) or _stopped_by_itself()):
        with suppress(TimeoutExpired):
            process.wait(_LAST_BREATH)
    return process.poll()


def _stopped_by_itself() -> bool:
    """Tell whether Spark has stopped though this process did not ask it to: its JVM is about to end."""
    context = SparkContext._active_spark_context
    if context is None:
        return False
    try:
        return bool(context._jsc.sc().isStopped())
    except (Py4JError, OSError):
        return True


def end_unfinished(exc: BaseException) -> None:
    """End the JVM that was being started when an error came, of which PySpark keeps nothing.

    It would not end by itself: it fails to write its address to a folder that is gone, and waits.
    """
    for frame, _ in walk_tb(exc.__traceback__):
        if frame.f_code.co_name == "launch_gateway":
            process: Popen[bytes] | None = frame.f_locals.get("proc")
            if process is not None:
                process.kill()
                process.wait()


def _is_of_connection(error: BaseException) -> bool:
    # A bare Py4JError is an answer that broke off.
    return isinstance(error, Py4JNetworkError | ConnectionError | EOFError) or type(error) is Py4JError


def full_text(error: BaseException) -> str:
    """Return what an error says, with Java's stack trace if it is one of Java's."""
    try:
        if isinstance(error, PySparkException):
            trace: Any = getattr(error, "_stackTrace", None)
            return str(trace or error)
        return f"{type(error).__name__}: {error}"
    except (Py4JError, OSError):
        # The text is in the JVM, which does not answer any more.
        return ""
